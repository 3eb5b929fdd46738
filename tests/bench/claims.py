"""A claim wave over 4,000 unowned identities in 350 services, with people who are not perfect.

Owns the target: 90 % have an owner with at most 400 human answers, for each seed, and at most 5 % of
the owners are wrong by the truth of the simulation, as a wrong owner is worse than none. An answer
is one signature of one person, whatever it is about: a yes with what is ticked out, a no, a
reviewer's word whom to ask, a reviewer's rule.

The company (tests/identities/claim_world.py) and its people (claim_people.py) are frozen: a change
of the product is measured with the people as they are. Of 60 teams one in ten never answers. The
others look at a question on 6 days of 10; of what is not theirs they notice 70 % (half, of more than
fifty), say no to 3 % of what is theirs and yes to 3 % of what is not, and of those who say no half
name somebody, who is right 8 times of 10. Half of those with several questions answer them on the
one page that shows them all; STRICT is the same with nobody doing so. The reviewer does two acts a
day about things that are nobody's and is wrong in one of twenty.

The seeds were not looked at while the product was changed; 1 to 6, 101 to 103, 201 and 211 were.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from identities.models import Identity
from tests.bench import database
from tests.bench.told import Said
from tests.identities import claim_people, claim_world

SEEDS = tuple(range(301, 321))
STRICT = SEEDS[:5]
SHARE, MOST_ANSWERS, MOST_WRONG = 0.9, 400, 0.05
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


def measure() -> Iterator[Said]:
    """One line for each seed: answers, days, and how many owners are wrong."""
    runs = [(seed, claim_people.ANSWERS_TOGETHER) for seed in SEEDS] + [
        (one, 0.0) for one in STRICT
    ]
    for number, (seed, together) in enumerate(runs, start=1):
        # Each company begins years after the one before; what that one left is retired.
        world = claim_world.build(seed=seed, now=NOW + number * timedelta(days=1_000))
        database.as_owner("ANALYZE")
        spent = time.process_time()
        done = claim_people.run(world, share=SHARE, together=together)
        spent = time.process_time() - spent
        Identity.objects.filter(owner__isnull=True).update(state="retired")
        wrong = done.wrong / max(done.owned, 1)
        met = done.owned >= SHARE * done.things and done.answers <= MOST_ANSWERS
        how = "" if together else ", one by one"
        yield Said(
            f"claims, seed {seed}{how}: {done.owned:,} of {done.things:,} owned in {done.days} days",
            f"{done.answers} answers, {spent:.0f} s CPU",
            f"target {MOST_ANSWERS}; {done.wrong} wrong ({wrong:.1%}), target {MOST_WRONG:.0%}",
            met and wrong <= MOST_WRONG,
        )
