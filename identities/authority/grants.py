"""What goes into the compiler: grants and forbids, and the errors that name a bad field."""

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

LONGEST_PATTERN = 2048
CONDITIONS = ("address", "mfa")


class AuthorityError(ValueError):
    """A grant cannot be compiled: the sentence names the field and what to write."""


class Grant(NamedTuple):
    """One version of one delegation, as the compiler takes it.

    `actions` and `resources` are patterns in which ``*`` stands for anything: ``s3:GetObject``,
    ``s3:*``, ``invoices/*``, ``arn:aws:s3:::invoices/*``, ``*``. It is in force in
    [starts_at, ends_at), and never from revoked_at on.
    """

    key: str
    version: int
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    task: str | None = None
    on_behalf: str | None = None
    conditions: Mapping[str, Any] = {}
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    revoked_at: datetime | None = None
    signed: bool = True


class Forbid(NamedTuple):
    """Something nobody may do, whatever was granted."""

    key: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)


def check(grant: Grant) -> None:
    """Raise AuthorityError for a grant that would not mean what its author thinks."""
    if not grant.actions:
        raise AuthorityError("actions: name at least one, like s3:GetObject")
    if not grant.resources:
        raise AuthorityError("resources: name at least one, like invoices/*, or * for all")
    for field, patterns in (("actions", grant.actions), ("resources", grant.resources)):
        for pattern in patterns:
            check_pattern(field, pattern)
    for name, value in grant.conditions.items():
        if name not in CONDITIONS:
            raise AuthorityError(
                f"conditions: {name!r} is not known; use {' or '.join(CONDITIONS)}"
            )
        if name == "address":
            if not isinstance(value, list | tuple) or not value:
                raise AuthorityError("conditions.address: a list of networks, like [10.0.0.0/8]")
            for network in value:
                try:
                    ipaddress.ip_network(network, strict=False)
                except ValueError as problem:
                    raise AuthorityError(f"conditions.address: {problem}") from problem
        elif not isinstance(value, bool):
            raise AuthorityError(f"conditions.{name}: true or false")
    for field, moment in (
        ("starts_at", grant.starts_at),
        ("ends_at", grant.ends_at),
        ("revoked_at", grant.revoked_at),
    ):
        if moment is not None and moment.tzinfo is None:
            raise AuthorityError(f"{field}: give the time zone, like 2026-12-01T00:00:00Z")
    if grant.starts_at and grant.ends_at and grant.starts_at >= grant.ends_at:
        raise AuthorityError("ends_at: has to be after starts_at")


def check_pattern(field: str, pattern: str) -> None:
    """Raise AuthorityError for a pattern that cannot be what is meant."""
    if not isinstance(pattern, str) or not pattern.strip():
        raise AuthorityError(f"{field}: a pattern is empty; write * if everything is meant")
    if len(pattern) > LONGEST_PATTERN:
        raise AuthorityError(f"{field}: a pattern is longer than {LONGEST_PATTERN} characters")
    if "?" in pattern:
        raise AuthorityError(
            f"{field}: {pattern!r} has a ?: only * is a wildcard here; write the names out"
        )
