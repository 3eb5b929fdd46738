"""Whether a delegation names resources of the type that is asked for. Tables.

Owns the words for one service's resources. AuthZEN's `resource.type` is free text, and delegations
name actions and resources. A delegation names the type when every word of it is: the service of
the action or of the ARN, a kind of resource of that service, or the first segment of a resource
(`invoices/*`: `invoice`). A delegation on `*` names every type. Nothing else is understood.
"""

import re

from . import names
from .terms import Grant

GENERIC = "resource"
KINDS: dict[str, tuple[str, ...]] = {
    "bedrock": ("agent", "guardrail", "model"),
    "dynamodb": ("database", "item", "table"),
    "ec2": ("instance", "snapshot", "volume"),
    "iam": ("group", "policy", "role", "user"),
    "kms": ("alias", "key"),
    "lambda": ("function",),
    "logs": ("group", "log", "stream"),
    "rds": ("cluster", "database", "db", "instance"),
    "s3": ("bucket", "file", "key", "object", "prefix"),
    "secretsmanager": ("secret",),
    "sns": ("topic",),
    "sqs": ("queue",),
    "ssm": ("parameter",),
    "sts": ("role", "session"),
}
_BETWEEN = re.compile(r"[\s:/._-]+")
_VENDORS = frozenset({"aws", "amazon"})
_ARN = re.compile(r"arn:[^:]*:([^:]*):[^:]*:[^:]*:([^:/]*)", re.DOTALL)


def names_type(grant: Grant, action: str, type_: str) -> bool:
    """Whether the delegation names resources of this type for this action."""
    if "*" in grant.resources:
        return True
    asked = _plain(type_)
    words = understood(grant, action)
    if asked == GENERIC or asked in words:
        return True
    parts = [part for part in _BETWEEN.split(asked) if part not in _VENDORS]
    return bool(parts) and all(_singular(part) in words for part in parts)


def understood(grant: Grant, action: str) -> tuple[str, ...]:
    """The words that may make up a type, singular and in lower case, in order."""
    services = {name.partition(":")[0] for name in names.action(action) if ":" in name}
    found = set()
    for resource in grant.resources:
        arn = _ARN.match(resource)
        if arn is not None:
            services.add(names.lower(arn[1]))
        head = arn[2] if arn is not None else resource.partition("/")[0]
        if head and "*" not in head:
            found.add(_plain(head))
    found |= {kind for service in services for kind in KINDS.get(service, ())}
    found |= {_singular(service) for service in services}
    # An action of no service is the call of a tool.
    return tuple(sorted(found if services else found | {"tool"}))


def _plain(text: str) -> str:
    return _singular(names.lower(text))


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word
