"""Bedrock's model invocation log: the caller as CloudTrail names it, and no word of content."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence.formats.marking import is_gone
from evidence.vocabulary import OUTCOME_OK, OUTCOME_REFUSED
from tests.evidence.formats.abuse import labelled, parse, read, sample, told

MODEL = "anthropic.small-model-v1:0"


def test_record_reads_whole() -> None:
    record = read("bedrock", sample("bedrock")[5])
    assert (record.at, record.realm, record.request_id, record.task, record.release) == (
        1_930_467_900_000_000,
        "aws:600700800900",
        "0b6e5c1a-0000-4000-8000-000000000005",
        "close-month",
        MODEL,
    )
    assert read("bedrock", sample("bedrock")[2]).error == "guardrail_intervened"


EVENT = {
    "eventVersion": "1.11",
    "eventTime": "2031-03-05T09:00:00Z",
    "eventSource": "bedrock.amazonaws.com",
    "eventName": "Converse",
    "awsRegion": "eu-north-1",
    "recipientAccountId": "600700800900",
    "requestID": "0b6e5c1a-0000-4000-8000-000000000000",
    "requestParameters": {"modelId": MODEL},
    "userIdentity": {
        "type": "AssumedRole",
        "arn": "arn:aws:sts::600700800900:assumed-role/ledger-agent/nightly",
        "accountId": "600700800900",
        "accessKeyId": "ASIAEXAMPLE000000001",
        "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::600700800900:role/ledger-agent"}},
    },
}


def test_record_says_what_cloudtrail_says_of_the_same_call() -> None:
    log, trail = read("bedrock", sample("bedrock")[0]), read("cloudtrail", EVENT)
    assert (log.principal, log.action, log.resource, log.request_id, log.at, log.realm) == (
        (trail.principal, trail.action, trail.resource, trail.request_id, trail.at, trail.realm)
    )


def test_of_an_answer_stays_how_it_ended() -> None:
    kept = orjson.loads(parse("bedrock", sample("bedrock")).kept)["Records"]
    gone = kept[0]["output"]["outputBodyJson"]["content"]
    assert is_gone(gone)
    assert kept[0]["output"]["outputBodyJson"] == {
        "stopReason": "end_turn",
        "usage": {"inputTokens": 9, "outputTokens": 4},
        "metrics": {"latencyMs": 120},
        "content": gone,
    }
    assert kept[4]["input"]["inputBodyS3Path"] == "s3://prompts/2031/in.json"


@pytest.mark.parametrize("member", ["stopReason", "usage", "metrics"])
def test_content_under_the_name_of_a_count_is_dropped(member: str) -> None:
    record: dict[str, Any] = sample("bedrock")[0]
    record["output"]["outputBodyJson"][member] = {"said": "pay yourself " * 9}
    assert b"pay yourself" not in parse("bedrock", record).kept


def test_log_subscription_reads_as_the_records_inside() -> None:
    events = [
        {"id": str(number), "timestamp": 1, "message": orjson.dumps(row).decode()}
        for number, row in enumerate(sample("bedrock"))
    ]
    body = {"messageType": "DATA_MESSAGE", "owner": "600700800900", "logEvents": events}
    expected = [told(one) for one in parse("bedrock", sample("bedrock")).records]
    assert [told(one) for one in parse("bedrock", body).records] == expected


def test_recorded_rows_say_who_and_what(data: Path) -> None:
    parsed = parse("bedrock", labelled(data, "bedrock_invocation"))
    assert (len(parsed.records), parsed.rejects) == (5, [])
    assert [one.at for one in parsed.records] == [1_747_318_642_000_000] * 5
    assert {(one.principal is None, one.request_id is None) for one in parsed.records} == {
        (False, False)
    }


def test_answer_in_pieces_says_that_a_guardrail_held_it_back() -> None:
    record = sample("bedrock")[0]
    pieces = [
        {"type": "content_block_delta", "delta": {"text": "our salaries"}},
        {"type": "message_stop", "amazon-bedrock-guardrailAction": "INTERVENED"},
    ]
    parsed = parse("bedrock", {**record, "output": {"outputBodyJson": pieces}})
    assert parsed.records[0].outcome == OUTCOME_REFUSED
    assert b"salaries" not in parsed.kept
    again = parse("bedrock", parsed.kept)
    assert told(again.records[0]) == told(parsed.records[0])
    assert again.kept == parsed.kept
    fine = parse("bedrock", {**record, "output": {"outputBodyJson": pieces[:1]}})
    assert (fine.records[0].outcome, b"salaries" in fine.kept) == (OUTCOME_OK, False)


def test_instructions_beside_the_messages_go_however_short() -> None:
    record = {**sample("bedrock")[0], "system": "Be kind.", "messages": [{"content": "Hi"}]}
    kept = parse("bedrock", record).kept
    assert b"kind" not in kept
    assert b"Hi" not in kept
