"""OpenAI: the organisation's audit log.

Owns the meaning of its members. Source: OpenAI's API reference (organization/audit_logs: types,
actors, one object of details for each type, under the type's name with dots or underscores), and
rule tests. Records name no organisation; their names are OpenAI's own for all organisations. Pure.
"""

from typing import Any

from evidence.formats.anthropic import NO_CONTENT
from evidence.formats.members import NOTHING, inside
from evidence.formats.tables import Issues, Name, Row, Table
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    REVOCATION,
)

REALM = "openai"
_KEYS = ("api_key", "admin_api_key")


def _details(record: Row) -> Row:
    """The object that a record of its type carries, whichever way its name is written."""
    action = record.get("type")
    if type(action) is not str:
        return NOTHING
    for name in (action, action.replace(".", "_")):
        found = record.get(name)
        if found is None:
            found = record.get(name.lower())
        if type(found) is dict and found:
            return found
    return NOTHING


def _view(record: Row) -> Row:
    return {**record, "details": _details(record)}


def _detail(name: str) -> Any:
    def get(record: Row) -> Any:
        found = record["details"].get(name)
        return found if type(found) is str else None

    return get


def _outcome(record: Row) -> int:
    return OUTCOME_FAILED if str(record.get("type")).endswith(".failed") else OUTCOME_OK


def _resource(record: Row) -> Any:
    found = record["details"]
    for listed in ("configs", "certificates"):
        several = found.get(listed)
        if type(several) is list and several and type(several[0]) is dict:
            found = several[0]
    for name in ("id", "resource_id", "principal_id", "email"):
        value = found.get(name)
        if type(value) is str and value:
            return value
    return inside(record, "project").get("id")


def _name(kind: str, *values: str, parent: Name | None = None) -> Name:
    return Name(kind, values, realm=REALM, parent=parent)


_HOLDERS = (
    _name("service_account", "actor.api_key.service_account.id"),
    _name("user", "actor.session.user.email", "actor.session.user.id"),
    _name("user", "actor.api_key.user.email", "actor.api_key.user.id"),
)

TABLE = Table(
    name="openai",
    title="OpenAI audit log",
    signs=(
        ("type", "effective_at", "actor.type=session|api_key"),
        ("type", "effective_at", "object=organization.audit_log"),
        ("type", "effective_at", "id^audit_log"),
        ("p_log_type=OpenAI.Audit",),
    ),
    mark=b'"effective_at"',
    view=_view,
    realm="openai:{organization_id|organization.id|org_id}",
    at=("effective_at",),
    vendor_id=("id",),
    action=("type",),
    # Where a key is all that is known of who acted, the key is who acted.
    principal=(*_HOLDERS, _name("api_token", "actor.api_key.id")),
    credential=(_name("api_token", "actor.api_key.id"),),
    resource=(_resource,),
    outcome=_outcome,
    error=(_detail("error_code"),),
    activities={
        "login.succeeded": AUTHENTICATION,
        "login.failed": AUTHENTICATION,
        "logout.succeeded": AUTHENTICATION,
        "logout.failed": AUTHENTICATION,
        "api_key.created": ISSUANCE,
        "admin_api_key.created": ISSUANCE,
        "certificate.created": ISSUANCE,
        "service_account.created": ISSUANCE,
        "api_key.deleted": REVOCATION,
        "admin_api_key.deleted": REVOCATION,
        "certificate.deleted": REVOCATION,
        "certificates.deactivated": REVOCATION,
        "service_account.deleted": REVOCATION,
        "user.deleted": REVOCATION,
    },
    patterns=((r".*\.\w+$", CHANGE),),
    issues=(
        Issues(
            frozenset(f"{key}.created" for key in _KEYS),
            Name("api_token", _detail("id"), realm=REALM),
        ),
        Issues(frozenset({"certificate.created"}), Name("certificate", _detail("id"), realm=REALM)),
    ),
    address=("actor.session.ip_address", "actor.api_key.ip_address"),
    user_agent=("actor.session.user_agent", "actor.api_key.user_agent"),
    content=(f"** except {NO_CONTENT}",),
    lacks={
        "session": "a session has no id in the log",
        "request_id": "the log carries none",
        "on_behalf": "a key's owner is the principal; for whom a service account acts is not said",
        "address": "acts with an API key carry no address",
    },
    version=4,  # 4: several certificates at once, service accounts that are created
)
