"""A thousand faults under revocations at a real OAuth server: each ends effective, once.

Two workers, killed and started again; a database that recovers from a crash, a broker that hangs,
clocks that jump, and a server that is busy, broken, silent or says garbage. Time runs `PACE` times
as fast as a clock's, so that pauses end while one watches. From one fault to the next some worker
has done a step, however long that took: a slower machine takes longer, and faults alone starve
nobody. Counted is what was really done to them; what the server was asked to revoke is counted at
its door.
"""

import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from django.conf import settings
from django.db import connection
from django.db.utils import DatabaseError, InterfaceError
from django.utils import timezone
from flask import request

from config.embedded.places import places
from evidence.formats.record import ActorName
from evidence.models import LedgerEntry
from evidence.names import actor_ids
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.actions.revocations import claiming, leasing, stepping
from identities.models import Credential, CredentialState, Identity, Revocation, RevocationTry
from tests.bench import database
from tests.bench.told import Said
from tests.identities.enforcers.oauth_lab import SECRET, Lab, answering, quiet
from tests.identities.token_rows import REALM

FAULTS, TOKENS, WORKERS = 1_000, 600, 2
PACE = 60
# How far a worker's clock jumps, one way or the other.
JUMP = timedelta(minutes=10)
# Seconds of a lease: more than the longest call takes, as in an installation.
LEASE = 60.0
# Seconds in which no worker does anything at all: what is not effective by then waits, and must
# say so. Longer than an account is left alone, and than a worker takes to begin.
LONGEST = 120
# After so many faults it is said how far it is.
EVERY = 50
# How long the broker hangs, and how often the database crashes and the broker hangs in one run.
HANGS, CRASHES = 10.0, 5
DOORS = ("/revoke", "/introspect", "/.well-known/oauth-authorization-server")


def measure(faults: int = FAULTS, tokens: int = TOKENS) -> Iterator[Said]:
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    lab = Lab()
    try:
        with TemporaryDirectory() as folder:
            _set_up(lab, Path(folder))
            held = _tokens(lab, Path(folder), tokens)
            watch = Watch(lab, faults)
            yield from watch.watched()
            yield from _said(lab, held, watch.done, watch.seconds())
    finally:
        lab.close()


def _set_up(lab: Lab, folder: Path) -> None:
    (folder / "secret").write_text(SECRET)
    entry = {
        "issuer": lab.issuer,
        "realms": [REALM],
        "client_id": "agent",
        "secret": f"file:{folder / 'secret'}",
        "tokens": f"file:{folder}/{{name}}.token",
    }
    (folder / "enforcers.yaml").write_text(yaml.safe_dump({"oauth": [entry]}))
    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(folder / "enforcers.yaml"), True


def _tokens(lab: Lab, folder: Path, many: int) -> dict[str, str]:
    """So many tokens that the server issued, the end of each asked for; by name."""
    now = timezone.now()
    held = {f"jti-{number:05d}": str(lab.issue()["access_token"]) for number in range(many)}
    for name, token in held.items():
        (folder / f"{name}.token").write_text(token)
    names = {name: ActorName(REALM, "token", name) for name in held}
    app = ActorName(REALM, "app", "agent")
    actors = actor_ids({*names.values(), app}, now=now)
    identities = Identity.objects.bulk_create(
        [
            Identity(name=f"agent-of-{name}", kind="agent", mode="ask", created_at=now)
            for name in held
        ]
    )
    keys = Credential.objects.bulk_create(
        [
            Credential(
                actor_id=actors[names[name]],
                identity=one,
                kind="token",
                standing=False,
                issued_at=now,
                issued_to_id=actors[app],
                state_at=now,
            )
            for name, one in zip(held, identities, strict=True)
        ]
    )
    CredentialState.objects.bulk_create(
        [
            CredentialState(credential=one, state="active", during=(now, None), recorded_at=now)
            for one in keys
        ]
    )
    rows = Credential.objects.filter(pk__in=[one.pk for one in keys]).select_related(
        "identity", "actor", "issued_to"
    )
    asks = [
        revocations.Ask(one.identity, "revoke", "bench", credential=one)
        for one in rows
        if one.identity is not None
    ]
    revocations.request_all(asks, by=COUNTERSIGN, now=now)
    return held


