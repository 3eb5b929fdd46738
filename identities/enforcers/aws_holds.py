"""Users and roles: denied everything, and woken again.

Owns the order of calls, which is what makes a crash in the middle harmless; must not know who
asked.
"""

from __future__ import annotations

from datetime import datetime

from evidence.words import counted

from . import aws_policies as policies
from .aws_failures import Absent
from .aws_principals import Kind, Principals
from .contract import PermanentFailure, Seen, Sent, Target


def suspend_user(known: Principals, target: Target) -> Sent:
    try:
        active = [k.access_key_id for k in known.keys(target.name) if k.status == "Active"]
    except Absent:
        return Sent(reference="", detail=f"{target.name} is already gone.")
    before = policies.held_keys(known.policy("user", target.name, policies.HOLD) or {})
    reference, failure = "", None
    try:
        # The policy first: it stops everything at once, console and tokens included, and it
        # remembers the keys before any of them is touched.
        reference = known.put_policy(
            "user", target.name, policies.HOLD, policies.hold([*active, *before])
        )
    except PermanentFailure as error:
        # Where there is no room for the policy the keys are stopped all the same.
        failure = error
    for access_key_id in active:
        try:
            known.set_key(target.name, access_key_id, active=False)
        except Absent:
            continue
    if failure is not None:
        raise failure
    return Sent(
        reference=reference,
        detail=f"{target.name} is denied everything; {counted(len(active), 'key')} made inactive.",
    )


def resume_user(known: Principals, target: Target) -> Sent:
    found = known.policy("user", target.name, policies.HOLD)
    if found is None:
        return Sent(reference="", detail=f"{target.name} carries no {policies.HOLD}.")
    woken = 0
    for access_key_id in policies.held_keys(found):
        try:
            known.set_key(target.name, access_key_id, active=True)
            woken += 1
        except Absent:
            continue
    sent = drop_policy(known, "user", target, policies.HOLD)
    return Sent(
        reference=sent.reference, detail=f"{sent.detail} {counted(woken, 'key')} made active."
    )


def revoke_user(known: Principals, target: Target, *, delete: bool) -> Sent:
    sent = suspend_user(known, target)
    if not delete:
        return sent
    deleted = 0
    try:
        found = known.keys(target.name)
    except Absent:
        return sent
    for each in found:
        try:
            known.delete_key(target.name, each.access_key_id)
            deleted += 1
        except Absent:
            continue
    return Sent(
        reference=sent.reference, detail=f"{sent.detail} {counted(deleted, 'key')} deleted."
    )


def hold_role(known: Principals, target: Target) -> Sent:
    try:
        reference = known.put_policy("role", target.name, policies.HOLD, policies.hold())
    except Absent:
        return Sent(reference="", detail=f"{target.name} is already gone.")
    return Sent(reference=reference, detail=f"{target.name} is denied everything.")


def drop_policy(known: Principals, kind: Kind, target: Target, policy: str) -> Sent:
    try:
        reference = known.delete_policy(kind, target.name, policy)
    except Absent:
        return Sent(reference="", detail=f"{target.name} carries no {policy}.")
    return Sent(reference=reference, detail=f"{policy} is taken off {target.name}.")


def seen_hold(known: Principals, kind: Kind, target: Target, *, now: datetime) -> Seen:
    found = known.policy(kind, target.name, policies.HOLD)
    if found is None or not policies.holds(found):
        return Seen("active", f"{policies.HOLD} does not deny everything.", now)
    if kind == "user":
        awake = [k.access_key_id for k in known.keys(target.name) if k.status == "Active"]
        if awake:
            return Seen("active", f"{policies.HOLD} is there; active: {', '.join(awake)}.", now)
    return Seen("denied", f"{policies.HOLD} denies everything.", now)
