"""Who uses a key, as runs show it: the agent above the span that made the call, else its service.

Owns the rows of CredentialAgent and what they mean together. Who is above a span is known for good
once the spans between are there; until then its service stands for it, and a root span comes last.
So a service that is also an agent's own is never one user more, and its row goes when the same
calls have their agent: rows and answers are the same in whatever order spans come.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet

from evidence.models import Actor, Source
from evidence.vocabulary import EXACT, PLANE_IDENTITY
from identities.models import CredentialAgent, CredentialPrincipal, CredentialWatch

from . import holders
from .scope import Cause, Seen

# So many of a key's newest calls are looked at for services that one run goes through.
MOST_CALLS = 1_000

REMEMBER = """
INSERT INTO identities_credentialagent (credential_actor, agent_actor, service_actor, address_id,
    source_id, first_at, last_at)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::int[],
    %s::timestamptz[], %s::timestamptz[])
ON CONFLICT (credential_actor, agent_actor, service_actor, address_id, source_id)
DO UPDATE SET first_at = least(identities_credentialagent.first_at, excluded.first_at),
    last_at = greatest(identities_credentialagent.last_at, excluded.last_at)
"""
ISSUED = """
SELECT DISTINCT i.credential_id FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)
JOIN evidence_issuance i ON i.at = k.at AND i.event_id = k.id
"""
# A service where its agent is known by now, and an agent of which no service was remembered yet.
FORGET = """
DELETE FROM identities_credentialagent u USING identities_credentialagent n
WHERE u.credential_actor = ANY(%(keys)s) AND n.credential_actor = u.credential_actor
  AND n.address_id = u.address_id AND n.source_id = u.source_id
  AND n.agent_actor <> n.service_actor AND n.service_actor <> 0
  AND (u.agent_actor = u.service_actor AND u.service_actor = n.service_actor
       OR u.service_actor = 0 AND u.agent_actor = n.agent_actor)
"""
# For other statements: whether a row names a user, and not the service of an agent that does.
IS_USER = """NOT ({row}.agent_actor = {row}.service_actor AND EXISTS (
    SELECT FROM identities_credentialagent own
    WHERE own.credential_actor = {row}.credential_actor
      AND own.service_actor = {row}.service_actor AND own.agent_actor <> own.service_actor))"""
TOGETHER = """
SELECT DISTINCT s.source_id, s.trace, s.principal_id
FROM (SELECT at, id FROM evidence_event WHERE credential_id = %(key)s AND plane = %(identity)s
      ORDER BY at DESC, id DESC LIMIT %(most)s) e
