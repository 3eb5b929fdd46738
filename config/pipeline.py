"""Everything that follows evidence, one after the other in this process, until nothing is left.

What the worker does by nudge and schedule, for commands, the demo and tests that wait for it.
Knows names of consumers only; each is a function `now -> did something`.
"""

from collections.abc import Callable
from datetime import datetime

from evidence import bulk, ledger, links


def consumers() -> list[Callable[[datetime], bool | int]]:
    """In the order of the road. Imported late: settings must be there first."""
    from identities import judging
    from identities.actions import bindings, following, grants, revocations
    from reviews import actions
    from reviews.actions import modes
    from reviews.automatic import holding, incidents, settling
    from reviews.campaigns import launching, steps
    from reviews.incidents import running
    from reviews.micro_reviews import SERIOUS
    from reviews.sealed import recognising
    from reviews.triggers import facts, opening, uses

    return [
        lambda now: bulk.link_many(now=now) or links.link_next(now=now),
        lambda now: following.follow_next(now=now),
        lambda now: recognising.recognise_next(now=now),
        lambda now: judging.judge_next(now=now),
        lambda now: judging.judge_credentials(now=now) > 0,
        lambda now: bindings.propose_from_links(now=now) > 0,
        lambda now: modes.apply_next(now=now) or modes.send_next(now=now),
        lambda now: holding.hold_next(now=now) or settling.tell_next(now=now),
        lambda now: facts.find_of(SERIOUS, now=now),
        lambda now: uses.look_next(now=now),
        lambda now: opening.open_next(now=now),
        lambda now: actions.open_from_findings_next(now=now),
        lambda now: steps.next_part(now=now),
        lambda now: launching.launch_next(now=now),
        lambda now: actions.tell_withdrawn_next(now=now),
        lambda now: actions.tell_provisional_next(now=now),
        lambda now: actions.carry_out_next(now=now),
        lambda now: settling.follow_next(now=now) or incidents.look_back_next(now=now),
        lambda now: revocations.enforce_next(now=now),
        lambda now: running.go_on_next(now=now),
        lambda now: grants.grant_next(now=now),
    ]


def drain(now: datetime, *, most: int = 1_000_000) -> int:
    """Run every consumer until none finds anything; how many steps that took."""
    steps = 0
    while True:
        before = steps
        for consumer in consumers():
            while steps - before < most and consumer(now):
                steps += 1
        if steps == before:
            ledger.seal(now=now)
            return steps
