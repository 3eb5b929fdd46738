"""A body of JSON records: the one loop in which all formats but OTLP read theirs.

Owns what happens to a record on its way from the body to a Record: unwrapping, canonical form,
digest, content and secrets, rejects. Knows no vendor. Pure.

What is kept is the canonical JSON of every record after the privacy rule, in their order; what
could not be read is kept among them as text, so that positions stay what they were. What no
database holds is escaped in the values that are read, and kept as it was received (escaping.py).
"""

import json
from collections.abc import Callable, Container, Iterable
from functools import partial
from itertools import batched, islice
from typing import Any, NamedTuple

import orjson

from evidence import privacy
from evidence.formats import escaping, lines, paths, unstated, unwrapping, written
from evidence.formats.beginnings import begun
from evidence.formats.compiling import Reader, folded, reader
from evidence.formats.counting import require_few
from evidence.formats.digesting import Digester
from evidence.formats.documents import (
    Alike,
    Batch,
    NotCut,
    Piece,
    Shape,
    apart,
    batches,
    clean,
    pieces,
)
from evidence.formats.dropping import Drop, dropper
from evidence.formats.marking import Gone
from evidence.formats.record import Asked, Parsed, Record, Redaction, Rejected
from evidence.formats.tables import Row, Table, Unreadable
from evidence.formats.unread import outline, outlined
from evidence.formats.unwrapping import inside, of_row, plain

LISTS = unwrapping.LISTS
_DEEPEST_ENVELOPE = 4
_LOOKED_AT = 262_144
# An unreadable part larger than this is kept cut; its beginning names what it was.
_LARGEST_REJECT = 1 << 20
# Records read together where the body is not cut by its size: what becomes of them happens before
# the processor's cache forgets them, which is a seventh of the time.
_BATCH = 32
# A record that tells of more events, or shares more among them, is read as its first one: what a
# sender writes once must not be kept thousands of times.
_MOST_EVENTS = 1_000
_LARGEST_SHARED = 16_384


class Kind(NamedTuple):
    """How records of one format are known and read, whatever body they travel in."""

    name: str
    knows: Callable[[Any], bool]
    # (position, record, digest of realm and vendor id) -> Record; raises Unreadable.
    reads: Reader
    # Takes out of a record what may only be kept where content is.
    drops: Drop | None = None
    # A member that lists what happened, where one record tells of several events.
    several: str = ""
    # The record inside the vendor's own wrapping; see Table.opens.
    opens: Callable[[Row], Row] | None = None
    # Members in which transports wrap its records, the likeliest first.
    envelopes: tuple[str, ...] = unwrapping.ENVELOPES


def kind(table: Table) -> Kind:
    """A table, compiled."""
    known = _kind(table)._replace(opens=table.opens)
    view = table.view
    if view is None:
        return known
    as_it_stands = written.has_signs(table.signs)

    def knows(value: Any) -> bool:
        # What has the signs as it stands needs no view to be known.
        return as_it_stands(value) or (type(value) is dict and known.knows(view(value)))

    return known._replace(knows=knows)


def _kind(table: Table) -> Kind:
    test = written.has_signs(table.signs)
    drops = dropper(table.content, table.statements)
    if not table.any_case:
        return Kind(table.name, test, reader(table), drops, table.several)
    low_test, low_read = written.has_signs(table.signs, folded=True), folded(table)

    def knows(value: Any) -> bool:
        # No sign stands deeper than this, nor further down a list.
        return test(value) or low_test(paths.lower_names(value, 4, 20))

    def otherwise(position: str, record: Row, digest: Callable[[str, str], bytes]) -> Record | None:
        # An export in lower case may still carry a sign that is written as ever.
        low = paths.lower_names(record)
        return low_read(position, low, digest) if low_test(low) else None

    return Kind(table.name, knows, reader(table, otherwise=otherwise), drops, table.several)


def lists_of(table: Table) -> tuple[str, ...]:
    """The members of a document that list its records: what its records themselves list is not."""
    return tuple(name for name in (*table.lists, *LISTS) if name != table.several)


def first_records(
    head: bytes, kinds: tuple[Kind, ...], lists: tuple[str, ...] = (), most: int = 40
) -> list[Any]:
    """The first whole records in the beginning of a body, which may be cut anywhere."""
    text = clean(escaping.escaped_json(plain(head[:_LOOKED_AT])))
    if not text.startswith((b"{", b"[")):
        return []
    # No mark: of a head that is cut anywhere, nothing tells where its records begin.
    shape = Shape((*lists, *LISTS), b"", partial(_known, kinds[0], kinds[1:]))
    found = (piece[1] for piece in islice(pieces(text, shape), most))
    rows = (of_row(value) if type(value) is list else value for value in found)
    # A first record that is longer than what is looked at is known by its beginning.
    return [value for value in rows if type(value) is dict] or _first_of(begun(text), shape)


