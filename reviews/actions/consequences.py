"""What each outcome does, by kind of item: the table from decisions to changes.

Owns the acts on delegations, credentials, entitlements, bindings and grants. When they run is
reviews/actions/carrying.py and, for what goes out at commit, whoever settles an item.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from identities.acting import COUNTERSIGN, By, acting
from identities.actions import bindings, revocations
from identities.actions.revocations import reach
from identities.enforcers.contract import Permission
from identities.models import (
    Binding,
    Credential,
    DelegationVersion,
    Entitlement,
    Identity,
    Revocation,
)
from identities.permissions import NotAllowed, NotPossible
from reviews.models import Case, Item, Quarantine

from . import declared, ending, entries, grants, holds, quarantining, settling

# These go out when they are agreed, whatever else of the case is still open (decisions 19).
AT_ONCE = frozenset({"revoke"})
REFUSED = "could not be carried out"

type Outcome = tuple[Case, Item]
# What came of one of them: a sentence, or why it waits for a person.
type Came = str | NotPossible | NotAllowed
type Many = Callable[..., list[Came]]


def carry(case: Case, item: Item, *, by: By, now: datetime, end_it: bool = False) -> None:
    """Do what the item's outcome says. `end_it`: the date of its replacement has come."""
    carry_all([(case, item)], by=by, now=now, end_it=end_it)


def at_once(case: Case, item: Item, *, now: datetime) -> None:
    """What the seats agree to revoke goes out at commit, before the rest is decided."""
    at_once_all([(case, item)], now=now)


def at_once_all(those: Sequence[Outcome], *, now: datetime) -> None:
    """The same of many items of locked cases."""
    due = [
        (case, item)
        for case, item in those
        if item.outcome in AT_ONCE and item.carried_out_at is None
    ]
    carry_all(due, by=COUNTERSIGN, now=now)


def carry_all(those: Sequence[Outcome], *, by: By, now: datetime, end_it: bool = False) -> None:
    """Do what the outcomes of many items say: what is revoked for good all at once, the rest one
    after the other. What cannot be done stays on its item as a sentence, and waits for a person."""
    held = _held_before(those)
    many: dict[Many, list[Outcome]] = {}
    for case, item in those:
        act = _revoke_credentials if end_it else _MANY.get((item.kind, item.outcome))
        if act is None or (not end_it and (item.pk in held or quarantining.days(case, item))):
            _one(case, item, by=by, now=now)
        else:
            many.setdefault(act, []).append((case, item))
    for act, some in many.items():
        for (_, item), said in zip(some, act(some, by=by, now=now), strict=True):
            if isinstance(said, str):
                item.carried_out_at, item.carried_words = now, said
            else:
                item.carried_words = f"{REFUSED}: {said}"
        settling.write([item for _, item in some])
    entries.note_all([_said(case, item) for case, item in those], by=by, now=now)


def _held_before(those: Sequence[Outcome]) -> set[UUID]:
    """The items that were held for a while before (quarantining.py)."""
    revoked = [item.pk for _, item in those if (item.kind, item.outcome) in _MANY]
    if not revoked:
        return set()
    return set(Quarantine.objects.filter(item__in=revoked).values_list("item", flat=True))


def _one(case: Case, item: Item, *, by: By, now: datetime) -> None:
    """Do one act; what is revoked may be held for some days before, and what was held so may be
    let go."""
    try:
        with transaction.atomic():
            quarantining.over(case, item, now=now)
            if not quarantining.holds_it(case, item, now=now):
                act = _ACTS.get((item.kind, item.outcome), _nothing)
                act(case, item, by=by, now=now)
    except (NotPossible, NotAllowed) as problem:
        item.refresh_from_db(fields=["carried_out_at", "due_at", "snapshot"])
        item.carried_words = f"{REFUSED}: {problem}"
        item.save(update_fields=["carried_words"])


def _said(case: Case, item: Item) -> entries.Said:
    return entries.Said(
        case,
        "item.carried_out" if item.carried_out_at else "item.waits",
        f"{item.title}: {item.outcome.replace('_', ' ')}: {item.carried_words}"[:1_000],
        {"item": str(item.pk), "outcome": item.outcome},
    )


def plan_of(item: Item) -> datetime | None:
    """The date that the deciding answers name for a replacement: the earliest of them."""
    dates = [
        datetime.fromisoformat(row.proposal["by"])
        for row in settling.current(item)
        if row.answer == "replace" and "by" in row.proposal
    ]
    return min(dates, default=None)


def _done(item: Item, words: str, now: datetime) -> None:
    item.carried_out_at, item.carried_words = now, words
    item.save(update_fields=["carried_out_at", "carried_words", "due_at", "snapshot"])


def _identity(case: Case) -> Identity:
    if case.identity is None:
        raise NotPossible(f"{case.key} names no identity.")
    return case.identity


