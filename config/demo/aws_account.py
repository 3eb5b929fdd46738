"""What the demo's AWS account holds, as the proxy needs it for judging a request.

Owns a snapshot of users, roles, policies and keys, read from the server with the administrator's
key, and the sessions whose issue passed by. Must not answer requests.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from identities.enforcers.aws_clients import Clients


@dataclass(frozen=True, slots=True)
class Session:
    """Credentials of an assumed role. Times are of whole seconds, as CloudTrail shows them."""

    role: str
    name: str
    arn: str
    issued_at: datetime
    expires_at: datetime
    policy: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Principal:
    """A user or role with the policies that count for it."""

    arn: str
    kind: str
    name: str
    documents: tuple[dict[str, Any], ...]
    unique: str = ""  # AROA… or AIDA…
    boundary: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The account at one moment: principals by ARN, keys by id as (user's ARN, status)."""

    principals: Mapping[str, Principal] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, str]] = field(default_factory=dict)


class Account:
    """The account behind the proxy. Safe between threads."""

    def __init__(self, clients: Clients, *, number: str) -> None:
        self.number = number
        self._clients = clients
        self._lock = threading.RLock()
        self._snapshot: Snapshot | None = None
        self._before: tuple[Snapshot, datetime] | None = None
        self._sessions: dict[str, Session] = {}
        self._managed: dict[str, dict[str, Any]] = {}

    def changed(self, *, until: datetime | None) -> None:
        """IAM was written. With `until`, requests are judged as before until that moment."""
        with self._lock:
            if until is not None:
                self._before = (self.snapshot(), until)
            self._snapshot = None
            self._managed.clear()

    def settle(self) -> None:
        """Nothing is judged as before any more."""
        with self._lock:
            self._before = None

    def remember(self, access_key_id: str, session: Session) -> None:
        with self._lock:
            self._sessions[access_key_id] = session

    def session(self, access_key_id: str) -> Session | None:
        with self._lock:
            return self._sessions.get(access_key_id)

    def judged(self, now: datetime) -> Snapshot:
        """The account as requests are judged by now: IAM spreads its changes with a delay."""
        with self._lock:
            if self._before is not None:
                before, until = self._before
                if now < until:
                    return before
                self._before = None
            return self.snapshot()

    def snapshot(self) -> Snapshot:
        """The account as it is."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = self._read()
            return self._snapshot

    def secret_arn(self, name: str) -> str:
        """The ARN of a secret by its name or ARN: AWS adds six letters to the name."""
        try:
            found = self._clients.client("secretsmanager").describe_secret(SecretId=name)
        except ClientError:
            return f"arn:aws:secretsmanager:us-east-1:{self.number}:secret:{name}-??????"
        return str(found["ARN"])

    def _read(self) -> Snapshot:
        iam = self._clients.iam
        pages = iam.get_paginator("get_account_authorization_details").paginate(
            Filter=["User", "Role", "Group", "LocalManagedPolicy"]
        )
        users: list[Any] = []
        roles: list[Any] = []
        groups: dict[str, Any] = {}
        for page in pages:
            users += page["UserDetailList"]
            roles += page["RoleDetailList"]
            groups |= {group["GroupName"]: group for group in page["GroupDetailList"]}
        principals: dict[str, Principal] = {}
        keys: dict[str, tuple[str, str]] = {}
        for user in users:
            documents = self._documents(user, "UserPolicyList")
            for name in user.get("GroupList", []):
                documents += self._documents(groups.get(name, {}), "GroupPolicyList")
            principals[user["Arn"]] = self._principal(user, "user", user["UserName"], documents)
            for key in iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]:
                keys[key.get("AccessKeyId", "")] = (user["Arn"], key.get("Status", ""))
        for role in roles:
            documents = self._documents(role, "RolePolicyList")
            principals[role["Arn"]] = self._principal(role, "role", role["RoleName"], documents)
        return Snapshot(principals, keys)

    def _principal(
        self, entity: Any, kind: str, name: str, documents: list[dict[str, Any]]
    ) -> Principal:
        limit = entity.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        return Principal(
            arn=entity["Arn"],
            kind=kind,
            name=name,
            documents=tuple(documents),
            unique=str(entity.get("RoleId") or entity.get("UserId") or ""),
            boundary=self._document_of(limit) if limit else None,
        )

    def _documents(self, entity: Any, inline: str) -> list[dict[str, Any]]:
        found = [as_document(policy["PolicyDocument"]) for policy in entity.get(inline, [])]
        attached = entity.get("AttachedManagedPolicies", [])
        return found + [self._document_of(policy["PolicyArn"]) for policy in attached]

    def _document_of(self, arn: str) -> dict[str, Any]:
        if arn not in self._managed:
            iam = self._clients.iam
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            found = iam.get_policy_version(PolicyArn=arn, VersionId=version)
            self._managed[arn] = as_document(found["PolicyVersion"]["Document"])
        return self._managed[arn]


def as_document(found: Any) -> dict[str, Any]:
    """A policy document, which botocore decodes and the server at times leaves as text."""
    document: dict[str, Any] = found if isinstance(found, dict) else json.loads(found)
    return document
