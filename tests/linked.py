"""Account links as people confirm them, and all at once for tests of links without any claim."""

from collections import Counter
from datetime import datetime

from django.utils import timezone

from config import pipeline
from evidence.models import Actor
from identities.acting import COMMAND
from identities.actions import bindings
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


def link_agents(*, shared: bool = False, source: str = "") -> None:
    """Confirm what is proposed of agents; but where several were seen with one account that stays
    a question, unless `shared`. `source`: those that this trace source names, no others."""
    now = timezone.now()
    pipeline.drain(now)
    bindings.propose_from_links(now=now)
    rows = Binding.objects.filter(state="proposed", superseded_at__isnull=True)
    proposed = list(rows.filter(actor__realm=f"otel:{source}") if source else rows)
    many = Counter(row.identity_id for row in proposed)
    for row in proposed:
        if shared or many[row.identity_id] == 1:
            bindings.confirm(binding=row, by=COMMAND, now=now)
    pipeline.drain(now)
