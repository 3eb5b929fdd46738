"""The rows of the table of permissions: of what somebody answers for, and of what people leave."""

from collections.abc import Callable, Iterator
from typing import Any

from identities import permissions as identity_permissions
from identities.acting import COMMAND
from identities.models import Identity, Party, Person
from identities.permissions import AUDITOR, INACTIVE
from reviews import owner_permissions
from reviews.models import OwnerOffer, Succession, SuccessionItem

from .conftest import DAY, NOW, person_of
from .permission_world import Row, World

ANSWERED = "settled before: accepted."
SELF = "nobody answers for themselves."


def of_owners() -> Iterator[Row]:
    p: Any = owner_permissions
    acts: dict[str, Callable[[World, str], Any]] = {
        "why_not_offer": lambda w, name: p.why_not_offer(w.user(name), w.identity(), now=NOW),
        "why_not_name": lambda w, name: p.why_not_name(w.user(name), w.identity(), now=NOW),
        "why_not_answer_offer": lambda w, name: p.why_not_answer_offer(
            w.user(name), offer(w), now=NOW
        ),
        "why_not_withdraw_offer": lambda w, name: p.why_not_withdraw_offer(
            w.user(name), offer(w), now=NOW
        ),
        "why_not_answer_item": lambda w, name: p.why_not_answer_item(
            w.user(name), item(w), now=NOW
        ),
    }
    may = {
        "why_not_offer": ("ines", "root"),
        "why_not_name": ("ines", "root"),
        "why_not_answer_offer": ("gus",),
        "why_not_withdraw_offer": ("rita", "marek"),
        "why_not_answer_item": ("gus",),
    }
    barred = {
        "why_not_offer": "Only the owner of svc-report or an administrator may hand it over.",
        "why_not_name": "Only the owner of svc-report or an administrator may name who stands beside"
        " them.",
        "why_not_answer_offer": "Gus is asked, and nobody answers in their place.",
        "why_not_withdraw_offer": "Only who asked or who answers for the identity may take the"
        " question back.",
        "why_not_answer_item": "It came to Gus, and nobody answers in their place.",
    }
    for permission, ask in acts.items():
        said = {
            **dict.fromkeys(may[permission], None),
            "rex": barred[permission],
            "otto": AUDITOR,
            "off": INACTIVE,
            "nobody": "This login is nobody's: answering for something needs a person behind it.",
        }
        for name, expected in said.items():
            yield Row(permission, lambda w, ask=ask, name=name: ask(w, name), expected)  # type: ignore[misc]  # defaults bind them
        yield Row(
            permission,
            lambda w, ask=ask: ask(w, left(w)),  # type: ignore[misc]  # a default binds it
            "You have left: this login answers for nothing.",
        )
    yield Row(
        "why_not_offer",
        lambda w: p.why_not_offer(w.user("ines"), w.identity(state="retired"), now=NOW),
        "svc-report is retired: nobody has to answer for it.",
    )
    yield Row(
        "why_not_offer",
        lambda w: p.why_not_offer(w.user("marek"), w.identity(), now=NOW),
        "Ines owns svc-report: only they or an administrator may.",
    )
    yield Row(
        "why_not_offer",
        lambda w: p.why_not_offer(w.left("ines") and w.user("marek"), w.identity(), now=NOW),
        None,
    )
    yield Row(
        "why_not_offer",
        lambda w: p.why_not_offer(w.user("samuel"), w.identity(), now=NOW),
        "Only the owner of svc-report or an administrator may hand it over.",
    )
    end = p.why_not_retire_for_good
    for name, settled, expected in (
        ("ines", True, None),
        ("samuel", True, None),
        ("rex", True, "svc-report serves an AI system: retiring it takes both seats, open a case."),
        (
            "ines",
            False,
            "svc-report serves an AI system: retiring it takes both seats, open a case.",
        ),
        ("otto", True, AUDITOR),
        ("off", True, INACTIVE),
        (
            "nobody",
            True,
            "This login is nobody's: answering for something needs a person behind it.",
        ),
    ):
        yield Row(
            "why_not_retire_for_good",
            lambda w, name=name, settled=settled: end(  # type: ignore[misc]  # defaults bind them
                w.user(name), w.identity(), settled=settled, now=NOW
            ),
            expected,
        )
    yield Row(
        "why_not_retire_for_good",
        lambda w: end(w.user(left(w)), w.identity(), settled=True, now=NOW),
        "You have left: this login answers for nothing.",
    )
    yield Row(
        "why_not_retire_for_good",
        lambda w: end(w.user("ines"), w.identity(state="retired"), settled=True, now=NOW),
        "svc-report is retired already.",
    )
    for verb in ("answer", "withdraw"):
        ask = getattr(p, f"why_not_{verb}_offer")
        yield Row(
            f"why_not_{verb}_offer",
            lambda w, ask=ask: ask(w.user("gus"), offer(w, state="accepted"), now=NOW),  # type: ignore[misc]  # a default binds it
            f"This was {ANSWERED}",
        )
    yield Row(
        "why_not_answer_offer",
        lambda w: p.why_not_answer_offer(w.user("gus"), offer(w, own=True), now=NOW),
        "You asked: nobody makes themselves the owner. Somebody else of them accepts, or asks you.",
    )
    yield Row(
        "why_not_answer_offer",
        lambda w: p.why_not_answer_offer(w.user("gus"), offer(w, himself=True), now=NOW),
        f"You are gus: {SELF}",
    )
    yield Row(
        "why_not_answer_item",
        lambda w: p.why_not_answer_item(w.user("gus"), item(w, state="accepted"), now=NOW),
        f"This was {ANSWERED}",
    )
    take = p.why_not_take
    for name, expected in (("Gus", None), ("Otto", "Otto has no login that may answer.")):
        yield Row(
            "why_not_take",
            lambda w, name=name: take(Person.objects.get(name=name), w.identity()),  # type: ignore[misc]  # a default binds it
            expected,
        )
    yield Row(
        "why_not_take",
        lambda w: take(Person.objects.get(name="Gus"), himself(w)),
        f"Gus is gus: {SELF}",
    )
    see = p.why_not_see_successions
    for name, expected in (
        ("rita", None),
        ("otto", None),
        (
            "gus",
            "What people left is shown to reviewers, responders, administrators and auditors.",
        ),
        ("off", INACTIVE),
    ):
        yield Row("why_not_see_successions", lambda w, name=name: see(w.user(name)), expected)  # type: ignore[misc]  # a default binds it
    yield from _of_who_left()
    together = p.why_not_renew_together
    for said_of, found, expected in (
        ({"criticality": "low"}, False, None),
        ({}, False, "Its criticality is normal: renew it alone, with its purpose read."),
        (
            {"criticality": "low"},
            True,
            "It has open findings: look at them first, then renew it alone.",
        ),
        (
            {"criticality": "low", "purpose": "", "state": "draft"},
            False,
            "No purpose is stated: renew it alone and state one.",
        ),
    ):
        yield Row(
            "why_not_renew_together",
            lambda w, said_of=said_of, found=found: together(  # type: ignore[misc]  # defaults bind them
                w.user("ines"), w.identity(**said_of), found=found, now=NOW
            ),
            expected,
        )


