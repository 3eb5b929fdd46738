"""Content that a record carries and that is not kept: bodies of messages, statements' values.

Owns the taking out of what a table names as content (decisions 11). It happens before anything
is stored and before the record is read, so that reading what was kept says the same again. Knows
no vendor. Pure.

A place is a path (paths.py), in which ``[*]`` means every element of a list, every member of an
object. What is dropped is replaced by a mark (marking.py); a statement keeps its form, with ``?``
for its values. What its sender has made a keyed digest of already stays: it says nothing.
After `` except `` a place names members of the object there that are no content, such as counts.
``**`` is every text that no place names: what stands under a name that is content's wherever it is
met, however short, and sentences under any other name that is not known to hold none
(otlp/content.py has both lists). For vendors of models, whose records gain such members; members
after its `` except `` are no content by their name.
"""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import orjson

from evidence.formats import paths
from evidence.formats.marking import Gone, is_gone
from evidence.formats.otlp import content as attributes
from evidence.formats.paths import Step
from evidence.formats.written import Remembered

# Takes the content out of a record, in place; what is gone is counted.
type Drop = Callable[[Any, Gone], None]
# What stands in the place of a value.
type _Cut = Callable[[Any, Gone], Any]

# How JSON begins that an export wrote as text, where others have an object or a list.
_OPENS = frozenset({"{", "["})
# So few names are looked for one by one, without a look at all of them before.
_FEW = 12
_NUMBERS, _COUNTS = frozenset({int, float, bool}), frozenset({int, float})
# Statements come again and again, their values beside them: so many forms are remembered.
_REMEMBERED, _LONGEST_REMEMBERED = 4096, 2000
_PIECES = 100  # of an answer, from its end
_DIGEST = re.compile(r"hmac-sha256:[0-9a-f]{64}")
# What AWS writes in the place of what it does not log.
_HIDDEN = frozenset(
    {"HIDDEN_DUE_TO_SECURITY_REASONS", "***OMITTED***", "<sensitiveDataRemoved>", "*****"}
)
_EVERYWHERE = "**"
# How requests and answers of models are called in records of those who sell them, as letters alone.
_BODIES = frozenset(
    """
    requestbody responsebody requestpayload responsepayload requestjson responsejson inputbodyjson
    outputbodyjson inputtext outputtext prompttext completiontext generation generations
    generatedtext systeminstruction systeminstructions systemmessage usermessage assistantmessage
    userinput modelinput modeloutput chathistory conversationhistory transcript toolcalls
    toolarguments toolresults functioncall
    """.split()  # noqa: SIM905  a table of names reads better than a column of strings
)
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
        self.cut: _Cut | None = None
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
    named = [path for path in content if not path.startswith(_EVERYWHERE)]
    cuts: list[tuple[str, _Cut]] = [(path, _without) for path in named]
    cuts += [(path, _formed) for path in statements]
    for written, cut in cuts:
        node = root
        path, _, spared = written.partition(" except ")
        for step in paths.steps(path):
            node = node.under(step)
        node.cut = node.cut or (partial(_but, frozenset(spared.split("|"))) if spared else cut)
    at_places = _written(root)
    rest = [path.partition(" except ")[2].split("|") for path in content if path not in named]
    if not rest:
        return at_places
    no_content = frozenset(name for names in rest for name in names)
    kinds = Remembered(lambda name: _SPARED if name in no_content else _kind(name))

    everywhere = partial(_everywhere, kinds)

    def drop(record: Any, gone: Gone) -> None:
        at_places(record, gone)
        if type(record) is dict or type(record) is list:
            everywhere(record, gone)

    return drop


def _everywhere(kinds: Remembered[int], record: Any, gone: Gone) -> None:
    """Take out what is content by its name or by its words, however deep it stands. What is a
    number or nothing is no content: it counts."""
    waiting = [record]
    shortest, words, is_prose = attributes.SHORTEST_PROSE, attributes.WORDS, attributes.is_prose
    while waiting:
        here = waiting.pop()
        for key, value in here.items() if type(here) is dict else enumerate(here):
            if type(value) is str:
                kind = kinds[key] if type(key) is str else _PLAIN
                if kind == _CONTENT:
                    if value:
                        here[key] = _without(value, gone)
                elif (
                    kind == _PLAIN
                    and len(value) >= shortest
                    # Asked of every text, so what is soon told is told here.
                    and not (value.isascii() and len(value.split(None, words)) <= words)
                    and is_prose(value)
                    and not is_gone(value)
                ):
                    here[key] = _without(value, gone)
                elif value[:1] in _OPENS:
                    here[key] = _inside_text(value, partial(_everywhere, kinds), gone)
            elif type(value) is dict or type(value) is list:
                if value and type(key) is str and kinds[key] == _CONTENT:
                    here[key] = _without(value, gone)
                else:
                    waiting.append(value)


