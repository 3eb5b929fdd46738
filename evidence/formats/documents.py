"""From the bytes of a JSON document, list or lines to its records, whatever is broken.

Owns the finding of records inside text: a whole document, JSON lines, and the recovery of the
intact records around a damaged one. Knows nothing of what a record means. Pure.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from itertools import chain, islice
from typing import Any, NamedTuple

import orjson

from evidence.formats import strung
from evidence.formats.counting import MOST_RECORDS

# An audit record is at most 256 KiB where it is made; recovery looks no further for its end.
_LARGEST = 512 * 1024
_TRIES = 2048
# Without a mark nothing tells where the next record begins: less is tried.
_UNMARKED = 64 * 1024
_START = re.compile(rb"(?:\A|[\[,])\s*(?=\{\s*\")")
_END = re.compile(rb"\}(?=\s*(?:[,\]]|\Z))")
# The opening of a plain list of objects, down to the first name of its first object.
_OPENING = re.compile(rb'(?:\{\s*"(\w{1,40})"\s*:\s*)?\[\s*(\{\s*"\w{1,80}"\s*:)')
# Text that is read at once, and how often a cut may fall inside a record before it is given up.
_AT_ONCE = 48 * 1024
_CUTS = 4
# So many lines, of so many bytes, tell whether a body is lines.
_LOOKED_AT, _HEAD = 20, 4_000_000
# One line may list millions: so many of them are more than a body may have (reading.py).
_FEW = MOST_RECORDS + 1
# How the parser says that all is well but not finished.
WANTS_MORE = "unexpected end of data"
# What a log subscription's document says of all its events.
_GROUP = ("logGroup", "owner")
_BOM = b"\xef\xbb\xbf"


# One record as found: (place, value, problem, raw). With a problem there is no value.
type Piece = tuple[str, Any, str, bytes]


class NotCut(Exception):
    """A body that cannot be read a few records at a time; `pieces` says what it holds."""


class Alike(NamedTuple):
    """Pieces without a problem, all of which `Shape.first` knows: the rule, and quickly told."""

    places: list[str]
    values: list[Any]


type Batch = Alike | Sequence[Piece]


def apart(batch: Batch) -> Sequence[Piece]:
    """The pieces of a batch, one by one."""
    if isinstance(batch, Alike):
        return [(place, value, "", b"") for place, value in zip(*batch, strict=True)]
    return batch


class Shape(NamedTuple):
    """What a format's documents look like."""

    lists: tuple[str, ...]  # members that hold the records of a document
    mark: bytes  # text that every record has, quotes included; empty: none is known
    is_record: Callable[[Any], bool]
    # The same of the one kind that most records of the body are.
    first: Callable[[Any], bool] = lambda _: False
    # What a transport wrapped in this, if anything.
    held: Callable[[Any], Any] = lambda _: None


def clean(body: bytes) -> bytes:
    """Without a byte order mark and outer white space."""
    return body.removeprefix(_BOM).strip()


def said(problem: Exception) -> str:
    """A parser's complaint in one line, without the text it complains about."""
    return str(problem).split("\n")[0][:160]


def pieces(body: bytes, shape: Shape) -> Iterator[Piece]:
    """All records of a body in their order, and a piece for each part that is none."""
    text = clean(body)
    if not text:
        return
    try:
        value = orjson.loads(text)
    except (ValueError, RecursionError) as problem:
        if is_lines(text):
            yield from chain.from_iterable(map(apart, _lines(body.removeprefix(_BOM), shape)))
        else:
            budget = _budget(text)
            yield from _strung(text, shape, "", budget) or _recovered(
                text, shape, "", said(problem), budget
            )
        return
    yield from _elements(value, shape, "")


def batches(body: bytes, shape: Shape) -> Iterator[Batch]:
    """The same as `pieces` of JSON lines or of a large undamaged list, a few dozen at a time.

    What becomes of a batch then happens before the processor's cache forgets it, which saves a
    third of the time. Raises NotCut, maybe after some batches, where only `pieces` can tell.
    """
    text = clean(body)
    if is_lines(text):
        yield from _lines(body.removeprefix(_BOM), shape)
        return
    opening = _OPENING.match(text)
    if len(text) <= _AT_ONCE or opening is None:
        raise NotCut
    closing = b"]}" if opening[1] else b"]"
    if (opening[1] and opening[1].decode() not in shape.lists) or not text.endswith(closing):
        raise NotCut
    edge = b"," + opening[2]
    start, end = opening.start(2), len(text) - len(closing)
    number = 0
    while start < end:
        values, start = _some(text, start, end, edge)
        places = [f"Records[{place}]" for place in range(number, number + len(values))]
        yield _alike_or(values, places, shape, lambda place, value: [(place, value, "", b"")])
        number += len(values)


