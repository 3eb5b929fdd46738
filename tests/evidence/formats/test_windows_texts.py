"""Windows: events handed over as text or without names, and who acts with another account."""

from typing import Any

import orjson
import pytest

from evidence.formats import recognise
from evidence.formats.record import ActorName
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK
from tests.evidence.formats import abuse
from tests.evidence.formats.test_windows import AUDIT, SHAPES, XML

SPLUNK = """03/04/2031 09:02:00 AM
LogName=Security
EventCode=4624
EventType=0
ComputerName=files1.corp.example.com
SourceName=Microsoft Windows security auditing.
RecordNumber=9002
Keywords=Audit Success
Message=An account was successfully logged on.

Subject:
\tSecurity ID:\t\tS-1-0-0
\tAccount Name:\t\t-

Logon Type:\t\t\t3

New Logon:
\tSecurity ID:\t\tS-1-5-21-1-2-3-1105
\tAccount Name:\t\tRosa
\tAccount Domain:\t\tCORP
\tLogon ID:\t\t0x5F1A2
\tLogon GUID:\t\t{AAAAAAAA-1111-2222-3333-444444444444}

Network Information:
\tWorkstation Name:\t
\tSource Network Address:\t198.51.100.20
"""
SNARE = (
    "<13>Mar  4 09:02:00 files1 MSWinEventLog\t1\tSecurity\t9002\tTue Mar 04 09:02:00 2031\t4624\t"
    f"{AUDIT}\tCORP\\Rosa\tN/A\tSuccess Audit\tfiles1.corp.example.com\tLogon\t\t"
    "An account was successfully logged on.    Subject:   Security ID:  S-1-0-0   Account Name:  -"
    "   Logon Type:   3    New Logon:   Security ID:  S-1-5-21-1-2-3-1105   Account Name:  Rosa"
    "   Account Domain:  CORP   Logon ID:  0x5F1A2   Logon GUID:  "
    "{AAAAAAAA-1111-2222-3333-444444444444}    Process Information:   Process ID:  0x0"
    "    Network Information:   Workstation Name:  A B   Source Network Address:  198.51.100.20\t77\n"
)
TEXTS: dict[str, Any] = {
    "Splunk": SPLUNK.encode(),
    "Splunk with carriage returns": SPLUNK.replace("\n", "\r\n").encode(),
    "Splunk's collector": {"sourcetype": "WinEventLog", "event": SPLUNK},
    "Splunk's search": {"preview": False, "result": {"_raw": SPLUNK}},
    "XML in Splunk's collector": {"sourcetype": "XmlWinEventLog", "event": XML},
    "XML in Azure's diagnostics": {
        "time": "2031-03-04T09:02:01Z",
        "category": "WindowsEventLogsTable",
        "properties": {"EventId": 4624, "Channel": "Security", "RawXml": XML},
    },
    "Snare": SNARE.encode(),
    "Snare with tabs made plain": SNARE.replace("\t", "#011").encode(),
}


@pytest.mark.parametrize("text", TEXTS)
def test_event_as_text_says_what_the_others_say(text: str) -> None:
    body = TEXTS[text]
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    assert recognise(raw) == "windows"
    parsed = abuse.parse("windows", body)
    assert parsed.rejects == []
    (record,) = parsed.records
    other = abuse.read("windows", SHAPES["nxlog"])
    assert abuse.said(record) == abuse.said(other)
    assert (record.at, record.address, record.realm) == (other.at, other.address, other.realm)
    assert record.principal == other.principal
    again = abuse.parse("windows", parsed.kept)
    assert [abuse.told(one) for one in again.records] == [abuse.told(record)]


def test_events_of_splunk_one_after_the_other_are_told_apart() -> None:
    other = SPLUNK.replace("9002", "9003").replace("EventCode=4624\n", "")
    parsed = abuse.parse("windows", (SPLUNK + other + SPLUNK).encode())
    assert [one.position for one in parsed.records] == ["Records[0]", "Records[2]"]
    assert [one.reason for one in parsed.rejects] == ["is an event of Splunk without EventCode="]


