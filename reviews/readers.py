"""Who a signed-in user is at evidence: what they see there and may do, as plain values.

Evidence knows neither identities nor cases (decisions 2); config tells it to ask here.
"""

from datetime import datetime

from django.db import connection

from evidence.permissions import NotAllowed, Reader
from identities import permissions, visible
from identities.models import Binding, User
from reviews.sealing import withheld

# Actors of one person's identities, sessions and temporary keys included. Past this the oldest
# are left out, never shown to somebody else.
MOST_ACTORS = 20_000
ACTORS = """
WITH RECURSIVE f AS (
    SELECT unnest(%s::bigint[]) AS id
    UNION SELECT came.id FROM f CROSS JOIN LATERAL (
        SELECT a.id FROM evidence_actor a WHERE a.parent_id = f.id
        UNION ALL SELECT i.credential_id FROM evidence_issuance i WHERE i.issued_to_id = f.id
    ) came
) SELECT id FROM f ORDER BY id DESC LIMIT %s
"""


def reader(user: object, now: datetime) -> Reader:
    """The reader that this user is. Somebody who is not signed in is none."""
    if not isinstance(user, User) or not user.is_active:
        raise NotAllowed("Sign in to see evidence.")
    everything = visible.sees_all(user)
    hidden = withheld.from_user(user, now=now)
    return Reader(
        ref=user.ref,
        name=user.called,
        scope=None if everything else _actors(user, now),
        sealed=hidden.cases,
        why_not_send=_why_not_send(user, everything=everything),
        why_not_administer=permissions.why_not_administer(user, now=now),
        why_not_pause=_why_not_pause(user, now=now),
        person="" if user.person_id is None else str(user.person_id),
        sealed_keys=hidden.keys,
        sealed_rows=hidden.rows,
    )


def _why_not_send(user: User, *, everything: bool) -> str | None:
    if "auditor" in permissions.groups(user):
        return permissions.AUDITOR
    if not everything:
        return "Only a reviewer, a responder or an administrator may add evidence by hand."
    return None


def _why_not_pause(user: User, *, now: datetime) -> str | None:
    why = permissions.why_not_administer(user, now=now)
    if why is None or "auditor" in permissions.groups(user):
        return why
    if "responder" in permissions.groups(user):
        return None
    return "Only a responder or an administrator may pause a source."


def _actors(user: User, now: datetime) -> frozenset[int]:
    """The actors bound to identities this user answers for, and what came out of those."""
    bound = Binding.objects.filter(
        identity__in=visible.identities(user, now=now),
        state="confirmed",
        superseded_at__isnull=True,
    )
    with connection.cursor() as cursor:
        cursor.execute(ACTORS, [list(bound.values_list("actor_id", flat=True)), MOST_ACTORS])
        return frozenset(number for (number,) in cursor.fetchall())
