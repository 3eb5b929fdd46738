"""Anthropic's compliance activities: who acted, with which key, for which organisation."""

from pathlib import Path

import pytest

from evidence.formats.cloudtrail import identity
from evidence.formats.record import ActorName
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
    USE,
)
from tests.evidence.formats.abuse import labelled, parse, read, said, sample

SESSION = "arn:aws:sts::600700800900:assumed-role/ledger-agent/nightly"


def test_activity_reads_whole() -> None:
    record = read("anthropic", sample("anthropic")[3])
    assert (record.at, record.realm, record.vendor_id, record.request_id) == (
        1_930_464_180_000_000,
        "anthropic",
        "activity_01Sample003",
        "req_011Sample",
    )
    assert (record.address, record.user_agent) == ("198.51.100.7", "python-httpx/0.28")
    chat = read("anthropic", sample("anthropic")[9])
    assert (chat.conversation, chat.realm) == ("claude_chat_01A", "anthropic:org_01harbour")


def test_key_that_was_issued_is_the_key_that_is_used() -> None:
    issued, used = parse("anthropic", sample("anthropic")[2:4]).records
    assert issued.issued is not None
    assert issued.issued.credential == used.credential
    assert issued.issued.issued_to == ActorName("anthropic", "service", "ledger-agent")


def test_workload_of_aws_has_the_name_that_cloudtrail_gives_it() -> None:
    user = {"type": "AssumedRole", "arn": SESSION, "accountId": "600700800900"}
    assert read("anthropic", sample("anthropic")[13]).principal == (
        identity.who(user, "600700800900").principal
    )


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ({"type": "azure", "subscription_id": "SUB-1"}, ("azure:sub-1", "federated", "job-7")),
        ({"type": "gcp", "project_number": "42"}, ("gcp:42", "federated", "job-7")),
        (
            {"type": "oidc", "issuer": "https://id.example"},
            ("anthropic", "federated", "https://id.example/job-7"),
        ),
        ({"type": "oidc", "issuer": None}, ("anthropic", "federated", "job-7")),
    ],
)
def test_workload_of_another_authority(
    provider: dict[str, str | None], expected: tuple[str, str, str]
) -> None:
    actor = {"type": "federated_actor", "provider": provider, "subject": "job-7"}
    record = read("anthropic", {**sample("anthropic")[13], "actor": actor})
    assert record.principal == ActorName(*expected)


@pytest.mark.parametrize(
    ("type_", "activity"),
    [
        ("org_sso_toggled", "change"),
        ("rbac_role_assigned", "change"),
        ("service_account_created", "change"),
        ("magic_link_login_failed", "authentication"),
        ("user_logged_out", "authentication"),
        ("platform_signing_key_rotated", "issuance"),
        ("environment_token_revoked", "revocation"),
        ("session_revoked", "revocation"),
        ("org_user_deleted", "revocation"),
        ("integration_user_disconnected", "revocation"),
        ("org_members_exported", "use"),
        ("claude_project_sharing_updated", "use"),
        ("something_unheard_of", "use"),
    ],
)
def test_activity_of_type(type_: str, activity: str) -> None:
    record = read("anthropic", {**sample("anthropic")[1], "type": type_})
    assert said(record).split(",")[0] == activity


def test_recorded_rows_say_who_and_when(data: Path) -> None:
    parsed = parse("anthropic", labelled(data, "anthropic"))
    assert (len(parsed.records), parsed.rejects) == (16, [])
    assert [one.action for one in parsed.records if one.principal is None or one.at is None] == []


@pytest.mark.parametrize(
    ("action", "activity", "outcome"),
    [
        ("platform_service_account_archived", REVOCATION, OUTCOME_OK),
        ("extra_usage_spend_limit_increase_request_denied", CHANGE, OUTCOME_OK),
        ("magic_link_login_initiated", AUTHENTICATION, OUTCOME_UNKNOWN),
        ("anonymous_mobile_login_attempted", AUTHENTICATION, OUTCOME_UNKNOWN),
        ("desktop_extension_allowlisted", CHANGE, OUTCOME_OK),
        ("marketplace_webhook_provisioned", CHANGE, OUTCOME_OK),
        ("access_denied", USE, OUTCOME_REFUSED),
    ],
)
def test_type_says_what_was_done_and_how_it_ended(action: str, activity: int, outcome: int) -> None:
    record = read("anthropic", {**sample("anthropic")[3], "type": action, "status_code": None})
    assert (record.activity, record.outcome) == (activity, outcome)


@pytest.mark.parametrize(
    ("action", "member", "kind"),
    [
        ("tunnel_token_minted", "token_id", "token"),
        ("platform_signing_key_created", "signing_key_id", "key"),
        ("platform_signing_key_rotated", "new_signing_key_id", "key"),
    ],
)
def test_other_credentials_are_issued_too(action: str, member: str, kind: str) -> None:
    activity = {**sample("anthropic")[3], "type": action, "status_code": None, member: "made_1"}
    record = read("anthropic", activity)
    assert record.activity == ISSUANCE
    assert record.issued is not None
    assert record.issued.credential == ActorName("anthropic", kind, "made_1")


@pytest.mark.parametrize("member", ["domain", "invitee_email"])
def test_resource_without_an_id_is_named(member: str) -> None:
    activity = {**sample("anthropic")[3], "type": "org_domain_removed", member: "x.example.com"}
    bare = {name: value for name, value in activity.items() if not name.endswith("_id")}
    assert read("anthropic", bare).resource == "x.example.com"
