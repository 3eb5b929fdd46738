"""The inline policies Countersign puts on users and roles. Pure.

Owns their documents and how they are read back:

- `CountersignHold` denies everything. On a user it also remembers, in the names of its
  statements, which access keys were active, so that resuming wakes those and no others.
- `CountersignRevokeOlderSessions` denies everything to sessions issued before a moment
  (AWS: "Revoking IAM role temporary security credentials"). Two of them merge to the later moment.
  `CountersignHoldOlderSessions` is the same for a while, and comes off again.
- `CountersignNarrow` denies everything outside a set of permissions; `CountersignHold-REV-12` is
  the same for a while, and comes off again as one piece.

All of them only deny, so none can widen what a principal may do. Must not know how they are sent.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from .aws_arns import Place
from .aws_kept import Kept, kept
from .contract import Permission

HOLD = "CountersignHold"
OLDER_SESSIONS = "CountersignRevokeOlderSessions"
HELD_SESSIONS = "CountersignHoldOlderSessions"
NARROW = "CountersignNarrow"

_HELD = re.compile(r"REV-\d{1,19}")
_VERSION = "2012-10-17"
_KEPT = "HeldKey"


def _document(statements: list[dict[str, Any]]) -> str:
    # No blanks: AWS counts the characters of a user's inline policies, 2,048 in all.
    return json.dumps({"Version": _VERSION, "Statement": statements}, separators=(",", ":"))


def statements(document: str | dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a policy document; a document that cannot be read has none."""
    try:
        data = json.loads(document) if isinstance(document, str) else document
    except ValueError:
        return []
    found = data.get("Statement", []) if isinstance(data, dict) else []
    found = [found] if isinstance(found, dict) else found
    return [s for s in found if isinstance(s, dict)] if isinstance(found, list) else []


def _denies_all(statement: dict[str, Any]) -> bool:
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Action") in ("*", ["*"])
        and statement.get("Resource") in ("*", ["*"])
    )


# Hold


def hold(keys: Iterable[str] = ()) -> str:
    """Deny everything; `keys` are the access keys that were active before."""
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    kept = [{"Sid": f"{_KEPT}{key}", **deny} for key in sorted(set(keys))]
    return _document(kept or [{"Sid": HOLD, **deny}])


def holds(document: str | dict[str, Any]) -> bool:
    """Whether this document denies everything without a condition."""
    return any(_denies_all(s) and not s.get("Condition") for s in statements(document))


def held_keys(document: str | dict[str, Any]) -> tuple[str, ...]:
    """The access keys a hold remembers as active before."""
    names = [str(s.get("Sid", "")) for s in statements(document)]
    return tuple(sorted(n.removeprefix(_KEPT) for n in names if n.startswith(_KEPT)))


# Older sessions


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def older_sessions(before: datetime, existing: str | dict[str, Any] | None = None) -> str:
    """Deny sessions issued before a moment, and never an earlier one than is there already."""
    found = sessions_denied_before(existing) if existing is not None else None
    # Rounded up to the millisecond that is written, so that what is asked for is not cut short.
    asked = before.astimezone(UTC)
    asked += timedelta(microseconds=-asked.microsecond % 1000)
    return _document(
        [
            {
                "Sid": OLDER_SESSIONS,
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",
                "Condition": {
                    "DateLessThan": {
                        "aws:TokenIssueTime": _moment(max(asked, found) if found else asked)
                    }
                },
            }
        ]
    )


def sessions_denied_before(document: str | dict[str, Any]) -> datetime | None:
    """The latest moment before which this document denies sessions everything."""
    moments = []
    for statement in statements(document):
        condition = statement.get("Condition")
        # More than one operator narrows the denial, so such a statement proves nothing.
        if not _denies_all(statement) or not isinstance(condition, dict) or len(condition) != 1:
            continue
        test = condition.get("DateLessThan")
        if not isinstance(test, dict) or len(test) != 1:
            continue
        key, value = next(iter(test.items()))
        values = value if isinstance(value, list) else [value]
        if str(key).lower() == "aws:tokenissuetime":
            moments += [m for m in map(_parsed, values) if m]
    return max(moments, default=None)


