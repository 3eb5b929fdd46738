"""The keyboard does the reviewer's work: move, answer, sign, look up, and it can be switched off."""

import pytest
from playwright.sync_api import expect

from identities.models import User
from reviews.models import Case, Decision
from tests.browser.conftest import Open
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


def test_keys_move_answer_and_sign(open_as: Open, planted: Planted) -> None:
    case = Case.objects.get(door="access_review", trigger="", identity__name="report-agent")
    page = open_as(User.objects.get(username="ines"))
    page.goto(f"/cases/{case.key}/")
    shown = page.locator("form[data-decide] p b")
    first = shown.text_content() or ""
    page.keyboard.press("j")
    page.keyboard.press("o")
    expect(shown).not_to_have_text(first)
    page.wait_for_load_state()
    page.keyboard.press("k")
    page.keyboard.press("o")
    expect(shown).to_have_text(first)
    page.wait_for_load_state()
    for key, answer in (("2", "narrow"), ("3", "revoke"), ("1", "keep")):
        page.keyboard.press(key)
        expect(page.locator(f"input[name=answer][value={answer}]")).to_be_checked()
    page.locator("textarea[name=reason]").fill("Used each week.")
    before = Decision.objects.count()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(f"answered keep on {first}").first).to_be_visible()
    assert Decision.objects.count() == before + 1


def test_keys_find_and_explain(open_as: Open, planted: Planted) -> None:
    page = open_as(User.objects.get(username="ines"))
    page.goto("/identities/")
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type("report")
    page.keyboard.press("Enter")
    expect(page.locator("#identity_rows")).not_to_contain_text("invoice-agent")
    expect(page.locator("#identity_rows")).to_contain_text("report-agent")
    # Words are seen before the keys work; nobody's finger is as fast as this test.
    page.wait_for_load_state()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("o")
    expect(page.get_by_role("heading", name="report-agent", exact=True)).to_be_visible()


def test_letters_do_nothing_when_switched_off(open_as: Open, planted: Planted) -> None:
    user = User.objects.get(username="ines")
    User.objects.filter(pk=user.pk).update(single_keys=False)
    page = open_as(user)
    page.goto("/identities/")
    page.keyboard.press("?")
    page.keyboard.press("j")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("tr.cs-here")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.locator("#search")).to_be_focused()
