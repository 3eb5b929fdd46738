"""A blind stage: whoever is asked in it sees no earlier answer anywhere before having answered."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import User
from identities.permissions import NotAllowed
from reviews import actions, permissions, sight
from reviews.actions import bulk, disclosing
from reviews.models import Burst, Case, Decision, Notice, Provisional, Seat
from reviews.pages import queue_items, waiting
from reviews.pages.case import Parts, context
from reviews.pages.case_data import as_data
from tests import once
from tests.signed_in import sure

from . import stages
from .conftest import HOUR, NOW, Told, item_of, make_user, person_of
from .stages import FIRST, SECOND, fresh, say, seat

pytestmark = pytest.mark.django_db

BLIND = SECOND | {"sight": "blind"}


@pytest.fixture
@once.told
def teams(story: Told) -> dict[str, Any]:
    ivo, ada = make_user("ivo", "owner"), make_user("ada", "owner")
    stages.team("IAM", ivo)
    stages.team("AI risk", ada)
    return {"ivo": ivo, "ada": ada}


@pytest.fixture
@once.told
def begun(story: Told, teams: dict[str, Any]) -> Case:
    """The owners have kept everything; the blind stage is asked."""
    case = stages.opened(story, FIRST, BLIND)
    stages.both(case, story, "keep")
    stages.sweep(stages.after_undo(NOW))
    return fresh(case)


def test_page_and_json_hide_earlier_answers_until_one_has_answered(
    story: Told, teams: dict[str, Any], begun: Case
) -> None:
    ivo, now = teams["ivo"], stages.after_undo(NOW)
    data = as_data(begun, ivo, now=now)
    assert [item["answers"] for item in data["items"]] == [[], []]
    assert data["blind"] == (
        "You are asked in Second look, which does not see earlier answers: answer first."
    )
    page = context(begun, ivo, {}, now=now)
    assert page["comments"] is None
    assert {one["kind"] for row in page["items"] for one in row["answers"]} == {"", "your_turn"}
    assert "keep" not in str(page["stages"])
    # Everybody else sees what they saw before.
    assert [len(item["answers"]) for item in as_data(begun, story.rita, now=now)["items"]] == [2, 2]
    say(begun, ivo, "keep", seat(begun, "identity_owner", "Second look"), now=now)
    shown = {
        item["kind"]: len(item["answers"]) for item in as_data(fresh(begun), ivo, now=now)["items"]
    }
    assert shown == {"credential": 3, "delegation": 0}


def test_a_blind_reviewer_sees_no_conflict_before_the_stage_has_begun(
    story: Told, teams: dict[str, Any]
) -> None:
    case = stages.opened(story, FIRST, BLIND)
    say(case, story.ines, "keep", seat(case, "identity_owner", "Owners"))
    say(case, story.samuel, "dont_know", seat(case, "ai_owner", "Owners"))
    assert item_of(case, "credential").outcome == "conflict"
    item = next(
        one
        for one in as_data(fresh(case), teams["ivo"], now=NOW)["items"]
        if one["kind"] == "credential"
    )
    assert (item["outcome"], item["held"], item["answers"]) == ("", "", [])


def test_whoever_signed_before_is_blind_to_nothing(story: Told, begun: Case) -> None:
    assert as_data(begun, story.ines, now=NOW)["blind"] is None
    assert Parts(begun, story.otto, now=NOW).blind is None


def test_capsule_of_an_earlier_answer_waits(
    client: Client, story: Told, teams: dict[str, Any], begun: Case
) -> None:
    capsule = Decision.objects.filter(item__case=begun, person=story.ines.person).first().capsule  # type: ignore[union-attr]  # made by the fixture
    assert capsule is not None
    why = "You are asked in Second look, which does not see earlier answers: answer first."
    assert sight.why_not_see_capsule(teams["ivo"], begun, capsule, now=NOW) == why
    assert sight.why_not_see_capsule(story.rita, begun, capsule, now=NOW) is None
    for suffix in ("/", ".json"):
        client.force_login(teams["ivo"])
        sure(client)
        answer = client.get(f"/cases/{begun.key}/capsules/{capsule.key}{suffix}")
        assert (answer.status_code, why in answer.content.decode()) == (403, True)


def test_ledger_binds_an_answer_and_tells_it_when_the_blind_stage_is_over(
    story: Told, teams: dict[str, Any], begun: Case
) -> None:
    rows = LedgerEntry.objects.filter(subject=begun.key, act="item.answered")
    assert {"keep" in json.dumps([row.words, row.data]) for row in rows} == {False}
    bound = {row.data["withheld"] for row in rows}
    decisions = Decision.objects.filter(item__case=begun)
    assert bound == {disclosing.commitment(row) for row in decisions}
    assert not LedgerEntry.objects.filter(act="case.answers_disclosed").exists()
    now = stages.after_undo(NOW)
    for kind in ("delegation", "credential"):
        say(
            begun,
            teams["ivo"],
            "keep",
            seat(begun, "identity_owner", "Second look"),
            kind=kind,
            now=now,
        )
        say(begun, teams["ada"], "keep", seat(begun, "ai_owner", "Second look"), kind=kind, now=now)
    told = LedgerEntry.objects.get(act="case.answers_disclosed")
    assert {one["decision"] for one in told.data["answers"]} == {
        str(row.pk) for row in decisions.filter(seat__stage__name="Owners")
    }
    # The blind stage itself is followed by none, so its answers stand in their own rows.
    assert rows.filter(data__answer="keep").count() == 4


def test_feeds_and_notices_tell_a_blind_reviewer_nothing(
    story: Told, teams: dict[str, Any], begun: Case
) -> None:
    now = timezone.now()
    found = waiting.for_user(teams["ivo"], now=now)
    assert [(one.key, one.left) for one in found] == [(begun.key, 2)]
    picks = queue_items.picks(found)
    why = bulk.why_not_keep(picks, {}, now=now)
    assert not any("Another seat" in said for said in why.values())
    bodies = Notice.objects.filter(person=teams["ivo"].person).values_list("subject", "body")
    assert len(bodies) == 1
    assert not any(word in str(bodies).lower() for word in ("keep", "differ", "answered"))


def test_an_earlier_signer_is_refused_in_the_blind_stage(story: Told, begun: Case) -> None:
    row = seat(begun, "identity_owner", "Second look")
    with pytest.raises(NotAllowed, match="one person never signs two seats"):
        permissions.require(permissions.why_not_sit(story.ines, begun, row, now=NOW))


def test_the_page_says_whose_turn_it_is_and_that_it_is_blind(
    client: Client, teams: dict[str, Any], begun: Case
) -> None:
    client.force_login(teams["ivo"])
    sure(client)
    text = client.get(f"/cases/{begun.key}/").content.decode()
    assert "IAM and AI risk are asked until" in text
    assert "which does not see earlier answers: answer first." in text
    assert "Ines and Samuel were asked" in text
    assert "keep on" not in text
    queue = client.get("/queue/").content.decode()
    assert "2 items left for you · Second look" in queue


def test_what_the_tie_breaker_said_is_withheld_like_any_answer(
    story: Told, teams: dict[str, Any]
) -> None:
    case, late = stages.opened(story, FIRST, BLIND), NOW + 50 * HOUR
    for kind in ("delegation", "credential"):
        say(case, story.ines, "keep", seat(case, "identity_owner", "Owners"), kind=kind)
        say(case, story.samuel, "dont_know", seat(case, "ai_owner", "Owners"), kind=kind)
    stages.sweep(late)
    for kind in ("delegation", "credential"):
        actions.tie_break(
            case=case,
            item=item_of(case, kind),
            answer="keep",
            reason="it is used",
            by=story.leila,
            now=late,
            version=Case.objects.get(pk=case.pk).version,
        )
    actions.undo(case=case, item=item_of(case, "credential"), by=story.leila, now=late)
    rows = LedgerEntry.objects.filter(subject=case.key)
    said = [row.words for row in rows if "Leila" in row.words or "leila" in row.words]
    assert len(said) == 3
    assert not any("keep" in words or "differ" in words for words in said)
    assert not rows.filter(act__in=["item.conflict", "item.settled"]).exists()
    actions.cancel(case=fresh(case), by=story.rita, now=late, reason="moved")
    told = rows.get(act="case.answers_disclosed").data["answers"]
    assert [one["answer"] for one in told] == ["keep", "dont_know"] * 2 + ["keep", "keep"]


def test_a_blind_stage_beside_another_sees_no_conflict_in_its_queue(
    story: Told, teams: dict[str, Any]
) -> None:
    case = stages.opened(story, FIRST, BLIND | {"order": "parallel", "hours": 48})
    say(case, story.ines, "keep", seat(case, "identity_owner", "Owners"))
    say(case, story.samuel, "dont_know", seat(case, "ai_owner", "Owners"))

    def shown(user: User) -> tuple[list[int], list[str]]:
        found = waiting.for_user(User.objects.get(pk=user.pk), now=NOW)
        return [one.conflicts for one in found], [
            pick.item.outcome for pick in queue_items.picks(found)
        ]

    assert shown(story.ines) == ([1], ["", "conflict"])
    assert shown(teams["ivo"]) == ([0], ["", ""])
    # One who has answered it sees it.
    say(case, teams["ivo"], "keep", seat(case, "identity_owner", "Second look"))
    assert shown(teams["ivo"]) == ([1], ["", "conflict"])


def test_a_second_look_is_not_for_whoever_is_asked_blind(
    client: Client, story: Told, teams: dict[str, Any]
) -> None:
    case = stages.opened(story, FIRST, BLIND)
    say(case, story.ines, "keep", seat(case, "identity_owner", "Owners"))
    burst = Burst.objects.create(person=person_of(story.ines), since=NOW, until=NOW, answers=50)
    Provisional.objects.create(case=case, burst=burst, marked_at=NOW)
    why = "You are asked in Second look, which does not see earlier answers: answer first."
    for user, status in ((teams["ivo"], 403), (story.rita, 200)):
        client.force_login(user)
        sure(client)
        page = client.get(f"/cases/{case.key}/second-look/")
        assert (page.status_code, why in page.content.decode()) == (status, status == 403)
        said = {"how": "confirm", "reason": "read them"}
        answer = client.post(
            f"/api/cases/{case.key}/second-look/", said, content_type="application/json"
        )
        assert answer.status_code == status
    actions.undo(case=case, item=item_of(case, "credential"), by=story.ines, now=NOW)
    looked = LedgerEntry.objects.get(act="case.confirmed")
    assert (looked.words, looked.data.get("reason")) == (
        "Rita confirmed answers, which a later stage does not see",
        None,
    )


def test_who_is_asked_blind_is_not_told_that_the_stage_before_differs(
    story: Told, teams: dict[str, Any]
) -> None:
    case = stages.opened(story, FIRST, BLIND)
    row = seat(case, "identity_owner", "Owners")
    Seat.objects.filter(pk=row.pk).update(backup=seat(case, "ai_owner", "Second look").party)
    for kind in ("delegation", "credential"):
        say(case, story.ines, "keep", seat(case, "identity_owner", "Owners"), kind=kind)
        say(case, story.samuel, "dont_know", seat(case, "ai_owner", "Owners"), kind=kind)
    stages.sweep(NOW + 50 * HOUR)
    differs = Notice.objects.filter(subject__contains="the seats differ")
    assert [row.person.name for row in differs.select_related("person") if row.person] == ["Leila"]


def test_who_breaks_the_ties_sees_them_where_nobody_is_named_for_the_blind_stage(
    story: Told, teams: dict[str, Any]
) -> None:
    case = stages.opened(story, FIRST, BLIND)
    Seat.objects.filter(case=case, stage__name="Second look").update(party=None, backup=None)
    for user in (story.leila, story.marek):
        user.groups.add(Group.objects.get(name="reviewer"))
    say(case, story.ines, "keep", seat(case, "identity_owner", "Owners"))
    say(case, story.samuel, "dont_know", seat(case, "ai_owner", "Owners"))
    shown = {
        user.username: [one["outcome"] for one in as_data(fresh(case), user, now=NOW)["items"]]
        for user in (User.objects.get(username=name) for name in ("leila", "marek"))
    }
    assert {name: "conflict" in found for name, found in shown.items()} == {
        "leila": True,
        "marek": False,
    }
