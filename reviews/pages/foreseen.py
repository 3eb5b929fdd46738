"""What happens where nobody decides, as rows of lists say it: at the deadline, and after it.

Owns the line. What silence really does is the actions' (silencing, rungs), when it does is the
clock's, which the page of a case reads; here each case costs nothing of its own.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from reviews.actions import deadlines, rungs, silencing
from reviews.actions.asked import Asked
from reviews.models import Case, Item

# Nothing follows from silence where nothing is left to be decided.
LOOKED_BACK = "asked for again every day, of everybody who may"


def of_cases(
    cases: Collection[Case], fresh: Mapping[Any, Mapping[str, Any]], *, now: datetime
) -> dict[UUID, str]:
    """By case, in as many queries for many as for one. `fresh`: pages/freshness.py, of those of them that are on somebody."""
    known = {case.pk: case for case in cases if case.state != "in_review"}
    later = rungs.to_cut(known)
    differ = _differ(known, now=now)
    found = {case.pk: LOOKED_BACK for case in cases if case.state == "in_review"}
    for pk, case in known.items():
        if pk in differ:
            found[pk] = silencing.DIFFER
            continue
        doubt = _doubt(case, fresh.get(pk))
        then = rungs.then(case, later.get(pk, ()), doubt=doubt)
        found[pk] = f"{deadlines.sentence(case, doubt=doubt)}{then}"
    return found


def _differ(known: Mapping[UUID, Case], *, now: datetime) -> set[UUID]:
    """Those in which every seat has answered, and seats differ."""
    items = Item.objects.filter(case__in=known, outcome="conflict")
    # Seldom any: nothing is asked about the seats of the others.
    differ = set(items.values_list("case", flat=True))
    if not differ:
        return differ
    asked = Asked([known[pk] for pk in differ], now=now)
    # While another stage follows, it is asked; and who sits there may be asked blind.
    return {pk for pk in differ if not known[pk].next_stage and not asked.silent(known[pk])}


def _doubt(case: Case, known: Mapping[str, Any] | None) -> str:
    """Why nothing would be cut. What is only late is waited for as long again as there was."""
    if not known or not known["why"]:
        return ""
    there_was = case.silent_at - case.counts_from - case.not_counted
    return "" if known["late"] and case.not_counted < there_was else str(known["why"])
