"""The room of an incident: its clocks, questions, gate and tasks, who does what in it.

Owns the context of templates/room.html and of its live part. What is contained, what it touched and
its timeline are the neighbours' (containment.py, radius.py, room_timeline.py). Constant queries.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evidence.queries.events import ref_of
from evidence.vocabulary import STRENGTHS
from identities import as_read
from identities.models import User
from reviews.incidents import clocks, gate, rights, rooms
from reviews.models import Case, Conclusion, Question, Room, RoomRole, Task
from reviews.models.incidents import SEVERITIES
from reviews.packs import subjects
from reviews.pages import answers, containment, packs, radius, room_timeline, sealing
from reviews.permissions import SEAT_WORDS, SIGNING

SEVERITY_BADGES = {"low": "neutral", "medium": "waits", "high": "late", "critical": "failed"}
CLOCK_WORDS = {
    "detected": "after the first event of a finding",
    "attributed": "after detection",
    "contained": "after detection",
    "proved": "after detection",
}
CERTAINTY_BADGES = {"answered": "agreed", "partly": "gap", "hypothesis": "inferred"}
LONGEST_LIST = 50


def path_of(case: Case) -> str:
    return f"/cases/{case.key}/room/"


def live(case: Case, user: User, *, now: datetime) -> dict[str, Any]:
    """What changes under the eyes of those in the room: clocks, questions, gate, tasks."""
    room = rooms.room_of(case)
    checks = gate.checks(case, now=now)
    done = sum(one.done for one in checks)
    why_not_close = rights.why_not_close(user, case, now=now)
    return {
        "now": now,
        "case": case,
        "room": room,
        "path": path_of(case),
        "going_on": case.state not in rights.OVER,
        "clocks": [_clock(one, now=now) for one in clocks.of(case, room, now=now)],
        "questions": questions_of(room),
        "gate": {
            "rows": checks,
            "done": done,
            "of": len(checks),
            "left": len(checks) - done,
            "why_not": why_not_close or "",
        },
        "tasks": tasks_of(room),
        "may_work": rights.why_not_work(user, case, now=now) is None,
    }


def context(case: Case, user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/room.html."""
    seen = live(case, user, now=now)
    room = seen["room"]
    lead = rooms.in_role(room, "lead")
    return {
        **seen,
        **containment.of_case(case, user, asked, now=now),
        "radius_url": _radius_url(case),
        "section": "incident",
        "title": f"{case.key} {case.title}",
        "heading": case.title,
        "crumbs": [{"words": "Incidents", "url": "/cases/?door=incident"}],
        "badges": _badges(case, room),
        "lead_words": (
            (f"{lead.person.name} leads." if lead is not None else "Nobody leads it yet.")
            + _due_words(case, now=now)
        ),
        "reason": case.reason,
        "read": {"outcome": as_read.mark([room.outcome]), "lessons": as_read.mark([room.lessons])},
        "acts": _acts(case)
        + sealing.acts(case, user, now=now)
        + packs.acts(subjects.of(case), user),
        "answers": None if case.identity is None else answers.three(case.identity, now),
        "why_not_work": rights.why_not_work(user, case, now=now) or "",
        "severities": [one for one in SEVERITIES if one != room.severity],
        "roles": _roles(room),
        "earlier_roles": _earlier(room),
        "hand_over": room.hand_overs.order_by("-at").select_related("to").first(),
        "seats": _seats(case),
        "review": gate.review_of(case),
        "can_review": case.identity is not None and case.identity.state != "retired",
        "entries_url": f"/ledger/?subject={case.key}",
    }


# What costs as much as all the rest, and is looked at when it comes into view.
PARTS = {"radius": radius.of_case, "timeline": room_timeline.of_case}


def part(
    name: str, case: Case, user: User, asked: dict[str, str], *, now: datetime
) -> dict[str, Any]:
    """The context of one of PARTS."""
    seen = {"case": case, "path": path_of(case), "now": now}
    return seen | PARTS[name](case, user, asked, now=now)


def _due_words(case: Case, *, now: datetime) -> str:
    """Until when its seats answer, while they do."""
    if case.state != "open":
        return ""
    were = "were" if case.deadline_at <= now else "are"
    return f" Answers {were} due by {case.deadline_at:%-d %b %Y %H:%M} UTC."


def _radius_url(case: Case) -> str:
    start = f"?from=identity:{case.identity.key}" if case.identity is not None else ""
    return f"/radius/{start}"


def _badges(case: Case, room: Room) -> list[dict[str, str]]:
    found = [
        {"kind": case.state},
        {"kind": SEVERITY_BADGES[room.severity], "words": f"{room.severity} severity"},
    ]
    if case.sealed:
        found.append({"kind": "sealed"})
    return found


def _acts(case: Case) -> list[dict[str, Any]]:
    found = [
        {
            "words": "Its seats and answers",
            "url": f"/cases/{case.key}/",
            "icon": "signature",
            "get": True,
        }
    ]
    if case.identity is not None:
        url = f"/identities/{case.identity.key}/"
        found.append({"words": "Open the line", "url": url, "icon": "timeline", "get": True})
    # The case of an access is others' to see, and would name a sealed incident.
    if case.state not in rights.OVER and not case.sealed:
        url = f"/break-glass/new/?incident={case.key}"
        found.append({"words": "Ask for break-glass", "url": url, "icon": "bolt", "get": True})
    return found


