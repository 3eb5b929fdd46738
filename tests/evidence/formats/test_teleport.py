"""Teleport: bots from their join token to their certificate to its use."""

from pathlib import Path
from typing import Any

import pytest

from evidence.formats.record import ActorName
from evidence.vocabulary import (
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    TOOL_CALL,
    USE,
)
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import read, sample

RECORDS = sample("teleport")
REALM = "teleport:acme.teleport.sh"


def test_join_token_is_the_same_when_made_and_when_used() -> None:
    made = read("teleport", RECORDS[2]).issued
    joined = {k: v for k, v in RECORDS[3].items() if k != "bot_instance_id"}
    assert made is not None
    assert made.credential == read("teleport", joined).credential


def test_certificate_is_the_same_when_issued_and_when_used() -> None:
    issued, used = read("teleport", RECORDS[4]).issued, read("teleport", RECORDS[6])
    assert issued is not None
    assert issued.credential == used.credential == ActorName(REALM, "certificate", "inst-1")
    assert (issued.issued_to, issued.standing) == (used.principal, False)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({"addr.remote": "198.51.100.1:5000"}, "198.51.100.1"),
        ({"addr.remote": "[2001:db8::1]:65123"}, "2001:db8::1"),
        ({"addr": {"remote": "198.51.100.2:22"}}, "198.51.100.2"),
        ({"remote_addr": "198.51.100.3"}, "198.51.100.3"),
        ({"addr_remote": "198.51.100.4:3022"}, "198.51.100.4"),
        ({"addr.remote": "laptop-7.example.com:3022"}, "laptop-7.example.com"),
        ({}, None),
    ],
)
def test_address_comes_without_its_port(given: dict[str, Any], address: str | None) -> None:
    bare = {k: v for k, v in RECORDS[0].items() if k != "addr.remote"}
    assert read("teleport", {**bare, **given}).address == address


@pytest.mark.parametrize(
    ("members", "outcome"),
    [
        ({"code": "T2000I"}, OUTCOME_OK),
        ({"code": "TDY01E"}, OUTCOME_FAILED),
        ({"code": "TSPN001W", "success": False, "error": "access to db denied."}, OUTCOME_REFUSED),
        ({"code": "T2008I", "status_code": 403}, OUTCOME_REFUSED),
        ({"code": "T1000W", "success": False}, OUTCOME_FAILED),
    ],
)
def test_code_and_success_say_how_it_ended(members: dict[str, Any], outcome: int) -> None:
    event = {"event": "db.session.start", "time": "2031-03-04T05:00:00Z", "uid": "u", **members}
    assert read("teleport", event).outcome == outcome


def test_labelled_rows_name_everybody(data: Path) -> None:
    parsed = abuse.parse("teleport", abuse.labelled(data, "teleport"))
    assert len(parsed.records) == 14
    assert all(one.principal and one.vendor_id for one in parsed.records)
    # One row writes its seconds with three digits, which is no time.
    assert sum(one.at is None for one in parsed.records) == 1


@pytest.mark.parametrize(
    ("message", "activity", "resource"),
    [
        ({"method": "tools/call", "params": {"name": "totals"}}, TOOL_CALL, "ledger-mcp/totals"),
        ({"method": "tools/list"}, USE, "ledger-mcp"),
        ({"method": "resources/read", "params": {"uri": "a://b"}}, USE, "ledger-mcp/a://b"),
        ({"method": 7, "params": [1]}, TOOL_CALL, "ledger-mcp"),
        (None, TOOL_CALL, "ledger-mcp"),
    ],
)
def test_request_to_a_server_names_the_tool_it_calls(
    message: Any, activity: int, resource: str
) -> None:
    record = read("teleport", {**RECORDS[12], "message": message})
    assert (record.activity, record.resource) == (activity, resource)


def test_certificate_comes_from_its_clients_address() -> None:
    assert read("teleport", RECORDS[17]).address == "198.51.100.13"


def _event(**members: Any) -> dict[str, Any]:
    return {"time": "2031-03-04T05:00:00Z", "uid": "u", "cluster_name": "acme", **members}


def test_recording_that_is_watched_is_what_is_used_and_no_session_of_whoever_watches() -> None:
    watched = _event(event="session.recording.access", code="T2012I", sid="sess-2", success=True)
    record = read("teleport", watched)
    assert (record.resource, record.conversation) == ("sess-2", None)
    ended = read("teleport", _event(event="session.end", code="T2004I", sid="sess-2"))
    assert ended.conversation == "sess-2"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (200, OUTCOME_OK),
        (401, OUTCOME_REFUSED),
        (403, OUTCOME_REFUSED),
        (404, OUTCOME_FAILED),
        (500, OUTCOME_FAILED),
        ("403", OUTCOME_OK),
    ],
)
def test_request_to_a_cluster_ends_as_its_answer_says(code: Any, outcome: int) -> None:
    assert read("teleport", {**RECORDS[6], "response_code": code}).outcome == outcome


@pytest.mark.parametrize(
    ("action", "outcome"),
    [(0, OUTCOME_OK), (1, OUTCOME_REFUSED), ("DENIED", OUTCOME_REFUSED), ([1], OUTCOME_OK)],
)
def test_connection_that_a_session_may_not_make_is_refused(action: Any, outcome: int) -> None:
    made = _event(event="session.network", code="T4002I", user="rosa", action=action)
    assert read("teleport", made).outcome == outcome
    assert read("teleport", {**made, "event": "session.disk"}).outcome == OUTCOME_OK


