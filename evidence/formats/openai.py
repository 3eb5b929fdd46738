"""OpenAI: the organisation's audit log.

Owns the meaning of its members. Source: OpenAI's API reference (organization/audit_logs: types,
actors, one object of details for each type, under the type's name with dots or underscores), and
rule tests. Records name no organisation; their names are OpenAI's own for all organisations. Pure.
"""

from typing import Any

from evidence.formats.members import inside
from evidence.formats.tables import Issues, Name, Row, Said, Table
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


def details(record: Row) -> dict[str, Any]:
    """The object that a record of its type carries, whichever way its name is written."""
    action = record.get("type")
    if type(action) is not str:
        return {}
    return inside(record, action) or inside(record, action.replace(".", "_"))


def _detail(*names: str) -> Any:
    def get(record: Row) -> Any:
        found = details(record)
        return next((found[name] for name in names if type(found.get(name)) is str), None)

    return get


def _resource(record: Row) -> Any:
    found = details(record)
    configs = found.get("configs")
    if type(configs) is list and configs and type(configs[0]) is dict:
        found = configs[0]
    for name in ("id", "resource_id", "principal_id", "email"):
        if type(found.get(name)) is str and found[name]:
            return found[name]
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
    realm="openai:{organization_id|organization.id|org_id}",
    at=("effective_at",),
    vendor_id=("id",),
    action=("type",),
    # Where a key is all that is known of who acted, the key is who acted.
    principal=(*_HOLDERS, _name("api_token", "actor.api_key.id")),
    credential=(_name("api_token", "actor.api_key.id"),),
    resource=(_resource,),
    outcome=Said(
        lambda record: "failed" if str(record.get("type")).endswith(".failed") else None,
        {"failed": OUTCOME_FAILED},
        absent=OUTCOME_OK,
    ),
    error=(_detail("error_code"),),
    activities={
        "login.succeeded": AUTHENTICATION,
        "login.failed": AUTHENTICATION,
        "logout.succeeded": AUTHENTICATION,
        "logout.failed": AUTHENTICATION,
        "api_key.created": ISSUANCE,
        "admin_api_key.created": ISSUANCE,
        "certificate.created": ISSUANCE,
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
    lacks={
        "session": "a session has no id in the log",
        "request_id": "the log carries none",
        "on_behalf": "a key's owner is the principal; for whom a service account acts is not said",
        "address": "acts with an API key carry no address",
    },
)
