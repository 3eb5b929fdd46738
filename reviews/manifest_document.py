"""A release manifest as one JSON document: read, checked, digested, and compared. Pure.

Owns what a manifest may say. Every problem names its place; the digest is of the content alone,
so the same content is the same manifest whoever sends it and however often.
"""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from identities.authority import AuthorityError, Grant, compile_slice, narrower
from identities.authority.patterns import pattern

LONGEST_NAME = 200
MOST_TOOLS = 500
MOST_PERMISSIONS = 100
MOST_PATTERNS = 100
MOST_SAID = 50
ANY_CALL = "any call: it says nothing of calls any more"
ONLY_NAMED = "calls that it does not name: the release before said nothing of calls"

type Pairs = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


class ManifestError(ValueError):
    """What is wrong with a manifest: [(place, sentence)], all of it at once."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(" ".join(f"{place}: {said}" for place, said in problems))
        self.problems = problems


class Release(NamedTuple):
    """What is declared of a release. `permissions`: (actions, resources); none: nothing is said."""

    version: str
    model: str = ""
    tools: tuple[str, ...] = ()
    permissions: Pairs = ()

    def stored(self) -> list[dict[str, list[str]]]:
        """The permissions as they are stored and sent."""
        return [{"actions": list(one), "resources": list(two)} for one, two in self.permissions]


class Difference(NamedTuple):
    """What a release has that the last signed one has not, and the other way round."""

    tools_added: list[str]
    tools_removed: list[str]
    wider: list[str]
    narrower: list[str]
    model: tuple[str, str] | None  # before, after

    def words(self) -> list[str]:
        """One sentence for each thing; empty where nothing differs."""
        said = [f"tool added: {one}" for one in self.tools_added]
        said += [f"wider: {one}" for one in self.wider]
        if self.model is not None:
            said.append(f"model: {self.model[1] or 'none'} in place of {self.model[0] or 'none'}")
        said += [f"tool removed: {one}" for one in self.tools_removed]
        return said + [f"no longer: {one}" for one in self.narrower]


def parse(value: Mapping[str, Any]) -> Release:
    """The release that this document declares; or ManifestError."""
    problems: list[tuple[str, str]] = []

    def read[T](name: str, reader: Callable[[Any], T], default: T) -> T:
        try:
            return reader(value[name]) if name in value else default
        except AuthorityError as problem:
            problems.append((problem.field, problem.what))
        return default

    version = read("version", lambda said: _name(said, "version"), "")
    if not version and not problems:
        problems.append(("version", "name the version that its runs state (gen_ai.agent.version)"))
    release = Release(
        version=version,
        model=read("model", lambda said: _name(said, "model") if said else "", ""),
        tools=read("tools", _tools, ()),
        permissions=read("permissions", _permissions, ()),
    )
    if problems:
        raise ManifestError(problems)
    return release


def _name(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value.strip()) > LONGEST_NAME:
        raise AuthorityError(place, f"write a text of 1 to {LONGEST_NAME} characters")
    if not value.strip().isprintable():
        raise AuthorityError(place, "has characters that are not seen; remove them")
    return value.strip()


def _list(value: Any, place: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise AuthorityError(place, f"write a list of at most {most}")
    return value


def _tools(value: Any) -> tuple[str, ...]:
    rows = _list(value, "tools", MOST_TOOLS)
    return tuple(sorted({_name(one, f"tools[{place}]") for place, one in enumerate(rows)}))


def _permissions(value: Any) -> Pairs:
    found = set()
    for place, one in enumerate(_list(value, "permissions", MOST_PERMISSIONS)):
        here = f"permissions[{place}]"
        if not isinstance(one, Mapping) or set(one) != {"actions", "resources"}:
            raise AuthorityError(here, "write {actions: […], resources: […]}")
        found.add((_patterns(one, here, "actions"), _patterns(one, here, "resources")))
    pairs = tuple(sorted(found))
    # What the judge could not read is refused now, not when a run is held against it.
    compile_slice("manifest", grants(pairs))
    return pairs


def _patterns(one: Mapping[str, Any], here: str, name: str) -> tuple[str, ...]:
    place = f"{here}.{name}"
    rows = _list(one[name], place, MOST_PATTERNS)
    if not rows:
        raise AuthorityError(place, "name at least one")
    return tuple(sorted({pattern(row, f"{place}[{at}]") for at, row in enumerate(rows)}))


def digest(identity: str, release: Release) -> str:
    """What makes two manifests of an identity (its key) the same one."""
    said = json.dumps([identity, *release], ensure_ascii=True, separators=(",", ":"))
    return sha256(said.encode()).hexdigest()


def difference(before: Release | None, after: Release) -> Difference:
    """Against the last signed release; without one everything is new."""
    was = before or Release("")
    wider, narrower = _calls(before, after)
    return Difference(
        tools_added=[one for one in after.tools if one not in was.tools],
        tools_removed=[one for one in was.tools if one not in after.tools],
        wider=wider,
        narrower=narrower,
        model=None if was.model == after.model else (was.model, after.model),
    )


def _calls(before: Release | None, after: Release) -> tuple[list[str], list[str]]:
    """What is wider and what is narrower in calls. A release that says nothing of them is held to
    none: that is wider than any that names some."""
    if before is None or bool(before.permissions) == bool(after.permissions):
        was = before.permissions if before is not None else ()
        return _beyond(was, after.permissions), _beyond(after.permissions, was)
    return ([ANY_CALL], []) if before.permissions else ([], [ONLY_NAMED])


def _beyond(less: Pairs, more: Pairs) -> list[str]:
    """What the second allows and the first cannot be seen to, by the compiler of delegations."""
    said = narrower(grants(more), grants(less))
    return [one.removesuffix(" is not delegated by the parent") for one in said[:MOST_SAID]]


def grants(pairs: Pairs) -> list[Grant]:
    """The calls of a manifest as the compiler takes them: judged like delegations, without time."""
    return [
        Grant(f"calls {number}", 1, actions, resources)
        for number, (actions, resources) in enumerate(pairs, start=1)
    ]
