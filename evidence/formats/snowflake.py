"""Snowflake: rows of the account usage views on queries, logins, sessions, grants, credentials.

Owns the meaning of their columns. Source: Snowflake's documentation of the views QUERY_HISTORY,
LOGIN_HISTORY, SESSIONS, ACCESS_HISTORY, GRANTS_TO_ROLES, GRANTS_TO_USERS, CREDENTIALS and
DATA_TRANSFER_HISTORY. Statements, and what errors say of them, are kept without their values. A grant row tells of the grant,
or, once it has an end, of its end. A row of ACCESS_HISTORY is about what a statement changed, else
about what it read; its lists of objects are JSON text in some exports. Results of the SQL API are
results.py's. Pure.

Not verified: that FIRST_AUTHENTICATION_FACTOR_ID names a row of CREDENTIALS.
"""

import re
from functools import lru_cache
from typing import Any

import orjson

from evidence.formats import exports, prefixed, results
from evidence.formats.exports import Export
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Name, Row, Said, Table, Text, actor
from evidence.formats.times import moment
from evidence.formats.written import Remembered
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
)

# What kind of credential a way of signing in is.
_FACTORS = {
    "PROGRAMMATIC_ACCESS_TOKEN": "api_token",
    "PAT": "api_token",
    "RSA_KEYPAIR": "key",
    "KEYPAIR": "key",
    "KEY_PAIR": "key",
    "OAUTH_ACCESS_TOKEN": "token",
    "WORKLOAD_IDENTITY": "federated",
}
_PRIVILEGES = ("003001", "3001", "002003", "2003")
# The first object a statement names: only its beginning is looked at.
_OBJECT = re.compile(
    r"\b(?:from|into|update|table|view|user|role|stage|schema|database|warehouse|integration"
    r"|policy|share|task|function|procedure)\s+(?:if\s+(?:not\s+)?exists\s+)?(@?[\w$.]+)",
    re.IGNORECASE,
)
_LOOKED_AT = 2_000


# Names in lower case, as some exports write them; the few that this module asks for.
_low = Remembered(str.lower)


def _column(record: Row, name: str) -> Any:
    value = record.get(name)
    return record.get(_low[name]) if value is None else value


def _text(record: Row, name: str) -> str:
    value = record.get(name)
    if value is None:
        value = record.get(_low[name])
    return value if type(value) is str else ""


def _grant(record: Row) -> str | None:
    """``GRANT SELECT``, ``REVOKE ROLE`` of a grant's row."""
    if not _text(record, "GRANTEE_NAME"):
        return None
    what = _text(record, "PRIVILEGE") or "ROLE"
    return f"{'REVOKE' if _text(record, 'DELETED_ON') else 'GRANT'} {what}"


def _inventory(record: Row) -> str | None:
    """Rows that tell of a thing by being there."""
    if _column(record, "CREDENTIAL_ID") is not None:
        return "CREDENTIAL"
    changed = _objects(record, "OBJECT_MODIFIED_BY_DDL")
    kind, done = (_said(changed, name) for name in ("objectDomain", "operationType"))
    if kind and done:
        return f"{done} {kind}".upper()
    if any(_column(record, name) is not None for name in _ACCESSED):
        return "ACCESS"
    return "SESSION" if _column(record, "LOGIN_EVENT_ID") is not None else None


# What a statement touched, the most telling first.
_ACCESSED = ("OBJECT_MODIFIED_BY_DDL", "OBJECTS_MODIFIED", "DIRECT_OBJECTS_ACCESSED")


def _objects(record: Row, column: str) -> Any:
    """The first object of such a column: a list of them, one, or either as text."""
    found = _column(record, column)
    if type(found) is str and found[:1] in ("[", "{"):
        try:
            found = orjson.loads(found)
        except (ValueError, RecursionError):
            return None
    return found[0] if type(found) is list and found else found


def _said(about: Any, name: str) -> str:
    if type(about) is not dict:
        return ""
    found = about.get(name) or about.get(name.lower())
    return found if type(found) is str else ""


def _ended(record: Row) -> str | None:
    return _text(record, "DELETED_ON") or None


