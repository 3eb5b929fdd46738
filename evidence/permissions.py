"""What somebody may do to sources, and the sentence why not.

Owns who acts, as plain text and names of groups: evidence knows nobody. The top app says which
groups a signed-in person is in; commands and the app itself have none and may do everything.
"""

from typing import NamedTuple


class NotAllowed(Exception):
    """Whoever asks may not do this: the sentence says why (HTTP 403)."""


class NotPossible(Exception):
    """It cannot be done now, whoever asks: the sentence says why (HTTP 409)."""


class By(NamedTuple):
    """Who acts: the text that the ledger keeps, and the name at this time."""

    ref: str  # "user:<uuid>", "source:<name>", "command", "countersign"
    name: str
    groups: frozenset[str] | None = None  # None: a command or the app itself


COMMAND = By("command", "command line")
COUNTERSIGN = By("countersign", "Countersign")

AUDITOR = "You are an auditor: auditors read everything and change nothing."


def require(why: str | None) -> None:
    """Raise the reason, when there is one."""
    if why is not None:
        raise NotAllowed(why)


def _why_not(by: By, allowed: frozenset[str], sentence: str) -> str | None:
    if by.groups is None:
        return None
    if "auditor" in by.groups:
        return AUDITOR
    return None if by.groups & allowed else sentence


def why_not_change_sources(by: By) -> str | None:
    """Add a source, give it a new token."""
    return _why_not(
        by, frozenset({"administrator"}), "Only an administrator may add or change sources."
    )


def why_not_declare(by: By) -> str | None:
    """State that a source is complete, or that it was silent: findings rest on it."""
    return _why_not(
        by,
        frozenset({"administrator", "responder"}),
        "Only an administrator or responder may state what a source is complete to.",
    )


def why_not_deposit(by: By) -> str | None:
    """Drop a file on a source's page."""
    return _why_not(
        by,
        frozenset({"administrator", "responder", "reviewer"}),
        "Only a reviewer, responder or administrator may add evidence.",
    )
