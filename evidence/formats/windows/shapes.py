"""The shapes in which Windows events are exported, as one.

Owns where each exporter keeps what surrounds an event and what the event says: Winlogbeat (both
generations), NXLog, Log Analytics, Azure's diagnostics, evtx converters, PowerShell, Wazuh,
converted XML, and Splunk's two ways of wrapping an event as text. What PowerShell lists has no names
(places.py); where an export has no data, its message (messages.py) says some. Knows nothing of what
events mean. Pure.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from evidence.formats import paths
from evidence.formats.members import Shapes, picked, remembered
from evidence.formats.tables import Row
from evidence.formats.windows import messages, places, xml_events

# What surrounds an event, by the lower-case names that exports give it.
_AROUND = {
    theirs: ours
    for ours, names in {
        "eventid": "eventid event_id eventcode",
        "channel": "channel log_name logname eventlog",
        "provider": "provider provider_name providername sourcename source_name eventsourcename",
        "computer": "computer computer_name computername hostname machinename",
        "at": "timecreated systemtime eventtime timegenerated @timestamp utctime",
        "recordid": "eventrecordid record_id recordnumber record_number recordid",
        "keywords": "keywords keywordsdisplaynames",
        "eventtype": "eventtype",
        "activityid": "activity_id activityid",
    }.items()
    for theirs in names.split()
}
# Members that hold a whole event as text: of converters, of Splunk's collector and of its searches.
_AS_TEXT = ("Event", "event", "_raw")
# Members by which an event may stand inside something else.
_WRAPPING = frozenset({*_AS_TEXT, "winlog", "properties", "win", "System"})
_INSIDE = frozenset({"eventdata", "event_data", "extraeventdata", "userdata", "user_data"})
# Of what surrounds an event, what decides what it says; the rest differs from event to event.
_DECIDING = frozenset({"eventid", "provider", "computer", "keywords", "eventtype"})
# A flat event with none of these says what it says in its message alone.
_NAMED = frozenset({"SubjectUserName", "TargetUserName", "SubjectUserSid", "EventData", "UserData"})
_WHO = frozenset({"SubjectUserName", "TargetUserName", "User", "AccountName"})

type Pick = Callable[[Row], Sequence[Any]]
type _Pairs = tuple[tuple[str, str], ...]


class _Shape(NamedTuple):
    """Where an object with these names keeps what is read; pairs of its names and ours."""

    inside: tuple[str, ...]
    # An object with these names may have an event inside; may have a list of data.
    wraps: bool
    listed: bool
    # What surrounds an event: the names of what decides and what finds it; the rest, with the last
    # ones first.
    first: tuple[str, ...]
    pick_first: Pick
    around: _Pairs
    # Its data: the same, by names in lower case.
    low: tuple[str, ...]
    pick: Pick
    plain: _Pairs
    # Our name of what one of several data says, and their names, the first one first.
    firsts: tuple[tuple[str, tuple[str, ...]], ...]


class Views:
    """Views of records of any shape: what surrounds the event, and its data, in lower case.

    `plain`: the names of data that are read of each event; `firsts`: the same of which the first
    that says something counts, by the name that it has in the view. `deciding`: those which, with
    the event, its provider, computer and keywords, decide what `decide` makes of them: that is
    remembered.
    """

    def __init__(
        self,
        plain: frozenset[str],
        firsts: Mapping[str, tuple[str, ...]],
        deciding: frozenset[str],
        decide: Callable[[Row], Row],
    ) -> None:
        self.plain = plain.union(_AROUND.values()) - _DECIDING
        self.firsts = firsts
        self.deciding = deciding | _DECIDING
        self.decide = decide
        self.decided = remembered(self._decided)
        self.shapes = Shapes(self._shape)

    def _shape(self, names: tuple[str, ...]) -> _Shape:
        low = [(name, name.lower()) for name in names]
        around = [(name, _AROUND[ours]) for name, ours in low if ours in _AROUND]
        deciding = [(name, ours) for name, ours in low if ours in self.deciding]
        firsts = [
            (found, tuple(name for one in ways for name, ours in low if ours == one))
            for found, ways in self.firsts.items()
        ]
        first = tuple(name for name, ours in around if ours in _DECIDING)
        return _Shape(
            inside=tuple(name for name, ours in low if ours in _INSIDE),
            wraps=not _WRAPPING.isdisjoint(names)
            or ("Id" in names and "LogName" in names)
            or ("Message" in names and "EventID" in names and _NAMED.isdisjoint(names)),
            listed=len(names) == 1 or "Data" in names,
            first=first,
            pick_first=picked(first),
            around=tuple((name, ours) for name, ours in around[::-1] if ours not in _DECIDING),
            low=tuple(ours for _, ours in deciding),
            pick=picked(tuple(name for name, _ in deciding)),
            plain=tuple((name, ours) for name, ours in low if ours in self.plain),
            firsts=tuple((found, names) for found, names in firsts if names),
        )

    def of(self, record: Row) -> Row:
        """The view of a record; of one that names no event, itself with what is made of it."""
        outer = record
        around = self.shapes[tuple(record)]
        if around.wraps:
            outer = _outer(record)
            around = self.shapes[tuple(outer)]
        data: Any = outer
        shape = around
        for name in around.inside:
            data = outer[name] or data
        # Flat: the data stands beside what surrounds it, or is one list there.
        if data is not outer or around.listed:
            data = _data(data)
            shape = self.shapes[tuple(data)]
        said = around.first, around.pick_first(outer), shape.low, shape.pick(data)
        event = {**self.decided(said)}
        if not event:
            return {**record, **self.decide(record)}
        for name, ours in shape.plain:
            value = data[name]
            if value != "-" and type(value) is not dict:
                event[ours] = value
        for found, names in shape.firsts:
            for name in names:
                text = paths.text(data[name])
                if text is not None and text != "-":
                    event[found] = text
                    break
        for name, ours in around.around:
            value = outer[name]
            if value is not None:
                event[ours] = _plain(value) if type(value) is dict else value
        at = event.get("at")
        if type(at) is str and at[:1] == "/":
            event["at"] = _milliseconds(at)
        return event

    def _decided(self, said: Sequence[Any]) -> Row:
        """What is decided, and by what, in our names; nothing where no event is named."""
        names, values, low, inside = said
        made: Row = {}
        for name, value in zip(names, values, strict=True):
            if value is not None:
                made.setdefault(_AROUND[name.lower()], _joined(_plain(value)))
        if "eventid" not in made:
            return {}
        made["eventid"] = paths.text(made["eventid"])
        event = {
            name: value
            for name, value in zip(low, inside, strict=True)
            if value != "-" and type(value) is not dict
        }
        event |= made
        return event | self.decide(event)


_DATE = re.compile(r"/Date\((\d{1,15})(?:[+-]\d{4})?\)/")


def _milliseconds(text: str) -> int | str:
    """A time as Windows PowerShell writes it in JSON: since 1970, whatever its zone."""
    found = _DATE.fullmatch(text)
    return text if found is None else int(found[1])


def _of_powershell(record: Row) -> Row:
    """An event as Get-WinEvent gives it; its data by place, else by its message."""
    number = paths.text(_plain(record["Id"])) or ""
    said: Row = places.named(number, record.get("Properties"))
    if not said:
        said = {**messages.data(number, record["LogName"], record.get("Message"))}
    beside = ("Id", "Properties", "Message")
    around = {name: value for name, value in record.items() if name not in beside}
    return {**around, "EventID": number, "EventData": said}


def _of_winlogbeat(record: Row, outer: Row) -> Row:
    """An event as Winlogbeat gives it; its modules move addresses and users out of the data."""
    made = {"@timestamp": record.get("@timestamp"), **outer}
    source, data = record.get("source"), outer.get("event_data", {})
    if type(data) is not dict or "user_data" in outer:
        return made
    if type(source) is dict and "ip" in source and "IpAddress" not in data:
        data = {"SourceIp": source["ip"], **data}
    if _WHO.isdisjoint(data) and (who := _who(record.get("user")) or _who(outer.get("user"))):
        data = {"User": who, **data}
    if data:
        made["event_data"] = data
    return made


def _who(said: Any) -> str:
    """A user as Elastic's schema names one, in the way of Windows; else the SID."""
    if type(said) is not dict:
        return ""
    name, domain = paths.text(said.get("name")), paths.text(said.get("domain"))
    if name:
        return f"{domain}\\{name}" if domain else name
    return paths.text(said.get("id") or said.get("identifier")) or ""


