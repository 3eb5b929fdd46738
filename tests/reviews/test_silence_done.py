"""What silence really does, and that ledger, page and mails say that and nothing else."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import DelegationVersion, Identity, Revocation
from reviews import actions
from reviews.models import Case, Notice
from reviews.pages import case_clock

from . import stages
from .conftest import DAY, HOUR, NOW, Told, item_of, make_user
from .stages import FIRST, SECOND, say, seat
from .test_deadlines import due, sweep

pytestmark = pytest.mark.django_db
type Sign = Callable[..., Any]

SUSPENDED = "svc-report is suspended; held: REV-"
REVOKED = "what not every seat answered is revoked"
NARROWED = (
    "what was not seen in evidence is narrowed away; 1 item is nothing of which evidence says what"
    " to narrow it to, and stays open"
)
GIVEN = "2 items became what those who answered said"
DIFFER = "the tie-breaker decides 2 items, on which seats differ"
ESCALATED = "it goes to the backups and the tie-breaker: Marek, Leila"
# (silence, first seat, second seat) -> identity, delegation, credential, done, words.
TABLE: dict[tuple[str, str, str], tuple[str, str, str, str, str]] = {
    **{
        ("suspend", first, ""): ("suspended", "", "", "suspend", SUSPENDED)
        for first in ("", "keep", "dont_know", "narrow")
    },
    ("suspend", "revoke", ""): ("active", "revoke", "revoke", "", GIVEN),
    ("suspend", "keep", "revoke"): ("active", "conflict", "conflict", "", DIFFER),
    **{
        ("revoke", first, ""): ("active", "revoke", "revoke", "revoke", REVOKED)
        for first in ("", "keep", "dont_know", "narrow")
    },
    ("revoke", "revoke", ""): ("active", "revoke", "revoke", "", GIVEN),
    ("revoke", "keep", "revoke"): ("active", "conflict", "conflict", "", DIFFER),
    **{
        ("narrow", first, ""): ("active", "narrow", "", "narrow", NARROWED)
        for first in ("", "keep", "dont_know")
    },
    ("narrow", "revoke", ""): ("active", "revoke", "revoke", "", GIVEN),
    ("narrow", "keep", "revoke"): ("active", "conflict", "conflict", "", DIFFER),
    **{
        ("escalate", first, ""): ("active", "", "", "escalate", ESCALATED)
        for first in ("", "keep", "revoke")
    },
}


def answer(case: Case, sign: Sign, who: Any, said: str, **more: Any) -> None:
    """The same on both items; a key cannot be narrowed, so it is kept then."""
    if said:
        sign(case, "delegation", who, said, **more)
        sign(case, "credential", who, "keep" if said == "narrow" else said, **more)


def said_of(case: Case, act: str = "case.silence") -> tuple[str, str]:
    entry = LedgerEntry.objects.get(subject=case.key, act=act)
    return str(entry.data["done"]), entry.words


@pytest.mark.parametrize(("given", "expected"), list(TABLE.items()), ids="-".join)
def test_silence_does_what_it_says(
    story: Told, case: Case, sign: Sign, given: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    silence, first, second = given
    answer(case, sign, story.ines, first)
    answer(case, sign, story.samuel, second, seat="ai_owner")
    # A conflict holds reversibly; what is counted is what silence asks for.
    before = Revocation.objects.count()
    now = due(case, silence=silence)
    sweep(now)
    case.refresh_from_db()
    story.identity.refresh_from_db()
    outcomes = [item_of(case, kind).outcome for kind in ("delegation", "credential")]
    done, words = said_of(case)
    assert (story.identity.state, *outcomes, done) == expected[:4]
    assert words.split(": ", 1)[1].startswith(expected[4])
    assert words.split(": ", 1)[1].endswith(expected[4]) or done == "suspend"
    # The page says it in the same words, and so does every mail.
    if case.state == "open":
        page = case_clock.of(case, now=now)
        assert page is not None
        assert page["sentence"] == f"{words}."
        mails = Notice.objects.filter(occasion=f"{case.key} overdue")
        assert mails.exists()
        assert all(words.split(": ", 1)[1] in one.body for one in mails)
    steps = {row.step for row in Revocation.objects.order_by("number")[before:]}
    assert ("suspend" in steps) is (story.identity.state == "suspended")
    assert ("revoke" in steps) is ("revoke" in outcomes and not (first == "revoke" and second))


def test_silence_narrows_at_once_what_it_says_is_narrowed(
    story: Told, case: Case, sign: Sign
) -> None:
    """The key stays open, and with it the case: what is narrowed does not wait for that."""
    answer(case, sign, story.ines, "keep")
    sweep(due(case, silence="narrow"))
    case.refresh_from_db()
    row = DelegationVersion.objects.get(
        delegation=story.delegation, state="in_force", superseded_at=None, during__endswith__gt=NOW + 2 * DAY,
        during__contains=case.deadline_at + DAY,
    )  # fmt: skip
    assert (case.state, row.actions) == ("open", ["s3:GetObject"])


def test_a_suspended_identity_works_again_when_the_missing_seat_answers(
    story: Told, case: Case, sign: Sign
) -> None:
    answer(case, sign, story.ines, "keep")
    now = due(case, silence="suspend")
    sweep(now)
    answer(case, sign, story.samuel, "keep", seat="ai_owner", now=now)
    while actions.carry_out_next(now=now + HOUR):
        pass
    story.identity.refresh_from_db()
    assert story.identity.state == "active"
    assert Revocation.objects.filter(step="resume").exists()


def test_what_cannot_be_suspended_is_not_said_to_be(story: Told, case: Case) -> None:
    now = due(case, silence="suspend")
    Identity.objects.filter(pk=story.identity.pk).update(state="retired")
    sweep(now)
    done, words = said_of(case)
    assert done == ""
    assert ": svc-report could not be suspended: " in words
    assert Revocation.objects.count() == 0


def test_a_case_without_items_is_suspended_too(story: Told, case: Case) -> None:
    case.items.all().delete()
    sweep(due(case, silence="suspend"))
    story.identity.refresh_from_db()
    assert (story.identity.state, said_of(case)[0]) == ("suspended", "suspend")


def test_a_case_without_items_has_nothing_to_revoke(story: Told, case: Case) -> None:
    case.items.all().delete()
    sweep(due(case, silence="revoke"))
    done, words = said_of(case)
    assert (done, words.split(": ", 1)[1]) == ("", "there is nothing in it that it could cut")


def test_a_later_rung_cuts_what_one_seat_kept(story: Told, sign: Sign) -> None:
    """One owner's yes takes no rung off the ladder."""
    ladder = {"normal": [
        {"after_hours": 168, "does": "narrow"}, {"after_hours": 192, "does": "suspend"},
    ]}  # fmt: skip
    case = stages.opened(story, ladder=ladder)
    answer(case, sign, story.ines, "keep")
    stages.sweep(case.deadline_at + HOUR)
    assert said_of(case)[0] == "narrow"
    stages.sweep(case.deadline_at + 25 * HOUR)
    story.identity.refresh_from_db()
    done, words = said_of(case, "case.rung")
    assert (story.identity.state, done) == ("suspended", "suspend")
    assert SUSPENDED in words


