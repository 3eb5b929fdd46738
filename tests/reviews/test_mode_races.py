"""Sweeps, signatures and restores at the same moment, on PostgreSQL: each thing happens once."""

from functools import partial

import pytest
from django.db import connection

from evidence.models import LedgerEntry
from identities.models import Identity, Revocation
from identities.permissions import NotAllowed
from reviews import actions
from reviews.actions import modes
from reviews.models import ModeRule, Quarantine

from .conftest import HOUR, NOW, item_of, make_user, seat_of, tell_story
from .test_modes import AGENTS, agent, drain, proposed
from .test_policy_versions import put_in_force
from .test_races import together

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 24


def test_sweeps_and_a_step_back_at_once_leave_nobody_behind() -> None:
    """Two workers move each identity once; one that is moving them still, while the scope is
    taken back, moves nobody afterwards."""
    rita, ada = make_user("rita", "reviewer"), make_user("ada", "administrator")
    for number in range(MANY):
        agent(f"a{number}")
    rule = modes.sign(rule=proposed(rita, AGENTS, "ask"), by=ada, now=NOW)
    assert sum(together(partial(drain, most=5), partial(drain, most=5))) == MANY // 5 + 1
    rule.refresh_from_db()
    assert (rule.moved, LedgerEntry.objects.filter(act="identity.mode").count()) == (MANY, MANY)
    rule = modes.sign(rule=proposed(rita, AGENTS, "enforce"), by=ada, now=NOW)
    back = partial(modes.step_back, rule=rule, mode="observe", reason="stop", by=ada, now=NOW)
    found = together(partial(drain, most=1), back, back)
    assert sum(isinstance(one, NotAllowed) for one in found) == 1
    drain()
    assert set(Identity.objects.values_list("mode", flat=True)) == {"observe"}
    assert list(ModeRule.objects.order_by("number").values_list("mode", "state")) == [
        ("ask", "ended"),
        ("enforce", "ended"),
        ("observe", "in_force"),
    ]
    connection.close()


def test_restored_and_over_at_once_is_one_of_the_two() -> None:
    story = tell_story()
    put_in_force(story, quarantine_days=7)
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    item = item_of(case, "delegation")
    for seat, user in (("identity_owner", story.ines), ("ai_owner", story.samuel)):
        case.refresh_from_db()
        actions.decide(
            case=case,
            item=item,
            seat=seat_of(case, seat),
            answer="revoke",
            reason="x",
            by=user,
            now=NOW,
            version=case.version,
        )
    row = Quarantine.objects.get()
    last = row.until - HOUR
    found = together(
        partial(actions.restore, case=case, item=item, by=story.ines, now=last),
        partial(actions.restore, case=case, item=item, by=story.samuel, now=last),
        partial(actions.carry_out_next, now=row.until),
        partial(actions.carry_out_next, now=row.until),
    )
    row.refresh_from_db()
    refused = [one for one in found if isinstance(one, NotAllowed)]
    assert (row.state, len(refused)) in [("restored", 1), ("revoked", 2)]
    ends = LedgerEntry.objects.filter(act__in=["item.restored", "item.carried_out"])
    assert ends.count() == 1
    assert Revocation.objects.count() == 0
    connection.close()
