"""What was taken back by a signature cuts nothing from then on, whatever the rows still say."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.models import Identity, Revocation, User
from reviews.actions import modes, modes_now
from reviews.models import Case, EndStep, ModeRule

from . import owning
from .conftest import DAY, HOUR, NOW, Told, make_user
from .test_deadlines import due, sweep
from .test_expiring import END, SUSPENDS, warn_all
from .test_modes import ACCOUNTS, AGENTS, agent, drain, in_force, killed_after, mode_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada", "administrator")


def held_back(*identities: Identity, now: datetime = NOW + DAY) -> list[str]:
    """The modes that hold for these."""
    with transaction.atomic():
        modes_now.hold_back(identities, now=now)
    return [one.mode for one in identities]


@pytest.mark.parametrize(
    ("mode", "words"), [("ask", "it goes to the backups"), ("observe", "it is only noted")]
)
def test_deadline_cuts_nothing_once_a_step_back_is_signed(
    story: Told, ada: User, case: Case, mode: str, words: str
) -> None:
    rule = in_force(story, ada, ACCOUNTS, "enforce")
    now = due(case, silence="suspend")
    modes.step_back(rule=rule, mode=mode, reason="too soon", by=ada, now=now)
    assert (mode_of(story.identity), sweep(now)) == ("enforce", 1)
    story.identity.refresh_from_db()
    assert (story.identity.state, Revocation.objects.count()) == ("active", 0)
    assert words in LedgerEntry.objects.get(act="case.silence").words
    # The row follows; what was swept did not write it.
    assert (mode_of(story.identity), drain(now=now)) == ("enforce", 1)
    assert mode_of(story.identity) == mode


@pytest.mark.parametrize(("mode", "did"), [("ask", "escalated"), ("observe", None)])
def test_end_of_an_attestation_suspends_nothing_once_a_step_back_is_signed(
    story: Told, ada: User, mode: str, did: str | None
) -> None:
    owning.put_in_force(**SUSPENDS)
    rule = in_force(story, ada, ACCOUNTS, "enforce")
    warn_all()
    modes.step_back(rule=rule, mode=mode, reason="too soon", by=ada, now=END)
    owning.sweep(END + HOUR)
    story.identity.refresh_from_db()
    ends = list(EndStep.objects.filter(days=0).values_list("did", flat=True))
    assert (story.identity.state, story.identity.mode) == ("active", "enforce")
    assert ends == ([] if did is None else [did])


def test_what_two_have_signed_downwards_holds_at_once_too(story: Told, ada: User) -> None:
    one = agent("a1")
    in_force(story, ada, AGENTS, "enforce")
    one.refresh_from_db()
    modes.sign(rule=proposal(story, "ask"), by=ada, now=NOW + HOUR)
    assert (held_back(one), mode_of(one)) == (["ask"], "enforce")


def test_what_leads_to_more_begins_with_the_row(story: Told, ada: User) -> None:
    one = agent("a1", mode="ask")
    modes.sign(rule=proposal(story, "enforce"), by=ada, now=NOW)
    assert held_back(one) == ["ask"]
    drain()
    assert mode_of(one) == "enforce"


def proposal(story: Told, mode: str) -> ModeRule:
    return modes.propose(scope=AGENTS, mode=mode, reason="x", by=story.rita, now=NOW)


def test_who_was_not_moved_yet_is_held_back_as_well(story: Told, ada: User) -> None:
    """A narrower rule is taken back while an older, wider one still holds in the rows; and what a
    later rule holds stays as that one says."""
    high = agent("high", criticality="high")
    in_force(story, ada, {}, "enforce")
    rule = modes.sign(rule=proposal(story, "enforce"), by=ada, now=NOW + HOUR)
    modes.step_back(rule=rule, mode="observe", reason="x", by=ada, now=NOW + HOUR)
    high.refresh_from_db()
    assert held_back(high) == ["observe"]
    narrow = modes.propose(
        scope=AGENTS | {"criticality": ["high"]}, mode="ask", reason="x", by=story.rita, now=NOW
    )
    modes.sign(rule=narrow, by=ada, now=NOW + 2 * HOUR)
    high.refresh_from_db()
    assert held_back(high) == ["ask"]


def test_step_back_that_is_killed_half_way_and_runs_twice_ends_the_same(
    story: Told, ada: User
) -> None:
    many = [agent(f"a{n}") for n in range(7)]
    rule = in_force(story, ada, AGENTS, "enforce")
    back = modes.step_back(rule=rule, mode="ask", reason="x", by=ada, now=NOW + HOUR)
    assert modes.apply_next(now=NOW + HOUR, most=3)
    with pytest.raises(RuntimeError, match="killed"):
        killed_after(lambda: modes.apply_next(now=NOW + HOUR, most=3))
    for one in many:
        one.refresh_from_db()
    assert sorted(one.mode for one in many) == ["ask"] * 3 + ["enforce"] * 4
    assert held_back(*many) == ["ask"] * 7
    assert (drain(now=NOW + DAY, most=3), drain(now=NOW + DAY)) == (2, 0)
    back.refresh_from_db()
    assert (back.moved, back.applied_at) == (7, NOW + DAY)
    entries = LedgerEntry.objects.filter(act="identity.mode", data__rule=back.key)
    assert entries.count() == 7


def test_what_is_taken_back_goes_before_what_goes_forward(story: Told, ada: User) -> None:
    agent("a1")
    old = in_force(story, ada, AGENTS, "enforce")
    modes.step_back(rule=old, mode="ask", reason="x", by=ada, now=NOW + HOUR)
    other = modes.propose(scope=ACCOUNTS, mode="ask", reason="x", by=story.rita, now=NOW)
    modes.sign(rule=other, by=ada, now=NOW + HOUR)
    assert modes.apply_next(now=NOW + DAY)
    assert list(
        Identity.objects.filter(mode_rule__isnull=False, mode="ask").values_list("kind", flat=True)
    ) == ["agent"]


def test_asking_what_holds_costs_the_same_for_many(story: Told, ada: User) -> None:
    many = [agent(f"a{n}") for n in range(20)]
    rule = in_force(story, ada, AGENTS, "enforce")
    modes.step_back(rule=rule, mode="observe", reason="x", by=ada, now=NOW)
    for one in many:
        one.refresh_from_db()

    def questions(call: Callable[[], object]) -> int:
        with CaptureQueriesContext(connection) as seen:
            call()
        return len(seen)

    few, all_of_them = questions(lambda: held_back(many[0])), questions(lambda: held_back(*many))
    assert (few, {one.mode for one in many}) == (all_of_them, {"observe"})


def test_asking_writes_nothing(story: Told, ada: User) -> None:
    one = agent("a1")
    rule = in_force(story, ada, AGENTS, "enforce")
    modes.step_back(rule=rule, mode="observe", reason="x", by=ada, now=NOW)
    one.refresh_from_db()
    before = LedgerEntry.objects.count()
    assert held_back(one) == ["observe"]
    assert (mode_of(one), LedgerEntry.objects.count()) == ("enforce", before)
