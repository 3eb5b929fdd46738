"""Modes, the switch for outgoing writes and the way back from a revocation, in a browser."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from identities.models import User
from reviews.actions import modes
from tests.browser.conftest import OVERFLOW, Open, picture
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_pages_of_modes_are_clean(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, dark: bool, phone: bool
) -> None:
    ines = User.objects.get(username="ines")
    rule = modes.propose(
        scope={"kinds": ["agent", "service_account"], "ai_system": True},
        mode="ask",
        reason="agents are ready",
        by=ines,
        now=timezone.now(),
    )
    other = User.objects.get(username="marek")
    for mode in ("ask", "enforce"):
        held = modes.propose(
            scope={"kinds": ["agent"]}, mode=mode, reason="ready", by=ines, now=timezone.now()
        )
        held = modes.sign(rule=held, by=other, now=timezone.now())
        while modes.apply_next(now=timezone.now()):
            pass
    # Its rows have not followed yet: the page says how far they are.
    back = modes.step_back(rule=held, mode="ask", reason="soon", by=ines, now=timezone.now())
    page = open_as(ines, dark=dark, phone=phone)
    found: dict[str, list[str]] = {}
    for address in (
        "/modes/",
        rule.url,
        back.url,
        f"{rule.url}identities/",
        "/modes/new/",
        "/outgoing/",
    ):
        page.goto(address)
        wide = page.evaluate(OVERFLOW)
        picture(page, f"{address.strip('/').replace('/', '-')}-{dark}-{phone}")
        said = axe(page) + ([f"{wide} px too wide"] if wide > 0 else [])
        if said:
            found[address] = said
    assert found == {}


def test_scope_is_tried_and_proposed(open_as: Open, planted: Planted) -> None:
    page = open_as(User.objects.get(username="ines"))
    page.goto("/modes/")
    page.get_by_role("link", name="Propose a change").click()
    page.get_by_label("Ask: people are asked").check()
    page.get_by_label("agent", exact=True).check()
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("heading", name="Dry run")).to_be_visible()
    expect(page.get_by_label("agent", exact=True)).to_be_checked()
    page.get_by_label("Why").fill("agents are ready")
    page.get_by_role("button", name="Propose it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("to ask")
    expect(page.get_by_text("You proposed it: a second person signs.")).to_be_visible()
