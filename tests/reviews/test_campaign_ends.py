"""When outcomes of a campaign go out, and what of it waits for a second look."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from evidence.models import LedgerEntry
from identities.models import Delegation, DelegationVersion
from identities.permissions import NotPossible
from reviews import actions
from reviews.actions import attention
from reviews.campaigns import launching, steering, steps
from reviews.models import Campaign, Case, CaseMember, Provisional
from tests import once

from . import hurry
from .conftest import DAY, HOUR, NOW, Told, everything_counts, item_of, person_of
from .test_campaigns import drain, prepared

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
OUT = NOW + 2 * HOUR


@pytest.fixture
@once.told
def campaign(story: Told) -> Campaign:
    """Launched for the story's identity; what is decided goes out at its end."""
    row = prepared(story.rita, applies="at_end")
    launching.launch(campaign=row, by=story.rita, now=NOW, reason="go")
    drain()
    everything_counts(Case.objects.get(), until=NOW + 30 * DAY)
    row.refresh_from_db()
    return row


def decided(story: Told, sign: Sign, **said: Any) -> Case:
    """Both owners have answered both items of the review, `keep` where nothing else is said."""
    case = Case.objects.get()
    for kind in ("delegation", "credential"):
        answer, more = said.get(kind, ("keep", {}))
        sign(case, kind, story.ines, answer, **more)
        sign(case, kind, story.samuel, answer, seat="ai_owner", **more)
    return Case.objects.get()


def shown_to(story: Told, case: Case) -> str:
    client = Client()
    client.force_login(story.ines, backend="django.contrib.auth.backends.ModelBackend")
    return str(client.get(f"/cases/{case.key}/").content.decode())


def carry(now: Any) -> str:
    while actions.carry_out_next(now=now):
        pass
    return Case.objects.get().state


def test_decided_review_waits_for_the_end(story: Told, campaign: Campaign, sign: Sign) -> None:
    case = decided(story, sign)
    assert case.state == "decided"
    assert f"goes out when {campaign.key} Yearly ends" in shown_to(story, case)
    assert carry(OUT) == "decided"
    assert carry(NOW + 6 * DAY) == "decided"
    steering.close(campaign=campaign, by=story.rita, now=NOW + 6 * DAY, reason="enough")
    assert "goes out when" not in shown_to(story, case)
    assert carry(NOW + 6 * DAY) == "closed"


def test_campaign_that_is_due_has_ended(story: Told, campaign: Campaign, sign: Sign) -> None:
    decided(story, sign)
    assert carry(NOW + 7 * DAY - HOUR) == "decided"
    assert carry(NOW + 7 * DAY) == "closed"


def test_campaign_that_is_extended_ends_later(story: Told, campaign: Campaign, sign: Sign) -> None:
    decided(story, sign)
    steering.extend(campaign=campaign, to=NOW + 9 * DAY, by=story.rita, now=OUT, reason="x")
    assert carry(NOW + 8 * DAY) == "decided"
    while steps.next_part(now=NOW + 8 * DAY):
        pass
    assert carry(NOW + 8 * DAY) == "decided"
    assert carry(NOW + 9 * DAY) == "closed"


def test_campaign_that_stands_still_does_not_end(
    story: Told, campaign: Campaign, sign: Sign
) -> None:
    decided(story, sign)
    steering.pause(campaign=campaign, by=story.rita, now=OUT, reason="freeze")
    assert carry(NOW + 20 * DAY) == "decided"


def test_what_is_revoked_goes_out_at_once(story: Told, campaign: Campaign, sign: Sign) -> None:
    decided(story, sign, delegation=("revoke", {}))
    assert item_of(Case.objects.get(), "delegation").carried_out_at == NOW
    version = Delegation.objects.get().versions.latest("version")
    assert version.revoked_at == NOW
    assert carry(OUT) == "decided"


def test_conflict_is_held_at_once(story: Told, campaign: Campaign, sign: Sign) -> None:
    case = Case.objects.get()
    sign(case, "credential", story.ines, "keep")
    sign(case, "credential", story.samuel, "revoke", seat="ai_owner")
    assert (item_of(case, "credential").held, story.credential.revocations.count()) == ("revoke", 1)


def left_at(story: Told, at: Any) -> list[list[str]]:
    return list(
        DelegationVersion.objects.filter(
            delegation=story.delegation, superseded_at=None, state="in_force", during__contains=at
        ).values_list("actions", flat=True)
    )


