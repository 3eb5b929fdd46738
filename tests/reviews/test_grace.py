"""Grace after the deadline, and standing credentials that are too old to be kept as they are."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from identities.models import Credential, Identity, Revocation, Service
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, permissions, standing
from reviews.actions import bulk
from reviews.models import Case, Rung
from reviews.pages import case_clock, queue_items, waiting
from reviews.pages.case import Parts
from reviews.pages.case_data import as_data
from reviews.pages.case_item import decision
from tests import once

from . import stages
from .conftest import DAY, HOUR, NOW, Told, item_of, seat_of
from .test_rungs import away

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
DUE = NOW + 168 * HOUR
WHY = (
    "AKIA…0001 has been standing for 212 days, and the policy keeps one as it is for at most 90:"
    " replace it by a date, or revoke it."
)


def test_grace_moves_what_silence_does_and_nothing_before_it(story: Told) -> None:
    ladder = {
        "normal": [{"after_hours": 100, "does": "remind"}, {"after_hours": 200, "does": "suspend"}]
    }
    case = stages.opened(story, grace_hours=12, ladder=ladder)
    rows = Rung.objects.filter(case=case).order_by("at").values_list("does", "at")
    assert (case.deadline_at, list(rows)) == (
        DUE,
        [
            ("remind", NOW + 100 * HOUR),
            ("due", DUE + 12 * HOUR),
            ("suspend", NOW + 212 * HOUR),
        ],
    )


def test_answers_count_in_grace_and_silence_waits_for_its_end(story: Told, sign: Sign) -> None:
    case = stages.opened(story, grace_hours=12, silence="revoke")
    stages.sweep(DUE + 11 * HOUR)
    case = stages.fresh(case)
    assert case.silence_done_at is None
    said = case_clock.of(case, now=DUE + HOUR)
    assert said is not None
    assert said["sentence"].startswith("If nobody decides by 2 Dec 2026 00:00 UTC:")
    assert said["notes"][0] == (
        "Answers are due by 1 Dec 2026 12:00 UTC and still count until 2 Dec 2026 00:00 UTC."
    )
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep", now=DUE + HOUR)
        sign(case, kind, story.samuel, "keep", seat="ai_owner", now=DUE + HOUR)
    assert stages.fresh(case).state == "decided"
    assert Revocation.objects.count() == 0


def test_silence_acts_when_grace_is_over(story: Told) -> None:
    case = stages.opened(story, grace_hours=12, silence="revoke")
    stages.sweep(DUE + 12 * HOUR)
    assert stages.fresh(case).silence_done_at == DUE + 12 * HOUR
    assert item_of(case, "credential").outcome == "revoke"


def test_tie_breaker_waits_for_the_end_of_grace(story: Told, sign: Sign) -> None:
    case = stages.opened(story, grace_hours=12)
    sign(case, "credential", story.ines, "keep")
    sign(case, "credential", story.samuel, "revoke", seat="ai_owner")
    item, seat = item_of(case, "credential"), seat_of(case, "tie_breaker")
    why = permissions.why_not_settle(story.leila, case, seat, item, now=DUE + HOUR)
    assert why is not None
    assert "until 2026-12-02 00:00 UTC" in why
    assert permissions.why_not_settle(story.leila, case, seat, item, now=DUE + 12 * HOUR) is None
    for now, many in ((DUE + HOUR, 0), (DUE + 12 * HOUR, 1)):
        assert len(waiting.for_user(story.leila, now=now)) == many


def test_an_outage_in_grace_gives_that_time_again(story: Told) -> None:
    case = stages.opened(story, grace_hours=12)
    away(DUE + 2 * HOUR, DUE + 8 * HOUR)
    stages.sweep(DUE + 13 * HOUR)
    case = stages.fresh(case)
    assert (case.deadline_at, case.silence_done_at) == (DUE + 6 * HOUR, None)
    stages.sweep(DUE + 18 * HOUR)
    assert stages.fresh(case).silence_done_at == DUE + 18 * HOUR


def test_a_request_has_grace_too(story: Told) -> None:
    stages.policy(name="access request", grace_hours=12)
    wanted = actions.Wanted(
        actions=["s3:ListBucket"],
        resources=["invoices/*"],
        purpose="lists",
        task="",
        on_behalf="",
        starts_at=None,
        ends_at=NOW + 20 * DAY,
    )
    case = actions.request_access(
        identity=story.identity, wanted=wanted, by=story.rita, now=NOW, reason="needed"
    )
    assert (case.silent_at, case.rungs.get(does="due").at) == (DUE + 12 * HOUR, DUE + 12 * HOUR)


# --- a standing credential older than policy -----------------------------------------------------


@pytest.fixture
@once.told
def old(story: Told) -> Case:
    return stages.opened(story, keep_standing_at_most_days=90)


def test_keep_is_refused_with_its_reason_and_the_others_are_open(
    story: Told, old: Case, sign: Sign
) -> None:
    with pytest.raises(NotPossible, match="has been standing for 212 days"):
        sign(old, "credential", story.ines, "keep")
    sign(old, "credential", story.ines, "dont_know")
    sign(old, "credential", story.samuel, "revoke", seat="ai_owner")
    sign(old, "delegation", story.ines, "keep")
    plan = {"plan": "a role", "control": "one address only", "by": NOW + 3 * DAY}
    row = sign(old, "credential", story.ines, "replace", proposal=plan)
    assert row.proposal == plan | {"by": (NOW + 3 * DAY).isoformat()}


def test_form_and_data_say_why_it_is_not_kept(story: Told, old: Case) -> None:
    parts = Parts(old, story.ines, now=NOW)
    form = decision(item_of(old, "credential"), parts, {})
    assert form is not None
    assert {one["value"]: one["why_not"] for one in form["options"]} == {
        "keep": WHY,
        "replace": "",
        "revoke": "",
        "dont_know": "",
    }
    said = {one["kind"]: one for one in as_data(old, story.ines, now=NOW)["items"]}
    assert said["credential"]["possible_answers"] == ["replace", "revoke", "dont_know"]
    assert (said["credential"]["why_not_keep"], said["delegation"]["why_not_keep"]) == (WHY, None)


def test_bulk_keep_leaves_it_out_with_the_same_words(story: Told, old: Case) -> None:
    now = timezone.now()
    Identity.objects.update(criticality="low")
    Service.objects.update(criticality="low")
    picks = queue_items.picks(waiting.for_user(story.ines, now=now))
    for pick in picks:
        pick.item.recommendation = "keep"
    fresh = {old.pk: {"why": ""}}
    why = bulk.why_not_keep(picks, fresh, now=NOW)
    assert why[item_of(old, "credential").pk] == WHY


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "has been standing for 212 days"),
        ({"issued_at": None}, "is not known"),
        ({"issued_at": NOW - 90 * DAY}, None),
        ({"standing": False}, None),
        ({"state": "revoked"}, None),
    ],
)
def test_why_not_keep_by_credential(
    story: Told, old: Case, fields: dict[str, Any], why: str | None
) -> None:
    Credential.objects.filter(pk=story.credential.pk).update(**fields)
    found = standing.why_not_keep(old, item_of(old, "credential"), now=NOW)
    assert found is None if why is None else why in (found or "")


def test_a_stage_keeps_no_old_key_by_default(story: Told) -> None:
    first = stages.FIRST | {"if_nobody_answered": "keep"}
    case = stages.opened(
        story, first, {"name": "Again", "hours": 24}, keep_standing_at_most_days=90
    )
    stages.sweep(NOW + 49 * HOUR)
    assert {item.kind: item.stage_outcomes["0"] for item in case.items.all()} == {
        "credential": "no_response",
        "delegation": "keep",
    }


def test_replace_needs_what_protects_it_until_then(story: Told, old: Case, sign: Sign) -> None:
    with pytest.raises(NotPossible, match="Say the compensating control"):
        sign(old, "credential", story.ines, "replace", proposal={"plan": "a role", "by": NOW + DAY})
    with pytest.raises(NotAllowed, match="belongs to Ines"):
        sign(old, "credential", story.rita, "replace")
