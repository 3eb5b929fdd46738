"""Which agent a span is of: by what it states, in the order of how sure that is.

Owns the names of agents in spans; what else a span says is reading.py's. Pure.
"""

import re
from functools import lru_cache
from typing import Any

import orjson

from evidence.formats import aws
from evidence.formats.otlp.names import (
    GRAPH_AGENT,
    NAMING,
    NOBODYS,
    NODES,
    NOTES,
)
from evidence.formats.record import ActorName
from evidence.vocabulary import AGENT_RUN, API_CALL

_BEFORE = ("invoke_agent ", "agent_run ", "create_agent ")
# A method that runs an agent, behind the agent's own name.
_METHOD = re.compile(r"\.(?:a?run|a?invoke|a?stream|a?call|execute|kickoff)(?:_async|_stream)?$")
# A path of words, a count of steps at the end, an id: what happened, not who did it.
_NO_NAME = re.compile(
    r"[\w-]+(?:\.[\w-]+)+|.*[-_.:# ]\d+|.*[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}.*",
    re.DOTALL,
)
# Frameworks make one of these up whenever an agent object is made or run: the same agent has another
# one after each start. UUIDs of the versions that hold chance or a time (RFC 9562: 1, 4, 6, 7; not
# those that are made of a name), also without dashes, and ULIDs; alone, or as a part of a name.
_MADE_UP = (
    r"[0-9a-f]{8}-[0-9a-f]{4}-[1467][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    r"|[0-9a-f]{12}[47][0-9a-f]{3}[89ab][0-9a-f]{15}|(?-i:[0-7][0-9A-HJKMNP-TV-Z]{25})"
)
_PART = re.compile(rf"(?:^|[-_./:#@~ ]+)(?:{_MADE_UP})(?=$|[-_./:#@~ ])", re.IGNORECASE)
_SHORTEST_MADE_UP, _STEPS = 26, 2
_LONGEST_NOTES = 65_536


@lru_cache(maxsize=65_536)
def actor(realm: str, kind: str, value: str, parent: ActorName | None = None) -> ActorName:
    """An actor's name, cut to what may be kept."""
    return ActorName(realm, kind, aws.bounded(value), parent)


def graph_agent(attributes: dict[str, Any]) -> str | None:
    """The agent that LangGraph names beside every span of a graph, in JSON."""
    notes = attributes.get(NOTES)
    if type(notes) is not str or GRAPH_AGENT not in notes or len(notes) > _LONGEST_NOTES:
        return None
    try:
        said = orjson.loads(notes)
    except (ValueError, RecursionError):
        return None
    found = said.get(GRAPH_AGENT) if type(said) is dict else None
    return found or None if type(found) is str else None


def name_of(
    name: str, act: int, attributes: dict[str, Any], stated: str | None, other: bool
) -> str | None:
    """The agent's name: as it is stated, else as its run's span is named after it, unless
    `other` says that the agent is told in another way."""
    if stated is not None or act != AGENT_RUN or other:
        return lasting(stated)
    for opening in _BEFORE:
        if name.startswith(opening) and len(name) > len(opening):
            return lasting(name[len(opening) :].strip("[]"))
    if attributes.get("traceloop.span.kind") == "workflow":
        return None
    if any(convention in attributes for convention in NAMING):
        for node in NODES:
            said = attributes.get(node)
            if type(said) is str and (found := _plainly(said)):
                return found
        return _plainly(name)
    return None


@lru_cache(maxsize=16_384)
def _plainly(name: str) -> str | None:
    """The agent's name in that of a span; None where it tells what happened, or what kind of
    object did it, and not which agent."""
    agent = _METHOD.sub("", name, count=1)
    if not agent or agent.lower() in NOBODYS or _NO_NAME.fullmatch(agent):
        return None
    return agent


def lasting(text: str | None) -> str | None:
    """What of a name or an id is there after the next start as well; None where nothing is.

    A path of several steps is the name of a resource, which a cloud or a directory gave: it lasts.
    """
    if text is None or len(text) < _SHORTEST_MADE_UP:
        return text or None
    return _lasting(text)


@lru_cache(maxsize=16_384)
def _lasting(text: str) -> str | None:
    if text.count("/") >= _STEPS:
        return text
    left = _PART.sub("", text)
    return left.strip("-_./:#@~ ") or None if left != text else text


def actor_of(
    act: int,
    agent_id: str | None,
    workload: str | None,
    name: str | None,
    realm: str,
    issuer: str,
    *,
    deployed: str | None = None,
) -> ActorName | None:
    """The agent: by the id that a directory or a cloud gave it, else by the one that its sender
    gave it, below its name, else by its name.

    `workload`: the ARN of the identity that AWS gave the agent. `deployed`: the id that the sender's
    resource states, which whoever deploys it chose: it lasts, whatever it looks like.
    """
    if agent_id and agent_id.startswith("arn:"):
        return aws.arn_actor(agent_id)
    # Of a call to AWS it is what was called.
    if workload and act != API_CALL and workload.startswith("arn:"):
        return aws.arn_actor(workload)
    if agent_id and issuer is not realm:
        return actor(issuer, "agent_id", agent_id.lower())
    agent_id = lasting(agent_id) or (deployed if name or act == AGENT_RUN else None)
    if name is None:
        return actor(realm, "agent_id", agent_id) if agent_id else None
    named = actor(realm, "agent", name)
    if not agent_id or agent_id == name:
        return named
    # The name last: agents and callers that are named alike are compared by it.
    return actor(realm, "agent_id", f"{agent_id}/{name}", named)
