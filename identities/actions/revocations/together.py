"""Many changes asked for together: what is read for all of them at once, and written at once.

Owns the rules of asking, so that one change is a set of one (asking.py): which row stands for a
change, that one already open stands for it, and what our own endpoint answers. Must not know of
cases, but for the words of one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from evidence import nudge
from identities import causes, permissions
from identities.acting import By, acting
from identities.actions import identities as identity_actions
from identities.enforcers.contract import Target
from identities.models import Credential, Entitlement, Identity, Revocation
from identities.permissions import NotAllowed, NotPossible

from . import reach, wording
from .along import Along
from .asks import TAKES, WHY_NOT, Ask, Made, Unreachable, complete, takes, widens
from .own_door import OwnDoor

ENDED = ("revoked", "expired")
OPEN = ("requested", "sending", "sent", "confirmed")
UNDOES = {"release": "hold", "resume": "suspend"}
# What our own decision endpoint answers from now on.
AT_OUR_DOOR = frozenset({"hold", "release", "suspend", "resume"})
# What a step on an entitlement may be, and which of its holds it ends.
OF_ENTITLEMENT = ("hold", "release", "narrow")


UNDO = """
UPDATE identities_revocation r SET state = 'undone', failed_why = '', leased_until = NULL
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[])
    AS n(identity, credential, step, system, name)
