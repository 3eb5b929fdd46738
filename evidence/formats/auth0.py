"""Auth0 tenant logs: sign-ins, token exchanges and calls of the Management API.

Owns the meaning of Auth0's fields. Source: Auth0's documentation of log event schemas and type
codes. A record travels bare (Management API) or under `data` beside its `log_id` (log streams).
The type code says what happened and how it ended; calls of the Management API (sapi, fapi) share
one code, so their description is part of the action. Pure.

Not verified: the codes of token exchanges beyond the documented ones.
"""

from functools import lru_cache

from evidence.formats.record import ActorName
from evidence.formats.tables import Name, Row, Table, actor
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

# An application gets tokens: for itself, or for a person.
_FOR_ITSELF = frozenset({"seccft", "feccft"})
_FOR_SOMEBODY = frozenset(
    f"{how}{code}"
    for how in "sf"
    for code in (
        *("eacft", "ede", "epft", "eoobft", "eotpft", "ercft", "ertft", "errt", "ens", "ecte"),
        *("epotpft", "epasskey", "edeft"),
    )
)
_API = frozenset({"sapi", "fapi", "mgmt_api_read"})
_REFUSED = frozenset({"limit_wc", "limit_mu", "limit_ui", "limit_sul", "limit_delegation"})
_MACHINE = "@clients"


@lru_cache(maxsize=4096)
def _tenant(name: str) -> str:
    """``auth0:<tenant>`` of a tenant's name or host; a domain of one's own names none."""
    host = name.removeprefix("https://").split("/", 1)[0].lower()
    if "." not in host:
        return f"auth0:{host}"
    return f"auth0:{host.split('.', 1)[0]}" if host.endswith(".auth0.com") else "auth0"


def _realm(record: Row) -> str:
    for member in ("tenant_name", "hostname", "audience"):
        name = record.get(member)
        if type(name) is str and name and (found := _tenant(name[:200])) != "auth0":
            return found
    return "auth0"


def _code(record: Row) -> str:
    code = record.get("type")
    return code if type(code) is str else ""


def _action(record: Row) -> str | None:
    code, said = _code(record), record.get("description")
    return f"{code}:{said}" if code in _API and type(said) is str and said else code or None


def _machine(record: Row, realm: str) -> ActorName | None:
    """The application that acts: for itself, with a person's consent, or as itself by name."""
    code, user, client = _code(record), record.get("user_id"), record.get("client_id")
    if type(user) is str and user.endswith(_MACHINE):
        return actor(realm, "app", user.removesuffix(_MACHINE))
    if type(client) is str and client and (code in _FOR_ITSELF or code in _FOR_SOMEBODY):
        return actor(realm, "app", client)
    return None


def _somebody(record: Row, realm: str) -> ActorName | None:
    user = record.get("user_id")
    if _code(record) in _FOR_SOMEBODY and type(user) is str and user and record.get("client_id"):
        return None if user.endswith(_MACHINE) else actor(realm, "user", user)
    return None


def _outcome(record: Row) -> int:
    code = _code(record)
    details = record.get("details")
    response = details.get("response") if type(details) is dict else None
    status = response.get("statusCode") if type(response) is dict else None
    if type(status) is str and status.isdecimal():
        status = int(status[:4])
    if type(status) is int and status >= 400:
        # What answers a wrong password is no refusal of a call.
        denied = status in (401, 403) and (code in _API or code[:1] != "f")
        return OUTCOME_REFUSED if denied else OUTCOME_FAILED
    if code in _REFUSED or "pwd_leak" in code or code.endswith(("rejected", "rate_limit_exceed")):
        return OUTCOME_REFUSED
    if "fail" in code or code[:1] == "f":
        return OUTCOME_FAILED
    if code[:1] == "s" or code[:3] == "gd_" or code == "mgmt_api_read":
        return OUTCOME_OK
    return OUTCOME_UNKNOWN


def _activity(record: Row, action: str) -> int | None:
    """What makes an application hands out its secret, where that is said to have been looked at."""
    if action.startswith("sapi:Create"):
        details = record.get("details")
        secrets = details.get("accessedSecrets") if type(details) is dict else None
        if type(secrets) is list and "client_secret" in secrets[:20]:
            return ISSUANCE
    return None


TABLE = Table(
    name="auth0",
    title="Auth0 tenant logs",
    signs=(
        ("log_id", "type", "date"),
        ("_id", "type", "date", "client_id"),
        ("date", "type", "details.request.channel"),
        ("date", "type", "tenant_name"),
        ("date", "type", "hostname", "client_id"),
    ),
    mark=b'"date"',
    realm=_realm,
    at="date",
    vendor_id=("log_id", "_id"),
    action=_action,
    principal=(
        _machine,
        Name(
            "user",
            ("user_id", "details.request.auth.user.user_id", "user_name", "details.body.email"),
        ),
        Name("user", "details.request.auth.user.email"),
        Name("app", ("client_id", "details.qs.client_id")),
    ),
    credential=(
        Name("token", "details.request.auth.credentials.jti"),
        Name("session", ("session_id", "details.session_id")),
    ),
    on_behalf=(_somebody,),
    session=("session_id", "details.session_id"),
    resource=(
        "details.request.path",
        "audience",
        "client_id",
        "details.qs.client_id",
        "connection",
    ),
    outcome=_outcome,
    activity=_activity,
    activities={
        **dict.fromkeys((*_FOR_ITSELF, *_FOR_SOMEBODY), ISSUANCE),
        **dict.fromkeys(("srrt", "srt", "frt"), REVOCATION),
        **dict.fromkeys(("scp", "sce", "scu", "scpn", "scpr", "sdu", "ss", "fs"), CHANGE),
        **dict.fromkeys(("gd_enrollment_complete", "gd_unenroll", "gd_user_delete"), CHANGE),
        "admin_update_launch": CHANGE,
        "mgmt_api_read": USE,
    },
    patterns=(
        (r"mgmt_api_read", USE),
        (r"[sf]api:(?i:revoke|delete .*(grant|token|device cred|session|credential))", REVOCATION),
        (r"[sf]api:(?i:rotate|create .*(credential|key|secret))", ISSUANCE),
        (r"[sf]api:(?i:get|list|read|search|retrieve|check|test)\b", USE),
        (r"[sf]api", CHANGE),
        (
            r"(s|f|w|fp|fu|ssa|slo|flo|signup_pwd_leak|pwd_leak|depnote|fcoa|scoa|fsa)$",
            AUTHENTICATION,
        ),
        (r"gd_(?:tenant_update|module_switch|update_device_account|unenroll)", CHANGE),
        (r"(gd_|limit_|f[eo]|flows?_|mfa|pla$|sui$|sv|fv|cls$|cs$)", AUTHENTICATION),
    ),
    address=("ip", "details.request.ip"),
    user_agent=("user_agent", "details.request.userAgent"),
    request_id=("correlation_id", "details.request.correlation_id"),
    error=("details.error.message", "details.error.oauthError", "details.error"),
    content=("details.request.body", "details.response.body", "details.body", "details.prompts"),
    lacks={
        "issued": "token exchanges do not name the token",
        "request_id": "only where the caller sent a correlation id",
    },
    # 4: applications that are asked for in a query, secrets of new ones, settings of Guardian.
    # 5: sign-ins that failed.
    version=5,
)
