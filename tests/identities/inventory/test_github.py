"""GitHub: installations, fine-grained tokens, deploy keys, over HTTP to documented shapes."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from evidence.formats.record import ActorName
from evidence.models import Source
from identities.inventory import github
from identities.models import Discovery, InventoryRead
from tests.connector_secrets import Kept
from tests.evidence.formats.abuse import read as logged
from tests.evidence.sources.server import Answer, Request, There
from tests.identities.inventory.conftest import everything, rights, shown

pytestmark = pytest.mark.django_db

BODY = b"\0\0\0\x0bssh-ed25519" + bytes(32)
KEY = f"ssh-ed25519 {b64encode(BODY).decode()}"
PRINT = "SHA256:" + b64encode(sha256(BODY).digest()).decode().rstrip("=")


def pat(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "owner": {"login": "ana", "id": 1, "type": "User"},
        "repository_selection": "subset",
        "repositories_url": "https://api.github.com/…",
        "permissions": {
            "organization": {"members": "read"},
            "repository": {"contents": "write", "metadata": "read"},
        },
        "access_granted_at": "2026-05-16T08:47:09.000-07:00",
        "token_id": 98_716 + number,
        "token_name": "nightly",
        "token_expired": False,
        "token_expires_at": "2026-12-16T08:47:09.000-07:00",
        "token_last_used_at": "2026-11-20T08:47:09.000-07:00",
        **more,
    }


@pytest.fixture
def organisation(there: There, connect: Callable[..., Source], secret_file: Kept) -> Source:
    secret_file("GITHUB_TOKEN", "github_pat_made_up")
    there.on(
        "GET", "/orgs/Octo/installations",
        Answer(body={"total_count": 2, "installations": [
            {"id": 25_381, "app_id": 2, "app_slug": "review-bot", "repository_selection": "all",
             "permissions": {"contents": "read", "issues": "write"}, "events": ["push"],
             "created_at": "2025-03-01T00:00:00Z", "suspended_at": None},
            {"id": 25_382, "app_id": 3, "app_slug": "old-bot", "repository_selection": "selected",
             "permissions": {"contents": "write"}, "created_at": "2024-03-01T00:00:00Z",
             "suspended_at": "2026-01-01T00:00:00Z"},
        ]}),
    )  # fmt: skip
    there.on("GET", "/orgs/Octo/personal-access-tokens", Answer(body=[pat(1)]))
    there.on("GET", "/orgs/Octo/credential-authorizations", Answer(404, {"message": "Not Found"}))
    there.on(
        "GET", "/orgs/Octo/repos",
        Answer(body=[{"full_name": "Octo/app"}, {"full_name": "Octo/empty"}]),
    )  # fmt: skip
    there.on(
        "GET", "/repos/Octo/app/keys",
        Answer(body=[{
            "id": 7, "key": KEY, "title": "deploy", "verified": True, "read_only": False,
            "created_at": "2025-12-10T15:53:42Z", "added_by": "ana", "enabled": True,
            "last_used": "2026-11-10T15:53:42Z",
        }]),
    )  # fmt: skip
    there.on("GET", "/repos/Octo/empty/keys", Answer(body=[]))
    there.on(
        "GET", "/repos/Octo/app/contents/CODEOWNERS",
        Answer(body={"encoding": "base64", "content": b64encode(
            b"# all\n*   @octo/everybody\n*.js @octo/web\n* @octo/platform @ben # last one counts\n"
        ).decode()}),
    )  # fmt: skip
    return connect("github", owner="Octo", token="GITHUB_TOKEN", url=there.url, include="all")


@pytest.mark.parametrize(
    ("answer", "realm"),
    [
        (
            Answer(body=[{"action": "repo.create", "org": "Octo", "business": "Octo-Corp"}]),
            "octo-corp",
        ),
        (Answer(body=[{"action": "repo.create", "org": "Octo"}]), "octo"),
        (Answer(body=[]), "octo"),
        (Answer(403, {"message": "Must have admin rights"}), "octo"),
    ],
)
def test_names_stand_in_the_realm_of_the_audit_log(
    there: There,
    organisation: Source,
    read: Callable[..., InventoryRead],
    answer: Answer,
    realm: str,
) -> None:
    there.on("GET", "/orgs/Octo/audit-log", answer)
    row = read(organisation)
    assert (row.state, row.realm) == ("done", f"github:{realm}")
    entry = {"action": "git.clone", "actor": "review-bot[bot]", "org": "Octo"}
    if realm == "octo-corp":
        entry["business"] = "Octo-Corp"
    app = Discovery.objects.get(actor__value="review-bot[bot]").actor
    assert logged("github", entry).principal == ActorName(app.realm, app.kind, app.value)


def test_apps_tokens_and_deploy_keys_arrive(
    organisation: Source, read: Callable[..., InventoryRead]
) -> None:
    row = read(organisation)
    assert (row.state, row.problem, row.realm) == ("done", "", "github:octo")
    assert row.parts["authorised credentials"]["state"] == "absent"
    assert shown(organisation) == {
        "review-bot[bot]": ("app installation", "active"),
        "old-bot[bot]": ("app installation", "held"),
        "98717": ("fine-grained token", "active"),
        PRINT: ("deploy key", "active"),
    }
    assert rights(organisation, "review-bot[bot]") == [
        (["contents:read"], ["Octo/*"]),
        (["issues:write"], ["Octo/*"]),
    ]
    assert rights(organisation, "98717") == [
        (["members:read"], ["Octo/*"]),
        (["contents:write"], ["Octo/*"]),
        (["metadata:read"], ["Octo/*"]),
    ]
    assert rights(organisation, PRINT) == [(["contents:write"], ["Octo/app"])]
    token = Discovery.objects.get(kind="fine-grained token")
    assert token.holder is not None
    assert (token.holder.value, token.last_used_at, token.expires_at) == (
        "ana",
        datetime(2026, 11, 20, 15, 47, 9, tzinfo=UTC),
        datetime(2026, 12, 16, 15, 47, 9, tzinfo=UTC),
    )
    key = Discovery.objects.get(kind="deploy key")
    assert (key.holder, key.scope, key.last_used_at) == (
        None,
        "Octo/app",
        datetime(2026, 11, 10, 15, 53, 42, tzinfo=UTC),
    )
    assert [(one["kind"], one["value"]) for one in key.hints] == [
        ("creator", "ana"),
        ("iac", "Octo/app"),
        ("codeowners", "@octo/platform"),
        ("codeowners", "@ben"),
    ]


def test_reading_again_changes_nothing(
    organisation: Source, read: Callable[..., InventoryRead]
) -> None:
    read(organisation)
    before = everything()
    assert read(organisation).state == "done"
    assert everything() == before


def test_authorised_credentials_of_an_organisation_with_saml(
    there: There, organisation: Source, read: Callable[..., InventoryRead]
) -> None:
    there.on(
        "GET", "/orgs/Octo/credential-authorizations",
        Answer(body=[
            {"login": "ana", "credential_id": 161_195, "credential_type": "personal access token",
             "token_last_eight": "71c3fc11", "credential_authorized_at": "2026-01-26T19:06:43Z",
             "credential_accessed_at": "2026-11-26T19:06:43Z", "scopes": ["repo", "workflow"],
             "authorized_credential_id": 12_345_678, "authorized_credential_note": "my token",
             "authorized_credential_expires_at": "2026-12-25T19:06:43Z"},
            {"login": "ben", "credential_id": 161_196, "credential_type": "SSH key",
             "credential_authorized_at": "2026-01-29T19:06:43Z", "fingerprint": "SHA256:abc",
             "authorized_credential_title": "laptop"},
        ]),
    )  # fmt: skip
    read(organisation)
    assert shown(organisation, part="authorised credentials") == {
        "12345678": ("personal access token", "active"),
        "SHA256:abc": ("SSH key", "active"),
    }
    assert rights(organisation, "12345678") == [(["repo", "workflow"], ["Octo/*"])]


def test_pages_are_followed_by_their_link(
    there: There, organisation: Source, read: Callable[..., InventoryRead]
) -> None:
    def pages(request: Request) -> Answer:
        if request.query.get("page") == "2":
            return Answer(body=[pat(2)])
        link = f'<{there.url}/orgs/Octo/personal-access-tokens?page=2>; rel="next"'
        return Answer(body=[pat(1)], headers={"Link": link})

    there.on("GET", "/orgs/Octo/personal-access-tokens", pages)
    read(organisation)
    assert len(shown(organisation, kind="fine-grained token")) == 2


def test_repository_that_may_not_be_asked_keeps_its_keys(
    there: There, organisation: Source, read: Callable[..., InventoryRead]
) -> None:
    read(organisation)
    there.on("GET", "/repos/Octo/app/keys", Answer(403, {"message": "Resource not accessible"}))
    row = read(organisation)
    assert (row.state, row.gone, row.parts["deploy keys"]["unread"]) == ("partial", 0, ["Octo/app"])
    assert PRINT in shown(organisation)
    # One that was deleted has none any more.
    there.on("GET", "/repos/Octo/app/keys", Answer(404, {"message": "Not Found"}))
    assert read(organisation).gone == 1
    assert PRINT not in shown(organisation)


def test_tokens_that_only_apps_may_list_are_said(
    there: There, organisation: Source, read: Callable[..., InventoryRead]
) -> None:
    there.on("GET", "/orgs/Octo/personal-access-tokens", Answer(403, {"message": "…"}))
    row = read(organisation)
    assert (row.state, row.parts["fine-grained tokens"]["state"]) == ("partial", "refused")
    assert row.parts["app installations"]["state"] == "done"


def test_secondary_limit_is_waited_for(
    there: There, organisation: Source, read: Callable[..., InventoryRead]
) -> None:
    there.fail(Answer(403, {"message": "secondary rate limit"}, {"Retry-After": "60"}))
    row = read(organisation)
    assert row.state == "waiting"
    assert row.not_before is not None
    assert row.started_at is not None
    assert round((row.not_before - row.started_at).total_seconds()) == 60


@pytest.mark.parametrize("key", ["", "ssh-rsa", "ssh-rsa not*base64", "…"])
def test_no_public_key_has_no_fingerprint(key: str) -> None:
    assert github.fingerprint(key) == ""


def test_enterprise_has_no_lists_here() -> None:
    assert not github.SYSTEM.fits("github", {"kind": "enterprise"})
    assert github.SYSTEM.fits("github", {"kind": "organisation"})
