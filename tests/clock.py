"""The one clock of the tests.

While a test runs, its process's clock says the frozen moment plus what has passed since the test
began (`time-machine` moves `time`, `datetime` and `uuid`), so no test depends on the date. What
several tests share is made a little earlier, so that it lies in the past of each of them. A test
marked `begins_at` begins at another moment, as one about a recording of a later hour. One that is
marked `real_clock` needs the machine's own clock, and takes its dates relative to it.

`--clock=+400d` runs everything as if the machine's date were another one, with every program that
the tests start (libfaketime, Debian's package `libfaketime`). It takes an offset in days or hours
(`-200d`, `+3h`), a moment (`2028-02-29T12:00`), or one of OCCASIONS.
"""

import glob
import os
import re
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

FROZEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
# Longer than any shared fixture takes.
EARLIER = timedelta(minutes=10)

LIBRARY = "/usr/lib/*/faketime/libfaketime.so.1"
OFFSET = re.compile(r"([+-]\d{1,6})([dh])")
# Set in the environment of a run whose clock is moved already.
MOVED = "TESTS_CLOCK"
# Seconds by which the clock of a test differs from the machine's.
OFFSET_OF = "TESTS_CLOCK_OFFSET"


# --- the clock of a test -------------------------------------------------------------------------


def travel(moment: datetime = FROZEN) -> AbstractContextManager[Any]:
    """Inside, the clock starts at this moment and goes on."""
    return time_machine.travel(moment.timestamp())


def earlier() -> AbstractContextManager[Any]:
    """Inside, it is a little before the moment at which a test begins."""
    return travel(FROZEN - EARLIER)


def of(item: pytest.Item, *, shared: bool = False) -> AbstractContextManager[Any]:
    """The clock that this test runs by, or by which what it shares with others is made."""
    if item.get_closest_marker("real_clock"):
        return nullcontext()
    said = item.get_closest_marker("begins_at")
    moment = said.args[0] if said else FROZEN
    return travel(moment - EARLIER if shared else moment)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    with of(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    # The test for which it is made first; pytest names it nowhere else.
    item: pytest.Item = request._pyfuncitem
    with nullcontext() if fixturedef.scope == "function" else of(item, shared=True):
        return (yield)


# --- programs that a test starts -----------------------------------------------------------------


def machine() -> float:
    """What the machine's clock says, in seconds since 1970, also while the test's says another time."""
    real = time_machine.escape_hatch
    return real.time.time() if real.is_travelling() else time.time()


def environment() -> dict[str, str]:
    """What a program that says `clock.follow()` needs to have the clock of this test."""
    seconds = time.time() - machine()
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", OFFSET_OF: repr(seconds)}


def follow() -> None:
    """In a program of a test: have its clock from here on."""
    time_machine.travel(time.time() + float(os.environ[OFFSET_OF])).start()


# --- another date of the machine -----------------------------------------------------------------


def _last_of_month(now: datetime) -> datetime:
    """The last day of the month, half an hour before it ends."""
    following = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
    return (following - timedelta(days=1)).replace(hour=23, minute=30, second=0)


def _leap_day(now: datetime) -> datetime:
    year = now.year + 1
    while year % 4:
        year += 1
    return datetime(year, 2, 29, 12, tzinfo=UTC)


# What else may break a test than how far a date is away.
OCCASIONS: dict[str, Callable[[datetime], datetime]] = {
    "first-of-month": lambda now: (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0),
    "month-end": _last_of_month,
    "leap-day": _leap_day,
    # Looking for the tests takes a few seconds: the year ends while they run.
    "year-end": lambda now: datetime(now.year, 12, 31, 23, 59, 50, tzinfo=UTC),
}


def moved(text: str, now: datetime) -> timedelta:
    """How far the clock is to be moved. Raises UsageError where the text says nothing of it."""
    if text in OCCASIONS:
        return OCCASIONS[text](now) - now
    if found := OFFSET.fullmatch(text):
        number = int(found[1])
        return timedelta(days=number) if found[2] == "d" else timedelta(hours=number)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        known = ", ".join(OCCASIONS)
        raise pytest.UsageError(
            f"--clock={text} is no offset (+400d, -3h), no moment (2028-02-29T12:00), and none of"
            f" {known}."
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now


def again(text: str) -> None:
    """Start this very run again under the moved clock; returns where that has been done."""
    if os.environ.get(MOVED) == text:
        return
    library = next(iter(glob.glob(LIBRARY)), None)  # noqa: PTH207 - a pattern over the whole disk
    if library is None:
        raise pytest.UsageError("--clock needs libfaketime: `apt-get install libfaketime`.")
    seconds = moved(text, datetime.now(UTC)).total_seconds()
    environment = {
        **os.environ,
        MOVED: text,
        "LD_PRELOAD": library,
        "FAKETIME": f"{seconds:+.0f}",
        # What waits, waits as long as ever.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # The files of a checkout are as old as they are.
        "NO_FAKE_STAT": "1",
    }
    sys.stdout.flush()
    os.execve(sys.executable, sys.orig_argv, environment)  # noqa: S606 - this very command


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    if config.option.clock:
        again(config.option.clock)


def pytest_report_header() -> list[str]:
    text = os.environ.get(MOVED)
    return [f"clock: {text}, the machine says {datetime.now(UTC):%Y-%m-%d %H:%M}"] if text else []
