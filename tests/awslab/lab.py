"""Things tests make in the account, each with a name of its own so that tests share a server."""

import contextlib
import functools
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from config.demo.aws import Demo, policy
from config.demo.aws_proxy import Proxy
from identities.enforcers.aws import AwsEnforcer
from identities.enforcers.aws_clients import Clients, Credentials
from identities.enforcers.contract import Target

_numbers = itertools.count(1)

ANY_S3 = {"Action": "s3:*", "Resource": "*"}


@functools.cache
def _administrator(demo: Demo) -> Clients:
    """One set of clients: making them reads the SDK's models from disk each time."""
    return demo.clients()


@functools.cache
def _beside_the_proxy(demo: Demo) -> Clients:
    return Clients(credentials=demo.administrator, endpoint=demo.direct, allow_private=True)


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the account with one key."""

    name: str
    arn: str
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Lab:
    """The account and short ways to fill it."""

    demo: Demo
    made: list[tuple[str, str]] = field(default_factory=list)  # users and roles: kind, name

    @property
    def admin(self) -> Clients:
        return _administrator(self.demo)

    @property
    def proxy(self) -> Proxy:
        return self.demo.proxy

    def name(self, word: str) -> str:
        return f"{word}-{next(_numbers)}"

    def key(self, user: str) -> Credentials:
        made = self.admin.iam.create_access_key(UserName=user)["AccessKey"]
        return Credentials(made["AccessKeyId"], made["SecretAccessKey"])

    def user(self, *allowed: dict[str, Any], word: str = "svc") -> Person:
        """A user that may do this, with one active key."""
        name = self.name(word)
        arn = self.admin.iam.create_user(UserName=name)["User"]["Arn"]
        self.made.append(("User", name))
        if allowed:
            self.admin.iam.put_user_policy(
                UserName=name, PolicyName="task", PolicyDocument=policy(*allowed)
            )
        return Person(name, arn, self.key(name))

    def role(self, *allowed: dict[str, Any], trusts: Person) -> str:
        """A role this user may assume; the user needs sts:AssumeRole as well."""
        name = self.name("svc-run")
        trust = policy({"Action": "sts:AssumeRole", "Principal": {"AWS": trusts.arn}})
        self.admin.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        self.made.append(("Role", name))
        self.admin.iam.put_role_policy(
            RoleName=name, PolicyName="task", PolicyDocument=policy(*allowed)
        )
        return name

    def assume(self, person: Person, role: str, **extra: Any) -> Credentials:
        found = self.demo.clients(person.credentials).sts.assume_role(
            RoleArn=f"arn:aws:iam::{self.demo.account}:role/{role}",
            RoleSessionName="run",
            **extra,
        )["Credentials"]
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    def enforcer(self, credentials: Credentials | None = None) -> AwsEnforcer:
        clients = self.demo.clients(credentials) if credentials else self.admin
        return AwsEnforcer(clients, account=self.demo.account)

    def target(self, kind: str, name: str, **extra: str) -> Target:
        return Target("aws", self.demo.account, kind, name, extra)

    def document(self, kind: str, name: str, title: str) -> dict[str, Any]:
        """An inline policy as the account holds it."""
        iam: Any = self.admin.iam
        get = getattr(iam, f"get_{kind}_policy")
        found = get(**{f"{kind.capitalize()}Name": name}, PolicyName=title)["PolicyDocument"]
        document: dict[str, Any] = found if isinstance(found, dict) else json.loads(found)
        return document

    def leave(self) -> None:
        """Take away the users and roles that were made here, but for those that something else
        hangs on. After each change of IAM the proxy reads the whole account, so that each test
        would pay for all before it."""
        iam: Any = _beside_the_proxy(self.demo).iam
        for kind, name in self.made:
            who, word = {f"{kind}Name": name}, kind.lower()
            with contextlib.suppress(ClientError):
                for title in getattr(iam, f"list_{word}_policies")(**who)["PolicyNames"]:
                    getattr(iam, f"delete_{word}_policy")(**who, PolicyName=title)
                if kind == "User":
                    for key in iam.list_access_keys(**who)["AccessKeyMetadata"]:
                        iam.delete_access_key(**who, AccessKeyId=key["AccessKeyId"])
                getattr(iam, f"delete_{word}")(**who)
        self.proxy.account.changed(until=None)
