"""Every address of the project, the verbs that it takes, and requests that fill it plausibly."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.urls import Resolver404, URLResolver, get_resolver, resolve
from drf_spectacular.generators import SchemaGenerator

ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")
WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
MOST_VARIANTS = 8


class Route(NamedTuple):
    name: str
    path: str  # as it is written: "cases/<str:key>/"
    verbs: tuple[str, ...]

    @property
    def writes(self) -> bool:
        return not WRITING.isdisjoint(self.verbs)


def verbs_of(view: Any) -> tuple[str, ...]:
    """What a view takes: DRF and classes name it, decorators keep it in their closure, and a view
    without either takes anything."""
    made = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if made is not None:
        named = {verb.upper() for verb in made.http_method_names}
        return tuple(verb for verb in ANY if verb in named and hasattr(made, verb.lower()))
    inner = view
    while inner is not None:
        for cell in getattr(inner, "__closure__", None) or ():
            found = cell.cell_contents
            if isinstance(found, list) and found and all(str(one).isupper() for one in found):
                return tuple(verb for verb in ANY if verb in found)
        inner = getattr(inner, "__wrapped__", None)
    return ANY


def routes(resolver: Any = None, before: str = "") -> Iterator[Route]:
    for one in (resolver or get_resolver()).url_patterns:
        path = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from routes(one, path)
        else:
            # The one address without a name is another spelling of this.
            yield Route(str(one.name or "api_evidence"), path, verbs_of(one.callback))


class Forms(HTMLParser):
    """The forms of a page that post: where to, and what they send along, once for each choice."""

    def __init__(self, here: str) -> None:
        super().__init__()
        self.here = here
        self.form: dict[str, Any] | None = None
        self.select = ""
        self.found: list[tuple[str, dict[str, str]]] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attributes}
        if tag == "a" and said.get("href", "").startswith(("/", "?")):
            self.links.append(said["href"])
        if tag == "form":
            to = said.get("hx-post") or said.get("action") or self.here
            posts = "hx-post" in said or said.get("method", "").lower() == "post"
            self.form = {"to": to, "fields": {}, "choices": []} if posts else None
        if self.form is None:
            return
        name, value = said.get("name", ""), said.get("value", "")
        fields: dict[str, str] = self.form["fields"]
        if tag == "button":
            self.form["choices"].append((said.get("formaction", ""), name, value))
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select:
            fields.setdefault(self.select, value)
            self.form["choices"].append(("", self.select, value))
        elif tag == "textarea" and name:
            fields[name] = "because it is so"
        elif tag == "input" and name:
            kind = said.get("type", "text")
            if kind == "radio":
                fields.setdefault(name, value)
                self.form["choices"].append(("", name, value))
            elif kind == "checkbox":
                fields[name] = value or "on"
            elif kind != "file":
                fields[name] = value or ("because it is so" if kind == "text" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = ""
        if tag == "form" and self.form is not None:
            form, self.form = self.form, None
            every = form["choices"][:MOST_VARIANTS] or [("", "", "")]
            for to, name, value in every:
                sent = form["fields"] | ({name: value} if name else {})
                self.found.append((to or form["to"], sent))


def name_at(address: str) -> str:
    """The name of the route behind an address; empty where there is none."""
    try:
        return str(resolve(urlsplit(address).path).url_name or "api_evidence")
    except Resolver404:
        return ""


def bodies_of_the_api(values: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By path of the schema: bodies as it describes them, one for each word of its first choice."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # ships no types
    parts = schema["components"]["schemas"]

    def whole(kind: dict[str, Any]) -> dict[str, Any]:
        for inner in ("allOf", "oneOf", "anyOf"):
            if inner in kind:
                return whole(kind[inner][0])
        return whole(parts[kind["$ref"].rpartition("/")[2]]) if "$ref" in kind else kind

    def value(name: str, kind: dict[str, Any]) -> Any:
        kind = whole(kind)
        if name in values:
            return values[name]
        if "enum" in kind:
            return kind["enum"][0]
        if kind.get("type") == "array":
            return [value(name.removesuffix("s"), kind.get("items", {}))]
        if "properties" in kind:
            return {key: value(key, one) for key, one in kind["properties"].items()}
        plain = {"integer": 1, "number": 1, "boolean": False, "object": {}}
        return plain.get(str(kind.get("type")), "because it is so")

    found: dict[str, list[dict[str, Any]]] = {}
    for path, verbs in schema["paths"].items():
        body = (verbs.get("post") or verbs.get("patch") or {}).get("requestBody")
        if body is None:
            continue
        kind = whole(next(iter(body["content"].values()))["schema"])
        members = kind.get("properties", {})
        plain = {key: value(key, one) for key, one in members.items()}
        choices = [key for key, one in members.items() if "enum" in whole(one)]
        if "post" not in verbs and not choices:
            # What is left out stays as it is: each alone.
            alone = [{key: one, "reason": values["reason"]} for key, one in plain.items()]
            found[re.sub(r"\{\w+\}", "{}", path)] = alone
            continue
        found[re.sub(r"\{\w+\}", "{}", path)] = [
            plain,
            *({**plain, key: word} for key in choices for word in whole(members[key])["enum"]),
        ][: MOST_VARIANTS + 1]
    return found