def _parsed(value: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


# Narrow


def held_as(key: str) -> str | None:
    """The name of the policy that is the hold of this key; None: it is no key of a hold."""
    return f"{HOLD}-{key}" if _HELD.fullmatch(key) else None


# Most characters of all inline policies of one principal together (IAM quotas).
MOST: Mapping[str, int] = {"user": 2_048, "role": 10_240}
# With this a deny leaves to other services of AWS what they ask of KMS for a call that stays: an
# object under a key is read with the reader's own right to decrypt, and no delegation names that.
_BY_ITSELF = {"Null": {"kms:ViaService": "true"}}


class TooLong(Exception):
    """What is left cannot be said in as many characters as AWS takes."""

    def __init__(self, size: int, most: int) -> None:
        super().__init__(f"{size:,} characters of {most:,}")
        self.size, self.most = size, most


def narrow(permissions: Sequence[Permission], *, place: Place, kind: str) -> str:
    """Deny everything outside the permissions; none at all denies everything.

    First every action that no permission names, then for each group of actions every resource
    outside those that it stays on. `wider_than` says where more stays than the permissions name.
    Raises TooLong.
    """
    return _narrowed(permissions, place, kind)[0]


def wider_than(permissions: Sequence[Permission], *, kind: str) -> list[str]:
    """What a narrowing leaves beyond the permissions, in sentences without an end."""
    try:
        return _narrowed(permissions, _SOME_PLACE, kind)[1]
    except TooLong as long:
        return [f"AWS refuses it, as {long} that a {kind} may have"]


_SOME_PLACE = Place("0" * 12)


def _narrowed(permissions: Sequence[Permission], place: Place, kind: str) -> tuple[str, list[str]]:
    plan = kept(permissions, place)
    if not plan.patterns:
        deny = {"Sid": NARROW, "Effect": "Deny", "Action": "*", "Resource": "*"}
        return _document([deny]), []
    # What a pattern names is kept apart by resources as long as there is room for it.
    for broad in (True, False):
        document = _document(_outside(plan, broad=broad))
        if len(document) <= MOST[kind]:
            return document, plan.sentences(broad=broad)
    raise TooLong(len(document), MOST[kind])


def _outside(plan: Kept, *, broad: bool) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []
    if not plan.everything:
        result.append(
            {
                "Sid": NARROW,
                "Effect": "Deny",
                "NotAction": plan.patterns,
                "Resource": "*",
                "Condition": _BY_ITSELF,
            }
        )
    for number, (actions, arns) in enumerate(plan.groups(broad=broad), start=1):
        deny = {
            "Sid": f"{NARROW}{number}",
            "Effect": "Deny",
            "Action": actions,
            "NotResource": list(arns),
        }
        of_kms = actions[0].startswith("kms:")
        result.append(deny | ({"Condition": _BY_ITSELF} if of_kms else {}))
    if not result:
        # Everything is left, and a document must say something: AWS answers this one whatever
        # policies say ("GetCallerIdentity", AWS STS API Reference).
        deny = {"Effect": "Deny", "Action": "sts:GetCallerIdentity", "Resource": "*"}
        result = [{"Sid": NARROW, **deny}]
    return result


def same(one: str | dict[str, Any], other: str | dict[str, Any]) -> bool:
    """Whether two documents hold the same statements, however they are spelt."""
    return _canonical(one) == _canonical(other)


def _canonical(document: str | dict[str, Any]) -> list[str]:
    found = []
    for statement in statements(document):
        flat = {
            name: sorted(value) if isinstance(value, list) else value
            for name, value in statement.items()
        }
        flat = {n: v[0] if isinstance(v, list) and len(v) == 1 else v for n, v in flat.items()}
        found.append(json.dumps(flat, sort_keys=True))
    return sorted(found)
