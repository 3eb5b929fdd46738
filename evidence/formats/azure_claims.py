"""Who acted in an Azure log: what the token of a caller claims, wherever an export keeps it.

Owns the claims, the view that brings them into one place, and the actors they stand for. What the
logs mean beside that is azure.py's. Pure.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from evidence.formats import microsoft
from evidence.formats.microsoft import anywhere
from evidence.formats.record import ActorName
from evidence.formats.tables import Name, Row, actor

# Claims under the long names that resource managers write them with, and a storage requester's.
_SHORT = {
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "upn",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": "unique_name",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress": "email",
    "http://schemas.microsoft.com/identity/claims/objectidentifier": "oid",
    "http://schemas.microsoft.com/identity/claims/tenantid": "tid",
    "http://schemas.microsoft.com/identity/claims/scope": "scp",
    "objectId": "oid",
    "objectid": "oid",
    "tenantId": "tid",
    "tenantid": "tid",
    "appId": "appid",
    "azp": "appid",
    "userName": "unique_name",
    "username": "unique_name",
}
# Where they stand when no identity holds them.
_BESIDE = ("claims", "Claims_d", "Claims")


def _said_in(identity: Any) -> Any:
    """What an identity claims, under the name that this log has for it."""
    if type(identity) is dict:
        return identity.get("claims") or identity.get("claim") or identity.get("requester")
    return None


def view(record: Row) -> Row:
    """The record with its claims in its identity, and read what its export wrote as text."""
    if "TimeGenerated" in record:
        record = microsoft.from_workspace(record)
    identity, inside = record.get("identity"), record.get("properties")
    if type(identity) is str:
        identity = microsoft.loaded(identity)
    said = _said_in(identity)
    if type(said) is dict and type(inside) is not str and "claims" not in record:
        if identity is record["identity"]:
            return record
    elif said is None:
        said = record.get("claims") or record.get("Claims_d") or record.get("Claims")
    said = microsoft.loaded(said)
    if type(said) is dict:
        made = {name: value for name, value in record.items() if name not in _BESIDE}
        made["identity"] = {**(identity if type(identity) is dict else {}), "claims": said}
    elif type(inside) is str:
        made = {**record, "identity": identity}
    else:
        return record
    if type(inside) is str:
        made["properties"] = microsoft.loaded(inside)
    return made


def _shortened(record: Row) -> Row:
    """The record with its claims in one place, under short names."""
    said = _said_in(record.get("identity"))
    if type(said) is dict and "claims" not in record:
        return {**record, "claims": {_SHORT.get(name, name): value for name, value in said.items()}}
    return record


def claimed(name: str) -> Callable[[Row], Any]:
    """What a claim says that has one name everywhere."""

    def get(record: Row) -> Any:
        said = record.get("claims")
        if said is None:
            said = _said_in(record.get("identity"))
        return said.get(name) if type(said) is dict else None

    return get


_claimed_tenant = anywhere("claims.tid")
stated_tenant = anywhere("tenantId", "properties.tenantId")


def _tenant(record: Row) -> str:
    """Who issued the names in this record."""
    found = _claimed_tenant(record)
    # A row of a workspace says whose workspace it is as its tenant.
    if found is None and "TimeGenerated" not in record and "timegenerated" not in record:
        found = stated_tenant(record)
    return f"entra:{found.lower()}" if found else "entra"


# --- who


_named = anywhere(
    "claims.unique_name", "claims.email", "claims.preferred_username", "claims.name", "caller"
)


@lru_cache(maxsize=16_384)
def _who(realm: str, name: str) -> ActorName:
    if microsoft.GUID.fullmatch(name):
        return actor(realm, "service_principal", name.lower())
    if "@" in name:
        # What stands before a # is the provider of an account from elsewhere.
        return actor(realm, "user", name.rpartition("#")[2].lower())
    return actor(realm, "service", name)


def _by_name(record: Row, _: str) -> ActorName | None:
    """Whom a name alone stands for: people have an at sign, principals a number."""
    found = _named(record)
    return None if found is None else _who(_tenant(record), found)


_holder = anywhere(
    "identity.authorization.evidence.principalId", "authorization.evidence.principalId"
)


def _with_dashes(record: Row) -> str | None:
    """The holder of the role that allowed the call; the log writes the number without dashes."""
    found = _holder(record)
    if found is not None and len(found) == 32 and found.isalnum():
        return "-".join((found[:8], found[8:12], found[12:16], found[16:20], found[20:]))
    return found


_TYPE = "identity.authorization.evidence.principalType"
_BLUEPRINT = "claims.xms_par_app_azp"
_upn = ("claims.upn", "claims.preferred_username")

_PRINCIPAL = (
    # An agent that calls in a person's name: the token is the person's, the caller the agent.
    microsoft.application("claims.appid", _tenant, when=_BLUEPRINT),
    microsoft.user(_upn, "claims.oid", _tenant),
    microsoft.managed("claims.oid", "claims.appid", _tenant, when="claims.xms_mirid"),
    Name("user", "claims.oid", _tenant, when="claims.scp", fold=True),
    microsoft.principal("claims.oid", "claims.appid", _tenant),
    _by_name,
    microsoft.application("claims.appid", _tenant),
    Name("user", _with_dashes, _tenant, when=f"{_TYPE}=User", fold=True),
    Name("service_principal", _with_dashes, _tenant, when=f"{_TYPE}=ServicePrincipal", fold=True),
)
_CREDENTIAL = (
    Name("token", "claims.uti", _tenant),
    Name("token", "identity.tokenHash", when="identity.type=OAuth"),
    Name("key", "identity.tokenHash"),
)
_AGENT = (
    Name(
        "agent_id",
        "claims.appid",
        _tenant,
        when=_BLUEPRINT,
        parent=microsoft.application(_BLUEPRINT, _tenant),
        fold=True,
    ),
    microsoft.application("claims.appid", _tenant, when="claims.upn"),
)
_ON_BEHALF = (microsoft.user(_upn, "claims.oid", _tenant, when=_BLUEPRINT),)
ACTORS = microsoft.together(
    (
        "claims",
        "identity.claims",
        "identity.claim",
        "identity.requester",
        "identity.type",
        "identity.tokenHash",
        "identity.authorization.evidence",
        "authorization.evidence",
        "caller",
        "tenantId",
        "properties.tenantId",
        "properties.tenantid",
        "?TimeGenerated",
    ),
    _PRINCIPAL,
    _CREDENTIAL,
    _AGENT,
    _ON_BEHALF,
    view=_shortened,
)
