"""A role that a system's own list shows for the first time after a review: asked about by itself."""

import pytest

from evidence.models import Source
from evidence.names import actor_ids
from identities.models import Binding, Entitlement
from reviews.models import Case, Item, Trigger
from tests.identities.inventory.conftest import Clock, clock, connect, read
from tests.identities.inventory.shelf import Shelf, allow, bot, shelf, source
from tests.identities.inventory.test_following import Read

from .conftest import DAY, NOW, Told
from .hurry import answer
from .test_micro_reviews import micro, reviewed, sweep

__all__ = ["clock", "connect", "read", "shelf", "source"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def bound(story: Told, clock: Clock) -> Told:
    """The story's identity is a principal that the lists show."""
    clock.at = NOW
    name = bot(1).name
    Binding.objects.create(
        identity=story.identity,
        actor_id=actor_ids([name], now=NOW)[name],
        basis="declared",
        state="confirmed",
        during=(None, None),
        recorded_at=NOW - DAY,
        by="test",
    )
    return story


def asked() -> tuple[Case, Item]:
    case = micro("wider_entitlement")
    return case, case.items.get()


def test_a_role_that_a_list_adds_is_one_item_for_both_seats(
    bound: Told, shelf: Shelf, source: Source, read: Read, clock: Clock
) -> None:
    shelf.bots = [bot(1, rights=allow("read"))]
    read(source)
    reviewed(bound, at=clock.later())
    read(source)
    sweep(clock.later())
    assert not Trigger.objects.filter(name="wider_entitlement").exists()
    shelf.bots = [bot(1, rights=allow("read", "delete everything"))]
    read(source)
    sweep(clock.later())
    case, item = asked()
    assert (item.kind, "delete everything" in case.reason) == ("entitlement", True)
    # The same lists again: one open item, of which nothing is new.
    read(source)
    sweep(clock.later())
    assert asked()[0].version == case.version


def test_what_the_list_says_meanwhile_is_the_same_open_item(
    bound: Told, shelf: Shelf, source: Source, read: Read, clock: Clock
) -> None:
    shelf.bots = [bot(1, rights=allow("read"))]
    read(source)
    reviewed(bound, at=clock.later())
    for roles in (("read", "write"), ("read", "write", "delete everything"), ("read",)):
        shelf.bots = [bot(1, rights=allow(*roles))]
        read(source)
        before = Case.objects.filter(trigger="wider_entitlement").values_list("version", flat=True)
        version = max(before, default=-1)
        sweep(clock.later())
        case, item = asked()
        # It is about the newest reading, and whoever had the page open is told when they sign.
        newest = Entitlement.objects.get(superseded_at=None, during__upper_inf=True)
        assert (item.ref, newest.possible[0]["actions"]) == (newest.pk, list(roles))
        assert case.version > version
    states = Trigger.objects.filter(name="wider_entitlement").order_by("found_at")
    assert list(states.values_list("state", "case")) == [
        ("asked", case.pk),
        ("joined", case.pk),
        ("joined", case.pk),
    ]
    assert "no more than at its review" in states.values_list("words", flat=True)[2]


def test_what_comes_after_an_answer_is_a_question_of_its_own(
    bound: Told, shelf: Shelf, source: Source, read: Read, clock: Clock
) -> None:
    shelf.bots = [bot(1, rights=allow("read"))]
    read(source)
    reviewed(bound, at=clock.later())
    shelf.bots = [bot(1, rights=allow("read", "write"))]
    read(source)
    sweep(clock.later())
    case, item = asked()
    answer(case, item, bound.ines, now=clock.later())
    shelf.bots = [bot(1, rights=allow("read", "write", "delete everything"))]
    read(source)
    sweep(clock.later())
    later = Case.objects.filter(trigger="wider_entitlement").exclude(pk=case.pk).get()
    assert "delete everything" in later.reason
    assert case.items.get().ref == item.ref != later.items.get().ref
