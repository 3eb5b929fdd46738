"""One timeline of an incident: events, acts, findings, revocations, notes and alerts, in one order.

Owns the order of time (at, kind, number), which rows there are, and pages of them by keyset: what a
page costs does not depend on how much the identity did. Knows no page; a row is a place and facts.
"""

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from evidence.models import LedgerEntry
from evidence.vocabulary import PLANE_AI, PLANE_IDENTITY
from identities.models import Revocation
from identities.models.behaviour import BY_EXACT, BY_INFERENCE, BY_KEY
from reviews.models import Alert, Case

# The kinds of rows, in the order in which they stand at the same moment.
EVENT, FINDING, ALERT, ACT, REVOCATION, NOTE = range(6)
# How far before what is first known of an incident its timeline begins.
BEFORE = timedelta(days=1)
# Events are counted so far.
MOST_COUNTED = 10_000
MOST_REVOCATIONS = 1_000

SHOWN = ("all", "pinned", "starred", "identity", "ai", "acts")
PLANES = {"identity": PLANE_IDENTITY, "ai": PLANE_AI}
STRENGTHS = {"exact": BY_EXACT, "key": BY_KEY, "inferred": BY_INFERENCE}
# Their rows stand in the timeline as themselves, or are drawn on their events.
DRAWN_OTHERWISE = ("comment.written", "evidence.pinned", "timeline.marked", "timeline.unmarked")
MOMENTS = (
    ("requested_at", "wanted"),
    ("sent_at", "sent"),
    ("confirmed_at", "seen at its target"),
    ("effective_at", "proved"),
)


class Place(NamedTuple):
    """Where a row stands: rows are ordered by this, and pages begin at one."""

    at: datetime
    kind: int
    number: int


class Row(NamedTuple):
    """A row of the timeline. `said`: of an event {"strength", "verdict"}, else its model's row."""

    place: Place
    said: Any


class Asked(NamedTuple):
    """What of a timeline is asked for. `begins` and `ends` bound the attributed events alone."""

    begins: datetime
    ends: datetime
    show: str = "all"
    label: str = ""
    strength: str = ""

    @property
    def events_only(self) -> bool:
        return self.show not in ("all", "acts") or bool(self.label or self.strength)

    @property
    def chosen_only(self) -> bool:
        """Only events that people chose."""
        return self.show in ("pinned", "starred") or bool(self.label)


def window(case: Case, *, now: datetime) -> tuple[datetime, datetime]:
    """From when to when events of the case's identity belong to it: a day before the first that is
    known, until it is over."""
    first = case.findings.order_by("first_at").values_list("first_at", flat=True).first()
    told = case.alerts.order_by("at").values_list("at", flat=True).first()
    known = [one for one in (first, told, case.opened_at) if one is not None]
    return min(known) - BEFORE, max(case.closed_at or now, case.opened_at)


# --- events

# What people chose of a case's events, wherever they come from.
_PINS = "SELECT p.at, p.event_id FROM reviews_pinned p WHERE p.case_id = %(case)s"
_MARKS = (
    "SELECT m.at, m.event_id FROM reviews_mark m WHERE m.case_id = %(case)s AND m.until IS NULL"
)
_NOTES = "SELECT n.at, n.event_id FROM reviews_eventnote n WHERE n.case_id = %(case)s"
_STARS = f"{_MARKS} AND m.kind = 'star'"
_LABELS = f"{_MARKS} AND m.kind = 'label' AND m.label = %(label)s"

