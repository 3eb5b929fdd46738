"""What Entra principals may do after activation, and what Azure denies them, over HTTP.

The shapes are those of Microsoft Graph's unifiedRoleEligibilityScheduleInstance and of Azure's
roleEligibilityScheduleInstances and denyAssignments.
"""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import Source
from identities.enforcers.possible_aws import Possible, possible_matches, summary
from identities.models import DiscoveredRights, Discovery, InventoryRead
from tests.evidence.sources.server import Answer, Request, There
from tests.identities.inventory.entra import AZURE, DIRECTORY, principal

pytestmark = pytest.mark.django_db
FIRST, SECOND = principal(1)["id"], principal(2)["id"]
TEAM = "77777777-0000-4000-8000-000000000001"
MEMBERS = f"/v1.0/groups/{TEAM}/transitiveMembers"
EVERYBODY = {"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}
GROUP = {"id": TEAM, "type": "Group"}
INSIDE = "/subscriptions/s-1/resourceGroups/rg"


@pytest.fixture
def team(there: There, tenant: Source) -> None:
    """A group with the first principal in it, and the definition of one Azure role."""
    there.on("GET", MEMBERS, Answer(body={"value": [
        {"@odata.type": "#microsoft.graph.servicePrincipal", "id": FIRST}]}))  # fmt: skip
    there.on("GET", f"/subscriptions/s-1{AZURE}/roleDefinitions/R-1", Answer(body={"properties": {
        "roleName": "Owner", "permissions": [{"actions": ["*"], "notActions": []}]}}))  # fmt: skip


def given(number: str) -> list[dict[str, Any]]:
    """What roles and denials say of a principal now."""
    row = DiscoveredRights.objects.get(
        actor__value=number, superseded_at__isnull=True, during__upper_inf=True
    )
    return [one for one in row.possible if "permission" not in one["via"]]


def words(number: str) -> str:
    return summary([Possible.from_json(one) for one in given(number)], [], whose="It allows").words


def of_azure(name: str, who: str, kind: str = "ServicePrincipal", **more: Any) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/s-1{AZURE}/roleEligibilityScheduleInstances/{name}",
        "properties": {
            "roleDefinitionId": f"/subscriptions/s-1{AZURE}/roleDefinitions/R-1",
            "principalId": who, "principalType": kind, "scope": "/subscriptions/s-1",
            "status": "Provisioned", "memberType": "Direct", **more,
        },
    }  # fmt: skip


def hold(there: There, *who: str, scope: str = "/subscriptions/s-1") -> None:
    there.on("GET", f"/subscriptions/s-1{AZURE}/roleAssignments", Answer(body={"value": [
        of_azure(f"a-{one}", one, scope=scope) for one in who]}))  # fmt: skip


def deny(there: There, *found: dict[str, Any], subscription: str = "s-1") -> None:
    path = f"/subscriptions/{subscription}{AZURE}/denyAssignments"
    there.on("GET", path, Answer(body={"value": [
        {"id": f"{one['scope']}{AZURE}/denyAssignments/{one['denyAssignmentName']}", "properties": one}
        for one in found]}))  # fmt: skip


def denial(name: str = "Lock", scope: str = INSIDE, **more: Any) -> dict[str, Any]:
    return {
        "denyAssignmentName": name, "scope": scope, "doNotApplyToChildScopes": False,
        "permissions": [{"actions": ["*/delete"], "notActions": [], "dataActions": [],
                         "notDataActions": []}],
        "principals": [EVERYBODY], "excludePrincipals": [], "isSystemProtected": True, **more,
    }  # fmt: skip


def denied(number: str) -> list[list[str]]:
    return [one["resources"] for one in given(number) if one["effect"] == "deny"]


