"""Health, readiness and numbers: what they say, and to whom."""

import pytest
from django.test import Client

from identities.models import User


def test_healthz_answers_without_a_database(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_readyz_says_that_all_is_well(client: Client, db: None) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"database": "ok", "migrations": "ok", "broker": "ok"},
    )


def test_readyz_says_what_is_wrong(client: Client, db: None, settings: object) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]  # pytest-django's wrapper
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        {
            "database": "ok",
            "migrations": "ok",
            "broker": "the broker does not answer (ConnectionError)",
        },
    )


@pytest.mark.parametrize(
    ("token", "given", "peer", "status"),
    [
        # A proxy on the same machine makes every request come from it.
        ("", "", "127.0.0.1", 401),
        ("", "Bearer ", "127.0.0.1", 401),
        ("", "Bearer secret", "::1", 401),
        ("secret", "Bearer secret", "203.0.113.9", 200),
        ("secret", "secret", "203.0.113.9", 401),
        ("secret", "Bearer other", "127.0.0.1", 401),
        ("secret", "", "127.0.0.1", 401),
    ],
)
def test_metrics_are_for_the_token_alone(
    client: Client, settings: object, token: str, given: str, peer: str, status: int
) -> None:
    settings.METRICS_TOKEN = token  # type: ignore[attr-defined]  # pytest-django's wrapper
    headers = {"Authorization": given} if given else {}
    answer = client.get("/metrics", headers=headers, REMOTE_ADDR=peer)
    assert answer.status_code == status
    assert (b"countersign_requests_total" in answer.content) == (status == 200)
    assert answer.headers.get("WWW-Authenticate") == (None if status == 200 else "Bearer")


@pytest.mark.parametrize(
    ("here", "refusal"), [("/api/schema/", 403), ("/api/docs/", 302), ("/api/docs/?script=", 302)]
)
def test_api_is_described_to_those_who_signed_in(
    client: Client, django_user_model: type[User], db: None, here: str, refusal: int
) -> None:
    answer = client.get(here)
    assert answer.status_code == refusal
    assert b"openapi" not in answer.content
    client.force_login(django_user_model.objects.create_user("ines"))
    assert client.get(here).status_code == 200


def test_metrics_count_by_name_and_not_by_path(client: Client, settings: object) -> None:
    settings.METRICS_TOKEN = "secret"  # type: ignore[attr-defined]  # pytest-django's wrapper
    client.get("/healthz")
    client.get("/nowhere/someone@example.org")
    text = client.get("/metrics", headers={"Authorization": "Bearer secret"}).content.decode()
    assert 'view="healthz"' in text
    assert "someone@example.org" not in text
