"""What people do on a case page, as one would tell it: choose an item, answer, sign, confirm."""

from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import Page, expect

from config import pipeline
from tests.planted import PASSWORD

# Answers that can be taken back wait this long before they go out, and a target answers later.
PATIENCE = timedelta(seconds=10)


def open_item(page: Page, case: str, title: str) -> None:
    """The case page, with the item of this title chosen."""
    page.goto(f"/cases/{case}/")
    shown = page.locator("form[data-decide] p b")
    if shown.text_content() != title:
        # The chosen item would be asked for again, and its answer would begin anew.
        page.get_by_role("link", name=title).first.click()
    expect(shown).to_have_text(title)


def answer(
    page: Page,
    case: str,
    title: str,
    said: str,
    *,
    reason: str,
    left: str = "",
    withheld: bool = False,
) -> None:
    """Answer one item by the form of the rail, and confirm who one is where that is asked.

    `withheld`: a blind stage comes after it, so the ledger does not say what.
    """
    open_item(page, case, title)
    form = page.locator("form[data-decide]")
    form.locator(f"input[name=answer][value={said}]").check()
    if left:
        if form.locator("details.cs-proposal-fields").get_attribute("open") is None:
            form.locator("details.cs-proposal-fields summary").click()
        for box in form.locator(".cs-left input[type=checkbox]").all():
            box.set_checked(False)
        form.locator("textarea[name=proposal]").fill(left)
    form.locator("textarea[name=reason]").fill(reason)
    form.get_by_role("button", name="Sign").click()
    confirm(page)
    told = "answered on" if withheld else f"answered {said} on"
    expect(page.get_by_text(f"{told} {title}").first).to_be_visible()


def confirm(page: Page) -> None:
    """Give the password where the page asks who one is."""
    page.wait_for_load_state()
    if "/accounts/reauthenticate/" in page.url:
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("form button[type=submit], form button:not([type])").first.click()
        page.wait_for_load_state()


def let_time_pass() -> None:
    """Everything that follows, as the worker would do it a little later."""
    for step in range(1, 6):
        pipeline.drain(timezone.now() + step * PATIENCE)
