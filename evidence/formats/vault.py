"""HashiCorp Vault (and OpenBao) audit devices: a request entry and a response entry for a call.

Owns the meaning of audit entries. Source: developer.hashicorp.com, "Audit log entry schema", and
the entry's structure in hashicorp/vault audit/types.go. No real entries were at hand. Those of the
KMIP engine are vault_kmip.py's.

Vault writes accessors and most values as keyed digests (hmac-sha256:…), alike within one audit
device: an accessor that a login issued is the one that later calls show. They are kept; with
``hmac_accessor=false`` the plain ones are. Bodies logged raw (``log_raw``) are dropped as content,
with them the accessor that a revocation names. A batch token has no accessor: the digest of the
token stands for it, never the token. What is handed out is known by its accessor (tokens, secret
ids of AppRole, tokens that wrap an answer), its lease, or a certificate's number.

Actions are ``operation engine`` (``read kv``), or the operation and the path where the path is
the verb (``update auth/token/create``); the resource is the path. An entry names no cluster: a
member ``cluster`` or ``cluster_name`` that the sender adds does, else all share ``vault``. Pure.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from evidence.formats import prefixed, tables, times, vault_kmip
from evidence.formats.members import NOTHING, first, row, text
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, Table
from evidence.formats.written import Of
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

# Paths that are verbs, after their namespace; what follows a verb is its object.
_VERBS = re.compile(
    r"(?:.*/)?(auth/token/(?:create|lookup|renew|revoke|tidy)[\w-]*"
    r"|sys/(?:leases/)?(?:renew|revoke|lookup)(?:-force|-prefix)?|sys/wrapping/\w+|sys/seal|sys/unseal"
    r"|sys/generate-root|sys/audit|sys/auth|sys/mounts|sys/policy|sys/policies|sys/rotate|sys/rekey"
    r"|sys/capabilities(?:-self|-accessor)?"
    r"|identity/oidc/token|identity/\w+)(?:/|$)"
)
# Of AppRole, whatever it is mounted as.
_SECRET_ID = re.compile(
    r"(?:.*/)?auth/[^/]+/role/[^/]+/((?:custom-)?secret-id(?:-accessor)?(?:/(?:destroy|lookup))?)/?$"
)
_PREFIXED = prefixed.text(
    rb"(?:vault|bao)(?:\[\d{1,10}\])?:\s?|@cee:\s?", "audit entry behind a prefix"
)
_LOGIN = re.compile(r"(?:.*/)?auth/([^/]+)/(?:login|callback|oidc/callback)(?:/([^/]+))?$")
_CREDS = re.compile(
    r".*/(creds|issue|sign|static-creds|token|sts|key|roleset|impersonated-account)/"
)
_MADE = re.compile(r" \w+/(?:creds|issue|sign|static-creds|token|sts|key|roleset|imp)")
_MADE_SECRET_ID = re.compile(r"^(?:create|update) approle/(?:custom-)?secret-id$")
_ISSUING_ENGINES = frozenset(
    [
        "database",
        "aws",
        "gcp",
        "azure",
        "pki",
        "ssh",
        "rabbitmq",
        "consul",
        "nomad",
        "kubernetes",
        "terraform",
        "ldap",
        "ad",
        "mongodbatlas",
        "openldap",
    ]
)

# How Vault calls every token that whoever made it gave no name: it is nobody's.
_UNNAMED = "token"
_REALM = tables.template("vault:{cluster_name|cluster|request.replication_cluster}")


@lru_cache(maxsize=65_536)
def _called(operation: str, path: str, engine: str) -> str:
    verb = _VERBS.match(path)
    if verb is not None:
        return f"{operation} {verb[1]}"
    login = _LOGIN.match(path)
    if login is not None:
        return f"{operation} auth/{engine or login[1]}/login"
    secret = _SECRET_ID.match(path)
    if secret is not None:
        return f"{operation} approle/{secret[1]}"
    if not engine:
        engine = path.split("/", 1)[0]
    made = _CREDS.match(path) if engine in _ISSUING_ENGINES else None
    return f"{operation} {engine}/{made[1]}" if made is not None else f"{operation} {engine}"


def _request(record: Row) -> Row:
    found = record.get("request")
    return found if type(found) is dict else NOTHING


def _action(request: Row, path: str) -> str | None:
    operation = text(request.get("operation"))
    return _called(operation, path[:512], text(request.get("mount_type"))) if operation else None


class _Makes(NamedTuple):
    """What an action makes, if it succeeds."""

    secret_id: bool
    anything: bool


@lru_cache(maxsize=65_536)
def _makes(operation: str, path: str, engine: str) -> _Makes:
    action = _called(operation, path, engine) if operation else ""
    return _Makes(_MADE_SECRET_ID.search(action) is not None, _MADE.search(action) is not None)


def _on_what(request: Row, path: str) -> str | None:
    # A call on a token by its accessor is on that token.
    data = request.get("data")
    if "accessor" in path and type(data) is dict:
        other = text(data.get("accessor"))
        if other and other[:9] != "[content:":
            return f"accessor/{other}"
    namespace = request.get("namespace")
    if path and type(namespace) is dict:
        space = text(namespace.get("path")).strip("/")
        if space and not path.startswith(f"{space}/"):
            return f"{space}/{path}"
    return path or None


def _outcome(record: Row, action: str | None) -> int:
    error = text(record.get("error"))
    if error:
        if error == vault_kmip.PENDING:
            return OUTCOME_UNKNOWN
        # Not only the first line: Vault lists all errors of a call. A login with wrong credentials
        # is answered in the same words.
        denied = "permission denied" in error and not (action or "").endswith("/login")
        return OUTCOME_REFUSED if denied else OUTCOME_FAILED
    auth = record.get("auth")
    results = auth.get("policy_results") if type(auth) is dict else None
    if type(results) is dict and results.get("allowed") is False:
        return OUTCOME_REFUSED
    return OUTCOME_OK if text(record.get("type")) == "response" else OUTCOME_UNKNOWN


def _entity(auth: Any, realm: str) -> ActorName | None:
    """Who a token speaks for: its entity; else the name its method gave it."""
    if type(auth) is not dict or not auth:
        return None
    entity = text(auth.get("entity_id"))
    if entity:
        return tables.actor(realm, "account", entity)
    about = row(auth.get("metadata"))
    account = text(about.get("service_account_name"))
    if account:
        space = text(about.get("service_account_namespace"))
        return tables.actor(realm, "service_account", f"{space}/{account}" if space else account)
    role = text(about.get("role_name"))
    if role:
        return tables.actor(realm, "service", role)
    name = text(about.get("username")) or _display(auth)
    return tables.actor(realm, "user", name) if name else None


def _display(auth: Row) -> str:
    name = text(auth.get("display_name"))
    return "" if name == _UNNAMED else name


def _principal(record: Row, path: str, entity: ActorName | None, realm: str) -> ActorName | None:
    if entity is not None:
        return entity
    if row(record.get("auth")).get("display_name") == _UNNAMED:
        # Not whom the answer names: that is whose token was made with this one.
        return None
    answer = record.get("response")
    who = _entity(answer.get("auth"), realm) if type(answer) is dict else None
    if who is not None:
        return who
    # A login that failed names the user in its path.
    login = _LOGIN.match(path[:512]) if "auth/" in path else None
    return tables.actor(realm, "user", login[2]) if login is not None and login[2] else None


def _credential(auth: Any, request: Row, entity: ActorName | None, realm: str) -> ActorName | None:
    accessor = text(auth.get("accessor")) if type(auth) is dict else ""
    accessor = accessor or text(request.get("client_token_accessor"))
    accessor = accessor or _batch(auth) or _batch(request)
    if accessor:
        return tables.actor(realm, "token", accessor, entity)
    serial = text(request.get("client_certificate_serial_number"))
    return tables.actor(realm, "certificate", serial) if serial else None


def _entry(record: Row) -> tuple[Any, ...]:
    """What the table below takes by its place: it stands in the same few objects."""
    request, auth = _request(record), record.get("auth")
    realm = tables.realm_named(_REALM(record))
    entity = _entity(auth, realm)
    path, number, kind = text(request.get("path")), text(request.get("id")), record.get("type")
    action = _action(request, path)
    return (
        realm,
        action,
        _on_what(request, path),
        _outcome(record, action),
        _principal(record, path, entity, realm),
        _credential(auth, request, entity, realm),
        f"{number}/{kind}" if number and kind and type(kind) is str else number or None,
        *_of_headers(request.get("headers")),
    )


def _batch(holder: Any) -> str:
    """The digest of a token without an accessor; never a token that was logged raw."""
    found = text(holder.get("client_token")) if type(holder) is dict else ""
    return found if found.startswith("hmac-sha256:") else ""


def _issued(record: Row, realm: str, who: ActorName | None) -> Issued | None:
    """What a response hands out: a token, also wrapped; a secret id; what a lease or a number
    names; a token that wraps any other answer."""
    answer = record.get("response")
    if type(answer) is not dict:
        return None
    auth, wrapped = row(answer.get("auth")), row(answer.get("wrap_info"))
    made = None if auth else _handed_out(record, answer, wrapped, realm)
    if made is not None:
        return Issued(made, who, made.kind == "secret" and not _leased(answer), None)
    accessor = text(auth.get("accessor")) or text(wrapped.get("wrapped_accessor")) or _batch(auth)
    if not accessor:
        return _wrapping(record, wrapped, realm, who)
    named = _entity(auth, realm)
    holder = named or who
    # One without a name is used under none.
    unnamed = auth.get("display_name") == _UNNAMED
    made = tables.actor(realm, "token", accessor, named if unnamed else holder)
    lives = auth.get("token_ttl")
    if type(lives) is not int or lives <= 0:
        # No end: a root token, or a periodic one, which lives while it is renewed.
        return Issued(made, holder, bool(auth), None)
    issued_at = times.moment(text(auth.get("token_issue_time")))
    began = issued_at or times.moment(text(record.get("time")))
    ends = began + lives * 1_000_000 if began is not None and lives < 10**9 else None
    return Issued(made, holder, False, ends)


def _leased(answer: Row) -> str:
    return text(row(answer.get("secret")).get("lease_id"))


def _handed_out(record: Row, answer: Row, wrapped: Row, realm: str) -> ActorName | None:
    """What an engine or AppRole made, by the name under which it can be taken back."""
    request, data = _request(record), row(answer.get("data"))
    makes = _makes(
        text(request.get("operation")),
        text(request.get("path"))[:512],
        text(request.get("mount_type")),
    )
    if makes.secret_id:
        # Wrapped, the answer itself is not there, but its accessor is.
        found = _stated(data, "secret_id_accessor") or text(wrapped.get("wrapped_accessor"))
        return tables.actor(realm, "secret", found) if found else None
    if not makes.anything:
        return None
    leased = _leased(answer)
    if leased:
        return tables.actor(realm, "secret", leased)
    serial = _stated(data, "serial_number")
    return tables.actor(realm, "certificate", serial) if serial else None


def _stated(data: Row, name: str) -> str:
    found = text(data.get(name))
    return "" if found.startswith("[content:") else found


def _wrapping(record: Row, wrapped: Row, realm: str, who: ActorName | None) -> Issued | None:
    """The token that wraps an answer, which whoever unwraps it uses."""
    accessor = text(wrapped.get("accessor"))
    if not accessor:
        return None
    began = times.moment(text(wrapped.get("creation_time")) or text(record.get("time")))
    lives = wrapped.get("ttl")
    ends = None
    if began is not None and type(lives) is int and 0 < lives < 10**9:
        ends = began + lives * 1_000_000
    return Issued(tables.actor(realm, "token", accessor, who), who, False, ends)


def _activity(record: Row, _: str) -> int | None:
    """A response that carries a token issues one, whatever it was asked for; one that is wrapped
    has told nobody anything yet but the token to unwrap it with."""
    answer = record.get("response")
    if type(answer) is not dict:
        return None
    auth, wrapped = answer.get("auth"), answer.get("wrap_info")
    if type(auth) is dict and (text(auth.get("accessor")) or _batch(auth)):
        return ISSUANCE
    return ISSUANCE if type(wrapped) is dict and text(wrapped.get("accessor")) else None


def _error(record: Row) -> str | None:
    error = text(record.get("error"))
    if error == vault_kmip.PENDING:
        return None
    return (" ".join(error[:2000].split()) or None) if error else None


def _of_headers(headers: Any) -> tuple[str | None, str | None, str | None]:
    """(user agent, trace, span)."""
    if type(headers) is not dict or not headers:
        return None, None, None
    agent, trace = first(headers.get("user-agent")), first(headers.get("traceparent"))
    parts = trace.split("-") if type(trace) is str else ()
    _, trace_id, span_id, _ = parts if len(parts) == 4 else (None,) * 4
    return agent if type(agent) is str else None, trace_id, span_id


TABLE = Table(
    name="vault",
    title="HashiCorp Vault audit",
    signs=(
        ("type=request|response", "request.operation", "request.path"),
        ("type=request|response", "request.id", "auth"),
        ("request.mount_point", "request.operation"),
        ("request.id", "request.operation", "request.path"),
        *vault_kmip.SIGNS,
    ),
    mark=b'"operation"',
    text=_PREFIXED,
    opens=lambda record: vault_kmip.opened(record) if vault_kmip.is_one(record) else record,
    realm=Of(_entry, 0),
    at=("time",),
    vendor_id=(Of(_entry, 6),),
    action=(Of(_entry, 1),),
    principal=(Of(_entry, 4),),
    credential=(Of(_entry, 5),),
    resource=(Of(_entry, 2),),
    outcome=Of(_entry, 3),
    error=(_error,),
    activity=_activity,
    patterns=(
        (r"\w+ auth/token/(?:create|renew)", ISSUANCE),
        (r"\w+ (?:auth/token|sys/(?:leases/)?)[\w/-]*(?:revoke)", REVOCATION),
        (r"(?:create|update) sys/generate-root$", ISSUANCE),
        (r"\w+ auth/[^ ]+/login", AUTHENTICATION),
        (r"\w+ auth/token/", USE),
        (r"(?:create|update) approle/(?:custom-)?secret-id$", ISSUANCE),
        (r"\w+ approle/[\w-]+/destroy", REVOCATION),
        (r"\w+ approle/[\w-]+(?:/lookup)?$", USE),
        (r"(?:read|create|update) identity/oidc/token$", ISSUANCE),
        (r"\w+ \w+/(?:creds|issue|sign|static-creds|token|sts|key|roleset|imp)", ISSUANCE),
        (
            (
                r"(?:create|update|patch|delete) (?:transit"
                r"|sys/(?:wrapping|capabilities|(?:leases/)?lookup))"
            ),
            USE,
        ),
        (vault_kmip.CHANGES, CHANGE),
        (r"(?:create|update|patch|delete) ", CHANGE),
        (r"revoke ", REVOCATION),
    ),
    issued=_issued,
    address=("request.remote_address",),
    user_agent=(Of(_entry, 7),),
    request_id=("request.id",),
    trace_id=(Of(_entry, 8),),
    span_id=(Of(_entry, 9),),
    # Digests that Vault made stay (dropping.py); what it logged raw does not.
    content=("request.data[*]", "response.data[*]"),
    lacks={
        "session": "a token is the session; its accessor is the credential",
        "user agent": "only where the header is audited (sys/config/auditing/request-headers)",
        "cluster": "an entry names none; the sender adds `cluster`",
    },
    # 4: secret ids, leases, batch tokens and wrapping tokens. 5: the KMIP engine. 6: tokens
    # without a name, questions after capabilities, how calls of the KMIP engine end.
    # 7: logins that failed.
    version=7,
)
