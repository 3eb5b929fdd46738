"""PostgreSQL's log as those who run the server for others hand it out: the line inside.

Owns the wrappings of RDS (log subscriptions), Azure (resource logs), Cloud SQL and AlloyDB (entries
whose payload is text) and CloudNativePG (JSON with csvlog's columns under other names); each names
the server, which no line does. Sources: their documentation of these logs ("PostgreSQLLogs" and
"PGSQLServerLogs" of Azure Monitor, LogEntry of Google Cloud, "Logging" of CloudNativePG); no
recorded log was at hand. What a line means is postgres.py's. Pure.
"""

import re
from typing import Any

from evidence.formats import postgres_lines
from evidence.formats.members import member, row, text
from evidence.formats.tables import Row

# What CloudNativePG calls otherwise than jsonlog does; of pgaudit's fields as well.
_COLUMNS = {
    "log_time": "timestamp",
    "user_name": "user",
    "database_name": "dbname",
    "process_id": "pid",
    "session_line_num": "line_num",
    "session_start_time": "session_start",
    "command_tag": "ps",
    "virtual_transaction_id": "vxid",
    "transaction_id": "txid",
    "sql_state_code": "state_code",
    "internal_query_pos": "internal_position",
    "query": "statement",
    "query_pos": "cursor_position",
    "audit": "pgaudit",
}
_OF_AUDIT = {"audit_type": "type", "object_name": "object"}
# A cluster's pods share their roles.
_POD = re.compile(r"-\d{1,6}\Z")
_RDS_GROUP = re.compile(r"/aws/rds/(?:instance|cluster)/([^/]+)/postgresql")
# Azure's names of what a line says, in the envelope's properties or as a workspace's columns.
_AZURE = (
    ("error_severity", ("errorLevel", "ErrorLevel", "errorLevel_s")),
    ("state_code", ("sqlerrcode", "SqlErrorCode", "sqlerrcode_s")),
    ("pid", ("processId", "ProcessId", "processId_d")),
    ("detail", ("detail", "Detail", "detail_s")),
    ("backend_type", ("backend_type", "BackendType", "backend_type_s")),
)
_AZURE_TIMES = ("timestamp", "time", "TimeGenerated", "timeGenerated")
_AZURE_SERVERS = ("LogicalServerName", "LogicalServerName_s")
_RESOURCES = ("resourceId", "_ResourceId", "ResourceId")
SIGNS = (
    ("logGroup^/aws/rds/", "message"),
    ("category=PostgreSQLLogs", "properties.message"),
    ("Category=PostgreSQLLogs", "Message"),
    ("Type=PGSQLServerLogs", "Message"),
    (
        "textPayload",
        "resource.type=cloudsql_database",
        "resource.labels.database_id",
        "!httpRequest",
    ),
    ("textPayload", "resource.type=alloydb.googleapis.com/Instance"),
    ("logger=pgaudit|postgres", "record.error_severity"),
    ("error_severity", "audit.audit_type"),
    ("error_severity", "sql_state_code"),
)


def unwrapped(record: Row) -> Row:
    """The line that a record holds, under jsonlog's names; what is none of these, as it is."""
    inner = record.get("record")
    if type(inner) is dict and "error_severity" in inner:
        pod = text(record.get("logging_pod"))
        named = {"cluster": _POD.sub("", pod)} if pod else {}
        return {**named, **_columns(inner)}
    if "sql_state_code" in record or "audit" in record:
        return _columns(record)
    message = record.get("message")
    if type(message) is str and ("logGroup" in record or "loggroup" in record):
        group = _RDS_GROUP.match(text(member(record, "logGroup")))
        return record if group is None else {"cluster": group[1], **_line(message)}
    if type(record.get("textPayload")) is str:
        return _of_google(record)
    properties = record.get("properties")
    if type(properties) is dict and type(properties.get("message")) is str:
        return _of_azure(record, properties, properties["message"])
    if type(record.get("Message")) is str:
        return _of_azure(record, record, record["Message"])
    return record


def _line(line: str) -> Row:
    """A line's members; of what begins otherwise, a text that is kept without its values."""
    found = postgres_lines.said(line)
    if found is None:
        return {"message": "", "line": line}
    own = postgres_lines.BELONGS.get(found["error_severity"])
    # What belongs to another line stands alone here: it tells of the same statement.
    return found if own is None else {**found, "message": "", own: found["message"]}


def _columns(record: Row) -> Row:
    made = {_COLUMNS.get(name, name): value for name, value in record.items()}
    audit = made.get("pgaudit")
    if type(audit) is dict:
        made["pgaudit"] = {_OF_AUDIT.get(name, name): value for name, value in audit.items()}
    made.setdefault("message", "AUDIT")
    return made


def _of_google(record: Row) -> Row:
    resource = row(record.get("resource"))
    labels = row(resource.get("labels"))
    server = text(labels.get("database_id")) or "/".join(
        part for name in ("project_id", "cluster_id") if (part := text(labels.get(name)))
    )
    made: Row = {"cluster": server} if server else {}
    made["timestamp"] = record.get("timestamp")
    made |= _line(record["textPayload"])
    if type(record.get("insertId")) is str:
        made["insertId"] = record["insertId"]
    return made


def _of_azure(record: Row, said: Row, message: str) -> Row:
    server = next((name for way in _AZURE_SERVERS if (name := text(record.get(way)))), "")
    if not server:
        resource = next((name for way in _RESOURCES if (name := text(record.get(way)))), "")
        server = resource.rstrip("/").rpartition("/")[2]
    made: Row = {"cluster": server.lower()} if server else {}
    for name, ways in _AZURE:
        value = _first(said, ways)
        if value is not None:
            made[name] = value
    made["timestamp"] = _first(said, _AZURE_TIMES) or record.get("time")
    line = postgres_lines.said(message)
    # The prefix stands before most messages, and not before what the server says in parts.
    made |= {"message": message} if line is None else _line(message)
    return made


def _first(said: Row, ways: tuple[str, ...]) -> Any:
    return next((value for way in ways if (value := said.get(way)) is not None), None)
