"""Tokens: signed as their receivers verify them, renewed before their end."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from evidence.sources import tokens
from evidence.sources.failures import Stopped
from tests.evidence.sources.pulling import rsa_key


def decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verified(token: str, key: str) -> dict[str, Any]:
    """The claims of a token that this key signed; raises when it did not."""
    header, claims, signature = token.split(".")
    private = load_pem_private_key(key.encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    private.public_key().verify(
        decoded(signature), f"{header}.{claims}".encode(), padding.PKCS1v15(), SHA256()
    )
    assert json.loads(decoded(header))["alg"] == "RS256"
    found: dict[str, Any] = json.loads(decoded(claims))
    return found


def test_statement_verifies_with_its_key() -> None:
    key = rsa_key()
    assert verified(tokens.signed({"iss": "a"}, key=key, called="key", kid="k1"), key) == {
        "iss": "a"
    }


@pytest.mark.parametrize("kind", ["text", "curve"])
def test_key_of_another_kind_is_named_without_being_shown(kind: str) -> None:
    key = "s3cret"
    if kind == "curve":
        made = ec.generate_private_key(ec.SECP256R1())
        key = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(Stopped, match="What key refers to is no RSA private key") as problem:
        tokens.signed({}, key=key, called="key")
    assert key not in f"{problem.value} {problem.value.fix} {problem.value.__cause__}"


def test_token_is_asked_for_once_until_shortly_before_its_end() -> None:
    asked: list[float] = []
    time = [1000.0]

    def fetch() -> tokens.Token:
        asked.append(time[0])
        return tokens.Token(f"t{len(asked)}", 3600.0)

    bearer = tokens.Bearer(fetch, clock=lambda: time[0])
    for moment in (1000.0, 1000.0 + 3299, 1000.0 + 3300, 1000.0 + 3301):
        time[0] = moment
        bearer.header()
    assert asked == [1000.0, 4300.0]
    assert bearer.header() == {"Authorization": "Bearer t2"}
