"""CyberArk: what was handed over to whom, sessions, components, and four ways of writing it."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from evidence.formats import recognise
from evidence.formats.record import ActorName
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    REVOCATION,
    USE,
)
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import parse, read
from tests.evidence.formats.conftest import SAMPLES

BODY = (SAMPLES / "cyberark.jsonl").read_bytes()
OTHERS = (SAMPLES / "cyberark_cef.jsonl").read_bytes()
ROWS: list[dict[str, Any]] = [orjson.loads(line) for line in (BODY + OTHERS).splitlines()]
ROSA = ActorName("cyberark:vault01", "user", "rosa")
ROOT = ActorName("cyberark:vault01", "account", "root@db1.example.com")
STORED = "Linux/Operating System-Unix-db1-root"


def test_record_reads_whole() -> None:
    assert read("cyberark", ROWS[1])._replace(digest=b"") == (
        "Records[0]",
        b"",
        1_930_366_860_000_000,
        "cyberark:vault01",
        1,
        ISSUANCE,
        OUTCOME_OK,
        "Retrieve password",
        STORED,
        ROSA,
        ROOT,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        "198.51.100.7",
        None,
        None,
        None,
        "17",
        None,
        (ROOT, ROSA, False, None),
    )


def test_account_that_was_handed_over_is_the_one_of_the_session() -> None:
    handed, session = (read("cyberark", row) for row in ROWS[1:3])
    assert handed.issued is not None
    assert handed.issued.credential == session.credential == ROOT
    assert session.conversation == "s-1"


ACTS = [
    (0, "Logon", AUTHENTICATION, OUTCOME_OK),
    (2, "PSM Connect", USE, OUTCOME_OK),
    (3, "Keystroke logging", USE, OUTCOME_OK),
    (5, "CPM Change Password", CHANGE, OUTCOME_OK),
    (6, "Failed Logon", AUTHENTICATION, OUTCOME_FAILED),
    (8, "Add User", CHANGE, OUTCOME_OK),
]


@pytest.mark.parametrize(("row", "action", "activity", "outcome"), ACTS)
def test_act(row: int, action: str, activity: int, outcome: int) -> None:
    record = read("cyberark", ROWS[row])
    assert (record.action, record.activity, record.outcome) == (action, activity, outcome)


def test_component_is_a_service_and_acts_for_an_application() -> None:
    manager, provider = (read("cyberark", ROWS[row]) for row in (5, 7))
    assert manager.principal == ActorName("cyberark:vault01", "service", "PasswordManager")
    assert provider.on_behalf == ActorName("cyberark:vault01", "app", "ledger-agent")
    assert provider.issued is not None
    assert provider.issued.issued_to == provider.on_behalf


def test_reason_is_an_error_only_of_what_failed() -> None:
    assert [read("cyberark", ROWS[row]).error for row in (1, 6)] == [None, "wrong password"]


def test_what_a_session_typed_is_dropped() -> None:
    parsed = parse("cyberark", ROWS)
    assert b"private words" not in parsed.kept
    assert b'"SessionID":"s-1"' in parsed.kept


HEAD = "<5>1 2031-03-04T05:09:00Z VAULT01 "
CEF = (
    HEAD + 'CEF:0|Cyber-Ark|Vault|14.2.0002|295|Retrieve password|5|act="Retrieve password"'
    " suser=rosa fname=Root\\Operating System-Unix-db1-root dvc= shost=198.51.100.7"
    ' dhost=db1.example.com duser=root externalId= app= reason="a=b ticket"'
    ' cs1Label="Affected User Name" cs1= cs2Label="Safe Name" cs2="Linux" cn1Label="Request Id"'
    " cn1=17 msg="
)
PERCENT = (
    HEAD + '%CYBERARK: MessageID="295";Version="14.2";Message="Retrieve password";Issuer="rosa";'
    'Station="198.51.100.7";File="Root\\Operating System-Unix-db1-root";Safe="Linux";'
    'TargetUser="root";Address="db1.example.com";RequestId="17";Severity="Info";'
)


@pytest.mark.parametrize("line", [CEF, PERCENT], ids=["cef", "percent"])
def test_line_says_the_same_as_json(line: str) -> None:
    body = f"{line}\r\n{line.replace('rosa', 'ada')}\n".encode()
    assert recognise(body) == "cyberark"
    parsed = parse("cyberark", body)
    assert parsed.rejects == []
    expected = read("cyberark", ROWS[1])
    assert parsed.records[0]._replace(digest=b"", position="", at=None) == expected._replace(
        digest=b"", position="", at=None
    )
    assert parsed.records[1].principal == ActorName("cyberark:vault01", "user", "ada")


def test_line_that_is_none_is_rejected_with_the_reason() -> None:
    parsed = parse("cyberark", f"{CEF}\nsomething else\n".encode())
    assert len(parsed.records) == 1
    assert [(one.position, one.reason) for one in parsed.rejects] == [
        ("line 2", "is no CEF, LEEF or %CYBERARK line")
    ]


def test_platform_audit_is_read() -> None:
    record = read("cyberark", ROWS[12])
    assert (record.realm, record.action, record.resource, record.conversation) == (
        "cyberark:t-1",
        "Retrieve password",
        "Linux/Unix-db1-root",
        "s-9",
    )


@pytest.mark.parametrize(
    ("source", "address"),
    [("2001:db8::7", "2001:db8::7"), ("198.51.100.7", "198.51.100.7"), ("PVWA", None), (7, None)],
)
def test_audit_of_the_platforms_directory_says_from_where(source: Any, address: str | None) -> None:
    row = {"auditCode": "IDP2001", "applicationCode": "IDP", "username": "rosa", "source": source}
    assert read("cyberark", row).address == address


@pytest.mark.parametrize(
    "shape", ["LEEF:1.0|Cyber-Ark|Vault|14.4|{}|", "CEF:0|Cyber-Ark|Vault|14|{}|x|5|"]
)
@pytest.mark.parametrize(("code", "outcome"), [("4", OUTCOME_FAILED), ("7", OUTCOME_OK)])
def test_user_authentication_is_only_written_of_one_that_failed(
    shape: str, code: str, outcome: int
) -> None:
    line = shape.format(code) + "act=User Authentication"
    (record,) = parse("cyberark", line.encode()).records
    assert (record.action, record.outcome) == ("User Authentication", outcome)


def test_long_names_of_cef_are_read() -> None:
    record = read("cyberark", ROWS[11])
    assert (record.action, record.principal) == ("Logon", ActorName("cyberark", "user", "ada"))


def test_every_sample_is_recognised() -> None:
    assert [recognise(orjson.dumps(row)) for row in ROWS] == ["cyberark"] * len(ROWS)


def test_hostile_records_are_survived() -> None:
    abuse.survives("cyberark", [ROWS[2], ROWS[7], ROWS[9], ROWS[10], ROWS[12]])


@given(abuse.anywhere(ROWS[1:3]))
def test_damaged_bodies_are_survived(body: bytes) -> None:
    parsed = parse("cyberark", body)
    assert len(parsed.records) + len(parsed.rejects) >= 1


CONNECT = (
    "<5>1 2031-03-04T05:01:00Z VAULT01 CEF:0|Cyber-Ark|Vault|14.0|300|PSM Connect|5|act=PSM Connect"
    ' suser=rosa dhost=db1.example.com duser=root cs2Label="Safe Name" cs2=Linux'
    " msg=SessionID=session-1;PSMID=PSM01;Command=private words;Protocol=RDP"
)


def test_session_is_found_among_the_details_that_cef_carries() -> None:
    parsed = parse("cyberark", CONNECT.encode())
    assert [one.conversation for one in parsed.records] == ["session-1"]
    assert b"private words" not in parsed.kept
    again = parse("cyberark", parsed.kept)
    assert [abuse.told(one) for one in again.records] == [abuse.told(one) for one in parsed.records]


@pytest.mark.parametrize("quoted", ["CEF:0|Cyber-Ark|Vault|", "%CYBERARK:", "LEEF:2.0|CyberArk|"])
def test_line_that_quotes_another_reads_again_as_the_same(quoted: str) -> None:
    first = parse("cyberark", f"{CEF}{quoted} more\n".encode())
    assert recognise(first.kept) == "cyberark"
    again = parse("cyberark", first.kept)
    assert len(again.records) == 1
    assert [abuse.told(one) for one in again.records] == [abuse.told(one) for one in first.records]


def _translated(**members: str) -> dict[str, Any]:
    """A record as the vault's translator writes it, with empty text where it has none."""
    empty = dict.fromkeys(("SourceUser", "TargetUser", "Safe", "File", "ExtraDetails"), "")
    said = {**empty, "Issuer": "rosa", "Hostname": "VAULT01", "Severity": "Info", **members}
    return {"syslog": {"audit_record": {**said, "Message": said["Action"], "Desc": said["Action"]}}}


