"""Journeys in Debian's Chromium, over a real server with the app's rights.

Every page that a test opens is watched: a broken content security policy, an error in the
console, an answer of 500 or more, a missing file or a request to another host fails the test.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from wsgiref import handlers
from wsgiref.handlers import format_date_time

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect
from pytest_django.live_server_helper import LiveServer

from evidence.names import memory
from identities.models import User
from tests import clock
from tests.conftest import Cleaner
from tests.planted import planted
from tests.signed_in import sure

__all__ = ["planted"]

# The shell is the same engine without a window and its buttons around each page: drawing those took
# more of the time than our pages did.
NAMES = ("chromium-headless-shell", "chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No test reaches another host, not even by a mistake of ours.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
# What a person's page says when its policy was broken; the console carries it to the test.
TELL_VIOLATIONS = """
document.addEventListener('securitypolicyviolation', event => console.error(
    'policy broken: ' + event.violatedDirective + ' by ' + (event.blockedURI || event.sample)));
"""
# How long anything is waited for, in milliseconds; a machine may have more to do than this.
PATIENCE = 30_000
expect.set_options(timeout=PATIENCE)
# Chromium logs each answer of 4xx as an error; those a page expects are the page's business.
EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
# WCAG 2.0 to 2.2, A and AA, and what axe calls best practice.
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE_OPTIONS = {
    "runOnly": {"type": "tag", "values": AXE_TAGS},
    # Writing out each node that is in order, and sending that here, took most of the time.
    "resultTypes": ["violations"],
    # Whether media play by themselves is asked of the media; no rule here reads style sheets, and
    # reading all of ours again for each page took a tenth of the time.
    "preload": {"assets": ["media"]},
}
# What depends on the theme.
COLOURS = {**AXE_OPTIONS, "runOnly": ["color-contrast", "link-in-text-block"]}
AXE = "options => axe.run(options).then(({violations}) => violations)"
# It parses each colour of each element anew, and a page has a few dozen of them: more than a
# quarter of its time. The answers stay the same (test_watch.py).
REMEMBER_COLOURS = """() => {
    const colour = axe.commons.color.Color.prototype, parse = colour.parseString, known = new Map();
    colour.parseString = function (text) {
        if (known.has(text)) {
            [this.r, this.g, this.b, this.alpha] = known.get(text);
            return this;
        }
        const made = parse.call(this, text);
        known.set(text, [this.r, this.g, this.b, this.alpha]);
        return made;
    };
}"""
SCREENS = Path(django_settings.BASE_DIR, "var", "screens")
# For people who want to look at what they changed; taking a picture proves nothing.
PICTURES = os.environ.get("COUNTERSIGN_SCREENS") == "1"
# Whether the theme is dark and the window a phone's. Each theme and each width once: a phone shows
# the elements of a desk, and `faults` looks at a desk's colours in both themes.
LOOKS = [(False, False), (True, True), *([(True, False), (False, True)] if PICTURES else [])]
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    said = os.environ.get("COUNTERSIGN_CHROMIUM")
    found = next(filter(None, map(shutil.which, (said,) if said else NAMES)), None)
    if not found:
        pytest.fail(
            "Chromium is missing: `apt-get install chromium-headless-shell` (or `chromium`), or set"
            " COUNTERSIGN_CHROMIUM to one."
        )
    return {"executable_path": found, "args": list(FLAGS), "headless": True}


@pytest.fixture(scope="session", autouse=True)
def dates_of_the_browser() -> Iterator[None]:
    """Date responses by the machine's clock, which is the browser's: it would not cache a file that
    seems a week old, and would fetch all of them again for each page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            handlers, "format_date_time", lambda _: format_date_time(clock.machine_time())
        )
        yield


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    return {"locale": "en-GB", "timezone_id": "UTC", "viewport": {"width": 1440, "height": 900}}


