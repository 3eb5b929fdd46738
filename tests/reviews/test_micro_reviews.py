"""Events that open a small review: what each finds, what it leaves alone, and that it is once."""

from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from evidence import intake, links
from evidence.models import Actor, LedgerEntry, Source
from identities import judging
from identities.models import (
    Binding,
    Credential,
    DelegationVersion,
    Entitlement,
    Identity,
    NewUse,
    Revocation,
    UsageDay,
)
from reviews import actions
from reviews.micro_reviews import EVERY, TRIGGERS
from reviews.models import Case, Item, Notice, Rung, Succession, SuccessionItem, Trigger
from reviews.triggers import facts, noting, opening, unusual, uses
from tests.evidence.bodies import export

from .conftest import DAY, HOUR, NOW, Told, item_of, make_user, party, person_of
from .test_policy_versions import put_in_force

pytestmark = pytest.mark.django_db
LATER = NOW + DAY
S3 = {"effect": "allow", "actions": ["s3:GetObject"], "resources": ["invoices/*"]}


def reviewed(story: Told, *, at: datetime = NOW) -> Case:
    """A review of all there is, opened and decided."""
    case = actions.open_review(identity=story.identity, by=story.rita, now=at, reason="yearly")
    Case.objects.filter(pk=case.pk).update(state="closed", decided_at=at, closed_at=at)
    return case


def sweep(now: datetime = LATER) -> None:
    """All that the worker does, until it finds nothing."""
    while facts.find_next(now=now) or uses.look_next(now=now) or opening.open_next(now=now):
        pass


def micro(name: str) -> Case:
    return Case.objects.get(trigger=name)


def traced(
    story: Told, *tools: str, at: datetime, trace: int = 7, version: str = "", now: datetime = LATER
) -> None:
    """A run of the story's agent through the real intake, judged."""
    source, _ = Source.objects.get_or_create(
        name="traces", defaults={"created_at": NOW, "created_by": "command", "plane": "ai"}
    )
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "report-agent"}
    if version:
        agent["gen_ai.agent.version"] = version
    spans: list[dict[str, Any]] = [
        {"trace": trace, "span": 1, "name": "invoke_agent", "attributes": agent}
    ]
    spans += [
        {
            "trace": trace,
            "span": number,
            "parent": 1,
            "name": f"execute_tool {tool}",
            "attributes": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool},
        }
        for number, tool in enumerate(tools, start=2)
    ]
    body = export(*spans, at=at).SerializeToString()
    intake.take(source=source, body=body, by="command", now=now, format="otlp")
    while links.link_next(now=now):
        pass
    for actor in Actor.objects.filter(value="report-agent"):
        Binding.objects.get_or_create(
            identity=story.identity,
            actor=actor,
            defaults={
                "basis": "declared",
                "state": "confirmed",
                "during": (NOW - 300 * DAY, None),
                "recorded_at": NOW,
                "by": "command",
            },
        )
    judging.judge_all(now=now)


def test_new_tool_after_a_review_opens_one_small_case(story: Told) -> None:
    traced(story, "read_invoice", at=NOW - HOUR, now=NOW - HOUR)
    reviewed(story)
    traced(story, "read_invoice", "send_email", at=NOW + HOUR, trace=8)
    sweep()
    case = micro("new_tool")
    item = Item.objects.get(case=case)
    assert (item.kind, item.title, item.recommendation) == ("use", "Tool send_email", "")
    assert case.title == "New tool: svc-report: Tool send_email"
    assert case.deadline_at == LATER + 72 * HOUR
    assert "used the tool send_email, first seen 24 Nov 2026 13:00 UTC" in case.reason
    assert sorted(case.seats.values_list("kind", flat=True)) == [
        "ai_owner",
        "identity_owner",
        "tie_breaker",
    ]
    assert Notice.objects.filter(occasion=f"{case.key} asked").count() == 2
    assert LedgerEntry.objects.filter(subject=case.key, act="case.opened").count() == 1
    links_ = Trigger.objects.get(name="new_tool").links
    assert [one["words"] for one in links_] == ["Its first use", "Every use of it"]
    assert links_[1]["url"] == f"/events/?identity={story.identity.key}&action=send_email"


def test_tool_before_any_review_or_before_the_last_one_is_asked_about_by_nobody(
    story: Told,
) -> None:
    traced(story, "read_invoice", at=NOW - HOUR, now=NOW - HOUR)
    sweep(NOW)
    reviewed(story)
    NewUse.objects.update(looked_at=None)
    sweep()
    assert (Trigger.objects.count(), Case.objects.exclude(trigger="").count()) == (0, 0)


