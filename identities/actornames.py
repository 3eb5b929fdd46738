"""From what people write in files and questions to the name an actor has in evidence. Pure.

Owns the reading of ``{arn: …}``, ``{access_key: …}``, ``{agent: …, source: …}`` and bare
strings. The realms are those of docs/decisions, 3, so that a name written here is the same
row that a format makes. Knows nothing of what is stored.
"""

import re
from collections.abc import Mapping
from typing import Any

from evidence.formats.record import ActorName

ARN = re.compile(
    r"arn:(?:aws|aws-cn|aws-us-gov):(?P<service>[a-z0-9-]+):[^:]*:(?P<account>\d{12}):(?P<rest>.+)"
)
ACCESS_KEY = re.compile(r"A(?:KIA|SIA)[A-Z0-9]{12,}")
LONGEST = 2048
# The member of a mapping that says which kind of actor it names.
KINDS = (
    "arn",
    "role",
    "access_key",
    "agent",
    "agent_id",
    "service",
    "user",
    "account",
    "federated",
    "web_identity",
    "role_session",
    "login_profile",
)
SENDER_CHOSEN = frozenset({"agent", "agent_id", "service"})


class NameProblem(Exception):
    """The name cannot be read: what is wrong with it, and what to write instead."""


def from_text(text: str) -> ActorName | None:
    """An ARN or access key id as an actor; None for any other text."""
    if len(text) > LONGEST:
        return None
    if ACCESS_KEY.fullmatch(text):
        return ActorName("aws", "access_key", text)
    arn = ARN.fullmatch(text)
    if arn is None:
        return None
    realm, rest = f"aws:{arn['account']}", arn["rest"]
    if arn["service"] == "sts" and rest.startswith("assumed-role/"):
        role = rest.split("/")[1]
        above = ActorName(
            realm,
            "arn",
            f"{text.split(':', maxsplit=1)[0]}:{text.split(':')[1]}:iam::{arn['account']}:role/{role}",
        )
        return ActorName(realm, "role_session", text, above)
    return ActorName(realm, "arn", text)


def from_mapping(written: Mapping[str, Any]) -> ActorName:
    """``{arn: …}`` and its like as an actor.

    Raises NameProblem when it names no kind or two, or when a name that a sender chose
    (agent, service) does not say whose traces carry it.
    """
    if {"realm", "kind", "value"} <= set(written):
        return ActorName(_text(written, "realm"), _text(written, "kind"), _text(written, "value"))
    kinds = [kind for kind in KINDS if kind in written]
    if len(kinds) != 1:
        raise NameProblem(
            f"it names {' and '.join(kinds) or 'nothing'}; write one of {', '.join(KINDS)}"
        )
    kind = kinds[0]
    value = _text(written, kind)
    if kind in ("arn", "role", "role_session", "access_key"):
        name_or_none = from_text(value)
        if name_or_none is None:
            wanted = (
                "an access key id such as AKIAIOSFODNN7EXAMPLE"
                if kind == "access_key"
                else "a whole ARN such as arn:aws:iam::123456789012:role/name"
            )
            raise NameProblem(f"{value[:80]!r} is not {wanted}")
        return name_or_none
    realm = written.get("realm")
    if realm is None and kind in SENDER_CHOSEN and written.get("source"):
        realm = f"otel:{_text(written, 'source')}"
    if not isinstance(realm, str) or not realm:
        where = "source" if kind in SENDER_CHOSEN else "realm"
        raise NameProblem(f"say whose name {value[:80]!r} is: add `{where}:` beside `{kind}:`")
    return ActorName(realm, kind, value)


def last_part(value: str) -> str:
    """The name people use for it: ``svc-report-agent`` of a user's ARN."""
    return re.split(r"[/:]", value.rstrip("/:"))[-1] or value


def kind_of_identity(name: ActorName) -> str:
    """What an identity of that actor most likely is, until its owner says otherwise."""
    if name.kind in ("agent", "agent_id"):
        return "agent"
    if ":role/" in name.value or name.kind in ("role_session", "service", "web_identity"):
        return "workload"
    return "service_account"


def _text(written: Mapping[str, Any], member: str) -> str:
    value = written[member]
    if not isinstance(value, str) or not value.strip():
        raise NameProblem(f"`{member}` must be text that is not empty")
    if len(value) > LONGEST or "\0" in value:
        raise NameProblem(f"`{member}` is longer than {LONGEST} characters or holds a NUL")
    return value.strip()
