"""The consumer: deposits that are linked and not yet judged (a row is the queue)."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from evidence import consumers, locks, nudge, partitions
from evidence.locks import Lock
from evidence.models import Actor, Progress, Term
from evidence.vocabulary import (
    EXACT,
    INFERRED,
    KEY,
    OUTCOME_FAILED,
    OUTCOME_REFUSED,
    PLANE_IDENTITY,
    SIGN_IN_WITHOUT_MFA,
    TIME_RECEIVED,
)
from identities.findings import REASONS, Candidate, Judged, candidates, needs_authority, without_mfa
from identities.models import Identity
from identities.models.behaviour import INSIDE, NOT_JUDGED, ONE_OF, OUTSIDE

from . import (
    concerned,
    conflicts,
    found,
    holders,
    instance_addresses,
    interactive,
    key_users,
    rows,
    scope,
    uses,
)
from .past import put_back
from .verdicts import Grants, Shape, Stopped

CONSUMER = "judging"
LEASE = timedelta(minutes=10)
RULES_VERSION = 1
UNDONE_OUTCOMES = (OUTCOME_REFUSED, OUTCOME_FAILED)

# For other statements: everything below the actors so far (`actor`), and the deposits in which
# they appear.
BELOW = """SELECT under.id FROM actor a CROSS JOIN LATERAL (
    SELECT c.id FROM evidence_actor c WHERE c.parent_id = a.id UNION ALL
    SELECT s.credential_id FROM evidence_issuance s WHERE s.issued_to_id = a.id) under"""
APPEARS_IN = """SELECT e.deposit_id FROM evidence_event e JOIN actor a ON e.principal_id = a.id
    AND e.at >= %(since)s
UNION SELECT e.deposit_id FROM evidence_event e JOIN actor a ON e.credential_id = a.id
    AND e.at >= %(since)s
UNION SELECT e.deposit_id FROM evidence_event e JOIN actor a ON e.agent_id = a.id
    AND e.at >= %(since)s
UNION SELECT e.deposit_id FROM evidence_agentabove g JOIN actor a
    ON g.agent_id = a.id AND g.at >= %(since)s
    JOIN evidence_event e ON e.at = g.at AND e.id = g.id"""
# Also what is being judged right now: its lease is gone, so it cannot become done.
AGAIN = f"""
WITH RECURSIVE actor AS (
    SELECT b.actor_id AS id FROM identities_binding b
    JOIN identities_identity i ON i.id = b.identity_id WHERE i.number = ANY(%(numbers)s)
    UNION {BELOW}
), deposit AS ({APPEARS_IN})
UPDATE evidence_progress p SET done_at = NULL, leased_until = NULL, attempts = 0
FROM deposit d WHERE p.deposit_id = d.deposit_id AND p.consumer = %(consumer)s
    AND (p.done_at IS NOT NULL OR p.leased_until IS NOT NULL)
