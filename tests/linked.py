"""Account links as people confirm them, and all at once for tests of links without any claim."""

from collections import Counter
from datetime import datetime

from django.utils import timezone

from config import pipeline
from evidence.models import Actor
from identities.acting import COMMAND
from identities.actions import bindings
from identities.actions.bindings import linking
from identities.actions.bindings.links import Link
from identities.models import Binding, Identity, LinkProposal, User


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


def link_by_two(
    link: Link, *, by: User, second: User, now: datetime, reason: str = "", was: str = ""
) -> Binding:
    """A link that one person proposes and a second one signs."""
    made = linking.one(link, by=by, now=now, reason=reason, was=was)
    assert isinstance(made, list)
    rows = LinkProposal.objects.select_related("identity", "other", "actor")
    signed = linking.sign(row=rows.get(pk=made[0].pk), by=second, now=now)
    assert isinstance(signed, Binding)
    return signed
