"""Reading deposits again, when a format has improved or was guessed wrongly (docs/decisions/0009).

Owns the wish and its progress: which deposits, one transaction each, so that whoever goes on
after a crash repeats and leaves out nothing. What becomes of events is superseding.py's, which
event was read from what aligning.py's.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from evidence import consumers, erasing, intake, known, leases, ledger, nudge, permissions
from evidence.formats import FORMATS
from evidence.formats.mapping import PREFIX
from evidence.models import (
    Deposit,
    MappingVersion,
    PastReading,
    Reading,
    Rereading,
    Source,
)
from evidence.permissions import NotPossible, Reader
from evidence.rereading.aligning import NotAligned
from evidence.rereading.superseding import NAMES, Replaced, followers, replace
from evidence.stores import bodies, objects
from evidence.words import counted

__all__ = [
    "Outcome",
    "Replaced",
    "ask",
    "cancel",
    "followers",
    "run",
    "run_next",
    "stale",
    "try_out",
]

COUNTS = (*dict.fromkeys(NAMES), "left")
LONGEST_PROBLEM = 500


class Outcome(NamedTuple):
    """What reading one deposit again gave."""

    deposit: int
    counts: dict[str, int]
    problem: str = ""  # it stays as it was read before, and why


class _Left(Exception):
    """A deposit stays as it was read; the sentence says why."""


def stale() -> QuerySet[Deposit]:
    """Deposits whose format, or mapping, has a newer version than the one that read them."""
    old = Q()
    some = False
    for one in FORMATS.values():
        if one.version > 1:
            old |= Q(format=one.name, format_version__lt=one.version)
            some = True
    newest = MappingVersion.objects.values("name").annotate(newest=Max("version"))
    for row in newest.filter(newest__gt=1):
        old |= Q(format__startswith=f"{PREFIX}{row['name']}@", format_version__lt=row["newest"])
        some = True
    return Deposit.objects.filter(old) if some else Deposit.objects.none()


def chosen(
    *,
    source: Source | None = None,
    deposit: Deposit | None = None,
    to_format: str = "",
    since: datetime | None = None,
) -> QuerySet[Deposit]:
    """The deposits that a wish is about: all that are named when a format is, else stale ones, and
    of a source that is named those with records that were kept as old."""
    rows = Deposit.objects.all() if to_format or deposit is not None else stale()
    if source is not None:
        rows = (rows | Deposit.objects.filter(old__gt=0)).filter(source=source)
    if deposit is not None:
        rows = rows.filter(pk=deposit.pk)
    if since is not None:
        rows = rows.filter(received_at__gte=since)
    return rows


def ask(
    *,
    by: Reader,
    now: datetime,
    source: Source | None = None,
    deposit: Deposit | None = None,
    to_format: str = "",
    since: datetime | None = None,
) -> Rereading:
    """Wish that deposits be read again; the same wish that is under way is answered with itself.

    Raises NotPossible. `to_format`: a name as a source says it; a mapping's newest version.
    """
    permissions.require(by.why_not_administer)
    if to_format and known.find(to_format) is None:
        raise NotPossible(
            f"The format {to_format[:80]!r} is not known; name one of: {', '.join(known.names())}."
        )
    if to_format and source is None and deposit is None:
        raise NotPossible("Name the source or the deposit that is to be read as another format.")
    exact = known.exact(to_format) if to_format else ""
    wanted: dict[str, Any] = {
        "source": source,
        "deposit": deposit,
        "to_format": exact,
        "since": since,
    }
    rows = chosen(**wanted)
    with transaction.atomic():
        row, made = Rereading.objects.get_or_create(
            **wanted,
            state=Rereading.RUNNING,
            defaults={
                "asked_at": now,
                "asked_by": by.ref,
                "asked_name": by.name,
                "through": rows.aggregate(last=Max("pk"))["last"] or 0,
                "total": rows.count(),
            },
        )
        if made:
            subject = f"source:{source.name}" if source else ""
            if deposit is not None:
                subject = f"source:{deposit.source.name}"
            ledger.append(
                at=now,
                by=by.ref,
                by_name=by.name,
                act="deposits.reread",
                subject=subject,
                words=f"{counted(row.total, 'deposit')} to be read again"
                + (f" as {exact}" if exact else ""),
                data={
                    "deposit": str(deposit.pk) if deposit else "",
                    "format": exact,
                    "since": since.astimezone(UTC).isoformat() if since else "",
                },
            )
            nudge.after_commit("reread.asked")
    return row


def cancel_all(*, by: Reader, now: datetime) -> int:
    """End every wish after the deposit it is at; what was read again stays. How many."""
    permissions.require(by.why_not_administer)
    return Rereading.objects.filter(state=Rereading.RUNNING).update(
        state=Rereading.CANCELLED, ended_at=now
    )


def run_next(*, now: datetime, only: int | None = None) -> Outcome | None:
    """Read one deposit of the oldest wish again; None when there is none, or others hold them.

    The row of the wish is locked meanwhile: a worker that dies lets go of it, and nothing of its
    deposit stays half done.
    """
    with transaction.atomic():
        wish = leases.first_free(
            Rereading.objects.filter(
                Q() if only is None else Q(pk=only), state=Rereading.RUNNING
            ).order_by("id")
        )
        if wish is None:
            return None
        deposit = (
            chosen(
                source=wish.source,
                deposit=wish.deposit,
                to_format=wish.to_format,
                since=wish.since,
            )
            .filter(pk__gt=wish.after, pk__lte=wish.through)
            .order_by("pk")
            .first()
        )
        if deposit is None:
            wish.state, wish.ended_at = Rereading.DONE, now
            wish.save(update_fields=["state", "ended_at"])
            _tell_end(wish, now)
            return Outcome(0, {})
        outcome = _tried(deposit, wish, now)
        wish.after = deposit.pk
        wish.done += 1
        wish.counts = {
            name: wish.counts.get(name, 0) + outcome.counts.get(name, 0) for name in COUNTS
        }
        if outcome.problem:
            wish.failed += 1
            wish.problem = wish.problem or f"deposit {deposit.pk} {outcome.problem}"
        wish.save(update_fields=["after", "done", "counts", "failed", "problem"])
    return outcome


def _tell_end(wish: Rereading, now: datetime) -> None:
    """The ledger's row of what it came to, in the name of who asked."""
    source = wish.source or (wish.deposit.source if wish.deposit is not None else None)
    ledger.append(
        at=now,
        by=wish.asked_by,
        by_name=wish.asked_name,
        act="deposits.were_reread",
        subject=f"source:{source.name}" if source is not None else "",
        words=f"{counted(wish.done, 'deposit')} read again, {wish.failed} left as they were",
        data={name: str(many) for name, many in wish.counts.items()},
    )


