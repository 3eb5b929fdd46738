"""Content under names of every library, and under names that nobody has published."""

from typing import Any

import orjson
import pytest

from evidence.formats.otlp import content, names
from tests.evidence.formats.abuse import ASKED, parse, sample
from tests.evidence.formats.test_unread_content import OBSERVATION, SAID, attribute, span, spans

# As the libraries document or write them.
PUBLISHED = """
    haystack.component.input haystack.component.output braintrust.input_json braintrust.output_json
    braintrust.expected lmnr.span.input lmnr.span.output langwatch.input langwatch.output
    langwatch.contexts langsmith.inputs langsmith.outputs opik.input opik.output weave.input
    weave.output gen_ai.output.text gen_ai.input gen_ai.output tool.input tool.output
    tool.arguments tool.result agent.input agent.output function.arguments function.result
    task.description langgraph.state litellm.input llm.request llm.response response.output
    gen_ai.agent.instructions gen_ai.request.instructions instructions user_input content text
    body query response user_message assistant_message http.request.body.content rpc.message
    lk.input_text lk.user_transcript lk.chat_ctx lk.function_tool.arguments lk.response.text
    flue.turn.input flue.turn.output flue.tool.arguments flue.tool.result flue.task.prompt
    flue.task.result flue.operation.result flue.workflow.payload flue.workflow.result
    genkit:input genkit:output ai.result.text ai.result.object ai.result.toolCalls
    gen_ai.agent.goal gen_ai.agent.final_result gen_ai.agent.step_messages gen_ai.user.message
    gen_ai.content.reasoning gen_ai.content.completion.chunk gen_ai.task.description
    gen_ai.browser.action.value gen_ai.framework.pipeline.input_data gen_ai.framework.query.text
    gen_ai.memory.search.query gen_ai.vectordb.search.query gen_ai.retrieval.query
    gen_ai.request.speech.prompt gen_ai.response.audio.text gen_ai.response.image
    gen_ai.response.tool_calls gen_ai.tool.input_kwargs gen_ai.framework.error.message
    mcp.completion.argument.value mcp.fastmcp.prompt.arguments mcp.sampling.messages mcp.result
    mcp.request.payload mcp.response.value mcp.error.message mcp.progress.message
    db.query.result db.query.result.document db.query.result.metadata db.query.embeddings.vector
    db.chroma.query.where_document db.vector.query.filter db.update.values pinecone.query.queries
    db.marqo.search.query haystack.openai.completion
    acme.tool.params acme.tool_call.args acme.tool_use.result acme:tool_response
""".split()  # noqa: SIM905  a table of names reads better than a column of strings
HARMLESS = ["gen_ai.tool.description", "exception.type", "http.user_agent"]
LONG_WITHOUT_SPACES = "アン・スミスへ四千二百円を送金してください"


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_name_is_content_however_short_it_is(name: str) -> None:
    assert content.kind_of(name) == content.CONTENT


@pytest.mark.parametrize(
    "name",
    """
    db.query.summary db.response.returned_rows db.query.result.score db.query.result.distance
    db.query.namespace gen_ai.evaluation.result gen_ai.evaluation.score.value gen_ai.agent.name
    gen_ai.agent.memory_enabled gen_ai.memory.operation gen_ai.request.context_window
    gen_ai.response.finish_reasons gen_ai.task.status gen_ai.tool.call.id mcp.response.size
    mcp.tool.description mcp.session.id error.type gen_ai.response.id gen_ai.output.type
    """.split(),  # noqa: SIM905  a table of names reads better than a column of strings
)
def test_name_that_says_how_it_went_is_none(name: str) -> None:
    assert content.kind_of(name) != content.CONTENT


def test_no_name_that_is_read_is_content() -> None:
    assert [name for name in names.READ if content.kind_of(name) == content.CONTENT] == []


def said(name: str, value: dict[str, Any]) -> bytes:
    """An export request whose span says this under this name."""
    return spans([span(attributes=[{"key": name, "value": value}])])


