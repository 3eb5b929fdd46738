"""CloudTrail's aggregated events, and its records as rows of a Log Analytics workspace."""

from typing import Any

import orjson
import pytest

from evidence.formats import recognise
from evidence.formats.paths import lower_names
from evidence.formats.record import ActorName, Record
from evidence.vocabulary import ISSUANCE, OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_UNKNOWN, USE
from tests.evidence.formats import abuse

ACCOUNT = "111122223333"
REALM = f"aws:{ACCOUNT}"


def counted(dimension: str, *names: str, details: str = "resourceARN") -> dict[str, Any]:
    """An aggregated event as the CloudTrail user guide shows it."""
    return {
        "eventVersion": "1.0",
        "accountId": ACCOUNT,
        "eventId": "62759c1a-6248-48e1-a6b3-d5fb7e6c4bc0",
        "eventCategory": "Aggregated",
        "eventType": "AwsAggregatedEvent",
        "awsRegion": "us-west-2",
        "eventSource": "s3.amazonaws.com",
        "timeWindow": {
            "windowStart": "2025-11-17T19:20:00Z",
            "windowEnd": "2025-11-17T19:25:00Z",
            "windowSize": "PT5M",
        },
        "summary": {
            "primaryDimension": {
                "dimension": dimension,
                "statistics": [{"name": name, "value": 800} for name in names],
                "aggregationType": "Count",
            },
            "details": [
                {
                    "dimension": details,
                    "statistics": [{"name": "arn:aws:s3:::bucket-1", "value": 800}],
                    "aggregationType": "Count",
                }
            ],
        },
    }


BUCKET = "arn:aws:s3:::bucket-1"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
ABOUT: dict[str, tuple[dict[str, Any], str, str]] = {
    "calls": (counted("eventName", "PutObject"), "eventName", "s3:PutObject"),
    "resources": (counted("resourceARN", BUCKET, details="eventName"), "resourceARN", BUCKET),
    "people": (counted("userIdentity", BOB, details="eventName"), "userIdentity", BOB),
    "several": (counted("eventName", "PutObject", "GetObject"), "eventName", "s3"),
    "lower case": (lower_names(counted("eventName", "PutObject")), "eventName", "s3:PutObject"),
}


@pytest.mark.parametrize("what", ABOUT)
def test_aggregated_event_counts_and_is_no_call(what: str) -> None:
    event, counts, resource = ABOUT[what]
    record = abuse.read("cloudtrail", event)
    assert record == Record(
        position=record.position,
        digest=record.digest,
        at=1_763_407_200_000_000,
        realm=REALM,
        plane=record.plane,
        activity=USE,
        outcome=OUTCOME_UNKNOWN,
        action=f"cloudtrail:Aggregated {counts}",
        resource=resource,
        vendor_id="62759c1a-6248-48e1-a6b3-d5fb7e6c4bc0",
        duration=300_000_000,
    )


@pytest.mark.parametrize("what", ABOUT)
def test_aggregated_events_are_known_in_every_body(what: str) -> None:
    event = ABOUT[what][0]
    bodies = (
        orjson.dumps(event),
        orjson.dumps({"Records": [event] * 60}),
        b"\n".join([orjson.dumps(event)] * 3),
        orjson.dumps(event) * 2,
    )
    assert [recognise(body) for body in bodies] == ["cloudtrail"] * 4
    assert [len(abuse.parse("cloudtrail", body).records) for body in bodies] == [1, 60, 3, 2]


def test_aggregated_events_stand_among_calls() -> None:
    call = {"eventName": "ListKeys", "eventSource": "kms.amazonaws.com", "userIdentity": {}}
    parsed = abuse.parse("cloudtrail", {"Records": [call, counted("eventName", "Decrypt"), call]})
    assert [one.action for one in parsed.records] == [
        "kms:ListKeys",
        "cloudtrail:Aggregated eventName",
        "kms:ListKeys",
    ]
    again = abuse.parse("cloudtrail", parsed.kept)
    assert again.records == parsed.records


def test_hostile_aggregated_events_are_read_or_rejected() -> None:
    abuse.survives("cloudtrail", [counted("eventName", "PutObject")])
    empty = {"eventType": "AwsAggregatedEvent", "eventCategory": "Aggregated"}
    record = abuse.read("cloudtrail", empty)
    assert (record.realm, record.at, record.action) == ("aws", None, "cloudtrail:Aggregated")