_ATTRIBUTED = """
SELECT a.at, a.event_id, a.strength, a.verdict FROM identities_attribution a
WHERE a.identity_no = %(identity)s AND a.at >= %(begins)s AND a.at < %(ends)s{beyond}{only}
ORDER BY a.at {order}, a.event_id {order} LIMIT %(limit)s
"""
_CHOSEN = """
SELECT k.at, k.event_id, a.strength, a.verdict FROM ({keys}) k
JOIN evidence_event e ON e.at = k.at AND e.id = k.event_id
LEFT JOIN identities_attribution a
    ON a.identity_no = %(identity)s AND a.at = k.at AND a.event_id = k.event_id
WHERE true{beyond}{only}
ORDER BY k.at {order}, k.event_id {order} LIMIT %(limit)s
"""
_MANY = """
SELECT count(*) FROM (
    SELECT FROM identities_attribution WHERE identity_no = %(identity)s AND at >= %(begins)s
    AND at < %(ends)s LIMIT %(limit)s) a
"""
_BELONGS = f"""
SELECT EXISTS (
    SELECT FROM identities_attribution
    WHERE identity_no = %(identity)s AND at = %(at)s AND event_id = %(event)s
) OR EXISTS (
    SELECT FROM ({_PINS} UNION {_MARKS} UNION {_NOTES}) k
    WHERE k.at = %(at)s AND k.event_id = %(event)s)
"""  # noqa: S608 - our own names; values are parameters


def _chosen_keys(asked: Asked) -> str:
    if asked.label:
        both = {"pinned": f" INTERSECT {_PINS}", "starred": f" INTERSECT {_STARS}"}
        return _LABELS + both.get(asked.show, "")
    if asked.show == "pinned":
        return _PINS
    return _STARS if asked.show == "starred" else f"{_PINS} UNION {_MARKS} UNION {_NOTES}"


def _events(case: Case, asked: Asked, beyond: Place | None, limit: int, *, up: bool) -> list[Row]:
    facts: dict[str, Any] = {
        "case": case.pk,
        "identity": -1 if case.identity is None else case.identity.number,
        "begins": asked.begins,
        "ends": asked.ends,
        "label": asked.label,
        "plane": PLANES.get(asked.show),
        "strength": STRENGTHS.get(asked.strength),
        "limit": limit,
    }
    found: dict[Place, Row] = {}
    with connection.cursor() as cursor:
        for sql, name, plane in ((_ATTRIBUTED, "a", "a"), (_CHOSEN, "k", "e")):
            if name == "a" and asked.chosen_only:
                continue
            only = f" AND {plane}.plane = %(plane)s" if facts["plane"] else ""
            only += " AND a.strength = %(strength)s" if facts["strength"] else ""
            text = sql.format(
                beyond=_beyond_sql(name, beyond, facts, up=up),
                only=only,
                order="ASC" if up else "DESC",
                keys=_chosen_keys(asked),
            )
            cursor.execute(text, facts)
            for at, event, strength, verdict in cursor.fetchall():
                place = Place(at, EVENT, event)
                found[place] = Row(place, {"strength": strength, "verdict": verdict})
    return sorted(found.values(), key=lambda row: row.place, reverse=not up)[:limit]


def _beyond_sql(name: str, beyond: Place | None, facts: dict[str, Any], *, up: bool) -> str:
    """That a row lies beyond a place: its time alone bounds which partitions are read."""
    if beyond is None:
        return ""
    facts |= {"at": beyond.at, "number": beyond.number}
    sign = ">" if up else "<"
    if beyond.kind == EVENT:
        return (
            f" AND {name}.at {sign}= %(at)s"
            f" AND ({name}.at, {name}.event_id) {sign} (%(at)s, %(number)s)"
        )
    # Events come first at a moment: all of them lie below any other row of it.
    return f" AND {name}.at {'>' if up else '<='} %(at)s"


# --- everything else


def _further(
    rows: QuerySet[Any], kind: int, names: tuple[str, str], beyond: Place | None, *, up: bool
) -> QuerySet[Any]:
    """These rows in order, beyond a place; `names`: their members of time and number."""
    at, number = names
    order = (at, number) if up else (f"-{at}", f"-{number}")
    if beyond is None:
        return rows.order_by(*order)
    sign = "gt" if up else "lt"
    further = Q(**{f"{at}__{sign}": beyond.at})
    if kind == beyond.kind:
        here = UUID(int=beyond.number) if kind == NOTE else beyond.number
        further |= Q(**{at: beyond.at, f"{number}__{sign}": here})
    elif (kind > beyond.kind) is up:
        further |= Q(**{at: beyond.at})
    return rows.filter(further).order_by(*order)


