"""The events behind any number: keys of a page, newest first, by filter; and one event whole.

A filter walks an index where there is one. Where there is none (source, action, resource, link)
the events are looked through from the newest back, in windows that widen, until the page is full
or its time is over; then the page says how far it looked. Pages above draw the rows (they know
verdicts and runs).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from evidence.intake.admitting import EPOCH, micros
from evidence.keys import key_of
from evidence.models import Actor, Source, Term
from evidence.permissions import Scope
from evidence.queries import agents, looking
from evidence.queries.looking import Found, Where
from evidence.vocabulary import LINK_STRENGTHS, PLANE_IDENTITY

PAGE = 50
# Sessions and temporary keys of one actor that are followed on the page of its events.
MOST_CHILDREN = 5_000
MOST_FOUND_ACTORS = 50
# Up to so many actors are walked one by one; more are read together and sorted.
MOST_WALKS = 500
SLOW = "This takes too long to look through: narrow it by time, source, actor or identity."

type Key = looking.Key


class Filter(NamedTuple):
    """What is asked for; empty or None is no condition."""

    q: str = ""
    source: str = ""
    deposit: int | None = None
    actor: int | None = None
    action: str = ""
    trace: UUID | None = None
    request: str = ""
    begins: datetime | None = None
    ends: datetime | None = None
    link: str = ""  # one of LINKS


# How strongly an event is tied to what caused it, as the lists show it: a condition on event `e`.
# OFFSET 0: asked of each event; as a join the planner reads all links there are (measured).
_SHOWN = (
    "(SELECT FROM evidence_shownlink l WHERE l.effect_at = e.at AND l.effect_id = e.id%s OFFSET 0)"
)
LINKS = {
    **{
        words: f"EXISTS {_SHOWN % f' AND l.strength = {strength}'}"
        for strength, words in LINK_STRENGTHS.items()
    },
    # Spans are causes: only what an identity log says can be without one.
    "none": f"e.plane = {PLANE_IDENTITY} AND NOT EXISTS {_SHOWN % ''}",
}


def ref_of(key: Key) -> str:
    """How an event is named in addresses: "<microseconds>-<id>"."""
    return f"{micros(key[0])}-{key[1]}"


def key_in(ref: str) -> Key | None:
    """The key that such a name means."""
    found = re.fullmatch(r"(\d{1,16})-(\d{1,19})", ref)
    if found is None or int(found[2]) >= 2**63:
        return None
    return EPOCH + timedelta(microseconds=int(found[1])), int(found[2])


def page(asked: Filter, *, scope: Scope, before: Key | None = None, limit: int = PAGE) -> Found:
    """The newest events that match, below `before`."""
    common = _common(asked, scope)
    branches = _branches(asked)
    if common is None or branches is None:
        return Found([], None)
    unindexed = any(column in one for one, _ in branches for column in TERMS.values())
    if not branches:
        unindexed = bool(asked.source or asked.action or asked.link or asked.deposit is not None)
        branches = [("true", [])] if scope is None else _of_actors(sorted(scope))
    matching = looking.Matching(branches, common, limit)
    begins, ends = _stretch(asked, before)
    found = None if unindexed else looking.directly(matching, begins, ends, before)
    return found or looking.back(matching, begins, ends, before)


STRETCH = """
SELECT min(first_at), max(last_at) FROM evidence_deposit
WHERE (id = %(deposit)s OR source_id = (SELECT id FROM evidence_source WHERE name = %(source)s))
  AND first_at <= %(until)s
