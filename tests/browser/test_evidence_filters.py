"""Finding things among very many, by keyboard and by phone; a secret shown once."""

import re
from itertools import count
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Page, expect

from evidence import actions
from evidence.models import Source
from evidence.permissions import COMMAND
from evidence.queries import looking
from identities.models import Identity, User
from reviews.models import Case
from tests.browser.conftest import Open, inaccessible
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_remembered(planted: Planted) -> None:
    cache.clear()


def trouble(page: Page) -> list[str]:
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
    return (["wider than the window"] if wide else []) + inaccessible(page)


def test_events_are_narrowed_by_keyboard_without_scripts(
    open_as: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "monotonic", lambda: 0.0)  # a busy machine ends no look early
    page = open_as(User.objects.get(username="ines"), javascript=False)
    page.goto("/events/")
    page.locator("select[name=source]").focus()
    page.keyboard.type("finance")
    page.keyboard.press("Tab")
    page.keyboard.type("exact")
    page.get_by_label("From, UTC").fill("2026-01-02T03:04:05")
    page.get_by_role("button", name="Filter").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".cs-chip")).to_have_count(3)
    rows = page.locator("#event_rows tbody tr")
    expect(rows.first).to_be_visible()
    page.wait_for_load_state()
    assert rows.count() == rows.get_by_text("exact", exact=True).count() > 0
    page.get_by_label("Clear the filter Link").click()
    expect(page.get_by_label("From, UTC")).to_have_value("2026-01-02T03:04:05")
    expect(page.locator("select[name=source]")).to_have_value("finance-prod")


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_look_that_ends_early_is_said_and_goes_on(
    open_as: Open, monkeypatch: pytest.MonkeyPatch, *, dark: bool, phone: bool
) -> None:
    page = open_as(User.objects.get(username="ines"), dark=dark, phone=phone)
    clock = count()
    monkeypatch.setattr(looking, "monotonic", lambda: next(clock) * 0.6)
    monkeypatch.setattr(looking, "FIRST_WINDOW", 2)
    page.goto("/events/?link=exact&source=finance-prod")
    expect(page.get_by_role("status")).to_contain_text("Looked through everything back to")
    assert trouble(page) == []
    page.get_by_role("status").get_by_role("link", name="Look further back").click()
    expect(page.locator("#event_rows tbody tr").first).to_be_visible()


@pytest.mark.parametrize("phone", [False, True])
def test_many_sources_are_filtered_and_stay_so(open_as: Open, *, phone: bool) -> None:
    title = "W" * 500
    for number in range(60):
        actions.add_source(
            name=f"fleet-{number:02}",
            title=title
            if number == 3
            else "\u202e<script>alert(1)</script>\u05e9\u05dc\u05d5\u05dd",
            by=COMMAND,
            now=timezone.now(),
        )
    page = open_as(User.objects.get(username="ines"), phone=phone)
    page.goto("/sources/")
    expect(page.locator("#source_rows tbody tr")).to_have_count(50)
    assert trouble(page) == []
    page.get_by_label("Filter by name or format").fill("fleet-03")
    expect(page.locator("#source_rows tbody tr")).to_have_count(1)
    assert "q=fleet-03" in (page.locator("#source_rows").get_attribute("hx-get") or "")
    page.goto("/sources/fleet-03/")
    assert trouble(page) == []


def test_webhook_secret_is_shown_once(open_as: Open) -> None:
    source = Source.objects.get(name="finance-prod")
    Source.objects.filter(pk=source.pk).update(format="")
    actions.new_token(source=source, by=COMMAND, now=timezone.now())
    page = open_as(User.objects.get(username="jonas"))
    page.goto("/sources/finance-prod/")
    page.get_by_role("button", name="Show its secret, once").click()
    expect(page.locator("#secret")).to_have_text(re.compile(r"[0-9a-f]{64}"))
    assert trouble(page) == []
    page.get_by_role("link", name="finance-prod").last.click()
    expect(page.locator("main")).to_contain_text("It was shown to Jonas Weber on")
    assert page.get_by_role("button", name="Show its secret, once").count() == 0


def test_act_that_is_off_stands_at_the_left_on_a_phone(open_as: Open) -> None:
    case = Case.objects.get(
        identity=Identity.objects.get(name="report-agent"), state="open", trigger=""
    )
    page = open_as(User.objects.get(username="samuel"), phone=True)
    page.goto(f"/cases/{case.key}/")
    off = page.locator(".cs-head-acts .cs-act-off").first
    boxes: list[Any] = [
        one.bounding_box()
        for one in (
            page.locator(".cs-head-acts"),
            off.get_by_role("button"),
            off.locator(".cs-why"),
        )
    ]
    assert len({round(box["x"]) for box in boxes}) == 1
