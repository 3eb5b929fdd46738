"""Teleport: bots from their join token to their certificate to its use."""

from pathlib import Path
from typing import Any

import pytest

from evidence.formats.record import ActorName
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED, TOOL_CALL, USE
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
