"""OCSF in: classes, names of AWS as its own log writes them, agents, traces, versions."""

from typing import Any

import orjson
import pytest

from evidence.formats import cloudtrail, recognise
from evidence.formats.record import ActorName
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
    USE,
)
from tests.evidence.formats.abuse import ASKED, parse, read
from tests.evidence.formats.conftest import SAMPLES

BODY = (SAMPLES / "ocsf.jsonl").read_bytes()
ROWS: list[dict[str, Any]] = [orjson.loads(line) for line in BODY.splitlines()]
REALM = "sample-corp:t-1"
KEY = ActorName(REALM, "token", "key-7")
CLERK = ActorName(REALM, "service_account", "clerk")
AGENT = ActorName(REALM, "agent_id", "agent-7")


def test_call_reads_whole() -> None:
    assert read("ocsf", ROWS[4])._replace(digest=b"") == (
        "Records[0]",
        b"",
        1_930_367_040_000_000,
        REALM,
        1,
        USE,
        OUTCOME_OK,
        "ledgers.read",
        "ledgers/2031/03",
        CLERK,
        KEY,
        AGENT,
        None,
        "m-04",
        "req-7",
        bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736"),
        bytes.fromhex("00f067aa0ba902b7"),
        None,
        None,
        "198.51.100.7",
        None,
        None,
        "run-7",
        None,
        "1.4",
        None,
    )


def test_credential_that_was_added_is_the_one_that_is_used() -> None:
    made, used = (read("ocsf", row) for row in ROWS[3:5])
    assert made.issued == (KEY, CLERK, True, None)
    assert used.credential == KEY


def test_copy_of_cloudtrail_names_actors_and_calls_as_cloudtrail_does() -> None:
    own = cloudtrail.parse((SAMPLES / "cloudtrail.json").read_bytes(), ASKED).records[2]
    copy = read("ocsf", ROWS[6])
    for field in ("realm", "action", "activity", "resource", "principal", "credential", "outcome"):
        assert getattr(copy, field) == getattr(own, field), field
    assert copy.request_id == own.request_id


EVENTS = [
    (0, "Authentication: Logon", AUTHENTICATION, OUTCOME_OK),
    (1, "Authentication: Logon", AUTHENTICATION, OUTCOME_FAILED),
    (3, "User Management: 18", ISSUANCE, OUTCOME_OK),
    (5, "User Management: 19", REVOCATION, OUTCOME_OK),
    (7, "ledgers.delete", CHANGE, OUTCOME_REFUSED),
    (8, "Datastore Activity: 2", USE, OUTCOME_OK),
    (9, "User Access Management: Assign Privileges", CHANGE, OUTCOME_OK),
    (10, "Entity Management: Update", CHANGE, OUTCOME_REFUSED),
    (11, "Account Change: Disable", REVOCATION, OUTCOME_OK),
]


@pytest.mark.parametrize(("row", "action", "activity", "outcome"), EVENTS)
def test_event(row: int, action: str, activity: int, outcome: int) -> None:
    record = read("ocsf", ROWS[row])
    assert (record.action, record.activity, record.outcome) == (action, activity, outcome)


def test_account_switch_names_both_sides() -> None:
    record = read("ocsf", ROWS[2])
    assert record.principal == ActorName(REALM, "user", "rosa@example.com")
    assert record.on_behalf == ActorName(REALM, "user", "root")


NAMES = [
    ({"type_name": "Authentication: Logon", "api": None}, "Authentication: Logon"),
    ({"metadata": {"event_code": "user.session.start", "product": {}}}, "user.session.start"),
    ({"class_name": "Authentication", "activity_name": "MFA"}, "Authentication: MFA"),
    ({"class_uid": 4001, "activity_id": 6}, "class 4001: 6"),
]


@pytest.mark.parametrize(("change", "action"), NAMES)
def test_action_is_named_by_what_there_is(change: dict[str, Any], action: str) -> None:
    assert read("ocsf", {**ROWS[0], **change}).action == action


OUTCOMES = [
    ({"status_id": None, "status": "success"}, OUTCOME_OK),
    ({"status_id": None, "status": "Failure"}, OUTCOME_FAILED),
    ({"status_id": 99, "status": "odd"}, OUTCOME_UNKNOWN),
    ({"status_id": 2, "status_detail": "403"}, OUTCOME_REFUSED),
    ({"disposition": "Blocked"}, OUTCOME_REFUSED),
    ({"status_id": 0, "api": {"response": {"code": 201}}}, OUTCOME_OK),
    ({"status_id": 0, "api": {"response": {"code": 403}}}, OUTCOME_REFUSED),
    ({"status_id": 0, "api": {"response": {"code": 500}}}, OUTCOME_FAILED),
    ({"status_id": 0, "api": {"response": {}}}, OUTCOME_UNKNOWN),
]


@pytest.mark.parametrize(("change", "outcome"), OUTCOMES)
def test_outcome(change: dict[str, Any], outcome: int) -> None:
    assert read("ocsf", {**ROWS[0], **change}).outcome == outcome


REALMS = [
    ({"product": {"vendor_name": "Okta"}, "tenant_uid": "ORG1"}, "okta:org1"),
    ({"product": {"vendor_name": "Microsoft"}, "tenant_uid": "T"}, "entra:t"),
    ({"product": {"name": "Odd/Product <x>"}}, "odd-product-x"),
    ({"product": {}}, "ocsf"),
]


@pytest.mark.parametrize(("metadata", "realm"), REALMS)
def test_realm_is_of_the_product(metadata: dict[str, Any], realm: str) -> None:
    assert read("ocsf", {**ROWS[0], "metadata": metadata}).realm == realm


def test_statements_keep_their_form_and_bodies_go() -> None:
    kept = parse("ocsf", ROWS).kept
    assert b"SELECT * FROM people WHERE id = ?" in kept
    assert b'"q":"x"' not in kept


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_every_sample_is_recognised(row: dict[str, Any]) -> None:
    assert recognise(orjson.dumps(row)) == "ocsf"


def test_whom_windows_calls_nobody_is_nobody() -> None:
    """A logon over the network: nobody asked for it, and it is the user's that logged on."""
    actor = {"user": {"name": "-", "uid": "NULL SID", "domain": "-"}}
    row = {"class_uid": 3002, "category_uid": 3, "metadata": {"version": "1.1.0"}, "actor": actor}
    found = read("ocsf", {**row, "user": {"name": "rosa", "uid": "NULL SID"}})
    assert found.principal is not None
    assert (found.principal.value, found.on_behalf) == ("rosa", None)
