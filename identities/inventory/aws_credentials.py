"""Credentials of the users of one AWS account: access keys, and what else lets somebody in.

Owns one table of lists. Sources: IAM API Reference: ListUsers, ListAccessKeys,
GetAccessKeyLastUsed, GetLoginProfile, ListSigningCertificates, ListSSHPublicKeys,
ListServiceSpecificCredentials (with AllUsers). AWS says of a use of a key at most the hour, the
region and the service, and of a use of the others only when a password was used last.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from evidence.formats import aws as names
from evidence.sources import aws
from evidence.sources.failures import Stopped
from identities.inventory.contract import (
    ACTIVE,
    EXPIRED,
    HELD,
    Absent,
    Batch,
    Found,
    Part,
    inside,
    text,
    when,
)
from identities.inventory.paging import Pages

if TYPE_CHECKING:
    from identities.inventory.aws import Account

# Users are asked about one by one: short steps keep the lease and the place.
USERS_PER_STEP = 25
STATES = {"Active": ACTIVE, "Expired": EXPIRED}


def users(account: "Account", marker: str) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """The account's users, a step at a time, each step with where the list goes on."""
    pages = Pages()
    while True:
        pages.begin(f"iam:ListUsers?{marker}")
        with aws.asking("iam:ListUsers", "*"):
            page = account.iam.list_users(
                MaxItems=USERS_PER_STEP, **({"Marker": marker} if marker else {})
            )
        marker = str(page.get("Marker", "")) if page.get("IsTruncated") else ""
        yield page["Users"], marker
        if not marker:
            return


