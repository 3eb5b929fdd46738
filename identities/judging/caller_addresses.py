"""From where machines' credentials are used and people sign in, and what is looked at again for it.

Owns the rows of CallerAddress and SignInAddress: one for each day, not for each event; they go when no
event is left that says so. Evidence comes in any order: a sign-in may come after the calls from its address, and so may what shows which clients
an agent has. Whether a call is a person's is decided in interactive.py.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from typing import Any, NamedTuple

from django.db import connection

from evidence.models import Actor
from evidence.vocabulary import OUTCOME_OK, PLANE_IDENTITY, SIGN_IN_WITHOUT_MFA, TIME_STATED
from identities.findings import clients
from identities.models import Identity
from identities.models.behaviour import BY_EXACT

from . import rows
from .holders import Attributed
from .scope import Seen

RULE = "interactive_use"
# A person who signed in from an address within so many days is one of its network.
NEAR = timedelta(days=7)
# From so many linked calls on it is known from where and with what an agent calls.
LEAST_CALLS = 20
# Of one day of one credential that is looked at again, so many calls, the first.
MOST_EVENTS = 1_000

type Event = tuple[datetime, int]
type Given = Iterable[tuple[Seen, Collection[Attributed]]]

CALLED = """
INSERT INTO identities_calleraddress (identity_no, actor_id, address_id, day, tool)
SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::date[], %s::boolean[])
ON CONFLICT DO NOTHING
"""
SIGNED_IN = """
INSERT INTO identities_signinaddress (actor_id, address_id, day)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::date[])
ON CONFLICT DO NOTHING RETURNING actor_id, address_id, day
"""
# Addresses of these on whose days, give or take, somebody signed in.
PEOPLES = f"""
SELECT DISTINCT c.address FROM unnest(%s::bigint[], %s::date[]) AS c(address, day)
JOIN identities_signinaddress s ON s.address_id = c.address
    AND s.day BETWEEN c.day - {NEAR.days} AND c.day + {NEAR.days}
"""
# What was found near these events, and of identities of whose agents more is known: the newest.
HELD = f"""
SELECT e.at, e.event_id FROM identities_finding f
JOIN identities_findingevent e ON e.finding_id = f.id
WHERE f.rule = '{RULE}' AND f.state IN ('open', 'confirmed') AND f.actor_id = ANY(%(actors)s)
  AND e.at BETWEEN %(first)s - interval '1 day' AND %(last)s + interval '1 day'
UNION
(SELECT e.at, e.event_id FROM identities_identity i
 JOIN identities_finding f ON f.identity_id = i.id
 JOIN identities_findingevent e ON e.finding_id = f.id
 WHERE i.number = ANY(%(linked)s) AND f.rule = '{RULE}' AND f.state IN ('open', 'confirmed')
 ORDER BY e.at DESC, e.event_id LIMIT {MOST_EVENTS})
"""
# What was called from addresses from which somebody is seen to sign in only now; and, of identities of
# whose agents enough calls are known only now, with tools or from people's addresses.
AGAIN = f"""
WITH day AS (
    SELECT DISTINCT c.actor_id, c.address_id, c.day
    FROM unnest(%(people)s::bigint[], %(addresses)s::bigint[], %(days)s::date[])
        AS s(actor, address, day)
    JOIN identities_calleraddress c ON c.address_id = s.address
        AND c.day BETWEEN s.day - {NEAR.days} AND s.day + {NEAR.days}
    UNION
    SELECT c.actor_id, c.address_id, c.day FROM identities_calleraddress c
    WHERE c.identity_no = ANY(%(numbers)s) AND (c.tool OR EXISTS (
        SELECT FROM identities_signinaddress s WHERE s.address_id = c.address_id
          AND s.day BETWEEN c.day - {NEAR.days} AND c.day + {NEAR.days}))
)
SELECT e.at, e.id FROM day d CROSS JOIN LATERAL (
    (SELECT e.at, e.id FROM evidence_event e
     WHERE e.credential_id = d.actor_id AND coalesce(e.address_id, 0) = d.address_id
       AND e.plane = {PLANE_IDENTITY} AND e.at >= d.day::timestamp AT TIME ZONE 'UTC'
       AND e.at < (d.day + 1)::timestamp AT TIME ZONE 'UTC' ORDER BY e.at LIMIT {MOST_EVENTS})
    UNION ALL
    (SELECT e.at, e.id FROM evidence_event e
     WHERE e.principal_id = d.actor_id AND e.credential_id IS NULL
       AND coalesce(e.address_id, 0) = d.address_id
       AND e.plane = {PLANE_IDENTITY} AND e.at >= d.day::timestamp AT TIME ZONE 'UTC'
       AND e.at < (d.day + 1)::timestamp AT TIME ZONE 'UTC' ORDER BY e.at LIMIT {MOST_EVENTS})) e
