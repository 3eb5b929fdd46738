"""Which standing keys belong to the one principal that records name with them. Pure.

Most records name who acted and what they presented. For a few kinds of credential the system that
writes the record gives each to one principal and to nobody else, for its whole life: there the
pair says whose the credential is. Everything else that stands beside a principal (sessions,
tokens that may live an hour, certificates, privileged accounts that are lent) says who used it
this once. What is not in the table is of that kind (docs/decisions/0034-keys-and-their-users.md).
"""

import re
from collections.abc import Callable
from typing import NamedTuple

USER_OR_ROOT = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(?:user/.+|root)")


class Name(NamedTuple):
    """An actor's name in evidence (evidence.formats.record.ActorName without what is above it)."""

    realm: str
    kind: str
    value: str


class Own(NamedTuple):
    """One kind of credential that a system gives to one principal."""

    system: str  # the realm up to its first colon
    credential: str  # kind of actor
    meaning: str
    holds: Callable[[Name, Name], bool]  # (credential, principal)


def _aws(credential: Name, principal: Name) -> bool:
    return (
        credential.value.startswith("AKIA")
        and principal.kind == "arn"
        and USER_OR_ROOT.fullmatch(principal.value) is not None
    )


def _gcp(credential: Name, principal: Name) -> bool:
    return principal.kind == "service_account" and credential.value.startswith(
        f"serviceAccounts/{principal.value}/keys/"
    )


def _one_users(credential: Name, principal: Name) -> bool:
    return principal.kind in ("user", "service_account") and credential.realm == principal.realm


OWN = (
    Own("aws", "access_key", "AKIA keys are one IAM user's, or the root user's", _aws),
    Own("gcp", "key", "a service account's key, which carries the account's name", _gcp),
    Own("okta", "api_token", "an API token acts as who made it", _one_users),
    Own("openai", "api_token", "a project's key is one user's or service account's", _one_users),
    Own("databricks", "api_token", "a personal access token", _one_users),
    Own("snowflake", "api_token", "a programmatic access token is one user's", _one_users),
)
KINDS = tuple(sorted({one.credential for one in OWN}))


def is_holder(credential: Name, principal: Name) -> bool:
    """Whether a record that names both says whose this credential is."""
    system = credential.realm.partition(":")[0]
    return any(
        one.system == system
        and one.credential == credential.kind
        and one.holds(credential, principal)
        for one in OWN
    )
