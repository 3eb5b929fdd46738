"""Content that a record carries and that is not kept: bodies of messages, statements' values.

Owns the taking out of what a table names as content (decisions 11). It happens before anything
is stored and before the record is read, so that reading what was kept says the same again. Knows
no vendor. Pure.

A place is a path (paths.py), in which ``[*]`` means every element of a list, every member of an
object. What is dropped is replaced by ``[content:characters]``; a statement keeps its form, with
``?`` for its values. What its sender has made a keyed digest of already stays: it says nothing.
After `` except `` a place names members of the object there that are no content, such as counts.
"""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import orjson

from evidence.formats import paths
from evidence.formats.paths import Step

# Takes the content out of a record, in place; the characters removed, one number for each place.
type Drop = Callable[[Any], list[int]]

_GONE = "[content:"
# So few names are looked for one by one, without a look at all of them before.
_FEW = 8
_NUMBERS = frozenset({int, float, bool})
# Statements come again and again, their values beside them: so many forms are remembered.
_REMEMBERED, _LONGEST_REMEMBERED = 4096, 2000
_DIGEST = re.compile(r"hmac-sha256:[0-9a-f]{64}")
# What a statement holds besides its form: quoted text, also unfinished, and numbers. What is taken
# is never given back (`*+`), so that the work is linear in the text whoever wrote it. Dialects
# differ on what double quotes mean.
_LITERAL = re.compile(
    r"""'(?:[^'\\]|''|\\.)*+'?|"(?:[^"\\]|""|\\.)*+"?|\$\$(?s:.)*?(?:\$\$|\Z)|\b\d[\w.]*\b""",
    re.ASCII,
)


class _Node:
    """Places that begin alike, walked together: most records hold few of them."""

    __slots__ = ("cut", "every", "names", "others")

    def __init__(self) -> None:
        self.cut: Callable[[Any], tuple[Any, int]] | None = None
        self.names: dict[str, _Node] = {}
        self.every: _Node | None = None
        self.others: list[tuple[Step, _Node]] = []

    def under(self, step: Step) -> "_Node":
        """The node of this step, made where there is none."""
        if step.every:
            self.every = self.every or _Node()
            return self.every
        if step.name:
            node = self.names.setdefault(step.name, _Node())
            self.names.setdefault(step.name.lower(), node)
            return node
        found = next((node for known, node in self.others if known == step), None)
        if found is None:
            found = _Node()
            self.others.append((step, found))
        return found


def dropper(content: tuple[str, ...], statements: tuple[str, ...] = ()) -> Drop | None:
    """What takes these places out of a record; None when there are none.

    Member names are also found in lower case, as some exports write them.
    """
    if not content and not statements:
        return None
    root = _Node()
    cuts = [(path, _without) for path in content] + [(path, _formed) for path in statements]
    for written, cut in cuts:
        node = root
        path, _, spared = written.partition(" except ")
        for step in paths.steps(path):
            node = node.under(step)
        node.cut = node.cut or (partial(_but, frozenset(spared.split("|"))) if spared else cut)

    walk = _walk(root)

    def drop(record: Any) -> list[int]:
        gone: list[int] = []
        walk(record, gone)
        return gone

    return drop


# Cuts the places under a node out of an object or a list, in place.
type _Walk = Callable[[Any, list[int]], None]


def _walk(node: _Node) -> _Walk:
    """A node as a function that looks for what it names, and for nothing else."""
    into_object, into_list = _into_object(node), _into_list(node)

    def walk(here: Any, gone: list[int]) -> None:
        if type(here) is dict:
            into_object(here, gone)
        elif type(here) is list:
            into_list(here, gone)

    return walk


def _into_object(node: _Node) -> _Walk:
    names = {name: _way(inner) for name, inner in node.names.items()}
    known, few = frozenset(names), tuple(names.items()) if len(names) <= _FEW else ()
    every = _way(node.every) if node.every is not None else None

    def walk(here: Any, gone: list[int]) -> None:
        if few:
            for name, way in few:
                if (value := here.get(name)) is not None:
                    way(here, name, value, gone)
        elif not known.isdisjoint(here):
            for name in [name for name in here if name in names]:
                names[name](here, name, here[name], gone)
        if every is not None:
            for name, value in here.items():
                every(here, name, value, gone)

    return walk


def _into_list(node: _Node) -> _Walk:
    every = _way(node.every) if node.every is not None else None
    others = [(step, _way(inner)) for step, inner in node.others]

    def walk(here: Any, gone: list[int]) -> None:
        if every is not None:
            for number, value in enumerate(here):
                every(here, number, value, gone)
        for step, way in others:
            for number in _numbers(here, step):
                way(here, number, here[number], gone)

    return walk


def _way(node: _Node) -> Callable[[Any, Any, Any, list[int]], None]:
    """What is done to a value that a node stands for: (its holder, its key there, it, gone)."""
    cut = node.cut
    if cut is None:
        walk = _walk(node)

        def way(_: Any, __: Any, value: Any, gone: list[int]) -> None:
            if type(value) is dict or type(value) is list:
                walk(value, gone)

        return way

    def leaf(holder: Any, key: Any, value: Any, gone: list[int]) -> None:
        if value or type(value) in _NUMBERS:
            holder[key], characters = cut(value)
            if characters:
                gone.append(characters)

    return leaf


def _numbers(here: list[Any], step: Step) -> list[int]:
    if step.place is not None:
        return [step.place] if -len(here) <= step.place < len(here) else []
    return [
        number
        for number, one in enumerate(here)
        if type(one) is dict and str(one.get(step.member)) == step.wanted
    ]


def _without(value: Any) -> tuple[str, int]:
    if type(value) is str:
        if _is_gone(value):
            return value, 0
        if value.startswith("hmac-sha256:") and _DIGEST.fullmatch(value):
            return value, 0
        characters = len(value)
    else:
        characters = len(orjson.dumps(value))
    return f"{_GONE}{characters}]", characters


def _but(spared: frozenset[str], value: Any) -> tuple[Any, int]:
    """The same of an object, some of whose members stay where they are short words or numbers."""
    if type(value) is not dict:
        return _without(value)
    kept = {name: value[name] for name in spared if name in value and _counts(value[name])}
    rest = {name: inside for name, inside in value.items() if name not in kept}
    if not rest or (len(rest) == 1 and _is_gone(rest.get("content"))):
        return value, 0
    gone, characters = _without(rest)
    return {**kept, "content": gone}, characters


def _counts(value: Any) -> bool:
    if type(value) is dict:
        return all(type(one) in (int, float) for one in value.values())
    return type(value) in (int, float) or (type(value) is str and 0 < len(value) <= 64)


def _is_gone(value: Any) -> bool:
    return type(value) is str and value.startswith(_GONE) and len(value) < 40


def _formed(value: Any) -> tuple[str, int]:
    if type(value) is not str:
        return _without(value)
    return _form(value) if len(value) <= _LONGEST_REMEMBERED else _form.__wrapped__(value)


@lru_cache(maxsize=_REMEMBERED)
def _form(statement: str) -> tuple[str, int]:
    gone = 0

    def mark(match: Any) -> str:
        nonlocal gone
        gone += len(match[0])
        return "?"

    return _LITERAL.sub(mark, statement), gone
