"""PostgreSQL's plain log: what stands before the severity of a line, whatever log_line_prefix says.

Owns the reading of a line's beginning, the joining of what belongs together, and the zones of
times. Sources: postgresql.org, "Error Reporting and Logging" (log_line_prefix, syslog); the
prefixes that RDS, Debian, Azure, Cloud SQL, pgAudit's README and pgBadger's documentation name;
PostgreSQL's own list of zones (timezonesets/Default). Knows nothing of what a message means. Pure.

A prefix is data for whoever names their application so: the first severity in a line ends it, and
who acted is read before what the client calls itself, wherever the prefix has both.
"""

import re
from collections.abc import Iterator

from evidence.formats.documents import Piece

_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?"
# The usual beginnings: RDS's (%t:%r:%u@%d:[%p]:) and Debian's (%m [%p] %q%u@%d). A role may be
# called like an address of mail, so the last sign parts it from the database.
_USUAL = re.compile(
    rf"(?P<timestamp>{_TIME} [A-Za-z0-9+-]{{1,6}})"
    r"(?::(?P<remote_host>[^:(\s]{0,255})(?:\(\d{1,5}\))?:(?P<user>[^:\s]{0,63})@(?P<dbname>[^@:\s]{0,63})"
    r":\[(?P<pid>\d{1,10})\]:| \[(?P<process>\d{1,10})\] (?:(?P<role>\S{1,63})@(?P<base>[^@\s]{1,63}) )?)"
    r"(?P<error_severity>[A-Z]{3,9}):\s{1,4}(?P<message>.*)",
    re.DOTALL,
)
_SAME = {"process": "pid", "role": "user", "base": "dbname"}
# What syslog writes before it: the number of the message, and of its part where it was too long.
_SYSLOG = re.compile(
    r"(?:<\d{1,3}>(?:1 )?)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|(?P<timestamp>\d{4}-\d\d-\d\dT\S{1,40}))"
    r" (?P<host>\S{1,255}) postgres[\w.-]{0,30}(?:\[(?P<pid>\d{1,10})\]:| (?P<process>\d{1,10}) \S{1,64} -)"
    r" (?:\[\d{1,10}-(?P<part>\d{1,6})\] )?"
)
_CLOCK = re.compile(
    rf"[<\[(]?\s?(?P<timestamp>{_TIME} (?:[A-Z]{{2,5}}|[+-]\d\d(?::?\d\d)?)(?![A-Za-z0-9])|\d{{10}}\.\d{{3}})"
)
_SEVERITY = re.compile(
    r"(?<![\w.@])(?P<error_severity>DEBUG[1-5]?|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC|DETAIL|HINT"
    r"|QUERY|CONTEXT|LOCATION|BACKTRACE|STATEMENT):(?:  |\s*\Z)"
)
_LONGEST_PREFIX = 700
_KEY = re.compile(r"(?<![\w=])(\w{1,20})=")
_WORD = re.compile(r"\[(?:unknown|local)\]|[^\s,;|\[\]>]*")
_NAMES = {
    "user": "user",
    "usr": "user",
    "db": "dbname",
    "database": "dbname",
    "app": "application_name",
    "application": "application_name",
    "application_name": "application_name",
    "client": "remote_host",
    "host": "remote_host",
    "remote": "remote_host",
    "pid": "pid",
    "session": "session_id",
}
# The one of them that may hold spaces.
_APPLICATION = "application_name"
_AT = re.compile(
    r"(?<![^\s:|<\[(])(?P<user>[^\s:|<>\[\]()]{1,63})@(?P<dbname>[^\s:|<>\[\]()@]{1,63})"
)
_PID = re.compile(r"\[(?P<pid>\d{1,10})\]")
_LINE_NUMBER = re.compile(r"\[(?P<line_num>\d{1,10})-\d{1,6}\]")
_SESSION = re.compile(r"(?<![\w.])(?P<session_id>[0-9a-f]{8}\.[0-9a-f]{1,8})(?![\w.])")
_ADDRESS = re.compile(
    r"(?<![\w.:])(?P<remote_host>\[local\]|\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7})(?![\w.])"
)
# pgAudit's README (%m %u %d [%p]:), and cells between bars (%m|%u|%d|%c|).
_BARE = re.compile(
    r" (?P<user>[^\s@=|\[\]]{1,63}) (?P<dbname>[^\s@=|\[\]]{1,63}) \[\d{1,10}\]:?\s?\Z"
)
_CELL = re.compile(
    r"\d{1,20}|[0-9a-f]{8}\.[0-9a-f]{1,8}|[\d.:a-f]{7,45}(?:\(\d{1,5}\))?|\[[^\]]{0,20}\]|\d+/\d+"
)
_NOBODY = ("", "[unknown]")
BELONGS = {
    "STATEMENT": "statement",
    "QUERY": "internal_query",
    "DETAIL": "detail",
    "CONTEXT": "context",
    "HINT": "hint",
    "LOCATION": "location",
    "BACKTRACE": "location",
}
# Hours from UTC, of abbreviations that one place alone writes. CST, IST and others are several.
_ZONES = {
    "WET": "+00:00",
    **dict.fromkeys(("CET", "WEST"), "+01:00"),
    **dict.fromkeys(("CEST", "EET", "SAST"), "+02:00"),
    **dict.fromkeys(("EEST", "MSK"), "+03:00"),
    **dict.fromkeys(("EST", "CDT"), "-05:00"),
    "EDT": "-04:00",
    "MDT": "-06:00",
    **dict.fromkeys(("MST", "PDT"), "-07:00"),
    "PST": "-08:00",
    "HKT": "+08:00",
    **dict.fromkeys(("JST", "KST"), "+09:00"),
    "AEST": "+10:00",
    "AEDT": "+11:00",
    "NZST": "+12:00",
    "NZDT": "+13:00",
}


