"""The demo's AWS account: moto's real server behind the proxy, and what lives in it.

Owns starting and ending both, and the population of the story. The seeding writes its CloudTrail
records with the ids that `populate` returns, so that acting on a key acts on a real one.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from identities.enforcers.aws_clients import Clients, Credentials

from .aws_proxy import Proxy

ACCOUNT = "123456789012"
REGION = "us-east-1"
START_SECONDS = 60.0


class NotStarted(Exception):
    """The demo's AWS account could not be started; says why."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A running account. `administrator` may do everything in it and is its only first user."""

    endpoint: str
    direct: str  # the server behind the proxy, for its own controls
    account: str
    administrator: Credentials = field(repr=False)
    proxy: Proxy = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def admin(self) -> dict[str, str]:
        """The administrator's credentials under boto3's argument names."""
        return {
            "aws_access_key_id": self.administrator.access_key_id,
            "aws_secret_access_key": self.administrator.secret_access_key,
        }

    def clients(self, credentials: Credentials | None = None) -> Clients:
        """Clients of this account, the administrator's unless said otherwise."""
        return Clients(
            credentials=credentials or self.administrator,
            endpoint=self.endpoint,
            allow_private=True,
            region=REGION,
        )

    def end(self) -> None:
        """End the proxy and the server; the account and all in it are gone."""
        self.proxy.end()
        _end(self.process)


