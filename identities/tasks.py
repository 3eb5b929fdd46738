"""Thin tasks: each finds rows until none is left or its time is over (docs/decisions, 1).

Every one may run twice at once, or die half-way: the rows say what is left. Names are what
config/celery.py maps nudges and the schedule to.
"""

from collections.abc import Callable
from datetime import datetime
from time import monotonic

from celery import shared_task
from django.utils import timezone

from evidence import nudge
from identities import judging
from identities.actions import (
    bindings,
    changes,
    credentials,
    entitlements,
    following,
    grants,
    revocations,
)
from identities.actions.revocations import drifting, looking, rights
from identities.claims import asking, carrying, counting, proposing
from identities.inventory import following as lists
from identities.inventory import reading as inventory
from identities.signals import keeping, pushing, telling

# Well under the task's own limit; what is left is found by the next run.
SECONDS = 120.0
# What stops something shares its workers, so it takes turns.
TURN = 2.0


def _until_done(next_one: Callable[[datetime], bool]) -> int:
    """Take one after the other while there are any and time is left; how many."""
    done, ends = 0, monotonic() + SECONDS
    while monotonic() < ends and next_one(timezone.now()):
        done += 1
    return done


@shared_task(name="identities.tasks.judge_stored")  # type: ignore[untyped-decorator]  # Celery ships no types
def judge_stored() -> None:
    """Attribute and judge what is stored and linked, then what credentials show together."""
    _until_done(lambda now: following.follow_next(now=now))
    judged = _until_done(lambda now: judging.judge_next(now=now))
    if judged:
        judging.judge_credentials(now=timezone.now())
        bindings.propose_from_links(now=timezone.now())


@shared_task(name="identities.tasks.born_credentials")  # type: ignore[untyped-decorator]  # Celery ships no types
def born_credentials() -> None:
    """Credentials that evidence shows, and what happened to them there.

    Following looks at deposits one by one; the walk over everything afterwards is the certainty.
    """
    _until_done(lambda now: following.follow_next(now=now))
    _until_done(lambda now: credentials.born(now=now) > 0)


@shared_task(name="identities.tasks.propose_bindings")  # type: ignore[untyped-decorator]  # Celery ships no types
def propose_bindings() -> None:
    """What exact links suggest and nobody has settled."""
    bindings.propose_from_links(now=timezone.now())


@shared_task(name="identities.tasks.enforce")  # type: ignore[untyped-decorator]  # Celery ships no types
def enforce() -> None:
    """Revocations that are due: sent, looked at, outlasted.

    In turns: behind ten thousand of them no grant ends late, and no automatic hold waits long.
    """
    ends = monotonic() + TURN
    while revocations.enforce_next(now=timezone.now()):
        _until_done(lambda now: grants.grant_next(now=now))
        if monotonic() >= ends:
            nudge.after_commit("revocation.requested")
            return


@shared_task(name="identities.tasks.grants_due")  # type: ignore[untyped-decorator]  # Celery ships no types
def grants_due() -> None:
    """Grants whose time to begin or to end has come: given, taken away, looked at."""
    _until_done(lambda now: grants.grant_next(now=now))


@shared_task(name="identities.tasks.look_again")  # type: ignore[untyped-decorator]  # Celery ships no types
def look_again() -> None:
    """What people state to be done: whether the target shows it."""
    _until_done(lambda now: looking.look_next(now=now))


@shared_task(name="identities.tasks.ask_rights")  # type: ignore[untyped-decorator]  # Celery ships no types
def ask_rights() -> None:
    """Every account that was not asked this night what its enforcer may not do there."""
    ends = monotonic() + SECONDS
    rights.ask_due(clock=timezone.now, enough=lambda: monotonic() >= ends)


@shared_task(name="identities.tasks.look_at_files")  # type: ignore[untyped-decorator]  # Celery ships no types
def look_at_files() -> None:
    """Files that were changed back: what a pull request had taken out is opened again."""
    ends = monotonic() + SECONDS
    drifting.reopen_drifted(now=timezone.now(), enough=lambda: monotonic() >= ends)


@shared_task(name="identities.tasks.expire")  # type: ignore[untyped-decorator]  # Celery ships no types
def expire() -> None:
    """Credentials whose time is over, and changes that nobody signed in time, for lists and counts;
    deciding reads the time itself."""
    _until_done(lambda now: credentials.expire_next(now=now) > 0)
    _until_done(lambda now: changes.lapse_next(now=now))


@shared_task(name="identities.tasks.read_inventories")  # type: ignore[untyped-decorator]  # Celery ships no types
def read_inventories() -> None:
    """Ask every system that is due for its lists, carry on the readings that wait, and let what
    others go by follow them."""
    ends = monotonic() + SECONDS
    inventory.ask_due(now=timezone.now())
    while monotonic() < ends and inventory.run_next(
        clock=timezone.now, enough=lambda: monotonic() >= ends
    ):
        pass
    lists.follow_recent(now=timezone.now())
    lists.hand_on(now=timezone.now())


@shared_task(name="identities.tasks.read_entitlements")  # type: ignore[untyped-decorator]  # Celery ships no types
def read_entitlements() -> None:
    """What targets allow, of identities whose last reading is no longer fresh."""
    _until_done(lambda now: entitlements.read_next(now=now))


@shared_task(name="identities.tasks.claims")  # type: ignore[untyped-decorator]  # Celery ships no types
def claims() -> None:
    """Answers whose time to be taken back is over, identities that nobody owns since a moment, and
    the next questions of a running wave."""
    _until_done(lambda now: carrying.carry_next(now=now))
    _until_done(lambda now: proposing.new_next(now=now))
    asking.ask_next(now=timezone.now())


@shared_task(name="identities.tasks.look_for_owners")  # type: ignore[untyped-decorator]  # Celery ships no types
def look_for_owners() -> None:
    """What nobody owns and what the evidence says of an owner; who stayed silent; today's counts."""
    _until_done(lambda now: proposing.look_next(now=now))
    _until_done(lambda now: asking.pass_silent(now=now))
    counting.count(now=timezone.now())


@shared_task(name="identities.tasks.signals")  # type: ignore[untyped-decorator]  # Celery ships no types
def signals() -> None:
    """What happened becomes signals on the streams of their receivers, and is pushed."""
    _until_done(lambda now: telling.tell_next(now=now) > 0)
    _until_done(lambda now: pushing.push_next(now=now))


@shared_task(name="identities.tasks.keep_signals")  # type: ignore[untyped-decorator]  # Celery ships no types
def keep_signals() -> None:
    """Streams on which too much waits, and what was settled long ago."""
    keeping.bound(now=timezone.now())
    _until_done(lambda now: keeping.prune_next(now=now))
