"""Decompression with bounds, and the cutting of large files."""

import gzip
import io
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats import FORMATS, bodies, recognise, text_parts
from evidence.formats.bodies import MEBI, BodyRefused, Part
from evidence.formats.record import Asked
from tests.evidence.formats.conftest import SAMPLES

ASKED = Asked(source="lab", digest_key=b"k" * 32)
RECORDS: list[dict[str, Any]] = orjson.loads((SAMPLES / "cloudtrail.json").read_bytes())["Records"]
LISTS = FORMATS["cloudtrail"].lists
TEXT = b"what was said " * 1000
PACKED = {
    "plain": TEXT,
    "gzip": gzip.compress(TEXT),
    "gzip in two members": gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:]),
    "gzip with padding": gzip.compress(TEXT) + b"\0" * 64,
    "zlib": zlib.compress(TEXT),
    "zstd": zstandard.compress(TEXT),
}


@pytest.mark.parametrize("packing", PACKED)
def test_body_of_any_packing_comes_out(packing: str) -> None:
    assert bodies.decompress(PACKED[packing], limit=len(TEXT)) == TEXT


@pytest.mark.parametrize("packing", PACKED)
def test_body_beyond_the_limit_is_refused(packing: str) -> None:
    with pytest.raises(BodyRefused) as refused:
        bodies.decompress(PACKED[packing], limit=len(TEXT) - 1)
    assert refused.value.reason.endswith("send it in parts")


def test_bomb_is_refused_in_little_memory() -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * (400 * MEBI), 9) + b"", 9)
    inner = gzip.decompress(bomb)
    tracemalloc.start()
    with pytest.raises(BodyRefused) as refused:
        bodies.decompress(inner, limit=8 * MEBI)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.reason == "unpacks to more than 8 MiB; send it in parts"
    assert peak < 24 * MEBI


@pytest.mark.parametrize("packing", ["gzip", "zlib"])
def test_body_cut_off_is_refused(packing: str) -> None:
    with pytest.raises(BodyRefused) as refused:
        bodies.decompress(PACKED[packing][:-9], limit=MEBI)
    assert refused.value.reason == "is compressed data that was cut off; send it whole"


def test_body_with_damaged_data_is_refused() -> None:
    damaged = bytearray(PACKED["gzip"])
    damaged[12] ^= 0xFF
    with pytest.raises(BodyRefused) as refused:
        bodies.decompress(bytes(damaged), limit=MEBI)
    assert refused.value.reason.startswith("is damaged gzip data: ")


