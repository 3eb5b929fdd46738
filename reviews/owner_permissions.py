"""Who may hand over, take over and renew what is answered for, and the sentence why not.

Owns `why_not_<verb>(user, thing, now=...) -> str | None`, as reviews/permissions.py does for cases.
Attesting itself is identities/permissions.py.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from identities import permissions as identity_permissions
from identities import presence
from identities.models import Identity, Person, User
from identities.permissions import AUDITOR, INACTIVE, answers_for, cannot_decide, groups
from reviews.models import OwnerOffer, Seat, SuccessionItem
from reviews.permissions import mine, subject_persons

NOBODY = "This login is nobody's: answering for something needs a person behind it."


def _why_not_act(user: User, *, now: datetime) -> str | None:
    if why := cannot_decide(user):
        return why
    if "auditor" in groups(user):
        return AUDITOR
    if user.person is None:
        return NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return "You have left: this login answers for nothing."
    return None


def why_not_offer(user: User, identity: Identity, *, now: datetime) -> str | None:
    """Hand over an identity, or say that it is not yours and whom to ask."""
    return _why_not_as_owner(user, identity, "hand it over", now=now)


def why_not_name(
    user: User, identity: Identity, *, now: datetime, there: Collection[UUID] | None = None
) -> str | None:
    """Name who is backup or sponsor where theirs has left, or leave the place empty. `there`: of the
    owners of several, those that somebody stands for, where that is known."""
    return _why_not_as_owner(user, identity, "name who stands beside them", there, now=now)


def _why_not_as_owner(
    user: User,
    identity: Identity,
    verb: str,
    there: Collection[UUID] | None = None,
    *,
    now: datetime,
) -> str | None:
    why = _why_not_act(user, now=now)
    if why is not None:
        return why
    if identity.state == "retired":
        return f"{identity.name} is retired: nobody has to answer for it."
    parties = mine(user, now=now)
    if "administrator" in groups(user) or identity.owner_id in parties:
        return None
    # Nobody gives away what is somebody else's, and whoever owns the AI system least of all: the
    # two who sign together do not choose each other.
    if not parties.isdisjoint({identity.sponsor_id, identity.backup_id}):
        owner = identity.owner
        if owner is not None and (
            presence.there(now=now).filter(pk=owner.pk).exists()
            if there is None
            else owner.pk in there
        ):
            return f"{owner} owns {identity.name}: only they or an administrator may."
        return None
    return f"Only the owner of {identity.name} or an administrator may {verb}."


def why_not_take(person: Person, identity: Identity) -> str | None:
    """Whether this person, who is there, could own the identity, whoever named them."""
    if person.pk in subject_persons(identity):
        return f"{person.name} is {identity.name}: nobody answers for themselves."
    logins = person.users.filter(is_active=True).exclude(groups__name="auditor")
    if not logins.exists():
        return f"{person.name} has no login that may answer."
    return None


def why_not_answer_offer(user: User, offer: OwnerOffer, *, now: datetime) -> str | None:
    """Accept or decline: whoever is asked, nobody for them."""
    why = _why_not_act(user, now=now)
    if why is not None:
        return why
    if offer.state != "open":
        return f"This was settled before: {offer.state}."
    if offer.to_id not in mine(user, now=now):
        return f"{offer.to} is asked, and nobody answers in their place."
    if user.person_id == offer.asked_person_id:
        return "You asked: nobody makes themselves the owner. Somebody else of them accepts, or asks you."
    if user.person is not None and user.person.pk in subject_persons(offer.identity):
        return f"You are {offer.identity.name}: nobody answers for themselves."
    return None


def why_not_withdraw_offer(user: User, offer: OwnerOffer, *, now: datetime) -> str | None:
    """Take back the question: whoever asked, or who answers for the identity until then."""
    why = _why_not_act(user, now=now)
    if why is not None:
        return why
    if offer.state != "open":
        return f"This was settled before: {offer.state}."
    if offer.asked_by == user.ref or answers_for(user, offer.identity, now=now):
        return None
    return "Only who asked or who answers for the identity may take the question back."


def why_not_answer_item(user: User, item: SuccessionItem, *, now: datetime) -> str | None:
    """Accept or decline what came by succession: whoever it came to."""
    why = _why_not_act(user, now=now)
    if why is not None:
        return why
    if item.state != "asked":
        return f"This was settled before: {item.state}."
    if item.heir_id is None or item.heir_id not in mine(user, now=now):
        return f"It came to {item.heir or 'nobody'}, and nobody answers in their place."
    return None


def why_not_retire_for_good(
    user: User, identity: Identity, *, settled: bool, now: datetime
) -> str | None:
    """Retire an identity. `settled`: its seats have decided to revoke it, so that whoever answers
    for it may, an AI system's as well."""
    why = _why_not_act(user, now=now)
    if why is not None:
        return why
    if identity.state == "retired":
        return f"{identity.name} is retired already."
    if settled and answers_for(user, identity, now=now):
        return None
    return identity_permissions.why_not_retire(user, identity, now=now)


