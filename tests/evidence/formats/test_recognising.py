"""Every recorded file is known as what it is, and nobody's record as another vendor's."""

import json
from collections import Counter
from pathlib import Path

import orjson
import pytest

from evidence.formats import FORMATS, KINDS, recognise
from tests.evidence.formats.abuse import ASKED, labelled

SAMPLES = Path(__file__).resolve().parent.parent.parent / "samples"

# The formats of each file's records; the first is what a body of all of them is recognised as.
LABELLED: dict[str, tuple[str, ...]] = {
    "anthropic": ("anthropic",),
    "openai": ("openai",),
    "bedrock_invocation": ("bedrock",),
    "auth0": ("auth0",),
    "databricks": ("databricks",),
    "github": ("github", "github_webhook"),
    "okta": ("okta",),
    "snowflake": ("snowflake",),
    "teleport": ("teleport",),
    "gcp_audit": ("gcp",),
    "gcp_k8s": ("gcp",),
    "kubernetes": ("kubernetes", "gcp"),
    "aws_eks": ("kubernetes",),
    "standard": (
        *("okta", "onelogin", "cloudtrail", "github", "zendesk", "google_workspace", "asana"),
        *("onepassword", "gcp", "box", "crowdstrike", "aws_vpc_dns", "aws_vpc_flow"),
        *("cloudflare", "cisco_umbrella", "notion"),
    ),
    "azure_signin": ("entra",),
    "azure_activity": ("azure",),
    "microsoft": ("microsoft365", "microsoft_alerts", "windows"),
}


@pytest.mark.parametrize("file", LABELLED)
def test_labelled_file_is_recognised(data: Path, file: str) -> None:
    body = (data / "labelled" / f"{file}.jsonl").read_bytes()
    records = labelled(data, file)
    first = LABELLED[file][0]
    assert [
        recognise(body),
        recognise(orjson.dumps(records)),
        recognise(orjson.dumps({"records": records})),
        recognise(b"\n".join(orjson.dumps(record) for record in records)),
    ] == [first] * 4


@pytest.mark.parametrize("file", LABELLED)
def test_labelled_record_is_known_by_its_own_format_alone(data: Path, file: str) -> None:
    found: Counter[str] = Counter()
    for record in labelled(data, file):
        known = [kind.name for kind in KINDS if kind.knows(record)]
        assert len(known) <= 1, record
        found.update(known)
    assert set(found) <= set(LABELLED[file])


@pytest.mark.parametrize("file", LABELLED)
def test_labelled_file_is_read_without_a_reject(data: Path, file: str) -> None:
    body = (data / "labelled" / f"{file}.jsonl").read_bytes()
    parsed = FORMATS[LABELLED[file][0]].parse(body, ASKED)
    assert (len(parsed.records), parsed.rejects) == (len(body.splitlines()), [])


@pytest.mark.parametrize(
    "opening", ["[", '{"value": [', '{"kind": "EventList", "metadata": {}, "items": [']
)
@pytest.mark.parametrize("name", ["okta", "kubernetes", "entra", "vault"])
def test_document_that_is_longer_than_what_is_looked_at_is_recognised(
    name: str, opening: str
) -> None:
    records = (SAMPLES / f"{name}.jsonl").read_text().splitlines()
    many = ",".join(records * (1_000_000 // sum(map(len, records)) + 1))
    body = f"{opening}{many}{']}' if opening != '[' else ']'}".encode()
    assert [recognise(body), recognise(body[:300_000]), recognise(body[:1_000_000])] == [name] * 3


@pytest.mark.parametrize("name", ["okta", "ocsf", "gcp", "entra"])
def test_empty_line_before_a_document_is_not_the_first_byte_of_protobuf(name: str) -> None:
    record = orjson.loads((SAMPLES / f"{name}.jsonl").read_text().splitlines()[0])
    for written in (record, [record], {"records": [record]}):
        for indent in (None, 0, 1, 2, 4, "\t"):
            body = b"\n" + json.dumps(written, indent=indent).encode()
            assert (recognise(body), len(FORMATS[name].parse(body, ASKED).records)) == (name, 1)


def test_export_that_begins_as_an_empty_line_and_a_brace_does_is_protobuf() -> None:
    # Resource spans of 0x7b bytes, which is a brace, after the tag, which is a line feed.
    scope = b"\x12" + bytes([0x7B - 4]) + b"\x12" + bytes([0x7B - 6]) + b"\x2a" * (0x7B - 6)
    for inside in (b"\x0a\x00" + scope, scope + b"\x1a\x00"):
        assert len(inside) == ord("{")
        assert recognise(b"\n{" + inside) == "otlp"
