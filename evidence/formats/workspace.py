"""Google Workspace: activities of the Reports API, of people, applications and administrators.

Owns the meaning of Google's fields. Source: the Reports API's reference and its lists of events. An
activity may tell of several events: each becomes a record. Forwarders hand on records of one event,
which is then no list. With domain-wide delegation the application acts and the person is on whose
behalf; who lets it do so names it by the same client id. Pure.
"""

import re
from functools import lru_cache
from typing import Any

from evidence.formats.record import ActorName
from evidence.formats.saas import TOKENS, WORDS, ended, inside
from evidence.formats.tables import Row, Table, Unreadable, actor
from evidence.formats.written import Of, Remembered
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
    USE,
)

_SERVICE_ACCOUNT = re.compile(r"[^@]+@([a-z0-9.:-]+?)\.iam\.gserviceaccount\.com\Z")


@lru_cache(maxsize=4096)
def _google(email: str, realm: str) -> ActorName:
    """A person of the customer, or a service account of a Google Cloud project."""
    found = _SERVICE_ACCOUNT.match(email)
    if found is not None:
        return actor(f"gcp:{found[1]}", "service_account", email)
    return actor(realm, "user", email)


def _actor(record: Row, realm: str) -> ActorName | None:
    who = record.get("actor")
    if type(who) is not dict:
        return None
    client = inside(who, "applicationInfo", "oauthClientId")
    if _impersonated(who) and type(client) is str and client:
        return actor(realm, "app", client)
    email, key, number = who.get("email"), who.get("key"), who.get("profileId")
    if type(email) is str and email:
        return _google(email[:600], realm)
    if type(key) is str and key:
        return actor(realm, "service" if key.isupper() else "app", key)
    return actor(realm, "user", str(number)[:600]) if number else None


_SIGNED_IN = re.compile(r"log(?:in|out)|suspicious_(?:programmatic_)?login")


def _who_signs_in(record: Row, realm: str) -> ActorName | None:
    """Whose sign-in an activity without an actor tells of; what Google did to them is not theirs."""
    if inside(record, "id", "applicationName") != "login":
        return None
    name, email = _event(record).get("name"), _parameter(record, "affected_email_address")
    if email and type(name) is str and _SIGNED_IN.match(name):
        return _google(email[:600], realm)
    return None


def _impersonated(who: Row) -> bool:
    """Domain-wide delegation: an application acts as the person."""
    return inside(who, "applicationInfo", "impersonation") is True


def _person(record: Row, realm: str) -> ActorName | None:
    who = record.get("actor")
    if type(who) is not dict or not _impersonated(who):
        return None
    email = who.get("email")
    return _google(email[:600], realm) if type(email) is str and email else None


# What names a client in the parameters of an event, by the application whose event it is.
_CLIENTS = {"token": ("client_id",), "admin": ("API_CLIENT_NAME", "OAUTH2_APP_ID", "APP_ID")}


def _agent(record: Row, realm: str) -> ActorName | None:
    """The application through which a person acts, or which a person lets act."""
    who = record.get("actor")
    if type(who) is dict and _impersonated(who):
        return None
    client = inside(record, "actor", "applicationInfo", "oauthClientId")
    if not client:
        service = inside(record, "id", "applicationName")
        wanted = _CLIENTS.get(service) if type(service) is str else None
        client = _parameter(record, *wanted) if wanted else None
    return actor(realm, "app", client) if type(client) is str and client else None


def _event(record: Row) -> Row:
    """The event of an activity: the first listed, the only one, or the activity where exports
    flatten it."""
    listed = record.get("events")
    first = listed[0] if type(listed) is list and listed else listed
    return first if type(first) is dict and first else record


def _parameters(event: Row) -> dict[Any, Any]:
    """What an event says, by name; of a parameter without a plain value, the parameter itself."""
    given = event.get("parameters")
    if type(given) is list:
        return {
            name: one.get("value", one)
            for one in given[:100]
            if type(one) is dict and type(name := one.get("name")) is str
        }
    return given if type(given) is dict else {}


