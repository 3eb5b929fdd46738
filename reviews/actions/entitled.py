"""What a system allows a principal: held for a while, let go, narrowed, as the seats decided.

Owns what is asked of the target for the items that are entitlements. A hold denies there what the
outcome takes away, for its own case, and comes off again whole (identities/enforcers).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from identities.acting import COUNTERSIGN, By
from identities.actions import revocations
from identities.actions.revocations import reach
from identities.enforcers import widening
from identities.enforcers.contract import Permission
from identities.models import DelegationVersion, Entitlement, Identity, Revocation
from identities.permissions import NotAllowed, NotPossible
from reviews.models import Case, Item, Quarantine

from .carried import Act, Came, Due, identity_of, in_words

HELD = "hold"  # in Quarantine.stopped: the key of the hold at the target
FOR = "outcome"  # and what it was held for
ALLOWED = "allowed_held"  # in Item.snapshot: the same while the seats differ (holds.py)


def hold(
    case: Case, item: Item, outcome: str, because: str, *, now: datetime
) -> tuple[dict[str, str], str]:
    """Deny for now what this outcome takes away: what is to be known to let it go, in words."""
    identity, entitlement = _both(case, item)
    made = revocations.request(
        identity=identity,
        step="hold",
        by=COUNTERSIGN,
        now=now,
        because=because,
        case=case.pk,
        case_key=case.key,
        entitlement=entitlement,
        permissions_left=_left(identity, outcome, _delegated([identity.pk], now=now)),
    )
    return {HELD: made[0].key, FOR: outcome}, f"{made[0].key} requested: {made[0].words}"


def hold_all(
    those: Sequence[Due], because: Sequence[str], *, now: datetime
) -> list[revocations.Made]:
    """The same of many, each with its reason; what is refused is said in its row."""
    known = Entitlement.objects.in_bulk([one.item.ref for one in those if one.item.ref])
    narrowed = [one.case.identity_id for one in those if one.item.outcome == "narrow"]
    delegated = _delegated([pk for pk in narrowed if pk is not None], now=now)
    found: dict[int, revocations.Made] = {}
    asks: dict[int, revocations.Ask] = {}
    for place, ((case, item, _), why) in enumerate(zip(those, because, strict=True)):
        try:
            identity, entitlement = _these(case, known.get(item.ref) if item.ref else None)
            asks[place] = revocations.Ask(
                identity,
                "hold",
                why,
                case=case.pk,
                case_key=case.key,
                entitlement=entitlement,
                permissions_left=_left(identity, item.outcome, delegated),
                urgent=True,
            )
        except NotPossible as refused:
            found[place] = revocations.Made([], refused)
    made = revocations.request_all(list(asks.values()), by=COUNTERSIGN, now=now) if asks else ()
    found |= dict(zip(asks, made, strict=True))
    return [found[place] for place in range(len(those))]


def let_go(case: Case, item: Item, stopped: dict[str, Any], *, now: datetime) -> str:
    """What it could do before, it may do again; the target refuses where that has grown since."""
    identity, entitlement = _both(case, item)
    made = revocations.request(
        identity=identity,
        step="release",
        by=COUNTERSIGN,
        now=now,
        because=f"{case.key} lets it go on",
        case=case.pk,
        case_key=case.key,
        entitlement=entitlement,
        held_by=str(stopped[HELD]),
    )
    return f"{made[0].key} requested: {made[0].words}"


def _end(those: Sequence[Due], *, by: By, now: datetime) -> list[Came]:
    """Narrowed to what is left, for good; what held it until now comes off after that."""
    known = Entitlement.objects.in_bulk([one.item.ref for one in those if one.item.ref])
    rows = Quarantine.objects.filter(
        item__in=[one.item.pk for one in those], stopped__has_key=HELD
    ).order_by("since", "pk")
    stopped = {row.item_id: row.stopped for row in rows}
    narrowed = [one.case.identity_id for one in those if one.does == "narrow"]
    delegated = _delegated([pk for pk in narrowed if pk is not None], now=now)
    found: list[Came] = []
    asks: dict[int, revocations.Ask] = {}
    for place, (case, item, does) in enumerate(those):
        held = item.snapshot.get(ALLOWED) or stopped.get(item.pk, {})
        try:
            identity, entitlement = _these(case, known.get(item.ref) if item.ref else None)
            asks[place] = revocations.Ask(
                identity,
                "narrow",
                f"decided in {case.key}",
                case=case.pk,
                case_key=case.key,
                entitlement=entitlement,
                permissions_left=_left(identity, does, delegated),
                held_by=str(held.get(HELD, "")),
            )
            found.append("")
        except NotPossible as refused:
            found.append(refused)
    made = revocations.request_all(list(asks.values()), by=by, now=now) if asks else ()
    for place, one in zip(asks, made, strict=True):
        found[place] = one.refused or in_words(one.rows)
    return found


def follow(those: Sequence[Due], *, by: By, now: datetime) -> dict[UUID, str]:
    """What was granted has come into force: where a target was narrowed to what was delegated, it is
    narrowed to what is delegated now, so that the grant can be used there. By item, in words.

    What begins later is not let in before; a later narrowing does.
    """
    of = {one.case.identity.pk: one.case.identity for one in those if one.case.identity}
    narrowed: dict[tuple[UUID, object, object], Revocation] = {}
    for row in Revocation.objects.filter(
        identity__in=of, step="narrow", entitlement__isnull=False
    ).exclude(state__in=["failed", "undone"]).order_by("number"):  # fmt: skip
        narrowed[row.identity_id, row.target.get("kind"), row.target.get("name")] = row
    if not narrowed:
        return {}
    known = Entitlement.objects.in_bulk([row.entitlement for row in narrowed.values()])
    delegated = _delegated(list(of), now=now)
    asks: list[tuple[UUID, revocations.Ask]] = []
    for one in {one.case.identity_id: one for one in those}.values():
        for (pk, *_), row in narrowed.items():
            if pk != one.case.identity_id or row.entitlement not in known or not delegated.get(pk):
                continue
            ask = revocations.Ask(
                of[pk],
                "narrow",
                f"granted in {one.case.key}",
                case=one.case.pk,
                case_key=one.case.key,
                entitlement=known[row.entitlement],
                permissions_left=delegated[pk],
            )
            asks.append((one.item.pk, ask))
    made = revocations.request_all([ask for _, ask in asks], by=by, now=now) if asks else ()
    said: dict[UUID, list[str]] = {}
    for (item, _), done in zip(asks, made, strict=True):
        words = f"there it stays narrowed: {done.refused}" if done.refused else in_words(done.rows)
        said.setdefault(item, []).append(words)
    return {item: "; ".join(words) for item, words in said.items()}


def _keep_all(those: Sequence[Due], *, by: By, now: datetime) -> list[Came]:
    """It goes on; only where the target has refused to let something go there is more to do."""
    pks = {one.case.identity_id for one in those}
    rows = Revocation.objects.filter(
        identity__in=pks, step="release", state="failed", entitlement__isnull=False
    )
    refused = set(rows.values_list("identity", flat=True))
    found: list[Came] = []
    for case, item, _ in those:
        if case.identity_id not in refused:
            found.append("nothing changes")
            continue
        try:
            with transaction.atomic():
                found.append(_keep(case, item, by=by, now=now))
        except (NotPossible, NotAllowed) as problem:
            found.append(problem)
    return found


def _keep(case: Case, item: Item, *, by: By, now: datetime) -> str:
    """It goes on. What the target still holds, because it allows more since, is let go with what
    was signed here."""
    if item.ref is None or case.identity is None:
        return "nothing changes"
    entitlement = Entitlement.objects.filter(pk=item.ref).first()
    if entitlement is None or entitlement.system not in reach.REGISTRY:
        return "nothing changes"
    same = Entitlement.objects.filter(identity=case.identity, system=entitlement.system)
    refused = Revocation.objects.filter(
        identity=case.identity,
        step="release",
        state="failed",
        entitlement__in=same.filter(principal=entitlement.principal).values("pk"),
    )
    said = []
    for row in refused.order_by("number"):
        made = revocations.request(
            identity=case.identity,
            step="release",
            by=by,
            now=now,
            because=f"{case.key} keeps it",
            case=case.pk,
            case_key=case.key,
            entitlement=entitlement,
            held_by=str(row.target["extra"][HELD]),
            allowed=widening.allowed(entitlement.possible),
        )
        said += [f"{one.key} requested: {one.words}" for one in made]
    return ", ".join(said) or "nothing changes"


def _both(case: Case, item: Item) -> tuple[Identity, Entitlement]:
    found = None if item.ref is None else Entitlement.objects.filter(pk=item.ref).first()
    return _these(case, found)


def _these(case: Case, entitlement: Entitlement | None) -> tuple[Identity, Entitlement]:
    identity = identity_of(case)
    if entitlement is None:
        raise NotPossible("This item names nothing that a system allows.")
    return identity, entitlement


def _delegated(identities: Sequence[UUID], *, now: datetime) -> dict[UUID, list[Permission]]:
    """What is delegated to each of these identities now."""
    found: dict[UUID, list[Permission]] = {}
    rows = DelegationVersion.objects.filter(
        delegation__grantee__in=identities,
        superseded_at__isnull=True,
        state="in_force",
        revoked_at__isnull=True,
        during__contains=now,
    ).order_by("delegation__number", "version")
    for pk, actions, resources in rows.values_list("delegation__grantee", "actions", "resources"):
        found.setdefault(pk, []).append(Permission(tuple(actions), tuple(resources)))
    return found


def _left(
    identity: Identity, outcome: str, delegated: Mapping[UUID, list[Permission]]
) -> list[Permission]:
    """Narrowed, it comes down to what is delegated. Revoked, nothing is left, and a later narrowing
    can replace that."""
    if outcome == "revoke":
        return []
    left = delegated.get(identity.pk, [])
    if not left:
        raise NotPossible(
            f"Nothing is delegated to {identity.name}: narrowing would leave nothing. Revoke it,"
            " or sign a delegation first."
        )
    return left


# (kind of item, outcome) -> what is done.
ACTS: dict[tuple[str, str], Act] = {
    ("entitlement", "keep"): _keep_all,
    ("entitlement", "narrow"): _end,
    ("entitlement", "revoke"): _end,
}
