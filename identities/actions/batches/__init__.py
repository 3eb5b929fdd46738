"""One signature on many targets: what comes from one identity, or what is named one by one.

Owns Batch rows: what was asked for, once for each key, and what became of each target. What a
cascade consists of is `tree`, who else uses it `sharing`, what names stand for `naming`; asking and
the rows are `signing`, the list of them is `listing`. The revocations themselves are revocations'.
"""

from .listing import Far, far, seen_by
from .naming import MOST
from .signing import (
    Planned,
    cascade,
    named,
    plan_cascade,
    plan_named,
    results,
    why_not_ask_many,
)

__all__ = [
    "MOST",
    "Far",
    "Planned",
    "cascade",
    "far",
    "named",
    "plan_cascade",
    "plan_named",
    "results",
    "seen_by",
    "why_not_ask_many",
]