"""
# Of which identities enough calls are linked by now, and were not without these.
CROSSED = f"""
SELECT k.number FROM unnest(%s::int[], %s::int[]) AS k(number, here)
CROSS JOIN LATERAL (SELECT coalesce(sum(u.linked), 0) AS calls FROM identities_usageday u
    WHERE u.identity_no = k.number AND u.plane = {PLANE_IDENTITY} AND u.linked > 0) u
WHERE u.calls >= {LEAST_CALLS} AND u.calls - k.here < {LEAST_CALLS}
"""
# Rows of these days of which no event is left, as when it was dropped, erased or read anew.
NOBODY_CALLED = f"""
DELETE FROM identities_calleraddress c WHERE c.day BETWEEN %(first)s AND %(last)s AND NOT EXISTS (
    SELECT FROM evidence_event e
    WHERE e.credential_id = c.actor_id AND coalesce(e.address_id, 0) = c.address_id
      AND e.plane = {PLANE_IDENTITY} AND e.at >= c.day::timestamp AT TIME ZONE 'UTC'
      AND e.at < (c.day + 1)::timestamp AT TIME ZONE 'UTC')
AND NOT EXISTS (
    SELECT FROM evidence_event e
    WHERE e.principal_id = c.actor_id AND e.credential_id IS NULL
      AND coalesce(e.address_id, 0) = c.address_id
      AND e.plane = {PLANE_IDENTITY} AND e.at >= c.day::timestamp AT TIME ZONE 'UTC'
      AND e.at < (c.day + 1)::timestamp AT TIME ZONE 'UTC')
"""
NOBODY_SIGNED_IN = f"""
DELETE FROM identities_signinaddress s WHERE s.day BETWEEN %(first)s AND %(last)s AND NOT EXISTS (
    SELECT FROM evidence_event e JOIN evidence_term t ON t.id = e.action_id
    WHERE e.principal_id = s.actor_id AND e.address_id = s.address_id
      AND e.plane = {PLANE_IDENTITY} AND e.outcome = {OUTCOME_OK}
      AND (e.activity = {SIGN_IN_WITHOUT_MFA} OR lower(t.value) = ANY(%(sign_ins)s))
      AND e.at >= s.day::timestamp AT TIME ZONE 'UTC'
      AND e.at < (s.day + 1)::timestamp AT TIME ZONE 'UTC')
