"""Lays out the chain: who let it, who answers for it, by which credential, what it did.

Owns places and words of the drawing (templates/components/chain.html prints them as SVG). Knows
no model and no page. Pure: imports no Django. Names come from logs and are bounded and cut here,
because SVG text neither wraps nor ends by itself.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

type Given = Mapping[str, Any]

COLUMNS = ("grantors", "owners", "agents", "credentials", "actions")
TITLES = ("Grantor", "Owner", "Agent", "Credential", "Actions")
X = (2, 222, 443, 665, 906)
WIDTHS = (178, 178, 180, 186, 264)
WIDTH = 1172
TOP, ROW, HEIGHT = 28, 68, 46
ACTION_PITCH, ACTION_HEIGHT, GROUP_GAP = 33, 28, 8
MOST_INSIDE = 6
ICONS = {
    "grantors": "user",
    "owners": "user",
    "agents": "robot",
    "credentials": "key",
    "inside": "check",
    "outside": "alert-triangle",
    "no_run": "help-circle",
    "unknown": "eye-off",
}
KINDS = ("inside", "outside", "no_run", "unknown")
SAID = {
    "inside": "inside authority",
    "outside": "outside authority",
    "no_run": "no run behind it",
    "unknown": "not judged",
}
LIMIT = 400
SHORTEST_WORDS = 60


class Box(NamedTuple):
    """Where a node lies."""

    column: int
    x: int
    y: int
    w: int
    h: int

    @property
    def middle(self) -> float:
        return self.y + self.h / 2


def layout(chain: Given) -> dict[str, Any]:
    """The drawing: width, height, columns, nodes, edges, arrows, and its description in words.

    `chain` has grantors, owners, agents, credentials, actions (each a list of {"id", "name",
    "note", "url", …}; agents may be "unknown", credentials have a "state", actions a "verdict"
    and "n") and edges ({"from", "to", "kind", "words"}). Inside actions fold to the six with the
    most calls and "N more"; what is outside or has no run behind it never folds.
    """
    columns, moved = _folded(chain)
    edges = _edges(chain, columns, moved)
    boxes = _boxes(columns, edges)
    nodes = [
        _node(COLUMNS[box.column], columns[COLUMNS[box.column]][place], box)
        for (column, place), box in sorted(boxes.items())
        if box.column == column
    ]
    by_id = {
        str(columns[COLUMNS[column]][place]["id"]): box for (column, place), box in boxes.items()
    }
    names = {str(one["id"]): _clean(one.get("name")) for rows in columns.values() for one in rows}
    drawn = _drawn(edges, by_id, names)
    bottom = max((box.y + box.h for box in boxes.values()), default=0)
    return {
        "width": WIDTH,
        "height": bottom + 12,
        "columns": [{"x": x, "words": words} for x, words in zip(X, TITLES, strict=True)],
        "nodes": nodes,
        "edges": drawn,
        "arrows": [kind for kind in KINDS if any(edge["kind"] == kind for edge in drawn)],
        "words": _words(columns),
    }


def cut(text: object, pixels: float, size: float = 12.5, *, mono: bool = False) -> str:
    """Text that fits into so many pixels, with an ellipsis when it had to be cut.

    Widths are estimated from the kinds of letters; the estimate errs to the wide side.
    """
    words = _clean(text)
    used, room = 0.0, pixels / size
    for place, letter in enumerate(words):
        used += 0.605 if mono else _ems(letter)
        if used > room:
            back = place - 1 if place else 0
            return words[:back].rstrip() + "…"
    return words


def _ems(letter: str) -> float:
    if letter in "iljftrI.,:;'|!()[]-·/ ":
        return 0.33
    if letter in "mwMW@%…":
        return 0.9
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.1
    return 0.67 if letter.isupper() else 0.555


def _clean(text: object) -> str:
    """Without control and direction characters: those can make a name read as another one."""
    words = str("" if text is None else text)[:LIMIT]
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(letter) in ("Cc", "Cf", "Co")
        else letter
        for letter in words
    )


def _kind(column: str, one: Given) -> str:
    if one.get("more"):
        return "more"
    if column == "agents" and one.get("unknown"):
        return "no_run"
    found = one.get("verdict") if column == "actions" else one.get("state")
    if column in ("actions", "credentials") and found in KINDS:
        return str(found)
    return "unknown" if column == "actions" else "inside"


def _folded(chain: Given) -> tuple[dict[str, list[Given]], dict[str, str]]:
    """The nodes of each column after folding, and where the folded ones went."""
    columns: dict[str, list[Given]] = {}
    moved: dict[str, str] = {}
    for column in COLUMNS:
        rows: Sequence[Given] = chain.get(column) or ()
        plain = [one for one in rows if _kind(column, one) == "inside"]
        if column == "actions":
            plain.sort(key=lambda one: (-int(one.get("n") or 0), str(one.get("name"))))
        kept = plain if len(plain) <= MOST_INSIDE + 1 else plain[:MOST_INSIDE]
        folded = plain[len(kept) :]
        others = [one for one in rows if _kind(column, one) != "inside"]
        others.sort(key=lambda one: KINDS.index(_kind(column, one)))
        more: list[Given] = []
        if folded:
            name = f"more-{column}"
            moved |= {str(one["id"]): name for one in folded}
            more = [
                {
                    "id": name,
                    "more": True,
                    "name": f"{len(folded)} more" + (" inside" if column == "actions" else ""),
                    "n": sum(int(one.get("n") or 0) for one in folded) or None,
                    "url": chain.get(f"{column}_url", ""),
                }
            ]
        columns[column] = [*kept, *more, *others]
    return columns, moved


def _edges(
    chain: Given, columns: Mapping[str, Sequence[Given]], moved: Mapping[str, str]
) -> list[dict[str, str]]:
    """Edges between nodes that are drawn; an action without one hangs on the first credential."""
    known = {str(one["id"]) for rows in columns.values() for one in rows}
    edges: dict[tuple[str, str], dict[str, str]] = {}
    for edge in chain.get("edges") or ():
        ends = tuple(moved.get(str(edge[end]), str(edge[end])) for end in ("from", "to"))
        if ends[0] in known and ends[1] in known and ends[0] != ends[1]:
            kind = edge.get("kind") if edge.get("kind") in KINDS else "inside"
            kept = edges.setdefault(
                (ends[0], ends[1]),
                {"from": ends[0], "to": ends[1], "kind": str(kind), "words": ""},
            )
            kept["words"] = kept["words"] or _clean(edge.get("words"))
    reached = {to for _, to in edges}
    if columns["credentials"]:
        first = str(columns["credentials"][0]["id"])
        for one in columns["actions"]:
            name = str(one["id"])
            if name not in reached:
                kind = _kind("actions", one)
                edges[first, name] = {
                    "from": first,
                    "to": name,
                    "kind": kind if kind in KINDS else "inside",
                    "words": "",
                }
    return list(edges.values())


def _boxes(
    columns: Mapping[str, Sequence[Given]], edges: Iterable[Given]
) -> dict[tuple[int, int], Box]:
    """A place for every node. A row that an edge passes through stays free of nodes."""
    edges = list(edges)
    place_of = {
        str(one["id"]): (column, place)
        for column, name in enumerate(COLUMNS)
        for place, one in enumerate(columns[name])
    }
    boxes: dict[tuple[int, int], Box] = {}
    row_of: dict[str, int] = {}
    passed: dict[int, set[int]] = {column: set() for column in range(len(COLUMNS))}
    for column, name in enumerate(COLUMNS[:3]):
        taken: set[int] = set(passed[column])
        for place, one in enumerate(columns[name]):
            key = str(one["id"])
            before = [
                row_of[edge["from"]]
                for edge in edges
                if edge["to"] == key and edge["from"] in row_of
            ]
            row = min(before, default=0)
            while row in taken:
                row += 1
            taken.add(row)
            row_of[key] = row
            boxes[column, place] = Box(column, X[column], TOP + row * ROW, WIDTHS[column], HEIGHT)
        for edge in edges:
            if edge["from"] in row_of and place_of[edge["from"]][0] == column:
                for between in range(column + 1, min(place_of[edge["to"]][0], 3)):
                    passed[between].add(row_of[edge["from"]])
    floor = TOP
    for place, one in enumerate(columns["credentials"]):
        before_y = [
            boxes[place_of[edge["from"]]].y
            for edge in edges
            if edge["to"] == str(one["id"])
            and place_of[edge["from"]] in boxes
            and place_of[edge["from"]][0] < 3
        ]
        wanted = round(sum(before_y) / len(before_y)) if before_y else floor
        y = max(floor, wanted)
        boxes[3, place] = Box(3, X[3], y, WIDTHS[3], HEIGHT)
        floor = y + ROW + (12 if place == 0 else 0)
    y, last = TOP - 2, ""
    for place, one in enumerate(columns["actions"]):
        kind = _kind("actions", one).replace("more", "inside")
        if last and kind != last:
            y += GROUP_GAP
        boxes[4, place] = Box(4, X[4], y, WIDTHS[4], ACTION_HEIGHT)
        y, last = y + ACTION_PITCH, kind
    return boxes


def _node(column: str, one: Given, box: Box) -> dict[str, Any]:
    kind = _kind(column, one)
    small = box.h == ACTION_HEIGHT
    count = f"{int(one['n']):,}" if one.get("n") is not None and column == "actions" else ""
    mono = column in ("credentials", "actions") and kind != "more"
    room = box.w - 36 - (len(count) * 8 + 10 if count else 8)
    name, note = _clean(one.get("name")) or "not named", _clean(one.get("note"))
    label = ", ".join(
        part
        for part in (
            f"{TITLES[COLUMNS.index(column)].removesuffix('s')}: {name}",
            note,
            f"{count} call{'s' * (count != '1')}" if count else "",
            SAID.get(kind, "") if column == "actions" or kind in ("outside", "no_run") else "",
        )
        if part
    )
    picture = ICONS.get(kind, "list") if column == "actions" else ICONS[column]
    if column != "actions" and kind == "no_run":
        picture = ICONS["no_run"]
    return {
        "id": str(one["id"]),
        "kind": kind,
        "x": box.x,
        "y": box.y,
        "w": box.w,
        "h": box.h,
        "url": str(one.get("url") or ""),
        "label": label,
        "mono": mono,
        "icon": "list" if kind == "more" else picture,
        "icon_x": box.x + 10,
        "icon_y": box.y + (box.h - 16) // 2,
        "text_x": box.x + 34,
        "name": cut(name, room, 11.5 if mono else 12.5, mono=mono),
        "name_y": box.y + (18 if small else 20 if note else 28),
        "note": "" if small else cut(note, box.w - 38, 11.5),
        "note_y": box.y + 36,
        "count": count,
        "count_x": box.x + box.w - 12,
    }


def _drawn(
    edges: Sequence[Given], boxes: Mapping[str, Box], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    drawn = []
    for edge in edges:
        start, end = boxes[edge["from"]], boxes[edge["to"]]
        if start.column == end.column:
            x = start.x + start.w * 0.3
            down = start.y < end.y
            y1, y2 = (start.y + start.h, end.y - 1) if down else (start.y, end.y + end.h + 1)
            d, middle = f"M{x:g} {y1:g} L{x:g} {y2:g}", (x, (y1 + y2) / 2)
        elif start.column > end.column:
            x1, x2 = start.x, end.x + end.w + 1
            d = f"M{x1:g} {start.middle:g} C{x1 - 24:g} {start.middle:g} {x2 + 24:g} {end.middle:g} {x2:g} {end.middle:g}"
            middle = ((x1 + x2) / 2, (start.middle + end.middle) / 2)
        else:
            x1, x2 = start.x + start.w, end.x - 1
            # A long edge stays level until the last gap, so that it crosses no node.
            level = x2 - (X[end.column] - X[end.column - 1] - WIDTHS[end.column - 1])
            bend = max(x1, level)
            half = (x2 - bend) * 0.55
            lead = f"M{x1:g} {start.middle:g} " + (
                f"L{bend:g} {start.middle:g} " if bend > x1 else ""
            )
            d = (
                f"{lead}C{bend + half:g} {start.middle:g} {x2 - half:g} {end.middle:g}"
                f" {x2:g} {end.middle:g}"
            )
            long = bend - x1 > 60
            middle = (
                (x1 + bend) / 2 if long else (x1 + x2) / 2,
                start.middle if long else (start.middle + end.middle) / 2,
            )
        room = min(150.0, _room(start, end))
        words = cut(edge["words"], room, 11) if room >= SHORTEST_WORDS else ""
        wide = len(words) * 6.4 + 10
        drawn.append(
            {
                "kind": edge["kind"],
                "d": d,
                "title": f"{names[edge['from']]} → {names[edge['to']]}"
                + (f": {edge['words']}" if edge["words"] else "")
                + f" ({SAID[edge['kind']]})",
                "words": words,
                "text_x": round(middle[0], 1),
                "text_y": round(middle[1] + 4, 1),
                "box_x": round(middle[0] - wide / 2, 1),
                "box_y": round(middle[1] - 8, 1),
                "box_w": round(wide, 1),
            }
        )
    return drawn


def _room(start: Box, end: Box) -> float:
    """How many pixels the words on an edge may take without lying on a node."""
    if start.column == end.column:
        return start.w - 30.0
    low, high = sorted((start.column, end.column))
    return float(X[high] - X[low] - WIDTHS[low] - 24)


def _words(columns: Mapping[str, Sequence[Given]]) -> str:
    """The drawing for somebody who does not see it."""
    said = [
        f"{title}: {', '.join(_clean(one.get('name')) for one in columns[name])}"
        for name, title in zip(COLUMNS, TITLES, strict=True)
        if columns[name]
    ]
    return "The chain. " + ". ".join(said) + "." if said else "The chain is empty."
