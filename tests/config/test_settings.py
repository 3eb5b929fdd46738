"""What the settings promise: headers, roles, broker addresses, no sign-up."""

import re

import pytest
from django.conf import settings
from django.test import Client
from kombu.connection import Connection

from config import addresses


def test_policy_is_exactly_the_strict_one(client: Client, db: None) -> None:
    answer = client.get("/accounts/login/")
    policy = re.sub(r"'nonce-[^']+'", "'nonce'", answer.headers["Content-Security-Policy"])
    assert policy.replace(" 'nonce'", "") == (
        "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'none'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'; object-src 'none'; "
        "require-trusted-types-for 'script'; trusted-types htmx"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_nobody_can_sign_up(client: Client, db: None) -> None:
    client.post(
        "/accounts/signup/",
        {
            "username": "eve",
            "email": "eve@example.org",
            "password1": "x" * 20,
            "password2": "x" * 20,
        },
    )
    from identities.models import User

    assert User.objects.count() == 0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:pw@host:6380/3", "redis://:pw@host:6380/3"),
        ("unix://:p%2Fw@/run/x/valkey?db=2", "redis+socket://:p%2Fw@/run/x/valkey?virtual_host=2"),
        ("unix:///run/x/valkey", "redis+socket:///run/x/valkey?virtual_host=0"),
    ],
)
def test_broker_address_is_written_as_kombu_reads_it(url: str, expected: str) -> None:
    assert addresses.broker_of(url) == expected


def test_celery_reaches_the_broker_at_its_address() -> None:
    with Connection(settings.BROKER_URL, connect_timeout=60) as connection:  # type: ignore[no-untyped-call]  # kombu ships no types
        queue = connection.SimpleQueue("countersign-test", no_ack=True)
        try:
            queue.put({"number": 1})
            assert queue.get(timeout=60).payload == {"number": 1}
        finally:
            queue.queue.delete()
            queue.close()


def test_app_never_connects_without_its_role() -> None:
    assert settings.DATABASE_ROLES["app"]["OPTIONS"]["options"] == "-c role=countersign_app"
    assert "options" not in settings.DATABASE_ROLES["owner"]["OPTIONS"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "smtp://a%40b:p%2Fw@mail.example.org",
            ("mail.example.org", 587, "a@b", "p/w", True, False),
        ),
        ("smtps://mail.example.org", ("mail.example.org", 465, "", "", False, True)),
        ("smtp+plain://127.0.0.1:2525", ("127.0.0.1", 2525, "", "", False, False)),
    ],
)
def test_mail_address_is_read(url: str, expected: tuple[object, ...]) -> None:
    options = addresses.mailers_of(url)["default"]["OPTIONS"]
    assert isinstance(options, dict)
    names = ("host", "port", "username", "password", "use_tls", "use_ssl")
    assert tuple(options[name] for name in names) == expected


def test_mail_may_be_kept_as_files() -> None:
    assert addresses.mailers_of("file:///var/lib/a%20b/mail") == {
        "default": {
            "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "OPTIONS": {"file_path": "/var/lib/a b/mail"},
        }
    }


@pytest.mark.parametrize("url", ["", "console://"])
def test_mail_without_an_address_is_printed(url: str) -> None:
    assert addresses.mailers_of(url) == {
        "default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}
    }