def _inside_text(text: str, walk: Drop, gone: Gone) -> str:
    """The same of an object or a list that is written as text, which stays as it was written where
    nothing of it is cut."""
    if text.startswith("[content:"):
        # What was cut a moment ago opens like a list: that it is none takes long to find out.
        return text
    try:
        value = orjson.loads(text)
    except (ValueError, RecursionError):
        return text
    before = len(gone)
    walk(value, gone)
    return text if len(gone) == before else orjson.dumps(value).decode()


_PLAIN, _CONTENT, _SPARED = range(3)


@lru_cache(maxsize=4096)
def _kind(name: str) -> int:
    """What a text of any length under this name is; the names are cut to what may be one."""
    if attributes.kind_of(name[:200]) == attributes.CONTENT:
        return _CONTENT
    letters = name[:200].replace("_", "").replace("-", "").lower()
    if letters in _BODIES or attributes.kind_of(letters) == attributes.CONTENT:
        return _CONTENT
    return _SPARED if attributes.is_harmless(name[:200]) else _PLAIN


def _written(root: _Node) -> Drop:
    """The looking down to where records differ, as one function: it calls nothing where nothing
    is. What is written holds nothing of a table but the names of members, quoted."""
    objects: dict[str, Any] = {}
    lines = ["def written(record, gone):", " if type(record) is dict:"]

    def named(thing: Any) -> str:
        name = f"object{len(objects)}"
        objects[name] = thing
        return name

    def say(deep: int, line: str) -> None:
        lines.append(f"{' ' * deep}{line}")

    def write(node: _Node, here: str, deep: int) -> None:
        if len(node.names) <= _FEW:
            for name, inner in node.names.items():
                found = f"inside{deep}"
                say(deep, f"if ({found} := {here}.get({name!r})) is not None:")
                if inner.cut is not None:
                    say(deep, f" {named(_way(inner))}({here}, {name!r}, {found}, gone)")
                    continue
                say(deep, f" if type({found}) is dict:")
                write(inner, found, deep + 2)
                if inner.every is not None or inner.others:
                    into_list = named(_into_list(inner))
                    say(deep, f" elif type({found}) is list: {into_list}({found}, gone)")
                text = f"{named(_inside_text)}({found}, {named(_walk(inner))}, gone)"
                say(deep, f" elif type({found}) is str and {found}[:1] in {named(_OPENS)}:")
                say(deep, f"  {here}[{name!r}] = {text}")
        else:
            known, walk = named(frozenset(node.names)), named(_into_names(node))
            say(deep, f"if not {known}.isdisjoint({here}): {walk}({here}, gone)")
        if node.every is not None:
            say(deep, f"{named(_into_every(node.every))}({here}, gone)")
        say(deep, "pass")

    write(root, "record", 2)
    lines.append(f" elif type(record) is list: {named(_into_list(root))}(record, gone)")
    exec("\n".join(lines), objects)  # noqa: S102 - quoted names only
    drop: Drop = objects["written"]
    return drop


# Cuts the places under a node out of an object or a list, in place.
type _Walk = Callable[[Any, Gone], None]


def _walk(node: _Node) -> _Walk:
    """A node as a function that looks for what it names, and for nothing else."""
    into_object, into_list = _into_object(node), _into_list(node)

    def walk(here: Any, gone: Gone) -> None:
        if type(here) is dict:
            into_object(here, gone)
        elif type(here) is list:
            into_list(here, gone)

    return walk


def _into_object(node: _Node) -> _Walk:
    into_names = _into_names(node)
    into_every = _into_every(node.every) if node.every is not None else None

    def walk(here: Any, gone: Gone) -> None:
        into_names(here, gone)
        if into_every is not None:
            into_every(here, gone)

    return walk


