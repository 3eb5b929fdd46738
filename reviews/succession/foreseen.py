"""What will follow when somebody leaves or moves: a dry run that reads and changes nothing.

Owns the answer to "what was theirs, and who is next", before anybody says that they left. What
then happens is noticing.py and passing.py; both use the same order of heirs and the same rows.
"""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Q

from evidence.words import counted
from identities.models import ApiToken, Identity, Party, Person, Service, User
from reviews.models import Seat

from . import noticing
from .heirs import Heirs

SHOWN = 20


class Next(NamedTuple):
    """One identity that they own, and who answers for it then; None: nobody."""

    identity: Identity
    heir: Party | None


class Foreseen(NamedTuple):
    """What is theirs today."""

    counts: dict[str, int]  # by role: "owner of identities": 3
    owned: list[Next]  # the first of them
    unowned: int  # of those shown, how many nobody is left for
    could_read: list[str]
    ends: list[str]  # what they could sign in with
    seats: int  # signatures that wait for them in open cases
    opens: bool  # whether a list of what they leave begins


def foresee(person: Person, *, at: datetime, now: datetime) -> Foreseen:
    """What follows when this person leaves at that moment. Constant queries."""
    party = Party.objects.select_related("person").filter(person=person).first()
    logins = User.objects.filter(person=person, is_active=True).count()
    tokens = ApiToken.objects.filter(
        user__person=person, revoked_at__isnull=True, expires_at__gt=now
    ).count()
    ends = [counted(logins, "login")] if logins else []
    ends += [counted(tokens, "API token")] if tokens else []
    if party is None:
        return Foreseen({}, [], 0, [], ends, 0, bool(logins))
    counts = _counts(party)
    heirs = Heirs(party, now=now)
    mine = Identity.objects.exclude(state="retired").filter(owner=party)
    rows = list(mine.select_related("service").order_by("number")[:SHOWN])
    owned = [Next(one, heirs.of_identity(one)) for one in rows]
    gone = noticing.Gone("left", party, at)
    seats = Seat.objects.filter(case__state="open", party=party, person__isnull=True, turn="now")
    return Foreseen(
        counts,
        owned,
        sum(one.heir is None for one in owned),
        list(noticing.could_read(gone, person)),
        ends,
        seats.count(),
        bool(counts or logins),
    )


def _counts(party: Party) -> dict[str, int]:
    identities = Identity.objects.exclude(state="retired").aggregate(
        **{role: Count("pk", filter=Q(**{role: party})) for role in ("owner", "backup", "sponsor")}
    )
    roles = ("owner", "ai_owner", "backup", "sponsor")
    services = Service.objects.aggregate(
        **{role: Count("pk", filter=Q(**{role: party})) for role in roles}
    )
    found = {f"{role} of identities": count for role, count in identities.items()}
    for role, count in services.items():
        called = "AI-system owner" if role == "ai_owner" else role
        found[f"{called} of services"] = count
    found["grantor of delegations in force"] = noticing.granted_by(party.pk).count()
    return {role: count for role, count in found.items() if count}
