"""What is no evidence is refused with what it is; what is said to be a format as well."""

import bz2
import gzip
import io
import lzma
import zipfile

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import files
from evidence.formats import bodies, recognise, unreadable
from evidence.formats.bodies import MEBI, BodyRefused
from evidence.intake import NotTaken
from tests.evidence.bodies import record, trail

LOG = trail(record(1))


def zipped(log: bytes) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr("log.json", log)
    return into.getvalue()


NO_TEXT = {
    "empty": (b" \r\n", "empty"),
    "ZIP": (zipped(LOG), "a ZIP archive: unpack it"),
    "bzip2": (bz2.compress(LOG), "packed by bzip2: unpack it"),
    "xz": (lzma.compress(LOG), "packed by xz: unpack it"),
    "Parquet": (b"PAR1\x15\x04", "a Parquet file: unpack it"),
    "UTF-16": (LOG.decode().encode("utf-16"), "written in UTF-16: write it as UTF-8"),
    "UTF-16, no mark": (LOG.decode().encode("utf-16-le"), "written in UTF-16 or UTF-32"),
    "UTF-16, other order": (LOG.decode().encode("utf-16-be"), "written in UTF-16"),
    "UTF-32": (LOG.decode().encode("utf-32"), "written in UTF-32"),
    "zeros": (b"\0" * 10_000, "made of zero bytes"),
}
NO_LOG = {
    "Latin-1": ("tomé".encode("latin-1") * 20, "not UTF-8: byte 0xe9 at 3"),
    "deep": (b'{"a":' * 2_000, "JSON that is nested more than 1,024 deep"),
    "deep, brackets in text": (b'["[[[\\"[",' * 2_000, "JSON that is nested more than 1,024 deep"),
}


@pytest.mark.parametrize("kind", NO_TEXT)
def test_what_is_no_text_is_named(kind: str) -> None:
    body, says = NO_TEXT[kind]
    assert unreadable.no_text(body).startswith(says)
    assert unreadable.why(body).startswith(says)


@pytest.mark.parametrize("kind", NO_LOG)
def test_text_that_no_format_can_read_is_named(kind: str) -> None:
    body, says = NO_LOG[kind]
    assert unreadable.why(body).startswith(says)
    assert unreadable.no_text(body) == ""


@pytest.mark.parametrize(
    "text",
    [LOG, b"<xml/>", b"plain words", b'{"a":"' + b"[" * 5_000 + b'"}', "é".encode() * 30 + b"\xc3"],
)
def test_text_that_might_be_a_log_is_not_blamed(text: bytes) -> None:
    assert unreadable.why(text) == ""


@given(st.binary(max_size=300))
def test_any_bytes_are_described_without_an_error(head: bytes) -> None:
    assert isinstance(unreadable.why(head), str)


@pytest.mark.parametrize("kind", [one for one in NO_TEXT if one != "empty"])
def test_no_text_is_refused_whatever_its_sender_calls_it(kind: str) -> None:
    with pytest.raises(NotTaken, match="this is "):
        list(files.cut(io.BytesIO(NO_TEXT[kind][0]), name="x", format="cloudtrail"))


def test_what_a_format_reads_in_wide_characters_is_taken() -> None:
    log = (
        '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System>'
        '<Provider Name="Microsoft-Windows-Security-Auditing"/><EventID>4624</EventID>'
        '<TimeCreated SystemTime="2026-09-01T10:00:00Z"/><Computer>dc1</Computer>'
        "</System></Event>"
    ).encode("utf-16")
    assert recognise(log) == "windows"
    assert [one.format for one in files.cut(io.BytesIO(log), name="x")] == ["windows"]


def test_file_that_unpacks_to_many_times_its_size_is_refused() -> None:
    # Valid to its last byte: only what it unpacks to tells.
    head = b'{"Records":[' + orjson.dumps(record(1)) + b","
    empty = b'{"eventName":"A","eventTime":"' + b" " * 1_000 + b'"},'
    bomb = gzip.compress(head + empty * 200_000 + b"1]}", 9)
    cut = files.cut(io.BytesIO(bomb), name="x")
    seen: list[int] = []
    with pytest.raises(BodyRefused, match=f"more than {bodies.MOST_TIMES} times its size"):
        seen.extend(len(one.body) for one in cut)
    assert sum(seen) < max(bodies.MOST_TIMES * len(bomb), 80 * MEBI)


def test_log_that_packs_well_is_taken_whole() -> None:
    many = [record(number) for number in range(60_000)]
    packed = gzip.compress(orjson.dumps({"Records": many}), 9)
    cut = list(files.cut(io.BytesIO(packed), name="x"))
    assert sum(one.body.count(b'"eventName"') for one in cut) == len(many)
