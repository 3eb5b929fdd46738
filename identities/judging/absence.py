"""Rules that look at a credential's whole history: sharing, and absence of a run.

Absence is judged only where every trace source concerned is complete past the event's time plus
its lag, never on sampled or unproven sources, nor where a span could not be read, and is never
stronger than inferred (product.md, rule 5). Concerned is also a source to which an agent of the
same name sends. Only a run that explains a call takes it back: what makes absence unsure later, as
an unreadable span does, is said in the finding. A link by key answers no question about a call from
a network that the key is not used from (key_networks.py).
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from evidence import locks, nudge
from evidence.locks import Lock
from evidence.models import Actor, Source, Term
from evidence.vocabulary import (
    EXACT,
    INFERRED,
    KEY,
    PLANE_IDENTITY,
    PROOF_CREDENTIAL,
    TIME_STATED,
)
from identities.models import (
    Binding,
    CredentialAgent,
    CredentialPrincipal,
    CredentialWatch,
    Finding,
    FindingEvent,
)

from . import found, holders, key_networks, key_users
from .concerned import NO_RUN, sources_of

SHARED = "shared_credential"
# A key that a key that a key issued: sessions are chained no deeper (holders.py).
DEEPEST = 3


class Known(NamedTuple):
    """Up to when absence may be judged, or why not."""

    until: datetime | None
    why_not: str


def complete_until(sources: set[int]) -> Known:
    """The event time up to which all these trace sources are complete, lag taken off."""
    until: datetime | None = None
    for source in Source.objects.filter(pk__in=sources):
        if source.sampling < 1:
            return Known(None, f"{source.name} is sampled at {source.sampling:.0%}")
        if source.keep_rules:
            return Known(None, f"{source.name} has a keep-filter")
        if source.watermark is None or not source.completeness:
            return Known(None, f"completeness of {source.name} is not known")
        # Who declares a source complete has counted its lag; a heartbeat or cursor has not.
        lag = 0 if source.completeness == "declared" else source.lag_seconds
        here = source.watermark - timedelta(seconds=lag)
        until = here if until is None else min(until, here)
    return Known(until, "" if until else "no trace source is known")


def judge_credentials(*, now: datetime) -> int:
    """Look at every credential that has news, or whose sources are complete further on."""
    looked = 0
    for watch in CredentialWatch.objects.order_by("credential_actor").iterator():
        uses = list(CredentialAgent.objects.filter(credential_actor=watch.pk))
        known = complete_until(sources_of(_believed(watch.pk, uses).uses))
        further = known.until is not None and (
            watch.judged_through is None or known.until > watch.judged_through
        )
        if not watch.dirty and not further:
            continue
        with transaction.atomic(), connection.cursor() as cursor:
            locks.take(cursor, Lock.JUDGE)
            # Cleared first: news that commits while we look marks it again.
            CredentialWatch.objects.filter(pk=watch.pk).update(
                dirty=False, judged_through=known.until
            )
            look(watch.pk, known, now=now)
            nudge.after_commit("identities.judged")
        looked += 1
    return looked


def look(credential: int, known: Known | None, *, now: datetime) -> None:
    """Write what one credential shows; inside the transaction and the lock of the caller. None:
    as far as its sources are complete."""
    uses = list(CredentialAgent.objects.filter(credential_actor=credential))
    believed = _believed(credential, uses)
    if known is None:
        known = complete_until(sources_of(believed.uses))
    own = believed.uses if believed.linked and believed.own else []
    networks = key_networks.learn(credential, own)
    _no_run(credential, believed, known, networks, now=now)
    _shared(credential, uses, now=now)


class Believed(NamedTuple):
    """The uses of a key that show where runs use it from, and the trace sources they came by.

    `linked`: of agents that people linked to its account. While there are none, every trace that
    states the request id of a call is believed, but once it is asked who made some calls, only
    those sources are that the question rests on: what another one claims answers no question.
    `own`: these are uses of the key itself; else of the key that issued it, which no run used.
    """

    uses: list[CredentialAgent]
    linked: bool
    sources: list[int]
    own: bool = True


def _believed(credential: int, uses: list[CredentialAgent]) -> Believed:
    above = credential
    for depth in range(DEEPEST + 1):
        linked = key_users.linked(above, uses)
        if linked:
            return Believed(linked, True, sorted({use.source_id for use in linked}), depth == 0)
        issuer = None if uses else key_networks.issuer(above)
        if issuer is None or issuer.credential is None:
            break
        above = issuer.credential
        uses = list(CredentialAgent.objects.filter(credential_actor=above))
    if above != credential:
        return Believed([], False, [])
    asked = Finding.objects.filter(actor_id=credential, rule=NO_RUN, state__in=found.LIVE)
    names = {name for one in asked for name in one.details.get("sources", ())}
    if names:
        known = set(Source.objects.filter(name__in=names).values_list("pk", flat=True))
        uses = [use for use in uses if use.source_id in known]
    uses = key_users.claimed(credential, uses)
    return Believed(uses, False, sorted({use.source_id for use in uses}))


# Where an agent is linked to the account, a trace of any other explains nothing; while none is,
# nobody's who is linked to another identity does.
EXPLAINED = f"""
CASE WHEN %(linked)s THEN EXISTS (SELECT 1 FROM evidence_shownlink l
    WHERE l.effect_at = e.at AND l.effect_id = e.id AND l.strength = {EXACT})
  ELSE EXISTS (SELECT 1 FROM evidence_link l
    JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
    WHERE l.effect_at = e.at AND l.effect_id = e.id AND l.strength = {EXACT}
      AND s.source_id = ANY(%(believed)s)
      AND NOT identities_caller_differs(e.at, e.id, s.at, s.id)) END
