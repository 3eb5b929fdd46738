"""GitHub: the audit log of organisations and enterprises, and webhook deliveries.

Owns the meaning of GitHub's fields. Source: GitHub's documentation of audit log events, of events
performed by an access token, and of webhook payloads. Two tables. Pure.

A token is its hash (base64 of SHA-256), which whoever holds the token can compute; the long-lived
name above it is its id. The audit log tells what was done: an entry without a status code that
names no refusal is taken as done, and a run of a workflow as it concluded. Who grants a fine-grained
token access names it as `user_programmatic_access_id`; its uses name that as `token_id`. GitHub
Enterprise Server forwards entries as syslog, as `github_audit` ("Log forwarding"). A webhook's event
name travels in a header; here it is told from the objects in the payload.
"""

import re
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
def _named(owner: str) -> str:
    return f"github:{owner[:150].lower()}"


def _first(*values: Any) -> str:
    return next((value for value in values if type(value) is str and value), "")


def _within(record: Row, member: str, name: str) -> Any:
    inside = record.get(member)
    return inside.get(name) if type(inside) is dict else None


def _realm(record: Row) -> str:
    """The enterprise where there is one, else the organisation, else the repository's owner."""
    repo = record.get("repo") or record.get("repository")
    owner = _first(record.get("business"), record.get("org"))
    if not owner and type(repo) is str:
        owner = repo.split("/", 1)[0]
    return _named(owner) if owner else "github"


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
    return actor(realm, kind, name.replace("\0", ""))


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

AUDIT = Table(
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
    session=("agent_session_id", "workflow_run_id"),
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
        (r"git\.|api\.|workflows\.|repo\.(access|download_zip)|packages?\.", USE),
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
    address="actor_ip",
    user_agent="user_agent",
    request_id=("request_id", "github_request_id"),
    error="failure_reason",
    content=("request_body", "graphql_query", "query_string", "body"),
    lacks={
        "session": "only acts of agents and runs of workflows name one",
        "request_id": "only newer entries have one; api.request has none",
    },
    # 4: the token of a grant, how a run of a workflow ended. 5: sessions of agents and runs.
    version=5,
)

# Which member of a payload tells its event; the first that is there.
_EVENTS = tuple(
    """
    personal_access_token_request workflow_job workflow_run check_run check_suite
    pull_request_review_comment review comment discussion pull_request issue deployment_status
    deployment release secret_scanning_alert code_scanning_alert dependabot_alert alert
    branch_protection_rule repository_ruleset deploy_key key membership member team hook package
    registry_package installation_repositories installation invitation blocked_user project
    milestone label forkee
    """.split()  # noqa: SIM905  a table of names reads better than a column of strings
)
_SAYS = {"review": "pull_request_review", "key": "deploy_key", "forkee": "fork"}


def _event(record: Row) -> str | None:
    """``event.action`` of a payload."""
    action = record.get("action")
    told = action if type(action) is str else ""
    for name in _EVENTS:
        if type(record.get(name)) is dict:
            event = _SAYS.get(name, name)
            if name == "comment":
                event = "issue_comment" if "issue" in record else "commit_comment"
                if "pull_request" in record:
                    event = "pull_request_review_comment"
            return f"{event}.{told}" if told else event
    if "commits" in record or "pusher" in record or (told == "push" and "ref" in record):
        return "push"
    if "pages" in record:
        return "gollum"
    if "ref_type" in record:
        return "create" if "master_branch" in record else "delete"
    if not told:
        return None
    return f"{'repository' if 'repository' in record else 'organization'}.{told}"


def _webhook_realm(record: Row) -> str:
    repository = record.get("repository")
    full = repository.get("full_name") if type(repository) is dict else None
    owner = _first(
        _within(record, "enterprise", "slug"),
        _within(record, "organization", "login"),
        full.split("/", 1)[0] if type(full) is str else None,
    )
    return _named(owner) if owner else "github"


_AUTHORS = ("comment.user", "review.user", "issue.user", "pull_request.user", "workflow_run.actor")
_BOT = re.compile(r".*\[bot\]\Z", re.DOTALL)


def _sender(record: Row, realm: str) -> ActorName | None:
    """Who sent it, else who wrote what it tells of."""
    for path in ("sender", *_AUTHORS):
        here: Any = record
        for name in path.split("."):
            here = here.get(name) if type(here) is dict else None
        login = here.get("login") if type(here) is dict else None
        if type(login) is str and login:
            bot = here.get("type") == "Bot" or _BOT.match(login) is not None
            return actor(realm, "app" if bot else "user", login.replace("\0", ""))
    return None


WEBHOOK = Table(
    name="github_webhook",
    title="GitHub webhooks",
    signs=(
        ("repository.full_name", "action"),
        ("repository.full_name", "pusher"),
        ("repository.full_name", "sender"),
        ("repository.full_name", "commits"),
        ("organization.login", "sender.login"),
        ("installation.id", "sender.login"),
        ("p_log_type=GitHub.Webhook",),
    ),
    mark=b'"full_name"',
    realm=_webhook_realm,
    at=(
        "comment.updated_at",
        "comment.created_at",
        "review.submitted_at",
        "workflow_job.completed_at",
        "workflow_job.started_at",
        "workflow_run.updated_at",
        "check_run.completed_at",
        "pull_request.updated_at",
        "issue.updated_at",
        "head_commit.timestamp",
        "release.published_at",
        "installation.updated_at",
        "repository.pushed_at",
    ),
    vendor_id="delivery",
    action=_event,
    principal=(
        _sender,
        Name("user", ("pusher.name", "head_commit.author.name", "commits[0].author.name")),
    ),
    agent=(Name("app", ("installation.app_slug", "comment.performed_via_github_app.slug")),),
    resource=("repository.full_name", "organization.login", "enterprise.slug"),
    outcome=lambda record: (
        OUTCOME_UNKNOWN if record.get("action") in ("requested", "in_progress") else OUTCOME_OK
    ),
    patterns=(
        (r"personal_access_token_request\.approved|deploy_key\.created", ISSUANCE),
        (r"installation\.created", ISSUANCE),
        (r"installation\.(deleted|suspend)|deploy_key\.deleted", REVOCATION),
        (r"personal_access_token_request\.(denied|cancelled)", REVOCATION),
        (
            r"(branch_protection|repository_ruleset|member|team|organization|hook|repository)",
            CHANGE,
        ),
    ),
    issues=(
        Issues(
            frozenset({"personal_access_token_request.approved"}),
            Name("api_token", "personal_access_token_request.token_id"),
            to=(Name("user", "personal_access_token_request.owner.login"),),
            expires="personal_access_token_request.token_expires_at",
        ),
        Issues(frozenset({"deploy_key.created"}), Name("key", "key.id")),
    ),
    content=(
        "comment.body",
        "review.body",
        "issue.body",
        "pull_request.body",
        "discussion.body",
        "release.body",
        "head_commit.message",
        "workflow_run.head_commit.message",
        "commits[*].message",
        "changes.body.from",
    ),
    lacks={
        "credential": "a webhook does not say with which token",
        "at": "only the objects in the payload carry times",
        "address": "a webhook does not say from where",
        "request_id": "the delivery's id travels in a header",
    },
)
TABLES = (AUDIT, WEBHOOK)
