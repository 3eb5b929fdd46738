"""The door for signals that are pushed: `POST /api/evidence/<source>/signals/` (RFC 8935).

Owns how a transmitter is answered: 202 once its SET is stored, 400 with `err` and `description` for
what is wrong with it, 503 for what may go better later. A SET that was refused is kept as a reject,
so that its source's page names it. Which SET is one is evidence/sources/set_checks.py's to say.
"""

from collections.abc import Callable
from time import monotonic

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from evidence import api, doors, intake
from evidence.api import JSON, Answer, Refused
from evidence.models import Connection, Source
from evidence.sources import connector_secrets, set_checks, signals
from evidence.sources.contract import Http
from evidence.sources.failures import Later, Stopped
from evidence.sources.set_checks import Checked, Discarded, NotTaken

WAIT_SECONDS, LONGEST_FETCH = 60, 10.0
# What the doors refuse, in the words of RFC 8935; other statuses keep their number.
ERRS = {401: "authentication_failed", 403: "access_denied", 400: "invalid_request"}


def _signals(request: HttpRequest, name: str) -> HttpResponse:
    source = api.sender(request)
    if source.name != name:
        raise Refused(403, f"This token is not the token of the source {name[:80]}.")
    link = Connection.objects.filter(source=source, connector=signals.NAME).first()
    if link is None:
        raise Refused(403, f"The source {source.name} is connected to no transmitter of signals.")
    stream, stated = api.stream_of(request)
    token = doors.read_body(stream, packed=api.packed_of(request), stated=stated).strip()
    try:
        one = _checked(token, link)
    except Discarded as problem:
        # Nothing is wrong with how it was sent, which is all that an error may say (RFC 8936, 2).
        _take(source, set_checks.refusal(token, problem), problem.err)
        return HttpResponse(status=202)
    except NotTaken as problem:
        _take(source, set_checks.refusal(token, problem), problem.err)
        return _error(problem.err, problem.said)
    except (Later, Stopped) as problem:
        raise Refused(503, f"Your keys could not be fetched: {problem.what}"[:500], WAIT_SECONDS) \
            from None  # fmt: skip
    _take(source, set_checks.record(one), f"{one.event.rpartition('/')[2]} {one.jti}")
    return HttpResponse(status=202)


def _checked(token: bytes, link: Connection) -> Checked:
    http = Http(
        allow_private=bool(settings.ALLOW_PRIVATE),
        clock=timezone.now,
        ca_file=link.settings.get("ca_file", ""),
        look=_patience(),
    )
    with http, http.discreetly():
        one = signals.check_set(token, settings=link.settings, http=http, arrived=monotonic())
    if one.event.endswith("/ssf/event-type/verification"):
        reference = link.settings.get("token", "")
        secret = connector_secrets.read(reference, called="token").text if reference else ""
        signals.require_state(one, link.settings, secret, timezone.now().timestamp())
    return one


def _patience() -> Callable[[], None]:
    """A transmitter that waits for its answer is told to come again before it gives up."""
    ends = monotonic() + LONGEST_FETCH

    def look() -> None:
        if monotonic() > ends:
            raise Later("They did not come in time")

    return look


def _take(source: Source, line: bytes, name: str) -> None:
    """Store it; returns once that is committed."""
    with doors.turn(source):
        intake.take(
            source=source,
            body=line,
            by=f"source:{source.name}",
            now=timezone.now(),
            format=signals.NAME,
            name=name[:200],
        )


def _error(err: str, said: str) -> HttpResponse:
    """RFC 8935, 2.3."""
    body = orjson.dumps({"err": err, "description": said})
    answer = HttpResponse(body, content_type=JSON, status=400)
    answer["Content-Language"] = "en"
    return answer


def _refused(_request: HttpRequest) -> Answer:
    def answer(status: int, sentence: str) -> HttpResponse:
        if status in ERRS:
            return _error(ERRS[status], sentence)
        return HttpResponse(orjson.dumps({"problem": sentence}), content_type=JSON, status=status)

    return answer


push = api.guarded(_signals, _refused)
