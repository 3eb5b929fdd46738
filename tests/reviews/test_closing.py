"""A case closes when everything it asked for is effective; what failed waits for a person."""

from collections.abc import Callable
from typing import Any

import pytest

from identities.models import Revocation
from reviews import actions
from reviews.models import Case

from .conftest import HOUR, NOW, Told

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("state", "who", "then"),
    [
        ("requested", "", "carrying_out"),
        ("sent", "", "carrying_out"),
        ("confirmed", "", "carrying_out"),
        ("effective", "", "closed"),
        ("failed", "the AWS team", "carrying_out"),
        # Who must act could not be told: it has failed all the same.
        ("failed", "", "carrying_out"),
        ("undone", "", "closed"),
    ],
)
def test_case_waits_for_what_it_asked_for(
    story: Told, case: Case, sign: Callable[..., Any], state: str, who: str, then: str
) -> None:
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep")
        sign(case, kind, story.samuel, "keep", seat="ai_owner")
    Revocation.objects.create(
        identity=story.identity,
        step="hold",
        system="aws",
        target={},
        words="Hold it",
        state=state,
        who_must_act=who,
        requested_at=NOW,
        requested_by="countersign",
        case=case.pk,
        case_key=case.key,
        not_before=NOW,
    )
    while actions.carry_out_next(now=NOW + HOUR):
        pass
    assert Case.objects.get(pk=case.pk).state == then
