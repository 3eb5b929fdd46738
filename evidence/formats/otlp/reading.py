"""One span as a normalised record: which act it is, of which agent, on what.

Owns the reading of one span; the names of attributes are in names.py. Pure.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from evidence.formats import aws, written
from evidence.formats.escaping import escaped, escaped_texts, must_escape
from evidence.formats.otlp import agents, content
from evidence.formats.otlp.agents import actor
from evidence.formats.otlp.names import (
    ACTS,
    ADDRESSES,
    AGENT_IDS,
    AGENTS,
    BUCKETS,
    BY_NAME,
    CALLED,
    CALLERS,
    CODING,
    CONVERSATIONS,
    DATABASE,
    KEPT_SECRETLY,
    MODELS,
    OLD_HEADERS,
    PEOPLE,
    PLACEHOLDERS,
    POD,
    REQUEST_IDS,
    RESOURCES,
    RUNNING,
    TASKS,
    TOKENS,
    TOOLS,
    VERSIONS,
    WORKLOAD,
)
from evidence.formats.record import ActorName, Record
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    DECISION,
    MODEL_CALL,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    PLANE_AI,
    STEP,
    TOOL_CALL,
)

_ALL_IDS = (*REQUEST_IDS, *OLD_HEADERS.values())
# Most spans have none of these, which one look tells.
_SOME_ID = frozenset(_ALL_IDS)
_CALLED = frozenset(CALLED)
_SOME_PLACE = frozenset((*RESOURCES, *ADDRESSES, *BUCKETS, *DATABASE, KEPT_SECRETLY))
_TOOL_BEFORE = (
    "execute_tool ",
    "running tool: ",
    "running tool ",
    "MCP send tools/call ",
    "tools/call ",
    "tool: ",
    "anthropic.tool_use ",
    "MCP request: tools/call ",
    "MCP server handle request: tools/call ",
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_EARLIEST, _LATEST = 946_684_800_000_000_000, 4_102_444_800_000_000_000  # 2000 and 2100


class Unreadable(Exception):
    """Why a span cannot be read, in words for the person who sent it."""


class Sender(NamedTuple):
    """What all spans of one resource share."""

    realm: str
    service: ActorName | None
    version: str | None
    task: str | None
    # The attributes by which its spans name their task, the source's own first.
    tasks: tuple[str, ...] = TASKS
    pod: str | None = None
    workload: str | None = None
    agent: str | None = None  # the agent's id, where whoever deployed it stated one
    states: bool = False  # its library states each agent's name: the name of a span is none


def sender(attributes: dict[str, Any], realm: str, task_attribute: str = "") -> Sender:
    """The sender as its resource describes it; its source may name an attribute for the task."""
    own = (task_attribute,) if task_attribute else ()
    attributes = escaped_texts(attributes)
    name = agents.lasting(_text(attributes.get("service.name")))
    # The SDKs write this when nobody named the service: it names no one.
    service = actor(realm, "service", name) if name else None
    return Sender(
        realm,
        service,
        _text(attributes.get("service.version")),
        _first(attributes, (*own, "countersign.task")),
        (*own, *TASKS),
        _text(attributes.get(POD)),
        _text(attributes.get(WORKLOAD)),
        _first(attributes, AGENT_IDS),
    )


def _text(value: Any) -> str | None:
    if type(value) is str:
        return value or None
    if type(value) is list:
        return escaped(_text(value[0]) or "") or None if value else None
    if type(value) is int:
        return str(value)
    return None


def _first(attributes: dict[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        if name in attributes:
            found = _text(attributes[name])
            if found:
                return found
    return None


def _said(attributes: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of these that somebody has said, and no library for them."""
    found = _first(attributes, names)
    return None if found in PLACEHOLDERS else found


def check(span: Span) -> None:
    """Raise Unreadable when ids or times are impossible."""
    trace, own, above = span.trace_id, span.span_id, span.parent_span_id
    if len(trace) != 16 or not any(trace):
        raise Unreadable("its trace id is not 16 bytes, or is zero")
    if len(own) != 8 or not any(own):
        raise Unreadable("its span id is not 8 bytes, or is zero")
    if above and len(above) != 8:
        raise Unreadable("its parent span id is not 8 bytes")
    start = span.start_time_unix_nano
    if not _EARLIEST <= start <= _LATEST:
        raise Unreadable(f"its start {start} is no time between 2000 and 2100")
    if span.end_time_unix_nano < start:
        raise Unreadable("it ends before it starts")
    if span.end_time_unix_nano > _LATEST:
        raise Unreadable("its end is no time before 2100")


