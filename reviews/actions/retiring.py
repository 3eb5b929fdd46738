"""Retiring an identity that nobody needs any more: what follows when its seats have decided so.

Owns the act of whoever answers for it. A decided revocation suspends, which can be undone; that it
never comes back is said by one of its own, afterwards and once. What retiring is, is
identities/actions/identities.py.
"""

from datetime import datetime

from django.db import transaction

from identities.acting import Acting
from identities.actions import identities as identity_actions
from identities.models import Identity, IdentityState, User
from identities.permissions import require
from identities.reasons import reason_given
from reviews import owner_permissions
from reviews.models import Item


def decided(identity: Identity, *, now: datetime) -> Item | None:
    """What both seats decided, by which the identity is suspended until now; None: nothing."""
    if identity.state != "suspended":
        return None
    row = (
        Item.objects.filter(
            kind="identity", ref=identity.pk, outcome="revoke", carried_out_at__isnull=False
        )
        .select_related("case")
        .order_by("-carried_out_at")
        .first()
    )
    since = IdentityState.objects.filter(
        identity=identity, state="suspended", superseded_at__isnull=True, during__contains=now
    ).first()
    # Resumed since then, and suspended again, it is so for another reason.
    stands = row is not None and since is not None and since.during.lower <= row.carried_out_at
    return row if stands else None


def why_not(user: User, identity: Identity, *, now: datetime) -> str | None:
    """Why this user may not retire the identity."""
    settled = decided(identity, now=now) is not None
    return owner_permissions.why_not_retire_for_good(user, identity, settled=settled, now=now)


def retire(*, identity: Identity, by: User, now: datetime, reason: str) -> Identity:
    """Nothing of it works any more and it cannot be undone; its history stays."""
    with transaction.atomic():
        identity = identity_actions.locked(identity.pk)
        require(why_not(by, identity, now=now))
        reason = reason_given(reason, what="why it is not needed any more")
        item = decided(identity, now=now)
        if item is None:
            return identity_actions.retire(identity=identity, by=by, now=now, because=reason)
        # The seats have signed: what it takes of an AI system's owner is in the case.
        return identity_actions.retire(
            identity=identity,
            by=Acting(by.ref, by.called),
            now=now,
            because=reason if item.case.sealed else f"{reason} (decided in {item.case.key})",
        )
