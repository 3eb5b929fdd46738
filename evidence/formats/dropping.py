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

    def drop(record: Any) -> list[int]:
        gone: list[int] = []
        _cut(record, root, gone)
        return gone

    return drop


def _cut(here: Any, node: _Node, gone: list[int]) -> None:
    if type(here) is dict:
        names = node.names
        # The shorter is walked: an object has few members, a table names many.
        fewer, more = (here, names) if len(here) < len(names) else (names, here)
        for name in [name for name in fewer if name in more]:
            _cut_one(here, name, names[name], gone)
        if node.every is not None:
            for name in here:
                _cut_one(here, name, node.every, gone)
    elif type(here) is list:
        if node.every is not None:
            for number in range(len(here)):
                _cut_one(here, number, node.every, gone)
        for step, below in node.others:
            for number in _numbers(here, step):
                _cut_one(here, number, below, gone)


def _cut_one(holder: Any, key: Any, node: _Node, gone: list[int]) -> None:
    value = holder[key]
    if node.cut is None:
        if type(value) is dict or type(value) is list:
            _cut(value, node, gone)
    elif value or type(value) in _NUMBERS:
        holder[key], characters = node.cut(value)
        if characters:
            gone.append(characters)


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
