"""A reviewer at one item, by keyboard and without JavaScript: what is left is tried out, and asked."""

import pytest
from playwright.sync_api import expect

from identities.models import User
from reviews.models import Case, Comment, Decision
from tests.browser.conftest import Open
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


def test_narrowing_is_tried_and_a_colleague_is_asked(open_as: Open, planted: Planted) -> None:
    case = Case.objects.get(door="access_review", trigger="", identity__name="report-agent")
    item = case.items.filter(kind="delegation").order_by("position")[0]
    decided = Decision.objects.count()
    page = open_as(User.objects.get(username="ines"), javascript=False)
    page.goto(f"/cases/{case.key}/?item={item.pk}")
    # Nothing is chosen for anybody; what was used is ticked.
    expect(page.locator("input[name=answer]:checked")).to_have_count(0)
    page.locator("details.cs-proposal-fields summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("input[name=left_action]:checked")).to_have_count(1)
    page.get_by_label("Others, narrower, one a line").focus()
    page.keyboard.type("hr-records/*")
    page.get_by_role("button", name="Check what is left").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#left-result")).to_contain_text("Line 1, hr-records/* goes beyond it")
    page.get_by_label("Others, narrower, one a line").fill("")
    page.get_by_role("button", name="Check what is left").press("Enter")
    expect(page.locator("#left-result")).to_contain_text("in the last 90 days, 0 would have been")
    assert Decision.objects.count() == decided
    page.get_by_label("Comment", exact=True).focus()
    page.keyboard.type("@samuel does the report need it?")
    page.get_by_role("button", name="Comment", exact=True).press("Enter")
    expect(page.locator(".cs-comment")).to_have_text("@samuel does the report need it?")
    assert Comment.objects.get().mentioned == [User.objects.get(username="samuel").person_id]
    other = open_as(User.objects.get(username="samuel"), phone=True)
    other.goto(f"/cases/{case.key}/")
    expect(other.locator(".cs-comment-by")).to_contain_text("Ines Moreau")
    wide = other.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
