"""Which sample pages there are, and their variants: the story, empty, long, hostile.

Hostile puts into every text what an attacker would write into a log or a prompt; long repeats
every text. Addresses, kinds and times stay as they are: those are ours.
"""

from collections.abc import Callable
from typing import Any

from config.styleguide import held, inventories, pages, places, samples
from reviews.pages import chain as chains

type Sample = dict[str, Any]

VARIANTS = ("story", "empty", "long", "hostile", "past")
PAGES: dict[str, tuple[str, Callable[[], Sample]]] = {
    "front": ("front.html", pages.front),
    "queue": ("queue.html", pages.queue),
    "identities": ("identities.html", pages.identities),
    "line": ("line.html", pages.line),
    "case": ("case.html", pages.case),
    "run": ("run.html", places.run),
    "unclaimed": ("unclaimed.html", places.unclaimed),
    "sources": ("sources.html", places.sources),
    "source": ("source.html", places.source),
    "inventory": ("inventory.html", inventories.inventory),
    "held": ("held.html", held.held),
    "source-token": ("source_token.html", places.token),
    "ledger": ("ledger.html", places.ledger),
    "events": ("events.html", places.events),
    "event": ("event.html", places.event_page),
    "deposit": ("deposit.html", places.deposit),
    "findings": ("findings.html", places.findings),
    "finding": ("finding.html", places.finding),
    "request-new": ("request_new.html", places.request_new),
    "ai-systems": ("ai_systems.html", places.ai_systems),
    "credentials": ("credentials.html", places.credentials),
    "credential": ("credential.html", places.credential),
    "profile": ("profile.html", places.profile),
    "sign-in-link": ("sign_in_link.html", places.sign_in_link),
    "confirm": ("confirm.html", places.confirm),
    "message": ("message.html", places.message),
    "conflict": ("409.html", places.message),
}
# Kept in the empty variant: what the page is about. Lists and numbers are not there.
SUBJECTS = {"identity", "case", "run", "source", "deposit", "event", "finding", "credential"}
FREE = {
    "words", "name", "what", "sub", "reason", "note", "headline", "title", "value", "action",
    "resource", "caller", "lead", "sentence", "by", "who", "owner", "excerpt", "purpose", "task",
    "recommendation_reason", "usage", "service", "silence", "label", "short", "agent", "format",
    "seats", "issued_by", "proof", "position", "missing", "heading", "subject", "identity",
}  # fmt: skip
HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script>\"'><div hx-get=/healthz"
    " hx-trigger=load>{{ 7|add:7 }}</div>\u202egpj.exe javascript:alert(3) \x1b[31m"
)
LONG = "arn:aws:iam::123456789012:role/aws-reserved/a-path-that-does-not-end-and-has-no-blank/"


def context(name: str, variant: str) -> tuple[str, Sample]:
    """The template and the sample context of one page in one variant."""
    template, make = PAGES[name]
    found = make()
    if variant == "empty":
        found = {key: value for key, value in found.items() if key in SUBJECTS}
    elif variant == "past" and name == "line":
        found["as_of"] = found["as_of"] | {"live": False, "next_url": "?at=next"}
    elif variant in ("hostile", "long"):
        found = altered(found, HOSTILE if variant == "hostile" else LONG)
    if name == "line" and variant in ("hostile", "long"):
        text = HOSTILE if variant == "hostile" else LONG
        found["chain"] = chains.layout(altered(pages.chain(), text))
    if name == "case" and found.get("items"):
        rows = found["items"]
        found["item_groups"] = [{"name": "", "n": len(rows), "left": 0, "on": True, "rows": rows}]
    if name == "line":
        found.setdefault("lanes", {})["url"] = f"/styleguide/lanes.json?as={variant}"
    return template, {**samples.frame(), **found, "section": name.replace("-", "_")}


def altered(thing: Any, text: str, key: str = "") -> Any:
    """The same sample with `text` in every free text of it."""
    if isinstance(thing, dict):
        return {name: altered(value, text, str(name)) for name, value in thing.items()}
    if isinstance(thing, list):
        return [altered(one, text, key) for one in thing]
    if isinstance(thing, str) and key in FREE:
        return f"{thing} {text}" if text == HOSTILE else text * 3 + thing
    return thing
