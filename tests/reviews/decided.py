"""Cases of `silent` that are decided, with the answers that stand on their items: written at once.

Used by the benchmark of closing a campaign as well.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from identities.models import User
from reviews.models import Case, Decision, Item

from . import silent
from .conftest import DAY

# By the place of an item in its case: what is decided of it in every other case.
ANSWERS = (("keep", "keep"), ("revoke", "replace"), ("keep", "keep"), ("narrow", "revoke"))


def decide(
    cases: Sequence[Case],
    *,
    by: User,
    at: datetime,
    answers: Sequence[Sequence[str]] = ANSWERS,
    **fields: Any,
) -> None:
    """The owner answered each item, and nothing of it has gone out. `fields`: of the cases."""
    seats = {one.case_id: one for case in cases for one in case.seats.filter(kind="identity_owner")}
    given: dict[UUID, str] = {}
    person = by.person
    assert person is not None
    for position, said in enumerate(answers):
        for place, answer in enumerate(said):
            some = [case.pk for case in cases[place :: len(said)]]
            rows = Item.objects.filter(case__in=some, position=position)
            rows.update(outcome=answer, outcome_at=at)
            given |= dict.fromkeys(rows.values_list("pk", flat=True), answer)
    Decision.objects.bulk_create(
        [
            Decision(
                item=item,
                seat=seats[item.case_id],
                answer=given[item.pk],
                reason="x",
                proposal=_proposal(given[item.pk], at),
                by=by,
                person=person,
                at=at,
                not_before=at,
            )
            for item in Item.objects.filter(pk__in=given)
        ],
        batch_size=2_000,
    )
    Case.objects.filter(pk__in=[case.pk for case in cases]).update(
        state="decided", decided_at=at, **fields
    )


def _proposal(answer: str, at: datetime) -> dict[str, object]:
    if answer == "narrow":
        return dict(silent.LEFT)
    if answer == "replace":
        return {"plan": "move to a role", "by": (at + 30 * DAY).isoformat()}
    return {}
