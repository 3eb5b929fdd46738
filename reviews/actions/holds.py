"""The stricter of two answers, held reversibly while the seats differ (product.md, rule 2).

Owns the stop and its release for each kind of item. A stop that cannot be made says so on the
item, and to those above the case; it never loses the signature it belongs to.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Credential, DelegationVersion, Identity
from identities.permissions import NotAllowed, NotPossible
from reviews.models import Case, Item

from . import entitled, grants, reminders, stages
from .asked import Asked

# What is decided for good, or held instead, takes over from the hold of these (kind of item, it).
STAYS = frozenset(
    {
        ("credential", "revoke"),
        ("entitlement", "narrow"),
        ("entitlement", "revoke"),
        ("identity", "revoke"),
    }
)
# Of an item: which versions of a delegation were true before it was stopped.
STOPPED = "stopped"
# Where nothing could be stopped reversibly, and why.
NOTHING = {"use": "nothing can be held: whoever builds the agent has to take it out"}


def hold(
    case: Case, item: Item, stricter: str, left: Mapping[str, Any] | None, *, now: datetime
) -> str:
    """Stop what the stricter answer would end; the sentence of what happened. `left`: of a
    delegation that is narrowed, what still works."""
    if item.kind == "credential" and stricter == "revoke":
        return hold_keys([(case, item)], now=now)[0]
    if item.kind == "delegation" and stricter in ("revoke", "narrow"):
        return f"{leave(item, left, now=now)} until it is settled"
    if item.kind == "identity" and stricter == "revoke":
        return _suspend(case, item, now=now)
    if item.kind == "entitlement" and stricter in ("revoke", "narrow"):
        return _hold_allowed(case, item, stricter, now=now)
    if item.kind in NOTHING and stricter in ("revoke", "narrow"):
        return _nothing(case, item, NOTHING[item.kind], now=now)
    return ""


def _why(case: Case) -> str:
    if stages.withholds(case):
        # What a blind stage may read of it.
        return f"{case.key}: it is held until all stages have answered"
    return f"{case.key}: the seats differ, the stricter answer is held until it is settled"


def release(case: Case, item: Item, *, now: datetime) -> str:
    """Undo what `hold` did; the sentence of what happened."""
    if STOPPED in item.snapshot:
        return _let_go(item, now=now)
    if entitled.ALLOWED in item.snapshot:
        return entitled.let_go(case, item, item.snapshot.pop(entitled.ALLOWED), now=now)
    if "suspended" in item.snapshot and case.identity is not None:
        return _resume(case, case.identity, item.snapshot.pop("suspended"), now=now)
    if item.snapshot.pop("held", False) and item.ref is not None and case.identity is not None:
        return release_credential(case, case.identity, item, now=now)
    return ""


def carried_out(item: Item, *, now: datetime) -> None:
    """What is decided of a delegation goes on from what was true before it was stopped."""
    if STOPPED in item.snapshot:
        _let_go(item, now=now)
        item.save(update_fields=["snapshot"])


def stopped(item: Item, *, now: datetime) -> DelegationVersion | None:
    """What was true of a delegation before it was stopped, unless it has ended since."""
    versions = item.snapshot.get(STOPPED)
    # A hold from before children were held with their parent names one version only.
    number = versions.get(str(item.ref)) if isinstance(versions, dict) else versions
    row = DelegationVersion.objects.filter(delegation=item.ref, version=number or 0).first()
    over = row is not None and row.during.upper is not None and row.during.upper <= now
    return None if over else row


def _let_go(item: Item, *, now: datetime) -> str:
    delegation, stopped = grants.locked(item.ref), item.snapshot.pop(STOPPED)
    # A hold from before children were held with their parent names one version only.
    stopped = {str(delegation.pk): stopped} if isinstance(stopped, int) else stopped
    grants.let_go(stopped, by=COUNTERSIGN.ref, now=now)
    return f"{delegation.key} is as it was"


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


def hold_keys(those: Sequence[tuple[Case, Item]], *, now: datetime) -> list[str]:
    """Hold the credentials of these items, in as many statements as of one; what happened of each."""
    refs = [item.ref for _, item in those if item.ref is not None]
    known = Credential.objects.select_related("actor").in_bulk(refs)
    said: list[str] = []
    asks: dict[int, revocations.Ask] = {}
    for place, (case, item) in enumerate(those):
        key = None if item.ref is None else known.get(item.ref)
        if key is None:
            raise NotPossible("This item names no credential.")
        said.append(f"{key.short} is {key.state} already")
        if key.state == "active" and case.identity is not None:
            asks[place] = revocations.Ask(
                case.identity, "hold", _why(case), key, case.pk, case.key, urgent=True
            )
    made = revocations.request_all(list(asks.values()), by=COUNTERSIGN, now=now) if asks else ()
    for place, did in zip(asks, made, strict=True):
        if isinstance(did.refused, NotAllowed):
            raise did.refused
        if did.refused is not None:
            said[place] = f"could not be held: {did.refused}"
            continue
        those[place][1].snapshot["held"] = True
        said[place] = f"{did.rows[0].key} requested: {did.rows[0].words}{did.with_it()}"
    return said


def leave(item: Item, left: Mapping[str, Any] | None, *, now: datetime) -> str:
    """Stop a delegation but for what is left of it; the beginning of the sentence of it."""
    delegation = grants.locked(item.ref)
    current = grants.in_force(delegation, now=now)
    if current is None:
        return f"{delegation.key} is not in force"
    item.snapshot[STOPPED] = grants.stop(current, left, by=COUNTERSIGN.ref, now=now)
    more = len(item.snapshot[STOPPED]) - 1
    with_it = f", with {more} passed on from it," if more else ""
    return f"{delegation.key} is {'narrowed' if left else 'stopped'}{with_it}"


def leaves(item: Item, left: Mapping[str, Any], *, now: datetime) -> bool:
    """Whether a delegation that is stopped says just that now."""
    row = grants.in_force(grants.locked(item.ref), now=now)
    return row is None or (row.actions, row.resources) == (left["actions"], left["resources"])


def _suspend(case: Case, item: Item, *, now: datetime) -> str:
    """Nothing of the identity works, at our door and, by holding its keys, at the target."""
    identity = case.identity
    if identity is None:
        return "the case names no identity"
    if identity.state == "suspended":
        return f"{identity.name} is suspended already"
    try:
        said = revocations.suspend_with_keys(
            identity=identity,
            by=COUNTERSIGN,
            now=now,
            because=_why(case),
            case=case.pk,
            case_key=case.key,
        )
    except (NotPossible, NotAllowed) as problem:
        return f"could not be held: {problem}"
    item.snapshot["suspended"] = now.isoformat()
    did = "held, as a draft is" if identity.state == "draft" else "suspended"
    return f"{identity.name} is {did}" + (f"; {said}" if said else "")


def _resume(case: Case, identity: Identity, since: str, *, now: datetime) -> str:
    """As before: the identity, and the keys that were held with it then."""
    ask = revocations.Ask(
        identity, "resume", f"{case.key} is settled otherwise", case=case.pk, case_key=case.key
    )
    began = {identity.pk: datetime.fromisoformat(since)}
    (said,) = revocations.resume_all_with_keys([ask], began, by=COUNTERSIGN, now=now)
    return said if isinstance(said, str) else f"could not be resumed: {said}"


def _hold_allowed(case: Case, item: Item, stricter: str, *, now: datetime) -> str:
    """Its system denies what the stricter answer takes away, for now."""
    try:
        with transaction.atomic():
            held, said = entitled.hold(case, item, stricter, _why(case), now=now)
    except (NotPossible, NotAllowed) as problem:
        return _nothing(
            case, item, f"it could not be held: {str(problem).removesuffix('.')}", now=now
        )
    # The other answer that was held until now comes off after it.
    before = item.snapshot.get(entitled.ALLOWED)
    item.snapshot[entitled.ALLOWED] = held
    if before is not None:
        entitled.let_go(case, item, before, now=now)
    return said


def _nothing(case: Case, item: Item, why: str, *, now: datetime) -> str:
    """It goes on meanwhile, so those above hear of it at once, not at the deadline."""
    reminders.tell(
        case,
        Asked([case], now=now).unasked(case),
        occasion=f"nothing holds {item.pk} {now.isoformat()}",
        subject="the seats differ, and nothing is held meanwhile",
        body=f"The seats differ on {item.title}, and {why}. It goes on until it is settled.",
        now=now,
    )
    return why
