"""A claim wave over 4,000 unowned identities in 350 services, with people who are not perfect.

Owns the target: 90 % have an owner with at most 400 human answers, for each seed. What counts as
an answer is one signature of one person, whatever it is about; owners are also held against the truth of the
simulation (tests/identities/claim_people.py), as an owner who is wrong is worse than none.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from identities.models import Identity
from tests.bench import database
from tests.bench.told import Said
from tests.identities import claim_people, claim_world

SEEDS = (1, 2, 3, 4, 5, 6)
SHARE, MOST_ANSWERS = 0.9, 400
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


def measure() -> Iterator[Said]:
    """One line for each seed: answers, days, and how many owners are wrong."""
    for seed in SEEDS:
        # Each company begins years after the one before; what that one left is retired.
        world = claim_world.build(seed=seed, now=NOW + seed * timedelta(days=1_000))
        database.as_owner("ANALYZE")
        spent = time.process_time()
        done = claim_people.run(world, share=SHARE)
        spent = time.process_time() - spent
        Identity.objects.filter(owner__isnull=True).update(state="retired")
        met = done.owned >= SHARE * done.things and done.answers <= MOST_ANSWERS
        yield Said(
            f"claims, seed {seed}: {done.owned:,} of {done.things:,} owned in {done.days} days",
            f"{done.answers} answers, {spent:.0f} s CPU",
            f"target {MOST_ANSWERS}; {done.wrong} wrong ({done.wrong / max(done.owned, 1):.1%})",
            met,
        )
