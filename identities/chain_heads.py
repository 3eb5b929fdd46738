"""The people at the head of an identity's role chains, and what says so.

Three kinds of evidence name them: the issuance chain of a session (a person's call issued the first
credential of it), a person whom the session itself states (a source identity, a user of Identity
Center), and a person who impersonates the identity (Kubernetes). A head is named only where evidence
shows that it is a person: a linked identity of a person, a federated or single sign-on user, or an
account that signed in interactively. All of it is by key: records name the credential or the person,
and nobody saw who used it. Reads evidence; a constant number of queries.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from evidence.models import Actor
from evidence.vocabulary import PLANE_IDENTITY
from identities.judging import holders
from identities.models import Identity, SignInAddress
from identities.models.behaviour import AS_ON_BEHALF

# Of the newest sessions and calls.
MOST_SESSIONS, MOST_CALLS, DEEPEST = 50, 500, 12
CHAIN, STATED, IMPERSONATES = "role chain", "stated by the session", "impersonation"

# The root of each session's chain of issuances, as far as evidence has it: what an issuance said
# goes with its event.
ISSUED = f"""
WITH RECURSIVE session AS (
    SELECT actor_id FROM identities_credential
    WHERE identity_id = %(identity)s AND NOT standing AND issued_at <= %(at)s
    ORDER BY issued_at DESC LIMIT {MOST_SESSIONS}
), up AS (
    SELECT s.actor_id AS session, i.*, 1 AS depth FROM session s CROSS JOIN LATERAL (
        SELECT i.at, i.event_id, i.by_principal_id, i.by_credential_id FROM evidence_issuance i
        JOIN evidence_event e ON e.at = i.at AND e.id = i.event_id
        WHERE i.credential_id = s.actor_id ORDER BY i.at, i.event_id LIMIT 1) i
    UNION ALL
    SELECT u.session, i.*, u.depth + 1 FROM up u CROSS JOIN LATERAL (
        SELECT i.at, i.event_id, i.by_principal_id, i.by_credential_id FROM evidence_issuance i
        JOIN evidence_event e ON e.at = i.at AND e.id = i.event_id
        WHERE i.credential_id = u.by_credential_id ORDER BY i.at, i.event_id LIMIT 1) i
    WHERE u.depth < {DEEPEST}
), root AS (
    SELECT DISTINCT ON (session) session, by_principal_id, at, event_id, depth
    FROM up ORDER BY session, depth DESC
)
SELECT by_principal_id, count(*), max(depth), min(at), max(at),
    (array_agg(event_id ORDER BY at DESC, event_id))[1]
FROM root WHERE by_principal_id IS NOT NULL GROUP BY 1
"""  # noqa: S608 - our own numbers; values are parameters
CALLED = f"""
WITH newest AS (
    SELECT at, event_id, role FROM identities_attribution
    WHERE identity_no = %(number)s AND plane = {PLANE_IDENTITY} AND at <= %(at)s
    ORDER BY at DESC LIMIT {MOST_CALLS}
)
SELECT CASE WHEN n.role = {AS_ON_BEHALF} THEN e.principal_id ELSE e.on_behalf_id END AS head,
    n.role = {AS_ON_BEHALF}, count(*), min(e.at), max(e.at),
    (array_agg(e.id ORDER BY e.at DESC, e.id))[1]
FROM newest n JOIN evidence_event e ON e.at = n.at AND e.id = n.event_id
WHERE e.on_behalf_id IS NOT NULL GROUP BY 1, 2
"""  # noqa: S608 - our own numbers; values are parameters
_SINGLE_SIGN_ON = re.compile(r".*:assumed-role/AWSReservedSSO_[^/]+/(?P<who>.+)")
_ROOT = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:root")


class Head(NamedTuple):
    """One person at the head of chains."""

    actor: str
    kind: str
    name: str  # short
    why: str  # that this is a person
    identity: str  # key of the person's own identity, ""
    how: str  # CHAIN, STATED, IMPERSONATES
    times: int  # sessions of a chain, else calls
    steps: int  # the longest chain of issuances; 0 without one
    strength: str
    first_at: datetime
    last_at: datetime
    event: int  # the newest that says so, at `last_at`


class _Row(NamedTuple):
    actor: int
    how: str
    times: int
    steps: int
    first_at: datetime
    last_at: datetime
    event: int


def of(identity: Identity, *, at: datetime) -> list[Head]:
    """The people at the head of this identity's chains up to a moment, the latest first."""
    facts: dict[str, Any] = {"identity": identity.pk, "number": identity.number, "at": at}
    rows: list[_Row] = []
    with connection.cursor() as cursor:
        cursor.execute(ISSUED, facts)
        for actor, count, steps, *seen in cursor.fetchall():
            rows.append(_Row(actor, CHAIN, count, steps, *seen))
        cursor.execute(CALLED, facts)
        for actor, impersonates, count, *seen in cursor.fetchall():
            if actor is not None:
                rows.append(_Row(actor, IMPERSONATES if impersonates else STATED, count, 0, *seen))
    people = _people(rows)
    found = [
        Head(
            *people[row.actor],
            how=row.how,
            times=row.times,
            steps=row.steps,
            strength="key",
            first_at=row.first_at,
            last_at=row.last_at,
            event=row.event,
        )
        for row in rows
        if row.actor in people
    ]
    return sorted(found, key=lambda one: (one.last_at, one.actor, one.how), reverse=True)


def _people(rows: Iterable[_Row]) -> dict[int, tuple[str, str, str, str, str]]:
    """Those of these actors that are people: name, kind, short name, why, and own identity."""
    wanted = {row.actor: row for row in rows}
    if not wanted:
        return {}
    bound = holders.Holders(wanted)
    numbers = {one.identity for here in bound.bound.values() for one in here}
    identities = {one.number: one for one in Identity.objects.filter(number__in=numbers)}
    signed_in = set(
        SignInAddress.objects.filter(actor_id__in=wanted).values_list("actor_id", flat=True)
    )
    people: dict[int, tuple[str, str, str, str, str]] = {}
    for actor in Actor.objects.filter(pk__in=wanted):
        row = wanted[actor.pk]
        of_actor = [identities[one.identity] for one in bound.at(actor.pk, row.last_at)]
        own = ""
        short = actor.value.rsplit("/", 1)[-1] if ":" in actor.value else actor.value
        if of_actor:
            if any(one.kind != "human" for one in of_actor):
                continue
            own, why = of_actor[0].key, f"linked to {of_actor[0].key} {of_actor[0].name}"
        else:
            why = _why(actor.kind, actor.value, row.how, signed_in=actor.pk in signed_in)
            if not why:
                continue
        people[actor.pk] = (actor.value, actor.kind, short, why, own)
    return people


def _why(kind: str, value: str, how: str, *, signed_in: bool) -> str:
    """What shows that an account that is linked to no identity is a person's; "": nothing does."""
    if _SINGLE_SIGN_ON.fullmatch(value):
        return "single sign-on user"
    if kind == "federated":
        return "federated user"
    if _ROOT.fullmatch(value):
        return "root user"
    if how == STATED and kind in ("user", "email"):
        return STATED
    if kind == "user" and not value.startswith("system:"):
        return "user"
    return "signed in interactively" if signed_in else ""
