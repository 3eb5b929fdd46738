"""A command of the product over the benchmarks' database, and how much memory it ever had.

Owns the watching: the proportional share of all processes of the command together, looked at ten
times a second, so that what forked processes share counts once. Linux only.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from django.conf import settings

from tests.bench import database

EVERY = 0.1


class Ran(NamedTuple):
    """What a command took: seconds by the clock, of CPU (all its processes), and bytes at most."""

    wall: float
    cpu: float
    peak: int


class Failed(RuntimeError):
    """The command ended with an error; its last words."""


def manage(*arguments: str, environment: Mapping[str, str] = MappingProxyType({})) -> Ran:
    """Run `manage.py` with these arguments to its end. Raises Failed."""
    started = time.perf_counter()
    before = os.times()
    peak = 0
    with subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": database.address(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A session of its own, by which its processes are known.
        start_new_session=True,
    ) as command:
        while command.poll() is None:
            peak = max(peak, sum(map(_share, _of_session(command.pid))))
            time.sleep(EVERY)
        said = command.stdout.read() if command.stdout else b""
    after = os.times()
    if command.returncode:
        raise Failed(said.decode("utf-8", "replace")[-2000:])
    cpu = after.children_user - before.children_user
    cpu += after.children_system - before.children_system
    return Ran(time.perf_counter() - started, cpu, peak)


def _of_session(leader: int) -> list[int]:
    found = []
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == leader:
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


def _share(process: int) -> int:
    """Bytes of memory of one process; what several have counts for each of them in part."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text("ascii")
    except OSError:
        return 0
    return next(
        (int(line.split()[1]) * 1024 for line in text.splitlines() if line[:4] == "Pss:"), 0
    )
