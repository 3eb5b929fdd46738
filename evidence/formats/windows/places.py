"""The data of events whose exporter lists values without their names: PowerShell's ``Properties``.

Owns the order of those names. Source: the fields of each event in the manifest of
Microsoft-Windows-Security-Auditing, as OTRF's OSSEM-DD lists them by version; newer versions of
these events only add at the end. What is not read has no name here. Pure.
"""

from typing import Any

_SUBJECT = "subjectusersid subjectusername subjectdomainname subjectlogonid"
_LOGON = "targetusersid targetusername targetdomainname targetlogonid"
_ACCOUNT = "targetusername targetdomainname targetsid"
# Names in their order, by event; a dash stands for one that is not read.
_ORDER = {
    event: tuple(names.split())
    for events, names in {
        "4616 4672 4673 4719 5140": _SUBJECT,
        "4704 4705 4717 4718": f"{_SUBJECT} targetsid",
        "4624": f"{_SUBJECT} {_LOGON} - - - - logonguid transmittedservices - - - - ipaddress",
        "4625": (
            f"{_SUBJECT} targetusersid targetusername targetdomainname status - substatus"
            " - - - - transmittedservices - - - - ipaddress"
        ),
        "4634 4647": _LOGON,
        "4648": (
            f"{_SUBJECT} logonguid targetusername targetdomainname - targetservername - - - ipaddress"
        ),
        "4656 4662 4663 4670": f"{_SUBJECT} - - objectname",
        "4688": f"{_SUBJECT} - newprocessname - - - {_LOGON}",
        "4689": f"{_SUBJECT} status",
        "4697": f"{_SUBJECT} servicename",
        "4698 4699 4702": f"{_SUBJECT} taskname",
        "4720 4722 4723 4724 4725 4726 4727 4740 4741 4743 4767 4798 4799": (
            f"{_ACCOUNT} {_SUBJECT}"
        ),
        "4728 4729 4732 4733 4756 4757": f"- - {_ACCOUNT} {_SUBJECT}",
        "4738 4742": f"- {_ACCOUNT} {_SUBJECT}",
        "4781": f"targetusername - targetdomainname targetsid {_SUBJECT}",
        "4768": f"{_ACCOUNT} servicename - - status - - ipaddress - - - certthumbprint",
        "4769": (
            "targetusername targetdomainname servicename - - - ipaddress - status logonguid"
            " transmittedservices"
        ),
        "4770": "targetusername targetdomainname servicename - - - ipaddress",
        "4771": "targetusername targetsid servicename - status - ipaddress - - - certthumbprint",
        "4776": "- targetusername workstation status",
        "4778 4779": "accountname - logonid - - clientaddress",
        "4868 4869 4882 4885": f"- {_SUBJECT}",
        "4870 4890": f"- - {_SUBJECT}",
        "4886 4887 4888 4889": "- requester",
        "4964": f"{_SUBJECT} logonguid {_LOGON}",
        "5136 5137 5139 5141": f"- - {_SUBJECT} - - objectdn",
        "5145": f"{_SUBJECT} - ipaddress - sharename - relativetargetname",
    }.items()
    for event in events.split()
}
# Numbers that every other exporter writes as hexadecimal text.
_NUMBERS = frozenset({"subjectlogonid", "targetlogonid", "logonid", "status", "substatus"})
_BITS = 0xFFFF_FFFF


def named(event: str, values: Any) -> dict[str, Any]:
    """The data by its names; nothing of an event, or of values, that are not known."""
    found: dict[str, Any] = {}
    if type(values) is not list:
        return found
    for name, value in zip(_ORDER.get(event, ()), values, strict=False):
        if type(value) is not dict:
            continue  # written to too little depth: the name of its class
        # A SID is an object with a value of its own.
        while type(value) is dict:
            value = value.get("Value")  # noqa: PLW2901 - the one inside from here on
        if name == "-" or value is None or value in ("", "-") or type(value) is list:
            continue
        if name in _NUMBERS and type(value) is int:
            value = hex(value if value >= 0 else value & _BITS)  # noqa: PLW2901 - as text
        if type(value) is str or name not in _NUMBERS:
            found[name] = value
    return found
