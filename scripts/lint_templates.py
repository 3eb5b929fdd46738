"""Refuses templates that the content security policy, or an attacker's text, would break.

Owns the rules for templates/: nothing inline, nothing from elsewhere, every element that htmx
acts on carries the nonce, and nothing turns escaping off. Standard library only.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMENT = re.compile(r"\{#.*?#\}|\{%\s*comment\b.*?endcomment\s*%\}", re.DOTALL)
TAG = re.compile(r"\{%.*?%\}", re.DOTALL)
VALUE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
UNESCAPED = re.compile(r"\|\s*safe(seq)?\b|\{%\s*autoescape\s+off\b")
ELSEWHERE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
DATA_TYPES = frozenset({"application/json"})
# Attributes from which a browser loads something by itself; links that people follow are free.
LOADING = frozenset({"src", "srcset", "poster", "data", "href"})
FOLLOWED = frozenset({"a", "area"})


def lines_kept(match: re.Match[str], filler: str = "") -> str:
    """Nothing but the line breaks, so that line numbers stay right."""
    return filler + "\n" * match.group().count("\n")


def as_html(template: str) -> str:
    """The template with its own language taken out: HTML that a parser reads."""
    text = COMMENT.sub(lines_kept, template)
    text = TAG.sub(lambda match: lines_kept(match, " "), text)
    return VALUE.sub(lambda match: lines_kept(match, "value"), text)


class Rules(HTMLParser):
    """Collects (line, sentence) for each element that breaks a rule."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        values = {name: value or "" for name, value in attrs}
        say = [f"<{tag}> {sentence}" for sentence in self.broken(tag, names, values)]
        self.found += [(self.getpos()[0], sentence) for sentence in say]

    handle_startendtag = handle_starttag

    def broken(self, tag: str, names: set[str], values: dict[str, str]) -> Iterator[str]:
        if tag == "style":
            yield "is an inline style; use static/app.css"
        if "style" in names:
            yield "has style=; use a class"
        for name in sorted(names):
            if name.startswith("on"):
                yield f"has {name}=; listen in static/app.js"
            if values.get(name, "").strip().lower().startswith("javascript:"):
                yield f"has a script in {name}="
        if tag == "script" and "src" not in names and values.get("type") not in DATA_TYPES:
            yield "is an inline script; use a file, or type application/json for data"
        if tag not in FOLLOWED:
            for name in sorted(names & LOADING):
                if ELSEWHERE.match(values[name]):
                    yield f"loads {name}= from another host"
        acting = {name for name in names if name.startswith(("hx-", "data-hx-"))} - {"hx-nonce"}
        if acting and "hx-nonce" not in names:
            yield f"has {min(acting)}= without hx-nonce, so htmx will not act on it"


def problems(template: str) -> list[tuple[int, str]]:
    """What is wrong with this template: (line, sentence)."""
    rules = Rules()
    rules.feed(as_html(template))
    rules.close()
    bare = COMMENT.sub(lines_kept, template)
    turned_off = [
        (bare.count("\n", 0, match.start()) + 1, "escaping is turned off")
        for match in UNESCAPED.finditer(bare)
    ]
    return sorted([*rules.found, *turned_off])


def main() -> None:
    files = sorted((ROOT / "templates").rglob("*.html"))
    count = 0
    for file in files:
        for line, sentence in problems(file.read_text(encoding="utf-8")):
            print(f"{file.relative_to(ROOT)}:{line}: {sentence}")
            count += 1
    print(f"templates: {len(files)} files, {count} problems")
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
