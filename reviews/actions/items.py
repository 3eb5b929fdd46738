"""The items of a review: made once for what there is to decide, and looked at again.

Owns which items a case has; what there is to decide, and what stands beside it, is proposing.py.
One case is a batch of one: the number of queries is that of a batch, whatever its size.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from identities.models import Finding, Identity
from reviews.models import Case, Item, Trigger
from reviews.shown import LIVE

from . import advising, proposing

# What a micro-review asks about such things is made of its triggers, not of rows.
OF_TRIGGERS = ("use", "identity")


def build(case: Case, identity: Identity, *, now: datetime) -> list[Item]:
    """Make the items that the case does not have yet; those made now."""
    return build_all([(case, identity)], now=now)


def build_all(cases: Sequence[tuple[Case, Identity]], *, now: datetime) -> list[Item]:
    """Make the items that each of these cases does not have yet; as many queries as for one."""
    known: dict[UUID, list[tuple[str, object]]] = {}
    for case_id, kind, ref, proposal in Item.objects.filter(
        case__in=[case.pk for case, _ in cases]
    ).values_list("case", "kind", "ref", "proposal"):
        known.setdefault(case_id, []).append(_same(kind, ref, proposal))
    identities = [identity for _, identity in cases]
    proposed = advising.complete(proposing.propose(identities, now=now), identities, now=now)
    made = []
    for case, identity in cases:
        rows = known.get(case.pk, [])
        there, place = set(rows), len(rows)
        for item in proposed.get(identity.pk, ()):
            if _same(item.kind, item.ref, item.proposal) in there:
                continue
            item.case, item.position = case, place
            place += 1
            made.append(item)
    return Item.objects.bulk_create(made)


def _same(kind: str, ref: UUID | None, proposal: dict[str, Any]) -> tuple[str, object]:
    """What makes two items of a case the same one."""
    return kind, proposal.get("binding") if kind == "binding" else ref


def look_again(case: Case, identity: Identity, *, now: datetime) -> None:
    """What stands beside the items that wait for answers, from evidence as it is known now."""
    waiting = {(item.kind, item.ref): item for item in case.items.filter(outcome="")}
    proposed = advising.complete(proposing.propose([identity], now=now), [identity], now=now)
    for made in proposed.get(identity.pk, ()):
        item = None if made.ref is None else waiting.get((made.kind, made.ref))
        if item is None or (case.trigger and item.kind in OF_TRIGGERS):
            continue
        item.snapshot, item.recommendation = made.snapshot, made.recommendation
        item.recommendation_reason = made.recommendation_reason
        item.save(update_fields=["snapshot", "recommendation", "recommendation_reason"])
    for pk, keys in _named(case).items():
        for item in (waiting.get((kind, pk)) for kind in OF_TRIGGERS):
            if item is not None:
                item.snapshot = item.snapshot | {"findings": keys}
                item.save(update_fields=["snapshot"])


def _named(case: Case) -> dict[UUID, list[str]]:
    """By thing, the keys of the findings that its triggers name and that stand."""
    named = list(
        Trigger.objects.filter(case=case, facts__has_key="finding").values_list(
            "about", "facts__finding"
        )
    )
    stand = Finding.objects.filter(pk__in=[pk for _, pk in named], state__in=LIVE)
    keys = {str(one.pk): one.key for one in stand.order_by("number")}
    found: dict[UUID, list[str]] = {}
    for about, pk in named:
        found.setdefault(about, [])
        if pk in keys:
            found[about].append(keys[pk])
    return found
