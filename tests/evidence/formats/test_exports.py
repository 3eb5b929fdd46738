"""CSV that vendors' pages and queries hand out reads as what their APIs give."""

import csv
import io
from typing import Any

import orjson
import pytest

from evidence.formats import FORMATS, bodies, recognise
from evidence.formats.cloudtrail import athena
from evidence.formats.record import ActorName, Asked, Parsed, Record
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK, OUTCOME_UNKNOWN

ASKED = Asked(source="lab", digest_key=b"k" * 32)
AT = 1_795_168_800_000_000


def written(*rows: dict[str, str]) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def read(name: str, *rows: dict[str, str]) -> Parsed:
    body = written(*rows)
    assert recognise(body) == name
    return FORMATS[name].parse(body, ASKED)


def alike(name: str, rows: dict[str, str], value: dict[str, Any]) -> Record:
    """The record of a row, which is that of the object that the API gives."""
    record = read(name, rows).records[0]
    own = FORMATS[name].parse(orjson.dumps([value]), ASKED).records[0]
    assert record._replace(position="", digest=b"") == own._replace(position="", digest=b"")
    return record


SIGN_IN = {
    "Date (UTC)": "2026-11-20T10:00:00Z",
    "Request ID": "r1",
    "User": "Ann, of Sales",
    "Username": "ann@x",
    "User ID": "u1",
    "Application": "App",
    "Application ID ": "a1",
    "Resource": "Graph",
    "IP address": "1.1.1.1",
    "Status": "Success",
}


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({}, OUTCOME_OK),
        ({"Status": "Failure"}, OUTCOME_FAILED),
        ({"Status": "Interrupted"}, OUTCOME_UNKNOWN),
        ({"Status": "Failure", "Sign-in error code": "50126"}, OUTCOME_FAILED),
    ],
)
def test_sign_ins_of_the_entra_portal(more: dict[str, str], outcome: int) -> None:
    record = read("entra", SIGN_IN | more).records[0]
    assert record.principal == ActorName("entra", "user", "ann@x", ActorName("entra", "user", "u1"))
    assert (record.at, record.outcome, record.resource) == (AT, outcome, "Graph")
    assert (record.action, record.request_id) == ("Sign-in activity", "r1")


