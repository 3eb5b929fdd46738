"""What narrowing at the target would leave beyond what is signed, said before it is signed.

Owns the sentences; what can be kept apart there is the enforcer's to say. Asks nothing.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from identities.actions.revocations import reach
from identities.enforcers import aws_policies
from identities.enforcers.contract import Permission
from identities.models import DelegationVersion, Entitlement
from reviews.actions import planted_answers
from reviews.models import Item
from reviews.pages.weighing import Weighed

CHANGES = ("narrow", "revoke")
NOTHING_LEFT = "Nothing is delegated: narrowing would leave nothing. Revoke it, or sign one first"


def of_entitlement(item: Item, weighed: Weighed) -> list[dict[str, Any]]:
    """Of what one principal is allowed, narrowed to all that is delegated."""
    row = _reading(item, weighed)
    if row is None:
        return []
    if why := why_not(item, weighed):
        return [_row(why)]
    if not weighed.versions:
        return [_row(NOTHING_LEFT)]
    return [_row(one) for one in _wider(row, _delegated(weighed.versions))]


def why_not(item: Item, weighed: Weighed) -> str:
    """Why nothing that is decided about it is done at the target, held there or put back: a system
    that no enforcer writes to. "" where one does."""
    row = _reading(item, weighed)
    if row is None:
        return ""
    try:
        reach.of_entitlement(row)
    except reach.NoTarget as problem:
        return str(problem)
    return ""


def not_changed(item: Item, weighed: Weighed) -> list[dict[str, Any]]:
    """The same as the one row of a dry run, which nothing else belongs beside."""
    why = why_not(item, weighed)
    return [_row(why) | {"kind": "outside"}] if why else []


def _reading(item: Item, weighed: Weighed) -> Entitlement | None:
    """What an entitlement's item is about; of a planted one its copy, with the made-up name."""
    if item.kind != "entitlement":
        return None
    ref = planted_answers.reading_of(item)
    row = next((one for one in weighed.readings if one.pk == ref), None)
    if row is not None and planted_answers.behind(item) is not None:
        row, name = copy(row), row.principal.rsplit("/", 1)[-1]
        row.principal = row.principal.removesuffix(name) + item.title.rpartition(" ")[2]
    return row


def of_delegation(
    row: DelegationVersion, left: Mapping[str, Sequence[str]], weighed: Weighed
) -> list[dict[str, Any]]:
    """Of every principal, when only `left` of this delegation stays beside the others."""
    others = [one for one in weighed.versions if one.delegation_id != row.delegation_id]
    those = [Permission(tuple(left["actions"]), tuple(left["resources"])), *_delegated(others)]
    found = dict.fromkeys(one for reading in weighed.readings for one in _wider(reading, those))
    return [_row(one) for one in found]


def _delegated(rows: Sequence[DelegationVersion]) -> list[Permission]:
    return [Permission(tuple(row.actions), tuple(row.resources)) for row in rows]


def _wider(row: Entitlement, those: Sequence[Permission]) -> list[str]:
    try:
        target = reach.of_entitlement(row)
    except reach.NoTarget:
        return []
    said = aws_policies.wider_than(those, kind=target.kind)
    return [f"where AWS is narrowed to it ({target.kind} {target.name}): {one}" for one in said]


def _row(words: str) -> dict[str, Any]:
    return {"kind": "waits", "words": words, "url": ""}
