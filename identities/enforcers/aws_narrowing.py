"""What a user or role is left: narrowed for good, or held so for a while and let go again.

Owns the order of calls and what is compared before a hold comes off. A hold is a policy of its
own for each asking (`CountersignHold-REV-12`) that only denies: it touches nothing of the
account's, two holds do not know each other, and taking one off puts back exactly what was there.
Must not know who asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from . import aws_policies as policies
from . import entitlements_aws, widening
from .aws_arns import Place
from .aws_clients import Clients
from .aws_failures import ACCOUNT, ADMINISTRATOR, Absent
from .aws_principals import Kind, Principals
from .contract import PermanentFailure, Permission, Seen, Sent, Target, plain

KINDS: dict[str, Kind] = {"user_entitlement": "user", "role_entitlement": "role"}
MOST_NAMED = 5


def title(target: Target) -> str:
    """The name of the hold's policy; `extra` says which hold it is."""
    found = policies.held_as(target.extra.get("hold", ""))
    if found is None:
        raise PermanentFailure(
            f"The target does not say which hold of {target.name} it is.",
            who_must_act=ADMINISTRATOR,
        )
    return found


def narrow(
    known: Principals, kind: Kind, target: Target, permissions: Sequence[Permission]
) -> Sent:
    """Deny everything outside the permissions, and then take off the hold that came before."""
    document = _document(known, kind, target, permissions)
    reference = known.put_policy(kind, target.name, policies.NARROW, document)
    detail = f"{policies.NARROW} denies everything outside {len(permissions)} permissions."
    if "hold" in target.extra:
        # Last, so that nothing is open in between.
        detail += f" {_taken_off(known, kind, target).detail}"
    return Sent(reference=reference, detail=plain(detail + _wider(kind, permissions)))


def hold(known: Principals, target: Target, permissions: Sequence[Permission]) -> Sent:
    kind, name = KINDS[target.kind], title(target)
    try:
        document = _document(known, kind, target, permissions)
        reference = known.put_policy(kind, target.name, name, document)
    except Absent:
        return Sent(reference="", detail=f"{target.name} is already gone.")
    detail = f"{name} denies everything outside {len(permissions)} permissions."
    return Sent(reference=reference, detail=plain(detail + _wider(kind, permissions)))


def _document(
    known: Principals, kind: Kind, target: Target, permissions: Sequence[Permission]
) -> str:
    """The policy of a narrowing or hold; one that AWS would not take is refused here."""
    place = Place(known.account, known.partition)
    try:
        return policies.narrow(permissions, place=place, kind=kind)
    except policies.TooLong as long:
        raise PermanentFailure(
            f"What is left to {target.name} takes {long.size:,} characters as a policy, and AWS"
            f" takes {long.most:,} for a {kind}: nothing was sent. Leave fewer actions or"
            " resources, or say them with `*`.",
            who_must_act="whoever decided what is left",
        ) from None


def _wider(kind: Kind, permissions: Sequence[Permission]) -> str:
    """What stays beyond the permissions, as the end of a detail."""
    found = policies.wider_than(permissions, kind=kind)
    return f" More stays than that: {'; '.join(found)}." if found else ""


def release(
    known: Principals, target: Target, *, before: Mapping[str, str], now: Mapping[str, str]
) -> Sent:
    """Take the hold off, unless more would come into force than it stopped."""
    kind, name = KINDS[target.kind], title(target)
    known.look(kind, target.name)  # of what is gone nothing can be put back
    if known.policy(kind, target.name, name) is None:
        return Sent(reference="", detail=f"{target.name} carries no {name}.")
    more = widening.wider(before, now)
    if more:
        named = "; ".join(more[:MOST_NAMED]) + ("; …" if len(more) > MOST_NAMED else "")
        raise PermanentFailure(
            f"AWS allows {target.name} more than when it was held, so it stays held: {named}."
            " Take that back there and try again, or review it anew.",
            who_must_act=ACCOUNT,
        )
    return _taken_off(known, kind, target)


def _taken_off(known: Principals, kind: Kind, target: Target) -> Sent:
    name = title(target)
    try:
        reference = known.delete_policy(kind, target.name, name)
    except Absent:
        return Sent(reference="", detail=f"{target.name} carries no {name}.")
    return Sent(reference=reference, detail=f"{name} is taken off {target.name}.")


def seen_narrow(
    known: Principals,
    kind: Kind,
    target: Target,
    permissions: Sequence[Permission],
    *,
    now: datetime,
) -> Seen:
    found = known.policy(kind, target.name, policies.NARROW)
    document = _document(known, kind, target, permissions)
    if not found or not policies.same(found, document):
        what = "says something else" if found else "is not there"
        return Seen("active", f"{policies.NARROW} {what}.", now)
    if "hold" in target.extra and known.policy(kind, target.name, title(target)) is not None:
        return Seen("active", f"{title(target)} is still there beside {policies.NARROW}.", now)
    return Seen("denied", f"{policies.NARROW} is there as it was sent.", now)


def seen_held(
    known: Principals,
    kind: Kind,
    target: Target,
    permissions: Sequence[Permission],
    *,
    step: str,
    now: datetime,
) -> Seen:
    """Whether the hold is there as it was sent; for a release, whether anything of it is."""
    found, name = known.policy(kind, target.name, title(target)), title(target)
    if found is None:
        return Seen("active", f"{name} is not there.", now)
    if step == "release":
        return Seen("held", f"{name} is still there.", now)
    if not policies.same(found, _document(known, kind, target, permissions)):
        return Seen("active", f"{name} says something else.", now)
    return Seen("held", f"{name} is there as it was sent.", now)


def allowed(clients: Clients, account: str, target: Target, *, now: datetime) -> dict[str, str]:
    """What AWS allows a user or role apart from our own stops, to compare with later."""
    try:
        found = entitlements_aws.read(
            clients, account=account, kind=KINDS[target.kind], name=target.name, now=now
        )
    except Absent:
        return {}
    return widening.allowed(one.as_json() for one in found.possible)
