"""Access tokens that are asked for: signed statements (JWT, RS256) and tokens with an end.

Owns RFC 7515 and 7523 as far as Google and GitHub use them, and when a token is asked for anew.
Nothing is kept beyond the pull.
"""

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from evidence.sources.failures import Later, Stopped

# A token is asked for anew so long before its end.
SPARE_SECONDS = 300.0
SHORTEST_SECONDS = 60.0

# What a connector makes of a refusal; see contract.Http.request.
type Explain = Callable[[httpx.Response], Exception | None]


class Token(NamedTuple):
    """A token, and for how many seconds it holds."""

    text: str
    seconds: float


class Bearer:
    """The Authorization header of one pull, renewed before the token ends."""

    def __init__(
        self, fetch: Callable[[], Token], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch, self._clock = fetch, clock
        self._text, self._until = "", 0.0

    def header(self) -> dict[str, str]:
        """Raises what fetching raises."""
        if not self._text or self._clock() >= self._until:
            token = self._fetch()
            self._text = token.text
            self._until = self._clock() + max(token.seconds - SPARE_SECONDS, SHORTEST_SECONDS)
        return {"Authorization": f"Bearer {self._text}"}


def signed(claims: Mapping[str, Any], *, key: str, called: str, kid: str = "") -> str:
    """The claims as a JWT signed with an RSA key in PEM. Raises Stopped when it is none."""
    try:
        loaded = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        loaded = None
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise Stopped(
            f"What {called} refers to is no RSA private key in PEM without a password.",
            "Put the key there exactly as it was downloaded.",
        )
    header = {"alg": "RS256", "typ": "JWT", **({"kid": kid} if kid else {})}
    said = b".".join(_coded(orjson.dumps(part)) for part in (header, dict(claims)))
    return (said + b"." + _coded(loaded.sign(said, padding.PKCS1v15(), SHA256()))).decode()


def _coded(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def parsed(answer: httpx.Response) -> Any:
    """The JSON of an answer; None when it is none. Raises Later where a success begins as JSON and
    does not end so: a proxy or a restart over there cut it off, and the next one may be whole."""
    try:
        return orjson.loads(answer.content)
    except (ValueError, RecursionError):
        if answer.is_success and answer.content.lstrip()[:1] in (b"{", b"["):
            where = str(answer.request.url).split("?", 1)[0][:200]
            raise Later(f"{where} answered with JSON that breaks off or is damaged") from None
        return None


def object_of(answer: httpx.Response) -> dict[str, Any] | None:
    """The JSON object of an answer; None when it is none. Raises Later as `parsed` does."""
    found = parsed(answer)
    return found if type(found) is dict else None


def document(answer: httpx.Response) -> dict[str, Any]:
    """The same, empty when it is none: for members that may be missing anyway."""
    return object_of(answer) or {}


def granted(answer: httpx.Response, *, by: str) -> Token:
    """The token of an OAuth token endpoint's answer. Raises Stopped when there is none."""
    found = document(answer)
    text, seconds = found.get("access_token"), found.get("expires_in")
    if type(text) is not str or not text.isascii() or not text.isprintable():
        raise Stopped(f"{by} answers without a token.", "Check the address of the sign-in service.")
    if type(seconds) is str and seconds.isascii() and seconds.isdigit():
        seconds = int(seconds)
    return Token(text, float(seconds) if type(seconds) is int else SPARE_SECONDS)
