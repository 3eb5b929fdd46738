"""The watch over pages sees what it must see, and the sign-in page gives it nothing to see."""

import time
from collections.abc import Callable

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from tests.browser.conftest import AXE_OPTIONS, PATIENCE, REMEMBER_COLOURS, Open, Watch, faults


@pytest.mark.parametrize("dark", [False, True])
def test_sign_in_page_is_clean(
    open_as: Open, axe: Callable[[Page], list[str]], *, dark: bool
) -> None:
    page = open_as(None, dark=dark)
    page.goto("/accounts/login/")
    expect(page.locator("input[name=login]")).to_be_visible()
    assert axe(page) == []


@pytest.mark.parametrize(
    ("path", "script", "expected"),
    [
        ("/accounts/login/", "console.error('loud')", ["console: loud"]),
        (
            "/accounts/login/",
            "document.body.appendChild(Object.assign(new Image(), {src: 'http://other.example/x'}))",
            ["console: policy broken: img-src by http://other.example/x"],
        ),
        ("/accounts/login/", "fetch('/static/missing.css')", ["answer: 404 /static/missing.css"]),
        (
            "/accounts/login/",
            "setTimeout(() => { throw new Error('thrown') })",
            ["script: thrown"],
        ),
    ],
)
def test_watch_sees(
    open_as: Open, watch: Watch, path: str, script: str, expected: list[str]
) -> None:
    page = open_as(None)
    page.goto(path)
    page.evaluate(f"() => {{ {script} }}")
    seen: list[str] = []
    deadline = time.monotonic() + PATIENCE / 1000
    while len(seen) < len(expected) and time.monotonic() < deadline:
        page.wait_for_timeout(50)
        seen = [line for line in watch.trouble if any(line.startswith(word) for word in expected)]
    watch.trouble.clear()
    assert [line[: len(word)] for line, word in zip(seen, expected, strict=True)] == expected


def test_injected_request_attributes_do_nothing(open_as: Open, watch: Watch) -> None:
    """Text that became markup by a mistake of ours still cannot make htmx act."""
    page = open_as(None)
    page.goto("/accounts/login/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        "() => { const d = document.createElement('div');"
        " d.setAttribute('hx-get', '/healthz'); d.setAttribute('hx-trigger', 'load');"
        " document.body.appendChild(d); if (window.htmx) htmx.process(d); }"
    )
    page.wait_for_timeout(300)
    watch.trouble.clear()
    assert [url for url in asked if "/static/" not in url] == []


def test_axe_sees(open_as: Open, axe: Callable[[Page], list[str]]) -> None:
    page = open_as(None)
    page.goto("/accounts/login/")
    page.evaluate(
        "() => { const text = document.createElement('p'); text.textContent = 'hardly to be read';"
        " text.style.cssText = 'color: #bbb; background: #ccc';"
        " document.querySelector('main').append(new Image(9, 9), text); }"
    )
    said = axe(page)
    assert [line.split()[0] for line in said] == ["color-contrast", "image-alt"], said


def test_faults_sees_the_dark_and_the_width(open_as: Open) -> None:
    page = open_as(None)
    page.goto("/accounts/login/")
    assert faults(page, dark=False) == []
    page.evaluate(
        "() => { const text = document.createElement('p'); text.textContent = 'hardly to be read';"
        " text.style.cssText = 'color: #333; background: var(--cs-bg); position: absolute; left: 0;"
        " width: 1540px';"
        " document.querySelector('main').append(text); }"
    )
    assert [line.split(" (")[0] for line in faults(page, dark=False)] == [
        "in the dark: color-contrast",
        "100 px too wide",
    ]


def test_axe_finds_the_same_when_it_remembers_colours(open_as: Open) -> None:
    page = open_as(None)
    page.goto("/accounts/login/")
    page.evaluate(
        "() => { const painted = [['#bbb', '#ccc'], ['#bbb', '#333'], ['rgb(0 0 0 / .3)', '#fff'],"
        " ['#bbb', 'rgb(9 9 9 / .1)'], ['color-mix(in srgb, #bbb, #fff)', '#ccc'], ['#222', '#ccc']];"
        " for (const [color, background] of painted) for (const opacity of [1, 0.6]) {"
        " const text = document.createElement('p'); text.textContent = 'hardly to be read';"
        " Object.assign(text.style, {color, background, opacity});"
        " document.querySelector('main').append(text); } }"
    )
    everything = (
        "options => axe.run(options).then(({violations, incomplete, passes}) =>"
        " ({violations, incomplete, passes: passes.map(one => one.id)}))"
    )
    page.evaluate(AXE_SCRIPT)
    plain = page.evaluate(everything, AXE_OPTIONS)
    page.evaluate(REMEMBER_COLOURS)
    assert page.evaluate(everything, AXE_OPTIONS) == plain
    (contrast,) = [one for one in plain["violations"] if one["id"] == "color-contrast"]
    assert 1 < len(contrast["nodes"]) < 12
