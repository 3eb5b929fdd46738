"""Signing, conflicts, carrying out, and what is frozen with each signature."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from evidence import capsules
from evidence.models import LedgerEntry
from identities.models import DelegationVersion, Revocation
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.actions import answers
from reviews.models import Case, Decision, Notice

from .conftest import DAY, HOUR, KEY, NOW, Told, item_of, seat_of

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
AI = {"seat": "ai_owner"}


def test_open_review_builds_seats_and_items(story: Told, case: Case) -> None:
    assert [
        (seat.kind, str(seat.party), str(seat.backup)) for seat in case.seats.order_by("position")
    ] == [
        ("identity_owner", "Ines", "Marek"),
        ("ai_owner", "Samuel", "None"),
        ("tie_breaker", "Leila", "None"),
    ]
    assert [(item.kind, item.recommendation) for item in case.items.order_by("position")] == [
        ("delegation", "narrow"),
        ("credential", "replace"),
    ]
    assert (
        item_of(case, "delegation").recommendation_reason == "1 of 2 actions not seen in evidence"
    )
    assert item_of(case, "credential").snapshot["count"] == 5
    assert list(Decision.objects.all()) == []


def test_open_review_twice_gives_the_same_case(story: Told, case: Case) -> None:
    again = actions.open_review(identity=story.identity, by=story.ines, now=NOW, reason="again")
    assert again == case


def test_decide_freezes_what_was_shown(story: Told, case: Case, sign: Sign) -> None:
    row = sign(case, "credential", story.ines, "keep")
    capsule = row.capsule
    assert capsules.intact(capsule)
    assert [event["credential"] for event in capsule.body["events"]] == [KEY] * 5
    assert [one["source"] for one in capsule.body["deposits"]] == ["cloudtrail"]
    assert capsule.body["shown"]["recommendation"] == "replace"
    assert capsule.body["completeness"] == [
        {
            "source": "cloudtrail",
            "complete_to": None,
            "shown_by": "not known",
            "sampling": 1.0,
            "gaps": [],
        }
    ]
    capsule.body["events"][0]["resource"] = "other"
    assert not capsules.intact(capsule)


def test_capsule_refuses_change(story: Told, case: Case, sign: Sign, as_owner: Any) -> None:
    sign(case, "credential", story.ines, "keep")
    with pytest.raises(Exception, match=r"denied|append-only"), connection.cursor() as cursor:
        cursor.execute("UPDATE evidence_capsule SET subject = 'x'")


def test_decide_equal_answers_agree_and_close(story: Told, case: Case, sign: Sign) -> None:
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep")
        sign(case, kind, story.samuel, "keep", **AI)
    case.refresh_from_db()
    assert (case.state, [item.outcome for item in case.items.order_by("position")]) == (
        "decided",
        ["keep", "keep"],
    )
    # Nothing goes out while it can be taken back.
    assert actions.carry_out_next(now=NOW) is False
    later = NOW + answers.UNDO
    while actions.carry_out_next(now=later):
        pass
    case.refresh_from_db()
    assert case.state == "closed"
    current = DelegationVersion.objects.get(
        delegation=story.delegation, superseded_at=None, during__contains=later
    )
    assert (current.signed, current.imported, current.case) == (True, False, case.pk)


def test_decide_supersedes_and_keeps_the_earlier_answer(
    story: Told, case: Case, sign: Sign
) -> None:
    sign(case, "credential", story.ines, "keep")
    sign(case, "credential", story.ines, "revoke", now=NOW + HOUR)
    rows = Decision.objects.order_by("at")
    assert [(row.answer, row.superseded_at) for row in rows] == [
        ("keep", NOW + HOUR),
        ("revoke", None),
    ]


def test_decide_with_an_old_version_names_who_signed(story: Told, case: Case, sign: Sign) -> None:
    before = Case.objects.get(pk=case.pk).version
    sign(case, "credential", story.samuel, "keep", **AI)
    with pytest.raises(
        NotPossible, match=r"Samuel signed at 12:00:00 UTC: read it and decide again"
    ):
        actions.decide(
            case=case,
            item=item_of(case, "credential"),
            seat=seat_of(case, "identity_owner"),
            answer="keep",
            reason="x",
            by=story.ines,
            now=NOW,
            version=before,
        )


def test_conflict_holds_the_stricter_and_tie_break_settles(
    story: Told, case: Case, sign: Sign
) -> None:
    sign(case, "credential", story.samuel, "keep", **AI)
    sign(case, "credential", story.ines, "revoke")
    item = item_of(case, "credential")
    assert (item.outcome, item.held) == ("conflict", "revoke")
    assert [(row.step, row.state) for row in Revocation.objects.all()] == [("hold", "requested")]
    asked = Notice.objects.filter(person=story.samuel.person, occasion__contains="conflict")
    assert asked.count() == 1

    def settle(now: Any) -> Any:
        return actions.tie_break(
            case=case,
            item=item_of(case, "credential"),
            answer="keep",
            reason="needed",
            by=story.leila,
            now=now,
            version=Case.objects.get(pk=case.pk).version,
        )

    with pytest.raises(NotAllowed, match="may change their answers until"):
        settle(NOW + HOUR)
    settle(case.deadline_at + HOUR)
    item = item_of(case, "credential")
    assert (item.outcome, item.held) == ("keep", "")
    assert [(row.step, row.state) for row in Revocation.objects.order_by("number")] == [
        ("hold", "undone"),
        ("release", "requested"),
    ]


def test_conflict_resolved_by_changing_an_answer_revokes_once(
    story: Told, case: Case, sign: Sign
) -> None:
    sign(case, "credential", story.samuel, "keep", **AI)
    sign(case, "credential", story.ines, "revoke")
    sign(case, "credential", story.samuel, "revoke", now=NOW + HOUR, **AI)
    item = item_of(case, "credential")
    assert (item.outcome, item.carried_out_at) == ("revoke", NOW + HOUR)
    assert [row.step for row in Revocation.objects.order_by("number")] == ["hold", "revoke"]
    with pytest.raises(NotAllowed, match="It has gone out"):
        sign(case, "credential", story.samuel, "keep", now=NOW + 2 * HOUR, **AI)


def test_conflict_on_a_delegation_stops_it_and_lets_go(story: Told, case: Case, sign: Sign) -> None:
    sign(case, "delegation", story.samuel, "keep", **AI)
    sign(case, "delegation", story.ines, "revoke")
    assert actions_in_force(story, NOW + HOUR) == []
    sign(case, "delegation", story.ines, "keep", now=NOW + HOUR)
    assert actions_in_force(story, NOW + 2 * HOUR) == [["s3:GetObject", "s3:PutObject"]]
    assert item_of(case, "delegation").outcome == "keep"


def actions_in_force(story: Told, at: Any) -> list[list[str]]:
    return list(
        DelegationVersion.objects.filter(
            delegation=story.delegation, superseded_at=None, state="in_force", during__contains=at
        ).values_list("actions", flat=True)
    )


def test_narrow_leaves_what_both_seats_leave(story: Told, case: Case, sign: Sign) -> None:
    left = {"actions": ["s3:GetObject"], "resources": ["invoices/*", "reports/*"]}
    sign(case, "delegation", story.ines, "narrow", proposal=left)
    less = {"actions": ["s3:GetObject"], "resources": ["invoices/*"]}
    sign(case, "delegation", story.samuel, "narrow", proposal=less, **AI)
    for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        sign(case, "credential", user, "keep", seat=seat)
    later = NOW + HOUR
    while actions.carry_out_next(now=later):
        pass
    row = DelegationVersion.objects.get(
        delegation=story.delegation, superseded_at=None, during__contains=later
    )
    assert (row.actions, row.resources, row.signed) == (["s3:GetObject"], ["invoices/*"], True)
    # The time before stays as it was.
    assert actions_in_force(story, NOW - HOUR) == [["s3:GetObject", "s3:PutObject"]]


def test_narrow_wider_than_in_force_is_refused(story: Told, case: Case, sign: Sign) -> None:
    wider = {"actions": ["s3:*"], "resources": ["*"]}
    with pytest.raises(NotPossible, match="This is wider than DLG-"):
        sign(case, "delegation", story.ines, "narrow", proposal=wider)


def test_replace_ends_at_its_date(story: Told, case: Case, sign: Sign) -> None:
    plan = {"plan": "move to a role", "control": "one address only", "by": NOW + 3 * DAY}
    for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        sign(case, "credential", user, "replace", seat=seat, proposal=plan)
        sign(case, "delegation", user, "keep", seat=seat)
    while actions.carry_out_next(now=NOW + HOUR):
        pass
    case.refresh_from_db()
    assert (case.state, item_of(case, "credential").due_at) == ("carrying_out", NOW + 3 * DAY)
    assert Revocation.objects.count() == 0
    while actions.carry_out_next(now=NOW + 3 * DAY):
        pass
    assert [(row.step, row.case) for row in Revocation.objects.all()] == [("revoke", case.pk)]
    entry = LedgerEntry.objects.get(act="item.plan_due")
    assert entry.at == NOW + 3 * DAY


def test_replace_of_a_critical_identity_asks_a_person(story: Told, case: Case, sign: Sign) -> None:
    story.identity.criticality = "critical"
    story.identity.save(update_fields=["criticality"])
    plan = {"plan": "move to a role", "control": "one address only", "by": NOW + DAY}
    for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        sign(case, "credential", user, "replace", seat=seat, proposal=plan)
        sign(case, "delegation", user, "keep", seat=seat)
    while actions.carry_out_next(now=NOW + 2 * DAY):
        pass
    assert Revocation.objects.count() == 0
    assert Notice.objects.filter(subject__contains="a replacement is due").count() == 2
    actions.carry_again(case=case, by=story.ines, now=NOW + 2 * DAY)
    assert [row.step for row in Revocation.objects.all()] == ["revoke"]


def test_case_stays_open_until_revocations_are_effective(
    story: Told, case: Case, sign: Sign
) -> None:
    for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        sign(case, "credential", user, "revoke", seat=seat)
        sign(case, "delegation", user, "revoke", seat=seat)
    while actions.carry_out_next(now=NOW + HOUR):
        pass
    case.refresh_from_db()
    assert case.state == "carrying_out"
    assert actions_in_force(story, NOW + HOUR) == []
    Revocation.objects.update(state="effective", effective_at=NOW + HOUR)
    while actions.carry_out_next(now=NOW + HOUR):
        pass
    case.refresh_from_db()
    assert (case.state, case.closed_at) == ("closed", NOW + HOUR)


def test_undo_takes_back_within_eight_seconds(story: Told, case: Case, sign: Sign) -> None:
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep")
        sign(case, kind, story.samuel, "keep", **AI)
    actions.undo(
        case=case, item=item_of(case, "credential"), by=story.samuel, now=NOW + HOUR / 1800
    )
    case.refresh_from_db()
    assert (case.state, item_of(case, "credential").outcome) == ("open", "")
    sign(case, "credential", story.samuel, "keep", **AI)
    with pytest.raises(NotAllowed, match="it has gone out"):
        actions.undo(
            case=case, item=item_of(case, "credential"), by=story.samuel, now=NOW + answers.UNDO
        )


@pytest.mark.parametrize(
    ("kind", "said", "words"),
    [
        ("credential", "narrow", "is no answer to a credential"),
        ("credential", "approve", "is no answer to a credential"),
        ("credential", "replace", "Say the plan"),
        ("delegation", "replace", "Say the plan"),
        ("delegation", "approve", "is no answer to a delegation"),
        ("credential", "nonsense", "is no answer to a credential"),
    ],
)
def test_decide_with_a_wrong_answer_says_what_is_right(
    story: Told, case: Case, sign: Sign, kind: str, said: str, words: str
) -> None:
    with pytest.raises(NotPossible, match=words):
        sign(case, kind, story.ines, said)