def test_line_that_is_no_event_of_snare_is_a_reject() -> None:
    parsed = abuse.parse("windows", f"{SNARE}odd\n".encode())
    assert len(parsed.records) == 1
    assert [(one.position, one.reason) for one in parsed.rejects] == [
        ("line 2", "is no event of Snare")
    ]


@pytest.mark.parametrize(
    "body",
    [
        "03/04/2031 09:02:0:00 AM\nLogName=Security\nEventCode=4624\n",
        SNARE.replace("\t", "#011").replace("#0114624", "#011none"),
    ],
)
def test_text_that_only_begins_like_an_event_is_a_reject_also_when_read_again(body: str) -> None:
    assert recognise(body.encode()) == "windows"
    parsed = abuse.parse("windows", body.encode())
    again = abuse.parse("windows", parsed.kept)
    for one in (parsed, again):
        assert (len(one.records), len(one.rejects)) == (0, 1)


def test_name_in_a_message_cannot_say_who_acted() -> None:
    """The first of each name counts: what a user agent or a path writes comes after it."""
    forged = SPLUNK + "\nNew Logon:\n\tAccount Name:\t\tadministrator\n"
    record = abuse.parse("windows", forged.encode()).records[0]
    assert record.principal is not None
    assert record.principal.value == "rosa"


def test_powershell_lists_values_or_only_the_message() -> None:
    rows = abuse.sample("windows")
    by_place, by_message = (abuse.read("windows", rows[number]) for number in (20, 21))
    assert abuse.said(by_place) == abuse.said(by_message)
    assert by_place.at == 1_930_368_720_000_000


@pytest.mark.parametrize("event", ["4648", "4688"])
def test_who_acts_with_another_account_acts_in_its_name(event: str) -> None:
    said = {"SubjectUserName": "rosa", "SubjectDomainName": "CORP", "TargetDomainName": "CORP"}
    shape = {**SHAPES["nxlog"], "EventID": event, **said}
    other = abuse.read("windows", {**shape, "TargetUserName": "svc-ledger"})
    assert other.on_behalf is not None
    assert other.on_behalf.value == "svc-ledger"
    itself = {"TargetUserName": "rosa", "TargetUserSid": None, "SubjectUserSid": None}
    assert abuse.read("windows", {**shape, **itself}).on_behalf is None


MESSAGE = SPLUNK.partition("\nMessage=")[2].replace("\n", "\r\n")


def test_message_says_the_event_where_no_data_does() -> None:
    """Azure's diagnostics without the XML, and NXLog where it found no fields."""
    other = abuse.read("windows", SHAPES["nxlog"])
    azure = {
        "time": "2031-03-04T09:02:00Z",
        "category": "WindowsEventLogsTable",
        "properties": {
            "EventId": 4624,
            "ProviderName": AUDIT,
            "Channel": "Security",
            "RoleInstance": "_files1.corp.example.com",
            "Description": MESSAGE,
        },
    }
    around = ("EventID", "EventTime", "Hostname", "Channel", "SourceName", "Keywords")
    flat = {name: SHAPES["nxlog"][name] for name in around if name in SHAPES["nxlog"]}
    for record in (azure, {**flat, "Message": MESSAGE}):
        read = abuse.read("windows", record)
        assert (read.principal, read.credential, read.action) == (
            other.principal,
            other.credential,
            other.action,
        )
        assert (read.address, read.at, read.issued) == (other.address, other.at, other.issued)


