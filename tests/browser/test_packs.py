"""Events are frozen, taken out as a pack and given to somebody, in a browser without JavaScript."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from evidence.models import Transfer
from identities.models import User
from tests.browser.conftest import OVERFLOW, Open, picture
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_events_are_frozen_taken_out_and_given_to_somebody(
    open_as: Open,
    axe: Callable[[Page], list[str]],
    planted: Planted,
    tmp_path: Path,
    *,
    dark: bool,
    phone: bool,
) -> None:
    page = open_as(User.objects.get(username="ines"), dark=dark, phone=phone, javascript=phone)

    def clean(name: str) -> None:
        picture(page, f"{name}{'_dark_phone' if phone else ''}")
        if phone:
            assert axe(page) == []
            assert page.evaluate(OVERFLOW) <= 0

    page.goto("/packs/")
    expect(page.get_by_text("Nobody has taken a pack out")).to_be_visible()
    page.goto("/events/?action=iam:CreateAccessKey")
    page.get_by_text("Freeze these…").click()
    page.get_by_label("What they show").fill("Everything of that day")
    clean("events_freeze")
    page.get_by_role("button", name="Freeze them").click()
    expect(page.get_by_role("heading", name="Everything of that day")).to_be_visible()
    expect(page.get_by_text("digest verified")).to_be_visible()
    clean("capsule_chosen")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Take the pack out").click()
    file = tmp_path / "pack.zip"
    coming.value.save_as(file)
    page.goto("/packs/")
    clean("packs")
    page.get_by_role("link", name="PACK-").click()
    page.get_by_text("Write down who got it…").click()
    page.get_by_label("Who", exact=True).fill("Vera Auditor")
    page.get_by_label("Of which organisation").fill("Prüf AG")
    page.get_by_label("What for?").fill("yearly audit")
    page.get_by_label("SHA-256").fill(hashlib.sha256(file.read_bytes()).hexdigest())
    clean("pack_one_form")
    page.get_by_role("button", name="Write it down").click()
    expect(page.get_by_text("Vera Auditor", exact=True)).to_be_visible()
    clean("pack_one")
    page.goto("/capsules/")
    clean("capsules")
    assert Transfer.objects.get().organisation == "Prüf AG"
