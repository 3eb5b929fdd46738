"""The worker's part: thin loops over actions, bounded in time. A row is the queue.

Names are stable: config/celery.py maps nudges and the schedule to them.
"""

import time
from collections.abc import Callable

from celery import shared_task
from django.utils import timezone

from reviews import actions, digest, notices, recovering, shares
from reviews.actions import (
    change_notices,
    conflict_notices,
    expiring,
    link_notices,
    offers,
    planting,
)
from reviews.actions import modes as mode_rules
from reviews.automatic import holding, incidents, settling
from reviews.break_glass import on_call, owed_tickets, sweeping
from reviews.campaigns import launching, letting_out, progress, steps
from reviews.incidents import alerts as alerts_in
from reviews.incidents import running, tickets, unmatched
from reviews.incidents import tasks as tasks_of_rooms
from reviews.micro_reviews import SERIOUS
from reviews.packs import ordering
from reviews.sealed import recognising
from reviews.succession import noticing, passing, untaken, vacant
from reviews.triggers import facts, unusual, uses
from reviews.triggers import opening as micro_reviews_of

# Shorter than any beat that calls them again; what is left is found by the next one.
LONGEST = 50.0


def _until_done(step: Callable[[], bool]) -> int:
    """Repeat a step until it finds nothing, or time is up; how often it did something."""
    ends = time.monotonic() + LONGEST
    done = 0
    while time.monotonic() < ends and step():
        done += 1
    return done


@shared_task(name="reviews.tasks.open_from_findings")  # type: ignore[untyped-decorator]  # celery ships no types
def open_from_findings() -> int:
    """Findings without a case, the serious ones first, and those of a case that evidence has taken
    back."""
    opened = _until_done(lambda: facts.find_of(SERIOUS, now=timezone.now()))
    opened += _until_done(lambda: micro_reviews_of.open_next(now=timezone.now()))
    opened += _until_done(lambda: actions.open_from_findings_next(now=timezone.now()))
    return opened + _until_done(lambda: actions.tell_withdrawn_next(now=timezone.now()))


@shared_task(name="reviews.tasks.hold_automatically")  # type: ignore[untyped-decorator]  # celery ships no types
def hold_automatically() -> int:
    """Findings that hold by themselves under a signed rule, and what became of what they held."""
    done = _until_done(lambda: holding.hold_next(now=timezone.now()))
    done += _until_done(lambda: settling.tell_next(now=timezone.now()))
    done += _until_done(lambda: settling.follow_next(now=timezone.now()))
    return done + _until_done(lambda: incidents.look_back_next(now=timezone.now()))


@shared_task(name="reviews.tasks.micro_reviews")  # type: ignore[untyped-decorator]  # celery ships no types
def micro_reviews() -> int:
    """Tools and calls that nobody has looked at, and the small reviews that are to be opened."""
    done = _until_done(lambda: uses.look_next(now=timezone.now()))
    return done + _until_done(lambda: micro_reviews_of.open_next(now=timezone.now()))


@shared_task(name="reviews.tasks.find_triggers")  # type: ignore[untyped-decorator]  # celery ships no types
def find_triggers() -> int:
    """What changed in rows since the last review: scope, owners, silences, ends."""
    done = _until_done(lambda: facts.find_next(now=timezone.now()))
    return done + _until_done(lambda: micro_reviews_of.open_next(now=timezone.now()))


@shared_task(name="reviews.tasks.find_unusual")  # type: ignore[untyped-decorator]  # celery ships no types
def find_unusual() -> int:
    """What is unusual for an identity itself, compared with the days before."""
    done = _until_done(lambda: unusual.find_next(now=timezone.now()))
    return done + _until_done(lambda: micro_reviews_of.open_next(now=timezone.now()))


@shared_task(name="reviews.tasks.open_due")  # type: ignore[untyped-decorator]  # celery ships no types
def open_due() -> int:
    """Reviews that are due by policy; how many steps it took to open them."""
    return _until_done(lambda: actions.open_due(now=timezone.now()) > 0)


@shared_task(name="reviews.tasks.carry_out")  # type: ignore[untyped-decorator]  # celery ships no types
def carry_out() -> int:
    """Decided cases, plans whose date has come, cases that can close; and the word of those that
    wait for a second look."""
    told = _until_done(lambda: actions.tell_provisional_next(now=timezone.now()))
    told += _until_done(lambda: letting_out.look_next(now=timezone.now()))
    return told + _until_done(lambda: actions.carry_out_next(now=timezone.now()))


@shared_task(name="reviews.tasks.campaigns")  # type: ignore[untyped-decorator]  # celery ships no types
def campaigns() -> int:
    """What campaigns wait for: steps over all their reviews, reviews that are to be opened, planted
    items that are to be disclosed, and counting how far they are."""
    done = _until_done(lambda: steps.next_part(now=timezone.now()))
    opened = done + _until_done(lambda: launching.launch_next(now=timezone.now()))
    opened += _until_done(lambda: planting.disclose_next(now=timezone.now()))
    return opened + _until_done(lambda: progress.count_next(now=timezone.now()))


@shared_task(name="reviews.tasks.modes")  # type: ignore[untyped-decorator]  # celery ships no types
def modes() -> int:
    """Identities in the scope of a rule that do not have its mode yet, and the reviews that were
    only proposed while they were observed."""
    moved = _until_done(lambda: mode_rules.apply_next(now=timezone.now()))
    return moved + _until_done(lambda: mode_rules.send_next(now=timezone.now()))


