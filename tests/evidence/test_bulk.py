"""Deposits that are linked together: the same as one by one, also when that is broken off."""

import base64
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence import acquaintances, bulk, consumers, intake, links, slices, tasks
from evidence.formats import aws
from evidence.formats.record import ActorName, Record
from evidence.locks import Lock
from evidence.models import Acquaintance, Actor, Clock, Deposit, Link, Progress, Run, Source
from evidence.names import memory
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    MODEL_CALL,
    PLANE_AI,
    PLANE_IDENTITY,
    STEP,
    STRENGTHS,
    TOOL_CALL,
    USE,
)
from tests import clock
from tests.conftest import owner_connection
from tests.evidence import test_correlation, test_inferred
from tests.evidence.conftest import NOW
from tests.evidence.formats.conftest import DATA
from tests.evidence.test_correlation import BASE, dealt, in_database, record, store
from tests.evidence.test_tasks import by_threads, fill

type Make = Callable[..., Source]
SECOND = 1_000_000


@pytest.fixture(autouse=True)
def however_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handful of rows is linked together too, whatever the planner thinks of an empty table."""
    monkeypatch.setattr(bulk, "LEAST_ROWS", 1)
    monkeypatch.setattr(bulk, "MOST_OLD_ROWS", 10**9)


def one_by_one() -> None:
    while links.link_next(now=NOW):
        pass


def together() -> None:
    """What is left then covers too long a time."""
    while bulk.link_many(now=NOW):
        pass
    one_by_one()


# --- the same, whatever comes together

# Store a deposit, or link what waits.
type Step = Callable[[], object]


def told(source: Make, steps: Callable[[dict[int, Source]], Iterable[Step]]) -> dict[str, Any]:
    """Everything that linking writes, by names, once these are done; nothing of it stays."""
    with transaction.atomic():
        for step in steps(
            {PLANE_IDENTITY: source("trail"), PLANE_AI: source("traces", plane="ai")}
        ):
            step()
        values = dict(Actor.objects.values_list("pk", "value"))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT e.digest, s.digest, l.proof, l.runs, l.surplus FROM evidence_shownlink l"
                " JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id"
                " JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id"
            )
            shown = set(cursor.fetchall())
        found = {
            "links": {one for one in in_database() if one[3] > min(STRENGTHS)},
            "shown": shown,
            "runs": {
                (
                    *(values[one] if one else None for one in (run.agent_id, run.service_id)),
                    *(run.trace, run.first_at, run.last_at, run.spans, run.ended),
                    *(run.tool_calls, run.model_calls, run.api_calls, run.failed),
                )
                for run in Run.objects.all()
            },
            "known": {
                (values[one.caller_id], values[one.agent_id], one.hour)
                for one in Acquaintance.objects.all()
            },
            "clocks": set(Clock.objects.values_list("day", "seconds", "calls")),
            "waiting": Progress.objects.filter(consumer=links.CONSUMER, done_at=None).count(),
        }
        transaction.set_rollback(True)
    memory.forget()
    return found


def lab(data: Path, dice: random.Random) -> Callable[[dict[int, Source]], list[Step]]:
    """The recorded lab in pieces of any size and order, some of them twice."""
    records = orjson.loads((data / "lab" / "cloudtrail.json").read_bytes())["Records"]
    bodies = [
        (PLANE_AI, base64.b64decode(line.strip().strip(b'"')))
        for line in (data / "lab" / "traces.pb.jsonl").read_bytes().splitlines()
    ]
    bodies += dice.sample(bodies, 20)
    doubled = [*records, *dice.sample(records, 20)]
    dice.shuffle(doubled)
    while doubled:
        size = dice.randint(1, 9)
        bodies.append((PLANE_IDENTITY, orjson.dumps({"Records": doubled[:size]})))
        del doubled[:size]
    dice.shuffle(bodies)
    return lambda into: [
        lambda plane=plane, body=body: intake.take(  # type: ignore[misc]  # mypy cannot see the defaults' types
            source=into[plane], body=body, by="command", now=NOW
        )
        for plane, body in bodies
    ]


USER = aws.arn_actor("arn:aws:iam::123456789012:user/svc-invoice-agent")
KEYS = [aws.access_key(f"ASIA{number}", USER) for number in range(4)]
SERVICE = ActorName("otel:traces", "service", "invoice-agent")


def drawn(dice: random.Random) -> Callable[[dict[int, Source]], list[Step]]:
    """Forty runs and as many strangers' calls: by request, by key, silent, and in each other's way."""
    records: list[Record] = []
    for run in range(40):
        at = BASE + run * dice.choice((1, 1, 40)) * SECOND
        way = dice.choice(("request", "request", "request", "key", "silent"))
        key = dice.choice(KEYS)
        said = {"plane": PLANE_AI, "trace_id": bytes(15) + bytes([run * 6]), "principal": SERVICE}
        call = {"plane": PLANE_IDENTITY, "activity": USE, "principal": USER, "credential": key}
        records += [
            record(5_000 + run * 10, at=at, activity=AGENT_RUN, action="agent",
                   span_id=(1).to_bytes(8), duration=3 * SECOND, **said),
            record(5_001 + run * 10, at=at, activity=TOOL_CALL, action="get_object",
                   span_id=(2).to_bytes(8), parent_span_id=(1).to_bytes(8), duration=SECOND, **said),
            record(5_002 + run * 10, at=at + 9, activity=MODEL_CALL if way == "silent" else API_CALL,
                   action="s3:GetObject", span_id=(3).to_bytes(8), parent_span_id=(2).to_bytes(8),
                   request_id=f"R{run}" if way == "request" else None,
                   credential=key if way == "key" else None, **said),
            record(5_003 + run * 10, at=at + dice.choice((0, SECOND)), request_id=f"R{run}",
                   action="s3:GetObject", address="10.0.0.1", **call),
            record(5_004 + run * 10, at=at + dice.choice((0, SECOND)), request_id=f"S{run}",
                   action=dice.choice(("s3:GetObject", "s3:PutObject")), address="10.0.0.2", **call),
        ]  # fmt: skip
    records += dice.sample(records, 30)
    dice.shuffle(records)
    deposits: list[list[Record]] = []
    for plane in (PLANE_AI, PLANE_IDENTITY):
        mine = [one for one in records if one.plane == plane]
        while mine:
            size = dice.randint(1, 25)
            deposits.append(mine[:size])
            del mine[:size]
    dice.shuffle(deposits)
    return lambda into: [
        lambda some=some: store(into[some[0].plane], some)  # type: ignore[misc]  # as above
        for some in deposits
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("world", ["drawn", *(["lab"] if DATA.is_dir() else [])])
def test_linked_together_is_linked_one_by_one(
    source: Make, monkeypatch: pytest.MonkeyPatch, world: str, seed: int
) -> None:
    dice = random.Random(seed)
    steps = lab(DATA, dice) if world == "lab" else drawn(dice)
    apart = told(source, lambda into: [step for one in steps(into) for step in (one, one_by_one)])
    at_once = told(source, lambda into: [*steps(into), together])
    half = told(
        source,
        lambda into: (
            [
                step
                for number, one in enumerate(steps(into))
                for step in (one, *({20: [one_by_one], 35: [together]}.get(number, [])))
            ]
            + [together]
        ),
    )
    assert (len(apart["links"]) > 60, apart["waiting"]) == (True, 0)
    assert at_once == apart
    assert half == apart
    # Of more callers than are walked along, the events are read.
    monkeypatch.setattr(acquaintances, "MOST_WALKED", 0)
    assert told(source, lambda into: [*steps(into), together]) == apart


@pytest.mark.django_db
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    world=test_correlation.worlds() | test_inferred.worlds(),
    seed=st.integers(0, 2**32),
    before=st.integers(0, 3),
)
def test_linking_together_finds_what_the_rules_say(
    source: Make, world: tuple[list[Record], list[Record]], seed: int, before: int
) -> None:
    """Some are linked alone before; the rest waits and is linked together."""
    apis, spans = world
    deposits = dealt(apis, spans, seed)
    with transaction.atomic():
        mine = {PLANE_IDENTITY: source("trail"), PLANE_AI: source("traces", plane="ai")}
        for number, some in enumerate(deposits):
            store(mine[some[0].plane], some)
            if number < before:
                one_by_one()
        together()
        found = {one for one in in_database() if one[3] > min(STRENGTHS)}
        inferred = test_inferred.shown()
        transaction.set_rollback(True)
    memory.forget()
    assert found == test_correlation.pure(apis, spans)
    assert inferred == test_inferred.pure(apis, spans)


# --- several hands, and what breaks


def expected(pairs: int) -> tuple[int, int, int, int]:
    """Links, runs, calls that clocks counted, deposits that wait."""
    return 2 * pairs, pairs, pairs, 0


def written() -> tuple[int, int, int, int]:
    return (
        Link.objects.count(),
        Run.objects.filter(spans=3, ended=True).count(),
        Clock.objects.aggregate(calls=Sum("calls"))["calls"] or 0,
        Progress.objects.filter(consumer=links.CONSUMER, done_at=None).count(),
    )


@pytest.mark.django_db(transaction=True)
def test_workers_with_several_hands_at_once_link_once(source: Make) -> None:
    fill(source, 12)
    by_threads(tasks.link_stored, 3)
    assert written() == expected(12)
    assert set(
        Progress.objects.filter(consumer=links.CONSUMER).values_list("attempts", flat=True)
    ) == {1}


@pytest.mark.unmovable_clock("waits for a timeout of PostgreSQL")
@pytest.mark.django_db(transaction=True)
def test_what_fails_together_is_linked_alone(source: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody holds the runs of a source for longer than a statement may take."""
    fill(source, 3)
    monkeypatch.setattr(links, "LONGEST_STATEMENT", "300ms")
    traces = Source.objects.get(name="traces").pk
    with owner_connection(connection.settings_dict["NAME"]) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [int(Lock.RUNS), traces])
        assert bulk.link_many(now=timezone.now(), hands=2) == 6
    monkeypatch.undo()
    waiting = Progress.objects.filter(consumer=links.CONSUMER, done_at=None)
    assert set(waiting.values_list("attempts", "leased_until")) == {(1, None)}
    # Never together again, so that one that fails holds up no others.
    monkeypatch.setattr(bulk, "LEAST_ROWS", 1)
    monkeypatch.setattr(bulk, "MOST_OLD_ROWS", 10**9)
    assert bulk.link_many(now=timezone.now()) == 0
    while links.link_next(now=timezone.now()):
        pass
    assert written() == expected(3)


