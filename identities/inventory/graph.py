"""What one Entra tenant lists: applications, service principals, agent identities, grants, roles.

Sources: learn.microsoft.com, Microsoft Graph: "List servicePrincipals", "List applications",
"List appRoleAssignments granted to a service principal", "List oauth2PermissionGrants",
"List agentIdentity objects". `$expand` brings at most 20 assignments of each principal; who has
that many is asked for the rest. Microsoft's own applications (their owner is one of Microsoft's
tenants) are left out: they are in every tenant, and nobody here can own them.

Microsoft Graph says when a secret or certificate ends, not when it was last used.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from evidence.formats.record import ActorName
from evidence.formats.tables import actor
from evidence.sources import graph
from evidence.sources.contract import Asked
from evidence.sources.failures import Stopped
from identities.enforcers.possible_aws import Possible
from identities.inventory import graph_azure, graph_roles, hints
from identities.inventory.contract import (
    ACTIVE,
    EXPIRED,
    HELD,
    MOST_RIGHTS,
    Batch,
    Found,
    Hint,
    Part,
    System,
    objects,
    text,
    when,
)
from identities.inventory.paging import Caller

# Microsoft Services, and the tenant that Microsoft publishes its own applications from.
OF_MICROSOFT = frozenset(
    {"f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47"}
)
LIMIT = 100
EXPANDED = 20
PRINCIPALS = (
    "id,appId,displayName,servicePrincipalType,accountEnabled,appOwnerOrganizationId,appRoles,"
    "keyCredentials,passwordCredentials,tags,notes,alternativeNames,createdDateTime"
)
APPLICATIONS = "id,appId,displayName,createdDateTime,keyCredentials,passwordCredentials,tags,notes"
KINDS = {
    "ManagedIdentity": "managed identity",
    "Application": "service principal",
    "Legacy": "legacy service principal",
    "SocialIdp": "identity provider",
    "ServiceIdentity": "agent identity",
}


class Tenant:
    """One tenant while it is read. What roles are called is learnt from who offers them."""

    def __init__(self, asked: Asked) -> None:
        self.realm = f"entra:{asked.settings['tenant'].lower()}"
        bearer = graph.bearer_of(asked)
        self.call = Caller(asked.http, asked.settings["url"], bearer.header)
        azure = None
        if asked.settings.get("azure") == "yes":
            place = asked.settings["management"].rstrip("/")
            azure = Caller(asked.http, place, graph.bearer_of(asked, place).header)
        groups = graph_roles.Groups(self.call)
        on_azure = graph_azure.Azure(azure, groups)
        self.directory_roles, self.directory_eligible = graph_roles.directory(self.call, groups)
        self.azure_roles, self.azure_eligible = on_azure.roles(), on_azure.eligible()
        self.azure_denials = on_azure.denials()
        self._now = asked.until
        self._roles: dict[str, Mapping[str, str]] = {}
        self._scopes: dict[str, list[Possible]] | None = None
        self.scopes_missing = ""

    def close(self) -> None:
        self._roles.clear()

    def application(self, number: str) -> ActorName | None:
        return actor(self.realm, "app", number.lower()) if number else None

    def principal(self, one: Mapping[str, Any]) -> ActorName:
        """As the sign-in logs name it (evidence/formats/microsoft.py)."""
        number = text(one.get("id")).lower()
        known = actor(
            self.realm, "service_principal", number, self.application(text(one.get("appId")))
        )
        if one.get("servicePrincipalType") == "ManagedIdentity":
            return actor(self.realm, "managed_identity", number, known)
        return known

    def rows(self, path: str) -> Iterator[tuple[list[Any], str]]:
        return self.call.wrapped(path, "value", "@odata.nextLink")

    def learn(self, one: Mapping[str, Any]) -> None:
        """What the roles are called that this principal offers."""
        roles = {
            text(role.get("id")): text(role.get("value")) or text(role.get("displayName"))
            for role in objects(one.get("appRoles"))
        }
        if roles:
            self._roles[text(one.get("id"))] = roles

    def role(self, resource: str, number: str) -> str:
        """The name of an application permission; its id where nobody says one."""
        if number == "00000000-0000-0000-0000-000000000000":
            return "default access"
        if resource not in self._roles:
            self._roles[resource] = {}
            with suppress(Stopped):
                self.learn(
                    self.call.object(f"/v1.0/servicePrincipals/{resource}?$select=id,appRoles")
                )
        return self._roles[resource].get(number) or number

    def load_roles(self) -> None:
        """The roles that the lists before have not left in memory: a reading that goes on."""
        for roles in (
            self.directory_roles,
            self.directory_eligible,
            self.azure_roles,
            self.azure_eligible,
            self.azure_denials,
        ):
            with suppress(Stopped):
                roles.load()

    def roles_of(self, number: str) -> tuple[list[Possible], list[str]]:
        """What a principal has by roles of both kinds, what of it is denied, and what of that
        could not be read."""
        azure = [*self.azure_roles.of(number), *self.azure_eligible.of(number)]
        # Who has no role there misses nothing that would be denied.
        denied = [] if self.azure_roles.refused else self.azure_denials.against(number, azure)
        rights = [*self.directory_roles.of(number), *self.directory_eligible.of(number)]
        lists = [self.directory_roles, self.directory_eligible, self.azure_roles]
        if not self.azure_roles.refused:
            lists += [self.azure_eligible, *([self.azure_denials] if azure else [])]
        return [*rights, *azure, *denied], [one.missing for one in lists if one.missing]

    def scopes(self, number: str) -> list[Possible] | None:
        """What a client may do in people's names; None where that may not be read."""
        if self._scopes is None and not self.scopes_missing:
            found: dict[str, list[Possible]] = {}
            try:
                for rows, _ in self.rows("/v1.0/oauth2PermissionGrants?$top=500"):
                    for one in objects(rows):
                        found.setdefault(text(one.get("clientId")), []).append(_delegated(one))
            except Stopped as problem:
                self.scopes_missing = f"delegated permissions: {problem.what}"
            else:
                self._scopes = found
        return None if self._scopes is None else self._scopes.get(number, [])

    def credentials(self, one: Mapping[str, Any], holder: ActorName, scope: str) -> Iterator[Found]:
        """Keys and secrets; Graph never lists what they are, only their ids and their ends."""
        for member, kind in (("keyCredentials", "certificate"), ("passwordCredentials", "secret")):
            for key in objects(one.get(member)):
                ends = when(key.get("endDateTime"))
                yield Found(
                    actor(self.realm, "key", text(key.get("keyId")).lower()),
                    kind,
                    credential=True,
                    holder=holder,
                    title=text(key.get("displayName")),
                    status=EXPIRED if ends is not None and ends <= self._now else ACTIVE,
                    created_at=when(key.get("startDateTime")),
                    expires_at=ends,
                    scope=scope,
                )


