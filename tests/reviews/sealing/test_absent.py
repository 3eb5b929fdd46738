"""A sealed case is absent: every address answers as if it did not exist, whoever reads it.

The same world is read twice, without the case and with it; what an administrator, an auditor, a
reviewer, a responder, an owner who is the subject and another one read has to be the same. An
address that is new is walked because it is there.
"""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from evidence.models import Event
from identities.models import User
from reviews import actions
from reviews.incidents import opening, questions, rooms, tasks
from reviews.models import Case, Item, Notice, Room
from reviews.sealing import enclosing, members, unsealing
from reviews.sealing.enclosing import Named
from tests import once
from tests.reviews.conftest import HOUR, NOW, Told, make_user, party, person_of, seat_of

from . import walking
from .conftest import LATER, SECRET, incident, seal

pytestmark = pytest.mark.django_db

type Scene = Callable[[Told, User, User], Case]


@pytest.fixture
@once.told
def world(story: Told) -> Told:
    """What everybody sees: a review and an incident that are open."""
    actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")
    for name in ("rex", "dora", "dave"):
        make_user(name, "responder")
    root = make_user("root", "administrator")
    User.objects.filter(pk=root.pk).update(is_staff=True, is_superuser=True)
    make_user("mia", "reviewer")
    case, _ = opening.open_or_join(
        identity=story.identity, title="plain", reason="x", by=root_responder(), now=NOW
    )
    assert not case.sealed
    return story


def root_responder() -> User:
    return User.objects.get(username="dave")


def fill(story: Told, case: Case, rex: User, dora: User) -> None:
    """Everything that is said and done in a case, by its members."""
    # Before it is sealed its owners answer.
    signer = User.objects.get(username="mia") if case.sealed else story.samuel
    item, _ = Item.objects.update_or_create(
        case=case,
        kind="credential",
        ref=story.credential.pk,
        defaults={"title": f"{SECRET} item"},
        create_defaults={"title": f"{SECRET} item", "position": 90},
    )
    event = Event.objects.order_by("at", "id").first()
    assert event is not None
    actions.pin(case=case, at=event.at, event_id=event.id, note=SECRET, by=rex, now=NOW)
    actions.comment(case=case, text=f"@dora: {SECRET}", by=rex, now=NOW)
    if case.door == "incident":
        room = rooms.room_of(case)
        questions.ask(case=case, words=f"{SECRET}?", by=rex, now=NOW)
        tasks.add(case=case, words=SECRET, owner=party(dora), due_at=LATER, by=rex, now=NOW)
        rooms.set_severity(case=case, severity="high", reason=SECRET, by=rex, now=NOW)
        rooms.write_outcome(case=case, words=SECRET, by=rex, now=NOW)
        rooms.note_lessons(case=case, words=SECRET, by=rex, now=NOW)
        assert room.case_id == case.pk
    actions.decide(
        case=case,
        item=item,
        seat=seat_of(case, "ai_owner"),
        answer="keep",
        reason=SECRET,
        by=signer,
        now=NOW,
        version=Case.objects.get(pk=case.pk).version,
    )
    Notice.objects.filter(case=case.pk).update(sent_at=NOW)


def at_first(story: Told, rex: User, dora: User) -> Case:
    """Sealed when it is opened; somebody comes and goes, and its end is asked for."""
    mia = person_of(User.objects.get(username="mia"))
    case = enclosing.open_sealed(
        identity=story.identity,
        new=opening.New(story.identity, f"{SECRET} title", f"{SECRET} reason"),
        named=Named(
            [person_of(dora), mia], [person_of(story.ines)], {"identity_owner": person_of(dora)}
        ),
        reason=SECRET,
        by=rex,
        now=NOW,
    )
    members.add(case=case, person=person_of(story.leila), reason=SECRET, by=rex, now=NOW)
    members.remove(case=case, person=person_of(story.leila), reason=SECRET, by=dora, now=NOW)
    unsealing.ask(case=case, reason=SECRET, by=rex, now=NOW)
    fill(story, case, rex, dora)
    return case


def later(story: Told, rex: User, dora: User) -> Case:
    """Sealed when all has been said already."""
    mia = User.objects.get(username="mia")
    Room.objects.update(takes=None)  # it would join the one that everybody sees
    case = incident(story, rex)
    fill(story, case, rex, dora)
    return seal(
        Case.objects.get(pk=case.pk),
        rex,
        dora,
        mia,
        subjects=[story.ines],
        instead={"identity_owner": dora},
    )


def review(story: Told, rex: User, dora: User) -> Case:
    """A review that is sealed: it keeps nobody from opening another one."""
    mia = User.objects.get(username="mia")
    case = actions.open_review(identity=story.identity, by=rex, now=NOW, reason=SECRET)
    fill(story, case, rex, dora)
    return seal(
        Case.objects.get(pk=case.pk),
        rex,
        dora,
        mia,
        subjects=[story.ines],
        instead={"identity_owner": dora},
    )


def named(case: Case, answers: dict[str, str]) -> list[str]:
    """Which answers say what only members know, or name the case without being asked for it."""
    key = walking.case_named(case)
    return [
        route
        for route, text in answers.items()
        if (SECRET in text and "Quokka" not in route)
        or (key.search(text) and not walking.of_case(route))
    ]


def parted(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Where answers differ. Rows that are commitments are rows, and that is all that is said."""
    return [
        f"{route}: {walking.difference(text, after[route])}"
        for route, text in before.items()
        if text != after[route] and not route.startswith(walking.COUNTED)
    ]


def test_nobody_else_can_tell_that_it_exists(world: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW + HOUR)
    with transaction.atomic():
        case = at_first(world, *(User.objects.get(username=one) for one in ("rex", "dora")))
        every = walking.every(case.key)
        keyed = {route: every[route] for route in every if walking.of_case(route)}
        root = read("root", every)
        sent = read("root", keyed, post=True)
        # What answers nothing to an administrator answers nothing to others.
        pages = {route: every[route] for route, text in root.items() if text[0] in "23"}
        ines = read("ines", pages | keyed)
        others = {name: read(name, pages) for name in ("otto", "rita", "dave")}
        transaction.set_rollback(True)
    assert [route for route, text in root.items() if text[0] == "5"] == []
    assert {name: named(case, said) for name, said in others.items()} == {
        "otto": [],
        "rita": [],
        "dave": [],
    }
    assert (named(case, root), named(case, ines), named(case, sent)) == ([], [], [])
    # The same addresses, in the same order (a page shows what the one before it had to say), where
    # there is no such case.
    assert parted(read("root", every), root) == []
    assert parted(read("root", keyed, post=True), sent) == []
    assert parted(read("ines", pages | keyed), ines) == []
    assert len(pages) > 200
    assert len(keyed) > 60


@pytest.mark.parametrize("scene", [later, review], ids=lambda one: one.__name__)
def test_what_is_sealed_later_is_gone(
    world: Told, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW + HOUR)
    Case.objects.filter(door="access_review").update(state="cancelled")
    with transaction.atomic():
        case = scene(world, *(User.objects.get(username=one) for one in ("rex", "dora")))
        every = {
            route: where
            for route, where in walking.every(case.key).items()
            if not walking.of_case(route) and not route.startswith(("api/", "sources/", "signals"))
        }
        after = read("root", every)
        transaction.set_rollback(True)
    assert named(case, after) == []
    assert parted(read("root", every), after) == []


def read(name: str, addresses: dict[str, str], *, post: bool = False) -> dict[str, str]:
    cache.clear()
    return walking.read(User.objects.get(username=name), addresses, post=post)