@shared_task(name="reviews.tasks.owners")  # type: ignore[untyped-decorator]  # celery ships no types
def owners() -> int:
    """Ends that are warned of, questions nobody answered, and what becomes of what people leave."""
    link_notices.tell(now=timezone.now())
    change_notices.tell(now=timezone.now())
    conflict_notices.tell(now=timezone.now())
    done = _until_done(lambda: noticing.notice_next(now=timezone.now()))
    done += _until_done(lambda: passing.pass_on_next(now=timezone.now()))
    done += _until_done(lambda: untaken.review_next(now=timezone.now()))
    done += _until_done(lambda: vacant.refill_next(now=timezone.now()))
    done += _until_done(lambda: untaken.open_next(now=timezone.now()))
    done += _until_done(lambda: offers.lapse_next(now=timezone.now()))
    return done + _until_done(lambda: expiring.expire_next(now=timezone.now()))


@shared_task(name="reviews.tasks.deadlines")  # type: ignore[untyped-decorator]  # celery ships no types
def deadlines() -> int:
    """Cases whose deadline has passed, the reminders before it, and tasks of incidents that are late."""
    _until_done(lambda: actions.remind_due(now=timezone.now()) > 0)
    _until_done(lambda: tasks_of_rooms.tell_late_next(now=timezone.now()))
    return _until_done(lambda: actions.deadlines_next(now=timezone.now()))


@shared_task(name="reviews.tasks.break_glass")  # type: ignore[untyped-decorator]  # celery ships no types
def break_glass() -> int:
    """Break-glass that nobody answered, that has ended, that is used, and that is to be practised."""
    done = _until_done(lambda: sweeping.due_next(now=timezone.now()))
    return done + sweeping.watch(now=timezone.now()) + sweeping.drills(now=timezone.now())


@shared_task(name="reviews.tasks.recoveries")  # type: ignore[untyped-decorator]  # celery ships no types
def recoveries() -> int:
    """Recoveries of logins whose delay is over."""
    return _until_done(lambda: recovering.carry_out_next(now=timezone.now()))


@shared_task(name="reviews.tasks.containment")  # type: ignore[untyped-decorator]  # celery ships no types
def containment() -> int:
    """Playbooks whose next step may begin, and what others' trackers do not know of cases yet."""
    done = _until_done(lambda: running.go_on_next(now=timezone.now()))
    return done + _until_done(lambda: tickets.write_next(now=timezone.now()))


@shared_task(name="reviews.tasks.tell_trackers")  # type: ignore[untyped-decorator]  # celery ships no types
def tell_trackers() -> int:
    """What trackers are told of cases."""
    return _until_done(lambda: tickets.send_next(now=timezone.now()))


@shared_task(name="reviews.tasks.ask_outside")  # type: ignore[untyped-decorator]  # celery ships no types
def ask_outside() -> int:
    """Who is on call, by each team's rota; and tickets whose tracker did not answer."""
    on_call.follow(now=timezone.now())
    done = _until_done(lambda: on_call.read_next(now=timezone.now()))
    return done + _until_done(lambda: owed_tickets.look_next(now=timezone.now()))


@shared_task(name="reviews.tasks.sealed")  # type: ignore[untyped-decorator]  # celery ships no types
def sealed() -> int:
    """What lies sealed for when this application is down, in use as evidence shows it."""
    done = _until_done(lambda: recognising.recognise_next(now=timezone.now()))
    return done + _until_done(lambda: recognising.overdue_next(now=timezone.now()))


@shared_task(name="reviews.tasks.alerts")  # type: ignore[untyped-decorator]  # celery ships no types
def alerts() -> int:
    """What other systems alert us of: matched, and opened as incidents where its source says so."""
    done = _until_done(lambda: alerts_in.read_next(now=timezone.now()))
    return done + _until_done(lambda: unmatched.try_next(now=timezone.now()))


@shared_task(name="reviews.tasks.beat")  # type: ignore[untyped-decorator]  # celery ships no types
def beat() -> int:
    """Countersign is at work: time in which this was not said counts as nobody's silence."""
    actions.beat(now=timezone.now())
    return 0


@shared_task(name="reviews.tasks.digests")  # type: ignore[untyped-decorator]  # celery ships no types
def digests() -> int:
    """The daily mail of those for whom something waits."""
    return _until_done(lambda: digest.write_next(now=timezone.now()))


@shared_task(name="reviews.tasks.send_notices")  # type: ignore[untyped-decorator]  # celery ships no types
def send_notices() -> int:
    """The outbox, where nobody else is at it."""
    with notices.turn() as mine:
        return _until_done(lambda: mine and notices.send_next(now=timezone.now()))


@shared_task(name="reviews.tasks.packs")  # type: ignore[untyped-decorator]  # celery ships no types
def packs() -> int:
    """Packs that are asked for; files of packs whose time is over."""
    done = _until_done(lambda: ordering.make_next(now=timezone.now()))
    return done + ordering.sweep(now=timezone.now())


@shared_task(name="reviews.tasks.count_shares")  # type: ignore[untyped-decorator]  # celery ships no types
def count_shares() -> None:
    """How aligned we are today, for the lines on the front page; the last count of a day stays."""
    shares.keep(now=timezone.now())
