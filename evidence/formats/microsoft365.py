"""Microsoft 365: the unified audit log of its services.

Owns the meaning of its fields. Sources: "Office 365 Management Activity API schema" (common schema
and those of Exchange, SharePoint, Entra and Copilot), the column AuditData of an audit search, and
"Track and investigate identity activities with linkable identifiers". The table OfficeActivity of a
workspace is microsoft_office.py's. Pure.

The names are the tenant's. A record whose service states no result tells what has happened.
"""

import re

from evidence.formats import microsoft, microsoft_office
from evidence.formats.microsoft import anywhere, value_at
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Name, Row, Table, actor
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_UNKNOWN,
    REVOCATION,
    USE,
)

_SEARCHED = ("AuditData", "auditData", "auditdata")
_BESIDE = frozenset((*_SEARCHED, *microsoft_office.MARKS))


def _opened(record: Row) -> Row:
    """A row of an audit search holds the record as text, one of a workspace in its columns."""
    if record.keys().isdisjoint(_BESIDE):
        return record
    if microsoft_office.is_row(record):
        return microsoft_office.opened(record)
    inside = microsoft.loaded(next(filter(None, map(record.get, _SEARCHED)), None))
    return inside if type(inside) is dict else record


_realm = microsoft.tenant("organizationId", "OrganizationId", "AADTenantId")

# --- who

_user, _key, _kind = anywhere("UserId"), anywhere("UserKey"), anywhere("UserType")
_actors, _identity = value_at("Actor"), anywhere("ID")
_CLIENT = ("AppAccessContext.ClientAppId", "ClientAppId", "AppId", "ApplicationId", "AadAppId")
_client = anywhere(*_CLIENT)
_NOT_SAID = frozenset({"", "not available", "not-found", "unknown", "n/a", "unknown (unknown)"})
# The key of an application that writes into SharePoint as itself.
_OF_SHAREPOINT = re.compile(
    r"i:0i\.t\|(?:[^|]{0,100}\|)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
)
_OF_A_USER, _OF_A_PRINCIPAL = "User_", "ServicePrincipal_"


def _ids(record: Row) -> list[str]:
    found = _actors(record)
    listed = found[:20] if type(found) is list else ()
    return [name for one in listed if type(one) is dict and (name := _identity(one))]


def _numbered(ids: list[str], marked: str) -> str | None:
    """The object id that the list of actors marks as that of a user or a principal."""
    return next((one[len(marked) :].lower() for one in ids if one.startswith(marked)), None)


def _number(text: str | None) -> str | None:
    return text.lower() if text is not None and microsoft.GUID.fullmatch(text) else None


def _app(record: Row) -> str | None:
    found = _client(record)
    return None if found in (None, microsoft.NOBODY) else _number(found)


def _principal_of(realm: str, number: str, client: str | None) -> ActorName:
    return actor(
        realm, "service_principal", number, actor(realm, "app", client) if client else None
    )


def _own_number(record: Row) -> str | None:
    """A person's own object id; where an application acted with their mailbox, it is its key."""
    number = _number(_key(record))
    of_app = _kind(record) in ("5", "Application") or number == _app(record)
    return None if of_app else number


def _who(record: Row, realm: str) -> ActorName | None:
    """Whom the one field that names a user stands for: it also names what is no user."""
    said = _user(record) or ""
    ids = _ids(record)
    if "@" in said and not said.startswith("app@"):
        number = _numbered(ids, _OF_A_USER) or _own_number(record)
        above = actor(realm, "user", number) if number else None
        return actor(realm, "user", said.lower(), above)
    principal = _numbered([said, *ids], _OF_A_PRINCIPAL)
    if principal is not None:
        client = next((one for one in map(_number, ids) if one and one != principal), None)
        return _principal_of(realm, principal, client)
    if said.startswith("app@"):
        found = _OF_SHAREPOINT.match(_key(record) or "")
        client = _app(record) or (found[1].lower() if found else None)
        return actor(realm, "app", client) if client else actor(realm, "service", said)
    number = _number(said)
    if number is not None:
        kind = "service_principal" if _kind(record) in ("6", "Application") else "user"
        return actor(realm, kind, number)
    if said.lower() not in _NOT_SAID:
        # S-1-5-18, NT AUTHORITY\SYSTEM (…), SHAREPOINT\system, SecurityComplianceAlerts.
        return actor(realm, "service", said.partition(" (")[0])
    if ids:
        return actor(realm, "service", ids[0])
    client = _app(record)
    return actor(realm, "app", client) if client else None


