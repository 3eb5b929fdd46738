"""An access request that walks the stages of its policy: nothing is in force before the last one."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import DelegationVersion, User
from identities.permissions import NotAllowed
from reviews import actions
from reviews.actions import deadlines, manifests
from reviews.models import Case, Notice
from reviews.policy_document import REQUESTS

from . import stages
from .conftest import DAY, HOUR, NOW, Told, everything_counts, make_user
from .stages import FIRST, SECOND, fresh, say, seat
from .test_requests import WANTED

pytestmark = pytest.mark.django_db


@pytest.fixture
def teams(story: Told) -> dict[str, User]:
    ivo, ada = make_user("ivo", "owner"), make_user("ada", "owner")
    stages.team("IAM", ivo)
    stages.team("AI risk", ada)
    return {"ivo": ivo, "ada": ada}


def asked(story: Told, *more: dict[str, Any], by: User | None = None, **fields: Any) -> Case:
    """A request under such a policy; everybody is told, and all time counts."""
    stages.policy(*(more or (FIRST, SECOND)), name=REQUESTS, **fields)
    case = actions.request_access(
        identity=story.identity, wanted=WANTED, by=by or story.rita, now=NOW, reason="audit"
    )
    everything_counts(case, until=NOW + 60 * DAY)
    return fresh(case)


def answer(case: Case, one: User, other: User, said: str, stage: str, now: datetime = NOW) -> None:
    say(case, one, said, seat(case, "identity_owner", stage), kind="grant", now=now)
    say(case, other, said, seat(case, "ai_owner", stage), kind="grant", now=now)


def states(case: Case) -> list[str]:
    while actions.carry_out_next(now=NOW + 10 * DAY):
        pass
    rows = DelegationVersion.objects.filter(delegation=case.items.get().ref, superseded_at=None)
    return list(rows.values_list("state", flat=True))


def told(user: User) -> list[str]:
    return list(Notice.objects.filter(person=user.person).values_list("occasion", flat=True))


def test_a_request_is_in_force_when_its_last_stage_has_approved(
    story: Told, teams: dict[str, User]
) -> None:
    case = asked(story)
    assert (case.stage, case.next_stage) == ("Owners", "Second look")
    assert case.deadline_at == NOW + 48 * HOUR
    assert (bool(told(story.ines)), told(teams["ivo"])) == (True, [])
    with pytest.raises(NotAllowed, match="Second look has not begun"):
        say(
            case, teams["ivo"], "approve", seat(case, "identity_owner", "Second look"), kind="grant"
        )
    answer(case, story.ines, story.samuel, "approve", "Owners")
    now = stages.after_undo(NOW)
    stages.sweep(now)
    case = fresh(case)
    assert (case.stage, case.state, states(case)) == ("Second look", "open", ["proposed"])
    assert case.deadline_at == now + 24 * HOUR
    assert len(told(teams["ivo"])) == 1
    answer(case, teams["ivo"], teams["ada"], "approve", "Second look", now)
    assert (fresh(case).state, states(case)) == ("decided", ["in_force"])


@pytest.mark.parametrize("stage", ["Owners", "Second look"])
def test_one_denial_in_any_stage_denies_the_request(
    story: Told, teams: dict[str, User], stage: str
) -> None:
    case, now = asked(story), NOW
    one = story.ines
    if stage == "Second look":
        answer(case, story.ines, story.samuel, "approve", "Owners")
        now, one = stages.after_undo(NOW), teams["ivo"]
        stages.sweep(now)
    say(case, one, "deny", seat(case, "identity_owner", stage), kind="grant", now=now)
    assert (fresh(case).state, states(case)) == ("decided", ["rejected"])
    assert fresh(case).stage == stage


@pytest.mark.parametrize("answered", [False, True])
def test_a_stage_in_which_an_answer_is_missing_denies_the_request(
    story: Told, teams: dict[str, User], *, answered: bool
) -> None:
    case = asked(story)
    assert deadlines.sentence(case) == "the request is denied"
    if answered:
        say(case, story.ines, "approve", seat(case, "identity_owner", "Owners"), kind="grant")
    stages.sweep(NOW + 49 * HOUR)
    assert (fresh(case).stage, states(case)) == ("Owners", ["rejected"])
    assert told(teams["ivo"]) == []


def test_where_one_stage_is_enough_silence_asks_the_next(
    story: Told, teams: dict[str, User]
) -> None:
    case = asked(story, strategy="one_accept_accepts")
    assert deadlines.sentence(case) == "Second look is asked"
    stages.sweep(NOW + 49 * HOUR)
    case = fresh(case)
    assert (case.stage, deadlines.sentence(case)) == ("Second look", "the request is denied")
    now = NOW + 49 * HOUR
    answer(case, teams["ivo"], teams["ada"], "approve", "Second look", now)
    assert states(case) == ["in_force"]


def test_who_asks_signs_in_no_stage(story: Told, teams: dict[str, User]) -> None:
    case = asked(story, by=teams["ivo"])
    answer(case, story.ines, story.samuel, "approve", "Owners")
    now = stages.after_undo(NOW)
    stages.sweep(now)
    with pytest.raises(NotAllowed, match="the requester never signs"):
        answer(case, teams["ivo"], teams["ada"], "approve", "Second look", now)
    # Nobody else is in that team, so its silence denies.
    stages.sweep(now + 25 * HOUR)
    assert states(case) == ["rejected"]


def test_a_blind_stage_of_a_request_sees_no_earlier_answer(
    client: Client, story: Told, teams: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = asked(story, FIRST, SECOND | {"sight": "blind"})
    answer(case, story.ines, story.samuel, "approve", "Owners")
    now = stages.after_undo(NOW)
    stages.sweep(now)
    monkeypatch.setattr(timezone, "now", lambda: now)
    for user, reasons in ((teams["ivo"], []), (story.otto, ["ines says so", "samuel says so"])):
        client.force_login(user)
        said = client.get(f"/cases/{case.key}.json").json()["items"][0]["answers"]
        assert [one["reason"] for one in said] == reasons


def test_a_manifest_asks_both_owners_at_once(story: Told, teams: dict[str, User]) -> None:
    stages.policy(FIRST, SECOND, name=REQUESTS)
    made = manifests.declare(
        identity=story.identity,
        said={
            "version": "2.1.0",
            "tools": ["search"],
            "permissions": [{"actions": ["s3:GetObject"], "resources": ["invoices/*"]}],
        },
        by=story.rita,
        now=NOW,
        reason="a release",
    )
    case = manifests.case_of(made)
    assert case is not None
    assert (case.stage, [one.turn for one in case.seats.all()]) == ("", ["now"] * 3)
