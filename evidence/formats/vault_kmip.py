"""What Vault logs of its KMIP engine: entries of another shape than those of its own calls.

Owns the finding of what was asked for, on which object, and how it ended, in the tree of tags that
such an entry holds, and their names in the words of vault.py; the tree itself is content. Who asks is
known by the number of a certificate alone. Sources: developer.hashicorp.com, "KMIP secrets engine";
OASIS, "Key Management Interoperability Protocol Specification" 1.4, 9.1.3.2. Pure.
"""

from collections.abc import Iterator
from typing import Any

from evidence.formats.members import row, text
from evidence.formats.tables import Row

SIGNS = (("type=kmip-request|kmip-response", "request"),)
_PREFIX = "kmip-"
# By number, from 1 on.
_OPERATIONS = tuple(
    """
    create create-key-pair register re-key derive-key certify re-certify locate check get
    get-attributes get-attribute-list add-attribute modify-attribute delete-attribute obtain-lease
    get-usage-allocation activate revoke destroy archive recover validate query cancel poll notify
    put re-key-key-pair discover-versions encrypt decrypt sign signature-verify mac mac-verify
    rng-retrieve rng-seed hash create-split-key join-split-key import export
    """.split()  # noqa: SIM905  a table of names reads better than a column of strings
)
# What changes a key, of these.
CHANGES = (
    r"(?:create[\w-]*|register|re-\w+|derive-key|certify|\w+-attribute|activate|destroy|archive"
    r"|recover|put|import|join-split-key) kmip"
)
# What is said of an operation that has not ended.
PENDING = "operation pending"
_STATUS_PENDING, _REASON_DENIED = 2, 12
_MOST, _DEEPEST = 500, 8


def is_one(record: Row) -> bool:
    """Whether this is an entry of that engine."""
    kind = record.get("type")
    return type(kind) is str and kind.startswith(_PREFIX)


def opened(record: Row) -> Row:
    """The entry with what its trees say as members of its own shape."""
    request, answer = row(record.get("request")), row(record.get("response"))
    asked = dict(_values(row(request.get("data")).get("kmip_request")))
    told = dict(_values(row(answer.get("data")).get("kmip_response")))
    named = asked.get("UniqueIdentifier") or told.get("UniqueIdentifier")
    made = {**request, "mount_type": "kmip", "operation": _operation(asked or told)}
    if named:
        made["path"] = f"kmip/{named}"
    address, colon, port = text(request.get("remote_address")).rpartition(":")
    if colon and port.isdecimal():
        made["remote_address"] = address.strip("[]")
    opened = {**record, "type": text(record.get("type")).removeprefix(_PREFIX), "request": made}
    status = _number(told.get("ResultStatus"))
    if status:
        opened["error"] = _error(status, told.get("ResultReason"))
    return opened


def _error(status: int, reason: str | None) -> str:
    if status == _STATUS_PENDING:
        return PENDING
    if _number(reason) == _REASON_DENIED:
        return "permission denied"
    return reason or f"status {status}"


def _operation(tree: dict[str, str]) -> str:
    number = _number(tree.get("Operation"))
    return _OPERATIONS[number - 1] if 0 < number <= len(_OPERATIONS) else "call"


def _number(value: str | None) -> int:
    try:
        return int(value or "0", 16)
    except ValueError:
        return 0


def _values(tree: Any) -> Iterator[tuple[str, str]]:
    """(tag, text) of all leaves; of several with one tag the last of the first few hundred."""
    waiting, seen = [(tree, 0)], 0
    while waiting and seen < _MOST:
        here, deep = waiting.pop()
        seen += 1
        if type(here) is not dict:
            continue
        tag, value = text(here.get("tag")), here.get("value")
        if type(value) is str and tag:
            yield tag, value
        elif type(value) is list and deep < _DEEPEST:
            waiting += [(one, deep + 1) for one in reversed(value[:100])]
