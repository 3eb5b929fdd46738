"""Held for some days, restored by one click inside the window, revoked for good when it is over."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.actions import credentials
from identities.models import Credential, Identity, Revocation
from identities.permissions import AUDITOR, NotAllowed, NotPossible
from reviews import actions
from reviews.actions import grants, quarantining
from reviews.campaigns import progress
from reviews.models import Campaign, Case, Quarantine
from tests import once

from .conftest import DAY, HOUR, NOW, Told, item_of, make_user
from .test_pages import answered, as_user
from .test_policy_versions import put_in_force

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
DAYS = 7
KINDS = ("credential", "delegation")


@pytest.fixture
@once.told
def case(story: Told) -> Case:
    put_in_force(story, quarantine_days=DAYS)
    return actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")


def revoke(case: Case, story: Told, sign: Sign, kind: str, now: Any = NOW) -> Quarantine | None:
    """Both seats revoke it."""
    sign(case, kind, story.ines, "revoke", now=now)
    sign(case, kind, story.samuel, "revoke", seat="ai_owner", now=now)
    return Quarantine.objects.filter(item__kind=kind, state="held").first()


def steps(case: Case) -> list[str]:
    rows = Revocation.objects.filter(case=case.pk, system="aws").order_by("number")
    return list(rows.values_list("step", flat=True))


def carry(now: Any) -> None:
    while actions.carry_out_next(now=now):
        pass


def works(story: Told, now: Any) -> bool:
    return grants.in_force(grants.locked(story.delegation.pk), now=now) is not None


def went_out(story: Told, now: Any) -> None:
    """What an enforcer would have done and seen by now."""
    last = Revocation.objects.filter(credential=story.credential).order_by("-number").first()
    assert last is not None
    state = {"hold": "held", "release": "active", "revoke": "revoked"}[last.step]
    Revocation.objects.filter(credential=story.credential).update(state="effective")
    credential = Credential.objects.get(pk=story.credential.pk)
    credentials.mark(credential=credential, state=state, at=now, now=now, because="seen")


def test_what_both_seats_revoke_is_held_until_a_stored_end(
    story: Told, case: Case, sign: Sign
) -> None:
    row = revoke(case, story, sign, "credential")
    assert row is not None
    assert (row.until, steps(case)) == (NOW + DAYS * DAY, ["hold"])
    item = item_of(case, "credential")
    assert (item.outcome, item.due_at, item.carried_out_at) == ("revoke", row.until, None)
    assert item.carried_words.endswith("revoked for good on 1 Dec 2026 12:00 UTC")


def test_when_its_time_is_over_it_is_revoked_once(story: Told, case: Case, sign: Sign) -> None:
    row = revoke(case, story, sign, "credential")
    assert row is not None
    went_out(story, NOW)
    carry(row.until - timedelta(seconds=1))
    assert steps(case) == ["hold"]
    carry(row.until)
    carry(row.until + HOUR)
    row.refresh_from_db()
    assert (steps(case), row.state) == (["hold", "revoke"], "revoked")
    assert item_of(case, "credential").carried_out_at == row.until


def test_a_delegation_is_stopped_and_then_ended(story: Told, case: Case, sign: Sign) -> None:
    row = revoke(case, story, sign, "delegation")
    assert row is not None
    assert not works(story, NOW)
    carry(row.until)
    assert not works(story, row.until)
    item = item_of(case, "delegation")
    assert (item.carried_words, item.carried_out_at) == (
        f"{story.delegation.key} ended",
        row.until,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_restored_in_an_open_case_asks_both_seats_again(
    story: Told, case: Case, sign: Sign, kind: str
) -> None:
    row = revoke(case, story, sign, kind)
    assert row is not None
    if kind == "credential":
        went_out(story, NOW)
    later = NOW + DAY
    asked = actions.restore(case=case, item=item_of(case, kind), by=story.samuel, now=later)
    row.refresh_from_db()
    assert (asked.pk, row.state, row.settled_by_name) == (case.pk, "restored", "Samuel")
    item = item_of(case, kind)
    assert (item.outcome, item.due_at, item.carried_words) == ("", None, "restored by Samuel")
    assert not item.decisions.filter(superseded_at__isnull=True).exists()
    if kind == "credential":
        assert steps(case) == ["hold", "release"]
    else:
        assert works(story, later)
    carry(row.until + DAY)
    assert (steps(case)[2:], item_of(case, kind).outcome) == ([], "")
    said = LedgerEntry.objects.get(act="item.restored")
    assert said.words.startswith(f"Samuel restored {item.title} with 6 days left")


def test_restored_after_the_rest_went_out_is_asked_about_anew(
    story: Told, case: Case, sign: Sign
) -> None:
    for item in case.items.exclude(kind="credential"):
        for seat, user in (("identity_owner", story.ines), ("ai_owner", story.samuel)):
            sign(case, item.kind, user, "keep", seat=seat)
    revoke(case, story, sign, "credential")
    went_out(story, NOW)
    carry(NOW + HOUR)
    case.refresh_from_db()
    assert case.state == "carrying_out"
    lead = make_user("lead", "responder")
    asked = actions.restore(case=case, item=item_of(case, "credential"), by=lead, now=NOW + DAY)
    assert (asked.pk == case.pk, asked.state) == (False, "open")
    assert asked.items.filter(kind="credential", ref=story.credential.pk).exists()
    went_out(story, NOW + DAY)
    carry(NOW + DAY)
    case.refresh_from_db()
    assert (case.state, item_of(case, "credential").carried_words) == (
        "closed",
        f"restored by Lead, asked about again in {asked.key}",
    )


@pytest.mark.parametrize("state", ["running", "closed"])
def test_asked_anew_under_the_same_policy_and_campaign(
    story: Told, case: Case, sign: Sign, state: str
) -> None:
    assert case.policy is not None
    campaign = Campaign.objects.create(
        name="Yearly",
        policy=case.policy,
        reason="yearly",
        made_at=NOW,
        state=state,
        launched_at=NOW,
        deadline_at=NOW + DAY,
    )
    Case.objects.filter(pk=case.pk).update(campaign=campaign)
    for item in case.items.exclude(kind="credential"):
        for seat, user in (("identity_owner", story.ines), ("ai_owner", story.samuel)):
            sign(case, item.kind, user, "keep", seat=seat)
    revoke(case, story, sign, "credential")
    went_out(story, NOW)
    carry(NOW + HOUR)
    before = progress.count(campaign, now=NOW + HOUR)
    put_in_force(story, quarantine_days=1)
    lead = make_user("lead", "responder")
    item = item_of(case, "credential")
    asked = actions.restore(case=case, item=item, by=lead, now=NOW + DAY)
    assert (asked.policy, asked.silence) == (case.policy, case.silence)
    assert asked.campaign == (campaign if state == "running" else None)
    # What was decided and restored is decided no more: it waits in the new review.
    after = progress.count(campaign, now=NOW + DAY)
    more = asked.items.count() if state == "running" else 0
    assert (before.decided, after.decided) == (case.items.count(), case.items.count() - 1)
    assert (after.items, after.open_cases) == (before.items - 1 + more, int(bool(more)))


@pytest.mark.parametrize("kind", KINDS)
def test_seats_that_change_their_mind_let_it_go_on(
    story: Told, case: Case, sign: Sign, kind: str
) -> None:
    for item in case.items.exclude(kind=kind):
        for seat, user in (("identity_owner", story.ines), ("ai_owner", story.samuel)):
            sign(case, item.kind, user, "keep", seat=seat)
    sign(case, kind, story.ines, "revoke")
    if kind == "credential":
        sign(case, kind, story.samuel, "dont_know", seat="ai_owner")
        assert Quarantine.objects.count() == 0
        return
    other = case.items.exclude(kind=kind).first()
    assert other is not None
    actions.undo(case=case, item=other, by=story.ines, now=NOW + timedelta(seconds=1))
    sign(case, kind, story.samuel, "revoke", seat="ai_owner", now=NOW + HOUR)
    assert Quarantine.objects.filter(state="held").count() == 1
    for seat, user in (("identity_owner", story.ines), ("ai_owner", story.samuel)):
        sign(case, kind, user, "keep", seat=seat, now=NOW + 2 * HOUR)
    sign(case, other.kind, story.ines, "keep", now=NOW + 2 * HOUR)
    carry(NOW + 3 * HOUR)
    assert (Quarantine.objects.get().state, works(story, NOW + 3 * HOUR)) == ("over", True)
    carry(NOW + (DAYS + 1) * DAY)
    assert Revocation.objects.filter(step="revoke").count() == 0


@pytest.mark.parametrize("why", ["critical", "no days"])
def test_at_once_where_it_is_critical_or_the_policy_says_nothing(
    story: Told, case: Case, sign: Sign, why: str
) -> None:
    if why == "critical":
        Identity.objects.filter(pk=story.identity.pk).update(criticality="critical")
    else:
        Case.objects.filter(pk=case.pk).update(policy=put_in_force(story, quarantine_days=0))
    assert revoke(case, story, sign, "credential") is None
    assert steps(case) == ["revoke"]


@pytest.mark.parametrize(
    ("who", "late", "why"),
    [
        ("ines", False, None),
        ("samuel", False, None),
        ("marek", False, None),  # the backup of the seat
        ("lead", False, None),
        ("rita", False, "Only who sits in this case or a responder may restore it."),
        ("otto", False, AUDITOR),
        ("ines", True, "Its time was over on 2026-12-01 12:00 UTC: it is being cut for good."),
    ],
)
def test_why_not_restore(
    story: Told, case: Case, sign: Sign, who: str, late: bool, why: str | None
) -> None:
    row = revoke(case, story, sign, "delegation")
    assert row is not None
    user = make_user("lead", "responder") if who == "lead" else getattr(story, who)
    now = row.until if late else NOW
    assert quarantining.why_not_restore(user, case, row, now=now) == why


def test_a_case_that_holds_something_is_not_cancelled(story: Told, case: Case, sign: Sign) -> None:
    revoke(case, story, sign, "delegation")
    with pytest.raises(NotPossible, match="gone out already: it can only be decided"):
        actions.cancel(case=case, by=story.rita, now=NOW, reason="no need")


def test_restored_once(story: Told, case: Case, sign: Sign) -> None:
    revoke(case, story, sign, "delegation")
    item = item_of(case, "delegation")
    actions.restore(case=case, item=item, by=story.ines, now=NOW + HOUR)
    with pytest.raises(NotAllowed, match="not held any more"):
        actions.restore(case=case, item=item, by=story.samuel, now=NOW + HOUR)


def test_pages_say_what_time_is_left_and_restore_by_one_click(
    story: Told, case: Case, sign: Sign, as_user: Callable[..., Any]
) -> None:
    now = timezone.now()
    revoke(case, story, sign, "delegation")
    Quarantine.objects.update(since=now - DAY, until=now + 2 * DAY + HOUR)
    item = item_of(case, "delegation")
    client, path = as_user(story.ines), f"/cases/{case.key}/restore/"
    for address in (f"/cases/{case.key}/", "/releases/"):
        said = client.get(address).content.decode()
        assert ("Held before it is cut for good" in said, f'action="{path}"' in said) == (
            True,
            True,
        )
    reader = as_user(story.otto)
    said = reader.get(f"/cases/{case.key}/").content.decode()
    assert (AUDITOR in said, f'action="{path}"' in said) == (True, False)
    assert reader.post(path, {"item": str(item.pk)}).status_code == 403
    answer = client.post(path, {"item": str(item.pk)})
    assert answer["Location"] == f"/cases/{case.key}/"
    assert Quarantine.objects.get().state == "restored"
    assert "Held before it is cut for good" not in client.get("/releases/").content.decode()
