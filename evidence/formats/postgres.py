"""PostgreSQL's log with pgaudit: jsonlog, csvlog, plain lines, and what its hosts wrap them in.

Owns the meaning of the server's log columns and of pgaudit's; how a plain line begins is
postgres_lines.py's, wrappings are postgres_wrapped.py's. Sources: postgresql.org, "Error
Reporting and Logging" (csvlog and jsonlog, versions 9.0 to 18); pgaudit's README, "Format". Log
lines in jsonlog and csvlog were made up after them; no recorded log was at hand.

A statement never stays whole: its values become ``?`` unless a source keeps content. An AUDIT
line says that a statement was allowed and began; that one failed is a line of its own, ERROR.
The log names neither server nor cluster: a member ``cluster``, ``server`` or ``host`` that the
sender adds does. Roles of all databases of a server are one realm. Pure.
"""

import csv
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from evidence.formats import lines, postgres_lines, postgres_wrapped
from evidence.formats.documents import Piece
from evidence.formats.members import NOTHING, text
from evidence.formats.tables import Name, Row, Table, Text
from evidence.formats.written import Of
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
    USE,
)

# csvlog's columns under jsonlog's names; 9.0 to 12 end before backend_type, 13 before leader_pid.
CSVLOG = (
    "timestamp",
    "user",
    "dbname",
    "pid",
    "connection_from",
    "session_id",
    "line_num",
    "ps",
    "session_start",
    "vxid",
    "txid",
    "error_severity",
    "state_code",
    "message",
    "detail",
    "hint",
    "internal_query",
    "internal_position",
    "context",
    "statement",
    "cursor_position",
    "location",
    "application_name",
    "backend_type",
    "leader_pid",
    "query_id",
)
_FEWEST = 20
_CSV_HEAD = re.compile(
    rb"(?:\xef\xbb\xbf)?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? [A-Za-z0-9+:-]{1,8},"
    rb'(?:"[^"\n]*")?,(?:"[^"\n]*")?,\d*,'
)
# pgaudit's fields, after "AUDIT: "; rows only with pgaudit.log_rows.
AUDIT = (
    "type",
    "statement_id",
    "substatement_id",
    "class",
    "command",
    "object_type",
    "object",
    "statement",
    "parameter",
    "rows",
)
# What a message begins with whose statement stands behind it.
_LOGGED_BEGINS = ("statement: ", "execute ", "parse ", "bind ", "duration: ")
# Lines that are longer are left to csv, which has its own limits.
_LONGEST_SPLIT = 10_000
_AUDIT = re.compile(r"\s*AUDIT:\s+(?=SESSION,|OBJECT,)")
_LOGGED = re.compile(
    r"(?:duration: [\d.]+ ms\s+)?(?P<what>statement|plan|execute [^:]{0,80}|parse [^:]{0,80}"
    r"|bind [^:]{0,80}):\s(?P<statement>.*)",
    re.DOTALL,
)
_SAID = (
    ("connection received", "connection received"),
    ("connection authenticated", "connection authenticated"),
    ("connection authorized", "connection authorized"),
    ("replication connection authorized", "connection authorized"),
    ("disconnection", "disconnection"),
    ("password authentication failed", "authentication failed"),
    ("no pg_hba.conf entry", "authentication failed"),
    ("pg_hba.conf rejects", "authentication failed"),
    ("peer authentication failed", "authentication failed"),
    ("role ", "authentication failed"),
)
_SAID_BEGINS = frozenset(beginning[:4] for beginning, _ in _SAID)
_AUTHENTICATED = re.compile(r'connection authenticated: identity="([^"]{1,512})"')
_ROLE_NAME = re.compile(
    r'\s*(?:CREATE|ALTER|DROP)\s+(?:ROLE|USER)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"?([^\s";]{1,63})',
    re.IGNORECASE,
)
_TIMES = ("timestamp", "log_time", "time")
_COMMAND = re.compile(r"\s*([A-Za-z]+)")
_TWO_WORDS = frozenset({"CREATE", "ALTER", "DROP", "GRANT", "REVOKE"})
_HOST = re.compile(r"host=(\S{1,255})")
_ENDED = {
    "authentication failed": OUTCOME_REFUSED,
    "connection authorized": OUTCOME_OK,
    "disconnection": OUTCOME_OK,
}  # a statement is logged before it runs
_FAILURES = frozenset({"ERROR", "FATAL", "PANIC"})
# Of a value that was wrong, the message tells the value; plain lines have no state.
_TELL_VALUES = (
    "invalid input ",
    "invalid value ",
    "value ",
    "date/time field value",
    "syntax error at or near",
    "unterminated quoted",
    "malformed ",
    "invalid regular expression",
    "time zone ",
)
_QUOTES = re.compile(r': | "')
_REFUSED = ("28", "42501")
_REFUSALS = ("permission denied", "must be owner", "password authentication failed", "no pg_hba")


