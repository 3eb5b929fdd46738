"""Verbs on identities: attest, activate, suspend, resume, hold, release, retire.

The only writer of `Identity.state`. Must not know of cases: whoever carries out a decision
calls from above and says which case in `because`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from evidence import ledger, nudge
from identities import as_read, permissions
from identities.acting import By, acting
from identities.actions import stretches
from identities.models import Attestation, ClaimRefusal, Identity
from identities.permissions import NotPossible

# What an identity takes from its service unless it says otherwise.
INHERITED = ("owner", "sponsor", "backup", "purpose", "criticality")

# (state, move) -> state. What is not here is not possible.
MOVES = {
    ("draft", "activate"): "active",
    ("active", "suspend"): "suspended",
    ("suspended", "resume"): "active",
    ("draft", "retire"): "retired",
    ("active", "retire"): "retired",
    ("suspended", "retire"): "retired",
}


def after(identity: Identity, move: str) -> str:
    """The state after this move, or NotPossible with the sentence."""
    to = MOVES.get((identity.state, move))
    if to is None:
        raise NotPossible(f"{identity.name} is {identity.state}: it cannot be {_past(move)} now.")
    return to


def _past(move: str) -> str:
    return {"activate": "made active"}.get(move, f"{move.rstrip('e')}ed")


def locked(pk: UUID) -> Identity:
    """The identity's row, locked until the transaction ends.

    Without the key: rows that name two identities are written while each of them is locked by
    somebody else, and their foreign keys would wait for each other.
    """
    found = locked_all([pk]).get(pk)
    if found is None:
        raise Identity.DoesNotExist(f"no identity {pk}")
    return found


def locked_all(pks: Iterable[UUID]) -> dict[UUID, Identity]:
    """The same of many that are there, in the order of their ids: nobody waits in a circle."""
    rows = Identity.objects.select_for_update(of=("self",), no_key=True)
    found = rows.select_related("service").filter(pk__in=list(pks)).order_by("pk")
    return {row.pk: row for row in found}


class Act(NamedTuple):
    """What the ledger says of an identity. `at`: the moment it counts from, where not now."""

    identity: Identity
    act: str
    words: str
    data: dict[str, Any]
    at: datetime | None = None


def record(
    identity: Identity,
    *,
    by: By,
    now: datetime,
    act: str,
    words: str,
    at: datetime | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """One ledger entry about an identity, and the nudge that its truth has changed."""
    record_all([Act(identity, act, words, data or {}, at)], by=by, now=now)


def record_all(acts: Sequence[Act], *, by: By, now: datetime) -> None:
    """The same of many acts, in their order; one nudge for all of them."""
    who = acting(by)
    ledger.append_all(
        [
            ledger.Said(
                at=one.at or now,
                recorded_at=now,
                by=who.ref,
                by_name=who.name,
                act=one.act,
                subject=one.identity.key,
                words=one.words,
                data={"identity": str(one.identity.pk)} | one.data,
            )
            for one in acts
        ]
    )
    if acts:
        nudge.after_commit("identities.changed")


def inherit(identity: Identity) -> list[str]:
    """Fill what the identity does not say from its service; which fields changed (unsaved).

    A field in `inherited` follows its service; an empty one starts to. A party that the
    identity has in another role already is left empty: the three must differ. So is an owner
    who has said that it is not theirs (identities/claims).
    """
    service = identity.service
    if service is None:
        return []
    changed = []
    for field in INHERITED:
        attribute = f"{field}_id" if field in ("owner", "sponsor", "backup") else field
        own, theirs = getattr(identity, attribute), getattr(service, attribute)
        if own not in (None, "") and field not in identity.inherited:
            continue
        if theirs in (None, "") or theirs == own:
            continue
        if field == "owner" and _refused(identity, theirs):
            continue
        if attribute.endswith("_id"):
            others = {"owner_id", "sponsor_id", "backup_id"} - {attribute}
            if theirs in {getattr(identity, other) for other in others}:
                continue
        setattr(identity, attribute, theirs)
        if field not in identity.inherited:
            identity.inherited = [*identity.inherited, field]
        changed.append(field)
    return changed


def _refused(identity: Identity, party: UUID) -> bool:
    """Whether the service's owner has said that this identity is not theirs."""
    return ClaimRefusal.objects.filter(identity=identity.pk, party=party, silent=False).exists()


def stands(identity: Identity) -> list[object]:
    """What is stated of it, for the mark of a form that states it anew."""
    return [identity.purpose, identity.expires_at]


def attest(
    *,
    identity: Identity,
    purpose: str,
    expires_at: datetime,
    by: By,
    now: datetime,
    read: str | None = None,
) -> Attestation:
    """An owner's dated statement of what the identity is for and until when. `read`: the mark of
    what stood there when the form was opened (identities/as_read.py)."""
    with transaction.atomic():
        identity = locked(identity.pk)
        permissions.require(permissions.why_not_attest(by, identity, now=now))
        who = acting(by)
        if who.user is None or who.user.person is None:
            raise NotPossible("An attestation needs a person behind the login.")
        if identity.state == "retired":
            raise NotPossible(f"{identity.name} is retired: there is nothing to attest.")
        if not purpose.strip():
            raise NotPossible("Say the purpose: what it does and for whom.")
        if expires_at <= now:
            raise NotPossible("The expiry must lie ahead.")
        as_read.require_same(read, stands(identity), what=f"What is stated of {identity.name}")
        row = Attestation.objects.create(
            identity=identity,
            purpose=purpose.strip(),
            expires_at=expires_at,
            attested_at=now,
            attested_by=who.user.person,
        )
        identity.purpose, identity.expires_at = purpose.strip(), expires_at
        identity.inherited = [name for name in identity.inherited if name != "purpose"]
        identity.save(update_fields=["purpose", "expires_at", "inherited"])
        record(
            identity,
            by=by,
            now=now,
            act="identity.attested",
            words=f"{who.name} attested the purpose of {identity.name} until {expires_at:%Y-%m-%d}",
            data={"purpose": purpose.strip(), "expires_at": expires_at.isoformat()},
        )
    return row