def _delegated(one: Mapping[str, Any]) -> Possible:
    everybody = one.get("consentType") == "AllPrincipals"
    return Possible(
        effect="allow",
        actions=tuple(text(one.get("scope"), 4000).split()),
        resources=(text(one.get("resourceId")),),
        conditions={"on behalf of": "anybody" if everybody else text(one.get("principalId"))},
        via="delegated permission" + (" for everybody" if everybody else ""),
    )


def _whose(one: Mapping[str, Any]) -> tuple[Hint, ...]:
    """Owners that were asked for with it, tags, and notes."""
    found = [
        Hint("owner", text(who.get("userPrincipalName")) or text(who.get("displayName")), "owners")
        for who in objects(one.get("owners"))
    ]
    found += [
        Hint(
            "owner", text(who.get("userPrincipalName")) or text(who.get("displayName")), "sponsors"
        )
        for who in objects(one.get("sponsors"))
    ]
    # A managed identity says which resource it is of; tags are words or name:value.
    found += [Hint("iac", text(name), "alternativeNames") for name in one.get("alternativeNames") or []
              if text(name).startswith("/subscriptions/")]  # fmt: skip
    tags = dict(tag.partition(":")[::2] for tag in map(text, one.get("tags") or []) if ":" in tag)
    found += hints.of_tags(tags)
    found.append(Hint("owner", text(one.get("notes"), 300), "notes"))
    return hints.bounded(found)


