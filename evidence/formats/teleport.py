"""Teleport audit events: who entered what, with which certificate, and what was done there.

Owns the meaning of Teleport's fields. Source: Teleport's audit events reference, and the messages
MCPSessionRequest and CertificateCreate of its events.proto. Bots and the certificates of bot
instances are machines; `impersonator` is who is behind an issued certificate, the subject of the
token by which a bot joins who is behind the bot. Of a request to an MCP server, the tool it calls is
part of what is used; only `tools/call` is the call of a tool. Pure.

Not verified: that uses name a bot instance by the same `bot_instance_id` as its certificate.
"""

import re
from typing import Any

from evidence.formats.record import ActorName
from evidence.formats.tables import Issues, Name, Row, Table, actor
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
    TOOL_CALL,
    USE,
)

_BOT = "bot-"
# Where an event, or all whose names begin so, say what they are about if no other member does.
_ABOUT = {
    "session.recording.access": "sid",
    "access_list": "access_list_name",
    "saml": "service_provider_entity_id",
    "mfa": "mfa_device_uuid",
    "desktop": "desktop_addr",
    "windows": "desktop_addr",
}
# Sign-ins of a machine without a browser: the one that is asked for, the one that is turned down.
_HEADLESS = {"T1012I": OUTCOME_UNKNOWN, "T1014W": OUTCOME_REFUSED}
# EventAction of events.proto, by number and by name.
_DENIED = (1, "DENIED")


def _text(record: Row, *members: str) -> str:
    for member in members:
        value = record.get(member)
        if type(value) is str and value:
            return value
    return ""


def _user(record: Row, realm: str) -> ActorName | None:
    """Who acts: the user; for events without one, who reviewed, updated or joined."""
    identity = record.get("identity")
    inside = _text(identity, "user") if type(identity) is dict else ""
    # A reviewer or editor acts on what `user` asked for.
    name = _text(record, "reviewer", "updated_by", "user", "user_name") or inside
    name = name or _named_inside(record)
    if not name:
        robot = _text(record, "bot_name")
        return actor(realm, "service_account", _BOT + robot) if robot else None
    machine = name.startswith(_BOT) or record.get("user_kind") in (2, "USER_KIND_BOT")
    return actor(realm, "service_account" if machine else "user", name)


def _named_inside(record: Row) -> str:
    """The user that an event of a device holds; whom a provider signed in that no role fits."""
    user = record.get("user")
    if type(user) is dict:
        return _text(user, "user")
    said = record.get("attributes") if record.get("event") == "user.login" else None
    return _text(said, "email") if type(said) is dict else ""


def _behind(record: Row, realm: str) -> ActorName | None:
    """Who is behind an impersonated name; nobody when it is the name itself."""
    identity = record.get("identity")
    inside = identity if type(identity) is dict else {}
    name = _text(record, "impersonator") or _text(inside, "impersonator")
    if not name or name in (record.get("user"), inside.get("user")):
        return None
    return actor(realm, "service_account" if name.startswith(_BOT) else "user", name)


def _resource(record: Row) -> str | None:
    cluster, base = _text(record, "kubernetes_cluster"), _text(record, "db_service")
    if cluster:
        kind, name = _text(record, "resource_kind"), _text(record, "resource_name")
        space = _text(record, "resource_namespace", "kubernetes_pod_namespace")
        name = name or _text(record, "kubernetes_pod_name")
        return "/".join(part for part in (cluster, space, kind, name) if part)
    if base:
        return "/".join(part for part in (base, _text(record, "db_name")) if part)
    target = record.get("target")
    held = _text(target, *target) if type(target) is dict else ""
    app = _text(record, "app_name", "desktop_name", "server_hostname", "server_id")
    asked = _asked(record) if app and "message" in record else ""
    return (
        (f"{app}/{asked}" if asked else app)
        or held
        or _text(record, "name", "node_name", "spiffe_id", "path", "resource_type", "id")
        or _about(record)
        or None
    )


def _about(record: Row) -> str:
    event = _text(record, "event")
    family = event.partition(".")[0]
    device = record.get("device") if family == "device" else None
    if type(device) is dict:
        return _text(device, "device_id")
    member = _ABOUT.get(event) or _ABOUT.get(family)
    return _text(record, member) if member else ""


def _session(record: Row) -> Any:
    """Where somebody acts; the session whose recording is watched is what is acted on."""
    return None if record.get("event") == "session.recording.access" else record.get("sid")


def _asked(record: Row) -> str:
    """The tool, prompt or resource that a message to an MCP server names."""
    message = record.get("message")
    asked = message.get("params") if type(message) is dict else None
    return _text(asked, "name", "uri") if type(asked) is dict else ""


def _activity(record: Row, action: str) -> int | None:
    """A request to an MCP server is the call of a tool where it calls one."""
    if action != "mcp.session.request":
        return None
    message = record.get("message")
    method = message.get("method") if type(message) is dict else None
    return USE if type(method) is str and method and method != "tools/call" else TOOL_CALL


