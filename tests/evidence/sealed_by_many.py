"""A process that verifies the ledger with several others, beside the tests that tamper with it.

Owns that process: only one without threads may fork, which one of the tests need not be. It looks at
two rows at a time, so that five rows have seams; reads what is asked, a line each, and writes what it
found.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from multiprocessing import active_children
from typing import Any

from django.core.management import CommandError, call_command
from django.db import connection, connections

from evidence import ledger
from evidence.ledger import verifying
from tests.conftest import use_role

# So many forks at once, on any machine.
PROCESSES = 2
PROGRAM = """
import sys
import django
django.setup()
from tests.evidence.sealed_by_many import main
main(sys.argv[1])
"""


class Many:
    """The process, until it is closed. `database` is the one it looks into, with the app's rights."""

    current: "Many | None" = None

    def __init__(self, database: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, database],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def verify(self, *, kept: tuple[int, bytes] | None = None) -> dict[str, Any]:
        """What `ledger.verify` says there: its members, bytes as hex; and how many forks it took."""
        return self._asked({"kept": kept and [kept[0], kept[1].hex()]})

    def command(self, *, killed: bool = False) -> dict[str, Any]:
        """What the command says there, how many forks it took, and how many of them are left.
        `killed`: each is, as soon as it begins."""
        return self._asked({"command": True, "killed": killed})

    def _asked(self, what: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def close(self) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()


@contextmanager
def beside() -> Iterator[None]:
    """Such a process, for `faults`."""
    Many.current = Many(connection.settings_dict["NAME"])
    try:
        yield
    finally:
        Many.current.close()
        Many.current = None


def faults(**said: Any) -> list[tuple[int, str]]:
    """What `ledger.verify` finds: the same with one process and with several."""
    assert Many.current is not None
    found, there = ledger.verify(**said), Many.current.verify(**said)
    forks = there.pop("forks")
    assert there == json.loads(json.dumps(found._asdict() | {"head": found.head.hex()}))
    assert forks == (PROCESSES if found.sealed > 2 else 0)
    return [(one.number, one.what) for one in found.faults]


def main(database: str) -> None:
    """The life of that process."""
    use_role("app", database)
    verifying.STRETCH = 2
    begun: list[bool] = []
    doomed = False

    def dies() -> None:
        if doomed:
            os.kill(os.getpid(), signal.SIGKILL)

    os.register_at_fork(after_in_parent=lambda: begun.append(True), after_in_child=dies)
    for line in sys.stdin:
        asked = json.loads(line)
        begun.clear()
        doomed = asked.get("killed", False)
        said = by_command() if "command" in asked else verified(asked["kept"])
        connections.close_all()  # the owner changes tables in between
        sys.stdout.write(json.dumps(said | {"forks": len(begun)}) + "\n")
        sys.stdout.flush()


def verified(kept: tuple[int, str] | None) -> dict[str, Any]:
    head = kept and (kept[0], bytes.fromhex(kept[1]))
    found = ledger.verify(kept=head, processes=PROCESSES)
    return found._asdict() | {"head": found.head.hex()}


def by_command() -> dict[str, Any]:
    out = StringIO()
    try:
        call_command("verify_ledger", "--processes", str(PROCESSES), stdout=out)
    except CommandError as problem:
        out.write(str(problem))
    return {"said": out.getvalue(), "left": len(active_children())}