def _nothing(case: Case, item: Item, *, by: By, now: datetime) -> None:  # noqa: ARG001 - one shape for all acts
    _done(item, "nothing changes", now)


def _keep_credential(case: Case, item: Item, *, by: By, now: datetime) -> None:  # noqa: ARG001 - one shape for all acts
    credential = holds.credential_of(item)
    # A hold that is still on its way would arrive after the answer.
    on_its_way = credential.revocations.filter(
        step="hold", state__in=["requested", "sending", "sent", "confirmed"]
    ).exists()
    if credential.state == "held" or on_its_way:
        said = holds.release_credential(case, _identity(case), item, now=now)
        if said.startswith("could not"):
            raise NotPossible(f"{said.removesuffix('.')}.")
        _done(item, said, now)
        return
    _done(item, f"kept, it is {credential.state}", now)


def _replace_credential(case: Case, item: Item, *, by: By, now: datetime) -> None:  # noqa: ARG001 - one shape for all acts
    plan = plan_of(item)
    if plan is None:
        raise NotPossible("No answer says by when it is replaced: answer again with a date.")
    if holds.credential_of(item).state == "held":
        holds.release_credential(case, _identity(case), item, now=now)
    item.due_at = plan
    item.carried_words = f"ends on {plan:%-d %b %Y %H:%M} UTC, when it has to be replaced"
    item.save(update_fields=["due_at", "carried_words"])


def _revoke_credentials(those: Sequence[Outcome], *, by: By, now: datetime) -> list[Came]:
    known = Credential.objects.select_related("actor").in_bulk(
        [item.ref for _, item in those if item.ref is not None]
    )
    said: list[Came] = []
    asks: list[revocations.Ask] = []
    for case, item in those:
        credential = None if item.ref is None else known.get(item.ref)
        if item.ref is None:
            said.append(NotPossible("This item names no credential."))
        elif credential is None:
            said.append(NotPossible("Its credential is gone."))
        elif credential.state in ("revoked", "expired"):
            said.append(f"{credential.short} is {credential.state} already")
        elif case.identity is None:
            said.append(NotPossible(f"{case.key} names no identity."))
        else:
            said.append("")
            asks.append(
                revocations.Ask(
                    case.identity,
                    "revoke",
                    f"decided in {case.key}",
                    credential,
                    case=case.pk,
                    case_key=case.key,
                )
            )
    made = iter(revocations.request_all(asks, by=by, now=now) if asks else ())
    return [
        _waited_for(case, next(made)) if one == "" else one
        for one, (case, _) in zip(said, those, strict=True)
    ]


def _waited_for(case: Case, made: revocations.Made) -> Came:
    """What stands for it, in words; a change that was open already is waited for as well."""
    if made.refused is not None:
        return made.refused
    open_before = [row.pk for row in made.rows if row.case is None]
    if open_before:
        Revocation.objects.filter(pk__in=open_before, case__isnull=True).update(
            case=case.pk, case_key=case.key
        )
    return ", ".join(f"{row.key}: {row.words}" for row in made.rows)


def _current(item: Item, now: datetime) -> tuple[DelegationVersion | None, str]:
    delegation = grants.locked(item.ref)
    return grants.in_force(delegation, now=now), delegation.key


def _keep_delegation(case: Case, item: Item, *, by: By, now: datetime) -> None:
    current, key = _current(item, now)
    if current is None:
        _done(item, f"{key} is not in force; a proposal waits for its access request", now)
        return
    unsigned = not current.signed
    grants.attest(current, case=case, by=acting(by).ref, now=now)
    _done(item, f"{key} is signed by {case.key}" if unsigned else f"{key} is kept", now)


def _narrow_delegation(case: Case, item: Item, *, by: By, now: datetime) -> None:
    current, key = _current(item, now)
    if current is None:
        _done(item, f"{key} is not in force: nothing is left to narrow", now)
        return
    row, below = grants.narrow(
        current, settling.left_of(item), case=case, by=acting(by).ref, now=now
    )
    left = f"{', '.join(row.actions[:5])} on {', '.join(row.resources[:5])}"[:500]
    _done(item, "; ".join([f"{key} is narrowed to {left}", *below[:20]]), now)


def _revoke_delegations(those: Sequence[Outcome], *, by: By, now: datetime) -> list[Came]:
    wanted = [(item.ref, case) for case, item in those]
    return [
        one
        if isinstance(one, NotPossible)
        else f"{' and '.join(one.keys)} ended"
        if one.keys
        else f"{one.key} was not in force"
        for one in ending.end_all(wanted, by=acting(by).ref, now=now)
    ]


