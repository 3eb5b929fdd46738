"""From a serious finding to its small case, an answer, and back: in a browser, on a phone too."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from config.demo import seed
from identities.models import Finding, User
from reviews.models import Case, Decision
from tests.browser.conftest import OVERFLOW, Open
from tests.browser.signing import confirm
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("javascript", [True, False])
def test_owner_goes_from_the_finding_to_its_case_and_back(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, javascript: bool
) -> None:
    case = Case.objects.get(trigger="serious_finding", identity__name="report-agent")
    item = case.items.get()
    found = Finding.objects.get(rule="left_task", identity__name="report-agent")
    assert found in case.findings.all()
    # Where the demo sends whoever has just signed in.
    assert seed.worth_a_look("")[0][1] == f"/cases/{case.key}/"
    page = open_as(User.objects.get(username="ines"), javascript=javascript, phone=True)
    page.goto(f"/findings/{found.key}/")
    asked = page.locator("section", has=page.get_by_role("heading", name="Asked in"))
    asked.get_by_role("link", name=case.key).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Serious finding: report-agent")
    why = page.locator("section", has=page.get_by_role("heading", name="Why this is asked"))
    expect(why).to_contain_text(found.key)
    if javascript:
        assert (axe(page), page.evaluate(OVERFLOW)) == ([], 0)
    form = page.locator("form[data-decide]")
    expect(form.locator("p b")).to_have_text(item.title)
    form.locator("input[name=answer][value=revoke]").check()
    form.locator("textarea[name=reason]").fill("It left its task, and somebody else used it.")
    form.get_by_role("button", name="Sign").click()
    confirm(page)
    expect(page.get_by_text(f"answered revoke on {item.title}").first).to_be_visible()
    given = Decision.objects.get(item=item)
    assert (given.answer, given.by.username) == ("revoke", "ines")
    page.locator("section", has=page.get_by_role("heading", name="Why this is asked")).get_by_role(
        "link", name=found.key, exact=True
    ).click()
    expect(page).to_have_url(re.compile(rf"/findings/{found.key}/$"))
