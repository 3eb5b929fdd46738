"""Review policies in a browser: proposed and read in both themes, on a desk and on a phone."""

import json

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from identities.models import User
from reviews.actions import policy_versions
from tests.browser.conftest import LOOKS, Open, faults, picture
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)
SAID = {
    "scope": {"kinds": ["agent", "service_account"], "ai_system": True},
    "every_days": 180,
    "silence": "suspend",
}


@pytest.mark.parametrize(("dark", "phone"), LOOKS)
def test_pages_of_policies_are_clean(
    open_as: Open, planted: Planted, *, dark: bool, phone: bool
) -> None:
    ines = User.objects.get(username="ines")
    row = policy_versions.propose(
        name="access review",
        text=json.dumps(SAID),
        reason="agents are looked at twice a year",
        by=ines,
        now=timezone.now(),
    )
    page = open_as(ines, dark=dark, phone=phone)
    found: dict[str, list[str]] = {}
    for address in ("/policies/", row.url, f"{row.url}identities/", "/policies/new/"):
        page.goto(address)
        picture(page, f"{address.strip('/').replace('/', '-')}-{dark}-{phone}")
        if said := faults(page, dark=dark):
            found[address] = said
    assert found == {}


def test_policy_is_tried_and_proposed(open_as: Open, planted: Planted) -> None:
    page = open_as(User.objects.get(username="ines"))
    page.goto("/policies/new/?name=agents")
    page.get_by_label("What it says").fill('{"scope": {"kinds": ["robot"]}, "every_days": 90}')
    page.get_by_label("Why it changes").fill("agents are looked at four times a year")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("alert")).to_contain_text("scope.kinds[0]")
    page.get_by_label("What it says").fill(json.dumps(SAID))
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("heading", name="Dry run")).to_be_visible()
    page.get_by_role("button", name="Propose it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("agents, version 1")
    expect(page.get_by_text("You proposed it: a second person signs.")).to_be_visible()
