"""The ways in that evidence comes by: who sends it, how much at once, cut into bodies.

Owns tokens of sources, and the bounds of what is read into memory. Whose turn it is, is
evidence/turns.py's. Everything ends in evidence/intake.py. Must not know HTTP answers.
"""

import hmac
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from django.conf import settings
from django.core.cache import cache
from redis import RedisError

from evidence import files, intake, pipeline
from evidence.formats.bodies import MEBI, BodyRefused, Readable, decompress
from evidence.models import Source
from evidence.turns import Busy, Quota, Spent, Turns, Used

__all__ = ["Busy", "Spent"]

PREFIX = "css_"
# A token's last use is kept to the minute: one write a minute, not one a request.
USED_STEP = timedelta(minutes=1)
LONGEST_TOKEN = 200

# One export request of an OpenTelemetry exporter; its collector takes 20 MiB as well.
LARGEST_BODY = 20 * MEBI
LARGEST_UNPACKED = 64 * MEBI
# One file, sent in one request; it is taken in parts and never held in memory.
LARGEST_FILE = 2048 * MEBI

# Intakes at the same time in one process: each may hold an unpacked body, and the threads that
# are left answer pages and health checks.
MOST_AT_ONCE = max(2, os.cpu_count() or 1)
# How many more wait how long for their turn before they are told to come again.
MOST_WAITING = MOST_AT_ONCE
PATIENCE_SECONDS = 0.5
# What a source may use in a minute over time, in each process: half of the turns, or this much.
QUOTA = Quota(seconds=60.0 * MOST_AT_ONCE / 2, bytes=2048 * MEBI, records=2_000_000)
SPENT_KEY = "evidence.spent."
# So long the page of sources says it after the source may come again.
SPENT_SHOWN_SECONDS = 600


class Ended(Exception):
    """The token was this source's, and its time is over."""


class TooLarge(Exception):
    """More bytes than a door takes; the sentence says how many it takes."""


def new_token() -> tuple[str, bytes]:
    """A token and its digest; 256 random bits need no slow hash."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, digest_of(token)


def digest_of(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()


def source_of(authorization: str, *, now: datetime) -> Source | None:
    """The source whose bearer token this is; None when it is nobody's. Raises Ended."""
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
        return None
    source = Source.objects.filter(token_digest=digest_of(token)).first()
    if source is None:
        return None
    if source.token_expires_at is not None and source.token_expires_at <= now:
        raise Ended(f"The token of {source.name} has ended; an administrator makes a new one.")
    note_use(source, now=now)
    return source


def note_use(source: Source, *, now: datetime) -> None:
    """Keep when a token was last used, to the minute."""
    if source.token_used_at is None or not abs(now - source.token_used_at) < USED_STEP:
        Source.objects.filter(pk=source.pk).update(token_used_at=now)


def webhook_secret(source: Source) -> str:
    """What a sender that cannot carry a token signs with; empty without a token.

    Made from the token's digest and a key of ours, so that it is kept nowhere and ends with the
    token.
    """
    if source.token_digest is None:
        return ""
    words = b"webhook secret\0" + bytes(source.token_digest)
    return hmac.new(settings.DIGEST_KEY, words, "sha256").hexdigest()


def signed_by(source: Source, body: bytes, signature: str) -> bool:
    """Whether `sha256=<hex>` is this source's signature of a body."""
    secret = webhook_secret(source)
    right = "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest()
    return bool(secret) and hmac.compare_digest(right.encode(), signature.encode())


turns = Turns(MOST_AT_ONCE, MOST_WAITING, PATIENCE_SECONDS, quota=QUOTA)
# A large file takes minutes; it must not take the turns of small bodies.
file_turns = Turns(1, 1, 5.0, quota=QUOTA)


@contextmanager
def turn(source: Source, *, of: Turns | None = None) -> Iterator[Used]:
    """A turn of this source; notes for the page of sources that it used its quota.

    Raises Busy or Spent.
    """
    try:
        with (of or turns).one(source.pk) as used:
            yield used
    except Spent as problem:
        # Without the broker nobody is told; the sender is answered all the same.
        with suppress(RedisError):
            cache.set(f"{SPENT_KEY}{source.name}", True, problem.retry_after + SPENT_SHOWN_SECONDS)
        raise


