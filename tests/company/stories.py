"""Five days of the company, each with troubles of its own. What is said of each is true of it."""

from tests.company import wire
from tests.company.playing import (
    EXACT,
    HOUR,
    INFERRED,
    KEY,
    MINUTE,
    NONE,
    SECOND,
    Agent,
    Play,
    Run,
    Tool,
)
from tests.company.wire import CLIENT, SERVER

LAPTOP, THIEF = "198.51.100.23", "203.0.113.99"
READS = (("read_invoice", "s3:GetObject"), ("list_invoices", "s3:ListObjects"))


def payables(seed: int, start: int, kept: float = 0.75) -> Play:
    """AWS, request ids on spans. Two agents share a key; one run in four is not kept; roles are
    chained; a call is tried again; a person uses an agent's key in its very second; a tool calls
    nothing; one sampled run goes on with a key that an earlier one was issued."""
    play = Play("payables", seed, start)
    play.sampled["ai"] = kept
    clerk = Agent("clerk", "payables-clerk", "ai", "genai")
    auditor = Agent("auditor", "payables-auditor", "ai", "openinference")
    shared, own = (
        wire.user("svc-payables", "AKIAPAYABLES00000001"),
        wire.user("svc-auditor", "AKIAAUDITOR000000002"),
    )
    for number in range(40):
        at = start + number * 90 * SECOND
        agent = (clerk, auditor)[number % 2]
        run = Run(play, agent, at, 60 * SECOND, kept=play.dice.random() < kept)
        run.model(at)
        name, action = READS[number % 2]
        tool = run.tool(name, at + 2 * SECOND, 3 * SECOND)
        key = shared if number % 3 else own
        play.aws(tool, at + 3 * SECOND, key, action)
        if number % 5 == 0:
            # The first try is logged under an id that no span states.
            play.aws(tool, at + 3 * SECOND - 300_000, key, action, strength=NONE)
            run.tool("calculate_total", at + 6 * SECOND, SECOND)
        if number % 4 == 1:
            # A person at a desk, with the agent's key and the agent's library.
            play.aws(
                None, at + 3 * SECOND, key, action, strength=NONE, who="person", address=LAPTOP
            )
        if number % 10 == 7:
            _chain(play, run, shared, at + 10 * SECOND)
    return play


def _chain(play: Play, run: Run, key: wire.Json, at: int) -> None:
    """A tool takes a role; what it starts uses the session, and takes another role with it."""
    first, second = f"ASIA{play.hex(8).upper()}", f"ASIA{play.hex(8).upper()}"
    tool = run.tool("assume_reporting_role", at, 40 * SECOND)
    play.aws(
        tool, at + SECOND, key, "sts:AssumeRole", **wire.assumed("report", "r1", first, at + HOUR)
    )
    session = wire.session("report", "r1", first, at)
    script: wire.Json = {"client": "aws-cli/2.19", "address": "10.1.0.6"}
    for second_ in (4, 9):
        play.aws(tool, at + second_ * SECOND, session, "s3:PutObject", **script)
        # No span tells of these: the script has none.
        del run.spans[-1]
        play.truth[-1] = play.truth[-1]._replace(strength=KEY if run.kept else NONE)
    play.aws(
        tool, at + 12 * SECOND, session, "sts:AssumeRole", **script,
        **wire.assumed("archive", "r2", second, at + HOUR),
    )  # fmt: skip
    del run.spans[-1]
    play.truth[-1] = play.truth[-1]._replace(strength=KEY if run.kept else NONE)
    # Whoever holds the second key was issued it by nobody that a span names.
    play.aws(
        None, at + 15 * SECOND, wire.session("archive", "r2", second, at), "s3:GetObject",
        strength=NONE, **script,
    )  # fmt: skip
    # Long after the run, from the cache.
    play.aws(None, at + 20 * MINUTE, session, "s3:GetObject", strength=NONE, **script)


