"""Doors for GitHub's webhooks and for the audit webhook of kube-apiserver."""

import hmac
import json
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from evidence import actions, doors
from evidence.models import Deposit, Event, LedgerEntry, Source
from evidence.permissions import COMMAND
from tests.evidence.sources.pulling import named

JSON = "application/json"
HOOK = "/api/evidence/hooks/github/"
CLUSTER = "/api/evidence/cluster/kubernetes/prod-1"


@pytest.fixture
def hooks(source: Callable[..., Source]) -> Source:
    return actions.new_token(source=source("hooks"), by=COMMAND, now=timezone.now())[0]


@pytest.fixture
def token(source: Callable[..., Source]) -> str:
    """The token of the source `cluster`."""
    return actions.new_token(source=source("cluster"), by=COMMAND, now=timezone.now())[1]


def installation(number: int = 1) -> dict[str, Any]:
    return {
        "action": "created",
        "installation": {
            "id": number,
            "app_slug": "ledger",
            "updated_at": "2026-11-24T11:00:00Z",
        },
        "organization": {"login": "acme"},
        "sender": {"login": "octo-rosa", "type": "User"},
    }


def deliver(
    client: Client,
    source: Source,
    body: bytes,
    *,
    event: str = "installation",
    delivery: str = "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    kind: str = JSON,
    secret: str = "",
    **headers: str,
) -> Any:
    """One delivery as GitHub sends it."""
    key = secret or doors.webhook_secret(source)
    said = {
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Hook-ID": "292430182",
        "X-Hub-Signature-256": "sha256=" + hmac.new(key.encode(), body, "sha256").hexdigest(),
        **headers,
    }
    return client.post(HOOK, body, content_type=kind, headers=said)


def test_delivery_is_an_event_with_its_number(client: Client, hooks: Source) -> None:
    response = deliver(client, hooks, orjson.dumps(installation()))
    assert (response.status_code, response.json()["events"]) == (200, 1)
    assert Deposit.objects.get().name == "installation 72d3162e-cc78-11e3-81ab-4c9367dc0958"
    assert named("principal") == {("github:acme", "user", "octo-rosa")}
    assert Deposit.objects.get().received_by == "source:hooks"


def test_delivery_that_is_sent_again_is_one_event(client: Client, hooks: Source) -> None:
    deliver(client, hooks, orjson.dumps(installation()))
    again = deliver(client, hooks, orjson.dumps(installation()))
    assert (again.json()["repeat"], Event.objects.count()) == (True, 1)
    other = deliver(client, hooks, orjson.dumps(installation()), delivery="another-1")
    assert (other.json()["repeat"], Event.objects.count()) == (False, 2)


def test_delivery_as_a_form_is_taken_too(client: Client, hooks: Source) -> None:
    body = urlencode({"payload": json.dumps(installation())}).encode()
    kind = "application/x-www-form-urlencoded"
    assert deliver(client, hooks, body, kind=kind).json()["events"] == 1


def test_ping_is_answered_and_not_stored(client: Client, hooks: Source) -> None:
    response = deliver(client, hooks, b'{"zen": "Keep it simple.", "hook_id": 1}', event="ping")
    assert (response.status_code, Deposit.objects.count()) == (200, 0)
    hooks.refresh_from_db()
    assert hooks.token_used_at is not None


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"secret": "guessed"}, 401),
        ({"X-Hub-Signature-256": ""}, 401),
        ({"X-Hub-Signature-256": "sha256=" + "0" * 64}, 401),
        ({"X-Hub-Signature-256": "sha1=" + "0" * 40}, 401),
        ({"X-Hub-Signature-256": "sha256=é"}, 401),
    ],
)
def test_delivery_without_the_right_signature_stores_nothing(
    client: Client, hooks: Source, said: dict[str, str], status: int
) -> None:
    response = deliver(client, hooks, orjson.dumps(installation()), **said)
    assert (response.status_code, response.json()) == (
        status,
        {"problem": "The signature is not this source's."},
    )
    assert Deposit.objects.count() == 0