def _text(value: Any) -> str | None:
    """A parameter's value as text: of several values the first."""
    if type(value) is dict:
        value = value.get("multiValue")
    if type(value) is list:
        value = value[0] if value else None
    return value if type(value) is str and value else None


def _parameter(record: Row, *wanted: str) -> str | None:
    said = _parameters(_event(record))
    return next((found for name in wanted if (found := _text(said.get(name)))), None)


# What an event is about, the first of these parameters; clients before those who let them in.
_ABOUT = {
    name: rank
    for rank, name in enumerate(
        """
        API_CLIENT_NAME OAUTH2_APP_ID doc_id USER_EMAIL GROUP_EMAIL app_name SETTING_NAME
        target_user doc_title meeting_code affected_email_address group_email user_email group_id
        member_id application_name room_id message_id matter_id calendar_id event_id note_name
        ASSET_ID CAA_APPLICATION APP_ID ASP_ID URL TAB_URL RESOURCE_NAME ROLE_NAME RULE_NAME
        ALERT_ID ORG_UNIT_NAME DOMAIN_NAME rule_name
        """.split()  # noqa: SIM905  a table of names reads better than a column of strings
    )
}
_OF_A_USER = _ABOUT["USER_EMAIL"]
# What a user has: the numbers of their app passwords are anybody's.
_THEIRS = ("APP_ID", "ASP_ID")


def _about(record: Row, event: Row, said: dict[Any, Any]) -> str | None:
    rank, found = len(_ABOUT), None
    for name, value in said.items():
        here = _ABOUT.get(name, rank)
        if here < rank and (text := _text(value)):
            rank, found = here, text
    if rank == _OF_A_USER and found is not None:
        theirs = next((text for name in _THEIRS if (text := _text(said.get(name)))), None)
        return f"{found[:320]}/{theirs[:160]}" if theirs else found
    return found or _listed(record, event)


def _listed(record: Row, event: Row) -> str | None:
    """The resource that an event lists apart from what it says of itself."""
    found = _text(event.get("resourceIds"))
    if found is None:
        details = event.get("resourceDetails") or record.get("resourceDetails")
        first = details[0] if type(details) is list and details else None
        if type(first) is dict:
            return _text(first.get("id"))
    return found


_ACCESS_DENIED = "ACCESS_DENY_"


def _by_name(action: str) -> int:
    """How an event ended, by its name: administrators and moderators reject and block, which is no
    refusal of theirs."""
    service, _, name = action.rpartition(":")
    if name.startswith(_ACCESS_DENIED):
        return OUTCOME_REFUSED
    found = ended(name)
    decided = service == "admin" or name[:7].lower() == "reject_"
    return OUTCOME_OK if decided and found == OUTCOME_REFUSED else found


_ENDINGS: Remembered[int] = Remembered(_by_name)


def _failed(said: dict[Any, Any]) -> bool:
    """Whether what an event says of itself is a failure which its name does not tell of."""
    if "login_challenge_status" in said:
        # "Challenge Failed."
        return "fail" in (_text(said["login_challenge_status"]) or "").lower()[:200]
    # One half of what is told of a mail on its way.
    told = said.get("event_info")
    if type(told) is not dict:
        return False
    inner = told.get("messageValue")
    listed = inner.get("parameter") if type(inner) is dict else None
    if type(listed) is not list:
        return told.get("success") is False
    return any(
        type(one) is dict and one.get("name") == "success" and one.get("boolValue") is False
        for one in listed[:100]
    )


type _Told = tuple[str | None, int, str | None, str | None, str | None]


def _told(record: Row) -> _Told:
    """(action, outcome, resource, address, user agent): what the event itself says."""
    event = _event(record)
    name, service = event.get("name"), inside(record, "id", "applicationName")
    said = _parameters(event)
    action, outcome = None, OUTCOME_UNKNOWN
    if type(name) is str and name:
        action = f"{service}:{name}" if type(service) is str and service else name
        outcome = _ENDINGS[action]
        if outcome == OUTCOME_OK and _failed(said):
            outcome = OUTCOME_FAILED
    elif record.get("kind") == "admin#reports#activities":
        raise Unreadable("is a page without activities")
    # Meet says the address of each participant among what it says of the call; Chrome writes such
    # names in capitals.
    address = said.get("ip_address") or said.get("REMOTE_IP")
    agent = said.get("user_agent") or said.get("USER_AGENT")
    return action, outcome, _about(record, event, said), _text(address), _text(agent)


