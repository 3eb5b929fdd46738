"""A source that floods holds up only itself: deposits are handled in fair turns among sources."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence import consumers
from evidence.models import Deposit, Source
from tests.evidence.test_consumers import LEASE, LINKS, NOW, deposited, handled

pytestmark = pytest.mark.django_db


def flood(source: Source, *, many: int, first: int = 1) -> list[int]:
    return [deposited(source, number).pk for number in range(first, first + many)]


def claimed(consumer: str = LINKS) -> Deposit:
    held = consumers.claim(consumer, lease=LEASE, now=NOW)
    assert held is not None
    assert consumers.finish(held, now=NOW)
    return held.deposit


@pytest.mark.parametrize("consumer", ["links", "credentials", "sealed"])
def test_deposit_of_another_source_waits_for_one_of_the_flood(
    source: Callable[..., Source], consumer: str
) -> None:
    flooded = flood(source("flooder"), many=40)
    mine = deposited(source("quiet"), 1).pk
    later = flood(source("flooder-2"), many=2)
    assert handled(consumer) == [flooded[0], mine, later[0], flooded[1], later[1], *flooded[2:]]


def test_follower_has_turns_of_its_own(source: Callable[..., Source]) -> None:
    flooded = flood(source("flooder"), many=20)
    handled(LINKS)
    mine = deposited(source("quiet"), 1).pk
    assert handled(LINKS) == [mine]
    assert handled("judging")[:3] == [flooded[0], mine, flooded[1]]


def test_deposit_weighs_as_much_as_its_records(source: Callable[..., Source]) -> None:
    """A thousand records weigh as much as one more deposit."""
    large, small = source("large"), source("small")
    one = flood(small, many=1)
    heavy = deposited(large, 1, records=3_000).pk
    others = flood(small, many=5, first=2)
    assert handled(LINKS) == [*one, *others[:2], heavy, *others[2:]]


def test_what_is_put_back_waits_behind_nobody_but_its_own_source(
    source: Callable[..., Source],
) -> None:
    flooder, quiet = source("flooder"), source("quiet")
    flooded = flood(flooder, many=30)
    handled(LINKS)
    consumers.put_back(flooded)
    mine = deposited(quiet, 1).pk
    order = handled(LINKS)
    assert order.index(mine) == 1
    assert sorted(order) == sorted([*flooded, mine])


def test_source_that_floods_for_long_is_handled_as_well(source: Callable[..., Source]) -> None:
    """What others send while it waits does not keep it waiting for ever."""
    flooder, quiet = source("flooder"), source("quiet")
    flooded = flood(flooder, many=5)
    served: list[Any] = []
    for number in range(1, 11):
        deposited(quiet, number)
        served.append(claimed().source.name)
    assert served.count("flooder") == len(flooded)
    assert served.count("quiet") == len(served) - len(flooded)
