"""May this identity do this now? The run-time door to the one judge (docs/decisions, 10).

Owns who is meant, what stops it before authority is asked, and the answer with its reason. The
verdict itself is identities/authority, the same that judges behaviour afterwards. Every stored
deadline, hold, suspension and credential state is read at each call: nothing waits for a
worker. Must not know of HTTP.

Order: unknown → retired, suspended, held → expired → credential → revocation under way →
authority. Delegations that were imported and never signed count in observe mode only: an
import grants nothing once consequences are on.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from evidence.keys import key_of
from identities import actornames, authority
from identities.models import DelegationVersion, Identity

NHI = re.compile(r"(?i)NHI-(\d{1,9})")
CREDENTIAL = re.compile(r"(?i)CRED-(\d{1,12})")
SENTENCES = {
    "unknown_subject": "No registered identity is meant by this subject.",
    "ambiguous_subject": "This subject is bound to several identities: ask for one by name.",
    "not_active": "This identity is not active yet: it needs owner, purpose and expiry.",
    "retired": "This identity is retired.",
    "suspended": "This identity is suspended.",
    "held": "This identity is held.",
    "identity_expired": "The attested time of this identity is over.",
    "unknown_credential": "This credential is not known.",
    "other_credential": "This credential is not bound to the subject.",
    "credential_held": "This credential is held.",
    "credential_revoked": "This credential is revoked.",
    "credential_expired": "This credential has expired.",
    "being_revoked": "A stop of this credential or identity is under way.",
}
STOPPING = ("requested", "sending", "sent", "confirmed")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `subject`: a name, an NHI key, an ARN, an access key id or an agent."""

    subject: str
    action: str
    resource: str
    credential: str = ""
    task: str = ""
    on_behalf: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision, why, and by which delegations; a deny has its reason as a word."""

    allowed: bool
    reason: str
    sentence: str
    policies: tuple[str, ...] = ()
    identity: str = ""
    mode: str = ""
    signed: bool = True
    until: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)


# One identity by name, number or any actor that is bound to it (or whose parent is). The last
# two columns are the stops: its state row that is true now, and revocations under way.
SUBJECT = """
WITH meant AS (
    SELECT i.id, i.number, 0 AS rank FROM identities_identity i
    WHERE i.name = %(name)s OR i.number = %(number)s
    UNION ALL
    SELECT i.id, i.number, 1 FROM evidence_actor a
    JOIN identities_binding b ON b.actor_id IN (a.id, a.parent_id)
    JOIN identities_identity i ON i.id = b.identity_id
    WHERE a.key = ANY(%(keys)s) AND b.state = 'confirmed' AND b.superseded_at IS NULL
      AND b.during @> %(now)s
    UNION ALL
    SELECT i.id, i.number, 1 FROM evidence_actor a
    JOIN identities_credential c ON c.actor_id = a.id
    JOIN identities_identity i ON i.id = c.identity_id
    WHERE a.key = ANY(%(keys)s)
    UNION ALL
    SELECT i.id, i.number, 2 FROM identities_binding b
    JOIN evidence_actor a ON a.id = b.actor_id
    JOIN identities_identity i ON i.id = b.identity_id
    WHERE %(agent)s <> '' AND a.value = %(agent)s AND a.kind IN ('agent', 'agent_id', 'service')
      AND b.state = 'confirmed' AND b.superseded_at IS NULL AND b.during @> %(now)s
)
SELECT DISTINCT m.id, m.rank, i.number, i.name, i.state, i.mode, i.expires_at,
    EXISTS (SELECT 1 FROM identities_identitystate s WHERE s.identity_id = i.id
            AND s.superseded_at IS NULL AND s.during @> %(now)s
            AND s.state IN ('held', 'suspended', 'retired')),
    EXISTS (SELECT 1 FROM identities_revocation r WHERE r.identity_id = i.id
            AND r.credential_id IS NULL AND r.step IN ('hold', 'suspend', 'revoke')
            AND r.state = ANY(%(stopping)s))
FROM meant m JOIN identities_identity i ON i.id = m.id
WHERE m.rank = (SELECT min(rank) FROM meant)
LIMIT 3
"""

KEY = """
SELECT c.id, c.identity_id, c.state, c.expires_at,
    (SELECT s.state FROM identities_credentialstate s WHERE s.credential_id = c.id
     AND s.superseded_at IS NULL AND s.during @> %(now)s LIMIT 1),
    EXISTS (SELECT 1 FROM identities_revocation r WHERE r.credential_id = c.id
            AND r.step IN ('hold', 'revoke') AND r.state = ANY(%(stopping)s)),
    EXISTS (SELECT 1 FROM identities_binding b WHERE b.identity_id = %(identity)s
            AND b.actor_id IN (a.id, a.parent_id, c.issued_to_id) AND b.state = 'confirmed'
            AND b.superseded_at IS NULL AND b.during @> %(now)s)
