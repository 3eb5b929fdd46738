"""Audit logs of SaaS products that an organisation signs in to: one small table each.

Owns the meaning of the fields of OneLogin, Asana, Atlassian, Zendesk, Box and Notion. Sources: the
vendors' documentation of OneLogin's Events API, Asana's audit log API, Atlassian's organisation
events and Jira's audit records, Zendesk's audit logs, Box's enterprise events, Notion's audit log.
Pure.

Not verified: the numbers of OneLogin's event types beyond sign-ins, OneLogin's privileges (72)
and the assuming of users (3); the actions by which Asana and Atlassian issue tokens.
"""

import re
from typing import Any

from evidence.formats.tables import Issues, Name, Row, Table, actor
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

_FAILED = re.compile(r"(?i)fail|invalid|bad_|incorrect|lockout")
_DENIED = re.compile(r"(?i)denied|(?<!un)blocked|reject|forbidden")


def ended(action: Any) -> int:
    """How something ended that is written down under a name of its own for each ending."""
    if type(action) is not str or not action:
        return OUTCOME_UNKNOWN
    if _DENIED.search(action[:200]):
        return OUTCOME_REFUSED
    return OUTCOME_FAILED if _FAILED.search(action[:200]) else OUTCOME_OK


def inside(record: Row, *members: str) -> Any:
    here: Any = record
    for member in members:
        here = here.get(member) if type(here) is dict else None
    return here


# What the names of actions say they do, in the words that these vendors share: of credentials, and
# of the rest.
TOKENS: tuple[tuple[str, int], ...] = (
    (r"(?i).*(revoke|deauthori[sz]e).*|.*(token|key|credential|secret).*(delet|remov)", REVOCATION),
    (
        r"(?i).*(token|api_?key|credential|secret|service_account).*(creat|add|generat|issu)",
        ISSUANCE,
    ),
    (r"(?i).*(creat|generat|issu)\w*_?(api_?)?(token|key|credential|secret)", ISSUANCE),
)
WORDS: tuple[tuple[str, int], ...] = (
    *TOKENS,
    (
        r"(?i).*(log_?in|log_?out|sign_?in|sign_?out|2sv|two_factor_ch|authenticat|sso)",
        AUTHENTICATION,
    ),
    (
        (
            r"(?i).*(creat|updat|delet|add|remov|chang|edit|invit|assign|grant|enabl|disabl|install"
            r"|set|promot|demot|suspend|activat|share|transfer)"
        ),
        CHANGE,
    ),
)

ONELOGIN = Table(
    name="onelogin",
    title="OneLogin events",
    signs=(
        ("event_type_id", "account_id"),
        ("event_type_id", "actor_user_name"),
        ("event_type_id", "actor_user_id"),
        ("event_type_id", "user_id"),
        ("event_type_id", "ipaddr"),
        ("p_log_type=OneLogin.Events",),
    ),
    mark=b'"event_type_id"',
    realm="onelogin:{account_id}",
    at=("created_at", "event_timestamp"),
    vendor_id=("id", "uuid"),
    # A number is all that OneLogin's API gives; the list of names is an API of its own.
    action=(lambda record: _numbered(record.get("event_type_id")),),
    principal=(
        Name("user", ("actor_user_id", "actor_user_name")),
        Name("app", ("client_id", "api_credential_name")),
        Name("service", "actor_system"),
        Name("user", ("user_id", "user_name")),
    ),
    on_behalf=(Name("user", "assuming_acting_user_id"),),
    resource=("app_name", "role_name", "privilege_name", "user_name", "policy_name", "group_name"),
    outcome=lambda record: (
        OUTCOME_FAILED
        if str(record.get("event_type_id")) in ("6", "9", "77", "154")
        else OUTCOME_OK
        if record.get("event_type_id") is not None
        else OUTCOME_UNKNOWN
    ),
    activities={
        **dict.fromkeys(("event_type_id 3", "event_type_id 5"), AUTHENTICATION),
        **dict.fromkeys(("event_type_id 6", "event_type_id 7"), AUTHENTICATION),
        **dict.fromkeys(("event_type_id 8", "event_type_id 9"), AUTHENTICATION),
        **dict.fromkeys(("event_type_id 13", "event_type_id 14"), CHANGE),
        **dict.fromkeys(("event_type_id 17", "event_type_id 72"), CHANGE),
    },
    address="ipaddr",
    user_agent="user_agent",
    error=("error_description", "notes"),
    lacks={
        "credential": "events name no token",
        "session": "events name no session",
        "request_id": "events carry none",
    },
)


