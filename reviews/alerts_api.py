"""Alerts for other systems and for scripts: the door that signed webhooks come by, and the list.

Owns the wire of `POST /api/alerts/from/<source>/`: a signature (Standard Webhooks) instead of a token,
bounds, and how each refusal is answered. What an answer of 202 names is kept as evidence.
"""

from datetime import timedelta
from typing import Any

import orjson
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evidence import api as evidence_api
from evidence import doors, intake
from evidence.api import JSON, Refused
from evidence.formats.alerts import NAME
from evidence.models import Connection, Deposit, Source
from evidence.sources import connector_secrets
from evidence.sources.failures import Stopped
from identities.api.doors import PAGED, door, page_of
from identities.api.identities import identity_of, user_of
from identities.api.serializers import Reason, checked
from identities.enforcers import webhook_receivers
from identities.enforcers.contract import PermanentFailure
from identities.models import ProposedChange
from identities.permissions import require
from reviews.exports import moment
from reviews.incidents import alert_rights, alert_shapes, alerts
from reviews.models import Alert, Case
from reviews.models.alerts import ALERT_STATES

LARGEST = 1024 * 1024
# Bodies of one source; a sender that has more puts several alerts into one.
MOST_A_MINUTE = 120
MOST_WRONG = 20


def _take(request: HttpRequest, name: str) -> HttpResponse:
    body = _body(request)
    link = Connection.objects.filter(source__name=name, connector=NAME).select_related("source")
    source = _signed_by(link.first(), body, request)
    now = timezone.now()
    lately = Deposit.objects.filter(source=source, received_at__gt=now - timedelta(minutes=1))
    if lately.count() >= MOST_A_MINUTE:
        raise Refused(429, f"More than {MOST_A_MINUTE} bodies in a minute: put several in one.", 60)
    found = alert_shapes.read(body, intake.asked(source))
    wrong = [f"{place}: {what}" for place, what in found.wrong[:MOST_WRONG]]
    if found.others:
        wrong.append(f"{found.others} of it are no alerts: events come by /api/evidence/")
    if not found.alerts:
        raise Refused(422, f"Nothing was taken. {'; '.join(wrong)}."[:2_000])
    with doors.turn(source) as used:
        used.bytes = len(body)
        taken = intake.take(
            source=source,
            body=body,
            by=f"source:{source.name}",
            now=now,
            format=NAME,
            name=request.headers.get("webhook-id", "")[:200],
        )
        used.records = taken.records
    # What follows is the worker's to do (alerts.read_next): the sender waits for nothing.
    said = {"deposit": taken.deposit, "alerts": len(found.alerts), "again": taken.repeat}
    return _answer(422 if wrong else 202, said | ({"problem": "; ".join(wrong)} if wrong else {}))


def _signed_by(link: Connection | None, body: bytes, request: HttpRequest) -> Source:
    """The source whose secret signed this. A name that is none is answered as a forged signature."""
    forged = "The signature is not of a source of alerts that is set up here."
    if link is None:
        raise Refused(401, forged)
    secrets = (
        connector_secrets.read(link.settings[name], called=name).text
        for name in ("secret", "secret_before")
        if link.settings.get(name)
    )
    try:
        webhook_receivers.check_signature(secrets, body, request.headers)
    except webhook_receivers.Forged as problem:
        said = str(problem)
        raise Refused(401, forged if said.startswith("The signature is not") else said) from None
    except (PermanentFailure, Stopped):
        # What is wrong with our settings is the connection's page to say, not the sender's to know.
        raise Refused(
            503, "Nothing can be checked here just now; send it again later.", 60
        ) from None
    return link.source


def _body(request: HttpRequest) -> bytes:
    stream, stated = evidence_api.stream_of(request)
    if stated is not None and stated > LARGEST:
        raise Refused(413, f"A body may have {LARGEST >> 10} KiB.")
    body = stream.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise Refused(413, f"A body may have {LARGEST >> 10} KiB.")
    return body