"""


class _Call(NamedTuple):
    """One row of CallerAddress."""

    identity: int
    actor: int
    address: int
    day: date
    tool: bool


def humans(numbers: Iterable[int]) -> set[int]:
    """Those of these identities that are people."""
    found = Identity.objects.filter(number__in=set(numbers), kind="human")
    return set(found.values_list("number", flat=True))


def note(given: Given, words: Mapping[int, str]) -> set[Event]:
    """Remember from where these events were done; the events that may be a person's by now: of
    these, and of earlier ones for which they change what is known."""
    given = [(seen, rows_) for seen, rows_ in given if seen.time_basis == TIME_STATED]
    if not given:
        return set()
    people = humans({row.identity for _, rows_ in given for row in rows_})
    agents = rows.words({seen.user_agent for seen, _ in given if seen.user_agent is not None})
    calls: dict[_Call, None] = {}
    wanted: set[Event] = set()
    by_address: dict[int, set[Event]] = {}
    sign_ins: dict[tuple[int, int, date], None] = {}
    linked: dict[int, int] = {}
    for seen, rows_ in given:
        if seen.plane != PLANE_IDENTITY:
            continue
        address = seen.address if _is_address(words.get(seen.address or 0, "")) else None
        day = seen.at.astimezone(UTC).date()
        actor = seen.credential or seen.principal
        machines = [row for row in rows_ if row.identity not in people]
        if machines and actor is not None:
            client = clients.client(agents.get(seen.user_agent or 0, ""))
            if client is not None:
                wanted.add((seen.at, seen.id))
            if address is not None:
                by_address.setdefault(address, set()).add((seen.at, seen.id))
            tool = client is not None and not client.in_itself
            if address is not None or tool:
                for row in machines:
                    calls[_Call(row.identity, actor, seen.address or 0, day, tool)] = None
            for row in machines:
                if row.strength == BY_EXACT:
                    linked[row.identity] = linked.get(row.identity, 0) + 1
        elif (
            address is not None
            and seen.principal is not None
            and seen.outcome == OUTCOME_OK
            and (seen.activity == SIGN_IN_WITHOUT_MFA or clients.signs_in(words[seen.action]))
        ):
            sign_ins[seen.principal, address, day] = None
    new = _store(calls, _persons(sign_ins))
    with connection.cursor() as cursor:
        if by_address:
            days = [(call.address, call.day) for call in calls if call.address]
            cursor.execute(PEOPLES, _columns(days))
            wanted |= {event for (one,) in cursor.fetchall() for event in by_address[one]}
        actors = {
            actor for seen, _ in given for actor in (seen.credential, seen.principal) if actor
        }
        moments = [seen.at for seen, _ in given]
        facts = {"actors": list(actors), "linked": list(linked)}
        cursor.execute(HELD, facts | {"first": min(moments), "last": max(moments)})
        wanted |= set(cursor.fetchall())
        crossed: list[int] = []
        if linked:
            cursor.execute(CROSSED, _columns(linked.items()))
            crossed = [number for (number,) in cursor.fetchall()]
        if new or crossed:
            who, where, when = _columns(new) if new else ([], [], [])
            around = {"people": who, "addresses": where, "days": when, "numbers": crossed}
            cursor.execute(AGAIN, around)
            wanted |= set(cursor.fetchall())
    return wanted


def let_go(since: datetime, until: datetime) -> None:
    """Delete what was remembered of this time, both ends included, and no event says any more."""
    days = {"first": since.astimezone(UTC).date(), "last": until.astimezone(UTC).date()}
    with connection.cursor() as cursor:
        cursor.execute(NOBODY_CALLED, days)
        cursor.execute(NOBODY_SIGNED_IN, days | {"sign_ins": sorted(clients.SIGN_INS)})


def _persons(
    sign_ins: Collection[tuple[int, int, date]],
) -> list[tuple[int, int, date]]:
    """Those that a person may have made, as far as names tell."""
    if not sign_ins:
        return []
    names = Actor.objects.in_bulk({actor for actor, _, _ in sign_ins})
    return [
        one for one in sign_ins if clients.may_be_a_person(names[one[0]].kind, names[one[0]].value)
    ]


def _store(
    calls: Collection[_Call], sign_ins: Collection[tuple[int, int, date]]
) -> list[tuple[int, int, date]]:
    """Add these rows; the sign-ins that are new."""
    with connection.cursor() as cursor:
        if calls:
            cursor.execute(CALLED, _columns(sorted(calls)))
        if not sign_ins:
            return []
        cursor.execute(SIGNED_IN, _columns(sorted(sign_ins)))
        return list(cursor.fetchall())


def _columns(rows_: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows_, strict=True)]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