def _opened(record: Row) -> Row:
    """The line with what its message packs together apart, so that values can be dropped."""
    if "error_severity" not in record or "sql_state_code" in record or "audit" in record:
        record = postgres_wrapped.unwrapped(record)
    message = record.get("message")
    if type(message) is not str:
        return record
    found = _AUDIT.match(message) if "AUDIT:" in message else None
    if found is not None:
        fields = _fields(message[found.end() :])
        parts = {name: field for name, field in zip(AUDIT, fields, strict=False) if field}
        if "object" not in parts and (role := _ROLE_NAME.match(parts.get("statement", ""))):
            # The only object of a statement on roles; pgaudit names none.
            parts["object"] = role[1]
        return {**record, "message": "AUDIT", "pgaudit": parts}
    logged = _LOGGED.match(message) if message.startswith(_LOGGED_BEGINS) else None
    if logged is not None:
        return {**record, "message": logged["what"], "statement": logged["statement"]}
    severity = record.get("error_severity")
    if type(severity) is str and severity in _FAILURES:
        state = text(record.get("state_code"))
        found = (
            _QUOTES.search(message)
            if message.startswith(_TELL_VALUES) or state[:2] == "22"
            else None
        )
        if found is not None and "value" not in record:
            return {
                **record,
                "message": message[: found.start()],
                "value": message[found.start() :],
            }
    return record


def _fields(said: str) -> list[str]:
    """The fields of a line of CSV."""
    line = said.replace("\r", " ").replace("\n", " ")
    # Most lines quote the statement alone, or with its parameters: a third of csv's time.
    head, quote, rest = line.partition(',"')
    if '"' not in head and len(line) <= _LONGEST_SPLIT:
        if not quote:
            return head.split(",")
        statement, end, tail = rest.partition('",')
        inside = tail[1:-1] if tail[:1] == '"' == tail[-1:] and len(tail) > 1 else None
        if end and '"' not in statement and '"' not in (tail if inside is None else inside):
            last = tail.split(",") if inside is None else (inside,)
            return [*head.split(","), statement, *last]
    try:
        return next(csv.reader([line], strict=False))
    except (csv.Error, StopIteration):
        return [said]


# --- when


def _at(record: Row) -> Any:
    stated = record.get("timestamp")
    if type(stated) is str and stated[-3:] == "UTC":
        return stated
    for name in _TIMES:
        stated = record.get(name)
        if stated is not None:
            plain = type(stated) is not str or stated.endswith((" UTC", " GMT", "Z"))
            return stated if plain else postgres_lines.moment(stated)
    return None


# --- what was done


def _entry(record: Row) -> tuple[Any, ...]:
    """(action, what on, how it ended, from where, error, number, whom the method authenticated):
    a line says them together."""
    audit, severity = record.get("pgaudit"), record.get("error_severity")
    message, statement = record.get("message"), record.get("statement")
    if type(message) is not str:
        message = text(message)
    statement = "" if statement is None else text(statement)
    said = _said(message) if message[:4] in _SAID_BEGINS else ""
    if type(audit) is dict:
        action, named = text(audit.get("command")).upper(), text(audit.get("object"))
    else:
        action, named, audit = "", "", NOTHING
    failed = severity != "LOG" and text(severity).upper() in _FAILURES
    state = text(record.get("state_code")) if failed else ""
    if failed:
        # Plain lines have no state.
        refused = state.startswith(_REFUSED) or message.startswith(_REFUSALS)
        outcome = OUTCOME_REFUSED if refused else OUTCOME_FAILED
    elif audit:
        outcome = OUTCOME_OK
    else:
        outcome = _ENDED.get(said, OUTCOME_UNKNOWN)
    session, line = text(record.get("session_id")), record.get("line_num")
    return (
        action or said or _command_of(statement) or text(record.get("ps")).upper(),
        _resource(text(record.get("dbname")), named, statement),
        outcome,
        _address(record, message),
        message if failed else None,
        f"{session}/{line}"
        if session and type(line) in (int, str)
        else text(record.get("insertId")) or None,
        _authenticated(record, message) if said == "connection authenticated" else None,
    )


