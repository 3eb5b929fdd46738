"""Endpoints that steer a case: settle a conflict, take back, start, cancel, release.

Siblings of the pages (reviews/views.py, reviews/pages/held_views.py) over the same actions.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request

from evidence.queries.events import key_in
from identities.actions import revocations
from identities.api.doors import named
from identities.models import User
from identities.permissions import NotPossible
from reviews import actions, permissions
from reviews.actions import freezing, planted_answers
from reviews.actions.answers import WORDS
from reviews.api import case_of
from reviews.models import Case, Item
from reviews.pages import planted
from reviews.signed_api import ActNothingIn, ActReasonIn, Signed, by_row, on_row, under_api

MOST_RUNGS = 1_000


class RungsIn(ActReasonIn):
    """Held rungs by number; none: all of the case."""

    rungs = serializers.ListField(
        child=serializers.IntegerField(min_value=0), default=list, max_length=MOST_RUNGS
    )


class ItemNamedIn(serializers.Serializer[Any]):
    item = serializers.UUIDField()


class PinIn(serializers.Serializer[Any]):
    """An event by its reference (microseconds and id), the item it is about, and a note."""

    event = serializers.CharField(max_length=40)
    item = serializers.UUIDField(required=False, allow_null=True, default=None)
    note = serializers.CharField(max_length=500, allow_blank=True, default="")


class TieIn(ItemNamedIn, ActReasonIn):
    """The answer that holds of the two, against the version that was read."""

    answer = serializers.ChoiceField(choices=list(WORDS))
    version = serializers.IntegerField(min_value=0)
    in_freeze = serializers.BooleanField(default=False)


def _named_item(case: Case, request: Request) -> Item | None:
    """The item that the body names, of this case; None where it names none."""
    try:
        return case.items.filter(pk=UUID(named(request, "item"))).first()
    except ValueError:
        return None


def _why_not_settle(user: User, case: Case, request: Request, *, now: datetime) -> str | None:
    """Of the item that the body names; else of sitting in that seat at all."""
    seat, item = case.seats.filter(kind="tie_breaker").first(), _named_item(case, request)
    if seat is None:
        return f"{case.key} has no tie-breaker."
    if item is None:
        return permissions.why_not_sit(user, case, seat, now=now)
    return permissions.why_not_settle(user, case, seat, item, now=now)


def _tie(case: Case, said: dict[str, Any], user: User, now: datetime) -> Case:
    item, sure = get_object_or_404(case.items, pk=said.pop("item")), said.pop("in_freeze")
    said["reason"] = freezing.knowingly(case, said["answer"], said["reason"], sure, now=now)
    actions.tie_break(case=case, item=item, **said, by=user, now=now)
    return case


def _why_not_undo(user: User, case: Case, request: Request, *, now: datetime) -> str | None:
    item = _named_item(case, request)
    return None if item is None else permissions.why_not_undo(user, case, item, now=now)


def _undo(case: Case, said: dict[str, Any], user: User, now: datetime) -> Case:
    item = planted.shown_item(case, str(said["item"]))
    actions.undo(case=case, item=item, by=user, now=now)
    return case


def _why_not_release(user: User, case: Case, _request: Request, *, now: datetime) -> str | None:  # noqa: ARG001 - as the others
    return permissions.why_not_release(user, case)


def _why_not_pin(user: User, case: Case, _request: Request, *, now: datetime) -> str | None:  # noqa: ARG001 - as the others
    return permissions.why_not_pin(user, case)


def _pin(case: Case, said: dict[str, Any], user: User, now: datetime) -> Case:
    key = key_in(said["event"])
    if key is None:
        raise NotPossible("There is no such event.")
    item = None if said["item"] is None else planted.shown_item(case, str(said["item"]))
    # Nothing is pinned to what was planted: then it is the case's.
    item = item if item is None or planted_answers.behind(item) is None else None
    actions.pin(
        case=case, at=key[0], event_id=key[1], item=item, note=said["note"], by=user, now=now
    )
    return case


def _why_not_give_back(user: User, case: Case, _request: Request, *, now: datetime) -> str | None:
    return (
        f"{case.key} names no identity."
        if case.identity is None
        else revocations.why_not(case.identity, "release", user, now=now)
    )


def _settled(does: Callable[..., Any]) -> Callable[..., Any]:
    """An act that answers with what it settled of the case."""

    def done(case: Case, said: dict[str, Any], user: User, now: datetime) -> Case:
        does(case=case, **said, by=user, now=now)
        return case

    return done


def _again(case: Case, _said: dict[str, Any], user: User, now: datetime) -> Any:
    return actions.carry_again(case=case, by=user, now=now)


ENDPOINTS: dict[str, tuple[str, Signed]] = {
    "case_tie_break": (
        "cases/<str:key>/tie-break/",
        Signed("Decide between two answers", case_of, _why_not_settle, TieIn, _tie),
    ),
    "case_undo": (
        "cases/<str:key>/undo/",
        Signed("Take one's own last answer back", case_of, _why_not_undo, ItemNamedIn, _undo),
    ),
    "case_pin": (
        "cases/<str:key>/pin/",
        Signed("Pin an event to a case as evidence", case_of, _why_not_pin, PinIn, _pin),
    ),
    "case_start": (
        "cases/<str:key>/start/",
        Signed(
            "Send a proposed review to its seats",
            case_of,
            by_row(permissions.why_not_start),
            ActReasonIn,
            on_row("case", actions.start),
        ),
    ),
    "case_cancel": (
        "cases/<str:key>/cancel/",
        Signed(
            "End a case without a decision",
            case_of,
            by_row(permissions.why_not_cancel),
            ActReasonIn,
            on_row("case", actions.cancel),
        ),
    ),
    "case_again": (
        "cases/<str:key>/again/",
        Signed(
            "Try again what could not be carried out",
            case_of,
            by_row(permissions.why_not_close),
            ActNothingIn,
            _again,
        ),
    ),
    "case_release": (
        "cases/<str:key>/release/",
        Signed(
            "Release what was held for what is withdrawn",
            case_of,
            _why_not_give_back,
            ActReasonIn,
            _settled(actions.give_back),
        ),
    ),
    "held_release": (
        "cases/<str:key>/held/release/",
        Signed(
            "Let held steps of silence happen",
            case_of,
            _why_not_release,
            RungsIn,
            _settled(actions.release),
        ),
    ),
    "held_drop": (
        "cases/<str:key>/held/drop/",
        Signed(
            "Let held steps of silence never happen",
            case_of,
            _why_not_release,
            RungsIn,
            _settled(actions.drop),
        ),
    ),
}
urlpatterns = under_api(ENDPOINTS)
