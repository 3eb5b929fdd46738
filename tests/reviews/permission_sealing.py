"""The rows of the table of permissions: sealing a case, its members and the end of the seal."""

from collections.abc import Callable, Iterator
from typing import Any

from identities.models import User
from identities.permissions import AUDITOR, INACTIVE, LEFT, NOBODY
from reviews import permissions
from reviews.models import Case, CaseMember, CaseSubject, Sealing
from reviews.sealing import rights

from .conftest import NOW, person_of
from .permission_rooms import OPENS
from .permission_world import Row, World

type Of = Callable[[World], Case]


def sealed(w: World, *members: str, asked: str = "") -> Case:
    """Sealed to these and Rex."""
    case = w.case(sealed=True)
    more: dict[str, Any] = {}
    if asked:
        more = {"asked_at": NOW, "asked_person": person_of(w.user(asked)), "asked_why": "x"}
    Sealing.objects.create(
        case=case, reason="x", sealed_at=NOW, sealed_by="x", sealed_by_name="x", **more
    )
    for name in ("rex", *members):
        CaseMember.objects.create(case=case, person=person_of(w.user(name)), since=NOW)
    return case


def about(w: World, name: str) -> Case:
    CaseSubject.objects.create(case=w.case(), person=person_of(w.user(name)), since=NOW)
    return w.case()


def personless(w: World, name: str) -> User:
    """A member whose login is nobody's any more."""
    found = w.user(name)
    found.person = None
    return found


def of_sealing() -> Iterator[Row]:
    yield from _sealing()
    yield from _members()
    yield from _ending()


def _sealing() -> Iterator[Row]:
    def seals(name: str, of: Of = World.case) -> Callable[[World], str | None]:
        return lambda w: rights.why_not_seal(w.user(name), of(w), now=NOW)

    who = (("rex", None), ("root", None), ("rita", rights.WHO), ("off", INACTIVE))
    for name, said in (*who, ("otto", AUDITOR)):
        yield Row("rights.why_not_seal", seals(name), said)
    said = "Only an incident or a review can be sealed."
    yield Row("rights.why_not_seal", seals("rex", lambda w: w.case(door="break_glass")), said)
    yield Row("rights.why_not_seal", seals("rex", sealed), "{key} is sealed already.")
    said = "You are the subject of this case: somebody else seals it."
    yield Row("rights.why_not_seal", seals("rex", lambda w: about(w, "rex")), said)

    def opens(name: str) -> Callable[[World], str | None]:
        return lambda w: rights.why_not_open_sealed(w.user(name), w.identity(), now=NOW)

    for name, said_ in (("rex", None), ("ines", rights.WHO), ("root", OPENS)):
        yield Row("rights.why_not_open_sealed", opens(name), said_)


def _members() -> Iterator[Row]:
    act = "rights.why_not_change_members"

    def changes(name: str, of: Of) -> Callable[[World], str | None]:
        return lambda w: rights.why_not_change_members(w.user(name), of(w), now=NOW)

    for name, said in (("rex", None), ("root", permissions.ABSENT), ("off", INACTIVE)):
        yield Row(act, changes(name, sealed), said)
    yield Row(act, changes("otto", lambda w: sealed(w, "otto")), AUDITOR)
    yield Row(act, changes("rex", World.case), "{key} is not sealed.")

    def left(w: World) -> str | None:
        case = sealed(w)
        return rights.why_not_change_members(w.left("rex"), case, now=NOW)

    yield Row(act, left, LEFT)
    yield Row(
        act,
        lambda w: rights.why_not_change_members(personless(w, "rita"), w.case(), now=NOW),
        NOBODY,
    )


def _ending() -> Iterator[Row]:
    def ends(act: str, name: str, asked: str = "") -> Callable[[World], str | None]:
        return lambda w: getattr(rights, act)(w.user(name), sealed(w, "rita", asked=asked), now=NOW)

    ask, sign, drop = (f"why_not_{one}_unsealing" for one in ("ask", "sign", "drop"))
    for act, said in (
        (ask, None),
        (sign, "Nobody has asked for it."),
        (drop, "Nobody has asked for it."),
    ):
        yield Row(f"rights.{act}", ends(act, "rex"), said)
    yield Row(f"rights.{ask}", ends(ask, "root"), permissions.ABSENT)
    said_ = "Rita asked for it already: another member signs."
    yield Row(f"rights.{ask}", ends(ask, "rex", "rita"), said_)
    yield Row(f"rights.{sign}", ends(sign, "rex", "rita"), None)
    yield Row(
        f"rights.{sign}", ends(sign, "rita", "rita"), "You asked for it: another member signs."
    )
    yield Row(f"rights.{drop}", ends(drop, "rita", "rita"), None)
    yield Row(f"rights.{drop}", ends(drop, "root", "rita"), permissions.ABSENT)
