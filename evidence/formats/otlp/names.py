"""The attribute names that a record is made from, and what they mean.

Owns the tables: OpenTelemetry's GenAI conventions old and new, OpenInference, Langfuse, MLflow,
Traceloop, Vercel AI SDK, pydantic-ai, LangSmith, Genkit, Flue, LiveKit, Claude Code. To teach it
a library, add rows. The conventions are unstable, so every table takes all names it ever had. Pure.
"""

from evidence.vocabulary import AGENT_RUN, DECISION, MODEL_CALL, STEP, TOOL_CALL

# Which act a span is, by the attribute that says so and its value in lower case.
_OPERATIONS = {
    "invoke_agent": AGENT_RUN,
    "invoke_workflow": AGENT_RUN,
    "execute_tool": TOOL_CALL,
    "chat": MODEL_CALL,
    "text_completion": MODEL_CALL,
    "completion": MODEL_CALL,
    "generate_content": MODEL_CALL,
    "embeddings": MODEL_CALL,
    "textcompletion": MODEL_CALL,
    "generatecontent": MODEL_CALL,
    "apply_guardrail": DECISION,
    "guardrail_check": DECISION,
    # Said, so that no weaker sign of the same span decides.
    **dict.fromkeys(
        (
            "create_agent",
            "create_memory",
            "create_memory_store",
            "delete_memory",
            "delete_memory_store",
            "output_messages",
            "plan",
            "retrieval",
            "search_memory",
            "update_memory",
            "upsert_memory",
        ),
        STEP,
    ),
}
_KINDS = {
    "agent": AGENT_RUN,
    "tool": TOOL_CALL,
    "llm": MODEL_CALL,
    "chat_model": MODEL_CALL,
    "generation": MODEL_CALL,
    "embedding": MODEL_CALL,
    "decision": DECISION,
    "guardrail": DECISION,
}
# Vercel's SDK wraps the model call in a span of the same kind, which is no second call.
_VERCEL = {
    "ai.toolcall": TOOL_CALL,
    **dict.fromkeys(
        (
            "ai.generatetext",
            "ai.streamtext",
            "ai.generateobject",
            "ai.streamobject",
            "ai.embed",
            "ai.embedmany",
        ),
        STEP,
    ),
    **dict.fromkeys(
        (
            "ai.generatetext.dogenerate",
            "ai.streamtext.dostream",
            "ai.generateobject.dogenerate",
            "ai.streamobject.dostream",
            "ai.embed.doembed",
            "ai.embedmany.doembed",
        ),
        MODEL_CALL,
    ),
}
# Claude Code's own: a person's turn with the agent, and what they let it do.
CODING = "span.type"
_CODING = {
    "interaction": AGENT_RUN,
    "llm_request": MODEL_CALL,
    "tool": TOOL_CALL,
    "tool.blocked_on_user": DECISION,
    "tool.execution": STEP,
    "hook": STEP,
}
ACTS: tuple[tuple[str, dict[str, int]], ...] = (
    ("gen_ai.operation.name", _OPERATIONS),
    ("openinference.span.kind", _KINDS),
    ("ai.operationId", _VERCEL),
    ("langfuse.observation.type", _KINDS),
    ("mlflow.spanType", {**_KINDS, "workflow": AGENT_RUN}),
    ("traceloop.span.kind", {**_KINDS, "workflow": AGENT_RUN}),
    ("langsmith.span.kind", _KINDS),
    ("genkit:metadata:subtype", {"model": MODEL_CALL, "embedder": MODEL_CALL, "tool": TOOL_CALL}),
    (CODING, _CODING),
    ("llm.request.type", {"chat": MODEL_CALL, "completion": MODEL_CALL, "embedding": MODEL_CALL}),
)
# Conventions that name an agent's span after the agent.
NAMING = (
    "openinference.span.kind",
    "langfuse.observation.type",
    "mlflow.spanType",
    "traceloop.span.kind",
)
# What says of a span that has it, and says nothing else, that a tool was called.
CALLED = ("gen_ai.tool.name", "ai.toolCall.name", "flue.tool.name", "lk.function_tool.name")
TOOLS = (*CALLED, "tool.name", "mcp.tool.name", "tool_name")
# What says so of an agent's run: a task that was delegated to it.
RUNNING = "flue.task.agent"
MODELS = (
    "gen_ai.request.model",
    "llm.model_name",
    "llm.request.model_name",
    "gen_ai.response.model",
    "langfuse.observation.model.name",
    "ai.model.id",
    "model_name",
    "embedding.model_name",
    "model",
)
AGENTS = (
    "gen_ai.agent.name",
    "agent.name",
    "agent_name",
    "langfuse.agent.name",
    "langsmith.metadata.lc_agent_name",
    "traceloop.association.properties.lc_agent_name",
    RUNNING,
    "lk.agent_name",
)
# OpenInference's and Traceloop's names of what a span stands for: of an agent's, the agent's.
NODES = ("traceloop.entity.name", "graph.node.name", "graph.node.id")
# Where LangGraph, as OpenInference writes it down, says beside other things which agent it runs.
NOTES, GRAPH_AGENT = "metadata", "lc_agent_name"
# What frameworks call the object or the run of an agent that nobody has named, in lower case.
NOBODYS = frozenset(
    """
    agent agentexecutor agentrunner agentworkflow ai_agent assistant beeai-framework-main codeagent
    conversableagent crew crewagentexecutor functionagent langgraph multistepagent openai_agent
    reactagent task team toolcallingagent workflow
    """.split()  # noqa: SIM905  a table of names reads better than a column of strings
) | {"agent workflow"}
AGENT_IDS = ("gen_ai.agent.id", "agent.id")
# What instrumentations of OpenAI's agents state for every span of which they know no better.
PLACEHOLDERS = frozenset({"OpenAI Agent", "agent", "Agent workflow", "Agent Workflow"})
# Instrumentations that name each agent in an attribute, and the root of a trace after a workflow.
STATING = frozenset({"openinference.instrumentation.openai_agents"})
# OpenLLMetry writes down what an application associates with a trace under names of its choice;
# these are those of its documentation, in both of its languages, and of LangGraph.
_ASSOCIATED = "traceloop.association.properties."
PEOPLE = (
    "user.id",
    "enduser.id",
    "langfuse.user.id",
    "mlflow.trace.user",
    "enduser.pseudo.id",
    "ai.telemetry.metadata.userId",
    "langsmith.metadata.user_id",
    *(f"langfuse.{of}.metadata.langfuse_user_id" for of in ("trace", "observation")),
    *(_ASSOCIATED + name for name in ("user_id", "userId")),
)
# A person by name. Where their id is a digest of 32 bytes, which Claude Code makes of each of its
# installations, only this says who it is.
BY_NAME = ("user.email", "user.account_uuid")
# The agent that called this one.
CALLERS = ("microsoft.a365.caller.agent.id",)
CONVERSATIONS = (
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "mlflow.trace.session",
    "gcp.vertex.agent.session_id",
    "microsoft.session.id",
    "mcp.session.id",
    "ai.telemetry.metadata.sessionId",
    *(f"langsmith.metadata.{name}" for name in ("session_id", "thread_id", "conversation_id")),
    *(f"langfuse.{of}.metadata.langfuse_session_id" for of in ("trace", "observation")),
    *(
        _ASSOCIATED + name
        for name in (
            "session_id",
            "sessionId",
            "conversation_id",
            "chat_id",
            "chatId",
            "thread_id",
            "threadId",
        )
    ),
)
TASKS = ("countersign.task", "gen_ai.workflow.name", "traceloop.workflow.name")
VERSIONS = ("gen_ai.agent.version", "langfuse.release", "langfuse.version")
# Attributes that hold the id under which the called system logs the call.
REQUEST_IDS = (
    "aws.request_id",
    "aws.requestId",
    "azure.service.request.id",
    "http.response.header.x-amzn-requestid",
    "http.response.header.x-amz-request-id",
    "http.response.header.x-okta-request-id",
    "http.response.header.x-github-request-id",
    "http.response.header.audit-id",
    "http.response.header.x-ms-request-id",
    "http.response.header.request-id",
    "http.response.header.x-ms-correlation-request-id",
    "http.response.header.x-vault-request-id",
    "http.response.header.x-goog-request-id",
    "http.response.header.x-request-id",
)
# The older convention wrote header names with underscores.
OLD_HEADERS = {
    name: f"http.response.header.{name.rsplit('.', 1)[-1].replace('-', '_')}"
    for name in REQUEST_IDS
    if name.startswith("http.")
}
# Attributes that hold the id of the token a call was made with, as the called system logs it: a
# JWT's `jti`, Entra's `uti`, Vault's accessor, GitHub's hash. No convention names one yet.
TOKENS = ("countersign.token.id", "token.jti", "jwt.jti", "token.uti", "vault.token.accessor")
POD = "k8s.pod.uid"
# The identity that AWS gave an agent; of a call to AWS, the one that the call is about.
WORKLOAD = "aws.bedrock.agentcore.identity.workload_identity.arn"
RESOURCES = (
    "aws.dynamodb.table_names",
    "aws.sqs.queue.url",
    "aws.queue_url",
    "aws.sns.topic.arn",
    "aws.kinesis.stream_name",
    "aws.lambda.invoked_arn",
    "aws.lambda.function.arn",
    "aws.lambda.function.name",
    "aws.step_functions.state_machine.arn",
    "aws.stepfunctions.state_machine.arn",
    "aws.bedrock.agentcore.runtime.arn",
    "aws.bedrock.agentcore.gateway.arn",
    "aws.bedrock.agentcore.memory.arn",
    WORKLOAD,
    "aws.bedrock.agent.id",
    "aws.bedrock.knowledge_base.id",
    "mcp.resource.uri",
    "gen_ai.data_source.id",
    "messaging.destination.name",
    "microsoft.security.target.id",
    "gen_ai.handoff.to_agent",
)
ADDRESSES = ("url.full", "http.url")
BUCKETS = ("aws.s3.bucket", "aws.s3.key")
KEPT_SECRETLY = "aws.secretsmanager.secret.arn"
DATABASE = ("db.namespace", "db.name", "db.collection.name", "db.sql.table")
_OTHER = (
    "aws.auth.account.access_key",
    "client.address",
    "countersign.task",
    "decision",
    "error.type",
    "file_path",
    "http.response.status_code",
    "http.status_code",
    "mcp.method.name",
    "request_id",
    "status_code",
    "success",
    "microsoft.security.decision.code",
    "microsoft.security.decision.type",
    "microsoft.tenant.id",
    "rpc.method",
    "rpc.service",
    "rpc.system",
    "rpc.system.name",
    "service.name",
    "service.version",
    "user_agent.original",
)
# Every attribute that a record is made from; the others are passed over.
READ = frozenset(
    (
        *(name for name, _ in ACTS),
        *TOOLS,
        *MODELS,
        *AGENTS,
        *NODES,
        NOTES,
        *AGENT_IDS,
        *PEOPLE,
        *BY_NAME,
        *CALLERS,
        *CONVERSATIONS,
        *TASKS,
        *VERSIONS,
        *REQUEST_IDS,
        *OLD_HEADERS.values(),
        *TOKENS,
        POD,
        *RESOURCES,
        *ADDRESSES,
        *BUCKETS,
        KEPT_SECRETLY,
        *DATABASE,
        *_OTHER,
    )
)
