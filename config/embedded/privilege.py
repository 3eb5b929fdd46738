"""As whom the services run: PostgreSQL refuses to be root, and wants its user to have a name.

Owns the ways to get there without changing an account or a parent folder's mode:

* `direct`: we are not root, and our user has a name.
* `mapped`: a user namespace in which our own id appears as that of an existing user. Files stay
  ours, so a checkout in a folder that only root may enter works.
* `switched`: root becomes an existing user; the data is handed to it, and every folder above must
  let it through already.

The way is found by trying. Standard library only; used by the keeper.
"""

import contextlib
import ctypes
import os
import pwd
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
# Users that exist on practically every Linux and own nothing of worth.
UNPRIVILEGED = ("nobody", "daemon", "bin", "games")
# Of libfaketime: where the clock of the whole installation is moved, as in a test of another
# date, the clock of its services moves along.
CLOCK = (
    "LD_PRELOAD",
    "FAKETIME",
    "FAKETIME_DONT_FAKE_MONOTONIC",
    "FAKETIME_FORCE_MONOTONIC_FIX",
    "NO_FAKE_STAT",
)


def environment() -> dict[str, str]:
    """What a service's process gets of the environment."""
    moved = {name: os.environ[name] for name in CLOCK if name in os.environ}
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **moved}


class NoWayError(Exception):
    """The services cannot run as anybody here; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a service's process is turned into an unprivileged one before it is executed."""

    kind: Literal["direct", "mapped", "switched"]
    uid: int  # as the process sees itself
    gid: int

    @property
    def owner(self) -> int:
        """Who owns the services' files, seen from outside."""
        return self.uid if self.kind == "switched" else os.geteuid()

    def prepare(self, death: signal.Signals) -> Callable[[], None]:
        """What the child runs between fork and exec; it gets `death` when its parent dies."""
        libc = ctypes.CDLL(None, use_errno=True)
        outside_uid, outside_gid = os.geteuid(), os.getegid()
        parent = os.getpid()

        def become() -> None:
            if self.kind == "mapped":
                os.unshare(os.CLONE_NEWUSER)
                _write("/proc/self/setgroups", "deny")
                _write("/proc/self/uid_map", f"{self.uid} {outside_uid} 1")
                _write("/proc/self/gid_map", f"{self.gid} {outside_gid} 1")
            elif self.kind == "switched":
                os.setgroups([])
                os.setresgid(self.gid, self.gid, self.gid)
                os.setresuid(self.uid, self.uid, self.uid)
            os.umask(0o077)
            # After the change of user: the kernel forgets the signal when credentials change.
            libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            libc.prctl(PR_SET_PDEATHSIG, int(death), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)  # the parent died before it could be watched

        return become


def _write(path: str, content: str) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, content.encode("ascii"))
    finally:
        os.close(handle)


def candidates() -> Iterator[Way]:
    """The ways that may work for this user, best first."""
    me = os.geteuid()
    if me != 0:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwuid(me)
            yield Way("direct", entry.pw_uid, os.getegid())
    mapped = None
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                mapped = Way("mapped", entry.pw_uid, entry.pw_gid)
                yield mapped
                break
    if me == 0 and mapped is not None:
        yield Way("switched", mapped.uid, mapped.gid)


def find_way(*, binary: Path, folders: tuple[Path, ...]) -> Way:
    """The first way in which `binary` runs and every one of `folders` can be entered.

    `folders` are ours. A switched user must pass through them to reach its own, so they get the
    mode 0711 (pass, not list) when it comes to that, and no folder above them is ever touched.
    """
    failures = []
    for way in candidates():
        if way.kind == "switched":
            for folder in folders:
                folder.chmod(0o711)
        reachable = " && ".join(["cd /", *(f'cd "${n + 1}"' for n in range(len(folders)))])
        try:
            subprocess.run(
                [
                    "/bin/sh",
                    "-c",
                    f"{reachable} && exec {shlex.quote(str(binary))} --version",
                    "sh",
                    *folders,
                ],
                preexec_fn=way.prepare(signal.SIGKILL),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=20,
                check=True,
            )
        except subprocess.CalledProcessError as problem:
            said = problem.stderr.decode("utf-8", "replace").strip().splitlines()
            failures.append(f"{way.kind}: {said[-1] if said else problem}")
        except (OSError, subprocess.SubprocessError) as problem:
            failures.append(f"{way.kind}: {problem}")
        else:
            return way
    raise NoWayError(
        "The embedded PostgreSQL cannot run as an unprivileged user here "
        f"({'; '.join(failures) or 'no user to run as'}). Run as an ordinary user, allow user "
        "namespaces, set COUNTERSIGN_VAR to a folder others may enter, or set DATABASE_URL and "
        "REDIS_URL."
    )


def hand_over(way: Way, *folders: Path) -> None:
    """Give these folders of ours, and what is in them, to the user the services run as."""
    if os.geteuid() != 0:
        return
    for folder in folders:
        if folder.lstat().st_uid == way.owner:
            continue
        for parent, names, files in os.walk(folder):
            for name in (*names, *files):
                os.chown(Path(parent) / name, way.owner, -1, follow_symlinks=False)
        os.chown(folder, way.owner, -1, follow_symlinks=False)
