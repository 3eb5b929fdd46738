"""What a sealed credential made while it was used, and what stands of it undecided.

Owns the walk: keys and tokens that stand, by the issuances which evidence states, and what those
made in turn; and users, roles and passwords, by the calls that made them. A standing thing outlives
the envelope, so that nobody closes a use as harmless while one lives and nobody has decided on it
(deciding.py). What holds and revokes a key is identities' own door.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from evidence.vocabulary import OUTCOME_OK
from identities.radius.rows import DEAD, LIVES, NOT_KNOWN, life
from reviews.models import SealedDecision, SealedUse

# A chain that is longer is a loop of somebody's making.
DEEPEST = 12
MOST = 500
NAMED = 5
LONGEST_THING = 2_100
# Calls that make something which stands and is told by no issuance: in lower case, by kind.
MAKES = {
    "iam:createuser": "user",
    "iam:createrole": "role",
    "iam:createservicelinkedrole": "role",
    "iam:createloginprofile": "password",
    "iam:updateloginprofile": "password",
    "iam:createservicespecificcredential": "password",
    "iam:uploadsshpublickey": "public key",
    "iam:uploadsigningcertificate": "certificate",
    "user.lifecycle.create": "user",
    "add user": "user",
    "invite external user": "user",
    "add application": "application",
    "add service principal": "service account",
    "google.iam.admin.v1.createserviceaccount": "service account",
    "google.iam.admin.v1.createrole": "role",
    "create serviceaccounts": "service account",
    "create rolebindings": "role binding",
    "create clusterrolebindings": "role binding",
    "org.add_member": "user",
}
# From the calls of the use, and from what its credential became, within its time; then along what
# was made, without an end: what a key of its making makes later comes of this use too. Of an actor
# that was issued twice the earliest counts.
MINTED = """
WITH RECURSIVE became (id) AS (
  SELECT %(actor)s::bigint
  UNION SELECT n.id FROM became b CROSS JOIN LATERAL (
    SELECT c.id FROM evidence_actor c WHERE c.parent_id = b.id
    UNION ALL SELECT i.credential_id FROM evidence_issuance i
    WHERE i.by_credential_id = b.id AND NOT i.standing) n
), made (id, at, event_id, standing, expires_at, depth) AS (
  SELECT f.* FROM (
    SELECT i.credential_id, i.at, i.event_id, i.standing, i.expires_at, 0
    FROM became b JOIN evidence_issuance i ON i.by_credential_id = b.id
    WHERE i.standing AND i.at BETWEEN %(first)s AND %(last)s
    UNION SELECT i.credential_id, i.at, i.event_id, i.standing, i.expires_at, 0
    FROM reviews_sealedevent k JOIN evidence_issuance i ON i.at = k.at AND i.event_id = k.event_id
    WHERE k.use_id = %(use)s AND i.standing) f
  UNION SELECT i.credential_id, i.at, i.event_id, i.standing, i.expires_at, m.depth + 1
  FROM made m JOIN evidence_issuance i ON i.by_credential_id = m.id
  WHERE m.depth < %(deepest)s AND i.at >= m.at AND i.credential_id <> m.id
), once AS (
  SELECT DISTINCT ON (id) * FROM made WHERE standing ORDER BY id, at, event_id
)
SELECT o.at, o.event_id, a.realm, a.kind, a.value, c.id, coalesce(c.state, 'active'),
  coalesce(c.expires_at, CASE WHEN o.expires_at >= o.at THEN o.expires_at END),
  (SELECT min(r.effective_at) FROM identities_revocation r WHERE r.credential_id = c.id
   AND r.step = 'revoke' AND r.state = 'effective'),
  (SELECT r.step || ' ' || r.state || ' REV-' || r.number FROM identities_revocation r
   WHERE r.credential_id = c.id ORDER BY r.requested_at DESC, r.number DESC LIMIT 1)
