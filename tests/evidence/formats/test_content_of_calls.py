"""What calls carry besides their resource is not kept: statements, commands, messages, prompts.

Owns the table of operations whose parameters are content; prompts in records of models are
test_content_by_name.py's.
"""

import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from evidence.formats import FORMATS, recognise
from evidence.formats.record import Parsed
from tests.evidence.formats import abuse

PRIVATE = "private words"
# A value in a statement, which is what is not kept of it.
VALUE = f"'{PRIVATE}'"


def trail(service: str, name: str, response: Any = None, **parameters: Any) -> dict[str, Any]:
    return {
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "eventTime": "2031-03-04T05:00:00Z",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/rosa"},
        "requestParameters": parameters,
        "responseElements": response,
        "recipientAccountId": "111122223333",
        "eventID": "e-1",
    }


RUN = {"name": "web", "environment": [{"name": "MODE", "value": PRIVATE}], "command": [PRIVATE]}
LEFT = {"name": "web", "environment": [{"name": "MODE", "value": "[]"}], "command": "[]"}
# An operation, and what of its parameters stays.
CALLS: tuple[tuple[dict[str, Any], Any], ...] = (
    (
        trail(
            "logs", "StartQuery", logGroupName="app", queryString=f"filter m = {VALUE} | limit 5"
        ),
        {"logGroupName": "app", "queryString": "filter m = ? | limit ?"},
    ),
    (
        trail("athena", "StartQueryExecution", queryString=f"SELECT 1 FROM t WHERE a={VALUE}"),
        {"queryString": "SELECT ? FROM t WHERE a=?"},
    ),
    (
        trail("cloudtrail", "StartQuery", queryStatement=f"SELECT a FROM s WHERE b = {VALUE}"),
        {"queryStatement": "SELECT a FROM s WHERE b = ?"},
    ),
    (
        trail("redshift-data", "BatchExecuteStatement", database="d", sqls=[f"SELECT {VALUE}"]),
        {"database": "d", "sqls": ["SELECT ?"]},
    ),
    (
        trail("dynamodb", "ExecuteStatement", statement=f"SELECT * FROM t WHERE a={VALUE}"),
        {"statement": "SELECT * FROM t WHERE a=?"},
    ),
    (
        trail("ssm", "SendCommand", documentName="AWS-RunShellScript", parameters={"c": [PRIVATE]}),
        {"documentName": "AWS-RunShellScript", "parameters": "[]"},
    ),
    (
        trail("ssm", "StartSession", target="i-1", parameters={"portNumber": ["22"]}),
        {"target": "i-1", "parameters": {"portNumber": ["22"]}},
    ),
    (
        trail("ecs", "ExecuteCommand", cluster="c1", task="t1", command=f"sh -c {PRIVATE}"),
        {"cluster": "c1", "task": "t1", "command": "[]"},
    ),
    (
        trail("ecs", "RegisterTaskDefinition", family="f", containerDefinitions=[RUN]),
        {"family": "f", "containerDefinitions": [LEFT]},
    ),
    (
        trail("ecs", "RunTask", overrides={"containerOverrides": [RUN]}),
        {"overrides": {"containerOverrides": [LEFT]}},
    ),
    (
        trail("lambda", "CreateFunction20150331", environment={"variables": {"MODE": PRIVATE}}),
        {"environment": {"variables": {"MODE": "[]"}}},
    ),
    (
        trail("bedrock", "InvokeAgent", agentId="A1", inputText=PRIVATE),
        {"agentId": "A1", "inputText": "[]"},
    ),
    (
        trail("bedrock", "RetrieveAndGenerate", input={"text": PRIVATE}, sessionId="s"),
        {"input": "[]", "sessionId": "s"},
    ),
    (
        trail("sqs", "SendMessage", queueUrl="https://q/1", messageBody=PRIVATE),
        {"queueUrl": "https://q/1", "messageBody": "[]"},
    ),
    (
        trail("sns", "Publish", topicArn="t", message=PRIVATE, subject=PRIVATE),
        {"topicArn": "t", "message": "[]", "subject": "[]"},
    ),
    (
        trail("states", "StartExecution", stateMachineArn="m", input=PRIVATE),
        {"stateMachineArn": "m", "input": "[]"},
    ),
    (
        trail("ec2", "RunInstances", userData=PRIVATE, imageId="ami-1"),
        {"userData": "[]", "imageId": "ami-1"},
    ),
    # What AWS itself has left out stays as it is.
    (
        trail("ssm", "SendCommand", parameters="HIDDEN_DUE_TO_SECURITY_REASONS"),
        {"parameters": "HIDDEN_DUE_TO_SECURITY_REASONS"},
    ),
    # The same names mean other things elsewhere.
    (
        trail("rds", "ModifyDBParameterGroup", parameters=[{"parameterName": "ssl"}]),
        {"parameters": [{"parameterName": "ssl"}]},
    ),
)


