"""The room of an incident whose identity did 50,000 things, with everything people put on them.

Owns the fullest room there is: as many pins, stars, labels and comments as a case takes, a
thousand acts in its ledger, gaps of its sources, and every event of a small fleet attributed to one
identity. Pages are asked through the whole stack, one after the other, also from the middle and
the beginning of the timeline.
"""

import statistics
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import Event, Gap, Source
from identities.acting import COUNTERSIGN
from identities.models import Finding, Person, User
from reviews.actions import commenting
from reviews.actions.entries import Said as Act
from reviews.actions.entries import note_all
from reviews.incidents import marks, opening, places
from reviews.incidents.reading import EVENT, Place
from reviews.models import Case, Comment, EventNote, Mark, Pinned
from tests.bench import database, fleet, line
from tests.bench.told import Said

EVENTS = 50_000
ACTS, PINS, LABELS = 1_000, 500, 20
ROUNDS = 40
TARGET = 150  # milliseconds, p95
BACKEND = "django.contrib.auth.backends.ModelBackend"
# Of all that a small fleet did, the heaviest identity did everything.
ALL_OF_ONE = """
INSERT INTO identities_attribution (at, event_id, binding_id, identity_no, source_id, role,
    strength, verdict, reason, rules_version, plane)
SELECT e.at, e.id, 1, {number}, e.source_id, 1, CASE WHEN e.ordinal % 5 < 2 THEN 4 ELSE 3 END,
    CASE WHEN e.ordinal % 97 = 0 THEN 2 ELSE 1 END, 1, 1, e.plane
FROM evidence_event e ON CONFLICT DO NOTHING
"""


def _responder() -> User:
    person = Person.objects.create(name="Rex", email="rex@example.org")
    user = User.objects.create(username="rex", person=person)
    user.groups.add(Group.objects.get_or_create(name="responder")[0])
    return user


def _seed(events: int, user: User) -> Case:
    fleet.grow(events, 0)
    identity, now = fleet.heaviest(), timezone.now()
    database.as_owner(ALL_OF_ONE.format(number=identity.number))
    first = fleet.START
    finding = Finding.objects.create(
        identity=identity, rule="no_run", family="x", strength=3, words="calls with no run",
        count=9, first_at=first, last_at=now, opened_at=now, state_at=now,
    )  # fmt: skip
    case, _ = opening.open_or_join(
        identity=identity,
        title="bench",
        reason="bench",
        by=COUNTERSIGN,
        findings=[finding],
        now=now,
    )
    for source in Source.objects.all():
        for day in range(10):
            begins = first + timedelta(hours=2 * day)
            Gap.objects.create(
                source=source, during=(begins, begins + timedelta(minutes=20)), reason="silent",
                recorded_at=now,
            )  # fmt: skip
    _put(case, user)
    database.as_owner("VACUUM (ANALYZE)")
    return case


def _put(case: Case, user: User) -> None:
    """Everything that people may put on events, spread over all of them."""
    now = timezone.now()
    keys = list(Event.objects.order_by("at", "id").values_list("at", "id"))
    of = [keys[n * len(keys) // marks.MOST_MARKS] for n in range(marks.MOST_MARKS)]
    Mark.objects.bulk_create(
        Mark(
            case=case, at=at, event_id=number, kind="label" if n % 2 else "star",
            label=f"label {n % LABELS}" if n % 2 else "", since=now, by=user.ref, by_name="Rex",
        )
        for n, (at, number) in enumerate(dict.fromkeys(of))
    )  # fmt: skip
    Pinned.objects.bulk_create(
        Pinned(case=case, at=at, event_id=number, pinned_at=now, pinned_by=user.ref)
        for at, number in keys[:: max(1, len(keys) // PINS)][:PINS]
    )
    comments = Comment.objects.bulk_create(
        Comment(case=case, at=keys[n][0], by=user, person=user.person, text=f"note {n}")
        for n in range(min(commenting.MOST, len(keys)))
    )
    EventNote.objects.bulk_create(
        EventNote(comment=one, case=case, at=keys[n][0], event_id=keys[n][1])
        for n, one in enumerate(comments[::2])
    )
    acts = [Act(case, "bench.act", f"act {n}", {}, keys[n % len(keys)][0]) for n in range(ACTS)]
    note_all(acts, by=COUNTERSIGN, now=now)


def _views(case: Case) -> dict[str, str]:
    keys = list(Event.objects.order_by("at", "id").values_list("at", "id"))
    middle, early = (Place(at, EVENT, n) for at, n in (keys[len(keys) // 2], keys[60]))
    path = f"/cases/{case.key}/timeline/"
    at, number = keys[len(keys) // 2]
    here = places.text_of(Place(at, EVENT, number)).replace(f"-{EVENT}-", "-")
    return {
        "newest": path,
        "part that is polled": f"{path}?short=1",
        "middle": f"{path}?before={places.text_of(middle)}",
        "middle, upwards": f"{path}?after={places.text_of(middle)}",
        "oldest": f"{path}?before={places.text_of(early)}",
        "pinned": f"{path}?show=pinned",
        "starred": f"{path}?show=starred",
        "a label": f"{path}?label=label+3",
        "AI": f"{path}?show=ai",
        "by key": f"{path}?strength=key",
        "inferred, of which there are none": f"{path}?strength=inferred",
        "acts": f"{path}?show=acts",
        "one event, 50 rows around": f"{path}events/{here}/?rows=50",
        "one event, around it everything": f"{path}events/{here}/?rows=50&whose=all",
        "API, 100 rows": f"/api{path}?limit=100",
        "the room": f"/cases/{case.key}/room/",
        "the room, its timeline": f"/cases/{case.key}/room/?part=timeline",
        "the room, its blast radius": f"/cases/{case.key}/room/?part=radius",
    }


def _view(client: Client, path: str, said: str) -> Said:
    with CaptureQueriesContext(connection) as queries:
        headers = {"HX-Request": "true"} if "part=" in path else {}
        answer: Any = client.get(path, headers=headers)
        assert answer.status_code == 200, (path, answer.status_code)
    asks = len(queries)
    taken, spent = [], time.process_time()
    for _ in range(ROUNDS):
        started = time.perf_counter()
        client.get(path, headers=headers)
        taken.append((time.perf_counter() - started) * 1000)
    spent = (time.process_time() - spent) * 1000 / ROUNDS
    p95 = sorted(taken)[int(len(taken) * 0.95) - 1]
    return Said(
        said,
        f"p50 {statistics.median(taken):.0f} p95 {p95:.0f} ms",
        f"{asks} queries, {spent:.0f} ms CPU; p95 < {TARGET}",
        p95 < TARGET,
    )


def measure(events: int | None = None) -> Iterator[Said]:
    """p95 of each page of a room with so many events."""
    line.ready()
    events = min(events or EVENTS, EVENTS)
    user = _responder()
    case = _seed(events, user)
    client = Client(headers={"host": "localhost"})
    client.force_login(user, backend=BACKEND)
    for name, path in _views(case).items():
        yield _view(client, path, f"timeline of {events:,} events, {name}")