"""
# A span of a run that used the key for this very action then, when there is one for each such call.
# Whom a key was issued to says nothing of who used it, and nor does a pod or token that was alike.
BY_KEY = f"""
EXISTS (SELECT 1 FROM evidence_link l
    JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
    JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
    WHERE l.effect_at = e.at AND l.effect_id = e.id AND l.proof = {PROOF_CREDENTIAL}
      AND s.source_id = ANY(%(believed)s))
  AND evidence_surplus(e.credential_id, e.action_id, date_trunc('second', e.at, 'UTC')) = 0
"""
# Calls of a key that no run explains: those of which that can be concluded, and those of which it
# was, until something explains them. `sure`: it can be concluded now. From a new network the key
# says as little as of the key that issued it; `alive`: a run of the key was alive.
ALONE = f"""
WITH unread AS MATERIALIZED (
    -- When what could not be read may have been: near what came with it; of what came alone, nobody
    -- knows.
    SELECT p.first_at - interval '1 day' AS since,
        coalesce(p.last_at, p.received_at) + interval '1 day' AS until
    FROM evidence_deposit p WHERE p.source_id = ANY(%(sources)s) AND p.rejects > 0
    UNION ALL SELECT p.old_from - interval '1 day', p.old_to + interval '1 day'
    FROM evidence_deposit p WHERE p.source_id = ANY(%(sources)s) AND p.old > 0
), asked AS MATERIALIZED (
    SELECT x.at, x.event_id FROM identities_finding f
    JOIN identities_findingevent x ON x.finding_id = f.id
    WHERE f.actor_id = %(credential)s AND f.rule = '{NO_RUN}' AND f.state = ANY(%(live)s)
)
SELECT e.at, e.id, coalesce(e.address_id, 0), e.principal_id, n.network, EXISTS (
    SELECT 1 FROM evidence_link l
    JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
    JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
    WHERE l.effect_at = e.at AND l.effect_id = e.id AND l.strength = {KEY}
      AND s.source_id = ANY(%(believed)s)) AS alive, w.sure
FROM evidence_event e LEFT JOIN evidence_term a ON a.id = e.address_id
CROSS JOIN LATERAL (SELECT CASE WHEN evidence_network(a.value) <> ALL(%(networks)s::text[])
    THEN evidence_network(a.value) END AS network OFFSET 0) n
