"""Thin tasks: each finds rows until none is left or its time is over (docs/decisions, 1).

Every one may run twice at once, or die half-way: the rows say what is left. Names are what
config/celery.py maps nudges and the schedule to.
"""

import logging
from time import monotonic

from celery import shared_task
from django.utils import timezone

from evidence import (
    anchoring,
    bulk,
    chain,
    emptying,
    ledger,
    links,
    partitions,
    pulls,
    rereading,
    retention,
    uploads,
    verified,
)
from evidence import watermarks as heartbeat
from evidence.sources.failures import Stopped
from evidence.stores import anchors, bodies, objects

log = logging.getLogger(__name__)

# Well under the task's own limit; what is left is found by the next run.
SECONDS = 120.0
# Connections that link a backlog side by side, beside the task's own.
HANDS = 2
THOROUGH_SECONDS = 60.0
# When this process looks through the whole ledger again; in a list, so that a task may set it.
_next_thorough = [0.0]
THOROUGH_DEPOSITS_SECONDS = 600.0
_next_thorough_deposits = [0.0]


@shared_task(name="evidence.tasks.link_stored")  # type: ignore[untyped-decorator]  # Celery ships no types
def link_stored() -> None:
    """Links and runs of every deposit that nobody has linked."""
    ends = monotonic() + SECONDS
    while monotonic() < ends and (
        bulk.link_many(now=timezone.now(), hands=HANDS) or links.link_next(now=timezone.now())
    ):
        pass


@shared_task(name="evidence.tasks.seal_ledger")  # type: ignore[untyped-decorator]  # Celery ships no types
def seal_ledger() -> None:
    """Seal the entries whose transactions are over; once a minute also far from the end."""
    began = monotonic()
    thorough = began >= _next_thorough[0]
    if thorough:
        _next_thorough[0] = began + THOROUGH_SECONDS
    while monotonic() < began + SECONDS:
        if ledger.seal(now=timezone.now(), thorough=thorough) < ledger.SEAL_BATCH:
            break


@shared_task(name="evidence.tasks.seal_deposits")  # type: ignore[untyped-decorator]  # Celery ships no types
def seal_deposits() -> None:
    """Chain the deposits that are committed; every ten minutes also those far from the end."""
    began = monotonic()
    thorough = began >= _next_thorough_deposits[0]
    if thorough:
        _next_thorough_deposits[0] = began + THOROUGH_DEPOSITS_SECONDS
    while monotonic() < began + SECONDS:
        if chain.seal(now=timezone.now(), thorough=thorough) < chain.SEAL_BATCH:
            break


@shared_task(name="evidence.tasks.prune")  # type: ignore[untyped-decorator]  # Celery ships no types
def prune() -> None:
    """Let go of what is past its period; then write the heads of the chains into the ledger."""
    ends = monotonic() + SECONDS
    retention.prune(now=timezone.now(), enough=lambda: monotonic() >= ends)
    chain.anchor(now=timezone.now())


@shared_task(name="evidence.tasks.erase")  # type: ignore[untyped-decorator]  # Celery ships no types
def erase() -> None:
    """Carry out what a second person has confirmed."""
    emptying.carry_out_all(now=timezone.now())


@shared_task(name="evidence.tasks.watermarks")  # type: ignore[untyped-decorator]  # Celery ships no types
def watermarks() -> None:
    """How far sources that send regularly are shown to be complete, and what was never asked for."""
    heartbeat.before_first_pulls(now=timezone.now())
    heartbeat.advance(now=timezone.now())


@shared_task(name="evidence.tasks.pull")  # type: ignore[untyped-decorator]  # Celery ships no types
def pull() -> None:
    """Ask every source that is due, and carry on the pulls that wait."""
    ends = monotonic() + SECONDS
    pulls.ask_due(now=timezone.now())
    while monotonic() < ends and pulls.run_next(
        clock=timezone.now, enough=lambda: monotonic() >= ends
    ):
        pass


@shared_task(name="evidence.tasks.reread")  # type: ignore[untyped-decorator]  # Celery ships no types
def reread() -> None:
    """Read deposits again that somebody wished to be, one transaction each."""
    ends = monotonic() + SECONDS
    try:
        while monotonic() < ends and rereading.run_next(now=timezone.now()) is not None:
            pass
    except objects.Away as problem:
        log.warning("deposits are read again later: %s", problem)


@shared_task(name="evidence.tasks.partitions_ahead")  # type: ignore[untyped-decorator]  # Celery ships no types
def partitions_ahead() -> None:
    """The coming months' partitions, before anything needs them."""
    partitions.ahead(timezone.now())


@shared_task(name="evidence.tasks.sweep_orphans")  # type: ignore[untyped-decorator]  # Celery ships no types
def sweep_orphans() -> None:
    """Files that no deposit needs: what a crash left behind, and what was let go."""
    bodies.orphans(remove=True)


@shared_task(name="evidence.tasks.verify_ledger")  # type: ignore[untyped-decorator]  # Celery ships no types
def verify_ledger() -> None:
    """Walk the chain, for the foot of every page."""
    verified.check(now=timezone.now())


@shared_task(name="evidence.tasks.anchor")  # type: ignore[untyped-decorator]  # Celery ships no types
def anchor() -> None:
    """Sign the ledger's head when it is time, and take what is signed to its places."""
    ends = monotonic() + SECONDS
    try:
        set_up = anchors.configured.read()
        if set_up is None:
            return
        # What is signed goes out also where nothing more can be signed.
        while monotonic() < ends and anchoring.keep_next(set_up, clock=timezone.now):
            pass
        if anchoring.make(set_up, now=timezone.now()) is not None:
            while monotonic() < ends and anchoring.keep_next(set_up, clock=timezone.now):
                pass
    except Stopped as problem:
        log.warning("the ledger is not anchored: %s %s", problem.what, problem.fix)


@shared_task(name="evidence.tasks.read_uploads")  # type: ignore[untyped-decorator]  # Celery ships no types
def read_uploads() -> None:
    """Files sent by hand: those that two people signed are read in, what nobody signed goes."""
    uploads.read_in(now=timezone.now)
    uploads.forget(now=timezone.now())
