"""What a containment step does to its targets, and how it is let go: by the actions there are.

Owns the table from steps to actions of identities and of delegations. Each target is asked for by
itself: one that is refused, or was dead before, holds up no other. Who may is containing.py's.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from evidence.words import counted
from identities.acting import Acting
from identities.actions import identities as identity_actions
from identities.actions import revocations
from identities.actions.batches import tree
from identities.actions.batches.signing import _target as change_of
from identities.actions.revocations import Ask, Made, reach
from identities.models import Credential, Delegation, DelegationVersion, Identity, Revocation
from identities.permissions import NotAllowed, NotPossible
from reviews.actions import grants, narrowing
from reviews.models import (
    AutomaticHold,
    Case,
    ContainmentStep,
    ContainmentTarget,
    Item,
    Quarantine,
)

DEAD = ("revoked", "expired")
NO_WORK = ("suspended", "retired")
# What evidence does not name cannot be ended one by one.
NO_SESSION = (
    "No session of {name} that lives is in evidence, so none can be ended by itself: hold {name},"
    " which stops what its accounts may do."
)
LONGEST = 2_000


class Wanted(NamedTuple):
    """One thing that is to be stopped: a credential or a delegation of this identity, or all of it."""

    identity: Identity
    credential: Credential | None = None
    delegation: Delegation | None = None

    @property
    def title(self) -> str:
        """How pages name it."""
        if self.credential is not None:
            return f"{self.credential.kind.replace('_', ' ')} {self.credential.short}"
        return self.identity.name if self.delegation is None else self.delegation.key

    @property
    def key(self) -> str:
        """How scripts name it."""
        one = self.credential or self.delegation or self.identity
        return one.key


class Frame(NamedTuple):
    """On whose behalf and for what: what each revocation is asked with. `dry`: it is only tried
    out, and nothing is written."""

    case: Case
    because: str
    by: Acting
    now: datetime
    dry: bool = False

    def request(self, asks: Sequence[Ask]) -> list[Made]:
        request = revocations.try_out if self.dry else revocations.request_all
        return request(asks, by=self.by, now=self.now) if asks else []

    def said(self, rows: Sequence[Revocation]) -> str:
        # What is only tried out has no number.
        return ", ".join(one.words if self.dry else f"{one.key}: {one.words}" for one in rows)

    def ask(self, step: str, one: Wanted, *, by_hand: bool = False) -> Ask:
        return Ask(
            one.identity,
            step,
            self.because,
            one.credential,
            case=self.case.pk,
            case_key=self.case.key,
            by_hand=by_hand,
            urgent=True,
            takes_made=True,
        )


def stop(step: ContainmentStep, those: Sequence[Wanted], frame: Frame) -> list[ContainmentTarget]:
    """Do it to each of these; the rows, unsaved, in their order."""
    rows = [
        ContainmentTarget(
            step=step,
            place=place,
            identity=one.identity,
            credential=one.credential,
            delegation=one.delegation,
            title=one.title[:500],
        )
        for place, one in enumerate(those)
    ]
    STOPS[step.does](step, list(zip(rows, those, strict=True)), frame)
    for row in rows:
        row.words, row.failed_why = row.words[:LONGEST], row.failed_why[:LONGEST]
    return rows


type Pairs = list[tuple[ContainmentTarget, Wanted]]


def _take(row: ContainmentTarget, made: Made, frame: Frame) -> None:
    if made.refused is not None:
        row.failed_why = str(made.refused)
        return
    row.revocations = [one.pk for one in made.rows]
    row.words = f"{frame.said(made.rows)}{made.with_it(tried=frame.dry)}"


def _by_request(step: str) -> Callable[[ContainmentStep, Pairs, Frame], None]:
    def does(_: ContainmentStep, pairs: Pairs, frame: Frame) -> None:
        asked = []
        for row, one in pairs:
            state = one.identity.state if one.credential is None else one.credential.state
            if state in (NO_WORK if one.credential is None else DEAD):
                row.words, row.done_at = f"{row.title} is {state} already", frame.now
            else:
                asked.append((row, one))
        asks = [frame.ask(step, one, by_hand=one.credential is not None) for _, one in asked]
        for (row, _one), came in zip(asked, frame.request(asks), strict=True):
            _take(row, came, frame)
            if came.refused is None:
                row.stopped = {"held": True}

    return does


def _sessions(_: ContainmentStep, pairs: Pairs, frame: Frame) -> None:
    """Everything that lives and is no standing key, once for what is one change at its target."""
    asks, whose = [], []
    for row, one in pairs:
        found = [
            each.credential
            for each in tree.minted(one.identity, now=frame.now)
            if not each.credential.standing
        ]
        owners = {cred.identity_id for cred in found if cred.identity_id is not None}
        names = reach.bound_names(owners | {one.identity.pk}, now=frame.now)
        once = {change_of(cred, names, now=frame.now): cred for cred in reversed(found)}
        if not once:
            row.failed_why = NO_SESSION.format(name=one.identity.name)
        for cred in once.values():
            of = Wanted(cred.identity or one.identity, cred)
            asks.append(frame.ask("revoke", of, by_hand=True))
            whose.append(row)
    for row, came in zip(whose, frame.request(asks), strict=True):
        if came.refused is not None:
            row.failed_why = "; ".join(filter(None, [row.failed_why, str(came.refused)]))
            continue
        row.revocations += [one.pk for one in came.rows]
        row.words = ", ".join(filter(None, [row.words, frame.said(came.rows)]))


def _suspend(_: ContainmentStep, pairs: Pairs, frame: Frame) -> None:
    asked = []
    for row, one in pairs:
        if one.identity.state in NO_WORK:
            row.words, row.done_at = f"{row.title} is {one.identity.state} already", frame.now
        else:
            asked.append((row, one))
    asks = [frame.ask("suspend", one) for _, one in asked]
    if frame.dry:
        for (row, one), tried in zip(asked, frame.request(asks), strict=True):
            _take(row, tried, frame)
            keys = one.identity.credentials.filter(standing=True, state="active").count()
            row.words = f"{row.words}; held with it: {counted(keys, 'standing key')}"
        return
    said = revocations.suspend_all_with_keys(asks, by=frame.by, now=frame.now) if asks else []
    made = Revocation.objects.filter(
        case=frame.case.pk, requested_at=frame.now, step__in=["suspend", "hold"]
    )
    for (row, one), came in zip(asked, said, strict=True):
        if isinstance(came, NotPossible | NotAllowed):
            row.failed_why = str(came)
            continue
        of = made.filter(identity=one.identity).order_by("number")
        row.revocations = list(of.values_list("pk", flat=True))
        row.words = f"{one.identity.name} is suspended; {came}"
        row.stopped = {"suspended": frame.now.isoformat()}


def _block(_: ContainmentStep, pairs: Pairs, frame: Frame) -> None:
    """At our own decision endpoint alone, which is asked: effective in this second."""
    for row, one in pairs:
        row.done_at = frame.now
        if frame.dry and one.identity.state not in NO_WORK:
            row.words = "nothing new at the decision endpoint, from that second on"
            continue
        try:
            new = identity_actions.hold(
                identity=one.identity, by=frame.by, now=frame.now, because=frame.because
            )
        except NotPossible as why:
            row.words = str(why)
            continue
        row.words = "nothing new at the decision endpoint" if new else "it was held there before"
        row.stopped = {"held": True} if new else {}


def _narrow(step: ContainmentStep, pairs: Pairs, frame: Frame) -> None:
    """A delegation, for a while, down to what is left of it, with what was passed on from it."""
    for row, one in pairs:
        if one.delegation is None:
            row.failed_why = "Name a delegation: nothing else is narrowed here."
            continue
        delegation = grants.locked(one.delegation.pk)
        current = grants.in_force(delegation, now=frame.now)
        if current is None:
            row.words, row.done_at = f"{delegation.key} is not in force", frame.now
            continue
        try:
            if step.left:
                narrowing.refuse(current, step.left)
        except NotPossible as why:
            row.failed_why = str(why)
            continue
        with transaction.atomic():
            made = grants.stop(current, step.left or None, by=frame.by.ref, now=frame.now)
            if frame.dry:
                transaction.set_rollback(True)
        more = f", with {len(made) - 1} passed on from it" if len(made) > 1 else ""
        row.words = f"{delegation.key} is {'narrowed' if step.left else 'stopped'}{more}"
        row.stopped, row.done_at = {"versions": made}, frame.now


STOPS: dict[str, Callable[[ContainmentStep, Pairs, Frame], None]] = {
    "hold": _by_request("hold"),
    "revoke": _by_request("revoke"),
    "sessions": _sessions,
    "suspend": _suspend,
    "block": _block,
    "narrow": _narrow,
}


# --- Letting go ----------------------------------------------------------------------------------


def let_go(step: ContainmentStep, rows: Sequence[ContainmentTarget], frame: Frame) -> None:
    """Undo what this step stopped, but for what something else stops as well; the rows are saved."""
    asked = []
    for row in rows:
        if not row.stopped:
            row.released_words = "nothing was stopped by it"
        elif why := _stays(row):
            row.released_words = f"{row.title} stays as it is: {why}"
        elif step.does == "narrow":
            grants.let_go(row.stopped["versions"], by=frame.by.ref, now=frame.now)
            row.released_words = f"{row.title} is as it was"
        elif step.does == "block":
            identity_actions.release(
                identity=row.identity, by=frame.by, now=frame.now, because=frame.because
            )
            row.released_words = "the decision endpoint judges it again"
        else:
            asked.append(row)
    asks = [frame.ask("release", Wanted(row.identity, row.credential)) for row in asked]
    made = revocations.request_all(asks, by=frame.by, now=frame.now)
    for row, came in zip(asked, made, strict=True):
        if came.refused is not None:
            row.released_words = f"could not be released: {came.refused}"
            continue
        row.released = [one.pk for one in came.rows]
        row.released_words = ", ".join(f"{one.key}: {one.words}" for one in came.rows)
    for row in rows:
        row.released_words = row.released_words[:LONGEST]
    ContainmentTarget.objects.bulk_update(rows, ["released", "released_words"])


def _stays(row: ContainmentTarget) -> str:
    """What else stops the same thing; "": nothing does."""
    if row.delegation is not None:
        return _decided(row)
    others = ContainmentTarget.objects.select_related("step").filter(
        step__state="asked",
        step__does__in=["hold", "block"],
        identity=row.identity,
        credential=row.credential,
        delegation=None,
        failed_why="",
    )
    other = others.exclude(step=row.step).order_by("-pk").first()
    if other is not None:
        # It stands for both from now on, and knows that there is something to let go.
        other.stopped = other.stopped | row.stopped
        other.save(update_fields=["stopped"])
        same = other.step.case_id == row.step.case_id
        return f"{other.step.key if same else 'another incident'} stops it as well"
    kind = "identity" if row.credential is None else "credential"
    ref = row.identity.pk if row.credential is None else row.credential.pk
    by_itself = AutomaticHold.objects.filter(state="held", item__kind=kind, item__ref=ref).first()
    if by_itself is not None:
        return f"{by_itself} holds it: release that"
    if Quarantine.objects.filter(state="held", item__kind=kind, item__ref=ref).exists():
        return "it was decided to be cut, and is held until then: restore it in that case"
    return ""


def _decided(row: ContainmentTarget) -> str:
    """What became of a delegation, or of one passed on from it, since it was stopped: what was
    decided meanwhile is not taken back by letting go."""
    those, since = list(row.stopped["versions"]), row.step.begun_at
    later = ContainmentTarget.objects.filter(
        step__state="asked", step__begun_at__gt=since, delegation__in=those
    )
    other = later.exclude(stopped={}).select_related("step").first()
    if other is not None:
        return f"it was stopped again after it by {other.step.key}: let go of that first"
    final = Item.objects.filter(
        kind="delegation", ref__in=those, outcome__in=["revoke", "narrow"], outcome_at__gte=since
    )
    changed = DelegationVersion.objects.filter(delegation__in=those, recorded_at__gt=since)
    if final.exists() or changed.exists():
        return "it was decided on since; a request brings back what is asked for"
    return ""
