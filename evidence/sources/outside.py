"""The one HTTP client for everything outside, with a guard on where it may go.

Owns which addresses are spoken to: public ones over https, unless private ones are allowed in
words. An address is somebody's setting; without this guard it would be a way to make the server
speak to its own network. The connection goes to the address that was looked at, so that a name
cannot change its answer in between. Redirects are not followed: they would lead past the guard.
"""

import ipaddress
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
USER_AGENT = "countersign"

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(Exception):
    """This address is never spoken to: the sentence says why."""


class NotResolved(Exception):
    """The name could not be resolved now: try again later."""


class Place(NamedTuple):
    """Where to connect, and what to say that one wanted."""

    url: str  # with the address in place of the name
    host: str  # for the Host header
    server_name: str  # for TLS


def place_of(url: str, *, allow_private: bool = False) -> Place:
    """The one address that is connected to. Raises Refused or NotResolved."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise Refused("its port is not a number up to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused("it is not an http or https address")
    if parts.username or parts.password:
        raise Refused("it carries a user name or password")
    if parts.fragment:
        raise Refused("it carries a fragment")
    if parts.scheme != "https" and not allow_private:
        raise Refused("it does not speak https")
    found = addresses(parts.hostname, port or (443 if parts.scheme == "https" else 80))
    for address in found:
        if not allow_private and (not address.is_global or address.is_multicast):
            raise Refused(f"{address} is not a public address")
    chosen = found[0]
    literal = f"[{chosen}]" if chosen.version == 6 else str(chosen)
    where = f"{literal}:{port}" if port else literal
    query = f"?{parts.query}" if parts.query else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Place(
        f"{parts.scheme}://{where}{parts.path or '/'}{query}",
        f"{host}:{port}" if port else host,
        parts.hostname,
    )


def addresses(host: str, port: int) -> list[Address]:
    """Every address a name resolves to. Raises NotResolved."""
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotResolved(f"the name {host[:200]} could not be resolved") from None
    found = []
    for entry in entries:
        address = ipaddress.ip_address(str(entry[4][0]).partition("%")[0])
        # An IPv4 address dressed as IPv6 is judged as what it is.
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        found.append(mapped or address)
    return found


class Guarded(httpx.HTTPTransport):
    """Looks at every address before it is connected to, and connects to what was looked at."""

    def __init__(self, *, allow_private: bool, **options: Any) -> None:
        super().__init__(trust_env=False, **options)
        self._allow_private = allow_private

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        place = place_of(str(request.url), allow_private=self._allow_private)
        request.headers["Host"] = place.host
        request.extensions = {**request.extensions, "sni_hostname": place.server_name}
        request.url = httpx.URL(place.url)
        return super().handle_request(request)


def client(
    *, allow_private: bool, verify: ssl.SSLContext | bool = True, **options: Any
) -> httpx.Client:
    """An HTTP client whose requests raise Refused or NotResolved before they leave."""
    options.setdefault("timeout", TIMEOUT)
    headers = {"User-Agent": USER_AGENT, **options.pop("headers", {})}
    return httpx.Client(
        transport=Guarded(allow_private=allow_private, verify=verify),
        follow_redirects=False,
        headers=headers,
        **options,
    )


def retry_after(answer: httpx.Response, *, now: datetime) -> float | None:
    """Seconds the server asks us to wait: Retry-After as a number or a date, or the reset
    moment that Okta and GitHub state once nothing is left; None when it says nothing."""
    said = answer.headers.get("Retry-After", "")
    if said.isascii() and said.isdigit():
        return float(said)
    if said:
        try:
            return max(0.0, (parsedate_to_datetime(said) - now).total_seconds())
        except (ValueError, TypeError):
            pass
    left = answer.headers.get("X-Rate-Limit-Remaining") or answer.headers.get(
        "X-RateLimit-Remaining", "0"
    )
    if answer.status_code != 429 and left != "0":
        return None  # both state the moment on every answer
    reset = answer.headers.get("X-Rate-Limit-Reset") or answer.headers.get("X-RateLimit-Reset", "")
    if reset.isascii() and reset.isdigit() and len(reset) < 12:
        return max(0.0, float(reset) - now.timestamp())
    return None


def skew(answer: httpx.Response, *, now: datetime) -> float | None:
    """How far the server's clock is ahead of ours, in seconds; None when it does not say."""
    try:
        theirs = parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError, TypeError):
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    return (theirs - now).total_seconds()