WHERE r.identity_id = n.identity AND r.credential_id IS NOT DISTINCT FROM n.credential
AND r.entitlement IS NULL AND r.step = n.step AND r.system = n.system
AND r.target->>'name' = n.name AND r.state IN ('requested', 'sent', 'confirmed')
"""


class Together:
    """What is asked for in one transaction. Identities and credentials are locked, in the order of
    their ids; each ask sees what those before it did."""

    def __init__(self, asks: Sequence[Ask], *, by: By, now: datetime) -> None:
        self.by, self.now = by, now
        asks = [complete(ask, by) for ask in asks]
        # What a sealed case asks for is seen; why, and by whom, is not.
        self.unsaid = causes.unsaid({ask.case for ask in asks})
        self.said_by = causes.said_by(by, neutral=bool(self.unsaid))
        self.along = Along(asks, now=now)
        self.identities = identity_actions.locked_all(
            {ask.identity.pk for ask in asks} | self.along.identities
        )
        keys = {ask.credential.pk for ask in asks if ask.credential is not None}
        keys |= self.along.credentials
        self.credentials = _locked_credentials(keys) if keys else {}
        bound = [one.identity_id for one in self.credentials.values()]
        self.names = reach.bound_names(
            {pk for pk in (*self.identities, *bound) if pk is not None}, now=now
        )
        self.open: dict[tuple[object, ...], list[Revocation]] = {}
        whole = Q(credential__isnull=True, identity__in=self.identities)
        steps = {ask.step for ask in asks}
        rows = Revocation.objects.filter(
            whole | Q(credential__in=keys), step__in=steps, state__in=OPEN
        )
        for row in rows.order_by("pk"):
            self.open.setdefault(_change(row), []).append(row)
        self.by_hand: dict[tuple[object, str], Revocation] = {}
        if self.along.credentials or any(ask.by_hand for ask in asks):
            failed = Revocation.objects.filter(credential__in=keys, step__in=steps, state="failed")
            self.by_hand = {(row.credential_id, row.step): row for row in failed.order_by("pk")}
        self.made: list[Revocation] = []
        # Open rows that are asked for again: in their own right, or with what they issued.
        self.own: set[UUID] = set()
        self.taking: list[Revocation] = []
        # What releases undo: identity, credential, step, system and the target's name.
        self.undone: list[tuple[UUID, UUID | None, str, str, str]] = []
        self.door = OwnDoor(self.identities, steps, by=self.said_by, now=now)

    def take(self, ask: Ask) -> Made:
        """What stands for this ask. Nothing is written before `write`, of a refused one never."""
        ask = complete(ask, self.by)
        if ask.case in self.unsaid:
            ask = ask._replace(because=causes.NEUTRAL, case_key="")
        if not permissions.stops_others(self.by):
            ask = ask._replace(takes_others=False)
        try:
            rows = self._allowed_rows(ask)
        except (NotPossible, NotAllowed) as refused:
            return Made([], refused)
        return Made(rows, None, self._along(ask, rows[0]))

    def _along(self, ask: Ask, first: Revocation) -> list[Revocation]:
        """What was issued with it is asked for as well, once for what is one change at its target;
        what cannot be asked for lives on with its end (late.py)."""
        rows = {_place(first.target): first}
        of: dict[int, Revocation] = {}
        those = self.along.of(ask, first, credentials=self.credentials, identities=self.identities)
        for child, actor, above in those:
            try:
                place = _place(self._target(child).as_json())
            except Unreachable:
                place = ("", "", "", str(actor))
            except NotPossible:
                continue
            if place not in rows:
                try:
                    (rows[place],) = self._rows(child)
                except NotPossible:
                    continue
                row = rows[place]
                if child.step != "release" and row._state.adding and row.after_id is None:
                    row.after_id = of.get(above, first).pk
            of[actor] = rows[place]
        return [row for row in rows.values() if row is not first]

    def _allowed_rows(self, ask: Ask) -> list[Revocation]:
        why_not = WHY_NOT.get(ask.step)
        if why_not is None:
            raise NotPossible(f"{ask.step!r} is no step; choose one of {', '.join(WHY_NOT)}.")
        identity = self.identities.get(ask.identity.pk)
        if identity is None:
            raise NotPossible(f"{ask.identity.name} is gone.")
        permissions.require(why_not(self.by, identity, now=self.now))
        return self._rows(ask)

    def _rows(self, ask: Ask) -> list[Revocation]:
        identity = self.identities[ask.identity.pk]
        whole = ask.credential is None and ask.entitlement is None
        if ask.entitlement is not None:
            targets = [self._allowed(identity, ask, ask.entitlement)]
        elif ask.credential is None:
            self.door.take(identity, ask.step, ask.because)
            targets = reach.principals(self.names[identity.pk])
            if ask.step == "narrow":
                _can_be_narrowed(targets)
        else:
            try:
                targets = [self._target(ask)]
            except Unreachable as why:
                if not ask.by_hand:
                    raise
                return [self._for_people(identity, ask, ask.credential, str(why))]
        found = [self._row(identity, ask, target) for target in targets]
        if whole and ask.step in AT_OUR_DOOR:
            found.append(self._at_our_door(identity, ask))
        if not found:
            raise NotPossible(
                f"No principal of {identity.name} is bound that an enforcer could change:"
                " bind its user or role first."
            )
        return found

    def _target(self, ask: Ask) -> Target:
        step, asked = ask.step, ask.credential
        credential = None if asked is None else self.credentials.get(asked.pk)
        if asked is None or credential is None:
            raise NotPossible(f"{'It' if asked is None else asked.key} is gone.")
        if credential.identity_id not in (None, ask.identity.pk):
            raise NotPossible(f"{credential.key} is another identity's credential.")
        # What has ended elsewhere takes along what it issued; in an incident also what becomes known
        # of that later.
        takes_more = ask.cause is None and takes(ask) and (ask.urgent or self.along.has(ask))
        if credential.state in ENDED and not takes_more:
            why = f"{credential.key} is {credential.state} already: nothing of it is left."
            raise NotPossible(why)
        if step not in ("hold", "release", "revoke"):
            raise NotPossible(f"A credential cannot be {step}ed: that is done to its identity.")
        arns = [] if credential.identity_id is None else self.names[credential.identity_id]
        try:
            target = reach.of_credential(credential, arns, now=self.now)
        except reach.NoTarget as problem:
            raise Unreachable(str(problem)) from None
        if why := reach.cannot(target, step):
            raise Unreachable(why)
        return target

    def _for_people(self, identity: Identity, ask: Ask, asked: Credential, why: str) -> Revocation:
        """The row that waits for people from the start, once for a credential and step."""
        known = self.by_hand.get((asked.pk, ask.step))
        if known is not None:
            return self._again(known, ask)
        credential = self.credentials[asked.pk]
        realm, kind = credential.actor.realm, credential.kind
        row = self._new(
            identity,
            ask,
            system=realm.partition(":")[0],
            target=Target(realm.partition(":")[0], realm, kind, credential.actor.value).as_json(),
            words=f"{ask.step.capitalize()} {kind.replace('_', ' ')} {credential.short}",
        )
        row.credential, row.state, row.failed_why = credential, "failed", why
        row.who_must_act = f"whoever runs {realm}"
        self.made.append(row)
        self.by_hand[credential.pk, ask.step] = row
        return row

    def _allowed(self, identity: Identity, ask: Ask, entitlement: Entitlement) -> Target:
        if entitlement.identity_id != identity.pk:
            raise NotPossible("What is allowed there is another identity's.")
        if ask.step not in OF_ENTITLEMENT:
            raise NotPossible(f"What is allowed has no step {ask.step}: hold or narrow it.")
        try:
            target = reach.of_entitlement(entitlement)
        except reach.NoTarget as problem:
            raise NotPossible(str(problem)) from None
        # Our own hold comes off wherever it is; nobody else's principal is stopped.
        if ask.step != "release" and target not in reach.principals(self.names[identity.pk]):
            raise NotPossible(
                f"{target.kind.capitalize()} {target.name} is not bound to {identity.name} any"
                " more: nothing of it is changed."
            )
        extra = {"hold": ask.held_by} if ask.held_by else {}
        kind = target.kind if ask.step == "narrow" else f"{target.kind}_entitlement"
        found = replace(target, kind=kind, extra=extra)
        if why := reach.cannot(found, ask.step):
            raise NotPossible(why)
        return found

    def _row(self, identity: Identity, ask: Ask, target: Target) -> Revocation:
        data: dict[str, Any] = target.as_json() | {"delete": ask.delete}
        if ask.allowed is not None:
            data["allowed"] = dict(ask.allowed)
        if ask.step == "narrow" or (ask.step == "hold" and ask.entitlement is not None):
            data["permissions"] = [
                {"actions": list(left.actions), "resources": list(left.resources)}
                for left in ask.permissions_left
            ]
        credential = None if ask.credential is None else self.credentials[ask.credential.pk]
        words = wording.of(ask.step, target, credential)
        row = self._new(identity, ask, system=target.system, target=data, words=words)
        row.credential, row.delegation = credential, ask.delegation
        row.entitlement = None if ask.entitlement is None else ask.entitlement.pk
        # The identity's row is locked, so two askers cannot both find nothing open.
        standing = self.open.setdefault(_change(row), [])
        if standing:
            return self._again(standing[0], ask)
        self._withdraw(identity, credential, ask.step, target)
        if credential is not None and credential.state in ENDED:
            # Nothing is left to send: it waits for what it issued.
            row.state = "confirmed"
            row.sending_at = row.sent_at = row.confirmed_at = self.now
        standing.append(row)
        self.made.append(row)
        return row

    def _again(self, row: Revocation, ask: Ask) -> Revocation:
        """What stands for it already. Asked for by itself it does not depend on its cause any more."""
        if not row._state.adding:
            if ask.cause is None and row.cause_id is not None:
                self.own.add(row.pk)
            if widens(row, ask):
                self.taking.append(row)
        return row

    def _withdraw(
        self, identity: Identity, credential: Credential | None, step: str, target: Target
    ) -> None:
        """A release ends the hold it undoes: whatever of that still waits is looked at no more.

        One that is just being sent stays: the release waits behind it (carrying, `CLAIM`).
        """
        ours = Revocation.objects.filter(
            identity=identity, credential=credential, system=target.system
        )
        going = ["requested", "sent", "confirmed"]
        if "hold" in target.extra:
            number = int(target.extra["hold"].removeprefix("REV-"))
            held = ours.filter(entitlement__isnull=False)
            held = held.filter(
                Q(step="hold", number=number, state__in=[*going, "failed"])
                # Refused, because what it allows had changed: this one takes its place.
                | Q(step="release", state="failed", target__extra__hold=target.extra["hold"])
            )
        elif step in UNDOES:
            key = None if credential is None else credential.pk
            self.undone.append((identity.pk, key, UNDOES[step], target.system, target.name))
            return
        else:
            return
        held.update(state="undone", failed_why="", leased_until=None)

    def _at_our_door(self, identity: Identity, ask: Ask) -> Revocation:
        """The row for our own decision endpoint: it asks us, so it is effective at once."""
        row = self._new(
            identity,
            ask,
            system="countersign",
            target=Target("countersign", "own", "identity", identity.name).as_json(),
            words=f"{ask.step.capitalize()} {identity.name} at the decision endpoint",
        )
        row.state = "effective"
        row.sending_at = row.sent_at = row.confirmed_at = row.effective_at = self.now
        self.made.append(row)
        return row

    def _new(
        self, identity: Identity, ask: Ask, *, system: str, target: dict[str, Any], words: str
    ) -> Revocation:
        who = acting(self.said_by)
        return Revocation(
            identity=identity,
            step=ask.step,
            system=system,
            target=target,
            words=words,
            requested_at=self.now,
            requested_by=who.ref,
            requested_by_name=who.name,
            because=ask.because,
            case=ask.case,
            case_key=ask.case_key,
            urgent=acting(self.by).user is not None if ask.urgent is None else ask.urgent,
            not_before=self.now,
            takes_issued=takes(ask),
            takes_others=takes(ask) and ask.takes_others,
            spares_own=takes(ask) and ask.spares_own,
            takes_made=takes(ask) and bool(ask.takes_made),
            cause=ask.cause,
        )

    def write(self) -> None:
        """Everything that was taken, and its ledger entries."""
        self.door.write()
        if self.undone:
            with connection.cursor() as cursor:
                cursor.execute(UNDO, [list(column) for column in zip(*self.undone, strict=True)])
        Revocation.objects.bulk_create(self.made)
        if self.own:
            Revocation.objects.filter(pk__in=self.own).update(cause=None)
        if self.taking:
            Revocation.objects.bulk_update(self.taking, TAKES)
        identity_actions.record_all(
            [
                identity_actions.Act(
                    row.identity,
                    "revocation.requested",
                    f"{row.key}: {row.words}: {row.because}",
                    {
                        "revocation": row.key,
                        "step": row.step,
                        "target": row.target,
                        "case": row.case_key,
                        "cause": None if row.cause is None else row.cause.key,
                    },
                )
                for row in self.made
                if row.system != "countersign"
            ],
            by=self.said_by,
            now=self.now,
        )
        nudge.after_commit("revocation.requested")


def _place(target: Mapping[str, Any]) -> tuple[str, ...]:
    """What is changed where: several that are the same change are one."""
    return tuple(str(target.get(part, "")) for part in ("system", "account", "kind", "name"))


def _change(row: Revocation) -> tuple[object, ...]:
    """What makes two open rows the same change."""
    target = row.target
    # Another set of what is left is another change; the later one replaces the earlier.
    left = json.dumps(target.get("permissions"), sort_keys=True) if row.step == "narrow" else ""
    if row.entitlement is not None:
        # Each asking holds by itself: what one lets go, the other still stops.
        left += f" {target['extra'].get('hold', row.pk if row.step == 'hold' else '')}"
    if row.credential_id is not None:
        # Also where it was nobody's and was asked for with what had issued it.
        return row.credential_id, row.step, row.system, left
    return row.identity_id, target.get("kind"), target.get("name"), row.step, row.system, left


def _locked_credentials(pks: set[UUID]) -> dict[UUID, Credential]:
    rows = Credential.objects.select_for_update(of=("self",))
    found = rows.select_related("actor", "actor__parent", "issued_to", "seen_with", "identity")
    return {one.pk: one for one in found.filter(pk__in=pks).order_by("pk")}


def _can_be_narrowed(targets: Sequence[Target]) -> None:
    """Where none of them can be, that is said before anything is asked for; where only some can,
    what cannot is a row that fails and says what to do there."""
    why = [reach.cannot(one, "narrow") for one in targets]
    if why and all(why):
        raise NotPossible(why[0])
