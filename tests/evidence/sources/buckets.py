"""A bucket of the tests' AWS account, the rights to read it, and what a pull brings from it.

Owns what the tests of the AWS connectors share; the account is the real server of tests/awslab.
"""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence.models import Event, Pull, Source
from tests.awslab.fixtures import aws_account, lab
from tests.awslab.lab import Lab, Person
from tests.connector_secrets import Kept
from tests.evidence.bodies import record
from tests.evidence.sources import pulling

HERE = Path(__file__).resolve().parent
SECRET = "BUCKET_SECRET"


def now() -> datetime:
    """The account dates its objects by the clock of the machine."""
    return datetime.now(UTC)


def log_of(*numbers: int, **said: Any) -> bytes:
    """A file as CloudTrail writes it, with a record for each number."""
    records = [record(number, at=now(), **said) for number in numbers]
    return gzip.compress(orjson.dumps({"Records": records}), compresslevel=1)


class Filled:
    """One bucket, the user that reads it, and the settings that say so."""

    def __init__(self, account: Lab, secret_file: Kept) -> None:
        self.lab = account
        self.name = account.name("trail")
        self.s3 = account.admin.client("s3")
        self.s3.create_bucket(Bucket=self.name)
        self.reader = self.person()
        self.secret_file = secret_file
        secret_file(SECRET, self.reader.credentials.secret_access_key)

    def person(self, *more: dict[str, Any], objects: str = "*") -> Person:
        """A user with the least rights on this bucket, and maybe more."""
        place = f"arn:aws:s3:::{self.name}"
        return self.lab.user(
            {"Action": "s3:ListBucket", "Resource": place},
            {"Action": "s3:GetObject", "Resource": f"{place}/{objects}"},
            *more,
        )

    def settings(self, person: Person | None = None, **said: str) -> dict[str, str]:
        credentials = (person or self.reader).credentials
        self.secret_file(SECRET, credentials.secret_access_key)
        return {
            "bucket": self.name,
            "endpoint": self.lab.demo.endpoint,
            "access_key_id": credentials.access_key_id,
            "secret_access_key": SECRET,
        } | said

    def put(self, key: str, body: bytes, **said: str) -> None:
        self.s3.put_object(Bucket=self.name, Key=key, Body=body, **said)

    def calls(self, action: str) -> int:
        return len(self.lab.proxy.calls(action))


def pull(source: Source, *, enough: Callable[[], bool] = lambda: False) -> Pull:
    """One pull at the account's own time."""
    return pulling.pull(source, now=now(), enough=enough)


def numbers() -> list[int]:
    """The numbers of the stored records, in order, each as often as it is stored."""
    found = Event.objects.values_list("request_id", flat=True)
    return sorted(int(str(one).removeprefix("REQ")) for one in found)


def after(steps: int) -> Callable[[], bool]:
    """Says "enough" to a run after so many pages."""
    asked = iter(range(1, steps + 1))
    return lambda: next(asked, steps) == steps


@pytest.fixture
def filled(lab: Lab, settings: Any, secret_file: Kept) -> Filled:
    """An empty bucket and its reader, in an account on loopback that pulls may speak to."""
    settings.ALLOW_PRIVATE = True
    return Filled(lab, secret_file)


__all__ = ["HERE", "Filled", "aws_account", "filled", "lab"]