def _numbered(number: Any) -> str | None:
    return f"event_type_id {number}"[:40] if type(number) in (int, str) and number != "" else None


ASANA = Table(
    name="asana",
    title="Asana audit log",
    # Others too have a category, a type and an actor: of these only Asana's says what it is.
    signs=(
        ("event_category", "event_type", "actor.actor_type", "!actor.user"),
        ("event_category", "event_type", "actor.gid"),
        ("p_log_type=Asana.Audit",),
    ),
    mark=b'"event_type"',
    realm="asana",
    at="created_at",
    vendor_id="gid",
    action="event_type",
    principal=(
        Name(
            "service_account", ("actor.email", "actor.gid"), when="actor.actor_type=service_account"
        ),
        Name(
            "service",
            ("actor.name", "actor.actor_type"),
            when="actor.actor_type=asana|asana_support",
        ),
        Name("user", ("actor.email", "actor.gid")),
    ),
    agent=(Name("app", ("context.oauth_app_name", "context.oauth_app_gid")),),
    resource=(lambda record: _typed(record.get("resource")),),
    outcome=lambda record: ended(record.get("event_type")),
    patterns=WORDS,
    address="context.client_ip_address",
    user_agent="context.user_agent",
    lacks={
        "realm": "events do not name their workspace",
        "credential": "events name the app, not its token",
        "session": "events name no session",
        "request_id": "events carry none",
    },
    # 4: what is unblocked was not refused.
    version=4,
)


def _typed(resource: Any) -> str | None:
    """``user/rosa@example.com`` of an object with a type and names."""
    if type(resource) is not dict:
        return None
    kind = resource.get("resource_type") or resource.get("type")
    name = next(
        (
            v
            for k in ("email", "login", "name", "gid", "id")
            if type(v := resource.get(k)) is str and v
        ),
        None,
    )
    return f"{kind}/{name}" if type(kind) is str and kind and name else name


_ATLASSIAN_TOKEN = Name("api_token", "attributes.actor.auth.tokenId")
ATLASSIAN = Table(
    name="atlassian",
    title="Atlassian audit logs",
    signs=(
        ("attributes.action", "attributes.actor"),
        ("authorAccountId", "category"),
        ("authorKey", "category", "summary"),
        ("p_log_type=Atlassian.Audit",),
    ),
    realm="atlassian:{attributes.container[type=organizations].id|attributes.container[0].id}",
    at=("attributes.time", "created"),
    vendor_id="id",
    action=("attributes.action", "summary"),
    principal=(
        Name("app", "attributes.actor.id", when="attributes.actor.type=app|apps"),
        Name("user", ("attributes.actor.email", "attributes.actor.id", "attributes.actor.name")),
        Name("user", ("authorAccountId", "authorKey")),
    ),
    credential=(_ATLASSIAN_TOKEN,),
    resource=(
        "attributes.context[0].attributes.name",
        "attributes.context[0].id",
        "objectItem.name",
        "attributes.container[0].id",
    ),
    outcome=lambda record: ended(inside(record, "attributes", "action") or record.get("summary")),
    patterns=WORDS,
    issues=(
        Issues(
            frozenset({"api_token_created", "user_api_token_created", "created_api_token"}),
            Name("api_token", "attributes.context[type=apiTokens].id"),
        ),
    ),
    address=("attributes.location.ip", "remoteAddress"),
    user_agent="attributes.actor.userAgent",
    content=("message.content", "attributes.comment"),
    lacks={"session": "events name no session", "request_id": "events carry none"},
    # 4: what is unblocked was not refused.
    version=4,
)
_SUBDOMAIN = re.compile(r"https?://([\w-]{1,80})\.zendesk\.com/")


