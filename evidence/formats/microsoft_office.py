"""Microsoft 365's records as rows of the table OfficeActivity of a Log Analytics workspace.

Owns the table's columns that are not called as the record's members, and the opening of its texts.
Source: "OfficeActivity" of the table reference of Azure Monitor. `TenantId` is the workspace there,
`OrganizationId` the tenant. Pure.
"""

from evidence.formats import microsoft
from evidence.formats.tables import Row

_COLUMNS = {
    "OfficeId": "Id",
    "OfficeWorkload": "Workload",
    "OfficeObjectId": "ObjectId",
    "OfficeTenantId": "OrganizationId",
    "AADTarget": "Target",
    "Client_IPAddress": "ClientIPAddress",
    "Event_Data": "EventData",
    "Logon_Type": "LogonType",
    "Site_": "Site",
    "Site_Url": "SiteUrl",
    "Source_Name": "EventSource",
    "Start_Time": "StartTime",
}
_LOW = {column.lower(): member for column, member in _COLUMNS.items()}
MARKS = frozenset({"OfficeWorkload", "officeworkload"})


def is_row(record: Row) -> bool:
    """Whether this is a row of that table."""
    return not MARKS.isdisjoint(record)


def opened(row: Row) -> Row:
    """The record that a row was made of; a column without a value is an empty text there."""
    record: Row = {}
    for column, value in microsoft.from_workspace(row).items():
        if value == "" or value is None:
            continue
        name = _COLUMNS.get(column) or _LOW.get(column) or column
        # Where the table has a column of both names, the record's own one counts.
        if name == column or (name not in row and name not in record):
            record[name] = value
    return record
