"""What "narrow" would leave, as a form that starts from what was used, and what that refuses.

Owns the boxes and lines of the decision form and the words of the check. The judging is
reviews/actions/narrowing.py; nothing is stored.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from evidence.words import counted
from identities.judging.verdicts import grant_of
from identities.models import DelegationVersion
from reviews import used
from reviews.actions import narrowing
from reviews.forms import lines_of, numbered
from reviews.models import Item
from reviews.pages import at_target
from reviews.pages.weighing import Weighed, of_delegation
from reviews.shown import covers
from reviews.used import Use

MOST_BELOW = 30
SHOWN = 5


def form(item: Item, weighed: Weighed, asked: Mapping[str, str]) -> dict[str, Any] | None:
    """The part of the decision form for narrowing; None where nothing in force could be."""
    row = _in_force(item, weighed)
    if row is None:
        return None
    typed = asked.get("left_shown") == "1"
    actions = [*_actions(row, weighed)]
    resources = [*_resources(row, weighed)]
    for name, boxes in (("left_action", actions), ("left_resource", resources)):
        ticked = set(asked.get(name, "").splitlines())
        for one in boxes:
            one["on"] = one["value"] in ticked if typed else one["on"]
    return {
        "actions": actions,
        "resources": resources,
        "lines": asked.get("proposal", ""),
        "evidence": bool(weighed.calls),
        "open": typed,
    }


def chosen(boxes: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a form as shown leaves: what is ticked, and what is written."""
    written = lines_of(boxes["lines"])
    return {
        name: list(
            dict.fromkeys([*(one["value"] for one in boxes[name] if one["on"]), *written[name]])
        )
        for name in ("actions", "resources")
    }


def _in_force(item: Item, weighed: Weighed) -> DelegationVersion | None:
    if item.kind != "delegation":
        return None
    found = of_delegation(item, weighed)
    return found[0] if found else None


def _actions(row: DelegationVersion, weighed: Weighed) -> list[dict[str, Any]]:
    """Each delegated pattern; under one with a wildcard what was used of it, by name."""
    boxes = []
    for pattern in row.actions:
        uses = [one for one in weighed.calls if covers([pattern], one.action)]
        below = list(dict.fromkeys(one.action for one in uses)) if "*" in pattern else []
        named = 0 < len(below) <= MOST_BELOW
        boxes.append(_box(pattern, uses, weighed, on=bool(uses) and not named, depth=0))
        if named:
            boxes += [
                _box(one, [use for use in uses if use.action == one], weighed, on=True, depth=1)
                for one in below
                if one not in row.actions
            ]
    return boxes


def _resources(row: DelegationVersion, weighed: Weighed) -> list[dict[str, Any]]:
    uses = [one for one in weighed.calls if covers(row.actions, one.action)]
    touched = {
        pattern: [one for one in uses if narrowing.touch(pattern, one.family)]
        for pattern in row.resources
    }
    # Where no name of a resource meets one that was seen, nothing can be said about them.
    told = any(touched.values())
    return [
        _box(
            one, touched[one], weighed, on=bool(uses) and (bool(touched[one]) or not told), depth=0
        )
        for one in row.resources
    ]


def _box(value: str, uses: Sequence[Use], weighed: Weighed, *, on: bool, depth: int) -> Any:
    said = used.together(list(uses))
    if said is not None:
        note = f"{counted(said.calls, 'call')}, last {said.last:%-d %b %Y}"
    else:
        note = "not seen" if weighed.calls else "no evidence"
    return {"value": value, "on": on, "note": note, "depth": depth}


def checked(
    item: Item, weighed: Weighed, left: Mapping[str, list[str]], lines: str, *, now: datetime
) -> dict[str, Any] | None:
    """What is wrong with it, line by line, and what it would have refused; None: not in force."""
    row = _in_force(item, weighed)
    if row is None:
        return None
    missing = [name for name in ("actions", "resources") if not left[name]]
    if missing:
        said = f"Say which {missing[0]} are left: with none left it is a revocation."
        return {"problems": [{"line": None, "pattern": "", "words": said}], "effect": None}
    found = narrowing.problems(grant_of(row), left)
    places = numbered(lines)
    if found:
        return {
            "problems": [
                {"line": places.get(one.pattern), "pattern": one.pattern, "words": one.words}
                for one in found
            ],
            "effect": None,
        }
    others = [one for one in weighed.versions if one.delegation_id != row.delegation_id]
    effect = narrowing.effect(row, left, others=others, used=weighed.used, now=now)
    stays = at_target.of_delegation(row, left, weighed)
    return {"problems": [], "effect": effect, "at_target": stays}


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What is wrong, each with its line."""
    return [
        f"{f'Line {one["line"]}, ' if one['line'] else ''}{one['pattern']} {one['words']}".strip()
        for one in found["problems"]
    ]


def dry_run(found: Mapping[str, Any], weighed: Weighed) -> list[dict[str, Any]]:
    """The rows of "If narrow": what of the last 90 days would have been refused."""
    if found["problems"]:
        return [{"kind": "outside", "words": one, "url": ""} for one in sentences(found)]
    effect: narrowing.Effect = found["effect"]
    days = used.LATELY.days
    if not effect.calls:
        words = (
            f"No call inside it was seen in the last {days} days: what it would refuse is not known"
            if weighed.calls
            else "No evidence of any call: what it would refuse is not known"
        )
        return [{"kind": "waits", "words": words, "url": ""}, *found["at_target"]]
    many = sum(one.lately for one in effect.refused)
    said = f"Of {counted(effect.calls, 'call')} inside it in the last {days} days"
    rows = [
        {
            "kind": "outside" if many else "inside",
            "words": f"{said}, {many:,} would have been refused",
            "url": "",
        }
    ]
    for kind, verb, uses in (
        ("outside", "refused", effect.refused),
        ("waits", "part of it perhaps refused", effect.unsure),
    ):
        rows += [
            {
                "kind": kind,
                "words": f"{verb}: {one.action} on {one.family}, {counted(one.lately, 'call')},"
                f" last {one.last:%-d %b %H:%M} UTC",
                "url": _url(weighed, one),
            }
            for one in uses[:SHOWN]
        ]
        if len(uses) > SHOWN:
            words = f"{verb}: {len(uses) - SHOWN} more kinds of call"
            rows.append({"kind": kind, "words": words, "url": ""})
    return [*rows, *found["at_target"]]


def _url(weighed: Weighed, one: Use) -> str:
    query = {"identity": weighed.key, "action": one.action, "family": one.family}
    return f"/events/?{urlencode(query)}"


def as_data(found: Mapping[str, Any]) -> dict[str, Any]:
    """The check as JSON."""
    effect = found["effect"]
    return {
        "narrows": not found["problems"],
        "problems": found["problems"],
        "days": used.LATELY.days,
        "calls": None if effect is None else effect.calls,
        "at_target": [one["words"] for one in found.get("at_target", ())],
        **{
            name: [
                {"action": one.action, "family": one.family, "calls": one.lately}
                for one in ([] if effect is None else getattr(effect, name))
            ]
            for name in ("refused", "unsure")
        },
    }
