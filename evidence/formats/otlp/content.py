"""Which span attributes are content, which hold secrets, which are read.

Owns the published list of names whose values are prompts, completions, tool arguments or
results (decisions 11), and the rule for names that nobody has published: six words in a row are
somebody's, unless the name is known to hold no content. What an error says is content too: it
quotes arguments and answers. They are dropped unless a source says otherwise; secrets go in any
case. To teach it a library, add its names here. Pure.
"""

import re
from functools import lru_cache

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from evidence import privacy
from evidence.formats.marking import Gone, is_gone

# What is to be done with an attribute.
PLAIN, READ, CONTENT, SECRET, LITERALS, ANY, NOTED = 0, 1, 2, 3, 4, 5, 6

# Names that are content as they stand.
NAMES = frozenset(
    """
    gen_ai.input.messages gen_ai.output.messages gen_ai.system_instructions
    gen_ai.tool.call.arguments gen_ai.tool.call.result gen_ai.tool.message
    gen_ai.retrieval.documents gen_ai.retrieval.query.text gen_ai.evaluation.explanation
    gen_ai.request.messages gen_ai.response.message gen_ai.response.text
    gen_ai.content.prompt gen_ai.content.completion gen_ai.event.content
    gen_ai.memory.records gen_ai.memory.query.text
    input.value output.value tool.parameters retrieval.query embedding.text embedding.vector
    document.content llm.function_call llm.prompt_template.template
    llm.prompt_template.variables
    all_messages_events pydantic_ai.all_messages pydantic_ai.variable_instructions events
    final_result model_request_parameters tool_arguments tool_response logfire.msg
    request_data response_data
    mlflow.spanInputs mlflow.spanOutputs mlflow.chat.messages
    langfuse.observation.input langfuse.observation.output langfuse.trace.input
    langfuse.trace.output
    gcp.vertex.agent.llm_request gcp.vertex.agent.llm_response
    gcp.vertex.agent.tool_call_args gcp.vertex.agent.tool_response gcp.vertex.agent.data
    traceloop.entity.input traceloop.entity.output traceloop.prompt.template
    traceloop.prompt.template_variables
    ai.response.text ai.response.object ai.response.toolCalls ai.response.reasoning
    ai.response.files ai.toolCall.args ai.toolCall.result ai.value ai.values ai.embedding
    ai.embeddings
    mcp.tool.arguments mcp.tool.result mcp.request.params mcp.response.result
    microsoft.security.content.input.value microsoft.security.content.output.value
    microsoft.a365.agent.thought.process gen_ai.execution.payload
    http.request.body http.response.body http.request.body.text http.response.body.text
    http.request.body.content http.response.body.content rpc.message
    messaging.message.body rpc.request.body rpc.response.body
    crew_tasks crew_agents crew_inputs crew_tasks_output crewai.crew.result task_output
    formatted_description formatted_expected_output
    thought history prompt prompts completion completions messages message.content
    input output inputs outputs arguments result tool_input tool_output tool_args tool_result
    input_messages output_messages system_prompt user_prompt question answer
    content text body query request response instructions combined_chunk_content revised_prompt
    refusal stdout stderr user_input user_message assistant_message
    gen_ai.output.text gen_ai.agent.instructions gen_ai.request.instructions
    llm.request llm.response litellm.input response.output task.description langgraph.state
    langwatch.prompt langwatch.contexts langwatch.rag.contexts langwatch.rag_contexts
    braintrust.expected tool.result tool.arguments tool.args function.result function.arguments
    function.args agent.instructions
    microsoft.security.decision.reason microsoft.security.risk.metadata
    langfuse.observation.model.parameters llm.invocation_parameters
    full_command bash_command tool_parameters system_prompt_preview new_context
    response.model_output
    langfuse.observation.status_message otel.status_description
    """.split()  # noqa: SIM905  a table of names reads better than a column of strings
)
# Families of names: the flattened lists of OpenInference and the older conventions.
_FAMILIES = re.compile(
    r"gen_ai\.(?:prompt|completion)(?:\.|$)"
    r"|llm\.(?:input_messages|output_messages|prompts|completions|choices)(?:\.|$)"
    r"|llm\.prompt_template\.variables\."
    r"|(?:retrieval|reranker)\.(?:input_|output_)?documents(?:\.|$)|reranker\.query$"
    r"|embedding\.embeddings(?:\.|$)"
    r"|(?:.*\.)?message\.(?:content|contents|tool_calls|function_call_arguments_json)(?:\.|$)"
    r"|(?:.*\.)?tool_call\.function\.arguments$"
    r"|ai\.prompt(?:\.(?:messages|system|prompt|format))?$"
    r"|langfuse\..*(?:\.|_)(?:input|output)$"
    r"|mlflow\..*(?:[Ii]nputs|[Oo]utputs|[Pp]review)$"
    r"|lk\.(?:user_input|user_transcript|input_text|response\.|chat_ctx|instructions"
    r"|function_tool\.(?:arguments|output))"
    r"|ai\.result\.(?:text|object|toolCalls)$"
    r"|flue\.(?:\w+\.)+(?:prompt|payload|result)$|genkit:(?:input|output)$"
    # OpenLIT's and OpenLLMetry's, and what a store of vectors was asked and found.
    r"|gen_ai\.agent\.(?:context|final_result|goal|memory|next_goal|step_messages|task)$"
    r"|gen_ai\.(?:assistant|system|user|choice)\.message$|(?:gen_ai|llm)\.content\."
    r"|gen_ai\.(?:\w+\.)*(?:action\.value|task\.description|instructions?|(?:in|out)put_data"
    r"|query\.text|text\.processed|search\.query|retrieval\.query|speech\.prompt|audio\.text|image"
    r"|diarized_transcript|tool_calls|input_kwargs)$"
    r"|mcp\.(?:\w+\.)*(?:argument\.value|(?:context|prompt)\.arguments|completion\.values|error\.data"
    r"|server\.instructions|progress\.message|(?:request|response)\.(?:argument|payload|value)"
    r"|sampling\.messages)$|mcp\.result$"
    r"|(?:db|pinecone)\.(?:\w+\.)*(?:(?:query|search)\.result|result\.(?:document|entity|metadata"
    r"|vector)|where|where_document|filter|queries|embeddings(?:\.vector)?|search\.query"
    r"|update\.(?:metadata|values))$|haystack\.\w+\.completion$"
    # Annotations of answers, what was said aloud; functions as Google's instrumentation calls them.
    r"|(?:.*\.)?(?:annotation|evaluation)\.explanation$|(?:.*\.)?audio\.transcript$"
    r"|code\.function\.(?:parameters\..*|return)\.value$"
    # Of a tool, whoever made it.
    r"|(?:.*[._:])?tool(?:_?call|_?use)?[._](?:arguments|args|params|parameters|results?|response)$"
    r"|mcp\.(?:request|response)\.(?:arguments|content|params|result)(?:\.|$)"
    r"|smolagents\..*(?:memory|output)$"
    # Errors quote what they were about: arguments of tools, answers of models, lines of code.
    r"|(?:.*\.)?(?:exception|error)\.(?:message|stack|stack_?trace|object)$"
    # Whoever made it: haystack.component.input, braintrust.output_json, lmnr.span.input …
    r"|(?:.*[._])?(?:in|out)puts?(?:_json)?$"
)
# Namespaces of OpenTelemetry's conventions for machines, and descriptions that programs hold.
_HARMLESS = re.compile(
    r"(?:exception|error|otel|telemetry|service|deployment|host|os|process|container|k8s|cloud|aws"
    r"|gcp|azure|faas|device|browser|thread|code|server|client|network|net|url|http|user_agent|tls"
    r"|db|messaging|rpc|peer|source|destination|feature_flag|webengine|heroku|dotnet|jvm|nodejs"
    r"|cpython|v8js|go|aspnetcore|signalr|kestrel|graphql)\."
    r"|(?:.*[._])?(?:description|definitions?|json_schema|schema|version|stacktrace)$"
)
# Six words in a row, or as much in letters that some people write without spaces. Looked for where
# a word begins, so that the time is linear in the text.
_PROSE = re.compile(
    r"(?<![\w'’-])(?:[^\W_][\w'’-]*+[,.;:!?)\"]*+\s++){5}(?=[^\W_])|[^\x00-\x7f]{16}"
)
SHORTEST_PROSE, WORDS = 16, 5  # characters; words before the last
# Statements keep their form and lose their values.
_STATEMENTS = frozenset({"db.statement", "db.query.text", "sql.query"})
_PARAMETERS = re.compile(r"db\.(?:query|operation)\.parameters?(?:\.|$)|db\.sql\.parameters")
# Span events that carry messages; nothing of them is kept but their names.
_EVENTS = re.compile(
    r"gen_ai\.(?:.*message|choice|content\..*|client\.inference\.operation\.details"
    r"|evaluation\.result)$|(?:llm|agent)\.content\..*"
)
# How targets and libraries say that access was refused, in letters alone.
_REFUSALS = (
    "accessdenied",
    "unauthorized",
    "unauthenticated",
    "authenticationerror",
    "forbidden",
    "permissiondenied",
    "permissionerror",
    "notauthorized",
)
_REFUSED_WITHIN = 400
_LITERAL = re.compile(
    r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\"(?=\s*(?:[,)]|$))|\b\d[\w.]*\b"
)


