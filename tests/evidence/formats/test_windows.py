"""Windows: every exporter's shape, XML, accounts, and sessions from their beginning to their use."""

from typing import Any

import pytest

from evidence.formats import FORMATS, recognise
from evidence.formats.record import ActorName, Record
from evidence.vocabulary import (
    AUTHENTICATION,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    USE,
)
from tests.evidence.formats import abuse

AUDIT = "Microsoft-Windows-Security-Auditing"
SID = "S-1-5-21-1-2-3-1105"
DATA = {
    "SubjectUserSid": "S-1-0-0",
    "SubjectUserName": "-",
    "SubjectDomainName": "-",
    "SubjectLogonId": "0x0",
    "TargetUserSid": SID,
    "TargetUserName": "Rosa",
    "TargetDomainName": "CORP",
    "TargetLogonId": "0x5F1A2",
    "LogonType": "3",
    "LogonGuid": "{AAAAAAAA-1111-2222-3333-444444444444}",
    "IpAddress": "::ffff:198.51.100.20",
}
HOST, TIME = "files1.corp.example.com", "2031-03-04T09:02:00.0000000Z"
XML = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
    f"<Provider Name='{AUDIT}' Guid='{{54849625}}'/><EventID Qualifiers=''>4624</EventID>"
    f"<Keywords>0x8020000000000000</Keywords><TimeCreated SystemTime='{TIME}'/>"
    "<EventRecordID>9002</EventRecordID><Correlation ActivityID='{B}'/><Channel>Security</Channel>"
    f"<Computer>{HOST}</Computer><Security/></System><EventData>"
    + "".join(f"<Data Name='{name}'>{value}</Data>" for name, value in DATA.items())
    + "</EventData></Event>"
)
CONVERTED = {
    "Provider": {"#attributes": {"Name": AUDIT}},
    "EventID": {"#attributes": {"Qualifiers": ""}, "#text": 4624},
    "TimeCreated": {"#attributes": {"SystemTime": TIME}},
    "EventRecordID": 9002,
    "Channel": "Security",
    "Computer": HOST,
}
SHAPES: dict[str, dict[str, Any]] = {
    "winlogbeat": {
        "@timestamp": TIME,
        "winlog": {
            "event_id": "4624",
            "channel": "Security",
            "computer_name": HOST,
            "record_id": 9002,
            "provider_name": AUDIT,
            "event_data": DATA,
        },
    },
    "winlogbeat 6": {
        "@timestamp": TIME,
        "event_id": 4624,
        "log_name": "Security",
        "computer_name": HOST,
        "record_number": "9002",
        "source_name": AUDIT,
        "event_data": DATA,
    },
    "nxlog": {
        "EventTime": "2031-03-04 09:02:00",
        "EventID": 4624,
        "Hostname": HOST,
        "Channel": "Security",
        "SourceName": AUDIT,
        "RecordNumber": 9002,
        "EventType": "AUDIT_SUCCESS",
        **DATA,
    },
    "evtx": {"Event": {"System": CONVERTED, "EventData": DATA}},
    "evtx without its envelope": {"System": CONVERTED, "EventData": DATA},
    "converted XML": {
        "Event": {
            "System": CONVERTED,
            "EventData": {"Data": [{"@Name": k, "#text": v} for k, v in DATA.items()]},
        }
    },
    "XML in JSON": {"Event": XML},
    "workspace": {
        "TimeGenerated": TIME,
        "EventID": 4624,
        "Computer": HOST,
        "Channel": "Security",
        "EventSourceName": AUDIT,
        "EventRecordId": "9002",
        "EventData": XML[XML.index("<EventData>") :],
        "Type": "SecurityEvent",
    },
    "wazuh": {
        "win": {
            "system": {
                "providerName": AUDIT,
                "eventID": "4624",
                "systemTime": TIME,
                "eventRecordID": "9002",
                "channel": "Security",
                "computer": HOST,
            },
            "eventdata": {name[0].lower() + name[1:]: value for name, value in DATA.items()},
        }
    },
    "data of its own": {
        "EventID": "4624",
        "ProviderName": AUDIT,
        "TimeCreated": "2031-03-04 09:02:00 +0000",
        "Computer": HOST,
        "Channel": "Security",
        "EventRecordID": "9002",
        "ExtraEventData": DATA,
    },
}
ROSA = ActorName("ad:corp", "user", "rosa", ActorName("ad:corp", "user", SID))


def logon(record: Record) -> None:
    assert (record.realm, record.at) == ("ad:corp", 1_930_381_320_000_000)
    assert (record.activity, record.outcome) == (AUTHENTICATION, OUTCOME_OK)
    assert record.action == "4624 An account was successfully logged on"
    assert (record.resource, record.vendor_id) == (HOST, "9002")
    assert record.principal == ROSA
    assert record.credential == ActorName(
        "ad:corp", "token", "aaaaaaaa-1111-2222-3333-444444444444"
    )
    assert (record.address, record.conversation) == ("198.51.100.20", "files1/0x5f1a2")
    assert record.issued is not None
    assert record.issued[:3] == (
        ActorName("windows:files1", "session", "files1/0x5f1a2"),
        ROSA,
        False,
    )
    assert record.on_behalf is None


