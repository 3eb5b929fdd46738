"""Who a CloudTrail record says acted: userIdentity as actors.

Owns the reading of every type of userIdentity, and what is a credential's longer-lived parent.
Knows nothing of actions or resources. Pure; results are remembered, because a few thousand
sessions fill millions of records.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from evidence.formats import aws
from evidence.formats.record import ActorName

# AWS writes this where a person typed something that is no user name, maybe a password.
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
# The types whose userName is a role's, and those whose name makes an ARN in its account.
_OF_ROLES = frozenset({"AssumedRole", "Role"})
_HAVE_ARNS = _OF_ROLES | {"IAMUser", ""}


class Who(NamedTuple):
    """The actors of one userIdentity."""

    principal: ActorName | None
    credential: ActorName | None
    on_behalf: ActorName | None
    standing: ActorName | None  # the role or user that sessions are bound to
    # The service that called with the caller's own session; the function or task that holds it.
    agent: ActorName | None


class _Facts(NamedTuple):
    """What decides, as plain text; '' where a record says nothing."""

    type: str
    arn: str
    principal_id: str
    user: str
    account: str
    key: str
    issuer: str
    issuer_name: str
    invoked_by: str
    provider: str
    credential_id: str
    source_identity: str
    behalf_user: str
    behalf_store: str
    federated: str
    issued_to: str
    recipient: str


NOBODY = Who(None, None, None, None, None)


def who(identity: Any, recipient: str) -> Who:
    """The actors of a record's userIdentity; `recipient` is the account whose log this is."""
    return _of_json(orjson.dumps(identity), recipient) if type(identity) is dict else NOBODY


def named_by(arn: str, account: str = "") -> ActorName | None:
    """Who an ARN alone names, with the name that a userIdentity with this ARN has."""
    kind = "FederatedUser" if ":federated-user/" in arn else ""
    return who({"type": kind, "arn": arn, "accountId": account}, account).principal


@lru_cache(maxsize=16_384)
def _of_json(text: bytes, recipient: str) -> Who:
    """Remembered by its JSON: writing that is quicker than looking at each member again."""
    identity = orjson.loads(text)
    read = identity.get
    context = read("sessionContext")
    source_identity = issuer = issuer_name = federated = None
    if isinstance(context, dict):
        source_identity = context.get("sourceIdentity")
        made_by = context.get("sessionIssuer")
        if isinstance(made_by, dict):
            issuer, issuer_name = made_by.get("arn"), made_by.get("userName")
        web = context.get("webIdFederationData")
        if web and isinstance(web, dict):
            federated = _federated(web)
    behalf_user = behalf_store = issued_to = None
    scope = read("inScopeOf")
    if isinstance(scope, dict):
        issued_to = scope.get("credentialsIssuedTo")
    behalf = read("onBehalfOf")
    if isinstance(behalf, dict):
        behalf_user, behalf_store = behalf.get("userId"), behalf.get("identityStoreArn")
    facts = (
        read("type"),
        read("arn"),
        read("principalId"),
        read("userName"),
        read("accountId"),
        read("accessKeyId"),
        issuer,
        issuer_name,
        read("invokedBy"),
        read("identityProvider"),
        read("credentialId"),
        source_identity,
        behalf_user,
        behalf_store,
        federated,
        issued_to,
        recipient,
    )
    try:
        return _who(facts)
    except TypeError:
        # A list or an object where text belongs: it says nothing.
        return _who(tuple(fact if isinstance(fact, str) else None for fact in facts))


def _federated(web: dict[str, Any]) -> str | None:
    """The outside subject of a web identity session, where the record names one."""
    provider, attributes = web.get("federatedProvider"), web.get("attributes")
    if not isinstance(attributes, dict) or not isinstance(provider, str):
        return None
    for name in sorted(attributes):
        # Attributes are named provider:claim, as in cognito-identity.amazonaws.com:sub.
        if name.rsplit(":", 1)[-1] in ("sub", "user_id", "oid") and isinstance(
            attributes[name], str
        ):
            return f"{provider}/{attributes[name]}"
    return None


