"""What pages say of a credential whose issue nobody saw: with whom records name it, since when.

Owns the words "observed" of a credential; whose it is stands in its row (identities/keyholders.py).
"""

from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from identities.models import Credential, CredentialPrincipal


def with_times(rows: QuerySet[Credential]) -> QuerySet[Credential]:
    """The rows with who is named on them, and the first and last record that names both."""
    pair = CredentialPrincipal.objects.filter(
        credential_actor=OuterRef("actor_id"), principal_actor=OuterRef("seen_with_id")
    )
    return rows.select_related("actor", "issued_by", "seen_with").annotate(
        seen_first_at=Subquery(pair.values("first_at")),
        seen_last_at=Subquery(pair.values("last_at")),
    )


def of(one: Credential) -> dict[str, Any] | None:
    """Who uses it by what records say; None where no record does, or several principals do."""
    if one.seen_with is None:
        return None
    first: datetime | None = getattr(one, "seen_first_at", None)
    last: datetime | None = getattr(one, "seen_last_at", None)
    return {"by": one.seen_with.value, "first_at": first, "last_at": last}
