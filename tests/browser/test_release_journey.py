"""The release list in a browser: a responder releases one step that is held, and drops another."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from evidence.models import LedgerEntry
from identities.models import User
from reviews.models import Case, Rung
from tests.browser.conftest import OVERFLOW, Open
from tests.browser.signing import confirm
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)
WHY = "It came due while Countersign was not at work."


def held() -> Case:
    """Two steps of silence of an open review that an outage has held."""
    case = Case.objects.filter(state="open", sealed=False, door="access_review").earliest("number")
    now = timezone.now()
    for days, does in ((1, "suspend"), (2, "revoke")):
        Rung.objects.create(
            case=case,
            does=does,
            after=case.deadline_at - case.opened_at + timedelta(days=days),
            at=now - timedelta(days=3 - days),
            state="held",
            held_at=now,
            held_why=WHY,
        )
    return case


def say(page: Page, row: str, words: str, why: str) -> None:
    """Press a button of the row of this step, give the reason, and confirm who one is."""
    line = page.locator("tr", has_text=row)
    line.locator("summary", has_text=words).click()
    box = line.locator("details[open]")
    box.get_by_role("textbox").fill(why)
    box.get_by_role("button", name=words).click()
    confirm(page)


@pytest.mark.parametrize("javascript", [True, False])
def test_responder_releases_and_drops_what_is_held(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, javascript: bool
) -> None:
    case = held()
    responder = User.objects.filter(groups__name="responder", is_active=True).earliest("username")
    page = open_as(responder, javascript=javascript, phone=True)
    page.goto("/")
    page.goto("/releases/")
    expect(page.get_by_role("heading", level=2, name=case.key)).to_be_visible()
    expect(page.get_by_text(WHY)).to_have_count(2)
    if javascript:
        assert (axe(page), page.evaluate(OVERFLOW)) == ([], 0)
    say(page, "is revoked", "Drop", "the owner is on leave")
    expect(page.get_by_text(f"Dropped in {case.key}: 1 step.")).to_be_visible()
    expect(page.get_by_text(WHY)).to_have_count(1)
    say(page, "is suspended", "Release", "its owner was told twice")
    expect(page.get_by_text(f"Released in {case.key}: 1 step.")).to_be_visible()
    expect(page.get_by_text("Nothing is held")).to_be_visible()
    assert dict(case.rungs.filter(settled_at__isnull=False).values_list("does", "state")) == {
        "suspend": "waiting",
        "revoke": "dropped",
    }
    said = LedgerEntry.objects.filter(subject=case.key, act__startswith="case.rung_")
    assert set(said.values_list("act", flat=True)) == {"case.rung_released", "case.rung_dropped"}