ROLE = f"arn:aws:iam::{ACCOUNT}:role/agents/clerk"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/clerk/run-7"
CALL: dict[str, Any] = {
    "eventVersion": "1.08",
    "eventTime": "2026-11-20T10:00:00Z",
    "eventName": "AssumeRole",
    "eventSource": "sts.amazonaws.com",
    "eventType": "AwsApiCall",
    "awsRegion": "eu-north-1",
    "eventID": "e-1",
    "requestID": "r-1",
    "sharedEventID": "s-1",
    "sourceIPAddress": "198.51.100.7",
    "userAgent": "aws-cli/2",
    "recipientAccountId": ACCOUNT,
    "userIdentity": {
        "type": "AssumedRole",
        "arn": SESSION,
        "principalId": "AROAEXAMPLE:run-7",
        "accountId": ACCOUNT,
        "accessKeyId": "ASIAEXAMPLEEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "arn": ROLE,
                "principalId": "AROAEXAMPLE",
                "accountId": ACCOUNT,
                "userName": "clerk",
            }
        },
    },
    "requestParameters": {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/next", "roleSessionName": "x"},
    "responseElements": {"credentials": {"accessKeyId": "ASIANEXTNEXTNEXTNE"}},
}
ROW: dict[str, Any] = {
    "TenantId": "workspace-1",
    "Type": "AWSCloudTrail",
    "SourceSystem": "OpsManager",
    "OperationName": "CloudTrail",
    "TimeGenerated": CALL["eventTime"],
    "EventName": CALL["eventName"],
    "EventSource": CALL["eventSource"],
    "EventTypeName": "AwsApiCall",
    "EventVersion": "1.08",
    "AWSRegion": "eu-north-1",
    "AwsEventId": "e-1",
    "AwsRequestId": "",
    "AwsRequestId_": "r-1",
    "SharedEventId": "s-1",
    "SourceIpAddress": "198.51.100.7",
    "UserAgent": "aws-cli/2",
    "RecipientAccountId": ACCOUNT,
    "ErrorCode": "",
    "ErrorMessage": "",
    "UserIdentityType": "AssumedRole",
    "UserIdentityArn": SESSION,
    "UserIdentityPrincipalid": "AROAEXAMPLE:run-7",
    "UserIdentityAccountId": ACCOUNT,
    "UserIdentityAccessKeyId": "ASIAEXAMPLEEXAMPLE",
    "UserIdentityUserName": "",
    "UserIdentityInvokedBy": "",
    "SessionIssuerType": "Role",
    "SessionIssuerArn": ROLE,
    "SessionIssuerPrincipalId": "AROAEXAMPLE",
    "SessionIssuerAccountId": ACCOUNT,
    "SessionIssuerUserName": "clerk",
    "RequestParameters": orjson.dumps(CALL["requestParameters"]).decode(),
    "ResponseElements": orjson.dumps(CALL["responseElements"]).decode(),
}


def test_row_of_a_workspace_says_what_its_record_says() -> None:
    assert recognise(orjson.dumps(ROW)) == "cloudtrail"
    read, told = abuse.read("cloudtrail", ROW), abuse.read("cloudtrail", CALL)
    assert abuse.told(read) == abuse.told(told)
    assert (read.activity, read.outcome) == (ISSUANCE, OUTCOME_OK)
    role = ActorName(REALM, "arn", ROLE)
    assert read.principal == ActorName(REALM, "role_session", SESSION, role)
    assert read.credential == ActorName("aws", "access_key", "ASIAEXAMPLEEXAMPLE", role)
    assert read.issued is not None
    assert read.issued.credential.value == "ASIANEXTNEXTNEXTNE"


def test_row_with_an_error_or_a_broken_text_is_read() -> None:
    denied = ROW | {
        "ErrorCode": "AccessDenied",
        "RequestParameters": "{broken",
        "ResponseElements": "",
    }
    record = abuse.read("cloudtrail", denied)
    assert (record.outcome, record.issued) == (OUTCOME_REFUSED, None)
    abuse.survives("cloudtrail", [ROW])