def test_thousand_triggers_about_one_thing_are_one_open_item(story: Told) -> None:
    reviewed(story)
    for day in range(1_000):
        noting.note(
            [
                noting.trigger(
                    "dormant",
                    story.identity,
                    subject=f"{day // 2}",
                    about=story.identity.pk,
                    title="again",
                    words="It acts again.",
                    at=NOW,
                    now=NOW,
                )
            ]
        )
    sweep()
    case = micro("dormant")
    assert (case.items.count(), Trigger.objects.filter(case=case).count()) == (1, 500)
    assert Trigger.objects.filter(state="asked").count() == 1
    assert Notice.objects.filter(occasion=f"{case.key} asked").count() == 2
    with pytest.raises(IntegrityError, match="trigger_asked_once"), transaction.atomic():
        Trigger.objects.update(state="asked")


def test_what_only_observes_is_counted_and_asked_once_its_mode_asks(story: Told) -> None:
    reviewed(story)
    Identity.objects.update(mode="observe")
    traced(story, "send_email", at=NOW + HOUR)
    sweep()
    assert Trigger.objects.get().state == "waiting"
    assert not Case.objects.exclude(trigger="").exists()
    Identity.objects.update(mode="ask")
    sweep()
    assert micro("new_tool").state == "open"


def test_policy_says_which_events_and_how_long(story: Told) -> None:
    put_in_force(story, micro_reviews={"owner_changed": {"hours": 5}})
    reviewed(story)
    traced(story, "send_email", at=NOW + HOUR)
    sweep()
    olga = party(make_user("olga", "owner"))
    Identity.objects.update(owner=olga)
    sweep()
    case = Case.objects.exclude(trigger="").get()
    assert (case.trigger, case.deadline_at) == ("owner_changed", LATER + 5 * HOUR)
    assert case.reason == "Olga answers for svc-report now, in place of Ines."
    assert case.seats.get(kind="identity_owner").party == olga


def test_owner_that_changes_again_and_back_is_asked_about_each_time(story: Told) -> None:
    sweep()
    olga, ines = party(make_user("olga", "owner")), party(story.ines)
    for number, owner in enumerate([olga, ines, olga]):
        Identity.objects.update(owner=owner)
        sweep(LATER + number * HOUR)
    assert Trigger.objects.filter(name="owner_changed").count() == 3
    assert Case.objects.filter(trigger="owner_changed").count() == 1


def test_owner_who_is_asked_to_accept_what_somebody_left_is_not_asked_again(story: Told) -> None:
    sweep()
    olga = party(make_user("olga", "owner"))
    left = Succession.objects.create(
        why="left", at=NOW, noticed_at=NOW, deadline_at=LATER, person=person_of(story.ines)
    )
    SuccessionItem.objects.create(
        succession=left,
        role="owner",
        identity=story.identity,
        was=party(story.ines),
        heir=olga,
        state="asked",
    )
    Identity.objects.update(owner=olga)
    sweep()
    assert Trigger.objects.get().known_why == facts.SUCCEEDS
    assert not Case.objects.exists()


def test_silence_about_a_small_review_never_cuts(story: Told) -> None:
    put_in_force(
        story,
        silence="suspend",
        ladder={
            "normal": [
                {"after_hours": 24, "does": "remind"},
                {"after_hours": 168, "does": "suspend"},
            ]
        },
        micro_reviews=EVERY,
    )
    reviewed(story)
    traced(story, "send_email", at=NOW + HOUR)
    sweep()
    case = micro("new_tool")
    assert case.silence == "escalate"
    assert set(Rung.objects.filter(case=case).values_list("does", flat=True)).isdisjoint(
        {"suspend", "revoke", "narrow"}
    )


def entitled(story: Told, *statements: Any, at: datetime) -> Entitlement:
    Entitlement.objects.filter(superseded_at=None).update(
        superseded_at=at, during=(NOW - 9 * DAY, at)
    )
    return Entitlement.objects.create(
        identity=story.identity,
        system="aws",
        principal="arn:aws:iam::111122223333:user/svc-report",
        during=(at, None),
        read_at=at,
        digest=str(at),
        possible=list(statements),
        recorded_at=at,
    )


def test_wider_entitlement_is_asked_about_and_a_narrower_one_is_not(story: Told) -> None:
    entitled(story, S3, at=NOW - DAY)
    reviewed(story)
    entitled(story, S3 | {"resources": ["invoices/2026/*"]}, at=NOW + HOUR)
    sweep()
    assert Trigger.objects.get().known_why == "it allows nothing more than when it was reviewed"
    row = entitled(story, S3, S3 | {"actions": ["s3:PutObject"]}, at=NOW + 2 * HOUR)
    sweep()
    case = micro("wider_entitlement")
    assert [(one.kind, one.ref) for one in case.items.all()] == [("entitlement", row.pk)]
    assert "s3:PutObject on invoices/*" in case.reason


def test_unsigned_delegation_after_a_review_is_asked_about_when_it_is_wider(story: Told) -> None:
    reviewed(story)
    before = DelegationVersion.objects.get()
    DelegationVersion.objects.update(superseded_at=NOW + HOUR)
    DelegationVersion.objects.create(
        delegation=story.delegation,
        version=2,
        state="in_force",
        imported=True,
        actions=["s3:*"],
        resources=before.resources,
        during=before.during,
        recorded_at=NOW + HOUR,
        by="command",
    )
    sweep()
    case = micro("wider_delegation")
    assert item_of(case, "delegation").ref == story.delegation.pk
    assert "s3:* on invoices/* was not delegated" in case.reason


