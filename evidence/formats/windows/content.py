"""What Windows writes of what was run: command lines, scripts, the tasks that were planned.

Owns where exporters keep it, also inside the texts of events, which are cut around it. Which program
ran, by whom and where stays. Sources: events 4688, 4698, 4699 and 4702 of the Security log, 400,
600, 800, 4103 and 4104 of PowerShell, 1 of Sysmon; Winlogbeat's fields. Pure.
"""

import re
from typing import Any, NamedTuple

from evidence.formats.marking import is_gone
from evidence.formats.members import Shapes
from evidence.formats.tables import Row

_NAMES = (
    *("CommandLine", "commandLine", "ProcessCommandLine", "ParentCommandLine", "parentCommandLine"),
    *("ScriptBlockText", "scriptBlockText", "Payload", "payload", "ContextInfo", "contextInfo"),
    *("TaskContent", "TaskContentNew", "taskContent", "taskContentNew"),
)
_HOLDERS = (
    *("EventData.", "event_data.", "winlog.event_data.", "Event.EventData.", "win.eventdata."),
    *("EventData.Data.", "Event.EventData.Data."),
)
_LISTS = ("EventData.Data", "Event.EventData.Data", "EventData", "Event.EventData")
_ASIDE = "countersign_run"
# Few at the root, where most events have none of them: each is a question for every event.
CONTENT = (
    *(f"{holder}{name}" for holder in _HOLDERS for name in _NAMES),
    *(
        f'{holder}[{named}={name}]["{text}"]'
        for holder in _LISTS
        for named, text in (("Name", "#text"), ("@Name", "#text"), ("Name", "Value"))
        for name in _NAMES
    ),
    *("process.command_line", "process.args", "process.parent.command_line", "process.parent.args"),
    *("powershell.file.script_block_text", "powershell.command.value"),
    *("powershell.command.invocation_details", "powershell.engine"),
    "win.system.message",
    f"{_ASIDE}[*]",
)
_FLAT = frozenset({*_NAMES, *(name.lower() for name in _NAMES)})
# Texts of a whole event, and where in one stands what was run.
_TEXTS = ("message", "Message", "Event", "event", "_raw")
_OF_AZURE = ("RawXml", "Description")
# All that is looked ahead for has a bound, so that the time is linear in the text.
_RUN = re.compile(
    r"<Data\s+Name\s*=\s*['\"](?:(?:Parent|Process)?CommandLine|ScriptBlockText|Payload|ContextInfo"
    r"|TaskContent(?:New)?)['\"]\s*>([^<]+)<"
    r"|(?:Process )?Command ?Line:[ \t]*([^\r\n]+)"
    # PowerShell's own: a program with what it was given, and lines of a pipeline.
    r"|HostApplication=(?:\"[^\"\r\n]{0,260}\"|[^\r\n]{0,260}?(?i:\.exe)"
    r"|(?![^\r\n]{0,260}(?i:\.exe))\S{1,260})[ \t]++([^\r\n]+)"
    r"|CommandLine=[ \t]*+(\S.*?)(?=\s{0,32}Details:|\Z)"
    r"|details for command line:\s*+(.+?)(?=\s{0,32}Context Information:|\Z)"
    r"|Creating Scriptblock text[^\r\n]*[\r\n]+(.+?)(?=\s{0,32}ScriptBlock ID:|\Z)"
    r"|Task (?:New )?Content:\s*(.+?)(?=\s{0,32}Other Information:|\Z)"
    r"|(CommandInvocation\(.+)",
    re.DOTALL,
)

# Events whose text holds what was run, and how that of each begins in English: in other languages
# it is not known where in it that stands.
_RUNS = {
    "4688": "A new process has been created",
    "4698": "A scheduled task was created",
    "4699": "A scheduled task was deleted",
    "4702": "A scheduled task was updated",
    "4104": "Creating Scriptblock text",
    "800": "Pipeline execution details",
}
_OF_POWERSHELL = frozenset({"4104", "800"})
_NUMBERS = ("EventID", "event_id", "EventId", "eventid", "Id")
_LOGS = (
    *("Channel", "channel", "LogName", "log_name", "SourceName", "source_name"),
    *("Provider", "ProviderName", "provider", "provider_name"),
)


class _Held(NamedTuple):
    """Where an object with these names may hold what was run."""

    texts: tuple[str, ...]
    flat: tuple[str, ...]
    anything: bool

    @classmethod
    def by(cls, names: tuple[str, ...]) -> "_Held":
        texts = tuple(name for name in _TEXTS if name in names)
        flat = tuple(sorted(_FLAT.intersection(names)))
        return cls(texts, flat, bool(texts or flat or "properties" in names))


_held = Shapes(_Held.by)


def opened(record: Row) -> Row:
    """The record with what was run cut out of its texts and put aside, so that it can be dropped."""
    held = _held[tuple(record)]
    if not held.anything:
        return record
    run: list[Any] = []
    opening = _opening(record) if held.texts else ""
    made: Row = {
        name: _without(text, run, opening)
        for name in held.texts
        if type(text := record[name]) is str and (opening or _may_hold(text))
    }
    event = record.get("event")
    if type(event) is dict and type(text := event.get("original")) is str and _may_hold(text):
        made["event"] = {**event, "original": _without(text, run)}
    inside = record.get("properties")
    if type(inside) is dict and "EventId" in inside:
        cut = {
            name: _without(text, run)
            for name in _OF_AZURE
            if type(text := inside.get(name)) is str and _may_hold(text)
        }
        made["properties"] = {**inside, **cut}
    for name in held.flat:
        value = record[name]
        if value and not is_gone(value):
            run.append(value)
            made[name] = f"[content:{len(str(value))}]"
    return {**record, **made, _ASIDE: run} if run else record


def _may_hold(text: str) -> bool:
    return "ommand" in text or "criptblock" in text or "criptBlock" in text or "Task" in text


def _opening(record: Row) -> str:
    """How the text of this event would begin in English; empty: it holds nothing that was run."""
    around = record.get("winlog")
    around = around if type(around) is dict else record
    number = next((str(around[name]) for name in _NUMBERS if name in around), "")
    if number not in _RUNS:
        return ""
    logs = " ".join(str(around[name]) for name in _LOGS if name in around)
    return _RUNS[number] if ("PowerShell" in logs) is (number in _OF_POWERSHELL) else ""


def _without(text: str, run: list[Any], opening: str = "") -> str:
    if opening and opening not in text and not is_gone(text) and text[:1] not in "<{":
        run.append(text)
        return f"[content:{len(text)}]"

    def cut(match: re.Match[str]) -> str:
        said = next(filter(None, match.groups()))
        if is_gone(said.strip()):
            return match[0]
        run.append(said)
        start, end = match.span(match.lastindex or 0)
        before, after = match[0][: start - match.start()], match[0][end - match.start() :]
        return f"{before}[content:{len(said)}]{after}"

    return _RUN.sub(cut, text)