def _status(record: Row) -> str | None:
    stated = _text(record, "EXECUTION_STATUS") or _text(record, "IS_SUCCESS")
    if stated:
        code = str(_column(record, "ERROR_CODE"))
        return "refused" if code in _PRIVILEGES and stated.lower() != "success" else stated
    return "yes" if _grant(record) or _inventory(record) else None


@lru_cache(maxsize=4096)
def _first_object(statement: str) -> str:
    found = _OBJECT.search(statement)
    return found[1] if found is not None else ""


def _resource(record: Row) -> str | None:
    if _grant(record):
        parts = [_text(record, name) for name in ("TABLE_CATALOG", "TABLE_SCHEMA", "NAME")]
        return (
            ".".join(part for part in parts if part)
            or _text(record, "ROLE")
            or _text(record, "GRANTEE_NAME")
        )
    for column in _ACCESSED:
        # Most rows have none of these columns.
        there = column in record or _low[column] in record
        if there and (name := _said(_objects(record, column), "objectName")):
            return name
    statement = _text(record, "QUERY_TEXT")
    named = _first_object(statement[:_LOOKED_AT]) if statement else ""
    if named:
        return named
    parts = [_text(record, name) for name in ("DATABASE_NAME", "SCHEMA_NAME")]
    return ".".join(part for part in parts if part) or _text(record, "WAREHOUSE_NAME") or None


# What is done to a user's credentials, in a statement that is called ALTER_USER whatever it does.
_CREDENTIAL = re.compile(
    r"\s*alter\s+user\b.{0,300}?\b(?:(?P<made>(?:add|rotate)\s+(?:programmatic\s+access\s+token|pat)"
    r"|set\s+rsa_public_key(?:_2)?|set\s+workload_identity)|(?P<ended>(?:remove\s+(?:programmatic"
    r"\s+access\s+token|pat)|unset\s+rsa_public_key(?:_2)?|set\s+disabled\s*=\s*true)))\b",
    re.IGNORECASE | re.DOTALL,
)


def _activity(record: Row, action: str) -> int | None:
    if not action.upper().startswith("ALTER"):
        return None
    return _of_credential(_text(record, "QUERY_TEXT")[:_LOOKED_AT])


@lru_cache(maxsize=4096)
def _of_credential(statement: str) -> int | None:
    found = _CREDENTIAL.match(statement)
    return None if found is None else ISSUANCE if found["made"] else REVOCATION


def _who(record: Row, realm: str) -> ActorName | None:
    name = _text(record, "USER_NAME")
    if not name:
        return None
    # One kind for one name: only some of the views say which users are services.
    return actor(realm, "service" if name == "SYSTEM" else "user", name)


def _factor(record: Row, realm: str) -> ActorName | None:
    number = _column(record, "FIRST_AUTHENTICATION_FACTOR_ID")
    kind = _FACTORS.get(_text(record, "FIRST_AUTHENTICATION_FACTOR").upper())
    if kind is None or (type(number) is not int and type(number) is not str):
        return None
    return actor(realm, kind, str(number)[:600])


def _issued(record: Row, realm: str, principal: ActorName | None) -> Issued | None:
    number = _column(record, "CREDENTIAL_ID")
    kind = _FACTORS.get(_text(record, "TYPE").upper())
    if kind is None or (type(number) is not int and type(number) is not str):
        return None
    ends = moment(_column(record, "EXPIRATION_DATE") or _column(record, "EXPIRES_AT"))
    return Issued(actor(realm, kind, str(number)[:600]), principal, standing=True, expires_at=ends)


# Snowsight downloads the answer of a query so; its columns are the views' own.
_EXPORTS = tuple(
    Export(frozenset(columns.split()))
    for columns in (
        "EVENT_TIMESTAMP EVENT_TYPE USER_NAME IS_SUCCESS",
        "QUERY_ID QUERY_TYPE USER_NAME",
        "QUERY_ID QUERY_START_TIME USER_NAME DIRECT_OBJECTS_ACCESSED",
        "QUERY_ID QUERY_START_TIME USER_NAME OBJECTS_MODIFIED",
        "CREATED_ON GRANTED_TO GRANTEE_NAME",
        "LOGIN_EVENT_ID SESSION_ID CREATED_ON",
    )
)