def start(port: int = 0, *, account: str = ACCOUNT) -> Demo:
    """Start an empty account with its authorisation on; `port` is moto's, 0 takes a free one."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MOTO_"))}
    process = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).with_name("aws_server.py")), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**kept, "MOTO_ACCOUNT_ID": account},
    )
    try:
        address = ("127.0.0.1", _port(process))
        # What the server logs is read, because a full pipe would stop it, and not kept.
        threading.Thread(target=_drain, args=(process.stderr,), daemon=True).start()
        administrator = _administrator(address)
        proxy = Proxy(address, administrator=administrator, account=account)
    except BaseException:
        _end(process)
        raise
    return Demo(
        endpoint=proxy.url,
        direct=f"http://{address[0]}:{address[1]}",
        account=account,
        administrator=administrator,
        proxy=proxy,
        process=process,
    )


def _port(process: subprocess.Popen[bytes]) -> int:
    if process.stdout is None or process.stderr is None:
        raise NotStarted("The local AWS account was started without pipes.")
    # A server that hangs while it starts is ended, which closes the pipe that is read here.
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    try:
        line = process.stdout.readline()
    finally:
        timer.cancel()
    if not line:
        process.wait()
        last = process.stderr.read().decode("utf-8", "replace").strip().splitlines()[-1:]
        raise NotStarted(f"The local AWS account did not start: {' '.join(last) or 'no answer'}.")
    return int(json.loads(line)["port"])


def _drain(stream: Any) -> None:
    with contextlib.suppress(ValueError):  # closed while it was read
        while stream.read(8192):
            pass


def _administrator(address: tuple[str, int]) -> Credentials:
    """The first user, made while moto still lets everybody in, and then the door is shut."""
    endpoint = f"http://{address[0]}:{address[1]}"
    first = Clients(
        credentials=Credentials("first", "first"), endpoint=endpoint, allow_private=True
    )
    first.iam.create_user(UserName="demo-administrator")
    first.iam.put_user_policy(
        UserName="demo-administrator",
        PolicyName="Administrator",
        PolicyDocument=policy({"Action": "*", "Resource": "*"}),
    )
    key = first.iam.create_access_key(UserName="demo-administrator")["AccessKey"]
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request("POST", "/moto-api/reset-auth", body=b"0")
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise NotStarted(f"The local AWS account left its door open ({answer.status}).")
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()  # it ends when this is closed
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def policy(*allowed: dict[str, Any]) -> str:
    """A policy document that allows these statements."""
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in allowed]}
    )


@dataclass(frozen=True, slots=True)
class DemoKey:
    """One access key of the story, with its secret: the demo uses it for real."""

    user: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    created_at: datetime

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.access_key_id, self.secret_access_key)


@dataclass(frozen=True, slots=True)
class Population:
    """What `populate` made: ids as AWS gave them, users by name."""

    account: str
    users: dict[str, str]  # name -> ARN
    user_ids: dict[str, str]  # name -> AIDA…
    keys: dict[str, tuple[DemoKey, ...]]
    roles: dict[str, str]
    buckets: tuple[str, ...]
    secret_arn: str
    enforcer: DemoKey


BUCKETS = ("invoices", "reports", "hr-records")
AGENT = "svc-report-agent"
ENFORCER = "countersign-enforcer"
# What break-glass gives goes onto this one, which may do nothing by itself.
BREAK_GLASS_ROLE = "svc-break-glass"

# What each agent was meant to do, as the inline policy "task" of its user.
_TASKS: dict[str, tuple[dict[str, Any], ...]] = {
    AGENT: (
        {
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": ["arn:aws:s3:::invoices", "arn:aws:s3:::invoices/*"],
        },
        {"Action": "s3:PutObject", "Resource": "arn:aws:s3:::reports/*"},
    ),
    "svc-invoice-agent": (
        {
            "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
            "Resource": ["arn:aws:s3:::invoices", "arn:aws:s3:::invoices/*"],
        },
    ),
    "svc-support-agent": ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/*"},),
    "svc-nightly-etl": (
        {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::reports/*"},
        {"Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::*:role/{AGENT}-run"},
    ),
}


def populate(demo: Demo) -> Population:
    """Make the story's users, keys, roles, buckets and secret in an empty account."""
    admin = demo.clients()
    s3 = admin.client("s3")
    for bucket in BUCKETS:
        s3.create_bucket(Bucket=bucket)
    secret = admin.client("secretsmanager").create_secret(
        Name="prod/db", SecretString=json.dumps({"user": "reports", "host": "db.internal"})
    )
    users: dict[str, str] = {}
    user_ids: dict[str, str] = {}
    keys: dict[str, tuple[DemoKey, ...]] = {}
    for name, allowed in _TASKS.items():
        user = admin.iam.create_user(UserName=name)["User"]
        users[name], user_ids[name] = user["Arn"], user["UserId"]
        admin.iam.put_user_policy(UserName=name, PolicyName="task", PolicyDocument=policy(*allowed))
        count = 2 if name == AGENT else 1
        keys[name] = tuple(_new_key(admin, name) for _ in range(count))
    # Attached once "for a test": what makes the agent able to leave its task.
    wide = admin.iam.create_policy(
        PolicyName="ReportingToolsAccess",
        PolicyDocument=policy(
            {"Action": "s3:*", "Resource": "*"},
            {"Action": ["secretsmanager:GetSecretValue"], "Resource": "*"},
            {"Action": ["iam:ListUsers", "iam:CreateAccessKey"], "Resource": "*"},
        ),
    )["Policy"]["Arn"]
    admin.iam.attach_user_policy(UserName=AGENT, PolicyArn=wide)
    trust = policy({"Action": "sts:AssumeRole", "Principal": {"AWS": users["svc-nightly-etl"]}})
    role = admin.iam.create_role(RoleName=f"{AGENT}-run", AssumeRolePolicyDocument=trust)["Role"]
    admin.iam.put_role_policy(
        RoleName=role["RoleName"],
        PolicyName="task",
        PolicyDocument=policy({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/*"}),
    )
    enforcer = add_enforcer(admin, account=demo.account)
    trust = policy(
        {
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": f"arn:aws:iam::{demo.account}:user/{enforcer.user}"},
        }
    )
    empty = admin.iam.create_role(RoleName=BREAK_GLASS_ROLE, AssumeRolePolicyDocument=trust)["Role"]
    return Population(
        account=demo.account,
        users=users,
        user_ids=user_ids,
        keys=keys,
        roles={one["RoleName"]: one["Arn"] for one in (role, empty)},
        buckets=BUCKETS,
        secret_arn=str(secret["ARN"]),
        enforcer=enforcer,
    )


def _new_key(admin: Clients, name: str) -> DemoKey:
    key = admin.iam.create_access_key(UserName=name)["AccessKey"]
    return DemoKey(
        user=name,
        access_key_id=key["AccessKeyId"],
        secret_access_key=key["SecretAccessKey"],
        created_at=key["CreateDate"],
    )


def add_enforcer(admin: Clients, *, account: str, name: str = ENFORCER) -> DemoKey:
    """Countersign's own user: what its enforcer needs on services and their roles, no more."""
    admin.iam.create_user(UserName=name)
    admin.iam.put_user_policy(
        UserName=name,
        PolicyName="enforcer",
        PolicyDocument=policy(
            {
                "Action": [
                    "iam:ListAccessKeys",
                    "iam:GetAccessKeyLastUsed",
                    "iam:UpdateAccessKey",
                    "iam:DeleteAccessKey",
                    "iam:GetUser",
                    "iam:ListUserPolicies",
                    "iam:GetUserPolicy",
                    "iam:PutUserPolicy",
                    "iam:DeleteUserPolicy",
                    "iam:GetLoginProfile",
                    "iam:DeleteLoginProfile",
                    "iam:ListAttachedUserPolicies",
                    "iam:ListGroupsForUser",
                    "iam:ListGroupPolicies",
                    "iam:GetGroupPolicy",
                    "iam:ListAttachedGroupPolicies",
                ],
                "Resource": [
                    f"arn:aws:iam::{account}:user/svc-*",
                    f"arn:aws:iam::{account}:group/*",
                ],
            },
            {
                "Action": [
                    "iam:GetRole",
                    "iam:ListRolePolicies",
                    "iam:GetRolePolicy",
                    "iam:PutRolePolicy",
                    "iam:DeleteRolePolicy",
                    "iam:ListAttachedRolePolicies",
                ],
                "Resource": f"arn:aws:iam::{account}:role/svc-*",
            },
            {
                "Action": "sts:AssumeRole",
                "Resource": f"arn:aws:iam::{account}:role/{BREAK_GLASS_ROLE}",
            },
            {
                "Action": ["iam:GetPolicy", "iam:GetPolicyVersion"],
                "Resource": "arn:aws:iam::*:policy/*",
            },
            {
                "Action": "iam:SimulatePrincipalPolicy",
                "Resource": f"arn:aws:iam::{account}:user/{name}",
            },
        ),
    )
    return _new_key(admin, name)