@pytest.mark.parametrize(
    ("addresses", "address"),
    [
        (
            {"addr.remote": "desk-1.example.com:3389", "addr.local": "198.51.100.9:4"},
            "198.51.100.9",
        ),
        ({"addr.remote": "desk-1.example.com:3389"}, None),
        (
            {"addr": {"remote": "desk-1.example.com:3389", "local": "198.51.100.8"}},
            "198.51.100.8",
        ),
        ({"addr.remote": "198.51.100.7:50000", "addr.local": "198.51.100.9:4"}, "198.51.100.7"),
    ],
)
def test_desktop_that_is_used_is_not_where_its_user_is(
    addresses: dict[str, Any], address: str | None
) -> None:
    desktop = {"desktop_addr": "desk-1.example.com:3389", "user": "rosa"}
    started = _event(event="windows.desktop.session.start", code="TDP00I", **desktop)
    assert read("teleport", {**started, **addresses}).address == address


@pytest.mark.parametrize(
    ("members", "outcome"),
    [
        ({"code": "T1012I", "success": False}, OUTCOME_UNKNOWN),
        ({"code": "T1013I", "success": True}, OUTCOME_OK),
        ({"code": "T1013W", "success": False}, OUTCOME_FAILED),
        ({"code": "T1014W", "success": False}, OUTCOME_REFUSED),
        ({"code": ["T1014W"], "success": False}, OUTCOME_FAILED),
    ],
)
def test_headless_sign_in_that_is_only_asked_for_has_not_ended(
    members: dict[str, Any], outcome: int
) -> None:
    sign_in = _event(event="user.login", method="headless", user="rosa", **members)
    assert read("teleport", sign_in).outcome == outcome


@pytest.mark.parametrize(
    ("success", "outcome"), [(False, OUTCOME_FAILED), (True, OUTCOME_OK), (None, OUTCOME_OK)]
)
def test_event_of_a_device_names_its_user_and_its_end_inside(success: Any, outcome: int) -> None:
    inside = {"user": {"user": "rosa"}, "device": {"device_id": "dev-1"}}
    event = _event(event="device", code="TV005I", status={"success": success}, **inside)
    record = read("teleport", event)
    assert record.principal == ActorName("teleport:acme", "user", "rosa")
    assert (record.outcome, record.resource) == (outcome, "dev-1")


ABOUT = [
    ("device.enroll", {"device": {"device_id": "dev-1"}}, "dev-1"),
    ("device.enroll", {"device": "dev-1"}, None),
    ("access_list.member.add", {"access_list_name": "admins"}, "admins"),
    ("saml.idp.auth", {"service_provider_entity_id": "https://sp"}, "https://sp"),
    ("saml.idp.service.provider.create", {"name": "sp", "service_provider_entity_id": "x"}, "sp"),
    ("mfa.delete", {"mfa_device_uuid": "key-1"}, "key-1"),
    ("desktop.clipboard.send", {"desktop_addr": "desk-1:3389"}, "desk-1:3389"),
    ("user.login", {"desktop_addr": "desk-1:3389"}, None),
]


@pytest.mark.parametrize(("event", "members", "resource"), ABOUT)
def test_event_is_about_what_its_family_names(
    event: str, members: dict[str, Any], resource: str | None
) -> None:
    made = _event(event=event, code="T0001I", user="rosa", **members)
    assert read("teleport", made).resource == resource


ACTIVITIES = [
    ("kube.create", CHANGE),
    ("kube.update", CHANGE),
    ("kube.delete", CHANGE),
    ("kube.request", USE),
    ("device.token.create", ISSUANCE),
    ("device.webtoken.create", ISSUANCE),
    ("device.create", CHANGE),
]


@pytest.mark.parametrize(("event", "activity"), ACTIVITIES)
def test_cluster_that_is_made_known_is_changed_and_tokens_of_devices_are_issued(
    event: str, activity: int
) -> None:
    assert read("teleport", _event(event=event, code="T0001I")).activity == activity


def test_sign_in_that_no_role_fits_names_whom_the_provider_signed_in() -> None:
    said = {"attributes": {"email": "rosa@example.com"}}
    failed = _event(event="user.login", code="T1011W", success=False, **said)
    rosa = ActorName("teleport:acme", "user", "rosa@example.com")
    assert read("teleport", failed).principal == rosa
    other = {**failed, "event": "bot.join", "code": "TJ001E"}
    assert read("teleport", other).principal is None


def test_bot_joins_for_whom_its_token_was_made() -> None:
    subject = "repo:acme/ledger:ref:refs/heads/main"
    joined = {**RECORDS[3], "attributes": {"sub": subject}}
    record = read("teleport", joined)
    assert record.principal == ActorName(REALM, "service_account", "bot-ledger")
    assert record.on_behalf == ActorName(REALM, "federated", subject)


def test_hostile_records_are_survived() -> None:
    device = {"device": {"device_id": "d"}, "user": {"user": "rosa"}, "status": {"success": False}}
    abuse.survives(
        "teleport",
        [
            _event(event="device", code="TV005I", **device),
            _event(event="user.login", code="T1011W", success=False, attributes={"email": "r@e"}),
            _event(event="desktop.x", code="T1I", addr={"remote": "d:1"}, desktop_addr="d:1"),
            {**RECORDS[3], "attributes": {"sub": "s"}},
        ],
    )
