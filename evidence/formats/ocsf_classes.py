"""OCSF's classes of events: what they and their activities are called, and what acts they are.

Owns those tables, of the schema's categories identity and access, API and datastore. Source:
ocsf/ocsf-schema. What the attributes of an event mean is ocsf.py's. Pure.
"""

from evidence.formats.members import text
from evidence.formats.tables import Row
from evidence.vocabulary import AUTHENTICATION, CHANGE, ISSUANCE, REVOCATION, USE

API = 6003
_CLASSES = {
    3001: "Account Change",
    3002: "Authentication",
    3003: "Authorize Session",
    3004: "Entity Management",
    3005: "User Access Management",
    3006: "Group Management",
    3007: "User Management",
    3008: "Role Management",
    6003: "API Activity",
    6005: "Datastore Activity",
}
# Captions of activities, for senders that give numbers alone.
_CAPTIONS: dict[int, tuple[str, ...]] = {
    3001: (
        *("Create", "Enable", "Password Change", "Password Reset", "Disable", "Delete"),
        *("Attach Policy", "Detach Policy", "Lock", "MFA Factor Enable", "MFA Factor Disable"),
    ),
    3002: (
        *("Logon", "Logoff", "Authentication Ticket", "Service Ticket Request"),
        *("Service Ticket Renew", "Preauth", "Account Switch"),
    ),
    3003: ("Assign Privileges", "Assign Groups"),
    3004: ("Create", "Read", "Update", "Delete"),
    3005: ("Assign Privileges", "Revoke Privileges"),
    6003: ("Create", "Read", "Update", "Delete"),
}
# What a class's activities are: by class and activity_id, then by class.
_ACTIVITIES = {
    (3001, 5): REVOCATION,  # disable
    (3001, 6): REVOCATION,  # delete
    (3001, 9): REVOCATION,  # lock
    (3002, 3): ISSUANCE,  # authentication ticket
    (3002, 4): ISSUANCE,  # service ticket
    (3002, 5): ISSUANCE,  # renew
    (3007, 18): ISSUANCE,  # add programmatic credentials
    (3007, 19): REVOCATION,
    (3008, 10): ISSUANCE,
    (3008, 11): REVOCATION,
    (6003, 2): USE,
}
# Activities that give somebody a credential.
GIVES = frozenset({(3007, 18), (3008, 10), (3001, 1)})
_OF_CLASS = {
    3001: CHANGE,
    3002: AUTHENTICATION,
    3003: AUTHENTICATION,
    3004: CHANGE,
    3005: CHANGE,
    3006: CHANGE,
    3007: CHANGE,
    3008: CHANGE,
    6003: CHANGE,
    6005: USE,
}


def whole(record: Row, name: str) -> int:
    """A member that is a whole number, also as text; -1 for any other."""
    value = record.get(name)
    if type(value) is int:
        return value
    return int(value) if type(value) is str and value.isdecimal() and len(value) < 10 else -1


def caption(record: Row) -> str | None:
    """What the event's class and activity are called."""
    if said := text(record.get("type_name")):
        return said
    number = whole(record, "class_uid")
    kind = text(record.get("class_name")) or _CLASSES.get(number, "")
    if not kind and number > 0:
        kind = f"class {number}"
    act = text(record.get("activity_name")) or text(record.get("activity"))
    if not act:
        place = whole(record, "activity_id")
        captions = _CAPTIONS.get(number, ())
        if place >= 0:
            act = captions[place - 1] if 0 < place <= len(captions) else str(place)
    return f"{kind}: {act}" if kind and act else kind or None


def activity(record: Row) -> int | None:
    """What kind of act the event is, by its class and activity; None where neither is known."""
    number = whole(record, "class_uid")
    return _ACTIVITIES.get((number, whole(record, "activity_id")), _OF_CLASS.get(number))
