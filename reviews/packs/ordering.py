"""Packs that are asked for: a small one at once, a long one by the worker, fetched when it is ready.

Owns the row of each pack and its file while it is kept. A row is the queue:
whoever takes it has it for a while, writes into a file of their own, and only the last who took it
publishes what they wrote. A file is evidence of nothing but its taker's: nobody else fetches it.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Max, Q, QuerySet

from evidence import ledger, nudge
from evidence.models import LedgerEntry, Pack
from evidence.sources.failures import Stopped
from identities.models import User
from identities.permissions import NotAllowed, NotPossible, require
from identities.visible import sees_all
from reviews.models import Case
from reviews.packs import subjects, writing
from reviews.packs.subjects import Subject

# Of so many cases it is made while its taker waits.
AT_ONCE = 25
# Whoever makes one has so long; longer than a task of the worker may take.
LEASE = timedelta(minutes=12)
MOST_ATTEMPTS = 3
KEPT = timedelta(days=7)
MOST_WAITING = 5  # of one person
LONGEST = 300
TAKEN = "pack.taken"
GONE_BY_ERASURE = "content was erased after it was made"


def folder() -> Path:
    return Path(settings.VAR) / "packs"


def path_of(pack: Pack) -> Path:
    return folder() / f"{pack.pk}.zip"


def seen(user: User) -> QuerySet[Pack]:
    """The packs whose rows this user may see: their own, and who sees all those of nothing sealed."""
    mine = Q(by=user.ref)
    open_ = Q(sealed_case=None) & ~Q(subject__in=_sealed_keys())
    return Pack.objects.filter(mine | open_ if sees_all(user) else mine)


def _sealed_keys() -> list[str]:
    """Of cases that were sealed after somebody took them out."""
    rows = Case.objects.filter(sealed=True).values_list("number", flat=True)
    return [f"CS-{number}" for number in rows]


def is_long(subject: Subject, user: User, *, now: datetime) -> bool:
    """Whether the worker makes it."""
    if subject.kind in ("case", "capsule"):
        return False
    return subjects.cases(subject, user, now=now)[: AT_ONCE + 1].count() > AT_ONCE


def take(
    into: IO[bytes], subject: Subject, *, by: User, now: datetime, with_deposits: bool = False
) -> Pack:
    """Write it now, with its row and the ledger's. Raises NotAllowed, Stopped."""
    made = writing.write(into, subject.row, by=by, now=now, with_deposits=with_deposits)
    with transaction.atomic():
        pack = _row(subject, by=by, now=now, with_deposits=with_deposits)
        _made(pack, into, made, now=now)
        pack.save(force_insert=True)
        pack.refresh_from_db(fields=["number"])
        _note(pack, by=by, now=now)
    return pack


def ask(subject: Subject, *, by: User, now: datetime, with_deposits: bool = False) -> Pack:
    """Ask the worker for it. The same that is asked for already is not made twice."""
    require(subjects.why_not_take(by, subject, now=now))
    if with_deposits and not sees_all(by):
        raise NotAllowed(writing.BYTES)
    waiting = Pack.objects.filter(by=by.ref, state="asked")
    with transaction.atomic():
        # Two presses of one button meet here.
        User.objects.select_for_update().get(pk=by.pk)
        there = waiting.filter(subject=subject.key, with_deposits=with_deposits).first()
        if there is not None:
            return there
        if waiting.count() >= MOST_WAITING:
            raise NotPossible(
                f"{MOST_WAITING} packs of yours are being made: wait for one of them."
            )
        pack = _row(subject, by=by, now=now, with_deposits=with_deposits)
        pack.save(force_insert=True)
        pack.refresh_from_db(fields=["number"])
        nudge.after_commit("pack.asked")
    return pack


def _row(subject: Subject, *, by: User, now: datetime, with_deposits: bool) -> Pack:
    return Pack(
        subject=subject.key,
        sealed_case=subject.sealed_case,
        by=by.ref,
        by_name=by.called,
        asked_at=now,
        not_before=now,
        with_deposits=with_deposits,
    )


def _made(pack: Pack, file: IO[bytes], made: writing.Written, *, now: datetime) -> None:
    pack.state, pack.made_at, pack.why = "ready", now, ""
    pack.size = file.seek(0, os.SEEK_END)
    file.seek(0)
    digest = sha256()
    while data := file.read(1 << 20):
        digest.update(data)
    pack.digest = digest.digest()
    pack.manifest_digest, pack.signed = made.manifest, made.signed
    file.seek(0)


def _note(pack: Pack, *, by: User, now: datetime) -> None:
    ledger.append(
        at=now, by=by.ref, by_name=by.called, act=TAKEN, subject=pack.subject,
        words=f"{by.called} took the pack of {pack.subject} out as {pack.key}",
        data={
            "pack": pack.key,
            "manifest": bytes(pack.manifest_digest or b"").hex(),
            "sha256": bytes(pack.digest or b"").hex(),
            "signed": pack.signed,
        },
        sealed_case=pack.sealed_case,
    )  # fmt: skip


