"""Every page of the style guide in Chromium: accessible, quiet, no wider than the window."""

import re
from typing import Any

import pytest
from playwright.sync_api import Dialog, expect

from config.styleguide import stories
from tests.browser.conftest import LOOKS, OVERFLOW, Open, faults, picture

pytestmark = [pytest.mark.urls("tests.browser.styleguide_urls")]


@pytest.fixture(autouse=True)
def anybody(settings: Any) -> None:
    """The style guide is open while DEBUG is on; the samples need no rows."""
    settings.DEBUG = True


@pytest.mark.parametrize(("dark", "phone"), LOOKS)
def test_pages_are_accessible_and_fit(open_as: Open, *, dark: bool, phone: bool) -> None:
    page = open_as(None, dark=dark, phone=phone)
    found: dict[str, list[str]] = {}
    for name in ("", *stories.PAGES):
        page.goto(f"/styleguide/{name}/" if name else "/styleguide/")
        if trouble := faults(page, dark=dark):
            found[name] = trouble
        if not dark:
            picture(page, f"guide-{name or 'all'}-{'phone' if phone else 'desk'}")
    assert found == {}


@pytest.mark.parametrize("variant", ["empty", "long", "hostile", "past"])
def test_unusual_samples_fit_and_run_nothing(open_as: Open, variant: str) -> None:
    page = open_as(None, phone=variant == "hostile")
    opened: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        opened.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    wide: dict[str, int] = {}
    for name in stories.PAGES:
        page.goto(f"/styleguide/{name}/?as={variant}")
        if (over := page.evaluate(OVERFLOW)) > 0:
            wide[name] = over
    assert (wide, opened) == ({}, [])


def test_lanes_pin_a_link_and_let_it_go(open_as: Open) -> None:
    page = open_as(None)
    page.goto("/styleguide/line/")
    canvas, panel = page.locator("canvas"), page.locator(".cs-lanes-panel")
    expect(canvas).to_be_visible()
    canvas.focus()
    page.keyboard.press("p")
    expect(panel).to_contain_text("Link L-5612")
    expect(panel).to_contain_text("+187 ms")
    expect(panel).to_contain_text("Proof: same request id")
    page.wait_for_url("**#l=L-5612")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_lanes_window_is_in_the_address_and_in_the_table(open_as: Open) -> None:
    page = open_as(None)
    page.goto("/styleguide/line/")
    live = page.locator("[data-lanes-live]")
    expect(live).to_contain_text("239 of 239 events")
    page.locator("canvas").focus()
    for _ in range(3):
        page.keyboard.press("+")
    page.wait_for_url("**#from=*")
    said = live.text_content() or ""
    page.reload()
    expect(live).to_have_text(said)
    page.keyboard.press("t")
    table = page.locator(".cs-lanes-table")
    expect(table.locator("tbody tr")).to_have_count(int(said.split(" ")[0]))
    table.get_by_role("button", name="What").click()
    expect(table.locator("th[aria-sort=ascending]")).to_have_text("What")


def test_lanes_of_very_many_events_are_bins_until_zoomed(open_as: Open) -> None:
    page = open_as(None)
    page.route(
        "**/styleguide/lanes.json*",
        lambda route: route.continue_(
            url=route.request.url + ("&" if "?" in route.request.url else "?") + "n=100000"
        ),
    )
    page.goto("/styleguide/line/")
    page.locator("canvas").focus()
    expect(page.locator("[data-lanes-live]")).to_contain_text("of 100,000 events")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for _ in range(4):
        page.keyboard.press("+")
    live = page.locator("[data-lanes-live]")
    # Nothing is drawn until what was asked for has come: few enough to be drawn one by one.
    expect(live).to_have_text(re.compile(r"^([1-9]\d{0,2}|1?\d,\d{3}|20,000) "))
    assert [url for url in asked if "from=" in url and "to=" in url] != []
    said = live.text_content() or ""
    assert 0 < int(said.split(" ")[0].replace(",", "")) <= 20_000


def test_letters_walk_choose_and_can_be_switched_off(open_as: Open) -> None:
    page = open_as(None)
    page.goto("/styleguide/case/")
    # The second item is open: `j` would go on from it, `k` goes back.
    page.keyboard.press("k")
    expect(page.locator("tr.cs-here")).to_contain_text("DLG-311")
    page.keyboard.press("3")
    expect(page.locator("input[value=revoke]")).to_be_checked()
    expect(page.locator("[data-sign-words]")).to_have_text("Sign: revoke")
    expect(page.locator("[data-dry-run=revoke]")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("dialog#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.evaluate("() => { document.body.dataset.keys = 'off' }")
    page.keyboard.press("1")
    expect(page.locator("input[value=revoke]")).to_be_checked()


def test_theme_toggles_and_is_remembered(open_as: Open) -> None:
    page = open_as(None)
    page.goto("/styleguide/front/")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.goto("/styleguide/case/")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


@pytest.mark.parametrize("name", ["line", "case", "front", "unclaimed", "source"])
def test_page_is_whole_without_scripts(open_as: Open, name: str) -> None:
    page = open_as(None, javascript=False)
    page.goto(f"/styleguide/{name}/")
    expect(page.locator("h1").first).to_be_visible()
    expect(page.locator("main table").first).to_be_visible()
    expect(page.locator("canvas")).to_have_count(1 if name == "line" else 0)
    if name == "line":
        expect(page.locator("canvas")).to_be_hidden()
    if name == "case":
        expect(page.locator("form.cs-decide button.cs-sign")).to_be_visible()


def test_menu_opens_on_a_phone_without_scripts(open_as: Open) -> None:
    page = open_as(None, javascript=False, phone=True)
    page.goto("/styleguide/front/")
    menu = page.locator("#menu")
    expect(menu).to_be_hidden()
    page.locator(".cs-menu-open").click()
    expect(menu.get_by_role("link", name="Ledger", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            200,
            (
                '{"done": 1, "of": 2}\n'
                '{"deposit": 7, "url": "/deposits/7/",'
                ' "words": "1200 events, 4 duplicates, 2 rejects."}\n'
            ),
            "1200 events, 4 duplicates, 2 rejects. Open the deposit",
        ),
        (400, '{"problem": "<b>Records</b> is no list."}', "<b>Records</b> is no list."),
        (413, "", "The file is too large."),
    ],
)
def test_dropped_file_says_what_became_of_it(
    open_as: Open, status: int, body: str, said: str
) -> None:
    page = open_as(None)
    page.route("**/drop/", lambda route: route.fulfill(status=status, body=body))
    page.goto("/styleguide/source/")
    page.locator("input[type=file]").set_input_files(
        {"name": "records.json", "mimeType": "application/json", "buffer": b'{"Records": []}'}
    )
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("[data-drop-words]")).to_have_text(said)
