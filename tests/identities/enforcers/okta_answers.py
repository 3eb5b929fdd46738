"""What an Okta org answers when it refuses, and the key of Countersign's app there.

Owns bodies and headers of errors as developer.okta.com documents them (error codes, rate limits,
OAuth for Okta). Knows nothing of what is in an org.
"""

import time
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey

from tests.evidence.sources.server import Answer


def error(status: int, code: str, summary: str, *causes: str) -> Answer:
    """An error as all of Okta's management APIs state one."""
    said = {"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": "oaeSAMPLE"}
    return Answer(status, said | {"errorCauses": [{"errorSummary": one} for one in causes]})


def gone(name: str) -> Answer:
    return error(404, "E0000007", f"Not found: Resource not found: {name}")


def limited() -> Answer:
    """Too many requests: no Retry-After, but the moment from which there may be more."""
    found = error(429, "E0000047", "API call exceeded rate limit due to too many requests.")
    reset = str(int(time.time()) + 40)
    return Answer(429, found.body, {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": reset})


def oauth(status: int, code: str, words: str) -> Answer:
    return Answer(status, {"error": code, "error_description": words})


def lacking(scope: str, path: str) -> Answer:
    """A scope that the token lacks is named in a header, and the body is empty."""
    said = (
        f'Bearer authorization_uri="http://lab/oauth2/v1/authorize", realm="http://lab",'
        f' scope="{scope}", error="insufficient_scope", error_description="The access token'
        f' provided does not contain the required scopes.", resource="{path}"'
    )
    return Answer(403, b"", {"WWW-Authenticate": said})


@cache
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@cache
def public() -> RSAKey:
    return RSAKey.import_key(pem())
