"""Many bodies and whole files: read ahead, taken in order, places said as in the file."""

import gzip
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import orjson
import pytest

from evidence import files, pipeline
from evidence.files import File, Step
from evidence.formats import bodies, text_parts
from evidence.intake import NotTaken
from evidence.models import Deposit, Event, MappingVersion, Source
from evidence.pipeline import AHEAD, Body, in_file
from tests.evidence.bodies import record, run_of, trail
from tests.evidence.conftest import NOW

type Make = Callable[..., Source]


def now() -> Any:
    return NOW


@pytest.mark.parametrize(
    ("position", "first", "unit", "place"),
    [
        ("Records[3]", 1, "body", "Records[3]"),
        ("Records[3]", 10_001, "record", "Records[10003]"),
        ("line 12", 1, "line", "line 12"),
        ("line 12", 20_001, "line", "line 20012"),
        ("line 12 Records[4]", 101, "line", "line 112 Records[4]"),
        ("line 2 spans[0.0.5]", 11, "line", "line 12 spans[0.0.5]"),
        ("Records[0]", 7, "line", "line 7 Records[0]"),
        ("body", 7, "line", "line 7 body"),
    ],
)
def test_place_in_a_part_is_said_as_place_in_the_file(
    position: str, first: int, unit: str, place: str
) -> None:
    assert in_file(position, first=first, unit=unit) == place


def test_bodies_are_taken_in_order_and_read_only_a_little_ahead(source: Make) -> None:
    asked: list[int] = []

    def bodies() -> Iterator[Body]:
        for number in range(8):
            asked.append(number)
            yield Body("", f"body {number}", trail(record(number)))

    seen = []
    for taken in pipeline.take_all(source=source(), bodies=bodies(), by="command", now=now):
        seen.append(Deposit.objects.get(pk=taken.deposit).name)
        assert len(asked) <= len(seen) + AHEAD + 1
    assert seen == [f"body {number}" for number in range(8)]


def test_body_that_no_format_knows_ends_the_row_after_those_before_it(source: Make) -> None:
    bodies = [("", "a", trail(record(1))), ("", "b", b"hello"), ("", "c", trail(record(2)))]
    with pytest.raises(NotTaken):
        list(pipeline.take_all(source=source(), bodies=bodies, by="command", now=now))
    assert list(Deposit.objects.values_list("name", flat=True)) == ["a"]


def opened(content: bytes) -> Callable[[], BytesIO]:
    return lambda: BytesIO(content)


def take(source: Source, *given: File) -> list[Step]:
    return list(files.take_files(source=source, files=given, by="command", now=now))


UNKNOWN = (
    "no format recognises this: it looks like plain text, and none is near it: describe it by a"
    " mapping (docs/mapping.md); docs/formats.md lists the formats"
)


def test_files_of_every_kind_are_taken_and_others_stop_nothing(source: Make) -> None:
    steps = take(
        source(),
        File("trail.json", opened(trail(record(1), {"eventName": 7}))),
        File("note.txt", opened(b"hello")),
        File("cut.gz", opened(gzip.compress(trail(record(2)))[:-10])),
        File("traces.pb.gz", opened(gzip.compress(run_of("REQ").SerializeToString()))),
        File("empty", opened(b"")),
        File("last.json", opened(trail(record(3)))),
    )
    told = {step.file: step.refused if step.taken is None else step.taken.events for step in steps}
    assert told == {
        "trail.json": 1,
        "note.txt": UNKNOWN,
        "cut.gz": "is compressed data that was cut off; send it whole",
        "traces.pb.gz": 3,
        "empty": "no format recognises this: it is empty",
        "last.json": 1,
    }
    assert {step.file for step in steps if step.skipped} == {"note.txt", "empty"}


def test_rejects_of_a_large_csv_have_their_places_in_the_file(
    source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "WHOLE", 500)
    monkeypatch.setattr(text_parts, "FULL", 300)
    text = "mapping: own\nreads: csv\nrealm: own\nat: at\naction: act\n"
    MappingVersion.objects.create(name="own", version=1, title="", text=text, made_at=NOW)
    good = [f'2026-11-20T08:00:{one:02},act,"a\n{one}"\n' for one in range(60)]
    # Behind many rows of two lines each.
    good[20] = good[50] = "alone\n"
    body = "".join(("at,act,who\n", *good)).encode()
    steps = take(source(format="mapping:own"), File("large.csv", opened(body)))
    assert len(steps) > 4
    done = [step.taken for step in steps if step.taken is not None]
    assert sum(taken.events for taken in done) == 58
    assert [one.position for taken in done for one in taken.reasons] == ["line 42", "line 101"]
    names = list(Deposit.objects.order_by("id").values_list("name", flat=True))
    assert names[:2] == ["large.csv, from line 1", "large.csv, from line 22"]


def test_file_that_cannot_be_opened_is_said_so(source: Make) -> None:
    def gone() -> BytesIO:
        raise FileNotFoundError(2, "No such file or directory")

    steps = take(source(), File("gone", gone), File("there", opened(trail(record(1)))))
    assert {step.file: step.refused for step in steps} == {
        "gone": "cannot be read: No such file or directory",
        "there": "",
    }


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_large_document_is_cut_alike_each_time_and_says_its_places(
    source: Make, pack: Callable[[bytes], bytes]
) -> None:
    records: list[dict[str, Any]] = [record(number) for number in range(25_000)]
    records[20_005] = {"eventName": 7, "eventSource": "s3.amazonaws.com"}
    content = pack(orjson.dumps({"Records": records}))
    row = source()
    steps = take(row, File("big.json", opened(content)))
    taken = [step.taken for step in steps if step.taken is not None]
    assert [one.records for one in taken] == [10_000, 10_000, 5_000]
    assert [reason.position for one in taken for reason in one.reasons] == ["Records[20005]"]
    again = [step.taken for step in take(row, File("big.json", opened(content)))]
    assert [one.repeat for one in again if one is not None] == [True] * 3
    assert [reason.position for one in again if one for reason in one.reasons] == ["Records[20005]"]
    assert (Deposit.objects.count(), Event.objects.count()) == (3, 24_999)
    assert list(Deposit.objects.order_by("pk").values_list("name", flat=True)) == [
        "big.json, from record 1",
        "big.json, from record 10001",
        "big.json, from record 20001",
    ]
