"""A person with a machine's credential: calls without a run, with a person's client or network.

A call counts when no run is behind it (no exact or key link to one), and it was made with an
interactive client (identities/findings/clients.py) or from an address from which people of the same
realm sign in, and that is outside what is known of the agent: the clients and addresses of its own
calls, by exact links or, without enough of those, by inferred ones. While too few are known, only
what is interactive in itself counts. It is never stronger than inferred: it says how a credential was
used and never who did it, but for whom the record itself names.

One finding for each credential, address or named person, and day. It is taken back for what is known
by then (a run, the agent's own habit, whose the account is), and never because retention or an erasure
took the evidence that it rests on. Which events are looked at is caller_addresses.py's.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
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
# Months of which retention dropped events; and no month, where anything was erased.
WENT = """
SELECT DISTINCT month FROM evidence_dropped WHERE events > 0
UNION ALL SELECT NULL WHERE EXISTS (SELECT FROM evidence_erasure WHERE emptied_at IS NOT NULL)
"""
NETWORK = "from a network of people"


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


class _Looked(NamedTuple):
    """A call of a machine, with what is known now."""

    call: Call
    identity: int | None
    known: Known | None
    client: clients.Client | None
    people: Collection[str]  # who signs in from there

    @property
    def actor(self) -> int | None:
        return self.call.credential or self.call.principal

    @property
    def of_itself(self) -> bool:
        """Whether its agent is known to call from there."""
        return self.known is not None and self.call.address in self.known.addresses

    @property
    def by_client(self) -> str:
        """The client, where that makes it a person's unless a run is behind it."""
        if self.client is None:
            return ""
        if self.known:
            return "" if self.client.name in self.known.clients else self.client.name
        return self.client.name if self.client.in_itself else ""

    @property
    def by_network(self) -> bool:
        return bool(self.people) and self.known is not None and not self.of_itself

    def lacks(self, reason: str) -> bool:
        """Whether this reason is gone only for want of sign-ins, calls of the agent, or texts."""
        if reason == NETWORK:
            return not self.people and not self.of_itself
        if self.client is None:
            return not self.call.user_agent
        return self.known is None and not self.client.in_itself


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
        cursor.execute(WENT)
        went = {month for (month,) in cursor.fetchall()}
    looked = _look(calls)
    under = _found_before(events)
    before = {(row.at, row.event_id) for row in under}
    grounds = [one for one in looked if one.by_client or one.by_network]
    asked = {(one.call.at, one.call.event) for one in grounds} | before
    explained = _explained(asked)
    # Of calls from when spans were dropped it is not known whether a run was behind them.
    unknown = {one for one in asked - before if went & _months(one[0])}
    groups = _groups(
        one for one in grounds if (one.call.at, one.call.event) not in explained | unknown
    )
    found.extend(
        {
            key: found.Asked(one.events, "", _details(one), restate=True)
            for key, one in groups.items()
        },
        now=now,
    )
    by_event: dict[Event, _Looked | None] = {(one.at, one.event): None for one in calls}
    by_event |= {(one.call.at, one.call.event): one for one in looked}
    # What is gone takes nothing back.
    over = [row for row in under if not went or _ref(row) in explained or not _lacks(row, by_event)]
    _take_back(over, groups, now=now)


def _look(calls: Collection[Call]) -> list[_Looked]:
    """Those of these calls that are a machine's, with what is known of each."""
    bound = holders.Holders(
        {actor for call in calls for actor in (call.principal, call.credential) if actor}
    )
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
    looked = []
    for call in open_:
        here = whose[call.at, call.event]
        identity = here[0].identity if len(here) == 1 else None
        there: Collection[str] = beside.get(
            (call.address, clients.people_of(call.realm), call.day), ()
        )
        client = clients.client(call.user_agent)
        looked.append(_Looked(call, identity, known.get(identity or 0), client, there))
    return looked


def _groups(grounds: Iterable[_Looked]) -> dict[found.Key, _Held]:
    groups: dict[found.Key, _Held] = {}
    for looked in grounds:
        call, name = looked.call, looked.by_client
        family = f"{call.name} {call.named or call.where or 'no stated address'} {call.day}"
        key = found.Key(looked.identity, looked.actor, RULE, family)
        one = groups.setdefault(key, _Held([], set(), set(), call, looked.known))
        one.people.update(looked.people)
        if name:
            one.clients.add(name)
        one.events.append((call.at, call.event, INFERRED, name or NETWORK))
    return groups


def _months(at: datetime) -> set[date]:
    """The months in which the run behind a call of this moment began."""
    days = (at.astimezone(UTC).date(), (at - timedelta(days=1)).astimezone(UTC).date())
    return {day.replace(day=1) for day in days}


def _explained(calls: Collection[Event]) -> set[Event]:
    """Those of these calls that a run is behind."""
    if not calls:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(EXPLAINED, [list(column) for column in zip(*calls, strict=True)])
        return set(cursor.fetchall())


def _sign_ins(calls: Iterable[Call]) -> dict[tuple[int, str, date], set[str]]:
    """By address, realm and day of the call, who signed in there about then."""
    places = {(call.address, clients.people_of(call.realm), call.day) for call in calls}
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
        place = address, clients.people_of(realm), day
        if place in places and all(one.identity in people for one in names.at(actor, moment)):
            beside.setdefault(place, set()).add(value)
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


def _found_before(events: Collection[Event]) -> list[FindingEvent]:
    """What live findings hold of these events."""
    moments, numbers = (list(column) for column in zip(*events, strict=True))
    rows = FindingEvent.objects.filter(
        at__in=moments, event_id__in=numbers, finding__rule=RULE, finding__state__in=found.LIVE
    ).select_related("finding__identity")
    return [row for row in rows if _ref(row) in events]


def _ref(row: FindingEvent) -> Event:
    return row.at, row.event_id


def _lacks(row: FindingEvent, by_event: Mapping[Event, _Looked | None]) -> bool:
    """Whether this event of a finding is no person's only for want of evidence."""
    if _ref(row) not in by_event:
        return True  # dropped, or erased with its names
    looked, of = by_event[_ref(row)], row.finding
    number = of.identity.number if of.identity else None
    return (
        looked is not None
        and (looked.identity, looked.actor) == (number, of.actor_id)
        and looked.lacks(row.reason)
    )


def _take_back(
    rows: Iterable[FindingEvent], groups: Mapping[found.Key, _Held], *, now: datetime
) -> None:
    """Events that no longer are a person's, or another identity's by now."""
    held = {key: {event[:2] for event in one.events} for key, one in groups.items()}
    gone: dict[Any, list[int]] = {}
    for row in rows:
        of = row.finding
        number = of.identity.number if of.identity else None
        key = found.Key(number, of.actor_id, RULE, of.family)
        if _ref(row) not in held.get(key, ()):
            gone.setdefault(of.pk, []).append(row.pk)
    if gone:
        FindingEvent.objects.filter(pk__in=[pk for ones in gone.values() for pk in ones]).delete()
        live = Finding.objects.select_for_update().filter(pk__in=gone).order_by("pk")
        found.total(
            list(live), now=now, cause="later evidence shows a run, or what its agent is known for"
        )
