"""Delinea's vault: what was handed over to whom; CyberArk's and Delinea's lines as LEEF."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from evidence.formats import lines, recognise
from evidence.formats.record import ActorName
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
)
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import parse, read
from tests.evidence.formats.conftest import SAMPLES

ROWS: list[dict[str, Any]] = [
    orjson.loads(line) for line in (SAMPLES / "delinea.jsonl").read_bytes().splitlines()
]
ROSA = ActorName("delinea:vault02", "user", "rosa")
ROOT = ActorName("delinea:vault02", "account", "db1-root")


def test_secret_that_is_viewed_is_issued() -> None:
    record = read("delinea", ROWS[0])
    assert (record.principal, record.credential, record.resource) == (ROSA, ROOT, "db1-root")
    assert (record.activity, record.outcome, record.address) == (
        ISSUANCE,
        OUTCOME_OK,
        "198.51.100.7",
    )
    assert record.issued == (ROOT, ROSA, False, None)


def test_sign_in_and_change_issue_nothing() -> None:
    failed, changed = read("delinea", ROWS[1]), read("delinea", ROWS[2])
    assert (failed.activity, failed.outcome, failed.credential) == (
        AUTHENTICATION,
        OUTCOME_FAILED,
        None,
    )
    assert (changed.activity, changed.credential, changed.issued) == (CHANGE, ROOT, None)


CEF = (
    "Nov 20 10:00:00 vault02 CEF:0|Thycotic Software|Secret Server|10.9|10004|SECRET - VIEW|2|"
    "msg=[[SecretServer]] Event: [Secret] Action: [View] suid=5 suser=rosa fname=db1-root"
    " fileType=Password src=198.51.100.7 rt=Nov 20 2026 10:00:00\n"
)
LEEF = (
    "Nov 20 10:00:00 vault01 LEEF:1.0|CyberArk|Vault|12.6|295|act=Retrieve password\tusrName=rosa"
    "\tfname=Root\\db1-root\tcs2Label=Safe Name\tcs2=Linux\tsrc=198.51.100.7\n"
)


def test_lines_of_each_vendor_are_known() -> None:
    assert [recognise(text.encode()) for text in (CEF, LEEF)] == ["delinea", "cyberark"]
    viewed = parse("delinea", CEF.encode()).records[0]
    assert (viewed.principal, viewed.credential, viewed.at) == (ROSA, ROOT, 1_795_168_800_000_000)
    retrieved = parse("cyberark", LEEF.encode()).records[0]
    assert retrieved.principal == ActorName("cyberark:vault01", "user", "rosa")
    assert (retrieved.action, retrieved.resource) == ("Retrieve password", "Linux/db1-root")


@pytest.mark.parametrize(
    ("between", "sign"), [("^", "^"), ("x5E", "^"), ("0x5E", "\t"), ("", "\t"), ("xZZ", "")]
)
def test_second_leef_says_what_stands_between_its_pairs(between: str, sign: str) -> None:
    line = f"LEEF:2.0|V|P|1|E|{between}|" + (sign or "\t").join(("a=1", "b=x=y", "c="))
    expected = {
        "a": "1",
        "b": "x=y",
        "deviceVendor": "V",
        "deviceProduct": "P",
        "deviceVersion": "1",
        "deviceEventClassId": "E",
    }
    assert lines.leef(line) == (expected if sign else None)


@pytest.mark.parametrize(
    "line", ["", "LEEF:", "LEEF:3.0|a|b|c|d|", "LEEF:1.0|a|b", "LEEF:2.0|a|b|c|d|"]
)
def test_line_that_is_no_leef_is_none(line: str) -> None:
    assert lines.leef(line) is None


def test_hostile_records_are_survived() -> None:
    abuse.survives("delinea", ROWS)


@given(abuse.anywhere(ROWS))
def test_damaged_bodies_are_survived(body: bytes) -> None:
    parsed = parse("delinea", body)
    assert len(parsed.records) + len(parsed.rejects) >= 1


PLATFORM = abuse.sample("delinea_platform")
TENANT = "delinea:acme-1"


def test_secret_of_the_platform_is_the_same_when_viewed_and_when_a_session_uses_it() -> None:
    viewed, launched, closed = (read("delinea_platform", one) for one in PLATFORM[:3])
    secret, rosa = ActorName(TENANT, "account", "4"), ActorName(TENANT, "user", "rosa@example.com")
    assert viewed.issued == (secret, rosa, False, None)
    assert [one.credential for one in (viewed, launched, closed)] == [secret] * 3
    assert launched.conversation == closed.conversation is not None
    assert closed.principal == ActorName(TENANT, "service", "systemuser")
    assert (launched.address, launched.user_agent) == ("198.51.100.7", "Mozilla/5.0")


def test_secret_that_was_refused_is_issued_to_nobody() -> None:
    refused = {**PLATFORM[0], "displayMessage": "Access to the secret was denied."}
    record = read("delinea_platform", refused)
    assert (record.outcome, record.issued) == (OUTCOME_REFUSED, None)


def test_address_is_one_or_none() -> None:
    found = [read("delinea_platform", one).address for one in PLATFORM[4:]]
    assert found == ["198.51.100.9", None]
    for name, address in (("198.51.100.1", "198.51.100.1"), ("Chrome on Windows", None)):
        without = {**PLATFORM[0], "source": {"host": None, "name": name}}
        assert read("delinea_platform", without).address == address


def test_person_for_whom_the_platforms_user_acts_is_named() -> None:
    for_mia = {**PLATFORM[0], "actor": {**PLATFORM[0]["actor"], "delegatedUserName": "mia"}}
    assert read("delinea_platform", for_mia).on_behalf == ActorName(TENANT, "user", "mia")


def test_records_of_the_platform_survive_hostile_values() -> None:
    abuse.survives("delinea_platform", PLATFORM)


@pytest.mark.parametrize("action", ["SECRET - PASSWORD_DISPLAYED", "SECRET - PASSWORD DISPLAYED"])
def test_password_that_is_displayed_is_issued(action: str) -> None:
    record = read("delinea", {**ROWS[0], "name": action})
    assert (record.activity, record.issued) == (ISSUANCE, (ROOT, ROSA, False, None))


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("vault02: Application initialized and started.", OUTCOME_UNKNOWN),
        ("System.Exception (0x80004005): Unspecified error", OUTCOME_UNKNOWN),
        ("rosa - Login Failed. Bad password", OUTCOME_FAILED),
        ("x" * 1_000_000 + "Login Failed", OUTCOME_UNKNOWN),
        (7, OUTCOME_UNKNOWN),
    ],
)
def test_products_log_of_itself_says_not_that_something_worked(said: Any, outcome: int) -> None:
    row = {**ROWS[1], "name": "System Log", "deviceEventClassId": "500", "msg": said}
    parsed = parse("delinea", row)
    assert [one.outcome for one in parsed.records] == [outcome]
    assert b"Bad password" not in parsed.kept
    again = parse("delinea", parsed.kept)
    assert [abuse.told(one) for one in again.records] == [abuse.told(one) for one in parsed.records]


def test_product_itself_is_a_service() -> None:
    record = read("delinea", {**ROWS[2], "suser": "ThycoticSystem", "suid": "1"})
    assert record.principal == ActorName("delinea:vault02", "service", "ThycoticSystem")