def test_unknown_source_and_one_without_a_token_are_answered_alike(
    client: Client, source: Callable[..., Source]
) -> None:
    without = source("hooks")
    assert deliver(client, without, b"{}", secret="x").status_code == 401
    Source.objects.all().delete()
    assert deliver(client, without, b"{}", secret="x").status_code == 401


def test_secret_ends_with_the_token(client: Client, hooks: Source) -> None:
    before = doors.webhook_secret(hooks)
    new = actions.new_token(source=hooks, by=COMMAND, now=timezone.now())[0]
    body = orjson.dumps(installation())
    assert deliver(client, new, body, secret=before).status_code == 401
    assert deliver(client, new, body).status_code == 200
    Source.objects.update(token_expires_at=timezone.now() - timedelta(seconds=1))
    assert deliver(client, new, body).status_code == 403


@pytest.mark.parametrize("body", [b"[]", b"no json", b""])
def test_payload_that_is_no_object_is_a_bad_request(
    client: Client, hooks: Source, body: bytes
) -> None:
    assert deliver(client, hooks, body).status_code == 400


def test_source_of_another_format_takes_no_webhooks(client: Client, hooks: Source) -> None:
    Source.objects.update(format="okta")
    assert deliver(client, hooks, orjson.dumps(installation())).status_code == 403


def test_payload_that_is_too_large_is_refused(client: Client, hooks: Source) -> None:
    body = b'{"a": "%b"}' % (b"x" * doors.LARGEST_BODY)
    assert deliver(client, hooks, body).status_code == 413


def test_command_prints_what_is_typed_into_github(hooks: Source, settings: Any) -> None:
    settings.BASE_URL = "https://countersign.example"
    said = StringIO()
    call_command("webhook", "github", "hooks", "--json", stdout=said)
    assert json.loads(said.getvalue()) == {
        "url": f"https://countersign.example{HOOK}",
        "content_type": "application/json",
        "secret": doors.webhook_secret(hooks),
    }
    assert LedgerEntry.objects.filter(act="source.secret_shown").count() == 1


def test_command_asks_for_a_token_first(source: Callable[..., Source]) -> None:
    source("hooks")
    with pytest.raises(CommandError, match=r"manage\.py source token hooks"):
        call_command("webhook", "github", "hooks")


# --- Kubernetes


