"""Health, readiness and numbers: what they say, and to whom."""

import pytest
from django.test import Client


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
    ("token", "given", "peer", "proxy", "status"),
    [
        ("", "", "127.0.0.1", False, 200),
        ("", "", "::1", False, 200),
        ("", "", "203.0.113.9", False, 403),
        ("", "", "127.0.0.1", True, 403),
        ("secret", "Bearer secret", "203.0.113.9", True, 200),
        ("secret", "Bearer other", "127.0.0.1", False, 403),
        ("secret", "", "127.0.0.1", False, 403),
    ],
)
def test_metrics_are_for_this_machine_or_the_token(
    client: Client,
    settings: object,
    token: str,
    given: str,
    peer: str,
    status: int,
    *,
    proxy: bool,
) -> None:
    settings.METRICS_TOKEN = token  # type: ignore[attr-defined]  # pytest-django's wrapper
    settings.BEHIND_PROXY = proxy  # type: ignore[attr-defined]  # the same
    headers = {"Authorization": given} if given else {}
    answer = client.get("/metrics", headers=headers, REMOTE_ADDR=peer)
    assert answer.status_code == status


def test_metrics_count_by_name_and_not_by_path(client: Client, settings: object) -> None:
    settings.METRICS_TOKEN = ""  # type: ignore[attr-defined]  # pytest-django's wrapper
    client.get("/healthz")
    client.get("/nowhere/someone@example.org")
    text = client.get("/metrics").content.decode()
    assert 'view="healthz"' in text
    assert "someone@example.org" not in text
