"""Clients of AWS: credentials by reference, timeouts, and the mark each call carries.

Owns how a session is made; must not know what is asked. The idempotency key of a step travels
in the User-Agent, which CloudTrail keeps as `userAgent`: that is as far as IAM has room for one.
"""

from __future__ import annotations

import configparser
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from evidence.sources.aws_session import session

from .addresses import check_endpoint
from .aws_failures import ADMINISTRATOR
from .contract import PermanentFailure

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sts import STSClient

# "standard" counts max_attempts as retries after the first call; more would hold a worker's
# lease while the row's own not_before can wait without one.
# Whose credentials these are does not change; whoever renews them for another account is found out.
FRESH_SECONDS = 600.0
CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "max_attempts": 2},
    user_agent_extra="countersign",
    parameter_validation=True,
)
LARGEST_FILE = 64 * 1024

_key: ContextVar[str] = ContextVar("key", default="")


@contextmanager
def marked(key: str) -> Iterator[None]:
    """Calls made inside carry the idempotency key."""
    token = _key.set(re.sub(r"[^A-Za-z0-9._-]", "-", key)[:64])
    try:
        yield
    finally:
        _key.reset(token)


def _mark(request: AWSPreparedRequest, **_: Any) -> None:
    # Just before sending: botocore writes the User-Agent anew for each attempt, and signs without
    # it, so that nothing between us and AWS breaks a signature by changing it.
    key = _key.get()
    if key:
        # The SDK's types say text, but by now the headers are encoded.
        raw: Any = request.headers.get("User-Agent", "")
        agent = raw.decode() if isinstance(raw, bytes) else raw
        request.headers["User-Agent"] = f"{agent} countersign-key/{key}".strip()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Long-lived or temporary credentials; never printed with the secret."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def credentials(reference: str) -> Credentials | None:
    """The credentials a reference names; None is boto3's own default chain.

    `env:PREFIX` reads PREFIX_ACCESS_KEY_ID, PREFIX_SECRET_ACCESS_KEY and, where set,
    PREFIX_SESSION_TOKEN. `file:/path` reads either a JSON object with the keys access_key_id,
    secret_access_key and session_token, or the [default] part of an AWS credentials file.
    An empty reference or `default` is the default chain (a role of the machine, in general).
    """
    kind, _, rest = reference.partition(":")
    if reference in ("", "default"):
        return None
    if kind == "env" and rest:
        found = {
            word: os.environ.get(f"{rest}_{word.upper()}", "")
            for word in ("access_key_id", "secret_access_key", "session_token")
        }
        return _complete(found, reference)
    if kind == "file" and rest:
        return _complete(_from_file(Path(rest), reference), reference)
    raise PermanentFailure(
        f"The credentials reference {reference!r} is not env:PREFIX, file:/path or default.",
        who_must_act=ADMINISTRATOR,
    )


def _from_file(path: Path, reference: str) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentFailure(
            f"The credentials of {reference} cannot be read: {type(error).__name__}.",
            who_must_act=ADMINISTRATOR,
        ) from error
    if len(text) > LARGEST_FILE:
        raise PermanentFailure(
            f"The file of {reference} is too large for credentials.", who_must_act=ADMINISTRATOR
        )
    # What went wrong inside is not repeated: parsers quote the text, and the text is a secret.
    if text.lstrip().startswith("{"):
        try:
            data = json.loads(text)
        except ValueError:
            data = {}
        return {str(key): str(value) for key, value in data.items() if value is not None}
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    part = dict(parser["default"]) if parser.has_section("default") else {}
    return {key.removeprefix("aws_"): value for key, value in part.items()}


def _complete(found: dict[str, str], reference: str) -> Credentials:
    access_key_id = found.get("access_key_id", "")
    secret = found.get("secret_access_key", "")
    if not access_key_id or not secret:
        raise PermanentFailure(
            f"{reference} does not hold an access key id and a secret access key.",
            who_must_act=ADMINISTRATOR,
        )
    return Credentials(access_key_id, secret, found.get("session_token") or None)


class Clients:
    """Clients of one account, made once and shared; boto3's clients are safe between threads."""

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        endpoint: str | None = None,
        allow_private: bool = False,
        region: str = "us-east-1",
        config: Config = CONFIG,
    ) -> None:
        self._endpoint = check_endpoint(endpoint, allow_private=allow_private) if endpoint else None
        self._config = config
        self._region = region
        self._made: dict[str, Any] = {}
        self._one = RLock()
        self._caller: tuple[float, str, str] | None = None
        self._session = session(
            key=credentials.access_key_id if credentials else None,
            secret=credentials.secret_access_key if credentials else None,
            token=credentials.session_token if credentials else None,
            region=region,
        )

    def with_credentials(self, credentials: Credentials) -> Clients:
        """The same endpoint and region, used as somebody else."""
        other = Clients(credentials=credentials, region=self._region, config=self._config)
        # The endpoint was judged when this object was made.
        other._endpoint = self._endpoint
        return other

    def client(self, service: str) -> Any:
        """A client of any service: the SDK makes its classes at run time, so it has no type."""
        # Clients may be used by many threads at once, a session makes them in one.
        with self._one:
            if service not in self._made:
                make: Any = self._session.client
                made = make(service, endpoint_url=self._endpoint, config=self._config)
                made.meta.events.register("before-send", _mark)
                self._made[service] = made
            return self._made[service]

    def caller(self) -> tuple[str, str]:
        """(account, ARN) of whose credentials these are, asked again after a while."""
        with self._one:
            if self._caller is None or monotonic() - self._caller[0] > FRESH_SECONDS:
                answer = self.sts.get_caller_identity()
                self._caller = monotonic(), answer["Account"], answer["Arn"]
            return self._caller[1:]

    @property
    def iam(self) -> IAMClient:
        client: IAMClient = self.client("iam")
        return client

    @property
    def sts(self) -> STSClient:
        client: STSClient = self.client("sts")
        return client