"""


def judge_next(*, now: datetime) -> bool:
    """Claim and judge one deposit; False when there is nothing to do."""
    return bool(
        consumers.handle_next(CONSUMER, lambda held: _handle(held, now), lease=LEASE, now=now)
    ) or put_back(CONSUMER, now=now)


def judge_all(*, now: datetime) -> int:
    """Judge until nothing is left; for commands and tests."""
    done = 0
    while judge_next(now=now):
        done += 1
    return done


def _handle(held: Progress, now: datetime) -> None:
    """Attribute and judge everything this deposit may change, in one transaction."""
    deposit = held.deposit
    if deposit.first_at is not None and deposit.last_at is not None:
        months = {partitions.month_of(deposit.first_at), partitions.month_of(deposit.last_at)}
        partitions.ensure(partitions.missing(partitions.BY_EVENT_TIME, months))
    with transaction.atomic(), connection.cursor() as cursor:
        locks.take(cursor, Lock.JUDGE)
        judge(scope.of(deposit), now=now)
        concerned.look_again(deposit)
        consumers.finish(held, now=now)
        nudge.after_commit("identities.judged")


def judge(seen_here: scope.Scope, *, now: datetime) -> None:
    """Write what follows from these events; inside the transaction and the lock of the caller."""
    if not seen_here.events:
        return
    bound = holders.Holders(holders.actors_of(seen_here.events, seen_here.claims))
    events = seen_here.events
    words = _words(events)
    attributed = []
    involved: set[int] = set()
    for seen in events:
        behind = seen_here.causes.get((seen.at, seen.id), [])
        given, authority = holders.attribute(seen, behind, bound)
        attributed.append((seen, behind, given, authority))
        involved |= {row.identity for row in given} | set(authority)
    grants = Grants(involved)
    stopped = Stopped(seen.credential for seen in events if seen.credential is not None)
    tasks = _tasks(seen_here)
    names = _actor_names({c.agent for group in seen_here.causes.values() for c in group})
    out: list[rows.Row] = []
    judged: list[Judged] = []
    wanted: list[Candidate] = []
    looked: list[tuple[datetime, int, set[int]]] = []
    for seen, behind, given, authority in attributed:
        before = bound.ever(
            seen.principal,
            seen.credential,
            seen.agent,
            seen.on_behalf,
            *(cause.agent for cause in seen_here.claims.get((seen.at, seen.id), ())),
            *(cause.service for cause in seen_here.claims.get((seen.at, seen.id), ())),
        )
        looked.append((seen.at, seen.id, before))
        verdicts: dict[int, str] = {}
        if seen.plane == PLANE_IDENTITY:
            verdicts = _verdicts(seen, behind, authority, grants, stopped, words, tasks)
        # An identity without delegations of its own acts with the principal's authority.
        shared_word = next(iter(verdicts.values()), "")
        for row in given:
            reason = verdicts.get(row.identity, shared_word)
            verdict = NOT_JUDGED if not reason else INSIDE if reason == "inside" else OUTSIDE
            out.append(
                rows.Row(
                    seen.at,
                    seen.id,
                    row.binding,
                    row.identity,
                    seen.source,
                    row.role,
                    row.strength,
                    verdict,
                    REASONS.index(reason),
                    RULES_VERSION,
                    seen.plane,
                )
            )
        micros = found.micros(seen.at)
        # Of several who may have done it, none is accused as if that were told.
        untold = {row.identity for row in given if row.strength == ONE_OF}
        if seen.activity == SIGN_IN_WITHOUT_MFA:
            wanted += _without_mfa(seen, micros, given, untold)
        for identity, reason in verdicts.items():
            cause = behind[0] if behind else None
            trace, run_strength = seen_here.run((seen.at, seen.id))
            judged.append(
                Judged(
                    at=micros,
                    event=seen.id,
                    identity=identity,
                    action=words[seen.action],
                    resource=words.get(seen.resource or 0, ""),
                    reason=reason,
                    strength=INFERRED if identity in untold else EXACT if cause else KEY,
                    trace=trace,
                    run_strength=run_strength,
                    agent=names.get(cause.agent or 0, "") if cause else "",
                    undone=seen.outcome in UNDONE_OUTCOMES,
                )
            )
    touched = rows.write(out, looked)
    # Whether they count may have changed with any span of their trace.
    touched |= {
        (row.identity_no, row.at.astimezone(UTC).date())
        for row in out
        if (row.at, row.event_id) in seen_here.retold
    }
    uses.note(seen_here, out, now=now)
    rows.count_usage(touched)
    wanted += candidates(judged) + conflicts.candidates(seen_here, bound)
    refs = [(at, event) for at, event, _ in looked]
    found.record(wanted, refs, now=now, contested=seen_here.contested)
    instance_addresses.judge(events, now=now)
    interactive.judge([(seen, given) for seen, _, given, _ in attributed], words, now=now)
    key_users.note(events, seen_here.claims)


def _without_mfa(
    seen: scope.Seen, micros: int, given: list[holders.Attributed], untold: set[int]
) -> list[Candidate]:
    """What a sign-in without MFA says of each who signed in; of an actor, where nobody is known."""
    who: set[int | None] = {row.identity for row in given}
    return [
        without_mfa(
            identity=identity,
            actor=seen.principal if identity is None else None,
            at=micros,
            event=seen.id,
            strength=INFERRED if identity in untold else KEY,
        )
        for identity in who or {None}
        if identity is not None or seen.principal is not None
    ]


def _verdicts(
    seen: scope.Seen,
    behind: list[scope.Cause],
    authority: list[int],
    grants: Grants,
    stopped: Stopped,
    words: dict[int, str],
    tasks: dict[int, str],
) -> dict[int, str]:
    """Identity -> reason, for those whose authority the event was done with.

    Of a credential shared by several, an event that any of them may have done is inside.
    """
    if not needs_authority(words[seen.action]):
        return {}
    if seen.time_basis == TIME_RECEIVED:
        # When it was is not known, so neither is what was in force then: only who was never
        # delegated anything is outside whenever it was.
        return {one: "none" if one in grants.without else "" for one in authority}
    task = next((tasks[c.task] for c in behind if c.task is not None and c.task in tasks), "")
    ended = stopped.at(seen.credential, seen.at)
    said: dict[int, str] = {}
    for identity in authority:
        if ended:
            said[identity] = ended
        elif grants.stopped(identity, seen.at):
            said[identity] = "held"
        elif identity in grants.without:
            said[identity] = "none"
        else:
            shape = Shape(
                identity,
                words[seen.action],
                words.get(seen.resource or 0, ""),
                task,
                words.get(seen.address or 0, ""),
            )
            verdict = grants.judge(shape, seen.at)
            # Evidence does not state what a condition asks for: that cannot be told, and accuses
            # nobody.
            said[identity] = "" if verdict.unstated and not verdict.allowed else verdict.reason
    if len(said) > 1 and "inside" in said.values():
        return dict.fromkeys(said, "inside")
    return said


def _words(events: Iterable[scope.Seen]) -> dict[int, str]:
    wanted: set[int] = set()
    for seen in events:
        wanted.add(seen.action)
        wanted |= {term for term in (seen.resource, seen.address) if term is not None}
    return rows.words(wanted)


def _tasks(seen_here: scope.Scope) -> dict[int, str]:
    wanted = {
        cause.task
        for group in seen_here.causes.values()
        for cause in group
        if cause.task is not None
    }
    return dict(Term.objects.filter(pk__in=wanted).values_list("pk", "value"))


def _actor_names(actors: Iterable[int | None]) -> dict[int, str]:
    wanted = {actor for actor in actors if actor is not None}
    return dict(Actor.objects.filter(pk__in=wanted).values_list("pk", "value"))


def again(
    *,
    identities: Iterable[Identity],
    now: datetime,  # noqa: ARG001 - every act is told the time; this one needs none yet
    since: datetime | None = None,
) -> int:
    """Judge these identities again: their bindings or authority have changed.

    Marks the deposits their actors appear in as not judged; how many. With `since`, only those
    with events from then on: a grant that begins now leaves what is past as it was.
    """
    numbers = [identity.number for identity in identities]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            AGAIN,
            {
                "consumer": CONSUMER,
                "numbers": numbers,
                "since": since or datetime(1970, 1, 1, tzinfo=UTC),
            },
        )
        marked = int(cursor.rowcount)
        nudge.after_commit("identities.changed")
    return marked
