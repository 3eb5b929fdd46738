"""What people do with bindings: confirm, reject, take back, bind by hand.

Owns the rows. What a link changes is shown before (foreseeing.py); who else signs is shared.py's.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from evidence.models import Actor
from identities import judging, permissions
from identities.acting import By, acting
from identities.actions import credentials
from identities.actions.identities import Act, locked, locked_all, record, record_all
from identities.models import Binding, Identity
from identities.permissions import NotAllowed, NotPossible

from . import shared as shared_use


class Rule(NamedTuple):
    """Which proposals to confirm together: strong, and with nobody beside them."""

    least_calls: int = 10
    # Two agents on one credential are a question of its own; a rule leaves it to people.
    competing: bool = False


class Verdict(NamedTuple):
    """What becomes of a proposal: confirmed or rejected. `shared`: with others, each saying so."""

    binding: Binding
    state: str
    reason: str = ""
    shared: bool | None = None


type Settled = Binding | NotPossible | NotAllowed


def confirm(*, binding: Binding, by: By, now: datetime, shared: bool | None = None) -> Binding:
    """Make a proposal true. `shared`: with others, each of them saying so."""
    return _settled(Verdict(binding, "confirmed", shared=shared), by=by, now=now)


def reject(*, binding: Binding, by: By, now: datetime, reason: str) -> Binding:
    """Say no: it is not proposed again."""
    return _settled(Verdict(binding, "rejected", reason), by=by, now=now)


def _settled(verdict: Verdict, *, by: By, now: datetime) -> Binding:
    with transaction.atomic():
        (found,) = settle_all([verdict], by=by, now=now)
        if not isinstance(found, Binding):
            raise found
    return found


def settle_all(
    verdicts: Sequence[Verdict], *, by: By, now: datetime, signed: bool = False
) -> list[Settled]:
    """Confirm and reject many, in their order, in as many statements as one; why what is refused
    cannot be settled. A refusal keeps nothing else from being settled. `signed`: whoever answers
    for the other identities of the actors has signed."""
    with transaction.atomic():
        settling = _Settling(verdicts, by=by, now=now, signed=signed)
        found = [settling.take(one) for one in verdicts]
        settling.write()
    return found


class _Settling:
    """Locked proposals with what is confirmed beside them, and what is to be written."""

    def __init__(self, verdicts: Sequence[Verdict], *, by: By, now: datetime, signed: bool) -> None:
        self.by, self.now, self.signed = by, now, signed
        # The identities first, then the actors, then the bindings: everybody in the same order.
        self.identities = locked_all({one.binding.identity_id for one in verdicts})
        actors = {one.binding.actor_id for one in verdicts}
        list(Actor.objects.select_for_update(of=("self",)).filter(pk__in=actors).order_by("pk"))
        rows = Binding.objects.select_for_update(of=("self",)).select_related("actor")
        pks = [one.binding.pk for one in verdicts]
        self.rows = {row.pk: row for row in rows.filter(pk__in=pks).order_by("pk")}
        self.confirmed: dict[int, list[Binding]] = {}
        for row in Binding.objects.filter(
            actor__in=actors,
            state="confirmed",
            superseded_at__isnull=True,
            during__overlap=(now, None),
        ).select_related("identity"):
            self.confirmed.setdefault(row.actor_id, []).append(row)
        self.to_sign = _to_sign(
            [
                (one.binding.identity_id, one.binding.actor_id)
                for one in verdicts
                if one.state == "confirmed"
            ],
            by=by,
            now=now,
            signed=signed,
        )
        self.superseded: list[int] = []
        self.made: list[Binding] = []

    def take(self, verdict: Verdict) -> Settled:
        try:
            return self._settle(verdict)
        except (NotPossible, NotAllowed) as refused:
            return refused

    def _settle(self, verdict: Verdict) -> Binding:
        row = self.rows.get(verdict.binding.pk)
        if row is None:
            raise NotPossible("Its binding is gone.")
        row.identity = self.identities[row.identity_id]
        permissions.require(permissions.why_not_confirm_binding(self.by, row, now=self.now))
        _must_be(row, "proposed")
        made = _copy(row, state=verdict.state, by=self.by, now=self.now, reason=verdict.reason)
        if verdict.shared is not None:
            made.shared = verdict.shared
        if verdict.state == "confirmed":
            others = self.confirmed.setdefault(row.actor_id, [])
            _alone(made, others, by=self.by, now=self.now, signed=self.signed)
            _nobody_else(made, self.to_sign)
            others.append(made)
        row.superseded_at = self.now
        self.superseded.append(row.pk)
        self.made.append(made)
        return made

    def write(self) -> None:
        if not self.made:
            return
        Binding.objects.filter(pk__in=self.superseded).update(superseded_at=self.now)
        Binding.objects.bulk_create(self.made)
        record_all([_act(row) for row in self.made], by=self.by, now=self.now)
        confirmed = [row for row in self.made if row.state == "confirmed"]
        if confirmed:
            actors = [row.actor_id for row in confirmed]
            _again([row.identity for row in confirmed], actors, now=self.now)


def _act(row: Binding) -> Act:
    if row.state == "confirmed":
        return _confirmed(row, "binding.confirmed")
    return Act(
        row.identity,
        "binding.rejected",
        f"{row.actor.value} is not {row.identity.name}: {row.reason}"[:1000],
        {"binding": row.pk, "actor": row.actor_id},
    )


def unbind(
    *, binding: Binding, by: By, now: datetime, reason: str, at: datetime | None = None
) -> Binding | None:
    """Take a confirmed binding back: it was never true, or, with `at`, is true no longer.

    The row that says until when it was true; None when it never was.
    """
    with transaction.atomic():
        row, identity = _locked(binding)
        permissions.require(permissions.why_not_confirm_binding(by, row, now=now))
        _must_be(row, "confirmed")
        if at is not None and at > now:
            raise NotPossible("A binding ends now or in the past, not ahead.")
        if at is not None and row.during.lower is not None and at <= row.during.lower:
            at = None
        Binding.objects.filter(pk=row.pk).update(superseded_at=now)
        ended = None
        if at is not None:
            ended = _copy(row, state="confirmed", by=by, now=now, reason=reason)
            ended.during = (row.during.lower, at)
            ended.save(force_insert=True)
        record(
            identity,
            by=by,
            now=now,
            act="binding.ended",
            words=f"{row.actor.value} is no longer {identity.name}: {reason}"[:1000],
            data={"binding": row.pk, "actor": row.actor_id, "at": at.isoformat() if at else ""},
        )
        _again([identity], [row.actor_id], now=now)
    return ended


def bind(
    *,
    identity: Identity,
    actor: Actor,
    by: By,
    now: datetime,
    shared: bool = False,
    reason: str = "",
    signed: bool = False,
) -> Binding:
    """Bind an actor by hand: somebody knows whose it is. `signed`: as in `settle_all`."""
    with transaction.atomic():
        identity = locked(identity.pk)
        permissions.require(permissions.why_not_claim(by, identity, now=now))
        if identity.state == "retired":
            raise NotPossible(f"{identity.name} is retired: nothing more is bound to it.")
        # Bindings of one actor are made one after the other: the lock is the actor's row.
        Actor.objects.select_for_update(of=("self",)).get(pk=actor.pk)
        known = Binding.objects.filter(
            identity=identity, actor=actor, superseded_at__isnull=True, during__contains=now
        ).first()
        if known is not None and known.state == "confirmed":
            raise NotPossible(f"{actor.value} is {identity.name} already.")
        who = acting(by)
        row = Binding(
            identity=identity,
            actor=actor,
            basis="declared",
            state="confirmed",
            shared=shared,
            reason=reason or "bound by hand",
            seen=known.seen if known else 0,
            during=(None, None),
            recorded_at=now,
            by=who.ref,
            by_name=who.name,
        )
        _alone(row, _beside(row, now), by=by, now=now, signed=signed)
        pair = (identity.pk, actor.pk)
        _nobody_else(row, _to_sign([pair], by=by, now=now, signed=signed))
        if known is not None:
            Binding.objects.filter(pk=known.pk).update(superseded_at=now)
        row.save(force_insert=True)
        record_all([_confirmed(row, "binding.declared")], by=by, now=now)
        _again([identity], [row.actor_id], now=now)
    return row


def preview(*, rule: Rule, now: datetime) -> QuerySet[Binding]:
    """The proposals a rule would confirm, strongest first."""
    rows = Binding.objects.filter(
        state="proposed",
        superseded_at__isnull=True,
        basis__in=["observed", "issued"],
        seen__gte=max(rule.least_calls, 1),
    ).select_related("identity", "identity__service", "actor")
    if rule.competing:
        return rows.order_by("-seen", "pk")
    # An actor that is proposed for two identities is a question, whatever its counts.
    others = Binding.objects.filter(
        Q(state="proposed") | Q(state="confirmed"),
        ~Q(identity=OuterRef("identity")),
        actor=OuterRef("actor"),
        superseded_at__isnull=True,
        during__contains=now,
    )
    return rows.filter(~Exists(others), shared=False).order_by("-seen", "pk")


def _locked(binding: Binding) -> tuple[Binding, Identity]:
    """The identity first, then the actor, then the binding: everybody in the same order."""
    identity = locked(binding.identity_id)
    Actor.objects.select_for_update(of=("self",)).get(pk=binding.actor_id)
    row = Binding.objects.select_for_update(of=("self",)).select_related("actor").get(pk=binding.pk)
    row.identity = identity
    return row, identity


def _must_be(row: Binding, state: str) -> None:
    if row.superseded_at is not None:
        raise NotPossible(f"Somebody settled {row.actor.value} in the meantime: look again.")
    if row.state != state:
        raise NotPossible(f"{row.actor.value} is {row.state} already.")


def _copy(row: Binding, *, state: str, by: By, now: datetime, reason: str = "") -> Binding:
    who = acting(by)
    return Binding(
        identity=row.identity,
        actor=row.actor,
        basis=row.basis,
        state=state,
        shared=row.shared,
        reason=reason or row.reason,
        seen=row.seen,
        during=(row.during.lower, row.during.upper),
        recorded_at=now,
        by=who.ref,
        by_name=who.name,
    )


def _beside(row: Binding, now: datetime) -> QuerySet[Binding]:
    """What is confirmed of its actor from now on."""
    return Binding.objects.filter(
        actor=row.actor, state="confirmed", superseded_at__isnull=True, during__overlap=(now, None)
    ).select_related("identity")


def _to_sign(
    pairs: Sequence[tuple[UUID, int]], *, by: By, now: datetime, signed: bool
) -> dict[tuple[UUID, int], list[Identity]]:
    return {} if signed else shared_use.to_sign(pairs, by=by, now=now)


def _nobody_else(row: Binding, to_sign: dict[tuple[UUID, int], list[Identity]]) -> None:
    """NotPossible where somebody else's signature is missing."""
    others = to_sign.get((row.identity_id, row.actor_id))
    if others:
        raise NotPossible(shared_use.sentence(row.identity_id, row.actor.value, others))


