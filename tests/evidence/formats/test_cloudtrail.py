"""CloudTrail: whole records, shapes of files, what is broken, and the recordings."""

import gzip
import random
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats import FORMATS, cloudtrail, recognise
from evidence.formats.paths import lower_names
from evidence.formats.record import ActorName, Asked, Parsed
from evidence.vocabulary import OUTCOME_OK, USE
from tests.evidence.formats.conftest import SAMPLES

ASKED = Asked(source="lab", digest_key=b"k" * 32)
ACCOUNT = "111122223333"
SAMPLE = (SAMPLES / "cloudtrail.json").read_bytes()
RECORDS: list[dict[str, Any]] = orjson.loads(SAMPLE)["Records"]
ROLE = ActorName("aws:111122223333", "arn", "arn:aws:iam::111122223333:role/apps/reader")
SESSION = ActorName(
    "aws:111122223333",
    "role_session",
    "arn:aws:sts::111122223333:assumed-role/reader/run-7",
    ROLE,
)


def parse(value: Any) -> Parsed:
    return cloudtrail.parse(value if isinstance(value, bytes) else orjson.dumps(value), ASKED)


def one(**changes: Any) -> dict[str, Any]:
    return {**RECORDS[2], **changes}


def test_record_assumed_role_reads_whole() -> None:
    record = parse(RECORDS[2]).records[0]
    assert record._replace(digest=b"") == (
        "Records[0]",
        b"",
        1_930_367_162_000_000,
        "aws:111122223333",
        1,
        USE,
        OUTCOME_OK,
        "s3:GetObject",
        "ledgers/2031/03.csv",
        SESSION,
        ActorName("aws", "access_key", "ASIAEXAMPLE000000001", ROLE),
        None,
        ActorName("aws:111122223333", "user", "rosa"),
        "00000000-0000-4000-8000-000000000002",
        "req-0002",
        None,
        None,
        None,
        None,
        "198.51.100.7",
        "sample/1.0",
        None,
        None,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("AWS Internal", "AWS Internal"),
        ({"ip": "2001:db8::7"}, None),
    ],
)
def test_address_of_ipv6_has_one_form(said: Any, address: str | None) -> None:
    assert parse(one(sourceIPAddress=said)).records[0].address == address


def test_issuance_of_key_and_session_names_both_sides() -> None:
    records = parse(SAMPLE).records
    key, session, service = (records[number].issued for number in (0, 1, 5))
    clerk = ActorName("aws:111122223333", "arn", f"arn:aws:iam::{ACCOUNT}:user/clerk")
    nightly = ActorName("aws:111122223333", "arn", f"arn:aws:iam::{ACCOUNT}:role/nightly")
    assert key == (ActorName("aws", "access_key", "AKIAEXAMPLE000000002"), clerk, True, None)
    assert session == (
        ActorName("aws", "access_key", "ASIAEXAMPLE000000001", ROLE),
        SESSION,
        False,
        1_930_370_761_000_000,
    )
    assert service is not None
    assert service.credential == ActorName("aws", "access_key", "ASIAEXAMPLE000000003", nightly)
    assert service.issued_to == ActorName(
        "aws:111122223333",
        "role_session",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/nightly/nightly-fn",
        nightly,
    )


def test_session_token_is_redacted_and_digest_is_of_received() -> None:
    whole = parse(SAMPLE)
    assert [tuple(found) for found in whole.redactions] == [("Records[1]", "aws_session_token", 80)]
    assert b"IQoJb3JpZ2luX2Vj" not in whole.kept
    other = orjson.loads(SAMPLE)["Records"]
    other[1]["responseElements"]["credentials"]["sessionToken"] += "A"
    changed = parse({"Records": other}).records
    same = [a.digest == b.digest for a, b in zip(whole.records, changed, strict=True)]
    assert same == [True, False, True, True, True, True]