def said(line: str) -> dict[str, str] | None:
    """A line's members under jsonlog's names, its `message` among them; None where it begins with
    no time, no process and no severity, or only goes on with what the one before it said."""
    found = _USUAL.match(line)
    if found is not None:
        parts = {_SAME.get(name, name): part for name, part in found.groupdict("").items() if part}
        return {"message": "", **_somebody(parts)}
    return _otherwise(line)


def _otherwise(line: str) -> dict[str, str] | None:
    by_syslog = _SYSLOG.match(line)
    start = by_syslog.end() if by_syslog is not None else 0
    severity = _SEVERITY.search(line, start, start + _LONGEST_PREFIX)
    clock = _CLOCK.match(line, start) if severity is not None else None
    if severity is None or (clock is None and by_syslog is None):
        return None
    made: dict[str, str] = {}
    if by_syslog is not None:
        if int(by_syslog["part"] or 1) > 1 and severity[1] not in BELONGS:
            return None
        made = _header(by_syslog)
    if clock is not None:
        made["timestamp"] = clock["timestamp"]
        start = clock.end()
    parts = _parts(line[start : severity.start()])
    if not parts and by_syslog is None:
        return None
    return {
        **made,
        **parts,
        "error_severity": severity[1],
        "message": line[severity.end() :].lstrip(" "),
    }


def _header(found: re.Match[str]) -> dict[str, str]:
    parts = {"timestamp": found["timestamp"], "host": found["host"]}
    parts["pid"] = found["pid"] or found["process"]
    return {name: part for name, part in parts.items() if part}


def _parts(prefix: str) -> dict[str, str]:
    """What stands between the time and the severity."""
    found, rest = _named(prefix)
    at = _AT.search(rest) if "user" not in found else None
    if at is not None:
        found |= at.groupdict()
        rest = f"{rest[: at.start()]} {rest[at.end() :]}"
    for pattern in (_PID, _LINE_NUMBER, _SESSION, _ADDRESS):
        one = pattern.search(rest)
        if one is not None:
            for name, value in one.groupdict().items():
                found.setdefault(name, value)
    if "user" not in found:
        bare = _BARE.match(rest)
        cells = [cell for cell in rest.split("|") if cell.strip() and not _CELL.fullmatch(cell)]
        if bare is not None:
            found |= bare.groupdict()
        elif rest[:1] == "|" and len(cells) == 2:
            found |= dict(
                zip(("user", "dbname"), (cell.strip()[:63] for cell in cells), strict=True)
            )
    host = found.get("remote_host", "")
    if host.endswith(")"):
        found["remote_host"] = host.partition("(")[0]
    return _somebody(found)


