"""Who may do what in a case, and the sentence why not.

Owns `why_not_<verb>(user, case, …, now) -> str | None`, written once: actions require it, pages
disable the button and show it, the API returns it. Independence is judged on persons, when
deciding: never the subject, never the requester, and one person never signs two seats.
"""

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from identities import permissions as lowest
from identities.models import Identity, Party, Person, User
from identities.permissions import LEFT, cannot_change, cannot_decide, groups, parties_of, require
from reviews.models import Case, Item, Seat
from reviews.persons import subject_persons, subjects_of

__all__ = [
    "SIGNING",
    "mine",
    "persons_of",
    "require",
    "subject_persons",
    "subjects_of",
    "why_not_cancel",
    "why_not_close",
    "why_not_decide",
    "why_not_open",
    "why_not_person",
    "why_not_pin",
    "why_not_release",
    "why_not_request",
    "why_not_see",
    "why_not_settle",
    "why_not_sit",
    "why_not_start",
    "why_not_undo",
]

NOBODY = lowest.NOBODY
# The seats whose answers add up; a tie-breaker and a closer come after them.
SIGNING = ("identity_owner", "ai_owner", "second")
# Kinds of items that somebody made, who may not sign for them alone (actions/seats.py).
MADE = ("delegation", "credential")
SEAT_WORDS = {
    "identity_owner": "identity owner",
    "ai_owner": "AI-system owner",
    "second": "second approver",
    "closer": "closer",
    "tie_breaker": "tie-breaker",
}
ABSENT = "There is no such case."


def mine(user: User, *, now: datetime) -> frozenset[UUID]:
    """The parties of this user at `now`."""
    return parties_of(user, now=now)


def persons_of(party: Party, *, now: datetime) -> list[Person]:
    """The persons who stand for a party at `now`: the one, or the team's members."""
    return list(
        Person.objects.filter(
            Q(pk=party.person_id)
            | Q(
                memberships__team_id=party.team_id,
                memberships__team__isnull=False,
                memberships__during__contains=now,
                memberships__superseded_at__isnull=True,
            )
        )
        .distinct()
        .order_by("name", "pk")
    )


def _why_not_act(user: User) -> str | None:
    """What bars a login from deciding anything."""
    return cannot_change(user) or cannot_decide(user)


def why_not_see(user: User, case: Case, *, now: datetime) -> str | None:
    """A case that is not visible is absent: the same words as for one that never was."""
    from reviews import visible

    return None if visible.cases(user, now=now).filter(pk=case.pk).exists() else ABSENT


def why_not_open(user: User, identity: Identity, *, now: datetime) -> str | None:
    """Open an access review of an identity."""
    why = _why_not_act(user)
    if why is not None:
        return why
    if not groups(user).isdisjoint({"reviewer", "responder", "administrator"}):
        return None
    service = identity.service
    named = {identity.owner_id, identity.sponsor_id, identity.backup_id}
    if service is not None:
        named |= {service.owner_id, service.ai_owner_id}
    if not named.isdisjoint(mine(user, now=now)):
        return None
    return f"Only a reviewer, a responder or who answers for {identity.name} may open its review."


def why_not_start(user: User, case: Case, *, now: datetime) -> str | None:
    """Send a proposed review to its seats."""
    if case.identity is None:
        return _why_not_act(user)
    return why_not_open(user, case.identity, now=now)


def why_not_request(user: User, identity: Identity) -> str | None:
    """Ask for authority for an identity: whoever sees it may ask; others sign."""
    why = cannot_change(user)
    if why is not None:
        return why
    if user.person_id is None:
        return "This login is nobody's: a request needs a person behind it."
    if identity.state == "retired":
        return f"{identity.name} is retired: nothing can be granted to it."
    return None


def why_not_person(
    person: UUID, case: Case, seat: Seat, *, subjects: frozenset[UUID], name: str = ""
) -> str | None:
    """What bars a person from this seat, whoever named them; with a name, said of somebody else."""
    who, be, sign = (name, "is", "signs") if name else ("You", "are", "sign")
    if person == case.requester_id:
        return f"{who} asked for this: the requester never signs."
    if person in subjects:
        return f"{who} {be} the subject of this case: the subject never signs."
    if person in case.barred:
        return (
            f"{who} cancelled the case before this one, or changed what it is about since:"
            " somebody else decides."
        )
    for other in case.seats.all():
        if other.pk == seat.pk or (other.person_id != person and person not in other.signed_before):
            continue
        did = sign if other.person_id == person else "signed"
        return (
            f"{who} {did} as {SEAT_WORDS[other.kind]} in this case: one person never signs two"
            " seats."
        )
    return None


def _party_is_barred(case: Case, seat: Seat, *, subjects: frozenset[UUID], now: datetime) -> bool:
    """Nobody of the seat's party may sit: left, without a login, or not independent."""
    if seat.party is None:
        return True
    for person in persons_of(seat.party, now=now):
        if person.left_at is not None and person.left_at <= now:
            continue
        if person.pk in seat.given_up:
            continue
        if why_not_person(person.pk, case, seat, subjects=subjects) is not None:
            continue
        # An auditor's login changes nothing, so it cannot sign either.
        if person.users.filter(is_active=True).exclude(groups__name="auditor").exists():
            return False
    return True


