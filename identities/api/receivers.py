"""POST /api/enforcers/<name>/proofs/: what a receiver of webhooks says became of a step.

Owns the wire: a signature of the receiver's own (Standard Webhooks) instead of a token, bounds, the
members of the body, and how each refusal is answered. What a word changes: actions/revocations/
receiving.py. What has been answered 200 is kept; what was refused changed nothing, and says why.
"""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from evidence import api as evidence_api
from evidence.api import JSON, Refused
from identities.actions.revocations import of_webhook, receiving
from identities.enforcers import webhook_answers, webhook_receivers
from identities.enforcers.contract import PermanentFailure
from identities.permissions import NotPossible

LARGEST = 64 * 1024
UNKNOWN = "The signature is not of a receiver that is set up here."


def _take(request: HttpRequest, name: str) -> HttpResponse:
    body = _body(request)
    try:
        receiver = of_webhook.receiver(name)
        if receiver is None:
            raise Refused(401, UNKNOWN)
        webhook_receivers.check(receiver, body, request.headers)
    except webhook_receivers.Forged as problem:
        raise Refused(401, str(problem)) from None
    except PermanentFailure:
        # What is wrong with our settings is doctor's to say, not the sender's to know.
        raise Refused(
            503, "Nothing can be checked here just now; send it again later.", 60
        ) from None
    data = _data(body)
    message = request.headers.get("webhook-id", "")
    if webhook_answers.MESSAGE.fullmatch(message) is None:
        raise Refused(422, "webhook-id is not of up to 80 letters, digits, _, . and -.")
    try:
        told = webhook_answers.read(data, by=receiver.name, message=message)
    except webhook_answers.Unclear as problem:
        raise Refused(422, f"data: {problem}.") from None
    key, step = (str(data.get(member, ""))[:100] for member in ("revocation", "step"))
    try:
        taken = receiving.take(told=told, key=key, step=step, now=timezone.now())
    except receiving.NotAsked:
        raise Refused(404, f"No revocation {key!r} was asked of {receiver.name}.") from None
    except NotPossible as problem:
        return _answer(409, {"problem": str(problem)})
    said = {"revocation": key, "state": taken.row.state, "new": taken.new, "detail": taken.words}
    return _answer(200, said)


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
    if found.get("type") != "revocation.proof":
        raise Refused(422, "type is not revocation.proof.")
    return data


def _answer(status: int, said: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps(said), content_type=JSON, status=status)


take = evidence_api.guarded(_take, evidence_api.as_problem)