def _some(text: bytes, start: int, end: int, edge: bytes) -> tuple[list[Any], int]:
    """(elements, where the next begin): cut where an object seems to begin.

    A list is what it says whole when each of its parts is a list: a cut inside a record leaves
    brackets open, and a part that closes the list itself makes two of it.
    """
    cut = start + _AT_ONCE
    for _ in range(_CUTS):
        cut = text.find(edge, cut, end)
        upto = end if cut < 0 else cut
        try:
            lists = orjson.loads(b"[[%b]]" % text[start:upto])
        except (ValueError, RecursionError):
            if upto == end:
                break
            cut += 1
            continue
        if len(lists) != 1:
            break
        return lists[0], upto + 1
    raise NotCut


def _elements(value: Any, shape: Shape, before: str) -> Iterator[Piece]:
    if isinstance(value, dict):
        value = _inside(value, shape)
    if isinstance(value, list):
        for number, element in enumerate(value):
            yield f"{before}Records[{number}]", element, "", b""
    else:
        yield before.strip() or "Records[0]", value, "", b""


def _inside(value: dict[str, Any], shape: Shape) -> Any:
    """The list of records in a document, also under a name that was damaged; else itself."""
    if shape.is_record(value):
        # Records have lists of their own, some of them called like those of documents.
        return value
    for name in shape.lists:
        if isinstance(value.get(name), list):
            return _of_group(value) if name == "logEvents" else value[name]
    for inside in value.values():
        if isinstance(inside, list) and any(shape.is_record(one) for one in inside[:3]):
            return inside
        if isinstance(inside, dict):
            for name in shape.lists:
                listed = inside.get(name)
                if isinstance(listed, list) and any(shape.is_record(one) for one in listed[:3]):
                    return listed
    return value


def _of_group(value: dict[str, Any]) -> list[Any]:
    """A log subscription's events, each with what the document says of all: whose log it is."""
    said = {name: value[name] for name in _GROUP if isinstance(value.get(name), str)}
    events: list[Any] = value["logEvents"]
    return [said | event if isinstance(event, dict) else event for event in events]


def is_lines(text: bytes) -> bool:
    """Most of the first lines are objects of their own."""
    first, start = [], 0
    for _ in range(_LOOKED_AT):
        end = text.find(b"\n", start, _HEAD)
        line = text[start : _HEAD if end < 0 else end].strip()
        if line:
            first.append(line)
        if end < 0:
            break
        start = end + 1
    if len(first) < 2:
        return False
    whole = sum(line[:1] in b"{[" and line[-1:] in b"}]" and len(line) > 2 for line in first[:-1])
    return whole * 2 >= len(first) - 1


def _lines(text: bytes, shape: Shape) -> Iterator[Batch]:
    """The pieces of JSON lines, those of a few dozen lines at a time."""
    start, end, number = 0, len(text.rstrip()), 1
    budget = _budget(text)
    while start < end:
        cut = text.find(b"\n", start + _AT_ONCE, end)
        upto = end if cut < 0 else cut
        some = text[start:upto]
        values = _together(some)
        if values is None:
            many = some.count(b"\n") + 1
            pieces_ = (
                piece
                for place, line in enumerate(some.split(b"\n"), start=number)
                if (plain := line.strip())
                for piece in _line(place, plain, shape, budget)
            )
            yield list(islice(pieces_, _FEW))
        else:
            many = len(values)
            yield _alike(values, [f"line {place}" for place in range(number, number + many)], shape)
        start, number = upto + 1, number + many


def _alike(values: list[Any], places: list[str], shape: Shape) -> Batch:
    """What stands on these lines."""

    def other(place: str, value: Any) -> Iterable[Piece]:
        if type(value) is dict and shape.is_record(value):
            return [(place, value, "", b"")]
        return _elements(value, shape, f"{place} ")

    return _alike_or(values, places, shape, other)


def _alike_or(
    values: list[Any],
    places: list[str],
    shape: Shape,
    other: Callable[[str, Any], Iterable[Piece]],
) -> Batch:
    """These as records of the first kind, without what one transport wrapped them in; what is none
    of it is made pieces of by `other`."""
    first, held = shape.first, shape.held
    if all(map(first, values)):
        return Alike(places, values)
    found: list[Piece] = []
    plain: list[Any] = []
    for place, value in zip(places, values, strict=True):
        if first(value):
            record = value
        elif type(value) is not dict or not first(record := held(value)):
            found += islice(other(place, value), _FEW)
            continue
        plain.append(record)
        found.append((place, record, "", b""))
    return Alike(places, plain) if len(plain) == len(values) else found


