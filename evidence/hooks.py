"""Doors for senders that say a part of their evidence beside the body.

Owns `POST /api/evidence/<source>/github/` (GitHub's webhooks: a signature instead of a token, the
delivery's number in a header) and `POST /api/evidence/<source>/kubernetes/<cluster>` (the audit
webhook of kube-apiserver: events do not name their cluster, the address does). Both become members
of the records; everything else stays as it came. Sources: docs.github.com, "Validating webhook
deliveries", "Best practices for using webhooks"; kubernetes.io, "Auditing", webhook backend, and
what client-go makes of an answer.
"""

import re
from urllib.parse import parse_qsl

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from evidence import api, doors, intake
from evidence.api import JSON, Answer, Refused
from evidence.models import Source

_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_DELIVERY = re.compile(r"[0-9A-Za-z-]{1,64}")
WEBHOOK, AUDIT = "github_webhook", "kubernetes"
# metav1.StatusReason, by HTTP status.
REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    405: "MethodNotAllowed",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    503: "ServiceUnavailable",
}


def _take(source: Source, body: bytes, *, format: str, name: str) -> HttpResponse:  # noqa: A002 - what deposits call it
    with doors.turn(source) as used:
        used.bytes = len(body)
        taken = intake.take(
            source=source,
            body=body,
            by=f"source:{source.name}",
            now=timezone.now(),
            format=format,
            name=name,
        )
        used.records = taken.records
    return api.answered(doors.add(doors.EMPTY, taken), 200, "")


def _require(source: Source, format: str) -> None:  # noqa: A002 - what sources call it
    if source.format not in ("", format):
        raise Refused(403, f"The source {source.name} sends {source.format}, not {format}.")


# --- GitHub


def _github(request: HttpRequest, name: str) -> HttpResponse:
    unknown = Refused(401, "The signature is not this source's.")
    signature, now = request.headers.get("X-Hub-Signature-256", ""), timezone.now()
    source = Source.objects.filter(name=name).first()
    if source is None or source.token_digest is None or not _SIGNATURE.fullmatch(signature):
        raise unknown
    stream, stated = api.stream_of(request)
    body = doors.read_body(stream, stated=stated)
    if not doors.signed_by(source, body, signature):
        raise unknown
    if source.token_expires_at is not None and source.token_expires_at <= now:
        raise Refused(
            403, f"The token of {source.name} has ended; an administrator makes a new one."
        )
    _require(source, WEBHOOK)
    doors.note_use(source, now=now)
    event = request.headers.get("X-GitHub-Event", "")[:80]
    if event == "ping":
        # GitHub's first word: it tells of nothing that was done.
        return api.answered(doors.EMPTY, 200, "")
    delivery = request.headers.get("X-GitHub-Delivery", "")
    payload = _payload(request, body)
    name = f"{event} {delivery}"[:200]
    return _take(source, _delivered(payload, delivery), format=WEBHOOK, name=name)


def _payload(request: HttpRequest, body: bytes) -> bytes:
    """The JSON object that was sent, also where the webhook is set to send a form."""
    if request.content_type == "application/x-www-form-urlencoded":
        fields = parse_qsl(body.decode("ascii", "replace"), max_num_fields=10)
        body = dict(fields).get("payload", "").encode()
    try:
        found = orjson.loads(body)
    except (ValueError, RecursionError):
        found = None
    if type(found) is not dict:
        raise Refused(400, "The payload is no JSON object.")
    return body.strip()


def _delivered(payload: bytes, delivery: str) -> bytes:
    """The payload with the number of its delivery, which is its id."""
    if _DELIVERY.fullmatch(delivery) is None or payload == b"{}":
        return payload
    return b'{"delivery":"%b",%b' % (delivery.encode(), payload[1:])


# --- Kubernetes


def _kubernetes(request: HttpRequest, name: str, cluster: str) -> HttpResponse:
    source = api.sender(request)
    if source.name != name:
        raise Refused(403, f"This token is not the token of the source {name[:80]}.")
    _require(source, AUDIT)
    stream, stated = api.stream_of(request)
    body = doors.read_body(stream, packed=api.packed_of(request), stated=stated)
    try:
        found = orjson.loads(body)
    except (ValueError, RecursionError):
        found = None
    items = found.get("items") if type(found) is dict else None
    if type(found) is not dict or type(items) is not list:
        raise Refused(400, "The body is no EventList of audit.k8s.io.")
    if not items:
        return api.answered(doors.EMPTY, 200, "")
    said = {"cluster_name": cluster}
    found["items"] = [event | said if type(event) is dict else event for event in items]
    return _take(source, orjson.dumps(found), format=AUDIT, name=f"cluster {cluster}")


def _status(_request: HttpRequest) -> Answer:
    """A refusal as a metav1.Status, whose message kube-apiserver writes into its log."""

    def answer(status: int, sentence: str) -> HttpResponse:
        said = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": sentence,
            "reason": REASONS[status],
            "code": status,
        }
        if status == 503:
            said["details"] = {"retryAfterSeconds": doors.Busy.retry_after}
        return HttpResponse(orjson.dumps(said), content_type=JSON, status=status)

    return answer


github = api.guarded(_github, api.as_problem)
kubernetes = api.guarded(_kubernetes, _status)
