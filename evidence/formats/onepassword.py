"""1Password: sign-in attempts, uses of items, and audit events.

Owns the meaning of the fields of 1Password's Events API. Source: its documentation. Pure.
"""

from typing import Any

from evidence.formats.tables import Issues, Name, Row, Said, Table
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

# What an audit event acts on when that is a credential: tokens of integrations and of accounts.
_TOKENS = frozenset({"satoken", "sa_token", "token", "slackapp", "sdt"})


def _action(record: Row) -> str | None:
    """``create satoken`` of audit events; the category of sign-ins; the use of an item."""
    action, kind = record.get("action"), record.get("object_type")
    if type(action) is str and action:
        return f"{action} {kind}" if type(kind) is str and kind else f"item {action}"
    if record.get("item_uuid"):
        return "item use"
    category = record.get("category")
    return f"signin {category}" if type(category) is str and category else None


def _ended(record: Row) -> Any:
    return record.get("category") or ("done" if record.get("action") else None)


TABLE = Table(
    name="onepassword",
    title="1Password events",
    signs=(
        ("category", "type", "target_user"),
        ("vault_uuid", "item_uuid"),
        ("actor_uuid", "object_type", "action"),
        ("p_log_type=OnePassword.SignInAttempt|OnePassword.ItemUsage|OnePassword.AuditEvent",),
    ),
    mark=b'"uuid"',
    realm="1password:{account_uuid}",
    at="timestamp",
    vendor_id="uuid",
    action=_action,
    principal=(
        Name("service_account", "actor_uuid", when="actor_type=service_account"),
        Name(
            "user",
            ("actor_details.email", "target_user.email", "user.email", "actor_uuid", "user.uuid"),
        ),
    ),
    credential=(Name("session", ("session_uuid", "session.uuid")),),
    session=("session_uuid", "session.uuid"),
    resource=("item_uuid", "object_uuid", "vault_uuid", "target_user.email"),
    outcome=Said(
        _ended,
        {
            "success": OUTCOME_OK,
            "done": OUTCOME_OK,
            "firewall_reported_success": OUTCOME_OK,
            "firewall_failed": OUTCOME_REFUSED,
            "credentials_failed": OUTCOME_FAILED,
            "mfa_failed": OUTCOME_FAILED,
            "sso_failed": OUTCOME_FAILED,
            "modern_version_failed": OUTCOME_FAILED,
        },
        absent=OUTCOME_UNKNOWN,
    ),
    patterns=(
        (r"signin ", AUTHENTICATION),
        (r"item ", USE),
        (r"(create|provsn) (satoken|sa_token|token|sdt)", ISSUANCE),
        (r"(delete|revoke|destroy|trevoke) ", REVOCATION),
        (r"\w+ ", CHANGE),
    ),
    issues=(
        Issues(
            frozenset(f"create {kind}" for kind in _TOKENS),
            Name("api_token", ("object_uuid", "aux_uuid")),
        ),
    ),
    address=("client.ip_address", "session.ip", "location.ip"),
    user_agent="client.app_name",
    lacks={
        "realm": "events do not name their account",
        "request_id": "events carry none",
    },
)