def _said(message: str) -> str:
    """What a message says of a connection."""
    return next((action for beginning, action in _SAID if message.startswith(beginning)), "")


@lru_cache(maxsize=4096)
def _words(statement: str) -> str:
    first = _COMMAND.match(statement)
    if first is None:
        return ""
    word = first[1].upper()
    if word in _TWO_WORDS and word not in ("GRANT", "REVOKE"):
        second = _COMMAND.match(statement, first.end())
        return f"{word} {second[1].upper()}" if second is not None else word
    return word


def _command_of(statement: str) -> str:
    return _words(statement[:80]) if statement else ""


def _resource(database: str, named: str, statement: str) -> str:
    if not named and statement:
        role = _ROLE_NAME.match(statement[:200])
        named = role[1] if role is not None else ""
    return f"{database}/{named}" if database and named else named or database


def _authenticated(record: Row, message: str) -> str | None:
    """Whom the method authenticated, when the session's role is another (pg_ident maps)."""
    found = _AUTHENTICATED.match(message)
    return None if found is None or found[1] == text(record.get("user")) else found[1]


def _address(record: Row, message: str) -> str | None:
    host = record.get("remote_host")
    if host and (host := text(host)):
        return host
    origin = text(record.get("connection_from"))
    if origin:
        return origin.rpartition(":")[0] or origin
    found = _HOST.search(message[:400]) if "host=" in message else None
    return found[1] if found is not None else None


# --- bodies that are no JSON


def _looks(head: bytes) -> bool:
    if _CSV_HEAD.match(head) is not None:
        return True
    first = head[:2000].removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    return postgres_lines.said(first.decode("utf-8", "replace").rstrip("\r")) is not None


def _pieces(body: bytes) -> Iterator[Piece]:
    if _CSV_HEAD.match(body) is not None:
        return lines.rows(body, CSVLOG, fewest=_FEWEST)
    return postgres_lines.pieces(body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))


def _seams(head: bytes) -> lines.Seams:
    if _CSV_HEAD.match(head) is not None:
        return lines.Rows(header=False, begins=lambda line: _CSV_HEAD.match(line) is not None)
    return lines.Lines(postgres_lines.begins)


TABLE = Table(
    name="postgres",
    title="PostgreSQL log with pgaudit",
    signs=(
        ("error_severity", "message"),
        ("error_severity", "session_id", "line_num"),
        ("error_severity", "dbname", "user"),
        ("pgaudit.type",),
        *postgres_wrapped.SIGNS,
        ("message^AUDIT: SESSION,",),
        ("message^AUDIT: OBJECT,",),
    ),
    mark=b'"error_severity"',
    text=Text(_looks, _pieces, _seams),
    opens=_opened,
    realm="postgres:{cluster_name|cluster|server|hostname|host}",
    at=(_at,),
    vendor_id=Of(_entry, 5),
    action=Of(_entry, 0),
    principal=(Name("user", ("user", "user_name")),),
    on_behalf=(Name("federated", Of(_entry, 6)),),
    session=("session_id",),
    resource=Of(_entry, 1),
    outcome=Of(_entry, 2),
    error=Of(_entry, 4),
    error_of_failures=True,
    activities={
        "connection received": USE,
        "connection authenticated": AUTHENTICATION,
        "connection authorized": AUTHENTICATION,
        "authentication failed": AUTHENTICATION,
        "CREATE ROLE": ISSUANCE,
        "CREATE USER": ISSUANCE,
        "DROP ROLE": REVOCATION,
        "DROP USER": REVOCATION,
        "SET": USE,
    },
    patterns=((r"(?:CREATE|ALTER|DROP|GRANT|REVOKE|SECURITY LABEL|REASSIGN|COMMENT)", CHANGE),),
    address=Of(_entry, 3),
    user_agent=("application_name",),
    # What a message quotes of data: parameters, keys, the line of a COPY.
    content=("pgaudit.parameter", "detail", "context", "value"),
    statements=("pgaudit.statement", "statement", "internal_query", "query", "line"),
    lacks={
        "credential": "the log does not say which password, certificate or token was used",
        "principal": "Azure's own prefix names no role; add `user=%u,db=%d` to log_line_prefix",
        "server": "a line names none; the sender adds `cluster`",
        "request id": "query_id is of the statement's form, not of one call",
    },
    # 4: plain lines behind any prefix, wrappings of hosts, values that errors tell. 5: clients of
    # the server's own machine, names of applications in brackets.
    version=5,
)
