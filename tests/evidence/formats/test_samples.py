"""Samples of ours: each record says what stands beside it, and none breaks its format.

`tests/samples/<name>.expected.txt` has a line for each event of `<name>.jsonl` (see abuse.said).
"""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.formats import FORMATS
from tests.evidence.formats import abuse
from tests.evidence.formats.conftest import SAMPLES

# The sample, and the format in which its bodies are read.
SAMPLED = {
    "okta": "okta",
    "auth0": "auth0",
    "github": "github",
    "teleport": "teleport",
    "databricks": "databricks",
    "snowflake": "snowflake",
    "saas": "onelogin",
    "anthropic": "anthropic",
    "openai": "openai",
    "bedrock": "bedrock",
    "entra": "entra",
    "azure": "azure",
    "microsoft365": "microsoft365",
    "microsoft_alerts": "microsoft_alerts",
    "windows": "windows",
    "gcp": "gcp",
    "kubernetes": "kubernetes",
    "vault": "vault",
    "cyberark": "cyberark",
    "delinea_platform": "delinea_platform",
    "postgres": "postgres",
    "ocsf": "ocsf",
    "signals": "signals",
    "alerts": "alerts",
}
# What the samples put wherever a vendor writes what people wrote.
PRIVATE = b"private words"


@pytest.mark.parametrize("name", SAMPLED)
def test_sample_says_what_is_expected(name: str) -> None:
    parsed = abuse.parse(SAMPLED[name], (SAMPLES / f"{name}.jsonl").read_bytes())
    expected = (SAMPLES / f"{name}.expected.txt").read_text().splitlines()
    assert [abuse.said(record) for record in parsed.records] == expected
    assert parsed.rejects == []


@pytest.mark.parametrize("name", SAMPLED)
def test_sample_reads_the_same_in_every_body(name: str) -> None:
    records, read = abuse.sample(name), SAMPLED[name]
    wanted = [abuse.told(one) for one in abuse.parse(read, records).records]
    for body in (
        {"Records": records},
        {"value": records},
        {"records": records},
        [{"log": record} for record in records],
        [{"detail": record} for record in records],
        [{"message": orjson.dumps(record).decode()} for record in records],
    ):
        assert [abuse.told(one) for one in abuse.parse(read, body).records] == wanted
    for record in records:
        alone = abuse.parse(read, record).records
        assert {abuse.told(one) for one in alone} <= set(wanted)


@pytest.mark.parametrize("name", SAMPLED)
def test_sample_says_the_same_when_what_was_kept_is_read_again(name: str) -> None:
    first = abuse.parse(SAMPLED[name], (SAMPLES / f"{name}.jsonl").read_bytes())
    again = abuse.parse(SAMPLED[name], first.kept)
    assert [abuse.said(one) for one in again.records] == [abuse.said(one) for one in first.records]


@pytest.mark.parametrize("name", SAMPLED)
def test_sample_keeps_no_content_unless_asked(name: str) -> None:
    body = (SAMPLES / f"{name}.jsonl").read_bytes()
    kept = abuse.parse(SAMPLED[name], body)
    whole = abuse.parse(SAMPLED[name], body, abuse.ASKED._replace(keep_content=True))
    assert PRIVATE not in kept.kept
    assert (PRIVATE in body) == (PRIVATE in whole.kept)
    # The digest stays over what was received; what is read is the same either way.
    assert [one.digest for one in kept.records] == [one.digest for one in whole.records]
    assert [abuse.said(one) for one in kept.records] == [abuse.said(one) for one in whole.records]


def _as_text(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The same again and again, each time with another object or list that holds what people wrote
    as the text of it: (where it stood, the whole)."""
    for key, inside in value.items() if isinstance(value, dict) else enumerate(value):
        written = orjson.dumps(inside).decode()
        if not isinstance(inside, dict | list) or PRIVATE.decode() not in written:
            continue
        here = f"{path}.{key}"
        for place, one in ((here, written), *_as_text(inside, here)):
            if isinstance(value, dict):
                yield place, {**value, key: one}
            else:
                yield place, [*value[:key], one, *value[key + 1 :]]


# What wraps the vendor's record is an object in all that was seen.
WRAPPING = frozenset({".properties", ".syslog", ".syslog.audit_record"})


@pytest.mark.parametrize("name", SAMPLED)
def test_sample_keeps_no_content_of_what_an_export_wrote_as_text(name: str) -> None:
    for record in abuse.sample(name):
        for place, written in _as_text(record):
            if name not in ("databricks", "cyberark") or place not in WRAPPING:
                assert PRIVATE not in abuse.parse(SAMPLED[name], written).kept, place


@pytest.mark.parametrize("name", SAMPLED)
def test_sample_survives_hostile_values(name: str) -> None:
    abuse.survives(SAMPLED[name], abuse.sample(name))


@pytest.mark.parametrize("name", SAMPLED)
def test_sample_nested_too_deeply_is_a_reject(name: str) -> None:
    deep: Any = "end"
    for _ in range(1_000):
        deep = [deep]
    record = abuse.sample(name)[0]
    lines = [orjson.dumps(record), b'{"deep":' + b"[" * 1_000 + b"]" * 1_000 + b"}"]
    parsed = abuse.parse(SAMPLED[name], b"\n".join((*lines, orjson.dumps(record))))
    assert (len(parsed.records), len(parsed.rejects)) == (2, 1)
    assert parsed.rejects[0].position.startswith("line 2")


# A damaged body that mixes vendors is recovered only as far as the first one's records go.
@pytest.mark.parametrize("name", [name for name in SAMPLED if name != "saas"])
@settings(max_examples=40)
@given(drawn=st.data())
def test_sample_with_a_wrong_byte_never_raises(name: str, drawn: st.DataObject) -> None:
    records = abuse.sample(name)
    parsed = abuse.parse(SAMPLED[name], drawn.draw(abuse.anywhere(records)))
    # One wrong byte costs at most the record it is in and the one beside its edge.
    assert len(parsed.records) >= len(records) - 2
    assert FORMATS[SAMPLED[name]].parse(parsed.kept, abuse.ASKED).redactions == []
