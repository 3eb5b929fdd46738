"""Whether the AWS enforcer may do what it will be asked to do.

Owns the list of permissions a step needs and two ways to ask: SimulatePrincipalPolicy, and where
that is refused, trying each right on something that cannot succeed. Must not change anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from .aws_clients import Clients
from .aws_failures import Absent, Refused, asking, sentence
from .contract import MissingRight, PermanentFailure, Target

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

KEYS = (
    "iam:ListAccessKeys",
    "iam:GetAccessKeyLastUsed",
    "iam:UpdateAccessKey",
    "iam:DeleteAccessKey",
)
USERS = ("iam:GetUser", "iam:GetUserPolicy", "iam:PutUserPolicy", "iam:DeleteUserPolicy")
PASSWORDS = ("iam:GetLoginProfile", "iam:DeleteLoginProfile")
ROLES = ("iam:GetRole", "iam:GetRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy")
NEEDS: dict[str, tuple[str, ...]] = {
    "access_key": KEYS,
    "user": (*KEYS, *USERS, *PASSWORDS),
    "role": ROLES,
    "role_sessions": ROLES,
    "user_sessions": USERS,
    "login_profile": (*USERS, *PASSWORDS),
}
SIMULATE = "iam:SimulatePrincipalPolicy"

# Rights are judged before arguments are looked at. So a policy that is no JSON, a key that
# nobody has and a policy name that nobody uses tell whether we may, and can never succeed.
_NO_KEY = "AKIACOUNTERSIGNTRIAL"
_NO_POLICY = "CountersignTrialOfRights"
_NO_DOCUMENT = "not a policy"

_TRIALS: dict[str, Callable[[IAMClient, str], object]] = {
    "iam:ListAccessKeys": lambda iam, n: iam.list_access_keys(UserName=n),
    "iam:UpdateAccessKey": lambda iam, n: iam.update_access_key(
        UserName=n, AccessKeyId=_NO_KEY, Status="Inactive"
    ),
    "iam:DeleteAccessKey": lambda iam, n: iam.delete_access_key(UserName=n, AccessKeyId=_NO_KEY),
    "iam:GetUser": lambda iam, n: iam.get_user(UserName=n),
    "iam:GetUserPolicy": lambda iam, n: iam.get_user_policy(UserName=n, PolicyName=_NO_POLICY),
    "iam:PutUserPolicy": lambda iam, n: iam.put_user_policy(
        UserName=n, PolicyName=_NO_POLICY, PolicyDocument=_NO_DOCUMENT
    ),
    "iam:DeleteUserPolicy": lambda iam, n: iam.delete_user_policy(
        UserName=n, PolicyName=_NO_POLICY
    ),
    "iam:GetLoginProfile": lambda iam, n: iam.get_login_profile(UserName=n),
    "iam:GetRole": lambda iam, n: iam.get_role(RoleName=n),
    "iam:GetRolePolicy": lambda iam, n: iam.get_role_policy(RoleName=n, PolicyName=_NO_POLICY),
    "iam:PutRolePolicy": lambda iam, n: iam.put_role_policy(
        RoleName=n, PolicyName=_NO_POLICY, PolicyDocument=_NO_DOCUMENT
    ),
    "iam:DeleteRolePolicy": lambda iam, n: iam.delete_role_policy(
        RoleName=n, PolicyName=_NO_POLICY
    ),
}


# The same to give something for a while, and to hand it out.
GRANTING: dict[str, tuple[str, ...]] = {
    "user": USERS,
    "role": ROLES,
    "role_sessions": (*ROLES, "sts:AssumeRole"),
}


def missing(
    clients: Clients,
    *,
    account: str,
    own_arn: str,
    targets: Sequence[Target],
    needs: Mapping[str, Sequence[str]] = NEEDS,
) -> list[MissingRight]:
    """The rights that are missing, each with what to add. Empty is "nothing is missing"."""
    parts = own_arn.split(":")
    partition = parts[1]
    if parts[-1] == "root":
        return []  # the root of an account may do everything, and cannot be simulated
    wanted = _wanted(f"arn:{partition}:iam::{account}", targets, needs)
    try:
        source = _policy_source(clients, own_arn, account=account, partition=partition)
        refused = [
            right
            for resource, actions in wanted
            for right in _simulated(clients, source, actions=actions, resource=resource)
        ]
    except Refused as error:
        refused = [
            MissingRight(error.permission, error.resource, sentence(error.permission, own_arn)),
            *_tried(clients, wanted),
        ]
    return sorted(set(refused), key=lambda right: (right.permission, right.resource))


def _wanted(
    prefix: str, targets: Sequence[Target], needs: Mapping[str, Sequence[str]]
) -> list[tuple[str, tuple[str, ...]]]:
    if not targets:
        return [(f"{prefix}:user/*", (*KEYS, *USERS, *PASSWORDS)), (f"{prefix}:role/*", ROLES)]
    found: dict[str, dict[str, None]] = {}
    for target in targets:
        kind = "role" if target.kind in ("role", "role_sessions") else "user"
        name = target.extra.get("user", "*") if target.kind == "access_key" else target.name
        of = found.setdefault(f"{prefix}:{kind}/{name}", {})
        of.update(dict.fromkeys(needs.get(target.kind, ())))
    return [(resource, tuple(actions)) for resource, actions in found.items()]


def _policy_source(clients: Clients, own_arn: str, *, account: str, partition: str) -> str:
    """The user or role whose policies count: a session's ARN names no path of its role."""
    kind, _, rest = own_arn.split(":", 5)[5].partition("/")
    if kind != "assumed-role":
        return own_arn
    role = rest.split("/")[0]
    with asking("iam:GetRole", f"arn:{partition}:iam::{account}:role/{role}"):
        return clients.iam.get_role(RoleName=role)["Role"]["Arn"]


def _simulated(
    clients: Clients, source: str, *, actions: Iterable[str], resource: str
) -> list[MissingRight]:
    with asking(SIMULATE, source):
        pages = clients.iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=source, ActionNames=list(actions), ResourceArns=[resource]
        )
        results = [r for page in pages for r in page["EvaluationResults"]]
    return [
        MissingRight(
            permission=result["EvalActionName"],
            resource=resource,
            sentence=sentence(result["EvalActionName"], resource)
            if result["EvalDecision"] == "implicitDeny"
            else f"A policy denies {result['EvalActionName']} on {resource}: take that deny off.",
        )
        for result in results
        if result["EvalDecision"] != "allowed"
    ]


def _tried(clients: Clients, wanted: list[tuple[str, tuple[str, ...]]]) -> list[MissingRight]:
    found = []
    for resource, actions in wanted:
        name = resource.rpartition("/")[2]
        for permission in actions:
            trial = _TRIALS.get(permission)
            if trial is None or name == "*":
                continue
            try:
                with asking(permission, resource):
                    trial(clients.iam, name)
            except Refused:
                found.append(MissingRight(permission, resource, sentence(permission, resource)))
            except Absent:
                continue
            except PermanentFailure:
                # The nonsense was refused as nonsense: the right is there.
                continue
    return found
