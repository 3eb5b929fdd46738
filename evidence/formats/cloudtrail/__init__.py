"""AWS CloudTrail: audit records to normalised records.

Owns the shapes in which CloudTrail records travel (``{"Records": […]}``, bare lists, JSON
lines, one record, the envelopes of EventBridge, LookupEvents and CloudWatch Logs) and the
reading of one record. Who acted, on what, what it was, and what of it is content, is said by the
modules beside it.
A call that concerns two accounts is written once for each; the copies have ids of their own, and
share what is kept as their session (`sharedEventID`).
Knows nothing of sources, of the database or of what anybody may do. Pure.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from evidence.formats import aws, exports, reading, unwrapping, written
from evidence.formats.cloudtrail import activities, athena, content, identity, others, resources
from evidence.formats.documents import Shape, clean
from evidence.formats.reading import Kind
from evidence.formats.record import Asked, Format, Issued, Parsed, Record
from evidence.formats.tables import Unreadable
from evidence.vocabulary import (
    AUTHENTICATION,
    ISSUANCE,
    OUTCOME_OK,
    PLANE_IDENTITY,
)

NAME = "cloudtrail"
# Members that hold a record: those of AWS first.
ENVELOPES = ("detail", "CloudTrailEvent", "cloudTrailEvent", "Event", *unwrapping.ENVELOPES)


def _is_plain(value: Any) -> bool:
    return type(value) is dict and "eventName" in value


def recognise(head: bytes) -> bool:
    """JSON that speaks of CloudTrail's members near its beginning, or CSV of Athena."""
    text = clean(unwrapping.plain(head[:65_536]))
    if not text.startswith((b"{", b"[")):
        return exports.known(head, athena.EXPORTS) is not None
    if b'"resourceSpans"' in text:
        return False
    inside = b'"eventSource' in text and b'"eventName' in text
    inside = inside or (b'"eventsource"' in text and b'"eventname"' in text)
    # LookupEvents and log subscriptions carry the record as text inside JSON.
    return inside or b'\\"eventSource\\"' in text or b'"CloudTrailEvent"' in text


def parse(body: bytes, asked: Asked) -> Parsed:
    """Read all records of a body; never raises for what the body holds."""
    export = exports.known(body, athena.EXPORTS)
    if export is not None:
        return reading.read_text(exports.rows(body, export), asked, first=_ALONE)
    body = unwrapping.plain(body)
    shape = SHAPE if SHAPE.mark in body else _LOWERED
    return reading.read_body(body, asked, shape=shape, first=_ALONE)


def _knows(value: Any) -> bool:
    """Whether this is a record among those of other formats, without an envelope."""
    return others.is_one(value) or (_is_plain(value) and "eventSource" in value)


def _knows_alone(value: Any) -> bool:
    """The same where all records are CloudTrail's: also one that lost its source."""
    return _is_plain(value) or others.is_one(value)


def _is_record(value: Any) -> bool:
    """The same, also in envelopes."""
    return type(value) is dict and _knows_alone(reading.resolve(value, _ALONE, ())[1])


def _text(record: dict[str, Any], name: str) -> str | None:
    value = record.get(name)
    return value if type(value) is str and value else None


@lru_cache(maxsize=16_384)
def _action(source: str, name: str) -> tuple[str, str]:
    """(service, action) of an event source and name."""
    service = source.removesuffix(".amazonaws.com").removesuffix(".aws.amazon.com")
    return service, aws.bounded(f"{service}:{name}")


_record: Callable[[type[Record], tuple[Any, ...]], Record] = tuple.__new__
_realm = lru_cache(maxsize=65_536)(aws.realm_of)


@lru_cache(maxsize=65_536)
def _at(text: str) -> int | None:
    return activities.moment(text)


