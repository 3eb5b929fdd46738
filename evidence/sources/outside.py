"""The one HTTP client for everything outside, with a guard on where it may go.

Owns which addresses are spoken to: public ones over https, unless private ones are allowed in
words. An address is somebody's setting; without this guard it would be a way to make the server
speak to its own network. The connection goes to the address that was looked at, so that a name
cannot change its answer in between. Redirects are not followed: they would lead past the guard.
"""

import ipaddress
import os
import socket
import ssl
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpcore
import httpx

from evidence.sources.patience import Network, Patience

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
USER_AGENT = "countersign"

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds answer machines with their credentials; no setting opens these. Link-local (AWS,
# Google, Azure, Oracle), AWS over IPv6, Alibaba, and Azure's host agent.
_METADATA = tuple(
    ipaddress.ip_network(one)
    for one in (
        "169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32",
    )
)  # fmt: skip
# An IPv4 address in their last 32 bits: RFC 6052, RFC 8215, and RFC 4291's old notation.
_EMBEDDING = tuple(
    ipaddress.IPv6Network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")
)
# RFC 4291 and IANA's registry: nothing else of IPv6 is assigned to the public internet, neither
# segment routing (5f00::/16) nor an IPv4 address in the old notation (::a.b.c.d). The second is
# RFC 6052's translator, whose IPv4 address is judged besides.
_PUBLIC_V6 = (ipaddress.IPv6Network("2000::/3"), ipaddress.IPv6Network("64:ff9b::/96"))
_NO_SUCH_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


class Refused(Exception):
    """This address is never spoken to: the sentence says why."""


class NotResolved(Exception):
    """The name could not be resolved; `unknown`: there is none, and waiting does not help."""

    def __init__(self, said: str, *, unknown: bool = False) -> None:
        super().__init__(said)
        self.unknown = unknown


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
        if not allow_private and not is_public(address):
            raise Refused(f"{address} is not a public address")
        if is_metadata(address):
            raise Refused(f"{address} is where a cloud tells machines their credentials")
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
    except socket.gaierror as problem:
        unknown = problem.errno in _NO_SUCH_NAME
        said = "there is no name" if unknown else "nobody answered for the name"
        raise NotResolved(f"{said} {host[:200]}", unknown=unknown) from None
    except (OSError, UnicodeError):
        raise NotResolved(f"the name {host[:200]} could not be resolved") from None
    found = []
    for entry in entries:
        address = ipaddress.ip_address(str(entry[4][0]).partition("%")[0])
        # An IPv4 address dressed as IPv6 is judged as what it is.
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        found.append(mapped or address)
    return found


def _behind(address: Address) -> Address:
    """The IPv4 address that a translator (RFC 6052), 6to4 or an old notation leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _EMBEDDING):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address


def is_metadata(address: Address) -> bool:
    """Whether machines of a cloud are told their credentials there."""
    behind = _behind(address)
    return any(behind in network for network in _METADATA if network.version == behind.version)


def is_public(address: Address) -> bool:
    """Whether an address, and the one behind it, is assigned to the public internet."""
    if address.version == 6 and not any(address in network for network in _PUBLIC_V6):
        return False
    return all(one.is_global and not one.is_multicast for one in (address, _behind(address)))


@lru_cache(maxsize=8)
def _trusting(file: str, changed: float, folder: str) -> ssl.SSLContext:  # noqa: ARG001 - `changed` reads the file again
    made = httpx.create_ssl_context(trust_env=False)
    if file or folder:
        made.load_verify_locations(cafile=file or None, capath=folder or None)
    return made


def trusted() -> ssl.SSLContext:
    """The authorities that are known publicly, and those of SSL_CERT_FILE and SSL_CERT_DIR.

    Raises Refused when the file is none.
    """
    file, folder = (os.environ.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    try:
        changed = Path(file).stat().st_mtime if file else 0.0
        return _trusting(file, changed, folder)
    except (OSError, ValueError) as problem:
        raise Refused(
            f"SSL_CERT_FILE {file} holds no certificates that can be read"
            f" ({type(problem).__name__})"
        ) from None


# So large is a file of all authorities there are, ten times over.
LARGEST_AUTHORITIES = 4 * 1024 * 1024


@lru_cache(maxsize=64)
def _vouching(file: str, changed: int, size: int) -> ssl.SSLContext:  # noqa: ARG001 - both read the file again
    return ssl.create_default_context(cafile=file)


def vouched_by(file: str) -> ssl.SSLContext:
    """The authorities of this file alone. Raises Refused when it cannot be read or holds none."""
    try:
        about = Path(file).stat()
        if not stat.S_ISREG(about.st_mode):
            raise Refused("is no file")
        if about.st_size > LARGEST_AUTHORITIES:
            raise Refused(f"is larger than {LARGEST_AUTHORITIES >> 20} MiB")
        return _vouching(file, about.st_mtime_ns, about.st_size)
    except (OSError, ValueError) as problem:
        # Not what the parser says: it may repeat a line.
        read = isinstance(problem, ssl.SSLError)
        raise Refused(
            "holds no certificates" if read else f"cannot be read ({type(problem).__name__})"
        ) from None


class Guarded(httpx.HTTPTransport):
    """Looks at every address before it is connected to, and connects to what was looked at."""

    def __init__(
        self,
        *,
        allow_private: bool,
        verify: ssl.SSLContext,
        patience: Patience,
        require: Callable[[str], None],
    ) -> None:
        super().__init__(trust_env=False, verify=verify)
        # The same pool as its own, over connections that wait within bounds.
        self._pool = httpcore.ConnectionPool(
            ssl_context=verify,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=Network(patience),
        )
        self._allow_private, self._patience = allow_private, patience
        self._require = require

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        pause = request.extensions.get("timeout", {}).get("read") or 0.0
        self._patience.begin(pause=pause, stream=bool(request.extensions.get("stream")))
        self._require(str(request.url))
        place = place_of(str(request.url), allow_private=self._allow_private)
        request.headers["Host"] = place.host
        request.extensions = {**request.extensions, "sni_hostname": place.server_name}
        request.url = httpx.URL(place.url)
        return super().handle_request(request)


def client(
    *,
    allow_private: bool,
    patience: Patience,
    verify: ssl.SSLContext | None = None,
    require: Callable[[str], None] = lambda _: None,
    **options: Any,
) -> httpx.Client:
    """An HTTP client whose requests raise Refused or NotResolved before they leave, and Slow when
    an answer uses up its time. `require` is called with each URL before its request leaves; what it
    raises ends the request. Raises Refused itself when there is nothing to trust."""
    options.setdefault("timeout", TIMEOUT)
    # What unpacks to more than it may is known of gzip alone (contract.py).
    headers = {
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "gzip, identity",
        **options.pop("headers", {}),
    }
    return httpx.Client(
        transport=Guarded(
            allow_private=allow_private,
            verify=verify or trusted(),
            patience=patience,
            require=require,
        ),
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
