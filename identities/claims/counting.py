"""How much has no owner, day by day, and for whom it waits: what the burn-down draws.

Owns the stored counts and the forecast, which is only said where the days behind it bear it.
Counts come from the claims, so humans and what was retired are in none of them. Figures are per
team; single persons are counted together, as nobody is measured by name.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from identities.claims import questioning
from identities.models import ClaimDay

# A forecast rests on at least so many counted days, and is the pace of so many.
LEAST_DAYS = 7
PACES = (7, 28)
MOST_DAYS = 366

NOW = """
SELECT %(day)s::date AS day, count(*) FILTER (WHERE live AND identity_id IS NOT NULL) AS unowned,
    count(*) FILTER (WHERE live AND actor_id IS NOT NULL) AS unclaimed,
    count(*) FILTER (WHERE live AND asked_at IS NOT NULL AND state = 'open') AS asked,
    count(*) FILTER (WHERE state = 'open' AND party_id IS NULL) AS nobody,
    count(*) FILTER (WHERE state = 'owned') AS owned,
    (SELECT count(*) FROM identities_claimanswer a WHERE a.undone_at IS NULL
        AND a.at >= %(from)s AND a.at < %(to)s) AS answers,
    %(now)s::timestamptz AS counted_at
FROM (SELECT *, state IN ('open', 'answered') AS live FROM identities_claim) c
"""
COUNT = f"""
INSERT INTO identities_claimday
    (day, unowned, unclaimed, asked, nobody, owned, answers, counted_at)
{NOW} ON CONFLICT (day) DO UPDATE SET (unowned, unclaimed, asked, nobody, owned, answers, counted_at) =
    (excluded.unowned, excluded.unclaimed, excluded.asked, excluded.nobody, excluded.owned,
     excluded.answers, excluded.counted_at)
"""
WAITING = f"""
SELECT t.id, coalesce(t.name, ''), count(DISTINCT c.party_id),
    count(DISTINCT (c.party_id, q.about)) FILTER (WHERE c.state = 'open' AND c.asked_at IS NOT NULL),
    count(*) FILTER (WHERE c.state = 'open' AND c.asked_at IS NOT NULL),
    count(*) FILTER (WHERE c.state = 'open' AND c.asked_at IS NULL),
    count(*) FILTER (WHERE c.state = 'owned'),
    min(c.asked_at) FILTER (WHERE c.state = 'open')
FROM identities_claim c JOIN identities_party p ON p.id = c.party_id
LEFT JOIN identities_team t ON t.id = p.team_id
LEFT JOIN ({questioning.sql()}) q ON q.party_id = c.party_id AND q.bundle = c.bundle
WHERE c.state IN ('open', 'answered', 'owned')
GROUP BY 1, 2 ORDER BY 5 DESC, 6 DESC, 2
"""  # noqa: S608 - a constant
NOBODY = """
SELECT c.bundle, count(*), max(c.passed), min(c.reviewed_at) FROM identities_claim c
WHERE c.state = 'open' AND c.party_id IS NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(most)s
"""


class Waits(NamedTuple):
    """One team, or all single persons together, and what lies before them."""

    team: UUID | None
    name: str  # "" for single persons
    parties: int
    questions: int  # asked and not answered
    asked: int  # things in them
    later: int  # things they will be asked about
    owned: int  # things that are theirs by an answer
    since: datetime | None


class Nobody(NamedTuple):
    """Things for which nobody is known to ask, by what they are asked about together."""

    bundle: str
    n: int
    passed: int
    reviewed_at: datetime | None  # since when reviews ask what becomes of it


class Forecast(NamedTuple):
    """When nothing would be left at two paces, or why nothing is said."""

    why_not: str = ""
    earliest: date | None = None
    latest: date | None = None


def count(*, now: datetime) -> None:
    """Store today's counts; the last ones of a day stay."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, _day_of(now))


def _day_of(now: datetime) -> dict[str, Any]:
    begins = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {"day": now.date(), "from": begins, "to": begins + timedelta(days=1), "now": now}


def days(*, now: datetime, most: int = MOST_DAYS) -> list[ClaimDay]:
    """The counted days, the oldest first, and today as it stands now: an answer shows at once.

    None, where nothing was looked for yet.
    """
    if not ClaimDay.objects.exists():
        return []
    before = ClaimDay.objects.filter(day__lt=now.date()).order_by("-day")[: most - 1]
    return [*reversed(before), *ClaimDay.objects.raw(NOW, _day_of(now))]


def waiting() -> list[Waits]:
    """What lies before whom, the most first. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return [Waits(*row) for row in cursor.fetchall()]


def nobody(most: int = 100) -> list[Nobody]:
    """For what nobody is known to ask, the most first. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(NOBODY, {"most": most})
        return [Nobody(*row) for row in cursor.fetchall()]


def left_of(day: ClaimDay) -> int:
    return day.unowned + day.unclaimed


def forecast(rows: Sequence[ClaimDay]) -> Forecast:
    """From the pace of the last week and of the last four; nothing where either is no pace."""
    if not rows or left_of(rows[-1]) == 0:
        return Forecast()
    last = rows[-1]
    counted = (last.day - rows[0].day).days
    if counted < LEAST_DAYS:
        return Forecast(f"It takes counts of {LEAST_DAYS} days; there are {counted + 1}.")
    ends = []
    for pace in PACES:
        # Days on which nothing was counted lengthen a pace, and never shorten it.
        since = last.day - timedelta(days=pace)
        first = next((row for row in reversed(rows) if row.day <= since), rows[0])
        fallen, took = left_of(first) - left_of(last), (last.day - first.day).days
        if fallen <= 0:
            return Forecast(f"In the last {took} days it has not become less.")
        ends.append(last.day + timedelta(days=-(-left_of(last) * took // fallen)))
    if max(ends) > last.day + timedelta(days=730):
        return Forecast("At this pace it takes more than two years.")
    return Forecast(earliest=min(ends), latest=max(ends))


# The members of `as_data`.
COLUMNS = (
    "day",
    "unowned_identities",
    "unclaimed_actors",
    "asked",
    "nobody_known",
    "owned_by_answers",
    "answers",
    "counted_at",
)


def as_data(rows: Sequence[ClaimDay]) -> list[dict[str, Any]]:
    """The days as scripts and spreadsheets read them."""
    return [
        {
            "day": row.day.isoformat(),
            "unowned_identities": row.unowned,
            "unclaimed_actors": row.unclaimed,
            "asked": row.asked,
            "nobody_known": row.nobody,
            "owned_by_answers": row.owned,
            "answers": row.answers,
            "counted_at": row.counted_at.isoformat().replace("+00:00", "Z"),
        }
        for row in rows
    ]
