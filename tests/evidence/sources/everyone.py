"""Settings of every connector that asks over HTTP, all pointed at one address.

Owns what tests of all connectors at once share; knows no vendor's answers.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.connector_secrets import Kept, allow
from tests.evidence.sources.pulling import rsa_key

TENANT = "11111111-2222-3333-4444-555555555555"
TOKEN, OTHER = "S3cr3tTOKcanary/0123456789", "sk-lf-secretcanary99"

type Settings = Callable[[str], dict[str, str]]


def _aws(**said: str) -> Settings:
    return lambda at: {
        **{name: value.replace("@", at) for name, value in said.items()},
        "endpoint": at,
        "access_key_id": "AKIAEXAMPLE000000000",
        "secret_access_key": "EVERYONE_TOKEN",
    }


SETTINGS: dict[str, Settings] = {
    "okta": lambda at: {"url": at, "token": "EVERYONE_TOKEN"},
    "graph": lambda at: {
        "tenant": TENANT,
        "client_id": "c",
        "secret": "EVERYONE_TOKEN",
        "url": at,
        "login": at,
        "management": at,
    },
    "github": lambda at: {"owner": "acme", "token": "EVERYONE_TOKEN", "url": at},
    "gcp": lambda at: {
        "resources": "projects/p",
        "credentials": "EVERYONE_ACCOUNT",
        "url": at,
    },
    "langfuse": lambda at: {
        "url": at,
        "public_key": "EVERYONE_TOKEN",
        "secret_key": "EVERYONE_OTHER",
    },
    "phoenix": lambda at: {"url": at, "project": "default", "token": "EVERYONE_TOKEN"},
    "mlflow": lambda at: {"url": at, "experiments": "0", "secret": "EVERYONE_TOKEN"},
    "splunk": lambda at: {"url": at, "token": "EVERYONE_TOKEN", "search": "s"},
    "sentinel": lambda at: {
        "tenant": TENANT,
        "client_id": "c",
        "secret": "EVERYONE_TOKEN",
        "workspace": TENANT,
        "query": "SigninLogs",
        "url": at,
        "login": at,
    },
    "elastic": lambda at: {"url": at, "api_key": "EVERYONE_TOKEN", "index": "logs-*"},
    "kubernetes": lambda at: {"url": at, "cluster": "c", "token": "EVERYONE_TOKEN"},
    "signals": lambda at: {
        "issuer": at,
        "audience": "us",
        "poll_url": f"{at}/poll",
        "stream_id": "s",
        "token": "EVERYONE_TOKEN",
    },
    "s3": _aws(bucket="bk"),
    "s3_queue": _aws(bucket="bk", queue_url="@/123456789012/q"),
    "cloudtrail_lookup": _aws(),
}


@pytest.fixture(scope="session")
def account_key() -> str:
    return rsa_key()


@pytest.fixture
def everyone(secret_file: Kept, account_key: str) -> Callable[[str, str], dict[str, str]]:
    """The settings of a connector that asks this address."""
    secret_file("EVERYONE_TOKEN", TOKEN)
    secret_file("EVERYONE_OTHER", OTHER)

    def settings(name: str, at: str) -> dict[str, str]:
        account = {
            "type": "service_account",
            "client_email": "a@b.iam",
            "private_key": account_key,
            "token_uri": f"{at}/token",
        }
        secret_file("EVERYONE_ACCOUNT", json.dumps(account))
        said = SETTINGS[name](at)
        allow(said)
        return said

    return settings


def own_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    from datetime import timedelta
    from ipaddress import IPv4Address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from django.utils import timezone

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = timezone.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "ca.crt", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private
