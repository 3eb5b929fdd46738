"""Who the Google Cloud enforcer is, what it may do, and that it says no secret."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import request

from identities.enforcers import gcp_projects, web
from identities.enforcers.contract import PermanentFailure, TemporaryFailure
from tests.identities.enforcers.gcp_lab import (
    AUDIENCE,
    OURS,
    PERMISSIONS,
    PROJECT,
    SUBJECT_TOKEN,
    Lab,
    credentials,
    gcp_lab,
)
from tests.identities.enforcers.oauth_lab import answering
from tests.identities.enforcers.test_gcp import Set, enforcer, lab, now, path_of, target

__all__ = ["enforcer", "gcp_lab", "lab"]


@pytest.fixture
def workload(lab: Lab, tmp_path: Path) -> dict[str, Any]:
    """The file of a workload identity federation, and the platform's token where it says."""
    (tmp_path / "token").write_text(SUBJECT_TOKEN)
    return {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{lab.url}/v1/token",
        "credential_source": {"file": str(tmp_path / "token")},
    }


@pytest.mark.parametrize("borrows", [False, True])
def test_a_workload_acts_by_its_platforms_token(
    lab: Lab, enforcer: Set, workload: dict[str, Any], tmp_path: Path, borrows: bool
) -> None:
    if borrows:
        where = f"{lab.url}/v1/projects/-/serviceAccounts/{OURS}:generateAccessToken"
        workload["service_account_impersonation_url"] = where
    (tmp_path / "gcp.json").write_text(json.dumps(workload))
    of = target(lab, "key")
    for _ in range(3):
        enforcer().hold(of, key="REV-7", now=now())
    assert len(lab.tokens) == (2 if borrows else 1)
    # One that is taken no more is not kept.
    lab.tokens.clear()
    with pytest.raises(web.Refused, match="does not accept Countersign's own credentials"):
        enforcer().release(of, key="REV-8", now=now())
    enforcer().release(of, key="REV-8", now=now())
    lab.tokens.clear()
    gcp_projects._bearer.cache_clear()
    (tmp_path / "token").write_text("another-platform-s-token")
    with pytest.raises(PermanentFailure) as caught:
        enforcer().hold(of, key="REV-9", now=now())
    assert "invalid_grant" in caught.value.reason
    assert "another-platform-s-token" not in caught.value.reason
    lab.fail("/v1/token", answering(503, Retry_After="20"))
    with pytest.raises(TemporaryFailure) as later:
        enforcer().hold(of, key="REV-9", now=now())
    assert 20.0 <= later.value.retry_after <= 30.0


def test_a_statement_that_another_key_signed_lets_nobody_in(
    lab: Lab, enforcer: Set, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    (tmp_path / "gcp.json").write_text(credentials(pem))
    of = target(lab, "key")
    with pytest.raises(web.Refused) as caught:
        enforcer().hold(of, key="REV-7", now=now())
    assert caught.value.who_must_act == "the administrator of Countersign"
    assert pem.splitlines()[1] not in caught.value.reason


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no JSON", "neither a service account's key nor a workload"),
        ('{"type": "authorized_user"}', "neither a service account's key nor a workload"),
        ('{"type": "service_account"}', "has no client_email"),
        (credentials("no key in PEM"), "is no RSA private key in PEM"),
    ],
)
def test_credentials_that_are_none_say_what_is_wrong(
    lab: Lab, enforcer: Set, tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "gcp.json").write_text(text)
    with pytest.raises(PermanentFailure, match=problem) as caught:
        enforcer().hold(target(lab, "key"), key="REV-7", now=now())
    assert caught.value.who_must_act == "the administrator of Countersign"
    assert lab.seen == []


def test_the_statement_itself_stands_in_no_failure(lab: Lab, enforcer: Set) -> None:
    of, at = target(lab, "key"), enforcer()
    told: list[str] = []

    def repeats() -> Any:
        told.append(request.headers["Authorization"].removeprefix("Bearer "))
        return answering(400, json.dumps({"error": {"message": f"not with {told[0]}"}}))()

    lab.fail(path_of(of), repeats)
    with pytest.raises(PermanentFailure) as caught:
        at.hold(of, key="REV-7", now=now())
    assert told[0][:40] not in caught.value.reason
    assert "not with" in caught.value.reason


@pytest.mark.parametrize(
    ("kind", "step", "lacking"),
    [
        ("service_account", "hold", "iam.serviceAccounts.disable"),
        ("service_account", "release", "iam.serviceAccounts.enable"),
        ("service_account", "revoke", "iam.serviceAccounts.delete"),
        ("service_account", "hold", "iam.serviceAccounts.get"),
        ("key", "hold", "iam.serviceAccountKeys.disable"),
        ("key", "release", "iam.serviceAccountKeys.enable"),
        ("key", "revoke", "iam.serviceAccountKeys.delete"),
        ("key", "hold", "iam.serviceAccountKeys.get"),
    ],
)
def test_a_right_that_is_missing_is_named_by_the_step_and_the_night_before(
    lab: Lab, enforcer: Set, kind: str, step: str, lacking: str
) -> None:
    of, at = target(lab, kind), enforcer()
    assert at.own_rights([of]) == []
    lab.given.remove(lacking)
    with pytest.raises(web.Refused) as caught:
        getattr(at, step)(of, key="REV-7", now=now())
    assert caught.value.right == lacking
    assert caught.value.who_must_act == "an administrator of the Google Cloud project agents-prod"
    before = lab.changes()
    assert [one.permission for one in at.own_rights([of])] == [lacking]
    assert [one.permission for one in at.own_rights()] == [lacking]
    assert lab.changes() == before


def test_own_rights_name_the_targets_that_could_not_be_stopped_today(
    lab: Lab, enforcer: Set
) -> None:
    at = enforcer()
    assert at.own_rights() == []
    there, gone = target(lab, "key"), target(lab, "service_account")
    gone = type(gone)("gcp", PROJECT, "service_account", gone.name.replace("reporter", "gone"))
    kept = type(there)("gcp", PROJECT, "key", lab.key(there.extra["account"], "SYSTEM_MANAGED"), there.extra)  # fmt: skip
    found = at.own_rights([there, gone, kept])
    assert [(one.permission, one.resource) for one in found] == [
        ("stop it", gone.name),
        ("stop it", kept.name),
    ]
    lab.given.clear()
    assert {one.permission for one in at.own_rights([there])} == PERMISSIONS
    assert lab.changes() == []


def test_private_addresses_are_refused_unless_they_are_allowed(lab: Lab, enforcer: Set) -> None:
    with pytest.raises(PermanentFailure, match="is refused: it does not speak https"):
        enforcer(allow_private=False).hold(target(lab, "key"), key="REV-7", now=now())
    assert lab.seen == []


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"projects": []}, "projects is no list of project ids"),
        ({"projects": ["../x"]}, "projects is no list of project ids"),
        ({"credentials": "{}"}, "credentials: a secret is named, not given"),
        ({"access_token_seconds": "60"}, "access_token_seconds is no number"),
        ({"url": "iam.googleapis.com"}, "url is no address"),
        ({"resource": "x"}, "there is no resource"),
        ({"ca_file": 7}, "ca_file is no text"),
    ],
)
def test_wrong_settings_name_their_place(said: Any, problem: str) -> None:
    entry = {"projects": [PROJECT], "credentials": "env:THE_CREDENTIALS"}
    assert gcp_projects.projects(entry).projects == (PROJECT,)
    with pytest.raises(PermanentFailure, match=problem):
        gcp_projects.projects(entry | said)
