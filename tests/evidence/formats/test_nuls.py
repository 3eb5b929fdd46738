"""A NUL in a record costs neither the record nor the text it stands in, whichever the format.

Callers choose many of these texts: a name of an object with a NUL must not keep an access out of
the events, nor reach a database that has no such character. That no two names become one is
test_escaping.py's.
"""

import copy
from typing import Any

import orjson
import pytest

from tests.evidence.formats import abuse
from tests.evidence.formats.conftest import SAMPLES
from tests.evidence.formats.test_samples import SAMPLED

# Spans have a reader of their own, of which test_otlp.py says the same.
READ = {**SAMPLED, "cloudtrail": "cloudtrail", "cyberark_cef": "cyberark"}


def records(name: str) -> list[dict[str, Any]]:
    if name != "cloudtrail":
        return abuse.sample(name)
    listed: list[dict[str, Any]] = orjson.loads((SAMPLES / "cloudtrail.json").read_bytes())[
        "Records"
    ]
    return listed


def texts(value: Any) -> list[str]:
    """Every text of a record as read, also those of its actors."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for inside in value for text in texts(inside)]
    return []


@pytest.mark.parametrize("name", READ)
def test_text_with_a_nul_is_read_and_escaped(name: str) -> None:
    for record in records(name):
        for holder, key in list(abuse.holders(record)):
            # JSON inside a text is none with a NUL in it; below, it holds one as JSON writes it.
            if isinstance(holder[key], str) and holder[key][:1] not in ("", "{", "["):
                before = holder[key]
                holder[key] = f"{before[:1]}\0{before[1:]}"
                for body in ([record], [{"message": orjson.dumps(record).decode()}]):
                    parsed = abuse.parse(READ[name], body)
                    assert parsed.rejects == [], key
                    assert len(parsed.records) >= 1, key
                    for one in parsed.records:
                        assert "\0" not in "".join(texts(one)), key
                holder[key] = before


@pytest.mark.parametrize("name", READ)
def test_member_with_a_nul_in_its_name_is_nobodys(name: str) -> None:
    for record in records(name):
        more = copy.deepcopy(record)
        objects = [more, *(h[k] for h, k in abuse.holders(more) if isinstance(h[k], dict))]
        for one in objects:
            # More than one member decides nothing in a shape that is told by its only one.
            if len(one) > 1:
                one["name\0"] = "a\0b"
        told = [abuse.told(one) for one in abuse.parse(READ[name], [record]).records]
        parsed = abuse.parse(READ[name], [more])
        assert parsed.rejects == []
        assert [abuse.told(one) for one in parsed.records] == told
