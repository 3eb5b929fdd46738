"""How a change is called, on pages and in the ledger. Pure."""

from identities.enforcers.contract import Target
from identities.models import Credential

WORDS = {
    ("hold", "access_key"): "Make key {name} inactive",
    ("release", "access_key"): "Make key {name} active again",
    ("revoke", "access_key"): "Delete key {name}",
    ("revoke", "role_sessions"): "Deny all sessions of role {name} issued until now",
    (
        "hold",
        "role_sessions",
    ): "Deny all sessions of role {name} issued until now, for the time being",
    ("release", "role_sessions"): "Let sessions of role {name} work again",
    ("revoke", "user_sessions"): "Deny all sessions of user {name} issued until now",
    (
        "hold",
        "user_sessions",
    ): "Deny all sessions of user {name} issued until now, for the time being",
    ("release", "user_sessions"): "Let sessions of user {name} work again",
    ("revoke", "login_profile"): "Delete the console password of user {name} and deny its sessions",
    ("narrow", "user"): "Narrow what user {name} may do",
    ("narrow", "role"): "Narrow what role {name} may do",
    ("hold", "user_entitlement"): "Hold what user {name} is allowed",
    ("hold", "role_entitlement"): "Hold what role {name} is allowed",
    ("release", "user_entitlement"): "Release what user {name} is allowed",
    ("release", "role_entitlement"): "Release what role {name} is allowed",
}


def of(step: str, target: Target, credential: Credential | None) -> str:
    """This step at this target, in words; a key by its short name."""
    short = credential is not None and target.kind == "access_key"
    return WORDS.get((step, target.kind), "{step} {kind} {name}").format(
        step=step.capitalize(),
        kind=target.kind.replace("_", " "),
        name=credential.short if credential is not None and short else target.name,
    )
