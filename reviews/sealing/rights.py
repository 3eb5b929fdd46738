"""Who may seal a case, change its members and end the seal; and the sentence why not.

A sealed case is absent for whoever is no member of it, so to them everything here answers as it
does for a case that never was.
"""

from datetime import datetime

from identities.models import Identity, User
from identities.permissions import AUDITOR, LEFT, NOBODY, cannot_decide, cannot_sign, groups
from reviews.incidents import rights as incident_rights
from reviews.models import Case, Sealing
from reviews.permissions import ABSENT, subjects_of

SEALING = frozenset({"responder", "administrator"})
WHO = "Only a responder or an administrator may seal a case."
# A request is answered to who asked, and break-glass is loud on purpose.
DOORS = ("incident", "access_review")


def why_not_seal(user: User, case: Case, *, now: datetime) -> str | None:
    """Seal a case: a responder or an administrator whom it is not about."""
    why = cannot_sign(user, SEALING, WHO, now=now)
    if why is not None:
        return why
    if case.door not in DOORS:
        return "Only an incident or a review can be sealed."
    if case.sealed:
        return f"{case.key} is sealed already."
    if user.person_id in subjects_of(case):
        return "You are the subject of this case: somebody else seals it."
    return None


def why_not_open_sealed(user: User, identity: Identity, *, now: datetime) -> str | None:
    """Open an incident that is sealed from its first moment."""
    return cannot_sign(user, SEALING, WHO, now=now) or incident_rights.why_not_open(
        user, identity, now=now
    )


def why_not_change_members(user: User, case: Case, *, now: datetime) -> str | None:
    """Add and remove members, and say whom the case is about: a member who changes things."""
    if why := cannot_decide(user):
        return why
    if case.sealed and not case.members.filter(person=user.person).exists():
        return ABSENT
    if "auditor" in groups(user):
        return AUDITOR
    if user.person_id is None or user.person is None:
        return NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return LEFT
    if not case.sealed:
        return f"{case.key} is not sealed."
    return None


def why_not_ask_unsealing(user: User, case: Case, *, now: datetime) -> str | None:
    """Ask for the end of the seal: a member."""
    why = why_not_change_members(user, case, now=now)
    if why is not None:
        return why
    open_ = open_of(case)
    if open_ is not None and open_.asked_person is not None:
        return f"{open_.asked_person.name} asked for it already: another member signs."
    return None


def why_not_sign_unsealing(user: User, case: Case, *, now: datetime) -> str | None:
    """End the seal: another member than the one who asked."""
    why = why_not_drop_unsealing(user, case, now=now)
    if why is not None:
        return why
    open_ = open_of(case)
    if open_ is not None and open_.asked_person_id == user.person_id:
        return "You asked for it: another member signs."
    return None


def why_not_drop_unsealing(user: User, case: Case, *, now: datetime) -> str | None:
    """Let it stay sealed after all: any member, who asked included."""
    why = why_not_change_members(user, case, now=now)
    if why is not None:
        return why
    open_ = open_of(case)
    if open_ is None or open_.asked_at is None:
        return "Nobody has asked for it."
    return None


def open_of(case: Case) -> Sealing | None:
    """The sealing that is not over."""
    rows = case.sealings.filter(unsealed_at__isnull=True)
    return rows.select_related("asked_person", "unsealed_person").first()
