"""Amazon Bedrock: the model invocation log.

Owns the meaning of its members. Source: the Bedrock user guide (model invocation logging) and
rule tests; that refused calls carry ``errorCode`` is not verified. A record tells of the same
call as CloudTrail's InvokeModel or Converse event: caller, action, model and request id are
written as there. Prompts and answers are content, wherever a record has them: the bodies of Titan,
Llama and older models are also met beside `input` and `output`. Of an answer, why it ended and
what it counted stay. Pure.
"""

from functools import lru_cache
from typing import Any

from evidence.formats.cloudtrail import identity
from evidence.formats.members import member, text
from evidence.formats.tables import Row, Table
from evidence.formats.written import Of
from evidence.vocabulary import MODEL_CALL, OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED

# Members of an answer that say nothing of what was said.
_NO_CONTENT = "stopReason|stop_reason|usage|metrics|amazon-bedrock-guardrailAction"
_REFUSALS = ("accessdenied", "unauthorized", "forbidden", "notauthorized")


_named_by = lru_cache(maxsize=16_384)(identity.named_by)


def _entry(record: Row) -> tuple[Any, ...]:
    """(action, who called, how it ended, error): they stand in the same few members."""
    operation, who = text(record.get("operation")), record.get("identity")
    told = record.get("errorCode")
    arn = text(who.get("arn")) if type(who) is dict else ""
    error = text(member(record, "errorCode") if told is None else told)
    if not error:
        ended = OUTCOME_REFUSED if _intervened(record) else OUTCOME_OK
    else:
        ended = OUTCOME_REFUSED if error.lower().startswith(_REFUSALS) else OUTCOME_FAILED
    return (
        f"bedrock:{operation}" if operation else None,
        _named_by(arn, text(member(record, "accountId"))) if arn else None,
        ended,
        error or ("guardrail_intervened" if ended == OUTCOME_REFUSED else None),
    )


def _intervened(record: Row) -> bool:
    answer = record.get("output")
    answer = member(answer, "outputBodyJson") if type(answer) is dict else None
    return type(answer) is dict and (
        "guardrail_intervened" in (answer.get("stopReason"), answer.get("stop_reason"))
        or answer.get("amazon-bedrock-guardrailAction") == "INTERVENED"
    )


TABLE = Table(
    name="bedrock",
    title="Amazon Bedrock model invocations",
    signs=(
        ("schemaType=ModelInvocationLog",),
        ("modelId", "operation", "requestId", "identity.arn"),
        ("p_log_type=AWS.BedrockModelInvocation",),
    ),
    mark=b'"modelId"',
    realm="aws:{accountId}",
    at=("timestamp",),
    action=Of(_entry, 0),
    patterns=((r"bedrock:(InvokeModel|Converse)", MODEL_CALL),),
    principal=(Of(_entry, 1),),
    resource=("modelId",),
    outcome=Of(_entry, 2),
    error=(Of(_entry, 3),),
    request_id=("requestId",),
    task=('requestMetadata["countersign.task"]',),
    release=("modelId",),
    content=(
        f"input.inputBodyJson except {_NO_CONTENT}",
        f"output.outputBodyJson except {_NO_CONTENT}",
        "system",
        "messages",
        "** except input|output|inputBodyJson|outputBodyJson",
    ),
    lacks={
        "credential": "the log names the caller's ARN, not the key; CloudTrail's event of the same"
        " request id has it",
        "address": "CloudTrail's event of the same request id has it",
        "user_agent": "CloudTrail's event of the same request id has it",
        "session": "the session's name is part of the caller's ARN",
        "vendor_id": "a record has no id of its own; its request id may repeat",
    },
    version=4,  # 4: answers in pieces, of which a guardrail held back one
)
