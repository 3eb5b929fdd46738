"""What a credential, identity, run or address touched, as the room, its own page and files show it.

Owns how a start is asked for and who may see it, the picture's nodes, and the pages of rows. What
there is to show is identities/radius; how it is drawn, radius_drawing.py. Cases are not read here,
so a sealed one adds nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from evidence.models import Run
from evidence.words import counted
from identities import radius, visible
from identities.models import User
from identities.radius import issued, starting
from identities.radius.rows import Row
from reviews.exports import moment
from reviews.models import Case
from reviews.pages import details, radius_drawing
from reviews.pages.observed import with_times
from reviews.pages.radius_drawing import Node
from reviews.readers import reader

PER_PAGE = 50
FIRST = 10  # rows of each table where all tables stand together
COLUMNS = (
    "relation kind name note state life first_at last_at count at_least outside refused strength"
    " through ref url events_url"
)
NOT_WRITTEN = (
    "Write where it begins: credential:CRED-1, identity:NHI-1, run:RUN-1 or address:198.51.100.7."
)
IN_COLUMN = {"minted": 0, "assumed": 0, "passed_on": 0, "touched": 1, "reachable": 1, "depends": 2}


def start_of(text: str, user: User, *, at: datetime, now: datetime) -> starting.Start | None:
    """What `text` names, at a moment; None where there is no such thing that this user may see."""
    written = starting.parse(text)
    if written is None:
        return None
    if written.kind == "address":
        return starting.of_address(written.value, scope=reader(user, now).scope, at=at)
    number = int(written.value)
    if written.kind == "credential":
        rows = with_times(visible.credentials(user, now=now)).select_related("identity__service")
        key = rows.filter(number=number).first()
        return None if key is None else starting.of_credential(key, at=at)
    if written.kind == "identity":
        one = (
            visible.identities(user, now=now)
            .select_related("service")
            .filter(number=number)
            .first()
        )
        return None if one is None else starting.of_identity(one, at=at)
    run = Run.objects.select_related("agent", "service").filter(pk=number).first()
    if run is None:
        return None
    if not visible.sees_all(user) and details.identity_of(run, user, now=now) is None:
        return None
    return starting.of_run(run, at=at)


def read(start: starting.Start, user: User, *, now: datetime, live: bool) -> radius.Radius:
    """The radius of a start that this user may see."""
    return radius.of(start, user, now=now, live=live)


def of_case(case: Case, user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:  # noqa: ARG001 - one shape for all parts of the room
    """The context of its part of templates/room.html: the radius of the case's identity."""
    if case.identity is None:
        return {"radius": None}
    start = starting.of_identity(case.identity, at=now)
    found = read(start, user, now=now, live=True)
    return {"radius": _shown(found, live=True)}


def context(found: radius.Radius, asked: Mapping[str, str], *, live: bool) -> dict[str, Any]:
    """Everything templates/radius.html shows (see its head for the names)."""
    start, show = found.start, asked.get("show", "")
    begins = {"from": start.written} | ({} if live else {"at": start.at.isoformat()})
    tables = [
        _table(found, name, begins, asked if show == name else {}, alone=show == name)
        for name in radius.RELATIONS
        if found.rows[name] and show in ("", name)
    ]
    return {
        "section": "events",
        "title": f"Blast radius of {start.name}",
        "radius": _shown(found, live=live),
        "tables": tables,
        "one": show,
        "all_url": f"/radius/?{urlencode(begins)}",
        "csv_url": f"/radius.csv?{urlencode(begins)}",
        "json_url": f"/radius.json?{urlencode(begins)}",
        "asked": {"from": start.written, "at": start.at},
    }


def _shown(found: radius.Radius, *, live: bool) -> dict[str, Any]:
    """What the picture and the words beside it say."""
    start = found.start
    query = {"from": start.written} | ({} if live else {"at": start.at.isoformat()})
    touched = found.rows["touched"]
    alive = [one for one in found.rows["minted"] if one.life == "lives"]
    outside = sum(one.outside for one in touched)
    return {
        "name": start.name,
        "key": start.key,
        "kind": start.kind,
        "at": start.at,
        "live": live,
        "url": f"/radius/?{urlencode(query)}",
        "start_url": _start_url(start),
        "drawing": _drawing(found, live=live),
        "facts": [
            words
            for words, says in (
                (f"{counted(len(touched), 'kind')} of call seen", True),
                (f"{counted(outside, 'call')} outside its authority", bool(outside)),
                (f"{counted(len(found.rows['minted']), 'credential')} minted with it", True),
                (f"{len(alive):,} of them not shown to be dead", bool(alive)),
                (
                    f"{counted(found.others, 'identity', 'identities')} of others share a key of it",
                    bool(found.others),
                ),
            )
            if says
        ],
        "notes": found.notes,
    }


