"""What people state and what AWS shows: seen, contradicted, not read, by one worker and by two."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from evidence.models import LedgerEntry
from identities.actions import revocations
from identities.actions.revocations import circuits, looking, of_aws, stating
from identities.models import Credential, Revocation, Statement, User
from tests.awslab.lab import Lab
from tests.identities.revoking import (
    ask,
    held_by,
    pointed_at_the_account,
    work,
)

__all__ = ["held_by", "pointed_at_the_account"]

# Committed rows: the worker and its rivals use connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Any]
MINUTE = timedelta(minutes=1)
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


@pytest.fixture
def waiting(lab: Lab, held_by: Make, user: Callable[..., User]) -> Make:
    """A key whose revocation failed for want of a right, stated as deleted by hand."""
    rex = user("rex", "responder")

    def make(now: datetime) -> tuple[Any, Credential, Revocation]:
        person = lab.user()
        identity, key = held_by(person)
        row = ask(identity, "revoke", now=now, credential=key)
        Revocation.objects.filter(pk=row.pk).update(
            state="failed", failed_why="no right", who_must_act="the owner of the account"
        )
        stating.state(
            revocation=row,
            done_by="Olga",
            done_at=now - MINUTE,
            note="deleted it in the console",
            file=stating.File("shot.png", PNG),
            two_needed=False,
            by=rex,
            now=now,
        )
        return person, key, row

    return make


def acts(row: Revocation) -> list[str]:
    said = LedgerEntry.objects.filter(data__revocation=row.key).order_by("pk")
    return list(said.values_list("act", flat=True))


def test_what_the_target_shows_as_well_is_seen(lab: Lab, waiting: Make) -> None:
    now = datetime.now(UTC)
    person, key, row = waiting(now)
    lab.admin.iam.delete_access_key(
        UserName=person.name, AccessKeyId=person.credentials.access_key_id
    )
    assert looking.look_next(now=now) is False  # not before the first look is due
    key.refresh_from_db()
    assert key.state == "held"
    assert looking.look_next(now=now + MINUTE) is True
    row.refresh_from_db()
    key.refresh_from_db()
    made = Statement.objects.get()
    assert (row.state, row.stated, key.state) == ("effective", False, "revoked")
    assert (made.state, made.seen_at, made.look_at) == ("stands", now + MINUTE, None)
    assert acts(row)[-1] == "revocation.seen"
    assert looking.look_next(now=now + 30 * MINUTE) is False


def test_a_lie_is_found_and_who_stated_it_must_act(lab: Lab, waiting: Make) -> None:
    now = datetime.now(UTC)
    _, key, row = waiting(now)
    for minutes in (1, 3, 5, 7, 9):
        assert looking.look_next(now=now + minutes * MINUTE) is True
        row.refresh_from_db()
        assert row.state == "effective"  # targets show a change late
    assert looking.look_next(now=now + 11 * MINUTE) is True
    row.refresh_from_db()
    key.refresh_from_db()
    assert (row.state, row.effective_at, row.who_must_act) == ("failed", None, "Rex")
    assert row.failed_why.startswith("Rex stated that it was done, but the target shows:")
    assert (Statement.objects.get().state, key.state) == ("contradicted", "active")
    assert acts(row)[-1] == "revocation.contradicted"
    # It is tried again from here, and goes through.
    later = now + 12 * MINUTE
    revocations.retry(revocation=row, by=User.objects.get(username="rex"), now=later)
    assert work(later)[-1] in ("confirmed", "effective")


def test_target_that_cannot_be_read_is_tried_rarer_and_then_left(
    waiting: Make, settings: Any
) -> None:
    now = datetime.now(UTC)
    _, _, row = waiting(now)
    settings.AWS_CREDENTIALS = "file:/nowhere"
    of_aws._clients.cache_clear()
    at, looks = now + MINUTE, 0
    while looking.look_next(now=at):
        looks += 1
        made = Statement.objects.get()
        if made.look_at is None:
            break
        assert timedelta(hours=1) <= made.look_at - at <= timedelta(days=1)
        at = made.look_at
    row.refresh_from_db()
    assert (row.state, row.stated) == ("effective", True)
    assert 30 < looks < 45
    assert Statement.objects.get().detail.startswith("It could not be looked at:")


def test_account_that_does_not_answer_is_left_alone(waiting: Make) -> None:
    now = datetime.now(UTC)
    _, _, row = waiting(now)
    for _ in range(circuits.MOST_FAILURES):
        circuits.failed("aws", row.target["account"], why="503", now=now + MINUTE)
    assert looking.look_next(now=now + MINUTE) is False


def test_statement_that_something_overtook_is_over(waiting: Make) -> None:
    now = datetime.now(UTC)
    _, _, row = waiting(now)
    Revocation.objects.filter(pk=row.pk).update(state="sent", effective_at=None)
    assert looking.look_next(now=now + MINUTE) is True
    assert Statement.objects.get().state == "over"


def test_two_workers_look_once_at_each_and_a_dead_one_holds_up_nothing(
    lab: Lab, waiting: Make
) -> None:
    now = datetime.now(UTC)
    for _ in range(3):
        person, _, _ = waiting(now)
        lab.admin.iam.delete_access_key(
            UserName=person.name, AccessKeyId=person.credentials.access_key_id
        )
    # One that died after its claim: others take the row when the lease is over.
    dead = Statement.objects.order_by("pk")[0]
    Statement.objects.filter(pk=dead.pk).update(leased_until=now + 2 * MINUTE)
    gate = threading.Barrier(2)

    def worker() -> int:
        try:
            gate.wait(timeout=20)
            done = 0
            while looking.look_next(now=now + MINUTE):
                done += 1
            return done
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        done = [one.result(timeout=60) for one in [pool.submit(worker) for _ in range(2)]]
    assert sum(done) == 2
    assert looking.look_next(now=now + 3 * MINUTE) is True
    assert Statement.objects.filter(seen_at__isnull=False).count() == 3
    assert LedgerEntry.objects.filter(act="revocation.seen").count() == 3
