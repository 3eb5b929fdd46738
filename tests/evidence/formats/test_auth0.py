"""Auth0: tenants, machines and people, and how a type code ended."""

from pathlib import Path
from typing import Any

import pytest

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
from tests.evidence.formats.abuse import read, sample

FLAT: dict[str, Any] = sample("auth0")[-1]


@pytest.mark.parametrize(
    ("members", "realm"),
    [
        ({"tenant_name": "Acme"}, "auth0:acme"),
        ({"hostname": "acme.eu.auth0.com"}, "auth0:acme"),
        ({"hostname": "login.example.com"}, "auth0"),
        (
            {"hostname": "login.example.com", "audience": "https://acme.auth0.com/api/v2/"},
            "auth0:acme",
        ),
        ({}, "auth0"),
    ],
)
def test_tenant_is_read_from_names_that_auth0_gives(members: dict[str, Any], realm: str) -> None:
    bare = {k: v for k, v in FLAT.items() if k not in ("tenant_name", "hostname")}
    assert read("auth0", {**bare, **members}).realm == realm


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("s", OUTCOME_OK),
        ("f", OUTCOME_FAILED),
        ("fcoa", OUTCOME_FAILED),
        ("ferrt", OUTCOME_FAILED),
        ("limit_mu", OUTCOME_REFUSED),
        ("gd_auth_rejected", OUTCOME_REFUSED),
        ("gd_auth_failed", OUTCOME_FAILED),
        ("gd_otp_rate_limit_exceed", OUTCOME_REFUSED),
        ("gd_auth_succeed", OUTCOME_OK),
        ("pwd_leak", OUTCOME_REFUSED),
        ("w", OUTCOME_UNKNOWN),
    ],
)
def test_type_code_says_how_it_ended(code: str, outcome: int) -> None:
    assert read("auth0", {**FLAT, "type": code}).outcome == outcome


def test_machine_of_the_management_api_is_its_client() -> None:
    record = read("auth0", sample("auth0")[7])
    assert record.principal == ActorName("auth0:acme", "app", "client-9")


def test_labelled_rows_name_everybody(data: Path) -> None:
    parsed = abuse.parse("auth0", abuse.labelled(data, "auth0"))
    assert len(parsed.records) == 32
    assert all(one.principal and one.at and one.address for one in parsed.records)
    assert sum(one.credential is not None for one in parsed.records) == 31


@pytest.mark.parametrize("code", ["sapi", "gd_tenant_update"])
@pytest.mark.parametrize("status", [403, "403"])
def test_answer_says_how_a_call_ended(code: str, status: Any) -> None:
    record = {**FLAT, "type": code, "details": {"response": {"statusCode": status}}}
    assert read("auth0", record).outcome == OUTCOME_REFUSED


@pytest.mark.parametrize(
    ("code", "activity"),
    [("gd_tenant_update", CHANGE), ("gd_unenroll", CHANGE), ("gd_start_auth", AUTHENTICATION)],
)
def test_settings_of_guardian_are_changes(code: str, activity: int) -> None:
    assert read("auth0", {**FLAT, "type": code}).activity == activity


@pytest.mark.parametrize(
    ("secrets", "activity"), [(["client_secret"], ISSUANCE), ([], CHANGE), (None, CHANGE)]
)
def test_secret_of_a_new_application_is_issued(secrets: Any, activity: int) -> None:
    said = {"type": "sapi", "description": "Create a client"}
    record = {**FLAT, **said, "details": {"accessedSecrets": secrets}}
    assert read("auth0", record).activity == activity


def test_application_that_is_asked_for_in_the_address_is_named() -> None:
    bare = {k: v for k, v in FLAT.items() if k not in ("client_id", "user_id", "user_name")}
    record = read("auth0", {**bare, "type": "f", "details": {"qs": {"client_id": "client-7"}}})
    assert record.principal == ActorName("auth0:acme", "app", "client-7")
