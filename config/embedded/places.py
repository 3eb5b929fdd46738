"""Where the embedded services keep their things. Pure: computes paths, touches nothing.

Everything hangs off one folder (`var/`, moved by COUNTERSIGN_VAR), so that two checkouts never
meet. Only when its path is too long for a unix socket do sockets go to a private short folder,
named after the user and the folder.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# sockaddr_un holds 107 bytes and a NUL; PostgreSQL and redis clients differ in what they do at
# the edge, so stay clear of it.
LONGEST_SOCKET_PATH = 99
POSTGRES_PORT = 5432  # only the last part of the socket's name; no TCP port is opened
DATABASE = "countersign"
APP_LOGIN = "countersign"
APP_ROLE = "countersign_app"
OWNER_LOGIN = "countersign_owner"
SUPERUSER = "postgres"


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of one installation's services, all derived from `var`."""

    var: Path

    @property
    def secrets(self) -> Path:
        return self.var / "secrets"

    @property
    def connector_secrets(self) -> Path:
        return self.secrets / "connectors"

    @property
    def log(self) -> Path:
        return self.var / "log"

    @property
    def keeper_lock(self) -> Path:
        """Held by the one keeper for its whole life."""
        return self.var / "keeper.lock"

    @property
    def starter_lock(self) -> Path:
        """Held by the one process that is starting a keeper."""
        return self.var / "starter.lock"

    @property
    def postgres_data(self) -> Path:
        return self.var / "postgres"

    @property
    def valkey_data(self) -> Path:
        return self.var / "valkey"

    @property
    def valkey_config(self) -> Path:
        return self.valkey_data / "valkey.conf"

    @property
    def run(self) -> Path:
        """The folder of the keeper's socket and of the services' socket folder."""
        near = self.var / "run"
        longest = near / "s" / f".s.PGSQL.{POSTGRES_PORT}.lock"
        if len(os.fsencode(longest)) <= LONGEST_SOCKET_PATH:
            return near
        digest = hashlib.sha256(os.fsencode(self.var)).hexdigest()[:12]
        return Path("/tmp") / f"countersign-{os.geteuid()}-{digest}"  # noqa: S108 - private, checked

    @property
    def sockets(self) -> Path:
        """The services' sockets; belongs to the user the services run as."""
        return self.run / "s"

    @property
    def keeper_socket(self) -> Path:
        return self.run / "keeper"

    @property
    def valkey_socket(self) -> Path:
        return self.sockets / "valkey"

    def redis_url(self, password: str) -> str:
        return f"unix://:{quote(password, safe='')}@{quote(str(self.valkey_socket))}?db=0"


def places(var: str | Path) -> Places:
    """The places of this folder; relative paths and links are resolved first."""
    return Places(Path(var).resolve())
