"""The coverage on the page of an identity: asked for when it is reached, and a page of its own."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from identities.models import Identity, User
from tests.browser.conftest import OVERFLOW, Open
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_coverage_comes_when_it_is_reached(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, dark: bool, phone: bool
) -> None:
    page = open_as(User.objects.get(username="ines"), dark=dark, phone=phone)
    line = f"/identities/{Identity.objects.get(name='report-agent').key}/"
    page.goto(line)
    part = page.locator("#coverage")
    part.scroll_into_view_if_needed()
    expect(part).to_contain_text("reach a run by an exact key")
    expect(page.locator("#together table")).to_be_visible()
    # A link that lies half under the bar would be called too small.
    page.evaluate("scrollTo(0, 0)")
    assert axe(page) == []
    page.goto(f"{line}coverage/")
    expect(part).to_contain_text("reach a run by an exact key")
    assert (axe(page), max(0, page.evaluate(OVERFLOW))) == ([], 0)
