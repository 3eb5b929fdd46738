"""What a credential issued, and what issued it: the walk along issuances, which evidence states.

Owns the one walk down (what comes from a credential) and up (what it comes from), and which stops
count for what was issued. Principals that were made with it (identities/making.py) are links of the
chain as well. Only what a system's own log states is followed: what is inferred or claimed takes
nothing along (docs/decisions/0096). Reads only, in one query each.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

# A chain that is longer is a loop of somebody's making.
DEEPEST = 12
MOST = 5_000
# The steps that take along what a credential issued.
STOPS = ("hold", "revoke")
# Beyond the number of any revocation: nothing was asked for yet.
NOT_YET = 2**62

# From one to the next: what was issued with it.
STEPS = """
    SELECT i.credential_id AS actor, CASE WHEN i.expires_at >= i.at THEN i.expires_at END AS ends,
        i.at, i.event_id
    FROM evidence_issuance i WHERE i.by_credential_id = w.actor
"""
# And the principals that were made with it and not removed since, with what was issued to them, whose
# every credential is there only because of it; but not of a principal that people confirm to be
# another identity.
STANDING = """NOT m.removed AND NOT EXISTS (SELECT FROM identities_making x
        WHERE x.removed AND x.thing = m.thing AND x.at >= m.at)"""
THEIRS = """NOT EXISTS (SELECT FROM identities_binding b WHERE b.actor_id = m.actor_id
        AND b.identity_id IS DISTINCT FROM w.owner AND b.state = 'confirmed'
        AND b.superseded_at IS NULL)"""
MADE = f"""
    UNION ALL
    SELECT m.actor_id, NULL, m.at, m.event_id
    FROM identities_making m WHERE m.by_credential_id = w.actor AND {STANDING} AND {THEIRS}
    UNION ALL
    SELECT k.actor_id, k.expires_at, k.issued_at, k.issued_event
    FROM (SELECT w.actor AS id FROM identities_making m
          WHERE m.actor_id = w.actor AND {STANDING} AND {THEIRS} LIMIT 1) p
    CROSS JOIN LATERAL (
        SELECT o.* FROM identities_credential o WHERE o.issued_to_id = p.id
        UNION
        SELECT o.* FROM identities_credential o WHERE o.seen_with_id = p.id
        UNION
        SELECT o.* FROM evidence_actor s JOIN identities_credential o ON o.actor_id = s.id
        WHERE s.parent_id = p.id) k