def plainly(value: Any) -> Any:
    """The same with the marks of content as ``[]``."""
    written = orjson.dumps(value).decode()
    return orjson.loads(re.sub(r"\[content:\d+(?::[0-9a-f]{16})?\]", "[]", written))


def parsed(name: str, body: Any) -> Parsed:
    """Read, without the words, and the same again from what was kept."""
    found = abuse.parse(name, body)
    assert PRIVATE.encode() not in found.kept
    again = FORMATS[name].parse(found.kept, abuse.ASKED)
    assert [abuse.told(one) for one in again.records] == [abuse.told(one) for one in found.records]
    assert again.kept == found.kept
    whole = abuse.parse(name, body, abuse.ASKED._replace(keep_content=True))
    assert [one.digest for one in whole.records] == [one.digest for one in found.records]
    assert [abuse.said(one) for one in whole.records] == [abuse.said(one) for one in found.records]
    return found


@pytest.mark.parametrize(("call", "left"), CALLS, ids=lambda one: one.get("eventName"))
def test_call_keeps_what_identifies(call: dict[str, Any], left: Any) -> None:
    found = parsed("cloudtrail", {"Records": [call, call]})
    kept = orjson.loads(found.kept)["Records"]
    assert [plainly(one["requestParameters"]) for one in kept] == [left, left]
    assert [one.kind for one in found.redactions] == ["content"] * len(found.redactions)


SHAPES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "stores without capitals": lambda call: {
        name.lower(): orjson.dumps(value).decode() if name == "requestParameters" else value
        for name, value in call.items()
        if value is not None
    },
    "workspaces": lambda call: {
        "EventName": call["eventName"],
        "EventSource": call["eventSource"],
        "TimeGenerated": call["eventTime"],
        "AwsEventId": "e-1",
        "UserIdentityType": "IAMUser",
        "RequestParameters": orjson.dumps(call["requestParameters"]).decode(),
    },
    "envelopes": lambda call: {"detail": call},
    "tables": lambda call: {
        **call,
        "requestParameters": orjson.dumps(call["requestParameters"]).decode(),
        "responseElements": orjson.dumps({"environment": {"variables": {"A": PRIVATE}}}).decode(),
    },
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("call", [CALLS[0][0], CALLS[5][0]], ids=["statement", "command"])
def test_call_in_other_shapes_keeps_no_more(call: dict[str, Any], shape: str) -> None:
    assert len(parsed("cloudtrail", [SHAPES[shape](call)] * 2).records) == 2


def test_call_among_records_of_others_keeps_no_more() -> None:
    other = {"uuid": "1", "eventType": "user.session.start", "published": "2031-03-04T05:00:00Z"}
    assert len(parsed("okta", [other, CALLS[0][0]]).records) == 2


def test_call_that_cannot_be_read_keeps_no_more() -> None:
    broken = orjson.dumps(CALLS[7][0])[:-40]
    found = parsed("cloudtrail", b"\n".join((orjson.dumps(CALLS[0][0]), broken)))
    assert [PRIVATE in one.excerpt for one in found.rejects] == [False]


