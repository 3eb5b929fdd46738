"""Okta: tokens, apps and agents, over HTTP to answers of the documented shapes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from evidence.models import Source
from identities.models import Credential, Discovery, InventoryRead
from tests.connector_secrets import Kept
from tests.evidence.sources.server import Answer, Request, There
from tests.identities.inventory.conftest import everything, rights, shown

pytestmark = pytest.mark.django_db

TOKEN = "00Tmade-up-secret"
AGENTS = "/workload-principals/api/v1/ai-agents"


def token(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"00T{number:017d}",
        "name": f"pipeline {number}",
        "userId": "00u1",
        "clientName": "Okta API",
        "tokenWindow": "P30D",
        "network": {"connection": "ANYWHERE"},
        "created": "2026-01-02T03:04:05.000Z",
        "lastUpdated": "2026-11-20T00:00:00.000Z",
        "expiresAt": "2026-12-20T00:00:00.000Z",
        **more,
    }


def app(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"0oa{number}",
        "name": "oidc_client",
        "label": f"Service {number}",
        "status": "ACTIVE",
        "created": "2026-02-02T00:00:00.000Z",
        "signOnMode": "OPENID_CONNECT",
        "credentials": {
            "oauthClient": {
                "client_id": f"0oa{number}",
                "token_endpoint_auth_method": "private_key_jwt",
            }
        },
        "settings": {
            "notes": {"admin": "ask platform@example.org", "enduser": None},
            "oauthClient": {
                "application_type": "service",
                "grant_types": ["client_credentials"],
                "jwks": {"keys": [{"kty": "RSA", "kid": f"kid-{number}", "status": "ACTIVE"}]},
            },
        },
        **more,
    }


@pytest.fixture
def org(there: There, connect: Callable[..., Source], secret_file: Kept) -> Source:
    secret_file("OKTA_TOKEN", TOKEN)
    there.on("GET", "/api/v1/api-tokens", Answer(body=[token(1)]))
    there.on(
        "GET", "/api/v1/users/00u1",
        Answer(body={"id": "00u1", "status": "ACTIVE", "profile": {"login": "ana@example.org"}}),
    )  # fmt: skip
    there.on(
        "GET", "/api/v1/users/00u1/roles",
        Answer(body=[{"id": "ra1", "label": "Read-only Administrator",
                      "type": "READ_ONLY_ADMIN", "status": "ACTIVE"}]),
    )  # fmt: skip
    there.on("GET", "/api/v1/apps", Answer(body=[app(1)]))
    there.on(
        "GET", "/api/v1/apps/0oa1/grants",
        Answer(body=[
            {"id": "oag1", "status": "ACTIVE", "scopeId": "okta.users.read",
             "issuer": "https://example.okta.com", "createdBy": {"id": "00u1", "type": "User"}},
            {"id": "oag2", "status": "REVOKED", "scopeId": "okta.users.manage"},
        ]),
    )  # fmt: skip
    there.on("GET", "/oauth2/v1/clients/0oa1/roles", Answer(body=[]))
    there.on("GET", AGENTS, Answer(body={"data": [], "_links": {}}))
    return connect("okta", url=there.url, token="OKTA_TOKEN")


def test_tokens_apps_and_keys_arrive_with_dates_and_rights(
    org: Source, read: Callable[..., InventoryRead]
) -> None:
    row = read(org)
    assert (row.state, row.problem) == ("done", "")
    assert shown(org) == {
        "00T00000000000000001": ("API token", "active"),
        "0oa1": ("service app", "active"),
        "kid-1": ("public key", "active"),
    }
    made = Discovery.objects.get(kind="API token")
    assert made.holder is not None
    assert (made.holder.kind, made.holder.value, made.title) == (
        "user",
        "ana@example.org",
        "pipeline 1",
    )
    assert (made.created_at, made.expires_at, made.last_used_at) == (
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 12, 20, tzinfo=UTC),
        None,
    )
    assert rights(org, "00T00000000000000001") == [(["READ_ONLY_ADMIN"], ["*"])]
    assert rights(org, "0oa1") == [(["okta.users.read"], ["*"])]
    assert [one["value"] for one in Discovery.objects.get(kind="service app").hints] == [
        "ask platform@example.org"
    ]
    assert sorted(Credential.objects.values_list("kind", flat=True)) == ["api_token", "key"]


def test_agents_arrive_with_keys_and_connections(
    there: There, org: Source, read: Callable[..., InventoryRead]
) -> None:
    there.on(
        "GET", AGENTS,
        Answer(body={"data": [
            {"id": "wlp1", "status": "ACTIVE", "appId": "0oa9", "created": "2026-09-01T00:00:00Z",
             "profile": {"name": "invoice agent", "description": "owned by finance"}},
            {"id": "wlp2", "status": "STAGED", "profile": {"name": "new one"}},
        ], "_links": {}}),
    )  # fmt: skip
    there.on(
        "GET", f"{AGENTS}/wlp1/credentials/jwks",
        Answer(body=[{"id": "wpc1", "kid": "agent-kid", "status": "INACTIVE"}]),
    )  # fmt: skip
    there.on(
        "GET", f"{AGENTS}/wlp1/connections",
        Answer(body={"data": [
            {"id": "mcn1", "status": "ACTIVE", "connectionType": "IDENTITY_ASSERTION_MCP_SERVER",
             "resourceIndicator": "https://mcp.example.org", "scopes": ["tools:read"]},
            {"id": "mcn2", "status": "INACTIVE", "scopes": ["tools:execute"]},
        ], "_links": {}}),
    )  # fmt: skip
    row = read(org)
    assert row.parts["AI agents"]["state"] == "done"
    found = shown(org, part="AI agents")
    assert found == {
        "wlp1": ("AI agent", "active"),
        "wlp2": ("AI agent", "held"),
        "agent-kid": ("public key", "held"),
    }
    assert rights(org, "wlp1") == [(["tools:read"], ["https://mcp.example.org"])]
    # What is not offered is said, not taken for nothing.
    second = Discovery.objects.get(actor__value="wlp2")
    assert "answered 404" in second.missing


def test_org_without_agents_is_read_in_full(
    there: There, org: Source, read: Callable[..., InventoryRead]
) -> None:
    there.on("GET", AGENTS, Answer(404, {"errorCode": "E0000007"}))
    row = read(org)
    assert (row.state, row.parts["AI agents"]["state"]) == ("done", "absent")


def test_pages_are_followed_by_their_link_and_never_to_another_host(
    there: There, org: Source, read: Callable[..., InventoryRead]
) -> None:
    def pages(request: Request) -> Answer:
        if request.query.get("after"):
            return Answer(body=[token(2)])
        link = f'<{there.url}/api/v1/api-tokens?after=x&limit=200>; rel="next"'
        return Answer(body=[token(1)], headers={"Link": link})

    there.on("GET", "/api/v1/api-tokens", pages)
    read(org)
    assert len(shown(org, kind="API token")) == 2
    # The person behind both is asked for once.
    assert [one.path for one in there.asked].count("/api/v1/users/00u1") == 1
    there.on(
        "GET",
        "/api/v1/api-tokens",
        Answer(body=[token(1)], headers={"Link": '<https://evil.example.org/x>; rel="next"'}),
    )
    row = read(org)
    assert row.parts["API tokens"]["state"] == "refused"
    assert "evil.example.org" in row.parts["API tokens"]["said"]
    assert len(shown(org, kind="API token")) == 2


def test_client_secrets_are_kept_by_their_id_alone(
    there: There, org: Source, read: Callable[..., InventoryRead]
) -> None:
    web = app(2)
    web["settings"]["oauthClient"] = {"application_type": "web"}
    web["credentials"]["oauthClient"]["token_endpoint_auth_method"] = "client_secret_basic"
    there.on("GET", "/api/v1/apps", Answer(body=[web, app(3, signOnMode="SAML_2_0")]))
    there.on("GET", "/api/v1/apps/0oa2/grants", Answer(body=[]))
    there.on(
        "GET", "/api/v1/apps/0oa2/credentials/secrets",
        Answer(body=[
            {"id": "ocs1", "status": "ACTIVE", "client_secret": "DoNotKeepThis",
             "secret_hash": "yk4SVx4sUWVJVbHt6M-UPA", "created": "2026-03-01T00:00:00.000Z"},
            {"id": "ocs2", "status": "INACTIVE", "client_secret": "NorThis"},
        ]),
    )  # fmt: skip
    read(org)
    assert shown(org, part="apps") == {
        "0oa2": ("OAuth app", "active"),
        "ocs1": ("client secret", "active"),
        "ocs2": ("client secret", "held"),
    }
    kept = str([everything(), list(InventoryRead.objects.values())])
    assert [word for word in ("DoNotKeepThis", "NorThis", TOKEN, "yk4SVx4") if word in kept] == []


def test_forbidden_list_is_said_and_ends_nothing(
    there: There, org: Source, read: Callable[..., InventoryRead]
) -> None:
    read(org)
    there.on("GET", "/api/v1/api-tokens", Answer(403, {"errorCode": "E0000006"}))
    row = read(org)
    assert (row.state, row.gone, row.parts["API tokens"]["state"]) == ("partial", 0, "refused")
    assert "403" in row.parts["API tokens"]["said"]
    assert len(shown(org, kind="API token")) == 1


def test_scopes_that_may_not_be_read_are_not_none(
    there: There, org: Source, read: Callable[..., InventoryRead]
) -> None:
    read(org)
    there.on("GET", "/api/v1/apps/0oa1/grants", Answer(403, {}))
    row = read(org)
    assert row.state == "done"
    # What was read before stays, and says how old it is.
    assert rights(org, "0oa1") == [(["okta.users.read"], ["*"])]
    assert "scopes:" in Discovery.objects.get(actor__value="0oa1").missing


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Answer(429, {}, {"Retry-After": "7"}), 7),
        (Answer(503, {}), 10),
        (Answer(429, {}, {"X-Rate-Limit-Reset": "1795435233"}), 30),
    ],
)
def test_org_that_asks_to_wait_is_waited_for(
    there: There, org: Source, read: Callable[..., InventoryRead], answer: Answer, seconds: int
) -> None:
    there.fail(answer)
    row = read(org)
    assert row.state == "waiting"
    assert row.not_before is not None
    if answer.status != 429 or "Retry-After" in answer.headers:
        assert row.started_at is not None
        assert round((row.not_before - row.started_at).total_seconds()) == seconds


@pytest.mark.parametrize(
    ("body", "said"),
    [("<html>", "with a web page"), ("{}", "no list in JSON"), ('[1, null, "x"]', "")],
)  # fmt: skip
def test_garbage_is_said_and_ends_nothing(
    there: There, org: Source, read: Callable[..., InventoryRead], body: str, said: str
) -> None:
    read(org)
    there.on("GET", "/api/v1/api-tokens", Answer(body=body))
    row = read(org)
    assert said in row.parts["API tokens"].get("said", "")
    assert row.gone == (0 if said else 1)


def test_token_that_is_not_there_says_where_to_set_it(
    org: Source, read: Callable[..., InventoryRead], secret_file: Kept
) -> None:
    secret_file.drop("OKTA_TOKEN")
    row = read(org)
    assert (row.state, row.problem) == (
        "failed",
        "There is no secret OKTA_TOKEN, which token names.",
    )
