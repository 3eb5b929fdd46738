"""HashiCorp Vault (and OpenBao) audit devices: a request entry and a response entry for a call.

Owns the meaning of audit entries. Source: developer.hashicorp.com, "Audit log entry schema", and
the entry's structure in hashicorp/vault audit/types.go. No real entries were at hand.

Vault writes accessors and most values as keyed digests (hmac-sha256:…), alike within one audit
device: an accessor that a login issued is the one that later calls show. They are kept; with
``hmac_accessor=false`` the plain ones are. Bodies logged raw (``log_raw``) are dropped as content,
with them the accessor that a revocation names.

Actions are ``operation engine`` (``read kv``), or the operation and the path where the path is
the verb (``update auth/token/create``); the resource is the path. An entry names no cluster: a
member ``cluster`` or ``cluster_name`` that the sender adds does, else all share ``vault``. Pure.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

import orjson

from evidence.formats import lines, tables, times
from evidence.formats.documents import Piece
from evidence.formats.members import first, inside, member, said
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, Table, Text
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
    r"|sys/audit|sys/auth|sys/mounts|sys/policy|sys/policies|sys/rotate|sys/rekey|identity/\w+)(?:/|$)"
)
_PREFIXED = re.compile(rb'[^{\n]{0,200}(?:vault|bao)(?:\[\d{1,10}\])?:\s?\{"|@cee:\s?\{"')
_LOGIN = re.compile(r"(?:.*/)?auth/([^/]+)/(?:login|callback|oidc/callback)(?:/([^/]+))?$")
_CREDS = re.compile(
    r".*/(creds|issue|sign|static-creds|token|sts|key|roleset|impersonated-account)/"
)
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


@lru_cache(maxsize=65_536)
def _called(operation: str, path: str, engine: str) -> str:
    verb = _VERBS.match(path)
    if verb is not None:
        return f"{operation} {verb[1]}"
    login = _LOGIN.match(path)
    if login is not None:
        return f"{operation} auth/{engine or login[1]}/login"
    if not engine:
        engine = path.split("/", 1)[0]
    made = _CREDS.match(path) if engine in _ISSUING_ENGINES else None
    return f"{operation} {engine}/{made[1]}" if made is not None else f"{operation} {engine}"


def _action(record: Row) -> str | None:
    request = inside(record, "request")
    operation = said(request, "operation")
    if not operation:
        return None
    return _called(operation, said(request, "path")[:512], said(request, "mount_type"))


def _path(record: Row) -> str | None:
    request = inside(record, "request")
    path = said(request, "path")
    # A call on a token by its accessor is on that token.
    other = said(request, "data", "accessor")
    if other and other[:9] != "[content:" and "accessor" in path:
        return f"accessor/{other}"
    space = said(request, "namespace", "path").strip("/")
    if space and path and not path.startswith(f"{space}/"):
        return f"{space}/{path}"
    return path or None


def _outcome(record: Row) -> int:
    error = said(record, "error")
    if error:
        # Not only the first line: Vault lists all errors of a call.
        return OUTCOME_REFUSED if "permission denied" in error else OUTCOME_FAILED
    if member(inside(record, "auth", "policy_results"), "allowed") is False:
        return OUTCOME_REFUSED
    return OUTCOME_OK if said(record, "type") == "response" else OUTCOME_UNKNOWN


def _entity(auth: Row, realm: str) -> ActorName | None:
    """Who a token speaks for: its entity; else the name its method gave it."""
    entity = said(auth, "entity_id")
    if entity:
        return tables.actor(realm, "account", entity)
    about = inside(auth, "metadata")
    account = said(about, "service_account_name")
    if account:
        space = said(about, "service_account_namespace")
        return tables.actor(realm, "service_account", f"{space}/{account}" if space else account)
    role = said(about, "role_name")
    if role:
        return tables.actor(realm, "service", role)
    name = said(about, "username") or said(auth, "display_name")
    return tables.actor(realm, "user", name) if name else None


def _principal(record: Row, realm: str) -> ActorName | None:
    for auth in (inside(record, "auth"), inside(record, "response", "auth")):
        who = _entity(auth, realm) if auth else None
        if who is not None:
            return who
    # A login that failed names the user in its path.
    login = _LOGIN.match(said(record, "request", "path")[:512])
    return tables.actor(realm, "user", login[2]) if login is not None and login[2] else None


def _credential(record: Row, realm: str) -> ActorName | None:
    accessor = said(record, "auth", "accessor") or said(record, "request", "client_token_accessor")
    if accessor:
        return tables.actor(realm, "token", accessor, _entity(inside(record, "auth"), realm))
    serial = said(record, "request", "client_certificate_serial_number")
    return tables.actor(realm, "certificate", serial) if serial else None


def _issued(record: Row, realm: str, who: ActorName | None) -> Issued | None:
    """The token of a login or of token/create, also when it is handed over wrapped."""
    answer = inside(record, "response")
    if not answer:
        return None
    auth = inside(answer, "auth")
    wrapped = inside(answer, "wrap_info")
    accessor = said(auth, "accessor") or said(wrapped, "wrapped_accessor")
    if not accessor:
        return None
    holder = _entity(auth, realm) or who
    made = tables.actor(realm, "token", accessor, holder)
    lives = member(auth, "token_ttl")
    if type(lives) is not int or lives <= 0:
        # No end: a root token, or a periodic one, which lives while it is renewed.
        return Issued(made, holder, bool(auth), None)
    began = times.moment(said(auth, "token_issue_time")) or times.moment(said(record, "time"))
    ends = began + lives * 1_000_000 if began is not None and lives < 10**9 else None
    return Issued(made, holder, False, ends)


def _activity(record: Row, _: str) -> int | None:
    """A response that carries a token issues one, whatever it was asked for."""
    if said(record, "response", "auth", "accessor"):
        return ISSUANCE
    return None


def _number(record: Row) -> str | None:
    number = said(record, "request", "id")
    kind = said(record, "type")
    return f"{number}/{kind}" if number and kind else number or None


def _header(name: str, record: Row) -> str | None:
    value = first(member(inside(record, "request", "headers"), name))
    return value if type(value) is str else None


def _trace(record: Row) -> str | None:
    parts = (_header("traceparent", record) or "").split("-")
    return parts[1] if len(parts) == 4 else None


def _span(record: Row) -> str | None:
    parts = (_header("traceparent", record) or "").split("-")
    return parts[2] if len(parts) == 4 else None


def _behind(line: str) -> Row | None:
    """The entry behind a syslog header or the prefix of a file device."""
    try:
        entry = orjson.loads(line[line.index("{") :])
    except (ValueError, RecursionError):
        return None
    return entry if type(entry) is dict else None


def _pieces(body: bytes) -> Iterator[Piece]:
    return lines.each_line(body, _behind, "audit entry behind a prefix")


TABLE = Table(
    name="vault",
    title="HashiCorp Vault audit",
    signs=(
        ("type=request|response", "request.operation", "request.path"),
        ("type=request|response", "request.id", "auth"),
        ("request.mount_point", "request.operation"),
        ("request.id", "request.operation", "request.path"),
    ),
    mark=b'"operation"',
    text=Text(lambda head: _PREFIXED.match(head) is not None, _pieces),
    realm="vault:{cluster_name|cluster|request.replication_cluster}",
    at=("time",),
    vendor_id=(_number,),
    action=(_action,),
    principal=(_principal,),
    credential=(_credential,),
    resource=(_path,),
    outcome=_outcome,
    error=(lambda record: " ".join(said(record, "error")[:2000].split()) or None,),
    activity=_activity,
    patterns=(
        (r"\w+ auth/token/(?:create|renew)", ISSUANCE),
        (r"\w+ (?:auth/token|sys/(?:leases/)?)[\w/-]*(?:revoke)", REVOCATION),
        (r"\w+ auth/[^ ]+/login", AUTHENTICATION),
        (r"\w+ auth/token/", USE),
        (r"\w+ \w+/(?:creds|issue|sign|static-creds|token|sts|key|roleset|imp)", ISSUANCE),
        (r"(?:create|update|patch|delete) (?:transit|sys/wrapping|sys/(?:leases/)?lookup)", USE),
        (r"(?:create|update|patch|delete) ", CHANGE),
        (r"revoke ", REVOCATION),
    ),
    issued=_issued,
    address=("request.remote_address",),
    user_agent=(lambda record: _header("user-agent", record),),
    request_id=("request.id",),
    trace_id=(_trace,),
    span_id=(_span,),
    # Digests that Vault made stay (dropping.py); what it logged raw does not.
    content=("request.data[*]", "response.data[*]"),
    lacks={
        "session": "a token is the session; its accessor is the credential",
        "user agent": "only where the header is audited (sys/config/auditing/request-headers)",
        "cluster": "an entry names none; the sender adds `cluster`",
    },
)
