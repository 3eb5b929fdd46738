"""The page of the population as of a date: what can be asked for, and who has taken it when.

Owns its words. The zip is reviews/population's.
"""

from datetime import datetime
from typing import Any

from evidence.models import LedgerEntry
from identities.models import User
from reviews.population.rights import why_not_population
from reviews.population.sampling import ALGORITHM, MOST
from reviews.population.tables import TABLES
from reviews.population.taking import SUBJECT

MOST_TAKEN = 20


def context(user: User, *, now: datetime) -> dict[str, Any]:
    """Everything templates/population.html shows (see its head for the names)."""
    taken = LedgerEntry.objects.filter(subject=SUBJECT, act="population.made").order_by("-pk")
    return {
        "section": "ledger",
        "title": "Population as of a date",
        "why_not": why_not_population(user, now=now) or "",
        "at": now,
        "most": MOST,
        "algorithm": ALGORITHM,
        "tables": [
            {"name": one.name, "proof": one.proof, "as_now": one.as_now.split()} for one in TABLES
        ],
        "taken": [
            {
                "at": one.at,
                "by": one.by_name,
                "of": one.data.get("at", ""),
                "rows": sum(rows for rows, _ in one.data.get("tables", {}).values()),
                "manifest": one.data.get("manifest", ""),
            }
            for one in taken[:MOST_TAKEN]
        ],
    }
