"""What people say about how long evidence is kept: a source's period, and legal holds.

Owns the ledger's rows about them. One person keeps evidence longer; a shorter period and the end of
a hold take two, because together they erase it. Knows who acts as plain text only
(evidence/permissions.py).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import transaction

from evidence import ledger, permissions, second_person
from evidence.kept_old import LONGEST_RETENTION_DAYS
from evidence.models import Actor, Deposit, LegalHold, RetentionSaid, Source
from evidence.permissions import NotPossible, Reader
from evidence.words import counted

# As migration 0008 counts it: a shorter period is taken at its word so much later.
GRACE = timedelta(days=7)
LONGEST_REASON = 2_000
RELEASE_TAKES_TWO = (
    "What nobody holds can be dropped: a second person signs the end of a hold first. Propose it on"
    " the page of the source."
)


def set_retention(*, source: Source, days: int, reason: str, by: Reader, now: datetime) -> Source:
    """Give a source another period. A shorter one counts after GRACE; until then it can be
    taken back by giving the longer one again."""
    permissions.require(by.why_not_administer)
    if not 1 <= days <= LONGEST_RETENTION_DAYS:
        raise NotPossible(f"Evidence is kept between 1 and {LONGEST_RETENTION_DAYS} days.")
    if not reason.strip():
        raise NotPossible("Say why the period changes.")
    with transaction.atomic():
        row = Source.objects.select_for_update().get(pk=source.pk)
        before = row.retention_days
        if before == days:
            raise NotPossible(f"{row.name} is kept for {counted(days, 'day')} already.")
        if days < before:
            second_person.require(row, by)
        row.retention_days = days
        row.save(update_fields=["retention_days"])
        later = " from seven days on" if days < before else ""
        ledger.append(
            at=now,
            by=by.ref,
            by_name=by.name,
            act="source.retention",
            subject=f"source:{row.name}",
            words=f"source {row.name} is kept for {counted(days, 'day')}{later}, not {before:,}:"
            f" {reason.strip()[:LONGEST_REASON]}",
            data={"days": days, "before": before},
        )
    return row


def shorter_from(source: Source, *, now: datetime) -> datetime | None:
    """From when a shorter period that was said lately counts; None: there is none to come."""
    said = list(RetentionSaid.objects.filter(source_id=source.pk).order_by("-pk")[:20])
    for row, before in pairwise(said):
        if before.days > source.retention_days and row.said_at + GRACE > now:
            return row.said_at + GRACE
    return None


def actor_called(value: str) -> Actor:
    """The actor that evidence names so; raises NotPossible."""
    row = Actor.objects.filter(value=value).order_by("pk").first()
    if row is None:
        raise NotPossible("No evidence names this actor; write the name as the source does.")
    return row


def place_hold(
    *,
    reason: str,
    by: Reader,
    now: datetime,
    source: Source | None = None,
    deposit: Deposit | None = None,
    actor: Actor | None = None,
    begins: datetime | None = None,
    ends: datetime | None = None,
) -> LegalHold:
    """Hold evidence until somebody releases it: of a source, a deposit, an actor, some time."""
    permissions.require(by.why_not_administer)
    if not reason.strip():
        raise NotPossible("Say what the evidence is held for.")
    if all(one is None for one in (source, deposit, actor, begins, ends)):
        raise NotPossible("Say what is held: a source, a deposit, an actor, or a time.")
    if begins is not None and ends is not None and begins >= ends:
        raise NotPossible("A hold's time ends after it begins.")
    with transaction.atomic():
        hold = LegalHold.objects.create(
            source=source,
            deposit=deposit,
            actor=actor,
            begins=begins,
            ends=ends,
            reason=reason.strip()[:LONGEST_REASON],
            placed_at=now,
            placed_by=by.ref,
            placed_name=by.name,
        )
        _write(hold, by, now, act="hold.placed", verb="holds")
    return hold


def release_hold(*, hold: LegalHold, reason: str, by: Reader, now: datetime) -> LegalHold:
    """What it held goes with the next run of retention, when its period is over."""
    permissions.require(by.why_not_administer)
    if not reason.strip():
        raise NotPossible("Say why the hold is over.")
    with transaction.atomic():
        row = LegalHold.objects.select_for_update().get(pk=hold.pk)
        if row.released_at is not None:
            raise NotPossible("This hold was released already.")
        if second_person.is_alone(by):
            raise NotPossible(RELEASE_TAKES_TWO)
        row.released_at, row.released_by, row.released_name = now, by.ref, by.name
        row.save(update_fields=["released_at", "released_by", "released_name"])
        _write(row, by, now, act="hold.released", verb="releases", why=reason.strip())
    return row


class _Period:
    """A shorter period of a source that holds evidence."""

    @staticmethod
    def lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
        row, days = second_person.source_of(document), document["days"]
        words = f"is kept for {counted(days, 'day')}, not {row.retention_days:,}, a week from then"
        return [(f"source {row.name}", words)]

    @staticmethod
    def apply(document: Mapping[str, Any], *, by: Reader, now: datetime) -> None:
        row = second_person.source_of(document)
        said = {"days": document["days"], "reason": document["reason"]}
        set_retention(source=row, **said, by=by, now=now)


class _Release:
    """The end of a legal hold."""

    @staticmethod
    def lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
        hold = LegalHold.objects.get(pk=document["hold"])
        return [(f"hold {hold.pk}", f"no longer held: {about(hold)} ({hold.reason[:200]})")]

    @staticmethod
    def apply(document: Mapping[str, Any], *, by: Reader, now: datetime) -> None:
        hold = LegalHold.objects.get(pk=document["hold"])
        release_hold(hold=hold, reason=document["reason"], by=by, now=now)


second_person.ACTS["retention"] = _Period()
second_person.ACTS["release"] = _Release()


def propose_shorter(*, source: Source, days: int, reason: str, by: Reader, now: datetime) -> str:
    """Ask a second person to keep a source's evidence for less time; the key of the proposal."""
    permissions.require(by.why_not_administer)
    said, title = {"days": days, "reason": reason}, f"the period of source {source.name}"
    return second_person.propose(
        "retention", source.name, said, by=by, now=now, reason=reason, title=title
    )


