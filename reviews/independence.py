"""Who may hand a seat to whom, look again at answers given too fast, and see figures of teams.

Owns their `why_not_…` sentences, in the manner of reviews/permissions.py, which judges who may
sit in a seat; a seat that changes hands is judged by the same rules at that moment, and again
with each signature.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from identities.models import Party, Person, User
from identities.permissions import (
    AUDITOR,
    INACTIVE,
    answers_for,
    cannot_decide,
    cannot_sign,
    groups,
)
from reviews import permissions, persons
from reviews.models import Case, Provisional, Seat
from reviews.models.cases import SEATS

TEAM_READERS = frozenset({"auditor", "administrator", "reviewer"})
NAMING = frozenset({"administrator"})
ONLY_NAMED_BY = "Only an administrator names somebody for a seat in which nobody may sit."


class Candidate(NamedTuple):
    """Somebody who comes into question for a seat, and why they may not sit; None: they may."""

    name: str
    why_not: str | None


def candidates(case: Case, seat: Seat, *, now: datetime) -> list[Candidate]:
    """Those whom a seat names, its backup included; where it names nobody, every reviewer. As many
    queries for one of them as for thirty."""
    case = Case.objects.select_related("identity").prefetch_related("seats__party").get(pk=case.pk)
    named = [one for one in (seat.party, seat.backup) if one is not None]
    if named:
        found = [one for party in named for one in permissions.persons_of(party, now=now)]
    else:
        found = persons.in_group("reviewer", now=now)
    subjects = permissions.subjects_of(case)
    able = _able(found)
    # People are registered before they first sign in: whoever is named and has no login yet is asked.
    with_login = set(User.objects.filter(person__in=found).values_list("person", flat=True))
    able |= {one.pk for one in found if named and one.pk not in with_login}
    members = set(case.members.values_list("person", flat=True)) if case.sealed else None
    rows = []
    for person in {one.pk: one for one in found}.values():
        why = _why_not_sit(
            person, case, seat, subjects=subjects, able=able, members=members, now=now
        )
        if why is None and not named:
            why = _why_not_also(person, case, seat)
        rows.append(Candidate(person.name, why))
    return rows


def why_not_name(user: User, case: Case, seat: Seat, *, now: datetime) -> str | None:
    """Name somebody for a seat in which nobody may sit: an administrator who has no part in the
    case, so that no signer chooses the other one."""
    why = cannot_sign(user, NAMING, ONLY_NAMED_BY, now=now) or _why_not_part(user, case, now=now)
    if why is not None:
        return why
    if seat.kind not in permissions.SIGNING or seat.turn != "now":
        return "Nobody is asked in this seat now."
    if any(one.why_not is None for one in candidates(case, seat, now=now)):
        return f"Somebody may sign as {permissions.SEAT_WORDS[seat.kind]}: nobody has to be named."
    return None


def _why_not_part(user: User, case: Case, *, now: datetime) -> str | None:
    """Why somebody has a part in a case and so fills no seat of it: the requester, the subject, who
    answers for its identity, and whoever is asked or has signed."""
    if user.person_id == case.requester_id or user.person_id in permissions.subjects_of(case):
        return "You are the requester or the subject of this case: you choose no signer."
    if case.identity is not None and answers_for(user, case.identity, now=now):
        return f"You answer for {case.identity.name}: an administrator who does not names somebody."
    parties = permissions.mine(user, now=now)
    for seat in case.seats.all():
        signed = user.person_id in (seat.person_id, *seat.signed_before)
        if signed or not parties.isdisjoint({seat.party_id, seat.backup_id}):
            said = permissions.SEAT_WORDS[seat.kind]
            return f"You sit here as {said}: an administrator who does not names somebody."
    return None


def _why_not_also(person: Person, case: Case, seat: Seat) -> str | None:
    """Why a reviewer leaves a seat that names nobody to another one: asked in another seat, or who
    breaks the ties of a case in stages."""
    for other in case.seats.all():
        asked = other.kind in permissions.SIGNING and other.turn == "now"
        ties = seat.stage_id is not None and other.kind == "tie_breaker"
        if other.pk == seat.pk or other.party is None or not (asked or ties):
            continue
        if other.party.person_id == person.pk:
            return f"{person.name} is asked as {permissions.SEAT_WORDS[other.kind]} in this case."
    return None


def why_not_hand_over(user: User, case: Case, seat: Seat, *, now: datetime) -> str | None:
    """Hand a seat to somebody else: whoever may sign in it, while answers can still be given; where
    nobody may, an administrator names somebody."""
    if case.state not in ("draft", "open"):
        return f"{case.key} is {case.state.replace('_', ' ')}: no seat changes hands in it now."
    why = permissions.why_not_sit(user, case, seat, now=now)
    if why is None:
        return None
    names = why_not_name(user, case, seat, now=now)
    if names is None or NAMING.isdisjoint(groups(user)) or seat.turn != "now":
        return names and why
    # It waits for an administrator: to one who may not, why not is what helps.
    nobody = all(one.why_not is not None for one in candidates(case, seat, now=now))
    return names if nobody else why


def why_not_take(party: Party, case: Case, seat: Seat, *, by: User, now: datetime) -> str | None:
    """Whether a seat may be handed to this party: of a team, at least one of its members."""
    if seat.party_id == party.pk:
        return f"The seat is {party}'s already."
    those = permissions.persons_of(party, now=now)
    if not those:
        return f"{party} has no members: nobody could sign."
    subjects = permissions.subjects_of(case)
    able = _able(those)
    members = set(case.members.values_list("person", flat=True)) if case.sealed else None
    first = None
    for person in those:
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


def _able(those: Sequence[Person]) -> set[UUID]:
    """Those of them who have a login that may sign; an auditor's changes nothing."""
    logins = User.objects.filter(person__in=those, is_active=True)
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
    if person.pk == by.person_id:
        return "That is you: a seat is handed to somebody else."
    # Whoever is handed a seat back has it again.
    given_up = in_team and person.pk in seat.given_up
    return _why_not_sit(
        person,
        case,
        seat,
        subjects=subjects,
        able=able,
        members=members,
        now=now,
        given_up=given_up,
    ) or why_not_asked_twice(person, case, seat)


def _why_not_sit(
    person: Person,
    case: Case,
    seat: Seat,
    *,
    subjects: frozenset[UUID],
    able: set[UUID],
    members: set[UUID] | None,
    now: datetime,
    given_up: bool | None = None,
) -> str | None:
    name = person.name
    if person.left_at is not None and person.left_at <= now:
        return f"{name} has left."
    if person.pk not in able:
        return f"{name} has no login that signs."
    if person.pk in seat.given_up if given_up is None else given_up:
        return f"{name} handed this seat over."
    if members is not None and person.pk not in members:
        return f"{case.key} is sealed: only its members sit in it."
    return permissions.why_not_person(person.pk, case, seat, subjects=subjects, name=name)


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
    if why := cannot_decide(user):
        return why
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
    if user.person_id in permissions.subjects_of(case):
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
