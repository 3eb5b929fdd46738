"""The keeper: one process for each installation, that lives as long as somebody uses its services.

Started on demand by `config.embedded.ensure()`. Holds the keeper's lock; starts PostgreSQL and
Valkey as its children; every user process keeps a connection to its socket open, and the kernel
closes that also when the user is killed. When the last one is gone it stops both services. When
the keeper itself is killed its children are told by the kernel, and the next keeper ends, by
their folder, what is left of them.

One thread, on purpose: the signal at a parent's death is bound to the thread that forked.
"""

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from config.embedded import postgres, valkey
from config.embedded.places import Places
from config.embedded.privilege import NoWayError, Way, find_way, hand_over
from config.environment import SettingsError

LINGER = 1.0  # seconds without a user before the services are stopped
LOCK_PATIENCE = 90.0  # an earlier keeper may be writing its last checkpoint
MOST_RESTARTS = 5  # of one service within RESTART_WINDOW, then the keeper gives up
RESTART_WINDOW = 60.0
LOG_BYTES = 10 << 20

TROUBLES = (postgres.PostgresError, valkey.ValkeyError, NoWayError, SettingsError, OSError)


class Ended(Exception):
    """A signal asked the keeper to stop."""


def say(text: str) -> None:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f"{moment} keeper[{os.getpid()}] {text}\n")
    sys.stderr.flush()


