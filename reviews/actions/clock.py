"""How far a case's time to decide has run, from rows: who was reached, and when we were at work.

Owns Heartbeat rows. What the facts add up to is reviews/policies.py; what moves a stored deadline
and what silence does when the time is over is deadlines.py. Many cases are read in few queries.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Min

from evidence.models import Looked
from identities.models import Person, User
from reviews import policies
from reviews.ladder import CUTS
from reviews.models import CampaignPause, Case, Decision, Heartbeat, Notice, Seat
from reviews.permissions import SEAT_WORDS

from . import lateness
from .asked import Asked
from .silencing import consequence


class Silent(NamedTuple):
    """A seat whose answer is missing: who was asked for it, and when that reached one of them.

    `nobody`: nobody may sit in it, so that those were asked who name somebody.
    """

    seat: Seat
    asked: list[Person]
    reached_at: datetime | None
    nobody: bool = False


class Read(NamedTuple):
    """The clock of a case, and the silent seats and stretches at work it was read from."""

    clock: policies.Clock
    silent: list[Silent]
    at_work: list[policies.Stretch]
    heard: list[policies.Stretch]  # the same, a pause of its campaign included
    behind: lateness.Behind
    late: policies.Late  # what did not count because evidence was late, where silence cuts
    paused: bool = False  # its campaign stood still for a while, or does now

    @property
    def due(self) -> datetime:
        """When all of the time has counted, as it is known now."""
        return self.clock.due + self.late.so_far


def beat(*, now: datetime) -> None:
    """Countersign is at work: extend the stretch, or begin one after an outage; and which evidence
    is late meanwhile."""
    with transaction.atomic():
        last = Heartbeat.objects.select_for_update().order_by("-until").first()
        if last is None or now - last.until > policies.MOST_UNHEARD:
            Heartbeat.objects.get_or_create(since=now, defaults={"until": now})
        elif last.until < now:
            last.until = now
            last.save(update_fields=["until"])
    lateness.note(now=now)


def read(case: Case, *, now: datetime) -> Read:
    """The clock of an open case, as the rows say it now."""
    return read_all([case], Asked([case], now=now), now=now)[case.pk]


def read_all(cases: Sequence[Case], asked: Asked, *, now: datetime) -> dict[UUID, Read]:
    """The same of many cases."""
    silent = {
        case.pk: [(seat, asked.asked(case, seat)) for seat in asked.silent(case)] for case in cases
    }
    persons = {person.pk for seats in silent.values() for _, found in seats for person in found}
    reached = _reached(cases, persons)
    since = min((case.counts_from for case in cases), default=now)
    # The stretch that is under way was last heard of up to so long ago.
    heard_of = Heartbeat.objects.filter(until__gte=since - policies.MOST_UNHEARD)
    at_work = list(heard_of.order_by("since").values_list("since", "until"))
    # Late evidence is no reason to wait where nothing would be cut.
    cut = [case for case in cases if consequence(case, does="suspend") in CUTS]
    behind = lateness.of_cases(cut, since=since, now=now)
    paused, together = _paused(cases, now=now), _told_together(cases, persons)
    found = {}
    for case in cases:
        rows = []
        for seat, those in silent[case.pk]:
            nobody = asked.nobody(case, seat)
            moments = [reached.get((case.pk, person.pk)) for person in those]
            if not nobody:
                # Whom a campaign asked for seats of their own was not told of an empty one by that.
                moments += [together.get((case.campaign_id, person.pk)) for person in those]
            known = [
                moment if seat.since is None else max(moment, seat.since)
                for moment in moments
                if moment is not None
            ]
            rows.append(Silent(seat, those, min(known, default=None), nobody))
        whole = case.silent_at - case.counts_from - case.not_counted
        heard = [one for one in at_work if one[1] + policies.MOST_UNHEARD >= case.counts_from]
        stretches = policies.without(heard, paused.get(case.campaign_id, ()))
        clock = _clock(rows, stretches, since=case.counts_from, within=whole, now=now)
        read = Read(
            # The deadline lies before the grace; what is lost in either moves both.
            clock._replace(due=clock.due - case.grace),
            rows,
            stretches,
            heard,
            behind.get(case.pk, lateness.Behind()),
            policies.Late(),
            bool(paused.get(case.campaign_id)),
        )
        if case.silence_done_at is None and consequence(case) in CUTS:
            late = _late(read, clock, since=case.counts_from, within=whole, now=now)
            read = read._replace(late=late)
        found[case.pk] = read
    return found


def between(
    found: Read, *, since: datetime, within: timedelta, cuts: bool, now: datetime
) -> tuple[policies.Clock, policies.Late]:
    """The clock of a rung that is due `within` counted time after an earlier moment, and what late
    evidence takes of it where the rung cuts."""
    clock = _clock(found.silent, found.at_work, since=since, within=within, now=now)
    if not cuts:
        return clock, policies.Late()
    return clock, _late(found, clock, since=since, within=within, now=now)


def _late(
    found: Read, clock: policies.Clock, *, since: datetime, within: timedelta, now: datetime
) -> policies.Late:
    never = any(lateness.never_shown(one) for one in found.behind.sources)
    if never or not all(one.asked for one in found.silent):
        # There are other doubts, which no waiting ends.
        return policies.Late()
    whys = (lateness.why_late(one, now=now) for one in found.behind.sources)
    return policies.late(
        clock,
        opened_at=since,
        within=within,
        at_work=found.at_work,
        over=found.behind.over,
        going_on=found.behind.going_on,
        why=next(filter(None, whys), ""),
        now=now,
    )


def _clock(
    silent: Sequence[Silent],
    at_work: Sequence[policies.Stretch],
    *,
    since: datetime,
    within: timedelta,
    now: datetime,
) -> policies.Clock:
    return policies.clock(
        opened_at=since,
        within=within,
        # A seat in which nobody could be asked keeps nobody waiting; it makes a doubt instead.
        reached=[one.reached_at for one in silent if one.asked],
        at_work=at_work,
        now=now,
    )


def sentences(case: Case, found: Read) -> list[str]:
    """What of the time since the opening does not count, and why; empty when all of it does."""
    said = []
    if found.clock.since is None:
        missing = [
            f"{' or '.join(person.name for person in one.asked[:3])}"
            f"{', who can name somebody' if one.nobody else ''} as {_seat(one.seat)}"
            for one in found.silent
            if one.asked and one.reached_at is None
        ]
        said.append(
            f"The time does not count yet: the request has not reached {'; '.join(missing)}."
        )
    elif found.clock.since > case.counts_from:
        said.append(
            f"The time counts from {in_words(found.clock.since)}, when the request had reached"
            " every seat that is asked."
        )
    if found.clock.lost:
        why = "Countersign was not at work"
        if found.paused:
            why = "its campaign was paused, or Countersign was not at work"
        said += _not_counted(found.clock.lost, why)
    late = found.late
    said += _not_counted(late.so_far, late.goes_on or "evidence of it was late")
    if late.goes_on:
        most = _span(late.most)
        until = f"at most {most} of such time are waited for, and then nothing is cut"
        if late.so_far >= late.most:
            until = f"{most} of such time were waited for, so nothing is cut"
        said.append(f"While evidence is late the time does not count: {until}.")
    return said


def _not_counted(lost: timedelta, why: str) -> list[str]:
    """Seconds are not worth a sentence."""
    return [f"{_span(lost)} do not count: {why}."] if lost >= timedelta(seconds=30) else []


def _span(time: timedelta) -> str:
    hours, minutes = divmod(round(time.total_seconds() / 60), 60)
    return f"{hours:,} h {minutes} min"


def doubt(case: Case, found: Read, *, now: datetime) -> str:
    """Why silence may cut nothing now, as the end of a sentence; "" when it may, or where it cuts
    nothing whatever the evidence."""
    for one in found.silent:
        if not one.asked:
            return f"nobody could be asked as {_seat(one.seat)}"
    if case.identity is None or consequence(case, does="suspend") not in CUTS:
        return ""
    if not found.behind.sources:
        return f"no evidence of {case.identity.name} is known"
    whys = (lateness.why_late(source, now=now) for source in found.behind.sources)
    return next(filter(None, whys), "")


def _reached(cases: Sequence[Case], persons: set[UUID]) -> dict[tuple[UUID, UUID], datetime]:
    """When each person first had each case: a notice went out, they saw its page, or signed."""
    if not persons:
        return {}
    refs = {user.ref: user.person_id for user in User.objects.filter(person__in=persons)}
    of = {case.key: case for case in cases}
    pks = [case.pk for case in cases]
    looks = Looked.objects.filter(kind="case", ref__in=list(of), by__in=list(refs))
    notices = Notice.objects.filter(case__in=pks, person__in=persons, sent_at__isnull=False)
    signed = Decision.objects.filter(item__case__in=pks, person__in=persons)
    found: dict[tuple[UUID, UUID], datetime] = {}
    for case, person, at in (
        *notices.values_list("case", "person").annotate(first=Min("sent_at")),
        *(
            (of[ref].pk, refs[by], at)
            for ref, by, at in looks.values_list("ref", "by", "at")
            if at >= of[ref].counts_from
        ),
        *signed.values_list("item__case", "person").annotate(first=Min("at")),
    ):
        if case is not None and person is not None:
            found[case, person] = min(at, found.get((case, person), at))
    return found


def _told_together(
    cases: Sequence[Case], persons: set[UUID]
) -> dict[tuple[UUID | None, UUID | None], datetime]:
    """When a campaign first told each person of all that waits for them in it."""
    campaigns = {case.campaign_id for case in cases if case.campaign_id is not None}
    if not campaigns:
        return {}
    rows = Notice.objects.filter(
        campaign__in=campaigns, person__in=persons, sent_at__isnull=False
    ).values_list("campaign", "person")
    return {(campaign, person): at for campaign, person, at in rows.annotate(first=Min("sent_at"))}


def _paused(cases: Sequence[Case], *, now: datetime) -> dict[UUID | None, list[policies.Stretch]]:
    """When the campaign of each of these cases stood still."""
    found: dict[UUID | None, list[policies.Stretch]] = {}
    campaigns = {case.campaign_id for case in cases if case.campaign_id is not None}
    if campaigns:
        for one in CampaignPause.objects.filter(campaign__in=campaigns).order_by("since"):
            found.setdefault(one.campaign_id, []).append((one.since, one.until or now))
    return found


def _seat(seat: Seat) -> str:
    of = f" of {seat.service.name}" if seat.service is not None else ""
    return f"{SEAT_WORDS[seat.kind]}{of}"


def in_words(moment: datetime) -> str:
    return f"{moment:%-d %b %Y %H:%M} UTC"
