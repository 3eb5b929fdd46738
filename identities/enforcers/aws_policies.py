"""The inline policies Countersign puts on users and roles. Pure.

Owns their documents and how they are read back:

- `CountersignHold` denies everything. On a user it also remembers, in the names of its
  statements, which access keys were active, so that resuming wakes those and no others.
- `CountersignRevokeOlderSessions` denies everything to sessions issued before a moment
  (AWS: "Revoking IAM role temporary security credentials"). Two of them merge to the later moment.
- `CountersignNarrow` denies everything outside a set of permissions; `CountersignHold-REV-12` is
  the same for a while, and comes off again as one piece.

All of them only deny, so none can widen what a principal may do. Must not know how they are sent.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from .contract import Permission
from .patterns import covers, overlaps

HOLD = "CountersignHold"
OLDER_SESSIONS = "CountersignRevokeOlderSessions"
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


def narrow(permissions: Sequence[Permission]) -> str:
    """Deny everything outside the permissions; none at all denies everything.

    First every action that no permission names, then for each group of actions every resource
    outside those of the groups it overlaps. Where the actions of two permissions overlap without
    being the same, their resources are joined: IAM denies add up, and denying the one's resources
    to the other would cut what was left on purpose. `wider_than` says where that happens.
    """
    if not any(p.actions and p.resources for p in permissions):
        return _document([{"Sid": NARROW, "Effect": "Deny", "Action": "*", "Resource": "*"}])
    real = [p for p in permissions if p.actions and p.resources]
    actions = _least([a for p in real for a in p.actions])
    result: list[dict[str, Any]] = []
    if actions != ["*"]:
        result.append({"Sid": NARROW, "Effect": "Deny", "NotAction": actions, "Resource": "*"})
    groups: dict[tuple[str, ...], list[str]] = {}
    for action in sorted({a for p in real for a in p.actions}):
        resources = _least([r for p in real if _meet(action, p) for r in p.resources])
        if resources != ["*"]:
            groups.setdefault(tuple(resources), []).append(action)
    for number, (kept, acts) in enumerate(groups.items(), start=1):
        result.append(
            {
                "Sid": f"{NARROW}{number}",
                "Effect": "Deny",
                "Action": sorted(acts),
                "NotResource": list(kept),
            }
        )
    if not result:  # everything on everything is left: a document must say something
        result = [
            {
                "Sid": NARROW,
                "Effect": "Deny",
                "Action": "countersign:Nothing",
                "Resource": "*",
            }
        ]
    return _document(result)


def wider_than(permissions: Sequence[Permission]) -> list[str]:
    """Action patterns that keep more resources than asked for, because patterns overlap."""
    left = []
    for permission in permissions:
        for action in permission.actions:
            others = [r for p in permissions if _meet(action, p) for r in p.resources]
            asked = [
                r
                for p in permissions
                for r in p.resources
                if any(covers(a.lower(), action.lower()) for a in p.actions)
            ]
            if any(not any(covers(a, other) for a in asked) for other in others):
                left.append(action)
    return sorted(set(left))


def _meet(action: str, permission: Permission) -> bool:
    return any(overlaps(action.lower(), other.lower()) for other in permission.actions)


def _least(patterns: Iterable[str]) -> list[str]:
    """The patterns without those another one covers."""
    kept = sorted(set(patterns))
    return [
        one
        for i, one in enumerate(kept)
        if not any(
            covers(other, one) and (not covers(one, other) or j < i)
            for j, other in enumerate(kept)
            if j != i
        )
    ]


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
