"""A finding of a marked class holds by itself: when it does, when a person is asked instead."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from evidence.models import Event, LedgerEntry, Link, Source
from identities.acting import COMMAND
from identities.actions import changes, findings, outgoing
from identities.models import (
    Attribution,
    Binding,
    Credential,
    Finding,
    FindingEvent,
    Identity,
    ProposedChange,
    Revocation,
)
from identities.models.behaviour import BY_INFERENCE, ONE_OF
from identities.permissions import NotAllowed, NotPossible
from reviews.actions import freezing, modes
from reviews.automatic import rules, settling
from reviews.models import AutomaticHold, Case, HoldRule, Notice

from .conftest import DAY, HOUR, Told, ingest, make_user, person_of, record
from .holding import LATER, MINUTE, SECRET, SIGNED, behaves, ruled, sweep
from .test_micro_reviews import entitled
from .test_serious_things import S3

pytestmark = pytest.mark.django_db
type Change = Callable[[], object]


def test_finding_of_a_marked_class_holds_its_key_and_opens_an_incident(story: Told) -> None:
    rule, finding = ruled(story), behaves()
    (row,) = sweep()
    assert (row.state, row.rule, row.finding, row.events) == ("held", rule, finding, 1)
    assert (row.found_at, row.decided_at) == (LATER + MINUTE, LATER + 2 * MINUTE)
    hold = Revocation.objects.get()
    assert (hold.step, hold.credential, hold.case) == ("hold", story.credential, row.case.pk)
    case = Case.objects.get()
    assert (case.door, case.state, case.silence) == ("incident", "open", "escalate")
    assert case.title == "Incident: svc-report: no authority"
    assert list(case.findings.all()) == [finding]
    assert (row.item.kind, row.item.ref) == ("credential", story.credential.pk)
    said = LedgerEntry.objects.get(subject=case.key, act="hold.automatic").words
    assert said == (
        f"{rule} held for {finding.key} (no authority), 60 seconds after it was found:"
        f" {hold.key} requested: {hold.words}"
    )
    told = Notice.objects.filter(occasion=f"{case.key} {row.key}")
    assert {one.person for one in told} == {
        story.rita.person,
        story.ines.person,
        story.samuel.person,
    }


def test_nothing_is_held_before_two_people_have_signed(story: Told) -> None:
    row = rules.propose(
        scope={},
        classes=["no_authority"],
        per_hour=1,
        per_day=1,
        asked=person_of(story.rita),
        reason="x",
        by=story.rita,
        now=SIGNED,
    )
    behaves()
    assert sweep() == []
    with pytest.raises(NotAllowed, match="You proposed it: a second person signs"):
        rules.sign(rule=row, by=story.rita, now=SIGNED)
    assert (sweep(), Revocation.objects.count(), Case.objects.count()) == ([], 0, 0)


def strong(**said: Any) -> Change:
    return lambda: FindingEvent.objects.update(**said)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("an inferred link", strong(strength=1)),
        ("an inferred attribution", lambda: Attribution.objects.update(strength=BY_INFERENCE)),
        ("one of several identities", lambda: Attribution.objects.update(strength=ONE_OF)),
        ("a sampled source", lambda: Source.objects.update(sampling=0.5)),
        ("later than its source is", lambda: Source.objects.update(lag_seconds=59)),
        ("asked about", lambda: Identity.objects.update(mode="ask")),
        ("observed", lambda: Identity.objects.update(mode="observe")),
        ("outside the scope", lambda: Identity.objects.update(kind="agent")),
        ("retired", lambda: Identity.objects.update(state="retired")),
        ("settled", lambda: Finding.objects.update(state="expected")),
        ("another class", lambda: HoldRule.objects.update(classes=["after_expiry"])),
        ("switched off", lambda: HoldRule.objects.update(state="ended", ended_at=LATER, ended_reason="x")),
    ],
)  # fmt: skip
def test_what_rests_on_less_holds_nothing(story: Told, name: str, change: Change) -> None:
    ruled(story)
    behaves()
    change()
    now = LATER + 20 * MINUTE
    assert (sweep(now), Revocation.objects.count()) == ([], 0), name


def test_run_that_left_its_task_is_held_only_for_what_says_so(story: Told) -> None:
    ruled(story, classes=["no_authority", "left_task"])
    finding = behaves()
    finding.rule = "left_task"
    finding.save(update_fields=["rule"])
    assert sweep() == []  # its event is outside of authority, which alone is no left task
    FindingEvent.objects.filter(finding=finding).update(reason="minted a credential")
    assert [one.finding for one in sweep()] == [finding]


def test_run_behind_it_of_a_sampled_source_holds_nothing(story: Told) -> None:
    ruled(story)
    finding = behaves()
    under = FindingEvent.objects.filter(finding=finding).latest("at")
    sampled = Source.objects.create(
        name="traces", plane="ai", sampling=0.1, created_at=SIGNED, created_by="command"
    )
    cause = Event.objects.exclude(id=under.event_id).earliest("at")
    cause.id, cause.source_id, cause.digest = 1, sampled.pk, UUID(int=1)
    cause.save(force_insert=True)
    Link.objects.create(
        effect_at=under.at,
        effect_id=under.event_id,
        cause_at=cause.at,
        cause_id=cause.id,
        proof=1,
        strength=3,
        recorded_at=SIGNED,
    )
    assert sweep() == []


def test_what_happened_before_the_signature_or_was_left_for_an_hour_holds_nothing(
    story: Told,
) -> None:
    behaves(at=SIGNED - MINUTE)
    ruled(story)
    assert sweep() == []
    behaves(91)
    assert sweep(LATER + MINUTE + HOUR + MINUTE) == []
    assert [one.state for one in sweep(LATER + HOUR)] == ["held"]


def test_same_finding_holds_once_however_often_it_is_looked_at(story: Told) -> None:
    ruled(story)
    finding = behaves()
    (row,) = sweep()
    behaves(91, at=LATER + MINUTE)
    assert Finding.objects.get(pk=finding.pk).count == 2
    assert (sweep(), Revocation.objects.count()) == ([row], 1)


def test_second_finding_joins_the_open_incident(story: Told) -> None:
    ruled(story, classes=["no_authority", "left_task"])
    behaves()
    (first,) = sweep()
    other = Finding.objects.get(pk=first.finding_id)
    other.pk, other.family, other.number = None, "other", 9_000
    other.save(force_insert=True)
    FindingEvent.objects.create(
        finding=other, at=first.event_at, event_id=first.event_id, strength=2
    )
    first, second = sweep()
    assert (second.case, second.item) == (first.case, first.item)
    assert Case.objects.get().findings.count() == 2
    assert (second.state, second.words) == ("asked", f"{first} holds it already")
    assert Revocation.objects.count() == 1


def test_what_is_held_otherwise_is_asked_about(story: Told) -> None:
    ruled(story)
    behaves()
    Credential.objects.update(state="held")
    (row,) = sweep()
    assert (row.state, row.words) == ("asked", f"{story.credential.short} is held already")
    assert Revocation.objects.count() == 0


@pytest.mark.parametrize("several", [False, True])
def test_without_one_key_the_principal_or_the_identity_is_held(
    story: Told, *, several: bool
) -> None:
    ruled(story)
    behaves()
    Credential.objects.update(standing=False)
    if not several:
        read = entitled(story, S3, at=SIGNED - DAY)
    (row,) = sweep()
    if several:
        assert (row.state, row.item.kind, list(row.stopped)) == ("held", "identity", ["suspended"])
        assert Identity.objects.get(pk=story.identity.pk).state == "suspended"
    else:
        assert (row.item.kind, row.item.ref) == ("entitlement", read.pk)
        assert (row.state, Revocation.objects.get().entitlement) == ("held", read.pk)


def frozen(story: Told) -> str:
    ada = make_user("bea", "administrator")
    row = freezing.propose(
        scope={},
        since=SIGNED,
        until=SIGNED + DAY,
        asked=person_of(ada),
        reason="year end",
        by=story.rita,
        now=SIGNED,
    )
    freezing.sign(freeze=row, by=ada, now=SIGNED)
    return f"{row.key} holds until 25 Nov 2026 12:01 UTC (year end)"


def critical(_: Told) -> str:
    Identity.objects.update(criticality="critical")
    rule = HoldRule.objects.get()
    return f"svc-report is critical, and {rule} does not name critical identities"


def stopped(story: Told) -> str:
    cy = make_user("cy", "responder")
    outgoing.propose(to="stopped", reason="x", by=story.rita, now=SIGNED)
    outgoing.sign(by=cy, now=SIGNED)
    return "all outgoing writes are stopped"


@pytest.mark.parametrize("case", [frozen, critical, stopped])
def test_where_it_may_not_hold_a_person_is_asked_in_an_incident(
    story: Told, case: Callable[[Told], str]
) -> None:
    rule = ruled(story)
    behaves()
    why = case(story)
    (row,) = sweep()
    assert (row.state, row.words, row.stopped) == ("asked", why, {})
    assert (row.case.door, Revocation.objects.count()) == ("incident", 0)
    told = Notice.objects.filter(occasion=f"{row.case.key} asked: {why}", channel="mail")
    assert person_of(story.rita) in {one.person for one in told}
    assert (len(told) == 4) == (case is frozen)
    act = LedgerEntry.objects.get(act="hold.asked").words
    assert act.endswith(f"a person is asked: {why}")
    assert HoldRule.objects.get(pk=rule.pk).state == "in_force"


def test_critical_identities_are_held_where_two_people_named_them(story: Told) -> None:
    Identity.objects.update(criticality="critical")
    ruled(story, scope={"criticality": ["critical"]})
    behaves()
    assert [one.state for one in sweep()] == ["held"]


def test_over_its_limit_the_rule_ends_and_a_person_is_asked(story: Told) -> None:
    rule = ruled(story, per_hour=1, per_day=1)
    behaves()
    (first,) = sweep()
    settling.release(
        hold=first, finding_was="false", reason="x", by=story.ines, now=LATER + 3 * MINUTE
    )
    changes.sign(change=ProposedChange.objects.get(), by=story.rita, now=LATER + 3 * MINUTE)
    AutomaticHold.objects.update(identity=other_identity())
    behaves(91, at=LATER + 4 * MINUTE)
    _, second = sweep(LATER + 6 * MINUTE)
    why = f"{rule} has held 1 within an hour, which is its limit: it is off."
    assert (second.state, second.words.startswith(why)) == ("asked", True)
    ended = HoldRule.objects.get()
    assert (ended.state, ended.ended_by_name) == ("ended", "Countersign")
    assert ended.ended_reason == second.words
    assert LedgerEntry.objects.filter(act="hold_rule.ended").count() == 1


def other_identity() -> Identity:
    row = Identity.objects.create(name="other", kind="agent", state="draft", created_at=SIGNED)
    row.refresh_from_db()
    return row


def test_a_step_back_is_true_before_its_rows_have_followed(story: Told) -> None:
    ada = make_user("ada", "administrator")
    on = modes.propose(
        scope={"kinds": ["service_account"]}, mode="enforce", reason="x", by=story.rita, now=SIGNED
    )
    modes.sign(rule=on, by=ada, now=SIGNED)
    while modes.apply_next(now=SIGNED):
        pass
    ruled(story, ada)
    behaves()
    on.refresh_from_db()
    modes.step_back(rule=on, mode="ask", reason="too much", by=story.rita, now=LATER)
    assert Identity.objects.get(pk=story.identity.pk).mode == "enforce"
    assert sweep() == []


def test_what_was_released_is_never_held_again(story: Told) -> None:
    ruled(story)
    behaves()
    (row,) = sweep()
    settling.release(hold=row, finding_was="expected", reason="x", by=story.ines, now=LATER)
    changes.sign(change=ProposedChange.objects.get(), by=story.rita, now=LATER)
    behaves(91, at=LATER + 3 * MINUTE)
    first, second = sweep(LATER + 5 * MINUTE)
    assert (first.state, second.state) == ("released", "asked")
    assert second.words == f"the same was held by {row} and released: it is not held again"
    assert Revocation.objects.filter(step="hold").count() == 1


@pytest.mark.parametrize("wrong", ["no_run", "x"])
def test_absence_cannot_be_marked(story: Told, wrong: str) -> None:
    with pytest.raises(NotPossible, match=r"cannot be marked|is no class of findings"):
        ruled(story, classes=[wrong])


def test_bindings_that_are_shared_leave_it_to_people(story: Told) -> None:
    """Of a key that several may use it cannot be told whose call it was."""
    ruled(story)
    other = other_identity()
    Binding.objects.update(shared=True)
    for one in Binding.objects.all():
        one.pk, one.identity = None, other
        one.save(force_insert=True)
    ingest([record(90, "GetSecretValue", "", LATER, **SECRET)], now=LATER + MINUTE)
    assert Finding.objects.filter(rule="no_authority", state="open").count() == 2
    assert sweep() == []


def test_disposing_of_it_first_holds_nothing(story: Told) -> None:
    ruled(story)
    finding = behaves()
    findings.dispose(finding=finding, disposition="expected", reason="x", by=COMMAND, now=LATER)
    assert sweep() == []


def test_confirming_it_first_hides_it_from_nobody(story: Told) -> None:
    ruled(story)
    finding = behaves()
    findings.dispose(finding=finding, disposition="confirmed", reason="x", by=story.ines, now=LATER)
    assert [row.state for row in sweep()] == ["held"]
