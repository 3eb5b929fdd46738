"""Whether what is stated to be done by hand takes two persons: as many as its case takes.

Owns that one rule. The statement itself is identities/actions/revocations/stating.py.
"""

from identities.models import Revocation
from reviews.models import Seat


def two_needed(row: Revocation) -> bool:
    """Two where the case of the revocation has more than one seat; without a case, where the
    identity belongs to an AI system, because joint means joint."""
    seats = 0
    if row.case is not None:
        seats = Seat.objects.filter(case=row.case).values("kind", "service").distinct().count()
    if seats:
        return seats > 1
    return row.identity.service is not None and row.identity.service.ai_system