@pytest.mark.parametrize("shape", SHAPES)
def test_logon_means_the_same_in_every_shape(shape: str) -> None:
    logon(abuse.read("windows", SHAPES[shape]))


@pytest.mark.parametrize(
    "body",
    [
        XML.encode(),
        f"<?xml version='1.0'?>\n<Events>\n{XML}\n</Events>".encode(),
        f"<Events>{XML}</Events>".encode("utf-16"),
    ],
    ids=["one", "document", "UTF-16"],
)
def test_xml_is_known_and_read(body: bytes) -> None:
    assert recognise(body) == "windows"
    parsed = FORMATS["windows"].parse(body, abuse.ASKED)
    assert parsed.rejects == []
    (record,) = parsed.records
    logon(record)
    (again,) = FORMATS["windows"].parse(parsed.kept, abuse.ASKED).records
    assert again == record


def test_xml_that_is_damaged_costs_its_own_event() -> None:
    cut = XML[: XML.index("<EventData>") + 60]
    body = f"<Events>{XML}<Event><System></System></Event>{XML}{cut}".encode()
    parsed = FORMATS["windows"].parse(body, abuse.ASKED)
    assert [one.position for one in parsed.records] == ["Records[0]", "Records[2]"]
    assert [(one.position, one.reason) for one in parsed.rejects] == [
        ("Records[1]", "is XML without an EventID in its <System>"),
        ("Records[3]", "is an XML event without an end; the export was cut off"),
    ]


def test_other_xml_is_not_taken_for_events() -> None:
    assert recognise(b"<?xml version='1.0'?><html><body>Event</body></html>") is None
    assert recognise(b"<Event") is None


def test_ticket_logon_and_what_the_session_did() -> None:
    ticket, begun, process, privileges = (
        abuse.read("windows", record) for record in abuse.sample("windows")[:4]
    )
    assert ticket.issued is not None
    assert begun.issued is not None
    assert begun.credential == ticket.issued.credential
    assert [process.credential, privileges.credential] == [begun.issued.credential] * 2
    assert [process.conversation, privileges.conversation] == [begun.conversation] * 2
    assert ticket.principal is not None
    assert begun.principal is not None
    assert begun.principal[:3] == ticket.principal[:3]


def event(number: int, **data: Any) -> dict[str, Any]:
    around = {"EventID": number, "Hostname": HOST, "Channel": "Security", "SourceName": AUDIT}
    return {**around, **data}


@pytest.mark.parametrize(
    ("said", "realm", "kind", "value"),
    [
        ({"SubjectUserName": "Rosa", "SubjectDomainName": "CORP"}, "ad:corp", "user", "rosa"),
        ({"SubjectUserName": "Rosa@corp.example.com"}, "ad:corp", "user", "rosa"),
        ({"SubjectUserName": "gmsa$", "SubjectDomainName": "CORP"}, "ad:corp", "service_account", "gmsa$"),
        ({"SubjectUserName": "admin", "SubjectDomainName": "FILES1"}, "windows:files1", "user", "admin"),
        ({"SubjectUserName": "FILES1$", "SubjectDomainName": "CORP", "SubjectUserSid": "S-1-5-18"}, "ad:corp", "service_account", "files1$"),
        ({"SubjectUserName": "LOCAL SERVICE", "SubjectDomainName": "NT AUTHORITY", "SubjectUserSid": "S-1-5-19"}, "windows:files1", "service", "NT AUTHORITY\\LOCAL SERVICE"),
        ({"TargetUserName": "ben", "TargetDomainName": "CORP"}, "ad:corp", "user", "ben"),
    ],
)  # fmt: skip
def test_account_of_the_domain_the_computer_or_the_system(
    said: dict[str, Any], realm: str, kind: str, value: str
) -> None:
    who = abuse.read("windows", event(4688, **said)).principal
    assert who is not None
    assert (who.realm, who.kind, who.value) == (realm, kind, value)


@pytest.mark.parametrize(
    ("number", "said", "outcome"),
    [
        (4625, {"Status": "0xC000006D"}, OUTCOME_FAILED),
        (4625, {"Status": "0xC0000234"}, OUTCOME_REFUSED),
        (4768, {"Status": "0x0"}, OUTCOME_OK),
        (4768, {"Status": "0x6"}, OUTCOME_FAILED),
        (4769, {"Status": "0x12"}, OUTCOME_REFUSED),
        (4776, {"Status": "0xc0000064"}, OUTCOME_FAILED),
        (4662, {"Keywords": "0x8010000000000000"}, OUTCOME_FAILED),
        (4662, {"Keywords": -9218868437227405312}, OUTCOME_FAILED),
        (4662, {"EventType": "AUDIT_FAILURE"}, OUTCOME_FAILED),
        (4662, {"Keywords": "0x8020000000000000"}, OUTCOME_OK),
        # As Winlogbeat lists them.
        (4662, {"Keywords": ["Audit Failure"]}, OUTCOME_FAILED),
        (4662, {"Keywords": ["Audit Success", 1, None]}, OUTCOME_OK),
        # With the bit of an event of the classic interface; rounded on its way.
        (4662, {"Keywords": "0x8090000000000000"}, OUTCOME_FAILED),
        (4662, {"Keywords": -9214364837600035000}, OUTCOME_OK),
        (4662, {"Keywords": -9218868437227405312, "EventType": "AUDIT_SUCCESS"}, OUTCOME_OK),
        (4662, {"Keywords": "9" * 5000}, OUTCOME_OK),
    ],
)
def test_event_ends_as_its_status_says(number: int, said: dict[str, Any], outcome: int) -> None:
    assert abuse.read("windows", event(number, **said)).outcome == outcome