@pytest.mark.parametrize(
    "value",
    [
        {"stringValue": SAID},
        {"stringValue": LONG_WITHOUT_SPACES},
        {"arrayValue": {"values": [{"stringValue": SAID}]}},
        {"kvlistValue": {"values": [{"key": "a", "value": {"stringValue": SAID}}]}},
    ],
)
def test_sentence_under_any_name_is_content(value: dict[str, Any]) -> None:
    body = said("acme.note", value)
    dropped, whole = parse("otlp", body), parse("otlp", body, ASKED._replace(keep_content=True))
    assert attribute(dropped).attributes[0].value.string_value.startswith("[content:")
    assert [one.kind for one in dropped.redactions] == ["content"]
    assert (attribute(whole).attributes[0].key, whole.redactions) == ("acme.note", [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, SAID) for name in HARMLESS),
        ("acme.note", '{"a": "b", "c": "d", "e": "f", "g": "h", "i": "j"}'),
        ("acme.agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"),
        ("acme.when", "2031-03-05 09:00:00 UTC"),
    ],
)
def test_what_programs_say_stays(name: str, text: str) -> None:
    parsed = parse("otlp", said(name, {"stringValue": text}))
    assert attribute(parsed).attributes[0].value.string_value == text


def test_body_of_an_event_of_any_name_is_content() -> None:
    event = {"name": "log", "attributes": [{"key": "body", "value": {"stringValue": "pay"}}]}
    parsed = parse("otlp", spans([span(attributes=[], events=[event])]))
    assert b"[content:3:" in parsed.kept


def test_sentence_in_metadata_of_an_observation_is_content() -> None:
    row = {**OBSERVATION, "metadata": {"user_question": SAID, "ls_provider": "openai"}}
    [kept] = orjson.loads(parse("langfuse", {"data": [row]}).kept)["Records"]
    assert kept["metadata"]["user_question"].startswith("[content:33:")
    assert kept["metadata"]["ls_provider"] == "openai"


def test_arguments_of_a_command_are_content() -> None:
    event = {"event": "session.command", "code": "T4000I", "time": "2031-03-05T09:00:00Z"}
    row = {**event, "uid": "u-1", "user": "ann", "program": "psql", "argv": ["-c", SAID]}
    parsed = parse("teleport", row)
    assert len(parsed.records) == 1
    assert b"Ann Smith" not in parsed.kept


def with_member(name: str, member: str, value: Any) -> dict[str, Any]:
    """A record of a vendor of models with a member that its table does not name."""
    return {**sample(name)[3], member: value}


OF_MODELS = ("bedrock", "anthropic", "openai")
UNNAMED: dict[str, Any] = {
    "prompt": "hi",
    "inputText": "Ann",
    "request_body": {"messages": [{"text": SAID}]},
    "requestBody": orjson.dumps({"prompt": "Ann"}).decode(),
    "details": {"data": [{"systemInstruction": "Ann"}]},
    "payload": orjson.dumps({"a": [{"prompt": "Ann"}], "kept": 7}).decode(),
    "note": SAID,
    "generations": ["Ann"],
}


@pytest.mark.parametrize("name", OF_MODELS)
@pytest.mark.parametrize("member", UNNAMED)
def test_content_that_no_table_names_keeps_length_and_digest_alone(name: str, member: str) -> None:
    record = with_member(name, member, UNNAMED[member])
    parsed = parse(name, record)
    [kept] = orjson.loads(parsed.kept)["Records"]
    said = orjson.dumps(kept[member])
    assert [word for word in (b"Ann", b"hi", b"wire") if word in said] == []
    assert said.count(b"[content:") == 1
    assert "content" in {one.kind for one in parsed.redactions}
    again = parse(name, parsed.kept)
    assert (again.kept, again.redactions, len(again.records)) == (parsed.kept, [], 1)
    whole = parse(name, record, ASKED._replace(keep_content=True))
    assert orjson.loads(whole.kept)["Records"][0][member] == UNNAMED[member]


STAYS: dict[str, Any] = {
    "key_id": "apikey_01Ledger",
    "tokens": {"input": 9, "output": 4},
    "name": "ledger agent",
    "description": "Reads invoices of the last month and nothing else",
}


@pytest.mark.parametrize("name", OF_MODELS)
def test_what_is_no_content_stays_under_any_name(name: str) -> None:
    [kept] = orjson.loads(parse(name, with_member(name, "more", STAYS)).kept)["Records"]
    assert kept["more"] == STAYS


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_how_an_act_of_an_administrator_ended_stays(name: str) -> None:
    said = {"error_message": "Your organization requires another factor at login", "result": "no"}
    [kept] = orjson.loads(parse(name, with_member(name, "failure", said)).kept)["Records"]
    assert kept["failure"] == said


def test_instruction_among_parameters_of_a_model_is_content() -> None:
    row = {**OBSERVATION, "modelParameters": {"system_instruction": SAID, "temperature": 0.2}}
    [kept] = orjson.loads(parse("langfuse", {"data": [row]}).kept)["Records"]
    assert kept["modelParameters"]["system_instruction"].startswith("[content:33:")
    assert kept["modelParameters"]["temperature"] == 0.2