def test_audit_log_of_github() -> None:
    row = {
        "action": "org.add_member",
        "actor": "ann",
        "user": "bob",
        "actor_location.country_code": "US",
        "org": "o",
        "repo": "",
        "created_at": "1795168800000",
    }
    value = {
        "action": row["action"],
        "actor": "ann",
        "user": "bob",
        "org": "o",
        "created_at": str(AT // 1000),
    }
    record = alike("github", row, value)
    assert (record.principal, record.at) == (ActorName("github:o", "user", "ann"), AT)


@pytest.mark.parametrize(
    "row",
    [
        {
            "EVENT_TIMESTAMP": "2026-11-20 10:00:00.000 +0000",
            "EVENT_TYPE": "LOGIN",
            "USER_NAME": "SVC",
            "IS_SUCCESS": "NO",
            "CLIENT_IP": "1.1.1.1",
        },
        {
            "QUERY_ID": "q1",
            "QUERY_TYPE": "SELECT",
            "USER_NAME": "SVC",
            "START_TIME": "2026-11-20 10:00:00 +0000",
            "QUERY_TEXT": "select a\nfrom hr where b = 'x, y'",
        },
    ],
    ids=["logins", "queries"],
)
def test_views_of_snowflake(row: dict[str, str]) -> None:
    record = alike("snowflake", row, row)
    assert (record.principal, record.at) == (ActorName("snowflake", "user", "SVC"), AT)


def test_statement_in_a_cell_keeps_only_its_form() -> None:
    row = {
        "QUERY_ID": "q",
        "QUERY_TYPE": "SELECT",
        "USER_NAME": "S",
        "QUERY_TEXT": "select 'hunter2'",
    }
    parsed = read("snowflake", row)
    assert b"hunter2" not in parsed.kept
    assert FORMATS["snowflake"].parse(parsed.kept, ASKED).records[0].action == "SELECT"


def test_observations_of_langfuse() -> None:
    row = {
        "id": "o1",
        "traceId": "t1",
        "type": "AGENT",
        "name": "clerk",
        "startTime": "2026-11-20T10:00:00Z",
        "input": "who is Jane Roe?",
        "metadata": '{"attributes": {"gen_ai.agent.name": "clerk"}}',
    }
    parsed = read("langfuse", row)
    assert parsed.records[0].agent == ActorName("otel:lab", "agent", "clerk")
    assert b"Jane Roe" not in parsed.kept


USER = (
    "{type=AssumedRole, principalid=AROA:s, arn=arn:aws:sts::111122223333:assumed-role/agent/s, x,"
    " accountid=111122223333, invokedby=null, accesskeyid=ASIAX, username=null,"
    " sessioncontext={attributes={mfaauthenticated=false, creationdate=2026-11-20T09:00:00Z},"
    " sessionissuer={type=Role, arn=arn:aws:iam::111122223333:role/agent, username=agent}}}"
)
AS_JSON = {
    "type": "AssumedRole",
    "principalid": "AROA:s",
    "arn": "arn:aws:sts::111122223333:assumed-role/agent/s, x",
    "accountid": "111122223333",
    "accesskeyid": "ASIAX",
    "sessioncontext": {
        "attributes": {"mfaauthenticated": "false", "creationdate": "2026-11-20T09:00:00Z"},
        "sessionissuer": {
            "type": "Role",
            "arn": "arn:aws:iam::111122223333:role/agent",
            "username": "agent",
        },
    },
}


@pytest.mark.parametrize("user", [USER, orjson.dumps(AS_JSON).decode()], ids=["hive", "json"])
def test_trail_out_of_athena(user: str) -> None:
    row = {
        "eventversion": "1.11",
        "useridentity": user.replace(", x,", ",").replace(", x", ""),
        "eventtime": "2026-11-20T10:00:00Z",
        "eventsource": "s3.amazonaws.com",
        "eventname": "GetObject",
        "requestparameters": '{"bucketName":"hr","key":"a.csv"}',
        "resources": "[{arn=arn:aws:s3:::hr/a.csv, accountid=null, type=AWS::S3::Object}]",
        "requestid": "R1",
        "recipientaccountid": "111122223333",
    }
    parsed = read("cloudtrail", row)
    record = parsed.records[0]
    role = ActorName("aws:111122223333", "arn", "arn:aws:iam::111122223333:role/agent")
    assert record.principal is not None
    assert (record.principal.parent, record.credential) == (
        role,
        ActorName("aws", "access_key", "ASIAX", role),
    )
    assert (record.action, record.request_id, record.at) == ("s3:GetObject", "R1", AT)
    again = FORMATS["cloudtrail"].parse(parsed.kept, ASKED).records[0]
    assert again._replace(position="") == record._replace(position="")


def test_structure_of_hive_is_the_object_that_it_was() -> None:
    assert athena.structure(USER) == AS_JSON
    assert athena.structure("{}") == {}


@pytest.mark.parametrize(
    "text", ["", "{", "{a", "{a=b", "{a={b=c}", "{a=b} c", "{a=b}}", "{a=" * 50, "x", "{,}"]
)
def test_text_that_is_no_structure_is_none(text: str) -> None:
    assert athena.structure(text) is None


@pytest.mark.parametrize(
    "body",
    [
        b"action,actor,created_at\na,b,1\n",
        b"time,user,action\n1,2,3\n",
        b'"action,actor\n',
        b"id,type,name\n1,2,3\n",
        b"QUERY_ID\n1\n",
        b"",
    ],
)
def test_table_of_nobody_we_know_is_nobodys(body: bytes) -> None:
    assert recognise(body) is None


def test_large_export_is_cut_between_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WHOLE", 2000)
    monkeypatch.setattr(bodies, "_CHUNK", 1001)
    body = written(*(SIGN_IN | {"Request ID": f"r{n}", "User": "a\nb"} for n in range(100)))
    known = FORMATS["entra"]
    parts = list(
        bodies.parts(
            io.BytesIO(body), format="entra", seams=known.seams, lists=known.lists, size=30
        )
    )
    assert len(parts) == 4
    read = [record for part in parts for record in known.parse(part.body, ASKED).records]
    assert [record.vendor_id for record in read] == [f"r{n}" for n in range(100)]


def test_row_that_is_broken_keeps_its_neighbours() -> None:
    body = written(SIGN_IN, SIGN_IN | {"Request ID": "r2"})
    body = body.replace(b"r2", b"r2\n1\n")
    parsed = FORMATS["entra"].parse(body, ASKED)
    assert parsed.records[0].vendor_id == "r1"
    assert len(parsed.rejects) > 0
