"""Endpoints of acts that have a page of their own: what two people sign.

Owns their common way, as reviews/pages/signed_views.py does of the pages: the row is found, the
permission is asked, the body is read, the act is done. Who decides is the door's to ask
(identities/api/deciding.py). Saves nothing itself.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.urls import URLPattern, path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.actions import outgoing
from identities.api.doors import door, named
from identities.api.identities import user_of
from identities.api.serializers import Reason, checked
from identities.models import OutgoingSwitch, User
from identities.models.identity import MODES
from identities.permissions import require
from reviews import freeze_permissions, mode_permissions
from reviews.actions import freezing, modes
from reviews.api import case_of
from reviews.break_glass import bundles
from reviews.break_glass import rights as glass_rights
from reviews.models import Case
from reviews.pages.break_glass_views import bundle_of
from reviews.pages.case_data import as_data
from reviews.pages.freeze_views import freeze_of
from reviews.pages.mode_views import rule_of
from reviews.policies_api import places
from reviews.policy_document import LONGEST_TEXT
from reviews.sealing import naming


class ActNothingIn(serializers.Serializer[Any]):
    """Nothing: what is signed is what stands at the address."""


class ActReasonIn(serializers.Serializer[Any]):
    """Why."""

    reason = Reason()


class StepBackIn(ActReasonIn):
    """The mode with fewer consequences."""

    mode = serializers.ChoiceField(choices=list(MODES))


class ModeRuleIn(StepBackIn):
    """A scope, as `scope` of a policy, and the mode that it goes to."""

    scope = serializers.DictField()


class ChangeFreezeIn(ActReasonIn):
    """A scope, from when to when, and who is asked instead: a login, a mail address or a name."""

    scope = serializers.DictField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    asked = serializers.CharField(max_length=254)


class BundleVersionIn(ActReasonIn):
    """`document`: what the bundle gives, JSON as text."""

    slug = serializers.CharField(max_length=60)
    document = serializers.CharField(max_length=LONGEST_TEXT, trim_whitespace=False)


class SwitchIn(ActReasonIn):
    """`stopped`: nothing goes out any more; `running`: it does again."""

    to = serializers.CharField(max_length=40)


class Signed(NamedTuple):
    """One act: where its row is found, who may, what it takes, what does it."""

    about: str  # for the schema
    of: Callable[..., Any]
    why_not: Callable[..., str | None]
    takes: type[serializers.Serializer[Any]]
    # By the row, then what was said by its names, by and now; what it gives is answered as it is
    # where it is an answer already.
    does: Callable[..., Any]
    verb: str = "POST"


def _row(row: Any) -> dict[str, Any]:
    return {"what": str(row), "state": row.state, "url": getattr(row, "url", "/outgoing/")}


def endpoint(act: Signed) -> Any:
    """The view of one act."""

    @extend_schema(
        request=act.takes, responses=OpenApiTypes.OBJECT, description=act.about, tags=["acts"]
    )
    @door({act.verb: "act"})
    @places
    def view(request: Request, **address: Any) -> Response:
        user, now = user_of(request), timezone.now()
        row = act.of(request, **address)
        require(act.why_not(user, row, request, now=now))
        said = dict(checked(act.takes(data=request.data)))
        done = act.does(row, said, user, now)
        if isinstance(done, Response):
            return done
        shown = (
            as_data(case_of(request, done.key), user, now=now)
            if isinstance(done, Case)
            else _row(done)
        )
        return Response(shown)

    return view


def _at(find: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _request, **address: find(**address)


def by_row(why_not: Callable[..., str | None]) -> Callable[..., str | None]:
    """A permission that is asked of the row alone."""
    return lambda user, row, _request, *, now: why_not(user, row, now=now)


def _new(why_not: Callable[..., str | None]) -> Callable[..., str | None]:
    """A permission that needs no row."""
    return lambda user, _row, _request, *, now: why_not(user, now=now)


def on_row(name: str, does: Callable[..., Any]) -> Callable[..., Any]:
    """The act that knows the row as `name`; "": it finds it itself."""
    return lambda row, said, user, now: does(
        **({name: row} if name else {}), **said, by=user, now=now
    )


def _nothing(_request: Request) -> None:
    """What is proposed has no row yet."""


def _switch(_request: Request) -> OutgoingSwitch | None:
    return outgoing.proposed()


def _why_not_back(user: User, row: Any, request: Request, *, now: datetime) -> str | None:
    return mode_permissions.why_not_step_back(user, row, named(request, "mode"), now=now)


def _freeze(_row: Any, said: dict[str, Any], user: User, now: datetime) -> Any:
    asked = naming.person_called(said.pop("asked"))
    return freezing.propose(**said, asked=asked, by=user, now=now)


def _bundle(_row: Any, said: dict[str, Any], user: User, now: datetime) -> Any:
    return bundles.propose(text=said.pop("document"), **said, by=user, now=now)


# By the name of the address without `api_`, which is that of its page; where it stands under api/.
ENDPOINTS: dict[str, tuple[str, Signed]] = {
    "mode_new": (
        "modes/new/",
        Signed(
            "Propose that a scope goes to another mode",
            _nothing,
            _new(mode_permissions.why_not_propose_mode),
            ModeRuleIn,
            on_row("", modes.propose),
        ),
    ),
    "mode_sign": (
        "modes/<str:key>/sign/",
        Signed(
            "The second signature on a mode",
            _at(rule_of),
            by_row(mode_permissions.why_not_sign_mode),
            ActNothingIn,
            on_row("rule", modes.sign),
        ),
    ),
    "mode_refuse": (
        "modes/<str:key>/refuse/",
        Signed(
            "Refuse a mode",
            _at(rule_of),
            by_row(mode_permissions.why_not_refuse_mode),
            ActReasonIn,
            on_row("rule", modes.refuse),
        ),
    ),
    "mode_back": (
        "modes/<str:key>/back/",
        Signed(
            "Take a scope back to a mode with fewer consequences",
            _at(rule_of),
            _why_not_back,
            StepBackIn,
            on_row("rule", modes.step_back),
        ),
    ),
    "freeze_new": (
        "freezes/new/",
        Signed(
            "Propose a change freeze",
            _nothing,
            _new(freeze_permissions.why_not_propose_freeze),
            ChangeFreezeIn,
            _freeze,
        ),
    ),
    "freeze_sign": (
        "freezes/<str:key>/sign/",
        Signed(
            "The second signature on a change freeze",
            _at(freeze_of),
            by_row(freeze_permissions.why_not_sign_freeze),
            ActNothingIn,
            on_row("freeze", freezing.sign),
        ),
    ),
    "freeze_refuse": (
        "freezes/<str:key>/refuse/",
        Signed(
            "Refuse a change freeze",
            _at(freeze_of),
            by_row(freeze_permissions.why_not_refuse_freeze),
            ActReasonIn,
            on_row("freeze", freezing.refuse),
        ),
    ),
    "freeze_end": (
        "freezes/<str:key>/end/",
        Signed(
            "End a change freeze before its time",
            _at(freeze_of),
            by_row(freeze_permissions.why_not_end_freeze),
            ActReasonIn,
            on_row("freeze", freezing.end),
        ),
    ),
    "bundle_new": (
        "break-glass/bundles/new/",
        Signed(
            "Propose a version of what break-glass gives",
            _nothing,
            _new(glass_rights.why_not_propose_bundle),
            BundleVersionIn,
            _bundle,
        ),
    ),
    "bundle_sign": (
        "break-glass/bundles/<slug:slug>/<int:version>/sign/",
        Signed(
            "The second signature on what break-glass gives",
            _at(bundle_of),
            by_row(glass_rights.why_not_sign_bundle),
            ActNothingIn,
            on_row("bundle", bundles.sign),
        ),
    ),
    "bundle_refuse": (
        "break-glass/bundles/<slug:slug>/<int:version>/refuse/",
        Signed(
            "Refuse what break-glass would give",
            _at(bundle_of),
            by_row(glass_rights.why_not_refuse_bundle),
            ActReasonIn,
            on_row("bundle", bundles.refuse),
        ),
    ),
    "outgoing_propose": (
        "outgoing/propose/",
        Signed(
            "Propose that nothing goes out any more, or that it does again",
            _nothing,
            _new(outgoing.why_not_propose_switch),
            SwitchIn,
            on_row("", outgoing.propose),
        ),
    ),
    "outgoing_sign": (
        "outgoing/sign/",
        Signed(
            "The second signature on the switch of outgoing writes",
            _switch,
            by_row(outgoing.why_not_sign_switch),
            ActNothingIn,
            on_row("", outgoing.sign),
        ),
    ),
    "outgoing_refuse": (
        "outgoing/refuse/",
        Signed(
            "Refuse the switch of outgoing writes",
            _switch,
            by_row(outgoing.why_not_refuse_switch),
            ActReasonIn,
            on_row("", outgoing.refuse),
        ),
    ),
}


def under_api(endpoints: dict[str, tuple[str, Signed]]) -> list[URLPattern]:
    """The addresses of these."""
    return [
        path(f"api/{where}", endpoint(act), name=f"api_{name}")
        for name, (where, act) in endpoints.items()
    ]


urlpatterns = under_api(ENDPOINTS)
