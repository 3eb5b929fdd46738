"""Anthropic: activities of an organisation, as its Compliance API tells them.

Owns the meaning of an activity's members. Source: the Compliance API reference on
platform.claude.com (activities, actor types, activity types and their fields), and rule tests.
Console and Enterprise organisations write the same feed; activities at sign-in name no
organisation. People, keys and service accounts are names that Anthropic issues for all its
organisations, so their realm is ``anthropic``; the record's own realm is its organisation. Pure.
"""

from typing import Any

from evidence.formats import tables
from evidence.formats.cloudtrail import identity
from evidence.formats.members import inside, said
from evidence.formats.record import ActorName
from evidence.formats.tables import Issues, Name, Row, Table
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

REALM = "anthropic"
# What an administration's log says of how an act ended, and with what program.
NO_CONTENT = "user_agent|result|error_message|message|events"
_PROVIDERS = {"azure": "subscription_id", "gcp": "project_number"}
_KEYS = ("admin_api_key_id", "service_key_id", "scoped_api_key_id", "api_key_id")
# Members that end in _id and name no resource.
# What names a resource that has no id.
_NAMES = ("invited_email", "invitee_email", "domain", "url", "integration_type")
_NO_RESOURCE = frozenset({"organization_id", "request_id", "parent_organization_id"})

# Sign-ins of which only the beginning is told.
_BEGUN = ("login_initiated", "login_attempted", "phone_code_sent", "second_factor_magic_link")
_ACTORS = (
    "user_actor",
    "api_actor",
    "admin_api_key_actor",
    "unauthenticated_user_actor",
    "anthropic_actor",
    "system_actor",
    "service_account_actor",
    "scim_directory_sync_actor",
    "federated_identity_actor",
    "federated_actor",
    "attested_device_actor",
)
# How the names of activities end that change something.
_CHANGES = (
    r".*_(created|updated|deleted|archived|added|removed|enabled|disabled|toggled|granted|revoked"
    r"|assigned|unassigned|transferred|replaced|activated|deactivated|changed|approved|dismissed"
    r"|accepted|sent|requested|initiated|restored|verified|connected|completed|started|blocked"
    r"|set|configured|allowlisted|blocklisted|unblocked|uploaded|removed_from_allowlist|resolved"
    r"|decided|deleted_via_bulk|provisioned|rejected|request_denied)$"
)


def _federated(record: Row, _: str) -> ActorName | None:
    """A workload that another authority vouches for; of AWS it is named as AWS's own log does."""
    actor = inside(record, "actor")
    provider = inside(actor, "provider")
    kind = said(provider, "type")
    arn = said(provider, "signed_principal")
    if kind == "aws" and arn:
        return identity.named_by(arn, said(provider, "account_id"))
    subject, issuer = said(actor, "subject"), said(actor, "issuer") or said(provider, "issuer")
    if kind in _PROVIDERS:
        place = said(provider, _PROVIDERS[kind])
        return (
            tables.actor(f"{kind}:{place.lower()}", "federated", subject or place)
            if place
            else None
        )
    name = f"{issuer}/{subject}" if issuer and subject else subject or issuer
    return tables.actor(REALM, "federated", name) if name else None


def _resource(record: Row) -> Any:
    """The id of what the activity is about: the member that its type speaks of, else the first."""
    action = said(record, "type")
    best = ""
    names = sorted(name for name in record if name.endswith("_id") and name not in _NO_RESOURCE)
    for name in names:
        if record[name] and name[:-3] in action and len(name) > len(best):
            best = name
    others = (name for name in names if name not in _KEYS)
    for name in (best, *others, "service_name", *_NAMES):
        value = record.get(name)
        if type(value) is str and value:
            return value
    return None


def _outcome(record: Row) -> int:
    action, code = said(record, "type"), record.get("status_code")
    if type(code) is str and code.isdecimal():
        code = int(code[:4])
    if type(code) is int and code >= 400:
        return OUTCOME_REFUSED if code in (401, 403) else OUTCOME_FAILED
    if action.endswith(_BEGUN):
        return OUTCOME_UNKNOWN
    # Who denies a request has done what they wanted.
    if action.endswith(("access_failed", "_blocked", "_denied", "signature_invalid")):
        return OUTCOME_OK if action.endswith("_request_denied") else OUTCOME_REFUSED
    return OUTCOME_FAILED if action.endswith("_failed") else OUTCOME_OK