@lru_cache(maxsize=16_384)
def kind_of(name: str) -> int:
    """What is to be done with an attribute of this name, READ aside."""
    if name in NAMES or _FAMILIES.match(name) or _PARAMETERS.match(name):
        return CONTENT
    if name in _STATEMENTS:
        return LITERALS
    return PLAIN if privacy.secret_name(name) is None else SECRET


@lru_cache(maxsize=16_384)
def is_harmless(name: str) -> bool:
    """Whether what stands under this name, which is no content's, is kept whatever it says."""
    return _HARMLESS.match(name) is not None


def is_prose(text: str) -> bool:
    """Whether this is what people or models write, not what programs do."""
    if len(text) < SHORTEST_PROSE or (text.isascii() and len(text.split(None, WORDS)) <= WORDS):
        return False  # soon told of what programs write, which is nearly all
    return _PROSE.search(text) is not None


@lru_cache(maxsize=1024)
def is_message(event: str) -> bool:
    """Whether a span event of this name carries a message."""
    return _EVENTS.match(event) is not None


def holds_prose(value: AnyValue) -> bool:
    """Whether a value of any type has prose in one of its texts."""
    text = value.string_value
    if text:
        return is_prose(text)
    if value.WhichOneof("value") not in ("array_value", "kvlist_value", "bytes_value"):
        return False
    return is_prose(value.SerializeToString().decode("utf-8", "replace"))


