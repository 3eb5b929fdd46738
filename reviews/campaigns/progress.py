"""How far a campaign is: answers of each seat, party and person, counted by the worker and kept.

Owns `Campaign.progress`: counting walks every item of the campaign, so it is done beside the
pages, which read what was counted and say when. What has an outcome waits for no seat any more.
A sealed review is in no count: the numbers are everybody's, and it is absent for all but its members.
"""

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models.functions import Coalesce

from identities.models import Party, Person
from reviews.models import Campaign
from reviews.permissions import SIGNING

SOON = timedelta(seconds=10)
# Counting takes at most one part in so many of the worker's time.
SHARE = 50
LIVE = ("running", "paused")

# What was restored from quarantine when the rest of its review had gone out is asked about in another
# review (reviews/actions/quarantining.py), and counted there.
COUNTED = """AND NOT EXISTS (SELECT FROM reviews_quarantine q WHERE q.item_id = i.id
  AND q.state = 'restored' AND q.settled_at = i.carried_out_at)"""
ITEMS = """
SELECT c.state, count(DISTINCT c.id), count(i.id),
 count(i.id) FILTER (WHERE i.outcome NOT IN ('', 'conflict')),
 count(i.id) FILTER (WHERE i.outcome = 'conflict')
FROM reviews_case c LEFT JOIN reviews_item i ON i.case_id = c.id {counted}
WHERE c.campaign_id = %s AND NOT c.sealed GROUP BY 1
""".replace("{counted}", COUNTED)
SEATS = """
SELECT s.kind, s.party_id, coalesce(s.person_id, p.person_id), count(*),
 count(*) FILTER (WHERE u.waiting <= coalesce(g.given, 0)),
 sum(u.items), sum(u.items - greatest(u.waiting - coalesce(g.given, 0), 0))
FROM reviews_case c
JOIN reviews_seat s ON s.case_id = c.id AND s.kind = ANY(%(signing)s) AND s.turn <> 'later'
LEFT JOIN identities_party p ON p.id = s.party_id
JOIN (
  SELECT i.case_id, count(*) AS items,
   count(*) FILTER (WHERE i.outcome IN ('', 'conflict')) AS waiting
  FROM reviews_case c JOIN reviews_item i ON i.case_id = c.id {counted}
  WHERE c.campaign_id = %(campaign)s GROUP BY 1
) u ON u.case_id = c.id
LEFT JOIN (
  SELECT d.seat_id, count(*) AS given
  FROM reviews_case c
  JOIN reviews_item i ON i.case_id = c.id AND i.outcome IN ('', 'conflict')
  JOIN reviews_decision d ON d.item_id = i.id AND d.superseded_at IS NULL
  WHERE c.campaign_id = %(campaign)s GROUP BY 1
) g ON g.seat_id = s.id
WHERE c.campaign_id = %(campaign)s AND c.state <> 'cancelled' AND NOT c.sealed
GROUP BY 1, 2, 3
""".replace("{counted}", COUNTED)
STAGES = """
SELECT s.position, s.name, count(*) FILTER (WHERE s.state = 'running' AND c.state = 'open'),
 count(*) FILTER (WHERE s.state = 'done' OR (s.state = 'running' AND c.state <> 'open')),
 count(*) FILTER (WHERE s.state = 'waiting' AND c.state = 'open'),
 count(*) FILTER (WHERE s.state = 'waiting' AND c.state <> 'open')
FROM reviews_case c JOIN reviews_stage s ON s.case_id = c.id
WHERE c.campaign_id = %s AND c.state <> 'cancelled' AND NOT c.sealed
GROUP BY 1, 2 ORDER BY 1, 2
"""
LAUNCHED = """
SELECT count(*), count(case_id), count(*) FILTER (WHERE left_out <> ''),
 count(*) FILTER (WHERE joined)
FROM reviews_campaignidentity WHERE campaign_id = %s
"""


class Part(NamedTuple):
    """The answers of one seat kind, or of one party or person in it."""

    seat: str
    party: str | None  # its key
    person: str | None  # of who signs there, or is asked alone; None: nobody yet, of several
    reviews: int
    reviews_done: int
    items: int
    answered: int
    whose: bool = True  # of one party and person; else of everybody in this kind of seat

    @property
    def left(self) -> int:
        return self.items - self.answered


class StagePart(NamedTuple):
    """How many reviews are where in one stage."""

    name: str
    asked: int
    over: int
    to_come: int
    not_needed: int  # decided before it


