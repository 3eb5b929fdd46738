"""Microsoft Graph: applications, service principals and agents, to documented shapes over HTTP."""

from collections.abc import Callable

import pytest

from evidence.models import Source
from identities.models import Credential, Discovery, InventoryRead
from tests.evidence.sources.server import Answer, Request, There
from tests.identities.inventory.conftest import everything, rights, shown
from tests.identities.inventory.entra import (
    GRAPH_ID,
    PRINCIPALS,
    TENANT,
    assignment,
    principal,
)

pytestmark = pytest.mark.django_db


def test_applications_principals_and_grants_arrive(
    tenant: Source, read: Callable[..., InventoryRead]
) -> None:
    row = read(tenant)
    assert (row.state, row.problem, row.realm) == ("done", "", f"entra:{TENANT}")
    first, second, app = principal(1)["id"], principal(2)["id"], principal(1)["appId"]
    assert shown(tenant) == {
        app: ("application", "active"),
        "aaaaaaaa-0000-4000-8000-000000000001": ("certificate", "active"),
        "aaaaaaaa-0000-4000-8000-000000000002": ("secret", "expired"),
        first: ("service principal", "active"),
        second: ("managed identity", "held"),
    }
    assert rights(tenant, first) == [
        (["Mail.Read"], ["Microsoft Graph"]),
        (["User.Read", "Files.Read"], [GRAPH_ID]),
    ]
    # Named as the sign-in log names them: who binds the application has its principal as well.
    made = Discovery.objects.get(actor__value=first)
    assert (made.actor.kind, made.actor.parent and made.actor.parent.value) == (
        "service_principal",
        app,
    )
    assert Discovery.objects.get(actor__value=second).actor.kind == "managed_identity"
    assert [
        (one["kind"], one["value"]) for one in Discovery.objects.get(actor__value=app).hints
    ] == [("owner", "ana@example.org"), ("owner", "CI0007")]
    assert [one["value"] for one in Discovery.objects.get(actor__value=second).hints] == [
        "/subscriptions/s/resourcegroups/rg/x",
        "payments",
    ]
    assert sorted(Credential.objects.values_list("state", flat=True)) == ["active", "expired"]


def test_reading_again_changes_nothing(tenant: Source, read: Callable[..., InventoryRead]) -> None:
    read(tenant)
    before = everything()
    row = read(tenant)
    assert (row.new, row.changed, row.gone) == (0, 0, 0)
    assert everything() == before


def test_agents_arrive_with_sponsors_and_blueprint(
    there: There, tenant: Source, read: Callable[..., InventoryRead]
) -> None:
    there.on(
        "GET", "/beta/servicePrincipals/graph.agentIdentity",
        Answer(body={"value": [principal(
            5, servicePrincipalType="ServiceIdentity", agentIdentityBlueprintId="bp-1",
            createdDateTime="2026-10-01T00:00:00Z", tags=[], appRoleAssignments=None,
            sponsors=[{"id": "s", "userPrincipalName": "lead@example.org"}],
        )]}),
    )  # fmt: skip
    number = principal(5)["id"]
    there.on(
        "GET", f"{PRINCIPALS}/{number}/appRoleAssignments", Answer(body={"value": [assignment()]})
    )
    read(tenant)
    agent = Discovery.objects.get(part="agent identities")
    assert (agent.kind, agent.title, agent.status) == ("agent identity", "Service 5", "active")
    assert [(one["kind"], one["value"]) for one in agent.hints] == [
        ("owner", "lead@example.org"),
        ("iac", "blueprint bp-1"),
    ]
    assert rights(tenant, number) == [(["Mail.Read"], ["Microsoft Graph"])]


def test_tenant_without_agent_ids_is_read_in_full(
    there: There, tenant: Source, read: Callable[..., InventoryRead]
) -> None:
    there.on("GET", "/beta/servicePrincipals/graph.agentIdentity", Answer(403, {}))
    row = read(tenant)
    assert (row.state, row.parts["agent identities"]["state"]) == ("done", "refused")


def test_pages_are_followed_and_long_assignments_asked_for_alone(
    there: There, tenant: Source, read: Callable[..., InventoryRead]
) -> None:
    many = [assignment("00000000-0000-0000-0000-000000000000")] * 20

    def pages(request: Request) -> Answer:
        if request.query.get("$skiptoken"):
            return Answer(body={"value": [principal(2)]})
        return Answer(
            body={
                "value": [principal(1, appRoleAssignments=many)],
                "@odata.nextLink": f"{there.url}{PRINCIPALS}?$skiptoken=x",
            }
        )

    there.on("GET", PRINCIPALS, pages)
    there.on(
        "GET",
        f"{PRINCIPALS}/{principal(1)['id']}/appRoleAssignments",
        Answer(body={"value": [*many, assignment()]}),
    )
    row = read(tenant)
    assert row.state == "done"
    assert len(shown(tenant, part="service principals")) == 2
    found = rights(tenant, principal(1)["id"])
    assert len(found) == 22
    assert found[0][0] == ["default access"]
    assert found[20] == (["Mail.Read"], ["Microsoft Graph"])


def test_grants_that_may_not_be_read_are_not_none(
    there: There, tenant: Source, read: Callable[..., InventoryRead]
) -> None:
    read(tenant)
    before = rights(tenant, principal(1)["id"])
    there.on("GET", "/v1.0/oauth2PermissionGrants", Answer(403, {"error": {"code": "Forbidden"}}))
    row = read(tenant)
    assert (row.state, row.gone) == ("done", 0)
    assert rights(tenant, principal(1)["id"]) == before
    assert (
        "delegated permissions"
        in Discovery.objects.get(actor__value=principal(1)["id"], superseded_at=None).missing
    )
    # It was asked for once, not for every principal.
    paths = [one.path for one in there.asked]
    assert paths.count("/v1.0/oauth2PermissionGrants") == 2


def test_refused_list_ends_nothing(
    there: There, tenant: Source, read: Callable[..., InventoryRead]
) -> None:
    read(tenant)
    there.on("GET", "/v1.0/applications", Answer(403, {"error": {"code": "Authorization"}}))
    row = read(tenant)
    assert (row.state, row.gone, row.parts["applications"]["state"]) == ("partial", 0, "refused")
    assert len(shown(tenant)) == 5


def test_sign_in_that_fails_says_what_to_do_and_no_secret(
    there: There, tenant: Source, read: Callable[..., InventoryRead]
) -> None:
    there.on(
        "POST", f"/{TENANT}/oauth2/v2.0/token",
        Answer(401, {"error": "invalid_client",
                     "error_description": "AADSTS7000222: The provided client secret keys expired"}),
    )  # fmt: skip
    row = read(tenant)
    assert (row.state, row.fix) == (
        "failed",
        "The secret has expired: make a new one in the app registration.",
    )
    assert "made-up" not in str(list(InventoryRead.objects.values()))
