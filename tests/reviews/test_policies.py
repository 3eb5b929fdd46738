"""From when silence counts and when it is over: a table of cases."""

from datetime import datetime, timedelta

import pytest

from reviews import policies
from reviews.policies import Clock

from .conftest import DAY, HOUR, NOW

NOTHING = timedelta()
MINUTE = timedelta(minutes=1)
SO_FAR = NOW + 8 * DAY
ALWAYS = [(NOW - DAY, SO_FAR)]


def hours(*pairs: tuple[float, float]) -> list[tuple[datetime, datetime]]:
    return [(NOW + begins * HOUR, NOW + ends * HOUR) for begins, ends in pairs]


# A case opened at NOW that gives its seats seven days, looked at a day after that.
@pytest.mark.parametrize(
    ("reached", "at_work", "expected"),
    [
        pytest.param([NOW], ALWAYS, Clock(NOW, NOW + 7 * DAY, NOTHING), id="told at once"),
        pytest.param([], ALWAYS, Clock(NOW, NOW + 7 * DAY, NOTHING), id="nobody is silent"),
        pytest.param(
            [NOW - DAY], ALWAYS, Clock(NOW, NOW + 7 * DAY, NOTHING), id="never before it is open"
        ),
        pytest.param(
            [NOW + 3 * HOUR],
            ALWAYS,
            Clock(NOW + 3 * HOUR, NOW + 7 * DAY + 3 * HOUR, NOTHING),
            id="told three hours later",
        ),
        pytest.param(
            [NOW, NOW + 5 * HOUR],
            ALWAYS,
            Clock(NOW + 5 * HOUR, NOW + 7 * DAY + 5 * HOUR, NOTHING),
            id="the seat that was told last",
        ),
        pytest.param(
            [NOW, None], ALWAYS, Clock(None, SO_FAR + 7 * DAY, NOTHING), id="one seat was not told"
        ),
        pytest.param(
            [NOW],
            hours((-24, 10), (12, 192)),
            Clock(NOW, NOW + 7 * DAY + 2 * HOUR, 2 * HOUR),
            id="two hours of outage are added",
        ),
        pytest.param(
            [NOW + 11 * HOUR],
            hours((-24, 10), (12, 192)),
            Clock(NOW + 11 * HOUR, NOW + 7 * DAY + 12 * HOUR, HOUR),
            id="an outage counts from when one was told",
        ),
        pytest.param(
            [NOW],
            hours((-24, 160), (170, 175), (180, 192)),
            Clock(NOW, NOW + 178 * HOUR + 5 * HOUR, 15 * HOUR),
            id="an outage at the very end, and another",
        ),
        pytest.param(
            [NOW],
            hours((-24, 168), (190, 192)),
            Clock(NOW, NOW + 7 * DAY, NOTHING),
            id="an outage after it was over",
        ),
        pytest.param(
            [NOW], [], Clock(NOW, SO_FAR + 7 * DAY, 8 * DAY), id="never heard of: nothing counts"
        ),
        pytest.param(
            [NOW],
            hours((100, 192)),
            Clock(NOW, SO_FAR + 76 * HOUR, 100 * HOUR),
            id="only since it was first heard of",
        ),
    ],
)
def test_clock(
    reached: list[datetime | None], at_work: list[tuple[datetime, datetime]], expected: Clock
) -> None:
    found = policies.clock(
        opened_at=NOW, within=7 * DAY, reached=reached, at_work=at_work, now=SO_FAR
    )
    assert found == expected


@pytest.mark.parametrize(("unheard", "left"), [(5 * MINUTE, 7 * DAY - HOUR), (6 * MINUTE, None)])
def test_clock_takes_a_short_silence_for_a_busy_worker(
    unheard: timedelta, left: timedelta | None
) -> None:
    now = NOW + HOUR
    found = policies.clock(
        opened_at=NOW, within=7 * DAY, reached=[NOW], at_work=[(NOW, now - unheard)], now=now
    )
    # Heard of a moment ago, the time until now counts; else it is lost.
    assert found.due == now + (left if left is not None else 7 * DAY - (HOUR - unheard))


def test_clock_moves_on_with_time_alone() -> None:
    """Looked at twice with the same facts, a deadline that is over stays where it was."""
    facts = {"opened_at": NOW, "within": DAY, "reached": [NOW + HOUR]}
    for later in (26 * HOUR, 30 * HOUR, 400 * HOUR):
        found = policies.clock(**facts, at_work=[(NOW, NOW + later)], now=NOW + later)  # type: ignore[arg-type]  # a table of facts
        assert found == Clock(NOW + HOUR, NOW + 25 * HOUR, NOTHING)


@pytest.mark.parametrize(
    ("moment", "at_work", "outage"),
    [
        pytest.param(5, [(0, 10)], None, id="at work"),
        pytest.param(10, [(0, 10), (34, 40)], None, id="the last moment before"),
        pytest.param(10 + 5 / 60, [(0, 10), (34, 40)], None, id="a busy worker"),
        pytest.param(10.1, [(0, 10), (34, 40)], (10, 34), id="away"),
        pytest.param(34, [(0, 10), (34, 40)], None, id="back"),
        pytest.param(33, [(0, 10), (12, 13), (34, 40)], (13, 34), id="away again"),
        pytest.param(20, [(0, 10)], (10, 20), id="not back yet"),
        pytest.param(5, [(6, 10)], (5, 6), id="before the first"),
        pytest.param(5, [], None, id="never heard of"),
    ],
)
def test_away(
    moment: float, at_work: list[tuple[float, float]], outage: tuple[float, float] | None
) -> None:
    found = policies.away(NOW + moment * HOUR, hours(*at_work))
    assert found == (None if outage is None else hours(outage)[0])