def _taken(
    rows: QuerySet[Any],
    kind: int,
    names: tuple[str, str],
    beyond: Place | None,
    limit: int,
    *,
    up: bool,
) -> list[Row]:
    at, number = names
    found = []
    for one in _further(rows, kind, names, beyond, up=up)[:limit]:
        key = getattr(one, number)
        # Ids of the database and ours are ordered alike: byte by byte.
        place = Place(getattr(one, at), kind, key.int if isinstance(key, UUID) else key)
        found.append(Row(place, one))
    return found


def _acts(case: Case) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(subject=case.key).exclude(act__in=DRAWN_OTHERWISE)


def _steps(case: Case) -> Iterator[Row]:
    """Each moment of each revocation of the case."""
    rows = Revocation.objects.filter(case=case.pk).order_by("-number")[:MOST_REVOCATIONS]
    for one in rows:
        for order, (name, words) in enumerate(MOMENTS):
            at = getattr(one, name)
            if at is not None:
                place = Place(at, REVOCATION, one.number * len(MOMENTS) + order)
                yield Row(place, {"revocation": one, "words": words})


def _held(rows: Iterator[Row], beyond: Place | None, limit: int, *, up: bool) -> list[Row]:
    """Of rows that are few: those beyond a place, in order."""
    fits = [
        row for row in rows if beyond is None or (row.place > beyond if up else row.place < beyond)
    ]
    return sorted(fits, key=lambda row: row.place, reverse=not up)[:limit]


def beyond(
    case: Case, asked: Asked, place: Place | None, limit: int, *, up: bool = False
) -> list[Row]:
    """At most `limit` rows below a place, the newest first; `up`: above it, the oldest first."""
    parts: list[list[Row]] = []
    if asked.show != "acts":
        parts.append(_events(case, asked, place, limit, up=up))
    if not asked.events_only:
        for rows, kind, names in (
            (case.findings.all(), FINDING, ("first_at", "number")),
            (Alert.objects.filter(case=case).select_related("source"), ALERT, ("at", "number")),
            (_acts(case), ACT, ("at", "id")),
            (case.comments.select_related("person", "about_event"), NOTE, ("at", "id")),
        ):
            parts.append(_taken(rows, kind, names, place, limit, up=up))
        parts.append(_held(_steps(case), place, limit, up=up))
    merged = heapq.merge(*parts, key=lambda row: row.place, reverse=not up)
    return [row for row, _ in zip(merged, range(limit), strict=False)]


def every(case: Case, asked: Asked, *, step: int = 500) -> Iterator[Row]:
    """All rows, the oldest first, in few statements of bounded size."""
    place: Place | None = None
    while rows := beyond(case, asked, place, step, up=True):
        yield from rows
        place = rows[-1].place


def counts(case: Case, asked: Asked) -> dict[str, int]:
    """How many rows there are of each kind that can be shown; "all" is counted to MOST_COUNTED."""
    facts: dict[str, Any] = {
        "case": case.pk,
        "identity": -1 if case.identity is None else case.identity.number,
        "begins": asked.begins,
        "ends": asked.ends,
        "limit": MOST_COUNTED + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MANY, facts)
        (events,) = cursor.fetchone() or (0,)
    acts = _acts(case).count() + case.findings.count() + case.comments.count()
    acts += case.alerts.count() + sum(1 for _ in _steps(case))
    return {
        "all": events + acts,
        "pinned": case.pinned.count(),
        "starred": case.marks.filter(kind="star", until=None).count(),
        "acts": acts,
    }


type Key = tuple[datetime, int]


def belongs(case: Case, key: Key) -> bool:
    """Whether an event is the identity's whom the case is about, or somebody chose it for it."""
    facts: dict[str, Any] = {
        "case": case.pk,
        "identity": -1 if case.identity is None else case.identity.number,
        "at": key[0],
        "event": key[1],
    }
    with connection.cursor() as cursor:
        cursor.execute(_BELONGS, facts)
        (found,) = cursor.fetchone() or (False,)
    return bool(found)