def test_eligible_directory_roles_stand_as_possible_after_activation(
    there: There, tenant: Source, team: None, read: Callable[..., InventoryRead]
) -> None:
    asked: list[str] = []

    def instances(request: Request) -> Answer:
        asked.append(request.query["$expand"])
        row = {"roleDefinitionId": "d-app", "directoryScopeId": "/", "memberType": "Direct"}
        kind = "#microsoft.graph."
        return Answer(body={"value": [
            row | {"id": "1", "principalId": TEAM, "endDateTime": "2027-01-01T00:00:00Z",
                   "principal": {"@odata.type": f"{kind}group", "displayName": "Payments"}},
            row | {"id": "2", "principalId": SECOND.upper(), "endDateTime": None,
                   "principal": {"@odata.type": f"{kind}servicePrincipal"}},
            row | {"id": "3", "principalId": FIRST, "principal": {"@odata.type": f"{kind}user"}},
        ]})  # fmt: skip

    there.on("GET", f"{DIRECTORY}/roleEligibilityScheduleInstances", instances)
    row = read(tenant)
    assert (row.state, row.parts["eligible directory roles"]["state"]) == ("done", "done")
    assert asked == ["principal"]
    (one,) = given(FIRST)
    assert (one["effect"], one["actions"], one["resources"], one["conditions"], one["via"]) == (
        "eligible",
        ["Application Administrator"],
        ["the whole directory"],
        {"until": "2027-01-01T00:00:00Z"},
        "eligible directory role Application Administrator, through group Payments",
    )
    assert words(SECOND) == "nothing more than delegated, 1 more after activation"
    # It is never said that it may do this now, nor that it may not.
    said = [Possible.from_json(one) for one in given(SECOND)]
    assert possible_matches(said, "Application Administrator", "the whole directory") == "not known"
    assert possible_matches(said, "Global Administrator", "the whole directory") == "denied"


def test_eligible_azure_roles_stand_as_possible_after_activation(
    there: There, tenant: Source, team: None, read: Callable[..., InventoryRead]
) -> None:
    above = of_azure("above", SECOND, scope="/providers/Microsoft.Management/managementGroups/m")

    def instances(request: Request) -> Answer:
        if request.query.get("$filter") == "atScope()":
            return Answer(body={"value": [above]})
        person = of_azure("p", FIRST, "User")
        return Answer(body={"value": [above, of_azure("g", TEAM, "Group"), person]})

    there.on("GET", f"/subscriptions/s-1{AZURE}/roleEligibilityScheduleInstances", instances)
    row = read(tenant)
    assert (row.state, row.parts["eligible Azure roles"]["state"]) == ("done", "done")
    assert [(one["effect"], one["actions"], one["via"]) for one in given(FIRST)] == [
        ("eligible", ["*"], f"eligible Azure role Owner, through group {TEAM}")
    ]
    assert [one["resources"] for one in given(SECOND)] == [
        ["/providers/Microsoft.Management/managementGroups/m"]
    ]


def test_denial_stands_with_whoever_has_a_role_that_it_reaches(
    there: There, tenant: Source, team: None, read: Callable[..., InventoryRead]
) -> None:
    hold(there, FIRST, scope=f"{INSIDE}/providers/x")
    deny(
        there,
        denial("there"),
        denial("only there", doNotApplyToChildScopes=True),
        denial("elsewhere", "/subscriptions/s-1/resourceGroups/rg2"),
        denial("people", principals=[{"id": FIRST, "type": "User"}]),
        denial("another", principals=[{"id": SECOND, "type": "ServicePrincipal"}]),
        denial("his group's", principals=[GROUP]),
        denial("others", excludePrincipals=[GROUP]),
    )
    assert read(tenant).state == "done"
    assert [one["via"] for one in given(FIRST)] == [
        "Azure role Owner", "Azure deny assignment there", "Azure deny assignment his group's",
    ]  # fmt: skip
    assert denied(FIRST)[0] == [INSIDE, f"{INSIDE}/*"]
    # Without a role there is nothing to deny.
    assert given(SECOND) == []


