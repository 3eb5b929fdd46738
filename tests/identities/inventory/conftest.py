"""Connected sources, a clock that tests move, and short ways to read lists and look at rows."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.models import Connection, Source
from identities.inventory import reading
from identities.models import DiscoveredRights, Discovery, InventoryRead
from tests.clock import travel
from tests.connector_secrets import Kept, allow
from tests.evidence.sources.server import Answer, There, serving
from tests.identities.conftest import NOW
from tests.identities.inventory.entra import (
    AZURE,
    DIRECTORY,
    GRAPH_ID,
    MAIL_READ,
    MICROSOFT,
    PRINCIPALS,
    TENANT,
    assignment,
    principal,
)

HOUR = timedelta(hours=1)


class Clock:
    """A time that stands still until a test moves it; each look is a millisecond later."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at

    def later(self, by: timedelta = HOUR) -> datetime:
        self.at += by
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def there(settings: Any) -> Iterator[There]:
    """A system that answers from a table, on loopback."""
    settings.ALLOW_PRIVATE = True
    with serving() as made:
        yield made


@pytest.fixture
def connect(db: None, settings: Any) -> Callable[..., Source]:
    """A source that is asked with this connector."""
    settings.ALLOW_PRIVATE = True

    def make(connector: str, name: str = "lists", **said: str) -> Source:
        source = Source.objects.create(name=name, created_at=NOW, created_by="command")
        Connection.objects.create(source=source, connector=connector, settings=said)
        allow(said)
        return source

    return make


@pytest.fixture
def read(clock: Clock) -> Callable[..., InventoryRead]:
    """One reading to its end, an hour after the last one."""

    def run(source: Source, **more: Any) -> InventoryRead:
        asked = reading.ask(source=source, by="command", now=clock.later())
        # The stub server dates its responses by this clock.
        with travel(clock.at):
            reading.run_next(clock=clock, source=source, **more)
        return InventoryRead.objects.get(pk=asked.pk)

    return run


@pytest.fixture
def tenant(there: There, connect: Callable[..., Source], secret_file: Kept) -> Source:
    secret_file("GRAPH_SECRET", "made-up~secret")
    there.on(
        "POST", f"/{TENANT}/oauth2/v2.0/token",
        Answer(body={"token_type": "Bearer", "expires_in": 3599, "access_token": "made-up-token"}),
    )  # fmt: skip
    there.on(
        "GET", "/v1.0/applications",
        Answer(body={"value": [{
            "id": "33333333-0000-4000-8000-000000000001",
            "appId": "22222222-0000-4000-8000-000000000001",
            "displayName": "Service 1", "createdDateTime": "2025-05-05T00:00:00Z", "tags": [],
            "notes": "CI0007", "keyCredentials": [
                {"keyId": "AAAAAAAA-0000-4000-8000-000000000001", "type": "AsymmetricX509Cert",
                 "displayName": "CN=one", "startDateTime": "2026-01-01T00:00:00Z",
                 "endDateTime": "2027-01-01T00:00:00Z"}],
            "passwordCredentials": [
                {"keyId": "AAAAAAAA-0000-4000-8000-000000000002", "displayName": "ci", "hint": "abc",
                 "startDateTime": "2024-01-01T00:00:00Z", "endDateTime": "2025-01-01T00:00:00Z"}],
            "owners": [{"@odata.type": "#microsoft.graph.user", "id": "u", "displayName": "Ana",
                        "userPrincipalName": "ana@example.org"}],
        }]}),
    )  # fmt: skip
    there.on(
        "GET", PRINCIPALS,
        Answer(body={"value": [
            principal(1, appRoleAssignments=[assignment()]),
            principal(2, servicePrincipalType="ManagedIdentity", accountEnabled=False,
                      alternativeNames=["isExplicit=True", "/subscriptions/s/resourcegroups/rg/x"]),
            principal(3, appOwnerOrganizationId=MICROSOFT),
        ]}),
    )  # fmt: skip
    there.on(
        "GET", f"{PRINCIPALS}/{GRAPH_ID}",
        Answer(body={"id": GRAPH_ID, "appRoles": [{"id": MAIL_READ, "value": "Mail.Read"}]}),
    )  # fmt: skip
    there.on(
        "GET", "/v1.0/oauth2PermissionGrants",
        Answer(body={"value": [
            {"clientId": principal(1)["id"], "consentType": "AllPrincipals", "principalId": None,
             "resourceId": GRAPH_ID, "scope": " User.Read Files.Read"},
        ]}),
    )  # fmt: skip
    there.on("GET", "/beta/servicePrincipals/graph.agentIdentity", Answer(body={"value": []}))
    there.on("GET", f"{DIRECTORY}/roleDefinitions", Answer(body={"value": [
        {"id": "d-app", "displayName": "Application Administrator", "isBuiltIn": True,
         "rolePermissions": [{"allowedResourceActions": ["microsoft.directory/applications/create"]}]},
    ]}))  # fmt: skip
    there.on("GET", f"{DIRECTORY}/roleAssignments", Answer(body={"value": []}))
    there.on("GET", f"{DIRECTORY}/roleEligibilityScheduleInstances", Answer(body={"value": []}))
    there.on("GET", "/subscriptions", Answer(body={"value": [
        {"subscriptionId": "s-1", "displayName": "Production", "state": "Enabled"}]}))  # fmt: skip
    for name in ("roleAssignments", "roleEligibilityScheduleInstances", "denyAssignments"):
        for number in ("s-1", "s-2"):
            there.on("GET", f"/subscriptions/{number}{AZURE}/{name}", Answer(body={"value": []}))
    return connect(
        "graph",
        tenant=TENANT,
        client_id="44444444-0000-4000-8000-000000000001",
        secret="GRAPH_SECRET",
        url=there.url,
        login=there.url,
        # Another host, as in Azure: its links and its tokens are its own.
        management=there.url.replace("127.0.0.1", "localhost"),
        azure="yes",
        logs="audits",
        kept_days="30",
    )


def shown(source: Source, **more: Any) -> dict[str, tuple[str, str]]:
    """Actor's value → (kind, status) of what the lists show now."""
    rows = Discovery.objects.filter(
        source=source, superseded_at__isnull=True, during__upper_inf=True, **more
    ).select_related("actor")
    return {row.actor.value: (row.kind, row.status) for row in rows}


def rights(source: Source, value: str) -> list[tuple[list[str], list[str]]]:
    """(actions, resources) of what the lists allow this actor now."""
    row = DiscoveredRights.objects.get(
        source=source, actor__value=value, superseded_at__isnull=True, during__upper_inf=True
    )
    return [(one["actions"], one["resources"]) for one in row.possible]


def everything(*but: str) -> list[Any]:
    """Every row that a reading may write but for its own, to compare before and after."""
    moving = ("read_id", "read_at", *but)
    return [
        [
            {key: value for key, value in row.items() if key not in moving}
            for row in model.objects.order_by("pk").values()
        ]
        for model in (Discovery, DiscoveredRights)
    ]