def keys(account: "Account", cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """The access keys of each user, with their last use."""
    for listed, marker in users(account, str(cursor.get("marker", ""))):
        found: list[Found] = []
        unread: list[str] = []
        said = ""
        for user in listed:
            try:
                found += _keys_of(account, user)
            except Absent:
                continue  # deleted since the listing
            except Stopped as problem:
                unread.append(user["UserName"])
                said = said or f"{problem.what} {problem.fix}"
        yield Batch(tuple(found), {"marker": marker} if marker else {}, tuple(unread), said)


def _keys_of(account: "Account", user: Mapping[str, Any]) -> Iterator[Found]:
    name = user["UserName"]
    marker, pages = "", Pages()
    while True:
        pages.begin(f"iam:ListAccessKeys of {name}?{marker}")
        with asking("iam:ListAccessKeys", f"user {name}"):
            page = account.iam.list_access_keys(
                UserName=name, **({"Marker": marker} if marker else {})
            )
        for key in page["AccessKeyMetadata"]:
            used, missing = _last_use(account, key["AccessKeyId"])
            yield Found(
                names.access_key(key["AccessKeyId"]),
                "access key",
                credential=True,
                holder=account.actor(user["Arn"]),
                title=f"of {name}",
                status=ACTIVE if key.get("Status") == "Active" else HELD,
                created_at=when(key.get("CreateDate")),
                last_used_at=when(used.get("LastUsedDate")),
                last_used_of=text(used.get("ServiceName")).replace("N/A", ""),
                missing=missing,
                scope=name,
            )
        if not page.get("IsTruncated"):
            return
        marker = str(page["Marker"])


def _last_use(account: "Account", key: str) -> tuple[Mapping[str, Any], str]:
    try:
        with asking("iam:GetAccessKeyLastUsed", f"key {key[:4]}…{key[-4:]}"):
            found = account.iam.get_access_key_last_used(AccessKeyId=key)
    except Stopped as problem:
        return {}, f"last use: {problem.what}"
    used: Mapping[str, Any] = found.get("AccessKeyLastUsed") or {}
    return used, ""


@contextmanager
def asking(permission: str, resource: str) -> Iterator[None]:
    """As evidence/sources/aws.py has it; what is not there any more is told apart."""
    try:
        with aws.asking(permission, resource):
            yield
    except Stopped as problem:
        answer = getattr(problem.__cause__, "response", {})
        if inside(answer, "Error", "Code") == "NoSuchEntity":
            raise Absent(f"There is no {resource}.", "It was deleted.") from problem
        raise


# --- what else lets a user in


class Kind(NamedTuple):
    """One list of a user's credentials: how it is asked for, and what its entries call things."""

    list_: str  # the list's name here
    permission: str
    ask: Callable[[Any, str], Any]  # IAM's client, a user's name -> the entries
    number: str  # the member with the id; empty: a user has one
    kind: str
    named: str  # the kind of name it has in evidence
    created: str


KINDS = (
    Kind(
        "passwords",
        "iam:GetLoginProfile",
        lambda iam, user: [iam.get_login_profile(UserName=user)["LoginProfile"]],
        "",
        "console password",
        "password",
        "CreateDate",
    ),
    Kind(
        "signing certificates",
        "iam:ListSigningCertificates",
        lambda iam, user: _paged(iam, "list_signing_certificates", "Certificates", user),
        "CertificateId",
        "signing certificate",
        "certificate",
        "UploadDate",
    ),
    Kind(
        "SSH keys",
        "iam:ListSSHPublicKeys",
        lambda iam, user: _paged(iam, "list_ssh_public_keys", "SSHPublicKeys", user),
        "SSHPublicKeyId",
        "SSH key",
        "ssh_key",
        "UploadDate",
    ),
)


def _paged(iam: Any, call: str, member: str, user: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    marker, pages = "", Pages()
    while True:
        pages.begin(f"{call} of {user}?{marker}")
        page = getattr(iam, call)(UserName=user, **({"Marker": marker} if marker else {}))
        found += page.get(member, [])
        if not page.get("IsTruncated"):
            return found
        marker = str(page["Marker"])


def others(kind: Kind, account: "Account", cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """One more kind of credentials; a refusal ends the list: it would be the same of all users."""
    for listed, marker in users(account, str(cursor.get("marker", ""))):
        found: list[Found] = []
        for user in listed:
            try:
                with asking(kind.permission, f"user {user['UserName']}"):
                    entries = kind.ask(account.iam, user["UserName"])
            except Absent:
                continue  # no password, or deleted since the listing
            found += [_other(kind, account, user, one) for one in entries]
        yield Batch(tuple(found), {"marker": marker} if marker else {})


def _other(
    kind: Kind, account: "Account", user: Mapping[str, Any], one: Mapping[str, Any]
) -> Found:
    value = text(one.get(kind.number)) if kind.number else text(user["Arn"])
    return Found(
        names.named(kind.named, value, account.account),
        kind.kind,
        credential=True,
        holder=account.actor(user["Arn"]),
        title=f"of {user['UserName']}",
        status=STATES.get(text(one.get("Status", "Active")), HELD),
        created_at=when(one.get(kind.created)),
        last_used_at=None if kind.number else when(user.get("PasswordLastUsed")),
    )


def for_services(account: "Account", cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """Keys and passwords for one service each (Bedrock, CodeCommit, Keyspaces), of all users."""
    marker = str(cursor.get("marker", ""))
    # The list names users without their paths.
    arns = {user["UserName"]: user["Arn"] for listed, _ in users(account, "") for user in listed}
    pages = Pages()
    while True:
        pages.begin(f"iam:ListServiceSpecificCredentials?{marker}")
        with aws.asking("iam:ListServiceSpecificCredentials", "*"):
            page = account.iam.list_service_specific_credentials(
                AllUsers=True, **({"Marker": marker} if marker else {})
            )
        found = [
            Found(
                names.named(
                    "service_credential",
                    text(one.get("ServiceSpecificCredentialId")),
                    account.account,
                ),
                "service credential",
                credential=True,
                holder=account.actor(arns[one["UserName"]]) if one["UserName"] in arns else None,
                title=f"for {text(one.get('ServiceName'))}, of {text(one.get('UserName'))}",
                status=STATES.get(text(one.get("Status")), HELD),
                created_at=when(one.get("CreateDate")),
                expires_at=when(one.get("ExpirationDate")),
            )
            for one in page.get("ServiceSpecificCredentials", [])
        ]
        marker = str(page.get("Marker", "")) if page.get("IsTruncated") else ""
        yield Batch(tuple(found), {"marker": marker} if marker else {})
        if not marker:
            return


PARTS = (
    Part("access keys", keys, "iam:ListUsers, iam:ListAccessKeys, iam:GetAccessKeyLastUsed"),
    *(
        Part(one.list_, partial(others, one), f"iam:ListUsers, {one.permission}", optional=True)
        for one in KINDS
    ),
    Part(
        "service credentials",
        for_services,
        "iam:ListUsers, iam:ListServiceSpecificCredentials",
        optional=True,
    ),
)
