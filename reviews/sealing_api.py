"""Sealed cases for scripts: seal, members, subjects, and asking for the end of it.

Everything that widens or ends who knows takes a person's session, confirmed lately; a token reads.
"""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.api.doors import door, named
from identities.api.identities import user_of
from identities.api.serializers import Reason, checked
from identities.models import Person
from identities.permissions import NotPossible, require
from reviews.api import case_of
from reviews.incidents.opening import LONGEST_TITLE, New
from reviews.models import Case
from reviews.models.incidents import SEVERITIES
from reviews.pages import room_opening
from reviews.sealing import enclosing, members, naming, rights, unsealing
from reviews.sealing.enclosing import Named


class SealIn(serializers.Serializer[Any]):
    """Who may know of it, whom it is about, who sits instead of whom (by seat or kind of seat)."""

    members = serializers.ListField(
        child=serializers.CharField(max_length=254), max_length=naming.MOST
    )
    subjects = serializers.ListField(
        child=serializers.CharField(max_length=254),
        max_length=naming.MOST,
        required=False,
        default=list,
    )
    instead = serializers.DictField(
        child=serializers.CharField(max_length=254), required=False, default=dict
    )
    reason = Reason()


class SealedIncidentIn(SealIn):
    """An incident of an identity, sealed from its first moment. `what`: what happened; `reason`: why
    only some may know of it."""

    identity = serializers.CharField(max_length=200)
    title = serializers.CharField(max_length=LONGEST_TITLE)
    what = Reason()
    severity = serializers.ChoiceField(SEVERITIES, default="medium")


class PersonIn(serializers.Serializer[Any]):
    """A login, a mail address or a name; and why."""

    person = serializers.CharField(max_length=254)
    reason = Reason()


class SubjectIn(PersonIn):
    """Whom the case is about, and who sits in their seats."""

    instead = serializers.DictField(
        child=serializers.CharField(max_length=254), required=False, default=dict
    )


class WhyIn(serializers.Serializer[Any]):
    """Why."""

    reason = Reason()


def as_data(case: Case) -> dict[str, Any]:
    """Whether a case is sealed, to whom, and whether its end is asked for."""
    row = rights.open_of(case) if case.sealed else None
    people = case.members.select_related("person").order_by("person__name", "pk")
    about = case.subjects.select_related("person").order_by("person__name", "pk")
    return {
        "case": case.key,
        "sealed": case.sealed,
        "since": row and row.sealed_at,
        "by": row and row.sealed_by_name,
        "reason": row and row.reason,
        "members": [one.person.name for one in people] if case.sealed else [],
        "subjects": [one.person.name for one in about],
        "unsealing_asked_at": row and row.asked_at,
        "unsealing_asked_by": row and row.asked_person and row.asked_person.name,
        "unsealing_why": row and row.asked_why,
    }


def _people(said: dict[str, Any]) -> Named:
    return Named(
        naming.persons_called(said["members"]),
        naming.persons_called(said["subjects"]),
        _instead(said["instead"]),
    )


def _instead(said: dict[str, str]) -> dict[str, Person]:
    return {name[:100]: naming.person_called(to) for name, to in list(said.items())[:100]}


@extend_schema(request=SealIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"GET": "read", "POST": "act"})
def seal(request: Request, key: str) -> Response:
    """GET: whether it is sealed, and to whom. POST: seal it, by a person's session."""
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    if request.method == "POST":
        require(rights.why_not_seal(user, case, now=now))
        said = checked(SealIn(data=request.data))
        enclosing.seal(case=case, named=_people(said), reason=said["reason"], by=user, now=now)
        case.refresh_from_db()
    return Response(as_data(case))


@extend_schema(request=SealedIncidentIn, responses=OpenApiTypes.OBJECT, tags=["incidents"])
@door({"POST": "act"})
def open_sealed(request: Request) -> Response:
    """Open an incident that is sealed from its first moment."""
    user, now = user_of(request), timezone.now()
    identity = room_opening.identity_called(named(request, "identity"), user, now=now)
    if identity is not None:
        require(rights.why_not_open_sealed(user, identity, now=now))
    said = dict(checked(SealedIncidentIn(data=request.data)))
    if identity is None:
        raise NotPossible(f"There is no identity called {said['identity'][:100]!r}.")
    case = enclosing.open_sealed(
        identity=identity,
        new=New(identity, said["title"], said["what"], said["severity"]),
        named=_people(said),
        reason=said["reason"],
        by=user,
        now=now,
    )
    return Response(as_data(case), status=201)


@extend_schema(request=PersonIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def member_add(request: Request, key: str) -> Response:
    """Name somebody to a sealed case."""
    case, said = _members(request, key, PersonIn)
    person = naming.person_called(said["person"])
    members.add(
        case=case, person=person, reason=said["reason"], by=user_of(request), now=timezone.now()
    )
    return Response(as_data(case), status=201)


@extend_schema(request=PersonIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def member_remove(request: Request, key: str) -> Response:
    """Take somebody off a sealed case."""
    case, said = _members(request, key, PersonIn)
    person = naming.person_called(said["person"])
    members.remove(
        case=case, person=person, reason=said["reason"], by=user_of(request), now=timezone.now()
    )
    return Response(as_data(case))


@extend_schema(request=SubjectIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def subject_add(request: Request, key: str) -> Response:
    """Say whom a sealed case is about."""
    case, said = _members(request, key, SubjectIn)
    members.name_subject(
        case=case,
        person=naming.person_called(said["person"]),
        instead=_instead(said["instead"]),
        reason=said["reason"],
        by=user_of(request),
        now=timezone.now(),
    )
    return Response(as_data(case), status=201)


def _members(
    request: Request, key: str, takes: type[serializers.Serializer[Any]]
) -> tuple[Case, dict[str, Any]]:
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    require(rights.why_not_change_members(user, case, now=now))
    said = dict(checked(takes(data=request.data)))
    return case, said


@extend_schema(request=WhyIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def unseal_ask(request: Request, key: str) -> Response:
    """Ask that it is sealed no more: another member signs, by a session of theirs."""
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    require(rights.why_not_ask_unsealing(user, case, now=now))
    said = checked(WhyIn(data=request.data))
    unsealing.ask(case=case, **said, by=user, now=now)
    return Response(as_data(case))


@extend_schema(request=WhyIn, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def unseal_drop(request: Request, key: str) -> Response:
    """Let it stay sealed after all."""
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    require(rights.why_not_drop_unsealing(user, case, now=now))
    said = checked(WhyIn(data=request.data))
    unsealing.drop(case=case, **said, by=user, now=now)
    return Response(as_data(case))


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["cases"])
@door({"POST": "act"})
def unseal_sign(request: Request, key: str) -> Response:
    """The second signature: it is sealed no more."""
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    require(rights.why_not_sign_unsealing(user, case, now=now))
    unsealing.sign(case=case, by=user, now=now)
    case.refresh_from_db()
    return Response(as_data(case))