def activate(*, identity: Identity, by: By, now: datetime) -> Identity:
    """Make it active: only with owner, purpose and expiry, its own or its service's."""
    with transaction.atomic():
        identity = locked(identity.pk)
        permissions.require(permissions.why_not_activate(by, identity, now=now))
        to = after(identity, "activate")
        inherit(identity)
        lacking = [
            word
            for word, value in (
                ("an owner", identity.owner_id),
                ("a purpose", identity.purpose.strip()),
                ("an expiry", identity.expires_at),
            )
            if not value
        ]
        if lacking:
            raise NotPossible(f"{identity.name} cannot become active without {_and(lacking)}.")
        if identity.expires_at is not None and identity.expires_at <= now:
            raise NotPossible(
                f"The expiry of {identity.name} has passed on {identity.expires_at:%Y-%m-%d}:"
                " attest it anew first."
            )
        identity.state = to
        identity.save(
            update_fields=[
                "state",
                "owner",
                "sponsor",
                "backup",
                "purpose",
                "criticality",
                "inherited",
            ]
        )
        stretches.of_identity(identity, state=to, at=now, now=now, by=acting(by).ref)
        record(
            identity,
            by=by,
            now=now,
            act="identity.activated",
            words=f"{identity.name} is active until {identity.expires_at:%Y-%m-%d}",
        )
    return identity


WHY_NOT = {
    "suspend": permissions.why_not_suspend,
    "resume": permissions.why_not_resume,
    "retire": permissions.why_not_retire,
}


def suspend(
    *,
    identity: Identity,
    by: By,
    now: datetime,
    because: str,
    at: datetime | None = None,
) -> Identity:
    """Nothing works any more, until it is resumed. `at`: the deadline that caused it."""
    return _move(identity, "suspend", by=by, now=now, because=because, at=at)


def resume(*, identity: Identity, by: By, now: datetime, because: str) -> Identity:
    """Undo a suspension."""
    return _move(identity, "resume", by=by, now=now, because=because, at=None)


def retire(*, identity: Identity, by: By, now: datetime, because: str) -> Identity:
    """Nothing works any more and it cannot be undone; its history stays."""
    return _move(identity, "retire", by=by, now=now, because=because, at=None)


def _move(
    identity: Identity, move: str, *, by: By, now: datetime, because: str, at: datetime | None
) -> Identity:
    why_not = WHY_NOT[move]
    with transaction.atomic():
        identity = locked(identity.pk)
        permissions.require(why_not(by, identity, now=now))
        identity.state = after(identity, move)
        moved_all([(identity, because)], identity.state, by=by, now=now, at=at)
    return identity


def moved_all(
    those: Sequence[tuple[Identity, str]],
    to: str,
    *,
    by: By,
    now: datetime,
    at: datetime | None = None,
) -> None:
    """Write that these locked identities have come into a state, each with its reason; whether
    they could is the caller's question (`after`)."""
    Identity.objects.filter(pk__in=[one.pk for one, _ in those]).update(state=to)
    stretches.of_identities(
        {one.pk: because for one, because in those},
        state=to,
        at=now,
        now=now,
        by=acting(by).ref,
    )
    record_all(
        [
            Act(
                one,
                f"identity.{to}",
                f"{one.name} is {to}: {because}",
                {"because": because},
                at,
            )
            for one, because in those
        ],
        by=by,
        now=now,
    )


def hold(*, identity: Identity, by: By, now: datetime, because: str) -> bool:
    """Nothing new at the decision endpoint; False when it was held already."""
    return _hold(identity, "held", by=by, now=now, because=because)


def release(*, identity: Identity, by: By, now: datetime, because: str) -> bool:
    """Undo a hold; False when it was not held."""
    return _hold(identity, "active", by=by, now=now, because=because)


def _hold(identity: Identity, state: str, *, by: By, now: datetime, because: str) -> bool:
    with transaction.atomic():
        identity = locked(identity.pk)
        permissions.require(permissions.why_not_hold(by, identity, now=now))
        if identity.state not in ("draft", "active"):
            raise NotPossible(f"{identity.name} is {identity.state}: nothing of it works now.")
        held = identity.states.filter(
            superseded_at__isnull=True, during__contains=now, state="held"
        ).exists()
        if held == (state == "held"):
            return False
        to = "held" if state == "held" else identity.state
        stretches.of_identity(
            identity, state=to, at=now, now=now, by=acting(by).ref, because=because
        )
        act, done = ("held", "is held") if state == "held" else ("released", "is no longer held")
        record(
            identity,
            by=by,
            now=now,
            act=f"identity.{act}",
            words=f"{identity.name} {done}: {because}",
            data={"because": because},
        )
    return True


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
