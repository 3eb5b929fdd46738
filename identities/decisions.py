"""May this identity do this now? The run-time door to the one judge (docs/decisions, 10).

Owns who is meant, what stops it before authority is asked, and the answer with its reason. The
verdict itself is identities/authority, the same that judges behaviour afterwards. Every stored
deadline, hold, suspension and credential state is read at each call: nothing waits for a
worker. Must not know of HTTP.

Order: unknown → retired, suspended, held → expired → revocation under way → members that are not
understood or contradict each other → type of the subject → credential → what it was issued with → agent → authority.
Delegations that were imported and not signed yet never count here, in any mode: they judge past
behaviour (judging/verdicts.py) and grant nothing.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.db import connection

from evidence.keys import key_of
from identities import actornames, authority, issued
from identities.authority.terms import NONE, TASK_NOT_COVERED, shown
from identities.models import Identity

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
    "wrong_subject_type": "{identity} is no {type}: as subject.type send {known}.",
    "unknown_credential": "This credential is not known.",
    "other_credential": "This credential is not bound to the subject.",
    "credential_held": "This credential is held.",
    "credential_revoked": "This credential is revoked.",
    "credential_expired": "This credential has expired.",
    "issuer_stopped": "This credential was issued with {issuer}, which is {stopped}.",
    "other_agent": "The agent that context.agent names is not bound to this subject.",
    "being_revoked": "A stop of this credential or identity is under way.",
}
UNSIGNED = " A delegation that was imported counts here once two approvers have signed it."
LONGEST_TYPE, MOST_NAMED = 80, 5
STOPPED = {"hold": "held", "revoke": "revoked"}
STOPPING = ("requested", "sending", "sent", "confirmed")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `subject`: a name, an NHI key, an ARN, an access key id or an agent.

    `type`: of the resource. `subject_type`: "" is not compared. `refused`: why the question is not understood, as (reason, sentence).
    """

    subject: str
    action: str
    resource: str
    credential: str = ""
    task: str = ""
    on_behalf: str = ""
    address: str = ""
    agent: str = ""
    type: str = ""
    subject_type: str = ""
    mfa: bool | None = None
    refused: tuple[str, str] | None = None


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


# What stops the identity whose id is `m.id`: its state that is true now, stops under way.
STOPS = """
SELECT i.id, i.number, i.state, i.mode, i.expires_at,
    EXISTS (SELECT 1 FROM identities_identitystate s WHERE s.identity_id = i.id
            AND s.superseded_at IS NULL AND s.during @> %(now)s
            AND s.state IN ('held', 'suspended', 'retired')),
    EXISTS (SELECT 1 FROM identities_revocation r WHERE r.identity_id = i.id
            AND r.credential_id IS NULL AND r.entitlement IS NULL
            AND r.step IN ('hold', 'suspend', 'revoke')
            AND r.state = ANY(%(stopping)s)),
    i.kind
FROM identities_identity i
"""
BY_NAME = STOPS + "WHERE i.name = %(name)s"
BY_NUMBER = STOPS + "WHERE i.number = %(number)s"
# By an ARN or key: who it (or its role) is bound to, or whose credential it is.
BY_ACTOR = (
    STOPS  # noqa: S608 - two constants of this module; what is asked comes as parameters
    + """WHERE i.id IN (
    SELECT b.identity_id FROM evidence_actor a
    JOIN identities_binding b ON b.actor_id IN (a.id, a.parent_id)
    WHERE a.key = ANY(%(keys)s) AND b.state = 'confirmed' AND b.superseded_at IS NULL
      AND b.during @> %(now)s
    UNION ALL
    SELECT c.identity_id FROM evidence_actor a JOIN identities_credential c ON c.actor_id = a.id
    WHERE a.key = ANY(%(keys)s)) LIMIT 2"""
)
# A sender's own names are its source's, so an agent's name is one key per source and kind.
SOURCES = "SELECT name FROM evidence_source"
SENDER_KINDS = ("agent", "agent_id", "service")