SHAPES = {
    "document": SAMPLE,
    "compact": orjson.dumps({"Records": RECORDS}),
    "list": orjson.dumps(RECORDS),
    "lines": b"\n".join(orjson.dumps(record) for record in RECORDS),
    "lines of documents": b"\r\n".join(orjson.dumps({"Records": [one]}) for one in RECORDS),
    "byte order mark": b"\xef\xbb\xbf" + SAMPLE,
    "event bridge": b"\n".join(orjson.dumps({"detail": record}) for record in RECORDS),
    "lookup events": orjson.dumps(
        {"Events": [{"CloudTrailEvent": orjson.dumps(record).decode()} for record in RECORDS]}
    ),
    "log subscription": orjson.dumps(
        {"logEvents": [{"message": orjson.dumps(record).decode()} for record in RECORDS]}
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_any_gives_same_digests(shape: str) -> None:
    read = parse(SHAPES[shape])
    assert recognise(SHAPES[shape]) == "cloudtrail"
    assert read.rejects == []
    assert [record.digest for record in read.records] == [
        record.digest for record in parse(SAMPLE).records
    ]


def test_order_and_split_do_not_change_digests() -> None:
    expected = {record.vendor_id: record.digest for record in parse(SAMPLE).records}
    shuffled = RECORDS[:]
    random.Random(7).shuffle(shuffled)
    found = {}
    for part in (shuffled[:2], shuffled[2:]):
        found.update({record.vendor_id: record.digest for record in parse(part).records})
    assert found == expected


def test_kept_reads_again_as_the_same() -> None:
    first = parse(SAMPLE)
    again = parse(first.kept)
    assert again.redactions == []
    assert [record._replace(digest=b"") for record in again.records] == [
        record._replace(digest=b"") for record in first.records
    ]


@pytest.mark.parametrize("stated", ["soon", "1870-01-01T00:00:00Z", 7, None, ["2026"], "..."])
def test_record_whose_time_is_no_time_is_undated(stated: Any) -> None:
    read = parse([one(eventTime=stated), RECORDS[0]])
    assert [record.at is None for record in read.records] == [True, False]


def test_record_without_its_service_keeps_its_operation() -> None:
    assert parse(one(eventSource=None, eventName="DeleteBucket")).records[0].action == (
        "aws:DeleteBucket"
    )


def test_record_of_a_store_without_capitals_reads_as_the_same() -> None:
    low = [lower_names(record) for record in RECORDS]
    for record in low:
        # Athena keeps these two as text.
        for member in ("requestparameters", "responseelements"):
            record[member] = orjson.dumps(record.get(member)).decode()
    read = parse(low)
    assert read.rejects == []
    as_told = [record._replace(position="", digest=b"") for record in read.records]
    assert as_told == [
        record._replace(position="", digest=b"") for record in parse(RECORDS).records
    ]
    lines = b"\n".join(orjson.dumps(record) for record in low)
    assert cloudtrail.recognise(lines)
    assert [one.digest for one in parse(lines).records] == [one.digest for one in read.records]


DEEP = b"[" * 5000 + b"]" * 5000
GOOD = orjson.dumps(RECORDS[2])
BROKEN = {
    "not an object": b"7",
    "no name": b'{"eventSource":"s3.amazonaws.com","eventName":""}',
    "raw nul": GOOD.replace(b"sample", b"sam\0ple"),
    "not utf-8": GOOD.replace(b"sample", b"\xff\xfe"),
    "deep": GOOD.replace(b'"sample/1.0"', DEEP),
    "no quote": GOOD.replace(b'"sample/1.0"', b'sample/1.0"'),
    "no brace": GOOD[:-1],
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("lines", [False, True], ids=["document", "lines"])
def test_broken_record_is_named_and_its_neighbours_stored(broken: str, lines: bool) -> None:
    three = [orjson.dumps(RECORDS[0]), BROKEN[broken], orjson.dumps(RECORDS[4])]
    body = b"\n".join(three) if lines else b'{"Records":[' + b",".join(three) + b"]}"
    read = parse(body)
    assert [record.vendor_id for record in read.records] == [
        RECORDS[0]["eventID"],
        RECORDS[4]["eventID"],
    ]
    places = ["line 2"] if lines else ["Records[1]"]
    assert [reject.position for reject in read.rejects] == places
    again = parse(read.kept)
    assert len(again.records) == 2
    assert len(again.rejects) == 1


def test_document_cut_off_keeps_the_whole_records() -> None:
    body = orjson.dumps({"Records": RECORDS})
    read = parse(body[: body.rindex(b'"eventID"')])
    assert len(read.records) == 5
    assert [reject.position for reject in read.rejects] == ["Records[5]"]


def test_realm_outside_the_sources_is_rejected() -> None:
    narrow = ASKED._replace(realms=frozenset({"aws:999900001111"}))
    read = cloudtrail.parse(GOOD, narrow)
    assert (read.records, [reject.position for reject in read.rejects]) == ([], ["Records[0]"])
    wide = ASKED._replace(realms=frozenset({"aws:111122223333"}))
    assert len(cloudtrail.parse(GOOD, wide).records) == 1


def test_reject_excerpt_holds_no_secret() -> None:
    read = parse(b'{"Records":[' + GOOD + b',{"eventName":"x","password":"hunter2hunter2" oops}]}')
    assert "hunter2" not in read.rejects[0].excerpt
    assert b"hunter2" not in read.kept


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
MEMBERS = sorted({name for record in RECORDS for name in record})


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=6))
def test_record_with_any_values_is_read_or_rejected(changes: dict[str, Any]) -> None:
    try:
        body = orjson.dumps([one(**changes), RECORDS[0]])
    except (TypeError, UnicodeEncodeError):
        return
    read = parse(body)
    assert len(read.records) + len(read.rejects) == 2


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))
)
def test_bytes_of_any_kind_never_raise(body: bytes) -> None:
    read = parse(body)
    assert read.records == []
    recognise(body)


