"""Processes side by side: in order, errors carried, a lost one said, none left behind.

Each test runs in a process of its own: only one without threads may fork.
"""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from evidence.models import Deposit, Event, Source
from tests.evidence.bodies import record, trail

type Make = Callable[..., Source]

OPENING = """
    import os, signal, sys, time
    import django
    django.setup()
    from evidence import crew, intake
    def numbered(count):
        return ((number, b"%d" % number) for number in range(count))
"""


def said(script: str) -> list[str]:
    """The lines that this script writes; it must end well and within a minute."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OPENING) + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_answers_come_in_the_order_of_the_jobs_whoever_is_quicker() -> None:
    script = """
        def take(job, data):
            time.sleep(0.1 if job % 3 == 0 else 0)
            return job * int(data), os.getpid()
        answers = list(crew.side_by_side(take, numbered(9), workers=2))
        print([square for square, _ in answers])
        print(len({pid for _, pid in answers} | {os.getpid()}))
    """
    assert said(script) == [str([number * number for number in range(9)]), "3"]


def test_jobs_are_read_only_a_little_ahead_of_the_answers() -> None:
    script = """
        read = []
        def jobs():
            for number in range(40):
                read.append(number)
                yield number, b""
        def take(job, data):
            time.sleep(0.3 if job == 0 else 0)
            return job
        answers = crew.side_by_side(take, jobs(), workers=2)
        next(answers)
        print(len(read) <= 2 * crew.AHEAD + 1)
        print(sum(answers))
    """
    assert said(script) == ["True", str(sum(range(40)))]


def test_bodies_reach_the_workers_whole_whatever_their_size() -> None:
    """Those that fit are shared, one after the other in the same place; larger ones are sent."""
    script = """
        from hashlib import sha256
        crew.SHARED = 100_000
        sizes = [0, 1, 99_999, 100_000, 100_001, 3, 900_000, 0, 50_000]
        bodies = [bytes([number]) * size for number, size in enumerate(sizes)]
        def take(job, data):
            return sha256(data).hexdigest()
        found = list(crew.side_by_side(take, enumerate(bodies), workers=2))
        print(found == [sha256(body).hexdigest() for body in bodies])
    """
    assert said(script) == ["True"]


@pytest.mark.parametrize(
    ("raised", "caught"),
    [
        ("intake.NotTaken('no format')", "NotTaken no format"),
        ("UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')", "UnicodeDecodeError 'utf-8' codec"),
        ("type('Local', (Exception,), {})('here only')", "WorkerLost Local: here only"),
    ],
)
def test_first_error_in_order_is_raised_here_with_where_it_came_from(
    raised: str, caught: str
) -> None:
    script = f"""
        def take(job, data):
            if job == 2:
                raise {raised}
            return job
        answers = crew.side_by_side(take, numbered(6), workers=2)
        print(next(answers), next(answers))
        try:
            next(answers)
        except Exception as problem:
            print(f"{{type(problem).__name__}} {{problem}}"[:{len(caught)}])
            print("in take" in problem.__notes__[0])
    """
    assert said(script) == ["0 1", caught, "True"]


def test_worker_that_is_killed_is_said_and_no_process_is_left() -> None:
    script = """
        def take(job, data):
            if job == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return os.getpid()
        seen = []
        try:
            for pid in crew.side_by_side(take, numbered(6), workers=2):
                seen.append(pid)
        except crew.WorkerLost as problem:
            print(len(seen), "exit code -9" in str(problem))
        for pid in seen:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                print("gone")
    """
    assert said(script) == ["1 True", "gone"]


def test_workers_end_when_nobody_listens_any_more() -> None:
    script = """
        answers = crew.side_by_side(lambda *_: os.getpid(), numbered(50), workers=2)
        pid = next(answers)
        answers.close()
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            print("gone")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            def take(job, data):
                os.write(writing, b"%d\\n" % os.getpid())
                time.sleep(0.2)
            list(crew.side_by_side(take, numbered(50), workers=2))
        workers = {int(line) for line in os.read(reading, 100).split()}
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(writing)
        # The pipe ends when the last process that holds it has ended.
        while os.read(reading, 100):
            pass
        print("gone")
    """
    assert said(script) == ["gone", "gone"]


def test_threads_and_open_transactions_keep_the_work_in_one_process() -> None:
    script = """
        from threading import Event, Thread
        stop = Event()
        print(crew.size() == min(crew.MOST_WORKERS, len(os.sched_getaffinity(0))))
        beside = Thread(target=stop.wait)
        beside.start()
        print(crew.size())
        stop.set()
        beside.join()
    """
    assert said(script) == ["True", "0"]


def test_open_transaction_is_not_left_by_a_crew(db: Any) -> None:
    from evidence import crew

    assert (connection.in_atomic_block, crew.size()) == (True, 0)


@pytest.mark.django_db(transaction=True)
def test_large_input_is_stored_by_several_processes_each_record_once(source: Make) -> None:
    source("trail")
    wide: dict[str, Any] = {"additionalEventData": {"padding": "x" * 30_000}}
    bodies = [
        # Two of the records of each body are those of the body before it.
        trail(*(record(number, **wide) for number in range(first, first + 100)))
        for first in range(0, 588, 98)
    ]
    script = f"""
        import datetime, pathlib
        from tests.conftest import use_role
        use_role("app", {connection.settings_dict["NAME"]!r})
        from evidence import pipeline
        from evidence.models import Source
        from tests.evidence.bodies import record, trail
        wide = {wide!r}
        bodies = [
            ("", f"body {{first}}", trail(*(record(n, **wide) for n in range(first, first + 100))))
            for first in range(0, 588, 98)
        ]
        now = lambda: datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
        source = Source.objects.get(name="trail")
        for _ in range(2):
            taken = list(pipeline.take_all(source=source, bodies=bodies, by="command", now=now))
            print(len(taken), sum(one.events for one in taken), sum(one.repeat for one in taken))
        bodies[3] = ("", "odd", b"hello")
        try:
            list(pipeline.take_all(source=source, bodies=bodies, by="command", now=now))
        except intake.NotTaken as problem:
            print(problem)
    """
    answers = said(script)
    assert sum(len(body) for body in bodies) > 8 * 1024 * 1024
    assert answers[0] == f"6 {Event.objects.count()} 0"
    assert answers[1].endswith(" 6")
    assert answers[2].startswith("no format recognises this: it looks like plain text, and none")
    assert (Deposit.objects.count(), Event.objects.count()) == (6, 590)
    assert set(Deposit.objects.values_list("name", flat=True)) == {
        f"body {first}" for first in range(0, 588, 98)
    }
