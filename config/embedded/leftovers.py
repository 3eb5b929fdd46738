"""Finds and ends what an earlier keeper left running, by the folder it works in.

A pid in a file proves nothing (it may be a stranger's after a restart, or a zombie's). Both
services make their data folder their working folder, so /proc tells which processes belong to
this installation. Standard library only.
"""

import contextlib
import os
import signal
import time
from pathlib import Path


def at_work_in(folder: Path) -> list[int]:
    """The pids whose working folder is this very folder. Zombies have none."""
    try:
        wanted = folder.stat()
    except FileNotFoundError:
        return []
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            there = Path(entry.path, "cwd").stat()
            if (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
                found.append(int(entry.name))
    return found


def end(folder: Path, *, chief: int | None, polite: signal.Signals, patience: float) -> int:
    """End whoever works in this folder; how many there were at first.

    The chief, when it is one of them, is asked politely and given `patience` seconds for a clean
    stop (it may be in the middle of one). Workers without their chief, and everybody after that
    time, are killed: both services recover from it without losing what they acknowledged, and
    PostgreSQL's workers must never get a signal that only their chief may send.
    """
    first = at_work_in(folder)
    remaining = first
    deadline = time.monotonic() + patience
    if chief in remaining:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chief, polite)
    while remaining:
        if chief not in remaining or time.monotonic() > deadline:
            for pid in remaining:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        remaining = at_work_in(folder)
    return len(first)