def _into_names(node: _Node) -> _Walk:
    names = {name: _way(inner) for name, inner in node.names.items()}
    known, few = frozenset(names), tuple(names.items()) if len(names) <= _FEW else ()

    def walk(here: Any, gone: Gone) -> None:
        if few:
            for name, way in few:
                if (value := here.get(name)) is not None:
                    way(here, name, value, gone)
        elif not known.isdisjoint(here):
            for name in [name for name in here if name in names]:
                names[name](here, name, here[name], gone)

    return walk


def _into_every(node: _Node) -> _Walk:
    way, leaf = _way(node), node.cut is not None

    def walk(here: Any, gone: Gone) -> None:
        for name, value in here.items():
            kind = type(value)
            if leaf or kind is dict or kind is list or (kind is str and value[:1] in _OPENS):
                way(here, name, value, gone)

    return walk


def _into_list(node: _Node) -> _Walk:
    every = _way(node.every) if node.every is not None else None
    others = [(step, _way(inner)) for step, inner in node.others]

    def walk(here: Any, gone: Gone) -> None:
        if every is not None:
            for number, value in enumerate(here):
                every(here, number, value, gone)
        for step, way in others:
            for number in _numbers(here, step):
                way(here, number, here[number], gone)

    return walk


def _way(node: _Node) -> Callable[[Any, Any, Any, Gone], None]:
    """What is done to a value that a node stands for: (its holder, its key there, it, gone)."""
    cut = node.cut
    if cut is None:
        walk = _walk(node)

        def way(holder: Any, key: Any, value: Any, gone: Gone) -> None:
            if type(value) is dict or type(value) is list:
                walk(value, gone)
            elif type(value) is str and value[:1] in _OPENS:
                holder[key] = _inside_text(value, walk, gone)

        return way

    def leaf(holder: Any, key: Any, value: Any, gone: Gone) -> None:
        if value or type(value) in _NUMBERS:
            holder[key] = cut(value, gone)

    return leaf


def _numbers(here: list[Any], step: Step) -> list[int]:
    if step.place is not None:
        return [step.place] if -len(here) <= step.place < len(here) else []
    return [
        number
        for number, one in enumerate(here)
        if type(one) is dict and str(one.get(step.member)) == step.wanted
    ]


def _without(value: Any, gone: Gone) -> str:
    if type(value) is not str:
        return gone.mark(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    if is_gone(value) or value in _HIDDEN:
        return value
    if value[:12] == "hmac-sha256:" and _DIGEST.fullmatch(value):
        return value
    return gone.mark(value)


def _but(spared: frozenset[str], value: Any, gone: Gone) -> Any:
    """The same of an object, some of whose members stay where they are short words or numbers; of
    an answer that was received in pieces, those of its last ones."""
    if type(value) is list:
        pieces = [one for one in value[-_PIECES:] if type(one) is dict]
        stays = {name: one[name] for one in pieces for name in spared if _counts(one.get(name))}
        return {**stays, "content": _without(value, gone)} if stays else _without(value, gone)
    if type(value) is not dict:
        return _without(value, gone)
    kept: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, inside in value.items():
        (kept if name in spared and _counts(inside) else rest)[name] = inside
    if not rest or (len(rest) == 1 and is_gone(rest.get("content"))):
        return value
    return {**kept, "content": _without(rest, gone)}


def _counts(value: Any) -> bool:
    if type(value) is dict:
        return _COUNTS.issuperset(map(type, value.values()))
    return type(value) in (int, float) or (type(value) is str and 0 < len(value) <= 64)


def _formed(value: Any, gone: Gone) -> str:
    if type(value) is not str:
        return _without(value, gone)
    remembered = len(value) <= _LONGEST_REMEMBERED
    form, characters = _form(value) if remembered else _form.__wrapped__(value)
    if characters:
        gone.append(characters)
    return form


@lru_cache(maxsize=_REMEMBERED)
def _form(statement: str) -> tuple[str, int]:
    gone = 0

    def mark(match: Any) -> str:
        nonlocal gone
        gone += len(match[0])
        return "?"

    return _LITERAL.sub(mark, statement), gone