def _start_url(start: starting.Start) -> str:
    if start.kind == "address":
        return f"/events/?{urlencode({'q': start.key})}"
    return f"/{'identities' if start.kind == 'identity' else f'{start.kind}s'}/{start.key}/"


def _drawing(found: radius.Radius, *, live: bool) -> dict[str, Any]:
    start, mine = found.start, set(found.start.actors)
    columns: list[list[Node]] = [[], [], []]
    # Those that are drawn by themselves say how often they were used; the rest is folded.
    minted = sorted(found.rows["minted"], key=lambda row: (row.kind, row.life != "lives"))
    most = radius_drawing.MOST
    minted = [*issued.used(minted[:most], at=start.at), *minted[most:]]
    rest = {name: rows for name, rows in found.rows.items() if name not in ("minted", "touched")}
    for row in minted:
        columns[0].append(_node(row, found, mine, note=_life_note(row), live=live))
    columns[1] += _resources(found, mine, live=live)
    for name, rows in rest.items():
        if name in IN_COLUMN:
            columns[IN_COLUMN[name]] += [
                _node(row, found, mine, note=row.note, live=live) for row in rows
            ]
    outside = sum(row.outside for row in found.rows["touched"])
    calls = sum(row.count or 0 for row in found.rows["touched"])
    note = f"{counted(outside, 'call')} outside" if outside else counted(calls, "call")
    kind = {"identity": "identity", "address": "address", "run": "run"}.get(
        start.kind, "credential"
    )
    look = "outside" if outside else "touched"
    return radius_drawing.layout(
        Node("start", kind, look, start.name, note, _start_url(start)), columns
    )


def _resources(found: radius.Radius, mine: set[int], *, live: bool) -> list[Node]:
    """One node for each resource and way to it, whatever was done to it."""
    groups: dict[tuple[int | None, str], list[Row]] = {}
    for row in found.rows["touched"]:
        groups.setdefault((None if row.through in mine else row.through, row.name), []).append(row)
    made = []
    for (through, name), rows in groups.items():
        first = max(rows, key=lambda row: (row.outside, row.count or 0))
        calls, outside = sum(row.count or 0 for row in rows), sum(row.outside for row in rows)
        last = max((row.last_at for row in rows if row.last_at), default=None)
        done = ", ".join(sorted({row.action.rpartition(":")[2] or row.action for row in rows}))
        note = f"{done}, {counted(calls, 'call')}" + (f", last {last:%d %b %H:%M}" if last else "")
        node = Node(
            f"touched-{through or ''}-{name}",
            "resource",
            "outside" if outside else "touched",
            name,
            note,
            _events_url(first, found, live=live),
            f"minted-{through}" if through else "start",
            0 if outside else 2,
        )
        made.append(node)
    return made


def _life_note(row: Row) -> str:
    if row.count is None:
        return row.life_note
    return f"{counted(row.count, 'call')}{' or more' if row.least else ''}, {row.life_note}"


def _node(row: Row, found: radius.Radius, mine: set[int], *, note: str, live: bool) -> Node:
    look = row.life or row.state
    return Node(
        f"{row.relation}-{row.key}",
        row.kind,
        look,
        row.name,
        note,
        _url(row) or _events_url(row, found, live=live),
        "start" if row.through is None or row.through in mine else f"minted-{row.through}",
        {"lives": 0 if row.kind == "credential" else 1, "no_evidence": 3}.get(look, 2),
    )


