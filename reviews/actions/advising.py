"""Why a recommendation is made: sentences with the way to their rows, frozen with the item.

Owns what stands in an item's snapshot as `reasons`, and the advice to investigate: where evidence
speaks against keeping and does not say what to take away. It never makes a recommendation weaker,
and none is ever chosen for somebody. Five queries, however many identities.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.db import connection

from evidence.words import counted
from identities import combinations
from identities.models import Identity
from reviews import combined
from reviews.models import Item
from reviews.shown import covers

INVESTIGATE = "investigate"
# No answer, so not among theirs.
WORDS = {INVESTIGATE: "Investigate"}
# In an item's snapshot: up to when the evidence reached that its recommendation was made from.
MADE_AT = "advised_at"
# Advice that finding something out comes before.
WEAKER = ("", "keep")
MOST = 6
MOST_NAMED = 3
# Findings that say a delegation is not used as it was meant.
RULES = {
    "outside_resources": "used on resources outside it",
    "after_expiry": "used after it had ended",
    "after_revocation": "used after it was revoked or held",
    "left_task": "a run left its task",
}
# The newest findings of each identity, and the actions of their newest events.
OF_ACTIONS = """
SELECT who.id, f.number, f.rule, a.value FROM unnest(%s::uuid[]) AS who(id)
CROSS JOIN LATERAL (SELECT id, number, rule FROM identities_finding
  WHERE identity_id = who.id AND state IN ('open', 'confirmed') AND rule = ANY(%s)
  ORDER BY last_at DESC LIMIT 50) f
CROSS JOIN LATERAL (SELECT DISTINCT t.value
  FROM (SELECT at, event_id FROM identities_findingevent WHERE finding_id = f.id LIMIT 50) fe
  JOIN evidence_event e ON e.at = fe.at AND e.id = fe.event_id
  JOIN evidence_term t ON t.id = e.action_id) a
ORDER BY f.number
"""


class Found(NamedTuple):
    """One open finding about an action."""

    key: str
    rule: str
    action: str


def complete[Items: Mapping[UUID, Sequence[Item]]](
    items: Items, identities: Sequence[Identity], *, now: datetime
) -> Items:
    """Say in each item why its recommendation is made; strengthen a "keep" that evidence doubts."""
    keys = {one.pk: one.key for one in identities}
    findings = _findings(
        [pk for pk, found in items.items() if any(one.kind == "delegation" for one in found)]
    )
    together = combined.of_many([one for one in identities if one.pk in items], now=now)
    for pk, found in items.items():
        for item in found:
            whole = _together(item, together.get(pk, {}))
            about = REASONS.get(item.kind)
            said = about(item, keys.get(pk, ""), findings.get(pk, [])) if about else []
            if whole:
                said = [
                    _reason(combined.sentence(whole), f"/identities/{keys[pk]}/#together"),
                    *said,
                ]
            if said:
                item.snapshot = item.snapshot | {"reasons": said[:MOST]}
            item.snapshot = item.snapshot | {MADE_AT: now.isoformat()}
    return items


def _together(item: Item, whole: dict[str, str]) -> dict[str, str]:
    """What its identity has together, where the item is part of it; kept for the queue's filter."""
    sides = {
        side: sure
        for side, sure in whole.items()
        if (side == "possible") == (item.kind == "entitlement")
    }
    if item.kind == "delegation":
        patterns = [*item.proposal.get("actions", []), *item.snapshot.get("unseen", [])]
        sides = sides if any(combinations.legs(patterns).values()) else {}
    elif item.kind != "entitlement":
        return {}
    if sides:
        item.snapshot = item.snapshot | {"together": sides}
    if "yes" in sides.values():
        item.recommendation, item.recommendation_reason = _stronger(
            item, "sensitive reading, outsiders' words and sending out come together"
        )
    return sides


def _findings(identities: Sequence[UUID]) -> dict[UUID, list[Found]]:
    found: dict[UUID, list[Found]] = {}
    if identities:
        with connection.cursor() as cursor:
            cursor.execute(OF_ACTIONS, [list(identities), list(RULES)])
            for identity, number, rule, action in cursor.fetchall():
                found.setdefault(identity, []).append(Found(f"F-{number}", rule, action))
    return found


type Reasons = list[dict[str, str]]