def platform(seed: int, start: int) -> Play:
    """Kubernetes. One agent captures the header of the answer, one states its pod only; runs beside
    one another in a pod; a person in the pod's shell, once while a run is there. The server of one
    cluster is three seconds ahead; that of the other twenty, as often as its runs begin."""
    play = Play("platform", seed, start)
    for cluster, ahead, every in (("audit", 3, 120), ("red", 20, 20)):
        deployer = Agent("deployer", "deployer", f"ai-{cluster}", "old")
        for number in range(20):
            at = start + number * 2 * MINUTE
            run = Run(play, deployer, at, 30 * SECOND)
            for verb, name, after in (("patch", "scale_web", 3), ("get", "read_deployment", 9)):
                tool = run.tool(name, at + after * SECOND, 2 * SECOND)
                audit = play.request()
                tool.sdk(
                    verb.upper(), at + after * SECOND + 100_000, 200_000,
                    **{"http.request.method": "GET", "http.response.header.audit-id": [audit]},
                )  # fmt: skip
                play.log(
                    cluster,
                    wire.kubernetes(
                        at + after * SECOND + 150_000 + ahead * SECOND,
                        "system:serviceaccount:ops:deployer", verb, "deployments", audit,
                        token=wire.uuid_of("jti", number // 6), cluster=cluster,
                    ),
                    of=tool,
                    strength=EXACT,
                )  # fmt: skip
        _watch(play, cluster, ahead * SECOND, every * SECOND)
    return play


def _watch(play: Play, cluster: str, ahead: int, every: int) -> None:
    """Runs that are known by their pod: where clocks are further apart than that tells, nothing."""
    known = KEY if ahead <= 5 * SECOND else NONE
    pods = [wire.uuid_of("pod", play.name, cluster, number) for number in range(2)]
    for number in range(24):
        at = play.start + 30 * SECOND + number * every
        beside, shell = number % 6 == 5, number % 8
        pod = pods[number % 2 if known else 0]
        here = Agent("watcher", "watcher", f"ai-{cluster}", "genai", {"k8s.pod.uid": pod})
        said = {"pod": pod, "cluster": cluster}
        account = "system:serviceaccount:ops:watcher"
        for _ in range(2 if beside else 1):
            tool = Run(play, here, at, 15 * SECOND).tool("list_pods", at + 2 * SECOND, 2 * SECOND)
            record = wire.kubernetes(
                at + 3 * SECOND + ahead, account, "list", "pods", play.request(), **said
            )
            play.log(cluster, record, of=tool, strength=known, untold=beside or shell == 3)
        if known and shell in (3, 6):
            # A person in the pod's shell, whose token is the pod's: while it runs, and long after.
            record = wire.kubernetes(
                at + (4 if shell == 3 else 70) * SECOND + ahead, account, "list", "secrets",
                play.request(), client="kubectl/v1.33", **said,
            )  # fmt: skip
            play.log(cluster, record, who="person")


def desk(seed: int, start: int) -> Play:
    """Okta and GitHub, spans through Langfuse. MCP between: framework, client and server tell each
    call. Two agents share one token of GitHub; a thief has it too, in the minutes of a run."""
    play = Play("desk", seed, start)
    play.formats["ai"] = "langfuse"
    triage = Agent("triage", "desk-triage", "ai", "langfuse")
    fixer = Agent("fixer", "desk-fixer", "ai", "langfuse")
    token = wire.short(play.hex(32))
    for number in range(30):
        at = start + number * 3 * MINUTE
        agent = (triage, fixer)[number % 2]
        run = Run(play, agent, at, 50 * SECOND)
        tool = run.tool("suspend_user", at + 2 * SECOND, 3 * SECOND)
        request = "Y" + play.hex(13)
        tool.sdk(
            "POST", at + 3 * SECOND, 400_000,
            **{"http.request.method": "POST", "http.response.header.x-okta-request-id": request},
        )  # fmt: skip
        play.log(
            "okta",
            wire.okta(
                at + 3 * SECOND + 200_000, "user.lifecycle.suspend", request,
                token="00Tdesk", address="10.2.0.4",
            ),
            of=tool,
            strength=EXACT,
        )  # fmt: skip
        _through_mcp(play, run, at + 10 * SECOND, token, robbed=number % 6 == 2)
    return play


def _through_mcp(play: Play, run: Run, at: int, token: str, *, robbed: bool) -> None:
    """One tool call told three times; the server's HTTP span names the token."""
    tool = run.tool("create_issue", at, 4 * SECOND)
    said = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "create_issue"}
    client = run.add(tool.span.number, "tools/call create_issue", at, 3 * SECOND, said, kind=CLIENT)
    server = run.add(
        client.number, "tools/call create_issue", at + 200_000, 2 * SECOND, said, kind=SERVER,
        resource={"service.name": "github-mcp"},
    )  # fmt: skip
    run.add(
        server.number, "POST", at + 400_000, SECOND, {"countersign.token.id": token}, kind=CLIENT,
        resource={"service.name": "github-mcp"},
    )  # fmt: skip
    play.log(
        "github",
        wire.github(at + SECOND, "issues.create", digest=token, address="10.2.0.9"),
        of=Tool(run, server),
        strength=KEY,
        untold=robbed,
    )
    if robbed:
        play.log(
            "github",
            wire.github(at + 2 * SECOND, "repo.download_zip", digest=token, address=THIEF),
            who="attacker",
        )


