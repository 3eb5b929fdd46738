"""What is missing before an incident may be closed, all of it at once, each with where it is done.

Owns the gate of screens.md 4. Reads rows and decides nothing else: who closes is rights.py, the act
is closing.py. Constant queries, however much is in the room.
"""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from identities.models import Revocation
from reviews.actions.carrying import UNFINISHED
from reviews.incidents import freezing, rights, rooms
from reviews.models import BreakGlass, Case, Room


class Check(NamedTuple):
    """One condition of the gate. `words` name it, `sub` says how far it is."""

    kind: str
    done: bool
    words: str
    sub: str
    url: str


class Missing(NamedTuple):
    """A condition that is not met yet, as a sentence, and where it is."""

    kind: str
    words: str
    url: str


def missing(case: Case, *, now: datetime) -> list[Missing]:
    """All that keeps this incident from being closed."""
    return [
        Missing(one.kind, f"{one.words}: {one.sub}" if one.sub else one.words, one.url)
        for one in checks(case, now=now)
        if not one.done
    ]


def checks(case: Case, *, now: datetime) -> list[Check]:
    """Every condition, in the order of the page."""
    room = rooms.room_of(case)
    found = [
        _sealed(case, room),
        _review(case),
        _questions(case, room),
        _items(case),
        _revocations(case),
        _tasks(case, room),
        _findings(case),
        *_break_glass(case),
        _outcome(case, room),
        _lessons(case, room),
        _closer(case, room, now=now),
    ]
    return [one for one in found if one is not None]


def _path(case: Case, anchor: str = "") -> str:
    return f"/cases/{case.key}/room/{anchor}"


def _sealed(case: Case, room: Room) -> Check:
    words, url = "Evidence sealed", _path(case, "#gate")
    if room.capsule is None:
        return Check("sealed", False, words, "no capsule of it is made", url)
    where = f"/cases/{case.key}/capsules/{room.capsule.number}/"
    refs = freezing.selection(case)
    if freezing.digest(case, refs) != room.frozen:
        return Check("sealed", False, words, f"evidence has changed since {room.capsule.key}", url)
    return Check("sealed", True, words, f"capsule {room.capsule.key}, {len(refs)} events", where)


def review_of(case: Case) -> Case | None:
    """The review of all that the identity may do which was opened since, or is open now."""
    if case.identity is None:
        return None
    rows = Case.objects.filter(
        Q(opened_at__gte=case.opened_at) | Q(state="open"),
        door="access_review",
        identity=case.identity,
        trigger="",
        sealed=False,
    )
    return rows.exclude(state__in=["draft", "cancelled"]).order_by("-opened_at").first()


def _review(case: Case) -> Check | None:
    if case.identity is None or case.identity.state == "retired":
        return None
    words = "Access review opened"
    found = review_of(case)
    if found is None:
        said = f"what {case.identity.name} may do is not asked about again"
        return Check("review", False, words, said, _path(case, "#gate"))
    return Check("review", True, words, found.key, f"/cases/{found.key}/")


def _of(done: int, all_: int) -> str:
    return f"{done} of {all_}"


def _questions(case: Case, room: Room) -> Check:
    rows = list(room.questions.values_list("number", "dropped_at"))
    answered = set(
        room.questions.filter(
            conclusions__superseded_at__isnull=True, conclusions__certainty="answered"
        ).values_list("number", flat=True)
    )
    done = sum(number in answered or dropped is not None for number, dropped in rows)
    return Check(
        "questions",
        done == len(rows),
        "Every question answered or dropped",
        _of(done, len(rows)),
        _path(case, "#questions"),
    )


def _items(case: Case) -> Check | None:
    rows = list(case.items.values_list("carried_out_at", flat=True))
    if not rows:
        return None
    done = sum(one is not None for one in rows)
    words = "Every item carried out"
    return Check("items", done == len(rows), words, _of(done, len(rows)), f"/cases/{case.key}/")


def _revocations(case: Case) -> Check | None:
    rows = list(Revocation.objects.filter(case=case.pk).values_list("state", flat=True))
    if not rows:
        return None
    done = sum(one not in UNFINISHED for one in rows)
    words = "Every revocation effective"
    url = _path(case, "#containment")
    return Check("revocations", done == len(rows), words, _of(done, len(rows)), url)


def _tasks(case: Case, room: Room) -> Check:
    rows = list(room.tasks.values_list("state", flat=True))
    done = sum(one != "open" for one in rows)
    sub = _of(done, len(rows)) if rows else "there is none"
    return Check(
        "tasks", done == len(rows), "Every task done or dropped", sub, _path(case, "#tasks")
    )


def _findings(case: Case) -> Check:
    rows = list(case.findings.order_by("number").values_list("number", "state"))
    open_ = [f"F-{number}" for number, state in rows if state == "open"]
    more = f" and {len(open_) - 5} more" if len(open_) > 5 else ""
    sub = f"{', '.join(open_[:5])}{more}" if open_ else _of(len(rows), len(rows))
    url = f"/findings/{open_[0]}/" if open_ else f"/cases/{case.key}/"
    return Check("findings", not open_, "Every finding settled", sub, url)


def _break_glass(case: Case) -> list[Check]:
    """The accesses that were given for this incident: somebody has looked back at each."""
    rows = (
        BreakGlass.objects.filter(incident=case, case__sealed=False)
        .select_related("case")
        .order_by("case__number")
    )
    return [
        Check(
            "break_glass",
            row.case.state in rights.OVER,
            f"Break-glass {row.case.key} looked back at",
            "" if row.case.state in rights.OVER else f"it is {row.case.state.replace('_', ' ')}",
            f"/break-glass/{row.case.key}/",
        )
        for row in rows
    ]


def _outcome(case: Case, room: Room) -> Check:
    by = f"by {room.outcome_by_name}" if room.outcome else ""
    return Check("outcome", bool(room.outcome), "Outcome written", by, _path(case, "#closing"))


def _lessons(case: Case, room: Room) -> Check:
    by = f"by {room.lessons_by_name}" if room.lessons else ""
    return Check("lessons", bool(room.lessons), "Lessons noted", by, _path(case, "#closing"))


def _closer(case: Case, room: Room, *, now: datetime) -> Check:
    words, url = "Closed by somebody else", _path(case, "#roles")
    row = rooms.in_role(room, "closer")
    if row is None:
        return Check("closer", False, words, "nobody is named", url)
    why = rights.why_not_closer(row.person, case)
    if row.person.left_at is not None and row.person.left_at <= now:
        why = f"{row.person.name} has left"
    return Check("closer", why is None, words, why or row.person.name, url)
