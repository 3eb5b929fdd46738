"""What is unusual for this identity itself: a question in one sentence, never a finding.

Owns what is compared: the last two days with the days before them, from the daily sums, and, for
networks, the events of both. Nothing is unusual before an identity has been seen on seven days. A
new tool has a trigger of its own (uses.py). It asks, and can neither cut nor hold anything.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from evidence.vocabulary import PLANE_IDENTITY
from evidence.words import counted
from identities.models import Identity
from reviews.actions import policy_versions
from reviews.models import Trigger

from .noting import MOST, events_of, note, trigger

NAME = "unusual"
# Days on which it was seen before anything can be unusual for it.
LEAST_DAYS = 7
# So many times its busiest day, and at least so many calls.
TIMES, LEAST_CALLS = 3, 100
# An identity that acts in more hours of the day than this has no usual hours.
MOST_HOURS = 16
# Of one identity: with more events in its days its networks are not compared.
MOST_EVENTS = 20_000
# "secretsmanager:getsecretvalue" -> "secretsmanager", "mail.send" -> "mail", "get pods" -> "get".
FAMILY = "split_part(split_part(split_part(lower(t.value), ':', 1), '.', 1), ' ', 1)"
NOT_NOTED = """NOT EXISTS (SELECT FROM reviews_trigger g
    WHERE g.identity_id = i.id AND g.name = 'unusual' AND g.subject = {subject})"""
# Days before each day are all compared by usage_once, of the identities that were active lately.
ACTIONS = f"""
SELECT i.id, r.day, r.family, r.at, r.many, b.days FROM (
    SELECT u.identity_no, {FAMILY} AS family, min(u.day) AS day, min(u.first_at) AS at,
        sum(u.count) AS many
    FROM identities_usageday u JOIN evidence_term t ON t.id = u.action_id
    WHERE u.plane = {PLANE_IDENTITY} AND u.day >= %(since)s AND u.day <= %(today)s GROUP BY 1, 2) r
JOIN identities_identity i ON i.number = r.identity_no AND i.state <> 'retired'
CROSS JOIN LATERAL (
    SELECT count(DISTINCT u.day) AS days, bool_or({FAMILY} = r.family) AS seen
    FROM identities_usageday u JOIN evidence_term t ON t.id = u.action_id
    WHERE u.identity_no = r.identity_no AND u.plane = {PLANE_IDENTITY}
      AND u.day < r.day AND u.day >= r.day - %(days)s) b
WHERE b.days >= {LEAST_DAYS} AND NOT b.seen
  AND {NOT_NOTED.format(subject="'action ' || r.family")}
ORDER BY r.day, i.number, r.family LIMIT {MOST}
"""  # noqa: S608 - of constants
VOLUMES = f"""
SELECT i.id, r.day, r.many::text, r.at, b.most, b.days FROM (
    SELECT u.identity_no, u.day, sum(u.count) AS many, max(u.last_at) AS at
    FROM identities_usageday u
    WHERE u.plane = {PLANE_IDENTITY} AND u.day >= %(since)s AND u.day <= %(today)s GROUP BY 1, 2) r
JOIN identities_identity i ON i.number = r.identity_no AND i.state <> 'retired'
CROSS JOIN LATERAL (
    SELECT count(*) AS days, max(many) AS most FROM (
        SELECT sum(u.count) AS many FROM identities_usageday u
        WHERE u.identity_no = r.identity_no AND u.plane = {PLANE_IDENTITY}
          AND u.day < r.day AND u.day >= r.day - %(days)s GROUP BY u.day) d) b
WHERE b.days >= {LEAST_DAYS} AND r.many >= {LEAST_CALLS} AND r.many > {TIMES} * b.most
  AND {NOT_NOTED.format(subject="'volume ' || r.day")}
ORDER BY r.day, i.number LIMIT {MOST}
"""  # noqa: S608 - of constants
# A row of a day says from when to when: the hours in between count as usual.
HOURS = f"""
SELECT i.id, r.day, b.usual, r.at, r.many, b.days FROM (
    SELECT u.identity_no, u.day, x.at, u.count AS many FROM identities_usageday u
    CROSS JOIN LATERAL (VALUES (u.first_at), (u.last_at)) x(at)
    WHERE u.plane = {PLANE_IDENTITY} AND u.day >= %(since)s AND u.day <= %(today)s) r
JOIN identities_identity i ON i.number = r.identity_no AND i.state <> 'retired'
CROSS JOIN LATERAL (
    SELECT count(DISTINCT u.day) AS days, array_agg(DISTINCT h ORDER BY h) AS usual
    FROM identities_usageday u
    CROSS JOIN LATERAL generate_series(
        extract(hour FROM u.first_at AT TIME ZONE 'UTC')::int,
        extract(hour FROM u.last_at AT TIME ZONE 'UTC')::int) h
    WHERE u.identity_no = r.identity_no AND u.plane = {PLANE_IDENTITY}
      AND u.day < r.day AND u.day >= r.day - %(days)s) b
WHERE b.days >= {LEAST_DAYS} AND cardinality(b.usual) <= {MOST_HOURS} AND NOT EXISTS (
    SELECT FROM unnest(b.usual) h
    WHERE (h - extract(hour FROM r.at AT TIME ZONE 'UTC')::int + 24) %% 24 IN (0, 1, 23))
  AND {NOT_NOTED.format(subject="'hour ' || r.day")}
