"""POST /api/tickets/<name>/: what a tracker says of its ticket.

Owns the wire: a signature of the tracker's own (Standard Webhooks) instead of a token, bounds, and
how each refusal is answered. What a word changes: reviews/incidents/tickets.py. What has been
answered 200 is kept; what was refused changed nothing, and says why.
"""

from hashlib import sha256
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from evidence import api as evidence_api
from evidence.api import JSON, Refused
from identities.enforcers.webhook_answers import MESSAGE
from reviews.incidents import tickets
from reviews.notices import trackers

LARGEST = 64 * 1024
UNKNOWN = "The signature is not of a tracker that is set up here."


def _take(request: HttpRequest, name: str) -> HttpResponse:
    body = _body(request)
    try:
        tracker = next((one for one in trackers.entries() if one.name == name), None)
        if tracker is None or not tracker.answers:
            raise Refused(401, UNKNOWN)
        trackers.check(tracker, body, request.headers)
    except trackers.Forged as problem:
        raise Refused(401, str(problem).replace("receiver", "tracker")) from None
    except trackers.NotRead:
        # What is wrong with our settings is doctor's to say, not the sender's to know.
        raise Refused(
            503, "Nothing can be checked here just now; send it again later.", 60
        ) from None
    data = _data(body)
    message = request.headers.get("webhook-id", "")
    if MESSAGE.fullmatch(message) is None:
        raise Refused(422, "webhook-id is not of up to 80 letters, digits, _, . and -.")
    now = timezone.now()
    try:
        heard = tickets.read(data, now=now)
        new = tickets.take(
            tracker=tracker,
            message=message,
            heard=heard,
            digest=sha256(body).hexdigest(),
            now=now,
        )
    except tickets.Unclear as problem:
        raise Refused(422, f"data: {problem}.") from None
    except tickets.NotHere:
        raise Refused(404, f"No case {data['case']!r} is told to {tracker.name}.") from None
    return _answer(200, {"case": heard.case, "new": new})


def _body(request: HttpRequest) -> bytes:
    stream, stated = evidence_api.stream_of(request)
    if stated is not None and stated > LARGEST:
        raise Refused(413, f"A word may have {LARGEST >> 10} KiB.")
    body = stream.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise Refused(413, f"A word may have {LARGEST >> 10} KiB.")
    return body


def _data(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except (ValueError, RecursionError):
        found = None
    data = found.get("data") if type(found) is dict else None
    if type(found) is not dict or type(data) is not dict:
        raise Refused(400, "The body is no JSON object with a member data.")
    if found.get("type") != "ticket.changed":
        raise Refused(422, "type is not ticket.changed.")
    return data


def _answer(status: int, said: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps(said), content_type=JSON, status=status)


take = evidence_api.guarded(_take, evidence_api.as_problem)