def _answer(status: int, said: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps(said), content_type=JSON, status=status)


take = evidence_api.guarded(_take, evidence_api.as_problem)


# --- for scripts ---------------------------------------------------------------------------------


class MatchIn(serializers.Serializer[Any]):
    """Whom an alert is about, and how that is known."""

    identity = serializers.CharField(max_length=200)
    reason = Reason()


class DismissIn(serializers.Serializer[Any]):
    """Why nothing follows from it."""

    reason = Reason()


def as_data(row: Alert) -> dict[str, Any]:
    """An alert as JSON."""
    return {
        "alert": row.key,
        "source": row.source.name,
        "uid": row.uid,
        "shape": row.shape,
        "rule": row.rule,
        "title": row.title,
        "severity": row.severity,
        "at": moment(row.at),
        "received_at": moment(row.received_at),
        "repeats": row.repeats,
        "names": [dict(zip(("realm", "kind", "value"), one, strict=True)) for one in row.names],
        "deposit": row.deposit_id,
        "state": row.state,
        "why": row.why,
        "identity": row.identity and row.identity.key,
        "case": row.case and row.case.key,
    }


def alert_of(request: Any, key: str) -> Alert:
    """An alert the caller may see; anything else is absent."""
    number = key.removeprefix("AL-")
    if not (key.startswith("AL-") and number.isascii() and number.isdigit() and len(number) < 16):
        raise Http404
    row = alert_rights.alerts(request.user, now=timezone.now()).filter(number=number).first()
    if row is None:
        raise Http404
    return row


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["incidents"])
@door({"GET": "read"}, asks={"state": ALERT_STATES, **PAGED})
def all_alerts(request: Request) -> Response:
    """The alerts the caller may see, the newest first: ``?state=unmatched&after=12``."""
    limit, after = page_of(request)
    rows = alert_rights.alerts(user_of(request), now=timezone.now()).order_by("-number")
    if request.query_params.get("state"):
        rows = rows.filter(state=request.query_params["state"])
    if after is not None:
        rows = rows.filter(number__lt=after)
    found = list(rows[:limit])
    return Response(
        {
            "rows": [as_data(one) for one in found],
            "after": found[-1].number if len(found) == limit else None,
        }
    )


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["incidents"])
@door({"GET": "read"})
def one_alert(request: Request, key: str) -> Response:
    """One alert."""
    return Response(as_data(alert_of(request, key)))


@extend_schema(request=MatchIn, responses=OpenApiTypes.OBJECT, tags=["incidents"])
@door({"POST": "act"})
def match(request: Request, key: str) -> Response:
    """Say whom it is about; its incident is opened, or the open one joined. Where its names are of
    somebody else, a second person signs it (202)."""
    row, user, now = alert_of(request, key), user_of(request), timezone.now()
    require(alert_rights.why_not_settle_alert(user, now=now))
    said = checked(MatchIn(data=request.data))
    identity = identity_of(request, said["identity"])
    done = alerts.match(alert=row, identity=identity, reason=said["reason"], by=user, now=now)
    return _answered(request, key, done)


@extend_schema(request=DismissIn, responses=OpenApiTypes.OBJECT, tags=["incidents"])
@door({"POST": "act"})
def dismiss(request: Request, key: str) -> Response:
    """Say that nothing follows from it; a second person signs it (202)."""
    row, user, now = alert_of(request, key), user_of(request), timezone.now()
    require(alert_rights.why_not_settle_alert(user, now=now))
    said = checked(DismissIn(data=request.data))
    done = alerts.dismiss(alert=row, reason=said["reason"], by=user, now=now)
    return _answered(request, key, done)


def _answered(request: Request, key: str, done: Case | ProposedChange) -> Response:
    said = as_data(alert_of(request, key))
    if isinstance(done, ProposedChange):
        return Response(said | {"waits": done.key}, status=202)
    return Response(said)
