"""The shapes in which Windows events are exported, as one.

Owns where each exporter keeps what surrounds an event and what the event says: Winlogbeat (both
generations), NXLog, Log Analytics, evtx converters, PowerShell, Wazuh, and converted XML. Knows
nothing of what events mean. Pure.
"""

from typing import Any

from evidence.formats import paths
from evidence.formats.tables import Row
from evidence.formats.windows import xml_events

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
        "keywords": "keywords eventtype",
        "activityid": "activity_id activityid",
    }.items()
    for theirs in names.split()
}
_INSIDE = frozenset({"eventdata", "event_data", "extraeventdata", "userdata", "user_data"})


def _plain(value: Any) -> Any:
    """An attribute or a text that a converter of XML put into an object of its own."""
    if type(value) is dict:
        for name in ("#text", "Value", "value", "Name", "@Name", "SystemTime", "@SystemTime"):
            if name in value:
                return value[name]
        inside = value.get("#attributes")
        return _plain(inside) if type(inside) is dict else None
    return value


def _data(value: Any) -> Row:
    """What an event says, by lower-case names, however it was listed."""
    if type(value) is str:
        value = xml_events.data(value)
    if type(value) is dict:
        listed = value.get("Data")
        if type(listed) is list:
            return _data(listed)
        if len(value) == 1:
            # The data of some events has a name of its own around it: LogFileCleared.
            only = next(iter(value.values()))
            if type(only) is dict:
                return _data(only)
        return {
            name.lower(): inside
            for name, inside in value.items()
            if inside != "-" and type(inside) is not dict
        }
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
        return {"@timestamp": record.get("@timestamp"), **outer}
    outer = record.get("Event")
    if type(outer) is str and "<System>" in outer:
        return xml_events.event(outer)
    win = record.get("win")
    if type(win) is dict and type(win.get("system")) is dict:
        return {**win["system"], "EventData": win.get("eventdata")}
    if type(outer) is not dict:
        outer = record
    system = outer.get("System")
    return {**outer, **system} if type(system) is dict else outer


def view(record: Row) -> Row:
    """Any of the shapes as one: what surrounds the event, and its data, in lower-case names."""
    made: Row = {}
    beside: Row = {}
    inside: Any = None
    outer = _outer(record)
    for name, value in outer.items():
        low = name.lower()
        ours = _AROUND.get(low)
        if ours is not None:
            if value is not None and ours not in made:
                made[ours] = _plain(value) if type(value) is dict else value
        elif low in _INSIDE and value:
            inside = value
        if value != "-" and type(value) is not dict:
            beside[low] = value
    if "eventid" not in made:
        if "LogName" not in record or "Id" not in record:
            return record
        made["eventid"] = _plain(record["Id"])
    made["eventid"] = paths.text(made["eventid"])
    if inside is not None:
        return {**_data(inside), **made}
    # Flat: the data stands beside what surrounds it, or is one list there.
    return {**(beside if len(outer) > 1 and "Data" not in outer else _data(outer)), **made}
