"""How far the time to answer a question about owning has run: as for a case, only time in which it
had reached somebody and Countersign was at work counts. One that reaches nobody is over, too: after
twice its time, because mail that is never delivered must not keep it open for good.

Owns nothing: it reads notices and heartbeats, of many questions in two queries. What silence then
does is offers.py and reviews/succession/passing.py.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from reviews import policies
from reviews.models import Heartbeat, Notice

# So many times its own time, a question may be on its way and reach nobody.
UNDELIVERED = 2
REACHED_NOBODY = "the question reached nobody"


class Question(NamedTuple):
    """One question: the beginning of the occasion of its notices, who is asked, and how long.

    `since`: when it was asked at the earliest, for one that nobody was told of.
    """

    occasion: str
    asked: Collection[UUID]  # persons
    within: timedelta
    since: datetime


class Over(NamedTuple):
    """When the time of a question is over, and whether it has reached anybody."""

    at: datetime
    reached: bool


def due(questions: Sequence[Question], *, now: datetime) -> list[Over]:
    """When the time of each is over, if nothing more is lost. One that has reached nobody has all
    of its time left, until it has been on its way for UNDELIVERED times that."""
    told = _told(questions)
    moments = [_last(one, told) for one in questions]
    since = min((asked for asked, _ in moments), default=now)
    at_work = list(
        Heartbeat.objects.filter(until__gte=since).order_by("since").values_list("since", "until")
    )
    found = []
    for one, (asked, reached) in zip(questions, moments, strict=True):
        times = 1 if reached is not None else UNDELIVERED
        runs = policies.clock(
            opened_at=asked,
            within=times * one.within,
            reached=[reached or asked],
            at_work=at_work,
            now=now,
        )
        at = runs.due if reached is not None else min(runs.due, now + one.within)
        found.append(Over(at, reached is not None))
    return found


type Told = list[tuple[str, UUID | None, datetime, datetime | None]]


def _told(questions: Sequence[Question]) -> Told:
    """(occasion, person, when it was written, when it went out) of all their notices."""
    which = Q()
    for occasion in dict.fromkeys(one.occasion for one in questions):
        which |= Q(occasion__startswith=occasion)
    persons = {person for one in questions for person in one.asked}
    rows = Notice.objects.filter(which, person__in=persons)
    return list(rows.values_list("occasion", "person", "created_at", "sent_at"))


def _last(one: Question, told: Told) -> tuple[datetime, datetime | None]:
    """When somebody was asked last, and when that reached the first of them."""
    mine = [
        (written, sent)
        for occasion, person, written, sent in told
        if occasion.startswith(one.occasion) and person in one.asked
    ]
    asked = max((written for written, _ in mine), default=one.since)
    sent = [sent for written, sent in mine if sent is not None and asked == written]
    return asked, min(sent, default=None)