def _delegation(item: Item, key: str, found: Sequence[Found]) -> Reasons:
    seen = item.snapshot
    patterns = [*item.proposal.get("actions", []), *seen.get("unseen", [])]
    about = [one for one in found if covers(patterns, one.action)]
    said = [
        _reason(f"{one.action}: {RULES[one.rule]} ({one.key}).", f"/findings/{one.key}/")
        for one in about
    ]
    if about:
        keys = list(dict.fromkeys(one.key for one in about))
        item.snapshot = seen | {"findings": keys}
        item.recommendation, item.recommendation_reason = _stronger(
            item,
            f"{counted(len(keys), 'open finding')} on what it allows:"
            f" {', '.join(dict.fromkeys(RULES[one.rule] for one in about))}",
        )
    events = f"/events/?{urlencode({'identity': key})}"
    if not seen.get("evidence"):
        return [*said, _reason("There is no evidence of its use: nothing follows from that.", "")]
    if seen.get("unseen"):
        names = ", ".join(seen["unseen"][:MOST_NAMED])
        more = len(seen["unseen"]) - MOST_NAMED
        rest = f" and {more} more" if more > 0 else ""
        said.append(_reason(f"Not seen in evidence: {names}{rest}.", events))
    if seen.get("seen"):
        many = f"{seen['seen']} of {counted(seen['actions'], 'action')} seen"
        said.append(_reason(f"{many}, last {_day(seen['last_at'])}.", events))
    return said


def _entitlement(item: Item, key: str, _found: Sequence[Found]) -> Reasons:
    wider, found = item.snapshot.get("wider", []), item.snapshot.get("findings", [])
    said = [
        _reason(f"It was used beyond its delegations ({one}).", f"/findings/{one}/")
        for one in found[:MOST_NAMED]
    ]
    if found:
        why = f"{counted(len(found), 'open finding')} on use beyond its delegations"
        item.recommendation, item.recommendation_reason = _stronger(item, why)
    if wider:
        names = ", ".join(wider[:MOST_NAMED])
        rest = f" and {len(wider) - MOST_NAMED} more" if len(wider) > MOST_NAMED else ""
        said.append(_reason(f"Allowed and not delegated: {names}{rest}.", f"/identities/{key}/"))
    if not item.note.startswith("read "):
        said.append(_reason(f"Not read in full: {item.note}.", f"/identities/{key}/"))
    return said


def _credential(item: Item, key: str, _found: Sequence[Found]) -> Reasons:
    seen = item.snapshot
    said = [
        _reason(f"Open finding {one} by it.", f"/findings/{one}/")
        for one in seen.get("findings", [])[:MOST_NAMED]
    ]
    if seen.get("count"):
        words = f"{seen['words']} with it, last {_day(seen['last_at'])}."
        events = f"/events/?{urlencode({'identity': key})}"
        said.append(_reason(words[:1].upper() + words[1:], events))
    else:
        said.append(_reason("No use of it is in evidence: nothing follows from that.", ""))
    keys = f"/credentials/?{urlencode({'identity': key})}"
    said.append(_reason(f"{item.note[:1].upper()}{item.note[1:]}.", keys))
    return said


def _binding(item: Item, key: str, _found: Sequence[Found]) -> Reasons:
    words = str(item.snapshot.get("words", ""))
    return [_reason(f"{words}.", f"/unclaimed/?{urlencode({'identity': key})}")] if words else []


def _nothing(_item: Item, _key: str, _found: Sequence[Found]) -> Reasons:
    return []


def _stronger(item: Item, why: str) -> tuple[str, str]:
    """To investigate, where nothing says more already; else the advice with this beside it."""
    if item.recommendation in WEAKER:
        return INVESTIGATE, why
    return item.recommendation, f"{item.recommendation_reason}; {why}"


def _reason(words: str, url: str) -> dict[str, str]:
    return {"words": words[:300], "url": url}


def _day(at: str | None) -> str:
    return f"{datetime.fromisoformat(at):%-d %b %Y %H:%M} UTC" if at else "not known"


REASONS: dict[str, Any] = {
    "delegation": _delegation,
    "entitlement": _entitlement,
    "credential": _credential,
    "binding": _binding,
}


def of_item(item: Item) -> list[dict[str, str]]:
    """The reasons of an item, as they were when it was made; of older items the one they have."""
    kept = item.snapshot.get("reasons")
    if kept:
        return [{"words": str(one["words"]), "url": str(one["url"])} for one in kept]
    return [_reason(item.recommendation_reason, "")] if item.recommendation_reason else []