@pytest.mark.parametrize("channel", ["Security", "Application"])
def test_message_is_believed_of_the_log_into_which_only_the_system_writes(channel: str) -> None:
    around = {"EventID": 1000, "Hostname": "files1.corp.example.com", "Channel": channel}
    said = "Subject:\r\n\tAccount Name:\tadministrator\r\n\tAccount Domain:\tCORP\r\n"
    read = abuse.read("windows", {**around, "AccountName": "rosa", "Message": said})
    assert read.principal is not None
    assert read.principal.value == ("administrator" if channel == "Security" else "rosa")
    event = {"EventId": 1000, "Channel": channel, "Description": said}
    wrapped = {"category": "WindowsEventLogsTable", "properties": event}
    found = abuse.read("windows", wrapped).principal
    assert (found is not None) == (channel == "Security")


@pytest.mark.parametrize("channel", ["Security", "System", "Application"])
def test_text_of_a_log_that_anybody_may_write_names_nobody(channel: str) -> None:
    shown = {
        "Id": 4624,
        "LogName": channel,
        "MachineName": "files1.corp.example.com",
        "Message": SPLUNK.partition("Message=")[2],
    }
    for event in (
        SPLUNK.replace("LogName=Security", f"LogName={channel}").encode(),
        {"event": SPLUNK.replace("LogName=Security", f"LogName={channel}")},
        SNARE.replace("\tSecurity\t", f"\t{channel}\t").encode(),
        shown,
    ):
        body = event if isinstance(event, bytes) else orjson.dumps(event)
        (record,) = abuse.parse("windows", body).records
        assert (record.principal is not None) == (channel != "Application")
        assert (record.address is not None) == (channel != "Application")


def test_what_ran_is_dropped_from_azures_diagnostics() -> None:
    run = "powershell -enc c2VjcmV0"
    xml = XML.replace("<EventData>", f"<EventData><Data Name='CommandLine'>{run}</Data>")
    said = {"EventId": 4688, "RawXml": xml, "Description": f"Process Command Line:\t{run}\r\n"}
    row = {"category": "WindowsEventLogsTable", "properties": said}
    parsed = abuse.parse("windows", row)
    assert b"-enc" not in parsed.kept
    assert len(parsed.records) == 1


def test_who_may_not_sign_in_by_remote_desktop() -> None:
    message = (
        "A user was denied the access to Remote Desktop.\r\n\r\nSubject:\r\n\tUser Name:\tROSA\r\n"
        "\tDomain:\t\tCORP\r\n\r\nAdditional Information:\r\n\tClient Address:\t198.51.100.7\r\n"
    )
    row = {"EventID": 4825, "Hostname": "files1.corp.example.com", "Channel": "Security"}
    read = abuse.read("windows", {**row, "EventType": "AUDIT_FAILURE", "Message": message})
    assert read.principal == ActorName("ad:corp", "user", "rosa")
    assert (read.address, read.outcome) == ("198.51.100.7", OUTCOME_FAILED)


@pytest.mark.parametrize(
    ("station", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("00-1B-44-11-3A-B7", None),
        ("001b44113ab7", None),
        ("-", None),
    ],
)
def test_station_that_asks_a_network_policy_server(station: str, address: str | None) -> None:
    row = {"EventID": 6272, "Hostname": "nps1.corp.example.com", "Channel": "Security"}
    who = {"SubjectUserName": "rosa", "SubjectDomainName": "CORP"}
    # Its RADIUS client is a device that many come through.
    data = {**who, "CallingStationID": station, "ClientIPAddress": "203.0.113.1"}
    read = abuse.read("windows", {**row, **data})
    assert (read.principal, read.address) == (ActorName("ad:corp", "user", "rosa"), address)
    message = (
        "Network Policy Server granted access to a user.\r\n\r\nUser:\r\n\tAccount Name:\t\trosa\r\n"
        "\tAccount Domain:\t\tCORP\r\n\r\nClient Machine:\r\n"
        f"\tCalling Station Identifier:\t\t{station}\r\n\r\nRADIUS Client:\r\n"
        "\tClient IP Address:\t\t203.0.113.1\r\n"
    )
    assert abuse.read("windows", {**row, "Message": message}).address == address


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("0200C29FC63364070000000000000000", "198.51.100.7"),
        ("0200C29FC6336407", "198.51.100.7"),
        ("1700C29F0000000020010DB800000000000000000000000700000000", "2001:db8::7"),
        ("198.51.100.7:49823", "198.51.100.7"),
        ("[2001:db8::7]:49823", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("0200::7", "200::7"),
    ],
)
def test_address_of_a_file_servers_session(said: str, address: str) -> None:
    row = {
        "EventID": 551,
        "Hostname": "files1.corp.example.com",
        "Channel": "Microsoft-Windows-SMBServer/Security",
        "SourceName": "Microsoft-Windows-SMBServer",
    }
    assert abuse.read("windows", {**row, "ClientAddress": said}).address == address