"""  # noqa: S608 - constants of this module
WALK = """
WITH RECURSIVE walked AS (
    SELECT c.actor_id AS root, c.identity_id AS owner, c.actor_id AS actor, NULL::bigint AS above,
        0 AS depth, NULL::timestamptz AS ends, ARRAY[c.actor_id] AS path
    FROM identities_credential c WHERE {which}
    UNION ALL
    SELECT w.root, w.owner, n.actor, w.actor, w.depth + 1, n.ends, w.path || n.actor
    FROM walked w CROSS JOIN LATERAL ({steps}) n
    WHERE n.actor <> ALL(w.path) AND w.depth < %(deepest)s {but_for}
)"""
# What the identity's own runs issued or use, which goes on when its key is replaced.
OWN = "AND NOT identities_of_own_runs(w.owner, n.actor, n.at, n.event_id)"


def walk_from(which: str, *, but_for: str = "", takes_made: bool = False) -> str:
    """The walk from these credentials, as the beginning of a statement."""
    steps = STEPS + MADE if takes_made else STEPS
    return WALK.format(which=which, but_for=but_for, steps=steps)


# Of what is reached in two ways the longer way counts. What the newest change asked for of it says
# how far it is; where none does, what its system shows. A standing one that its system shows to
# work is not stopped, whatever its revocation says.
BELOW = """
@walk@, once AS (
    SELECT DISTINCT ON (root, actor) root, actor, above, depth, ends
    FROM walked WHERE depth > 0 ORDER BY root, actor, depth DESC, above
), judged AS (
    SELECT o.root, o.actor, o.above, o.depth, c.id AS credential, c.number, c.identity_id,
        c.standing, coalesce(m.kind, a.kind) AS kind, a.value, m.kind IS NOT NULL AS made,
        coalesce(c.expires_at, o.ends) AS ends,
        CASE
        WHEN coalesce(c.expires_at, o.ends) <= %(now)s OR c.state = 'expired' THEN 'over'
        WHEN n.step = 'release' AND n.number > %(since)s AND n.state <> 'failed' THEN 'released'
        WHEN n.step IN ('revoke', %(step)s) AND n.state = 'effective'
            AND (c.state <> 'active' OR NOT c.standing) THEN 'stopped'
        WHEN c.state = ANY(%(dead)s) AND (n.id IS NULL OR n.step NOT IN ('revoke', %(step)s)
            OR (n.state = 'failed' AND n.sent_at IS NULL)) THEN 'stopped'
        ELSE 'lives' END AS life,
        n.id AS change, n.number AS change_number, n.step AS change_step, n.state AS change_state
    FROM once o
    JOIN evidence_actor a ON a.id = o.actor
    LEFT JOIN identities_credential c ON c.actor_id = o.actor
    LEFT JOIN LATERAL (
        SELECT p.kind FROM identities_making p WHERE p.actor_id = o.actor AND NOT p.removed
        ORDER BY p.at DESC LIMIT 1) m ON true
    LEFT JOIN LATERAL (
        SELECT v.id, v.number, v.step, v.state, v.sent_at FROM identities_revocation v
        WHERE v.credential_id = c.id AND v.step IN ('hold', 'release', 'revoke')
          AND v.state <> 'undone'
        ORDER BY v.number DESC LIMIT 1) n ON true
)
SELECT * FROM judged WHERE life = ANY(%(lives)s) ORDER BY root, depth, actor LIMIT %(most)s
"""
FROM_THESE = "c.id = ANY(%(roots)s::uuid[])"

# A stop that counts for what its credential issued, as `r`: one that took it along, and that
# nobody has taken back since.
STANDS = """r.takes_issued AND r.step IN ('hold', 'revoke') AND r.state <> 'undone'
    AND (r.step = 'revoke' OR NOT EXISTS (SELECT 1 FROM identities_revocation u
        WHERE u.credential_id = r.credential_id AND u.step = 'release' AND u.number > r.number
          AND u.state NOT IN ('failed', 'undone')))"""

# What these were issued with, and what that was issued with; themselves at depth 0.
UP = """
WITH RECURSIVE up(actor, depth, made) AS (
    {begin}
    UNION
    SELECT n.actor, u.depth + 1, u.made OR n.made
    FROM up u CROSS JOIN LATERAL (
        SELECT i.by_credential_id AS actor, false AS made
        FROM evidence_issuance i WHERE i.credential_id = u.actor
        UNION ALL
        SELECT m.by_credential_id, true FROM identities_making m
        WHERE m.actor_id = u.actor AND @standing@
        UNION ALL
        SELECT p.id, true FROM (
            SELECT a.parent_id AS id FROM evidence_actor a WHERE a.id = u.actor
            UNION ALL
            SELECT h.id FROM identities_credential k
            CROSS JOIN LATERAL (VALUES (k.issued_to_id), (k.seen_with_id)) h(id)
            WHERE k.actor_id = u.actor) p
        WHERE EXISTS (SELECT FROM identities_making m WHERE m.actor_id = p.id AND @standing@)
          AND NOT EXISTS (SELECT FROM identities_binding b WHERE b.actor_id = p.id
              AND b.state = 'confirmed' AND b.superseded_at IS NULL)
    ) n WHERE n.actor IS NOT NULL AND u.depth < 12
)""".replace("@standing@", STANDING)
STOPS_ABOVE = """
@up@
SELECT DISTINCT ON (r.credential_id) r.id
FROM up JOIN identities_credential c ON c.actor_id = up.actor
JOIN identities_revocation r ON r.credential_id = c.id
WHERE @stands@
ORDER BY r.credential_id, r.step DESC, r.takes_others DESC, r.number DESC
""".replace("@up@", UP.format(begin="SELECT unnest(%(actors)s::bigint[]), 0, false")).replace(
    "@stands@", STANDS
)
# The nearest thing above the credential `c` that is stopped, as (number, step); what was released by
# itself afterwards is judged by itself.
STOPPED_ABOVE = """
@up@
SELECT ARRAY[k.number::text, r.step] FROM up
JOIN identities_credential k ON k.actor_id = up.actor AND k.id <> c.id
JOIN identities_revocation r ON r.credential_id = k.id
WHERE @stands@ AND (r.takes_others OR c.identity_id IS NULL OR c.identity_id = r.identity_id)
  AND (r.takes_made OR NOT up.made)
  AND NOT (r.spares_own
    AND identities_of_own_runs(r.identity_id, c.actor_id, c.issued_at, c.issued_event))
  AND NOT EXISTS (SELECT 1 FROM identities_revocation v
    WHERE v.credential_id = c.id AND v.step = 'release' AND v.number > r.number
      AND v.state NOT IN ('failed', 'undone'))
