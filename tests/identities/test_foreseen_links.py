"""What a link of an actor changes is said before it is made and before it is taken back."""

import itertools
from typing import Any

import pytest

from evidence.models import Actor, LedgerEntry, Source
from evidence.vocabulary import CLAIMED, EXACT
from identities import coverage
from identities.acting import COMMAND
from identities.actions import bindings, changes, findings
from identities.actions.bindings import foreseeing, linking, links
from identities.actions.bindings.facts import Changes
from identities.actions.bindings.links import Link
from identities.judging import absence, trying
from identities.models import (
    Attribution,
    Binding,
    Credential,
    Finding,
    Identity,
    LinkProposal,
    ProposedChange,
    User,
)
from identities.permissions import NotAllowed, NotPossible
from tests.identities.chains import actor as named
from tests.identities.chains import delegation
from tests.identities.conftest import NOW
from tests.identities.test_api import call
from tests.identities.test_claimed_links import (
    actor,
    arrive,
    calls,
    key_of,
    run,
    shown,
    traces,
    trail,
)
from tests.identities.test_following import Make
from tests.identities.test_key_users import LATER, judge
from tests.linked import link_by_two

__all__ = ["call", "traces", "trail"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def reporter(trail: Source, traces: Source, active: Make) -> Identity:
    """Its key is used by its own agent, and by one that nobody has linked."""
    row: Identity = active("reporter")
    arrive(trail, calls(1, "R1"))
    arrive(trail, calls(2, "R2"))
    key_of(row)
    arrive(traces, run(1, "reporter", "R1"))
    arrive(traces, run(2, "helper", "R2"))
    bindings.bind(identity=row, actor=actor("agent", "reporter"), by=COMMAND, now=LATER)
    judge()
    return row


@pytest.fixture
def sam(user: Make) -> User:
    made: User = user("sam", "reviewer")
    return made


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests says nothing of what is looked at."""
    monkeypatch.setattr(foreseeing, "MOST_SECONDS", 120)


@pytest.fixture
def rita(user: Make) -> User:
    row: User = user("rita", "reviewer")
    return row


@pytest.fixture
def ron(user: Make) -> User:
    row: User = user("ron", "reviewer")
    return row


def owner() -> User:
    return User.objects.get(username="owner-of-reporter")


def helper(identity: Identity) -> Link:
    return Link(identity, actor("agent", "helper"))


def about(found: Changes) -> dict[str, Any]:
    return {one.about: one.value for one in found.facts}


def stands() -> dict[str, Any]:
    """What findings, authority and coverage say now."""
    return {
        "findings": sorted(
            Finding.objects.values_list("number", "state", "count", "strength", "identity")
        ),
        "credentials": sorted(Credential.objects.values_list("number", "identity")),
        "attributions": sorted(
            Attribution.objects.values_list(
                "at", "event_id", "identity_no", "role", "strength", "verdict", "reason"
            )
        ),
        "links": shown(),
        "coverage": [
            coverage.of_identity(number, until=LATER)
            for number in Identity.objects.order_by("number").values_list("number", flat=True)
        ],
    }


def test_link_says_which_finding_it_withdraws_and_changes_nothing_by_looking(
    reporter: Identity, rita: User, ron: User
) -> None:
    granted = delegation(reporter)
    (shared,) = Finding.objects.filter(rule="shared_credential", state="open")
    before, entries = stands(), LedgerEntry.objects.count()
    found = foreseeing.look([helper(reporter)], by=rita, now=LATER)
    assert (stands(), LedgerEntry.objects.count()) == (before, entries)
    said = about(found)
    assert (said["withdraws"], said["exact_links"]) == (shared.key, 1)
    assert said["authority"]["delegations"] == [granted.key]
    assert (found.needs_reason, found.why, len(found.digest)) == (True, "", 32)

    with pytest.raises(NotPossible, match="Say why"):
        linking.one(helper(reporter), by=rita, now=LATER)
    assert stands() == before
    said_with = {"reason": "it is ours", "was": found.digest}
    link_by_two(helper(reporter), by=rita, second=ron, now=LATER, **said_with)
    judge()
    shared.refresh_from_db()
    assert (shared.state, shown()) == ("withdrawn", {(EXACT, 1)})


def test_taking_back_says_first_what_it_changes_and_restores_everything(
    reporter: Identity, rita: User, ron: User, sam: User
) -> None:
    before = stands()
    made = link_by_two(helper(reporter), by=rita, second=ron, now=LATER, reason="it is ours")
    judge()
    linked = stands()
    found = foreseeing.look([links.ending(made)], by=rita, now=LATER)
    said = about(found)
    assert (said["opens"]["rule"], said["exact_links"], stands()) == (
        "shared_credential",
        -1,
        linked,
    )
    end = linking.one(links.ending(made), by=rita, now=LATER, reason="it is another team's")
    assert isinstance(end, ProposedChange)
    assert [row[0] for row in end.lines] == [
        "link of reporter",
        *("it changes" for _ in said if _ != "undo"),
    ]
    judge()
    assert stands() == linked
    with pytest.raises(NotAllowed, match="Whoever answers for reporter signs this"):
        changes.sign(change=end, by=sam, now=LATER)
    changes.sign(change=end, by=owner(), now=LATER)
    judge()
    assert stands() == before


def test_confirmed_finding_is_confirmed_again_when_the_link_is_taken_back(
    reporter: Identity, rita: User, ron: User
) -> None:
    (shared,) = Finding.objects.filter(rule="shared_credential", state="open")
    findings.dispose(
        finding=shared, disposition="confirmed", reason="we saw it", by=rita, now=LATER
    )
    made = link_by_two(helper(reporter), by=rita, second=ron, now=LATER, reason="it is ours")
    judge()
    shared.refresh_from_db()
    assert shared.state == "withdrawn"
    end = linking.one(links.ending(made), by=rita, now=LATER, reason="it is not")
    assert isinstance(end, ProposedChange)
    changes.sign(change=end, by=owner(), now=LATER)
    judge()
    shared.refresh_from_db()
    assert shared.state == "confirmed"


def test_act_is_refused_with_the_new_facts_when_they_have_changed(
    reporter: Identity, rita: User, ron: User
) -> None:
    found = foreseeing.look([helper(reporter)], by=rita, now=LATER)
    (shared,) = Finding.objects.filter(rule="shared_credential", state="open")
    findings.dispose(finding=shared, disposition="expected", reason="known", by=COMMAND, now=LATER)
    with pytest.raises(linking.Changed) as refused:
        linking.one(helper(reporter), by=rita, now=LATER, reason="ours", was=found.digest)
    new = refused.value.changes
    assert ("withdraws" in about(new), new.needs_reason) == (False, False)
    assert not Binding.objects.filter(actor=helper(reporter).actor).exists()
    link_by_two(helper(reporter), by=rita, second=ron, now=LATER, was=new.digest)
    assert Binding.objects.filter(actor=helper(reporter).actor, state="confirmed").exists()


def test_what_could_not_be_looked_at_in_time_is_said_and_needs_a_reason(
    reporter: Identity, rita: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "MOST_DEPOSITS", 0)
    found = foreseeing.look([helper(reporter)], by=rita, now=LATER)
    assert (found.digest, found.why, found.needs_reason) == ("", foreseeing.SLOW, True)
    # What was found by then is said all the same.
    assert "withdraws" in about(found)


def test_many_by_a_rule_need_a_reason_as_one_does(
    reporter: Identity, rita: User, ron: User
) -> None:
    Binding.objects.create(
        identity=reporter, actor=actor("agent", "helper"), basis="observed", state="proposed",
        seen=45, reason="45 calls", during=(None, None), recorded_at=NOW, by="countersign",
    )  # fmt: skip
    rule = bindings.Rule(least_calls=10)
    with pytest.raises(NotPossible, match="Say why"):
        bindings.confirm_by_rule(rule=rule, by=rita, now=LATER)
    done, left = bindings.confirm_by_rule(rule=rule, by=rita, now=LATER, reason="all ours")
    assert (done, left) == ([], ["helper: proposed; a second person signs it"])
    linking.sign(row=LinkProposal.objects.get(), by=ron, now=LATER)
    made = Binding.objects.get(state="confirmed", actor__value="helper")
    assert made.reason == "45 calls; all ours; signed for reporter by Ron"


def test_link_that_came_since_is_something_else_than_was_shown(
    reporter: Identity, rita: User
) -> None:
    idle = named("idle", kind="agent")
    rows = [
        Binding(
            identity=reporter, actor=one, basis="observed", state="proposed", seen=45,
            during=(None, None), recorded_at=NOW, by="countersign",
        )
        for one in (helper(reporter).actor, idle)
    ]  # fmt: skip
    rows[0].save()
    rule = bindings.Rule(least_calls=10)
    shown = foreseeing.look(links.of(bindings.preview(rule=rule, now=LATER)), by=rita, now=LATER)
    rows[1].save()
    with pytest.raises(linking.Changed):
        bindings.confirm_by_rule(rule=rule, by=rita, now=LATER, reason="ours", was=shown.digest)
    assert not Binding.objects.filter(actor=idle, state="confirmed").exists()


def test_what_waits_to_be_judged_is_not_known_and_needs_a_reason(
    reporter: Identity, rita: User
) -> None:
    row = Binding.objects.select_related("identity", "actor").get(actor__value="reporter")
    end = links.ending(row)
    shown = foreseeing.look([end], by=rita, now=LATER)
    # Linking anything has all evidence of the identity judged again.
    idle = named("idle", kind="agent")
    bindings.bind(identity=reporter, actor=idle, by=COMMAND, now=LATER)
    found = foreseeing.look([end], by=rita, now=LATER)
    assert (found.digest, found.why, found.needs_reason) == ("", foreseeing.WAITING, True)
    with pytest.raises(linking.Changed):
        linking.one(end, by=rita, now=LATER, reason="not ours", was=shown.digest)
    judge()
    assert foreseeing.look([end], by=rita, now=LATER).digest == shown.digest


def test_no_credential_is_looked_at_when_the_time_is_over(
    reporter: Identity, rita: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Any] = []
    late = itertools.count(step=1_000)
    monkeypatch.setattr(absence, "look", lambda *said, **_: looked.append(said))
    monkeypatch.setattr(foreseeing, "monotonic", lambda: next(late))
    found = foreseeing.look([helper(reporter)], by=rita, now=LATER)
    assert (looked, found.why) == ([], foreseeing.SLOW)


def test_finding_that_somebody_may_not_see_is_counted_and_not_named(
    reporter: Identity, active: Make, user: Make
) -> None:
    owner = user("olga", "owner")
    theirs = active("desk", owner=owner)
    key = Actor.objects.get(kind="access_key")
    Binding.objects.filter(actor=key).update(shared=True)
    found = foreseeing.look([Link(theirs, key, shared=True)], by=owner, now=LATER)
    assert not any("reporter" in one.words for one in found.facts if "finding" in one.about)
    assert [one.kind for one in found.facts if one.about == "hidden_findings"] == ["outside"]


def test_who_may_not_link_is_told_before_anything_is_looked_at(
    reporter: Identity, user: Make
) -> None:
    stranger = user("gus", "owner")
    with pytest.raises(NotAllowed):
        foreseeing.look([helper(reporter)], by=stranger, now=LATER)
    with pytest.raises(NotAllowed):
        linking.one(helper(reporter), by=stranger, now=LATER)


def test_unlinked_calls_move_from_nobody_to_the_identity(
    trail: Source, traces: Source, active: Make, rita: User
) -> None:
    """A key that nobody has: what was found of it would stand under the identity."""
    row = active("reporter")
    arrive(trail, calls(1, "R1"))
    arrive(trail, calls(2, "R2"))
    arrive(traces, run(1, "reporter", "R1"))
    arrive(traces, run(2, "helper", "R2"))
    (shared,) = Finding.objects.filter(rule="shared_credential", state="open")
    assert (shared.identity, shown()) == (None, {(CLAIMED, 0)})
    key = Actor.objects.get(kind="access_key")
    found = foreseeing.look([Link(row, key)], by=rita, now=LATER)
    said = about(found)
    assert (said["moves"], said["authority"]["calls"]) == (shared.key, 2)
    assert [one.words for one in found.facts if one.weakens] == []


def test_calls_are_counted_for_the_identity_whose_they_become(
    trail: Source, active: Make, rita: User
) -> None:
    reporter, desk = active("reporter"), active("desk")
    arrive(trail, calls(1, "R1", "R2"))
    idle = named("idle", kind="agent")
    key = Actor.objects.get(kind="access_key")
    found = foreseeing.look([Link(desk, idle), Link(reporter, key)], by=rita, now=LATER)
    authority = [one.value for one in found.facts if one.about == "authority"]
    assert {one["identity"]: one["calls"] for one in authority} == {reporter.key: 2, desk.key: 0}


def test_api_says_what_changes_and_answers_409_with_the_new_facts(
    reporter: Identity, rita: User, ron: User, call: Make
) -> None:
    link = helper(reporter)
    said = {"actor": link.actor.pk, "identity": reporter.key}
    query = f"?actor={link.actor.pk}&identity={reporter.key}"
    asked = call(rita, "GET", f"/api/unclaimed/bind/{query}")
    facts = asked.json()
    assert (asked.status_code, facts["needs_reason"], facts["others_sign"]) == (
        200,
        True,
        [reporter.key],
    )
    assert call(rita, "POST", "/api/unclaimed/bind/", said).status_code == 409
    stale = call(rita, "POST", "/api/unclaimed/bind/", said | {"reason": "x", "changes": "0" * 32})
    assert (stale.status_code, stale.json()["changes"]["digest"]) == (409, facts["digest"])
    done = call(
        rita, "POST", "/api/unclaimed/bind/", said | {"reason": "x", "changes": facts["digest"]}
    )
    assert (done.status_code, done.json()["proposed"][0]["state"]) == (202, "proposed")
    made = linking.sign(row=LinkProposal.objects.get(), by=ron, now=LATER)
    assert made is not None
    end = f"/api/bindings/{made.pk}/end/"
    facts = call(rita, "GET", end).json()
    asked = call(rita, "POST", end, {"reason": "no", "changes": facts["digest"]})
    (change,) = ProposedChange.objects.all()
    assert (asked.status_code, asked.json()) == (202, {"waits": change.key})
    assert Binding.objects.filter(actor=link.actor, superseded_at__isnull=True).exists()


def test_link_is_not_taken_back_where_that_does_something_else_by_now(
    reporter: Identity, rita: User, ron: User
) -> None:
    made = link_by_two(helper(reporter), by=rita, second=ron, now=LATER, reason="it is ours")
    judge()
    end = linking.one(links.ending(made), by=rita, now=LATER, reason="it is not")
    assert isinstance(end, ProposedChange)
    assert end.document["digest"] != ""
    own = Binding.objects.get(actor__value="reporter", superseded_at__isnull=True)
    bindings.unbind(binding=own, by=COMMAND, now=LATER, reason="mistaken")
    judge()
    with pytest.raises(NotPossible, match="propose it again"):
        changes.sign(change=end, by=owner(), now=LATER)
    made.refresh_from_db()
    assert made.superseded_at is None
