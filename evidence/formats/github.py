"""GitHub: the audit log of organisations and enterprises.

Owns the meaning of the audit log's fields; webhooks are github_webhook.py's. Source: GitHub's
documentation of audit log events and of events performed by an access token. Pure.

A token is its hash (base64 of SHA-256), which whoever holds the token can compute; the long-lived
name above it is its id. The audit log tells what was done: an entry without a status code that
names no refusal is taken as done, and a run of a workflow as it concluded. Who grants a fine-grained
token access names it as `user_programmatic_access_id`; its uses name that as `token_id`. GitHub
Enterprise Server forwards entries as syslog, as `github_audit` ("Log forwarding").
"""

from functools import lru_cache
from typing import Any

from evidence.formats import exports, prefixed
from evidence.formats.exports import Export
from evidence.formats.record import ActorName
from evidence.formats.tables import Issues, Name, Row, Table, Text, actor
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    MODEL_CALL,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
    USE,
)


@lru_cache(maxsize=4096)
def named(owner: str) -> str:
    return f"github:{owner[:150].lower()}"


def first(*values: Any) -> str:
    return next((value for value in values if type(value) is str and value), "")


def within(record: Row, member: str, name: str) -> Any:
    inside = record.get(member)
    return inside.get(name) if type(inside) is dict else None


def _realm(record: Row) -> str:
    """The enterprise where there is one, else the organisation, else the repository's owner."""
    repo = record.get("repo") or record.get("repository")
    owner = first(record.get("business"), record.get("org"))
    if not owner and type(repo) is str:
        owner = repo.split("/", 1)[0]
    return named(owner) if owner else "github"


def _actor(record: Row, realm: str) -> ActorName | None:
    name = record.get("actor")
    if type(name) is not str or not name:
        return None
    kind = "user"
    if record.get("actor_is_agent") is True:
        kind = "agent"
    elif (
        record.get("actor_is_bot") is True
        or name.endswith("[bot]")
        or record.get("programmatic_access_type") == "GitHub App server-to-server token"
    ):
        kind = "app"
    return actor(realm, kind, name)


def _of_stream(record: Row, realm: str) -> ActorName | None:
    """Who asked Copilot: its usage is streamed beside the log, with numbers for names."""
    number = record.get("user_id")
    return actor(realm, "user", str(number)) if type(number) is int and _asks(record) else None


def _asks(record: Row) -> str | None:
    """``copilot request``: one half of a call of a model, as the stream of Copilot's usage has it."""
    kind = record.get("type")
    return f"copilot {kind}" if type(kind) is str and "github_request_id" in record else None


def _status(record: Row) -> int:
    code = record.get("status_code")
    if type(code) is str and code.isdecimal() and len(code) == 3:
        code = int(code)
    if type(code) is int:
        if code in (401, 403):
            return OUTCOME_REFUSED
        return OUTCOME_OK if code < 400 else OUTCOME_FAILED
    action = record.get("action")
    if type(action) is not str:
        return OUTCOME_UNKNOWN
    concluded = record.get("conclusion")
    if type(concluded) is str and concluded:
        return _CONCLUDED.get(concluded, OUTCOME_UNKNOWN)
    if "reject" in action or "denied" in action:
        return OUTCOME_REFUSED
    return OUTCOME_FAILED if "fail" in action else OUTCOME_OK


def _route(record: Row) -> str | None:
    route = record.get("route") or record.get("url_path")
    if type(route) is not str or not route:
        return None
    method = record.get("request_method")
    return f"{method} {route}" if type(method) is str and method else route


# How runs of workflows end; the rest is skipped, neutral, stale, or waits for somebody.
_CONCLUDED = {
    "success": OUTCOME_OK,
    "failure": OUTCOME_FAILED,
    "cancelled": OUTCOME_FAILED,
    "timed_out": OUTCOME_FAILED,
    "startup_failure": OUTCOME_FAILED,
}
_CREDENTIALS = (
    r"(personal_access_token|oauth_access|oauth_authorization|public_key|deploy_key|gpg_key"
    r"|ssh_key|org_credential_authorization|integration_installation|integration_secret"
    r"|oauth_application_secret|user_session|ssh_certificate_authority)"
)
_TOKEN = Name("token", "hashed_token", parent=Name("api_token", "token_id"))
_TOKEN_ID = Name("api_token", "token_id")
_ON_GRANT = frozenset(
    {
        "personal_access_token.access_granted",
        "personal_access_token.create",
        "oauth_access.create",
        "oauth_access.regenerate",
        "oauth_authorization.create",
        "org_credential_authorization.grant",
    }
)