def _zendesk(record: Row) -> str:
    url = record.get("url")
    found = _SUBDOMAIN.match(url) if type(url) is str else None
    return f"zendesk:{found[1].lower()}" if found else "zendesk"


def _zendesk_action(record: Row) -> str | None:
    """``user.update``: what is done, and to what kind of thing."""
    action, kind = record.get("action"), record.get("source_type")
    if type(action) is not str or not action:
        return None
    return f"{kind}.{action}" if type(kind) is str and kind else action


ZENDESK = Table(
    name="zendesk",
    title="Zendesk audit logs",
    signs=(("source_type", "actor_id", "action"), ("p_log_type=Zendesk.Audit",)),
    lists=("audit_logs",),
    mark=b'"source_type"',
    realm=_zendesk,
    at="created_at",
    vendor_id="id",
    action=_zendesk_action,
    principal=(
        Name("service", "actor_id", when="actor_id=-1"),
        Name("user", ("actor_id", "actor_name")),
    ),
    resource=("source_label", "source_id"),
    outcome=lambda record: OUTCOME_OK if record.get("action") else OUTCOME_UNKNOWN,
    activities={
        **dict.fromkeys(("api_token.create", "oauth_token.create", "oauth/token.create"), ISSUANCE),
        **dict.fromkeys(("api_token.destroy", "oauth_token.destroy"), REVOCATION),
        **dict.fromkeys(("oauth/token.destroy", "api_token.delete"), REVOCATION),
        "user.login": AUTHENTICATION,
    },
    patterns=((r".*\.(create|update|destroy|delete|exported|login)", CHANGE),),
    issues=(
        Issues(frozenset({"api_token.create"}), Name("api_token", "source_id")),
        Issues(frozenset({"oauth_token.create", "oauth/token.create"}), Name("token", "source_id")),
    ),
    address="ip_address",
    lacks={
        "credential": "entries name no token",
        "session": "entries name no session",
        "user_agent": "entries carry none",
        "request_id": "entries carry none",
    },
)

BOX = Table(
    name="box",
    title="Box events",
    signs=(
        ("event_type", "created_by.login"),
        ("event_type", "created_by.type", "source"),
        ("p_log_type=Box.Event",),
    ),
    mark=b'"event_type"',
    realm="box:{created_by.enterprise.id|source.enterprise.id}",
    at=("created_at", "recorded_at"),
    vendor_id="event_id",
    action="event_type",
    principal=(
        lambda record, realm: (
            actor(realm, "service_account" if "@boxdevedition.com" in name else "user", name)
            if type(name := inside(record, "created_by", "login")) is str and name
            else None
        ),
        Name("user", "created_by.id"),
    ),
    credential=(Name("session", "session_id"),),
    agent=(Name("app", ("additional_details.service_name", "additional_details.service_id")),),
    on_behalf=(Name("user", "action_by.login"),),
    session="session_id",
    resource=lambda record: _typed(record.get("source")),
    outcome=lambda record: ended(record.get("event_type")),
    patterns=WORDS,
    address="ip_address",
    lacks={"user_agent": "events carry none", "request_id": "events carry none"},
    # 4: what is unblocked was not refused.
    version=4,
)

NOTION = Table(
    name="notion",
    title="Notion audit log",
    signs=(
        ("workspace_id", "type", "actor.object"),
        ("workspace_id", "type", "actor.person"),
        ("p_log_type=Notion.AuditLogs", "type"),
    ),
    mark=b'"workspace_id"',
    realm="notion:{workspace_id}",
    at="timestamp",
    vendor_id="id",
    action="type",
    principal=(
        Name("app", "actor.id", when="actor.type=bot|integration"),
        Name("user", ("actor.person.email", "actor.id")),
    ),
    resource=("target.id", "details.target.id", "details.page_id", "workspace_id"),
    outcome=lambda record: ended(record.get("type")),
    patterns=WORDS,
    address="ip_address",
    user_agent="platform",
    lacks={
        "credential": "events name no token",
        "session": "events name no session",
        "request_id": "events carry none",
    },
    # 4: what is unblocked was not refused.
    version=4,
)
TABLES = (ONELOGIN, ASANA, ATLASSIAN, ZENDESK, BOX, NOTION)
