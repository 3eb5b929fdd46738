"""What one AWS account lists: IAM users and roles, with their policies and the organisation's.

Source: IAM API Reference, GetAccountAuthorizationDetails. Policies of resources and of sessions,
and what the organisation says of resources, are not in these lists. Roles that AWS makes for its
own services (path /aws-service-role/) are left out: nobody else can assume them. Credentials are
aws_credentials.py's.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from evidence.formats import aws as names
from evidence.formats.record import ActorName
from evidence.sources import aws
from evidence.sources.contract import Asked
from evidence.sources.failures import Later, Stopped
from identities.enforcers.aws_principals import as_document
from identities.enforcers.entitlements_aws import NEVER_READ, possible_of
from identities.enforcers.possible_aws import Possible
from identities.inventory import aws_credentials, aws_organisation, hints
from identities.inventory.contract import (
    Batch,
    Found,
    Part,
    System,
    text,
    when,
)
from identities.inventory.paging import Pages

# Connectors that lead to AWS itself; a bucket with an endpoint of its own is somebody else's.
AWS_ALONE, BUCKETS = ("cloudtrail_lookup",), ("s3", "s3_queue")
PER_PAGE = 100
NOT_LISTED = "resource control policies, policies of resources and of sessions are not read"
OF_SERVICES = "/aws-service-role/"


class Account:
    """One account while it is read; what groups and managed policies say is kept in memory."""

    def __init__(self, asked: Asked) -> None:
        self._clients = aws.Clients(asked)
        try:
            self.account = names.account_of(self._clients.who())
        except (Stopped, Later):
            self.close()
            raise
        self.realm = names.realm_of(self.account)
        self.iam = self._clients.client("iam")
        self._policies: dict[str, Any] | None = None
        self._groups: dict[str, Any] = {}
        self._limits: tuple[Possible, ...] | None = None
        self._unread = ""

    def close(self) -> None:
        self._clients.__exit__()

    def actor(self, arn: str) -> ActorName:
        return names.arn_actor(arn, self.account)

    def details(self, kinds: list[str], marker: str) -> dict[str, Any]:
        with aws.asking("iam:GetAccountAuthorizationDetails", "*"):
            found: dict[str, Any] = self.iam.get_account_authorization_details(
                Filter=kinds, MaxItems=PER_PAGE, **({"Marker": marker} if marker else {})
            )
        return found

    def managed(self) -> dict[str, Any]:
        """The documents of managed policies, by ARN; groups are learnt on the way."""
        if self._policies is None:
            policies: dict[str, Any] = {}
            marker, pages = "", Pages()
            while True:
                pages.begin(f"iam:GetAccountAuthorizationDetails of policies?{marker}")
                page = self.details(["LocalManagedPolicy", "AWSManagedPolicy", "Group"], marker)
                for policy in page.get("Policies", []):
                    for version in policy.get("PolicyVersionList", []):
                        if version.get("IsDefaultVersion"):
                            policies[policy["Arn"]] = as_document(version.get("Document", {}))
                for group in page.get("GroupDetailList", []):
                    self._groups[group["GroupName"]] = group
                if not page.get("IsTruncated"):
                    break
                marker = str(page["Marker"])
            self._policies = policies
        return self._policies

    def organisation(self) -> tuple[Possible, ...]:
        """What the organisation's policies leave everybody here, asked for once. Raises
        Stopped."""
        if self._limits is None:
            client = self._clients.client("organizations")
            self._limits = aws_organisation.limits(client, self.account)
        return self._limits

    def limits(self) -> tuple[tuple[Possible, ...], str]:
        """The same with what is not read; a refusal only says so: such policies give nothing."""
        if not self._unread:
            self._unread = NOT_LISTED
            try:
                self.organisation()
            except Stopped as problem:
                self._limits = ()
                self._unread = f"{NEVER_READ} ({problem.what})"
        return self._limits or (), self._unread

    def group(self, name: str) -> Mapping[str, Any]:
        self.managed()
        found: Mapping[str, Any] = self._groups.get(name, {})
        return found


def fits(connector: str, settings: Mapping[str, str]) -> bool:
    """Whether a connection leads to an AWS account."""
    return connector in AWS_ALONE or (connector in BUCKETS and not settings.get("endpoint"))


def organisation(account: Account, _: Mapping[str, Any]) -> Iterator[Batch]:
    """Policies of the organisation: kept for the lists of users and roles."""
    account.organisation()
    yield Batch((), {})


def principals(account: Account, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """Users and roles with their policies, a hundred a page."""
    marker, pages = str(cursor.get("marker", "")), Pages()
    account.managed()
    while True:
        pages.begin(f"iam:GetAccountAuthorizationDetails of users and roles?{marker}")
        page = account.details(["User", "Role"], marker)
        found = [_user(account, one) for one in page.get("UserDetailList", [])]
        found += [
            _role(account, one)
            for one in page.get("RoleDetailList", [])
            if not str(one.get("Path", "")).startswith(OF_SERVICES)
        ]
        marker = str(page.get("Marker", "")) if page.get("IsTruncated") else ""
        yield Batch(tuple(found), {"marker": marker} if marker else {})
        if not marker:
            return


def _user(account: Account, user: Mapping[str, Any]) -> Found:
    limits, missing = account.limits()
    rights = [
        *_inline(user.get("UserPolicyList", [])),
        *_attached(account, user.get("AttachedManagedPolicies", [])),
    ]
    for name in user.get("GroupList", []):
        group = account.group(name)
        rights += _inline(group.get("GroupPolicyList", []), f"group {name}, ")
        rights += _attached(account, group.get("AttachedManagedPolicies", []), f"group {name}, ")
    return Found(
        account.actor(user["Arn"]),
        "IAM user",
        title=text(user.get("UserName")),
        created_at=when(user.get("CreateDate")),
        hints=hints.of_tags(_tags(user)),
        rights=(*rights, *_boundary(account, user), *limits),
        missing=missing,
    )


def _role(account: Account, role: Mapping[str, Any]) -> Found:
    used = role.get("RoleLastUsed") or {}
    limits, missing = account.limits()
    return Found(
        account.actor(role["Arn"]),
        "IAM role",
        title=text(role.get("RoleName")),
        created_at=when(role.get("CreateDate")),
        last_used_at=when(used.get("LastUsedDate")),
        last_used_of=text(used.get("Region")),
        hints=hints.of_tags(_tags(role)),
        rights=(
            *_inline(role.get("RolePolicyList", [])),
            *_attached(account, role.get("AttachedManagedPolicies", [])),
            *_boundary(account, role),
            *limits,
        ),
        missing=missing,
    )


def _tags(thing: Mapping[str, Any]) -> dict[str, str]:
    return {text(one.get("Key")): text(one.get("Value")) for one in thing.get("Tags", [])}


def _inline(policies: list[Mapping[str, Any]], before: str = "") -> list[Possible]:
    return [
        right
        for one in policies
        for right in possible_of(
            as_document(one.get("PolicyDocument", {})), via=f"{before}inline {one['PolicyName']}"
        )
    ]


def _attached(
    account: Account, policies: list[Mapping[str, Any]], before: str = ""
) -> list[Possible]:
    return [
        right
        for one in policies
        for right in _managed(account, one["PolicyArn"], f"{before}managed {one['PolicyArn']}")
    ]


def _boundary(account: Account, thing: Mapping[str, Any]) -> list[Possible]:
    arn = (thing.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    return _managed(account, arn, f"boundary {arn}", "boundary") if arn else []


def _managed(account: Account, arn: str, via: str, layer: str = "identity") -> list[Possible]:
    document = account.managed().get(arn)
    if document is None:
        # A boundary of AWS's own that nobody has attached as a policy is in no list.
        return [Possible.unread(via=via, layer=layer)]
    return possible_of(document, via=via, layer=layer)


SYSTEM = System(
    name="aws",
    title="AWS",
    fits=fits,
    open=Account,
    parts=(
        Part(
            "policies of the organisation",
            organisation,
            "organizations:DescribeOrganization, ListParents, ListPoliciesForTarget and"
            " DescribePolicy, which only the management account has or delegates",
            optional=True,
        ),
        Part("users and roles", principals, "iam:GetAccountAuthorizationDetails"),
        *aws_credentials.PARTS,
    ),
)
