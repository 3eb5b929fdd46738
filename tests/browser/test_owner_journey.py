"""An owner's journey: renew, hand over, accept; and every page of it in each look."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from identities.models import Identity, Person, User
from reviews.models import OwnerOffer, Succession
from reviews.succession import noticing
from tests import clock
from tests.browser.conftest import OVERFLOW, Open
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)
UNTIL = (clock.FROZEN + timedelta(days=200)).date().isoformat()


def ines() -> User:
    return User.objects.get(username="ines")


@pytest.mark.parametrize("javascript", [True, False])
def test_owner_renews_and_hands_over(open_as: Open, planted: Planted, *, javascript: bool) -> None:
    assert Identity.objects.update(criticality="low") > 0
    page = open_as(ines(), javascript=javascript, phone=True)
    page.goto("/owned/")
    page.get_by_label("Select to renew: invoice-agent").check()
    page.get_by_label("Renew until").fill(UNTIL)
    page.get_by_role("button", name="Renew the selected").click()
    expect(page.get_by_role("heading", name="1 of 1 renewed")).to_be_visible()
    page.goto("/owned/")
    page.get_by_role("link", name="Renew report-agent").click()
    page.get_by_label("Purpose").fill("builds the quarterly reports for Finance")
    page.get_by_label("Until, UTC").fill(UNTIL)
    page.get_by_role("button", name="State it").click()
    expect(page.get_by_text("report-agent is attested until")).to_be_visible()
    page.get_by_role("link", name="Hand over invoice-agent").click()
    page.get_by_label("It is not mine: ask somebody else").check()
    page.get_by_label("Whom to ask").fill("jonas")
    page.get_by_label("Reason").fill("he runs the loads")
    page.get_by_role("button", name="Ask them").click()
    expect(page.get_by_text("has until")).to_be_visible()

    other = open_as(User.objects.get(username="jonas"), javascript=javascript, phone=True)
    other.goto("/queue/")
    other.get_by_role("link", name="1 question").click()
    other.get_by_role("button", name="Accept: invoice-agent").click()
    expect(other.get_by_text("You answer for invoice-agent now.")).to_be_visible()
    assert OwnerOffer.objects.get().state == "accepted"
    assert str(Identity.objects.get(name="invoice-agent").owner) == "Jonas Weber"


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_every_page_of_ownership_is_clean(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, dark: bool, phone: bool
) -> None:
    page = open_as(ines(), dark=dark, phone=phone)
    found: dict[str, list[str]] = {}

    def look(page: Page, address: str) -> None:
        page.goto(address)
        wide = page.evaluate(OVERFLOW)
        said = axe(page) + ([f"{wide} px too wide"] if wide > 0 else [])
        if said:
            found[address] = said

    identity = Identity.objects.get(name="invoice-agent")
    for step in ("", f"identities/{identity.key}/renew/", f"identities/{identity.key}/hand-over/"):
        look(page, f"/{step}" if step else "/owned/")
    page.get_by_label("It is not mine: ask somebody else").check()
    page.get_by_label("Whom to ask").fill("jonas")
    page.get_by_label("Reason").fill("he runs the loads")
    page.get_by_role("button", name="Ask them").click()
    look(page, f"/identities/{identity.key}/hand-over/")
    Person.objects.filter(name="Marek Novák").update(left_at=timezone.now())
    while noticing.notice_next(now=timezone.now()):
        pass
    Identity.objects.filter(pk=identity.pk).update(kind="integration")
    reader = open_as(
        User.objects.filter(groups__name="reviewer", is_active=True).earliest("username"),
        dark=dark,
        phone=phone,
    )
    look(open_as(User.objects.get(username="jonas"), dark=dark, phone=phone), "/owned/")
    for address in (
        "/successions/",
        f"/successions/{Succession.objects.earliest('number').key}/",
        "/people/",
        f"/people/{User.objects.get(username='ines').person_id}/",
        f"/identities/{identity.key}/vendor/",
        f"/identities/{identity.key}/",
    ):
        look(reader, address)
    assert found == {}
