"""Making identities active: whoever answers for one says that it is in use, what for, until when.

Owns the statement that goes with it, what is still missing for it, and doing it for many. It gives
no authority (docs/decisions/0041): the act itself is identities/actions/identities.py.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet

from identities import permissions
from identities.actions import identities as identity_actions
from identities.models import Identity, User
from identities.permissions import NotAllowed, NotPossible

from . import attesting

# Made active together at most.
MOST = attesting.MOST


class Activated(NamedTuple):
    """What became of one of many; `why` it is not active, else ""."""

    identity: Identity
    why: str


def missing(identity: Identity, *, now: datetime) -> list[str]:
    """What neither a draft identity nor its service says, and it cannot be active without."""
    service = identity.service
    said = {
        "an owner": identity.owner_id or (service and service.owner_id),
        "a purpose": identity.purpose.strip() or (service and service.purpose.strip()),
        "an end": identity.expires_at,
    }
    found = [name for name, value in said.items() if not value]
    if identity.expires_at is not None and identity.expires_at <= now:
        found.append("an end that lies ahead")
    return found


def why_not(user: User, identity: Identity, *, now: datetime) -> str | None:
    """Why this user cannot make a draft active as it stands."""
    if why := permissions.why_not_activate(user, identity, now=now):
        return why
    lacks = " and ".join(missing(identity, now=now))
    return f"It lacks {lacks}: whoever answers for it says what." if lacks else None


def waiting_for(user: User, *, now: datetime) -> QuerySet[Identity]:
    """The drafts that wait for this user, who is named in one of their places and may act there."""
    parties = permissions.parties_of(user, now=now)
    named = Q(owner__in=parties) | Q(sponsor__in=parties) | Q(backup__in=parties)
    rows = Identity.objects.filter(named, state="draft")
    # What bars a login whom they name bars it from each of them.
    first = rows.select_related("service").first() if parties else None
    if first is None or permissions.why_not_activate(user, first, now=now):
        return rows.none()
    return rows


def activate(
    *,
    identity: Identity,
    by: User,
    now: datetime,
    purpose: str = "",
    expires_at: datetime | None = None,
) -> Identity:
    """Make it active. By whoever answers for it, that is their statement of its purpose and end:
    those that it has, `purpose` where it has none, `expires_at` where that is said."""
    with transaction.atomic():
        identity = identity_actions.locked(identity.pk)
        permissions.require(permissions.why_not_activate(by, identity, now=now))
        identity_actions.after(identity, "activate")
        service = identity.service
        stated = identity.purpose.strip() or ("" if service is None else service.purpose.strip())
        until = expires_at or identity.expires_at
        barred = permissions.why_not_attest(by, identity, now=now)
        if barred is not None and (expires_at is not None or (purpose.strip() and not stated)):
            raise NotAllowed(barred)
        stated = stated or purpose.strip()
        if barred is None and stated and until is not None and until > now:
            attesting.attest(identity=identity, purpose=stated, expires_at=until, by=by, now=now)
        return identity_actions.activate(identity=identity, by=by, now=now)


def activate_many(
    *,
    identities: Sequence[Identity],
    by: User,
    now: datetime,
    purpose: str = "",
    expires_at: datetime | None = None,
) -> list[Activated]:
    """The same of many: each is active then, or says what it lacks. What is done stays so."""
    if not identities:
        raise NotPossible("Select what is to be made active.")
    if len(identities) > MOST:
        raise NotPossible(f"At most {MOST} are made active at once.")
    found = []
    for one in identities:
        why = ""
        try:
            activate(identity=one, by=by, now=now, purpose=purpose, expires_at=expires_at)
        except (NotAllowed, NotPossible) as problem:
            why = str(problem)
        found.append(Activated(one, why))
    return found
