"""What every table-driven format must survive: hostile records, and real ones that were damaged.

Owns ways of damaging records, and how tests read and tell them; a format's own test says which.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from hypothesis import strategies as st

from evidence.formats import FORMATS
from evidence.formats.record import ActorName, Asked, Parsed, Record
from evidence.vocabulary import ACTIVITIES, OUTCOMES
from tests.evidence.formats.conftest import SAMPLES

ASKED = Asked(source="lab", digest_key=b"k" * 32)
_DEEP: Any = "end"
for _ in range(100):
    _DEEP = {"a": [_DEEP]}
# What may stand where a text, a number, an object or a list is expected.
INSTEAD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**63, 1e308, "", "\0", "a\0b", "<script>alert(1)</script>"),
    *("\u202egnirts", "x" * 1_000_000, [], {}, [[]], [None], [{}], {"": ""}, {"a": {"b": None}}),
    *([1, "two", {"three": 3}], ["x"] * 5_000, _DEEP),
)


def parse(name: str, value: Any, asked: Asked = ASKED) -> Parsed:
    """Read a record, a list of them, or bytes as they are."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return FORMATS[name].parse(body, asked)


def read(name: str, value: dict[str, Any]) -> Record:
    """The one record of this one."""
    parsed = parse(name, value)
    assert parsed.rejects == []
    assert len(parsed.records) == 1
    return parsed.records[0]


def labelled(data: Path, file: str) -> list[dict[str, Any]]:
    """The vendor's records of a labelled file."""
    lines = (data / "labelled" / f"{file}.jsonl").read_bytes().splitlines()
    return [orjson.loads(line)["log"] for line in lines]


def holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """(object or list, member or number) of every value inside."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        inside = here.items() if isinstance(here, dict) else enumerate(here)
        for key, one in list(inside):
            yield here, key
            if isinstance(one, dict | list):
                waiting.append(one)


def spoiled(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The record with each of its values replaced by something it should not be, in turn."""
    number = sum(1 for _ in holders(record))
    for place in range(number):
        damaged = copy.deepcopy(record)
        holder, key = list(holders(damaged))[place]
        holder[key] = INSTEAD[place % len(INSTEAD)]
        yield damaged


def survives(name: str, records: list[dict[str, Any]]) -> None:
    """Every damaged record is read or rejected with a reason, and what is kept reads the same."""
    for record in records:
        for damaged in spoiled(record):
            parsed = parse(name, damaged)
            assert len(parsed.records) + len(parsed.rejects) >= 1
            for one in parsed.records:
                assert all("\0" not in text for text in one if isinstance(text, str))
                assert all(len(text) <= 512 for text in one if isinstance(text, str))
            again = FORMATS[name].parse(parsed.kept, ASKED)
            assert [told(one) for one in again.records] == [told(one) for one in parsed.records]


def told(record: Record) -> Record:
    """A record without what a second reading may say otherwise: its place and its digest."""
    return record._replace(position="", digest=b"")


def anywhere(records: list[dict[str, Any]]) -> st.SearchStrategy[bytes]:
    """Bodies of these records with one byte changed."""
    body = orjson.dumps(records)

    def changed(place: int, byte: int) -> bytes:
        return body[:place] + bytes([byte]) + body[place + 1 :]

    return st.builds(changed, st.integers(0, len(body) - 1), st.integers(0, 255))


def sample(name: str) -> list[dict[str, Any]]:
    """The records of a sample of ours."""
    lines = (SAMPLES / f"{name}.jsonl").read_bytes().splitlines()
    return [orjson.loads(line) for line in lines]


def said(record: Record) -> str:
    """What a record says, in one line: what was done, how it ended, on what, by whom, with what.

    ``>`` goes before on whose behalf, ``@`` before the agent, ``+`` before what was issued.
    """

    def name(mark: str, who: ActorName | None) -> list[str]:
        return [] if who is None else [f"{mark}{who.kind} {who.value}"]

    parts = [
        f"{ACTIVITIES[record.activity]}, {OUTCOMES[record.outcome]}: {record.action}",
        record.resource or "-",
        *(name("", record.principal) or ["-"]),
        *(name("", record.credential) or ["-"]),
        *name("@", record.agent),
        *name(">", record.on_behalf),
        *name("+", record.issued.credential if record.issued else None),
    ]
    return " | ".join(parts)
