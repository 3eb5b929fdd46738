"""What doctor says of evidence, well and not well."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence import chain, checks, intake, ledger, partitions
from evidence.models import Progress, Source
from tests.evidence.bodies import record, trail

pytestmark = pytest.mark.django_db


def said(name: str) -> tuple[bool, str]:
    return next((ok, message) for called, ok, message, _ in checks.doctor() if called == name)


def test_doctor_has_nothing_to_say_of_a_new_installation() -> None:
    partitions.ahead(timezone.now())
    assert [(name, ok) for name, ok, _, _ in checks.doctor()] == [
        ("partitions", True),
        ("sources", True),
        ("source tokens", True),
        ("deposits that wait", True),
        ("ledger", True),
        ("anchors", True),
        ("deposit chains", True),
        ("readings", True),
        ("deposits", True),
        ("deposit bucket", True),
    ]


def test_doctor_names_silent_sources(source: Callable[..., Source]) -> None:
    for number in range(7):
        source(f"beat-{number}", expected_every_seconds=60)
    assert said("sources") == (
        False,
        "silent: beat-0, beat-1, beat-2, beat-3, beat-4 and 2 more",
    )


def test_doctor_names_tokens_that_end(source: Callable[..., Source]) -> None:
    source("late", token_expires_at=timezone.now() + timedelta(days=3))
    source("fine", token_expires_at=timezone.now() + timedelta(days=300))
    assert said("source tokens") == (False, "ended or ending soon: late")


def test_doctor_counts_deposits_that_wait(source: Callable[..., Source]) -> None:
    earlier = timezone.now() - timedelta(minutes=11)
    body = trail(record(1, at=earlier))
    intake.take(source=source(), body=body, by="command", now=earlier)
    assert said("deposits that wait") == (
        False,
        "for ten minutes: credentials 1, links 1, sealed 1",
    )


def test_doctor_says_why_a_deposit_cannot_be_linked(source: Callable[..., Source]) -> None:
    # What failed before its time was kept has the time of its receipt.
    received = timezone.now()
    taken = intake.take(source=source(), body=trail(record(1)), by="command", now=received)
    Progress.objects.filter(consumer="links").update(failed_why="disk full")
    words = f"links could not process 1 deposit, the first is {taken.deposit} of trail, since"
    assert said("deposits that wait") == (
        False,
        f"{words} {received:%Y-%m-%d %H:%M} UTC: disk full",
    )


def test_doctor_counts_entries_that_are_not_sealed() -> None:
    earlier = timezone.now() - timedelta(minutes=2)
    ledger.append(
        at=earlier, by="command", by_name="command line", act="test.done", subject="test:1",
        words="entry",
    )  # fmt: skip
    assert said("ledger") == (False, "not sealed for a minute: 1 entry")


def test_doctor_counts_deposits_that_are_not_sealed(source: Callable[..., Source]) -> None:
    earlier = timezone.now() - timedelta(minutes=2)
    row = source()
    first, *_ = [
        intake.take(source=row, body=trail(record(one)), by="command", now=earlier)
        for one in (1, 2)
    ]
    waits = f"2 deposits, first {first.deposit} of trail, received {earlier:%Y-%m-%d %H:%M} UTC"
    assert said("deposit chains") == (False, f"not sealed for a minute: {waits}")
    chain.seal(now=timezone.now())
    # What came just now has its minute.
    intake.take(source=row, body=trail(record(3)), by="command", now=timezone.now())
    assert said("deposit chains") == (True, "sealed to their ends")


def test_doctor_looks_at_few_of_many_deposits(source: Callable[..., Source]) -> None:
    intake.take(source=source(), body=trail(record(1)), by="command", now=timezone.now())
    with CaptureQueriesContext(connection) as asked:
        chain.unsealed(received_before=timezone.now())
    statements = [one["sql"] for one in asked.captured_queries]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Seq Scan" not in plan, plan


def test_doctor_says_when_there_is_no_bucket() -> None:
    assert said("deposit bucket") == (True, "none: large deposits lie on this disk")
