"""The tests' clock.

Every test starts at FROZEN and its clock ticks from there: time-machine moves `time`, `datetime`
and `uuid` in the process, so no test depends on today's date. Fixtures with a wider scope than one
test run EARLIER, so that their rows lie in the past of every test. `begins_at(moment)` starts a test
at another moment. `real_clock` leaves a test on the machine's clock; its dates must be relative to
`timezone.now()`.

`--clock` runs the suite as if the machine's date were another one, child processes and services
included (libfaketime). It takes an offset (`+400d`, `-3h`), a moment (`2028-02-29T12:00`), a name from
NAMED_MOMENTS, or `daily`: one of DAILY, chosen by the day of the year.
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
from django.conf import settings

FROZEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
# Longer than any shared fixture takes to run.
EARLIER = timedelta(minutes=10)

LIBRARY = "/usr/lib/*/faketime/libfaketime.so.1"
OFFSET = re.compile(r"([+-]\d{1,6})([dh])")
# Set in the environment once the run has been restarted under libfaketime.
MOVED_CLOCK = "TESTS_CLOCK"
# Hands a test's clock to its child processes: seconds ahead of the machine's.
CHILD_OFFSET = "TESTS_CLOCK_OFFSET"


# --- the clock of a test -------------------------------------------------------------------------


def travel(moment: datetime = FROZEN) -> AbstractContextManager[Any]:
    """Start the clock at this moment; it ticks from there."""
    return time_machine.travel(moment.timestamp())


def earlier() -> AbstractContextManager[Any]:
    """Start the clock at the time of shared fixtures."""
    return travel(FROZEN - EARLIER)


def clock_for(item: pytest.Item, *, shared: bool = False) -> AbstractContextManager[Any]:
    """The clock of this test, or of the fixtures that it shares with others."""
    if item.get_closest_marker("real_clock"):
        return nullcontext()
    marker = item.get_closest_marker("begins_at")
    moment = marker.args[0] if marker else FROZEN
    return travel(moment - EARLIER if shared else moment)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    with clock_for(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    # The test that asks for the fixture first; pytest has no public name for it.
    item: pytest.Item = request._pyfuncitem
    with nullcontext() if fixturedef.scope == "function" else clock_for(item, shared=True):
        return (yield)


# --- child processes -----------------------------------------------------------------------------


def machine_time() -> float:
    """The machine's clock in seconds since 1970, also while a test is on another."""
    real = time_machine.escape_hatch
    return real.time.time() if real.is_travelling() else time.time()


def child_environment() -> dict[str, str]:
    """The environment of a child process that calls `use_parent_clock()`."""
    seconds = time.time() - machine_time()
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", CHILD_OFFSET: repr(seconds)}


def use_parent_clock() -> None:
    """In a child process: switch to the clock of the test that started it."""
    time_machine.travel(time.time() + float(os.environ[CHILD_OFFSET])).start()


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


# Dates that break code for another reason than their distance.
NAMED_MOMENTS: dict[str, Callable[[datetime], datetime]] = {
    "first-of-month": lambda now: (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0),
    "month-end": _last_of_month,
    "leap-day": _leap_day,
    # Collecting the tests takes longer than ten seconds, so the year ends before they run.
    "year-end": lambda now: datetime(now.year, 12, 31, 23, 59, 50, tzinfo=UTC),
}

DAILY = ("-200d", "+3d", "+30d", "+400d", *NAMED_MOMENTS)


def parse_offset(text: str, now: datetime) -> timedelta:
    """How far to move the clock. Raises UsageError for a text that is no offset, moment or name."""
    if text == "daily":
        text = DAILY[now.timetuple().tm_yday % len(DAILY)]
    if text in NAMED_MOMENTS:
        return NAMED_MOMENTS[text](now) - now
    if found := OFFSET.fullmatch(text):
        number = int(found[1])
        return timedelta(days=number) if found[2] == "d" else timedelta(hours=number)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        known = ", ".join(("daily", *NAMED_MOMENTS))
        raise pytest.UsageError(
            f"--clock={text}: give an offset (+400d, -3h), a moment (2028-02-29T12:00), or one of"
            f" {known}."
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now


def restart_under(text: str) -> None:
    """Restart this run under libfaketime; return at once where it runs under it already."""
    if os.environ.get(MOVED_CLOCK) == text:
        return
    library = next(iter(glob.glob(LIBRARY)), None)  # noqa: PTH207 - an absolute pattern
    if library is None:
        raise pytest.UsageError("--clock needs libfaketime: `apt-get install libfaketime`.")
    from tests import beforehand

    seconds = parse_offset(text, datetime.now(UTC)).total_seconds()
    # Services of its own: those of a checkout may run already, with the machine's clock.
    var = str(settings.VAR / "tests" / "clock")
    environment = {
        **os.environ,
        "COUNTERSIGN_VAR": var,
        "TESTS_VAR": var,
        "PEERS_FOLDER": str(settings.VAR / "peers"),
        beforehand.FOLDER: str(beforehand.folder()),
        MOVED_CLOCK: text,
        "LD_PRELOAD": library,
        "FAKETIME": f"{seconds:+.0f}",
        # Timeouts and sleeps keep their length.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Chromium and threads that wait for a condition would hang.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        # File times stay the machine's, as they do anyway with a current C library.
        "NO_FAKE_STAT": "1",
    }
    sys.stdout.flush()
    os.execve(sys.executable, sys.orig_argv, environment)  # noqa: S606 - the same command


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    if config.option.clock:
        restart_under(config.option.clock)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what libfaketime cannot move.

    File times stay the machine's. So does the clock in a signal handler that interrupts a wait, where
    PostgreSQL finds out whether a timeout has passed: a lock or statement timeout never comes.
    """
    if not config.option.clock:
        return
    left_out = [item for item in items if item.get_closest_marker("unmovable_clock")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_report_header() -> list[str]:
    text = os.environ.get(MOVED_CLOCK)
    return [f"clock: {text}, the machine says {datetime.now(UTC):%Y-%m-%d %H:%M}"] if text else []