@pytest.mark.parametrize("kind", ["AUDIT_FAILURE", "AUDIT_SUCCESS"])
def test_audit_of_federation_says_who_and_from_where(kind: str) -> None:
    xml = (
        "The Federation Service failed to issue a valid token. \r\n\r\nXML: <?xml version='1.0'?>\r\n"
        '<AuditBase xsi:type="AppTokenAudit"><UserId>N/A</UserId>'
        "<UserId>rosa@corp.example.com</UserId><IpAddress>198.51.100.7</IpAddress></AuditBase>"
    )
    row = {"EventID": 1201, "Hostname": "fs1.corp.example.com", "Channel": "Security"}
    # The number of a failure, as if it had sixteen digits.
    said = {"Keywords": -9182839640208441000, "EventType": kind, "SourceName": "AD FS Auditing"}
    read = abuse.read("windows", {**row, **said, "Message": xml})
    assert read.principal == ActorName("ad:corp", "user", "rosa")
    assert read.address == "198.51.100.7"
    assert read.outcome == (OUTCOME_FAILED if kind == "AUDIT_FAILURE" else OUTCOME_OK)
    # In a message of another event it is what somebody typed, such as a name to log on with.
    other = abuse.read("windows", {**row, **said, "EventID": 4625, "Message": xml})
    assert (other.principal, other.address) == (None, None)


@pytest.mark.parametrize(
    ("named", "value"),
    [
        ({"user": {"name": "Rosa", "domain": "CORP", "id": "S-1-5-21-1"}}, "corp\\rosa"),
        ({"user": {"id": "S-1-5-21-1"}}, "s-1-5-21-1"),
        ({}, "nt authority\\system"),
    ],
)
def test_winlogbeats_modules_move_users_and_addresses(named: dict[str, Any], value: str) -> None:
    winlog = {
        "event_id": "4104",
        "channel": "Microsoft-Windows-PowerShell/Operational",
        "computer_name": "files1.corp.example.com",
        "provider_name": "Microsoft-Windows-PowerShell",
        "user": {"name": "SYSTEM", "domain": "NT AUTHORITY"},
    }
    row = {"@timestamp": "2031-03-04T09:02:00Z", "source": {"ip": "198.51.100.7"}, **named}
    read = abuse.read("windows", {**row, "winlog": winlog})
    assert read.principal is not None
    assert (read.principal.value, read.address) == (value, "198.51.100.7")


def test_data_of_an_event_that_is_no_event_data_stays() -> None:
    """The log was cleared: who did it stands in the data of its own, whoever wrote the event."""
    winlog = {
        "event_id": "1102",
        "channel": "Security",
        "computer_name": "files1.corp.example.com",
        "provider_name": "Microsoft-Windows-Eventlog",
        "user_data": {"SubjectUserName": "rosa", "SubjectDomainName": "CORP"},
    }
    read = abuse.read("windows", {"user": {"name": "SYSTEM"}, "winlog": winlog})
    assert read.principal == ActorName("ad:corp", "user", "rosa")
