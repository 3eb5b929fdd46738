"""What people can do to a case, in each of its states: the grid of acts and states.

The acts are those that reviews.actions offers on a case; one that is new and not here fails.
"""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from evidence.models import Event
from identities.actions import revocations
from identities.models import Identity, User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, states
from reviews.models import Burst, Case, Item, Provisional, Quarantine, Rung

from .conftest import DAY, NOW, Told, item_of, make_user, person_of, seat_of

pytestmark = pytest.mark.django_db

type Act = Callable[["Scene"], object]


class Scene:
    """The review of the story as it is now, and what its people do there."""

    def __init__(self, story: Told, case: Case) -> None:
        self.story, self.case = story, case

    def user(self, name: str) -> User:
        return User.objects.select_related("person").get(username=name)

    def item(self, kind: str = "credential") -> Item:
        return item_of(self.case, kind)

    def does(self, act: str, by: str, *, now: Any = NOW, **more: Any) -> object:
        """An act by this person, with what it asks of everybody."""
        asks = inspect.signature(getattr(actions, act)).parameters
        version = Case.objects.values_list("version", flat=True).get(pk=self.case.pk)
        said = {"reason": "because", "version": version} | more
        said = {name: value for name, value in said.items() if name in asks}
        return getattr(actions, act)(case=self.case, by=self.user(by), now=now, **said)

    def signs(self, said: str, by: str = "ines", seat: str = "identity_owner") -> None:
        seated = seat_of(self.case, seat)
        self.does("decide", by, item=self.item(), seat=seated, answer=said)


# Each act with what has to be there before, while the case is open.
def quick(scene: Scene) -> None:
    scene.signs("keep")
    ines = person_of(scene.story.ines)
    burst = Burst.objects.create(person=ines, since=NOW, until=NOW, answers=50)
    Provisional.objects.create(case=scene.case, burst=burst, marked_at=NOW)


def differ(scene: Scene) -> None:
    scene.signs("keep")
    scene.signs("dont_know", "samuel", "ai_owner")


def holds_a_rung(scene: Scene) -> None:
    Rung.objects.create(
        case=scene.case,
        does="suspend",
        after=8 * DAY,
        at=NOW,
        state="held",
        held_at=NOW,
        held_why="x",
    )


def quarantines(scene: Scene) -> None:
    Quarantine.objects.create(
        case=scene.case,
        item=scene.item("delegation"),
        identity=scene.story.identity,
        since=NOW,
        until=NOW + DAY,
    )


def held(scene: Scene) -> None:
    revocations.request(
        identity=Identity.objects.get(pk=scene.story.identity.pk),
        step="hold",
        by=scene.user("rex"),
        now=NOW,
        because="x",
    )


def heir(scene: Scene) -> None:
    make_user("gus", "owner")


def nothing(scene: Scene) -> None:
    """It needs nothing."""


LATE = NOW + 30 * DAY
# act: (what is there before, the act, the states in which it can be done).
ACTS: dict[str, tuple[Act, Act, set[str]]] = {
    "start": (nothing, lambda s: s.does("start", "rita"), {"draft"}),
    "cancel": (nothing, lambda s: s.does("cancel", "rita"), {"draft", "open"}),
    "decide": (nothing, lambda s: s.signs("keep"), {"open"}),
    "tie_break": (
        differ,
        lambda s: s.does("tie_break", "leila", now=LATE, item=s.item(), answer="keep"),
        {"open"},
    ),
    "undo": (
        lambda s: s.signs("keep"),
        lambda s: s.does("undo", "ines", item=s.item()),
        {"open", "decided"},
    ),
    "look_again": (
        quick,
        lambda s: s.does("look_again", "rita", how="confirm"),
        set(states.STATES) - {"cancelled"},
    ),
    "hand_over": (
        heir,
        lambda s: s.does("hand_over", "ines", seat=seat_of(s.case, "identity_owner"), to="gus"),
        {"draft", "open"},
    ),
    "comment": (
        nothing,
        lambda s: s.does("comment", "rita", text="hm"),
        set(states.STATES) - {"closed", "cancelled"},
    ),
    "pin": (
        nothing,
        lambda s: s.does("pin", "rita", at=event().at, event_id=event().id),
        set(states.STATES) - {"closed", "cancelled"},
    ),
    "release": (holds_a_rung, lambda s: s.does("release", "rita"), {"open"}),
    "drop": (holds_a_rung, lambda s: s.does("drop", "rita"), {"open"}),
    "restore": (
        quarantines,
        lambda s: s.does("restore", "ines", item=s.item("delegation")),
        set(states.STATES),
    ),
    "give_back": (
        held,
        lambda s: s.does("give_back", "rex"),
        set(states.STATES),
    ),
    "carry_again": (nothing, lambda s: s.does("carry_again", "rita"), {"carrying_out"}),
}


def event() -> Event:
    return Event.objects.all()[0]


def offered() -> set[str]:
    """The acts of people on a case that there are."""
    found = set()
    for name in actions.__all__:
        asks = inspect.signature(getattr(actions, name)).parameters
        if {"case", "by"} <= set(asks):
            found.add(name)
    return found


def test_every_act_of_people_on_a_case_is_in_the_grid() -> None:
    assert set(ACTS) == offered()


@pytest.mark.parametrize("act", ACTS)
def test_an_act_in_each_state(story: Told, case: Case, act: str) -> None:
    make_user("rex", "responder")
    before, does, able = ACTS[act]
    scene = Scene(story, case)
    before(scene)
    done = set()
    for state in states.STATES:
        with transaction.atomic():
            Case.objects.filter(pk=case.pk).update(state=state)
            case.refresh_from_db()
            try:
                with transaction.atomic():
                    does(scene)
            except (NotAllowed, NotPossible):
                pass
            else:
                done.add(state)
            transaction.set_rollback(True)
    assert done == able
