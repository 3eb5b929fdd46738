"""One user or role of an AWS account, as the enforcer reads and changes it.

Owns the calls to IAM, each named by the permission it needs, so that a refusal says what to add.
Must not know which step is being made.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from .aws_clients import Clients
from .aws_failures import ACCOUNT, Absent, Refused, asking
from .contract import PermanentFailure

Kind = Literal["user", "role"]


@dataclass(frozen=True, slots=True)
class Key:
    """One access key as ListAccessKeys shows it."""

    access_key_id: str
    user: str
    status: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class LastUse:
    """What GetAccessKeyLastUsed tells; `user` is empty where AWS does not say whose key it is."""

    user: str
    used_at: datetime | None
    service: str


def reference_of(answer: Any) -> str:
    """AWS's request id of an answer: the same id CloudTrail keeps as requestID."""
    return str(answer.get("ResponseMetadata", {}).get("RequestId", ""))


def said_at(answer: Any) -> datetime | None:
    """The target's own clock, from the Date header of its answer."""
    raw = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        when = parsedate_to_datetime(str(raw))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def as_document(found: Any) -> dict[str, Any]:
    """botocore decodes policy documents to dicts; what it could not decode stays text."""
    if isinstance(found, dict):
        return found
    try:
        data = json.loads(str(found))
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


class Principals:
    """Users, roles and access keys of one account."""

    def __init__(self, clients: Clients, *, account: str, partition: str = "aws") -> None:
        self._iam = clients.iam
        self.account, self.partition = account, partition
        self._prefix = f"arn:{partition}:iam::{account}"

    def arn(self, kind: Kind, name: str) -> str:
        return f"{self._prefix}:{kind}/{name}"

    # Access keys

    def keys(self, user: str) -> list[Key]:
        """Every access key of a user; Absent where there is no such user."""
        found: list[Key] = []
        with asking("iam:ListAccessKeys", self.arn("user", user)):
            for page in self._iam.get_paginator("list_access_keys").paginate(UserName=user):
                found.extend(
                    Key(
                        access_key_id=entry.get("AccessKeyId", ""),
                        user=user,
                        status=entry.get("Status", ""),
                        created_at=entry.get("CreateDate"),
                    )
                    for entry in page["AccessKeyMetadata"]
                )
        return found

    def last_use(self, access_key_id: str) -> LastUse:
        """Whose key it is and when it was last used; Absent where AWS knows no such key."""
        with asking("iam:GetAccessKeyLastUsed", f"{self._prefix}:user/*"):
            answer = self._iam.get_access_key_last_used(AccessKeyId=access_key_id)
        used = answer["AccessKeyLastUsed"]
        return LastUse(
            user=answer.get("UserName", ""),
            used_at=used.get("LastUsedDate"),
            service=used.get("ServiceName", ""),
        )

    def owner(self, access_key_id: str, *, said: str) -> str:
        """The user a key belongs to. What AWS says now counts more than what a record said.

        Deleting "the key of somebody else" answers NoSuchEntity, which would read as "already
        gone" while the key lives on: so the owner is asked for, not believed.
        """
        try:
            found = self.last_use(access_key_id).user
        except (Absent, Refused):
            # A key that is gone is not told; nor is it to somebody who may not ask.
            found = ""
        if not found and not said:
            raise PermanentFailure(
                f"AWS does not tell whose key {access_key_id} is, and the target does not say it.",
                who_must_act=ACCOUNT,
            )
        return found or said

    def set_key(self, user: str, access_key_id: str, *, active: bool) -> str:
        with asking("iam:UpdateAccessKey", self.arn("user", user)):
            answer = self._iam.update_access_key(
                UserName=user,
                AccessKeyId=access_key_id,
                Status="Active" if active else "Inactive",
            )
        return reference_of(answer)

    def delete_key(self, user: str, access_key_id: str) -> str:
        with asking("iam:DeleteAccessKey", self.arn("user", user)):
            answer = self._iam.delete_access_key(UserName=user, AccessKeyId=access_key_id)
        return reference_of(answer)

    # Users and roles

    def look(self, kind: Kind, name: str) -> tuple[dict[str, Any], datetime | None]:
        """The user or role and the target's clock; Absent where there is none."""
        if kind == "user":
            with asking("iam:GetUser", self.arn(kind, name)):
                user = self._iam.get_user(UserName=name)
            return dict(user["User"]), said_at(user)
        with asking("iam:GetRole", self.arn(kind, name)):
            role = self._iam.get_role(RoleName=name)
        return dict(role["Role"]), said_at(role)

    def policy(self, kind: Kind, name: str, policy: str) -> dict[str, Any] | None:
        """An inline policy, or None where there is no such policy or no such principal."""
        try:
            if kind == "user":
                with asking("iam:GetUserPolicy", self.arn(kind, name)):
                    user = self._iam.get_user_policy(UserName=name, PolicyName=policy)
                return as_document(user["PolicyDocument"])
            with asking("iam:GetRolePolicy", self.arn(kind, name)):
                role = self._iam.get_role_policy(RoleName=name, PolicyName=policy)
            return as_document(role["PolicyDocument"])
        except Absent:
            return None

    def put_policy(self, kind: Kind, name: str, policy: str, document: str) -> str:
        if kind == "user":
            with asking("iam:PutUserPolicy", self.arn(kind, name)):
                return reference_of(
                    self._iam.put_user_policy(
                        UserName=name, PolicyName=policy, PolicyDocument=document
                    )
                )
        with asking("iam:PutRolePolicy", self.arn(kind, name)):
            return reference_of(
                self._iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document)
            )

    def delete_policy(self, kind: Kind, name: str, policy: str) -> str:
        if kind == "user":
            with asking("iam:DeleteUserPolicy", self.arn(kind, name)):
                return reference_of(self._iam.delete_user_policy(UserName=name, PolicyName=policy))
        with asking("iam:DeleteRolePolicy", self.arn(kind, name)):
            return reference_of(self._iam.delete_role_policy(RoleName=name, PolicyName=policy))

    # Passwords

    def has_password(self, user: str) -> bool:
        """Whether the user may sign in to the console with a password."""
        try:
            with asking("iam:GetLoginProfile", self.arn("user", user)):
                self._iam.get_login_profile(UserName=user)
        except Absent:
            return False
        return True

    def delete_password(self, user: str) -> None:
        with asking("iam:DeleteLoginProfile", self.arn("user", user)):
            self._iam.delete_login_profile(UserName=user)