class Watch:
    """Collects what must not happen on a page."""

    def __init__(self) -> None:
        self.trouble: list[str] = []

    def over(self, page: Page) -> None:
        page.add_init_script(TELL_VIOLATIONS)
        page.on("console", self.console)
        page.on("pageerror", lambda error: self.trouble.append(f"script: {error}"))
        page.on("response", self.response)

    def console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not EXPECTED.match(message.text):
            self.trouble.append(f"console: {message.text}")

    def response(self, response: Response) -> None:
        path = urlsplit(response.url).path
        missing = response.status >= 400 and path.startswith("/static/")
        if response.status >= 500 or missing:
            self.trouble.append(f"answer: {response.status} {path}")


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What went wrong on any page of this test; the test fails when there was anything."""
    found = Watch()
    yield found
    assert found.trouble == []


type Open = Callable[..., Page]


@pytest.fixture
def open_as(
    browser: Browser,
    browser_context_args: dict[str, Any],
    live_server: LiveServer,
    watch: Watch,
) -> Iterator[Open]:
    """`open_as(user, javascript=True, dark=False, phone=False, confirmed=True)`: a watched page,
    signed in; `confirmed`: its person has just said who they are.

    Each call is a browser of its own, so two people can work at once; None is nobody.
    """
    contexts: list[BrowserContext] = []

    def opened(
        user: User | None,
        *,
        javascript: bool = True,
        dark: bool = False,
        phone: bool = False,
        confirmed: bool = True,
    ) -> Page:
        arguments = {
            **browser_context_args,
            "base_url": live_server.url,
            "java_script_enabled": javascript,
            "color_scheme": "dark" if dark else "light",
        }
        if phone:
            arguments["viewport"] = {"width": 390, "height": 844}
        context = browser.new_context(**arguments)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            if confirmed:
                sure(client)
            name = django_settings.SESSION_COOKIE_NAME
            context.add_cookies(
                [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
            )
        page = context.new_page()
        watch.over(page)
        return page

    yield opened
    for context in contexts:
        context.close()


def inaccessible(page: Page) -> list[str]:
    """What axe finds on this page: one line a rule, with where; [] is what tests want."""
    page.wait_for_load_state()  # a click ends when the next page begins, which has no root yet
    page.evaluate("scrollTo(0, 0)")  # what lies half below the bar has half its size
    page.evaluate(AXE_SCRIPT)
    page.evaluate(REMEMBER_COLOURS)
    return violations(page, AXE_OPTIONS)


def violations(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe finds where it is loaded already."""
    return [
        f"{violation['id']} ({violation['impact']}): "
        + "; ".join(str(node["target"]) for node in violation["nodes"][:5])
        for violation in page.evaluate(AXE, options)
    ]


def follow(page: Page, theme: Literal["dark", "light"]) -> None:
    """Let the system change its theme, and wait until the page has followed."""
    page.emulate_media(color_scheme=theme)
    expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
    # Colours that are half-way there would be judged.
    page.evaluate("document.getAnimations().forEach(one => one.finish())")


def faults(page: Page, *, dark: bool) -> list[str]:
    """What axe finds, of a light page also its colours in the dark; and a width beyond the window's."""
    found = inaccessible(page)
    if not dark:
        follow(page, "dark")
        found += [f"in the dark: {one}" for one in violations(page, COLOURS)]
        follow(page, "light")
    wide = page.evaluate(OVERFLOW)
    return found + ([f"{wide} px too wide"] if wide > 0 else [])


@pytest.fixture
def axe() -> Callable[[Page], list[str]]:
    return inaccessible


def picture(page: Page, name: str) -> None:
    """The whole page as var/screens/<name>.png, with COUNTERSIGN_SCREENS=1."""
    if PICTURES:
        page.screenshot(path=SCREENS / f"{name}.png", full_page=True)


@pytest.fixture
def nobody_yet(transactional_db: None) -> Iterator[None]:
    """A database without the story of this folder, for a test that tells another one; afterwards it
    is back."""
    assert Cleaner.current is not None
    cleaner = Cleaner.current
    seeds, cleaner.seeds = cleaner.seeds, cleaner.bare
    cleaner.clean()
    memory.forget()  # ids of names that are there no more
    yield
    cleaner.seeds = seeds
    memory.forget()
