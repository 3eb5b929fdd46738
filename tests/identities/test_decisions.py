"""The decision endpoint: who is meant, what stops it, the wire of AuthZEN 1.0, and its cost."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.formats.record import ActorName
from evidence.models import Source
from evidence.names import actor_ids
from identities.acting import COMMAND
from identities.actions import identities as identity_actions
from identities.decisions import Question, decide
from identities.models import (
    ApiToken,
    Binding,
    Credential,
    Delegation,
    DelegationVersion,
    Identity,
    Revocation,
    User,
)
from tests.identities.conftest import DAY, NOW

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]
ARN = "arn:aws:iam::123456789012:user/svc-report"


def grant(identity: Identity, *, slug: str = "read", **said: Any) -> Delegation:
    row = Delegation.objects.create(grantee=identity, slug=slug, created_at=NOW)
    row.refresh_from_db()
    DelegationVersion.objects.create(
        **{
            "delegation": row,
            "version": 1,
            "state": "in_force",
            "actions": ["s3:GetObject"],
            "resources": ["invoices/*"],
            "during": (None, None),
            "signed": True,
            "case": identity.pk,
            "recorded_at": NOW,
            "by": "test",
        }
        | said
    )
    return row


def bound(identity: Identity, name: ActorName, **said: Any) -> int:
    if name.realm.startswith("otel:"):
        # A name that a sender chose comes with its source.
        Source.objects.get_or_create(
            name=name.realm.removeprefix("otel:"),
            defaults={"plane": "ai", "created_at": NOW, "created_by": "test"},
        )
    number = actor_ids([name], now=NOW)[name]
    Binding.objects.create(
        **{
            "identity": identity,
            "actor_id": number,
            "basis": "declared",
            "state": "confirmed",
            "during": (None, None),
            "recorded_at": NOW,
            "by": "test",
        }
        | said
    )
    return number


USER = ActorName("aws:123456789012", "arn", ARN)
KEY = ActorName("aws", "access_key", "AKIAIOSFODNN7EXAMPLE")


def ask(subject: str = "svc-report", *, now: datetime = NOW, **said: str) -> tuple[bool, str]:
    question: dict[str, Any] = {"action": "s3:GetObject", "resource": "invoices/1"} | said
    answer = decide(Question(subject, **question), now=now)
    return answer.allowed, answer.reason


@pytest.mark.parametrize(
    "subject",
    [
        "svc-report",
        "key",
        ARN,
        "AKIAIOSFODNN7EXAMPLE",
        "report-agent",
        "arn:aws:sts::123456789012:assumed-role/r/some-session",
    ],
)
def test_subject_is_found_by_every_name_it_has(active: Make, subject: str) -> None:
    row = active()
    grant(row)
    bound(row, USER)
    bound(row, ActorName("otel:lab", "agent", "report-agent"))
    bound(row, ActorName("aws:123456789012", "arn", "arn:aws:iam::123456789012:role/r"))
    Credential.objects.create(
        actor_id=actor_ids([KEY], now=NOW)[KEY],
        identity=row,
        kind="access_key",
        standing=True,
        state_at=NOW,
    )
    assert ask(row.key if subject == "key" else subject) == (True, "inside")


def test_reasons_of_authority(active: Make) -> None:
    row = active()
    assert ask() == (False, "none")
    grant(row, during=(NOW, NOW + DAY))
    assert ask(now=NOW - timedelta(seconds=1))[0] is False
    assert ask() == (True, "inside")
    assert ask(now=NOW + DAY - timedelta(microseconds=1)) == (True, "inside")
    assert ask(now=NOW + DAY) == (False, "expired")
    assert ask(resource="hr/1") == (False, "wrong_resource")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"state": "suspended"}, "suspended"),
        ({"state": "retired"}, "retired"),
        ({"expires_at": NOW}, "identity_expired"),
        ({"state": "draft", "mode": "ask"}, "not_active"),
    ],
)
def test_identity_that_is_stopped_is_refused(active: Make, said: Any, reason: str) -> None:
    grant(active(**said))
    assert ask() == (False, reason)


def test_hold_counts_from_its_moment_and_ends_with_its_release(active: Make) -> None:
    row = active()
    grant(row)
    identity_actions.hold(identity=row, by=COMMAND, now=NOW, because="x")
    assert ask() == (False, "held")
    identity_actions.release(identity=row, by=COMMAND, now=NOW + DAY, because="x")
    assert ask(now=NOW + DAY) == (True, "inside")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "inside"),
        ({"state": "held"}, "credential_held"),
        ({"state": "revoked"}, "credential_revoked"),
        ({"expires_at": NOW}, "credential_expired"),
        ({"expires_at": NOW + DAY}, "inside"),
        ({"identity": None}, "other_credential"),
    ],
)
def test_credential_named_beside_the_subject_is_read(active: Make, said: Any, reason: str) -> None:
    row = active()
    grant(row)
    Credential.objects.create(
        **{
            "actor_id": actor_ids([KEY], now=NOW)[KEY],
            "identity": row,
            "kind": "access_key",
            "standing": True,
            "state_at": NOW,
        }
        | said
    )
    assert ask(credential="AKIAIOSFODNN7EXAMPLE") == (reason == "inside", reason)
    if reason not in ("inside", "other_credential"):
        # Asking by the key itself is asking with that key.
        assert ask("AKIAIOSFODNN7EXAMPLE") == (False, reason)


def test_unknown_credential_is_refused(active: Make) -> None:
    grant(active())
    assert ask(credential="AKIAAAAAAAAAAAAAAAAA") == (False, "unknown_credential")


def test_stop_under_way_is_refused_before_the_target_has_it(active: Make) -> None:
    row = active()
    grant(row)
    key = Credential.objects.create(
        actor_id=actor_ids([KEY], now=NOW)[KEY],
        identity=row,
        kind="access_key",
        standing=True,
        state_at=NOW,
    )
    Revocation.objects.create(
        identity=row,
        credential=key,
        step="hold",
        system="aws",
        target={},
        words="x",
        requested_at=NOW,
        requested_by="x",
        not_before=NOW,
    )
    assert ask(credential="AKIAIOSFODNN7EXAMPLE") == (False, "being_revoked")
    assert ask() == (True, "inside")


@pytest.mark.parametrize("state", ["proposed", "rejected"])
def test_what_no_case_brought_into_force_grants_nothing(active: Make, state: str) -> None:
    grant(active(), state=state)
    assert ask() == (False, "none")


def test_agent_bound_to_two_identities_is_ambiguous(active: Make) -> None:
    for name in ("a", "b"):
        bound(active(name), ActorName("otel:lab", "agent", "both"), shared=True)
    assert ask("both") == (False, "ambiguous_subject")
    assert ask("nobody") == (False, "unknown_subject")


def test_task_of_none_of_its_delegations_is_denied_where_one_names_a_task(active: Make) -> None:
    row = active(expires_at=datetime.now(UTC) + DAY)
    grant(row)
    assert ask(task="anything") == (True, "inside")
    other = grant(row, slug="monthly", task="monthly reports", resources=["reports/*"])
    assert ask(task="anything") == (False, "task_not_covered")
    assert ask() == (True, "inside")
    # One whose time is over names none any more.
    other.versions.update(during=(None, NOW - DAY))
    assert ask(task="anything") == (True, "inside")


def test_type_of_the_subject_is_one_of_what_it_is(active: Make) -> None:
    row = active(expires_at=datetime.now(UTC) + DAY)
    grant(row)
    bound(row, USER)
    bound(row, KEY)
    name, arn = ("identity", "Service-Account", "agent"), ("service account", "principal", "arn")
    for subject, known in (("svc-report", name), (ARN, arn)):
        for one in known:
            assert ask(subject, subject_type=one) == (True, "inside"), one
        for other in {"user", "payment", "agent", "access_key"} - set(known):
            assert ask(subject, subject_type=other) == (False, "wrong_subject_type"), other
    assert ask(KEY.value, subject_type="access_key") == (False, "unknown_credential")


# The wire


BODY: dict[str, Any] = {
    "subject": {"type": "identity", "id": "svc-report"},
    "action": {"name": "s3:GetObject"},
    "resource": {"type": "s3", "id": "invoices/1"},
}


def post(client: Client, body: Any, token: str = "", **headers: str) -> Any:
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = body if isinstance(body, str) else json.dumps(body)
    return client.post(
        "/access/v1/evaluation", data, content_type="application/json", headers=headers
    )


def test_permit_and_deny_are_http_200(client: Client, active: Make, token: Make) -> None:
    row = active(expires_at=datetime.now(UTC) + DAY)
    delegation = grant(row)
    secret = token()
    answer = post(client, BODY, secret, **{"X-Request-ID": "req-1"})
    assert (answer.status_code, answer.headers["X-Request-ID"], answer.json()["decision"]) == (
        200,
        "req-1",
        True,
    )
    context = answer.json()["context"]
    assert (context["reason"], context["policies"], context["identity"], context["signed"]) == (
        "inside",
        [delegation.key],
        row.key,
        True,
    )
    other = BODY | {"subject": BODY["subject"] | {"type": "user"}}
    refused = post(client, other, secret).json()["context"]
    assert (refused["reason"], refused["reason_user"]["en"]) == (
        "wrong_subject_type",
        f"{row.key} is no 'user': as subject.type send identity or service_account or agent.",
    )
    denied = post(client, BODY | {"resource": {"type": "s3", "id": "hr/1"}}, secret)
    assert (denied.status_code, denied.json()["decision"], denied.json()["context"]["reason"]) == (
        200,
        False,
        "wrong_resource",
    )


def test_unknown_members_of_the_protocol_are_ignored(
    client: Client, active: Make, token: Make
) -> None:
    grant(active(expires_at=datetime.now(UTC) + DAY))
    body = BODY | {"x": 1, "context": {}, "subject": BODY["subject"] | {"z": {}}}
    assert post(client, body, token()).json()["decision"] is True


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({**BODY, "subject": None}, "subject must be an object."),
        ({k: v for k, v in BODY.items() if k != "action"}, "action must be an object."),
        ({k: v for k, v in BODY.items() if k != "resource"}, "resource must be an object."),
        ({**BODY, "subject": {"id": "x"}}, "subject.type must be text that is not empty."),
        ({**BODY, "subject": {"type": "x"}}, "subject.id must be text that is not empty."),
        ({**BODY, "action": {"name": ""}}, "action.name must be text that is not empty."),
        (
            {**BODY, "resource": {"type": "x", "id": 5}},
            "resource.id must be text that is not empty.",
        ),
        ({**BODY, "context": []}, "context must be an object."),
        (
            {**BODY, "subject": {"type": "x", "id": "a" * 2_049}},
            "subject.id is longer than 2048 characters or holds a NUL.",
        ),
        ([], "Send a JSON object with subject, action and resource."),
    ],
)
def test_what_lacks_or_misfits_is_400(client: Client, token: Make, body: Any, detail: str) -> None:
    answer = post(client, body, token(), **{"X-Request-ID": "req-2"})
    assert (answer.status_code, answer.json(), answer.headers["X-Request-ID"]) == (
        400,
        [detail],
        "req-2",
    )


def test_broken_json_is_400(client: Client, token: Make) -> None:
    assert post(client, "{", token()).status_code == 400


def test_without_a_token_it_is_401_and_without_the_scope_403(client: Client, token: Make) -> None:
    missing = post(client, BODY)
    assert (missing.status_code, missing.headers["WWW-Authenticate"]) == (
        401,
        'Bearer realm="countersign"',
    )
    assert post(client, BODY, "cst_wrong").status_code == 401
    assert post(client, BODY, token("read")).status_code == 403


def test_ended_revoked_and_inactive_tokens_are_401(client: Client, token: Make) -> None:
    secret = token()
    row = ApiToken.objects.get()
    row.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    row.save()
    assert post(client, BODY, secret).status_code == 401
    row.expires_at = datetime.now(UTC) + DAY
    row.revoked_at = datetime.now(UTC)
    row.save()
    assert post(client, BODY, secret).status_code == 401
    row.revoked_at = None
    row.save()
    User.objects.update(is_active=False)
    assert post(client, BODY, secret).status_code == 401


def test_metadata_names_the_endpoint(client: Client, settings: Any) -> None:
    settings.BASE_URL = "https://countersign.example.org"
    answer = client.get("/.well-known/authzen-configuration")
    assert answer.json() == {
        "policy_decision_point": "https://countersign.example.org",
        "access_evaluation_endpoint": "https://countersign.example.org/access/v1/evaluation",
    }


def test_decision_asks_the_same_number_of_queries_at_any_size(
    client: Client, active: Make, token: Make
) -> None:
    secret = token()
    row = active(expires_at=datetime.now(UTC) + DAY)
    grant(row)
    post(client, BODY, secret)  # the token's first use is written once a minute

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert post(client, BODY, secret).json()["decision"] is True
        return len(seen)

    first = queries()
    for number in range(30):
        grant(row, slug=f"more-{number}")
        active(f"other-{number}")
    assert (first, queries()) == (3, 3)