CROSS JOIN LATERAL (SELECT (e.at, e.id) IN (SELECT a.at, a.event_id FROM asked a) AS asked) q
CROSS JOIN LATERAL (SELECT coalesce(
    e.at <= %(until)s AND e.time_basis = {TIME_STATED}
    -- A stretch nobody received says nothing, however far the watermark is.
    AND NOT EXISTS (SELECT 1 FROM evidence_gap g
        WHERE g.source_id = ANY(%(sources)s) AND g.during @> e.at)
    AND NOT EXISTS (SELECT 1 FROM unread u
        WHERE e.at <= u.until AND (u.since IS NULL OR e.at >= u.since))
    -- Nor does one whose spans retention has dropped, or a filter may have left out.
    AND NOT EXISTS (SELECT 1 FROM evidence_dropped d
        WHERE d.source_id = ANY(%(sources)s) AND d.events > 0 AND d.month IN (
            date_trunc('month', e.at, 'UTC')::date,
            date_trunc('month', e.at - interval '1 day', 'UTC')::date))
    AND NOT EXISTS (SELECT 1 FROM evidence_filteredout f
        WHERE f.source_id = ANY(%(sources)s) AND f.day >= (e.at AT TIME ZONE 'UTC')::date),
    false) AS sure OFFSET 0) w
WHERE e.credential_id = %(credential)s AND e.plane = {PLANE_IDENTITY}
  AND coalesce(e.address_id, 0) <> ALL(%(seen)s)
  AND (w.sure OR q.asked)
  AND NOT ({EXPLAINED})
  AND (n.network IS NOT NULL OR ((%(own)s OR q.asked) AND NOT ({BY_KEY})))
