"""What `manage.py doctor` asks of evidence: partitions, sources, work that waits, seals, room, bucket.

Owns sentences with a fix each; changes nothing.
"""

import os
import shutil
from datetime import datetime, timedelta

from django.db import DatabaseError
from django.db.models import Count, Max
from django.utils import timezone

from evidence import anchoring, chain, outside_heads, partitions, rereading
from evidence.models import Consumer, LedgerEntry, Progress, Rereading, Source
from evidence.queries import failures
from evidence.sources.failures import Stopped
from evidence.stores import anchors, bodies, objects
from evidence.words import counted

# Its name, whether it is well, what was found, and what to do about it.
type Check = tuple[str, bool, str, str]
OVERDUE = timedelta(minutes=10)
UNSEALED = timedelta(minutes=1)
TOKEN_ENDS = timedelta(days=14)
LEAST_ROOM = 2 << 30
MOST_NAMED = 5
WORKER = "start the worker and beat (`manage.py up`), or see their log"


def doctor() -> list[Check]:
    """Every check; one that cannot be made says so instead of hiding the others."""
    now = timezone.now()
    checks: list[Check] = []
    for check in CHECKS:
        try:
            checks.append(check(now))
        except DatabaseError as problem:
            said = str(problem).strip().splitlines()[0]
            checks.append(("evidence", False, f"cannot be read: {said}", "run `manage.py migrate`"))
    return checks


def _partitions(now: datetime) -> Check:
    months = [partitions.month_of(now), partitions.month_of(now + timedelta(days=32))]
    lacking = partitions.missing((*partitions.BY_EVENT_TIME, *partitions.BY_RECEIPT), months)
    if not lacking:
        return "partitions", True, "this month's and the next one's are there", ""
    table, month = lacking[0]
    return (
        "partitions",
        False,
        f"{len(lacking)} are missing, first {table} of {month:%Y-%m}; they are made on demand",
        WORKER,
    )


def _silent(now: datetime) -> Check:
    rows = (
        Source.objects.filter(expected_every_seconds__isnull=False)
        .annotate(last=Max("deposits__received_at"))
        .order_by("name")
    )
    late = [
        row.name
        for row in rows
        if row.last is None or now - row.last > timedelta(seconds=row.expected_every_seconds or 0)
    ]
    if not late:
        return "sources", True, "every source that sends regularly has sent", ""
    return (
        "sources",
        False,
        f"silent: {_named(late)}",
        "look at the sender, its address and its token (`manage.py source list`)",
    )


def _tokens(now: datetime) -> Check:
    ending = list(
        Source.objects.filter(token_expires_at__lt=now + TOKEN_ENDS)
        .order_by("token_expires_at")
        .values_list("name", flat=True)
    )
    if not ending:
        return "source tokens", True, "none ends within two weeks", ""
    return (
        "source tokens",
        False,
        f"ended or ending soon: {_named(ending)}",
        "make new ones with `manage.py source token NAME` and give them to the senders",
    )


def _waiting(now: datetime) -> Check:
    """Of every consumer, by name: evidence does not know what each does."""
    waits = Progress.objects.filter(done_at=None)
    if found := failures.failed():
        said = "; ".join(
            f"{one.words}, the first is {one.first} of {one.source}, since"
            f" {one.since:%Y-%m-%d %H:%M} UTC: {one.error}"
            for one in found
        )
        return "deposits that wait", False, said, failures.REMEDY
    # What comes after another consumer may be put back long after it was received.
    first_in_line = Consumer.objects.filter(after="").values("name")
    overdue = (
        waits.filter(consumer__in=first_in_line, deposit__received_at__lt=now - OVERDUE)
        .values("consumer")
        .annotate(many=Count("*"))
        .order_by("consumer")
    )
    said = ", ".join(f"{row['consumer']} {row['many']}" for row in overdue)
    if said:
        return "deposits that wait", False, f"for ten minutes: {said}", WORKER
    return "deposits that wait", True, "none for long", ""


def _seals(now: datetime) -> Check:
    waiting = LedgerEntry.objects.filter(seal=None, recorded_at__lt=now - UNSEALED).count()
    if waiting:
        return (
            "ledger",
            False,
            f"not sealed for a minute: {counted(waiting, 'entry', 'entries')}",
            WORKER,
        )
    return "ledger", True, "sealed to its end", ""


def _chains(now: datetime) -> Check:
    found = chain.unsealed(received_before=now - UNSEALED)
    if not found:
        return "deposit chains", True, "sealed to their ends", ""
    first, many = found[0], counted(len(found), "deposit")
    if len(found) == chain.SEAL_BATCH:
        many = f"{many} or more"
    said = f"not sealed for a minute: {many}, first {first.pk} of {first.source.name}, received"
    return "deposit chains", False, f"{said} {first.received_at:%Y-%m-%d %H:%M} UTC", WORKER


def _stale(_now: datetime) -> Check:
    under_way = Rereading.objects.filter(state=Rereading.RUNNING).order_by("id").first()
    if under_way is not None:
        said = f"{under_way.done} of {counted(under_way.total, 'deposit')} are read again"
        return "readings", True, said, ""
    many = rereading.stale().count()
    if many:
        said = f"{counted(many, 'deposit')} were read by an older version of their format"
        return "readings", True, f"{said}; `manage.py reread --dry-run` says what would change", ""
    return "readings", True, "every deposit is read by its format's newest version", ""


def _room(_now: datetime) -> Check:
    folder = bodies.folder()
    there = folder
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK | os.X_OK):
        return "deposits", False, f"{folder} cannot be written", f"give this user {there}"
    free = shutil.disk_usage(there).free
    if free < LEAST_ROOM:
        return "deposits", False, f"{free >> 20} MiB are free", "make room, or move COUNTERSIGN_VAR"
    return "deposits", True, f"{free >> 30} GiB are free", ""


def _bucket(_now: datetime) -> Check:
    if not objects.used():
        return "deposit bucket", True, "none: large deposits lie on this disk", ""
    problem = objects.why_unreachable()
    if problem:
        return (
            "deposit bucket",
            False,
            f"{objects.name()} does not answer: {problem}; large bodies are refused until it does",
            "check COUNTERSIGN_DEPOSITS, its endpoint, the credentials, and s3:ListBucket on it",
        )
    return "deposit bucket", True, f"{objects.name()} answers", ""


def _named(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _anchors(now: datetime) -> Check:
    """Nobody has to set any up; what is set up has to work."""
    try:
        set_up = anchors.configured.read()
        if set_up is None:
            said = "consistent, not anchored: no place outside keeps the ledger's head"
            said += " (docs/custody.md says how)"
            return "anchors", True, said, ""
        outside = outside_heads.compare(set_up)
    except Stopped as problem:
        return "anchors", False, problem.what, problem.fix
    if gone := outside.faults + anchoring.faults():
        said = f"row {gone[0].number} of the ledger: {gone[0].what}"
        fix = outside.fix or "run `manage.py verify_ledger` and compare with the copies"
        return "anchors", False, said, fix
    if outside.unreachable:
        return "anchors", False, outside.unreachable[0], f"the ledger is {outside.state}"
    for one in anchoring.standing():
        if one.waits and (one.waits.why or one.waits.anchor.made_at < now - OVERDUE):
            said = one.waits.why or "it waits"
            return "anchors", False, f"{one.name} has not taken the head: {said}", WORKER
    return "anchors", True, f"{counted(len(set_up.places), 'place')} have the ledger's head", ""


CHECKS = (
    _partitions, _silent, _tokens, _waiting, _seals, _anchors, _chains, _stale, _room, _bucket,
)  # fmt: skip
