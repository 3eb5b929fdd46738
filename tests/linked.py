"""Every actor as one identity's: for tests of links that no claim is to be left in."""

from datetime import datetime

from evidence.models import Actor
from identities.models import Binding, Identity


def link_everybody(now: datetime) -> None:
    """Link every actor that there is, and is not linked yet, to one identity."""
    everybody, _ = Identity.objects.get_or_create(
        name="everybody", defaults={"kind": "agent", "created_at": now}
    )
    linked = Binding.objects.filter(identity=everybody).values("actor")
    Binding.objects.bulk_create(
        Binding(
            identity=everybody,
            actor=actor,
            basis="declared",
            state="confirmed",
            shared=True,
            during=(None, None),
            recorded_at=now,
            by="test",
        )
        for actor in Actor.objects.exclude(pk__in=linked)
    )
