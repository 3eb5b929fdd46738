"""The blast radius as a person meets it: drawn and listed, on a screen and on a phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from identities.models import Credential, Identity, User
from tests.browser.conftest import OVERFLOW, Open, picture
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_radius_is_reached_from_its_credential_without_scripts(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, dark: bool, phone: bool
) -> None:
    identity = Identity.objects.get(name="report-agent")
    key = Credential.objects.filter(identity=identity, standing=True).earliest("number")
    page = open_as(User.objects.get(username="ines"), javascript=phone, dark=dark, phone=phone)
    page.goto(f"/credentials/{key.key}/")
    page.get_by_role("link", name="Blast radius").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Blast radius of")
    drawn = page.get_by_role("region", name="The blast radius, drawn")
    expect(drawn).to_contain_text("Became")
    expect(page.locator("#radius-touched table tbody tr").first).to_be_visible()
    picture(page, f"radius-{'dark-phone' if phone else 'light'}")
    if phone:
        assert (axe(page), max(0, page.evaluate(OVERFLOW))) == ([], 0)
        return
    page.get_by_label("Credential, identity, run or address").fill("nobody knows")
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_role("alert")).to_contain_text("Write where it begins")


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_authority_and_population_are_read_by_an_auditor(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, dark: bool, phone: bool
) -> None:
    auditor = User.objects.filter(groups__name="auditor", is_active=True).earliest("username")
    key = Identity.objects.get(name="report-agent").key
    page = open_as(auditor, dark=dark, phone=phone)
    page.goto(f"/identities/{key}/")
    page.get_by_role("link", name="As it stood at a moment").click()
    expect(page.get_by_role("heading", name="Delegations in force")).to_be_visible()
    page.get_by_role("link", name="What could be known then").click()
    expect(page.get_by_text("by what was known at")).to_be_visible()
    name = "dark-phone" if phone else "light"
    picture(page, f"authority-{name}")
    assert (axe(page), max(0, page.evaluate(OVERFLOW))) == ([], 0)
    page.goto("/ledger/")
    page.get_by_role("link", name="Population as of a date").click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="Take the zip").click()
    assert taken.value.suggested_filename.startswith("countersign-population-")
    page.reload()
    expect(page.locator("#content table").last).to_contain_text(auditor.called)
    picture(page, f"population-{name}")
    assert (axe(page), max(0, page.evaluate(OVERFLOW))) == ([], 0)
