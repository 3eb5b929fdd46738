"""CloudTrail's aggregated events: how often calls were made within five minutes, counted by AWS.

Owns the reading of such a record (CloudTrail user guide, "CloudTrail record contents for
aggregated events" and "Aggregating data events"). It counts calls that the trail also writes one by
one, and says of each thing that it counts only its own sum, not who did what to which: its action
is the aggregation and its resource what was counted, so that it never counts as a use of anything.
It has no principal; its time is the window's beginning and its duration the window. Pure.
"""

from collections.abc import Callable
from typing import Any

from evidence.formats import aws
from evidence.formats.record import Record
from evidence.vocabulary import OUTCOME_UNKNOWN, PLANE_IDENTITY, USE

TYPE = "AwsAggregatedEvent"


def is_aggregated(record: dict[str, Any]) -> bool:
    """Whether this is an aggregated event, also where an export wrote its names in lower case."""
    return record.get("eventType") == TYPE or record.get("eventtype") == TYPE


def read(
    position: str,
    record: dict[str, Any],
    at: Callable[[str], int | None],
    digest: Callable[[str, str], bytes],
) -> Record:
    """One aggregated event; `at` reads a time."""
    realm = aws.realm_of(_said(record, "accountId"))
    vendor_id = _said(record, "eventId")
    window = _row(record, "timeWindow")
    begins, ends = at(_said(window, "windowStart")), at(_said(window, "windowEnd"))
    counted, names = _counted(_row(_row(record, "summary"), "primaryDimension"))
    service = _said(record, "eventSource").removesuffix(".amazonaws.com")
    return Record(
        position=position,
        digest=digest(realm, vendor_id),
        at=begins,
        realm=realm,
        plane=PLANE_IDENTITY,
        activity=USE,
        outcome=OUTCOME_UNKNOWN,
        action=aws.bounded(f"cloudtrail:Aggregated {counted}".rstrip()),
        resource=_resource(counted, names, service),
        vendor_id=vendor_id or None,
        duration=ends - begins
        if begins is not None and ends is not None and ends > begins
        else None,
    )


def _counted(dimension: dict[str, Any]) -> tuple[str, list[str]]:
    """(what is counted, the first of its names)."""
    listed = dimension.get("statistics")
    rows = listed[:2] if type(listed) is list else []
    names = [_said(one, "name") for one in rows if type(one) is dict]
    return _said(dimension, "dimension"), [name for name in names if name]


def _resource(counted: str, names: list[str], service: str) -> str | None:
    """What one such event is about: the one thing that it counts, else the service."""
    if len(names) != 1:
        return service or None
    if counted.lower() == "eventname" and service:
        return aws.bounded(f"{service}:{names[0]}")
    return names[0]


def _row(here: dict[str, Any], name: str) -> dict[str, Any]:
    value = here.get(name)
    if value is None:
        value = here.get(name.lower())
    return value if type(value) is dict else {}


def _said(here: dict[str, Any], name: str) -> str:
    value = here.get(name)
    if value is None:
        value = here.get(name.lower())
    return aws.bounded(value) if type(value) is str else ""