KEY = """
SELECT c.id, c.identity_id, c.state, c.expires_at,
    (SELECT s.state FROM identities_credentialstate s WHERE s.credential_id = c.id
     AND s.superseded_at IS NULL AND s.during @> %(now)s LIMIT 1),
    EXISTS (SELECT 1 FROM identities_revocation r WHERE r.credential_id = c.id
            AND r.step IN ('hold', 'revoke') AND r.state = ANY(%(stopping)s)),
    EXISTS (SELECT 1 FROM identities_binding b WHERE b.identity_id = %(identity)s
            AND b.actor_id IN (a.id, a.parent_id, c.issued_to_id) AND b.state = 'confirmed'
            AND b.superseded_at IS NULL AND b.during @> %(now)s),
    (@above@)
FROM identities_credential c JOIN evidence_actor a ON a.id = c.actor_id
WHERE c.id IN (SELECT k.id FROM identities_credential k JOIN evidence_actor ka
                   ON ka.id = k.actor_id WHERE ka.key = %(key)s
               UNION ALL SELECT n.id FROM identities_credential n WHERE n.number = %(number)s)
LIMIT 1
""".replace("@above@", issued.STOPPED_ABOVE)

# Plain SQL, because building the same query anew costs more than running it; by the grantee's
# delegations first, whatever the planner thinks of tables it has not seen grow.
GRANTS = """
SELECT d.number, v.* FROM identities_delegation d
CROSS JOIN LATERAL (
    SELECT version, actions, resources, task, on_behalf, conditions, during, revoked_at, signed
    FROM identities_delegationversion
    WHERE delegation_id = d.id AND state = 'in_force' AND superseded_at IS NULL
      AND (signed OR NOT imported)
    ORDER BY version OFFSET 0
) v
WHERE d.grantee_id = %(identity)s
ORDER BY d.number, v.version
"""

# Whether there is a delegation that an import brought and nobody has signed.
IMPORTED = """
SELECT 1 FROM identities_delegation d JOIN identities_delegationversion v ON v.delegation_id = d.id
WHERE d.grantee_id = %(identity)s AND v.state = 'in_force' AND v.superseded_at IS NULL
  AND v.imported AND NOT v.signed LIMIT 1
"""


def decide(question: Question, *, now: datetime) -> Answer:
    """The answer at `now`: at most six queries, whatever the number of identities."""
    found = _subject(question.subject, now)
    if not found:
        return _no("unknown_subject")
    if len(found) > 1:
        return _no("ambiguous_subject")
    pk, number, state, mode, expires_at, stopped, stopping, kind = found[0]
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
    if question.refused is not None:
        reason, sentence = question.refused
        return Answer(allowed=False, reason=reason, sentence=sentence, signed=False, **about)
    types = _types(question.subject, kind)
    if question.subject_type and _plain(question.subject_type) not in types:
        said = {"type": repr(question.subject_type[:LONGEST_TYPE]), "known": " or ".join(types)}
        return _no("wrong_subject_type", {"identity": about["identity"], **said}, **about)
    credential = question.credential
    if not credential and actornames.ACCESS_KEY.fullmatch(question.subject):
        # Who asks by the key itself is asking with that key.
        credential = question.subject
    if credential:
        refused = _credential(credential, pk, now)
        if refused is not None:
            reason, words = refused
            return _no(reason, words, **about)
    if question.agent and all(row[0] != pk for row in _subject(question.agent, now)):
        return _no("other_agent", **about)
    return _authority(question, pk=pk, key=about["identity"], mode=mode, now=now)


def _authority(question: Question, *, pk: Any, key: str, mode: str, now: datetime) -> Answer:
    grants = _grants(pk)
    verdict = authority.judge_asked(
        authority.compile_slice(key, grants),
        authority.Request(
            action=question.action,
            resource=question.resource,
            task=question.task or None,
            on_behalf=question.on_behalf or None,
            address=question.address or None,
            mfa=question.mfa,
            at=now,
        ),
        question.type,
        now=now,
    )
    if verdict.allowed and (unknown := _unknown_task(question.task, grants, now)):
        # A delegation without a task covers any, but for an identity that has tasks of its own: a
        # mistyped one would else be wider than the right one.
        return Answer(
            allowed=False,
            reason=TASK_NOT_COVERED,
            sentence=unknown,
            signed=False,
            identity=key,
            mode=mode,
        )
    sentence = verdict.detail
    if verdict.reason == NONE and _rows(IMPORTED, {"identity": pk}):
        sentence += UNSIGNED
    deciding = [grant for grant in grants if grant.key in verdict.policies]
    ends = [grant.ends_at for grant in deciding if grant.ends_at is not None]
    return Answer(
        allowed=verdict.allowed,
        reason=verdict.reason,
        sentence=sentence,
        policies=tuple(verdict.policies),
        identity=key,
        mode=mode,
        signed=any(grant.signed for grant in deciding),
        # Until the last of what allows it ends, nothing but a hold changes the answer.
        until=max(ends) if verdict.allowed and len(ends) == len(deciding) and ends else None,
    )