def why_not_sit(user: User, case: Case, seat: Seat, *, now: datetime) -> str | None:
    """Whether this user may sign in this seat: named, independent, and the seat is free."""
    why = _why_not_act(user)
    if why is not None:
        return why
    if user.person_id is None or user.person is None:
        return NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return LEFT
    if case.sealed and not case.members.filter(person_id=user.person_id).exists():
        return ABSENT
    subjects = subjects_of(case)
    why = why_not_person(user.person_id, case, seat, subjects=subjects)
    if why is not None:
        return why
    why = _why_not_turn(case, seat)
    if why is not None:
        return why
    if user.person_id in seat.given_up:
        return f"You handed this seat over: it belongs to {seat.party or 'another member'} now."
    why = _why_not_named(user, case, seat, subjects=subjects, now=now)
    if why is not None:
        return why
    return _why_not_free(user, case, seat, subjects=subjects, now=now)


def _why_not_turn(case: Case, seat: Seat) -> str | None:
    """Where stages follow each other, only the seats of those that run answer."""
    if seat.turn == "now" or seat.stage is None:
        return None
    if seat.turn == "later":
        return f"{seat.stage.name} has not begun: {case.stage} is asked first."
    return f"{seat.stage.name} is over: what was answered in it stands."


def _why_not_named(
    user: User, case: Case, seat: Seat, *, subjects: frozenset[UUID], now: datetime
) -> str | None:
    parties = mine(user, now=now)
    if seat.party_id is not None and seat.party_id in parties:
        return None
    vacant = _party_is_barred(case, seat, subjects=subjects, now=now)
    if seat.backup_id is not None and seat.backup_id in parties:
        # The backup sits when the owner may not, or has been silent past the deadline.
        if vacant or case.silence_done_at is not None or case.backups_since is not None:
            return None
        return f"You are the backup: {seat.party} decides until the deadline."
    if seat.party_id is None and seat.backup_id is None and "reviewer" in groups(user):
        # Nobody is named: somebody has to decide, and reviewers are there for it.
        ties = {one.party_id for one in case.seats.all() if one.kind == "tie_breaker"}
        if seat.stage_id is not None and not ties.isdisjoint(parties):
            # Who breaks a tie has to see the answers, and a blind stage must not.
            return "You break the ties of this case: another reviewer signs in its stages."
        return _why_not_twice(user, case, seat)
    who = str(seat.party) if seat.party is not None else "nobody yet"
    return f"The seat of the {SEAT_WORDS[seat.kind]} belongs to {who}."


def _why_not_twice(user: User, case: Case, seat: Seat) -> str | None:
    """Who is asked in one seat leaves nobody's seat to somebody else: else their own stays empty."""
    asked = case.seats.filter(kind__in=SIGNING, turn="now", party__person=user.person_id)
    other = asked.exclude(pk=seat.pk).first()
    if other is None:
        return None
    return f"You are asked as {SEAT_WORDS[other.kind]} in this case: another reviewer signs here."


def _why_not_free(
    user: User, case: Case, seat: Seat, *, subjects: frozenset[UUID], now: datetime
) -> str | None:
    """One person holds a seat; another takes it over only when that one no longer may."""
    if seat.person_id is None or seat.person_id == user.person_id or seat.person is None:
        return None
    gone = seat.person.left_at is not None and seat.person.left_at <= now
    barred = why_not_person(seat.person_id, case, seat, subjects=subjects) is not None
    late = case.silence_done_at is not None and seat.backup_id in mine(user, now=now)
    if gone or barred or late:
        return None
    return f"{seat.person.name} signs in this seat."


def why_not_decide(
    user: User, case: Case, seat: Seat, item: Item | None, *, now: datetime
) -> str | None:
    """Answer an item in a seat."""
    if case.door == "break_glass":
        return "Break-glass is signed on its own page: nothing else opens it."
    if seat.kind not in SIGNING:
        return f"The {SEAT_WORDS[seat.kind]} answers conflicts only."
    why = why_not_sit(user, case, seat, now=now)
    if why is not None:
        return why
    if case.state != "open":
        return f"{case.key} is {case.state.replace('_', ' ')}: nothing can be answered in it now."
    if item is None:
        return None
    if item.case_id != case.pk:
        return "This item belongs to another case."
    if item.carried_out_at is not None:
        return "It has gone out: what is revoked cannot be kept, a new one must be issued."
    if seat.stage is not None and item.outcome not in ("", "conflict"):
        places = [int(place) for place in item.stage_outcomes]
        if places and max(places) < seat.stage.position:
            return "An earlier stage has decided on this item: it does not come to this one."
    given = item.decisions.filter(superseded_at__isnull=True)
    if now >= case.deadline_at and given.filter(seat__kind="tie_breaker").exists():
        return "The tie-breaker has decided on this item."
    differ = item.outcome == "conflict" and now >= case.silent_at
    if differ and given.filter(seat=seat).exists():
        return "The seats differed when their time was over: the tie-breaker decides now."
    return None