@pytest.mark.parametrize(
    ("client", "address"),
    [
        ("SrcHost=198.51.100.20;", "198.51.100.20"),
        ("SrcHost=127.0.0.1;", "198.51.100.30"),
        ("", "198.51.100.30"),
    ],
)
@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("300", "PSM Connect"),
        ("359", "SQL Command"),
        ("361", "Keystroke logging"),
        ("411", "Window Title"),
    ],
)
def test_session_comes_from_the_client_and_not_from_the_gateway(
    code: str, action: str, client: str, address: str
) -> None:
    details = f"PSMID=PSM01;SessionID=s-1;{client}User=root;"
    row = _translated(MessageID=code, Action=action, Station="198.51.100.30", ExtraDetails=details)
    record = read("cyberark", row)
    assert (record.address, record.conversation) == (address, "s-1")


def test_session_of_a_cef_line_comes_from_the_client_too() -> None:
    line = CONNECT.replace("suser=rosa", "suser=rosa shost=198.51.100.30")
    line = line.replace("Protocol=RDP", "Protocol=RDP;SrcHost=198.51.100.20")
    parsed = parse("cyberark", line.encode())
    assert [one.address for one in parsed.records] == ["198.51.100.20"]
    again = parse("cyberark", parsed.kept)
    assert [abuse.told(one) for one in again.records] == [abuse.told(one) for one in parsed.records]


