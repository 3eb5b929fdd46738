"""What a text quotes of something that is to be erased, and the text without it. Pure.

Three ways to know a quotation. `Prose` is content of a record, a prompt above all: six words in a
row that stand in it stand for it, whatever their case and what is between them. `Names` are texts
of the dictionary that nothing else needs any more. `Pieces` are shorter texts that two people named.
All are linear in the text, since logs and prompts are written by attackers. Must not know where
texts lie; evidence/unquoting.py does.
"""

import re
from collections.abc import Iterable, Iterator
from enum import IntEnum
from itertools import batched
from typing import Any, Protocol

import orjson
import re2

from evidence.formats import escaping

# So many words in a row are no accident.
WORDS = 6
# Windows that are looked for at once: some 100 MB.
MOST_WINDOWS = 500_000
# Names in one pattern; and the shortest that is looked for inside a text.
NAMES_AT_ONCE = 2_000
SHORTEST = 6
# The shortest pieces that people may name: letters and digits, and a number.
SHORTEST_PIECE, SHORTEST_NUMBER = 3, 5
# Of what is not JSON, read as text.
PIECE = 1_000_000
_WORD = re.compile(r"\w+")
_ESCAPED = re.compile(r"\\[nrt]")
_MARK = re.compile(r"\[erased \d{4}-\d\d-\d\d, deposit \d+(?:, [0-9a-f-]{1,36})?\]")
_BLANKS = r"[\s\p{Z}]+"
# What names something of this app: a state, a rule, an id, a key. Nobody quotes with that alone.
_CODE = re.compile(
    r"[a-z_]+|[A-Z]{1,4}-[0-9]+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)


class Column(IntEnum):
    """What a text is: written by people, by this app from evidence, or one name and nothing else."""

    WRITTEN, MADE, NAME = range(3)


class Wanted(Protocol):
    """What is looked for."""

    def spans(self, text: str, column: Column, /) -> list[tuple[int, int]]:
        """Where it stands, from the left; the stretches may touch and overlap."""
        ...


def windows(text: str) -> Iterator[tuple[int, int, int]]:
    """(what it says, begin, end) of each six words in a row that blanks stand between."""
    text = _ESCAPED.sub("  ", text)
    words: list[tuple[str, int]] = []
    last = 0
    for found in _WORD.finditer(text):
        begin, end = found.span()
        if not any(one.isspace() for one in text[last:begin]):
            words.clear()
        words.append((found[0].lower(), begin))
        del words[:-WORDS]
        if len(words) == WORDS:
            yield hash(tuple(word for word, _ in words)), words[0][1], end
        last = end


def leaves(content: bytes) -> Iterator[str]:
    """Every text in the bytes of records: of JSON its strings, of JSON in them theirs too."""
    try:
        yield from _strings(escaping.loads(content))
    except (ValueError, RecursionError):
        for first in range(0, len(content), PIECE):
            # With the beginning of the next one, for what lies across the seam.
            yield content[first : first + PIECE + 1_000].decode("utf-8", "replace")


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            yield one
            if one[:1] in ("{", "["):
                try:
                    waiting.append(orjson.loads(one))
                except ValueError:
                    continue


class Prose:
    """Content by its words."""

    def __init__(self, said: frozenset[int]) -> None:
        self._said = said

    def spans(self, text: str, _: Column, /) -> list[tuple[int, int]]:
        return [(begin, end) for what, begin, end in windows(text) if what in self._said]


def prose(content: bytes, *, needed: Iterable[str]) -> Iterator[Prose]:
    """What is looked for of these records, in parts; `needed` are texts that stay elsewhere."""
    stays = {what for text in needed for what, _, _ in windows(text)}
    said: set[int] = set()
    for text in leaves(content):
        said |= {what for what, _, _ in windows(text)} - stays
        if len(said) >= MOST_WINDOWS:
            yield Prose(frozenset(said))
            said.clear()
    if said:
        yield Prose(frozenset(said))


class Names:
    """Names by their letters, where neither end lies inside a longer name.

    A word of letters alone may be anybody's: it is looked for only in what this app made of
    evidence. One that is too short for that is found where it is the whole text.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._whole = frozenset(names)
        long = [name for name in self._whole if len(name) >= SHORTEST]
        telling = [name for name in long if not name.isalpha()]
        self._patterns = {
            Column.WRITTEN: _patterns(telling),
            Column.MADE: _patterns(long),
            Column.NAME: _patterns(telling),
        }

    def spans(self, text: str, column: Column, /) -> list[tuple[int, int]]:
        if column is Column.NAME and text in self._whole:
            return [(0, len(text))]
        if _CODE.fullmatch(text):
            return []
        return sorted(
            found.span()
            for pattern in self._patterns[column]
            for found in pattern.finditer(text)
            if _stands_alone(text, *found.span())
        )


class Pieces:
    """Short texts where neither end lies inside a longer word, whatever blanks are between their
    words. One word of letters alone is found as it is written, anything else in any case."""

    def __init__(self, pieces: Iterable[str]) -> None:
        whole = {" ".join(piece.split()) for piece in pieces} - {""}
        words = {piece for piece in whole if piece.isalpha()}
        self._patterns = [*_patterns(words), *_patterns(whole - words, blanks=_BLANKS, fold=True)]

    def spans(self, text: str, _: Column, /) -> list[tuple[int, int]]:
        if _CODE.fullmatch(text):
            return []
        text = _ESCAPED.sub("  ", text)
        marks = [found.span() for found in _MARK.finditer(text)]
        return sorted(
            found.span()
            for pattern in self._patterns
            for found in pattern.finditer(text)
            if (_caseless(found[0]) or _stands_alone(text, *found.span()))
            # What was cut already says when, and of which deposit.
            and not any(begin < found.end() and found.start() < end for begin, end in marks)
        )


def _caseless(text: str) -> bool:
    """Whether it is in a script without capitals, where words may stand without blanks."""
    return text[0].isalpha() and text[-1].isalpha() and text.lower() == text.upper()


def why_no_piece(piece: str) -> str:
    """Why two people cannot have this taken out wherever it stands: it would stand in too much
    that quotes nothing. Empty: they can."""
    known = [one for one in piece if one.isalnum()]
    if len(known) < (SHORTEST_PIECE if piece.isascii() else 2):
        return "it is too short"
    if piece.isdecimal() and len(piece) < SHORTEST_NUMBER:
        return "so short a number may be anything's"
    if _CODE.fullmatch(piece):
        return "it may be the name of something here, or anybody's word: write more of it"
    if piece.isalpha() and piece == piece.lower() != piece.upper():
        return "it may be anybody's word: write more of it"
    return ""


def _patterns(names: Iterable[str], *, blanks: str = " ", fold: bool = False) -> list[Any]:
    """What finds these names; `blanks` stands for each blank in them."""
    options = re2.Options()
    options.longest_match, options.max_mem, options.log_errors = True, 1 << 28, False
    options.case_sensitive = not fold
    return [
        re2.compile(
            "|".join(blanks.join(map(re2.escape, name.split(" "))) for name in some), options
        )
        for some in batched(sorted(names), NAMES_AT_ONCE)
    ]


def _stands_alone(text: str, begin: int, end: int) -> bool:
    before, after = text[max(begin - 2, 0) : begin], text[end : end + 2]
    if before and (before[-1].isalnum() or before[-1] in "_-@"):
        return False
    if len(before) == 2 and before[1] == "." and before[0].isalnum():
        return False
    if not after:
        return True
    if after[0].isalnum() or after[0] == "_":
        return False
    return len(after) < 2 or after[0] not in "/:.@-" or not (after[1].isalnum() or after[1] in "*_")


def tail(name: str) -> str:
    """The last part of a name, by which people call it; empty when it could be any word."""
    part = re.split(r"[/:]", name)[-1]
    return "" if part == name or part.isalpha() or len(part) < SHORTEST else part


def cut(value: Any, wanted: Wanted, column: Column, mark: str) -> Any:
    """A text, or JSON with texts in it, with `mark` for each quotation; keys stay as they are.

    The very same object where it quotes nothing.
    """
    if isinstance(value, str):
        return _cut(value, wanted.spans(value, column), mark)
    if isinstance(value, list):
        new = [cut(one, wanted, column, mark) for one in value]
        return new if any(a is not b for a, b in zip(new, value, strict=True)) else value
    if isinstance(value, dict):
        said = {key: cut(one, wanted, column, mark) for key, one in value.items()}
        return said if any(said[key] is not value[key] for key in value) else value
    return value


def _cut(text: str, spans: list[tuple[int, int]], mark: str) -> str:
    if not spans:
        return text
    parts, last = [], 0
    begin, end = spans[0]
    for more, until in [*spans[1:], (len(text) + 2, 0)]:
        if more <= end + 1:
            end = max(end, until)
            continue
        parts += [text[last:begin], mark]
        last, begin, end = end, more, until
    return "".join([*parts, text[last:]])
