"""Handing a seat to somebody else: a person or a team, checked for independence at that moment.

Owns who a seat's party is after it has changed hands; where nobody may sit in it, an administrator
names somebody the same way. What was answered in it stays until its
new holder answers otherwise; whoever handed it over signs in it no more, and whoever signed in it
signs in no other seat.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from identities.models import Party, Person, Team, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import independence
from reviews.models import Case, Seat
from reviews.permissions import SEAT_WORDS, persons_of

from . import entries, reminders, seats

LONGEST_NAME = 254


def party_called(said: str) -> Party:
    """The one person (by login, mail address or name) or team of this name, or NotPossible."""
    name = said.replace("\0", "").strip()[:LONGEST_NAME]
    if not name:
        raise NotPossible("Say to whom: a login, a mail address, or the name of a person or team.")
    persons = list(
        Person.objects.filter(
            Q(users__username=name) | Q(email__iexact=name) | Q(name__iexact=name)
        ).distinct()[:2]
    )
    # As policies and registration files write a team.
    teams = list(Team.objects.filter(name__iexact=name.removeprefix("team:").strip())[:2])
    if len(persons) + len(teams) > 1:
        raise NotPossible(f"{name!r} is more than one: say the login or the mail address.")
    if persons:
        return Party.objects.get_or_create(person=persons[0])[0]
    if teams:
        return Party.objects.get_or_create(team=teams[0])[0]
    raise NotPossible(f"There is nobody called {name!r}, and no team.")


def hand_over(
    *, case: Case, seat: Seat, to: str, reason: str, by: User, now: datetime, version: int
) -> Seat:
    """Give a seat to a person or team; they are told, and the old holder may no longer sign."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        taken = (
            case.seats.select_for_update(of=("self",))
            .select_related("party__person", "party__team", "backup", "person")
            .filter(pk=seat.pk)
            .first()
        )
        if taken is None:
            raise NotPossible("This seat belongs to another case.")
        seat, seat.case = taken, case
        require(independence.why_not_hand_over(by, case, seat, now=now))
        reason = reason_given(reason, what="whoever takes the seat reads it in the case")
        names = independence.why_not_name(by, case, seat, now=now) is None
        entries.fresh_enough(case, version, by=by)
        party = party_called(to)
        why = independence.why_not_take(party, case, seat, by=by, now=now)
        if why is not None:
            raise NotPossible(why)
        before = str(seat.party or "nobody")
        # Who names a team for an empty seat does not sign for it.
        _change(seat, party, by=None if names and party.team_id is None else by)
        of = f"the seat of the {SEAT_WORDS[seat.kind]}"
        words = f"{by.called} handed {of} to {party}: {reason}"
        if names:
            words = f"{by.called} named {party} for {of}, in which nobody could sit: {reason}"
        entries.note(
            case,
            act="seat.named" if names else "seat.handed_over",
            words=words,
            by=by,
            now=now,
            data={
                "seat": str(seat.pk),
                "kind": seat.kind,
                "from": before,
                "to": str(party),
                "reason": reason,
            },
        )
        second = seats.never_alone(case, now=now)
        if case.state == "open":
            _tell(case, seat, party, by=by, now=now)
            if second is not None:
                reminders.ask(case, now=now)
        entries.changed(case)
    return seat


def _change(seat: Seat, party: Party, *, by: User | None) -> None:
    """`by`: who gives it away, or names its team, and signs in it no more; None: who was never in it."""
    if seat.person_id is not None:
        seat.signed_before = sorted({*seat.signed_before, seat.person_id})
    # To be handed a seat back makes it one's own again.
    gone = {*seat.given_up, *([] if by is None or by.person_id is None else [by.person_id])}
    seat.given_up = sorted(gone - {party.person_id})
    seat.party, seat.person = party, None
    seat.save(update_fields=["party", "person", "signed_before", "given_up"])


def _tell(case: Case, seat: Seat, party: Party, *, by: User, now: datetime) -> None:
    # The reason stays in the case: mail is read by more people than a case is.
    reminders.tell(
        case,
        [one for one in persons_of(party, now=now) if one.pk not in seat.given_up],
        occasion=f"seat {seat.pk} handed {now.isoformat()}",
        subject="a seat was handed to you",
        body=(
            f"{by.called} handed you the seat of the {SEAT_WORDS[seat.kind]}."
            f" Answers are due by {case.deadline_at:%Y-%m-%d %H:%M} UTC."
        ),
        now=now,
    )