FROM once o JOIN evidence_actor a ON a.id = o.id
LEFT JOIN identities_credential c ON c.actor_id = o.id
WHERE o.id <> %(actor)s
ORDER BY o.at, o.event_id, a.value LIMIT %(most)s
"""
CREATED = """
SELECT DISTINCT ON (lower(t.value), r.value) e.at, e.id, lower(t.value), r.value
FROM reviews_sealedevent k
JOIN evidence_event e ON e.at = k.at AND e.id = k.event_id AND e.outcome = %(ok)s
JOIN evidence_term t ON t.id = e.action_id AND lower(t.value) = ANY(%(makes)s)
LEFT JOIN evidence_term r ON r.id = e.resource_id
WHERE k.use_id = %(use)s AND NOT EXISTS (SELECT FROM evidence_issuance i
  WHERE i.at = k.at AND i.event_id = k.event_id AND i.standing)
ORDER BY lower(t.value), r.value, e.at, e.id LIMIT %(most)s
"""


class Made(NamedTuple):
    """One thing of a use's making. `thing` names it in this use; `credential` is its row, where the
    register has one; `stopping`: what was asked for at its target, and how far that is."""

    thing: str
    kind: str
    name: str
    at: datetime
    event: int
    life: str
    life_note: str
    credential: UUID | None = None
    state: str = ""
    stopping: str = ""
    decision: SealedDecision | None = None

    @property
    def undecided(self) -> bool:
        """Whether it may live and nobody has held, revoked or decided on it."""
        if self.life == DEAD or self.decision is not None or self.state in ("held", "revoked"):
            return False
        step, state, *_ = (self.stopping or "none none").split(" ")
        return step not in ("hold", "suspend", "revoke") or state == "failed"


def of_use(use: SealedUse, *, now: datetime) -> list[Made]:
    """What the use made, the earliest first; MOST + 1 of them where there are more than MOST."""
    facts: dict[str, Any] = {
        "use": use.pk,
        "actor": use.credential.actor_id,
        "first": use.first_at,
        "last": use.last_at,
        "deepest": DEEPEST,
        "makes": list(MAKES),
        "ok": OUTCOME_OK,
        "most": MOST + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(MINTED, facts)
        found = [_minted(row, now) for row in cursor.fetchall()]
        cursor.execute(CREATED, facts)
        found += [_created(row) for row in cursor.fetchall()]
    known = {one.thing: one for one in use.decisions.select_related("person")}
    found.sort(key=lambda one: (one.at, one.event, one.thing))
    return [one._replace(decision=known.get(one.thing)) for one in found[: MOST + 1]]


def _minted(row: tuple[Any, ...], now: datetime) -> Made:
    at, event, realm, kind, value, credential, state, expires_at, effective_at, stopping = row
    works = "active" if state == "expired" else state
    alive, note = life(works, expires_at=expires_at, effective_at=effective_at, at=now)
    return Made(
        f"{realm} {kind} {value}"[:LONGEST_THING],
        kind.replace("_", " "),
        value,
        at,
        event,
        alive,
        note,
        credential,
        state,
        stopping or "",
    )


def _created(row: tuple[Any, ...]) -> Made:
    at, event, action, resource = row
    name = resource or "not named"
    kind = MAKES[action]
    return Made(
        f"{kind} {name}"[:LONGEST_THING],
        kind,
        name,
        at,
        event,
        NOT_KNOWN,
        "evidence shows it made",
    )


def why_not_harmless(found: Sequence[Made]) -> str | None:
    """Why a use that made these is not closed as harmless: what lives and nobody has decided on."""
    if len(found) > MOST:
        return f"It made more than {MOST} things that stand, which nobody can decide on one by one."
    left = [one for one in found if one.undecided]
    if not left:
        return None
    names = ", ".join(f"{one.kind} {one.name[:100]}" for one in left[:NAMED])
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    return (
        f"It made what may still work: {names}{more}. Hold each, have a case revoke it, or say why it"
        " stays or that it is gone; or close it as misuse."
    )


def as_data(one: Made) -> dict[str, Any]:
    """One thing as JSON, for scripts and for what is frozen with a look back."""
    decided = one.decision
    return {
        "thing": one.thing,
        "kind": one.kind,
        "name": one.name,
        "made_at": one.at.isoformat(),
        "lives": {LIVES: True, DEAD: False}.get(one.life),
        "says": one.life_note,
        "stopping": one.stopping,
        "undecided": one.undecided,
        "decided": decided
        and {
            "answer": decided.answer,
            "words": decided.words,
            "by": decided.by_name,
            "at": decided.at.isoformat(),
        },
    }