def test_logon_as_somebody_else_names_who_asked() -> None:
    asked = {"SubjectUserSid": SID, "SubjectUserName": "Rosa", "SubjectDomainName": "CORP"}
    other = {"TargetUserName": "svc-ledger", "TargetDomainName": "CORP", "TargetLogonId": "0x9"}
    record = abuse.read("windows", event(4624, **asked, **other))
    assert record.principal == ActorName("ad:corp", "user", "svc-ledger")
    assert record.on_behalf == ROSA


def test_event_of_another_provider_carries_its_name() -> None:
    service = {"Id": 7045, "LogName": "System", "MachineName": "FILES1", "ServiceName": "updater"}
    record = abuse.read("windows", {**service, "ProviderName": "Service Control Manager"})
    assert (record.action, record.resource) == ("Service Control Manager 7045", "updater")


def test_events_of_one_shape_keep_their_own_names_and_ends() -> None:
    rows = [
        event(
            4662, SubjectUserSid=SID, SubjectUserName=name, EventType=said, SubjectLogonId=session
        )
        for name, said, session in (
            ("Rosa", "AUDIT_SUCCESS", "0x1"),
            ("ben", "AUDIT_SUCCESS", "0x1"),
            ("Rosa", "AUDIT_FAILURE", "0x1"),
            ("Rosa", "AUDIT_SUCCESS", "0x2"),
        )
    ]
    read = [abuse.read("windows", row) for row in rows * 2]
    assert [
        (one.principal and one.principal.value, one.outcome, (one.conversation or "")[-3:])
        for one in read
    ] == [
        ("rosa", OUTCOME_OK, "0x1"),
        ("ben", OUTCOME_OK, "0x1"),
        ("rosa", OUTCOME_FAILED, "0x1"),
        ("rosa", OUTCOME_OK, "0x2"),
    ] * 2


@pytest.mark.parametrize(
    ("number", "requester", "principal", "activity", "outcome"),
    [
        (4886, "CORP\\Rosa", ("ad:corp", "user", "rosa"), USE, OUTCOME_OK),
        (4887, "CORP\\FILES1$", ("ad:corp", "service_account", "files1$"), ISSUANCE, OUTCOME_OK),
        (4888, "rosa@corp.example.com", ("ad:corp", "user", "rosa"), USE, OUTCOME_REFUSED),
        (
            4889,
            "NT AUTHORITY\\SYSTEM",
            ("windows:files1", "service", "NT AUTHORITY\\SYSTEM"),
            USE,
            OUTCOME_OK,
        ),
    ],
)
def test_who_asks_for_a_certificate_is_the_principal(
    number: int, requester: str, principal: tuple[str, ...], activity: int, outcome: int
) -> None:
    record = abuse.read("windows", event(number, RequestId="27", Requester=requester))
    assert record.principal == (*principal, None)
    assert (record.activity, record.outcome) == (activity, outcome)
    assert record.action.startswith(f"{number} Certificate Services ")


def test_who_acts_on_a_request_comes_before_who_made_it() -> None:
    said = {"Requester": "CORP\\ben", "SubjectUserName": "Rosa", "SubjectDomainName": "CORP"}
    record = abuse.read("windows", event(4868, SubjectUserSid=SID, **said))
    assert record.principal is not None
    assert (record.principal.value, record.outcome) == ("rosa", OUTCOME_OK)


@pytest.mark.parametrize("requester", ["", "-", "CORP\\", None, ["CORP\\ben"], {}])
def test_requester_that_names_nobody_is_nobody(requester: Any) -> None:
    assert abuse.read("windows", event(4886, Requester=requester)).principal is None


@pytest.mark.parametrize("member", ["UserData", "EventID"])
def test_data_nested_as_deep_as_json_allows_is_no_trouble(member: str) -> None:
    name = "#attributes" if member == "EventID" else "a"
    deep = f'{{"{name}":' * 1_000 + "1" + "}" * 1_000
    body = f'{{"EventID":4624,"Computer":"x","{member}":{deep}}}\n' * 2
    assert len(abuse.parse("windows", body.encode()).rejects) == 2


@pytest.mark.parametrize("number", [4704, 4705, 4717, 4718])
def test_account_whose_rights_change_is_what_is_changed(number: int) -> None:
    record = abuse.read("windows", event(number, TargetSid="S-1-5-82-1"))
    assert record.resource == "S-1-5-82-1"