@given(st.data())
def test_mutated_sample_never_raises_and_keeps_far_neighbours(data: st.DataObject) -> None:
    body = bytearray(orjson.dumps({"Records": RECORDS}))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    read = parse(bytes(body))
    # One wrong byte costs at most the record it is in and the one beside its edge.
    assert len(read.records) >= len(RECORDS) - 2
    assert FORMATS["cloudtrail"].parse(read.kept, ASKED).redactions == []


def test_recordings_all_records_are_read(data: Path) -> None:
    counts = {}
    for folder, pattern in (("invictus", "*.gz"), ("stratus", "*.json")):
        found: Counter[str] = Counter()
        for path in sorted((data / f"cloudtrail-{folder}").glob(pattern)):
            body = path.read_bytes()
            body = gzip.decompress(body) if path.suffix == ".gz" else body
            assert recognise(body) == "cloudtrail"
            read = parse(body)
            found["records"] += len(read.records)
            found["rejects"] += len(read.rejects)
            found[""] += len({record.digest for record in read.records})
        counts[folder] = (found["records"], found["rejects"], found[""])
    lab = parse((data / "lab" / "cloudtrail.json").read_bytes())
    counts["lab"] = (len(lab.records), len(lab.rejects), len({one.digest for one in lab.records}))
    assert counts == {"invictus": (2900, 0, 2900), "stratus": (70, 0, 70), "lab": (66, 0, 66)}


def test_recordings_every_role_session_has_its_issuance(data: Path) -> None:
    issued, used = set(), []
    for path in (data / "cloudtrail-invictus").glob("*.gz"):
        for record in parse(gzip.decompress(path.read_bytes())).records:
            if record.issued is not None:
                issued.add(record.issued.credential)
            if record.principal and record.principal.kind == "role_session" and record.credential:
                used.append(record.credential)
    assert (len(used), sum(key in issued for key in used)) == (70, 70)


def test_recordings_lab_issuance_equals_truth(data: Path) -> None:
    truth = orjson.loads((data / "lab" / "truth.json").read_bytes())["issuance"]
    found = {}
    for record in parse((data / "lab" / "cloudtrail.json").read_bytes()).records:
        if record.issued is not None and record.issued.issued_to is not None:
            found[record.issued.credential.value] = record.issued.issued_to.value
    assert {
        key: found[key] if found[key] == to else found[key].rsplit("/", 1)[-1]
        for key, to in truth.items()
    } == truth
