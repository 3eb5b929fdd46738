"""How far a case's time to decide has run, from rows: who was reached, and when we were at work.

Owns Heartbeat rows and `Case.not_counted`. What the facts add up to is reviews/policies.py; what
silence does when the time is over is deadlines.py. A stored deadline is only ever moved further.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from evidence.models import Looked, Source
from identities.acting import COUNTERSIGN
from identities.models import Attribution, Person, User
from reviews import policies
from reviews.models import Case, Decision, Heartbeat, Notice, Seat
from reviews.permissions import SEAT_WORDS, SIGNING

from . import entries, reminders


class Silent(NamedTuple):
    """A seat whose answer is missing: who was asked for it, and when that reached one of them."""

    seat: Seat
    asked: list[Person]
    reached_at: datetime | None


class Read(NamedTuple):
    """The clock of a case and the silent seats it was read from."""

    clock: policies.Clock
    silent: list[Silent]


def beat(*, now: datetime) -> None:
    """Countersign is at work: extend the stretch, or begin one after an outage."""
    with transaction.atomic():
        last = Heartbeat.objects.select_for_update().order_by("-until").first()
        if last is None or now - last.until > policies.MOST_UNHEARD:
            Heartbeat.objects.get_or_create(since=now, defaults={"until": now})
        elif last.until < now:
            last.until = now
            last.save(update_fields=["until"])


def read(case: Case, *, now: datetime) -> Read:
    """The clock of an open case, as the rows say it now."""
    silent = _silent(case, now=now)
    found = policies.clock(
        opened_at=case.opened_at,
        within=case.deadline_at - case.opened_at - case.not_counted,
        # A seat in which nobody could be asked keeps nobody waiting; it makes a doubt instead.
        reached=[one.reached_at for one in silent if one.asked],
        at_work=list(
            Heartbeat.objects.filter(until__gte=case.opened_at)
            .order_by("since")
            .values_list("since", "until")
        ),
        now=now,
    )
    return Read(found, silent)


def keep(case: Case, *, now: datetime) -> str:
    """Move the stored deadline of a locked, open case to where its clock says it is.

    The sentence why it was moved; "" when it stands.
    """
    found = read(case, now=now)
    if found.clock.due <= case.deadline_at:
        return ""
    before, due = case.deadline_at, found.clock.due
    why = " ".join(sentences(case, found))
    moved = due - before
    entries.changed(case, deadline_at=due, not_counted=case.not_counted + moved)
    entries.note(
        case,
        act="case.deadline_moved",
        words=f"The deadline of {case.key} moved from {_at(before)} to {_at(due)}. {why}"[:1_000],
        by=COUNTERSIGN,
        now=now,
        data={"from": before.isoformat(), "to": due.isoformat()},
    )
    reminders.tell(
        case,
        [*reminders.waiting_for(case, now=now), *_above_when_unreached(case, found, now=now)],
        occasion=f"moved {due.isoformat()}",
        subject="there is more time to decide",
        body=f"Your answers are due on {_at(due)}. {why}",
        now=now,
    )
    return why


def _above_when_unreached(case: Case, found: Read, *, now: datetime) -> list[Person]:
    return reminders.above(case, now=now) if found.clock.since is None else []


def sentences(case: Case, found: Read) -> list[str]:
    """What of the time since the opening does not count, and why; empty when all of it does."""
    said = []
    if found.clock.since is None:
        missing = [
            f"{' or '.join(person.name for person in one.asked[:3])} as {_seat(one.seat)}"
            for one in found.silent
            if one.asked and one.reached_at is None
        ]
        said.append(
            f"The time does not count yet: the request has not reached {'; '.join(missing)}."
        )
    elif found.clock.since > case.opened_at:
        said.append(
            f"The time counts from {_at(found.clock.since)}, when the request had reached every"
            " seat that is asked."
        )
    if found.clock.lost:
        hours, minutes = divmod(round(found.clock.lost.total_seconds() / 60), 60)
        said.append(f"{hours:,} h {minutes} min do not count: Countersign was not at work.")
    return said


def doubt(case: Case, found: Read, *, now: datetime) -> str:
    """Why silence may cut nothing now, as the end of a sentence; "" when it may."""
    for one in found.silent:
        if not one.asked:
            return f"nobody could be asked as {_seat(one.seat)}"
    if case.identity is None:
        return ""
    events = Attribution.objects.filter(identity_no=case.identity.number, source_id=OuterRef("pk"))
    sources = list(Source.objects.filter(Exists(events)).order_by("name"))
    if not sources:
        return f"no evidence of {case.identity.name} is known"
    return next((why for source in sources if (why := why_late(source, now=now))), "")


def why_late(source: Source, *, now: datetime) -> str:
    """Why the newest evidence of a source may be missing; "" when it is fresh."""
    name = source.title or source.name
    if source.sampling < 1:
        return f"evidence of {name} is sampled"
    if source.keep_rules:
        return f"evidence of {name} is filtered"
    if source.watermark is None:
        return f"whether evidence of {name} is complete is not known"
    delay = source.lag_seconds + 2 * (source.expected_every_seconds or 0)
    if now - source.watermark > timedelta(seconds=delay):
        return f"evidence of {name} is known up to {_at(source.watermark)} only"
    return ""


def _silent(case: Case, *, now: datetime) -> list[Silent]:
    """The signing seats whose answers are missing, each with when the request reached it."""
    seats = case.seats.select_related("party", "backup", "person", "service").order_by("position")
    waiting = set(case.items.filter(outcome__in=["", "conflict"]).values_list("pk", flat=True))
    given: dict[object, set[object]] = {}
    for seat, item in Decision.objects.filter(
        item__in=waiting, superseded_at__isnull=True
    ).values_list("seat", "item"):
        given.setdefault(seat, set()).add(item)
    asked = {
        seat: reminders.asked(case, seat, now=now)
        for seat in seats
        if seat.kind in SIGNING and not waiting <= given.get(seat.pk, set())
    }
    at = _reached(case, {person.pk for persons in asked.values() for person in persons})
    return [
        Silent(seat, persons, min((at[one.pk] for one in persons if one.pk in at), default=None))
        for seat, persons in asked.items()
    ]


def _reached(case: Case, persons: set[UUID]) -> dict[UUID, datetime]:
    """When each person first had the case: a notice went out, they saw its page, or signed."""
    refs = {user.ref: user.person_id for user in User.objects.filter(person__in=persons)}
    looks = Looked.objects.filter(kind="case", ref=case.key, at__gte=case.opened_at, by__in=refs)
    notices = Notice.objects.filter(case=case.pk, person__in=persons, sent_at__isnull=False)
    signed = Decision.objects.filter(item__case=case, person__in=persons)
    found: dict[UUID, datetime] = {}
    for person, at in (
        *notices.values_list("person", "sent_at"),
        *((refs[by], at) for by, at in looks.values_list("by", "at")),
        *signed.values_list("person", "at"),
    ):
        if person is not None and at is not None:
            found[person] = min(at, found.get(person, at))
    return found


def _seat(seat: Seat) -> str:
    of = f" of {seat.service.name}" if seat.service is not None else ""
    return f"{SEAT_WORDS[seat.kind]}{of}"


def _at(moment: datetime) -> str:
    return f"{moment:%-d %b %Y %H:%M} UTC"