def test_active_after_a_silence(story: Told) -> None:
    number = story.identity.number
    UsageDay.objects.filter(identity_no=number).update(day=(NOW - 71 * DAY).date())
    UsageDay.objects.create(
        identity_no=number,
        day=NOW.date(),
        action_id=UsageDay.objects.values_list("action_id", flat=True)[0],
        family="invoices/*",
        plane=1,
        count=1,
        first_at=NOW,
        last_at=NOW,
    )
    sweep()
    case = micro("dormant")
    assert "71 days earlier. No evidence is not the same as not used" in case.reason
    assert case.silence == "escalate"
    sweep(LATER + 3 * DAY)
    assert Case.objects.exclude(trigger="").count() == 1


def test_standing_credential_near_its_end_once_for_each_end(story: Told) -> None:
    Credential.objects.update(expires_at=LATER + 20 * DAY)
    sweep()
    assert not Trigger.objects.exists()
    sweep(LATER + 7 * DAY)
    case = micro("credential_expiry")
    assert item_of(case, "credential").ref == story.credential.pk
    Case.objects.update(state="closed")
    sweep(LATER + 8 * DAY)
    Credential.objects.update(expires_at=LATER + 60 * DAY)
    sweep(LATER + 50 * DAY)
    assert Case.objects.filter(trigger="credential_expiry").count() == 2


def test_open_review_of_all_there_is_takes_it_in(story: Told, case: Case) -> None:
    Case.objects.filter(pk=case.pk).update(opened_at=NOW - DAY, decided_at=NOW - DAY)
    again = case.items.count()
    Credential.objects.update(expires_at=LATER + DAY)
    sweep()
    assert Trigger.objects.get().case == case
    assert (case.items.count(), Case.objects.count()) == (again, 1)
    assert LedgerEntry.objects.filter(subject=case.key, act="case.evidence").count() == 1


def test_who_answered_in_that_review_is_told_of_what_came_to_it(
    story: Told, case: Case, sign: Any
) -> None:
    sign(case, "delegation", story.ines, "keep")
    Credential.objects.update(expires_at=LATER + DAY)
    sweep()
    told = Notice.objects.filter(case=case.pk, subject__endswith="your answer is asked for again")
    assert [one.person for one in told] == [person_of(story.ines)]


def test_review_that_answered_it_already_does_not_swallow_it(
    story: Told, case: Case, sign: Any
) -> None:
    sign(case, "credential", story.ines, "keep")
    Credential.objects.update(expires_at=LATER + DAY)
    sweep()
    assert micro("credential_expiry").pk != case.pk


def test_micro_review_is_no_review_of_all_there_is(story: Told) -> None:
    Credential.objects.update(expires_at=LATER + DAY)
    sweep()
    whole = actions.open_review(identity=story.identity, by=story.rita, now=LATER, reason="yearly")
    assert (whole.trigger, whole.items.count() > 1) == ("", True)
    assert Case.objects.count() == 2


@pytest.mark.parametrize(("kind", "act"), [("use", "refused"), ("identity", "suspend")])
def test_revoking_a_use_refuses_it_and_revoking_an_identity_suspends_it(
    story: Told, sign: Any, kind: str, act: str
) -> None:
    reviewed(story)
    if kind == "use":
        traced(story, "send_email", at=NOW + HOUR)
    else:
        sweep(NOW)
        Identity.objects.update(owner=party(make_user("olga", "owner")))
    sweep()
    case = Case.objects.exclude(trigger="").get()
    owner = case.seats.get(kind="identity_owner").party
    assert owner is not None
    assert owner.person is not None
    sign(case, kind, owner.person.users.get(), "revoke", now=LATER)
    sign(case, kind, story.samuel, "revoke", seat="ai_owner", now=LATER)
    item = Item.objects.get(case=case)
    assert item.carried_out_at == LATER
    if kind == "use":
        assert item.carried_words.startswith("refused: whoever builds the agent")
        traced(story, "send_email", at=LATER + HOUR, trace=9, now=LATER + 2 * HOUR)
        sweep(LATER + 3 * HOUR)
        again = micro("refused_again")
        assert f"{case.key} refused it, and it is used: Tool send_email" in again.reason
        assert (again.deadline_at, again.items.get().kind) == (LATER + 27 * HOUR, "identity")
    else:
        assert Revocation.objects.filter(step=act, identity=story.identity).exists()


def test_every_trigger_is_found_by_something_and_named_in_the_policy() -> None:
    others = {"new_tool", "new_release", "outside_manifest", unusual.NAME}
    assert set(facts.FINDERS) | others == set(TRIGGERS) == set(EVERY)
