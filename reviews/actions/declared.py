"""What the answers about uses, identities and release manifests do: sentences and changes.

Owns the acts of the item kinds that stand for no delegation, entitlement or credential. Each
gives the sentence of what happened; when they run is reviews/actions/carrying.py.
"""

from collections.abc import Callable
from datetime import datetime

from identities.acting import By
from identities.actions import revocations
from identities.models import Credential, Identity, Manifest, NewUse
from identities.permissions import NotPossible
from reviews.models import Case, Item

MOST_KEYS = 200


def _keep_use(case: Case, item: Item, *, by: By, now: datetime) -> str:  # noqa: ARG001 - one shape for all acts
    return "it may be used"


def _refuse_use(case: Case, item: Item, *, by: By, now: datetime) -> str:  # noqa: ARG001 - one shape for all acts
    return (
        "refused: whoever builds the agent has to take it out, Countersign cannot; used all the"
        " same, it is a finding"
    )


def _keep_identity(case: Case, item: Item, *, by: By, now: datetime) -> str:  # noqa: ARG001 - one shape for all acts
    return "it goes on as it is"


def _suspend(case: Case, item: Item, *, by: By, now: datetime) -> str:  # noqa: ARG001 - one shape for all acts
    """Nothing of it works, at our door and, by holding its keys, at the target; until resumed."""
    identity = _identity(case)
    if identity.state == "suspended":
        return f"{identity.name} is suspended already"
    said = [_step(case, identity, "suspend", None, by=by, now=now)]
    for credential in _keys(identity):
        try:
            said.append(_step(case, identity, "hold", credential, by=by, now=now))
        except NotPossible as problem:
            # What cannot be held at its target stays suspended at our door, and says so.
            said.append(f"{credential.short} could not be held: {problem}")
    return ", ".join(said)[:2_000]


def _step(
    case: Case,
    identity: Identity,
    step: str,
    credential: Credential | None,
    *,
    by: By,
    now: datetime,
) -> str:
    row = revocations.request(
        identity=identity,
        credential=credential,
        step=step,
        by=by,
        now=now,
        because=f"decided in {case.key}",
        case=case.pk,
        case_key=case.key,
    )[0]
    return f"{row.key}: {row.words}"


def _keys(identity: Identity) -> list[Credential]:
    rows = Credential.objects.filter(identity=identity, standing=True, state="active")
    return list(rows.select_related("actor").order_by("number")[:MOST_KEYS])


def _sign(case: Case, item: Item, *, by: By, now: datetime) -> str:  # noqa: ARG001 - one shape for all acts
    manifest = _manifest(item)
    manifest.state, manifest.settled_at = "signed", now
    manifest.save(update_fields=["state", "settled_at"])
    # What was known of its releases is held against what is declared of them now.
    NewUse.objects.filter(identity_no=_identity(case).number).update(looked_at=None)
    return f"{manifest} is signed"


def _refuse(case: Case, item: Item, *, by: By, now: datetime) -> str:  # noqa: ARG001 - one shape for all acts
    manifest = _manifest(item)
    if manifest.state == "proposed":
        manifest.state, manifest.settled_at = "refused", now
        manifest.save(update_fields=["state", "settled_at"])
    return f"{manifest} is not signed"


def _manifest(item: Item) -> Manifest:
    if item.ref is None:
        raise NotPossible("This item names no manifest.")
    return Manifest.objects.select_for_update(of=("self",)).get(pk=item.ref)


def _identity(case: Case) -> Identity:
    if case.identity is None:
        raise NotPossible(f"{case.key} names no identity.")
    return case.identity


# (kind of item, outcome) -> what is done, and its sentence.
ACTS: dict[tuple[str, str], Callable[..., str]] = {
    ("use", "keep"): _keep_use,
    ("use", "revoke"): _refuse_use,
    ("identity", "keep"): _keep_identity,
    ("identity", "revoke"): _suspend,
    ("manifest", "approve"): _sign,
    ("manifest", "deny"): _refuse,
}