def _agent(record: Row, realm: str) -> ActorName | None:
    """The application that acted in a person's name."""
    said = _user(record) or ""
    if "@" not in said or said.startswith("app@"):
        return None
    client = _app(record)
    if client is None and _kind(record) in ("5", "Application"):
        client = _number(_key(record))
    if client is None:
        # A change of the directory lists it among the ids of who made it, beside their own.
        ids = _ids(record)
        own = _numbered(ids, _OF_A_USER)
        others = (one for one in map(_number, ids) if one not in (None, own, microsoft.NOBODY))
        client = next(others, None) if own else None
    return actor(realm, "app", client) if client else None


_ACTORS = microsoft.together(
    (
        "UserId",
        "UserKey",
        "UserType",
        "Actor",
        *_CLIENT,
        "AgentId",
        "AgentName",
        "CopilotEventData.AgentId",
        "CopilotEventData.AgentName",
    ),
    (_who,),
    (),
    (
        Name("agent_id", ("AgentId", "CopilotEventData.AgentId"), fold=True),
        Name("agent", ("AgentName", "CopilotEventData.AgentName")),
        _agent,
    ),
    (),
)

# --- what

_object = anywhere("ObjectId")
_PLACES = (
    "Item.ParentFolder.Path",
    "Folder.Path",
    "SourceRelativeUrl",
    "TeamName",
    "MailboxOwnerUPN",
    "ObjectName",
    "AlertEntityId",
    "SiteUrl",
    "ThreadId",
    "Name",
)
_place = anywhere(*_PLACES)
# The members that those paths begin with: most records have none of them.
_BEGIN = frozenset(
    name for path in _PLACES for name in (path.split(".")[0], path.split(".")[0].lower())
)
_target = value_at("Target")
_mailbox = anywhere("MailboxOwnerUPN")


_downloaded = anywhere("ExtendedProperties{Name=MailboxId}.Value")


def _resource(record: Row) -> str | None:
    found = record.get("ObjectId")
    if type(found) is not str:
        found = _object(record)
    if found and found.lower() not in _NOT_SAID:
        return found
    place = None if record.keys().isdisjoint(_BEGIN) else _place(record)
    if place is not None:
        mailbox = _mailbox(record) if place.startswith("\\") else None
        return f"{mailbox}{place}" if mailbox else place
    targets = _target(record)
    first = targets[0] if type(targets) is list and targets else None
    if type(first) is dict:
        return _identity(first)
    return _downloaded(record) if "ExtendedProperties" in record else None


_WELL = frozenset({"success", "succeeded", "true", "partiallysucceeded", "successful", ""})
_NOT_ENDED = frozenset({"inprogress", "pending", "started", "queued", "notstarted", "running"})


def _ended(went_wrong: str | None, operation: str | None, status: str | None) -> int:
    """A failed login states a result of success: the request was, the login was not."""
    if went_wrong is not None or (operation or "").endswith("Failed"):
        return OUTCOME_FAILED
    said = (status or "").lower()
    if said in _NOT_ENDED:
        return OUTCOME_UNKNOWN
    return OUTCOME_OK if said in _WELL else OUTCOME_FAILED


_outcome = microsoft.of_texts(_ended, ("LogonError",), ("Operation",), ("ResultStatus",))
_is_login = anywhere("IntraSystemId")
_events = anywhere("RecordType")
_CORRELATION = (
    "AppAccessContext.CorrelationId",
    "CorrelationId",
    "InterSystemsId",
    "RequestId",
    "ClientRequestId",
    "ExtendedProperties{Name=correlationId}.Value",
)


def _login_id(record: Row) -> str | None:
    """A login's own number is that of the sign-in; other records name what they belong to."""
    kind = record.get("RecordType")
    if type(kind) is not int:
        kind = _events(record)
    if kind in (15, "15", "AzureActiveDirectoryStsLogon"):
        return _is_login(record)
    return None


_details = anywhere("ExtendedProperties{Name=additionalDetails}.Value")
_AGENT_OF = re.compile(r'"User-Agent"\s*:\s*"([^"\\]{1,500})')


def _user_agent(record: Row) -> str | None:
    if "ExtendedProperties" not in record and "extendedproperties" not in record:
        return None
    found = _AGENT_OF.search(_details(record) or "")
    return found[1] if found else None


# --- keys

_changes, _KEY_DESCRIPTION = value_at("ModifiedProperties"), frozenset({"KeyDescription"})
_new, _old = value_at("NewValue"), value_at("OldValue")


def _keys(record: Row) -> microsoft.Keys:
    for _, change in microsoft.properties_changed(_changes(record), "Name", _KEY_DESCRIPTION):
        return microsoft.keys_changed(_new(change), _old(change))
    return microsoft.NO_KEYS


