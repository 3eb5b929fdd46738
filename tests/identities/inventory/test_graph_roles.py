"""Roles of Entra principals, in the directory and on Azure, to documented shapes over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import Source
from identities.inventory import reading
from identities.models import DiscoveredRights, Discovery, InventoryRead
from tests.evidence.sources.server import Answer, Request, There
from tests.identities.inventory.conftest import Clock, rights
from tests.identities.inventory.entra import (
    AZURE,
    DIRECTORY,
    PRINCIPALS,
    principal,
)

pytestmark = pytest.mark.django_db


def role_assignment(number: int, role: str, who: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"ra-{number}", "roleDefinitionId": role, "principalId": who,
        "directoryScopeId": "/", "principal": {"@odata.type": "#microsoft.graph.servicePrincipal"},
        **more,
    }  # fmt: skip


def test_roles_of_the_directory_are_what_a_principal_may_do(
    there: There, tenant: Source, read: Callable[..., InventoryRead]
) -> None:
    first, second = principal(1)["id"], principal(2)["id"]

    def assignments(request: Request) -> Answer:
        if request.query.get("$skiptoken"):
            return Answer(body={"value": [role_assignment(3, "d-own", second.upper())]})
        assert request.query["$expand"] == "principal"
        return Answer(
            body={
                "value": [
                    role_assignment(1, "d-app", first, directoryScopeId="/administrativeUnits/a"),
                    role_assignment(2, "d-app", first, principal={"@odata.type": "#microsoft.graph.user"}),
                ],
                "@odata.nextLink": f"{there.url}{DIRECTORY}/roleAssignments?$skiptoken=x",
            }
        )  # fmt: skip

    there.on("GET", f"{DIRECTORY}/roleAssignments", assignments)
    there.on("GET", f"{DIRECTORY}/roleDefinitions", Answer(body={"value": [
        {"id": "d-app", "displayName": "Application Administrator", "isBuiltIn": True,
         "rolePermissions": [{"allowedResourceActions": ["microsoft.directory/applications/create"]}]},
        {"id": "d-own", "displayName": "Harmless", "isBuiltIn": False, "rolePermissions": [
            {"allowedResourceActions": ["microsoft.directory/applications/credentials/update"]}]},
    ]}))  # fmt: skip
    row = read(tenant)
    assert (row.state, row.parts["directory roles"]["state"]) == ("done", "done")
    assert rights(tenant, first)[2:] == [
        (["Application Administrator"], ["/administrativeUnits/a"])
    ]
    assert rights(tenant, second) == [
        (["microsoft.directory/applications/credentials/update"], ["the whole directory"])
    ]


def azure_assignment(name: str, number: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/s-1{AZURE}/roleAssignments/{name}",
        "properties": {
            "roleDefinitionId": f"/subscriptions/s-1{AZURE}/roleDefinitions/R-1",
            "principalId": number, "principalType": "ServicePrincipal",
            "scope": "/subscriptions/s-1/resourceGroups/rg", **more,
        },
    }  # fmt: skip


@pytest.fixture
def azure(there: There, tenant: Source) -> None:
    """Two subscriptions below one management group, two pages in the first."""
    first, second = principal(1)["id"], principal(2)["id"]
    inherited = azure_assignment("above", second, scope="/providers/managementGroups/m")

    def assignments(request: Request) -> Answer:
        if request.query.get("$skipToken"):
            return Answer(body={"value": [inherited]})
        link = f"{tenant.connection.settings['management']}{request.path}?$skipToken=x"
        person = azure_assignment("b", first, principalType="User")
        return Answer(body={"value": [azure_assignment("a", first), person], "nextLink": link})

    there.on("GET", "/subscriptions", Answer(body={"value": [
        {"subscriptionId": "s-1", "displayName": "Production"},
        {"subscriptionId": "s-2", "displayName": "Secret"},
    ]}))  # fmt: skip
    there.on("GET", f"/subscriptions/s-1{AZURE}/roleAssignments", assignments)
    there.on(
        "GET", f"/subscriptions/s-2{AZURE}/roleAssignments", Answer(body={"value": [inherited]})
    )
    there.on("GET", f"/subscriptions/s-1{AZURE}/roleDefinitions/R-1", Answer(body={"properties": {
        "roleName": "Storage Blob Data Reader", "type": "BuiltInRole", "permissions": [{
            "actions": ["Microsoft.Storage/storageAccounts/blobServices/containers/read"],
            "notActions": [], "notDataActions": ["Microsoft.Storage/x/delete"],
            "dataActions": ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"],
        }]}}))  # fmt: skip


def test_azure_roles_are_what_a_principal_may_do(
    there: There, tenant: Source, azure: None, read: Callable[..., InventoryRead]
) -> None:
    row = read(tenant)
    assert (row.state, row.parts["Azure roles"]["state"]) == ("done", "done")
    actions = [
        "Microsoft.Storage/storageAccounts/blobServices/containers/read",
        "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
    ]
    assert rights(tenant, principal(1)["id"])[-1] == (
        actions, ["/subscriptions/s-1/resourceGroups/rg"],
    )  # fmt: skip
    # Both subscriptions list what stands above them: it is one assignment.
    assert rights(tenant, principal(2)["id"]) == [(actions, ["/providers/managementGroups/m"])]
    given = DiscoveredRights.objects.get(actor__value=principal(2)["id"]).possible[0]
    assert (given["via"], given["conditions"]) == (
        "Azure role Storage Blob Data Reader",
        {"but not": ["Microsoft.Storage/x/delete"]},
    )
    # A token for each host, and the definition of a role once.
    scopes = {one.form()["scope"] for one in there.asked if one.path.endswith("/token")}
    said = tenant.connection.settings
    assert scopes == {f"{said['url']}/.default", f"{said['management']}/.default"}
    assert [one.path for one in there.asked].count(
        f"/subscriptions/s-1{AZURE}/roleDefinitions/R-1"
    ) == 1


def test_subscription_that_may_not_be_read_is_named(
    there: There, tenant: Source, azure: None, read: Callable[..., InventoryRead]
) -> None:
    there.on("GET", f"/subscriptions/s-2{AZURE}/roleAssignments", Answer(403, {}))
    row = read(tenant)
    part = row.parts["Azure roles"]
    assert (row.state, part["state"], part["unread"]) == (
        "partial",
        "done",
        ["subscription Secret"],
    )
    assert part["said"].endswith("it needs the role Reader on each subscription")
    assert [one["effect"] for one in DiscoveredRights.objects.get(
        actor__value=principal(2)["id"]).possible] == ["allow", "unknown"]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "list_", "needs", "answer"),
    [
        (f"{DIRECTORY}/roleAssignments", "directory roles", "RoleManagement.Read.Directory", 403),
        ("/subscriptions", "Azure roles", "the role Reader on each subscription", 403),
        ("/subscriptions", "Azure roles", "the role Reader on each subscription", 200),
    ],
)
def test_roles_that_may_not_be_read_are_not_seen_and_the_rest_is(
    there: There, tenant: Source, read: Callable[..., InventoryRead],
    path: str, list_: str, needs: str, answer: int,
) -> None:  # fmt: skip
    there.on("GET", path, Answer(answer, {"value": []}))
    row = read(tenant)
    assert (row.state, row.parts[list_]["state"]) == ("done", "refused")
    assert row.parts[list_]["fix"] == f"Give the application {needs}."
    first = principal(1)["id"]
    missing = Discovery.objects.get(actor__value=first).missing
    assert missing.startswith(f"{list_}: ")
    assert missing.endswith(f"it needs {needs}")
    assert [(one["effect"], one["actions"]) for one in DiscoveredRights.objects.get(
        actor__value=first).possible] == [
        ("allow", ["Mail.Read"]), ("allow", ["User.Read", "Files.Read"]), ("unknown", []),
    ]  # fmt: skip


MEMBERS = "/v1.0/groups/77777777-0000-4000-8000-000000000001/transitiveMembers"
TEAM = MEMBERS.split("/")[3]


@pytest.fixture
def team(there: There, azure: None) -> None:
    """A group with a role in the directory and one on Azure; two pages of members."""

    def members(request: Request) -> Answer:
        if request.query.get("$skiptoken"):
            return Answer(body={"value": [
                {"@odata.type": "#microsoft.graph.servicePrincipal", "id": principal(2)["id"].upper()},
            ]})  # fmt: skip
        return Answer(body={"value": [
            {"@odata.type": "#microsoft.graph.user", "id": "88888888-0000-4000-8000-000000000001"},
            {"@odata.type": "#microsoft.graph.servicePrincipal", "id": principal(1)["id"]},
        ], "@odata.nextLink": f"{there.url}{MEMBERS}?$skiptoken=x"})  # fmt: skip

    there.on("GET", MEMBERS, members)
    named = {"@odata.type": "#microsoft.graph.group", "displayName": "Payments"}
    there.on("GET", f"{DIRECTORY}/roleAssignments", Answer(body={"value": [
        role_assignment(1, "d-app", TEAM, principal=named)]}))  # fmt: skip
    there.on("GET", f"/subscriptions/s-1{AZURE}/roleAssignments", Answer(body={"value": [
        azure_assignment("g", TEAM, principalType="Group")]}))  # fmt: skip


def test_roles_of_a_group_are_those_of_every_service_in_it(
    there: There, tenant: Source, team: None, read: Callable[..., InventoryRead]
) -> None:
    assert read(tenant).state == "done"
    for number in (1, 2):
        given = DiscoveredRights.objects.get(actor__value=principal(number)["id"]).possible
        through = [one["via"] for one in given if "through" in one["via"]]
        assert through == [
            "directory role Application Administrator, through group Payments",
            f"Azure role Storage Blob Data Reader, through group {TEAM}",
        ]
    # Both lists name the group; who is in it is asked once, page by page.
    assert [one.path for one in there.asked].count(MEMBERS) == 2


def test_group_whose_members_may_not_be_read_is_named(
    there: There, tenant: Source, team: None, read: Callable[..., InventoryRead]
) -> None:
    there.on("GET", MEMBERS, Answer(403, {}))
    row = read(tenant)
    assert (row.state, row.parts["directory roles"]["unread"]) == ("partial", ["group Payments"])
    assert row.parts["directory roles"]["said"].endswith(
        "it needs GroupMember.Read.All (Directory.Read.All holds it)"
    )
    # Nobody knows whether it is in that group: what each may do is not known in full.
    assert "unknown" in [one["effect"] for one in DiscoveredRights.objects.get(
        actor__value=principal(1)["id"]).possible]  # fmt: skip


def test_azure_that_is_not_asked_says_so(
    there: There, tenant: Source, read: Callable[..., InventoryRead]
) -> None:
    link = tenant.connection
    link.settings |= {"azure": "no"}
    link.save()
    row = read(tenant)
    assert (row.state, row.parts["Azure roles"]["state"]) == ("done", "absent")
    first = principal(1)["id"]
    assert Discovery.objects.get(actor__value=first).missing == "Azure roles: Azure is not asked"
    assert len(rights(tenant, first)) == 2


def test_roles_are_there_for_a_reading_that_goes_on(
    there: There, tenant: Source, azure: None, clock: Clock, read: Callable[..., InventoryRead]
) -> None:
    """Each page in a run of its own: what one left in memory is gone in the next."""

    def pages(request: Request) -> Answer:
        if request.query.get("$skiptoken"):
            return Answer(body={"value": [principal(2)]})
        link = f"{there.url}{PRINCIPALS}?$skiptoken=x"
        return Answer(body={"value": [principal(1)], "@odata.nextLink": link})

    there.on("GET", PRINCIPALS, pages)
    row = read(tenant, enough=lambda: True)
    assert row.state == "waiting"
    reading.run_next(clock=clock, source=tenant, enough=lambda: True)
    row.refresh_from_db()
    assert row.state == "done"
    assert rights(tenant, principal(2)["id"])[0][1] == ["/providers/managementGroups/m"]