def warehouse(seed: int, start: int) -> Play:
    """Nothing states an id. The log's clock is seven seconds behind, as another agent's exact calls
    show. Runs beside one another; a person with the agent's key; a thief who writes the agent's
    name into the user agent, once while the agent's tool calls nothing; a namesake job that no agent runs; SDK spans that lost their run."""
    play = Play("warehouse", seed, start)
    behind = -7 * SECOND
    play.formats["ml"] = "mlflow"
    picker = Agent("Picker", "warehouse-picker", "ai", "openinference")
    planner = Agent("stock-planner", "planner-app", "ml", "mlflow")
    exact = Agent("packer", "warehouse-packer", "ai", "genai")
    keys = {
        "picker": wire.user("svc-warehouse-picker", "AKIAPICKER0000000003"),
        "planner": wire.user("stock-planner", "AKIAPLANNER000000004"),
        "packer": wire.user("svc-packer", "AKIAPACKER0000000005"),
    }
    for number in range(30):
        at = start + number * 2 * MINUTE
        run = Run(play, exact, at, 20 * SECOND)
        tool = run.tool("put_label", at + SECOND, SECOND)
        play.aws(tool, at + 1_500_000, keys["packer"], "s3:PutObject", skew=behind)
        beside = number % 10 == 4
        runs = [Run(play, picker, at + 30 * SECOND, 25 * SECOND) for _ in range(2 if beside else 1)]
        for one in runs:
            tool = one.tool("get_object", at + 40 * SECOND, 2 * SECOND)
            play.aws(
                tool, at + 41 * SECOND, keys["picker"], "s3:GetObject", strength=INFERRED,
                skew=behind, untold=beside or number % 5 == 3, address="10.3.0.2",
            )  # fmt: skip
        if number % 5 == 3:
            who = "attacker" if number % 2 else "person"
            play.aws(
                None, at + 41 * SECOND, keys["picker"], "s3:GetObject", strength=NONE, skew=behind,
                address=THIEF if number % 2 else LAPTOP, who=who, client="warehouse-picker/1.0",
            )  # fmt: skip
        if number % 3 == 0:
            plan = Run(play, planner, at + 70 * SECOND, 20 * SECOND)
            tool = plan.tool("query_table", at + 72 * SECOND, 4 * SECOND)
            play.aws(
                tool, at + 74 * SECOND, keys["planner"], "dynamodb:Query", strength=INFERRED,
                skew=behind, address="10.3.0.7",
            )  # fmt: skip
        if number % 10 == 9:
            # The tool answers from its cache, and in that very moment the thief calls.
            cached = Run(play, picker, at + 110 * SECOND, 8 * SECOND)
            cached.tool("get_object", at + 112 * SECOND, 2 * SECOND)
            play.aws(
                None, at + 113 * SECOND, keys["picker"], "s3:GetObject", strength=NONE, skew=behind,
                address=THIEF, who="attacker", client="warehouse-picker/1.0",
            )  # fmt: skip
        if number % 7 == 5:
            # A nightly job of somebody else, while no tool runs that could be it.
            play.aws(
                None, at + 100 * SECOND, keys["planner"], "dynamodb:Query", strength=NONE,
                skew=behind, who="person", address=LAPTOP,
            )  # fmt: skip
    return play


def night(seed: int, start: int) -> Play:
    """Vault by accessor, AWS by key alone. One run in three is sampled; spans come a day late; one
    session of a role serves two agents; the same tool runs beside itself; a thief uses the key
    while a run does, and while none does."""
    play = Play("night", seed, start)
    play.sampled["ai"] = 0.7
    keeper = Agent("keeper", "night-keeper", "ai", "genai")
    runner = Agent("runner", "night-runner", "ai", "genai")
    session = wire.session("night", "batch", "ASIANIGHT00000000006", start)
    for number in range(40):
        at = start + number * 2 * MINUTE
        kept = play.dice.random() < 0.7
        accessor = wire.mac(str(number // 4))
        run = Run(play, keeper, at, 30 * SECOND, kept=kept)
        tool = run.tool("read_secret", at + SECOND, 2 * SECOND)
        tool.sdk("GET", at + SECOND + 100_000, 300_000, **{"vault.token.accessor": accessor})
        play.log(
            "vault",
            wire.vault(
                at + SECOND + 200_000, "read", "secret/data/db", play.request(),
                accessor=accessor, address="10.4.0.2",
            ),
            of=tool,
            strength=KEY,
        )  # fmt: skip
        agent = (keeper, runner)[number % 2]
        beside, robbed = number % 8 == 6, number % 8 == 3
        both = [
            Run(play, agent, at + 40 * SECOND, 30 * SECOND, kept=kept)
            for _ in range(2 if beside else 1)
        ]
        for one in both:
            tool = one.tool("get_object", at + 45 * SECOND, 2 * SECOND)
            play.aws(
                tool, at + 46 * SECOND, session, "s3:GetObject", strength=KEY,
                untold=beside or robbed, address="10.4.0.3",
            )  # fmt: skip
        if robbed or number % 8 == 1:
            play.aws(
                None, at + (47 if robbed else 100) * SECOND, session, "s3:GetObject",
                strength=NONE, who="attacker", address=THIEF,
            )  # fmt: skip
    return play


STORIES = (payables, platform, desk, warehouse, night)
