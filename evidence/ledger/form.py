"""What an entry's digest is taken over: its canonical form, version 1; and a seal's hash.

Owns both, of what is about to be written and of what lies there. Reads and writes nothing. What the
form is, stands in the package's own words.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
import rfc8785

from evidence import canonical as canonical_json
from evidence.models import LedgerEntry

VERSION = 1
GENESIS = bytes(32)


def members(
    *,
    at: datetime,
    recorded_at: datetime,
    by: str,
    by_name: str,
    act: str,
    subject: str,
    words: str,
    data: Any,
    sealed_case: UUID | None,
    salt: bytes,
    version: int = VERSION,
) -> dict[str, Any]:
    """The members whose canonical form the digest is taken over, as plain JSON."""
    return {
        "at": moment(at),
        "recorded_at": moment(recorded_at),
        "by": by,
        "by_name": by_name,
        "act": act,
        "subject": subject,
        "words": words,
        "data": data,
        "sealed_case": None if sealed_case is None else str(sealed_case),
        "salt": salt.hex(),
        "version": version,
    }


def members_of(entry: LedgerEntry) -> dict[str, Any]:
    """The same of an entry as it lies there now."""
    return members(
        at=entry.at,
        recorded_at=entry.recorded_at,
        by=entry.by,
        by_name=entry.by_name,
        act=entry.act,
        subject=entry.subject,
        words=entry.words,
        data=entry.data,
        sealed_case=entry.sealed_case,
        salt=bytes(entry.salt),
        version=entry.version,
    )


def canonical(content: Mapping[str, Any]) -> bytes:
    """The bytes that an entry's digest is taken over. Raises rfc8785.CanonicalizationError."""
    return canonical_json.dumps(dict(content))


def around(
    data: bytes,
    *,
    at: str,
    recorded_at: str,
    by: str,
    by_name: str,
    act: str,
    subject: str,
    words: str,
    sealed_case: str | None,
    salt: str,
    version: int,
) -> bytes:
    """The same bytes, sooner, where `data` is canonical already and the rest is text that the
    database can hold (names.plain): the members stand in their order."""
    return orjson.dumps(
        {
            "act": act,
            "at": at,
            "by": by,
            "by_name": by_name,
            "data": orjson.Fragment(data),
            "recorded_at": recorded_at,
            "salt": salt,
            "sealed_case": sealed_case,
            "subject": subject,
            "version": version,
            "words": words,
        }
    )


def digest_of(entry: LedgerEntry) -> bytes:
    """The digest of an entry as it lies there now; empty when it has no canonical form."""
    try:
        return sha256(canonical(members_of(entry))).digest()
    except rfc8785.CanonicalizationError:
        return b""


def moment(at: datetime) -> str:
    """A time as RFC 3339 with microseconds and Z."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def chained(number: int, previous: bytes, digest: bytes) -> bytes:
    """The hash of seal `number`."""
    return sha256(number.to_bytes(8) + previous + digest).digest()