ORDER BY e.at, e.id
"""


class Alone(NamedTuple):
    """A call that no run is known to have made."""

    at: datetime
    event: int
    address: int  # evidence.Term; 0 where the log states none
    principal: int | None
    network: str | None  # where the key is used from others and not from this one
    alive: bool  # a run of the key was alive
    sure: bool  # it can be concluded now


def _no_run(
    credential: int,
    believed: Believed,
    known: Known,
    networks: list[str] | None,
    *,
    now: datetime,
) -> None:
    judged = believed.uses and (believed.own or networks is not None)
    facts: dict[str, Any] = {
        "credential": credential,
        "sources": sorted(sources_of(believed.uses)),
        "until": known.until if judged else None,
        "seen": [use.address_id for use in believed.uses],
        "linked": believed.linked,
        "believed": believed.sources,
        "own": believed.own,
        "networks": networks,
        "live": list(found.LIVE),
    }
    asked = Finding.objects.filter(actor_id=credential, rule=NO_RUN, state__in=found.LIVE)
    wanted: list[Alone] = []
    if facts["until"] is not None or asked.exists():
        with connection.cursor() as cursor:
            cursor.execute(ALONE, facts)
            wanted = [Alone(*row) for row in cursor.fetchall()]
    actors = {one.principal for one in wanted if one.principal is not None}
    bound = holders.Holders({*actors, credential})
    groups: dict[found.Key, list[found.Told]] = {}
    details: dict[found.Key, dict[str, Any]] = {}
    alive: Counter[found.Key] = Counter()
    unsure: Counter[found.Key] = Counter()
    addresses = dict(
        Term.objects.filter(pk__in={one.address for one in wanted}).values_list("pk", "value")
    )
    held = _held(credential) if wanted else {}
    name = Actor.objects.get(pk=credential).value
    names = Source.objects.filter(pk__in=believed.sources).order_by("name")
    rests_on = list(names.values_list("name", flat=True))
    for one in wanted:
        whose = bound.at(one.principal, one.at) or bound.at(credential, one.at)
        where = addresses.get(one.address, "no stated address")
        identity = whose[0].identity if len(whose) == 1 else None
        family, said = f"{name} {where}", {"address": where}
        if one.network is not None:
            day = one.at.astimezone(UTC).date().isoformat()
            family, said = f"{name} {one.network} {day}", {"address": one.network, "day": day}
        family, said = held.get((one.at, one.event), (family, said))
        key = found.Key(identity, credential, NO_RUN, family)
        groups.setdefault(key, []).append((one.at, one.event, INFERRED, where))
        details[key] = {"credential": name, **said, "sources": rests_on}
        alive[key] += one.alive
        unsure[key] += not one.sure
    for key, about in details.items():
        about["unsure"] = unsure[key]
        if "day" in about:
            about["calls_while_a_run_was_alive"] = alive[key]
    found.extend(
        {key: found.Asked(events, "", details[key]) for key, events in groups.items()}, now=now
    )
    _keep_only(credential, NO_RUN, groups, now=now)


def _held(credential: int) -> dict[tuple[datetime, int], tuple[str, dict[str, str]]]:
    """The family of each call that was asked about already, and its part of the details: it stays
    where it was asked when the networks of the key come to be known, or no longer are."""
    asked = Finding.objects.filter(actor_id=credential, rule=NO_RUN, events__isnull=False)
    return {
        (at, event): (family, {name: said[name] for name in ("address", "day") if name in said})
        for at, event, family, said in asked.values_list(
            "events__at", "events__event_id", "family", "details"
        )
    }


def _shared(credential: int, uses: list[CredentialAgent], *, now: datetime) -> None:
    agents = key_users.users(credential, uses)
    events: list[found.Told] = []
    principal: int | None = None
    names = dict(Actor.objects.filter(pk__in=[*agents, credential]).values_list("pk", "value"))
    if len(agents) > 1 and not _bound_together(credential, agents):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT e.at, e.id, max(e.principal_id) FROM evidence_event e"
                " JOIN evidence_link l ON l.effect_at = e.at AND l.effect_id = e.id"
                "  AND l.strength = %s"
                " WHERE e.credential_id = %s AND e.plane = %s"
                " GROUP BY e.at, e.id ORDER BY e.at, e.id LIMIT %s",
                [EXACT, credential, PLANE_IDENTITY, found.MOST_EVENTS],
            )
            for at, event, who in cursor.fetchall():
                events.append((at, event, INFERRED, "same key, more than one agent"))
                principal = who if principal is None else principal
    groups: dict[found.Key, list[found.Told]] = {}
    if events:
        whose = holders.Holders({credential, *([principal] if principal else [])})
        bound = whose.at(principal, events[-1][0]) or whose.at(credential, events[-1][0])
        identity = bound[0].identity if len(bound) == 1 else None
        key = found.Key(identity, credential, SHARED, names[credential])
        groups[key] = events
        said = {
            "credential": names[credential],
            "agents": sorted(names[agent] for agent in agents if agent in names),
        }
        found.extend({key: found.Asked(events, "", said)}, now=now)
    _keep_only(credential, SHARED, groups, now=now)


def _bound_together(credential: int, agents: list[int]) -> bool:
    """All these agents are the same identity, or share this credential by confirmed bindings: its
    own, or those of the one principal that records name with it (identities/keyholders.py)."""
    users = set(
        CredentialPrincipal.objects.filter(credential_actor=credential).values_list(
            "principal_actor", flat=True
        )
    )
    user = users.pop() if len(users) == 1 else None
    above = holders.Holders([credential, *agents, *([user] if user else [])])
    identities = [
        next(
            (
                {bound.identity for bound in above.bound[here]}
                for here in above.line(agent)
                if here in above.bound
            ),
            set[int](),
        )
        for agent in agents
    ]
    if not all(identities):
        return False
    if set.intersection(*identities):
        return True
    sharing = set(
        Binding.objects.filter(
            actor_id__in=[*above.line(credential), *above.line(user)],
            state="confirmed",
            superseded_at__isnull=True,
            shared=True,
        ).values_list("identity__number", flat=True)
    )
    return all(numbers & sharing for numbers in identities)


def _keep_only(
    credential: int,
    rule: str,
    groups: dict[found.Key, list[found.Told]],
    *,
    now: datetime,
) -> None:
    """Take back events of this credential's findings that no longer hold under their key: late
    evidence explains them, or the identity they belong to has become known."""
    holds = {key: {(at, event) for at, event, _, _ in events} for key, events in groups.items()}
    for finding in (
        Finding.objects.filter(actor_id=credential, rule=rule, state__in=found.LIVE)
        .select_related("identity")
        .select_for_update(of=("self",))
    ):
        number = finding.identity.number if finding.identity else None
        kept = holds.get(found.Key(number, credential, rule, finding.family), set())
        gone = [row.pk for row in finding.events.all() if (row.at, row.event_id) not in kept]
        if gone:
            FindingEvent.objects.filter(pk__in=gone).delete()
            moved = any(key.family == finding.family for key in groups)
            cause = (
                "whose it is has become known: the finding stands under that identity"
                if moved
                else "later evidence explains it"
            )
            found.total([finding], now=now, cause=cause)
