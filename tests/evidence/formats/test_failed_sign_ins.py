"""A sign-in that failed is *failed* at every vendor; one that a policy stopped is *refused*."""

from typing import Any

import orjson
import pytest

from evidence.vocabulary import AUTHENTICATION, OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED
from tests.evidence.formats.abuse import read, sample
from tests.evidence.formats.conftest import SAMPLES

OKTA = sample("okta")[0]
AUTH0 = {**sample("auth0")[-1], "type": "s"}
TELEPORT = sample("teleport")[0]
SNOWFLAKE = sample("snowflake")[2]
DATABRICKS = sample("databricks")[0]
VAULT = orjson.loads((SAMPLES / "vault.jsonl").read_bytes().splitlines()[8])
GITHUB = {
    "@timestamp": 1_930_367_160_000, "_document_id": "d1", "action": "user.failed_login",
    "actor": "octo-rosa", "org": "acme", "created_at": 1_930_367_160_000,
}  # fmt: skip
LOGIN = {
    "insertId": "i1", "logName": "organizations/1/logs/cloudaudit.googleapis.com%2Fdata_access",
    "timestamp": "2031-03-04T05:01:00Z", "resource": {"type": "audited_resource"},
    "protoPayload": {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "serviceName": "login.googleapis.com", "methodName": "google.login.LoginService.loginFailure",
        "authenticationInfo": {"principalEmail": "rosa@example.com"},
        "requestMetadata": {"callerIp": "198.51.100.7"}, "resourceName": "organizations/1",
    },
}  # fmt: skip
WORKSPACE = {
    "kind": "admin#reports#activity", "ipAddress": "198.51.100.7",
    "id": {"time": "2031-03-04T05:01:00Z", "uniqueQualifier": "1", "applicationName": "login",
           "customerId": "C01acme"},
    "actor": {"email": "rosa@example.com", "profileId": "1"},
    "events": [{"type": "login", "name": "login_failure", "parameters": []}],
}  # fmt: skip
ENTRA = sample("entra")[1]


def okta(result: str, reason: str) -> dict[str, Any]:
    return {**OKTA, "outcome": {"result": result, "reason": reason}}


def auth0(code: str, **details: Any) -> dict[str, Any]:
    return {**AUTH0, "type": code, "details": details}


def databricks(action: str, status: int, service: str = "accounts") -> dict[str, Any]:
    said = {"serviceName": service, "actionName": action, "response": {"statusCode": status}}
    return {**DATABRICKS, **said}


def vault(path: str, error: str) -> dict[str, Any]:
    return {**VAULT, "error": error, "request": {**VAULT["request"], "path": path}}


def teleport(**said: Any) -> dict[str, Any]:
    return {**TELEPORT, "code": "T1000W", "success": False, **said}


def snowflake(code: int, message: str) -> dict[str, Any]:
    return {**SNOWFLAKE, "IS_SUCCESS": "NO", "ERROR_CODE": code, "ERROR_MESSAGE": message}


def entra(code: int) -> dict[str, Any]:
    return {**ENTRA, "status": {"errorCode": code, "failureReason": "x"}}


@pytest.mark.parametrize(
    ("vendor", "record"),
    [
        ("okta", okta("FAILURE", "INVALID_CREDENTIALS")),
        ("okta", okta("FAILURE", "LOCKED_OUT")),
        ("auth0", auth0("f")),
        ("auth0", auth0("fp")),
        ("auth0", auth0("fu")),
        ("auth0", auth0("f", response={"statusCode": 401})),
        ("auth0", auth0("fcoa", response={"statusCode": 403})),
        ("gcp", LOGIN),
        ("google_workspace", WORKSPACE),
        ("teleport", teleport(error="invalid username, password or second factor")),
        ("teleport", teleport(error="access denied: invalid credentials")),
        ("teleport", teleport(code="T1001W", method="saml", error="no attribute was mapped")),
        ("vault", vault("auth/userpass/login/rosa", "invalid username or password")),
        ("vault", vault("auth/kubernetes/login", "permission denied")),
        ("vault", vault("auth/approle/login", "1 error occurred:\n\t* permission denied\n\n")),
        ("snowflake", snowflake(390100, "INCORRECT_USERNAME_PASSWORD")),
        ("snowflake", snowflake(390144, "JWT_TOKEN_INVALID")),
        ("databricks", databricks("login", 401)),
        ("databricks", databricks("samlLogin", 401)),
        ("databricks", databricks("tokenLogin", 401)),
        ("databricks", databricks("oidcBrowserLogin", 401)),
        ("databricks", databricks("login", 400, "workspace")),
        ("github", GITHUB),
        ("entra", entra(50126)),
    ],
    ids=str,
)
def test_sign_in_with_wrong_credentials_is_failed(vendor: str, record: dict[str, Any]) -> None:
    one = read(vendor, record)
    assert (one.activity, one.outcome) == (AUTHENTICATION, OUTCOME_FAILED)


@pytest.mark.parametrize(
    ("vendor", "record"),
    [
        ("okta", okta("DENY", "policy")),
        ("auth0", auth0("limit_wc")),
        ("databricks", databricks("login", 403)),
        ("databricks", databricks("IpAccessDenied", 403)),
        ("entra", entra(53003)),
    ],
    ids=str,
)
def test_sign_in_that_a_policy_stops_is_refused(vendor: str, record: dict[str, Any]) -> None:
    one = read(vendor, record)
    assert (one.activity, one.outcome) == (AUTHENTICATION, OUTCOME_REFUSED)


@pytest.mark.parametrize(
    ("vendor", "record", "outcome"),
    [
        # Who calls with a token that is over, or without a right, is refused as before.
        ("databricks", databricks("getTable", 401, "unityCatalog"), OUTCOME_REFUSED),
        ("vault", vault("secret/data/x", "permission denied"), OUTCOME_REFUSED),
        ("auth0", auth0("fapi", response={"statusCode": 403}), OUTCOME_REFUSED),
        ("teleport", teleport(event="auth", error="access denied"), OUTCOME_REFUSED),
        ("okta", OKTA, OUTCOME_OK),
        ("auth0", auth0("s"), OUTCOME_OK),
        ("databricks", DATABRICKS, OUTCOME_OK),
    ],
    ids=str,
)
def test_other_calls_end_as_they_did(vendor: str, record: dict[str, Any], outcome: int) -> None:
    assert read(vendor, record).outcome == outcome