TABLE = Table(
    name="snowflake",
    title="Snowflake account usage",
    signs=(
        ("QUERY_TYPE", "USER_NAME"),
        ("QUERY_ID", "USER_NAME"),
        ("EVENT_TYPE", "IS_SUCCESS", "USER_NAME"),
        ("GRANTEE_NAME", "GRANTED_TO"),
        ("LOGIN_EVENT_ID", "SESSION_ID"),
        ("CREDENTIAL_ID", "USER_NAME", "CREATED_ON"),
        ("TRANSFER_TYPE", "BYTES_TRANSFERRED"),
        (
            (
                "p_log_type=Snowflake.LoginHistory|Snowflake.QueryHistory|Snowflake.GrantsToUsers"
                "|Snowflake.GrantsToRoles|Snowflake.DataTransferHistory|Snowflake.Sessions"
            ),
        ),
    ),
    any_case=True,
    text=prefixed.beside(
        results.text(frozenset(one.needs for one in _EXPORTS)),
        Text(*exports.text(*_EXPORTS), exports.seams),
    ),
    realm="snowflake:{ACCOUNT_NAME|ACCOUNT_LOCATOR}",
    at=(
        "EVENT_TIMESTAMP",
        "START_TIME",
        "QUERY_START_TIME",
        _ended,
        "CREATED_ON",
        "END_TIME",
        "p_event_time",
    ),
    vendor_id=("QUERY_ID", "EVENT_ID", "CREDENTIAL_ID", "SESSION_ID"),
    action=("QUERY_TYPE", "EVENT_TYPE", _grant, _inventory, "TRANSFER_TYPE"),
    principal=(_who, Name("group", ("GRANTED_BY",))),
    credential=(_factor, Name("session", "SESSION_ID")),
    # The client that an integration lets in for its users.
    agent=(Name("app", "AUTHORIZING_INTEGRATION_NAME"),),
    session="SESSION_ID",
    resource=_resource,
    outcome=Said(
        _status,
        {
            "success": OUTCOME_OK,
            "yes": OUTCOME_OK,
            "fail": OUTCOME_FAILED,
            "no": OUTCOME_FAILED,
            "incident": OUTCOME_FAILED,
            "refused": OUTCOME_REFUSED,
            "running": OUTCOME_UNKNOWN,
        },
    ),
    activity=_activity,
    activities={"CREDENTIAL": ISSUANCE, "SESSION": AUTHENTICATION, "LOGOUT": AUTHENTICATION},
    patterns=(
        (r"LOGIN", AUTHENTICATION),
        (r"(REVOKE|DROP[_ ]ROLE|DROP[_ ]USER)", REVOCATION),
        (r".*(ADD_PROGRAMMATIC|ADD_PAT|ROTATE_PROGRAMMATIC|ROTATE_PAT)", ISSUANCE),
        (r".*(REMOVE_PROGRAMMATIC|REMOVE_PAT)", REVOCATION),
        (r"(GRANT|CREATE|ALTER|DROP|UNDROP|RENAME|SET|UNSET|COMMENT|ADD|REMOVE)", CHANGE),
    ),
    issued=_issued,
    address="CLIENT_IP",
    user_agent=("CLIENT_APPLICATION_ID", "REPORTED_CLIENT_TYPE"),
    request_id=("QUERY_ID", "REQUEST_ID"),
    error=("ERROR_MESSAGE", "ERROR_CODE"),
    content=("BIND_VALUES",),
    statements=("QUERY_TEXT", "ERROR_MESSAGE"),
    lacks={
        "realm": "the account usage views of one account do not name it",
        "address": "only logins carry one",
    },
    # 4: what statements changed, and lists of objects that are text. 5: credentials of users. 6:
    # what errors say of statements loses its values as well. 7: times of nine digits and a zone. 8: clients
    # of OAuth.
    version=8,
)
