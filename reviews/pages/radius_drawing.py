"""Lays out a blast radius: started with, became, reaches, depends on it.

Owns places, folding and words of the drawing (templates/components/radius_drawing.html prints them
as SVG). Knows no model and no page. Pure: imports no Django. Over so many nodes a column folds by
kind; what is outside authority and what still lives are kept longest.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from reviews.pages.chain import cut

TITLES = ("Started with", "Became", "Reaches", "Depends on it")
X = (2, 262, 566, 886)
WIDTHS = (206, 244, 260, 250)
WIDTH = 1140
TOP, PITCH, HEIGHT, FLOOR = 28, 54, 44, 14
MOST = 12
ICONS = {
    "credential": "key", "session": "clock", "role": "user", "delegation": "route",
    "resource": "file", "rights": "route", "identity": "id-badge-2", "agent": "robot",
    "service": "database", "address": "send", "run": "robot", "others": "user",
}  # fmt: skip
PLURALS = {
    "credential": "standing keys", "session": "sessions", "role": "roles",
    "delegation": "delegations", "resource": "resources", "rights": "rights",
    "identity": "identities", "agent": "agents", "service": "services", "address": "identities",
}  # fmt: skip
SAID = {
    "outside": "touched outside its authority",
    "touched": "touched",
    "reachable": "reachable, not touched",
    "no_evidence": "no evidence",
    "lives": "still lives",
    "dead": "proved dead",
    "others": "",
}


class Node(NamedTuple):
    """One thing to draw. `kind` picks the icon, `look` the line; `begins`: the node it hangs on."""

    id: str
    kind: str
    look: str
    name: str
    note: str
    url: str = ""
    begins: str = "start"
    rank: int = 0  # the smaller is kept the longer


def layout(start: Node, columns: Sequence[Sequence[Node]]) -> dict[str, Any]:
    """The drawing: width, height, columns, nodes, edges and its description in words."""
    shown = [[start], *(_folded(column, place) for place, column in enumerate(columns))]
    tallest = max(len(column) for column in shown)
    bottom = TOP + tallest * PITCH + PITCH / 2
    boxes: dict[str, tuple[int, float]] = {}
    nodes = []
    for place, column in enumerate(shown):
        top = TOP + (min(tallest, 6) - 1) * PITCH / 2 if place == 0 else TOP
        # Half a row lower, so that what is touched by the start passes between what it became.
        top += PITCH / 2 if place == 2 else 0
        for row, one in enumerate(column):
            y = top + row * PITCH
            boxes[one.id] = (place, y)
            nodes.append(_drawn(one, place, y))
    edges = [
        {**_edge(boxes, one, place, bottom), "look": _line(one)}
        for place, column in enumerate(shown[1:], start=1)
        for one in column
    ]
    return {
        "width": WIDTH,
        "height": bottom + FLOOR,
        "columns": [{"x": x, "words": words} for x, words in zip(X, TITLES, strict=True)],
        "nodes": nodes,
        "edges": edges,
        "words": _words(shown),
    }


def _folded(column: Sequence[Node], place: int) -> list[Node]:
    """At most twelve: the rest by kind and by how they are drawn, so that no line lies."""
    if len(column) <= MOST:
        return list(column)
    ranked = sorted(column, key=lambda one: one.rank)
    kept = MOST
    while True:
        groups: dict[tuple[str, str], list[Node]] = {}
        for one in ranked[kept:]:
            groups.setdefault((one.kind, one.look), []).append(one)
        if kept + len(groups) <= MOST or not kept:
            break
        kept -= 1
    more = [
        Node(
            f"more-{place}-{kind}-{look}",
            kind,
            look,
            f"{len(rows)} more {PLURALS.get(kind, kind)}",
            SAID.get(look, ""),
            f"#radius-{'depends' if place == 2 else 'touched' if place == 1 else 'minted'}",
        )
        for (kind, look), rows in groups.items()
    ]
    return [*ranked[:kept], *more]


def _drawn(one: Node, place: int, y: float) -> dict[str, Any]:
    x, wide = X[place], WIDTHS[place]
    mono = one.kind in ("credential", "session", "resource")
    said = [TITLES[place], one.name, one.note, SAID.get(one.look, "")]
    return {
        "id": one.id,
        "look": one.look,
        "x": x,
        "y": y,
        "w": wide,
        "h": HEIGHT,
        "url": one.url,
        "mono": mono,
        "label": ", ".join(dict.fromkeys(part for part in said if part)),
        "icon": ICONS.get(one.kind, "list"),
        "icon_x": x + 10,
        "icon_y": y + 14,
        "text_x": x + 34,
        "name": cut(one.name, wide - 44, 11.5 if mono else 12.5, mono=mono),
        "name_y": y + (19 if one.note else 27),
        "note": cut(one.note, wide - 44, 11.5),
        "note_y": y + 35,
    }


def _line(one: Node) -> str:
    """How its edge is drawn: whether it lives is of the node, not of the way to it."""
    return "touched" if one.look in ("lives", "dead") else one.look


def _edge(
    boxes: Mapping[str, tuple[int, float]], one: Node, place: int, bottom: float
) -> dict[str, str]:
    begins = boxes.get(one.begins, boxes["start"])
    column, y = begins
    if column >= place:
        column, y = boxes["start"]
    x1: float = X[column] + WIDTHS[column]
    y1, x2, y2 = y + HEIGHT / 2, X[place], boxes[one.id][1] + HEIGHT / 2
    if place == 3:
        # Under everything, so that it crosses no node.
        down, turn = bottom + 4, X[3] - 16
        x1 = X[column] + WIDTHS[column] / 2
        return {
            "d": f"M{x1:g} {y + HEIGHT:g} L{x1:g} {down:g} L{turn:g} {down:g} L{turn:g} {y2:g} L{x2:g} {y2:g}"
        }
    half = max(20.0, min(60.0, (x2 - x1) * 0.5))
    near = X[place] - 2 * half
    if near - x1 > 40:
        # It bends in the last gap and before it passes behind the nodes of the column between.
        return {
            "d": f"M{x1:g} {y1:g} C{x1 + half:g} {y1:g} {x1 + 8:g} {y2:g} {x1 + half + 20:g} {y2:g} L{x2:g} {y2:g}"
        }
    return {"d": f"M{x1:g} {y1:g} C{x1 + half:g} {y1:g} {x2 - half:g} {y2:g} {x2:g} {y2:g}"}


def _words(shown: Iterable[Sequence[Node]]) -> str:
    """The drawing for somebody who does not see it."""
    said = [
        f"{title}: "
        + ", ".join(
            cut(" ".join(filter(None, (one.name, f"({SAID[one.look]})" if SAID.get(one.look) else ""))), 4_000)
            for one in column
        )
        for title, column in zip(TITLES, shown, strict=True)
        if column
    ]  # fmt: skip
    return f"The blast radius. {'. '.join(said)}."