def _clock(one: clocks.Clock, *, now: datetime) -> dict[str, Any]:
    took, words = one.took, CLOCK_WORDS[one.name]
    value, look = "waits", "waits"
    if took is not None:
        value, look = clocks.spoken(took), "done"
    elif one.at is not None:
        value, look, words = "known", "done", "no finding says since when"
    elif one.since is not None and one.name != "proved":
        value, look = clocks.spoken(now - one.since), "runs"
    if one.at is None and one.name == "proved":
        words = f"{one.done} of {one.of} revocations effective" if one.of else "nothing is revoked"
    elif look == "runs":
        words = "running"
    return {"name": one.name, "value": value, "look": look, "words": words, "at": one.at}


def questions_of(room: Room) -> list[dict[str, Any]]:
    """Each question with what is concluded on it now, in two queries."""
    now = {
        row.question_id: row
        for row in Conclusion.objects.filter(
            question__room=room, superseded_at__isnull=True
        ).prefetch_related("events")
    }
    return [_question(room, one, now.get(one.pk)) for one in room.questions.order_by("number")]


def _question(room: Room, one: Question, row: Conclusion | None) -> dict[str, Any]:
    badge = {"kind": "open"}
    if one.dropped_at is not None:
        badge = {"kind": "cancelled", "words": "dropped"}
    elif row is not None:
        badge = {"kind": CERTAINTY_BADGES[row.certainty], "words": row.certainty}
    return {
        "number": one.number,
        "words": one.words,
        "url": f"{path_of(room.case)}questions/{one.number}/",
        "conclusion": None if row is None else conclusion(row),
        "badge": badge,
        "dropped_why": one.dropped_why,
        "dropped_by": one.dropped_by_name,
        "dropped_at": one.dropped_at,
    }


def conclusion(row: Conclusion) -> dict[str, Any]:
    """A conclusion and the events under it, as the room and the page of its question show it."""
    events = sorted(row.events.all(), key=lambda one: (one.at, one.event_id))
    return {
        "id": str(row.pk),
        "words": row.words,
        "certainty": row.certainty,
        "missing": row.missing,
        "denies": row.denies,
        "strength": STRENGTHS[row.strength],
        "unproven": row.unproven,
        "at": row.at,
        "by": row.by_name,
        "superseded_at": row.superseded_at,
        "events": [
            {
                "ref": ref_of((one.at, one.event_id)),
                "at": one.at,
                "url": f"/events/{ref_of((one.at, one.event_id))}/",
                "strength": STRENGTHS[one.strength],
            }
            for one in events
        ],
    }


def tasks_of(room: Room) -> list[dict[str, Any]]:
    """What is open by its time, then what is over."""
    rows = room.tasks.select_related("owner__person", "owner__team")
    found = [_task(room.case, one) for one in rows.order_by("due_at", "number")]
    return sorted(found, key=lambda one: one["state"] != "open")


def _task(case: Case, one: Task) -> dict[str, Any]:
    return {
        "key": one.key,
        "words": one.words,
        "owner": str(one.owner),
        "due_at": one.due_at,
        "state": one.state,
        "said": one.said,
        "ended_at": one.ended_at,
        "ended_by": one.ended_by_name,
        "url": f"{path_of(case)}tasks/{one.number}/",
    }


def _roles(room: Room) -> list[dict[str, Any]]:
    held = {one.role: one for one in room.roles.filter(until__isnull=True).select_related("person")}
    return [
        {
            "role": role,
            "words": words.capitalize(),
            "name": held[role].person.name if role in held else "",
            "since": held[role].since if role in held else None,
            "by": held[role].by_name if role in held else "",
        }
        for role, words in rooms.ROLE_WORDS.items()
    ]


def _earlier(room: Room) -> list[RoomRole]:
    rows = room.roles.filter(until__isnull=False).select_related("person")
    return list(rows.order_by("-until")[:LONGEST_LIST])


def _seats(case: Case) -> list[dict[str, str]]:
    rows = case.seats.select_related("party__person", "party__team", "person", "service").order_by(
        "position"
    )
    return [
        {
            "name": seat.person.name
            if seat.person is not None
            else str(seat.party or "nobody yet"),
            "words": SEAT_WORDS[seat.kind],
            "of": "" if seat.service is None else seat.service.name,
        }
        for seat in rows
        if seat.kind in (*SIGNING, "closer")
    ]


def as_data(case: Case, user: User, *, now: datetime) -> dict[str, Any]:
    """The room as JSON, for the API."""
    seen = live(case, user, now=now)
    room: Room = seen["room"]
    return {
        "case": case.key,
        "title": case.title,
        "state": case.state,
        "sealed": case.sealed,
        "identity": None if case.identity is None else case.identity.key,
        "severity": room.severity,
        "version": case.version,
        "opened_at": case.opened_at,
        "deadline_at": case.deadline_at,
        "closed_at": case.closed_at,
        "detected_at": room.detected_at,
        "attributed_at": room.attributed_at,
        "outcome": room.outcome,
        "lessons": room.lessons,
        "capsule": None if room.capsule is None else room.capsule.key,
        "findings": [one.key for one in case.findings.order_by("number")],
        "clocks": [
            {
                "name": one.name,
                "from": one.since,
                "at": one.at,
                "seconds": None if one.took is None else one.took.total_seconds(),
            }
            for one in clocks.of(case, room, now=now)
        ],
        "roles": [_plain(one, "role", "name", "since", "by") for one in _roles(room)],
        "questions": [
            _plain(one, "number", "words", "conclusion", "dropped_why", "dropped_at")
            | {"state": one["badge"].get("words", "open")}
            for one in seen["questions"]
        ],
        "tasks": [
            _plain(one, "key", "words", "owner", "due_at", "state", "said", "ended_at", "ended_by")
            for one in seen["tasks"]
        ],
        "gate": [one._asdict() for one in seen["gate"]["rows"]],
        "may_not_work": rights.why_not_work(user, case, now=now),
        "may_not_close": seen["gate"]["why_not"] or None,
    }


def _plain(one: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: one[name] for name in names}