ORDER BY r.day, i.number, r.at LIMIT {MOST}
"""  # noqa: S608 - of constants
NETWORKS = f"""
SELECT i.id, n.day, n.network, n.at, n.many, w.days FROM (
    SELECT identity_no FROM identities_usageday
    WHERE plane = {PLANE_IDENTITY} AND day >= %(since)s AND day <= %(today)s GROUP BY 1) r
JOIN identities_identity i ON i.number = r.identity_no AND i.state <> 'retired'
CROSS JOIN LATERAL (
    SELECT count(*) AS many, count(DISTINCT at::date) FILTER (WHERE at < %(since)s) AS days FROM (
        SELECT a.at FROM identities_attribution a
        WHERE a.identity_no = r.identity_no AND a.plane = {PLANE_IDENTITY}
          AND a.at >= %(since)s - make_interval(days => %(days)s) AND a.at < %(now)s
        LIMIT {MOST_EVENTS} + 1) x) w
CROSS JOIN LATERAL (
    SELECT evidence_network(t.value) AS network, min(a.at) AS at, count(*) AS many,
        (min(a.at) AT TIME ZONE 'UTC')::date AS day
    FROM identities_attribution a
    JOIN evidence_event e ON e.at = a.at AND e.id = a.event_id
    JOIN evidence_term t ON t.id = e.address_id
    WHERE w.many <= {MOST_EVENTS} AND w.days >= {LEAST_DAYS} AND a.identity_no = r.identity_no
      AND a.plane = {PLANE_IDENTITY} AND a.at < %(now)s
      AND a.at >= %(since)s - make_interval(days => %(days)s)
    GROUP BY 1 HAVING min(a.at) >= %(since)s) n
WHERE n.network IS NOT NULL AND {NOT_NOTED.format(subject="'network ' || n.network")}
ORDER BY n.at, i.number, n.network LIMIT {MOST}
"""  # noqa: S608 - of constants


class Row(NamedTuple):
    """One thing that is unusual, as a question found it."""

    identity: Any
    day: Any
    what: Any
    at: datetime
    many: int
    days: int


def find_next(*, now: datetime) -> bool:
    """Note what is unusual now, a batch of each kind; whether one of them may find more."""
    named = policy_versions.document_of(policy_versions.in_force(now=now)).micro_reviews
    if NAME not in named:
        return False
    counts = []
    for sql, say in KINDS:
        with transaction.atomic():
            rows = _asked(sql, named[NAME].days, now)
            identities = Identity.objects.in_bulk({row.identity for row in rows})
            made = [say(identities[row.identity], row, now) for row in rows]
            note({(one.identity_id, one.subject): one for one in reversed(made)}.values())
        counts.append(len(rows))
    return max(counts) >= MOST


def _asked(sql: str, days: int, now: datetime) -> Sequence[Row]:
    today = now.date()
    since = today - timedelta(days=1)
    said: dict[str, Any] = {"since": since, "today": today, "days": days, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(sql, said)
        return [Row(*row) for row in cursor.fetchall()]


def _made(
    identity: Identity, row: Row, now: datetime, subject: str, words: str, **asked: str
) -> Trigger:
    """About the identity: whether it goes on as it is."""
    day = {"from": f"{row.day}T00:00:00+00:00", "to": f"{row.day}T23:59:59+00:00"}
    return trigger(
        NAME,
        identity,
        subject=subject,
        about=identity.pk,
        title=f"{identity.name} as it is",
        words=f"{words} It may be as it should be: say whether it goes on.",
        at=row.at,
        now=now,
        links=[events_of(identity, "The events of that day", **asked, **day)],
        facts={"unusual": subject.partition(" ")[0]},
    )


def _action(identity: Identity, row: Row, now: datetime) -> Trigger:
    return _made(
        identity,
        row,
        now,
        f"action {row.what}",
        f"On {row.day:%-d %b %Y} {identity.name} called {row.what} for the first time"
        f" ({counted(row.many, 'call')}): on none of the {row.days:,} days before, on which it was"
        " seen, did it.",
    )


def _volume(identity: Identity, row: Row, now: datetime) -> Trigger:
    return _made(
        identity,
        row,
        now,
        f"volume {row.day}",
        f"On {row.day:%-d %b %Y} {identity.name} made {int(row.what):,} calls: the most on one of"
        f" the {row.days:,} days before, on which it was seen, was {row.many:,}.",
    )


def _hour(identity: Identity, row: Row, now: datetime) -> Trigger:
    return _made(
        identity,
        row,
        now,
        f"hour {row.day}",
        f"On {row.day:%-d %b %Y} {identity.name} acted at {row.at:%H:%M} UTC: on the {row.days:,} days"
        f" before, on which it was seen, it acted in the hours {spans(row.what)} UTC.",
    )


def _network(identity: Identity, row: Row, now: datetime) -> Trigger:
    return _made(
        identity,
        row,
        now,
        f"network {row.what}",
        f"On {row.day:%-d %b %Y} {identity.name} called from the network {row.what} for the first time"
        f" ({counted(row.many, 'call')}): on none of the {row.days:,} days before, on which it was"
        " seen, did it.",
    )


def spans(hours: Sequence[int]) -> str:
    """[8, 9, 10, 14] -> "08-10 and 14"."""
    found: list[list[int]] = []
    for hour in hours:
        if found and hour == found[-1][1] + 1:
            found[-1][1] = hour
        else:
            found.append([hour, hour])
    said = [f"{a:02}" if a == b else f"{a:02}-{b:02}" for a, b in found]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


KINDS: tuple[tuple[str, Callable[[Identity, Row, datetime], Trigger]], ...] = (
    (ACTIONS, _action),
    (VOLUMES, _volume),
    (HOURS, _hour),
    (NETWORKS, _network),
)