def why_not_decide_any(user: User, case: Case, *, now: datetime) -> str | None:
    """Answer in a case at all: why not in its first seat, where there is no other for this user."""
    seats = case.seats.filter(kind__in=SIGNING).order_by("position")
    whys = [why_not_decide(user, case, seat, None, now=now) for seat in seats]
    return None if None in whys or not whys else whys[0]


def why_not_settle(user: User, case: Case, seat: Seat, item: Item, *, now: datetime) -> str | None:
    """Break a tie: neither seat, not the subject, not the requester, after the deadline."""
    if seat.kind != "tie_breaker":
        return "Only the tie-breaker settles a conflict."
    why = why_not_sit(user, case, seat, now=now)
    if why is not None:
        return why
    if item.outcome != "conflict":
        return "There is no conflict to settle on this item."
    if now < case.silent_at:
        return (
            "The seats may change their answers until"
            f" {case.silent_at:%Y-%m-%d %H:%M} UTC; then the tie-breaker decides."
        )
    return None


def why_not_undo(user: User, case: Case, item: Item, *, now: datetime) -> str | None:
    """Take back one's own answer while it has not gone out (8 seconds)."""
    why = _why_not_act(user)
    if why is not None:
        return why
    last = item.decisions.filter(superseded_at__isnull=True, by=user).order_by("-at").first()
    if last is None:
        return "You have no answer on this item to take back."
    if last.not_before <= now and case.state == "open":
        return "Its 8 seconds to be taken back are over: answer again while the case is open."
    if last.not_before <= now or case.state not in ("open", "decided"):
        return f"{case.key} is {case.state.replace('_', ' ')}: it has gone out."
    return None


def why_not_pin(user: User, case: Case) -> str | None:
    """Pin an event to a case as evidence: whoever sees the case and changes things."""
    if case.state in ("closed", "cancelled"):
        return f"{case.key} is {case.state}: nothing is added to it."
    return _why_not_act(user)


def _concerned(user: User, case: Case, *, now: datetime) -> bool:
    parties = mine(user, now=now)
    return any(seat.party_id in parties for seat in case.seats.all() if seat.party_id is not None)


def why_not_cancel(user: User, case: Case, *, now: datetime) -> str | None:
    """Cancel: the requester takes a request back; who opened a review or an administrator, a
    review, unless it is about what they answer for, about them, or waits for their signature."""
    why = _why_not_act(user)
    if why is not None:
        return why
    if case.requester_id is not None and case.requester_id == user.person_id:
        return None
    if case.door == "access_request":
        return "Only the requester may take a request back; the seats deny it."
    if case.opened_by != user.ref and "administrator" not in groups(user):
        return "Only who opened this case or an administrator may cancel it."
    own = case.door == "incident" and case.opened_by == user.ref
    if own or case.door not in ("access_review", "incident"):
        return None
    return _why_not_end_review(user, case, now=now)


def _why_not_end_review(user: User, case: Case, *, now: datetime) -> str | None:
    """Nobody switches off the review, or the incident, of what is theirs."""
    if case.identity is not None and lowest.answers_for(user, case.identity, now=now):
        return f"You answer for {case.identity.name}: an administrator who does not cancels it."
    if user.person_id is not None and user.person_id in subjects_of(case):
        return "You are the subject of this case: an administrator who is not cancels it."
    parties = mine(user, now=now)
    for seat in case.seats.all():
        named = not parties.isdisjoint({seat.party_id, seat.backup_id})
        signed = user.person_id is not None and user.person_id in (
            seat.person_id,
            *seat.signed_before,
        )
        if named or signed:
            return (
                f"You sit in this case as {SEAT_WORDS[seat.kind]}: an administrator who does not"
                " cancels it."
            )
    return None


def why_not_release(
    user: User, case: Case, *, subjects: frozenset[UUID] | None = None
) -> str | None:
    """Release or drop what silence would have done, had Countersign been at work.

    `subjects`: the persons that the identity of the case is, where they are known already.
    """
    why = _why_not_act(user)
    if why is not None:
        return why
    if user.person_id is None:
        return "This login is nobody's: releasing needs a person behind it."
    if groups(user).isdisjoint({"reviewer", "responder", "administrator"}):
        return "Only a reviewer, a responder or an administrator may release what is held."
    if user.person_id == case.requester_id:
        return "You asked for this: the requester does not say what silence does."
    if user.person_id in (subjects_of(case) if subjects is None else subjects):
        return "You are the subject of this case: the subject does not say what silence does."
    return None


def why_not_close(user: User, case: Case, *, now: datetime) -> str | None:
    """Close by hand what was carried out: a seat of the case, or a reviewer."""
    why = _why_not_act(user)
    if why is not None:
        return why
    if _concerned(user, case, now=now) or "reviewer" in groups(user):
        return None
    return "Only a reviewer or who sits in this case may close it."