@lru_cache(maxsize=65_536)
def _who(raw: tuple[Any, ...]) -> Who:
    facts = _Facts(*(fact if isinstance(fact, str) else "" for fact in raw))
    user = "" if facts.user == _HIDDEN else facts.user
    account = facts.account or aws.account_of(facts.arn) or facts.recipient
    standing: ActorName | None = None
    principal: ActorName | None
    match facts.type:
        case "AssumedRole":
            role = facts.issuer or aws.role_of_session(facts.arn)
            role = role or _named_in(account, "role", facts.issuer_name or user)
            if facts.arn:
                principal = aws.role_session(facts.arn, role)
            elif facts.principal_id:
                parent = aws.arn_actor(role, account) if role else None
                principal = aws.named("role_session", facts.principal_id, account, parent)
            else:
                principal = aws.arn_actor(role, account) if role else None
            standing = aws.arn_actor(role, account) if role else None
        case "FederatedUser":
            standing = aws.arn_actor(facts.issuer, account) if facts.issuer else None
            principal = _first(
                "federated", (facts.arn, user, facts.principal_id), account, standing
            )
        case "SAMLUser":
            name = user or facts.principal_id
            full = f"{facts.provider}/{name}" if facts.provider and name else name
            principal = _first("federated", (full,), account, None)
        case "WebIdentityUser":
            name = user or facts.principal_id
            full = f"{facts.provider}/{name}" if facts.provider and name else name
            principal = _first("web_identity", (full,), account, None)
        case "IdentityCenterUser":
            principal = _center_user(facts, account)
        case "AWSService":
            principal = aws.service_actor(facts.invoked_by) if facts.invoked_by else None
        case "AWSAccount":
            # The account that called is not the one whose log this is.
            name = facts.account or facts.principal_id
            principal = aws.named("account", name, facts.account) if name else None
        case _:
            # IAMUser, Root, Role, Directory, Unknown, and records without a type.
            principal = standing = _standing(facts, user, account)
    if principal is None:
        principal = _standing(facts, user, account)
    credential, on_behalf = _credential(facts, account, standing), _behalf(facts, account)
    if on_behalf == principal:
        on_behalf = None
    # A forward access session: a service goes on in the name of whoever called it.
    between = aws.service_actor(facts.invoked_by) if facts.invoked_by else None
    if between is None and facts.issued_to.startswith("arn:"):
        # The function or task that was given the role's credentials.
        between = aws.arn_actor(facts.issued_to)
    return Who(
        principal, credential, on_behalf, standing, None if between == principal else between
    )


def _first(
    kind: str, names: tuple[str, ...], account: str, parent: ActorName | None
) -> ActorName | None:
    for name in names:
        if name:
            return aws.named(kind, name, account, parent)
    return None


def _standing(facts: _Facts, user: str, account: str) -> ActorName | None:
    """The longer-lived name of a user, role or root, by the best that the record has."""
    if ":assumed-role/" in facts.arn:
        return aws.role_session(facts.arn, facts.issuer)
    if facts.arn:
        return aws.arn_actor(facts.arn, account)
    if facts.type == "Root" and account:
        return aws.arn_actor(f"arn:aws:iam::{account}:root")
    if facts.invoked_by and not user:
        return aws.service_actor(facts.invoked_by)
    if user:
        kind = "role" if facts.type in _OF_ROLES else "user"
        arn = _named_in(account, kind, user) if facts.type in _HAVE_ARNS else ""
        return aws.arn_actor(arn) if arn else aws.named(kind, user, account)
    if facts.principal_id and (facts.type in ("Unknown", "") or not facts.account):
        return aws.named("arn", facts.principal_id, account)
    return aws.named("account", facts.account, facts.account) if facts.account else None


def _named_in(account: str, kind: str, name: str) -> str:
    """The ARN of a user or role that only a name is given of; its path is not known."""
    return f"arn:aws:iam::{account}:{kind}/{name}" if account and name else ""


def _center_user(facts: _Facts, account: str) -> ActorName | None:
    if not facts.behalf_user:
        return _first("user", (facts.user, facts.principal_id), account, None)
    store = facts.behalf_store.rsplit("/", 1)[-1]
    name = f"{store}/{facts.behalf_user}" if store else facts.behalf_user
    return aws.named("user", name, account)


def _behalf(facts: _Facts, account: str) -> ActorName | None:
    """The person or subject that the caller acts for, where the record says so."""
    if facts.source_identity:
        return aws.named("user", facts.source_identity, account)
    if facts.behalf_user:
        return _center_user(facts, account)
    if facts.federated:
        return aws.named("web_identity", facts.federated, account)
    return None


def _credential(facts: _Facts, account: str, standing: ActorName | None) -> ActorName | None:
    if facts.key:
        return aws.access_key(facts.key, standing if aws.is_temporary(facts.key) else None)
    if facts.credential_id:
        return aws.named("token", facts.credential_id, account, standing)
    return None