def _user(value: str, **more: Any) -> Name:
    return Name("user", value, realm=REALM, **more)


TABLE = Table(
    name="anthropic",
    title="Anthropic Compliance API activities",
    signs=(
        ("type", "created_at", "id^activity_"),
        ("type", "created_at", "actor.type", "organization_id^org_"),
        (
            "type",
            "created_at",
            f"actor.type={'|'.join(_ACTORS)}",
        ),
        ("p_log_type=Anthropic.Activity",),
    ),
    mark=b'"created_at"',
    realm="anthropic:{organization_id|organization_uuid}",
    at=("created_at",),
    vendor_id=("id",),
    action=("type",),
    principal=(
        _user("actor.email_address"),
        _user("actor.user_id"),
        Name("service_account", "actor.service_account_id", realm=REALM),
        # Where a key is all that is known of who acted, the key is who acted.
        Name("api_token", ("actor.admin_api_key_id", "actor.api_key_id"), realm=REALM),
        _user("actor.unauthenticated_email_address"),
        Name("service", ("actor.service", "actor.directory_id"), realm=REALM),
        _federated,
        Name("federated", "actor.external_client_id", realm=REALM),
        Name("service", lambda _: "anthropic", realm=REALM, when="actor.type=system_actor"),
        Name("service", lambda _: "anthropic", realm=REALM, when="actor.type=anthropic_actor"),
    ),
    credential=(Name("api_token", ("actor.admin_api_key_id", "actor.api_key_id"), realm=REALM),),
    session=("claude_chat_id", "session_id"),
    resource=(_resource,),
    outcome=_outcome,
    patterns=(
        (
            r".*(login|sso_second_factor|phone_code|logged_out|lti_launch|age_verified)",
            AUTHENTICATION,
        ),
        (r".*(token|invite_link)_(minted|issued|generated|regenerated)", ISSUANCE),
        (r".*_key_(created|rotated|regenerated)$", ISSUANCE),
        (r"(integration|ghe)_user_connected", ISSUANCE),
        (r".*_(key|token)_(deleted|revoked|archived|disabled)$", REVOCATION),
        (r"(session|compliance_key)_revoked|(integration|ghe)_user_disconnected", REVOCATION),
        (
            r"(?:platform_)?(org_user|scim_user|account|service_account|service)_(deleted|archived|left)",
            REVOCATION,
        ),
        (r".*_(viewed|listed|accessed|downloaded|exported|access_failed|performed)$", USE),
        (r"(claude_(chat|file|project|artifact)|platform_(file|batch|message|memory))_", USE),
        (r"session_share_", USE),
        (_CHANGES, CHANGE),
    ),
    issues=(
        Issues(
            frozenset(
                {
                    "admin_api_key_created",
                    "api_key_created",
                    "platform_api_key_created",
                    "scoped_api_key_created",
                    "service_key_created",
                }
            ),
            Name("api_token", _KEYS, realm=REALM),
            to=(
                Name("service_account", "service_account_id", realm=REALM),
                Name("service", "service_name", realm=REALM),
            ),
        ),
        Issues(frozenset({"tunnel_token_minted"}), Name("token", "token_id", realm=REALM)),
        Issues(
            frozenset({"platform_signing_key_created", "platform_signing_key_rotated"}),
            Name("key", ("new_signing_key_id", "signing_key_id"), realm=REALM),
        ),
    ),
    address=("actor.ip_address",),
    user_agent=("actor.user_agent",),
    request_id=("request_id",),
    content=("request_body", f"** except {NO_CONTENT}"),
    lacks={
        "request_id": "only calls of the Compliance API itself carry one",
        "credential": "people's sessions have no id in the feed; calls with a key name the key",
        "on_behalf": "the feed does not say for whom a key or service account acts",
    },
    version=4,  # 4: signing keys, tokens of tunnels, sign-ins that are only begun
)
