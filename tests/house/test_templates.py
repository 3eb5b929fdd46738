"""The template lint: what it refuses, what it lets pass, and that our templates pass."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
spec = importlib.util.spec_from_file_location("lint", ROOT / "scripts" / "lint_templates.py")
assert spec is not None
assert spec.loader is not None
lint = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lint)


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ('<p style="color:red">x</p>', "<p> has style=; use a class"),
        ("<style>p{}</style>", "<style> is an inline style; use static/app.css"),
        ('<b onclick="x()">x</b>', "<b> has onclick=; listen in static/app.js"),
        ('<a href="javascript:x()">x</a>', "<a> has a script in href="),
        (
            "<script>x()</script>",
            "<script> is an inline script; use a file, or type application/json for data",
        ),
        (
            '<script type="module">x()</script>',
            "<script> is an inline script; use a file, or type application/json for data",
        ),
        ('<img src="https://a.example/x.png">', "<img> loads src= from another host"),
        ('<script src="//a.example/x.js"></script>', "<script> loads src= from another host"),
        ('<link href="http://a.example/x.css">', "<link> loads href= from another host"),
        (
            "<div hx-get=\"{% url 'x' %}\">x</div>",
            "<div> has hx-get= without hx-nonce, so htmx will not act on it",
        ),
        (
            '<div {% if a %}hx-post="/x"{% endif %} class="a > b">x</div>',
            "<div> has hx-post= without hx-nonce, so htmx will not act on it",
        ),
        ("{{ text|safe }}", "escaping is turned off"),
        ("{% autoescape off %}{{ text }}{% endautoescape %}", "escaping is turned off"),
    ],
)
def test_template_is_refused(template: str, sentence: str) -> None:
    assert lint.problems(f"\n{template}\n") == [(2, sentence)]


@pytest.mark.parametrize(
    "template",
    [
        '<a href="https://docs.example/">a link that a person follows</a>',
        '<script type="application/json">{"a": 1}</script>',
        '<script src="{% static \'app.js\' %}" nonce="{{ csp_nonce }}"></script>',
        '<div hx-get="/x" hx-nonce="{{ csp_nonce }}" {% if a > b %}hidden{% endif %}>x</div>',
        "{# <p style='x'> #}",
        "{% comment %}<b onclick='x'>{% endcomment %}",
        '<img src="{% static \'icon.svg\' %}" alt="">',
    ],
)
def test_template_passes(template: str) -> None:
    assert lint.problems(template) == []


def test_our_templates_pass() -> None:
    found = {
        str(path.relative_to(ROOT)): problems
        for path in sorted((ROOT / "templates").rglob("*.html"))
        if (problems := lint.problems(path.read_text(encoding="utf-8")))
    }
    assert found == {}
