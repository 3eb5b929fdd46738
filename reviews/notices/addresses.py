"""Which addresses a webhook may be sent to: public ones over https, unless private is allowed.

A webhook's address is a person's setting; without this guard it would be a way to make the
server speak to its own network. The request goes to the address that was looked at, so that a
name cannot change its answer in between.
"""

import ipaddress
import socket
from typing import NamedTuple
from urllib.parse import urlsplit


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
    """The one address that is connected to, or Refused."""
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
    found = _addresses(parts.hostname, port or (443 if parts.scheme == "https" else 80))
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


def _addresses(host: str, port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
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
