"""Many deposits that wait are linked together: read through once, by several hands.

Owns which deposits go together, and the three steps in which their hands work side by side; each
step is committed before the next begins. The statements are those of one deposit
(evidence/links.py), so what is found is the same. A job that is killed has written links that hold
and that the next writes no second time; its deposits wait on until their lease is over.

1. What events say by themselves, cut by the hours of API events, and what names say.
2. Runs and the tool calls above what is linked, by trace, alone with the runs of these sources.
3. What rests on such links: by issuance and, cut by hours, by inference, alone with those.

The locks of 2 and 3 are held by the caller's own transaction, which nobody waits for who holds
what the hands want: in 1 it holds nothing.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate
from threading import Barrier
from typing import Any

import orjson
from django.db import connection, transaction

from evidence import (
    acquaintances,
    clocks,
    consumers,
    inferred,
    key_links,
    links,
    nudge,
    runs,
    slices,
    touched,
)
from evidence.models import Deposit, Progress

log = logging.getLogger(__name__)

# Fewer rows are linked deposit by deposit; more are left for the next job.
LEAST_ROWS, MOST_ROWS = 20_000, 500_000
# So many deposits are looked at, none that covers longer, and none that lies further off.
MOST_DEPOSITS, LONGEST, APART = 1_000, timedelta(days=31), timedelta(days=1)
# Where their time holds more of what is linked already, that is not read through again.
MOST_OLD_ROWS = 3
# For hashes of half a million rows; and the hands are many enough.
SETTINGS = ("work_mem = '64MB'", "max_parallel_workers_per_gather = 0")
# Work is cut into such parts of what is a hand's; the last are small, and no hand waits long for the
# other: an hour of many calls by known requests costs more than its number of events, and of two
# cores one may be the slower.
PARTS = (1 / 2, 1 / 3, 1 / 6)
# Hands do not wait for the disk: the caller's own commit, which marks the deposits done, does, and
# theirs lie before it in the same log. What a crash takes before that is found again.
OF_HANDS = (*SETTINGS, "synchronous_commit = off")

# Those that were tried already go alone, so that one that fails holds up no others.
WAITING = """
SELECT p.id, d.id, d.first_at, d.last_at, d.events
FROM evidence_progress p JOIN evidence_deposit d ON d.id = p.deposit_id
WHERE p.consumer = %s AND p.done_at IS NULL AND p.leased_until IS NULL AND p.attempts = 0
  AND d.first_at IS NOT NULL AND d.last_at IS NOT NULL
ORDER BY p.turn, d.id LIMIT %s
"""
CLAIM = """
UPDATE evidence_progress SET leased_until = %(until)s, attempts = 1 WHERE id IN (
    SELECT id FROM evidence_progress
    WHERE id = ANY(%(rows)s) AND done_at IS NULL AND leased_until IS NULL AND attempts = 0
    ORDER BY id FOR UPDATE SKIP LOCKED)
RETURNING id
"""


def link_many(*, now: datetime, hands: int = 1) -> int:
    """Claim and link deposits that wait together; how many. 0 where too few wait.

    `hands`: how many connections work at once; with one it is the caller's own.
    """
    held = _claim(now)
    if not held:
        return 0
    mine = Progress.objects.filter(
        pk__in=held, attempts=1, leased_until=now + links.LEASE, done_at=None
    )
    deposits = list(
        Deposit.objects.filter(pk__in=mine.values("deposit_id"))
        .select_related("source")
        .order_by("pk")
    )
    try:
        with consumers.readings_stay():
            _link(
                deposits,
                lambda: mine.update(done_at=now, leased_until=None, **consumers.NOT_FAILED),
                now,
                hands,
            )
    except Exception:
        log.exception("%s deposits were not linked together; each is linked alone", len(deposits))
        mine.update(leased_until=None)
    return len(deposits)


def _claim(now: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [links.CONSUMER, MOST_DEPOSITS])
        together = _together(cursor.fetchall())
        rows = sum(events for _, _, _, _, events in together)
        if rows < LEAST_ROWS or _rows_around(cursor, together) > MOST_OLD_ROWS * rows:
            return []
        cursor.execute(CLAIM, {"rows": [row for row, *_ in together], "until": now + links.LEASE})
        return [row for (row,) in cursor.fetchall()]


type Waiting = tuple[int, int, datetime, datetime, int]


def _together(waiting: Sequence[Waiting]) -> list[Waiting]:
    """The first of these, and those whose time is near."""
    if not waiting or waiting[0][3] - waiting[0][2] > LONGEST:
        return []
    chosen, rows = [waiting[0]], waiting[0][4]
    _, _, first, last, _ = waiting[0]
    for one in sorted(waiting[1:], key=lambda one: one[2]):
        _, _, begins, ends, events = one
        near = begins <= last + APART and ends >= first - APART and ends - begins <= LONGEST
        if near and rows + events <= MOST_ROWS:
            chosen.append(one)
            rows, first, last = rows + events, min(first, begins), max(last, ends)
    return chosen


def _rows_around(cursor: Any, together: Sequence[Waiting]) -> int:
    """How many events there are in the time of these, as the database's planner has it."""
    cursor.execute(
        "EXPLAIN (FORMAT JSON) SELECT 1 FROM evidence_event WHERE at BETWEEN %s AND %s",
        [
            min(first for _, _, first, _, _ in together) - slices.DAY,
            max(last for _, _, _, last, _ in together) + slices.DAY,
        ],
    )
    (plan,) = cursor.fetchone()
    (told,) = orjson.loads(plan) if isinstance(plan, str) else plan
    return int(told["Plan"]["Plan Rows"])


