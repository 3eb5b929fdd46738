"""Dangerous together, as pages show it: each leg, each side, and the rows behind it.

Owns the words of templates/components/together.html. What it says is reviews/combined.py's.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from identities.combinations import LEGS, Reason, Row
from identities.models import DelegationVersion, Entitlement, Identity
from reviews import combined
from reviews.models import Item
from reviews.pages import weighing
from reviews.pages.weighing import KINDS, Weighed
from reviews.used import Use

SHOWN = 3
SIDES = {"delegated": "Delegated", "possible": "Possible", "used": "Used"}


def of_item(item: Item, weighed: Weighed) -> dict[str, Any] | None:
    """Of the identity of an item; what a request asks for counts as delegated."""
    if item.kind not in KINDS or not weighed.key:
        return None
    asked = item.proposal.get("actions", []) if item.kind == "grant" else []
    found = context(
        weighed.key, weighed.versions, weighed.readings, weighed.used, own=weighed.own, asked=asked
    )
    return found | {"asked": bool(asked)}


def of_identity(identity: Identity, *, at: datetime) -> dict[str, Any]:
    """Everything templates/together.html shows: the part of its page that is asked for alone."""
    weighed = weighing.of_identity(identity, now=at)
    return {
        "section": "identities",
        "title": f"Dangerous together: {identity.name}",
        "identity": {"name": identity.name, "url": f"/identities/{identity.key}/"},
        "together": context(
            weighed.key, weighed.versions, weighed.readings, weighed.used, own=weighed.own
        ),
    }


def context(
    key: str,
    versions: Sequence[DelegationVersion],
    readings: Sequence[Entitlement],
    uses: Sequence[Use],
    *,
    own: tuple[Row, ...],
    asked: Iterable[str] = (),
) -> dict[str, Any]:
    """The table of one identity, and the sentence above it."""
    of = {action: row.delegation.key for row in reversed(versions) for action in row.actions}
    sides = combined.of([*of, *asked], readings, [one.action for one in uses], own)
    whole = combined.complete(sides)

    def link(side: str, what: str) -> str:
        if side == "used":
            return f"/events/?{urlencode({'identity': key, 'action': what})}"
        return f"/identities/{key}/#{of[what]}" if side == "delegated" and what in of else ""

    return {
        "words": combined.sentence(whole),
        "whole": bool(whole),
        "sure": "yes" in whole.values(),
        "rows": [
            {
                "leg": words,
                "sides": [
                    {
                        "words": SIDES[side],
                        "state": sides[side][leg].state,
                        "reasons": [
                            _reason(one, link(side, one.what))
                            for one in sides[side][leg].reasons[:SHOWN]
                        ],
                        "more": max(0, len(sides[side][leg].reasons) - SHOWN),
                    }
                    for side in SIDES
                ],
            }
            for leg, words in LEGS.items()
        ],
    }


def _reason(one: Reason, url: str) -> dict[str, str]:
    how = one.because if one.sure else f"by its name {one.because}"
    return {"what": one.what, "words": how, "source": one.source, "url": url}


def as_data(weighed: Weighed) -> Mapping[str, Any] | None:
    """The member `combination` of a case's JSON."""
    if not weighed.key:
        return None
    delegated = [action for row in weighed.versions for action in row.actions]
    seen = [one.action for one in weighed.used]
    return combined.as_data(combined.of(delegated, weighed.readings, seen, weighed.own))
