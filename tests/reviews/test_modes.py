"""Turning consequences on for a scope takes two people and a dry run; turning them back takes one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.models import Identity, Party, Person, Service, User
from identities.permissions import AUDITOR, NotAllowed, NotPossible
from reviews import actions, mode_permissions, mode_rules
from reviews.actions import modes
from reviews.actions.silencing import consequence
from reviews.models import Case, ModeRule

from .conftest import DAY, HOUR, NOW, Told, make_user, party
from .test_opening import finding
from .test_policy_versions import put_in_force

pytestmark = pytest.mark.django_db
AGENTS = {"kinds": ["agent"]}
ACCOUNTS = {"kinds": ["service_account"]}


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada", "administrator")


def agent(name: str, **said: Any) -> Identity:
    row = Identity.objects.create(name=name, kind="agent", created_at=NOW, **said)
    row.refresh_from_db()
    return row


def proposed(by: User, scope: dict[str, Any], mode: str, **said: Any) -> ModeRule:
    return modes.propose(scope=scope, mode=mode, reason="it is ready", by=by, now=NOW, **said)


def in_force(story: Told, ada: User, scope: dict[str, Any], mode: str, now: Any = NOW) -> ModeRule:
    if mode_rules.why_not_yet(scope, mode, now=now):
        in_force(story, ada, scope, "ask", now)
    rule = modes.sign(rule=proposed(story.rita, scope, mode), by=ada, now=now)
    drain(now=now)
    rule.refresh_from_db()
    return rule


def drain(now: Any = NOW, most: int = modes.BATCH) -> int:
    steps = 0
    while modes.apply_next(now=now, most=most):
        steps += 1
    return steps


@transaction.atomic
def killed_after(call: Callable[[], object]) -> None:
    call()
    raise RuntimeError("killed")


def mode_of(one: Identity) -> str:
    one.refresh_from_db()
    return one.mode


def test_nothing_changes_before_a_second_person_has_signed(story: Told, ada: User) -> None:
    one = agent("a1")
    rule = proposed(story.rita, AGENTS, "ask")
    assert drain() == 0
    with pytest.raises(NotAllowed, match="a second person signs"):
        modes.sign(rule=rule, by=story.rita, now=NOW)
    assert (mode_of(one), mode_of(story.identity)) == ("observe", "enforce")
    modes.sign(rule=rule, by=ada, now=NOW)
    assert drain() == 1
    assert (mode_of(one), one.mode_rule, mode_of(story.identity)) == ("ask", rule.pk, "enforce")
    rule.refresh_from_db()
    assert (rule.state, rule.moved, rule.applied_at) == ("in_force", 1, NOW)
    said = list(
        LedgerEntry.objects.filter(subject__in=[rule.key, one.key])
        .order_by("pk")
        .values_list("act", "by_name", "words")
    )
    assert said == [
        ("mode.proposed", "Rita", f"Rita proposed {rule.key}: {modes.words(rule)}: it is ready"),
        ("mode.signed", "Ada", f"Ada signed {rule.key}: {modes.words(rule)}"),
        ("identity.mode", "Countersign", f"a1: observe became ask, by {rule.key}"),
        ("mode.applied", "Countersign", f"{rule.key} is applied: 1 identity changed"),
    ]


def test_database_refuses_one_person_alone_but_for_a_step_back(story: Told) -> None:
    rule = proposed(story.rita, AGENTS, "ask")
    alone = {"state": "in_force", "settled_person": story.rita.person, "settled_at": NOW}
    with pytest.raises(IntegrityError), transaction.atomic():
        ModeRule.objects.filter(pk=rule.pk).update(**alone)
    assert ModeRule.objects.filter(pk=rule.pk).update(**alone, back=True) == 1


def test_two_second_logins_of_one_person_are_one_person(story: Told) -> None:
    other = make_user("rita2", "administrator", person=story.rita.person)
    with pytest.raises(NotAllowed, match="a second person signs"):
        modes.sign(rule=proposed(story.rita, AGENTS, "ask"), by=other, now=NOW)


def test_batches_go_on_where_a_killed_worker_stopped(story: Told, ada: User) -> None:
    many = [agent(f"a{n}", mode="ask") for n in range(7)]
    rule = modes.sign(rule=proposed(story.rita, AGENTS, "enforce"), by=ada, now=NOW)
    assert modes.apply_next(now=NOW, most=3)
    with pytest.raises(RuntimeError, match="killed"):
        killed_after(lambda: modes.apply_next(now=NOW, most=3))
    assert Identity.objects.filter(mode="enforce", kind="agent").count() == 3
    rule.refresh_from_db()
    assert (rule.moved, rule.applied_at) == (3, None)
    assert drain(most=3) == 2
    rule.refresh_from_db()
    assert (rule.moved, rule.applied_at, {mode_of(one) for one in many}) == (7, NOW, {"enforce"})
    assert LedgerEntry.objects.filter(act="identity.mode").count() == 7


def test_who_comes_into_the_scope_later_gets_its_mode(story: Told, ada: User) -> None:
    rule = in_force(story, ada, AGENTS, "ask")
    late = agent("late")
    assert drain(now=NOW + DAY) == 1
    assert (mode_of(late), late.mode_rule) == ("ask", rule.pk)
    # Leaving the scope changes nothing until another rule is about it.
    Identity.objects.filter(pk=late.pk).update(kind="workload")
    assert drain(now=NOW + DAY) == 0
    assert mode_of(late) == "ask"


def test_of_two_rules_about_one_identity_the_later_holds(story: Told, ada: User) -> None:
    both = agent("both", criticality="high")
    wide = in_force(story, ada, AGENTS, "enforce")
    narrow = in_force(story, ada, AGENTS | {"criticality": ["high"]}, "ask", NOW + HOUR)
    plain = agent("plain")
    assert drain(now=NOW + DAY) == 1
    assert [(mode_of(one), one.mode_rule) for one in (both, plain)] == [
        ("ask", narrow.pk),
        ("enforce", wide.pk),
    ]
    # What leaves the narrower scope is the wider one's again, and nothing goes round in circles.
    Identity.objects.filter(pk=both.pk).update(criticality="low")
    assert (drain(now=NOW + DAY), mode_of(both)) == (1, "enforce")
    assert drain(now=NOW + DAY) == 0


def test_a_rule_of_the_same_scope_takes_the_place_of_the_first(story: Told, ada: User) -> None:
    first = in_force(story, ada, AGENTS, "ask")
    second = in_force(story, ada, AGENTS, "enforce", NOW + HOUR)
    first.refresh_from_db()
    assert (first.state, first.ended_at, second.state) == ("ended", NOW + HOUR, "in_force")


def test_step_back_takes_one_signature(story: Told, ada: User, case: Case) -> None:
    rule = in_force(story, ada, ACCOUNTS, "enforce")
    case.silence = "suspend"
    assert consequence(case) == "suspend"
    lead = make_user("lead", "responder")
    back = modes.step_back(rule=rule, mode="observe", reason="too soon", by=lead, now=NOW + HOUR)
    rule.refresh_from_db()
    assert (rule.state, back.back, back.applied_at) == ("ended", True, None)
    assert drain(now=NOW + 2 * HOUR) == 1
    assert (mode_of(story.identity), story.identity.mode_rule) == ("observe", back.pk)
    case.identity = story.identity
    assert consequence(case) == "noted"
    back.refresh_from_db()
    assert (back.moved, back.applied_at) == (1, NOW + 2 * HOUR)
    assert drain(now=NOW + DAY) == 0
    acts = LedgerEntry.objects.filter(subject=back.key).order_by("pk").values_list("act", "by_name")
    assert list(acts) == [("mode.stepped_back", "Lead"), ("mode.applied", "Countersign")]


def test_step_back_leads_to_more_for_nobody(story: Told, ada: User) -> None:
    """What a later rule holds stays as two people have signed for it."""
    watched, plain = agent("watched", criticality="high"), agent("plain")
    wide = in_force(story, ada, AGENTS, "enforce")
    in_force(story, ada, AGENTS | {"criticality": ["high"]}, "observe", NOW + HOUR)
    assert (mode_of(watched), mode_of(plain)) == ("observe", "enforce")
    modes.step_back(rule=wide, mode="ask", reason="too soon", by=ada, now=NOW + 2 * HOUR)
    assert drain(now=NOW + DAY) == 1
    assert (mode_of(watched), mode_of(plain)) == ("observe", "ask")
    # Who comes later gets what two have signed for, as far as it was not taken back.
    late = agent("late")
    assert (drain(now=NOW + DAY), mode_of(late)) == (1, "ask")


def test_no_scope_goes_from_observe_to_enforce_in_one_step(story: Told, ada: User) -> None:
    one = agent("a1")
    why = "1 identity of this scope is only observed so far: after observe comes ask."
    with pytest.raises(NotPossible, match=why):
        proposed(story.rita, AGENTS, "enforce")
    assert ModeRule.objects.count() == 0
    asks = modes.sign(rule=proposed(story.rita, AGENTS, "ask"), by=ada, now=NOW)
    # Signed, but nobody is asked yet.
    with pytest.raises(NotPossible, match=why):
        proposed(story.rita, AGENTS, "enforce")
    drain()
    asks.refresh_from_db()
    assert (mode_of(one), asks.state) == ("ask", "in_force")
    # Who comes into a scope that asks by then does not stop its next step.
    late = agent("late")
    modes.sign(rule=proposed(story.rita, AGENTS, "enforce"), by=ada, now=NOW + HOUR)
    drain()
    assert (mode_of(one), mode_of(late)) == ("enforce", "enforce")


def test_scope_that_was_taken_back_meanwhile_is_not_enforced(story: Told, ada: User) -> None:
    one = agent("a1")
    asks = in_force(story, ada, AGENTS, "ask")
    waits = proposed(story.rita, AGENTS, "enforce")
    # A proposal that waits keeps nobody from taking the scope back.
    back = modes.step_back(rule=asks, mode="observe", reason="too soon", by=ada, now=NOW)
    drain()
    assert (back.state, back.settled_by_name, back.settled_person) == (
        "in_force",
        "Ada",
        ada.person,
    )
    with pytest.raises(NotPossible, match="only observed so far"):
        modes.sign(rule=waits, by=ada, now=NOW)
    waits.refresh_from_db()
    assert (waits.state, mode_of(one)) == ("proposed", "observe")


def test_scope_of_nobody_is_asked_before_it_is_enforced(story: Told, ada: User) -> None:
    scope = {"kinds": ["workload"]}
    with pytest.raises(NotPossible, match="Nobody of this scope was asked about so far"):
        proposed(story.rita, scope, "enforce")
    in_force(story, ada, scope, "ask")
    assert in_force(story, ada, scope, "enforce").state == "in_force"


@pytest.mark.parametrize("to", ["enforce", "ask", "nothing"])
def test_no_step_goes_forward_with_one_signature(story: Told, ada: User, to: str) -> None:
    rule = in_force(story, ada, AGENTS, "ask")
    with pytest.raises(NotAllowed, match="there is no step back"):
        modes.step_back(rule=rule, mode=to, reason="x", by=ada, now=NOW)


@pytest.mark.parametrize(
    ("who", "may", "back"),
    [
        ("rita", None, None),
        ("ada", None, None),
        ("lead", "Only a reviewer or an administrator", None),
        ("ines", "Only a reviewer or an administrator", "Only a reviewer, a responder or"),
        ("otto", AUDITOR, AUDITOR),
        ("left", "You have left", "You have left"),
    ],
)
def test_why_not_by_role(
    story: Told, ada: User, who: str, may: str | None, back: str | None
) -> None:
    rule = in_force(story, ada, AGENTS, "ask")
    waits = proposed(story.rita, {}, "ask")
    user = (
        getattr(story, who, None)
        or {
            "ada": lambda: ada,
            "lead": lambda: make_user("lead", "responder"),
            "left": lambda: make_user(
                "gone", "reviewer", person=Person.objects.create(name="Gone", left_at=NOW - DAY)
            ),
        }[who]()
    )
    signing = "You proposed it: a second person signs." if who == "rita" else may
    for said, wanted in (
        (mode_permissions.why_not_propose_mode(user, now=NOW), may),
        (mode_permissions.why_not_refuse_mode(user, waits, now=NOW), may),
        (mode_permissions.why_not_sign_mode(user, waits, now=NOW), signing),
        (mode_permissions.why_not_step_back(user, rule, "observe", now=NOW), back),
    ):
        assert (said is None) == (wanted is None)
        assert (said or "").startswith(wanted or "")


def test_what_is_settled_is_not_settled_again(story: Told, ada: User) -> None:
    rule = proposed(story.rita, AGENTS, "ask")
    modes.refuse(rule=rule, reason="not yet", by=story.rita, now=NOW)
    calls: list[Callable[[], object]] = [
        partial(modes.sign, rule=rule, by=ada, now=NOW),
        partial(modes.refuse, rule=rule, reason="x", by=ada, now=NOW),
    ]
    for call in calls:
        with pytest.raises(NotAllowed, match="is refused already, by Rita"):
            call()
    with pytest.raises(NotAllowed, match="only what is in force is taken back"):
        modes.step_back(rule=rule, mode="observe", reason="x", by=ada, now=NOW)


@pytest.mark.parametrize(
    ("scope", "mode", "said"),
    [
        ({"modes": ["observe"]}, "ask", "A mode is set for what stays true"),
        ({"findings": ["no_run"]}, "ask", "A mode is set for what stays true"),
        ({"kinds": ["robot"]}, "ask", "Write one of"),
        ({}, "off", "'off' is no mode"),
    ],
)
def test_what_cannot_be_a_rule_is_refused(
    story: Told, scope: dict[str, Any], mode: str, said: str
) -> None:
    with pytest.raises(NotPossible, match=said):
        proposed(story.rita, scope, mode)
    assert ModeRule.objects.count() == 0


def test_one_proposal_for_a_scope_at_a_time(story: Told) -> None:
    proposed(story.rita, AGENTS, "ask")
    with pytest.raises(NotPossible, match="waits for its second signature"):
        proposed(story.rita, AGENTS, "enforce")


def test_dry_run_counts_what_then_happens(story: Told, ada: User) -> None:
    """Reviews that are counted are opened, and no others."""
    put_in_force(story, name="agents", scope={"kinds": ["agent"], "modes": ["ask"]}, every_days=90)
    system = Service.objects.create(
        slug="s2", name="S2", ai_system=True, ai_owner=party(story.samuel)
    )
    owned = agent("owned", owner=party(story.ines), service=system)
    left = agent("left alone")
    finding(owned, "no_authority")
    workload = Identity.objects.create(name="w", kind="workload", created_at=NOW)
    found = finding(workload, "no_authority")
    quiet = Identity.objects.create(name="quiet", kind="workload", created_at=NOW)
    scope = {"kinds": ["agent", "workload"]}
    seen = mode_rules.look(scope, "ask", now=NOW)
    assert (seen.identities, seen.moved, seen.findings, seen.due, seen.nobody, seen.cut) == (
        4,
        {"observe": 4},
        2,
        1,
        3,
        0,
    )
    assert [(str(one.party), one.reviews) for one in seen.asked] == [("Ines", 1), ("Samuel", 1)]
    rule = in_force(story, ada, scope, "ask")
    assert rule.seen["reviews"] == 3
    while actions.open_from_findings_next(now=NOW):
        pass
    actions.open_due(now=NOW)
    opened = set(Case.objects.filter(state="open").values_list("identity__name", flat=True))
    assert opened == {owned.name, left.name, workload.name}
    assert found.cases.count() == 1
    assert mode_of(quiet) == "ask"


def test_a_review_that_was_only_proposed_is_sent_to_its_seats(story: Told, ada: User) -> None:
    one = agent("watched", owner=party(story.ines))
    finding(one, "no_run")
    while actions.open_from_findings_next(now=NOW):
        pass
    case = Case.objects.get(identity=one)
    assert (case.state, modes.send_next(now=NOW)) == ("draft", False)
    assert mode_rules.look(AGENTS, "ask", now=NOW).findings == 1
    rule = in_force(story, ada, AGENTS, "ask")
    assert [modes.send_next(now=NOW + HOUR) for _ in range(2)] == [True, False]
    case.refresh_from_db()
    assert (case.state, case.opened_at) == ("open", NOW + HOUR)
    assert case.reason.endswith(f"({rule} asks about it since 2026-11-24)")
    assert mode_rules.look(AGENTS, "enforce", now=NOW).findings == 0


def test_dry_run_says_what_silence_would_have_cut(story: Told, case: Case) -> None:
    Identity.objects.filter(pk=story.identity.pk).update(mode="ask")
    Case.objects.filter(pk=case.pk).update(silence="suspend", silence_done_at=NOW - DAY)

    def cut(now: Any = NOW, mode: str = "enforce") -> int:
        return mode_rules.look(ACCOUNTS, mode, now=now).cut

    assert (cut(), cut(NOW + 30 * DAY), cut(mode="observe")) == (1, 0, 0)
    Identity.objects.filter(pk=story.identity.pk).update(criticality="critical")
    assert cut() == 0


def test_dry_run_and_sweep_ask_the_same_for_many(story: Told, ada: User) -> None:
    def questions(call: Any) -> int:
        with CaptureQueriesContext(connection) as seen:
            call()
        return len(seen)

    agent("one", owner=party(story.ines))
    look = partial(mode_rules.look, AGENTS, "ask", now=NOW)
    before = questions(look)
    for number in range(20):
        owner = Party.objects.create(person=Person.objects.create(name=f"p{number}"))
        agent(f"many {number}", owner=owner)
    assert questions(look) == before
    modes.sign(rule=proposed(story.rita, AGENTS, "ask"), by=ada, now=NOW)
    sweeps = [questions(partial(modes.apply_next, now=NOW, most=most)) for most in (1, 20)]
    assert sweeps[0] == sweeps[1]
