"""A person with a machine's credential: calls without a run, with a person's client or network.

A call counts when no run is behind it (no exact or key link to one), and it was made with an
interactive client (identities/findings/clients.py) or from an address from which people of the same
realm sign in, and that is outside what is known of the agent: the clients and addresses of its own
calls, by exact links or, without enough of those, by inferred ones. While too few are known, only
what is interactive in itself counts. It is never stronger than inferred: it says how a credential was
used and never who did it, but for whom the record itself names.

One finding for each credential, address or named person, and day. Which events are looked at is
caller_addresses.py's.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from django.db import connection

from evidence.vocabulary import INFERRED, KEY, PLANE_IDENTITY, TIME_STATED
from evidence.words import counted
from identities.findings import clients
from identities.models import Finding, FindingEvent
from identities.models.behaviour import BY_EXACT

from . import caller_addresses, found, holders
from .caller_addresses import LEAST_CALLS, NEAR, RULE, Event, Given

# Of an agent's own calls, the newest on so many days; without exact links, of so many calls.
MOST_DAYS, MOST_CALLS, MOST_INFERRED = 30, 5_000, 500

CALLS = f"""
SELECT e.at, e.id, e.principal_id, e.credential_id, coalesce(e.address_id, 0),
    coalesce(ad.value, ''), coalesce(ua.value, ''), coalesce(p.realm, c.realm),
    coalesce(c.value, p.value), coalesce(o.value, '')
FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)
JOIN evidence_event e ON e.at = k.at AND e.id = k.id
    AND e.plane = {PLANE_IDENTITY} AND e.time_basis = {TIME_STATED}
LEFT JOIN evidence_actor p ON p.id = e.principal_id
LEFT JOIN evidence_actor c ON c.id = e.credential_id
LEFT JOIN evidence_actor o ON o.id = e.on_behalf_id
LEFT JOIN evidence_term ad ON ad.id = e.address_id
LEFT JOIN evidence_term ua ON ua.id = e.user_agent_id
WHERE coalesce(e.credential_id, e.principal_id) IS NOT NULL
ORDER BY e.at, e.id
"""
EXPLAINED = f"""
SELECT k.at, k.id FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)
WHERE EXISTS (SELECT FROM evidence_shownlink l WHERE l.effect_at = k.at AND l.effect_id = k.id
    AND l.strength >= {KEY} AND l.surplus = 0)
"""
SIGN_INS = f"""
SELECT c.address, c.day, s.day, s.actor_id, a.realm, a.value
FROM unnest(%s::bigint[], %s::date[]) AS c(address, day)
JOIN identities_signinaddress s ON s.address_id = c.address
    AND s.day BETWEEN c.day - {NEAR.days} AND c.day + {NEAR.days}
JOIN evidence_actor a ON a.id = s.actor_id
"""
KNOWN = f"""
SELECT n.number, coalesce(ua.value, ''), coalesce(e.address_id, 0), count(*)
FROM unnest(%s::int[]) AS n(number)
CROSS JOIN LATERAL (
    SELECT a.at, a.event_id FROM (
        SELECT DISTINCT day FROM identities_usageday u
        WHERE u.identity_no = n.number AND u.plane = {PLANE_IDENTITY} AND u.linked > 0
        ORDER BY day DESC LIMIT {MOST_DAYS}) d
    JOIN identities_attribution a ON a.identity_no = n.number
        AND a.at >= d.day::timestamp AT TIME ZONE 'UTC'
        AND a.at < (d.day + 1)::timestamp AT TIME ZONE 'UTC'
    WHERE a.plane = {PLANE_IDENTITY} AND a.strength = {BY_EXACT}
    ORDER BY a.at DESC LIMIT {MOST_CALLS}) k
JOIN evidence_event e ON e.at = k.at AND e.id = k.event_id
LEFT JOIN evidence_term ua ON ua.id = e.user_agent_id
GROUP BY 1, 2, 3
"""
INFERRED_CALLS = f"""
SELECT n.number, coalesce(ua.value, ''), coalesce(e.address_id, 0), count(*)
FROM unnest(%s::int[]) AS n(number)
CROSS JOIN LATERAL (
    SELECT a.at, a.event_id FROM identities_attribution a
    WHERE a.identity_no = n.number AND a.plane = {PLANE_IDENTITY}
    ORDER BY a.at DESC LIMIT {MOST_INFERRED}) k