def open_log(path: Path) -> int:
    """A log file to append to; the previous one is kept once it has grown large."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


class Keeper:
    """The state of one run: the listening socket, its users, and the two children."""

    def __init__(self, places: Places, way: Way, lock: int) -> None:
        self.places = places
        self.way = way
        self.lock = lock
        self.users: set[socket.socket] = set()
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX)
        self.servers: dict[str, subprocess.Popen[bytes]] = {}
        self.restarts: dict[str, list[float]] = {"postgres": [], "valkey": []}
        self.waiting: set[socket.socket] = set()  # who has not been told yet
        self.ready = False

    def listen(self) -> None:
        path = self.places.keeper_socket
        path.unlink(missing_ok=True)
        self.listener.setblocking(False)
        self.listener.bind(str(path))
        path.chmod(0o600)
        self.listener.listen(128)
        self.selector.register(self.listener, selectors.EVENT_READ)

    def turn(self, seconds: float) -> None:
        """Take in who came and who left, for at most this long."""
        for key, _ in self.selector.select(seconds):
            if key.fileobj is self.listener:
                with contextlib.suppress(BlockingIOError):
                    newcomer, _ = self.listener.accept()
                    newcomer.setblocking(False)
                    self.users.add(newcomer)
                    self.selector.register(newcomer, selectors.EVENT_READ)
                    self.waiting.add(newcomer)
                continue
            user = key.fileobj
            assert isinstance(user, socket.socket)  # noqa: S101 - only sockets are registered
            try:
                alive = bool(user.recv(64))
            except BlockingIOError:
                alive = True
            except OSError:
                alive = False
            if not alive:
                self.forget(user)
        if self.ready:
            self.tell_waiting({"ready": True})

    def forget(self, user: socket.socket) -> None:
        self.selector.unregister(user)
        self.users.discard(user)
        self.waiting.discard(user)
        user.close()

    def tell_waiting(self, message: dict[str, object]) -> None:
        """One line to everybody who waits; they hear nothing more until we are gone."""
        for user in self.waiting:
            # The buffer of a fresh connection holds a line; one that does not listen is gone.
            with contextlib.suppress(OSError):
                user.sendall(json.dumps(message).encode("utf-8") + b"\n")
        self.waiting.clear()

    def wanted(self) -> bool:
        """Is anybody still waiting? Looked at while a service starts."""
        self.turn(0)
        return self.in_place()

    def in_place(self) -> bool:
        """Whether our lock is still the file in the folder; not when the folder was removed."""
        try:
            there, ours = self.places.keeper_lock.stat(), os.fstat(self.lock)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def start(self, *names: str) -> None:
        """Start these services side by side and wait for both."""
        for name in names:
            log = open_log(self.places.log / f"{name}.log")
            try:
                if name == "postgres":
                    postgres.clear_leftovers(self.places)
                    postgres.make(self.places, self.way)
                    self.servers[name] = postgres.start(self.places, self.way, log)
                else:
                    valkey.clear_leftovers(self.places)
                    self.servers[name] = valkey.start(self.places, self.way, log)
            finally:
                os.close(log)
        for name in names:
            module = postgres if name == "postgres" else valkey
            module.await_ready(self.places, self.servers[name], wanted=self.wanted)

    def keep(self) -> None:
        """Serve until nobody has used the services for a moment."""
        idle_since = time.monotonic()
        checked = 0.0
        while True:
            self.turn(0.2)
            now = time.monotonic()
            if self.users:
                idle_since = now
            elif now - idle_since > LINGER:
                return
            if now - checked > 1:
                checked = now
                if not self.in_place():
                    say("the folder was removed or replaced; stopping")
                    return
            for name, server in self.servers.items():
                if server.poll() is not None:
                    self.restart(name, server.returncode, now)

    def restart(self, name: str, status: int, now: float) -> None:
        recent = [moment for moment in self.restarts[name] if now - moment < RESTART_WINDOW]
        if len(recent) >= MOST_RESTARTS:
            raise postgres.PostgresError(
                f"{name} ended {len(recent) + 1} times within {RESTART_WINDOW:.0f} s "
                f"(status {status}); its log is {self.places.log / name}.log."
            )
        self.restarts[name] = [*recent, now]
        say(f"{name} ended with status {status}; starting it again")
        self.ready = False
        self.start(name)
        self.ready = True
        say(f"{name} is back after {time.monotonic() - now:.2f} s")

    def stop(self) -> None:
        """Turn newcomers away first, so that they start a keeper of their own; then stop both."""
        with contextlib.suppress(OSError):
            if self.in_place():
                self.places.keeper_socket.unlink(missing_ok=True)
        self.listener.close()
        for user in list(self.users):
            self.forget(user)
        if "valkey" in self.servers:
            valkey.stop(self.servers["valkey"])
        if "postgres" in self.servers:
            postgres.stop(self.servers["postgres"])


def take_lock(places: Places) -> int:
    """The keeper's lock; an earlier keeper gets time to finish."""
    handle = os.open(places.keeper_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise SettingsError(
                    f"Another process holds {places.keeper_lock} and does not answer on "
                    f"{places.keeper_socket}; end it (`fuser {places.keeper_lock}` names it)."
                ) from None
            time.sleep(0.02)
        else:
            return handle


def own_folder(path: Path, mode: int) -> None:
    """Make this folder of ours, or see that the one there is really ours and no link."""
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    found = path.lstat()
    if not path.is_dir() or path.is_symlink() or found.st_uid != os.geteuid():
        raise SettingsError(
            f"{path} is not a folder of this user; remove it, or set COUNTERSIGN_VAR to a folder "
            "of your own."
        )
    path.chmod(mode)


def prepare(places: Places) -> Way:
    """Make our folders, find the way to run, and hand over what belongs to the services."""
    own_folder(places.log, 0o700)
    places.sockets.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    own_folder(places.run, 0o700)
    for folder in (places.sockets, places.valkey_data):
        folder.mkdir(mode=0o700, exist_ok=True)
    way = find_way(binary=postgres.binary("postgres"), folders=(places.var,))
    if way.kind == "switched":
        # Only folders of our own making; those above must let the user through already.
        places.run.chmod(0o711)
    owned = [places.sockets, places.valkey_data]
    if places.postgres_data.exists():
        owned.append(places.postgres_data)
    hand_over(way, *owned)
    return way


def detach() -> None:
    """Leave the starter's session and become nobody's child, so that it need not wait for us."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not disturb the stop
    raise Ended


def main(var: str) -> int:
    places = Places(Path(var))
    detach()
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    began = time.monotonic()
    places.log.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = open_log(places.log / "keeper.log")
    os.dup2(log, 1)
    os.dup2(log, 2)
    keeper: Keeper | None = None
    try:
        lock = take_lock(places)
        way = prepare(places)
        keeper = Keeper(places, way, lock)
        keeper.listen()
        keeper.start("postgres", "valkey")
        keeper.ready = True
        keeper.turn(0)
        say(f"services are ready after {time.monotonic() - began:.2f} s ({way.kind})")
        keeper.keep()
    except Ended:
        say("asked to stop")
    except TROUBLES as problem:
        say(f"stopping: {problem}")
        if keeper is None:
            # Nobody can connect yet: the starter reads this file once we are gone.
            (places.var / "keeper.failed").write_text(str(problem), encoding="utf-8")
        else:
            keeper.ready = False
            keeper.turn(0.2)
            keeper.tell_waiting({"error": str(problem)})
        return 1
    finally:
        if keeper is not None:
            keeper.stop()
            say("services are stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