def _link(
    deposits: Sequence[Deposit], finish: Callable[[], object], now: datetime, hands: int
) -> None:
    slice_ = slices.of(deposits, whole=True)
    if slice_ is None:
        finish()
        return
    links.make_room(deposits)
    edges = _edges(hands)
    with _hands(hands) as side_by_side:
        # The longest first: what is left for the last hand is short.
        _, new, _, *_ = side_by_side(
            [
                partial(acquaintances.learn, slice_=slice_),
                partial(touched.of_new_spans, slice_=slice_, edges=edges),
                partial(key_links.by_token, slice_=slice_, now=now),
                *(
                    partial(links.by_what_is_said, slice_=part, now=now)
                    for part in slice_.parts(slices.cuts(deposits, edges))
                ),
            ]
        )
        (grown,) = side_by_side(
            [partial(touched.with_new_calls, slice_=slice_, grown=new, edges=edges)]
        )
        with transaction.atomic(), connection.cursor() as cursor:
            links.prepare(cursor, *SETTINGS)
            runs.lock(cursor, grown)
            grew = side_by_side(
                [
                    partial(runs.grow, slice_=slice_, grown=one, now=now)
                    for one in sorted(grown, key=lambda one: one.share)
                ]
            )
            key_links.take_turn(cursor)
            traces = runs.issued(grew)
            near, *_ = side_by_side(
                [
                    partial(
                        acquaintances.learn_above,
                        slice_=slice_,
                        named=[one.named for one in grew],
                        doers={id_ for one in grew for id_ in one.doers},
                    ),
                    *(
                        partial(key_links.by_issuance, slice_=slice_, traces=which, now=now)
                        for which in ((None, traces) if traces else (None,))
                    ),
                ]
            )
            # By what is known of agents by now.
            (known,) = side_by_side([partial(inferred.again, slice_=slice_)])
            # Everything begins from tool calls there.
            told = [one for one in deposits if one.source.plane == "ai"]
            parts = slice_.parts(slices.cuts(told, [hand / hands for hand in range(1, hands)]))
            if near.hours or near.minutes or known.moved:
                # Their neighbours' days too, and runs that began before: not in the time that is
                # read through.
                parts.append(replace(slice_, deposits=(), whole=False))
            side_by_side(
                [
                    partial(inferred.infer, slice_=part, near=near, known=known, now=now)
                    for part in parts
                ]
            )
            # Only now: a job that is killed before infers these days anew.
            clocks.take(cursor, known.moved)
            finish()
            nudge.after_commit("evidence.linked")


def _edges(hands: int) -> list[float]:
    """Where the parts of all hands are cut, of 1; the largest come first."""
    *edges, _ = accumulate(part / hands for part in PARTS for _ in range(hands))
    return edges


type Work = Callable[[Any], Any]


@contextmanager
def _hands(many: int) -> Iterator[Callable[[Sequence[Work]], list[Any]]]:
    """What does works side by side, each in a transaction of its own, until all are done: what
    they gave, or the first problem."""
    if many == 1:
        yield _one_after_the_other
        return
    with ThreadPoolExecutor(many) as pool:
        try:
            yield partial(_at_once, pool)
        finally:
            # Each thread closes its own connection: none takes two of these.
            all_here = Barrier(many)
            for _ in range(many):
                pool.submit(_leave, all_here)


def _one_after_the_other(works: Sequence[Work]) -> list[Any]:
    return [_do(work) for work in works]


def _at_once(pool: ThreadPoolExecutor, works: Sequence[Work]) -> list[Any]:
    running = [pool.submit(_do, work) for work in works]
    wait(running)
    return [one.result() for one in running]


def _do(work: Work) -> Any:
    with transaction.atomic(), connection.cursor() as cursor:
        links.prepare(cursor, *OF_HANDS)
        return work(cursor)


def _leave(all_here: Barrier) -> None:
    all_here.wait()
    connection.close()
