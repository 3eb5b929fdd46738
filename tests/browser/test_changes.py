"""A change of what exists, in a browser: shown as it is before it is signed, in plain forms."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from identities.actions import registration
from identities.models import Identity, ProposedChange, User
from identities.register import read
from tests.browser.conftest import OVERFLOW, Open, picture
from tests.browser.signing import confirm
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


def proposed(by: str = "jonas", purpose: str = "monthly figures") -> ProposedChange:
    identity = Identity.objects.exclude(owner=None).order_by("number")[0]
    text = f'identities: [{{name: "{identity.name}", owner: Jonas Weber, purpose: "{purpose}"}}]'
    registration.register(
        entries=read("house.yaml", text), by=User.objects.get(username=by), now=timezone.now()
    )
    return ProposedChange.objects.latest("number")


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_pages_of_changes_are_clean(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, dark: bool, phone: bool
) -> None:
    page = open_as(User.objects.get(username="ines"), dark=dark, phone=phone)
    found: dict[str, list[str]] = {}
    for name in ("empty", "waits", "long"):
        row = None if name == "empty" else proposed(purpose="x " * 900 if name == "long" else name)
        for address in ("/changes/", *([row.url] if row else [])):
            page.goto(address)
            wide = page.evaluate(OVERFLOW)
            picture(
                page,
                f"changes-{name}-{'one' if row and address == row.url else 'list'}-{dark}-{phone}",
            )
            said = axe(page) + ([f"{wide} px too wide"] if wide > 0 else [])
            if said:
                found[f"{name} {address}"] = said
    assert found == {}


def test_a_change_is_seen_and_signed_in_plain_forms(open_as: Open, planted: Planted) -> None:
    row = proposed()
    page = open_as(User.objects.get(username="ines"), javascript=False)
    page.goto("/changes/?state=proposed")
    page.get_by_role("link", name=row.title).click()
    expect(page.get_by_text("Jonas Weber").first).to_be_visible()
    expect(page.get_by_text("Nothing is changed before a second person signs.")).to_be_visible()
    page.get_by_role("button", name="Sign and apply it").click()
    confirm(page)
    expect(page.get_by_text(f"{row} is signed and applied.")).to_be_visible()
    assert ProposedChange.objects.get().state == "in_force"
