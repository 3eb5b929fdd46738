"""Windows events as XML: from the text of an export to the records that the table reads.

Owns the few elements that are read; what stands around them is left out. Text is searched, not
parsed as XML, so that no declaration in it can mean anything. Knows nothing of what events mean.
Pure.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

from evidence.formats.documents import Piece

_BEGIN, _END = re.compile(r"<Event[\s>]"), re.compile(r"</Event\s*>\s*$")
_EVENT = re.compile(r"<Event(?=[\s>]).*?(?:</Event\s*>|(?=<Event[\s>])|\Z)", re.DOTALL)
_SYSTEM = re.compile(
    r"<(EventID|Version|Level|Task|Opcode|Keywords|EventRecordID|Channel|Computer)(?:\s[^<>]*)?>"
    r"([^<]*)</\1\s*>"
)
_ATTRIBUTE = re.compile(
    r"<(Provider|TimeCreated|Correlation)\s[^<>]*?(Name|SystemTime|ActivityID)\s*=\s*"
    r"(?:'([^']*)'|\"([^\"]*)\")"
)
_DATA = re.compile(r"<Data\s+Name\s*=\s*(?:'([^']*)'|\"([^\"]*)\")\s*(?:/>|>([^<]*)</Data\s*>)")
_USER_DATA = re.compile(r"<(Subject\w{1,40}|[A-Z]\w{1,60})>([^<]*)</\1\s*>")
_MEMBERS = {"Name": "ProviderName", "SystemTime": "TimeCreated", "ActivityID": "ActivityID"}


def data(text: str) -> dict[str, str]:
    """The named data of an event, from its ``<EventData>``."""
    return {
        unescape(match[1] or match[2]): unescape(match[3] or "") for match in _DATA.finditer(text)
    }


def event(text: str) -> dict[str, Any]:
    """One ``<Event>`` as a record: what surrounds it under its own names, and its EventData."""
    around, _, rest = text.partition("</System>")
    made: dict[str, Any] = {match[1]: unescape(match[2]) for match in _SYSTEM.finditer(around)}
    for match in _ATTRIBUTE.finditer(around):
        made[_MEMBERS[match[2]]] = unescape(match[3] or match[4] or "")
    said = data(rest)
    if not said and "<UserData" in rest:
        inside = rest.partition("<UserData")[2].partition("</UserData")[0]
        said = {match[1]: unescape(match[2]) for match in _USER_DATA.finditer(inside)}
    made["EventData"] = said
    return made


def looks(body: bytes) -> bool:
    """Whether the beginning of a body is XML with events in it."""
    text = _text(body[:65_536])
    return text.startswith(("<Event", "<?xml")) and _BEGIN.search(text) is not None


def pieces(body: bytes) -> Iterator[Piece]:
    """The events of a body; one that was cut off or says no EventID is a piece with a problem."""
    for number, match in enumerate(_EVENT.finditer(_text(body))):
        made = event(match[0])
        place = f"Records[{number}]"
        if "EventID" not in made:
            problem = "is XML without an EventID in its <System>"
        elif _END.search(match[0]) is None:
            problem = "is an XML event without an end; the export was cut off"
        else:
            yield place, made, "", b""
            continue
        yield place, None, problem, match[0].encode()


def _text(body: bytes) -> str:
    """Exports of the event viewer are UTF-16, with a byte order mark."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace").lstrip("\ufeff \t\r\n")
    return body.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
