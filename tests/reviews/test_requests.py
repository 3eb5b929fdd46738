"""An access request becomes a delegation in force: the only way."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from identities.models import Delegation, DelegationVersion
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.models import Case
from tests import once

from .conftest import DAY, HOUR, NOW, Told, everything_counts

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
WANTED = actions.Wanted(
    actions=["s3:PutObject"],
    resources=["archive/*"],
    purpose="keep a copy",
    ends_at=NOW + 30 * DAY,
)


@pytest.fixture
@once.told
def asked(story: Told) -> Case:
    return actions.request_access(
        identity=story.identity, wanted=WANTED, by=story.rita, now=NOW, reason="audit"
    )


def in_force(case: Case, at: datetime) -> list[tuple[list[str], bool, Any]]:
    return list(
        DelegationVersion.objects.filter(
            delegation=case.items.get().ref,
            state="in_force",
            superseded_at=None,
            during__contains=at,
        ).values_list("actions", "signed", "case")
    )


def test_request_is_not_in_force_before_it_is_signed(asked: Case) -> None:
    assert in_force(asked, NOW) == []
    assert [seat.kind for seat in asked.seats.order_by("position")] == [
        "identity_owner",
        "ai_owner",
        "tie_breaker",
    ]


def test_request_approved_by_both_seats_comes_into_force(
    story: Told, asked: Case, sign: Sign
) -> None:
    sign(asked, "grant", story.ines, "approve")
    while actions.carry_out_next(now=NOW):
        pass
    assert in_force(asked, NOW) == []
    sign(asked, "grant", story.samuel, "approve", seat="ai_owner")
    while actions.carry_out_next(now=NOW):
        pass
    asked.refresh_from_db()
    assert asked.state == "closed"
    assert in_force(asked, NOW + HOUR) == [(["s3:PutObject"], True, asked.pk)]
    assert in_force(asked, NOW + 30 * DAY) == []


def test_request_denied_by_one_seat_grants_nothing(story: Told, asked: Case, sign: Sign) -> None:
    sign(asked, "grant", story.ines, "approve")
    sign(asked, "grant", story.samuel, "deny", seat="ai_owner")
    while actions.carry_out_next(now=NOW):
        pass
    states = DelegationVersion.objects.filter(
        delegation=asked.items.get().ref, superseded_at=None
    ).values_list("state", flat=True)
    assert list(states) == ["rejected"]


def test_request_nobody_answers_is_denied_at_its_deadline(asked: Case) -> None:
    late = asked.deadline_at + HOUR
    everything_counts(asked, until=late)
    while actions.deadlines_next(now=late):
        pass
    while actions.carry_out_next(now=late):
        pass
    asked.refresh_from_db()
    assert (asked.state, asked.items.get().outcome) == ("closed", "deny")
    assert in_force(asked, late) == []


def test_requester_never_signs(story: Told, sign: Sign) -> None:
    case = actions.request_access(
        identity=story.identity, wanted=WANTED, by=story.ines, now=NOW, reason="mine"
    )
    with pytest.raises(NotAllowed, match="the requester never signs"):
        sign(case, "grant", story.ines, "approve")
    assert sign(case, "grant", story.marek, "approve").person == story.marek.person


def test_request_renews_in_place_of_what_is_in_force(story: Told, sign: Sign) -> None:
    wanted = actions.Wanted(
        actions=["s3:GetObject"],
        resources=["invoices/*"],
        purpose="longer",
        ends_at=NOW + 60 * DAY,
    )
    case = actions.request_access(
        identity=story.identity,
        wanted=wanted,
        by=story.rita,
        now=NOW,
        reason="renew",
        delegation=story.delegation,
    )
    for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        sign(case, "grant", user, "approve", seat=seat, now=NOW + HOUR)
    while actions.carry_out_next(now=NOW + HOUR):
        pass
    assert [row[0] for row in in_force(case, NOW)] == [["s3:GetObject", "s3:PutObject"]]
    assert [row[0] for row in in_force(case, NOW + 59 * DAY)] == [["s3:GetObject"]]


def test_request_of_a_proposal_from_a_file(story: Told, sign: Sign) -> None:
    delegation = Delegation.objects.create(grantee=story.identity, slug="proposed", created_at=NOW)
    DelegationVersion.objects.create(
        delegation=delegation,
        version=1,
        actions=["s3:ListBucket"],
        resources=["invoices"],
        during=(None, NOW + DAY),
        recorded_at=NOW,
        by="command",
    )
    case = actions.request_access(
        identity=story.identity,
        wanted=None,
        by=story.rita,
        now=NOW,
        reason="as registered",
        delegation=delegation,
    )
    for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        sign(case, "grant", user, "approve", seat=seat)
    while actions.carry_out_next(now=NOW):
        pass
    assert in_force(case, NOW) == [(["s3:ListBucket"], True, case.pk)]


def test_request_twice_for_one_delegation_names_the_first(story: Told, asked: Case) -> None:
    delegation = Delegation.objects.exclude(pk=story.delegation.pk).get()
    with pytest.raises(NotPossible, match=f"It is asked for already, in {asked.key}"):
        actions.request_access(
            identity=story.identity,
            wanted=WANTED,
            by=story.ines,
            now=NOW,
            reason="x",
            delegation=delegation,
        )


def test_request_wider_than_its_parent_is_refused(story: Told) -> None:
    child = Delegation.objects.create(
        grantee=story.identity, parent=story.delegation, created_at=NOW
    )
    with pytest.raises(NotPossible, match="beyond its parent"):
        actions.request_access(
            identity=story.identity,
            wanted=WANTED,
            by=story.rita,
            now=NOW,
            reason="x",
            delegation=child,
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"actions": []}, "Name the actions"),
        ({"resources": []}, "Name the resources"),
        ({"purpose": " "}, "Say the purpose"),
        ({"ends_at": NOW}, "The end must lie ahead"),
        ({"ends_at": NOW + 400 * DAY}, "at most 366 days"),
        ({"actions": ["s3:Get?bject"]}, r"\?"),
    ],
)
def test_request_that_lacks_something_says_what(
    story: Told, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(NotPossible, match=words):
        actions.request_access(
            identity=story.identity,
            wanted=WANTED._replace(**change),
            by=story.rita,
            now=NOW,
            reason="x",
        )
    assert Case.objects.count() == 0


def test_requester_takes_it_back(story: Told, asked: Case) -> None:
    with pytest.raises(NotAllowed, match="Only the requester"):
        actions.cancel(case=asked, by=story.ines, now=NOW, reason="no")
    actions.cancel(case=asked, by=story.rita, now=NOW, reason="not needed")
    asked.refresh_from_db()
    assert asked.state == "cancelled"
