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


def keep_what_is_used(waiting: Sequence[Item], *, now: datetime) -> None:
    """What these delegations were used for since they were asked about stays, should silence
    narrow them: a case may be open for weeks. Nothing that was to stay is taken away. As many
    queries for many items as for one."""
    if not waiting:
        return
    of = {item.case.identity_id: item.case.identity for item in waiting if item.case.identity}
    proposed = proposing.propose(list(of.values()), now=now)
    made = {(one.kind, one.ref): one for found in proposed.values() for one in found}
    wider = []
    for item in waiting:
        new, left = made.get((item.kind, item.ref)), item.proposal.get("actions", [])
        more = [] if new is None else [one for one in new.proposal["actions"] if one not in left]
        if more:
            item.proposal = item.proposal | {"actions": [*left, *more]}
            unseen = [one for one in item.snapshot.get("unseen", []) if one not in more]
            item.snapshot = item.snapshot | {"unseen": unseen, "seen": len(left) + len(more)}
            wider.append(item)
    Item.objects.bulk_update(wider, ["proposal", "snapshot"])


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
