"""The items of a case as its page lists them: all of few, of many one page of one group.

Owns the groups of a huge case, by what is recommended: only the open one has rows, so that the
page of a thousand items is no longer than that of fifty. Must not know who may answer.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from evidence.parameters import whole
from reviews.models import Item
from reviews.pages import case_item

if TYPE_CHECKING:
    from reviews.pages.case import Parts

# Up to so many stand in one table.
FEW = 20
PER_PAGE = 50
# What takes something away is looked at first.
ORDER = ("revoke", "deny", "replace", "narrow", "", "dont_know", "approve", "keep")
NONE = "none"  # how an address names what nothing is recommended for


def choice(parts: "Parts", asked: dict[str, str]) -> list[Item]:
    """Of which items the address lets one be open: all, or those of the page that it names."""
    if len(parts.items) <= FEW or not asked.get("group"):
        return parts.items
    found = _grouped(parts).get(asked["group"], [])
    first = _first(asked, found)
    return found[first : first + PER_PAGE] or parts.items


def listed(parts: "Parts", item: Item | None) -> list[dict[str, Any]]:
    """The groups of the items, the one that `item` is in open at its page; few are one group."""
    if len(parts.items) <= FEW:
        rows = [case_item.row(one, one is item, parts) for one in parts.items]
        return [{"name": "", "n": len(rows), "left": 0, "on": True, "rows": rows, "page": None}]
    mine = parts.mine()
    return [
        {
            "name": "" if name == NONE else name,
            "words": "no recommendation" if name == NONE else name,
            "n": len(items),
            "left": sum(
                one.outcome in ("", "conflict") and (one.pk, mine.pk) not in parts.decisions
                for one in items
            )
            if mine is not None
            else 0,
            "on": item in items,
            "url": f"?{urlencode({'group': name})}",
            **(_page(name, items, item, parts) if item in items else {"rows": [], "page": None}),
        }
        for name, items in _grouped(parts).items()
    ]


def _page(name: str, items: list[Item], item: Item | None, parts: "Parts") -> dict[str, Any]:
    """The rows around the open item, with the links before and after."""
    at = next((place for place, one in enumerate(items) if one is item), 0)
    first = at - at % PER_PAGE
    shown = items[first : first + PER_PAGE]

    def link(to: int) -> str:
        return f"?{urlencode({'group': name, 'page': to // PER_PAGE + 1})}"

    return {
        "rows": [case_item.row(one, one is item, parts) for one in shown],
        "page": {
            "first": first + 1,
            "last": first + len(shown),
            "total": len(items),
            "prev_url": link(first - PER_PAGE) if first else "",
            "next_url": link(first + PER_PAGE) if first + PER_PAGE < len(items) else "",
        },
    }


def _grouped(parts: "Parts") -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {name or NONE: [] for name in ORDER}
    for one in parts.items:
        found.setdefault(one.recommendation or NONE, []).append(one)
    return {name: items for name, items in found.items() if items}


def _first(asked: dict[str, str], found: list[Item]) -> int:
    last = max(0, len(found) - 1) // PER_PAGE
    return min(max(1, whole(asked.get("page", "")) or 1) - 1, last) * PER_PAGE