JOIN evidence_event e ON e.at = k.at AND e.id = k.event_id
LEFT JOIN evidence_term ua ON ua.id = e.user_agent_id
WHERE EXISTS (SELECT FROM evidence_link l
        WHERE l.effect_at = k.at AND l.effect_id = k.event_id AND l.strength = {INFERRED})
  AND EXISTS (SELECT FROM evidence_shownlink l WHERE l.effect_at = k.at AND l.effect_id = k.event_id
        AND l.strength = {INFERRED} AND l.runs = 1 AND l.surplus = 0)
GROUP BY 1, 2, 3
"""


class Call(NamedTuple):
    """One call that may be a person's."""

    at: datetime
    event: int
    principal: int | None
    credential: int | None
    address: int
    where: str
    user_agent: str
    realm: str
    name: str  # of the credential, else of the principal
    named: str  # whom the record says it was done for

    @property
    def day(self) -> date:
        return self.at.astimezone(UTC).date()


class Known(NamedTuple):
    """What an agent's own calls show of it."""

    calls: int
    clients: frozenset[str]
    addresses: frozenset[int]
    how: str  # exact, inferred


class _Ground(NamedTuple):
    """A call that is a person's unless a run is behind it."""

    call: Call
    identity: int | None
    known: Known | None
    client: str  # ""
    people: Collection[str]  # who signs in from there


class _Held(NamedTuple):
    """What a finding is to hold."""

    events: list[found.Told]
    clients: set[str]
    people: set[str]
    call: Call
    known: Known | None


def judge(given: Given, words: Mapping[int, str], *, now: datetime) -> None:
    """Open, extend and take back what these events, and earlier ones beside them, show."""
    events = caller_addresses.note(given, words)
    if not events:
        return
    with connection.cursor() as cursor:
        cursor.execute(CALLS, [list(column) for column in zip(*events, strict=True)])
        calls = [Call(*row) for row in cursor.fetchall()]
    bound = holders.Holders(
        {actor for call in calls for actor in (call.principal, call.credential) if actor}
    )
    groups = _groups(calls, bound)
    found.extend(
        {
            key: found.Asked(one.events, "", _details(one), restate=True)
            for key, one in groups.items()
        },
        now=now,
    )
    _take_back(events, groups, now=now)


def _groups(calls: Collection[Call], bound: holders.Holders) -> dict[found.Key, _Held]:
    whose = {
        (call.at, call.event): bound.at(call.principal, call.at)
        or bound.at(call.credential, call.at)
        for call in calls
    }
    numbers = {one.identity for here in whose.values() for one in here}
    people = caller_addresses.humans(numbers)
    open_ = [
        call
        for call in calls
        if any(one.identity not in people for one in whose[call.at, call.event])
    ]
    known = _known({one.identity for call in open_ for one in whose[call.at, call.event]})
    beside = _sign_ins(open_)
    grounds: list[_Ground] = []
    for call in open_:
        here = whose[call.at, call.event]
        identity = here[0].identity if len(here) == 1 else None
        of_agent = known.get(identity or 0)
        client = clients.client(call.user_agent)
        by_client = client is not None and (
            client.name not in of_agent.clients if of_agent else client.in_itself
        )
        there: Collection[str] = beside.get((call.address, call.realm, call.day), ())
        # That people sign in from where an agent is known to call says nothing.
        by_network = of_agent is not None and call.address not in of_agent.addresses
        if by_client or (by_network and there):
            name = client.name if client is not None and by_client else ""
            grounds.append(_Ground(call, identity, of_agent, name, there))
    explained = _explained([one.call for one in grounds])
    groups: dict[found.Key, _Held] = {}
    for call, identity, of_agent, name, there in grounds:
        if (call.at, call.event) in explained:
            continue
        family = f"{call.name} {call.named or call.where or 'no stated address'} {call.day}"
        key = found.Key(identity, call.credential or call.principal, RULE, family)
        one = groups.setdefault(key, _Held([], set(), set(), call, of_agent))
        one.people.update(there)
        if name:
            one.clients.add(name)
        reason = name or "from a network of people"
        one.events.append((call.at, call.event, INFERRED, reason))
    return groups


def _explained(calls: Collection[Call]) -> set[Event]:
    """Those of these calls that a run is behind."""
    if not calls:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(EXPLAINED, [[call.at for call in calls], [call.event for call in calls]])
        return set(cursor.fetchall())