def _tried(deposit: Deposit, wish: Rereading, now: datetime) -> Outcome:
    """One deposit in a savepoint of its own: what fails leaves it as it was and stops nobody."""
    try:
        with transaction.atomic():
            counts = _read_again(deposit.pk, wish.to_format, wish, now)
    except (_Left, NotAligned) as problem:
        return Outcome(deposit.pk, {}, f"stays as it was read: {problem}")
    return Outcome(deposit.pk, counts)


def try_out(numbers: Iterable[int], *, to_format: str, now: datetime) -> Iterator[Outcome]:
    """What reading these deposits again would give; nothing is kept of it."""
    exact = known.exact(to_format) if to_format else ""
    for number in numbers:
        with transaction.atomic():
            try:
                with transaction.atomic():
                    outcome = Outcome(number, _read_again(number, exact, None, now))
            except (_Left, NotAligned) as problem:
                outcome = Outcome(number, {}, f"would stay as it was read: {problem}")
            transaction.set_rollback(True)
        yield outcome


def _read_again(
    number: int, to_format: str, wish: Rereading | None, now: datetime
) -> dict[str, int]:
    deposit = Deposit.objects.select_related("source").get(pk=number)
    if why := erasing.why_not_read_again(deposit):
        raise _Left(why)
    before = Reading.objects.filter(deposit=deposit).order_by("-pk").first()
    exact = to_format or known.exact(known.plain(deposit.format))
    reader = known.find(exact)
    if reader is None:
        raise _Left(f"the format {deposit.format!r} is not known any more")
    try:
        body = bodies.unpack(deposit)
    except objects.Away:
        raise  # it is read again once the bucket answers
    except OSError as problem:
        raise _Left(f"its kept bytes cannot be read ({type(problem).__name__})") from problem
    if not bodies.intact(deposit, body):
        raise _Left("its kept bytes are not those that were stored; see `manage.py verify_ledger`")
    # Who chose the format once, chose it for the next version as well.
    forced = bool(to_format) or (before is not None and before.forced and before.format == exact)
    asked = intake.asked(deposit.source)._replace(forced=forced)
    parsed = reader.parse(body, asked)
    consumers.settled()
    reading = Reading.objects.create(
        deposit=deposit,
        rereading=wish,
        read_at=now,
        format_before=deposit.format,
        version_before=deposit.format_version,
        format=exact,
        version=known.version_of(exact),
        forced=forced,
    )
    return replace(deposit, parsed, body, reading=reading, now=now)


def moved_to(key: tuple[datetime, int]) -> tuple[datetime, int] | None:
    """Where the event of this key went when it was read anew; None when it went nowhere."""
    row = (
        PastReading.objects.filter(kind="event", at=key[0], event_id=key[1])
        .exclude(now_at=None)
        .order_by("-pk")
        .values_list("now_at", "now_id")
        .first()
    )
    return None if row is None or row[0] is None or row[1] is None else (row[0], row[1])


def run(
    rereading: Rereading, *, clock: Callable[[], datetime], say: Callable[[Rereading], None]
) -> Rereading:
    """Go on with this wish until it is done; `say` hears of each deposit."""
    while True:
        outcome = run_next(now=clock(), only=rereading.pk)
        rereading.refresh_from_db()
        say(rereading)
        if rereading.state != Rereading.RUNNING:
            return rereading
        if outcome is None:
            # A worker is at it: wait for its deposit, then go on or see that it is done.
            with transaction.atomic():
                Rereading.objects.select_for_update().get(pk=rereading.pk)
