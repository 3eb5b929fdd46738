"""Whose answers cases wait for, and who stands above them: for many cases, in a few queries.

Owns the rule of who is asked; what they are told is reminders.py. Who may really sign is judged
when they do (reviews/permissions.py).
"""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from uuid import UUID

from identities.models import Party, Person
from reviews import persons
from reviews.models import Case, CaseSubject, Decision, Item, Seat
from reviews.permissions import SIGNING

UNSETTLED = ("", "conflict")


class Asked:
    """The seats of these cases, as their rows say at `now`. Read once: a later act is not seen."""

    def __init__(self, cases: Iterable[Case], *, now: datetime) -> None:
        self.now = now
        self._cases = {case.pk: case for case in cases}
        self.seats: dict[UUID, list[Seat]] = {pk: [] for pk in self._cases}
        for seat in (
            Seat.objects.filter(case__in=self._cases)
            .select_related("party", "backup", "person", "service")
            .order_by("position", "pk")
        ):
            self.seats[seat.case_id].append(seat)

    def waiting_for(self, case: Case) -> list[Person]:
        """The persons of seats that have not answered every item."""
        return [person for seat in self.silent(case) for person in self.of(case, seat)]

    def silent(self, case: Case) -> list[Seat]:
        """The signing seats whose answers are missing."""
        unsettled = self.unsettled.get(case.pk, frozenset[UUID]())
        return [
            seat
            for seat in self.seats[case.pk]
            if seat.kind in SIGNING
            and seat.turn == "now"
            and not unsettled <= self.given.get(seat.pk, set())
        ]

    def of(self, case: Case, seat: Seat) -> list[Person]:
        """Whose answer a seat waits for: who signs in it, else its party's persons who may sign
        at all, else the backup's."""
        if seat.person is not None:
            return [seat.person]
        taken = {case.requester_id, *seat.given_up}
        for one in self.seats[case.pk]:
            taken.add(one.person_id)
            if one.pk != seat.pk:
                taken.update(one.signed_before)
        taken.update(self._subjects[case.pk])
        for party in (seat.party_id, seat.backup_id):
            found = [] if party is None else self._persons.get(party, [])
            free = [person for person in found if person.pk not in taken]
            if free:
                return free
        return []

    def free(self, case: Case, seat: Seat, party: Party | None) -> bool:
        """Whether somebody of this party may sit there, and is asked in no other seat that signs."""
        taken = {case.requester_id, *seat.given_up}
        taken.update(self._subjects[case.pk])
        for one in self.seats[case.pk]:
            if one.pk != seat.pk:
                taken.update((one.person_id, *one.signed_before))
                if one.kind in SIGNING and one.turn == "now":
                    taken.update(person.pk for person in self.of(case, one))
        found = [] if party is None else self._persons.get(party.pk, [])
        return any(person.pk not in taken for person in found)

    def again(self, seat: Seat) -> list[Person]:
        """Who stands for the party that sits there since these were read."""
        self._persons |= persons.of_parties([seat.party_id], now=self.now)
        return self._persons.get(seat.party_id, []) if seat.party_id is not None else []

    def nobody(self, case: Case, seat: Seat) -> bool:
        """Whether nobody may sit in a seat: none of those whom it names and, where it names nobody,
        no reviewer."""
        if self.of(case, seat):
            return False
        if seat.party_id is not None or seat.backup_id is not None:
            return True
        taken = {case.requester_id, *seat.given_up}
        taken.update(self._subjects[case.pk])
        for one in self.seats[case.pk]:
            if one.pk == seat.pk:
                continue
            taken.update((one.person_id, *one.signed_before))
            asked = one.kind in SIGNING and one.turn == "now"
            if one.party is not None and (asked or (seat.stage_id and one.kind == "tie_breaker")):
                taken.add(one.party.person_id)
        return taken.issuperset(one.pk for one in self._reviewers)

    def namers(self, case: Case) -> list[Person]:
        """Who names somebody for a seat in which nobody may sit: the administrators who sit nowhere
        in the case; where each of them does, all, because somebody has to be told."""
        sits = {self._person_of(seat) for seat in self.seats[case.pk]}
        free = [one for one in self._administrators if one.pk not in sits]
        return free or self._administrators

    def _person_of(self, seat: Seat) -> UUID | None:
        party = None if seat.party is None else seat.party.person_id
        return party if seat.person_id is None else seat.person_id

    def asked(self, case: Case, seat: Seat) -> list[Person]:
        """Whom the request has to reach before silence counts: whose answer the seat waits for; where
        nobody may sit in it, who names somebody."""
        return self.namers(case) if self.nobody(case, seat) else self.of(case, seat)

    def empty(self, case: Case) -> list[Seat]:
        """The silent seats in which nobody may sit."""
        return [seat for seat in self.silent(case) if self.nobody(case, seat)]

    def above(self, case: Case) -> list[Person]:
        """Who a case goes to when its seats are silent: the tie-breaker and the backups; where
        nobody may sit in one, who names somebody as well.

        Where nobody is named, the reviewers, else the administrators: somebody is told by name.
        """
        found: list[Person] = []
        for seat in self.seats[case.pk]:
            if seat.turn != "now":
                continue
            party = seat.party_id if seat.kind == "tie_breaker" else seat.backup_id
            if party is not None:
                found += self._persons.get(party, [])
        found = found or self._by_role
        if self.empty(case):
            found = [*found, *self.namers(case)]
        return list({one.pk: one for one in found}.values())

    def unasked(self, case: Case) -> list[Person]:
        """Those above who are asked in no later stage: they may know what is answered in this."""
        later = {
            person.pk
            for seat in self.seats[case.pk]
            if seat.turn == "later"
            for party in (seat.party_id, seat.backup_id)
            if party is not None
            for person in self._persons.get(party, ())
        }
        return [one for one in self.above(case) if one.pk not in later]

    @cached_property
    def unsettled(self) -> dict[UUID, set[UUID]]:
        """The items of each case that have no outcome yet, or are in conflict."""
        found: dict[UUID, set[UUID]] = {}
        for case, item in Item.objects.filter(
            case__in=self._cases, outcome__in=UNSETTLED
        ).values_list("case", "pk"):
            found.setdefault(case, set()).add(item)
        return found

    @cached_property
    def differ(self) -> set[UUID]:
        """The cases in which seats differ on something."""
        rows = Item.objects.filter(case__in=self._cases, outcome="conflict")
        return set(rows.values_list("case", flat=True))

    @cached_property
    def answered(self) -> set[UUID]:
        """The cases in which a seat whose turn it is has answered something."""
        rows = Decision.objects.filter(
            seat__case__in=self._cases, seat__turn="now", superseded_at__isnull=True
        )
        return set(rows.values_list("seat__case", flat=True))

    @cached_property
    def given(self) -> dict[UUID, set[UUID]]:
        """Which of those items each seat has answered."""
        found: dict[UUID, set[UUID]] = {}
        for seat, item in Decision.objects.filter(
            item__case__in=self._cases, item__outcome__in=UNSETTLED, superseded_at__isnull=True
        ).values_list("seat", "item"):
            found.setdefault(seat, set()).add(item)
        return found

    @cached_property
    def _persons(self) -> dict[UUID, list[Person]]:
        seats = [seat for found in self.seats.values() for seat in found]
        parties = {one for seat in seats for one in (seat.party_id, seat.backup_id)}
        return persons.of_parties(parties, now=self.now)

    @cached_property
    def _subjects(self) -> dict[UUID, set[UUID]]:
        cases = self._cases.values()
        are = persons.subjects(case.identity for case in cases if case.identity is not None)
        found = {
            case.pk: set(() if case.identity_id is None else are.get(case.identity_id, ()))
            for case in cases
        }
        for named in CaseSubject.objects.filter(case__in=self._cases):
            found[named.case_id].add(named.person_id)
        return found

    @property
    def _by_role(self) -> list[Person]:
        return self._reviewers or self._administrators

    @cached_property
    def _reviewers(self) -> list[Person]:
        return persons.in_group("reviewer", now=self.now)

    @cached_property
    def _administrators(self) -> list[Person]:
        return persons.in_group("administrator", now=self.now)