def _first_of(value: Any, shape: Shape) -> list[Any]:
    """The first record of a document that is cut off inside it."""
    if type(value) is dict and not shape.is_record(value):
        value = next((value[name] for name in shape.lists if type(value.get(name)) is list), value)
    first = value[:1] if type(value) is list else [value]
    return [one for one in first if type(one) is dict]


def _known(first: Kind, others: tuple[Kind, ...], value: Any) -> bool:
    if first.knows(value):
        return True
    by, inner = resolve(value, first, others)
    return by.knows(inner)


def resolve(value: Any, first: Kind, others: tuple[Kind, ...]) -> tuple[Kind, Any]:
    """By which kind a record is read, and the record without transports' envelopes.

    What nobody knows is read by the first kind, as far as its table goes.
    """
    layers = [value]
    while len(layers) <= _DEEPEST_ENVELOPE:
        # One vendor's records in one envelope are the rule: whoever else is asked afterwards.
        if first.knows(layers[-1]):
            return first, layers[-1]
        held = inside(layers[-1], first.envelopes)
        if held is None:
            break
        layers.append(held)
    for layer in layers:
        for other in others:
            if other.knows(layer):
                return other, layer
    return first, layers[-1]


def parse(
    body: bytes, asked: Asked, *, table: Table, first: Kind, others: tuple[Kind, ...]
) -> Parsed:
    """Read all records of a body; raises TooManyRecords, and nothing else for what the body holds.

    Records of another kind among them are read by their own, unless a person chose the format.
    """
    if table.text is not None and table.text.looks(body):
        return read_text(table.text.pieces(body), asked, first=first)
    body = plain(body)
    known = partial(_known, first, () if asked.forced else others)
    shape = Shape((*table.lists, *LISTS), table.mark, known, first.knows, inside)
    return read_body(body, asked, shape=shape, first=first, others=others)


def read_body(
    body: bytes, asked: Asked, *, shape: Shape, first: Kind, others: tuple[Kind, ...] = ()
) -> Parsed:
    """Read all records of JSON in this shape; raises TooManyRecords."""
    body = escaping.escaped_json(body)
    try:
        return _read(batches(body, shape), asked, first, others)
    except NotCut:
        return read_pieces(pieces(body, shape), asked, first=first, others=others)


def read_pieces(
    found: Iterable[Piece], asked: Asked, *, first: Kind, others: tuple[Kind, ...] = ()
) -> Parsed:
    """Records that were found in escaped JSON, through their tables."""
    return _read(batched(found, _BATCH), asked, first, others)


def read_text(found: Iterable[Piece], asked: Asked, *, first: Kind) -> Parsed:
    """Records that were found in text that is no JSON, through their tables."""
    return read_pieces(map(lines.escaped, found), asked, first=first)


def _read(found: Iterable[Batch], asked: Asked, first: Kind, others: tuple[Kind, ...]) -> Parsed:
    kept: list[bytes] = []
    parsed = Parsed(b"", [], [], [])
    digester = Digester(asked)
    beside = () if asked.forced else others
    for batch in found:
        many = len(batch.values) if isinstance(batch, Alike) else len(batch)
        require_few(len(parsed.records) + len(parsed.rejects) + many)
        kept += (privacy.SEAM, _read_batch(batch, parsed, asked, digester, first, beside))
    return parsed._replace(kept=b"".join((b'{"Records":[', *kept[1:], b"]}")))


def _read_batch(
    batch: Batch,
    into: Parsed,
    asked: Asked,
    digester: Digester,
    first: Kind,
    others: tuple[Kind, ...],
) -> bytes:
    """Read these pieces into the lists of `into`; what is kept of them."""
    places, values, kinds, broken = _laid_out(batch, first, others)
    received = canonical(values, broken)
    redactions = into.redactions
    before = len(redactions)
    texts = received
    if not asked.keep_content:
        lost = Gone(asked.digest_key)
        texts = _without(places, values, kinds, broken, received, redactions, lost)
    joined = privacy.SEAM.join(texts)
    suspects = privacy.hit_among(texts, joined)
    at_hand, reads, restored = None, first.reads, escaping.restored_json
    records, realms = into.records, asked.realms
    for number, (position, value, by) in enumerate(zip(places, values, kinds, strict=True)):
        # Freed while it is at hand: later, all of them together take three times as long.
        values[number] = None
        if number in broken:
            raw = restored(texts[number])
            if by.drops is not None and not asked.keep_content:
                raw = outline(raw, position, redactions, asked.digest_key)
            into.rejects.append(Rejected(position, broken[number][0], privacy.excerpt(raw)))
            texts[number] = escaping.escaped_json(kept_text(raw, position, redactions))
            continue
        if number in suspects:
            clean_bytes, hits = privacy.redact(texts[number])
            if hits:
                redactions.extend(Redaction(position, hit.kind, hit.length) for hit in hits)
                value = orjson.loads(clean_bytes)  # noqa: PLW2901 - the clean one from here on
                if texts is received:
                    texts = list(received)
                texts[number] = clean_bytes
        try:
            if type(value) is not dict:
                raise Unreadable("is not a JSON object")
            digester.text = restored(received[number])
            if by is not at_hand:
                digester.of(by.name)
                at_hand, reads = by, by.reads
            record = reads(position, value, digester)
            if realms and record.realm not in realms:
                record = unstated.in_realm_of(realms, record, digester)
        except Unreadable as problem:
            shown = texts[number]
            if by.drops is not None and not asked.keep_content:
                shown, texts[number] = _unread(by, position, value, shown, redactions, asked)
            into.rejects.append(Rejected(position, str(problem), privacy.excerpt(shown)))
            continue
        records.append(record)
    if broken or len(redactions) > before:
        joined = privacy.SEAM.join(texts)
    return restored(joined)