def _together(lines: bytes) -> list[Any] | None:
    """The values of these lines; None where one of them is not JSON, or empty."""
    if lines.endswith(b"\n"):
        return None
    try:
        # Bytes are cut at the ends of their lines in half the time by what reads a file of them.
        return list(map(orjson.loads, BytesIO(lines)))
    except (ValueError, RecursionError):
        return None


def _line(number: int, line: bytes, shape: Shape, budget: list[int]) -> Iterator[Piece]:
    try:
        value = orjson.loads(line)
    except (ValueError, RecursionError) as problem:
        if several := _strung(line, shape, f"line {number} ", budget):
            yield from several
        elif not shape.mark or line.count(shape.mark) > 1 or b"},{" in line:
            yield from _recovered(line, shape, f"line {number} ", said(problem), budget)
        else:
            yield f"line {number}", None, f"not JSON: {said(problem)}", line
    else:
        yield from _elements(value, shape, f"line {number} ")


def _budget(text: bytes) -> list[int]:
    """How many bytes may be looked at again to recover what is damaged in all of a text."""
    return [32 * len(text) + 16_000_000]


def _strung(text: bytes, shape: Shape, before: str, budget: list[int]) -> Iterator[Piece] | None:
    """The pieces of documents that stand one after the other; None where these are none."""
    end = strung.end_of_first(text)
    if not end:
        return None
    try:
        orjson.loads(text[:end])
    except (ValueError, RecursionError):
        # Brackets that meet are damage inside one document as well: a comma is missing.
        return None
    return chain.from_iterable(
        _document(f"{before}document {number} ", document, shape, budget)
        for number, document in enumerate(strung.documents(text), start=1)
    )


def _document(before: str, document: bytes, shape: Shape, budget: list[int]) -> Iterator[Piece]:
    try:
        value = orjson.loads(document)
    except (ValueError, RecursionError) as problem:
        return _recovered(document, shape, before, said(problem), budget)
    return _elements(value, shape, before)


def _recovered(
    text: bytes, shape: Shape, before: str, problem: str, budget: list[int]
) -> Iterator[Piece]:
    """The intact records of a damaged document, and one piece for each damaged part.

    A record starts where an object starts in a list and ends at the first closing brace with
    which it is a whole record. Work is bounded by the budget, which it draws on.
    """
    view = memoryview(text)
    ends = [match.end() for match in _END.finditer(text)]
    marks: list[int] = []
    if shape.mark:
        marks = [match.start() for match in re.finditer(re.escape(shape.mark), text)]
    number = done = 0
    for match in _START.finditer(text):
        start = match.end()
        if start < done:
            continue
        found: Any = None
        for first, limit, tries in _reaches(start, marks, ends, len(text)):
            for end in ends[first : first + tries]:
                budget[0] -= end - start
                if end > limit or budget[0] < 0:
                    break
                try:
                    found = orjson.loads(view[start:end])
                except orjson.JSONDecodeError as stopped:
                    if WANTS_MORE in str(stopped):
                        continue
                # Whole, or wrong before its end: more text would not change that.
                break
            if found is not None and shape.is_record(found):
                break
        if found is None or not shape.is_record(found):
            if budget[0] < 0:
                break
            continue
        damage = text[done:start].strip(b" \r\n\t,")
        if damage and (number or not _is_opening(damage, shape)):
            yield _broken(before, number, problem, damage)
            number += 1
        yield f"{before}Records[{number}]", found, "", b""
        number += 1
        done = end
    rest = text[done:].strip(b" \r\n\t,")
    if rest and rest.strip(b"]} \r\n\t,"):
        yield _broken(before, number, problem, rest)
    elif number == 0:
        yield _broken(before, number, problem, text)


def _reaches(
    start: int, marks: list[int], ends: list[int], size: int
) -> Iterator[tuple[int, int, int]]:
    """Where the record that starts here may end: (first of the ends, furthest, how many to try).

    Behind the next mark first: nothing before it can be the end. Then what is near, because a
    document may hold records of another format, which have no such mark.
    """
    near = bisect_left(marks, start)
    if near < len(marks):
        # A record has one mark, or a few where its parameters speak of others like it.
        limit = min(start + _LARGEST, *marks[near + 3 : near + 4], size)
        yield bisect_left(ends, marks[near]), limit, _TRIES
    yield bisect_left(ends, start), start + _UNMARKED, _TRIES // 8


def _is_opening(text: bytes, shape: Shape) -> bool:
    """What stands before the first record of a document: a bracket and member names."""
    if text.endswith(b"[") and len(text) < 2000:
        return shape.mark not in text if shape.mark else b"}" not in text
    return not text


def _broken(before: str, number: int, problem: str, raw: bytes) -> Piece:
    return f"{before}Records[{number}]", None, f"broken JSON: {problem}", raw
