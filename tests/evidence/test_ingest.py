"""manage.py ingest and source: what goes in, what is said, what follows."""

import gzip
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command

from evidence import doors, nudge
from evidence.models import Deposit, Event, Gap, LedgerEntry, Link, Source
from tests.evidence.bodies import record, run_of, trail


def ingest(*arguments: str) -> dict[str, Any]:
    """The summary; linking and judging are not what these tests are about."""
    out = StringIO()
    call_command("ingest", *arguments, "--json", "--no-wait", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def source_command(*arguments: str) -> Any:
    out = StringIO()
    call_command("source", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.mark.django_db
def test_ingest_makes_the_source_and_says_what_became_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(trail(record(1), {"eventName": 7}, record(2)))
    (tmp_path / "two.json.gz").write_bytes(gzip.compress(trail(record(2), record(3))))
    answer = ingest(str(tmp_path), "--source", "trail")
    reject = answer["rejects"][0]
    assert answer == {
        "files": 2,
        "deposits": 2,
        "records": 5,
        "events": 3,
        "duplicates": 1,
        "rejects": [
            {
                "file": str(tmp_path / "one.json"),
                "position": "Records[1]",
                "reason": reject["reason"],
            }
        ],
        "old": [],
        "skipped": [],
    }
    row = Source.objects.get()
    assert (row.plane, row.format, row.completeness) == ("identity", "", "")
    assert list(LedgerEntry.objects.values_list("act", flat=True)) == ["source.added"]


@pytest.mark.django_db
def test_ingest_of_the_same_files_stores_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_bytes(trail(record(1), record(2)))
    ingest(str(path), "--source", "trail")
    again = ingest(str(path), "--source", "trail")
    assert (again["deposits"], again["events"], again["duplicates"]) == (0, 0, 2)
    assert (Deposit.objects.count(), Event.objects.count()) == (1, 2)


@pytest.mark.django_db
def test_ingest_of_traces_makes_a_source_on_the_other_side(tmp_path: Path) -> None:
    (tmp_path / "traces.pb").write_bytes(run_of("REQ1").SerializeToString())
    assert ingest(str(tmp_path / "*.pb"), "--source", "traces")["events"] == 3
    assert Source.objects.get().plane == "ai"


@pytest.mark.django_db
def test_ingest_skips_what_is_no_evidence_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("All rights reserved.")
    (tmp_path / ".hidden.json").write_bytes(trail(record(2)))
    (tmp_path / "one.json").write_bytes(trail(record(1)))
    answer = ingest(str(tmp_path), "--source", "trail")
    assert (answer["files"], answer["events"], answer["rejects"]) == (2, 1, [])
    assert [row["file"] for row in answer["skipped"]] == [str(tmp_path / "LICENSE")]


@pytest.mark.django_db
def test_ingest_names_the_line_of_a_broken_record_in_a_large_file(tmp_path: Path) -> None:
    lines = [orjson.dumps(record(number)) for number in range(25_000)]
    lines[20_499] = b'{"eventName": "GetObj'
    path = tmp_path / "many.jsonl"
    path.write_bytes(b"\n".join(lines))
    answer = ingest(str(path), "--source", "trail")
    assert [row["position"] for row in answer["rejects"]] == ["line 20500"]
    assert (answer["deposits"], answer["events"]) == (3, 24_999)


@pytest.mark.django_db
def test_ingest_lists_every_reject_however_many(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_bytes(trail(*({"eventName": number} for number in range(250)), record(1)))
    answer = ingest(str(path), "--source", "trail")
    assert [row["position"] for row in answer["rejects"]] == [
        f"Records[{number}]" for number in range(250)
    ]


@pytest.mark.django_db
def test_ingest_of_a_damaged_file_keeps_its_neighbours_and_states_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(trail(record(1)))[:-12])
    (tmp_path / "b.json").write_bytes(trail(record(2)))
    with pytest.raises(CommandError) as refused:
        ingest(str(tmp_path), "--source", "trail", "--complete")
    assert str(refused.value) == (
        f"{tmp_path / 'a.json.gz'} was not taken whole, so trail is not stated to be complete."
    )
    assert (Event.objects.count(), Source.objects.get().watermark) == (1, None)


@pytest.mark.django_db
def test_ingest_complete_states_it_in_the_ledger(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(trail(record(1)))
    ingest(str(tmp_path), "--source", "trail", "--complete")
    row = Source.objects.get()
    assert (row.completeness, row.watermark is None) == ("declared", False)
    assert LedgerEntry.objects.filter(act="source.declared_complete").count() == 1


@pytest.mark.django_db
def test_ingest_strict_fails_on_a_reject_after_storing_the_rest(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(trail(record(1), {"eventName": 7}))
    with pytest.raises(SystemExit) as ended:
        ingest(str(tmp_path), "--source", "trail", "--strict")
    assert (ended.value.code, Event.objects.count()) == (1, 1)


@pytest.mark.django_db
@pytest.mark.parametrize("content", [b"", b"hello\n", b"\0\1\2"])
def test_ingest_of_nothing_that_is_evidence_makes_no_source(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "note").write_bytes(content)
    with pytest.raises(CommandError):
        ingest(str(tmp_path), "--source", "trail")
    assert Source.objects.count() == 0


@pytest.mark.django_db
def test_ingest_of_a_missing_file_stores_nothing(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(trail(record(1)))
    with pytest.raises(CommandError) as refused:
        ingest(str(tmp_path / "one.json"), str(tmp_path / "two.json"), "--source", "trail")
    assert str(refused.value) == f"{tmp_path / 'two.json'}: there is no such file"
    assert Deposit.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_ingest_waits_for_what_follows(tmp_path: Path) -> None:
    request = record(1)["requestID"]
    (tmp_path / "trail.json").write_bytes(trail(record(1)))
    (tmp_path / "traces.pb").write_bytes(run_of(request).SerializeToString())
    out = StringIO()
    assert nudge.drain is not None
    call_command("ingest", str(tmp_path / "trail.json"), "--source", "trail", stdout=out)
    call_command("ingest", str(tmp_path / "traces.pb"), "--source", "traces", stdout=out)
    assert out.getvalue() == (
        "trail: 1 file, 1 event, 0 duplicates, 0 rejects.\n"
        "traces: 1 file, 3 events, 0 duplicates, 0 rejects.\n"
    )
    assert Link.objects.count() == 2


@pytest.mark.django_db
def test_source_add_keeps_what_was_said_and_shows_the_token_once() -> None:
    answer = source_command(
        "add", "agents", "--plane", "ai", "--format", "otlp", "--realm", "otel:agents",
        "--lag", "60", "--sampling", "0.5", "--every", "30", "--token",
    )  # fmt: skip
    token = answer.pop("token")
    row = Source.objects.get()
    assert row.token_digest is not None
    assert bytes(row.token_digest) == doors.digest_of(token)
    assert (
        answer
        == source_command("list")[0]
        == {
            "name": "agents",
            "title": "",
            "plane": "ai",
            "format": "otlp",
            "realms": ["otel:agents"],
            "lag_seconds": 60,
            "sampling": 0.5,
            "watermark": None,
            "completeness": "",
            "keep_content": False,
            "retention_days": 3650,
            "expected_every_seconds": 30,
            "token_hint": token[:8],
            "token_expires_at": None,
        }
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add", "trail"], "There is a source named trail already."),
        (["add", "Not A Name"], "'Not A Name' is no name of a source"),
        (["add", "new", "--sampling", "0"], "The share of records that is sent"),
        (["add", "new", "--lag", "-1"], "The normal delay lies between"),
        (["add", "new", "--every", "0"], "A source that sends regularly"),
        (["token", "nobody"], "There is no source named nobody"),
        (["token", "trail", "--days", "0"], "A token lasts between 1 and"),
        (["complete", "trail", "--through", "2999-01-01T00:00:00Z"], "A source cannot be complete"),
        (["complete", "trail", "--through", "yesterday"], "'yesterday' is no time"),
        (["gap", "trail", "2026-11-02", "2026-11-01"], "A gap ends after it begins."),
    ],
)
def test_source_refuses_with_a_sentence(
    source: Callable[..., Source], arguments: list[str], sentence: str
) -> None:
    source("trail")
    with pytest.raises(CommandError) as refused:
        source_command(*arguments)
    assert str(refused.value)[: len(sentence)] == sentence
    assert (Source.objects.count(), LedgerEntry.objects.count()) == (1, 0)


@pytest.mark.django_db
def test_source_complete_never_goes_back(source: Callable[..., Source]) -> None:
    source("trail")
    source_command("complete", "trail", "--through", "2026-11-02T00:00:00Z")
    with pytest.raises(CommandError):
        source_command("complete", "trail", "--through", "2026-11-01T00:00:00Z")
    assert source_command("list")[0]["watermark"] == "2026-11-02T00:00:00Z"


@pytest.mark.django_db
def test_source_gap_is_recorded_once(source: Callable[..., Source]) -> None:
    source("trail")
    for _ in range(2):
        source_command("gap", "trail", "2026-11-01", "2026-11-02T00:00:00Z", "--reason", "moved")
    assert list(Gap.objects.values_list("reason", flat=True)) == ["moved"]
    assert LedgerEntry.objects.get().words == (
        "source trail was silent from 2026-11-01T00:00:00Z to 2026-11-02T00:00:00Z: moved"
    )


@pytest.mark.django_db
def test_source_token_replaces_the_one_before(source: Callable[..., Source]) -> None:
    source("trail")
    first = source_command("token", "trail")["token"]
    second = source_command("token", "trail", "--days", "30")["token"]
    row = Source.objects.get()
    assert first != second
    assert bytes(row.token_digest or b"") == doors.digest_of(second)
    assert row.token_expires_at is not None
