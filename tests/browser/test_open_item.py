"""A half-made answer stays where it is when the item that is open already is chosen again."""

import pytest
from playwright.sync_api import Request, expect

from identities.models import User
from reviews.models import Case
from tests.browser.conftest import Open
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("how", ["click", "key"])
def test_choosing_the_open_item_again_keeps_the_answer(
    open_as: Open, planted: Planted, how: str
) -> None:
    case = Case.objects.get(door="access_review", trigger="", identity__name="report-agent")
    page = open_as(User.objects.get(username="ines"))
    page.goto(f"/cases/{case.key}/")
    title = page.locator("form[data-decide] p b").text_content() or ""
    page.locator("input[name=answer][value=keep]").check()
    page.locator("textarea[name=reason]").fill("Half a reason")
    asked: list[str] = []

    def noted(request: Request) -> None:
        asked.append(request.url)

    page.on("request", noted)
    if how == "click":
        page.get_by_role("link", name=title).first.click()
    else:
        page.locator("tr.cs-row-on a.cs-row-link").focus()
        page.keyboard.press("o")
    expect(page.locator("form[data-decide] input[name=answer]").first).to_be_focused()
    expect(page.locator("input[name=answer][value=keep]")).to_be_checked()
    expect(page.locator("textarea[name=reason]")).to_have_value("Half a reason")
    assert asked == []
    # Another item is fetched as before, and this one again afterwards.
    other = page.locator(".cs-items tr:not(.cs-row-on) a.cs-row-link").first
    other.click()
    expect(page.locator("form[data-decide] p b")).not_to_have_text(title)
    page.get_by_role("link", name=title).first.click()
    expect(page.locator("form[data-decide] p b")).to_have_text(title)
    assert len(asked) == 2
