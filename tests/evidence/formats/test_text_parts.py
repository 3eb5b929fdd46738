"""Large text that is no JSON, cut between its records: nothing lost, and every place kept."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evidence.formats import FORMATS, bodies, lines, mapping, text_parts
from evidence.formats.bodies import MEBI, BodyRefused, Part
from evidence.formats.lines import Lines, Rows, Seams
from evidence.pipeline import in_file
from tests.evidence.formats.conftest import SAMPLES

CSV = st.text('ab,;"\n\r\t é', max_size=120).map(str.encode)


def cut(body: bytes, seams: Seams, size: int) -> list[Part]:
    return list(text_parts.cut(bytearray(body[:7]), [body[7:40], body[40:]], seams, size))


@example(b";\r;\n\n;", ",", None, 2)
@given(CSV, st.sampled_from([",", ";"]), st.sampled_from([None, ("x", "y")]), st.integers(1, 4))
def test_rows_of_the_parts_are_those_of_the_whole(
    body: bytes, delimiter: str, names: tuple[str, ...] | None, size: int
) -> None:
    whole = list(lines.rows(body, names, delimiter=delimiter))
    found = [
        (in_file(place, first=part.first - part.repeated, unit="line"), *rest)
        for part in cut(body, Rows(delimiter, header=names is None), size)
        for place, *rest in lines.rows(part.body, names, delimiter=delimiter)
    ]
    assert found == whole


@given(st.text("ab\n\r ", max_size=60).map(str.encode), st.integers(1, 4))
def test_lines_of_the_parts_are_those_of_the_whole(body: bytes, size: int) -> None:
    parts = cut(body, Lines(), size)
    assert b"".join(part.body for part in parts) == body
    assert all(part.body.count(b"\n") <= size for part in parts)
    begins = [part.first for part in parts]
    assert begins == list(range(1, 1 + size * len(parts), size))


def test_part_of_rows_begins_with_the_names_and_ends_with_a_row() -> None:
    body = b'who,said\nann,"one\ntwo"\nbob,three\neve,"fo""ur\r\n"\njoe,five\n'
    assert cut(body, Rows(), 2) == [
        Part(b'who,said\nann,"one\ntwo"\n', 1, "line"),
        Part(b'who,said\nbob,three\neve,"fo""ur\r\n"\n', 4, "line", 1),
        Part(b"who,said\njoe,five\n", 7, "line", 1),
    ]


def test_part_of_lines_waits_for_a_record_but_not_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = b"+a\n-b\n-c\n-d\n+e\n-f\n-g\n-h\n-i\n-j\n"
    seams = Lines(lambda line: line.startswith(b"+"))
    assert [part.body for part in cut(body, seams, 2)] == [body[:12], body[12:]]
    monkeypatch.setattr(text_parts, "FULL", 6)
    assert [part.body for part in cut(body, seams, 2)] == [body[:12], body[12:24], body[24:]]


def test_row_without_end_is_refused_after_what_stands_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text_parts, "LONGEST_LINE", 500)
    found = text_parts.cut(bytearray(b'a,b\n1,2\n3,"'), [b"x\n"] * 1000, Rows(), 10)
    assert next(found) == Part(b"a,b\n1,2\n", 1, "line")
    with pytest.raises(BodyRefused) as refused:
        next(found)
    assert refused.value.reason == "has a row that is longer than 500 bytes"


def test_names_of_columns_that_are_too_long_are_refused() -> None:
    """Each part repeats them: a few bytes a row would become as much as they are."""
    with pytest.raises(BodyRefused) as refused:
        cut(b"x" * 70_000 + b",y\n" + b"1,2\n" * 10, Rows(), 2)
    assert refused.value.reason == "begins with a row of column names of more than 64 KiB"


POSTGRES = (
    b"2026-11-20 08:00:00.000 UTC [71] LOG:  one\n\tmore\n"
    b"2026-11-20 08:00:00.000 UTC [71] STATEMENT:  select 1\n"
)
JUMP_HOST = (SAMPLES / "mappings" / "jumphost.yaml").read_text("utf-8")
KINDS: dict[str, tuple[Seams | None, bytes, int]] = {
    "postgres, CSV": (
        FORMATS["postgres"].seams((SAMPLES / "postgres.csv").read_bytes()),
        (SAMPLES / "postgres.csv").read_bytes(),
        1,
    ),
    "postgres, plain": (FORMATS["postgres"].seams(POSTGRES), POSTGRES, 3),
    "CyberArk": (
        FORMATS["cyberark"].seams(b"CEF:0|Cyber-Ark|Vault|12|7|n|5|"),
        b"CEF:0|Cyber-Ark|Vault|12|7|n|5|act=a\n",
        1,
    ),
    "Vault behind a prefix": (
        FORMATS["vault"].seams(b'<13>Mar  4 05:06:07 box vault: {"time":"x","type":"request"}'),
        b'<13>Mar  4 05:06:07 box vault: {"time":"x","type":"request"}\n',
        1,
    ),
    "syslog by a mapping": (
        mapping.of(JUMP_HOST).table.seams(b"<86>1 x\n"),
        b"<86>1 2026-11-20T08:00:00.250Z jump-1 sshd 411 LOGIN - event=login user=ann\n",
        1,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_format_of_text_says_where_it_may_be_cut(kind: str) -> None:
    """A part begins where the format knows its text again, and no record is torn."""
    seams, record, count = KINDS[kind]
    assert seams is not None
    parts = cut(record * 7, seams, 2)
    assert len(parts) > 1
    assert b"".join(part.body for part in parts) == record * 7
    assert all(part.body.startswith(record[:20]) for part in parts)
    assert all(len(part.body) % len(record) == 0 for part in parts)
    assert sum(part.body.count(b"\n") for part in parts) >= 7 * count


@pytest.mark.parametrize("name", ["postgres", "cyberark", "vault"])
def test_json_of_a_format_that_also_writes_text_is_cut_as_json(name: str) -> None:
    assert FORMATS[name].seams(b'[{"time":"2026-11-20"}]') is None


def test_line_that_would_be_taken_for_json_begins_no_part() -> None:
    """Whoever writes one line of a log must not have the ten thousand after it refused."""
    seams = mapping.of(JUMP_HOST).table.seams(b"<86>1 x\n")
    assert seams is not None
    parts = cut(b"<86>1 a\n" * 2 + b'{"Records":[\n' + b"<86>1 b\n" * 2, seams, 2)
    assert [part.first for part in parts] == [1, 4]


def test_large_csv_is_cut_in_bounded_memory() -> None:
    row = b'2026-11-20,"' + (b"x" * 2_000 + b"\n") * 5 + b'",b\n'

    class Long:
        left = 10_000

        def read(self, _: int = -1, /) -> bytes:
            self.left -= 100
            return row * 100 if self.left >= 0 else b""

    def taken() -> Iterator[int]:
        for part in bodies.parts(Long(), format="x", seams=lambda _: Rows(header=False)):
            yield len(part.body)

    tracemalloc.start()
    total = sum(taken())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 10_000 * len(row)
    assert peak < 80 * MEBI < total
