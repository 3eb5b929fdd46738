"""What a receiver says of a stream, read: its configuration, its status, a subject, a verification.

Owns which members there are and what is wrong with them (SSF 1.0, 8.1). Saves nothing.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from evidence.words import counted
from identities.models import SignalStream
from identities.models.signals import STREAM_STATES

from .vocabulary import DELIVERY_OF, METHODS, SUPPORTED, Wrong

LONGEST_DESCRIPTION = 500
LONGEST_URL = 2_000
LONGEST_AUTHORIZATION = 4_000
LONGEST_STATE = 1_000
MOST_EVENTS = 100
MIN_VERIFICATION_SECONDS = 30
# So many signals wait on a stream at most, whatever its status: then the oldest give way.
MOST_HELD = 100_000
# What is ours to say of a stream; sent back, it has to be what we said.
OURS = (
    "stream_id",
    "iss",
    "aud",
    "events_supported",
    "events_delivered",
    "min_verification_interval",
    "inactivity_timeout",  # of which we have none
)


class Delivery(NamedTuple):
    """How a stream is delivered. `authorization`: None where the receiver says nothing of it."""

    method: str  # push, poll
    endpoint: str = ""
    authorization: str | None = None


def configuration(stream: SignalStream) -> dict[str, Any]:
    """A stream as SSF says it. What its receiver has us send to be let in is never said again."""
    delivery: dict[str, Any] = {"method": METHODS[stream.delivery]}
    delivery["endpoint_url"] = stream.endpoint if stream.delivery == "push" else poll_url(stream)
    found: dict[str, Any] = {
        "stream_id": stream.stream_id,
        "iss": settings.BASE_URL,
        "aud": stream.receiver.audience,
        "events_supported": list(SUPPORTED),
        "events_delivered": delivered(stream.requested),
        "delivery": delivery,
        "min_verification_interval": MIN_VERIFICATION_SECONDS,
    }
    if stream.requested:
        found["events_requested"] = list(stream.requested)
    return found | ({"description": stream.description} if stream.description else {})


def poll_url(stream: SignalStream) -> str:
    """Where a stream is polled."""
    return f"{settings.BASE_URL}/signals/streams/{stream.stream_id}/poll"


def delivered(requested: list[str]) -> list[str]:
    """The event types of a stream: what is asked for and supported; all of it where nothing is."""
    return [one for one in SUPPORTED if not requested or one in requested]


def require_ours(body: Mapping[str, Any], stream: SignalStream) -> None:
    """What is ours to say may be sent back, as we said it. Raises Wrong."""
    now = configuration(stream)
    for name in OURS:
        if name in body and body[name] != now.get(name):
            raise Wrong(f"{name} is ours to say, and another one than you sent.")
    said = body.get("delivery")
    if type(said) is dict and said.get("method") == METHODS["poll"]:
        url = said.get("endpoint_url", poll_url(stream))
        if url != poll_url(stream):
            raise Wrong("delivery.endpoint_url of a poll is ours to say, and another one.")


def delivery(value: Any) -> Delivery:
    """The member `delivery`; nothing said means a poll (SSF 1.0, 8.1.1.1). Raises Wrong."""
    if value is None:
        return Delivery("poll")
    if type(value) is not dict:
        raise Wrong("delivery must be an object with its method.")
    said = value.get("method")
    method = DELIVERY_OF.get(said) if type(said) is str else None
    if method is None:
        raise Wrong(f"delivery.method must be one of {', '.join(DELIVERY_OF)}.")
    if method == "poll":
        return Delivery(method)
    header = value.get("authorization_header")
    if header is not None and not _is_header(header):
        raise Wrong("delivery.authorization_header must be the value of a header, in ASCII.")
    return Delivery(method, _endpoint(value.get("endpoint_url")), header)


def _is_header(value: object) -> bool:
    return (
        type(value) is str
        and 0 < len(value) <= LONGEST_AUTHORIZATION
        and value.isascii()
        and value.isprintable()
    )


def _endpoint(value: Any) -> str:
    """The address of a push. Where it leads is looked at before each request."""
    if type(value) is not str or not value or len(value) > LONGEST_URL or not value.isprintable():
        raise Wrong("delivery.endpoint_url must be the address that SETs are pushed to.")
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - it looks whether it is a number
    except ValueError:
        raise Wrong("delivery.endpoint_url is no address.") from None
    schemes = ("https", "http") if settings.ALLOW_PRIVATE else ("https",)
    if parts.scheme not in schemes or not parts.hostname:
        raise Wrong("delivery.endpoint_url must begin with https:// and name a host.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Wrong("delivery.endpoint_url must carry no user name, password or fragment.")
    return value


def events(value: Any) -> list[str]:
    """The member `events_requested`; nothing said means all there are. What we do not know is kept
    and ignored. Raises Wrong."""
    if value is None:
        return []
    if type(value) is not list or not all(type(one) is str for one in value):
        raise Wrong("events_requested must be a list of event type URIs.")
    if not value or len(value) > MOST_EVENTS or any(len(one) > LONGEST_URL for one in value):
        raise Wrong(f"events_requested must name 1 to {MOST_EVENTS} event types.")
    return [_text(one, "events_requested", LONGEST_URL) for one in dict.fromkeys(value)]


def description(value: Any) -> str:
    """The member `description`, cut to what is kept. Raises Wrong."""
    if value is None:
        return ""
    return _text(value, "description", None)[:LONGEST_DESCRIPTION]


def status(body: Mapping[str, Any]) -> tuple[str, str]:
    """The status that is asked for, and why. Raises Wrong."""
    value = body.get("status")
    if value not in STREAM_STATES:
        raise Wrong(f"status must be one of {', '.join(STREAM_STATES)}.")
    reason = body.get("reason")
    return value, "" if reason is None else _text(reason, "reason", None)[:LONGEST_DESCRIPTION]


def status_of(stream: SignalStream) -> dict[str, Any]:
    """The status of a stream as SSF says it, and that signals were lost where some were."""
    reasons = [stream.status_reason] if stream.status_reason else []
    if stream.overflowed_at is not None:
        reasons.append(overflow(stream))
    said = {"stream_id": stream.stream_id, "status": stream.status}
    return said | ({"reason": " ".join(reasons)} if reasons else {})


def overflow(stream: SignalStream) -> str:
    """How many signals are lost because more waited than a stream holds."""
    lost = counted(stream.overflowed, "signal")
    return (
        f"The oldest {lost} that waited were dropped, last at {stream.overflowed_at:%Y-%m-%d %H:%M}"
        f" UTC: a stream holds {MOST_HELD:,}."
    )


def state(body: Mapping[str, Any]) -> str | None:
    """The `state` of a verification. Raises Wrong."""
    value = body.get("state")
    return None if value is None else _text(value, "state", LONGEST_STATE)


def _text(value: Any, name: str, longest: int | None) -> str:
    if type(value) is not str or "\0" in value or (longest is not None and len(value) > longest):
        bound = f" of at most {longest:,} characters" if longest else ""
        raise Wrong(f"{name} must be text{bound}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Wrong(f"{name} is no text.") from None
    return value