def _read(position: str, record: Any, digest: Callable[[str, str], bytes]) -> Record:
    """One record, with the digest of its realm and its vendor's id. Raises Unreadable."""
    read = record.get
    name, source = read("eventName"), read("eventSource")
    if type(name) is not str or not name:
        found = others.read(position, record, digest, at=_at, call=_read)
        if found is not None:
            return found
        raise Unreadable("has no eventName")
    if type(source) is not str or not source:
        if record.keys().isdisjoint(("userIdentity", "eventType", "eventVersion")):
            raise Unreadable("has neither eventSource nor userIdentity")
        source = "aws"
    stated = read("eventTime")
    at = _at(stated) if type(stated) is str else activities.moment(stated)
    service, action = _action(source, name)
    user = read("userIdentity")
    account = recipient = _text(record, "recipientAccountId") or ""
    who = identity.who(user, recipient)
    if not account and type(user) is dict:
        account = _text(user, "accountId") or ""
    parameters, response = read("requestParameters"), read("responseElements")
    if type(parameters) is not dict or type(response) is str:
        parameters, response = map(resources.opened, (parameters, response))
    code, message = read("errorCode"), read("errorMessage")
    ended = OUTCOME_OK
    if code or message or service == "signin":
        said = response or read("serviceEventDetails")
        ended = activities.outcome(code, message, action, said)
    listed = read("resources")
    target: str | None = None
    if parameters or listed or message or service == "iam":
        # What is started is named by the answer alone.
        started = name == "RunInstances" and type(response) is dict
        caller = who.standing or who.principal
        target = resources.resource(
            service,
            resources.asked(
                resources.Asked,
                (
                    name,
                    response if started else parameters,
                    listed,
                    account,
                    _text(record, "awsRegion") or "",
                    "" if caller is None else caller.value,
                ),
            ),
            message,
        )
    target = target or resources.created(name, response)
    what = activities.activity(action, parameters)
    issued: Issued | None = None
    on_behalf = who.on_behalf
    answered = type(response) is dict and "credentials" in response
    if answered or what in (ISSUANCE, AUTHENTICATION):
        if ended == OUTCOME_OK:
            issued = activities.issued(
                action=action, parameters=parameters, response=response, who=who, target=target
            )
            if action == "signin:ConsoleLogin":
                what = activities.sign_in(user, read("additionalEventData"))
        if on_behalf is None:
            # The call that sets a source identity is itself made for that person.
            person = resources.value_of(parameters, "sourceIdentity")
            if not person and service == "bedrock-agentcore":
                # An agent asks for a token with which it acts for its user.
                person = resources.value_of(parameters, "userId")
            if person:
                on_behalf = aws.named("user", person, account)
    address, client, shared = read("sourceIPAddress"), read("userAgent"), read("sharedEventID")
    realm, vendor_id, request_id = _realm(account), read("eventID"), read("requestID")
    # Asked here as well, because nearly all are: a call for each takes longer than all the rest.
    if type(vendor_id) is not str or not 0 < len(vendor_id) <= aws.LONGEST:
        vendor_id = _bounded(vendor_id)
    # Record(…) by name takes three times as long, and there is one for each of millions.
    fields = (
        position,
        digest(realm, vendor_id or ""),
        at,
        realm,
        PLANE_IDENTITY,
        what,
        ended,
        action,
        target,
        who.principal,
        who.credential,
        who.agent,
        on_behalf,
        vendor_id,
        _bounded(request_id),
        None,
        None,
        None,
        None,
        _address(address),
        _bounded(client),
        None if code is None else _bounded(code),
        None if shared is None else _bounded(shared),
        None,
        None,
        issued,
    )
    return _record(Record, fields)


def _bounded(value: Any) -> str | None:
    if type(value) is not str or not value:
        return None
    return value if len(value) <= aws.LONGEST else aws.bounded(value)


def _address(value: Any) -> str | None:
    said = _bounded(value)
    if said and "," in said:  # of whom proxies name, the first one called
        said = said.partition(",")[0]
    return written.address(said) if said and ":" in said else said


KIND = Kind(NAME, _knows, _read, content.drop)
_ALONE = KIND._replace(knows=_knows_alone, envelopes=ENVELOPES)
SHAPE = Shape(
    lists=("Records", "Events", "logEvents", "receivedMessages", "QueryResultRows", "results"),
    mark=b'"eventName"',
    is_record=_is_record,
    first=_is_plain,
    held=partial(unwrapping.inside, members=ENVELOPES),
)
_LOWERED = SHAPE._replace(mark=b'"eventname"')

# 3: insights; NULs in texts; roles that only a name is given of; services in between; copies.
# 4: aggregated events; rows of a workspace. 5: functions and tasks that hold a role's credentials,
# instances that were started, more operations that issue and change. 6: IPv6 in its one form.
# 7: what an answer alone names, sets and requests of EC2, parameters that are text. 8: pairs of keys.
# 9: NULs and lone surrogates are escaped; sign-ins with a wrong password are failed,
# and those without MFA have an activity of their own.
FORMAT = Format(
    NAME,
    "AWS CloudTrail",
    recognise,
    parse,
    version=9,
    seams=lambda head: exports.known(head, athena.EXPORTS) and exports.seams(head),
    lists=SHAPE.lists,
)
