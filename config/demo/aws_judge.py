"""Whether IAM policies allow one request. Pure.

Owns AWS's documented rules as far as the demo account needs them ("Policy evaluation logic" and
"IAM JSON policy elements: Condition operators", IAM User Guide). Written apart from
`identities.enforcers`, so that the enforcer's own reading of policies is not judged by itself.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

Verdict = Literal["allowed", "explicitDeny", "implicitDeny"]


class UnknownCondition(Exception):
    """A condition this account cannot evaluate: said aloud, never guessed."""


def judge(
    documents: Iterable[Mapping[str, Any]],
    *,
    action: str,
    resource: str,
    context: Mapping[str, str],
) -> Verdict:
    """An explicit deny wins, then an allow; nothing said is an implicit deny."""
    verdict: Verdict = "implicitDeny"
    known = {key.lower(): value for key, value in context.items()}
    for document in documents:
        for statement in _list(document.get("Statement")):
            if not _concerns(statement, action, resource, known):
                continue
            if statement["Effect"] == "Deny":
                return "explicitDeny"
            verdict = "allowed"
    return verdict


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _concerns(
    statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]
) -> bool:
    if "NotAction" in statement:
        if any(_like(p.lower(), action.lower()) for p in _list(statement["NotAction"])):
            return False
    elif not any(_like(p.lower(), action.lower()) for p in _list(statement.get("Action"))):
        return False
    if "NotResource" in statement:
        named = [_filled(p, context) for p in _list(statement["NotResource"])]
        if any(_like(p, resource) for p in named if p is not None):
            return False
    else:
        named = [_filled(p, context) for p in _list(statement.get("Resource"))]
        if not any(_like(p, resource) for p in named if p is not None):
            return False
    return holds(statement.get("Condition", {}), context)


def _filled(pattern: str, context: Mapping[str, str]) -> str | None:
    """A pattern with its policy variables; None where the request has no such value."""
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        name = match.group(1)
        if name in ("*", "?", "$"):
            return name
        found = context.get(name.lower())
        missing = missing or found is None
        return found or ""

    text = re.sub(r"\$\{([^}]*)\}", value, pattern)
    return None if missing else text


def _like(pattern: str, value: str) -> bool:
    """`*` is any text, `?` one character; everything else is itself."""
    translated = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(translated, value, re.DOTALL) is not None


def moment(value: str) -> datetime:
    """A date of a policy: ISO 8601, or seconds since 1970."""
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return datetime.fromtimestamp(float(value), tz=UTC)
    when = datetime.fromisoformat(value)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _dates(test: Callable[[datetime, datetime], bool]) -> Callable[[str, str], bool]:
    return lambda actual, wanted: test(moment(actual), moment(wanted))


def _numbers(test: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda actual, wanted: test(float(actual), float(wanted))


def _in_network(actual: str, wanted: str) -> bool:
    return ipaddress.ip_address(actual) in ipaddress.ip_network(wanted, strict=False)


# Each takes the request's value and the policy's. Negated operators are written as "not" of
# their positive one, because they differ in what an absent key means as well.
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda actual, wanted: actual == wanted,
    "StringEqualsIgnoreCase": lambda actual, wanted: actual.lower() == wanted.lower(),
    "StringLike": lambda actual, wanted: _like(wanted, actual),
    "ArnEquals": lambda actual, wanted: _like(wanted, actual),
    "ArnLike": lambda actual, wanted: _like(wanted, actual),
    "Bool": lambda actual, wanted: actual.lower() == wanted.lower(),
    "IpAddress": _in_network,
    "NumericEquals": _numbers(lambda a, b: a == b),
    "NumericLessThan": _numbers(lambda a, b: a < b),
    "NumericLessThanEquals": _numbers(lambda a, b: a <= b),
    "NumericGreaterThan": _numbers(lambda a, b: a > b),
    "NumericGreaterThanEquals": _numbers(lambda a, b: a >= b),
    "DateEquals": _dates(lambda a, b: a == b),
    "DateLessThan": _dates(lambda a, b: a < b),
    "DateLessThanEquals": _dates(lambda a, b: a <= b),
    "DateGreaterThan": _dates(lambda a, b: a > b),
    "DateGreaterThanEquals": _dates(lambda a, b: a >= b),
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}


def holds(condition: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """Whether every operator and every key of a condition holds; values of a key are "or".

    A key the request does not carry makes a condition false, a negated one true, and one
    written with IfExists true. `context` has its names in lower case.
    """
    for written, keys in condition.items():
        for key, values in keys.items():
            wanted = [str(v).lower() if isinstance(v, bool) else str(v) for v in _list(values)]
            if not _key_holds(written, context.get(key.lower()), wanted, context):
                return False
    return True


def _key_holds(
    written: str, actual: str | None, wanted: list[str], context: Mapping[str, str]
) -> bool:
    if written == "Null":
        return any((w.lower() == "true") == (actual is None) for w in wanted)
    operator = written.removesuffix("IfExists")
    negated = operator in _NEGATED
    test = _TESTS.get(_NEGATED.get(operator, operator))
    if test is None:
        raise UnknownCondition(written)
    if actual is None:
        return negated or written != operator
    found = any(test(actual, w) for w in (_filled(w, context) for w in wanted) if w is not None)
    return found != negated
