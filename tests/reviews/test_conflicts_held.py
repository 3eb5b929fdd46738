"""What holds while the seats differ: the identity is suspended; where nothing can be, it is said."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import Credential, Identity, Revocation
from identities.permissions import NotAllowed
from reviews import actions
from reviews.models import Case, Item, Notice

from .conftest import HOUR, NOW, Told, item_of

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]


def asked_about(case: Case, kind: str, story: Told) -> Item:
    return Item.objects.create(
        case=case, position=9, kind=kind, ref=story.identity.pk, title=f"{kind} of svc-report"
    )


def state(story: Told) -> tuple[str, str]:
    identity = Identity.objects.get(pk=story.identity.pk)
    return identity.state, Credential.objects.get(pk=story.credential.pk).state


def steps() -> list[tuple[str, str]]:
    rows = Revocation.objects.order_by("requested_at", "pk")
    return list(rows.values_list("step", "system"))


def test_identity_is_suspended_while_the_seats_differ_and_works_again_when_they_keep_it(
    story: Told, case: Case, sign: Sign
) -> None:
    item = asked_about(case, "identity", story)
    sign(case, "identity", story.ines, "keep")
    sign(case, "identity", story.samuel, "revoke", seat="ai_owner")
    item.refresh_from_db()
    assert (item.outcome, item.held, state(story)[0]) == ("conflict", "revoke", "suspended")
    stopped = steps()
    assert {step for step, _ in stopped} == {"suspend", "hold"}
    assert item.carried_words.startswith("svc-report is suspended; held: ")
    entry = LedgerEntry.objects.get(act="item.conflict")
    assert "revoke is held until it is settled (svc-report is suspended" in entry.words
    sign(case, "identity", story.samuel, "keep", seat="ai_owner", now=NOW + HOUR)
    item.refresh_from_db()
    assert (item.outcome, item.held, state(story)[0]) == ("keep", "", "active")
    assert item.carried_words.startswith("svc-report works again; ")
    assert {step for step, _ in steps()} == {"suspend", "hold", "resume", "release"}
    assert "suspended" not in item.snapshot


def test_what_they_agree_to_stop_stays_stopped(story: Told, case: Case, sign: Sign) -> None:
    item = asked_about(case, "identity", story)
    sign(case, "identity", story.ines, "keep")
    sign(case, "identity", story.samuel, "revoke", seat="ai_owner")
    before = steps()
    sign(case, "identity", story.ines, "revoke", now=NOW + HOUR)
    item.refresh_from_db()
    # Nothing is given back in between, and nothing is asked for twice.
    assert (item.outcome, state(story)[0], steps()) == ("revoke", "suspended", before)
    assert item.carried_words == "svc-report is suspended already"


def test_after_the_deadline_who_has_answered_leaves_it_to_the_tie_breaker(
    story: Told, case: Case, sign: Sign
) -> None:
    asked_about(case, "identity", story)
    sign(case, "identity", story.ines, "keep")
    over = case.silent_at
    # Whoever has not answered still may; what they differ in is then settled by somebody else.
    sign(case, "identity", story.samuel, "revoke", seat="ai_owner", now=over)
    for user, seat, answer in ((story.ines, "identity_owner", "revoke"),
                               (story.samuel, "ai_owner", "keep")):  # fmt: skip
        with pytest.raises(NotAllowed, match="the tie-breaker decides now"):
            sign(case, "identity", user, answer, seat=seat, now=over + HOUR)
    actions.tie_break(
        case=case,
        item=item_of(case, "identity"),
        answer="revoke",
        reason="nobody needs it",
        by=story.leila,
        now=over + HOUR,
        version=Case.objects.get(pk=case.pk).version,
    )
    assert item_of(case, "identity").outcome == "revoke"


def test_keys_that_others_hold_are_not_given_back(story: Told, case: Case, sign: Sign) -> None:
    sign(case, "credential", story.ines, "keep")
    sign(case, "credential", story.samuel, "revoke", seat="ai_owner")
    asked_about(case, "identity", story)
    sign(case, "identity", story.ines, "keep", now=NOW + HOUR)
    sign(case, "identity", story.samuel, "revoke", seat="ai_owner", now=NOW + HOUR)
    sign(case, "identity", story.samuel, "keep", seat="ai_owner", now=NOW + 2 * HOUR)
    # The conflict about the key itself goes on.
    assert (item_of(case, "credential").held, state(story)[0]) == ("revoke", "active")
    assert [one for one in steps() if one[0] == "release"] == []


@pytest.mark.parametrize(
    ("kind", "stricter", "why"),
    [
        ("use", "revoke", "nothing can be held: whoever builds the agent has to take it out"),
        (
            "entitlement",
            "narrow",
            "it could not be held: This item names nothing that a system allows",
        ),
    ],
)
def test_where_nothing_can_be_held_it_is_said_and_goes_to_those_above(
    story: Told, case: Case, sign: Sign, kind: str, stricter: str, why: str
) -> None:
    item = asked_about(case, kind, story)
    sign(case, kind, story.ines, "keep")
    sign(case, kind, story.samuel, stricter, seat="ai_owner")
    item.refresh_from_db()
    assert (item.outcome, item.held, item.carried_words) == ("conflict", stricter, why)
    assert (steps(), state(story)) == ([], ("active", "active"))
    mail = Notice.objects.filter(
        subject__endswith="the seats differ, and nothing is held meanwhile"
    )
    assert sorted(one.person.name for one in mail if one.person) == ["Leila", "Marek"]
    assert mail[0].body.startswith(
        f"The seats differ on {kind} of svc-report, and {why}. It goes on until it is settled."
    )


def test_where_nobody_knows_nothing_is_stopped(story: Told, case: Case, sign: Sign) -> None:
    asked_about(case, "identity", story)
    sign(case, "identity", story.ines, "keep")
    sign(case, "identity", story.samuel, "dont_know", seat="ai_owner")
    assert (steps(), state(story)) == ([], ("active", "active"))