def record(
    *, position: str, digest: bytes, span: Span, attributes: dict[str, Any], sender: Sender
) -> Record:
    """The span as a record; `attributes` holds those of READ. Raises Unreadable."""
    start = span.start_time_unix_nano
    name = span.name
    if must_escape(name) or any(map(must_escape, attributes.values())):
        name, attributes = escaped(name), escaped_texts(attributes)
    request_id = None
    if not _SOME_ID.isdisjoint(attributes):
        request_id = _first(attributes, _ALL_IDS)
    act = _act(name, span.kind, attributes, request_id)
    if act == MODEL_CALL and CODING in attributes:
        request_id = request_id or _text(attributes.get("request_id"))
    stated = _said(attributes, AGENTS) or agents.graph_agent(attributes)
    if act == STEP and name == stated and "openinference.span.kind" in attributes:
        # The span of a whole graph, which OpenInference calls a chain like its nodes.
        act = AGENT_RUN
    model = _first(attributes, MODELS)
    realm = sender.realm
    agent_id = _said(attributes, AGENT_IDS)
    other = sender.states or agents.lasting(agent_id) is not None
    agent_name = agents.name_of(name, act, attributes, stated, other)
    tenant = _text(attributes.get("microsoft.tenant.id"))
    issuer = f"entra:{tenant.lower()[:64]}" if tenant else realm
    workload = _text(attributes.get(WORKLOAD)) or sender.workload
    agent = agents.actor_of(
        act, agent_id, workload, agent_name, realm, issuer, deployed=sender.agent
    )
    if act == API_CALL:
        method = _text(attributes.get("rpc.method"))
        action = (
            aws.action_of(_text(attributes.get("rpc.service")) or "", method)
            if method and _is_aws(attributes)
            else name
        )
    elif act == TOOL_CALL:
        action = _first(attributes, TOOLS) or _after(name, _TOOL_BEFORE)
    elif act == MODEL_CALL:
        action = model or name
    elif act == AGENT_RUN:
        told = agent_name or _first(attributes, ("gen_ai.workflow.name",)) or name
        action = agents.lasting(told) or name
    else:
        action = name
    key = _text(attributes.get("aws.auth.account.access_key"))
    on_behalf = _on_behalf(attributes, issuer, act)
    version = _first(attributes, VERSIONS) or sender.version
    outcome, error = _ending(span, attributes)
    above, caller = span.parent_span_id, _text(attributes.get("client.address"))
    return Record(
        position,
        digest,
        start // 1000,
        realm,
        PLANE_AI,
        act,
        outcome,
        _bounded(action) or "span",
        _resource(attributes),
        sender.service,
        aws.access_key(key) if key else _key(attributes, act, span.kind, sender),
        agent,
        on_behalf,
        None,
        _bounded(request_id),
        span.trace_id,
        span.span_id,
        above if above and any(above) else None,
        (span.end_time_unix_nano - start) // 1000,
        written.address(caller) if caller and ":" in caller else _bounded(caller),
        _bounded(_text(attributes.get("user_agent.original"))),
        _bounded(error),
        _bounded(_first(attributes, CONVERSATIONS)),
        _bounded(_said(attributes, sender.tasks) or sender.task),
        _bounded(f"{version} {model}" if version and model else version or model),
    )


# Kinds of span that call something: of these the pod tells who did.
_CALLING = frozenset({TOOL_CALL, API_CALL})


def _key(attributes: dict[str, Any], act: int, kind: int, sender: Sender) -> ActorName | None:
    """The token that a span names, else the pod that it calls from. Of the sender's own realm:
    only evidence/key_links.py says that the called system knows it by the same id."""
    token = _first(attributes, TOKENS)
    if token:
        return ActorName(sender.realm, "token", aws.bounded(token), sender.service)
    pod = _text(attributes.get(POD)) or sender.pod
    if pod and (act in _CALLING or kind == Span.SPAN_KIND_CLIENT):
        return ActorName(sender.realm, "pod", aws.bounded(pod), sender.service)
    return None


def stranger(record: Record, own: str, realms: frozenset[str]) -> str | None:
    """What is wrong when a span names somebody of a realm its source may not speak for."""
    for name in (record.principal, record.credential, record.agent, record.on_behalf):
        if name is not None and name.realm != own and name.realm not in realms:
            return (
                f"names somebody of the realm {name.realm!r}, which this source may not speak for"
            )
    return None


def _bounded(text: str | None) -> str | None:
    return text if not text or len(text) <= aws.LONGEST else aws.bounded(text)


def _is_aws(attributes: dict[str, Any]) -> bool:
    return (
        attributes.get("rpc.system") == "aws-api"
        or attributes.get("rpc.system.name") == "aws-api"
        or "aws.request_id" in attributes
        or "aws.requestId" in attributes
    )