def _unknown_task(task: str, grants: Sequence[authority.Grant], now: datetime) -> str:
    """Why a task is none of this identity's, where its delegations name some now; else ""."""
    named = {
        grant.task
        for grant in grants
        if grant.task is not None
        and (grant.starts_at is None or grant.starts_at <= now)
        and (grant.over_at is None or now < grant.over_at)
    }
    if not task or not named or task in named:
        return ""
    known = ", ".join(shown(one) for one in sorted(named)[:MOST_NAMED])
    return f"No delegation is for the task {shown(task)}; they are for {known}. Name one of these, or none."


def _types(subject: str, kind: str) -> tuple[str, ...]:
    """What a subject may be called: an identity, its kind, and what its id is written as."""
    name = actornames.from_text(subject)
    if name is None:
        return tuple(dict.fromkeys(("identity", kind, "agent")))
    return ("identity", kind, "credential" if name.kind == "access_key" else "principal", name.kind)


def _plain(said: str) -> str:
    return said.strip().lower().replace("-", "_").replace(" ", "_")


def _grants(identity: Any) -> list[authority.Grant]:
    """Every version in force, as the compiler takes it; time is the judge's, not the query's."""
    with connection.cursor() as cursor:
        cursor.execute(GRANTS, {"identity": identity})
        rows = cursor.fetchall()
    return [
        authority.Grant(
            key=f"DLG-{number}",
            version=version,
            actions=tuple(actions),
            resources=tuple(resources),
            task=task or None,
            on_behalf=on_behalf or None,
            conditions=json.loads(conditions) if isinstance(conditions, str) else conditions,
            starts_at=during.lower,
            ends_at=during.upper,
            revoked_at=revoked_at,
            signed=signed,
        )
        for (
            number,
            version,
            actions,
            resources,
            task,
            on_behalf,
            conditions,
            during,
            revoked_at,
            signed,
        ) in rows
    ]


def _subject(subject: str, now: datetime) -> list[tuple[Any, ...]]:
    """The identities meant, two at most: by name first, then by what is bound to them."""
    number = NHI.fullmatch(subject)
    facts: dict[str, Any] = {"now": now, "stopping": list(STOPPING), "name": subject}
    if number is not None:
        return _rows(BY_NUMBER, facts | {"number": int(number[1])})
    found = _rows(BY_NAME, facts)
    if found:
        return found
    name = actornames.from_text(subject)
    if name is None:
        keys = [
            key_of(f"otel:{source}", kind, subject)
            for (source,) in _rows(SOURCES, {})
            for kind in SENDER_KINDS
        ]
    else:
        # A session that evidence has not shown yet is known by its role.
        keys = [key_of(one.realm, one.kind, one.value) for one in (name, name.parent) if one]
    return _rows(BY_ACTOR, facts | {"keys": keys})


def _rows(statement: str, facts: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, facts)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _credential(text: str, identity: Any, now: datetime) -> tuple[str, dict[str, str]] | None:
    """Why this credential may not be used by this identity now, as a reason and what its sentence
    names; None when it may."""
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
        return "unknown_credential", {}
    _, owner, state, expires_at, stretch, stopping, bound, above = row
    if owner != identity and not bound:
        return "other_credential", {}
    if expires_at is not None and expires_at <= now:
        return "credential_expired", {}
    # The row's own state and the dated stretch: the stricter counts, whichever was written first.
    for stop in ("revoked", "held", "expired"):
        if stop in (state, stretch):
            return f"credential_{stop}", {}
    if stopping:
        return "being_revoked", {}
    if above is None:
        return None
    # What it was issued with is stopped, whatever has been done about this one so far.
    issuer, step = above
    return "issuer_stopped", {"issuer": f"CRED-{issuer}", "stopped": STOPPED[step]}


def _no(reason: str, words: Mapping[str, str] = MappingProxyType({}), **about: Any) -> Answer:
    sentence = SENTENCES[reason].format(**words)
    return Answer(allowed=False, reason=reason, sentence=sentence, signed=False, **about)


def identity_of(subject: str, *, now: datetime) -> Identity | None:
    """The one identity that a subject means; None when none or several."""
    found = _subject(subject, now)
    return Identity.objects.get(pk=found[0][0]) if len(found) == 1 else None
