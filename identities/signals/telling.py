"""What is told: revocations and findings become events, and each event a SET on every stream.

Owns which fact is which event (docs/signals.md) and that it is told once: a fact is found by the
event that it lacks, and its cause is unique, so a worker that died or another one beside it changes
nothing. A batch takes as many statements as one fact, whatever waits.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from evidence import locks, nudge
from evidence.locks import Lock
from evidence.vocabulary import EXACT, KEY, STRENGTHS
from identities import causes
from identities.models import (
    Binding,
    Credential,
    Identity,
    SignalEvent,
    SignalSet,
    SignalStream,
    SignalSubject,
)

from . import vocabulary
from .vocabulary import CREDENTIAL_CHANGE, RISK_LEVEL_CHANGE, SESSION_REVOKED

MOST = 200
MOST_NAMES = 50
# So long may no worker run before what happened is no news any more.
LATELY = timedelta(days=14)
# The findings that say somebody else may act with an identity: those that an installation begins
# to ask about alone (reviews/micro_reviews.py, which this may not know; a test compares them).
SERIOUS = ("after_revocation", "shared_credential", "no_run", "left_task")
LEVELS = ("LOW", "MEDIUM", "HIGH")
DID = {"hold": "held", "suspend": "suspended", "revoke": "revoked"}

# A row that went out ends what sessions there are, so it is told as soon as it was sent.
SESSIONS = """
SELECT r.id, r.number, r.identity_id, r.credential_id, r.step, r.state, r.case, r.requested_by,
    coalesce(r.sent_at, r.confirmed_at, r.effective_at) AS at
FROM identities_revocation r
WHERE r.step IN ('hold', 'suspend', 'revoke') AND r.entitlement IS NULL
  AND coalesce(r.sent_at, r.confirmed_at, r.effective_at) >= %(since)s
  AND NOT EXISTS (
    SELECT 1 FROM identities_signalevent e WHERE e.cause = 'REV-' || r.number || ' sessions')
ORDER BY at, r.number LIMIT %(most)s
"""
# That a credential is revoked is told once its target shows it.
CREDENTIALS = """
SELECT r.id, r.number, r.identity_id, r.credential_id, r.step, r.state, r.case, r.requested_by,
    coalesce(r.confirmed_at, r.effective_at) AS at
FROM identities_revocation r
WHERE r.step = 'revoke' AND r.credential_id IS NOT NULL AND r.entitlement IS NULL
  AND coalesce(r.confirmed_at, r.effective_at) >= %(since)s
  AND NOT EXISTS (
    SELECT 1 FROM identities_signalevent e WHERE e.cause = 'REV-' || r.number || ' credential')
ORDER BY at, r.number LIMIT %(most)s
"""
# The level that the live findings of an identity say, where another one was told last. In a scope
# that observes nobody is asked, and so nobody is told; where it went back to that, what was told
# before is taken back.
RISKS = """
SELECT i.id, CASE WHEN i.mode <> 'observe' THEN live.level END, live.rule, live.at, last.id,
    last.level, i.mode = 'observe'
FROM (
    SELECT f.identity_id, max(CASE WHEN f.strengths ?| %(sure)s THEN 2 ELSE 1 END) AS level,
        (array_agg(f.rule ORDER BY f.strength DESC, f.number DESC))[1] AS rule,
        max(f.opened_at) AS at
    FROM identities_finding f
    WHERE f.state IN ('open', 'confirmed') AND f.rule = ANY(%(rules)s) AND f.identity_id IS NOT NULL
    GROUP BY f.identity_id) live
FULL JOIN (
    SELECT DISTINCT ON (e.identity_id) e.identity_id, e.id,
        array_position(%(levels)s::text[], e.payload ->> 'current_level') - 1 AS level
    FROM identities_signalevent e WHERE e.kind = 'risk-level-change'
    ORDER BY e.identity_id, e.id DESC) last USING (identity_id)
JOIN identities_identity i ON i.id = identity_id
WHERE CASE WHEN i.mode = 'observe' THEN 0 ELSE coalesce(live.level, 0) END
    <> coalesce(last.level, 0)