ORDER BY up.depth, r.step DESC, r.number DESC LIMIT 1
""".replace("@up@", UP.format(begin="SELECT c.actor_id, 0, false")).replace("@stands@", STANDS)


# What waits for this change to be effective: every stop of what its credential was issued with, and
# what it was sent after. Locked in one order, since many become effective at once.
WAKE = """
@up@, waits AS (
    SELECT r.id FROM identities_revocation r
    WHERE r.state = 'confirmed' AND r.id <> %(change)s AND (r.id = %(after)s OR r.credential_id IN (
        SELECT c.id FROM up JOIN identities_credential c ON c.actor_id = up.actor))
    ORDER BY r.id FOR UPDATE)
UPDATE identities_revocation r SET not_before = %(now)s FROM waits WHERE r.id = waits.id
""".replace(
    "@up@",
    UP.format(
        begin="SELECT c.actor_id, 0, false FROM identities_revocation v"
        " JOIN identities_credential c ON c.id = v.credential_id WHERE v.id = %(change)s"
    ),
)


class Below(NamedTuple):
    """Something that a credential issued. `above` is what it was issued with; `life`: lives,
    stopped, over (it ended by itself), or released since by itself. `change` is the newest that was
    asked for of it."""

    root: int
    actor: int
    above: int
    depth: int
    credential: UUID | None  # None: evidence names it, and no row stands for it yet
    number: int | None
    identity: UUID | None
    standing: bool | None
    kind: str
    value: str
    made: bool  # a principal, or what else was made with it
    ends: datetime | None
    life: str
    change: UUID | None
    change_number: int | None
    change_step: str | None
    change_state: str | None

    @property
    def words(self) -> str:
        """How pages name it."""
        kind = "session" if self.standing is False else self.kind.replace("_", " ")
        if self.made:
            return f"{kind} {self.value.rpartition('/')[2] or self.value}"
        short = self.value if len(self.value) <= 12 else f"{self.value[:4]}…{self.value[-4:]}"
        return f"{kind} {short}"


LIVES = ("lives",)
ALL = ("lives", "stopped", "over", "released")


def below(
    roots: Collection[UUID],
    *,
    step: str,
    now: datetime,
    since: int = NOT_YET,
    lives: Collection[str] = LIVES,
    most: int = MOST,
    spares_own: bool = False,
    takes_made: bool = True,
) -> list[Below]:
    """What these credentials issued, transitively, parents first. `step` says what counts as
    stopped: what is held lives on for a revocation. `since` is the number of their stop;
    `spares_own`: but for what the own runs of whose they are issued or use; `takes_made`: with the
    principals that they made."""
    if not roots:
        return []
    facts: dict[str, Any] = {
        "roots": list(roots),
        "step": step,
        "dead": ["revoked", "held"] if step == "hold" else ["revoked"],
        "now": now,
        "since": since,
        "lives": list(lives),
        "deepest": DEEPEST,
        "most": most,
    }
    with connection.cursor() as cursor:
        walk = walk_from(FROM_THESE, but_for=OWN if spares_own else "", takes_made=takes_made)
        cursor.execute(BELOW.replace("@walk@", walk), facts)
        return [Below(*row) for row in cursor.fetchall()]


def stops_above(actors: Collection[int]) -> list[UUID]:
    """The stops that count for these credentials or for what they were issued with, one for each."""
    if not actors:
        return []
    with connection.cursor() as cursor:
        cursor.execute(STOPS_ABOVE, {"actors": list(actors)})
        return [row[0] for row in cursor.fetchall()]