"""


def _stretch(asked: Filter, before: Key | None) -> tuple[datetime | None, datetime | None]:
    """From when to when there can be events: deposits know it, without reading an event."""
    begins, ends = asked.begins, asked.ends
    if not asked.source and asked.deposit is None:
        return begins, ends
    until = min(one for one in (ends, before[0] if before else None, LAST) if one is not None)
    facts = {"source": asked.source, "deposit": asked.deposit, "until": until}
    if asked.deposit is not None:
        facts["source"] = ""
    with connection.cursor() as cursor:
        cursor.execute(STRETCH, facts)
        first, last = cursor.fetchone() or (None, None)
    if first is None or last is None:
        return FIRST, FIRST
    return max(first, begins or first), min(last + timedelta(microseconds=1), ends or LAST)


INDEXED = ("principal_id", "credential_id", "agent_id", agents.ABOVE)
# Whom an event names, its agent also where only a span above it does.
WHO = ("principal_id", "credential_id", agents.of("e"), "on_behalf_id")
TERMS = {Term.ACTION: "action_id", Term.RESOURCE: "resource_id", Term.ADDRESS: "address_id"}
FIRST, LAST = EPOCH, datetime.max.replace(tzinfo=UTC)


def _common(asked: Filter, scope: Scope) -> Where | None:
    """What every branch has to fulfil, apart from when; None when nothing can."""
    where = Where()
    if asked.source:
        number = Source.objects.filter(name=asked.source).values_list("pk", flat=True).first()
        if number is None:
            return None
        where.add("source_id = %s", number)
    if asked.deposit is not None:
        where.add("deposit_id = %s", asked.deposit)
    if asked.action:
        action = _term(Term.ACTION, asked.action)
        if action is None:
            return None
        where.add("action_id = %s", action)
    if asked.link:
        if asked.link not in LINKS:
            return None
        where.add(LINKS[asked.link])
    if scope is not None:
        people = sorted(scope)
        where.add(
            "(" + " OR ".join(f"{column} = ANY(%s)" for column in WHO) + ")", *[people] * len(WHO)
        )
    return where


def _branches(asked: Filter) -> list[tuple[str, list[Any]]] | None:
    """Conditions of which one must hold, each with an index of its own; None: nothing can."""
    if asked.trace is not None:
        return [("trace = %s", [asked.trace])]
    if asked.request:
        return [_by_request(asked.request)]
    if asked.actor is not None:
        return _of_actors(family([asked.actor]))
    if asked.q:
        return _by_words(asked.q) or None
    return []


def _of_actors(actors: list[int]) -> list[tuple[str, list[Any]]]:
    """Events in which one of these appears, in any role that has an index."""
    if not actors:
        return [("false", [])]
    if len(actors) <= MOST_WALKS:
        return [(f"{column} = actor", [actors]) for column in INDEXED]
    return [(f"{column} = ANY(%s)", [actors]) for column in INDEXED]


def _by_request(text: str) -> tuple[str, list[Any]]:
    return (
        "request_id = %s AND hashtextextended(request_id, 0) = hashtextextended(%s, 0)",
        [text, text],
    )


def _by_words(q: str) -> list[tuple[str, list[Any]]]:
    """A reference, a trace, a request id, an action, a resource, or part of an actor's name."""
    key = key_in(q)
    if key is not None:
        return [("at = %s AND id = %s", [*key])]
    branches: list[tuple[str, list[Any]]] = [_by_request(q)]
    if re.fullmatch(r"[0-9a-fA-F]{32}", q):
        branches.append(("trace = %s", [UUID(q)]))
    for kind, column in TERMS.items():
        term = _term(kind, q)
        if term is not None:
            branches.append((f"{column} = %s", [term]))
    if len(q) > 2:
        actors = Actor.objects.filter(value__icontains=q).values_list("pk", flat=True)
        found = list(actors[:MOST_FOUND_ACTORS])
        if found:
            branches += _of_actors(family(found))
    return branches


def _term(kind: int, value: str) -> int | None:
    return Term.objects.filter(key=key_of(str(kind), value)).values_list("pk", flat=True).first()


def family(actors: Iterable[int]) -> list[int]:
    """These actors and those whose parent they are: sessions, temporary keys."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE f AS (SELECT unnest(%s::bigint[]) AS id UNION"
            " SELECT a.id FROM evidence_actor a JOIN f ON a.parent_id = f.id)"
            " SELECT id FROM f LIMIT %s",
            [list(actors), MOST_CHILDREN],
        )
        return [number for (number,) in cursor.fetchall()]


ONE = """
SELECT e.at, e.id, e.received_at, e.deposit_id, e.ordinal, e.plane, e.activity, e.outcome,
       e.time_basis, e.request_id, e.trace, e.span, e.parent_span, e.duration, e.source_id,
       s.name AS source, t.value AS action, r.value AS resource, ad.value AS address,
       ua.value AS user_agent, er.value AS error, e.principal_id, e.credential_id,
       @agent@ AS agent_id, e.on_behalf_id