@given(st.binary(max_size=200), st.sampled_from([b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x78\x9c"]))
def test_body_with_any_bytes_comes_out_or_is_refused(tail: bytes, magic: bytes) -> None:
    reason = ""
    try:
        bodies.decompress(magic + tail, limit=MEBI)
    except BodyRefused as refused:
        reason = refused.reason
    assert reason == "" or reason.startswith("is ")


def numbered(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {**RECORDS[number % 6], "eventID": f"id-{number}", "userAgent": 'q"},{"x":[ \\'}


def all_ids(parts: list[Part], format_name: str = "cloudtrail") -> list[str | None]:
    return [
        record.vendor_id
        for part in parts
        for record in FORMATS[format_name].parse(part.body, ASKED).records
    ]


SHAPES: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "document": lambda records: orjson.dumps({"version": 1, "Records": records}),
    "indented": lambda records: orjson.dumps({"Records": records}, option=orjson.OPT_INDENT_2),
    "list": orjson.dumps,
    "lines": lambda records: b"\n".join(orjson.dumps(one) for one in records),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", SHAPES)
def test_file_large_is_cut_into_parts_that_lose_nothing(
    shape: str, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "WHOLE", 20_000)
    monkeypatch.setattr(bodies, "_CHUNK", 3001)
    body = SHAPES[shape](list(numbered(1000)))
    stream = io.BytesIO(gzip.compress(body) if packed else body)
    parts = list(bodies.parts(stream, format="cloudtrail", lists=LISTS, size=300))
    assert [part.first for part in parts] == [1, 301, 601, 901]
    assert [recognise(part.body) for part in parts] == ["cloudtrail"] * 4
    assert all_ids(parts) == [f"id-{number}" for number in range(1000)]


@pytest.mark.parametrize("shape", SHAPES)
def test_file_small_is_one_part_as_it_stands(shape: str) -> None:
    body = SHAPES[shape](RECORDS)
    assert list(bodies.parts(io.BytesIO(body), format="cloudtrail", lists=LISTS)) == [
        Part(body, 1, "body")
    ]


def test_file_with_many_small_records_is_cut() -> None:
    body = orjson.dumps({"Records": list(numbered(50))})
    parts = list(bodies.parts(io.BytesIO(body), format="cloudtrail", lists=LISTS, size=20))
    assert [part.first for part in parts] == [1, 21, 41]


def test_file_with_a_broken_record_keeps_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WHOLE", 20_000)
    monkeypatch.setattr(bodies, "_LARGEST_RECORD", 30_000)
    elements = [orjson.dumps(one) for one in numbered(300)]
    elements[100] = elements[100][:-1]
    body = b'{"Records":[' + b",".join(elements) + b"]}"
    parts = list(bodies.parts(io.BytesIO(body), format="cloudtrail", lists=LISTS, size=100))
    expected = [f"id-{number}" for number in range(300) if number != 100]
    assert all_ids(parts) == expected
    rejects = [
        one for part in parts for one in FORMATS["cloudtrail"].parse(part.body, ASKED).rejects
    ]
    assert len(rejects) == 1


def test_record_without_an_end_is_given_up_in_little_memory() -> None:
    stream = io.BytesIO(b'{"Records":[{"a":"' + b"x" * (96 * MEBI))
    tracemalloc.start()
    sizes = [len(part.body) for part in bodies.parts(stream, format="cloudtrail", lists=LISTS)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (max(sizes) < 24 * MEBI, sum(sizes) > 96 * MEBI, peak < 128 * MEBI) == (True,) * 3


def test_file_cut_off_keeps_the_whole_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WHOLE", 20_000)
    body = orjson.dumps(list(numbered(100)))[:-50]
    parts = list(bodies.parts(io.BytesIO(body), format="cloudtrail", lists=LISTS, size=1000))
    assert all_ids(parts) == [f"id-{number}" for number in range(99)]


def test_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WHOLE", 2000)
    monkeypatch.setattr(text_parts, "LONGEST_LINE", 50_000)
    lines = b"\n".join(orjson.dumps(one) for one in RECORDS) + b"\n" + b"x" * 2_000_000
    taken = bodies.parts(io.BytesIO(lines), format="cloudtrail", lists=LISTS, size=3)
    assert [next(taken).first, next(taken).first] == [1, 4]
    with pytest.raises(BodyRefused) as refused:
        list(taken)
    assert refused.value.reason.startswith("line 7 is longer than ")


@pytest.mark.parametrize(
    ("name", "opening"),
    [
        ("entra", b'{"@odata.context": "x#auditLogs(1)", "value": ['),
        ("okta", b"["),
        ("gcp", b'{"entries": ['),
        ("okta", b'{"logGroup": "g", "owner": "1", "logEvents": ['),
    ],
)
def test_document_of_any_format_is_cut_between_its_records(
    name: str, opening: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its parts say together is what the whole says."""
    known = FORMATS[name]
    lines = (SAMPLES / f"{name}.jsonl").read_bytes().splitlines()
    records = [orjson.dumps({**orjson.loads(line), "n": n}) for n, line in enumerate(lines * 30)]
    body = opening + b", ".join(records) + (b"]}" if opening.startswith(b"{") else b"]")
    whole = known.parse(body, ASKED).records
    monkeypatch.setattr(bodies, "WHOLE", 5000)
    monkeypatch.setattr(bodies, "_CHUNK", 3001)
    parts = list(bodies.parts(io.BytesIO(body), format=name, lists=known.lists, size=50))
    assert {part.unit for part in parts} == {"record"}
    read = [record for part in parts for record in known.parse(part.body, ASKED).records]
    assert [record._replace(position="") for record in read] == [
        record._replace(position="") for record in whole
    ]
    assert [part.first for part in parts] == list(range(1, len(records), 50))


def test_record_that_lists_its_own_events_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WHOLE", 100)
    body = b'{"kind": "admin#reports#activity", "events": [' + b'{"name": "x"},' * 50 + b"{}]}"
    lists = FORMATS["google_workspace"].lists
    assert [part.body for part in bodies.parts(io.BytesIO(body), format="x", lists=lists)] == [body]


def test_spans_in_lines_are_cut_by_lines() -> None:
    document = orjson.dumps(orjson.loads((SAMPLES / "otlp.json").read_bytes()))
    body = (document + b"\n") * 25
    parts = list(bodies.parts(io.BytesIO(body), format="otlp", size=10))
    assert [(part.first, part.unit) for part in parts] == [(1, "line"), (11, "line"), (21, "line")]
    assert sum(len(FORMATS["otlp"].parse(part.body, ASKED).records) for part in parts) == 125


def test_file_of_nothing_has_no_parts() -> None:
    assert list(bodies.parts(io.BytesIO(b" \n"), format="otlp")) == []
