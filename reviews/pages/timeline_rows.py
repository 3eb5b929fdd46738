"""The rows of a timeline drawn: what each says, its marks and its badges. A constant number of queries.

Owns the words of rows, for pages and for files. Which rows there are is reviews/incidents/reading.py.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q

from evidence.queries.events import ref_of
from identities.findings import RULES
from identities.models.behaviour import BY_EXACT, BY_INFERENCE, BY_KEY
from reviews.exports import moment
from reviews.incidents.reading import ACT, ALERT, EVENT, FINDING, NOTE, REVOCATION, Row
from reviews.models import Case, Comment, EventNote
from reviews.pages import rows as event_rows

type Key = tuple[datetime, int]
type Drawn = dict[str, Any]

# How an event is known to be the identity's, as badges say it.
KNOWN = {BY_EXACT: "exact", BY_KEY: "key", BY_INFERENCE: "inferred"}
KINDS = {
    EVENT: "event",
    FINDING: "finding",
    ALERT: "alert",
    ACT: "act",
    REVOCATION: "revocation",
    NOTE: "note",
}
ICONS = {"finding": "alert-triangle", "alert": "bell", "act": "signature", "revocation": "ban"}
PLANE_ICONS = {"identity": "key", "ai": "robot"}
COLUMNS = (
    "at kind words plane action resource caller outcome known verdict by pinned starred labels notes"
    " event url"
)


def drawn(case: Case, rows: Sequence[Row]) -> list[Drawn]:
    """Each row as components/room_timeline.html shows it, in the order given."""
    events = of_events(case, [row for row in rows if row.place.kind == EVENT])
    made = []
    for row in rows:
        at, kind, number = row.place
        if kind == EVENT:
            one = events.get((at, number))
            # Retention may have dropped it since it was attributed.
            made += [one] if one is not None else []
        else:
            made.append(
                {"kind": KINDS[kind], "at": at, "id": f"{KINDS[kind]}-{number}", "marks": None}
                | _SAID[kind](row.said)
            )
    return made


def of_events(case: Case, rows: Iterable[Row]) -> dict[Key, Drawn]:
    """Events with what people put on them."""
    said = {(row.place.at, row.place.number): row.said for row in rows}
    number = None if case.identity is None else case.identity.number
    marks = marks_of(case, said)
    found: dict[Key, Drawn] = {}
    for one in event_rows.of_keys(said, number):
        key = one["at"], int(one["ref"].rpartition("-")[2])
        # Whose it is was asked for, so what it says of that counts here, not which run it is of.
        known = KNOWN.get(said[key].get("strength") or 0, "")
        found[key] = {
            "kind": "event",
            "at": one["at"],
            "undated": one["undated"],
            "id": f"event-{one['ref']}",
            "ref": one["ref"],
            "icon": PLANE_ICONS.get(one["plane"], "settings"),
            "plane": one["plane"],
            "red": one["verdict"] in ("outside", "no_run"),
            "words": "",
            "action": one["action"],
            "resource": one["resource"],
            "caller": one["caller"],
            "outcome": one["outcome"] if one["outcome"] in ("refused", "failed") else "",
            "known": known,
            "verdict": one["verdict"],
            "run": one["run"],
            "by": "",
            "url": f"/cases/{case.key}/timeline/events/{one['ref']}/",
            "marks": marks[key],
        }
    return found


def marks_of(case: Case, keys: Iterable[Key]) -> dict[Key, Drawn]:
    """What people put on these events: star, labels, pin, how many notes; who starred and pinned."""
    made: dict[Key, Drawn] = {
        key: {"starred": False, "starred_by": "", "labels": [], "pinned": False, "notes": 0}
        for key in keys
    }
    if not made:
        return made
    # By time alone, which an index answers; another event of the same moment is left out below.
    at = Q(at__in={at for at, _ in made})
    for mark in case.marks.filter(at, until=None).order_by("label"):
        here = made.get((mark.at, mark.event_id))
        if here is None:
            continue
        if mark.kind == "star":
            here |= {"starred": True, "starred_by": mark.by_name}
        else:
            here["labels"].append(mark.label)
    for pinned in case.pinned.filter(at).values_list("at", "event_id"):
        if pinned in made:
            made[pinned]["pinned"] = True
    for noted in EventNote.objects.filter(at, case=case).values_list("at", "event_id"):
        if noted in made:
            made[noted]["notes"] += 1
    return made


def _finding(one: Any) -> Drawn:
    return {
        "icon": ICONS["finding"],
        "red": one.rule in ("no_run", "outside_resources", "no_authority"),
        "words": f"{one.words}" + (f" ({one.count:,} events)" if one.count > 1 else ""),
        "badge": "no_run" if one.rule == "no_run" else "",
        "by": RULES[one.rule],
        "url": f"/findings/{one.key}/",
    }


def _alert(one: Any) -> Drawn:
    return {
        "icon": ICONS["alert"],
        "red": one.severity in ("high", "critical"),
        "words": one.title,
        "badge": "",
        "by": f"alert of {one.source.name}, {one.severity}",
        "url": f"/alerts/{one.key}/",
    }


def _act(one: Any) -> Drawn:
    return {
        "icon": ICONS["act"],
        "red": False,
        "words": one.words,
        "badge": "",
        "by": one.by_name or one.by,
        "url": "",
    }


def _revocation(said: Any) -> Drawn:
    one = said["revocation"]
    return {
        "icon": ICONS["revocation"],
        "red": False,
        "words": f"REV-{one.number} {said['words']}: {one.words}",
        "badge": "effective" if said["words"] == "proved" else "",
        "by": one.requested_by_name or one.requested_by,
        "url": f"/revocations/REV-{one.number}/",
    }


def _note(one: Comment) -> Drawn:
    about = getattr(one, "about_event", None)
    url = f"/cases/{one.case.key}/"
    if about is not None:
        url = f"{url}timeline/events/{ref_of((about.at, about.event_id))}/"
    return {
        "icon": "message",
        "red": False,
        "words": one.text,
        "badge": "",
        "by": one.person.name + (", on an event" if about is not None else ""),
        "url": f"{url}#comment-{one.pk}",
    }


_SAID = {FINDING: _finding, ALERT: _alert, ACT: _act, REVOCATION: _revocation, NOTE: _note}


def as_data(row: Drawn) -> Drawn:
    """A row as JSON and in files: the members of COLUMNS (docs/exports.md)."""
    marks = row["marks"] or {}
    is_event = row["kind"] == "event"
    return {
        "at": moment(row["at"]),
        "kind": row["kind"],
        "words": row["words"] or None,
        **{
            name: row.get(name) or None
            for name in ("plane", "action", "resource", "caller", "outcome", "known", "verdict")
        },
        "by": row["by"] or None,
        "pinned": marks.get("pinned") if is_event else None,
        "starred": marks.get("starred") if is_event else None,
        "labels": marks.get("labels") if is_event else None,
        "notes": marks.get("notes") if is_event else None,
        "event": row.get("ref"),
        "url": f"{settings.BASE_URL}{row['url']}" if row["url"] else None,
    }
