"""Who may take the population out, and why not."""

from datetime import datetime

from identities.models import User
from identities.permissions import INACTIVE, groups

TAKERS = frozenset({"auditor", "administrator"})
WHO = "The population names everybody and everything: an auditor or an administrator takes it."


def why_not_population(user: User, *, now: datetime) -> str | None:  # noqa: ARG001 - one shape for all
    """Take the population as of a date, with its sample; it changes nothing but the ledger."""
    if not user.is_active:
        return INACTIVE
    return None if groups(user) & TAKERS else WHO