# --- in stages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strategy", ["all_must_accept", "one_accept_accepts", "accepted_if_not_denied"]
)
@pytest.mark.parametrize("first", ["keep", "dont_know", ""])
def test_the_last_stage_is_silenced_when_one_seat_was_silent(
    story: Told, strategy: str, first: str
) -> None:
    case = stages.opened(story, FIRST, silence="suspend", strategy=strategy)
    for kind in ("delegation", "credential") if first else ():
        say(case, story.ines, first, seat(case, "identity_owner", "Owners"), kind=kind)
    stages.sweep(case.deadline_at + HOUR)
    story.identity.refresh_from_db()
    assert (story.identity.state, said_of(case)[0]) == ("suspended", "suspend")
    assert [one.outcome for one in case.items.all()] == ["", ""]


def test_a_seat_that_was_silent_in_an_earlier_stage_is_not_made_up_for(story: Told) -> None:
    ivo, ada = make_user("ivo", "owner"), make_user("ada", "owner")
    stages.team("IAM", ivo)
    stages.team("AI risk", ada)
    case = stages.opened(story, FIRST, SECOND, silence="suspend")
    for kind in ("delegation", "credential"):
        say(case, story.ines, "keep", seat(case, "identity_owner", "Owners"), kind=kind)
    stages.sweep(case.deadline_at + HOUR)
    case = stages.fresh(case)
    begun: datetime = case.counts_from
    for kind in ("delegation", "credential"):
        for who, where in ((ivo, "identity_owner"), (ada, "ai_owner")):
            say(case, who, "keep", seat(case, where, "Second look"), kind=kind, now=begun)
    assert stages.fresh(case).state == "open"
    stages.sweep(case.deadline_at + HOUR)
    story.identity.refresh_from_db()
    assert (story.identity.state, said_of(case)[0]) == ("suspended", "suspend")


def test_what_two_people_signed_of_a_stage_without_answers_holds(story: Told) -> None:
    case = stages.opened(story, FIRST | {"if_nobody_answered": "keep"}, silence="suspend")
    stages.sweep(case.deadline_at + HOUR)
    story.identity.refresh_from_db()
    assert (story.identity.state, stages.fresh(case).state) == ("active", "decided")
    assert not LedgerEntry.objects.filter(subject=case.key, act="case.silence").exists()
