"""GitHub: webhook deliveries.

Owns the meaning of a payload's objects. Source: GitHub's documentation of webhook payloads. The
event's name travels in a header; here it is told from the objects in the payload. When it was is
what the object says that was made or changed; of a push, when the server had it, because whoever
commits writes the time of the commit. Who did it is the account that GitHub names; whoever commits
writes the names of a commit, and of its pusher, so a push without a sender names nobody. Pure.
"""

import re
from typing import Any

from evidence.formats.github import first, named, within
from evidence.formats.record import ActorName
from evidence.formats.tables import Issues, Name, Row, Table, actor
from evidence.vocabulary import CHANGE, ISSUANCE, OUTCOME_OK, OUTCOME_UNKNOWN, REVOCATION

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
    owner = first(
        within(record, "enterprise", "slug"),
        within(record, "organization", "login"),
        full.split("/", 1)[0] if type(full) is str else None,
    )
    return named(owner) if owner else "github"


_AUTHORS = ("comment.user", "review.user", "issue.user", "pull_request.user", "workflow_run.actor")
_BOT = re.compile(r".*\[bot\]\Z", re.DOTALL)


def _sender(record: Row, realm: str) -> ActorName | None:
    """The account that sent it, else the account that wrote what it tells of."""
    for path in ("sender", *_AUTHORS):
        here: Any = record
        for name in path.split("."):
            here = here.get(name) if type(here) is dict else None
        login = here.get("login") if type(here) is dict else None
        if type(login) is str and login:
            bot = here.get("type") == "Bot" or _BOT.match(login) is not None
            return actor(realm, "app" if bot else "user", login)
    return None


def _pushed(record: Row) -> str | int | None:
    """When the server had a push, or a branch that was made or removed; else its last commit."""
    if record.keys().isdisjoint(("commits", "pusher", "head_commit", "ref_type")):
        return None
    commits = record.get("commits")
    return (
        within(record, "repository", "pushed_at")
        or within(record, "head_commit", "timestamp")
        or (
            within({"last": commits[-1]}, "last", "timestamp")
            if type(commits) is list and commits
            else None
        )
    )


_MADE = ("issue", "pull_request", "repository", "release", "alert", "deployment", "discussion")


def _began(record: Row) -> str | None:
    """When that was made which a payload tells was made."""
    if record.get("action") not in ("opened", "created"):
        return None
    return first(*(within(record, name, "created_at") for name in _MADE)) or None


TABLE = Table(
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
        "workflow_job.created_at",
        "workflow_run.updated_at",
        "check_run.completed_at",
        "check_run.started_at",
        "check_suite.updated_at",
        "deployment_status.updated_at",
        "deployment.updated_at",
        "discussion.updated_at",
        "pull_request.updated_at",
        "issue.updated_at",
        "alert.updated_at",
        _pushed,
        "release.published_at",
        "hook.updated_at",
        "rule.updated_at",
        "installation.updated_at",
        _began,
    ),
    vendor_id="delivery",
    action=_event,
    principal=(_sender,),
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
    # 2: times of more objects; of a push when the server had it, not when it was written.
    # 3: names in commits are nobody's.
    version=3,
)