ORDER BY i.number LIMIT %(most)s
"""


class Fact(NamedTuple):
    """One thing to tell, before it has names and streams."""

    cause: str
    kind: str
    identity: UUID
    payload: dict[str, Any]
    txn: str
    at: datetime


def tell_next(*, now: datetime) -> int:
    """Write the events of what happened and was not told, a batch; how many there were."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            if not locks.try_take(cursor, Lock.SIGNALS):
                return 0
        streams = list(
            SignalStream.objects.filter(deleted_at=None, receiver__ended_at=None)
            .select_related("receiver")
            .order_by("created_at")
        )
        if not streams:
            return 0
        since = max(streams[0].created_at, now - LATELY)
        facts = [*_revocations(since), *_risks(now)]
        if facts:
            _write(facts, streams, now=now)
    return len(facts)


def _revocations(since: datetime) -> list[Fact]:
    found = []
    for kind, question in ((SESSION_REVOKED, SESSIONS), (CREDENTIAL_CHANGE, CREDENTIALS)):
        with connection.cursor() as cursor:
            cursor.execute(question, {"since": since, "most": MOST})
            rows = cursor.fetchall()
        keys = Credential.objects.select_related("actor").in_bulk({row[3] for row in rows} - {None})
        unsaid = causes.unsaid({row[6] for row in rows})
        for pk, number, identity, credential, step, state, case, by, at in rows:
            of = keys.get(credential)
            what = f"A credential was {DID[step]}" if of else f"The identity was {DID[step]}"
            payload: dict[str, Any] = {
                "event_timestamp": int(at.timestamp()),
                "initiating_entity": "admin" if by.startswith("user:") else "policy",
                # No more than that: why stands in the case, and is for who may read it.
                "reason_admin": {"en": f"{what} by Countersign, REV-{number}, {state}."},
            }
            if of is not None:
                payload["friendly_name"] = f"{of.key} {of.short}"
            if of is not None and kind == CREDENTIAL_CHANGE:
                payload |= {
                    "credential_type": vocabulary.credential_type(of.actor.kind),
                    "change_type": "revoke",
                }
            what = "sessions" if kind == SESSION_REVOKED else "credential"
            # Of one cause is what one case asked for; of a sealed one nobody can tell.
            cause = pk if case is None or case in unsaid else case
            found.append(Fact(f"REV-{number} {what}", kind, identity, payload, str(cause), at))
    return sorted(found, key=lambda one: one.at)


def _risks(now: datetime) -> list[Fact]:
    with connection.cursor() as cursor:
        cursor.execute(
            RISKS,
            {
                "sure": [STRENGTHS[EXACT], STRENGTHS[KEY]],
                "rules": list(SERIOUS),
                "levels": list(LEVELS),
                "most": MOST,
            },
        )
        rows = cursor.fetchall()
    found = []
    for identity, level, rule, at, last, before, observes in rows:
        happened = now if level is None else at
        payload = {
            "principal": "USER",
            "current_level": LEVELS[level or 0],
            "event_timestamp": int(happened.timestamp()),
            "initiating_entity": "policy",
            "risk_reason": (rule or "").upper(),
            "reason_admin": {"en": "A serious finding of Countersign is open."},
        }
        if level is None:
            payload |= _over(observes=observes)
        if before is not None:
            payload["previous_level"] = LEVELS[before]
        # Two workers that saw the same last level write the same cause.
        cause = f"risk of {identity} after {last or 0}"
        txn = sha256(cause.encode()).hexdigest()[:32]  # of this change and of no other
        found.append(Fact(cause, RISK_LEVEL_CHANGE, identity, payload, txn, happened))
    return found


def _over(*, observes: bool) -> dict[str, Any]:
    """Why a level is LOW again, in the members of its event."""
    reason, said = "NO_SERIOUS_FINDING", "No serious finding of Countersign is open any more."
    if observes:
        reason, said = (
            "OBSERVED_ONLY",
            "Countersign only observes it by now, and says nothing of it.",
        )
    return {"risk_reason": reason, "reason_admin": {"en": said}}