def audit(number: int, **more: Any) -> dict[str, Any]:
    """An event as the webhook backend sends it: a listed event, without kind and version."""
    return {
        "level": "Metadata",
        "auditID": f"0000-{number}",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/books/secrets",
        "verb": "list",
        "user": {
            "username": "system:serviceaccount:books:reader",
            "uid": "u1",
            "groups": ["system:serviceaccounts"],
            "extra": {"authentication.kubernetes.io/credential-id": ["JTI=1"]},
        },
        "sourceIPs": ["198.51.100.7"],
        "userAgent": "sample/1.0",
        "objectRef": {"resource": "secrets", "namespace": "books", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": f"2026-11-24T11:00:{number % 60:02}.000001Z",
        "stageTimestamp": "2026-11-24T11:00:00.100000Z",
        "annotations": {"authorization.k8s.io/decision": "allow"},
    } | more


def event_list(*events: dict[str, Any]) -> bytes:
    """A batch as kube-apiserver encodes it."""
    said = {
        "kind": "EventList",
        "apiVersion": "audit.k8s.io/v1",
        "metadata": {},
        "items": list(events),
    }
    return json.dumps(said).encode() + b"\n"


def send(client: Client, token: str, body: bytes, path: str = CLUSTER) -> Any:
    """One batch as kube-apiserver sends it: no slash at the end of the address."""
    return client.post(
        path,
        body,
        content_type=JSON,
        headers={
            "Accept": "application/json, */*",
            "Authorization": f"Bearer {token}",
            "User-Agent": "kube-apiserver/v1.34.0 (linux/amd64) kubernetes/0000000",
        },
    )


@pytest.mark.parametrize("path", ["/api/evidence/cluster", "/api/evidence/cluster/"])
def test_batch_is_stored_by_the_general_door(client: Client, token: str, path: str) -> None:
    answer = send(client, token, event_list(audit(1), audit(2)), path).json()
    assert (answer["format"], answer["events"], answer["rejected"]) == ("kubernetes", 2, 0)
    assert {realm for realm, _, _ in named("principal")} == {"k8s:source/cluster"}


@pytest.mark.parametrize("path", [CLUSTER, f"{CLUSTER}/"])
def test_batch_is_of_the_cluster_that_the_address_names(
    client: Client, token: str, path: str
) -> None:
    response = send(client, token, event_list(audit(1), audit(2, cluster_name="other")), path)
    assert (response.status_code, response.json()["events"]) == (200, 2)
    assert {realm for realm, _, _ in named("principal")} == {"k8s:prod-1"}


def test_batch_of_one_event_is_recognised(client: Client, token: str) -> None:
    answer = send(client, token, event_list(audit(1)), "/api/evidence/cluster").json()
    assert (answer["format"], answer["events"]) == ("kubernetes", 1)


def test_batch_that_is_sent_again_after_a_lost_answer_doubles_nothing(
    client: Client, token: str
) -> None:
    send(client, token, event_list(audit(1), audit(2)))
    again = send(client, token, event_list(audit(1), audit(2))).json()
    more = send(client, token, event_list(audit(2), audit(3))).json()
    assert (again["repeat"], more["events"], more["duplicates"]) == (True, 1, 1)
    assert Event.objects.count() == 3


def test_batch_of_a_large_cluster_is_stored(client: Client, token: str) -> None:
    body = event_list(*(audit(number, requestObject={"x": "y" * 22_000}) for number in range(400)))
    assert send(client, token, body, "/api/evidence/cluster").json()["events"] == 400
    assert len(body) > 8 << 20


def test_empty_batch_is_a_success(client: Client, token: str) -> None:
    response = send(client, token, event_list())
    assert (response.status_code, Deposit.objects.count()) == (200, 0)


@pytest.mark.parametrize(
    ("path", "wrong", "body", "code", "reason"),
    [
        (CLUSTER, True, event_list(), 401, "Unauthorized"),
        ("/api/evidence/other/kubernetes/prod-1", False, event_list(), 403, "Forbidden"),
        (CLUSTER, False, b"{}", 400, "BadRequest"),
        (CLUSTER, False, b"{", 400, "BadRequest"),
        (CLUSTER, False, b'{"items": {}}', 400, "BadRequest"),
    ],
)
def test_refusal_is_a_status_that_kube_apiserver_reads(
    client: Client, token: str, path: str, wrong: bool, body: bytes, code: int, reason: str
) -> None:
    response = send(client, "css_wrong" if wrong else token, body, path)
    said = response.json()
    assert (response.status_code, said["kind"], said["status"], said["code"], said["reason"]) == (
        code,
        "Status",
        "Failure",
        code,
        reason,
    )


def test_pressure_is_answered_with_a_time_to_try_again(client: Client, token: str) -> None:
    with ExitStack() as held:
        for _ in range(doors.MOST_AT_ONCE):
            held.enter_context(doors.turns.one(0))
        response = send(client, token, event_list(audit(1)))
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert response.json()["details"] == {"retryAfterSeconds": 2}


def test_command_prints_a_kubeconfig(source: Callable[..., Source], settings: Any) -> None:
    settings.BASE_URL = "https://countersign.example"
    source("cluster")
    said = StringIO()
    call_command("webhook", "kubernetes", "cluster", "--cluster", "prod-1", stdout=said)
    document = json.loads(said.getvalue())
    assert document["clusters"][0]["cluster"]["server"] == f"https://countersign.example{CLUSTER}"
    assert document["users"][0]["user"] == {"tokenFile": "/etc/kubernetes/countersign-token"}