def _named(prefix: str) -> tuple[dict[str, str], str]:
    """(what stands as name=value, the rest). Of a name that stands twice, the first counts."""
    keys = list(_KEY.finditer(prefix))
    if not keys:
        return {}, prefix
    found: dict[str, str] = {}
    rest = [prefix[: keys[0].start()]]
    ends = [*(key.start() for key in keys[1:]), len(prefix)]
    for key, end in zip(keys, ends, strict=True):
        value = prefix[key.end() : end]
        name = _NAMES.get(key[1], "")
        word = _WORD.match(value)
        if name == _APPLICATION:
            value = _application(value)
        elif word is not None:
            rest.append(value[word.end() :])
            value = word[0].rstrip(":") if end == len(prefix) else word[0]
        if name:
            found.setdefault(name, value)
    return found, " ".join(rest)


def _application(value: str) -> str:
    """A name without what a prefix has behind it: of brackets, those that do not begin in it."""
    name = value.strip(" ,;|>:")
    while name.endswith("]") and name.count("[") < name.count("]"):
        name = name[:-1].rstrip(" ,;|>:")
    return name


def _somebody(parts: dict[str, str]) -> dict[str, str]:
    """Without what the server writes where it knows nobody; a client of its own machine has a
    place, `[local]`, as in the server's other logs."""
    return {name: part for name, part in parts.items() if part not in _NOBODY}


def begins(line: bytes) -> bool:
    """Whether a line says something of its own, not more of what the one before it said."""
    found = said(line.decode("utf-8", "replace"))
    return found is not None and found["error_severity"] not in BELONGS


def pieces(text: str) -> Iterator[Piece]:
    """The lines of a log: a piece for each thing it says, with what belongs to it on the next."""
    held: dict[str, str] | None = None
    more: list[str] = []
    at = 0

    def whole() -> Iterator[Piece]:
        if held is not None:
            yield f"line {at}", {**held, "message": "\n".join((held["message"], *more))}, "", b""

    for number, line in enumerate(text.split("\n"), start=1):
        found = said(line.rstrip("\r"))
        if found is None:
            rest = _more(line, held)
            if rest is not None:
                more.append(rest)
            elif line.strip():
                problem = "does not begin with a time, a process and a severity"
                yield f"line {number}", None, problem, line.encode()
            continue
        member = BELONGS.get(found["error_severity"])
        if member is None:
            yield from whole()
            held, more, at = found, [], number
        elif held is not None:
            held[member] = found["message"]
    yield from whole()


def _more(line: str, held: dict[str, str] | None) -> str | None:
    """What a line adds to the one that is held; None where it adds nothing to it."""
    if held is None:
        return None
    if line[:1] in ("\t", " "):
        return line.strip()
    by_syslog = _SYSLOG.match(line)
    if by_syslog is None or int(by_syslog["part"] or 1) < 2:
        return None
    same = _header(by_syslog).get("pid") == held.get("pid")
    return line[by_syslog.end() :].replace("#011", " ").strip() if same else None


def moment(written: str) -> str:
    """A time of the server's as others write it: with its hours from UTC, where its zone says
    them; a zone that several places call so makes it no time."""
    clock, _, zone = written.strip().rpartition(" ")
    if len(clock) < len("2000-01-01 00:00:00") or zone in ("UTC", "GMT"):
        return written
    if zone[:1] in "+-":
        return f"{clock}{zone}"
    return f"{clock}{_ZONES[zone]}" if zone in _ZONES else written
