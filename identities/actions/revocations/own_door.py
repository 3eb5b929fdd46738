"""What our own decision endpoint answers from now on: of many identities, written at once.

Owns the moves that a step makes at our own door, whatever its targets take. Who may is together.py's.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from identities.acting import By, acting
from identities.actions import identities as identity_actions
from identities.actions import stretches
from identities.models import Identity, IdentityState
from identities.permissions import NotPossible

HOLDS = frozenset({"hold", "release"})


class OwnDoor:
    """The steps of one transaction on locked identities; each sees what those before it did."""

    def __init__(
        self, identities: Mapping[UUID, Identity], steps: Collection[str], *, by: By, now: datetime
    ) -> None:
        self.by, self.now = by, now
        self.held: set[UUID] = set()
        if not HOLDS.isdisjoint(steps):
            rows = IdentityState.objects.filter(
                identity__in=identities,
                superseded_at__isnull=True,
                during__contains=now,
                state="held",
            )
            self.held = set(rows.values_list("identity_id", flat=True))
        self.moved: dict[str, list[tuple[Identity, str]]] = {}
        self.holds: dict[tuple[str, str], dict[UUID, tuple[Identity, str]]] = {}

    def take(self, identity: Identity, step: str, because: str) -> None:
        """One step. Raises NotPossible; then nothing of it is written."""
        match step:
            case "suspend" if identity.state != "suspended":
                self._move(identity, step, because)
            case "resume" if identity.state == "suspended":
                self._move(identity, step, because)
            case "hold" | "release":
                self._hold(identity, step, because)

    def _move(self, identity: Identity, step: str, because: str) -> None:
        identity.state = identity_actions.after(identity, step)
        self.moved.setdefault(identity.state, []).append((identity, because))

    def _hold(self, identity: Identity, step: str, because: str) -> None:
        if identity.state not in ("draft", "active"):
            raise NotPossible(f"{identity.name} is {identity.state}: nothing of it works now.")
        if (identity.pk in self.held) == (step == "hold"):
            return
        self.held.symmetric_difference_update({identity.pk})
        to = "held" if step == "hold" else identity.state
        self.holds.setdefault((step, to), {})[identity.pk] = (identity, because)

    def write(self) -> None:
        """Everything that was taken, and its ledger entries."""
        for to, those in self.moved.items():
            identity_actions.moved_all(those, to, by=self.by, now=self.now)
        for (step, to), held in self.holds.items():
            stretches.of_identities(
                {pk: because for pk, (_, because) in held.items()},
                state=to,
                at=self.now,
                now=self.now,
                by=acting(self.by).ref,
            )
            act, done = ("held", "is held") if step == "hold" else ("released", "is no longer held")
            identity_actions.record_all(
                [
                    identity_actions.Act(
                        one,
                        f"identity.{act}",
                        f"{one.name} {done}: {because}",
                        {"because": because},
                    )
                    for one, because in held.values()
                ],
                by=self.by,
                now=self.now,
            )