# --- the worker's part


def make_next(*, now: datetime) -> bool:
    """Make one pack that is asked for; whether there was one. A crash leaves its row: it is taken
    again when its time is over, a few times."""
    due = Pack.objects.filter(state="asked", not_before__lte=now)
    with transaction.atomic():
        pack = due.select_for_update(skip_locked=True).order_by("not_before", "pk").first()
        if pack is None:
            return False
        if pack.attempts >= MOST_ATTEMPTS:
            pack.state = "failed"
            pack.why = pack.why or "It was begun several times, and nobody came to its end."
            pack.save(update_fields=["state", "why"])
            return True
        pack.attempts, pack.not_before = pack.attempts + 1, now + LEASE
        pack.save(update_fields=["attempts", "not_before"])
    try:
        _make(pack, now=now)
    except (NotAllowed, NotPossible) as problem:
        _fails(pack, str(problem))
    except Stopped as problem:
        _fails(pack, f"{problem.what} {problem.fix}")
    except OSError as problem:
        _fails(pack, f"Its file cannot be written: {problem.strerror}.")
    return True


def _fails(pack: Pack, why: str) -> None:
    Pack.objects.filter(pk=pack.pk, state="asked", attempts=pack.attempts).update(
        state="failed", why=why[:LONGEST]
    )


def _make(pack: Pack, *, now: datetime) -> None:
    by = acting_user(pack)
    subject = subjects.find(pack.subject, by, now=now)
    if subject is None:
        raise NotPossible("What it is of is not there any more, or not for you.")
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    before = LedgerEntry.objects.aggregate(last=Max("pk"))["last"] or 0
    with _own_file() as (file, name):
        made = writing.write(
            file,
            subject.row,
            by=by,
            now=now,
            with_deposits=pack.with_deposits,
            told=lambda done, of: cache.set(_place(pack), (done, of), 3_600),
        )
        file.flush()
        _made(pack, file, made, now=now)
        pack.kept_until, pack.sealed_case = now + KEPT, subject.sealed_case
        with transaction.atomic():
            mine = Pack.objects.select_for_update().filter(
                pk=pack.pk, state="asked", attempts=pack.attempts
            )
            if not mine.exists():
                return  # somebody else has it by now
            if _erased_since(before):
                mine.update(not_before=now)
                return  # it may quote what is erased by now: once more
            pack.save()
            _note(pack, by=by, now=now)
            Path(name).replace(path_of(pack))


def acting_user(pack: Pack) -> User:
    """Who asked for it. Raises NotAllowed where they are gone or may do nothing any more."""
    kind, _, key = pack.by.partition(":")
    user = User.objects.filter(is_active=True, pk=key).first() if kind == "user" else None
    if user is not None:
        return user
    raise NotAllowed("Whoever asked for it has no access any more.")


@contextmanager
def _own_file() -> Iterator[tuple[IO[bytes], str]]:
    file = tempfile.NamedTemporaryFile(dir=folder(), suffix=".part", delete=False)  # noqa: SIM115 -- it is published, or removed below
    try:
        yield file, file.name
    finally:
        file.close()
        Path(file.name).unlink(missing_ok=True)


def _place(pack: Pack) -> str:
    return f"pack.{pack.pk}"


def progress(pack: Pack) -> tuple[int, int] | None:
    """Cases written, of how many; None where nobody has begun."""
    found = cache.get(_place(pack))
    return None if found is None else (found[0], found[1])


def sweep(*, now: datetime) -> int:
    """Files whose time is over go, those from before content was erased, and what a crash left."""
    gone = 0
    for pack in Pack.objects.filter(state="ready", kept_until__isnull=False).order_by("pk"):
        over = pack.kept_until is not None and pack.kept_until <= now
        if over or _erased_since(_row_of(pack)):
            path_of(pack).unlink(missing_ok=True)
            why = "" if over else GONE_BY_ERASURE
            gone += Pack.objects.filter(pk=pack.pk, state="ready").update(state="gone", why=why)
    old = (now - 2 * LEASE * MOST_ATTEMPTS).timestamp()
    for half in folder().glob("*.part") if folder().is_dir() else ():
        if half.stat().st_mtime < old:
            half.unlink(missing_ok=True)
            gone += 1
    return gone


def _row_of(pack: Pack) -> int:
    """The ledger's row that says that it was taken; 0: there is none any more."""
    rows = LedgerEntry.objects.filter(subject=pack.subject, act=TAKEN, data__pack=pack.key)
    return rows.values_list("pk", flat=True).first() or 0


def _erased_since(row: int) -> bool:
    return LedgerEntry.objects.filter(pk__gt=row, act="erasure.done").exists()
