"""Who a record of Entra names: who signed in, called or changed, with which key, as or through whom.

Owns the members in which each kind of record says it. What the records mean is the package's; how
its names are told from others' is microsoft.py's. Pure.
"""

from typing import Any

from evidence.formats import microsoft, written
from evidence.formats.microsoft import anywhere
from evidence.formats.record import ActorName
from evidence.formats.tables import Name, Names, Row, names


def _somebody(path: str) -> Any:
    find = anywhere(path)

    def get(record: Row) -> str | None:
        found = find(record)
        return None if found == microsoft.NOBODY else found

    return get


_AGENT = (
    "agent.agentType=agenticApp|agenticAppInstance|agenticAppBuilder"
    "|agentIdentityBlueprintPrincipal"
)
# Who changed the directory.
_CHANGED_BY = (
    microsoft.user("initiatedBy.user.userPrincipalName", "initiatedBy.user.id"),
    Name("user", "initiatedBy.user.id", fold=True),
    microsoft.principal("initiatedBy.app.servicePrincipalId", "initiatedBy.app.appId"),
    microsoft.application("initiatedBy.app.appId"),
    Name("service", ("initiatedBy.app.displayName", "initiatedBy.app.servicePrincipalName")),
    Name("user", "initiatedBy.user.displayName"),
)
_AS_AGENT = (
    microsoft.principal(("agent.agentServicePrincipalId", "servicePrincipalId"), "appId"),
    microsoft.application("appId"),
)
_AS_PERSON = (microsoft.user("userPrincipalName", "userId"), Name("user", "userId", fold=True))
_AS_MANAGED = (microsoft.managed("servicePrincipalId", "appId"),)
_AS_PRINCIPAL = (
    microsoft.principal(("servicePrincipalId", "servicePrincipal.id"), "appId"),
    microsoft.application("appId"),
    Name("service_principal", ("servicePrincipalName", "servicePrincipal.displayName")),
)
_IS_AGENT = ((_AGENT,),)
_IS_MANAGED = (
    ("category=ManagedIdentitySignInLogs",),
    ("managedIdentityType=systemAssigned|userAssigned",),
    ("signInEventTypes[0]=managedIdentity",),
    ("Type=AADManagedIdentitySignInLogs",),
)


def _principal(*, folded: bool) -> Names:
    """Who signed in, called or changed: each kind of record says it in its own members."""
    changed, agent, person, managed, principal = (
        names(ways, folded=folded)
        for ways in (_CHANGED_BY, _AS_AGENT, _AS_PERSON, _AS_MANAGED, _AS_PRINCIPAL)
    )
    is_agent, is_managed = (
        written.has_signs(one, folded=folded) for one in (_IS_AGENT, _IS_MANAGED)
    )
    audit = "initiatedby" if folded else "initiatedBy"

    def get(record: Row, realm: str) -> ActorName | None:
        if audit in record:
            return changed(record, realm)
        if is_agent(record):
            return agent(record, realm)
        found = person(record, realm)
        if found is None and is_managed(record):
            found = managed(record, realm)
        return principal(record, realm) if found is None else found

    return get


_as_ever, _in_lower_case = _principal(folded=False), _principal(folded=True)


def _who(record: Row, realm: str) -> ActorName | None:
    found = _as_ever(record, realm)
    return _in_lower_case(record, realm) if found is None else found


_IDS = ("userId", "servicePrincipalId", "appId", "userid", "serviceprincipalid", "appid")
# Of whoever changed the directory.
_IDS_OF_WHO = ("id", *_IDS)


def _of_somebody(record: Row) -> Row:
    """Without the ids that stand for none: a person's, where an application signed in."""
    for member in ("initiatedBy", "initiatedby"):
        by = record.get(member)
        if type(by) is dict:
            somebody = {
                name: _without(who, _IDS_OF_WHO) if type(who) is dict else who
                for name, who in by.items()
            }
            record = {**record, member: somebody}
    return _without(record, _IDS)


def _without(record: Row, ids: tuple[str, ...]) -> Row:
    none = [name for name in ids if record.get(name) in ("", microsoft.NOBODY)]
    if not none:
        return record
    return {name: value for name, value in record.items() if name not in none}


_DECIDE = (
    "?initiatedBy",
    "initiatedBy",
    "agent",
    "userPrincipalName",
    "userId",
    "servicePrincipalId",
    "servicePrincipalName",
    "servicePrincipal",
    "appId",
    "category",
    "managedIdentityType",
    "signInEventTypes",
    "Type",
    "servicePrincipalCredentialKeyId",
    "servicePrincipalCredentialThumbprint",
    "federatedCredentialId",
)
ACTORS = microsoft.together(
    _DECIDE,
    (_who,),
    (
        Name("key", _somebody("servicePrincipalCredentialKeyId"), fold=True),
        Name("federated", _somebody("federatedCredentialId"), fold=True),
        Name("certificate", "servicePrincipalCredentialThumbprint", fold=True),
    ),
    (
        Name(
            "agent_id",
            ("agent.agentServicePrincipalId", "servicePrincipalId", "appId"),
            when=_AGENT,
            parent=microsoft.application("agent.parentAppId"),
            fold=True,
        ),
        Name(
            "agent_id",
            "agent.agentSubjectParentId",
            when="agent.agentSubjectType=agentIDuser",
            fold=True,
        ),
        # Who acts in a person's name: the application that was given the token.
        microsoft.application("appId", when="userId"),
    ),
    (
        microsoft.user("userPrincipalName", "userId", when=_AGENT),
        Name("user", "userId", when=_AGENT, fold=True),
    ),
    view=_of_somebody,
)