def _laid_out(
    batch: Batch, first: Kind, others: tuple[Kind, ...]
) -> tuple[list[str], list[Any], list[Kind], dict[int, tuple[str, bytes]]]:
    """(places, values, by whom they are read, what is wrong with which, and its text)."""
    if isinstance(batch, Alike) and not first.several:
        places, values = batch
        if first.opens is not None:
            # In the same list: who reads a record lets go of it there.
            values[:] = map(first.opens, values)
        return places, values, [first] * len(values), {}
    places, values = [], []
    kinds: list[Kind] = []
    broken: dict[int, tuple[str, bytes]] = {}
    for position, value, problem, raw in apart(batch):
        if problem:
            broken[len(values)] = problem, raw
        for place, one, by in _unfolded(position, value, problem, first, others):
            places.append(place)
            values.append(one)
            kinds.append(by)
    return places, values, kinds, broken


def _unfolded(
    position: str, value: Any, problem: str, first: Kind, others: tuple[Kind, ...]
) -> Iterable[tuple[str, Any, Kind]]:
    """What a piece holds: a record, or one for each event that it tells of."""
    by = first
    if not problem and not first.knows(value):
        by, value = resolve(value, first, others)
    if type(value) is dict:
        if by.opens is not None:
            value = by.opens(value)
        listed = value.get(by.several) if by.several else None
        if type(listed) is list and 1 < len(listed) <= _MOST_EVENTS:
            shared = {name: inside for name, inside in value.items() if name != by.several}
            if _small(shared):
                return [
                    (f"{position}.{by.several}[{number}]", {**shared, by.several: [one]}, by)
                    for number, one in enumerate(listed)
                ]
    return [(position, value, by)]


def _small(shared: Row) -> bool:
    """Whether what several events share may be kept once for each of them."""
    try:
        return len(orjson.dumps(shared)) <= _LARGEST_SHARED
    except (TypeError, ValueError, RecursionError):
        return False


def _without(
    places: list[str],
    values: list[Any],
    kinds: list[Kind],
    broken: Container[int],
    received: list[bytes],
    redactions: list[Redaction],
    lost: Gone,
) -> list[bytes]:
    """The canonical texts without content; the values lose it too."""
    changed = []
    at_hand, drops = None, None
    for number, (value, by) in enumerate(zip(values, kinds, strict=True)):
        if by is not at_hand:
            at_hand, drops = by, by.drops
        if drops is None or number in broken:
            continue
        drops(value, lost)
        if lost:
            redactions += [Redaction(places[number], "content", length) for length in lost]
            changed.append(number)
            lost.clear()
    if not changed:
        return received
    texts = list(received)
    for number, text in zip(changed, canonical([values[n] for n in changed], {}), strict=True):
        texts[number] = text
    return texts


def _unread(
    by: Kind, position: str, value: Any, text: bytes, redactions: list[Redaction], asked: Asked
) -> tuple[bytes, bytes]:
    """What is shown and what is kept of JSON that is no record; of one of this kind, in which
    content is where its table says, all the rest is kept."""
    if type(value) is str:
        received = json.loads(escaping.restored_json(text)).encode("utf-8", "replace")
        left = outline(received, position, redactions, asked.digest_key)
        return left, escaping.escaped_json(orjson.dumps(left.decode("utf-8", "replace")))
    if type(value) is dict and by.knows(value):
        return outlined(text)[0], text
    left = outline(text, position, redactions, asked.digest_key)
    return left, left


def canonical(values: list[Any], broken: dict[int, tuple[str, bytes]]) -> list[bytes]:
    """The canonical JSON of each value, and what was received of each that is broken.

    `broken` gains what nests too deeply to be written.
    """
    texts = []
    for number, value in enumerate(values):
        try:
            texts.append(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
        except (TypeError, ValueError, RecursionError):
            texts.append(b"")
            broken[number] = "is nested too deeply", b""
    for number, (_, raw) in broken.items():
        texts[number] = raw
    return texts


def kept_text(raw: bytes, position: str, redactions: list[Redaction]) -> bytes:
    """What could not be read, as one JSON text; reading it again rejects it again."""
    clean_raw, hits = privacy.redact(raw[:_LARGEST_REJECT])
    redactions.extend(Redaction(position, hit.kind, hit.length) for hit in hits)
    return orjson.dumps(clean_raw.decode("utf-8", "replace"))