def _act(name: str, kind: int, attributes: dict[str, Any], request_id: str | None) -> int:
    if _is_aws(attributes):
        # A model call through AWS's SDK is the API call that the audit log shows.
        return API_CALL
    requested = request_id is not None and kind == Span.SPAN_KIND_CLIENT
    for attribute, values in ACTS:
        said = attributes.get(attribute)
        if type(said) is str:
            known = values.get(said.strip('"').lower())
            if known is not None:
                # A step that carries the id of a request is that request.
                return API_CALL if known == STEP and requested else known
    method = attributes.get("mcp.method.name")
    if method == "tools/call" or attributes.get("rpc.method") == "tools/call":
        return TOOL_CALL
    if "microsoft.security.decision.type" in attributes:
        return DECISION
    if requested:
        return API_CALL
    if "gen_ai.operation.name" in attributes or method is not None:
        return STEP
    # Libraries from before the conventions: what they name tells what they did.
    if not _CALLED.isdisjoint(attributes):
        return TOOL_CALL
    if "openinference.span.kind" in attributes:
        return STEP
    if (name.startswith("invoke_agent") or RUNNING in attributes) or (
        "agent_name" in attributes and name in ("agent run", f"{attributes['agent_name']} run")
    ):
        return AGENT_RUN
    if "gen_ai.request.model" in attributes:
        return MODEL_CALL
    return STEP


def _on_behalf(attributes: dict[str, Any], issuer: str, act: int) -> ActorName | None:
    """The person a span says it acts for, else the agent that called this one. Where both are
    said, the run is the caller's, and what is done in it the person's."""
    person, caller = _first(attributes, PEOPLE), _first(attributes, CALLERS)
    if person is None or _DIGEST.fullmatch(person):
        person = _first(attributes, BY_NAME) or person
    if caller and (not person or act == AGENT_RUN):
        return actor(issuer, "agent_id", caller.lower())
    if person:
        return actor(issuer, "user", person if issuer.startswith("otel:") else person.lower())
    return None


def _after(name: str, openings: tuple[str, ...]) -> str:
    for opening in openings:
        if name.startswith(opening) and len(name) > len(opening):
            return name[len(opening) :]
    return name


def _resource(attributes: dict[str, Any]) -> str | None:
    if _SOME_PLACE.isdisjoint(attributes):
        # What a tool that reads and writes files was let loose on.
        path = _text(attributes.get("file_path")) if CODING in attributes else None
        return aws.bounded(path) if path else None
    bucket = _text(attributes.get("aws.s3.bucket"))
    if bucket:
        return aws.bounded(f"{bucket}/{_text(attributes.get('aws.s3.key')) or ''}")
    secret = _text(attributes.get(KEPT_SECRETLY))
    if secret:
        return aws.secret_of(secret)
    found = _first(attributes, RESOURCES)
    if found:
        return aws.bounded(found)
    space = _first(attributes, ("db.namespace", "db.name"))
    table = _first(attributes, ("db.collection.name", "db.sql.table"))
    if space or table:
        return aws.bounded("/".join(part for part in (space, table) if part))
    address = _first(attributes, ADDRESSES)
    return _address(address) if address else None


@lru_cache(maxsize=16_384)
def _address(address: str) -> str:
    """An address without its query, fragment and user: they are arguments, not places."""
    scheme, mark, rest = address.partition("://")
    rest = rest.split("?", 1)[0].split("#", 1)[0] if mark else ""
    host, slash, path = rest.partition("/")
    if not mark:
        return aws.bounded(address.split("?", 1)[0].split("#", 1)[0])
    return aws.bounded(f"{scheme}://{host.rsplit('@', 1)[-1]}{slash}{path}")


def _ending(span: Span, attributes: dict[str, Any]) -> tuple[int, str | None]:
    """(outcome, error) of a span: its status, its error type, the answer's status code."""
    if attributes.get("microsoft.security.decision.type") == "deny":
        return OUTCOME_REFUSED, _text(attributes.get("microsoft.security.decision.code"))
    status = span.status
    error = _text(attributes.get("error.type"))
    code = attributes.get("http.response.status_code", attributes.get("http.status_code"))
    failed = status.code == 2 or error is not None
    if CODING in attributes:
        if attributes.get("decision") in ("reject", "deny"):
            return OUTCOME_REFUSED, None
        failed = failed or attributes.get("success") in (False, "false")
        code = attributes.get("status_code", code)
    if failed and error is None:
        for event in span.events:
            if event.name == "exception":
                for pair in event.attributes:
                    if pair.key == "exception.type":
                        error = escaped(pair.value.string_value) or None
                break
    answered = type(code) is int and code >= 400
    if not failed and not (answered and status.code == 0):
        return OUTCOME_OK, None
    error = error or (str(code) if answered else "error")
    if code in (401, 403) or content.refusal_in(f"{error} {status.message}"):
        return OUTCOME_REFUSED, error
    return OUTCOME_FAILED, error