def _outcome(record: Row) -> int:
    """Stated as `success`; else by the letter of the code: I(nformation), W(arning), E(rror)."""
    success = record.get("success")
    if success is True:
        return OUTCOME_OK
    event, code, said = record.get("event"), record.get("code"), record.get("error")
    if event == "device" and type(status := record.get("status")) is dict:
        success, said = status.get("success"), said or status.get("error")
    if (
        ("denied" in str(said)[:500] and event != "user.login")
        or event == "access_request.deny"
        or (event == "session.network" and record.get("action") in _DENIED)
    ):
        return OUTCOME_REFUSED
    letter = code[-1:] if type(code) is str else ""
    if success is False or said or letter in ("W", "E"):
        known = _HEADLESS.get(code) if type(code) is str and event == "user.login" else None
        failed = OUTCOME_REFUSED if event == "auth" else OUTCOME_FAILED
        return failed if known is None else known
    answer = record.get("response_code" if event == "kube.request" else "status_code")
    if type(answer) is int and answer >= 400:
        return OUTCOME_REFUSED if answer in (401, 403) else OUTCOME_FAILED
    return OUTCOME_OK if letter else OUTCOME_UNKNOWN


_WITH_PORT = re.compile(r"(?:\[([0-9a-fA-F:.%\w]+)\]|([\w.-]+)):\d{1,5}\Z")


def _address(record: Row) -> str | None:
    """Where it came from, without the port."""
    given = _text(record, "addr.remote", "addr_remote", "remote_addr", "src_addr")
    nested = record.get("addr")
    if not given and type(nested) is dict:
        given = _text(nested, "remote")
    if given and given == record.get("desktop_addr"):
        # Of a desktop, `remote` is the desktop itself, and `local` where its user signed in.
        inside = _text(nested, "local") if type(nested) is dict else ""
        given = _text(record, "addr.local", "addr_local") or inside
    if not given and type(identity := record.get("identity")) is dict:
        given = _text(identity, "client_ip")
    found = _WITH_PORT.match(given[:100])
    return (found[1] or found[2]) if found else given or None


_INSTANCE = ("bot_instance_id", "identity.bot_instance_id")

TABLE = Table(
    name="teleport",
    title="Teleport audit events",
    # Not all codes begin so: those of workload identities, user tasks and updates do not.
    signs=(
        ("event", "code^T", "time"),
        ("event", "code^T", "uid"),
        ("event", "code", "uid", "ei"),
    ),
    mark=b'"event"',
    realm="teleport:{cluster_name|identity.teleport_cluster}",
    at="time",
    vendor_id="uid",
    action="event",
    principal=(_user, Name("service", ("host_id", "node_name"))),
    credential=(
        Name("certificate", _INSTANCE),
        Name("token", "token_name"),
        Name("key", "mfa_device.mfa_device_uuid"),
    ),
    on_behalf=(_behind, Name("federated", "attributes.sub", when="event=bot.join")),
    session=_session,
    resource=_resource,
    outcome=_outcome,
    activity=_activity,
    activities={
        "cert.create": ISSUANCE,
        "cert.generation_mismatch": REVOCATION,
        "lock.created": REVOCATION,
        "join_token.create": ISSUANCE,
        "provision_token.create": ISSUANCE,
        "device.token.create": ISSUANCE,
        "device.webtoken.create": ISSUANCE,
        # Of clusters that Teleport knows; what else begins so is a request to one.
        **dict.fromkeys(("kube.create", "kube.update", "kube.delete"), CHANGE),
    },
    patterns=(
        (r"(reset_password|recovery|privilege|bot|trusted_cluster)_token\.create", ISSUANCE),
        (
            r"(spiffe\.svid\.issued|.*certificate\.(issued|create)|recovery_code\.generated)",
            ISSUANCE,
        ),
        (r"workload_identity_x509_revocation\.create", REVOCATION),
        (r"(join_token|.*_token|device\.token|.*session)\.(deleted?|revoked?)", REVOCATION),
        (r"(user|bot|bot_instance)\.delete", REVOCATION),
        (
            r"(user\.(login|logout)|auth$|bot\.join|instance\.join|mfa_auth|device\.auth)",
            AUTHENTICATION,
        ),
        (
            r"(session|app\.session|db\.session|windows\.desktop|desktop|kube|mcp|sftp|scp|exec)",
            USE,
        ),
        (r"(resize|port|subsystem|x11|print|client\.|access_request\.search)", USE),
        (r"[\w.]+\.(created?|updated?|deleted?|add|remove|review|expire|.*change.*|used)", CHANGE),
    ),
    issues=(
        Issues(
            frozenset({"cert.create", "bot.join"}),
            Name("certificate", _INSTANCE),
            standing=False,
            expires="identity.expires",
        ),
        Issues(
            frozenset({"join_token.create", "provision_token.create"}),
            Name("token", "name"),
            expires="expires",
        ),
        Issues(
            frozenset({"spiffe.svid.issued"}),
            (Name("certificate", "serial_number"), Name("token", "jti")),
            standing=False,
            expires="not_after",
        ),
    ),
    address=_address,
    user_agent="user_agent",
    request_id="request_id",
    error=("error", "message", "exitError"),
    task="access_requests[0]",
    content=(
        *("db_query_parameters", "parameters", "body", "args", "argv", "command", "raw_query"),
        *("message.params.arguments", "function_args", "payload"),
    ),
    statements=("db_query", "query", "children[*].query"),
    lacks={
        "credential": "only joins, bot instances and multi-factor devices name one",
        "request_id": "Teleport names sessions, not requests",
    },
    # 5: users that are deleted. 6: addr_remote, as some collectors write it. 7: what is about a
    # recording, a device, a list or a desktop; how requests to clusters and headless sign-ins end.
    # 8: sign-ins that failed.
    version=8,
)
