"""What calls of AWS carry besides their resource: statements, commands, messages, prompts, values.

Owns which parameters those are. A statement keeps its form; of the rest stays a mark with its length
and digest (decisions 11), of environments and arguments also the names. Names that mean nothing
else are content in whatever operation, others in the operations that are listed. Sources: the API
references of the services; which of these members CloudTrail leaves out or stars itself changes
from year to year, so that all are named. Knows nothing of what is read. Pure.
"""

from typing import Any

import orjson

from evidence.formats.dropping import Drop, dropper
from evidence.formats.marking import Gone

# Of a task's, a job's or a function's description: what is run, and with what.
_CONTAINER = ("environment[*].value", "command", "entryPoint", "healthCheck")
_HOLDERS = (
    "requestParameters.containerDefinitions[*]",
    "requestParameters.overrides.containerOverrides[*]",
    "requestParameters.containerOverrides",
    "requestParameters.containerProperties",
    "responseElements.taskDefinition.containerDefinitions[*]",
    "responseElements.tasks[*].overrides.containerOverrides[*]",
)


def _asked(*names: str) -> tuple[str, ...]:
    return tuple(f"requestParameters.{name}" for name in names)


_STATEMENTS = _asked(
    *("queryString", "queryStatement", "sql", "sqls[*]", "sqlStatement", "sqlStatements"),
    *("openCypherQuery", "gremlinQuery", "transactStatements[*].statement"),
    *("statements[*].statement", "sqlParameters.queryString"),
)
_CONTENT = (
    *_asked(
        *("prompt", "prompts", "inputText", "instruction", "promptOverrideConfiguration"),
        *("userMessage", "sessionState", "retrievalQuery", "queryText", "searchQuery"),
        *("message", "messages", "messageBody", "messageAttributes", "rawMessage", "body", "text"),
        *("textList", "payload", "userData", "arguments[*]", "defaultArguments[*]"),
        *("environment.variables[*]", "environmentVariables[*]", "buildspecOverride"),
        *("environmentVariablesOverride[*].value", "environment.environmentVariables[*].value"),
        *("launchSpecification.userData", "launchTemplateData.userData"),
        *("CreateLaunchTemplateRequest.LaunchTemplateData.UserData",),
        *("CreateLaunchTemplateVersionRequest.LaunchTemplateData.UserData",),
        *("entries[*].messageBody", "entries[*].messageAttributes", "entries[*].detail"),
        *("publishBatchRequestEntries[*].message", "templateData", "templateBody"),
        *("taskParameters", "taskInvocationParameters", "jobDriver", "inferenceInput"),
    ),
    "responseElements.environment.variables[*]",
    "responseElements.command.parameters",
    "responseElements.build.environment.environmentVariables[*].value",
    *(f"{holder}.{name}" for holder in _HOLDERS for name in _CONTAINER),
)
# (content, statements) of operations in which a common name means one of these.
_OPERATIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "SendCommand": (("parameters",), ()),
    "StartAutomationExecution": (("parameters",), ()),
    "StartSession": (("parameters.command",), ()),
    "CreateAssociation": (("parameters",), ()),
    "UpdateAssociation": (("parameters",), ()),
    "CreateDocument": (("content",), ()),
    "UpdateDocument": (("content",), ()),
    "PutParameter": (("value",), ()),
    "ExecuteCommand": (("command",), ()),
    "SubmitJob": (("parameters[*]",), ()),
    "CreateStack": (("parameters[*].parameterValue",), ()),
    "UpdateStack": (("parameters[*].parameterValue",), ()),
    "CreateChangeSet": (("parameters[*].parameterValue",), ()),
    "AddJobFlowSteps": (("steps[*].hadoopJarStep.args",), ()),
    "StartExecution": (("input",), ()),
    "StartSyncExecution": (("input",), ()),
    "SendTaskSuccess": (("output",), ()),
    "RetrieveAndGenerate": (("input",), ()),
    "InvokeFlow": (("inputs",), ()),
    "ApplyGuardrail": (("content",), ()),
    "CreateEvent": (("payload",), ()),
    "CreatePrompt": (("variants",), ()),
    "UpdatePrompt": (("variants",), ()),
    "InvokeCodeInterpreter": (("arguments",), ()),
    "RetrieveMemoryRecords": (("searchCriteria",), ()),
    "Publish": (("subject",), ()),
    "SendEmail": (("content", "subject"), ()),
    "PutRecord": (("data",), ()),
    "PutRecords": (("records[*].data",), ()),
    "PutRecordBatch": (("records[*].data",), ()),
    "PutFile": (("fileContent",), ()),
    "ExecuteStatement": (("parameters",), ("statement",)),
    "BatchExecuteStatement": (("parameters", "parameterSets"), ()),
    "SelectResourceConfig": ((), ("expression",)),
    "SelectAggregateResourceConfig": ((), ("expression",)),
    "SelectObjectContent": ((), ("expression",)),
}


def _compiled(content: tuple[str, ...], statements: tuple[str, ...]) -> Drop:
    made = dropper(content, statements)
    assert made is not None  # noqa: S101 - a table above without a place would be a mistake there
    return made


_everywhere = _compiled(_CONTENT, _STATEMENTS)
_of_operation = {
    name: _compiled(_asked(*content), _asked(*statements))
    for name, (content, statements) in _OPERATIONS.items()
}
# Columns of tables that hold the parameters as JSON text, and of which members.
_COLUMNS = (
    ("RequestParameters", "requestParameters"),
    ("ResponseElements", "responseElements"),
    ("requestparameters", "requestParameters"),
    ("responseelements", "responseElements"),
)


def drop(record: Any, gone: Gone) -> None:
    """Take the content out of a record, in place; what is gone is counted."""
    if type(record) is not dict:
        return
    name = record.get("eventName")
    if name is None:
        _of_columns(record, gone)
        name = record.get("eventname")
    _everywhere(record, gone)
    if type(name) is str and name in _of_operation:
        _of_operation[name](record, gone)


def _of_columns(record: dict[str, Any], gone: Gone) -> None:
    """The same in a row of a table; a text stays as it was written where it holds none."""
    name = record.get("EventName") or record.get("eventname")
    for column, member in _COLUMNS:
        text = record.get(column)
        if type(text) is not str or text[:1] != "{":
            continue
        try:
            inside = {"eventName": name or "", member: orjson.loads(text)}
        except (ValueError, RecursionError):
            continue
        before = len(gone)
        drop(inside, gone)
        if len(gone) > before:
            record[column] = orjson.dumps(inside[member]).decode()
