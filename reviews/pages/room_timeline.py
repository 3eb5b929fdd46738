"""The one timeline of an incident, as its room and its own page show it.

Owns the context of templates/components/room_timeline.html. A page costs the same however much the
identity did: keyset pages, counts that end, a constant number of queries.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from evidence.custody_pages import dropped_stretches
from evidence.parameters import understood
from identities.models import User
from reviews.incidents import places, reading, rights
from reviews.incidents.reading import Asked, Place, Row
from reviews.models import Case
from reviews.pages import lanes, lists, timeline_rows

PAGE, SHORT = 50, 14
MOST_STRETCHES = 20
TAB_WORDS = {
    "all": "All",
    "pinned": "Pinned",
    "starred": "Starred",
    "identity": "Identity",
    "ai": "AI",
    "acts": "Acts",
}
STRENGTH_WORDS = {"exact": "exact", "key": "by key", "inferred": "inferred"}
# Nothing in evidence for so long is said between two rows.
QUIET = timedelta(hours=6)


def of_case(
    case: Case,
    user: User,
    asked: dict[str, str],  # noqa: ARG001 - one shape for the parts of a room
    *,
    now: datetime,
) -> dict[str, Any]:
    """The context of its part of templates/room.html: the newest rows, with a way to all."""
    return {"room_timeline": context(case, user, {}, now=now, most=SHORT)}


def context(
    case: Case, user: User, said: dict[str, str], *, now: datetime, most: int = PAGE
) -> dict[str, Any]:
    """One page of it. `most`: SHORT in the room, where nothing is filtered."""
    said, left_out = understood(said, places.PAGED)
    asked = places.asked_of(said, reading.window(case, now=now))
    rows, earlier, later = page_of(case, asked, said, most)
    newest = later is None and not said.get("to")
    kept = {name: said[name] for name in places.FILTERS if said.get(name)}
    path = path_of(case)
    short = most == SHORT
    live = newest and not said.get("before") and case.state not in rights.OVER
    here = {**kept, **{name: said[name] for name in ("before", "after") if said.get(name)}}
    drawn = timeline_rows.drawn(case, rows)
    return {
        "path": path,
        "refs": [one["ref"] for one in drawn if one["kind"] == "event"],
        "frozen_title": f"Timeline of {case.key}, {asked.begins:%-d %b %Y %H:%M} on"[:300],
        "rows": _with_stretches(case, drawn, asked, newest=newest),
        "short": short,
        "left_out": left_out,
        "tabs": [] if short else _tabs(case, asked, kept),
        "total": _total(case, asked) if short else "",
        "labels": [] if short else _labels(case, asked, kept),
        "choices": []
        if short
        else [lists.choice("strength", "Known", STRENGTH_WORDS, asked.strength)],
        "hidden": [{"name": name, "value": kept[name]} for name in kept if name != "strength"],
        "earlier_url": _url(path, kept, before=earlier),
        "later_url": _url(path, kept, after=later),
        "all_url": path if short else "",
        "out_query": f"?{urlencode(kept)}" if kept else "",
        "live_url": _url(path, kept | ({"short": "1"} if short else {}), always=True)
        if live
        else "",
        "here": urlencode(here),
        "back": "room" if short else "list",
        "why_not": rights.why_not_work(user, case, now=now) or "",
        "begins": asked.begins,
        "ends": asked.ends,
        "filtered": bool(kept),
    }


def path_of(case: Case) -> str:
    return f"/cases/{case.key}/timeline/"


def _url(
    path: str,
    kept: dict[str, str],
    *,
    always: bool = False,
    before: Place | None = None,
    after: Place | None = None,
) -> str:
    """The page with these filters, below or above a place; "" where there is neither."""
    if before is None and after is None and not always:
        return ""
    said = dict(kept)
    if before is not None:
        said["before"] = places.text_of(before)
    if after is not None:
        said["after"] = places.text_of(after)
    return f"{path}?{urlencode(said)}" if said else path


def page_of(
    case: Case, asked: Asked, said: dict[str, str], most: int
) -> tuple[list[Row], Place | None, Place | None]:
    """Rows in order of time; where the page before and the page after begin, if there is one."""
    after = places.place_in(said.get("after", ""))
    if after is not None:
        found = reading.beyond(case, asked, after, most + 1, up=True)
        rows = found[:most]
        later = rows[-1].place if len(found) > most else None
        return rows, (rows[0].place if rows else None), later
    before = places.place_in(said.get("before", ""))
    found = reading.beyond(case, asked, before, most + 1)
    rows = found[:most][::-1]
    earlier = rows[0].place if len(found) > most else None
    return rows, earlier, (rows[-1].place if before is not None and rows else None)


def _tabs(case: Case, asked: Asked, kept: dict[str, str]) -> list[dict[str, Any]]:
    counts = reading.counts(case, asked)
    many = counts["all"] > reading.MOST_COUNTED
    tabs = []
    for name, words in TAB_WORDS.items():
        more = {**kept, "show": name}
        if name == "all":
            more.pop("show")
        over = f" over {reading.MOST_COUNTED:,}" if many and name == "all" else ""
        tabs.append(
            {
                "words": f"{words}{over}",
                "url": _url(path_of(case), more, always=True),
                "on": name == asked.show,
                "n": None if name == "all" and many else counts.get(name),
            }
        )
    return tabs


def _total(case: Case, asked: Asked) -> str:
    many = reading.counts(case, asked)["all"]
    return f"over {reading.MOST_COUNTED:,}" if many > reading.MOST_COUNTED else f"{many:,}"


def _labels(case: Case, asked: Asked, kept: dict[str, str]) -> list[dict[str, Any]]:
    """Every label in use, each a filter; the one that is asked for leads back."""
    rows = case.marks.filter(kind="label", until=None).order_by("label")
    names = list(rows.values_list("label", flat=True).distinct()[:100])
    if asked.label and asked.label not in names:
        names.append(asked.label)
    found = []
    for name in names:
        on = name == asked.label
        more = {key: value for key, value in kept.items() if key != "label"}
        if not on:
            more["label"] = name
        found.append({"words": name, "on": on, "url": _url(path_of(case), more, always=True)})
    return found


def _with_stretches(
    case: Case, rows: list[dict[str, Any]], asked: Asked, *, newest: bool
) -> list[dict[str, Any]]:
    """The rows with what nobody could see between them, and where nothing was seen for long."""
    if asked.show == "acts" or asked.chosen_only or not rows:
        return rows
    until = max(rows[-1]["at"], asked.ends) if newest else rows[-1]["at"]
    stretches = _stretches(case, rows[0]["at"], until)
    made: list[dict[str, Any]] = []
    for row in rows:
        while stretches and stretches[0]["at"] <= row["at"]:
            made.append(stretches.pop(0))
        if made and row["at"] - made[-1]["at"] > QUIET and made[-1]["kind"] != "gap":
            made.append(
                {"kind": "quiet", "at": made[-1]["at"], "ends": row["at"], "id": f"q-{row['id']}"}
            )
        made.append(row)
    return made + stretches


def _stretches(case: Case, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Gaps of the identity's sources and what retention dropped, as the line draws them."""
    found = dropped_stretches(since=since, until=until)
    if case.identity is not None:
        found += lanes.gaps(case.identity.number, since, until)
    return [
        {"kind": "gap", "at": begins, "ends": ends, "words": words, "id": f"g-{number}"}
        for number, (begins, ends, words, _) in enumerate(sorted(found)[:MOST_STRETCHES])
    ]