def _of_azure(record: Row, said: Row) -> Row:
    """An event as Azure's diagnostics give it: as XML, else by its message."""
    xml, message = said.get("RawXml"), said.get("Description")
    if type(xml) is str and "<System>" in xml:
        return xml_events.event(xml)
    number = paths.text(said["EventId"]) or ""
    return {
        "EventID": number,
        "Channel": said.get("Channel"),
        "ProviderName": said.get("ProviderName"),
        "Computer": (paths.text(said.get("RoleInstance")) or "").lstrip("_"),
        "TimeCreated": record.get("time"),
        "EventData": messages.data(number, said.get("Channel"), message),
    }


def _plain(value: Any) -> Any:
    """An attribute or a text that a converter of XML put into an object of its own."""
    while type(value) is dict:
        for name in ("#text", "Value", "value", "Name", "@Name", "SystemTime", "@SystemTime"):
            if name in value:
                return value[name]
        value = value.get("#attributes")
        if type(value) is not dict:
            return None
    return value


def _joined(value: Any) -> Any:
    """Keywords, which Winlogbeat lists, as the one text that others write."""
    if type(value) is not list:
        return value
    return ", ".join(one for one in value[:64] if type(one) is str)


def _data(value: Any) -> Row:
    """What an event says, by names, however it was listed."""
    if type(value) is str:
        value = xml_events.data(value)
    while type(value) is dict:
        listed = value.get("Data")
        # The data of some events has a name of its own around it: LogFileCleared.
        only = next(iter(value.values())) if len(value) == 1 else None
        if type(listed) is not list and type(only) is not dict:
            return value
        value = listed if type(listed) is list else only
    found: Row = {}
    for one in value[:200] if type(value) is list else ():
        if type(one) is dict:
            name = one.get("Name") or one.get("@Name") or one.get("name")
            inside = one.get("#text", one.get("Value", one.get("text", one.get("content"))))
            if type(name) is str and inside not in (None, "-"):
                found[name.lower()] = inside
    return found


def _outer(record: Row) -> Row:
    """What surrounds the event and its data, out of what the exporter put around it."""
    outer = record.get("winlog")
    if type(outer) is dict:
        return _of_winlogbeat(record, outer)
    outer = record.get("properties")
    if type(outer) is dict and "EventId" in outer:
        return _of_azure(record, outer)
    for name in _AS_TEXT:
        outer = record.get(name)
        if type(outer) is str:
            if "<System>" in outer:
                return xml_events.event(outer)
            if messages.is_splunk(outer):
                return messages.splunk(outer)
    outer = record.get("Event")
    win = record.get("win")
    if type(win) is dict and type(win.get("system")) is dict:
        return {**win["system"], "EventData": win.get("eventdata")}
    if type(outer) is not dict:
        outer = record
        if "Id" in record and "LogName" in record:
            return _of_powershell(record)
    system = outer.get("System")
    if type(system) is dict:
        return {**outer, **system}
    if "Message" in outer and "EventID" in outer and _NAMED.isdisjoint(outer):
        number = paths.text(outer["EventID"]) or ""
        return {**messages.data(number, outer.get("Channel"), outer["Message"]), **outer}
    return outer