def _write(facts: Sequence[Fact], streams: Sequence[SignalStream], *, now: datetime) -> None:
    names = names_of({one.identity for one in facts}, now=now)
    SignalEvent.objects.bulk_create(
        [
            SignalEvent(
                cause=one.cause,
                kind=one.kind,
                identity_id=one.identity,
                names=names[one.identity],
                payload=one.payload,
                txn=one.txn,
                happened_at=one.at,
                made_at=now,
            )
            for one in facts
        ],
        ignore_conflicts=True,
    )
    # Those that are ours: what another had told before has its SETs.
    events = list(
        SignalEvent.objects.filter(cause__in=[one.cause for one in facts], sets=None).order_by("id")
    )
    waiting, dropped = _placed(events, streams)
    SignalSet.objects.bulk_create(waiting, batch_size=5_000)
    for stream, count in dropped.items():
        SignalStream.objects.filter(pk=stream).update(dropped=F("dropped") + count)
    if waiting:
        nudge.after_commit("signals.waiting")


def names_of(identities: Iterable[UUID], *, now: datetime) -> dict[UUID, list[dict[str, str]]]:
    """The simple subjects by which each identity may be named, our own key first."""
    bound: dict[UUID, list[tuple[str, str, str]]] = {}
    rows = Binding.objects.filter(
        identity__in=identities, state="confirmed", superseded_at=None, during__contains=now
    )
    # What other systems call it, not the keys and tokens it comes with.
    rows = rows.exclude(actor__in=Credential.objects.values("actor")).order_by("id")
    for identity, *name in rows.values_list(
        "identity_id", "actor__realm", "actor__kind", "actor__value"
    ):
        bound.setdefault(identity, []).append((name[0], name[1], name[2]))
    found = {}
    for one in Identity.objects.filter(pk__in=identities):
        own = {"format": "iss_sub", "iss": settings.BASE_URL, "sub": one.key}
        found[one.pk] = vocabulary.names_of(own, bound.get(one.pk, [])[:MOST_NAMES])
    return found


def _placed(
    events: Sequence[SignalEvent], streams: Sequence[SignalStream]
) -> tuple[list[SignalSet], dict[UUID, int]]:
    """The SETs of these events, in their order; and how many each disabled stream drops."""
    digests = {one.pk: [vocabulary.digest(name) for name in one.names] for one in events}
    said: dict[tuple[UUID, bytes], bool] = {}
    for on, key, included in SignalSubject.objects.filter(
        digest__in={key for keys in digests.values() for key in keys}
    ).values_list("stream_id", "digest", "included"):
        said[on, bytes(key)] = included
    waiting, dropped = list[SignalSet](), dict[UUID, int]()
    for event in events:
        for stream in streams:
            if not wanted(event, stream, digests[event.pk], said):
                continue
            if stream.status == "disabled":
                dropped[stream.pk] = dropped.get(stream.pk, 0) + 1
            else:
                waiting.append(SignalSet(stream=stream, event=event, jti=jti(stream, event.cause)))
    return waiting, dropped


def wanted(
    event: SignalEvent,
    stream: SignalStream,
    digests: Sequence[bytes],
    said: Mapping[tuple[UUID, bytes], bool],
) -> bool:
    """Whether this stream carries the event: its kind was asked for, its subject is on it, and it
    happened since the stream is there."""
    if event.happened_at < stream.created_at and event.kind != RISK_LEVEL_CHANGE:
        return False
    if stream.requested and vocabulary.URIS[event.kind] not in stream.requested:
        return False
    about = [said[stream.pk, one] for one in digests if (stream.pk, one) in said]
    return any(about) if stream.receiver.default_subjects == "NONE" else all(about)


def jti(stream: SignalStream, cause: str) -> str:
    """The id of a SET: the same whenever it is sent, another one on another stream."""
    return sha256(f"{stream.stream_id} {cause}".encode()).hexdigest()[:40]


def of_the_stream(
    stream: SignalStream, kind: str, payload: Mapping[str, Any], *, control: bool, now: datetime
) -> None:
    """Say something of the stream itself on it; `control`: whatever its status."""
    what = uuid4().hex
    event = SignalEvent.objects.create(
        cause=f"stream {stream.stream_id} {kind} {what}",
        kind=kind,
        names=[{"format": "opaque", "id": stream.stream_id}],
        payload=dict(payload),
        txn=what,
        happened_at=now,
        made_at=now,
    )
    SignalSet.objects.create(
        stream=stream, event=event, jti=jti(stream, event.cause), control=control
    )
    nudge.after_commit("signals.waiting")
