"""CloudTrail: records that are no plain call of one account: insights, copies, NULs."""

from typing import Any

import orjson
import pytest

from evidence.formats import FORMATS, recognise
from evidence.formats.paths import lower_names
from evidence.formats.record import Asked
from evidence.vocabulary import (
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_UNKNOWN,
    USE,
)
from tests.evidence.formats import abuse
from tests.evidence.formats.test_cloudtrail import ACCOUNT, RECORDS, one, parse

INSIGHT: dict[str, Any] = {
    "eventVersion": "1.09",
    "eventTime": "2031-03-04T05:45:00Z",
    "awsRegion": "eu-west-1",
    "eventID": "00000000-0000-4000-8000-000000000100",
    "eventType": "AwsCloudTrailInsight",
    "recipientAccountId": ACCOUNT,
    "sharedEventID": "00000000-0000-4000-8000-000000000200",
    "insightDetails": {
        "state": "Start",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetBucketPolicy",
        "insightType": "ApiErrorRateInsight",
        "errorCode": "NoSuchBucketPolicy",
        "insightContext": {"statistics": {"baseline": {"average": 0.002}}},
    },
    "eventCategory": "Insight",
}
SHAPES = {
    "document": {"Records": [INSIGHT]},
    "alone": INSIGHT,
    "among calls": {"Records": [INSIGHT, *RECORDS]},
    "event bridge": {"detail": INSIGHT},
    "log subscription": {"logEvents": [{"message": orjson.dumps(INSIGHT).decode()}]},
    "store without capitals": lower_names(INSIGHT)
    | {"insightdetails": orjson.dumps(INSIGHT["insightDetails"]).decode()},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_insight_is_read_and_is_no_use_of_the_operation(shape: str) -> None:
    body = orjson.dumps(SHAPES[shape])
    assert recognise(body) == "cloudtrail"
    read = parse(body)
    assert read.rejects == []
    record = read.records[0]
    assert (record.action, record.resource) == (
        "cloudtrail:ApiErrorRateInsight Start",
        "s3:GetBucketPolicy",
    )
    assert (record.activity, record.outcome, record.principal) == (USE, OUTCOME_UNKNOWN, None)
    assert (record.realm, record.at) == (f"aws:{ACCOUNT}", 1_930_369_500_000_000)
    assert (record.vendor_id, record.conversation, record.error) == (
        INSIGHT["eventID"],
        INSIGHT["sharedEventID"],
        "NoSuchBucketPolicy",
    )


@pytest.mark.parametrize("details", [None, [], "x", 7, {}, {"insightType": 7, "eventName": []}])
def test_insight_that_tells_nothing_is_named_or_read(details: Any) -> None:
    read = parse([{**INSIGHT, "insightDetails": details}, RECORDS[0]])
    assert len(read.records) + len(read.rejects) == 2
    if type(details) is dict:
        assert read.records[0].action == "cloudtrail:Insight"
        assert read.records[0].resource is None
    else:
        assert [one.reason for one in read.rejects] == ["has no eventName"]


def test_copies_of_one_call_in_two_accounts_share_what_is_kept() -> None:
    shared = "00000000-0000-4000-8000-000000000300"
    theirs = {"type": "AWSAccount", "accountId": ACCOUNT, "principalId": "AROAX:run-7"}
    copy = one(
        recipientAccountId="444455556666",
        eventID="00000000-0000-4000-8000-000000000301",
        userIdentity=theirs,
        sharedEventID=shared,
    )
    ours, other = parse([one(sharedEventID=shared), copy]).records
    assert ours.conversation == other.conversation == shared
    assert ours.digest != other.digest
    assert [record.realm for record in (ours, other)] == [f"aws:{ACCOUNT}", "aws:444455556666"]
    # The copy counts as the account's that called, not once more as the caller's.
    assert other.principal is not None
    assert (other.principal.kind, other.principal.value) == ("account", ACCOUNT)


def test_nul_in_a_key_of_an_object_keeps_the_access() -> None:
    record = one(requestParameters={"bucketName": "ledgers", "key": "2031/\0march.csv"})
    for body in (record, {"Records": [record]}, {"CloudTrailEvent": orjson.dumps(record).decode()}):
        read = parse(body)
        assert read.rejects == []
        assert read.records[0].resource == r"ledgers/2031/\u0000march.csv"
        # What was received is what is kept and told apart.
        assert b"\\u0000march" in read.kept
        assert parse(read.kept).records[0].resource == r"ledgers/2031/\u0000march.csv"
    plain = one(requestParameters={"bucketName": "ledgers", "key": "2031/march.csv"})
    assert parse(record).records[0].digest != parse(plain).records[0].digest


def test_nul_in_what_a_store_keeps_as_text_is_escaped_too() -> None:
    low = lower_names(RECORDS[2])
    low["requestparameters"] = orjson.dumps({"bucketName": "ledgers", "key": "a\0b"}).decode()
    assert parse(low).records[0].resource == r"ledgers/a\u0000b"


def test_nul_among_records_of_other_formats_is_escaped_too() -> None:
    record = one(requestParameters={"bucketName": "ledgers", "key": "a\0b"})
    read = FORMATS["github"].parse(orjson.dumps([record]), Asked("lab", b"k" * 32))
    assert [one.resource for one in read.records] == [r"ledgers/a\u0000b"]


def test_name_of_nothing_but_nuls_is_a_name() -> None:
    read = parse([one(eventName="\0\0"), RECORDS[0]])
    assert (read.records[0].action, read.rejects) == (r"s3:\u0000\u0000", [])


def test_records_survive_hostile_values() -> None:
    abuse.survives("cloudtrail", [INSIGHT, *RECORDS])


def signed_in(**changes: Any) -> dict[str, Any]:
    """A sign-in through IAM Identity Center, as its portal logs it."""
    store = f"arn:aws:identitystore::{ACCOUNT}:identitystore/d-1"
    return {
        **RECORDS[0],
        "eventSource": "signin.amazonaws.com",
        "eventName": "UserAuthentication",
        "userIdentity": {
            "type": "IdentityCenterUser",
            "accountId": ACCOUNT,
            "onBehalfOf": {"userId": "u-1", "identityStoreArn": store},
        },
        "requestParameters": None,
        "responseElements": None,
        "errorCode": None,
        "errorMessage": None,
        **changes,
    }


@pytest.mark.parametrize(
    ("said", "outcome"), [("Success", OUTCOME_OK), ("Failure", OUTCOME_FAILED)]
)
def test_sign_in_through_the_portal_says_how_it_ended(said: str, outcome: int) -> None:
    record = parse(signed_in(serviceEventDetails={"UserAuthentication": said})).records[0]
    assert record.outcome == outcome
    assert record.principal is not None
    assert record.on_behalf is None


@pytest.mark.parametrize(("code", "outcome"), [("200", OUTCOME_OK), ("404", OUTCOME_FAILED)])
def test_status_in_the_place_of_an_error_is_one(code: str, outcome: int) -> None:
    assert parse(one(errorCode=code, errorMessage=None)).records[0].outcome == outcome


def test_first_of_several_addresses_called() -> None:
    record = parse(one(sourceIPAddress="203.0.113.9, 10.0.0.1")).records[0]
    assert record.address == "203.0.113.9"


@pytest.mark.parametrize(
    ("source", "name", "parameters", "resource"),
    [
        ("ssm", "StartSession", {"target": "i-0a", "documentName": "Port"}, "i-0a"),
        ("secretsmanager", "BatchGetSecretValue", {"secretIdList": ["books/key"]}, "books/key"),
    ],
)
def test_parameter_that_tells_most_is_the_resource(
    source: str, name: str, parameters: dict[str, Any], resource: str
) -> None:
    call = {"eventSource": f"{source}.amazonaws.com", "eventName": name, "resources": None}
    assert parse(one(**call, requestParameters=parameters)).records[0].resource == resource


MADE = [
    (
        "iam",
        "UploadSSHPublicKey",
        {"sSHPublicKey": {"sSHPublicKeyId": "APKA1"}},
        "ssh_key",
        "APKA1",
    ),
    (
        "iam",
        "UploadSigningCertificate",
        {"certificate": {"certificateId": "TA7S"}},
        "certificate",
        "TA7S",
    ),
    ("ec2", "CreateKeyPair", {"keyPairId": "key-0a", "keyName": "rosa"}, "key_pair", "key-0a"),
    ("ec2", "ImportKeyPair", {"keyName": "rosa"}, "key_pair", "rosa"),
]


@pytest.mark.parametrize(("source", "name", "answer", "kind", "value"), MADE)
def test_keys_that_are_no_access_keys_are_issued_too(
    source: str, name: str, answer: dict[str, Any], kind: str, value: str
) -> None:
    call = {"eventSource": f"{source}.amazonaws.com", "eventName": name, "errorCode": None}
    record = parse(one(**call, requestParameters={}, responseElements=answer)).records[0]
    assert record.activity == ISSUANCE
    assert record.issued is not None
    assert (record.issued.credential.kind, record.issued.credential.value) == (kind, value)
    assert record.issued.issued_to is not None
