"""Policies of an AWS organisation that limit one of its accounts (service control policies).

Owns the way from the account up to the root. At each step something has to allow a call, and
nothing may deny it: each is a layer of its own. Sources: Organizations API Reference
(DescribeOrganization, ListParents, ListPoliciesForTarget, DescribePolicy), Organizations User
Guide, "SCP evaluation". They limit nobody in the management account.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evidence.sources import aws
from evidence.sources.failures import Stopped
from identities.enforcers.aws_principals import as_document
from identities.enforcers.entitlements_aws import possible_of
from identities.enforcers.possible_aws import Possible
from identities.inventory.contract import Forbidden, inside, text
from identities.inventory.paging import Pages

KIND = "SERVICE_CONTROL_POLICY"
# An account lies below at most five levels of units and a root.
MOST_STEPS = 8
FIX = (
    "Only the management account reads them, and who it lets: add this account to a delegation"
    " policy with organizations:DescribeOrganization, ListParents, ListPoliciesForTarget and"
    " DescribePolicy."
)


def limits(client: Any, account: str) -> tuple[Possible, ...]:
    """What service control policies say of an account's principals; nothing without an
    organisation. Raises Forbidden, Stopped, Later."""
    try:
        with _asking("organizations:DescribeOrganization", "*"):
            about = client.describe_organization()["Organization"]
    except _NoOrganisation:
        return ()
    if about.get("FeatureSet") != "ALL" or about.get("MasterAccountId") == account:
        return ()
    return tuple(_upwards(client, account))


def _upwards(client: Any, account: str) -> Iterator[Possible]:
    target = account
    for _ in range(MOST_STEPS):
        for policy in _policies(client, target):
            with _asking("organizations:DescribePolicy", text(policy.get("Id"))):
                found = client.describe_policy(PolicyId=policy["Id"])["Policy"]
            yield from possible_of(
                as_document(found.get("Content", "{}")),
                via=f"organisation's policy {text(policy.get('Name'))} at {target}",
                layer=f"organisation {target}",
            )
        if target.startswith("r-"):
            return
        with _asking("organizations:ListParents", target):
            parents = client.list_parents(ChildId=target)["Parents"]
        target = text(parents[0].get("Id")) if parents else "r-"


def _policies(client: Any, target: str) -> Iterator[dict[str, Any]]:
    goes_on: dict[str, str] = {}
    pages = Pages()
    while True:
        pages.begin(f"organizations:ListPoliciesForTarget of {target}?{goes_on}")
        with _asking("organizations:ListPoliciesForTarget", target):
            page = client.list_policies_for_target(TargetId=target, Filter=KIND, **goes_on)
        yield from page.get("Policies", [])
        if not page.get("NextToken"):
            return
        goes_on = {"NextToken": page["NextToken"]}


class _NoOrganisation(Exception):
    """The account stands alone."""


@contextmanager
def _asking(permission: str, resource: str) -> Iterator[None]:
    try:
        with aws.asking(permission, resource):
            yield
    except Stopped as problem:
        code = inside(getattr(problem.__cause__, "response", {}), "Error", "Code")
        if code == "AWSOrganizationsNotInUseException":
            raise _NoOrganisation from None
        if code in aws.REFUSED:
            raise Forbidden(problem.what, FIX) from problem
        raise
