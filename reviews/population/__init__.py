"""The population as of a date: everything that is reviewed, complete by the ledger, with a sample.

    from reviews.population import take
    made = take(file, at=at, sample=25, seed="", by=user, now=now)

Auditors and administrators take it themselves, on the page or by command (docs/population.md).
"""

from reviews.population.taking import Made, take

__all__ = ["Made", "take"]