TO_SOMEBODY = [
    ("Add User", {"SourceUser": "ada"}, "ada", CHANGE),
    ("Reset User Password", {"SourceUser": "ada"}, "ada", CHANGE),
    ("Add Owner", {"SourceUser": "ada", "Safe": "Linux"}, "Linux/ada", CHANGE),
    ("Update Owner", {"SourceUser": "ada", "Safe": "Linux"}, "Linux/ada", CHANGE),
    ("Remove Owner", {"SourceUser": "ada", "Safe": "Linux"}, "Linux/ada", REVOCATION),
    ("Add Group Member", {"SourceUser": "Ops", "TargetUser": "ada"}, "Ops/ada", CHANGE),
    ("Remove Group Member", {"SourceUser": "Ops", "TargetUser": "ada"}, "Ops/ada", REVOCATION),
    ("Full Gateway Connection", {"SourceUser": "PVWAGWUser"}, None, AUTHENTICATION),
    ("Retrieve password", {"SourceUser": "x", "Safe": "L", "File": "Root\\a"}, "L/a", ISSUANCE),
]


@pytest.mark.parametrize(("action", "members", "resource", "activity"), TO_SOMEBODY)
def test_administration_names_to_whom_it_was_done(
    action: str, members: dict[str, str], resource: str | None, activity: int
) -> None:
    record = read("cyberark", _translated(MessageID="1", Action=action, **members))
    assert (record.resource, record.activity) == (resource, activity)


def test_affected_user_of_a_cef_line_is_whom_it_is_about() -> None:
    line = CEF.replace("Retrieve password", "Add Owner").replace("cs1= ", "cs1=ada ")
    line = line.replace("fname=Root\\Operating System-Unix-db1-root", "fname=")
    (record,) = parse("cyberark", line.encode()).records
    assert (record.action, record.resource) == ("Add Owner", "Linux/ada")


@pytest.mark.parametrize(
    ("action", "severity", "outcome"),
    [
        ("Undefined User Logon", "Error", OUTCOME_FAILED),
        ("Full Gateway Connection", "Info", OUTCOME_OK),
        ("Partial Gateway Connection", "Info", OUTCOME_OK),
    ],
)
def test_sign_in_by_another_name_is_one(action: str, severity: str, outcome: int) -> None:
    record = read("cyberark", _translated(MessageID="1", Action=action, Severity=severity))
    assert (record.activity, record.outcome) == (AUTHENTICATION, outcome)
