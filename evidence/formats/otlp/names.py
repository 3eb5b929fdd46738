"""The attribute names that a record is made from, and what they mean.

Owns the tables: OpenTelemetry's GenAI conventions old and new, OpenInference, Langfuse, MLflow,
Traceloop, Vercel AI SDK, pydantic-ai. To teach it a library, add rows. The conventions are
unstable, so every table takes all names it ever had. Pure.
"""

from evidence.vocabulary import AGENT_RUN, DECISION, MODEL_CALL, TOOL_CALL

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
}
_KINDS = {
    "agent": AGENT_RUN,
    "tool": TOOL_CALL,
    "llm": MODEL_CALL,
    "chat_model": MODEL_CALL,
    "generation": MODEL_CALL,
    "embedding": MODEL_CALL,
    "decision": DECISION,
}
ACTS: tuple[tuple[str, dict[str, int]], ...] = (
    ("gen_ai.operation.name", _OPERATIONS),
    ("openinference.span.kind", _KINDS),
    ("langfuse.observation.type", _KINDS),
    ("mlflow.spanType", _KINDS),
    ("traceloop.span.kind", {**_KINDS, "workflow": AGENT_RUN}),
    ("ai.operationId", {"ai.toolcall": TOOL_CALL}),
)
TOOLS = ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "mcp.tool.name")
MODELS = (
    "gen_ai.request.model",
    "llm.model_name",
    "gen_ai.response.model",
    "ai.model.id",
    "model_name",
    "embedding.model_name",
)
AGENTS = ("gen_ai.agent.name", "agent.name", "agent_name", "langfuse.agent.name")
AGENT_IDS = ("gen_ai.agent.id", "agent.id")
PEOPLE = ("user.id", "enduser.id", "langfuse.user.id", "mlflow.trace.user", "enduser.pseudo.id")
CONVERSATIONS = (
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "mlflow.trace.session",
    "gcp.vertex.agent.session_id",
    "microsoft.session.id",
    "mcp.session.id",
)
TASKS = ("countersign.task", "gen_ai.workflow.name", "traceloop.workflow.name")
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
    "aws.bedrock.agent.id",
    "aws.bedrock.knowledge_base.id",
    "mcp.resource.uri",
    "gen_ai.data_source.id",
    "messaging.destination.name",
)
ADDRESSES = ("url.full", "http.url")
BUCKETS = ("aws.s3.bucket", "aws.s3.key")
KEPT_SECRETLY = "aws.secretsmanager.secret.arn"
DATABASE = ("db.namespace", "db.name", "db.collection.name", "db.sql.table")
_OTHER = (
    "aws.auth.account.access_key",
    "client.address",
    "countersign.task",
    "error.type",
    "gen_ai.agent.version",
    "http.response.status_code",
    "http.status_code",
    "mcp.method.name",
    "microsoft.security.decision.type",
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
        *AGENT_IDS,
        *PEOPLE,
        *CONVERSATIONS,
        *TASKS,
        *REQUEST_IDS,
        *OLD_HEADERS.values(),
        *RESOURCES,
        *ADDRESSES,
        *BUCKETS,
        KEPT_SECRETLY,
        *DATABASE,
        *_OTHER,
    )
)
