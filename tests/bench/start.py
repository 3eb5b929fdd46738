"""How long the embedded services take to start, the first time in a folder and later."""

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from config.embedded.places import places
from tests.house.using import User, quiet

TIMES = 5


class Starts(NamedTuple):
    """Seconds until both services answered: in a new folder, and the slowest of the later ones."""

    first: float
    later: float


def measure() -> Starts:
    with tempfile.TemporaryDirectory() as folder:
        there = places(Path(folder) / "var")
        taken = []
        for _ in range(1 + TIMES):
            user = User(there.var)
            taken.append(user.seconds())
            user.leave()
            while not quiet(there):
                time.sleep(0.05)
        return Starts(taken[0], max(taken[1:]))