def propose_release(*, hold: LegalHold, reason: str, by: Reader, now: datetime) -> str:
    """Ask a second person to end a hold; the key of the proposal."""
    permissions.require(by.why_not_administer)
    if hold.released_at is not None:
        raise NotPossible("This hold was released already.")
    name = hold.source.name if hold.source is not None else ""
    said, title = {"hold": hold.pk, "reason": reason}, f"hold {hold.pk}"
    return second_person.propose("release", name, said, by=by, now=now, reason=reason, title=title)


def about(hold: LegalHold) -> str:
    """What a hold covers, in words."""
    parts = []
    if hold.deposit_id is not None:
        parts.append(f"deposit {hold.deposit_id}")
    if hold.actor is not None:
        parts.append(f"events of {hold.actor.value[:200]}")
    if hold.source is not None:
        parts.append(f"source {hold.source.name}")
    if hold.begins is not None:
        parts.append(f"from {hold.begins:%Y-%m-%d %H:%M} UTC")
    if hold.ends is not None:
        parts.append(f"to {hold.ends:%Y-%m-%d %H:%M} UTC")
    return ", ".join(parts)


def _write(
    hold: LegalHold, by: Reader, now: datetime, *, act: str, verb: str, why: str = ""
) -> None:
    subject = f"source:{hold.source.name}" if hold.source is not None else f"hold:{hold.pk}"
    ledger.append(
        at=now,
        by=by.ref,
        by_name=by.name,
        act=act,
        subject=subject,
        words=f"{by.name} {verb} {about(hold)}: {(why or hold.reason)[:LONGEST_REASON]}",
        data={"hold": hold.pk},
    )
