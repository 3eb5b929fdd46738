"""One event in an incident: its marks, the notes on it, and what stood before and after it.

Owns the context of templates/room_event.html.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from evidence.parameters import whole
from evidence.permissions import Reader
from evidence.queries import events
from identities.models import Attribution, User
from reviews.actions.commenting import LONGEST
from reviews.incidents import around, marks, reading, rights
from reviews.incidents.reading import EVENT, Place, Row
from reviews.models import Case, EventNote
from reviews.pages import timeline_rows
from reviews.pages.room_timeline import path_of

type Key = tuple[datetime, int]

ROWS, MINUTES = 10, 60
ROW_CHOICES = (5, 10, 25, 50)
MINUTE_CHOICES = {1: "1 min", 10: "10 min", 60: "1 h", 360: "6 h", 1440: "24 h"}
WHOSE_WORDS = {"identity": "of the same identity", "all": "of everything you may see"}
MOST_NOTES = 100


def of_event(
    case: Case, key: Key, user: User, by: Reader, said: dict[str, str], *, now: datetime
) -> dict[str, Any] | None:
    """The page of one event; None where it is none of the case and this reader may not see it."""
    if not reading.belongs(case, key) and events.one(key, scope=by.scope) is None:
        return None
    mine = timeline_rows.of_events(case, [Row(Place(key[0], EVENT, key[1]), _known(case, key))])
    one = mine.get(key)
    if one is None:
        return None
    rows = whole(said.get("rows", "")) or ROWS
    minutes = whole(said.get("minutes", "")) or MINUTES
    whose = said.get("whose", "")
    if whose not in WHOSE_WORDS or case.identity is None:
        whose = "identity" if case.identity is not None else "all"
    numbered = case.identity.number if case.identity is not None and whose == "identity" else None
    near = around.around(key, rows=rows, minutes=minutes, identity=numbered, scope=by.scope)
    labels = case.marks.filter(kind="label", until=None).order_by("label")
    return {
        "section": "cases",
        "case": case,
        "path": path_of(case),
        "crumbs": [
            {"words": "Incidents", "url": "/cases/?door=incident"},
            {"words": case.key, "url": f"/cases/{case.key}/room/"},
            {"words": "Timeline", "url": path_of(case)},
        ],
        "heading": one["action"],
        "event": one,
        "event_url": f"/events/{one['ref']}/",
        "before": _drawn(case, near.before),
        "after": _drawn(case, near.after),
        "slow": near.slow,
        "controls": [
            _choice("rows", "Rows on either side", {n: str(n) for n in ROW_CHOICES}, rows),
            _choice("minutes", "Within", MINUTE_CHOICES, minutes),
            _choice("whose", "Whose", WHOSE_WORDS, whose),
        ],
        "notes": list(
            EventNote.objects.filter(case=case, at=key[0], event_id=key[1])
            .select_related("comment__person")
            .order_by("comment__at", "comment_id")[:MOST_NOTES]
        ),
        "why_not": rights.why_not_work(user, case, now=now) or "",
        "longest_label": marks.LONGEST_LABEL,
        "longest_note": LONGEST,
        "known_labels": list(labels.values_list("label", flat=True).distinct()[:50]),
    }


def _known(case: Case, key: Key) -> dict[str, Any]:
    """How the event is known to be the identity's."""
    if case.identity is None:
        return {}
    row = Attribution.objects.filter(
        identity_no=case.identity.number, at=key[0], event_id=key[1]
    ).first()
    return {} if row is None else {"strength": row.strength}


def _drawn(case: Case, keys: Sequence[Key]) -> list[dict[str, Any]]:
    found = timeline_rows.of_events(case, [Row(Place(at, EVENT, n), {}) for at, n in keys])
    return [found[key] for key in keys if key in found]


def _choice(name: str, words: str, values: Any, chosen: Any) -> dict[str, Any]:
    return {
        "name": name,
        "words": words,
        "options": [
            {"value": value, "words": said, "on": value == chosen} for value, said in values.items()
        ],
    }
