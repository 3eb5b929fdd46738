"""Google Workspace: activities of the Reports API, of people, applications and administrators.

Owns the meaning of Google's fields. Source: the Reports API's reference and its lists of events. An
activity may tell of several events: each becomes a record. With domain-wide delegation the
application acts and the person is on whose behalf. Pure.
"""

import re
from functools import lru_cache

from evidence.formats.record import ActorName
from evidence.formats.saas import WORDS, ended, inside
from evidence.formats.tables import Row, Table, actor
from evidence.vocabulary import AUTHENTICATION, ISSUANCE, REVOCATION, USE

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
        return _google(email[:600].replace("\0", ""), realm)
    if type(key) is str and key:
        return actor(realm, "service" if key.isupper() else "app", key.replace("\0", ""))
    return actor(realm, "user", str(number)[:600]) if number else None


_SIGNED_IN = re.compile(r"log(?:in|out)|suspicious_(?:programmatic_)?login")


def _who_signs_in(record: Row, realm: str) -> ActorName | None:
    """Whose sign-in an activity without an actor tells of; what Google did to them is not theirs."""
    if inside(record, "id", "applicationName") != "login":
        return None
    name, email = _event(record).get("name"), _parameter(record, "affected_email_address")
    if email and type(name) is str and _SIGNED_IN.match(name):
        return _google(email[:600].replace("\0", ""), realm)
    return None


def _impersonated(who: Row) -> bool:
    """Domain-wide delegation: an application acts as the person."""
    return inside(who, "applicationInfo", "impersonation") is True


def _person(record: Row, realm: str) -> ActorName | None:
    who = record.get("actor")
    if type(who) is not dict or not _impersonated(who):
        return None
    email = who.get("email")
    return _google(email[:600].replace("\0", ""), realm) if type(email) is str and email else None


def _agent(record: Row, realm: str) -> ActorName | None:
    """The application through which a person acts, or which a person lets act."""
    who = record.get("actor")
    if type(who) is dict and _impersonated(who):
        return None
    client = inside(record, "actor", "applicationInfo", "oauthClientId")
    if inside(record, "id", "applicationName") == "token":
        client = client or _parameter(record, "client_id")
    return actor(realm, "app", client) if type(client) is str and client else None


def _event(record: Row) -> Row:
    """The event of an activity: the first listed, or the activity where exports flatten it."""
    listed = record.get("events")
    first = listed[0] if type(listed) is list and listed else None
    return first if type(first) is dict else record


def _action(record: Row) -> str | None:
    name, service = _event(record).get("name"), inside(record, "id", "applicationName")
    if type(name) is not str or not name:
        return None
    return f"{service}:{name}" if type(service) is str and service else name


_ABOUT = (
    "doc_id",
    "USER_EMAIL",
    "GROUP_EMAIL",
    "app_name",
    "SETTING_NAME",
    "target_user",
    "doc_title",
    "meeting_code",
    "affected_email_address",
)


def _parameter(record: Row, *wanted: str) -> str | None:
    given = _event(record).get("parameters")
    if type(given) is list:
        given = {
            one.get("name"): one.get("value")
            for one in given[:100]
            if type(one) is dict and type(one.get("name")) is str
        }
    if type(given) is not dict:
        return None
    return next((v for name in wanted if type(v := given.get(name)) is str and v), None)


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
    action=_action,
    principal=(_actor, _who_signs_in),
    agent=(_agent,),
    on_behalf=(_person,),
    resource=lambda record: _parameter(record, *_ABOUT),
    outcome=lambda record: ended(_event(record).get("name")),
    activities={"token:authorize": ISSUANCE, "token:revoke": REVOCATION, "token:activity": USE},
    patterns=(
        (r"login:account_disabled", REVOCATION),
        (r"login:(?!.*(edit|enroll|change))", AUTHENTICATION),
        (r"drive:", USE),
        *WORDS,
    ),
    # Meet says the address of each participant among what it says of the call.
    address=(
        "ipAddress",
        "networkInfo.ipAddress",
        lambda record: _parameter(record, "ip_address"),
    ),
    user_agent=lambda record: _parameter(record, "user_agent"),
    lacks={
        "credential": "activities name the OAuth client, not its token",
        "session": "activities name no session",
        "request_id": "activities carry none",
    },
    # 2: addresses and meetings of Meet's calls. 3: who signs in where no actor is named.
    version=3,
)