def spent(names: Iterable[str]) -> list[str]:
    """Which of these sources were told lately that they used their quota."""
    keys = {f"{SPENT_KEY}{name}": name for name in names}
    with suppress(RedisError):
        return sorted(keys[key] for key in cache.get_many(keys))
    return []


def read_body(stream: Readable, *, stated: int | None, packed: bytes = b"") -> bytes:
    """All of a body, unpacked; raises TooLarge or BodyRefused (damaged data). `packed`: how it
    has to begin, by what its sender says of it."""
    if stated is not None and stated > LARGEST_BODY:
        raise TooLarge(f"A body may have {LARGEST_BODY // MEBI} MiB; send smaller batches.")
    pieces, total = [], 0
    while piece := stream.read(min(MEBI, LARGEST_BODY + 1 - total)):
        pieces.append(piece)
        total += len(piece)
        if total > LARGEST_BODY:
            raise TooLarge(f"A body may have {LARGEST_BODY // MEBI} MiB; send smaller batches.")
    body = b"".join(pieces)
    if stated is not None and total < stated:
        raise BodyRefused("broke off before its end")
    if not body.startswith(packed):
        raise BodyRefused("is not packed the way its Content-Encoding says")
    try:
        return decompress(body, limit=LARGEST_UNPACKED)
    except BodyRefused as problem:
        if "more than" in problem.reason or "larger than" in problem.reason:
            raise TooLarge(f"The body {problem.reason}.") from problem
        raise


class Sum(NamedTuple):
    """What became of the bodies of one file together."""

    deposits: list[int]  # made of it; each once
    format: str
    already: dict[int, datetime]  # those of bodies that had come before, and since when
    records: int
    events: int
    duplicates: int
    rejects: int
    old: int  # kept, and no events
    reasons: list[tuple[str, str]]  # position, reason; the first hundred

    @property
    def first(self) -> int | None:
        """The first deposit that was made of it, else that it was; None where nothing was taken."""
        return next(iter((*self.deposits, *self.already)), None)

    @property
    def repeat(self) -> bool:
        """Whether every one of its bodies had come before."""
        return bool(self.already) and not self.deposits

    @property
    def since(self) -> datetime | None:
        """Since when the first of what had come before is here."""
        return min(self.already.values(), default=None)


EMPTY = Sum([], "", {}, 0, 0, 0, 0, 0, [])


def add(so_far: Sum, taken: intake.Taken) -> Sum:
    """One more body of the file. What came before counts as duplicates."""
    room = max(0, intake.MOST_REJECTS_ANSWERED - len(so_far.reasons))
    refused = [(one.position, one.reason) for one in taken.reasons if one.old_at is None]
    deposits, already = so_far.deposits, so_far.already
    if not taken.repeat:
        deposits = [*deposits, taken.deposit]
    elif taken.since is not None and taken.deposit not in deposits:
        # A body that stands in the file twice is no deposit of an earlier file.
        already = already | {taken.deposit: taken.since}
    return Sum(
        deposits=deposits,
        format=taken.format,
        already=already,
        records=so_far.records + taken.records,
        events=so_far.events + taken.new,
        duplicates=so_far.duplicates + taken.known,
        rejects=so_far.rejects + taken.rejects,
        old=so_far.old + taken.old,
        reasons=so_far.reasons + refused[:room],
    )


def take_file(
    *,
    source: Source,
    stream: Readable,
    by: str,
    now: Callable[[], datetime],
    format: str = "",  # noqa: A002 - what sources and deposits call it
    name: str = "",
    used: Used | None = None,
) -> Iterator[Sum]:
    """Take a file part by part; yields the sum after each, and counts it as `used`. Raises NotTaken and BodyRefused,
    maybe after earlier parts, which stay."""
    stopped: list[BodyRefused | intake.NotTaken] = []

    def whole_parts() -> Iterator[pipeline.Body]:
        try:
            for body in files.cut(stream, format=format or source.format, name=name):
                if used is not None:
                    used.bytes += len(body.body)
                yield body
        except (BodyRefused, intake.NotTaken) as problem:
            # The parts before it are still on their way: they are stored first.
            stopped.append(problem)

    sum_ = EMPTY
    for taken in pipeline.take_all(source=source, bodies=whole_parts(), by=by, now=now):
        sum_ = add(sum_, taken)
        if used is not None:
            used.records = sum_.records
        yield sum_
    if stopped:
        raise stopped[0]
