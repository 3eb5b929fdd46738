"""Who may hand a seat to whom, look again at answers given too fast, and see figures of teams.

Owns their `why_not_…` sentences, in the manner of reviews/permissions.py, which judges who may
sit in a seat; a seat that changes hands is judged by the same rules at that moment, and again
with each signature.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from identities.models import Party, Person, User
from identities.permissions import AUDITOR, INACTIVE, groups
from reviews import permissions
from reviews.models import Case, Provisional, Seat
from reviews.models.cases import SEATS

TEAM_READERS = frozenset({"auditor", "administrator", "reviewer"})


def why_not_hand_over(user: User, case: Case, seat: Seat, *, now: datetime) -> str | None:
    """Hand a seat to somebody else: whoever may sign in it, while answers can still be given."""
    if case.state not in ("draft", "open"):
        return f"{case.key} is {case.state.replace('_', ' ')}: no seat changes hands in it now."
    return permissions.why_not_sit(user, case, seat, now=now)


def why_not_take(party: Party, case: Case, seat: Seat, *, by: User, now: datetime) -> str | None:
    """Whether a seat may be handed to this party: of a team, at least one of its members."""
    if seat.party_id == party.pk:
        return f"The seat is {party}'s already."
    persons = permissions.persons_of(party, now=now)
    if not persons:
        return f"{party} has no members: nobody could sign."
    subjects = permissions.subject_persons(case.identity)
    able = _able(persons)
    members = set(case.members.values_list("person", flat=True)) if case.sealed else None
    first = None
    for person in persons:
        why = _why_not_person(
            person,
            case,
            seat,
            subjects=subjects,
            able=able,
            members=members,
            in_team=party.team_id is not None,
            by=by,
            now=now,
        )
        if why is None:
            return None
        first = first or why
    return first if party.team_id is None else f"Nobody in {party} may sit here. {first}"


def _able(persons: Sequence[Person]) -> set[UUID]:
    """Those of them who have a login that may sign; an auditor's changes nothing."""
    logins = User.objects.filter(person__in=persons, is_active=True)
    return set(logins.exclude(groups__name="auditor").values_list("person_id", flat=True))


def _why_not_person(
    person: Person,
    case: Case,
    seat: Seat,
    *,
    subjects: frozenset[UUID],
    able: set[UUID],
    members: set[UUID] | None,
    in_team: bool,
    by: User,
    now: datetime,
) -> str | None:
    name = person.name
    if person.pk == by.person_id:
        return "That is you: a seat is handed to somebody else."
    if person.left_at is not None and person.left_at <= now:
        return f"{name} has left."
    if person.pk not in able:
        return f"{name} has no login that signs."
    if in_team and person.pk in seat.given_up:
        return f"{name} handed this seat over."
    if members is not None and person.pk not in members:
        return f"{case.key} is sealed: only its members sit in it."
    return permissions.why_not_person(
        person.pk, case, seat, subjects=subjects, name=name
    ) or why_not_asked_twice(person, case, seat)


def why_not_asked_twice(
    person: Person, case: Case, seat: Seat, *, kinds: Sequence[str] = SEATS
) -> str | None:
    """Whether this person is named in another seat of the case, of these kinds, signed or not."""
    for other in case.seats.select_related("party"):
        if other.pk == seat.pk or other.kind not in kinds or other.party is None:
            continue
        if other.party.person_id == person.pk:
            return (
                f"{person.name} is asked as {permissions.SEAT_WORDS[other.kind]} in this case: one"
                " person never signs two seats."
            )
    return None


def why_not_look_again(
    user: User, case: Case, marks: Sequence[Provisional], *, now: datetime
) -> str | None:
    """Confirm answers that were given too fast, or ask for them again."""
    if not user.is_active:
        return INACTIVE
    if "auditor" in groups(user):
        return AUDITOR
    if not marks:
        return f"{case.key} is not provisional: there is nothing to look at again."
    if case.state == "cancelled":
        return f"{case.key} is cancelled: nothing comes of it."
    if user.person_id is None:
        return permissions.NOBODY
    if any(one.burst.person_id == user.person_id for one in marks):
        return "These are your own answers: somebody else looks at them again."
    if user.person_id == case.requester_id:
        return "You asked for this: the requester never signs."
    if user.person_id in permissions.subject_persons(case.identity):
        return "You are the subject of this case: the subject never signs."
    mine = permissions.mine(user, now=now)
    seated = any(not mine.isdisjoint({one.party_id, one.backup_id}) for one in case.seats.all())
    if seated or "reviewer" in groups(user):
        return None
    return "Only a reviewer or who sits in this case may look at its answers again."


def why_not_see_teams(user: User) -> str | None:
    """See how teams decide: those who run reviews and those who audit them."""
    if not user.is_active:
        return INACTIVE
    if not groups(user).isdisjoint(TEAM_READERS):
        return None
    return "Figures of teams are for reviewers, administrators and auditors."