def _sign_ins(calls: Iterable[Call]) -> dict[tuple[int, str, date], set[str]]:
    """By address, realm and day of the call, who signed in there about then."""
    places = {(call.address, call.realm, call.day) for call in calls}
    if not places:
        return {}
    pairs = sorted({(address, day) for address, _, day in places})
    with connection.cursor() as cursor:
        cursor.execute(SIGN_INS, [list(column) for column in zip(*pairs, strict=True)])
        rows = cursor.fetchall()
    if not rows:
        return {}
    # Whose name turned out to be a machine's is nobody who signs in.
    names = holders.Holders({actor for *_, actor, _, _ in rows})
    people = caller_addresses.humans(one.identity for here in names.bound.values() for one in here)
    beside: dict[tuple[int, str, date], set[str]] = {}
    for address, day, signed, actor, realm, value in rows:
        moment = datetime.combine(signed, time(), UTC)
        if (address, realm, day) in places and all(
            one.identity in people for one in names.at(actor, moment)
        ):
            beside.setdefault((address, realm, day), set()).add(value)
    return beside


def _known(numbers: Collection[int]) -> dict[int, Known]:
    """What is known of these identities' agents; those of which too little is are left out."""
    known: dict[int, Known] = {}
    # An inference may be wrong about single calls.
    for sql, how, least in ((KNOWN, "exact", 1), (INFERRED_CALLS, "inferred", LEAST_CALLS)):
        missing = sorted(set(numbers) - known.keys())
        if not missing:
            break
        with connection.cursor() as cursor:
            cursor.execute(sql, [missing])
            rows = cursor.fetchall()
        calls: Counter[int] = Counter()
        with_client: dict[int, Counter[str]] = {}
        from_address: dict[int, Counter[int]] = {}
        for number, user_agent, address, many in rows:
            calls[number] += many
            client = clients.client(user_agent)
            with_client.setdefault(number, Counter())[client.name if client else ""] += many
            from_address.setdefault(number, Counter())[address] += many
        for number in (one for one, many in calls.items() if many >= LEAST_CALLS):
            named = (one for one, many in with_client[number].items() if many >= least)
            places = (one for one, many in from_address[number].items() if many >= least)
            known[number] = Known(calls[number], frozenset(named), frozenset(places), how)
    return known


def _details(one: _Held) -> dict[str, Any]:
    """What the finding's page lists and its sentence is made of."""
    call = one.call
    network = ""
    if one.people:
        who = f"{len(one.people)} people"
        if len(one.people) == 1:
            who = next(iter(one.people))
        network = f"same network as sign-ins of {who}"
    outside = (
        f"outside what {counted(one.known.calls, 'call')} of its agent show,"
        f" linked to runs ({one.known.how})"
        if one.known
        else f"fewer than {LEAST_CALLS} calls of its agent are linked to runs"
    )
    grounds = ["no run behind it"]
    if one.clients:
        grounds.append(f"interactive client: {' and '.join(sorted(one.clients))}")
    if network:
        grounds.append(network)
    return {
        "credential": call.name,
        "address": call.where or "no stated address",
        "clients": sorted(one.clients),
        "network": network or "no sign-in of a person is known from it",
        "acts_for": call.named or "not stated",
        "grounds": [*grounds, outside],
    }


def _take_back(
    looked_at: Collection[Event], groups: Mapping[found.Key, _Held], *, now: datetime
) -> None:
    """Events that were looked at, and no longer are a person's, or another identity's by now."""
    held = {key: {event[:2] for event in one.events} for key, one in groups.items()}
    moments, numbers = (list(column) for column in zip(*looked_at, strict=True))
    rows = FindingEvent.objects.filter(
        at__in=moments,
        event_id__in=numbers,
        finding__rule=RULE,
        finding__state__in=found.LIVE,
    ).select_related("finding__identity")
    gone: dict[Any, tuple[Finding, list[int]]] = {}
    for row in rows:
        of = row.finding
        number = of.identity.number if of.identity else None
        key = found.Key(number, of.actor_id, RULE, of.family)
        if (row.at, row.event_id) not in held.get(key, ()):
            gone.setdefault(of.pk, (of, []))[1].append(row.pk)
    if gone:
        FindingEvent.objects.filter(
            pk__in=[pk for _, ones in gone.values() for pk in ones]
        ).delete()
        live = Finding.objects.select_for_update().filter(pk__in=gone).order_by("pk")
        found.total(
            list(live), now=now, cause="later evidence shows a run, or what its agent is known for"
        )