FROM identities_credential c JOIN evidence_actor a ON a.id = c.actor_id
WHERE a.key = %(key)s OR c.number = %(number)s
LIMIT 1
"""


def decide(question: Question, *, now: datetime) -> Answer:
    """The answer at `now`: at most three queries, whatever the number of identities."""
    found = _subject(question.subject, now)
    if not found:
        return _no("unknown_subject")
    if len(found) > 1:
        return _no("ambiguous_subject")
    pk, _, number, name, state, mode, expires_at, stopped, stopping = found[0]
    about = {"identity": f"NHI-{number:04d}", "mode": mode}
    if state in ("retired", "suspended"):
        return _no(state, **about)
    if stopped:
        return _no("held", **about)
    if state == "draft" and mode != "observe":
        return _no("not_active", **about)
    if expires_at is not None and expires_at <= now:
        return _no("identity_expired", **about)
    if stopping:
        return _no("being_revoked", **about)
    credential = question.credential
    if not credential and actornames.ACCESS_KEY.fullmatch(question.subject):
        # Who asks by the key itself is asking with that key.
        credential = question.subject
    if credential:
        refused = _credential(credential, pk, now)
        if refused is not None:
            return _no(refused, **about)
    return _authority(question, pk=pk, key=about["identity"], mode=mode, now=now)


def _authority(
    question: Question, *, pk: Any, key: str, mode: str, now: datetime
) -> Answer:
    rows = DelegationVersion.objects.filter(
        delegation__grantee_id=pk, state="in_force", superseded_at__isnull=True
    ).select_related("delegation")
    if mode != "observe":
        rows = rows.exclude(Q(signed=False) & Q(imported=True))
    grants = [grant_of(row) for row in rows.order_by("delegation__number", "version")]
    verdict = authority.judge(
        authority.compile_slice(key, grants),
        authority.Request(
            action=question.action,
            resource=question.resource,
            task=question.task or None,
            on_behalf=question.on_behalf or None,
            address=question.address or None,
            at=now,
        ),
        now=now,
    )
    deciding = [grant for grant in grants if grant.key in verdict.policies]
    ends = [grant.ends_at for grant in deciding if grant.ends_at is not None]
    return Answer(
        allowed=verdict.allowed,
        reason=verdict.reason,
        sentence=verdict.detail,
        policies=tuple(verdict.policies),
        identity=key,
        mode=mode,
        signed=any(grant.signed for grant in deciding),
        # Until the last of what allows it ends, nothing but a hold changes the answer.
        until=max(ends) if verdict.allowed and len(ends) == len(deciding) and ends else None,
    )


def grant_of(row: DelegationVersion) -> authority.Grant:
    """A stored version as the compiler takes it."""
    return authority.Grant(
        key=row.delegation.key,
        version=row.version,
        actions=tuple(row.actions),
        resources=tuple(row.resources),
        task=row.task or None,
        on_behalf=row.on_behalf or None,
        conditions=row.conditions or {},
        starts_at=row.during.lower,
        ends_at=row.during.upper,
        revoked_at=row.revoked_at,
        signed=row.signed,
    )


def _subject(subject: str, now: datetime) -> list[tuple[Any, ...]]:
    number = NHI.fullmatch(subject)
    name = actornames.from_text(subject)
    keys = []
    if name is not None:
        # A session that evidence has not shown yet is known by its role.
        keys = [key_of(one.realm, one.kind, one.value) for one in (name, name.parent) if one]
    with connection.cursor() as cursor:
        cursor.execute(
            SUBJECT,
            {
                "name": subject,
                "number": int(number[1]) if number else None,
                "keys": keys,
                "agent": "" if name is not None or number else subject,
                "now": now,
                "stopping": list(STOPPING),
            },
        )
        return cursor.fetchall()


def _credential(text: str, identity: Any, now: datetime) -> str | None:
    """Why this credential may not be used by this identity now; None when it may."""
    number = CREDENTIAL.fullmatch(text)
    name = actornames.from_text(text)
    key = None if name is None else key_of(name.realm, name.kind, name.value)
    with connection.cursor() as cursor:
        cursor.execute(
            KEY,
            {
                "key": key,
                "number": int(number[1]) if number else None,
                "now": now,
                "identity": identity,
                "stopping": list(STOPPING),
            },
        )
        row = cursor.fetchone()
    if row is None:
        return "unknown_credential"
    _, owner, state, expires_at, stretch, stopping, bound = row
    if owner != identity and not bound:
        return "other_credential"
    if expires_at is not None and expires_at <= now:
        return "credential_expired"
    # The row's own state and the dated stretch: the stricter counts, whichever was written first.
    for stop in ("revoked", "held", "expired"):
        if stop in (state, stretch):
            return f"credential_{stop}"
    return "being_revoked" if stopping else None


def _no(reason: str, **about: Any) -> Answer:
    return Answer(allowed=False, reason=reason, sentence=SENTENCES[reason], signed=False, **about)


def identity_of(subject: str, *, now: datetime) -> Identity | None:
    """The one identity that a subject means; None when none or several."""
    found = _subject(subject, now)
    return Identity.objects.get(pk=found[0][0]) if len(found) == 1 else None
