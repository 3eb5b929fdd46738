"""Whether a target allows more than it did at an earlier reading. Pure.

Owns what is remembered of a reading while an entitlement is held: a digest of each statement, and
what it does in words. Must not know how it was read. Conservative: what was not there then, and a
limit that is gone, is more; what could not be read then is not compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from .contract import plain

MEANT = ("actions", "not_actions", "resources", "not_resources", "conditions", "layer")
DOES = {"allow": "allows", "deny": "denies", "eligible": "allows after activation"}
# Our own stops, which come and go: they only deny. What allows under our name is not ours.
OURS = "inline Countersign"
LONGEST_VIA = 160


def allowed(possible: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What statements come to (`possible_aws.Possible` as JSON): {digest: what it does}."""
    found = {}
    for one in possible:
        via = plain(str(one.get("via", "")))[:LONGEST_VIA]
        effect = str(one.get("effect", "")).lower()
        if effect == "deny" and via.startswith(OURS):
            continue
        does = DOES.get(effect)
        if does is None:
            found[_digest(["unread", via])] = f"could not be read: {via}"
            continue
        found[_digest([does, {name: one.get(name) for name in MEANT}])] = f"{does} by {via}"
        if one.get("layer") == "boundary":
            found[_digest(["limits", via])] = f"limits by {via}"
    return found


def wider(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What `now` allows beyond `before`, in words; empty: nothing."""
    unread = {words.partition(": ")[2] for words in before.values() if words.startswith("could")}
    more = [
        f"new: {words}"
        for digest, words in now.items()
        if digest not in before
        and not words.startswith(("denies", "limits"))
        and words.partition(" by ")[2] not in unread
    ]
    less = [
        f"gone: {words}"
        for digest, words in before.items()
        if digest not in now and words.startswith(("denies", "limits"))
    ]
    return sorted(more) + sorted(less)


def _digest(of: object) -> str:
    text = json.dumps(of, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
