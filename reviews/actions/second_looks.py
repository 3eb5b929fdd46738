"""Whose second look the cases of a burst wait for, and how they are told.

Owns both for one person over many cases; who may look again at one case is reviews/independence.py,
and who may not know of it reviews/sight.py. What a look does is attention.py.
"""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from identities.models import Identity, Person, User
from identities.permissions import groups
from reviews import permissions, persons, sight, visible
from reviews.models import FAST, Burst, Case, Notice, Provisional, Seat

from . import reminders, stages
from .asked import Asked

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
    theirs = groups(user)
    if user.person_id is None or "auditor" in theirs or not unsettled().exists():
        return Case.objects.none()
    marks = unsettled().filter(case=OuterRef("pk"))
    rows = visible.cases(user, now=now).filter(
        Exists(marks), ~Exists(marks.filter(burst__person=user.person_id))
    )
    rows = rows.exclude(state="cancelled").exclude(requester=user.person_id)
    if "reviewer" not in theirs:
        mine = permissions.mine(user, now=now)
        rows = rows.filter(
            Exists(Seat.objects.filter(Q(party__in=mine) | Q(backup__in=mine), case=OuterRef("pk")))
        )
    humans = Identity.objects.filter(kind="human", pk__in=rows.values("identity"))
    me = [pk for pk, those in persons.subjects(humans).items() if user.person_id in those]
    # That answers came fast says what they were: who is asked blind must not find it here.
    blind = sight.hidden(user, rows, now=now)
    return rows.exclude(Q(identity__in=me) | Q(pk__in=blind)) if me or blind else rows


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
            numbers = [] if row.person_id in told else _numbers(row.person, case, burst, now=now)
            if not numbers:
                continue
            _say(row, numbers)
            row.occasion = once
        rows.append(row)
    return rows


def _say(row: Notice, numbers: Sequence[int]) -> None:
    """One case by its name, several by their number and the list of them."""
    what, where = f"CS-{numbers[0]}", f"/cases/CS-{numbers[0]}/"
    if len(numbers) > 1:
        what, where = f"{len(numbers):,} reviews", MINE
        row.case = None
    row.subject, row.body = f"{what}: {FAST}", f"{BODY}\n\n{settings.BASE_URL}{where}\n"


def _numbers(person: Person, case: Case, burst: Burst, *, now: datetime) -> list[int]:
    """The numbers of the cases of a burst that somebody may look at again; of none of them, this
    one's where they see it, because somebody has to see to it."""
    logins = list(User.objects.filter(person=person, is_active=True).select_related("person"))
    if not logins:
        # What they may see is known once they sign in.
        plan = stages.plan_of(case)
        return [] if plan is not None and plan.blind else [case.number]
    theirs = Q(pk__in=unsettled().filter(burst=burst).values("case"))
    found: set[int] = set()
    for user in logins:
        found.update(waiting_for(user, now=now).filter(theirs).values_list("number", flat=True))
    for user in () if found else logins:
        rows = visible.cases(user, now=now).filter(pk=case.pk)
        if not sight.hidden(user, rows, now=now):
            found.update(rows.values_list("number", flat=True))
    return sorted(found)