EXEC = "/api/v1/namespaces/a/pods/web/exec?command=sh&command=-c&command=private+words&container=w"
OTHERS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "kubernetes",
        {
            "auditID": "1",
            "stage": "ResponseComplete",
            "verb": "create",
            "requestURI": EXEC.replace("private+words", PRIVATE.replace(" ", "%20") + PRIVATE),
        },
    ),
    (
        "teleport",
        {
            "event": "exec",
            "code": "T3002I",
            "time": "2031-03-04T05:00:00Z",
            "uid": "1",
            "command": PRIVATE,
        },
    ),
    (
        "databricks",
        {
            "serviceName": "jobs",
            "actionName": "runNow",
            "timestamp": 1_930_000_000_000,
            "requestParams": {"jobId": 7, "notebook_params": {"a": PRIVATE}},
        },
    ),
    (
        "azure",
        {
            "OperationNameValue": "X/WRITE",
            "CategoryValue": "Administrative",
            "TimeGenerated": "2031-03-04T05:00:00Z",
            "Type": "AzureActivity",
            "Properties": orjson.dumps({"requestbody": PRIVATE, "entity": "e"}).decode(),
        },
    ),
    (
        "microsoft365",
        {
            "Operation": "SearchQueryPerformed",
            "Workload": "SharePoint",
            "UserId": "a@b.c",
            "CreationTime": "2031-03-04T05:00:00",
            "SearchQueryText": PRIVATE,
        },
    ),
    (
        "ocsf",
        {
            "class_uid": 6003,
            "category_uid": 6,
            "time": 1_930_000_000_000,
            "actor": {"process": {"cmd_line": PRIVATE}},
        },
    ),
    (
        "gcp",
        {
            "logName": "projects/p/logs/a",
            "protoPayload": {"methodName": "Search", "request": {"query": PRIVATE}},
        },
    ),
)


@pytest.mark.parametrize(("name", "record"), OTHERS, ids=lambda one: str(one)[:12])
def test_others_keep_no_more(name: str, record: dict[str, Any]) -> None:
    assert len(parsed(name, [record, record]).records) == 2


def test_command_in_a_container_leaves_the_container() -> None:
    record = {"auditID": "1", "stage": "ResponseComplete", "verb": "create", "requestURI": EXEC}
    kept = orjson.loads(parsed("kubernetes", record).kept)["Records"][0]
    assert kept["requestURI"] == "/api/v1/namespaces/a/pods/web/exec?container=w"
    assert plainly(kept["command"]) == "[]"


def test_lines_of_a_database_that_are_said_to_be_googles_lose_their_values() -> None:
    line = f"2031-03-04 05:00:00 UTC [1]: db=shop,user=app LOG:  statement: SELECT {VALUE}, 42"
    record = {"textPayload": line, "insertId": "1", "timestamp": "2031-03-04T05:00:00Z"}
    found = abuse.parse("gcp", record, abuse.ASKED._replace(forced=True))
    kept = orjson.loads(found.kept)["Records"][0]["textPayload"]
    assert kept.endswith("LOG:  statement: SELECT ?, ?")


def test_download_of_logs_insights_is_the_records_in_it() -> None:
    records = abuse.sample("kubernetes")[:3]
    events = [orjson.dumps(one).decode() for one in records]
    rows = ["@timestamp,@message,@log"]
    rows += [
        '2031-03-04 05:00:00.000,"{}",111122223333:/aws/eks/prod/cluster'.format(
            text.replace('"', '""')
        )
        for text in events
    ]
    body = "\n".join((*rows, 'torn,"', "")).encode()
    assert recognise(body) == "kubernetes"
    found = FORMATS["kubernetes"].parse(body, abuse.ASKED)
    group = {"logGroup": "/aws/eks/prod/cluster", "owner": "111122223333"}
    wanted = abuse.parse("kubernetes", [{**group, "message": text} for text in events])
    assert [abuse.told(one) for one in found.records] == [abuse.told(one) for one in wanted.records]
    assert {one.realm for one in found.records} == {"k8s:111122223333/prod"}
    assert [one.position for one in found.records] == ["line 2", "line 3", "line 4"]
    assert len(found.rejects) == 1
