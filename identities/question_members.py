"""What a question says beside subject, action and resource, and what of it nobody understands.

Owns the members of `context` and of the `properties` of subject, action and resource: which say
something that delegations are limited by, which only describe, and that any other may be a limit
that must not be overlooked. Pure: no Django. docs/decision-endpoint.md lists them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN, CONTRADICTION = "unknown_member", "contradiction"
# Member -> what it says. Wherever it stands it must say the same.
UNDERSTOOD = {
    "address": "address",
    "agent": "agent",
    "credential": "credential",
    "ip": "address",
    "ip_address": "address",
    "mfa": "mfa",
    "on_behalf": "on_behalf",
    "on_behalf_of": "on_behalf",
    "task": "task",
}
# They describe the question and limit nothing. Time is our clock's, and an approval is looked up.
DESCRIPTIVE = frozenset(
    {
        "approval", "conversation_id", "correlation_id", "description", "display_name",
        "evaluation_id", "locale", "metadata", "reason", "request_id", "session_id", "span_id",
        "time", "timestamp", "title", "tool_call_id", "trace_id", "traceparent", "tracestate",
        "user_agent",
    }
)  # fmt: skip
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Members:
    """`values`: what is said, by the values of UNDERSTOOD. `refused`: (reason, sentence) or None."""

    values: Mapping[str, Any]
    refused: tuple[str, str] | None = None


def read_members(places: Mapping[str, Mapping[str, Any]]) -> Members:
    """The members of these objects, by the path under which each object was sent.

    A member that is null or an empty text says nothing.
    """
    values: dict[str, Any] = {}
    paths: dict[str, str] = {}
    refused: tuple[str, str] | None = None
    for place, members in places.items():
        for name, value in members.items():
            path = f"{place}.{name}"
            if value is None or value == "" or name in DESCRIPTIVE:
                continue
            if name not in UNDERSTOOD:
                refused = refused or (UNKNOWN, _unknown(path))
                continue
            said = UNDERSTOOD[name]
            if said in values and values[said] != value:
                refused = (CONTRADICTION, f"{paths[said]} and {path} say different things.")
            values.setdefault(said, value)
            paths.setdefault(said, path)
    return Members(values, refused)


def _unknown(path: str) -> str:
    clean = "".join(char if char.isprintable() else "\ufffd" for char in path)
    shown = clean if len(clean) <= LONGEST_NAME else f"{clean[:LONGEST_NAME]}…"
    return (
        f"{shown} is not understood and may be a limit: leave it out, or send it in"
        f" context.metadata, which is not read. Understood: {', '.join(UNDERSTOOD)}."
    )