class Clock:
    """What time it is for a worker: faster than it really is, and sometimes not the same."""

    def __init__(self) -> None:
        self.began, self.since = timezone.now(), time.monotonic()

    def at(self, jumped: timedelta) -> datetime:
        return self.began + timedelta(seconds=(time.monotonic() - self.since) * PACE) + jumped


def _work(clock: Clock, jumped: timedelta, steps: Any, until: Any) -> None:
    """A worker's life, until it is killed: what its database cannot do now it tries again. It does
    no more steps than faults have come for."""
    while True:
        while steps.value >= until.value:
            time.sleep(0.005)
        try:
            if revocations.enforce_next(now=clock.at(jumped)):
                steps.value += 1
            else:
                time.sleep(0.05)
        except (DatabaseError, InterfaceError):
            connection.close()
            time.sleep(0.2)


class Watch:
    """Two workers, and the faults that come to them."""

    def __init__(self, lab: Lab, faults: int) -> None:
        self.lab, self.faults = lab, faults
        self.done: Counter[str] = Counter()
        self._chance = random.Random(20_261_127)
        self._context = get_context("fork")
        self._clock = Clock()
        # Without a lock: who is killed would keep it.
        self._steps = self._context.RawValue("q", 0)
        self._until = self._context.RawValue("q", 1)
        self._began = time.perf_counter()

    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def watched(self) -> Iterator[Said]:
        """Until all is over, or nobody does anything any more; how far it is meanwhile."""
        # Seconds of a clock, as workers die and live by these; a lease by the clock that is faster.
        claiming.LEASE = timedelta(seconds=LEASE * PACE)
        leasing.EVERY, leasing.GONE, leasing.SLOW = 0.2, 1.0, 0.3
        crew = [self._worker() for _ in range(WORKERS)]
        try:
            while sum(self.done.values()) < self.faults and self._next_step():
                self._fault(crew)
                many = sum(self.done.values())
                if many % EVERY == 0:
                    yield self._far(f"  after {many:,} faults")
            self._until.value = 2**62
            # Whoever's clock was wrong is right again, as it is some day.
            for place, one in enumerate(crew):
                _kill(one)
                crew[place] = self._worker()
            while not _over() and self._next_step():
                pass
            yield self._far("  then left alone")
        finally:
            for one in crew:
                _kill(one)

    def _worker(self, jumped: timedelta = timedelta(0)) -> BaseProcess:
        connection.close()  # each has one of its own
        one = self._context.Process(
            target=_work, args=(self._clock, jumped, self._steps, self._until), daemon=True
        )
        one.start()
        return one

    def _next_step(self) -> bool:
        """Wait for the step that the next fault comes in, and for any moment of it; False where
        nothing is left to do, or nobody does it."""
        before, since = self._steps.value, time.monotonic()
        while self._steps.value == before:
            time.sleep(0.01)
            waited = time.monotonic() - since
            if waited > LONGEST or (waited > 1 and _over()):
                return False
        usual = self.seconds() / max(self._steps.value, 1)
        time.sleep(self._chance.uniform(0, min(usual, 1)))
        return True

    def _fault(self, crew: list[BaseProcess]) -> None:
        """One that can be done now."""
        while True:
            fault = self._chance.choices(list(FAULT), [one[0] for one in FAULT.values()])[0]
            if fault in RARE and self.done[fault] >= CRASHES:
                continue
            if fault in ("kill -9", "clock jump"):
                place = self._chance.randrange(WORKERS)
                _kill(crew[place])
                jumped = JUMP * self._chance.uniform(-1, 1) if fault == "clock jump" else None
                crew[place] = self._worker(jumped or timedelta(0))
            elif not FAULT[fault][1](self.lab, self._chance):
                continue
            self.done[fault] += 1
            self._until.value = self._steps.value + 1
            return

    def _far(self, when: str) -> Said:
        with suppress(DatabaseError, InterfaceError):
            left = Revocation.objects.exclude(state__in=["effective", "failed"]).count()
            said = f"{left:,} on their way"
            return Said(when, said, f"{self._steps.value:,} steps, {self.seconds():.0f} s")
        connection.close()
        return Said(when, "the database recovers", f"{self.seconds():.0f} s")


def _kill(one: BaseProcess) -> None:
    one.kill()
    one.join()


def _over() -> bool:
    with suppress(DatabaseError, InterfaceError):
        return not Revocation.objects.exclude(state__in=["effective", "failed"]).exists()
    connection.close()
    return False


# --- faults: each says whether it was done


