"""Decisions a second in this process, with 10,000 delegations over 2,000 grantees."""

import random
import statistics
import time
from datetime import UTC, datetime
from typing import NamedTuple

from identities import authority


class Decisions(NamedTuple):
    """A second, and milliseconds of one."""

    per_second: float
    p50: float
    p95: float


def measure(times: int = 10_000) -> Decisions:
    dice = random.Random(5)
    slices = [
        authority.compile_slice(
            f"NHI-{number}",
            [
                authority.Grant(
                    key=f"DLG-{number}-{part}",
                    version=1,
                    actions=("s3:GetObject", "s3:ListBucket"),
                    resources=(f"bucket-{part}/*",),
                    starts_at=datetime(2026, 1, 1, tzinfo=UTC),
                    ends_at=datetime(2027, 1, 1, tzinfo=UTC),
                )
                for part in range(5)
            ],
        )
        for number in range(2_000)
    ]
    now = datetime(2026, 11, 24, tzinfo=UTC)
    taken = []
    for _ in range(times):
        request = authority.Request(
            action="s3:GetObject", resource=f"bucket-{dice.randrange(8)}/a.json"
        )
        started = time.perf_counter()
        authority.judge(dice.choice(slices), request, now=now)
        taken.append(time.perf_counter() - started)
    taken.sort()
    return Decisions(
        times / sum(taken), statistics.median(taken) * 1000, taken[int(times * 0.95)] * 1000
    )