def left(world: World) -> str:
    person = world.user("gus").person
    assert person is not None
    Person.objects.filter(pk=person.pk).update(left_at=NOW)
    return "gus"


def himself(world: World) -> Identity:
    return world.identity(kind="human", name="gus")


def gus(world: World) -> Party:
    return Party.objects.get_or_create(person=world.user("gus").person)[0]


def offer(
    world: World, *, state: str = "open", himself: bool = False, own: bool = False
) -> OwnerOffer:
    identity = world.identity(kind="human", name="gus") if himself else world.identity()
    return OwnerOffer.objects.create(
        identity=identity,
        to=gus(world),
        how="hand_over",
        reason="x",
        asked_at=NOW,
        asked_by=world.user("rita").ref,
        asked_person=person_of(world.user("gus")) if own else None,
        deadline_at=NOW + DAY,
        state=state,
    )


def item(world: World, *, state: str = "asked") -> SuccessionItem:
    person = Person.objects.create(name="Gone")
    return SuccessionItem.objects.create(
        succession=Succession.objects.create(
            why="left", person=person, at=NOW, noticed_at=NOW, deadline_at=NOW
        ),
        role="owner",
        identity=world.identity(),
        was=Party.objects.create(person=person),
        heir=gus(world),
        state=state,
    )


def _of_who_left() -> Iterator[Row]:
    """Say who is here, who left and who moved."""
    brings = identity_permissions.why_not_import
    elsewhere = identity_permissions.IMPORTED_ELSEWHERE
    yield Row("why_not_import", lambda _: brings(COMMAND), None)
    yield Row("why_not_import", lambda w: brings(w.user("root")), elsewhere)
    roster, say = identity_permissions.why_not_roster, identity_permissions.why_not_say_who_left
    may = "Only a reviewer or an administrator may say who is here and who has left."
    for name, expected in (
        ("rita", None),
        ("otto", AUDITOR),
        ("gus", may),
        ("off", INACTIVE),
    ):
        yield Row("why_not_roster", lambda w, name=name: roster(w.user(name), now=NOW), expected)  # type: ignore[misc]  # a default binds it
        yield Row(
            "why_not_say_who_left",
            lambda w, name=name: say(w.user(name), person_of(w.user("ines")), now=NOW),  # type: ignore[misc]  # a default binds it
            expected,
        )
    yield Row(
        "why_not_say_who_left",
        lambda w: say(w.user("rita"), person_of(w.user("rita")), now=NOW),
        "Nobody says of themselves that they left or moved: ask somebody else.",
    )