def applications(tenant: Tenant, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """Application registrations with their keys and secrets, and who owns them."""
    first = text(cursor.get("next"), 4000) or (
        f"/v1.0/applications?$select={APPLICATIONS}&$top={LIMIT}"
        "&$expand=owners($select=id,displayName,userPrincipalName)"
    )
    for rows, link in tenant.rows(first):
        found: list[Found] = []
        for one in objects(rows):
            who = tenant.application(text(one.get("appId")))
            if who is None:
                continue
            found.append(
                Found(
                    who,
                    "application",
                    title=text(one.get("displayName")),
                    created_at=when(one.get("createdDateTime")),
                    hints=_whose(one),
                )
            )
            found += tenant.credentials(one, who, "")
        yield Batch(tuple(found), {"next": link} if link else {})


def _roles(which: str) -> Callable[[Tenant, Mapping[str, Any]], Iterator[Batch]]:
    """One list of roles, or of what is denied: kept for the lists of principals."""

    def read(tenant: Tenant, _: Mapping[str, Any]) -> Iterator[Batch]:
        roles: graph_roles.Roles = getattr(tenant, which)
        roles.load()
        yield Batch((), {}, roles.unread, roles.missing)

    return read


def principals(tenant: Tenant, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """Service principals and managed identities with their permissions."""
    first = text(cursor.get("next"), 4000) or (
        f"/v1.0/servicePrincipals?$select={PRINCIPALS}&$top={LIMIT}&$expand=appRoleAssignments"
    )
    tenant.load_roles()
    yield from _principals(tenant, first)


def agents(tenant: Tenant, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """Agent identities (Entra Agent ID), with their sponsors and the blueprint they are of."""
    first = text(cursor.get("next"), 4000) or (
        f"/beta/servicePrincipals/graph.agentIdentity?$top={LIMIT}&$expand=sponsors"
    )
    tenant.load_roles()
    yield from _principals(tenant, first, agent=True)


def _principals(tenant: Tenant, first: str, *, agent: bool = False) -> Iterator[Batch]:
    for rows, link in tenant.rows(first):
        ours = []
        for one in objects(rows):
            tenant.learn(one)
            if text(one.get("appOwnerOrganizationId")).lower() not in OF_MICROSOFT:
                ours.append(one)
        found: list[Found] = []
        for one in ours:
            who = tenant.principal(one)
            rights, missing = _rights(tenant, one)
            kind = KINDS.get(text(one.get("servicePrincipalType")), "service principal")
            blueprint = text(one.get("agentIdentityBlueprintId"))
            said = _whose(one)
            if blueprint:
                said = hints.bounded([*said, Hint("iac", f"blueprint {blueprint}", "blueprint")])
            found.append(
                Found(
                    who,
                    "agent identity" if agent else kind,
                    title=text(one.get("displayName")),
                    status=HELD if one.get("accountEnabled") is False else ACTIVE,
                    created_at=when(one.get("createdDateTime")),
                    hints=said,
                    rights=rights,
                    missing=missing,
                )
            )
            if not agent:
                found += tenant.credentials(one, who, "")
        yield Batch(tuple(found), {"next": link} if link else {})


def _rights(tenant: Tenant, one: Mapping[str, Any]) -> tuple[tuple[Possible, ...] | None, str]:
    """Application permissions, delegated ones and roles; None where either of the first two
    could not be read."""
    number = text(one.get("id"))
    listed = one.get("appRoleAssignments")
    assigned = objects(listed)
    delegated = tenant.scopes(number)
    if type(listed) is not list or len(assigned) >= EXPANDED:
        try:
            assigned = [
                row
                for rows, _ in tenant.rows(f"/v1.0/servicePrincipals/{number}/appRoleAssignments")
                for row in objects(rows)
            ]
        except Stopped as problem:
            return None, f"application permissions: {problem.what}"
    if delegated is None:
        return None, tenant.scopes_missing
    rights = [
        Possible(
            effect="allow",
            actions=(tenant.role(text(row.get("resourceId")), text(row.get("appRoleId"))),),
            resources=(text(row.get("resourceDisplayName")) or text(row.get("resourceId")),),
            via="application permission",
        )
        for row in assigned
    ]
    by_roles, missing = tenant.roles_of(number)
    all_ = [*rights, *delegated, *by_roles]
    if len(all_) > MOST_RIGHTS:
        missing.append(f"{len(all_) - MOST_RIGHTS} more grants")
    return tuple(all_[:MOST_RIGHTS]), "; ".join(missing)


SYSTEM = System(
    name="entra",
    title="Microsoft Entra",
    fits=lambda connector, _: connector == "graph",
    open=Tenant,
    parts=(
        Part("applications", applications, "Application.Read.All"),
        *(
            Part(name, _roles(which), needs, optional=True)
            for name, which, needs in (
                ("directory roles", "directory_roles", "RoleManagement.Read.Directory"),
                (
                    "eligible directory roles",
                    "directory_eligible",
                    "RoleManagement.Read.Directory; there are none without Entra ID P2",
                ),
                (
                    "Azure roles",
                    "azure_roles",
                    "the role Reader on subscriptions or their management group",
                ),
                ("eligible Azure roles", "azure_eligible", graph_azure.NEEDS_ELIGIBLE),
                ("Azure deny assignments", "azure_denials", graph_azure.NEEDS_DENIED),
            )
        ),
        Part("service principals", principals, "Application.Read.All, Directory.Read.All"),
        Part("agent identities", agents, "AgentIdentity.Read.All", optional=True),
    ),
    narrowed_by="conditional access",
)
