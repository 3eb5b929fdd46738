"""What tests begin with is told once, stands only for those that want it, and stays as it was told."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Group

from tests import once
from tests.house.test_order import item

TOLD: list[str] = []


@pytest.fixture
@once.told
def house(db: None) -> Group:
    TOLD.append("house")
    return Group.objects.create(name="house")


@pytest.fixture
@once.told
def room(house: Group) -> list[Group]:
    TOLD.append("room")
    return [house, Group.objects.create(name="room")]


@pytest.fixture
@once.told
def flat(lent: str) -> str:
    return lent


@pytest.fixture
def lent() -> str:
    return "not told"


@pytest.fixture
def emptied() -> Iterator[None]:
    """Nothing stands before and after."""
    TOLD.clear()
    yield
    once.leave()
    TOLD.clear()


@pytest.mark.django_db
def sleeps(room: list[Group], house: Group) -> None: ...
@pytest.mark.django_db
def visits(house: Group) -> None: ...
@pytest.mark.django_db
def passes() -> None: ...
@pytest.mark.django_db
def rents(flat: str) -> None: ...
@pytest.mark.django_db
def recalls(house: Group, recording: Path) -> None: ...
@pytest.mark.django_db(transaction=True)
def stays(room: list[Group]) -> None: ...


def there() -> set[str]:
    return set(Group.objects.filter(name__in=["house", "room"]).values_list("name", flat=True))


def test_each_meets_what_it_wants_and_nothing_is_told_twice(
    db: None, request: pytest.FixtureRequest, emptied: None
) -> None:
    seen = []
    tests: tuple[Callable[..., None], ...] = (visits, sleeps, sleeps, visits, passes, visits)
    for one in tests:
        made = item(request.node.parent, one)
        once.leave(made)
        once.stand(made)
        seen.append((one.__name__, there(), len(TOLD)))
    assert seen == [
        ("visits", {"house"}, 1),
        ("sleeps", {"house", "room"}, 2),
        ("sleeps", {"house", "room"}, 2),
        ("visits", {"house"}, 2),
        ("passes", set(), 2),
        ("visits", {"house"}, 3),
    ]


def test_each_has_copies_of_its_own_that_belong_together(
    db: None, request: pytest.FixtureRequest, emptied: None
) -> None:
    made = item(request.node.parent, sleeps)
    once.stand(made)
    rooms, house = request.getfixturevalue("room"), request.getfixturevalue("house")
    assert rooms[0] is house
    house.name = "changed"
    once.leave(made)
    once.stand(made)
    names = [getattr(one, "name", None) for one in once.copies.values()]
    assert "house" in names
    assert "changed" not in names


@pytest.mark.parametrize("test", [stays, rents])
def test_who_commits_or_builds_on_something_else_is_told_it_anew(
    request: pytest.FixtureRequest, test: Callable[..., None]
) -> None:
    assert once.beginning(item(request.node.parent, test)) == {}


def test_who_reads_a_recording_begins_with_what_stands(request: pytest.FixtureRequest) -> None:
    begun = once.beginning(item(request.node.parent, recalls))
    assert [tell.__name__ for tell in begun] == ["house"]


@pytest.mark.django_db
@pytest.mark.parametrize("turn", [1, 2])
def test_neighbours_find_it_as_it_was_told(house: Group, turn: int) -> None:
    assert (house.name, there(), TOLD) == ("house", {"house"}, ["house"])
    house.name = "changed"
    house.save()