def test_what_both_narrow_after_a_conflict_is_narrow_until_the_end(
    story: Told, campaign: Campaign, sign: Sign
) -> None:
    case, whole = Case.objects.get(), left_at(story, NOW)
    less = {"proposal": {"actions": ["s3:GetObject"], "resources": ["invoices/*"]}}
    ai = {"seat": "ai_owner"}
    sign(case, "delegation", story.samuel, "keep", **ai)
    sign(case, "delegation", story.ines, "narrow", **less)
    sign(case, "delegation", story.samuel, "narrow", now=NOW + HOUR, **ai, **less)
    assert item_of(case, "delegation").outcome == "narrow"
    assert left_at(story, NOW + HOUR) == [["s3:GetObject"]] != whole
    # Taken back by one, it is held; by both, it is as it was.
    sign(case, "delegation", story.samuel, "keep", now=NOW + 2 * HOUR, **ai)
    assert left_at(story, NOW + 2 * HOUR) == [["s3:GetObject"]]
    sign(case, "delegation", story.ines, "keep", now=NOW + 3 * HOUR)
    assert left_at(story, NOW + 3 * HOUR) == whole
    sign(case, "delegation", story.ines, "narrow", now=NOW + 4 * HOUR, **less)
    for kind in ("delegation", "credential"):
        how = ("narrow", less) if kind == "delegation" else ("keep", {})
        sign(case, kind, story.samuel, how[0], now=NOW + 5 * HOUR, **ai, **how[1])
    sign(case, "credential", story.ines, "keep", now=NOW + 5 * HOUR)
    assert carry(NOW + 6 * DAY) == "decided"
    assert left_at(story, NOW + 6 * DAY) == [["s3:GetObject"]]
    assert carry(NOW + 8 * DAY) == "closed"
    row = DelegationVersion.objects.get(
        delegation=story.delegation, superseded_at=None, during__contains=NOW + 8 * DAY
    )
    assert (row.actions, row.resources, row.signed) == (["s3:GetObject"], ["invoices/*"], True)


def test_what_was_left_of_it_is_as_it_was_when_the_review_is_cancelled(
    story: Told, campaign: Campaign, sign: Sign
) -> None:
    case, whole = Case.objects.get(), left_at(story, NOW)
    less = {"proposal": {"actions": ["s3:GetObject"], "resources": ["invoices/*"]}}
    sign(case, "delegation", story.samuel, "keep", seat="ai_owner")
    sign(case, "delegation", story.ines, "narrow", **less)
    sign(case, "delegation", story.samuel, "narrow", now=NOW + HOUR, seat="ai_owner", **less)
    actions.cancel(case=case, by=story.rita, now=NOW + 2 * HOUR, reason="opened by mistake")
    assert left_at(story, NOW + 2 * HOUR) == whole


def test_what_ends_by_a_date_is_not_kept_back(story: Told, campaign: Campaign, sign: Sign) -> None:
    plan = {"proposal": {"plan": "a role", "control": "one address", "by": NOW + 3 * DAY}}
    decided(story, sign, credential=("replace", plan))
    assert carry(OUT) == "carrying_out"
    assert item_of(Case.objects.get(), "credential").due_at == NOW + 3 * DAY


def test_what_is_decided_in_other_campaigns_goes_out_at_once(
    story: Told, campaign: Campaign, sign: Sign
) -> None:
    decided(story, sign)
    Case.objects.update(campaign=None)
    assert carry(OUT) == "closed"


def test_other_words_for_when_are_refused(story: Told) -> None:
    with pytest.raises(NotPossible, match="at_once or at_end"):
        prepared(story.rita, applies="never")


# What waits for a second look.


def pages(story: Told, campaign: Campaign) -> tuple[str, str]:
    client = Client()
    client.force_login(story.rita, backend="django.contrib.auth.backends.ModelBackend")
    found = client.get("/campaigns/"), client.get(f"/campaigns/{campaign.key}/")
    return found[0].content.decode(), found[1].content.decode()


def hasten(story: Told) -> Case:
    """Fifty answers in a moment: the review is provisional."""
    case = Case.objects.get()
    hurry.kept(case, story.ines, 49)
    hurry.answer(case, item_of(case, "credential"), story.ines, now=NOW + timedelta(seconds=1))
    return case


def test_pages_name_what_waits_for_a_second_look(story: Told, campaign: Campaign) -> None:
    assert not any("second look" in page for page in pages(story, campaign))
    case = hasten(story)
    listed, shown = pages(story, campaign)
    assert "1 review waits for a second look" in listed
    assert "1 review waits for a second look" in shown
    assert f'<a href="/cases/{case.key}/">{case.key}</a>' in shown
    actions.look_again(
        case=case, how="confirm", reason="read them all", by=story.rita, now=NOW + HOUR
    )
    assert not any("second look" in page for page in pages(story, campaign))


def test_sealed_review_is_not_named(story: Told, campaign: Campaign) -> None:
    case = hasten(story)
    Case.objects.update(sealed=True)
    CaseMember.objects.create(case=case, person=person_of(story.samuel), since=NOW)
    assert attention.of_campaigns([campaign.pk]) == {}
    assert not any("second look" in page for page in pages(story, campaign))


def test_closing_says_what_waits_for_a_second_look(story: Told, campaign: Campaign) -> None:
    hasten(story)
    left = steering.close(campaign=campaign, by=story.rita, now=OUT, reason="enough")
    assert left.provisional == "1 review waits for a second look"
    said = LedgerEntry.objects.get(act="campaign.closed")
    assert "; 1 review waits for a second look: enough" in said.words
    assert said.data["provisional"] == 1
    # Closing settles nothing.
    assert Provisional.objects.filter(settled_at=None).count() == 1


def test_marks_are_counted_by_review_and_campaign(story: Told, campaign: Campaign) -> None:
    case = hasten(story)
    burst = Provisional.objects.get().burst
    burst.pk = None
    burst._state.adding = True
    burst.save()
    Provisional.objects.create(case=case, burst=burst, marked_at=NOW)
    other = prepared(story.rita, name="Other")
    assert attention.of_campaigns([campaign.pk, other.pk]) == {campaign.pk: 1}
    assert [attention.in_words(many) for many in (0, 1, 3)] == [
        "",
        "1 review waits for a second look",
        "3 reviews wait for a second look",
    ]