def _narrow_entitlement(case: Case, item: Item, *, by: By, now: datetime) -> None:
    """What the target allows comes down to what is delegated."""
    _in_reach(item)
    identity = _identity(case)
    rows = DelegationVersion.objects.filter(
        delegation__grantee=identity,
        superseded_at__isnull=True,
        state="in_force",
        revoked_at__isnull=True,
        during__contains=now,
    ).order_by("delegation__number", "version")
    left = [Permission(tuple(row.actions), tuple(row.resources)) for row in rows]
    if not left:
        raise NotPossible(
            f"Nothing is delegated to {identity.name}: narrowing would leave nothing. Revoke it,"
            " or sign a delegation first."
        )
    _at_target(case, item, "narrow", left, by=by, now=now)


def _revoke_entitlement(case: Case, item: Item, *, by: By, now: datetime) -> None:
    """A narrowing that leaves nothing denies everything, and can be replaced by a later one."""
    _in_reach(item)
    _at_target(case, item, "narrow", [], by=by, now=now)


def _in_reach(item: Item) -> None:
    """Only lists say what other systems allow: no enforcer of another system acts for them."""
    known = Entitlement.objects.filter(pk=item.ref) if item.ref else Entitlement.objects.none()
    system = known.values_list("system", flat=True).first()
    if system is not None and system not in reach.REGISTRY:
        raise NotPossible(
            f"No enforcer changes what {system} allows: have it changed there; the next reading"
            " of its lists shows it."
        )


def _at_target(
    case: Case, item: Item, step: str, left: list[Permission], *, by: By, now: datetime
) -> None:
    made = revocations.request(
        identity=_identity(case),
        step=step,
        by=by,
        now=now,
        because=f"decided in {case.key}",
        case=case.pk,
        case_key=case.key,
        permissions_left=left,
    )
    _done(item, ", ".join(f"{row.key}: {row.words}" for row in made), now)


def _keep_binding(case: Case, item: Item, *, by: By, now: datetime) -> None:  # noqa: ARG001 - one shape for all acts
    binding = Binding.objects.get(pk=item.proposal["binding"])
    if binding.state == "proposed" and binding.superseded_at is None:
        bindings.confirm(binding=binding, by=by, now=now)
    _done(item, "the binding is confirmed", now)


def _revoke_binding(case: Case, item: Item, *, by: By, now: datetime) -> None:
    binding = Binding.objects.get(pk=item.proposal["binding"])
    if binding.state == "proposed" and binding.superseded_at is None:
        bindings.reject(binding=binding, by=by, now=now, reason=f"decided in {case.key}")
    _done(item, "the binding is rejected", now)


def _proposal(item: Item) -> DelegationVersion:
    row = grants.proposed(grants.locked(item.ref))
    if row is None or row.version != item.proposal.get("version"):
        raise NotPossible("What was signed is no longer what is proposed: ask again.")
    return row


def _approve(case: Case, item: Item, *, by: By, now: datetime) -> None:
    row, below = grants.bring_into_force(_proposal(item), case=case, by=acting(by).ref, now=now)
    end = "" if row.during.upper is None else f" until {row.during.upper:%-d %b %Y %H:%M} UTC"
    _done(item, "; ".join([f"{row.delegation.key} is in force{end}", *below[:20]]), now)


def _deny(case: Case, item: Item, *, by: By, now: datetime) -> None:
    row = grants.proposed(grants.locked(item.ref))
    if row is not None:
        grants.reject(row, case=case, by=acting(by).ref, now=now)
    _done(item, "nothing is granted", now)


def _in_words(act: Callable[..., str]) -> "Act":
    def done(case: Case, item: Item, *, by: By, now: datetime) -> None:
        _done(item, act(case, item, by=by, now=now), now)

    return done


def _of_many(many: Many) -> "Act":
    """One of them alone."""

    def done(case: Case, item: Item, *, by: By, now: datetime) -> None:
        (said,) = many([(case, item)], by=by, now=now)
        if not isinstance(said, str):
            raise said
        _done(item, said, now)

    return done


# (kind of item, outcome) -> what is done for many at once.
_MANY: dict[tuple[str, str], Many] = {
    ("credential", "revoke"): _revoke_credentials,
    ("delegation", "revoke"): _revoke_delegations,
}
type Act = Callable[..., None]
# (kind of item, outcome) -> what is done. What is not here changes nothing.
_ACTS: dict[tuple[str, str], Act] = {
    ("credential", "keep"): _keep_credential,
    ("credential", "replace"): _replace_credential,
    ("delegation", "keep"): _keep_delegation,
    ("delegation", "narrow"): _narrow_delegation,
    ("entitlement", "narrow"): _narrow_entitlement,
    ("entitlement", "revoke"): _revoke_entitlement,
    ("binding", "keep"): _keep_binding,
    ("binding", "revoke"): _revoke_binding,
    ("grant", "approve"): _approve,
    ("grant", "deny"): _deny,
}
_ACTS |= {which: _in_words(act) for which, act in declared.ACTS.items()}
_ACTS |= {which: _of_many(act) for which, act in _MANY.items()}