JOIN evidence_link l ON l.effect_at = e.at AND l.effect_id = e.id AND l.strength = %(exact)s
JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
WHERE s.trace IS NOT NULL AND s.principal_id = ANY(%(services)s)
"""


def note(
    events: Collection[Seen], causes: Mapping[tuple[datetime, int], Collection[Cause]]
) -> None:
    """Remember who used which keys from where; mark those keys to look at again."""
    uses: dict[tuple[int, int, int, int, int], list[datetime]] = {}
    touched: set[int] = set()
    for seen in events:
        if seen.credential is None:
            continue
        # A span that names the key explains calls with it, which may have been found alone.
        touched.add(seen.credential)
        if seen.plane != PLANE_IDENTITY:
            continue
        for cause in causes.get((seen.at, seen.id), ()):
            service = cause.sender or 0
            user = cause.above or service
            if user:
                key = (seen.credential, user, service, seen.address or 0, cause.source)
                uses.setdefault(key, []).append(seen.at)
    if uses:
        rows = [(*key, min(times), max(times)) for key, times in sorted(uses.items())]
        with connection.cursor() as cursor:
            cursor.execute(REMEMBER, [list(column) for column in zip(*rows, strict=True)])
            cursor.execute(FORGET, {"keys": sorted({key for key, *_ in uses})})
    used_by_runs = set(
        CredentialAgent.objects.filter(credential_actor__in=touched)
        .values_list("credential_actor", flat=True)
        .union(CredentialWatch.objects.filter(pk__in=touched).values_list("pk", flat=True))
    )
    watched = used_by_runs | _issued(events, causes)
    CredentialWatch.objects.bulk_create(
        [CredentialWatch(credential_actor=actor, dirty=True) for actor in sorted(watched)],
        update_conflicts=True,
        unique_fields=["credential_actor"],
        update_fields=["dirty"],
    )


def _issued(
    events: Collection[Seen], causes: Mapping[tuple[datetime, int], Collection[Cause]]
) -> set[int]:
    """The keys that runs issued: they are looked at before any run is seen to use them."""
    calls = [(seen.at, seen.id) for seen in events if causes.get((seen.at, seen.id))]
    if not calls:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(ISSUED, [list(column) for column in zip(*calls, strict=True)])
        return {credential for (credential,) in cursor.fetchall()}


def users(credential: int, uses: Iterable[CredentialAgent]) -> list[int]:
    """The actors that use this key, each once: agents, and services of runs that name none.

    A run that goes through several services is one user, and so is one whose service is also an
    agent's own: which agent it is may not have come yet.
    """
    rows = list(uses)
    agents = {row.agent_actor for row in rows if row.agent_actor != row.service_actor}
    behind = {row.service_actor for row in rows if row.agent_actor != row.service_actor}
    unnamed = {row.agent_actor for row in rows if row.agent_actor == row.service_actor} - behind
    if unnamed and len(agents | unnamed) > 1:
        unnamed = _apart(credential, unnamed, behind - {0})
    return sorted(agents | unnamed)


def _apart(credential: int, unnamed: set[int], behind: set[int]) -> set[int]:
    """One of each group of services that are in one run together; none where an agent's is."""
    facts: dict[str, Any] = {
        "key": credential,
        "identity": PLANE_IDENTITY,
        "exact": EXACT,
        "most": MOST_CALLS,
        "services": sorted(unnamed | behind),
    }
    groups = {service: {service} for service in unnamed | behind}
    first: dict[object, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(TOGETHER, facts)
        # A trace is its sender's: who copies the ids of two makes one user of nobody.
        for source, trace, service in cursor.fetchall():
            one, other = groups[service], groups[first.setdefault((source, trace), service)]
            if one is not other:
                one |= other
                groups.update(dict.fromkeys(one, one))
    return {min(groups[service]) for service in unnamed if not groups[service] & behind}


def linked(credential: int, uses: Sequence[CredentialAgent]) -> list[CredentialAgent]:
    """Of these uses of a key, those of agents that are linked to its account: what is proved.

    Any trace may state the request id of a call; the others only say that they used the key.
    """
    return _sorted_out(credential, uses)[0]


def claimed(credential: int, uses: Sequence[CredentialAgent]) -> list[CredentialAgent]:
    """Of these uses of a key, those that nothing contradicts while nobody linked the agents: not
    those of agents that are linked to another identity than its account."""
    return _sorted_out(credential, uses)[1]


def _sorted_out(
    credential: int, uses: Sequence[CredentialAgent]
) -> tuple[list[CredentialAgent], list[CredentialAgent]]:
    """What is proved of these uses, and what nothing contradicts."""
    users = CredentialPrincipal.objects.filter(credential_actor=credential)
    principals = list(users.values_list("principal_actor", flat=True))
    callers = [credential, *principals]
    agents = {actor for use in uses for actor in (use.agent_actor, use.service_actor) if actor}
    bound = holders.Holders({*callers, *agents})
    # The realm of an event is its principal's where it names one, as the database has it.
    of_it = Actor.objects.filter(pk__in=principals or callers).values_list("realm", flat=True)
    of_sources = Source.objects.filter(pk__in={use.source_id for use in uses})
    realms = dict(of_sources.values_list("pk", "realms"))
    own = set(of_it)
    proved, open_ = [], []
    for use in uses:
        at, may = use.last_at, realms.get(use.source_id) or []
        named = bound.at(use.agent_actor, at) or bound.at(use.service_actor, at)
        accounts = [one for caller in callers for one in bound.at(caller, at)]
        if any(holders.agree(named, accounts, realm=one, realms=may) for one in own):
            proved.append(use)
        if (not may or own & {*may}) and not holders.differ(named, accounts):
            open_.append(use)
    return proved, open_


def seen_with(credential: int) -> QuerySet[CredentialAgent]:
    """The rows of this key that name a user, and not the service of an agent that does."""
    own = CredentialAgent.objects.filter(
        credential_actor=OuterRef("credential_actor"), service_actor=OuterRef("service_actor")
    ).exclude(agent_actor=F("service_actor"))
    return CredentialAgent.objects.filter(credential_actor=credential).exclude(
        Exists(own), agent_actor=F("service_actor")
    )
