"""How soon things are answered and stopped, and how far calls of each source reach a run.

Owns the medians and what is counted of sources; what is counted as a share of rows is shares.py.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from evidence.vocabulary import EXACT, PLANE_IDENTITY
from reviews import shares

# So many of the newest calls are looked at, of all sources together.
MOST = 20_000
WEEKS = shares.WINDOW.days // 7
# What PostgreSQL's grouping() says of a row: a bit for each column that it is not grouped by.
_ALL, _WEEK, _SERVICE = 3, 2, 1

# From the act (the first event under a finding of its case; else from when it was asked for) to
# effective; of each week, of each AI system, of all. What is sealed says no act.
STOPPED = """
WITH done AS (
    SELECT i.service_id AS service, %(weeks)s - 1 - floor(
            extract(epoch FROM %(now)s - r.effective_at) / 604800)::int AS week,
        r.effective_at - coalesce((
            SELECT min(f.first_at) FROM reviews_case_findings k
            JOIN reviews_case c ON c.id = k.case_id AND NOT c.sealed
            JOIN identities_finding f ON f.id = k.finding_id WHERE k.case_id = r.case
        ), r.requested_at) AS took
    FROM identities_revocation r JOIN identities_identity i ON i.id = r.identity_id
    WHERE r.state = 'effective' AND r.effective_at > %(since)s AND r.effective_at <= %(now)s
)
SELECT grouping(service, week), service, week, percentile_cont(0.5) WITHIN GROUP (ORDER BY took), count(*) FROM done
GROUP BY GROUPING SETS ((), (week), (service))
"""
# From the detection of an incident until it is known who it was (incidents/clocks.py).
ANSWERED = """
WITH done AS (
    SELECT i.service_id AS service, %(weeks)s - 1 - floor(
            extract(epoch FROM %(now)s - r.attributed_at) / 604800)::int AS week,
        greatest(r.attributed_at - r.detected_at, interval '0') AS took
    FROM reviews_room r JOIN reviews_case c ON c.id = r.case_id AND NOT c.sealed
    LEFT JOIN identities_identity i ON i.id = c.identity_id
    WHERE r.attributed_at > %(since)s AND r.attributed_at <= %(now)s
)
SELECT grouping(service, week), service, week, percentile_cont(0.5) WITHIN GROUP (ORDER BY took), count(*) FROM done
GROUP BY GROUPING SETS ((), (week), (service))
"""
# The newest calls, and those that reach a run by a request id, by their sources.
REACHED = f"""
WITH newest AS MATERIALIZED (
    SELECT v.id, v.at, v.source_id FROM evidence_event v
    WHERE v.plane = {PLANE_IDENTITY} AND v.at <= %s
    ORDER BY v.at DESC LIMIT {MOST}
)
SELECT s.name, s.title, count(*), count(*) FILTER (WHERE EXISTS (
        SELECT FROM evidence_shownlink l WHERE l.effect_at = n.at AND l.effect_id = n.id
            AND l.strength = {EXACT})), min(n.at), max(n.at)
FROM newest n JOIN evidence_source s ON s.id = n.source_id GROUP BY s.id ORDER BY s.name
"""  # noqa: S608 - our own numbers; values are parameters


class Median(NamedTuple):
    """`took`: half were as fast or faster; `of`: over so many."""

    took: timedelta
    of: int


class Medians(NamedTuple):
    """Over everything, of each week of the window (None: there was none), and of each service."""

    all: Median | None
    weeks: list[Median | None]
    services: dict[UUID, Median]


class Reached(NamedTuple):
    """Of a source's newest calls those that reach a run by an exact key, and from when they are."""

    source: str
    title: str
    calls: int
    exact: int
    since: datetime
    until: datetime


def stopped(*, now: datetime) -> Medians:
    """From the act to the effective revocation."""
    return _medians(STOPPED, now=now)


def answered(*, now: datetime) -> Medians:
    """From the detection of an incident until its who is answered."""
    return _medians(ANSWERED, now=now)


def reached(*, now: datetime) -> list[Reached]:
    """The sources of the newest calls."""
    with connection.cursor() as cursor:
        cursor.execute(REACHED, [now])
        return [Reached(*row) for row in cursor.fetchall()]


def _medians(statement: str, *, now: datetime) -> Medians:
    found = Medians(None, [None] * WEEKS, {})
    said: dict[str, Any] = {"now": now, "since": now - shares.WINDOW, "weeks": WEEKS}
    with connection.cursor() as cursor:
        cursor.execute(statement, said)
        for level, service, week, took, count in cursor.fetchall():
            one = Median(took, count)
            if level == _ALL and count:
                found = found._replace(all=one)
            elif level == _WEEK:
                found.weeks[max(0, week)] = one
            elif level == _SERVICE and service is not None:
                found.services[service] = one
    return found
