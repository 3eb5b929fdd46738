"""What comes from one identity: its credentials, what was minted with them, and what it passed on.

Walks along issuances (identities/issued.py), which evidence states: keys, sessions of roles that
were assumed one after the other, tokens by a refresh token, children of tokens. What evidence does
not name is not here. Reads only; a constant number of queries, whatever the tree holds.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from identities import issued
from identities.models import Credential, DelegationVersion, Identity

MOST = issued.MOST

# From every credential that the identity ever had: what a dead session minted may live on. Of what
# is reached in two ways the longer way counts, so that all it comes from goes before it.
MINTED = """
@walk@, once AS (
    SELECT DISTINCT ON (actor) actor, above, depth FROM walked ORDER BY actor, depth DESC, above
)
SELECT c.id, o.actor, o.above, o.depth
FROM once o JOIN identities_credential c ON c.actor_id = o.actor
WHERE c.state IN ('active', 'held') AND (c.expires_at IS NULL OR c.expires_at > %(now)s)
ORDER BY o.depth, c.number LIMIT %(most)s
""".replace("@walk@", issued.walk_from("c.identity_id = %(root)s", takes_made=True))

# What was passed on, and what of that was passed on again.
CHILDREN = """
WITH RECURSIVE below AS (
    SELECT d.id, NULL::uuid AS above, 0 AS depth, ARRAY[d.id] AS path
    FROM identities_delegation d WHERE d.grantee_id = %(root)s
    UNION ALL
    SELECT d.id, b.id, b.depth + 1, b.path || d.id
    FROM below b JOIN identities_delegation d ON d.parent_id = b.id
    WHERE d.id <> ALL(b.path) AND b.depth < %(deepest)s
)
SELECT DISTINCT ON (id) id, depth FROM below WHERE depth > 0 ORDER BY id, depth DESC
LIMIT %(most)s
"""


class Minted(NamedTuple):
    """A credential that may work. `above`: the place of the one it was minted with, where that may
    work too; `ended`: it was minted with one that does not work any more."""

    credential: Credential
    above: int | None
    depth: int
    ended: bool


class Passed(NamedTuple):
    """A delegation in force that comes from one of the identity's."""

    version: DelegationVersion
    depth: int


def minted(root: Identity, *, now: datetime) -> list[Minted]:
    """The identity's credentials that may work and what was minted with them, parents first."""
    facts: dict[str, Any] = {"root": root.pk, "now": now, "deepest": issued.DEEPEST, "most": MOST}
    with connection.cursor() as cursor:
        cursor.execute(MINTED, facts)
        found = cursor.fetchall()
    rows = Credential.objects.select_related(
        "actor__parent", "issued_to", "seen_with", "identity__service"
    ).in_bulk([pk for pk, *_ in found])
    return _in_order([(rows[pk], actor, above) for pk, actor, above, _ in found if pk in rows])


def _in_order(found: Sequence[tuple[Credential, int, int | None]]) -> list[Minted]:
    """Each right behind what it was minted with."""
    there = {actor for _, actor, _ in found}
    below: dict[int | None, list[tuple[Credential, int, bool]]] = {}
    for credential, actor, above in found:
        lives = above in there
        below.setdefault(above if lives else None, []).append(
            (credential, actor, above is not None and not lives)
        )
    made: list[Minted] = []
    waiting: list[tuple[Credential, int, bool, int | None, int]] = [
        (*one, None, 0) for one in reversed(below.get(None, []))
    ]
    while waiting:
        credential, actor, ended, place, depth = waiting.pop()
        made.append(Minted(credential, place, depth, ended))
        here = len(made) - 1
        waiting += [(*one, here, depth + 1) for one in reversed(below.get(actor, []))]
    return made


def passed_on(root: Identity, *, now: datetime) -> list[Passed]:
    """The delegations in force that come from those of the identity."""
    facts: dict[str, Any] = {"root": root.pk, "deepest": issued.DEEPEST, "most": MOST}
    with connection.cursor() as cursor:
        cursor.execute(CHILDREN, facts)
        depths = dict(cursor.fetchall())
    if not depths:
        return []
    rows = DelegationVersion.objects.filter(
        delegation__in=depths, state="in_force", superseded_at__isnull=True, during__contains=now
    ).select_related("delegation__grantee")
    found = [Passed(row, depths[row.delegation_id]) for row in rows]
    return sorted(found, key=lambda one: (one.depth, one.version.delegation.number))
