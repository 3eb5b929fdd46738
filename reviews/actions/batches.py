"""Sweeps that do something in many locked cases in one transaction, each case whole and once.

Owns how many go together, and that one in which it fails keeps nothing from happening in the
others. What is done in them is the sweep's (deadlines.py, carrying.py).
"""

import logging
from collections.abc import Callable, Sequence
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Count, QuerySet

from reviews.models import Case, Item

log = logging.getLogger(__name__)

# So many cases in one transaction, and so many items, unless one case alone has more.
MOST = 250
MOST_ITEMS = 2_500

# Locks cases in which something is due; with an id, this one if it is due.
type Take = Callable[[UUID | None], list[Case]]
# Does it in them; whether it is not due any more. The sentence, if any: why it cannot be done in
# this one case, so that a person has to look.
type Act = Callable[[list[Case], str], bool]


def sweep(take: Take, act: Act) -> bool:
    """Do what is due in some cases; False when nothing is, or nothing of it could be done."""
    cases: list[Case] = []
    try:
        with transaction.atomic():
            cases = take(None)
            return bool(cases) and act(cases, "")
    except Exception:
        if not cases:
            raise
        log.exception("%d cases are swept one after the other", len(cases))
    return _one_by_one([case.pk for case in cases], take, act)


def _one_by_one(pks: Sequence[UUID], take: Take, act: Act) -> bool:
    """Do it in each of these by itself; whether anything was done. What fails in one is noted on
    it, and a person has to look; what only met somebody else is left to the next sweep."""
    done = False
    left: Exception | None = None
    for pk in pks:
        try:
            done |= _alone(pk, take, act)
        except OperationalError as problem:
            left = problem
        except Exception as problem:  # noqa: BLE001 - whatever is wrong with one, it is not the others'
            try:
                done |= _alone(pk, take, act, why=in_words(problem))
            except Exception as again:  # noqa: BLE001 - the others still have their turn
                left = again
    if left is not None and not done:
        raise left
    return done


def _alone(pk: UUID, take: Take, act: Act, *, why: str = "") -> bool:
    with transaction.atomic():
        cases = take(pk)
        return bool(cases) and act(cases, why)


def in_words(problem: Exception) -> str:
    """What a person reads of something that nobody expected."""
    said = (str(problem).splitlines() or [""])[0][:200]
    return f"It could not be done ({type(problem).__name__}: {said}). Look what is wrong."


def apart(act: Callable[[], None]) -> str:
    """Do something so that its failure takes back nothing else; why it failed, "" where it did not.

    A constraint that is checked at the end is checked here.
    """
    try:
        with transaction.atomic():
            act()
            connection.check_constraints()
    except OperationalError:
        raise
    except Exception as problem:
        log.exception("one of many could not be done")
        return in_words(problem)
    return ""


def locked(rows: QuerySet[Case], *, most: int) -> list[Case]:
    """The first of these rows that no other worker has, in their order, locked."""
    pks = list(
        rows.select_for_update(of=("self",), skip_locked=True).values_list("pk", flat=True)[:most]
    )
    if not pks:
        return []
    cases = Case.objects.select_related("identity__service", "policy").in_bulk(pks)
    return [cases[pk] for pk in pks]


def bounded(cases: Sequence[Case], items: QuerySet[Item], *, most: int) -> list[Case]:
    """The first of these cases, up to so many of these items."""
    rows = items.filter(case__in=cases).values("case")
    many: dict[UUID, int] = dict(rows.annotate(many=Count("pk")).values_list("case", "many"))
    found: list[Case] = []
    taken = 0
    for case in cases:
        taken += many.get(case.pk, 0)
        if found and taken > most:
            break
        found.append(case)
    return found
