"""The rows of the table of permissions: of incidents and their rooms."""

from collections.abc import Callable, Iterator
from typing import Any

from identities.models import User
from identities.permissions import AUDITOR, INACTIVE, LEFT
from reviews import permissions
from reviews.incidents import opening, rights, rooms
from reviews.models import Case

from .conftest import NOW, party, person_of
from .permission_world import Row, World

OPENS = "Only a responder or who answers for svc-report may open an incident of it."
CLOSES = "Only a reviewer, a responder or an administrator may close an incident."
WORKS = (
    "Only a responder, who answers for the identity, who sits in CS-77 or has a role in its room"
    " works in it."
)


def incident(w: World, **fields: Any) -> Case:
    """Opened and led by its owner."""
    row, _ = opening.open_or_join(
        identity=w.identity(), title="x", reason="x", by=w.user("ines"), now=NOW
    )
    Case.objects.filter(pk=row.pk).update(number=77, **fields)
    return Case.objects.get(pk=row.pk)


def closed_by(w: World, name: str, **fields: Any) -> Case:
    """Rita or Rex is named to close it."""
    case = incident(w, **fields)
    rooms.give(rooms.room_of(case), "closer", person_of(w.user(name)), by=w.user("ines"), now=NOW)
    return Case.objects.get(pk=case.pk)


def himself(w: World) -> Case:
    """Of an identity that is the responder."""
    case = incident(w)
    case.identity = w.identity(kind="human", name="rex@example.org")
    return case


def nobodys(w: World) -> User:
    User.objects.filter(username="rex").update(person=None)
    return w.user("rex")


def of_rooms() -> Iterator[Row]:
    yield from _opening()
    yield from _working()
    yield from _closing()


def _opening() -> Iterator[Row]:
    def opens(who: Callable[[World], User]) -> Callable[[World], str | None]:
        return lambda w: rights.why_not_open(who(w), w.identity(), now=NOW)

    barred = (("off", INACTIVE), ("otto", AUDITOR), ("rita", OPENS), ("root", OPENS))
    for name, said in (("rex", None), ("ines", None), ("samuel", None), *barred):
        yield Row("rights.why_not_open", opens(lambda w, name=name: w.user(name)), said)  # type: ignore[misc]  # a default binds it
    yield Row("rights.why_not_open", opens(nobodys), permissions.NOBODY)
    yield Row("rights.why_not_open", opens(lambda w: w.left("rex")), LEFT)
    yield Row(
        "rights.why_not_open",
        lambda w: rights.why_not_open(
            w.user("rex"), w.identity(kind="human", name="rex@example.org"), now=NOW
        ),
        "You are the subject: somebody else opens an incident of rex@example.org.",
    )


def _working() -> Iterator[Row]:
    def works(name: str, of: Callable[[World], Case] = incident) -> Callable[[World], str | None]:
        return lambda w: rights.why_not_work(w.user(name), of(w), now=NOW)

    def scribe(w: World) -> Case:
        case = incident(w)
        rooms.give(
            rooms.room_of(case), "scribe", person_of(w.user("gus")), by=w.user("ines"), now=NOW
        )
        return case

    barred = (("off", INACTIVE), ("otto", AUDITOR), ("gus", WORKS), ("root", WORKS))
    for name, said in (("rex", None), ("ines", None), ("samuel", None), *barred):
        yield Row("rights.why_not_work", works(name), said)
    yield Row("rights.why_not_work", works("gus", scribe), None)
    yield Row("rights.why_not_work", works("rex", lambda w: w.case()), rights.NO_ROOM)
    over = "CS-77 is closed: nothing is changed in it."
    yield Row("rights.why_not_work", works("rex", lambda w: incident(w, state="closed")), over)
    sealed = works("rex", lambda w: incident(w, sealed=True))
    yield Row("rights.why_not_work", sealed, permissions.ABSENT)
    subject = "You are the subject of this incident: others work in it."
    yield Row("rights.why_not_work", works("rex", himself), subject)
    end = "rights.why_not_end_task"
    for name, owner, said in (("gus", "gus", None), ("rex", "gus", None), ("gus", "rex", WORKS)):
        yield Row(
            end,
            lambda w, name=name, owner=owner: rights.why_not_end_task(  # type: ignore[misc]  # defaults bind them
                w.user(name), incident(w), party(w.user(owner)).pk, now=NOW
            ),
            said,
        )


def _closing() -> Iterator[Row]:
    def closes(name: str, of: Callable[[World], Case]) -> Callable[[World], str | None]:
        return lambda w: rights.why_not_close(w.user(name), of(w), now=NOW)

    def named(name: str, **fields: Any) -> Callable[[World], Case]:
        return lambda w: closed_by(w, name, **fields)

    close, back = "rights.why_not_close", "rights.why_not_send_back"
    for name, said in (("rita", None), ("rex", None), ("off", INACTIVE), ("otto", AUDITOR)):
        yield Row(close, closes(name, named(name if said is None else "rita")), said)
    yield Row(close, closes("gus", named("rita")), CLOSES)
    yield Row(close, closes("rex", named("rita")), "Rita is named to close it.")
    nobody = "Nobody is named to close it: name somebody who has not acted in it first."
    yield Row(close, closes("rex", incident), nobody)
    yield Row(close, closes("rex", lambda w: w.case()), rights.NO_ROOM)
    over = "CS-77 is closed: nothing comes after that."
    yield Row(close, closes("rex", named("rex", state="closed")), over)
    yield Row(
        close,
        closes("rex", himself),
        "You are the subject of this incident: somebody else closes it.",
    )
    yield Row(
        close,
        lambda w: rights.why_not_close(nobodys(w), incident(w), now=NOW),
        permissions.NOBODY,
    )

    def acted(w: World) -> str | None:
        case = incident(w)
        return rights.why_not_closer(person_of(w.user("ines")), case)

    said = "Ines has acted in this incident: somebody who has not closes it."
    yield Row("rights.why_not_closer", acted, said)
    yield Row(
        "rights.why_not_closer",
        lambda w: rights.why_not_closer(person_of(w.user("rex")), himself(w)),
        "Rex is the subject of this incident: somebody else closes it.",
    )
    yield Row(
        "rights.why_not_closer",
        lambda w: rights.why_not_closer(person_of(w.user("rex")), incident(w)),
        None,
    )
    for state, why in (
        ("in_review", None),
        ("open", "CS-77 is open: nobody looks back at it yet."),
    ):
        yield Row(
            back,
            lambda w, state=state: rights.why_not_send_back(  # type: ignore[misc]  # a default binds it
                w.user("rex"), closed_by(w, "rex", state=state), now=NOW
            ),
            why,
        )
    yield Row(
        back,
        lambda w: rights.why_not_send_back(w.user("gus"), closed_by(w, "rex"), now=NOW),
        CLOSES,
    )
