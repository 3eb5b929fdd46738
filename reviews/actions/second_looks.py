"""Whose second look the cases of a burst wait for, and how they are told.

Owns both for one person over many cases; who may look again at one case is reviews/independence.py,
and who may not know of it reviews/sight.py. What a look does is attention.py.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from evidence.words import counted
from identities.models import Person, User
from identities.permissions import groups
from reviews import persons, sight, visible
from reviews.models import FAST, Burst, Case, Notice, Provisional, Seat

from . import reminders, stages
from .asked import Asked

MOST_COUNTED = 1_000
# What is hidden is asked of so many cases at once.
AT_ONCE = 500
# Of a list, which most people read the first page of, so many to begin with.
FIRST = 120
# Where they stand as a list.
MINE = "/cases/?again=mine"
BODY = (
    "Nothing more is carried out there before somebody has confirmed them or asked for them again."
)


def unsettled() -> QuerySet[Provisional]:
    """The marks that wait for a second look."""
    return Provisional.objects.filter(settled_at__isnull=True)


def waiting_for(user: User, *, now: datetime) -> QuerySet[Case]:
    """The cases whose answers this user may look at again; as many queries for one as for many."""
    rows = _seen(user, now=now)
    if rows is None:
        return Case.objects.none()
    # That answers came fast says what they were: who is asked blind must not find it here.
    blind = sight.hidden(user, now=now)
    return rows if blind is None else rows.exclude(blind)


def _seen(user: User, *, now: datetime) -> QuerySet[Case] | None:
    """The same, but for what a blind stage hides; None: there is nothing for them."""
    theirs = groups(user)
    if user.person_id is None or "auditor" in theirs or not unsettled().exists():
        return None
    marks = unsettled().filter(case=OuterRef("pk"))
    seen = visible.cases if "reviewer" in theirs else visible.seated
    rows = seen(user, now=now).filter(
        Exists(marks), ~Exists(marks.filter(burst__person=user.person_id))
    )
    rows = rows.exclude(state="cancelled").exclude(requester=user.person_id)
    # Read once for all cases: joined to each of them it costs the square of them.
    return rows.exclude(identity__in=persons.are(user).values("pk"))


class Looks:
    """The second looks of one person at `now`, for whoever asks for more than one thing about them;
    what they may see is asked of the database once."""

    def __init__(self, user: User, *, now: datetime) -> None:
        self.user, self.now = user, now

    @cached_property
    def _rows(self) -> QuerySet[Case] | None:
        return _seen(self.user, now=self.now)

    @cached_property
    def _asked(self) -> QuerySet[Seat] | None:
        return sight.asked_blind(self.user, now=self.now)

    def count(self, most: int) -> int:
        """How many of them there are, counted no further than `most`.

        What blind stages hide is asked last, and of some cases at a time: of all of them it costs a
        walk through every item there is.
        """
        rows = self._rows
        if rows is None:
            return 0
        if self._asked is None:
            return rows[:most].count()
        found = rows.exclude(sight.STAGED)[:most].count()
        staged, after = rows.filter(sight.STAGED).order_by("pk"), UUID(int=0)
        while found < most:
            some = list(staged.filter(pk__gt=after).values_list("pk", flat=True)[:AT_ONCE])
            found += len(some) - len(sight.hidden_of(self.user, self._asked, some))
            if len(some) < AT_ONCE:
                break
            after = some[-1]
        return min(found, most)

    def newest(self, rows: QuerySet[Case]) -> Iterator[UUID]:
        """Those of `rows` (cases that this user may see) that wait for their second look, the newest
        first, read some at a time: whoever wants the first of them pays for no other."""
        seen = self._rows
        if seen is None:
            return
        marked = rows.filter(pk__in=unsettled().values("case")).order_by("-number")
        before: dict[str, int] = {}
        size = FIRST
        while True:
            some = list(marked.filter(**before).values_list("pk", "number")[:size])
            among = [pk for pk, _ in some]
            there = set(seen.filter(pk__in=among).values_list("pk", flat=True)) if some else set()
            there -= sight.hidden_of(self.user, self._asked, there)
            yield from (pk for pk in among if pk in there)
            if len(some) < size:
                return
            before, size = {"number__lt": some[-1][1]}, min(2 * size, AT_ONCE)


def count(user: User, *, now: datetime, most: int) -> int:
    """How many second looks wait for this user, counted no further than `most`."""
    return Looks(user, now=now).count(most)


class Waits(NamedTuple):
    """How many wait for somebody, in words; beyond the bound only that there are more."""

    many: str
    verb: str

    def __str__(self) -> str:
        return f"{self.many} {self.verb} for a second look"


def waits(user: User, *, now: datetime) -> Waits | None:
    """The second looks that wait for this user, counted no further than pages say."""
    return in_words(count(user, now=now, most=MOST_COUNTED + 1))


def in_words(found: int) -> Waits | None:
    """So many second looks, counted up to one more than pages say."""
    if found > MOST_COUNTED:
        return Waits(f"over {MOST_COUNTED:,} reviews", "wait")
    return Waits(counted(found, "review"), "waits" if found == 1 else "wait") if found else None


def notices(case: Case, marks: Sequence[Provisional], *, now: datetime) -> list[Notice]:
    """The word to those above a case, unwritten: of one burst in many reviews each hears once, how
    many of them wait for their second look."""
    burst, theirs = marks[0].burst, {one.burst.person_id for one in marks}
    once = f"provisional burst {burst.pk}"
    told = set(Notice.objects.filter(occasion=once).values_list("person", flat=True))
    rows = []
    for row in reminders.notices(
        case,
        [one for one in Asked([case], now=now).above(case) if one.pk not in theirs],
        occasion=f"provisional {marks[0].pk}",
        subject=FAST,
        body=BODY,
        now=now,
    ):
        if row.person is not None:
            if row.person_id in told:
                continue
            many, first = _waits(row.person, case, burst, now=now)
            if not many:
                continue
            _say(row, many, first)
            row.occasion = once
        rows.append(row)
    return rows


def _say(row: Notice, many: int, first: int) -> None:
    """One case by its name, several by their number and the list of them."""
    what, where = f"CS-{first}", f"/cases/CS-{first}/"
    if many > 1:
        what, where = f"{many:,} reviews", MINE
        row.case = None
    row.subject, row.body = f"{what}: {FAST}", f"{BODY}\n\n{settings.BASE_URL}{where}\n"


def _waits(person: Person, case: Case, burst: Burst, *, now: datetime) -> tuple[int, int]:
    """How many cases of a burst somebody may look at again, and the number of the first; of none of
    them, this one where they see it, because somebody has to see to it."""
    logins = list(User.objects.filter(person=person, is_active=True).select_related("person"))
    if not logins:
        # What they may see is known once they sign in.
        plan = stages.plan_of(case)
        return (0, 0) if plan is not None and plan.blind else (1, case.number)
    theirs, here = Q(pk__in=[]), False
    for user in logins:
        theirs |= Q(pk__in=waiting_for(user, now=now).values("pk"))
        blind = sight.hidden(user, now=now)
        seen = visible.cases(user, now=now).filter(pk=case.pk)
        here |= (seen if blind is None else seen.exclude(blind)).exists()
    rows = Case.objects.filter(theirs, pk__in=unsettled().filter(burst=burst).values("case"))
    found = rows.aggregate(many=Count("pk"), first=Min("number"))
    return (found["many"], found["first"]) if found["many"] else (int(here), case.number)
