"""The stricter of two answers, held reversibly while the seats differ (product.md, rule 2).

Owns the stop and its release for each kind of item. A stop that cannot be made says so on the
item; it never loses the signature it belongs to.
"""

from datetime import datetime

from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Credential, Identity
from identities.permissions import NotPossible
from reviews.models import Case, Decision, Item

from . import grants


def hold(case: Case, item: Item, stricter: str, *, now: datetime) -> str:
    """Stop what the stricter answer would end; the sentence of what happened."""
    if item.kind == "credential" and stricter == "revoke":
        return _hold_credential(case, item, now=now)
    if item.kind == "delegation" and stricter in ("revoke", "narrow"):
        return _stop_delegation(item, stricter, now=now)
    return ""


def release(case: Case, item: Item, *, now: datetime) -> str:
    """Undo what `hold` did; the sentence of what happened."""
    if "stopped" in item.snapshot:
        delegation, stopped = grants.locked(item.ref), item.snapshot.pop("stopped")
        # A hold from before children were held with their parent names one version only.
        stopped = {str(delegation.pk): stopped} if isinstance(stopped, int) else stopped
        grants.let_go(stopped, by=COUNTERSIGN.ref, now=now)
        return f"{delegation.key} is as it was"
    if item.snapshot.pop("held", False) and item.ref is not None and case.identity is not None:
        return release_credential(case, case.identity, item, now=now)
    return ""


def release_credential(case: Case, identity: Identity, item: Item, *, now: datetime) -> str:
    """Make a held credential active again, because the case keeps it."""
    credential = credential_of(item)
    try:
        made = revocations.request(
            identity=identity,
            credential=credential,
            step="release",
            by=COUNTERSIGN,
            now=now,
            because=f"{case.key} keeps it",
            case=case.pk,
            case_key=case.key,
        )
    except NotPossible as problem:
        return f"could not be released: {problem}"
    return f"{made[0].key} requested: {made[0].words}"


def credential_of(item: Item) -> Credential:
    """The credential an item is about."""
    if item.ref is None:
        raise NotPossible("This item names no credential.")
    return Credential.objects.select_related("actor").get(pk=item.ref)


def _hold_credential(case: Case, item: Item, *, now: datetime) -> str:
    credential = credential_of(item)
    if credential.state != "active" or case.identity is None:
        return f"{credential.short} is {credential.state} already"
    try:
        made = revocations.request(
            identity=case.identity,
            credential=credential,
            step="hold",
            by=COUNTERSIGN,
            now=now,
            because=f"{case.key}: the seats differ, the stricter answer is held until it is settled",
            case=case.pk,
            case_key=case.key,
        )
    except NotPossible as problem:
        return f"could not be held: {problem}"
    item.snapshot["held"] = True
    return f"{made[0].key} requested: {made[0].words}"


def _stop_delegation(item: Item, stricter: str, *, now: datetime) -> str:
    delegation = grants.locked(item.ref)
    current = grants.in_force(delegation, now=now)
    if current is None:
        return f"{delegation.key} is not in force"
    left = None
    if stricter == "narrow":
        narrowing = (
            Decision.objects.filter(item=item, answer="narrow", superseded_at__isnull=True)
            .order_by("at")
            .first()
        )
        left = item.proposal if narrowing is None else narrowing.proposal
    item.snapshot["stopped"] = grants.stop(current, left, by=COUNTERSIGN.ref, now=now)
    more = len(item.snapshot["stopped"]) - 1
    with_it = f", with {more} passed on from it," if more else ""
    return f"{delegation.key} is {'narrowed' if left else 'stopped'}{with_it} until it is settled"