def _alone(
    row: Binding, confirmed: Iterable[Binding], *, by: By, now: datetime, signed: bool
) -> None:
    """Another identity on the same actor only when both say they share it. Whoever answers for
    the other one says so by signing."""
    for other in confirmed:
        if other.identity_id == row.identity_id or (row.shared and other.shared):
            continue
        if not (signed and row.shared):
            raise NotPossible(
                f"{row.actor.value} is {other.identity.name}'s: take that back, or say of both"
                " that they share it."
            )
        Binding.objects.filter(pk=other.pk).update(superseded_at=now)
        other.shared = True
        said = _copy(other, state="confirmed", by=by, now=now)
        said.shared = True
        said.save(force_insert=True)
        record_all([_confirmed(said, "binding.shared")], by=by, now=now)


def _confirmed(row: Binding, act: str) -> Act:
    together = " (shared)" if row.shared else ""
    return Act(
        row.identity,
        act,
        f"{row.actor.value} is {row.identity.name}{together}: {row.reason}"[:1000],
        {
            "binding": row.pk,
            "actor": row.actor_id,
            "basis": row.basis,
            "shared": row.shared,
            "seen": row.seen,
        },
    )


def _again(identities: Iterable[Identity], actors: Iterable[int], *, now: datetime) -> None:
    credentials.assign(actors=actors, now=now)
    judging.again(identities=identities, now=now)