@pytest.mark.parametrize("scope", ["/", "/providers/Microsoft.Management/managementGroups/m"])
def test_denial_above_subscriptions_reaches_those_that_list_it(
    there: There, tenant: Source, team: None, read: Callable[..., InventoryRead], scope: str
) -> None:
    hold(there, FIRST, SECOND)
    there.on("GET", "/subscriptions", Answer(body={"value": [
        {"subscriptionId": one, "displayName": one} for one in ("s-1", "s-2")]}))  # fmt: skip
    everything = denial("all", scope, permissions=[{"actions": ["*"]}])
    deny(there, everything)
    deny(there, everything, subscription="s-2")
    read(tenant)
    below = scope.rstrip("/")
    assert denied(SECOND) == [[
        scope, f"{below}/*", "/subscriptions/s-1", "/subscriptions/s-1/*", "/subscriptions/s-2",
        "/subscriptions/s-2/*",
    ]]  # fmt: skip
    assert words(SECOND) == "nothing more than delegated"
    # What it leaves out is not denied, so that nothing is ruled out.
    deny(there, everything | {"permissions": [{"actions": ["*"], "notActions": ["*/read"]}]})
    deny(there, subscription="s-2")
    read(tenant)
    assert words(SECOND) == "It allows 1 action family more"


def test_denial_whose_groups_are_not_known_rules_nothing_out(
    there: There, tenant: Source, team: None, read: Callable[..., InventoryRead]
) -> None:
    hold(there, FIRST)
    there.on("GET", MEMBERS, Answer(403, {}))
    deny(there, denial(scope="/subscriptions/s-1", excludePrincipals=[GROUP],
                       permissions=[{"actions": ["*"]}]))  # fmt: skip
    row = read(tenant)
    part = row.parts["Azure deny assignments"]
    assert (row.state, part["unread"]) == ("partial", [f"group {TEAM}"])
    assert part["said"].endswith("it needs GroupMember.Read.All (Directory.Read.All holds it)")
    assert words(FIRST) == "possible: not known in full, at least 1 more"
    assert given(FIRST)[1]["conditions"] == {"for some principals": "not known"}


NEEDS = "Microsoft.Authorization/{}/read on each subscription (the role Reader holds it)"


@pytest.mark.parametrize(
    ("path", "list_", "needs", "known"),
    [
        (
            f"{DIRECTORY}/roleEligibilityScheduleInstances", "eligible directory roles",
            "RoleManagement.Read.Directory (Directory.Read.All does not hold it)", True,
        ),
        (
            f"/subscriptions/s-1{AZURE}/roleEligibilityScheduleInstances", "eligible Azure roles",
            NEEDS.format("roleEligibilityScheduleInstances"), True,
        ),
        (
            f"/subscriptions/s-1{AZURE}/denyAssignments", "Azure deny assignments",
            NEEDS.format("denyAssignments"), False,
        ),
    ],
)  # fmt: skip
def test_list_that_may_not_be_read_names_its_permission(
    there: There, tenant: Source, team: None, read: Callable[..., InventoryRead],
    path: str, list_: str, needs: str, known: bool,
) -> None:  # fmt: skip
    hold(there, FIRST)
    there.on("GET", path, Answer(403, {}))
    row = read(tenant)
    assert row.parts[list_]["said"].endswith(
        "the credential may not read this" if "directory" in list_ else f"it needs {needs}"
    )
    assert row.parts[list_].get("fix", "") == (
        f"Give the application {needs}." if "directory" in list_ else ""
    )
    missing = Discovery.objects.get(actor__value=FIRST).missing
    assert (missing.startswith(f"{list_}: "), missing.endswith(f"it needs {needs}")) == (True, True)
    # What is possible now is known without what is eligible, but not without what is denied.
    assert ("unknown" not in [one["effect"] for one in given(FIRST)]) is known
    assert Discovery.objects.get(actor__value=SECOND).missing == ("" if not known else missing)


def test_tenant_without_the_licence_has_nobody_who_is_eligible(
    there: There, tenant: Source, read: Callable[..., InventoryRead]
) -> None:
    body = {"error": {"code": "AadPremiumLicenseRequired", "message": "The tenant needs ..."}}
    there.on("GET", f"{DIRECTORY}/roleEligibilityScheduleInstances", Answer(400, body))
    row = read(tenant)
    part = row.parts["eligible directory roles"]
    assert (row.state, part["state"], part["said"]) == (
        "done", "absent", "The tenant has no licence for eligible roles.",
    )  # fmt: skip
    assert Discovery.objects.get(actor__value=FIRST).missing == ""