def _at_a_door(make: Callable[[random.Random], Any]) -> Callable[[Lab, random.Random], bool]:
    def do(lab: Lab, chance: random.Random) -> bool:
        door = chance.choice(DOORS)
        if lab.faults.get(door):
            return False  # nobody came since the last one
        lab.fail(door, make(chance))
        return True

    return do


def _hang_up() -> None:
    """The connection ends without an answer."""
    line: socket.socket = request.environ["werkzeug.socket"]
    line.shutdown(socket.SHUT_RDWR)


def _crash(_lab: Lab, _chance: random.Random) -> bool:
    """One of the server's processes is killed, and it recovers as after a power cut."""
    with suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        os.kill(int(cursor.fetchone()[0]), signal.SIGKILL)
        connection.close()
        return True
    connection.close()
    return False


def _hang_broker(_lab: Lab, _chance: random.Random) -> bool:
    """The broker takes connections and says nothing, ten minutes by the workers' clock."""
    socket_of = str(places(settings.VAR).valkey_socket)
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if socket_of in entry.read_bytes().decode(errors="replace"):
                pid = int(entry.parent.name)
                os.kill(pid, signal.SIGSTOP)
                # Meanwhile there are other faults.
                threading.Timer(HANGS, os.kill, (pid, signal.SIGCONT)).start()
                return True
    return False


# How often each comes, and what does it. Killing and jumping are done where the workers are known.
FAULT: dict[str, tuple[float, Callable[[Lab, random.Random], bool]]] = {
    "kill -9": (12, lambda _lab, _chance: True),
    "clock jump": (2, lambda _lab, _chance: True),
    "429": (16, _at_a_door(lambda chance: answering(429, Retry_After=str(chance.randint(1, 40))))),
    "500 or 503": (16, _at_a_door(lambda chance: answering(chance.choice((500, 503))))),
    "garbage": (16, _at_a_door(lambda _: answering(200, "<html>{{{\0"))),
    "hung up": (16, _at_a_door(lambda _: _hang_up)),
    "slow": (8, _at_a_door(lambda chance: quiet(chance.uniform(0.2, 1)))),
    "no answer in time": (0.4, _at_a_door(lambda _: quiet(12))),
    "database crash": (0.4, _crash),
    "broker hangs": (0.4, _hang_broker),
}
RARE = ("database crash", "broker hangs", "no answer in time")


def _said(lab: Lab, held: dict[str, str], done: Counter[str], seconds: float) -> Iterator[Said]:
    many = len(held)
    what = ", ".join(f"{count} {name}" for name, count in done.most_common())
    yield Said(
        f"{sum(done.values()):,} faults under {many} revocations",
        f"{seconds:.0f} s, {PACE} x as fast",
        what,
    )
    rows = Revocation.objects.all()
    states = Counter(rows.values_list("state", flat=True))
    waiting = rows.exclude(state="effective")
    visible = sum(bool(one.failed_why) for one in waiting)
    yield Said(
        "  effective, or waiting and saying why",
        f"{states['effective']} + {visible} of {many}",
        "all",
        states["effective"] + visible == many,
    )
    for why, count in Counter(f"{one.state}: {one.failed_why[:150]}" for one in waiting).items():
        yield Said(f"    {count} {why}", "")
    live = sum(lab.uses(token) == 200 for token in held.values())
    dead = states["effective"]
    yield Said("  tokens that still work at the server", f"{live}", "none", live == many - dead)
    acts = LedgerEntry.objects.filter(act="revocation.effective").values_list("subject", flat=True)
    twice = sum(count - 1 for count in Counter(acts).values())
    yield Said("  told to be effective more than once", f"{twice}", "0", twice == 0)
    sent, gone = lab.made("/revoke"), RevocationTry.objects.filter(did="send", result="ok").count()
    yield Said(
        "  requests to revoke at the server's door", f"{sent}, {gone} told as sent", "", None
    )
    longest = stepping.LONGEST_WAIT + timedelta(seconds=leasing.GONE * PACE)
    slow = [
        (one.effective_at - one.requested_at) / timedelta(minutes=1)
        for one in rows
        if one.effective_at is not None
    ]
    slow.sort()
    if slow:
        yield Said(
            "  asked to effective, by the workers' clock",
            f"p50 {slow[len(slow) // 2]:.1f} max {slow[-1]:.1f} min",
            f"a pause and a worker's death are {longest.total_seconds() / 60:.0f} min",
        )
    database.as_owner("ANALYZE")
