"""Changes of a key's state that an identity log tells, read from a kept deposit. Pure.

The event row says who called UpdateAccessKey and on which user; which key it was and to what
it was set stands only in the kept record (docs/decisions, 4: nothing raw sits in the row).
Another system's log gets a reader of its own in READERS.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from evidence.formats.record import ActorName

# Actions whose deposits are worth opening.
ACTIONS = ("iam:UpdateAccessKey", "iam:DeleteAccessKey")


class KeyChange(NamedTuple):
    """This credential was in this state from this moment on, by the log's word."""

    credential: ActorName
    state: str  # active, held, revoked
    at: datetime
    because: str


def _cloudtrail(kept: bytes) -> Iterator[KeyChange]:
    for record in _records(kept):
        parameters = record.get("requestParameters")
        if record.get("errorCode") or not isinstance(parameters, dict):
            continue
        key, at = parameters.get("accessKeyId"), _moment(record.get("eventTime"))
        name, status = record.get("eventName"), parameters.get("status")
        if name == "DeleteAccessKey":
            state = "revoked"
        elif name == "UpdateAccessKey" and status in ("Active", "Inactive"):
            state = "active" if status == "Active" else "held"
        else:
            continue
        if isinstance(key, str) and 16 <= len(key) <= 128 and key.isalnum() and at is not None:
            credential = ActorName("aws", "access_key", key)
            yield KeyChange(credential, state, at, f"the log shows {name}")


READERS: dict[str, Callable[[bytes], Iterator[KeyChange]]] = {"cloudtrail": _cloudtrail}


def read(name: str, kept: bytes) -> list[KeyChange]:
    """Every change of a key that bytes of the format `name` tell; of what cannot be read, nothing.

    The format has already said what is wrong with each record it could not read.
    """
    reader = READERS.get(name)
    return [] if reader is None else list(reader(kept))


def _records(kept: bytes) -> Iterator[dict[str, Any]]:
    """Records of a document, of a list, or of JSON lines of either."""
    try:
        documents = [orjson.loads(kept)]
    except orjson.JSONDecodeError:
        documents = []
        for line in kept.splitlines():
            # Only lines that can matter are parsed: a deposit may hold ten thousand.
            if b"AccessKey" in line:
                try:
                    documents.append(orjson.loads(line))
                except orjson.JSONDecodeError:
                    continue
    for document in documents:
        rows = document.get("Records", [document]) if isinstance(document, dict) else document
        for row in rows if isinstance(rows, list) else []:
            record = _unwrapped(row)
            if isinstance(record, dict):
                yield record


def _unwrapped(row: Any) -> Any:
    """LookupEvents gives the record as text inside a record."""
    inner = row.get("CloudTrailEvent") if isinstance(row, dict) else None
    if not isinstance(inner, str):
        return row
    try:
        return orjson.loads(inner)
    except orjson.JSONDecodeError:
        return None


def _moment(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