def _of_rights(record: Row, _action: str) -> int | None:
    """Who may see a document or an asset is changed by events of a type of their own."""
    kind = _event(record).get("type")
    return CHANGE if kind == "acl_change" or kind == "ACL_CHANGE" else None


# What people wrote: what they searched for, subjects, and addresses that open an attachment.
_WRITTEN = (
    "parsed_query",
    "query",
    "additional_details",
    "INVESTIGATION_QUERY",
    "subject",
    "attachment_url",
)
# An activity's events, the only one, or the activity itself.
_EVENTS = ("events[*].", "events.", "")
_CONTENT = (
    *(f"{of}parameters{{name={name}}}.value" for of in _EVENTS for name in _WRITTEN),
    *(f"{of}parameters.{name}" for of in _EVENTS for name in _WRITTEN),
    *(
        f"{of}parameters{{name=message_info}}.messageValue.parameter{{name=subject}}.value"
        for of in _EVENTS
    ),
    *(f"{of}parameters.message_info.subject" for of in _EVENTS),
    # Subjects of mail; the titles of documents stand among the parameters as well.
    *(f"{of}resourceDetails[*].title" for of in _EVENTS),
)

TABLE = Table(
    name="google_workspace",
    title="Google Workspace activities",
    signs=(
        ("kind=admin#reports#activity",),
        ("id.applicationName", "actor"),
        ("id.applicationName", "events"),
        ("id.applicationName", "name"),
        ("p_log_type=GSuite.ActivityEvent|GSuite.Reports",),
    ),
    several="events",
    mark=b'"applicationName"',
    realm="workspace:{id.customerId}",
    at="id.time",
    vendor_id="id.uniqueQualifier",
    action=Of(_told, 0),
    principal=(_actor, _who_signs_in),
    agent=(_agent,),
    on_behalf=(_person,),
    resource=Of(_told, 2),
    outcome=Of(_told, 1),
    activity=_of_rights,
    activities={
        "token:authorize": ISSUANCE,
        "token:revoke": REVOCATION,
        "token:activity": USE,
        # Domain-wide delegation.
        "admin:AUTHORIZE_API_CLIENT_ACCESS": ISSUANCE,
        "admin:REMOVE_API_CLIENT_ACCESS": REVOCATION,
        "keep:modified_acl": CHANGE,
    },
    patterns=(
        (r"login:account_disabled", REVOCATION),
        (r"(login|user_accounts):.*(edit|enroll|change|2sv_|forwarding)", CHANGE),
        (r"login:", AUTHENTICATION),
        (r"drive:", USE),
        (r"\w+:IMPORT_SSH_PUBLIC_KEY", ISSUANCE),
        (r"\w+:DELETE_SSH_PUBLIC_KEY|admin:(DELETE|REMOVE)_\w*TOKEN", REVOCATION),
        *TOKENS,
        # Administrators sign in nowhere here: they look, or they change something.
        (r"admin:(VIEW|DOWNLOAD|EXPORT|REQUEST)_|admin:\w+_(VIEW|SEARCH|QUERY|DOWNLOAD)\b", USE),
        (r"admin:ALERT_CENTER_(GET|LIST)_(?!CHANGE)", USE),
        (r"admin:SECURITY_INVESTIGATION_(ACTION|CONTENT|DOWNLOAD|EXPORT)", USE),
        (r"admin:", CHANGE),
        *WORDS,
    ),
    address=("ipAddress", "networkInfo.ipAddress", Of(_told, 3)),
    user_agent=Of(_told, 4),
    content=_CONTENT,
    lacks={
        "credential": "activities name the OAuth client, not its token",
        "session": "activities name no session",
        "request_id": "activities carry none",
    },
    # 2: addresses and meetings of Meet's calls. 3: who signs in where no actor is named.
    # 4: events that are no list, clients that administrators let in, what more events are about,
    # how they ended, and content.
    version=4,
)