def _table(
    found: radius.Radius,
    name: str,
    begins: dict[str, str],
    asked: Mapping[str, str],
    *,
    alone: bool,
) -> dict[str, Any]:
    """One relation's rows: its first ones, or a page of all of them."""
    rows, live = found.rows[name], "at" not in begins
    after = _after(asked.get("after", ""))
    rest = [row for row in rows if after is None or row.order > after]
    most = PER_PAGE if alone else FIRST
    shown = issued.used(rest[:most], at=found.start.at)
    last = rest[most - 1] if len(rest) > most else None
    one = {**begins, "show": name}
    return {
        "name": name,
        "words": radius.RELATIONS[name],
        "count": len(rows),
        "rows": [_row(row, found, live=live) for row in shown],
        "counts": any(row.count is not None for row in shown),
        "all_url": "" if alone or len(rows) <= most else f"/radius/?{urlencode(one)}",
        "prev_url": f"/radius/?{urlencode(one)}" if after is not None else "",
        "next_url": f"/radius/?{urlencode({**one, 'after': _cursor(last)})}"
        if last and alone
        else "",
    }


def _cursor(row: Row) -> str:
    return f"{row.order[0]!r}~{row.order[1]}"


def _after(text: str) -> tuple[float, str] | None:
    """The place that a page begins behind; None: at the beginning."""
    place, tilde, key = text.partition("~")
    try:
        return (float(place), key) if tilde else None
    except ValueError:
        return None


def _row(row: Row, found: radius.Radius, *, live: bool) -> dict[str, Any]:
    through = row.through if row.through not in found.start.actors else None
    return {
        "kind": row.kind,
        "name": row.name,
        "note": row.note,
        "state": row.state,
        "life": row.life,
        "life_note": row.life_note,
        "first_at": row.first_at,
        "last_at": row.last_at,
        "count": row.count,
        "least": row.least,
        "outside": row.outside,
        "refused": row.refused,
        "strength": row.strength,
        "through": found.names.get(through, "") if through is not None else "",
        "url": _url(row),
        "events_url": _events_url(row, found, live=live),
    }


def _url(row: Row) -> str:
    """The page of what a row is about; empty where it has none."""
    if row.ref.startswith("CRED-"):
        return f"/credentials/{row.ref}/"
    if row.ref.startswith("NHI-"):
        return f"/identities/{row.ref}/{'#authority' if row.relation == 'passed_on' else ''}"
    return "/ai-systems/" if row.kind == "service" else ""


def _events_url(row: Row, found: radius.Radius, *, live: bool) -> str:
    """The events behind a row; empty where nothing was seen to happen."""
    start, until = found.start, {} if live else {"to": found.start.at.isoformat()}
    if row.relation == "touched":
        asked = {"action": row.action, **until}
        if row.through is not None:
            asked["actor"] = str(row.through)
        elif start.kind == "identity":
            asked |= {"identity": start.key, "family": row.ref}
        elif start.kind == "address":
            asked["q"] = start.key
        else:
            return _start_url(start)
        return f"/events/?{urlencode(asked)}"
    if row.actor is not None:
        return f"/events/?{urlencode({'actor': str(row.actor), **until})}"
    if row.relation == "shares" and row.ref:
        return f"/events/?{urlencode({'identity': row.ref, **until})}"
    return ""


def lines(found: radius.Radius, *, live: bool) -> Iterator[dict[str, Any]]:
    """Every row for a file, relation by relation, with the uses of what was minted."""
    for name in radius.RELATIONS:
        rows = found.rows[name]
        for first in range(0, len(rows), 500):
            for row in issued.used(rows[first : first + 500], at=found.start.at):
                yield _line(row, found, live=live)


def _line(row: Row, found: radius.Radius, *, live: bool) -> dict[str, Any]:
    shown = _row(row, found, live=live)
    return {
        "relation": row.relation,
        "kind": row.kind,
        "name": row.name,
        "note": row.note,
        "state": row.state,
        "life": row.life_note or None,
        "first_at": moment(row.first_at),
        "last_at": moment(row.last_at),
        "count": row.count,
        "at_least": row.least,
        "outside": row.outside,
        "refused": row.refused,
        "strength": row.strength or None,
        "through": shown["through"] or None,
        "ref": row.ref or None,
        "url": f"{settings.BASE_URL}{shown['url']}" if shown["url"] else None,
        "events_url": f"{settings.BASE_URL}{shown['events_url']}" if shown["events_url"] else None,
    }


def as_data(
    found: radius.Radius, rows: Iterable[dict[str, Any]]
) -> dict[str, Any]:  # fmt: skip
    """The radius as JSON (docs/blast-radius.md)."""
    start = found.start
    return {
        "from": start.written,
        "name": start.name,
        "at": moment(start.at),
        "not_looked_at": found.notes,
        "others_sharing_a_key": found.others,
        "rows": list(rows),
    }
