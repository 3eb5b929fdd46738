"""A serious finding opens a case about one thing, with a day to answer; what it leaves as it was."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.acting import COMMAND
from identities.actions import findings
from identities.models import Credential, Finding, Identity
from reviews import actions, tasks
from reviews.actions import policy_versions
from reviews.micro_reviews import MAY_BE_SERIOUS, SERIOUS, TRIGGERS
from reviews.models import Case, Notice, Rung, Trigger, Withdrawal
from reviews.policy_document import DocumentError
from reviews.triggers import facts, opening

from .conftest import DAY, HOUR, NOW, Told, item_of, make_user, person_of
from .test_freezes import frozen
from .test_micro_reviews import LATER
from .test_opening import drain, finding
from .test_policy_versions import exempt, put_in_force
from .test_serious_things import found
from .test_withdrawing import page, tell

pytestmark = pytest.mark.django_db
DEFAULT = TRIGGERS[SERIOUS].rules


def small() -> Case:
    return Case.objects.get(trigger=SERIOUS)


def all_of_it(now: Any = LATER) -> None:
    """What the worker does about findings, until nothing is left."""
    while facts.find_of(SERIOUS, now=now) or opening.open_next(now=now) or drain(now):
        pass


@pytest.mark.parametrize("rule", DEFAULT)
def test_serious_finding_is_a_case_of_one_item_with_a_day_to_answer(story: Told, rule: str) -> None:
    row = found(story, rule, by_key=True)
    all_of_it()
    case = Case.objects.get()
    assert (case.trigger, case.state, case.deadline_at) == (SERIOUS, "open", LATER + 24 * HOUR)
    item = case.items.get()
    assert (item.kind, item.ref) == ("credential", story.credential.pk)
    assert case.title == f"Serious finding: svc-report: {item.title}"
    assert item.snapshot["findings"] == [row.key]
    assert item.recommendation == "revoke"
    assert list(case.findings.all()) == [row]
    assert sorted(case.seats.values_list("kind", flat=True)) == [
        "ai_owner",
        "identity_owner",
        "tie_breaker",
    ]
    asked = Notice.objects.filter(occasion=f"{case.key} asked")
    assert {one.person for one in asked} == {story.ines.person, story.samuel.person}
    assert LedgerEntry.objects.get(subject=case.key, act="case.opened").words == (
        f"Countersign asks, serious finding: {row.key}: {rule} happened."
    )
    assert Trigger.objects.get().links == [
        {"words": row.key, "url": f"/findings/{row.key}/"},
        {"words": "Its events", "url": f"/events/?finding={row.key}"},
    ]


@pytest.mark.parametrize("rule", sorted(set(MAY_BE_SERIOUS) - set(DEFAULT)))
def test_other_findings_open_the_review_of_all_there_is_as_before(story: Told, rule: str) -> None:
    found(story, rule)
    all_of_it()
    assert (Case.objects.get().trigger, Trigger.objects.count()) == ("", 0)


@pytest.mark.parametrize("said", [{}, {"micro_reviews": {}}, {"micro_reviews": {"new_tool": {}}}])
@pytest.mark.parametrize("rule", DEFAULT)
def test_policy_that_does_not_name_it_goes_on_opening_the_whole_review(
    story: Told, said: dict[str, Any], rule: str
) -> None:
    put_in_force(story, silence="suspend", **said)
    row = found(story, rule, by_key=True)
    all_of_it()
    case = Case.objects.get()
    assert (case.trigger, case.silence, list(case.findings.all())) == ("", "suspend", [row])
    assert case.deadline_at == LATER + 168 * HOUR
    assert sorted(case.items.values_list("kind", flat=True)) == ["credential", "delegation"]
    assert not Trigger.objects.exists()


def test_policy_says_which_rules_and_how_long(story: Told) -> None:
    said = {SERIOUS: {"hours": 6, "rules": ["no_authority"]}}
    row = put_in_force(story, micro_reviews=said)
    found(story, "no_authority")
    all_of_it()
    assert small().deadline_at == LATER + 6 * HOUR
    found(story, "no_run", by_key=True)
    all_of_it(LATER + HOUR)
    assert Case.objects.get(trigger="").findings.get().rule == "no_run"
    words = {one.about: one.words for one in policy_versions._lines(row)}
    assert words["Small reviews"] == "Opened by: serious finding (no authority), 6 h."


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"rules": ["after_refusal"]}, "micro_reviews.serious_finding.rules[0]"),
        ({"rules": []}, "micro_reviews.serious_finding.rules"),
        ({"rules": ["no_run", "no_run"]}, "micro_reviews.serious_finding.rules[1]"),
        ({"days": 3}, "micro_reviews.serious_finding.days"),
        ({"hours": 0}, "micro_reviews.serious_finding.hours"),
    ],
)
def test_what_cannot_be_serious_is_refused_with_its_place(
    story: Told, said: dict[str, Any], place: str
) -> None:
    with pytest.raises(DocumentError) as problem:
        put_in_force(story, micro_reviews={SERIOUS: said})
    assert [at for at, _ in problem.value.problems] == [place]


@pytest.mark.parametrize("first", ["the small one", "the whole one"])
def test_whichever_worker_comes_first_what_is_serious_has_its_own_case(
    story: Told, first: str
) -> None:
    grave, other = found(story, "no_run", by_key=True), found(story, "no_authority")
    if first == "the whole one":
        assert drain(LATER) == 0
    all_of_it()
    assert {one.trigger: list(one.findings.all()) for one in Case.objects.all()} == {
        SERIOUS: [grave],
        "": [other],
    }


def test_thousand_findings_about_one_credential_are_one_open_item(story: Told) -> None:
    for number in range(1_000):
        row = finding(story.identity, "no_run", f"from {number}")
        row.actor_id = story.credential.actor_id
        row.save(update_fields=["actor_id"])
    all_of_it()
    case = Case.objects.get()
    assert (case.items.count(), case.findings.count()) == (1, 1_000)
    assert Trigger.objects.filter(state="asked").count() == 1
    assert Trigger.objects.filter(state="joined", case=case).count() == 999
    assert Notice.objects.count() == 2


def test_open_review_takes_it_in_and_tells_who_has_answered(
    story: Told, case: Case, sign: Any
) -> None:
    sign(case, "delegation", story.ines, "keep")
    for number, at in enumerate((LATER, LATER + HOUR)):
        row = found(story, ("no_run", "after_revocation")[number], by_key=True)
        all_of_it(at)
        assert (Case.objects.count(), case.findings.count()) == (1, number + 1)
        item = item_of(case, "credential")
        assert (row.key in item.snapshot["findings"], item.recommendation) == (True, "revoke")
        told = Notice.objects.filter(occasion=f"{case.key} evidence {row.key}")
        assert [one.person for one in told] == [person_of(story.ines)]


def test_review_that_has_answered_about_it_does_not_swallow_it(
    story: Told, case: Case, sign: Any
) -> None:
    sign(case, "credential", story.ines, "keep")
    row = found(story, "no_run", by_key=True)
    all_of_it()
    assert (list(small().findings.all()), case.findings.count()) == ([row], 0)


def test_who_has_answered_is_asked_again_when_another_finding_joins(story: Told, sign: Any) -> None:
    found(story, "no_run", by_key=True)
    all_of_it()
    case = small()
    sign(case, "credential", story.ines, "keep", now=LATER)
    version = Case.objects.get(pk=case.pk).version
    second = found(story, "shared_credential", by_key=True)
    all_of_it(LATER + HOUR)
    case.refresh_from_db()
    assert (case.findings.count(), case.items.count(), case.version > version) == (2, 1, True)
    told = Notice.objects.filter(occasion=f"{case.key} evidence {second.key}")
    assert [one.person for one in told] == [person_of(story.ines)]
    assert second.key in item_of(case, "credential").snapshot["findings"]


@pytest.mark.parametrize(
    ("mode", "rule", "before", "after"),
    [
        # Watched only, the review of what is asked about in every mode is proposed, as ever.
        ("observe", "no_run", [("", "draft")], [("", "draft")]),
        ("observe", "left_task", [("", "draft")], [("", "draft")]),
        ("observe", "shared_credential", [("", "draft")], [("", "draft")]),
        ("observe", "after_revocation", [], [(SERIOUS, "open")]),
        ("ask", "after_revocation", [(SERIOUS, "open")], [(SERIOUS, "open")]),
        ("enforce", "no_run", [(SERIOUS, "open")], [(SERIOUS, "open")]),
    ],
)
def test_by_mode(story: Told, mode: str, rule: str, before: list[Any], after: list[Any]) -> None:
    Identity.objects.update(mode=mode)
    found(story, rule, by_key=True)
    all_of_it()
    assert list(Case.objects.values_list("trigger", "state")) == before
    assert Notice.objects.exists() is (("", "draft") not in before and before != [])
    if mode == "observe":
        assert list(Trigger.objects.values_list("state", flat=True)) == ["waiting"] * (not before)
    Identity.objects.update(mode="ask")
    all_of_it(LATER + HOUR)
    assert list(Case.objects.values_list("trigger", "state")) == after


@pytest.mark.parametrize(("rule", "asked"), [("no_run", True), ("after_revocation", False)])
def test_exempt_identity_is_asked_what_is_asked_in_every_mode(
    story: Told, rule: str, *, asked: bool
) -> None:
    until = {"identity": story.identity.key, "until": "2026-11-30", "reason": "is being rebuilt"}
    put_in_force(story, micro_reviews={SERIOUS: {}}, exemptions=[until])
    found(story, rule, by_key=True)
    all_of_it()
    assert Case.objects.exists() is asked
    all_of_it(NOW + 8 * DAY)
    assert small().findings.get().rule == rule


def test_exemption_of_a_policy_that_names_nothing_is_as_it_was(story: Told) -> None:
    exempt(story)
    found(story, "after_revocation")
    all_of_it()
    assert not Case.objects.exists()
    found(story, "no_run", by_key=True)
    all_of_it()
    assert Case.objects.get().trigger == ""


def test_retired_identity_is_not_asked_about(story: Told) -> None:
    found(story, "no_run", by_key=True)
    Identity.objects.update(state="retired")
    all_of_it()
    assert (Case.objects.exists(), Trigger.objects.exists()) == (False, False)


def test_change_freeze_keeps_nobody_from_being_asked(story: Told) -> None:
    frozen(story, make_user("ada", "administrator"), make_user("rex", "responder"), 0, 200)
    found(story, "no_run", by_key=True)
    all_of_it()
    case = small()
    assert (case.state, case.silence) == ("open", "escalate")


def test_its_silence_cuts_nothing_whatever_the_policy_says(story: Told) -> None:
    put_in_force(story, silence="revoke", micro_reviews={SERIOUS: {}})
    found(story, "no_run", by_key=True)
    all_of_it()
    assert small().silence == "escalate"
    assert set(Rung.objects.values_list("does", flat=True)).isdisjoint(
        {"suspend", "revoke", "narrow"}
    )


@pytest.mark.parametrize("state", ["expected", "false", "withdrawn"])
def test_finding_that_is_settled_before_anybody_was_asked_asks_nobody(
    story: Told, state: str
) -> None:
    row = found(story, "no_run", by_key=True)
    assert facts.find_of(SERIOUS, now=LATER)
    if state == "withdrawn":
        Finding.objects.update(state=state, state_at=LATER, state_reason="explained")
    else:
        findings.dispose(finding=row, disposition=state, reason="known", by=COMMAND, now=LATER)
    all_of_it(LATER + HOUR)
    assert not Case.objects.exists()
    how = state if state == "withdrawn" else f"settled as {state}"
    assert Trigger.objects.get().known_why == f"{row.key} was {how} before anybody was asked"


def test_finding_that_is_confirmed_meanwhile_is_asked_about(story: Told) -> None:
    row = found(story, "no_run", by_key=True)
    facts.find_of(SERIOUS, now=LATER)
    findings.dispose(
        finding=row, disposition="confirmed", reason="it is real", by=story.rita, now=LATER
    )
    all_of_it(LATER + HOUR)
    assert list(small().findings.all()) == [row]


def test_finding_that_is_withdrawn_and_found_again_is_asked_about(story: Told) -> None:
    row = found(story, "no_run", by_key=True)
    facts.find_of(SERIOUS, now=LATER)
    Finding.objects.update(state="withdrawn", state_at=LATER)
    all_of_it(LATER + HOUR)
    Finding.objects.update(state="open", state_at=LATER + 2 * HOUR)
    all_of_it(LATER + 3 * HOUR)
    assert list(small().findings.all()) == [row]
    assert sorted(Trigger.objects.values_list("state", flat=True)) == ["asked", "known"]


@pytest.mark.parametrize("kind", ["credential", "identity"])
def test_item_says_that_late_evidence_has_withdrawn_it(story: Told, sign: Any, kind: str) -> None:
    if kind == "identity":
        Credential.objects.update(standing=False)
    row = found(story, "no_run", by_key=True)
    all_of_it()
    case = small()
    assert item_of(case, kind).snapshot["findings"] == [row.key]
    sign(case, kind, story.ines, "keep", now=LATER)
    Finding.objects.update(state="withdrawn", state_at=LATER + HOUR, state_reason="explained")
    assert tell(LATER + HOUR) == 1
    item = item_of(case, kind)
    assert (Withdrawal.objects.get().items, item.snapshot["findings"]) == ([item.pk], [])
    said = page(case, kind, story.ines)
    assert f"{row.key} was withdrawn since you signed, because explained." in said
    Finding.objects.update(state="open", state_at=LATER + 2 * HOUR)
    assert tell(LATER + 2 * HOUR) == 1
    assert item_of(case, kind).snapshot["findings"] == [row.key]


def test_review_that_a_person_opens_meanwhile_has_it_and_it_is_not_asked_twice(
    story: Told,
) -> None:
    row = found(story, "no_run", by_key=True)
    facts.find_of(SERIOUS, now=LATER)
    case = actions.open_review(identity=story.identity, by=story.rita, now=LATER, reason="yearly")
    all_of_it(LATER + HOUR)
    assert list(Case.objects.all()) == [case]
    trigger = Trigger.objects.get()
    assert (trigger.state, trigger.case, list(case.findings.all())) == ("joined", case, [row])


def test_finding_and_case_lead_to_each_other(story: Told, client: Client) -> None:
    row = found(story, "no_run", by_key=True)
    all_of_it()
    case = small()
    client.force_login(story.ines, backend="django.contrib.auth.backends.ModelBackend")
    assert f'href="/cases/{case.key}/"' in client.get(f"/findings/{row.key}/").content.decode()
    text = client.get(f"/cases/{case.key}/").content.decode()
    assert f'href="/findings/{row.key}/"' in text
    assert "Why this is asked" in text
    assert case.key in client.get(f"/identities/{story.identity.key}/").content.decode()
    data = client.get(f"/cases/{case.key}.json").json()
    assert [(one["trigger"], one["links"][0]["url"]) for one in data["triggers"]] == [
        (SERIOUS, f"/findings/{row.key}/")
    ]


def test_worker_takes_it_all_the_way(story: Told, nudges: list[str]) -> None:
    found(story, "no_run", by_key=True)
    found(story, "no_authority")
    assert (tasks.open_from_findings(), tasks.open_from_findings()) == (3, 0)
    assert sorted(Case.objects.values_list("trigger", flat=True)) == ["", SERIOUS]


def test_what_cannot_be_asked_keeps_nobody_else_from_being_asked(story: Told) -> None:
    for number in range(3):
        one = Identity.objects.create(
            name=f"more-{number}",
            kind="agent",
            mode="ask",
            created_at=NOW,
            owner=story.identity.owner,
        )
        finding(one, "no_run")
    facts.find_of(SERIOUS, now=LATER)
    broken = Trigger.objects.order_by("found_at", "pk")[1]
    Trigger.objects.filter(pk=broken.pk).update(facts={"finding": "nothing of the kind"})
    assert opening.open_next(now=LATER)
    asked = Trigger.objects.filter(state="asked")
    assert (asked.count(), Case.objects.filter(trigger=SERIOUS).count()) == (2, 2)
    with pytest.raises(ValidationError):
        opening.open_next(now=LATER)
    assert Trigger.objects.get(state="waiting") == broken


def test_many_are_opened_in_one_turn_with_as_many_queries_as_one(story: Told) -> None:
    def asked(many: int, now: Any) -> int:
        for number in range(many):
            one = Identity.objects.create(
                name=f"more-{now:%H}-{number}",
                kind="agent",
                mode="ask",
                created_at=NOW,
                owner=story.identity.owner,
            )
            finding(one, "no_run")
        facts.find_of(SERIOUS, now=now)
        before = Case.objects.count()
        with CaptureQueriesContext(connection) as seen:
            assert opening.open_next(now=now)
        assert Case.objects.count() == before + many
        return len(seen)

    policy_versions.in_force(now=NOW)
    assert asked(1, LATER) == asked(30, LATER + HOUR)
