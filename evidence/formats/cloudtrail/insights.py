"""CloudTrail Insights: that calls of an operation, or their errors, became unusually many.

Owns the reading of such a record (CloudTrail user guide, "CloudTrail record contents for Insights
events"). It is an opinion about many calls, not a call: its action is the insight and its resource
the operation, so that it never counts as a use of that operation. Whom it attributes the calls to
are averages: it has no principal. Its start and its end share their sharedEventID. Pure.
"""

from collections.abc import Callable
from typing import Any

from evidence.formats import aws
from evidence.formats.record import Record
from evidence.vocabulary import OUTCOME_UNKNOWN, PLANE_IDENTITY, USE


def is_insight(record: dict[str, Any]) -> bool:
    """Whether this is an insight; a call has its operation's name beside it."""
    return type(record.get("insightDetails")) is dict


def read(
    position: str, record: dict[str, Any], at: int | None, digest: Callable[[str, str], bytes]
) -> Record:
    """One insight."""
    details = record["insightDetails"]
    realm = aws.realm_of(_said(record, "recipientAccountId"))
    vendor_id = _said(record, "eventID")
    kind, state = _said(details, "insightType") or "Insight", _said(details, "state")
    service = _said(details, "eventSource").removesuffix(".amazonaws.com")
    operation = ":".join(part for part in (service, _said(details, "eventName")) if part)
    return Record(
        position=position,
        digest=digest(realm, vendor_id),
        at=at,
        realm=realm,
        plane=PLANE_IDENTITY,
        activity=USE,
        outcome=OUTCOME_UNKNOWN,
        action=aws.bounded(f"cloudtrail:{kind} {state}".rstrip()),
        resource=aws.bounded(operation) or None,
        vendor_id=vendor_id or None,
        error=_said(details, "errorCode") or None,
        conversation=_said(record, "sharedEventID") or None,
    )


def _said(here: dict[str, Any], name: str) -> str:
    value = here.get(name)
    return aws.bounded(value) if type(value) is str else ""