def why_alone(identity: Identity, *, found: bool) -> str | None:
    """Why it is renewed by itself, whoever does it. `found`: it has open findings."""
    if identity.criticality != "low":
        return f"Its criticality is {identity.criticality}: renew it alone, with its purpose read."
    if found:
        return "It has open findings: look at them first, then renew it alone."
    if not identity.purpose.strip():
        return "No purpose is stated: renew it alone and state one."
    return None


def why_not_renew_together(
    user: User, identity: Identity, *, found: bool, now: datetime
) -> str | None:
    """Renew with others at once: only what little hangs on."""
    return why_alone(identity, found=found) or identity_permissions.why_not_attest(
        user, identity, now=now
    )


def why_not_say_gone(user: User, person: Person, *, now: datetime) -> str | None:
    """Say of somebody that they left or move. Not who sits in an open case with them: it would end
    the other signature on one's own word."""
    why = identity_permissions.why_not_say_who_left(user, person, now=now)
    return why or why_not_say_gone_of(user, [person], now=now)


def why_not_say_gone_of(user: User, people: Collection[Person], *, now: datetime) -> str | None:
    """Why this user may not say of these people that they are gone: an open case of both."""
    parties = mine(user, now=now)
    own = Seat.objects.filter(case=OuterRef("case")).filter(
        Q(party__in=parties) | Q(backup__in=parties) | Q(person=user.person_id)
    )
    theirs = (
        Seat.objects.filter(Exists(own), case__state__in=["draft", "open"])
        .filter(Q(party__person__in=people) | Q(backup__person__in=people) | Q(person__in=people))
        .select_related("case", "party__person", "backup__person", "person")
        .order_by("case__number", "position")
    )
    seat = theirs.first() if people and user.person_id is not None else None
    if seat is None:
        return None
    known = {one.pk for one in people}
    sits = [seat.person, *(one.person for one in (seat.party, seat.backup) if one is not None)]
    name = next(one.name for one in sits if one is not None and one.pk in known)
    return f"You sit in {seat.case.key} with {name}: somebody who does not says that they left or move."


def waited_for(people: Collection[Person]) -> dict[UUID, str]:
    """Of these people, those who sit in a case that is not decided yet, with its key. Whoever sends a
    file has confirmed nothing and may sit there as well, so no file says that they are gone."""
    seats = Seat.objects.filter(case__state__in=["draft", "open"])
    rows = seats.filter(
        Q(party__person__in=people) | Q(backup__person__in=people) | Q(person__in=people)
    ).select_related("case", "party", "backup")
    known = {one.pk for one in people}
    found: dict[UUID, str] = {}
    for seat in rows.order_by("case__number", "position"):
        named = [one.person_id for one in (seat.party, seat.backup) if one is not None]
        for pk in (seat.person_id, *named):
            if pk in known:
                found.setdefault(pk, seat.case.key)
    return found


def why_not_see_successions(user: User) -> str | None:
    """See what became of what people left: those who run and audit reviews."""
    if not user.is_active:
        return INACTIVE
    if not groups(user).isdisjoint(identity_permissions.READERS):
        return None
    return "What people left is shown to reviewers, responders, administrators and auditors."