def without_prose(notes: str, lost: Gone) -> str:
    """Notes that an application keeps beside a span, as JSON, without what people wrote in them."""
    if not is_prose(notes):
        return notes
    try:
        said = orjson.loads(notes)
    except (ValueError, RecursionError):
        said = None
    if type(said) is not dict:
        return lost.mark(notes)
    for name, value in said.items():
        text = value if type(value) is str else orjson.dumps(value).decode()
        if is_prose(text):
            said[name] = lost.mark(text)
    return orjson.dumps(said).decode()


def without_literals(statement: str) -> tuple[str, int]:
    """A database statement with ? for its values, and how many characters they had."""
    gone = 0

    def mark(match: re.Match[str]) -> str:
        nonlocal gone
        gone += len(match[0])
        return "?"

    return _LITERAL.sub(mark, statement), gone


def refusal_in(text: str) -> str:
    """The word by which an error says that access was refused; ''."""
    told = text[:_REFUSED_WITHIN].lower().replace(" ", "").replace("_", "")
    return next((word for word in _REFUSALS if word in told), "")


def without_words(text: str, lost: Gone) -> str:
    """What is kept of what an error says: that access was refused, and the mark of the rest."""
    word, _, mark = text.rpartition(" ")
    if not text or (is_gone(mark) and (not word or word in _REFUSALS)):
        return text
    return f"{refusal_in(text)} {lost.mark(text)}".lstrip()


def length_of(value: AnyValue) -> int:
    """Characters of a text value; bytes on the wire of any other."""
    if value.WhichOneof("value") == "string_value":
        return len(value.string_value)
    return int(value.ByteSize())