FROM evidence_event e
JOIN evidence_source s ON s.id = e.source_id
JOIN evidence_term t ON t.id = e.action_id
LEFT JOIN evidence_term r ON r.id = e.resource_id
LEFT JOIN evidence_term ad ON ad.id = e.address_id
LEFT JOIN evidence_term ua ON ua.id = e.user_agent_id
LEFT JOIN evidence_term er ON er.id = e.error_id
WHERE e.at = %s AND e.id = %s
""".replace("@agent@", agents.of("e"))
LINKED = """
SELECT l.proof, l.strength, o.at, o.id, t.value, l.effect_at = %(at)s AND l.effect_id = %(id)s,
       l.runs, l.surplus
FROM (
    SELECT effect_at, effect_id FROM evidence_link WHERE effect_at = %(at)s AND effect_id = %(id)s
    UNION
    SELECT effect_at, effect_id FROM evidence_link WHERE cause_at = %(at)s AND cause_id = %(id)s) e
JOIN evidence_shownlink l ON l.effect_at = e.effect_at AND l.effect_id = e.effect_id
JOIN evidence_event o ON (o.at, o.id) = (
    CASE WHEN l.effect_at = %(at)s AND l.effect_id = %(id)s THEN l.cause_at ELSE l.effect_at END,
    CASE WHEN l.effect_at = %(at)s AND l.effect_id = %(id)s THEN l.cause_id ELSE l.effect_id END)
JOIN evidence_term t ON t.id = o.action_id
WHERE (l.effect_at = %(at)s AND l.effect_id = %(id)s)
   OR (l.cause_at = %(at)s AND l.cause_id = %(id)s)
ORDER BY l.strength DESC, o.at, o.id, l.proof LIMIT 50
"""
SEEN_AGAIN = """
SELECT s.name, g.deposit_id FROM evidence_sighting g JOIN evidence_source s ON s.id = g.source_id
WHERE g.at = %s AND g.event_id = %s ORDER BY g.deposit_id LIMIT 20
"""


def one(key: Key, *, scope: Scope) -> Mapping[str, Any] | None:
    """One event whole, with the ids of its actors; None when there is none within the scope."""
    with connection.cursor() as cursor:
        cursor.execute(ONE, list(key))
        row = cursor.fetchone()
        if row is None:
            return None
        found = dict(zip([column[0] for column in cursor.description], row, strict=True))
    who = ("principal_id", "credential_id", "agent_id", "on_behalf_id")
    if scope is not None and scope.isdisjoint(found[column] for column in who):
        return None
    return found


class Linked(NamedTuple):
    """The other event of a link, and which of the two is the cause."""

    proof: int
    strength: int
    key: Key
    action: str
    is_cause: bool
    runs: int  # of how many runs the cause may be
    surplus: int  # how many more such events than spans there are around it

    def effect(self, key: Key) -> Key:
        """The API event of the link, given the event that was asked about."""
        return key if self.is_cause else self.key


def linked(key: Key) -> list[Linked]:
    """Links from and to an event, the strongest first; beside a stronger one no weaker."""
    with connection.cursor() as cursor:
        cursor.execute(LINKED, {"at": key[0], "id": key[1]})
        return [
            Linked(proof, strength, (at, number), action, caused, runs, surplus)
            for proof, strength, at, number, action, caused, runs, surplus in cursor.fetchall()
        ]


def sightings(key: Key) -> list[tuple[str, int]]:
    """(source, deposit) of each time another source sent the same record."""
    with connection.cursor() as cursor:
        cursor.execute(SEEN_AGAIN, list(key))
        return list(cursor.fetchall())


def parse_moment(text: str) -> datetime | None:
    """A moment from an address; nothing when it is none."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return None
    if not 1990 < moment.year < 2200:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
