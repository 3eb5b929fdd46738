"""Asking for a change in an outside system: rows that the worker finds.

Owns who may ask, and that asking twice makes one change. What our own decision endpoint
answers is changed in the same transaction; the rest goes out after commit (decisions 19).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from evidence import nudge
from identities import permissions
from identities.acting import By, acting
from identities.actions import identities as identity_actions
from identities.actions.identities import record
from identities.enforcers.contract import Permission, Target
from identities.models import Credential, Identity, Revocation
from identities.permissions import NotPossible

from . import reach

OPEN = ("requested", "sending", "sent", "confirmed")
UNDOES = {"release": "hold", "resume": "suspend"}
WHY_NOT = {
    "hold": permissions.why_not_hold,
    "release": permissions.why_not_hold,
    "narrow": permissions.why_not_revoke,
    "suspend": permissions.why_not_suspend,
    "resume": permissions.why_not_suspend,
    "revoke": permissions.why_not_revoke,
}
WORDS = {
    ("hold", "access_key"): "Make key {name} inactive",
    ("release", "access_key"): "Make key {name} active again",
    ("revoke", "access_key"): "Delete key {name}",
    ("revoke", "role_sessions"): "Deny all sessions of role {name} issued until now",
    ("hold", "role_sessions"): "Deny all sessions of role {name} issued until now",
    ("narrow", "user"): "Narrow what user {name} may do",
    ("narrow", "role"): "Narrow what role {name} may do",
}


def request(
    *,
    identity: Identity,
    step: str,
    by: By,
    now: datetime,
    because: str,
    credential: Credential | None = None,
    case: UUID | None = None,
    case_key: str = "",
    permissions_left: Sequence[Permission] = (),
    delegation: UUID | None = None,
    delete: bool = True,
) -> list[Revocation]:
    """Ask for a step on one credential, or on everything of the identity.

    The rows that stand for it, new or already open. `delete=False` keeps a revoked key held at
    the target instead of deleting it. `permissions_left` is what a narrowing leaves.
    """
    with transaction.atomic():
        identity = identity_actions.locked(identity.pk)
        why_not = WHY_NOT.get(step)
        if why_not is None:
            raise NotPossible(f"{step!r} is no step; choose one of {', '.join(WHY_NOT)}.")
        permissions.require(why_not(by, identity, now=now))
        if credential is not None:
            credential = (
                Credential.objects.select_for_update(of=("self",))
                .select_related("actor", "actor__parent", "issued_to", "identity")
                .get(pk=credential.pk)
            )
            _check(identity, credential, step)
            targets = [_credential_target(credential, step, now)]
        else:
            _own(identity, step, by=by, now=now, because=because)
            targets = reach.of_identity(identity, now=now)
        made = []
        for target in targets:
            data: dict[str, Any] = target.as_json() | {"delete": delete}
            if step == "narrow":
                data["permissions"] = [
                    {"actions": list(left.actions), "resources": list(left.resources)}
                    for left in permissions_left
                ]
            facts = {
                "because": because,
                "case": case,
                "case_key": case_key,
                "delegation": delegation,
            }
            made.append(_row(identity, credential, step, target, data, facts, by=by, now=now))
        if credential is None and step in ("hold", "release", "suspend", "resume"):
            made.append(
                _at_our_door(
                    identity, step, by=by, now=now, because=because, case=case, case_key=case_key
                )
            )
        if not made:
            raise NotPossible(
                f"No principal of {identity.name} is bound that an enforcer could change:"
                " bind its user or role first."
            )
        nudge.after_commit("revocation.requested")
    return made


# Standing keys that one suspension holds at their targets; at our door nothing works of any.
MOST_HELD = 200


def suspend_with_keys(
    *,
    identity: Identity,
    by: By,
    now: datetime,
    because: str,
    case: UUID | None = None,
    case_key: str = "",
) -> str:
    """Suspend an identity and hold its standing keys; what of them is held, in words.

    Raises NotPossible where it cannot be suspended; a key that cannot be held is said.
    """
    facts: dict[str, Any] = {"because": because, "case": case, "case_key": case_key}
    request(identity=identity, step="suspend", by=by, now=now, **facts)
    keys = Credential.objects.filter(identity=identity, standing=True, state="active")
    said = []
    for credential in keys.select_related("actor").order_by("number")[:MOST_HELD]:
        try:
            made = request(
                identity=identity, credential=credential, step="hold", by=by, now=now, **facts
            )
        except NotPossible as problem:
            said.append(f"{credential.short} could not be held: {problem}")
        else:
            said.append(made[0].key)
    return f"held: {', '.join(said)}" if said else "it has no standing key"


def retry(*, revocation: Revocation, by: By, now: datetime) -> Revocation:
    """Try a failed one again, after whoever had to act has acted."""
    with transaction.atomic():
        row = (
            Revocation.objects.select_for_update(of=("self",))
            .select_related("identity", "identity__service")
            .get(pk=revocation.pk)
        )
        permissions.require(WHY_NOT[row.step](by, row.identity, now=now))
        if row.state != "failed":
            raise NotPossible(f"{row.key} is {row.state}: only what failed is tried again.")
        # It may have gone out before it failed, so the target is looked at first.
        row.state, row.failed_why, row.who_must_act, row.not_before = "sending", "", "", now
        row.leased_until = None
        row.save(
            update_fields=["state", "failed_why", "who_must_act", "not_before", "leased_until"]
        )
        record(
            row.identity,
            by=by,
            now=now,
            act="revocation.retried",
            words=f"{row.key}: {row.words}: tried again",
            data={"revocation": row.key},
        )
        nudge.after_commit("revocation.requested")
    return row


def _check(identity: Identity, credential: Credential, step: str) -> None:
    if credential.identity_id not in (None, identity.pk):
        raise NotPossible(f"{credential.key} is another identity's credential.")
    if credential.state == "revoked":
        raise NotPossible(f"{credential.key} is revoked already: nothing of it is left.")
    if step not in ("hold", "release", "revoke"):
        raise NotPossible(f"A credential cannot be {step}ed: that is done to its identity.")


def _credential_target(credential: Credential, step: str, now: datetime) -> Target:
    try:
        target = reach.of_credential(credential, now=now)
    except reach.NoTarget as problem:
        raise NotPossible(str(problem)) from None
    if target.kind == "role_sessions" and step != "revoke":
        raise NotPossible(
            f"AWS has no {step} for one session: hold the identity, or revoke its sessions."
        )
    return target


def _own(identity: Identity, step: str, *, by: By, now: datetime, because: str) -> None:
    """What our own endpoint answers changes at once, whatever the target takes."""
    match step:
        case "suspend" if identity.state != "suspended":
            identity_actions.suspend(identity=identity, by=by, now=now, because=because)
        case "resume" if identity.state == "suspended":
            identity_actions.resume(identity=identity, by=by, now=now, because=because)
        case "hold":
            identity_actions.hold(identity=identity, by=by, now=now, because=because)
        case "release":
            identity_actions.release(identity=identity, by=by, now=now, because=because)


def _row(
    identity: Identity,
    credential: Credential | None,
    step: str,
    target: Target,
    data: dict[str, Any],
    facts: dict[str, Any],
    *,
    by: By,
    now: datetime,
) -> Revocation:
    # The identity's row is locked, so two askers cannot both find nothing open.
    open_rows = Revocation.objects.filter(
        identity=identity, credential=credential, step=step, state__in=OPEN, system=target.system
    )
    if credential is None:
        open_rows = open_rows.filter(target__kind=target.kind, target__name=target.name)
    if step == "narrow":
        # Another set of what is left is another change; the later one replaces the earlier.
        open_rows = open_rows.filter(target__permissions=data["permissions"])
    known = open_rows.first()
    if known is not None:
        return known
    _withdraw(identity, credential, step, target)
    who = acting(by)
    name = target.name if credential is None or target.kind != "access_key" else credential.short
    words = WORDS.get((step, target.kind), "{step} {kind} {name}").format(
        step=step.capitalize(), kind=target.kind, name=name
    )
    row = Revocation(
        identity=identity,
        credential=credential,
        step=step,
        system=target.system,
        target=data,
        words=words,
        requested_at=now,
        requested_by=who.ref,
        requested_by_name=who.name,
        not_before=now,
        **facts,
    )
    row.save(force_insert=True)
    row.refresh_from_db(fields=["number"])
    record(
        identity,
        by=by,
        now=now,
        act="revocation.requested",
        words=f"{row.key}: {words}: {facts['because']}",
        data={"revocation": row.key, "step": step, "target": data, "case": facts["case_key"]},
    )
    return row


def _withdraw(identity: Identity, credential: Credential | None, step: str, target: Target) -> None:
    """A release ends the hold it undoes: whatever of that still waits is looked at no more.

    One that is just being sent stays: the release waits behind it (carrying, `CLAIM`).
    """
    undone = UNDOES.get(step)
    if undone is None:
        return
    Revocation.objects.filter(
        identity=identity,
        credential=credential,
        step=undone,
        state__in=["requested", "sent", "confirmed"],
        system=target.system,
        target__name=target.name,
    ).update(state="undone", failed_why="", leased_until=None)


def _at_our_door(
    identity: Identity,
    step: str,
    *,
    by: By,
    now: datetime,
    because: str,
    case: UUID | None,
    case_key: str,
) -> Revocation:
    """The row for our own decision endpoint: it asks us, so it is effective at once."""
    who = acting(by)
    words = f"{step.capitalize()} {identity.name} at the decision endpoint"
    row = Revocation(
        identity=identity,
        step=step,
        system="countersign",
        target=Target("countersign", "own", "identity", identity.name).as_json(),
        words=words,
        state="effective",
        requested_at=now,
        requested_by=who.ref,
        requested_by_name=who.name,
        because=because,
        case=case,
        case_key=case_key,
        sending_at=now,
        sent_at=now,
        confirmed_at=now,
        effective_at=now,
        not_before=now,
    )
    row.save(force_insert=True)
    row.refresh_from_db(fields=["number"])
    return row