# Anybody may have an actor, an action and a time in a table; where the actor was, GitHub writes so.
_EXPORTS = tuple(
    Export(frozenset({"action", "actor", time, place}))
    for time in ("created_at", "@timestamp")
    for place in ("actor_location.country_code", "_document_id", "actor_ip")
)

_FORWARDED = prefixed.text(
    rb"github_audit(?:\[\d{1,10}\])?:\s?", "audit entry behind a syslog header"
)

TABLE = Table(
    name="github",
    title="GitHub audit log",
    signs=(
        ("action", "actor", "created_at"),
        ("action", "actor", "@timestamp"),
        ("action", "actor", "at_sign_timestamp"),
        ("action", "actor", "org"),
        ("action", "actor", "repo"),
        ("action", "actor", "business"),
        ("action", "actor", "actor_location"),
        ("action", "actor", "programmatic_access_type"),
        ("action", "_document_id"),
        ("action", "hashed_token"),
        ("github_request_id", "enterprise_id", "endpoint"),
        ("p_log_type=GitHub.Audit",),
    ),
    mark=b'"action"',
    text=prefixed.beside(Text(*exports.text(*_EXPORTS), exports.seams), _FORWARDED),
    realm=_realm,
    at=("@timestamp", "at_sign_timestamp", "created_at"),
    vendor_id=("_document_id", "event_id"),
    action=("action", _asks),
    principal=(_actor, _of_stream),
    credential=(
        _TOKEN,
        _TOKEN_ID,
        Name("key", ("public_key_fingerprint", "deploy_key_fingerprint", "key_fingerprint")),
    ),
    agent=(
        Name(
            "app",
            ("application_client_id", "oauth_application_name", "application_name", "integration"),
            when="programmatic_access_type",
        ),
    ),
    on_behalf=(
        Name("user", "on_behalf_of"),
        # Who began what an agent does ("Audit log events for agents").
        Name("user", "user", when="agent_session_id"),
    ),
    session=("agent_session_id", "workflow_run_id", "data.workflow_run_id"),
    resource=(
        _route,
        "endpoint",
        "repo",
        "repository",
        "data.team",
        "team",
        "integration",
        "name",
        "user",
        "org",
        "business",
    ),
    outcome=_status,
    activities={
        "api.request": USE,
        "copilot request": MODEL_CALL,
        "copilot response": MODEL_CALL,
    },
    patterns=(
        (
            rf"{_CREDENTIALS}\.(create|access_granted|grant|regenerate|generate|add|import)",
            ISSUANCE,
        ),
        (
            rf"{_CREDENTIALS}\.(destroy|delete|remove|\w*revoke|deauthorize|suspend|expire|disable)",
            REVOCATION,
        ),
        (r"org\.(remove_member|remove_outside_collaborator|oauth_app_access_denied)", REVOCATION),
        (r"workflows\.(delete|disable|enable|pin|unpin)_", CHANGE),
        (r"git\.|api\.|workflows\.|repo\.download_zip|packages?\.", USE),
        (
            r"(user|org|business)\.(login|logout|failed_login|sso_|two_factor_authent)",
            AUTHENTICATION,
        ),
        (r"(external_identity|two_factor)", AUTHENTICATION),
        (r"[a-z0-9_]+\.|invite_|add_|remove_|update_|change_", CHANGE),
    ),
    issues=(
        Issues(
            _ON_GRANT,
            (Name("api_token", "user_programmatic_access_id"), _TOKEN, _TOKEN_ID),
            to=(Name("user", "user"),),
            expires="token_expires_at",
        ),
        Issues(
            frozenset({"public_key.create", "deploy_key.create", "repo.add_key"}),
            Name("key", ("fingerprint", "public_key_fingerprint", "key_fingerprint")),
        ),
    ),
    address=("actor_ip", "actor_location.ip"),
    user_agent="user_agent",
    request_id=("request_id", "github_request_id"),
    error="failure_reason",
    content=("request_body", "graphql_query", "query_string", "body"),
    lacks={
        "session": "only acts of agents and runs of workflows name one",
        "request_id": "only newer entries have one; api.request has none",
    },
    # 4: the token of a grant, how a run of a workflow ended. 5: sessions of agents and runs.
    # 6: who may see a repository and what is done to workflows are changes; runs and addresses that
    # stand deeper.
    version=6,
)
