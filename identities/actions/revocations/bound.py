"""The names by which identities act: the actors that are confirmed to be them.

Owns that one look. Must not know any system.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from evidence.models import Actor
from identities.models import Binding


def bound_names(identities: Iterable[UUID], *, now: datetime) -> dict[UUID, list[Actor]]:
    """The actors that are confirmed to be each of these identities now."""
    found: dict[UUID, list[Actor]] = {pk: [] for pk in identities}
    rows = (
        Binding.objects.filter(
            identity__in=found,
            state="confirmed",
            superseded_at__isnull=True,
            during__contains=now,
        )
        .select_related("actor__parent")
        .order_by("actor_id")
    )
    for row in rows:
        found[row.identity_id].append(row.actor)
    return found