class Progress(NamedTuple):
    """What was counted, and when."""

    at: datetime | None
    identities: int  # in scope at the launch
    opened: int  # of these, with a review
    left_out: int
    joined: int
    items: int
    decided: int
    conflicts: int
    cases: dict[str, int]  # by state
    seats: list[Part]  # by seat kind
    parts: list[Part]  # by seat kind, party and who signs; most left first
    stages: list[StagePart]  # in their order; none where every seat is asked at once

    @property
    def open_cases(self) -> int:
        return self.cases.get("open", 0)


def count(campaign: Campaign, *, now: datetime) -> Progress:
    """Count a campaign in four statements, and keep what was found on its row."""
    began = time.perf_counter()
    cases: dict[str, int] = {}
    items = decided = conflicts = 0
    with connection.cursor() as cursor:
        cursor.execute(ITEMS, [campaign.pk])
        for state, many, of, done, differing in cursor.fetchall():
            cases[state] = many
            if state != "cancelled":
                items, decided, conflicts = items + of, decided + done, conflicts + differing
        cursor.execute(SEATS, {"campaign": campaign.pk, "signing": list(SIGNING)})
        parts = [
            [kind, party and str(party), person and str(person), *map(int, counts)]
            for kind, party, person, *counts in cursor.fetchall()
        ]
        cursor.execute(STAGES, [campaign.pk])
        stages = [[name, *counts] for _, name, *counts in cursor.fetchall()]
        cursor.execute(LAUNCHED, [campaign.pk])
        identities, opened, left_out, joined = cursor.fetchone()
    campaign.progress = {
        "identities": identities,
        "opened": opened,
        "left_out": left_out,
        "joined": joined,
        "items": items,
        "decided": decided,
        "conflicts": conflicts,
        "cases": cases,
        "parts": parts,
        "stages": stages,
    }
    campaign.counted_at = now
    rest = timedelta(seconds=SHARE * (time.perf_counter() - began))
    campaign.count_at = now + max(SOON, rest) if campaign.state in LIVE else None
    campaign.save(update_fields=["progress", "counted_at", "count_at"])
    return read(campaign)


def count_next(*, now: datetime) -> bool:
    """Count one campaign whose turn it is; False when there is none."""
    with transaction.atomic():
        due = (
            Campaign.objects.select_for_update(no_key=True, skip_locked=True)
            .filter(count_at__isnull=False, count_at__lte=now)
            .order_by("count_at", "pk")
            .first()
        )
        if due is None:
            return False
        count(due, now=now)
    return True


def read(campaign: Campaign) -> Progress:
    """What was counted last; zeros before the launch. Asks the database nothing."""
    said: dict[str, Any] = campaign.progress
    parts = [Part(*one) for one in said.get("parts", [])]
    parts.sort(key=lambda one: (one.answered - one.items, SIGNING.index(one.seat), one.party or ""))
    return Progress(
        at=campaign.counted_at,
        identities=said.get("identities", 0),
        opened=said.get("opened", 0),
        left_out=said.get("left_out", 0),
        joined=said.get("joined", 0),
        items=said.get("items", 0),
        decided=said.get("decided", 0),
        conflicts=said.get("conflicts", 0),
        cases=said.get("cases", {}),
        seats=_by_seat(parts),
        parts=parts,
        stages=[StagePart(*one) for one in said.get("stages", [])],
    )


def _by_seat(parts: Iterable[Part]) -> list[Part]:
    found: dict[str, list[int]] = {}
    for one in parts:
        sums = found.setdefault(one.seat, [0, 0, 0, 0])
        for place, many in enumerate((one.reviews, one.reviews_done, one.items, one.answered)):
            sums[place] += many
    return [_everybody(kind, *found[kind]) for kind in SIGNING if kind in found]


def _everybody(kind: str, reviews: int, done: int, items: int, answered: int) -> Part:
    return Part(kind, None, None, reviews, done, items, answered, whose=False)


def named(kind: str, pk: str) -> str:
    """What one party or person is called."""
    rows: Any = (
        Party.objects.select_related("person", "team") if kind == "party" else Person.objects
    )
    found = rows.filter(pk=pk).first()
    if found is None:
        return "nobody known"
    return str(found) if kind == "party" else f"{found.name} signs"


def names(parts: Iterable[Part]) -> tuple[dict[str, str], dict[str, str]]:
    """What the parties and the persons of these are called, by their keys."""
    parts = list(parts)
    parties = Party.objects.filter(pk__in={one.party for one in parts if one.party})
    persons = Person.objects.filter(pk__in={one.person for one in parts if one.person})
    called = parties.values_list("pk", Coalesce("person__name", "team__name"))
    return (
        {str(pk): name for pk, name in called},
        {str(pk): name for pk, name in persons.values_list("pk", "name")},
    )
