"""Which trace sources an absence concerns, and whose absence is looked at again.

Concerned is where an agent that used a credential was seen, and where somebody of the same name
sends, who may be they. Must not know how absence is judged (absence.py).
"""

from collections.abc import Collection
from datetime import timedelta

from evidence.keys import key_of
from evidence.models import Actor, Deposit, Source
from identities.models import CredentialAgent, CredentialWatch, Finding, FindingEvent

from . import found

NO_RUN = "no_run"
# What could not be read may have been so far from what came with it.
NEAR = timedelta(days=1)


def sources_of(uses: list[CredentialAgent]) -> set[int]:
    """The trace sources that may hold a run of these agents: where they were seen, and where
    somebody of the same name sends, who may be they."""
    seen = {use.source_id for use in uses}
    names = set().union(*_names({use.agent_actor for use in uses}).values())
    keys = {
        key_of(f"otel:{source}", kind, value): number
        for number, source in Source.objects.values_list("pk", "name")
        for kind, value in names
    }
    known = Actor.objects.filter(key__in=keys).values_list("key", flat=True)
    return seen | {keys[key] for key in known}


def _names(agents: Collection[int]) -> dict[int, set[tuple[str, str]]]:
    """What these agents are called: their own name, and the longer-lived one above it."""
    return {
        actor.pk: {(one.kind, one.value) for one in (actor, actor.parent) if one is not None}
        for actor in Actor.objects.filter(pk__in=agents).select_related("parent")
    }


def look_again(deposit: Deposit) -> int:
    """A deposit brought what could not be read: mark the credentials with calls near it that were
    found to have no run, which may be among that; how many. In as many queries, however many."""
    if not deposit.rejects:
        return 0
    near = FindingEvent.objects.filter(
        finding__rule=NO_RUN,
        finding__state__in=found.LIVE,
        at__lte=(deposit.last_at or deposit.received_at) + NEAR,
    )
    if deposit.first_at is not None:
        near = near.filter(at__gte=deposit.first_at - NEAR)
    alone = Finding.objects.filter(pk__in=near.values("finding"))
    uses = list(CredentialAgent.objects.filter(credential_actor__in=alone.values("actor_id")))
    names = _names({use.agent_actor for use in uses})
    keys = {
        key_of(f"otel:{deposit.source.name}", *name): name for name in set().union(*names.values())
    }
    here = {keys[key] for key in Actor.objects.filter(key__in=keys).values_list("key", flat=True)}
    concerned = {
        use.credential_actor
        for use in uses
        if use.source_id == deposit.source_id or here & names.get(use.agent_actor, set())
    }
    return CredentialWatch.objects.filter(pk__in=concerned, dirty=False).update(dirty=True)
