"""Events that exporters hand over as the text that the event viewer shows: Splunk, Snare, PowerShell.

Owns the finding of the data in an English message, and the two ways of writing an event around it:
Splunk's ``name=value`` lines (its Windows add-on, not rendered as XML), and Snare's line of tabs
(Snare's "Windows event log format"). Source of the labels: the "Event Description" of each event in
"Advanced security audit events" of the Windows documentation. Of another language only what stands
around the message is found. Neither writes a zone: times are taken as UTC. Pure.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

from evidence.formats import lines
from evidence.formats.documents import Piece
from evidence.formats.tables import Text

_LONGEST = 65_536
# Whose account a section is about.
_SECTIONS = {
    name: who
    for who, names in {
        "subject": "subject|creator subject",
        "target": (
            "new logon|account for which logon failed|account whose credentials were used"
            "|target account|target subject|new account|account that was locked out"
            "|account information|group|new group|user|new computer account|target computer"
            "|computer account that was changed"
        ),
        "": (
            "member|network information|process information|logon information|service information"
            "|failure information|detailed authentication information|additional information|object"
            "|target server|attributes|changed attributes|share information|certificate information"
            "|task information|access request information|directory service"
        ),
    }.items()
    for name in names.split("|")
}
_OF_AN_ACCOUNT = {
    "security id": "usersid",
    "user id": "usersid",
    "account name": "username",
    "account domain": "domainname",
    "supplied realm name": "domainname",
    "group name": "username",
    "group domain": "domainname",
    "logon id": "logonid",
    "user name": "username",
    "domain": "domainname",
}
_LABELS = {
    "calling station identifier": "callingstationid",
    "client address": "ipaddress",
    "dn": "objectdn",
    "error code": "status",
    "failure code": "status",
    "logon account": "targetusername",
    "logon guid": "logonguid",
    "network address": "ipaddress",
    "new process name": "newprocessname",
    "object name": "objectname",
    "relative target name": "relativetargetname",
    "requester": "requester",
    "result code": "status",
    "service name": "servicename",
    "share name": "sharename",
    "source address": "ipaddress",
    "source network address": "ipaddress",
    "source workstation": "workstation",
    "status": "status",
    "sub status": "substatus",
    "target server name": "targetservername",
    "task name": "taskname",
    "transited services": "transmittedservices",
}
# What AD FS writes into the message of its audits, as XML; in others it is somebody's own words.
_FEDERATION = frozenset(str(number) for number in range(1200, 1208))
_FEDERATED = re.compile(r"<(UserId|IpAddress)>([^<]{1,512})</")
_OF_FEDERATED = {"UserId": "targetusername", "IpAddress": "ipaddress"}
# Where a message is one line: what stands before a value, so that no value runs on.
_BEFORE = re.compile(
    r"(?:^|(?<=\s))("
    + "|".join(sorted({*_SECTIONS, *_OF_AN_ACCOUNT, *_LABELS}, key=len, reverse=True))
    + r"|logon type|process name|process id|new process id|source port|workstation name|key length"
    + r"|logon process|authentication package|privileges|failure reason|additional information"
    + r"|linked logon id|impersonation level|service id|ticket options|client port):\s*",
    re.IGNORECASE,
)
# Into other logs anybody may write, under any number: who acted is not believed of their messages.
_BELIEVED = ("Security", "System")
_GAP = re.compile(r"\s{2,}|\t")
# Events about the account that logs off, whom their message calls the subject.
_LOGGED_OFF = frozenset({"4634", "4647"})


def data(event: str, channel: Any, message: Any) -> dict[str, str]:
    """What a message says, by the names of the event's data; the first of each. Nothing of a log
    into which others than the system may write."""
    found: dict[str, str] = {}
    who = ""
    if type(message) is not str or channel not in _BELIEVED:
        return found
    text = message[:_LONGEST]
    if event in _FEDERATION and "<AuditBase" in text:
        for one in _FEDERATED.finditer(text):
            if one[2] != "N/A":
                found.setdefault(_OF_FEDERATED[one[1]], unescape(one[2]))
        return found
    for label, value, inside in _lines(text) if "\n" in text else _flat(text):
        known = _SECTIONS.get(label)
        if known is not None and not value and not inside:
            who = "target" if event in _LOGGED_OFF and known == "subject" else known
            continue
        name = _LABELS.get(label)
        if who and label in _OF_AN_ACCOUNT:
            name = who + _OF_AN_ACCOUNT[label]
        if name and value not in ("", "-"):
            found.setdefault(name, value)
    return found


def _lines(text: str) -> Iterator[tuple[str, str, bool]]:
    """(label in lower case, value, whether it is indented) of each line."""
    for line in text.split("\n"):
        label, colon, value = line.partition(":")
        if colon:
            yield label.strip().lower(), value.strip(), line[:1] in ("\t", " ")


def _flat(text: str) -> Iterator[tuple[str, str, bool]]:
    """The same of a message whose lines and tabs became spaces."""
    found = list(_BEFORE.finditer(text))
    ends = [match.start() for match in found[1:]]
    ends += [len(text)] if found else []
    for match, end in zip(found, ends, strict=True):
        value = text[match.end() : end].strip()
        yield match[1].lower(), _GAP.split(value, maxsplit=1)[0], False


# --- Splunk

_SPLUNK = re.compile(
    r"^\d\d/\d\d/\d{4} \d\d:\d\d:\d\d(?:\.\d{1,7})? [AP]M\r?\n(?=LogName=)", re.MULTILINE
)
_SPLUNK_BEGINS = re.compile(rb"\s*\d\d/\d\d/\d{4} [\d:.]{8,16} [AP]M\r?\nLogName=")
_MEMBERS = {
    "LogName": "Channel",
    "EventCode": "EventID",
    "ComputerName": "Computer",
    "SourceName": "ProviderName",
    "RecordNumber": "EventRecordID",
    "Keywords": "Keywords",
}
# How Splunk writes the provider of the Security log.
_PROVIDERS = {
    "Microsoft Windows security auditing.": "Microsoft-Windows-Security-Auditing",
}


def is_splunk(text: str) -> bool:
    return "LogName=" in text[:200] and "EventCode=" in text[:1_000]


def splunk(text: str) -> dict[str, Any]:
    """One event as Splunk writes it, under the names of the XML."""
    first, _, rest = text.strip().replace("\r\n", "\n").partition("\n")
    around, _, message = rest.partition("\nMessage=")
    made: dict[str, Any] = {"TimeCreated": first.strip()}
    for line in around.split("\n"):
        name, _, value = line.partition("=")
        if name in _MEMBERS:
            made[_MEMBERS[name]] = _PROVIDERS.get(value, value)
    made["EventData"] = data(str(made.get("EventID")), made.get("Channel"), message)
    return made


def _splunk_pieces(body: bytes) -> Iterator[Piece]:
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    begins = [match.start() for match in _SPLUNK.finditer(text)]
    if not begins:
        yield "Records[0]", None, "is no event of Splunk: its time is not written as usual", body
        return
    for number, (begin, end) in enumerate(zip(begins, [*begins[1:], len(text)], strict=True)):
        made = splunk(text[begin:end])
        if "EventID" in made:
            yield f"Records[{number}]", made, "", b""
        else:
            raw = text[begin:end].encode()
            yield f"Records[{number}]", None, "is an event of Splunk without EventCode=", raw


SPLUNK = Text(lambda head: _SPLUNK_BEGINS.match(head) is not None, _splunk_pieces)

# --- Snare

# No JSON: what is kept of a line that could not be read is that.
_SNARE_BEGINS = re.compile(rb"[^\n{\[]{0,200}MSWinEventLog(?:\t|#011)\d{1,2}(?:\t|#011)")
_MARK = "MSWinEventLog\t"
# After the mark: criticality, log, number, time, event, provider, user, kind of SID, result,
# computer, category, data, message, number.
_FEWEST = 12


def _snare(line: str) -> dict[str, Any] | None:
    said = line.replace("#011", "\t").partition(_MARK)[2].split("\t")
    if len(said) < _FEWEST or not said[4].isdecimal():
        return None
    return {
        "Channel": said[1],
        "EventRecordID": said[2],
        "TimeCreated": said[3],
        "EventID": said[4],
        "ProviderName": said[5],
        "Keywords": said[8],
        "Computer": said[9],
        "EventData": data(said[4], said[1], "  ".join(said[12:])),
    }


SNARE = Text(
    lambda head: _SNARE_BEGINS.match(head) is not None,
    lambda body: lines.each_line(body, _snare, "event of Snare"),
    lambda _: lines.Lines(),
)