def _issued(record: Row, realm: str, _: ActorName | None) -> Issued | None:
    if _changes(record) is None:
        return None
    added = _keys(record).added
    if not added:
        return None
    targets = _target(record)
    ids = [
        name
        for one in (targets[:20] if type(targets) is list else ())
        if type(one) is dict and (name := _identity(one))
    ]
    holder = None
    principal = _numbered(ids, _OF_A_PRINCIPAL)
    registration = _numbered(ids, "Application_")
    if principal is not None:
        client = next((one for one in map(_number, ids) if one and one != principal), None)
        holder = _principal_of(realm, principal, client)
    elif registration is not None:
        holder = actor(realm, "app_object", registration)
    return Issued(actor(realm, "key", added[0]), holder, True, None)


def _activity(record: Row, action: str) -> int | None:
    if microsoft.changes_keys(action):
        keys = _keys(record)
        if keys.added or keys.removed:
            return ISSUANCE if keys.added else REVOCATION
    return None


TABLE = Table(
    name="microsoft365",
    title="Microsoft 365 unified audit log",
    signs=(
        ("Operation", "Workload", "UserId"),
        ("Operation", "RecordType", "CreationTime"),
        ("Operation", "OrganizationId", "UserKey"),
        ("Operation", "OrganizationId", "UserType"),
        ("Operation", "OfficeWorkload"),
    ),
    mark=b'peration":',
    any_case=True,
    opens=_opened,
    view=_opened,
    realm=_realm,
    at=("CreationTime", "TimeGenerated"),
    vendor_id=("Id",),
    action="Operation",
    principal=_ACTORS.principal,
    credential=(
        Name(
            "token",
            ("AppAccessContext.UniqueTokenId", "UniqueTokenId", "AppAccessContext.TokenId"),
        ),
    ),
    agent=_ACTORS.agent,
    session=(
        "AppAccessContext.AADSessionId",
        "AADSessionId",
        "SessionId",
        "DeviceProperties{Name=SessionId}.Value",
        "CopilotEventData.ThreadId",
        "Message.ThreadId",
    ),
    resource=_resource,
    outcome=_outcome,
    activity=_activity,
    activities={"MailItemsAccessed": USE, "Send": USE, "Search": USE, "PageViewed": USE},
    patterns=(
        (
            r"(?i)add service principal (?:credentials|\.?$)|(?i:add service principal)\.?$",
            ISSUANCE,
        ),
        (
            (
                r"(?i)(?:remove service principal|delete (?:service principal|application"
                r"|user)|hard delete|disable account|revoke|update stsrefreshtoken)"
            ),
            REVOCATION,
        ),
        (
            r"(?i)(?:user(?:logged|login)|mailboxlogin|teamssessionstarted|signin|signout)",
            AUTHENTICATION,
        ),
        (r"(?i)(?:get|search|file(?:accessed|previewed|downloaded)|list(?:viewed)|page)", USE),
        (
            (
                r"(?i)(?:team(?:created|deleted|setting)|bot(?:added|removed)|app(?:install|u)"
                r"|write|import|set|new|remove|add|enable|disable|update|delete|install|change"
                r"|consent|grant"
                r"|invite|reset|hard|soft|move|site|sharing|secure|anonymous|company|group|member"
                r"|folder|file|list|create|restore|modify|permission|assign)"
            ),
            CHANGE,
        ),
    ),
    issued=_issued,
    address=microsoft.plain_address("ClientIP", "ClientIPAddress", "ActorIpAddress", "UserIp"),
    user_agent=(
        "UserAgent",
        "ExtendedProperties{Name=UserAgent}.Value",
        _user_agent,
        "ClientInfoString",
    ),
    request_id=(_login_id, *_CORRELATION, *(path.lower() for path in _CORRELATION)),
    error=("LogonError", "ResultStatusDetail"),
    # Subjects of messages are what somebody wrote.
    content=(
        "Item.Subject",
        "ItemName",
        "AffectedItems[*].Subject",
        "ExchangeMetaData.Subject",
        "Subject",
        "MessageText",
        "CopilotEventData.Messages[*].Text",
        "SearchQueryText",
        "SearchQuery",
        "Query",
        "Data.ms",
        *(
            f"{where}.{name}"
            for where in ("Data", "Data.Entities[*]", "Actions[*].Entities[*]")
            for name in ("Subject", "Query", "ClusterByValue")
        ),
    ),
    lacks={
        "credential": "only Exchange, SharePoint and Teams name the token, under AppAccessContext",
        "user_agent": "administration of Exchange names none",
    },
    # 4: conversations with Copilot. 5: from where a link in a message was opened. 6: applications by
    # their keys, and in changes of the directory; what has not ended; whose mail was downloaded.
    version=6,
)