WORKER = """
import sys
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
import django
django.setup()
from evidence import bulk, links
bulk.LEAST_ROWS, bulk.MOST_OLD_ROWS = 1, 10**9
def stop(*given, **said):
    print("here", flush=True)
    import time
    time.sleep(60)
setattr(*{"with_new_calls": (bulk.touched, "with_new_calls"), "take_turn": (bulk.key_links, "take_turn")}[sys.argv[2]], stop)
from evidence import tasks
from tests import clock
clock.use_parent_clock()
tasks.link_stored()
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["with_new_calls", "take_turn"])
def test_linking_together_that_is_killed_is_finished_by_the_next(source: Make, place: str) -> None:
    fill(source, 3)
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, connection.settings_dict["NAME"], place],
        stdout=subprocess.PIPE,
        env=clock.child_environment(),
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"here\n"
    worker.send_signal(signal.SIGKILL)
    worker.wait(60)
    worker.stdout.close()
    # What was committed holds; everything waits until the lease is over.
    assert (Link.objects.count() >= 3, written()[3]) == (True, 6)
    assert links.link_next(now=timezone.now()) == 0
    later = timezone.now() + links.LEASE + timedelta(seconds=1)
    while links.link_next(now=later):
        pass
    assert written() == expected(3)


# --- which go together


@pytest.mark.django_db
def test_deposits_of_one_time_are_linked_together_and_no_others(
    source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_ROWS", 4)
    row = source()
    for number, at in enumerate((0, 3600, 30 * 86_400, 7200, 60, 90)):
        store(row, [record(number, plane=PLANE_IDENTITY, activity=STEP, action="s3:X",
                           at=BASE + at * SECOND - 40 * 86_400 * SECOND)])  # fmt: skip
    held = consumers.claim(links.CONSUMER, lease=links.LEASE, now=NOW)
    assert held is not None
    monkeypatch.setattr(bulk, "LEAST_ROWS", 5)
    assert bulk.link_many(now=NOW) == 0
    monkeypatch.setattr(bulk, "LEAST_ROWS", 4)
    # The first is somebody's; the third is far off.
    assert bulk.link_many(now=NOW) == 4
    assert bulk.link_many(now=NOW) == 0


@pytest.mark.django_db
def test_time_that_is_full_of_old_events_is_not_read_through(
    source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = source()
    for number in range(2):
        store(row, [record(number, plane=PLANE_IDENTITY, activity=STEP, action="s3:X", at=BASE)])
    monkeypatch.setattr(bulk, "MOST_OLD_ROWS", 0)
    assert bulk.link_many(now=NOW) == 0
    monkeypatch.setattr(bulk, "MOST_OLD_ROWS", 10**9)
    assert bulk.link_many(now=NOW) == 2


def test_parts_have_as_many_of_the_events_each() -> None:
    day = timedelta(days=1)
    many = Deposit(first_at=NOW, last_at=NOW + day, events=300)
    few = Deposit(first_at=NOW + 10 * day, last_at=NOW + 11 * day, events=100)
    assert slices.cuts([many, few], [1 / 2]) == [NOW + timedelta(hours=15)]
    # Of 400 events 100, 200 and 300 stand before them; the last anywhere between the two.
    *early, last = slices.cuts([many, few], [1 / 4, 1 / 2, 3 / 4])
    assert early == [NOW + timedelta(hours=7), NOW + timedelta(hours=15)]
    assert NOW + timedelta(hours=23) <= last <= NOW + 10 * day
    assert slices.cuts([many], []) == slices.cuts([Deposit(events=1)], [1 / 2]) == []
    one = Deposit(pk=7, source_id=3, first_at=NOW, last_at=NOW + day, events=1)
    whole = slices.of([one])
    assert whole is not None
    parts = whole.parts(slices.cuts([one], [1 / 2]))
    assert [(part.since, part.until) for part in parts] == [
        (NOW - day, NOW + timedelta(hours=11)),
        (NOW + timedelta(hours=11), whole.until),
    ]
