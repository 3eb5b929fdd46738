"""What the roles of a cluster give, as rights.

Owns rules as rights, in the words of the audit log (evidence/formats/clusters.py). Only RBAC: no
other authorizer. Sources: kubernetes.io, "Using RBAC Authorization".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from evidence.formats import clusters as words

from .kubernetes_cluster import RBAC, Absent, Api, metadata_of
from .possible_aws import Possible


def rights_of(rule: Mapping[str, Any], namespace: str, via: str) -> Iterator[Possible]:
    """One rule as rights: verbs on resources, in one namespace or in all."""
    verbs = _texts(rule.get("verbs"))
    named = _texts(rule.get("resourceNames")) or ["*"]
    for resource in _texts(rule.get("resources")):
        thing, _, below = resource.partition("/")
        yield Possible(
            effect="allow",
            # "*" is every resource with everything below it.
            actions=tuple(words.called(verb, thing, below) for verb in verbs),
            resources=tuple(place for name in named for place in places(namespace, thing, name)),
            via=via,
        )
    paths = tuple(_texts(rule.get("nonResourceURLs")))
    if paths and not namespace:
        yield Possible(
            effect="allow",
            actions=tuple(words.called(verb, words.URLS) for verb in verbs),
            resources=paths,
            via=via,
        )


def places(namespace: str, thing: str, name: str) -> Iterable[str]:
    """The patterns of a resource as the audit log names it; a list has no name in it."""
    if namespace:
        yield words.place(namespace, thing, name)
        if name == "*":
            yield words.place(namespace, thing, "")
        return
    yield words.place("*", thing, name)
    yield words.place("", thing, name)
    if name == "*":
        yield words.place("*", thing, "")
        yield words.place("", thing, "")


def _texts(value: object) -> list[str]:
    return [one for one in value if type(one) is str] if isinstance(value, list) else []


class Roles:
    """The roles of one cluster, each asked for once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, list[Mapping[str, Any]] | None] = {}

    def gives(self, binding: Mapping[str, Any]) -> list[Possible]:
        """What a binding gives whom it names. Of a role that is not there nobody knows."""
        about, ref = metadata_of(binding), binding.get("roleRef")
        namespace = str(about.get("namespace") or "")
        kind, name = (str(ref.get(one, "")) for one in ("kind", "name")) if isinstance(ref, dict) \
            else ("", "")  # fmt: skip
        within = f"/namespaces/{namespace}" if kind == "Role" else ""
        rules = self._rules(f"{RBAC}{within}/{kind.lower()}s/{name}", f"{kind.lower()}s")
        via = f"{kind} {name}"
        if rules is None:
            return [Possible.unread(via=f"{via}, which is not there")]
        return [right for rule in rules for right in rights_of(rule, namespace, via)]

    def _rules(self, path: str, what: str) -> list[Mapping[str, Any]] | None:
        if path not in self._known:
            try:
                found = self._api.ask("GET", path, right=f"get {what}").get("rules")
                rules = found if isinstance(found, list) else []
                self._known[path] = [one for one in rules if isinstance(one, dict)]
            except Absent:
                self._known[path] = None
        return self._known[path]
