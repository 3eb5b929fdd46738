"""A play: agents that run, calls that are logged, and what is true of each.

Owns who did what and what can be known of it; the forms are wire.py's, the stories stories.py's.
"""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.company import wire
from tests.company.wire import CLIENT, Json, Span

SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
# How surely a call can be led to its run: evidence/vocabulary.py's numbers, 0 for not at all.
NONE, INFERRED, KEY, EXACT = 0, 1, 2, 3


class Told(NamedTuple):
    """What is true of one record of a log."""

    log: str
    number: int  # its place in that log
    who: str  # "agent", "person", "attacker", "service"
    run: str | None  # the trace of the run that it belongs to
    tool: str | None  # the span of the tool call that made it
    strength: int  # what the recording proves, at best
    # Of key and inferred: something else in the recording could be it as well, so no run is named.
    untold: bool = False


class Agent(NamedTuple):
    name: str
    service: str
    source: str  # where its spans go
    speaks: str  # the convention of its spans
    also: Json = {}  # of its resource


class Tool(NamedTuple):
    run: "Run"
    span: Span

    def sdk(self, name: str, at: int, lasted: int, **attributes: Any) -> Span:
        """A call of an SDK below this tool call."""
        return self.run.add(self.span.number, name, at, lasted, attributes, kind=CLIENT)


class Run:
    """One run of an agent; kept: whether its spans are sent."""

    def __init__(self, play: "Play", agent: Agent, at: int, lasted: int, *, kept: bool = True):
        self.play, self.agent, self.kept = play, agent, kept
        self.trace = play.hex(16)
        self.spans: list[Span] = []
        attributes, name = _ROOTS[agent.speaks](agent)
        self.root = self.add(None, name, at, lasted, attributes)
        play.runs.append(self)

    def add(
        self,
        above: str | None,
        name: str,
        at: int,
        lasted: int,
        attributes: Json,
        *,
        trace: str = "",
        **said: Any,
    ) -> Span:
        resource = said.pop("resource", {"service.name": self.agent.service} | self.agent.also)
        span = Span(
            trace or self.trace, self.play.hex(8), above, name, at, lasted,
            attributes=attributes, resource=resource, **said,
        )  # fmt: skip
        self.spans.append(span)
        return span

    def tool(self, name: str, at: int, lasted: int, *, failed: bool = False) -> Tool:
        attributes, title = _TOOLS[self.agent.speaks](name)
        return Tool(self, self.add(self.root.number, title, at, lasted, attributes, failed=failed))

    def model(self, at: int) -> None:
        self.add(self.root.number, "chat m-1", at, SECOND, _MODELS[self.agent.speaks])


_ROOTS: dict[str, Callable[[Agent], tuple[Json, str]]] = {
    "genai": lambda a: (
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": a.name},
        f"invoke_agent {a.name}",
    ),
    "old": lambda a: (
        {"gen_ai.system": "openai", "gen_ai.agent.name": a.name},
        f"invoke_agent {a.name}",
    ),
    "openinference": lambda a: (
        {"openinference.span.kind": "AGENT", "agent.name": a.name},
        a.name,
    ),
    "langfuse": lambda a: (
        {"langfuse.observation.type": "agent", "gen_ai.agent.name": a.name},
        a.name,
    ),
    "mlflow": lambda a: ({"mlflow.spanType": "AGENT"}, a.name),
}
_TOOLS: dict[str, Callable[[str], tuple[Json, str]]] = {
    "genai": lambda t: (
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": t},
        f"execute_tool {t}",
    ),
    "old": lambda t: ({"gen_ai.system": "openai", "gen_ai.tool.name": t}, f"execute_tool {t}"),
    "openinference": lambda t: ({"openinference.span.kind": "TOOL", "tool.name": t}, t),
    "langfuse": lambda t: ({"langfuse.observation.type": "tool", "gen_ai.tool.name": t}, t),
    "mlflow": lambda t: ({"mlflow.spanType": "TOOL"}, t),
}
_MODELS: dict[str, Json] = {
    "genai": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1"},
    "old": {"gen_ai.system": "openai", "gen_ai.request.model": "m-1"},
    "openinference": {"openinference.span.kind": "LLM", "llm.model_name": "m-1"},
    "langfuse": {"langfuse.observation.type": "generation", "gen_ai.request.model": "m-1"},
    "mlflow": {"mlflow.spanType": "CHAT_MODEL"},
}


class Play:
    """One story as it is played: its logs, its runs, and the truth of both."""

    def __init__(self, name: str, seed: int, start: int) -> None:
        self.name, self.start = name, start
        self.dice = random.Random(f"{name} {seed}")
        self.logs: dict[str, list[Json]] = {}
        self.formats: dict[str, str] = {}
        self.runs: list[Run] = []
        self.truth: list[Told] = []
        self.sampled: dict[str, float] = {}

    def hex(self, size: int) -> str:
        return self.dice.randbytes(size).hex()

    def request(self) -> str:
        return wire.uuid_of(self.dice.random())

    def log(
        self,
        log: str,
        record: Json,
        *,
        of: Tool | Run | None = None,
        strength: int = NONE,
        who: str = "agent",
        untold: bool = False,
    ) -> None:
        """A record of a log, and what is true of it."""
        run = of.run if isinstance(of, Tool) else of
        rows = self.logs.setdefault(log, [])
        self.truth.append(
            Told(
                log,
                len(rows),
                who,
                run.trace if run else None,
                of.span.number if isinstance(of, Tool) else None,
                strength if run is None or run.kept else NONE,
                untold,
            )
        )
        rows.append(record)

    def aws(
        self,
        tool: Tool | None,
        at: int,
        caller: Json,
        action: str,
        *,
        strength: int = EXACT,
        skew: int = 0,
        key: bool = False,
        address: str = "10.1.0.5",
        client: str = "Boto3/1.43 md/Botocore#1.43",
        who: str = "agent",
        untold: bool = False,
        log: str = "trail",
        **said: Any,
    ) -> None:
        """A call to AWS: its record, and for exact and key the span of the SDK that says so."""
        request = self.request()
        service, operation = action.split(":")
        if tool is not None and strength in (EXACT, KEY):
            attributes: Json = {
                "rpc.system": "aws-api",
                "rpc.service": service.upper() if service == "s3" else service,
                "rpc.method": operation,
            }
            if strength == EXACT:
                attributes["aws.request_id"] = request
            if strength == KEY or key:
                attributes["aws.auth.account.access_key"] = caller["accessKeyId"]
            tool.sdk(f"{service}.{operation}", at - 40_000, 120_000, **attributes)
        record = wire.cloudtrail(
            at + skew, caller, action, request, address=address, client=client, **said
        )
        self.log(log, record, of=tool, strength=strength, who=who, untold=untold)

    def sent(self) -> dict[str, list[Run]]:
        """The runs that are sent, by where they go."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            if run.kept:
                found.setdefault(run.agent.source, []).append(run)
        return found
