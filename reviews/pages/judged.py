"""Whose an event is, and what was said about it, when no identity was asked for.

Attributions are kept by identity, so the identities are found first: by the bindings of the
event's actors and of what those came from, as judging finds them (identities/judging/holders.py).
The number of queries is the same for any number of events.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from evidence.queries import agents
from identities.judging.holders import Holders
from identities.models import Identity
from identities.models.behaviour import BY_EXACT, BY_INFERENCE, BY_KEY, INSIDE, NOT_JUDGED, OUTSIDE

type Key = tuple[datetime, int]

# The gravest word about an event stands in a list of all.
VERDICTS = {NOT_JUDGED: "unknown", INSIDE: "inside", OUTSIDE: "outside"}
STRENGTHS = {BY_EXACT: "exact", BY_KEY: "key", BY_INFERENCE: "inferred"}

# The spans behind an API event say which of several holders of its credential acted.
ACTORS = f"""
SELECT e.at, e.id, e.principal_id, e.credential_id, {agents.of("e")}, e.on_behalf_id,
       {agents.of("s")}, s.principal_id
FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)
JOIN evidence_event e ON e.at = k.at AND e.id = k.id
LEFT JOIN evidence_link l ON l.effect_at = e.at AND l.effect_id = e.id
LEFT JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
"""  # noqa: S608 - our own names; values are parameters
FOUND = """
SELECT t.at, t.event_id, t.identity_no, t.strength, t.verdict
FROM unnest(%s::int[]) AS who(number)
CROSS JOIN unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)
JOIN identities_attribution t
  ON t.identity_no = who.number AND t.at = k.at AND t.event_id = k.id
"""


class Said(NamedTuple):
    """One attribution of an event."""

    identity: int  # Identity.number
    strength: int
    verdict: int


class Holder(NamedTuple):
    """Who an actor of an event is: names, and how that is known."""

    words: str
    url: str
    strength: str


def attributions(keys: Sequence[Key]) -> dict[Key, list[Said]]:
    """Every attribution of these events."""
    found: dict[Key, list[Said]] = {}
    if not keys:
        return found
    columns = [at for at, _ in keys], [number for _, number in keys]
    with connection.cursor() as cursor:
        cursor.execute(ACTORS, columns)
        actors: dict[Key, set[int]] = {}
        for at, number, *there in cursor.fetchall():
            actors.setdefault((at, number), set()).update(one for one in there if one is not None)
        holders = Holders({one for some in actors.values() for one in some})
        whose = {
            bound.identity
            for (at, _), some in actors.items()
            for one in some
            for bound in holders.at(one, at)
        }
        cursor.execute(FOUND, [sorted(whose), *columns])
        for at, number, identity, strength, verdict in cursor.fetchall():
            found.setdefault((at, number), []).append(Said(identity, strength, verdict))
    return found


def verdicts(keys: Sequence[Key]) -> dict[Key, str]:
    """The gravest verdict on each of these events; those nobody was found for are left out."""
    return {
        key: VERDICTS[max(one.verdict for one in said)] for key, said in attributions(keys).items()
    }


def holders_of(key: Key, actors: Iterable[int], *, visible: frozenset[int]) -> dict[int, Holder]:
    """Who these actors of one event are; unclaimed ones are left out.

    `visible` are the numbers of the identities that the reader may see; others stay unnamed.
    """
    wanted = set(actors)
    said = {one.identity: one for one in attributions([key]).get(key, [])}
    holders = Holders(wanted)
    found = {actor: {bound.identity for bound in holders.at(actor, key[0])} for actor in wanted}
    rows = Identity.objects.filter(number__in=set().union(*found.values()) if found else ())
    named = {row.number: row for row in rows}
    return {
        actor: _holder([named[one] for one in sorted(numbers)], said, visible)
        for actor, numbers in found.items()
        if numbers
    }


def _holder(rows: Sequence[Identity], said: dict[int, Said], visible: frozenset[int]) -> Holder:
    told = [row for row in rows if row.number in said]
    # Of several that share an actor, the event's own attribution says which, where it can.
    several = told or list(rows)
    names = [row.name if row.number in visible else "an identity of others" for row in several]
    if len(several) > 1:
        return Holder(f"one of {', '.join(dict.fromkeys(names))}", "", "")
    (one,) = several
    there = said.get(one.number)
    strength = STRENGTHS.get(there.strength, "") if there is not None else ""
    url = f"/identities/{one.key}/" if one.number in visible else ""
    return Holder(names[0], url, strength)
