"""Secrets of connectors: files in one folder, each with the addresses that it may be sent to.

Owns the folder (COUNTERSIGN_CONNECTOR_SECRETS), reading a secret by its name, and refusing a
request to an address that the secret's `.hosts` file does not list. The name and the address are
settings of a page; the folder belongs to whoever runs the machine, who is the second person.

    okta-token          the secret; only its owner and group may read it
    okta-token.hosts    acme.okta.com            https on port 443
                        siem.example.org:8089    https on another port
                        *.amazonaws.com          any host below this domain
                        http://10.0.0.5:9200     plain http

A secret is read when it is used and kept nowhere: not in the database, a log or an error.
"""

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from evidence.sources.failures import Stopped

LARGEST = 64 * 1024
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
HOSTS = ".hosts"
OLD = ("env:", "file:")
PORTS = {"https": 443, "http": 80}
# At least two labels below the star: nobody owns all of `*.com`.
HOST = re.compile(r"(?:\*\.(?=[^.]+\.))?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:]+")
MOVE = "docs/sources.md, 'Secrets', says how to move it (manage.py connector_secrets)"


class Address(NamedTuple):
    """Where a secret may go; `host` may begin with `*.`."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"
        return place if self.scheme == "https" else f"{self.scheme}://{place}"

    def admits(self, other: "Address") -> bool:
        """Whether a request to `other` goes to this address."""
        if (self.scheme, self.port) != (other.scheme, other.port):
            return False
        if self.host.startswith("*."):
            return other.host.endswith(self.host[1:])
        return self.host == other.host


class Secret(NamedTuple):
    """One secret. `addresses`: all that it may be sent to; empty: it is sent nowhere."""

    name: str
    text: str
    addresses: tuple[Address, ...]

    def __repr__(self) -> str:
        return f"Secret({self.name})"


class Given:
    """The secrets that one client has read, and the check before each of its requests.

    A token that a system issued for a secret is worth as much as the secret, so from the first
    secret on every request of the client must go to an address that all of them list.
    """

    def __init__(self) -> None:
        self._secrets: dict[str, tuple[Address, ...]] = {}

    def add(self, secret: Secret) -> None:
        self._secrets[secret.name] = secret.addresses

    def require(self, url: str) -> None:
        """Raises Stopped when a secret may not be sent to this URL."""
        for name, addresses in self._secrets.items():
            to = address(url)
            if to is None or not any(one.admits(to) for one in addresses):
                raise Stopped(
                    f"The secret {name} may not be sent to {to or 'this address'}: nothing was sent.",
                    f"If the address is right, ask whoever runs Countersign to add the line"
                    f" {to or 'of the address'} to {folder() / name}{HOSTS}.",
                )


def folder() -> Path:
    """Where the secrets of connectors are."""
    return Path(settings.CONNECTOR_SECRETS)


def address(text: str) -> Address | None:
    """The address of a URL, or of `host` or `host:port`, which mean https; None for other text."""
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or parts.username is not None or HOST.fullmatch(host) is None:
        return None
    return Address(parts.scheme, host, PORTS[parts.scheme] if port is None else port)


def wrong(name: str) -> str:
    """What is wrong with a name, which is never repeated: it may be the secret. "" when nothing."""
    if name.startswith(OLD):
        return f"env: and file: are no longer read from settings: {MOVE}"
    if NAME.fullmatch(name) is None or name.endswith(HOSTS):
        return (
            "a secret is named, not given: write the name of a file in the folder of connector"
            " secrets (letters, digits, - _ . and no path)"
        )
    return ""


def read(name: str, *, called: str) -> Secret:
    """The secret of this name. `called`: the setting. Raises Stopped with what to do."""
    if problem := wrong(name):
        raise Stopped(
            f"The setting {called} cannot be used.", f"{problem[0].upper()}{problem[1:]}."
        )
    text = _text(name, called, forbidden=stat.S_IRWXO)
    if not text:
        raise Stopped(
            f"The secret {name}, which {called} names, is empty.", f"Write {_path(name)}."
        )
    return Secret(name, text, _addresses(name, called))


def _addresses(name: str, called: str) -> tuple[Address, ...]:
    if not os.path.lexists(_path(name + HOSTS)):
        return ()
    found = []
    # Who may write this file decides where the secret goes; who may read it does not matter.
    for line in _text(name + HOSTS, called, forbidden=stat.S_IWOTH).splitlines():
        said = line.partition("#")[0].strip()
        one = address(said) if said else None
        if said and one is None:
            raise Stopped(
                f"{_path(name + HOSTS)} has a line that is no address.",
                "Write one host, host:port or http://host:port in each line.",
            )
        if one is not None:
            found.append(one)
    return tuple(found)


def _path(name: str) -> Path:
    return folder() / name


def _text(name: str, called: str, *, forbidden: int) -> str:
    """The text of a file in the folder. `forbidden`: permission bits that it may not have."""
    path = _path(name)
    try:
        # Mounted secrets are links within their folder; a link that leads out of it is refused.
        there = path.resolve(strict=True)
        if not there.is_relative_to(folder().resolve(strict=True)):
            raise Stopped(
                f"{path}, which {called} names, is a link out of the folder.",
                "Copy the file there.",
            )
        if not there.is_file():
            raise Stopped(f"{path}, which {called} names, is no file.", "Put a file there.")
        with os.fdopen(os.open(there, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            about = os.fstat(file.fileno())
            if about.st_mode & forbidden:
                raise Stopped(
                    f"{path}, which {called} names, is open to every user of the machine.",
                    f"Run: chmod o= {path}",
                )
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise Stopped(
                f"{path}, which {called} names, is larger than {LARGEST >> 10} KiB.",
                "Put only the secret into it.",
            )
        return data.decode("utf-8").strip()
    except FileNotFoundError:
        raise Stopped(
            f"There is no secret {name}, which {called} names.",
            f"Ask whoever runs Countersign to put it into {path}.",
        ) from None
    except (OSError, RuntimeError, UnicodeDecodeError) as problem:
        raise Stopped(
            f"{path}, which {called} names, cannot be read ({type(problem).__name__}).",
            "Make it a text file that the user who runs Countersign can read.",
        ) from None


def keep(name: str, text: str, addresses: Iterable[str]) -> None:
    """Write a secret and the addresses that it may be sent to. Raises ValueError where the name or an
    address is none, FileExistsError where either file is there, OSError. For commands: nothing that
    a page or the API reaches may call this."""
    if wrong(name):
        raise ValueError(f"{wrong(name)}.")
    lines = []
    for one in addresses:
        if (to := address(one)) is None:
            raise ValueError(f"{one} is no address: write host, host:port or http://host:port.")
        lines.append(f"{to}\n")
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    # The addresses first: a secret without them goes nowhere.
    for path, said in (
        (_path(name + HOSTS), "".join(lines)),
        (_path(name), text),
    ):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(said)


def forget(name: str) -> None:
    """Remove a secret and where it may go; for commands, as `keep`."""
    for path in (_path(name), _path(name + HOSTS)):
        path.unlink(missing_ok=True)
