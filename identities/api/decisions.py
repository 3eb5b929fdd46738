"""POST /access/v1/evaluation: AuthZEN Authorization API 1.0, single evaluation, and its metadata.

Owns the wire: required members, unknown members of the protocol's objects ignored, deny as HTTP
200, X-Request-ID echoed. What may stand in context and properties: identities/question_members.py.
What the answer is: identities/decisions.py. Decisions are not kept as events: a
platform that wants them in the line sends its own policy log as evidence.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from identities.decisions import Question, decide
from identities.question_members import DESCRIPTIVE, UNDERSTOOD, UNKNOWN, read_members

from .doors import door

LONGEST = 2048
DESCRIPTION = (
    "AuthZEN Authorization API 1.0, one evaluation. A deny is HTTP 200 with `decision: false` and"
    " `context.reason`. The resource is allowed only if every way in which systems read its id is;"
    " `resource.type` must be one that the delegation names, `subject.type` one of the subject's."
    " Members of `context` and of"
    f" `properties` that are compared: {', '.join(sorted(UNDERSTOOD))}. Members that are not read:"
    f" {', '.join(sorted(DESCRIPTIVE))}. Any other denies with the reason `{UNKNOWN}`."
)
REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")


@extend_schema(
    request=OpenApiTypes.OBJECT,
    responses=OpenApiTypes.OBJECT,
    tags=["decisions"],
    description=DESCRIPTION,
)
@door({"POST": "decide"}, sessions=False)
def _evaluation(request: Request) -> Response:
    now = timezone.now()
    answer = decide(_question(request.data), now=now)
    context: dict[str, Any] = {
        "reason": answer.reason,
        "reason_user": {"en": answer.sentence},
        "policies": list(answer.policies),
        "evaluated_at": now.isoformat(),
    }
    if answer.identity:
        context |= {"identity": answer.identity, "mode": answer.mode}
    if answer.allowed:
        context["signed"] = answer.signed
    if answer.until is not None:
        context["until"] = answer.until.isoformat()
    return Response({"decision": answer.allowed, "context": context})


def evaluation(request: HttpRequest) -> HttpResponse:
    """One evaluation; also errors carry the caller's own request id back."""
    return _named(request, _evaluation(request))


# api_view marks its function exempt from CSRF; a bearer token is no cookie.
evaluation.csrf_exempt = True  # type: ignore[attr-defined]  # Django reads it from the function


def _named(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    given = request.headers.get("X-Request-ID", "")
    if REQUEST_ID.fullmatch(given):
        response.headers["X-Request-ID"] = given
    return response


@require_safe
def configuration(request: HttpRequest) -> HttpResponse:
    """GET /.well-known/authzen-configuration: what this decision point offers."""
    base = settings.BASE_URL
    return _named(
        request,
        JsonResponse(
            {
                "policy_decision_point": base,
                "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
            }
        ),
    )


def _question(data: Any) -> Question:
    if not isinstance(data, Mapping):
        raise ValidationError("Send a JSON object with subject, action and resource.")
    subject, action, resource = (_object(data, name) for name in ("subject", "action", "resource"))
    places = {"context": _object(data, "context", needed=False)}
    for name, entity in (("subject", subject), ("action", action), ("resource", resource)):
        path = f"{name}.properties"
        places[path] = _object(entity, "properties", needed=False, path=path)
    for path, place in places.items():
        for name in UNDERSTOOD:
            _member(place, name, f"{path}.{name}")
    members = read_members(places)
    return Question(
        subject=_text(subject, "id", "subject.id", needed=True),
        action=_text(action, "name", "action.name", needed=True),
        resource=_text(resource, "id", "resource.id", needed=True),
        subject_type=_text(subject, "type", "subject.type", needed=True),
        type=_text(resource, "type", "resource.type", needed=True),
        refused=members.refused,
        **members.values,
    )


def _member(place: Mapping[str, Any], name: str, path: str) -> None:
    if name != "mfa":
        _text(place, name, path)
    elif place.get(name) is not None and not isinstance(place[name], bool):
        raise ValidationError(f"{path} must be true or false.")


def _object(
    data: Mapping[str, Any], name: str, *, needed: bool = True, path: str = ""
) -> Mapping[str, Any]:
    value = data.get(name)
    if value is None and not needed:
        return {}
    if not isinstance(value, Mapping):
        raise ValidationError(f"{path or name} must be an object.")
    return value


def _text(data: Mapping[str, Any], name: str, path: str, *, needed: bool = False) -> str:
    value = data.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or (needed and not value):
        raise ValidationError(f"{path} must be text that is not empty.")
    if len(value) > LONGEST or "\0" in value:
        raise ValidationError(f"{path} is longer than {LONGEST} characters or holds a NUL.")
    return value
