"""Completeness is stated, and a source is paused, by two people; one alone stops pulls for an hour."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evidence import actions, completeness, connecting, pulls
from evidence.models import Connection, LedgerEntry, Pull, Source
from evidence.permissions import NotAllowed as NotAllowedHere
from evidence.permissions import NotPossible
from identities.models import ProposedChange, User
from identities.permissions import NotAllowed
from reviews.actions import change_notices
from reviews.models import Notice
from tests.evidence.readers import person, signed_in
from tests.evidence.test_second_person import ada, as_reader, held, jonas, signed
from tests.reviews.conftest import make_user

__all__ = ["ada", "held", "jonas", "person", "signed_in"]

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
WHY = {"paused": "1", "reason": "it floods us"}


@pytest.fixture
def pulled(held: Source) -> Connection:
    return Connection.objects.create(
        source=held, connector="s3", settings={"bucket": "logs"}, next_at=timezone.now()
    )


@pytest.fixture
def dora(db: None) -> User:
    return make_user("dora", "responder")


def test_a_source_is_complete_once_a_second_person_has_signed(
    source: Callable[..., Source], jonas: User, ada: User
) -> None:
    row, now = source("prod"), timezone.now()
    said: dict[str, Any] = {"source": row, "through": now - HOUR, "reason": "counted", "now": now}
    with pytest.raises(NotPossible, match="a second person signs this first"):
        actions.declare_complete(**said, by=as_reader(jonas))
    completeness.propose(**said, by=as_reader(jonas))
    row.refresh_from_db()
    assert (row.watermark, row.completeness) == (None, "")
    assert "How it is known: counted" in ProposedChange.objects.get().lines[0][1]
    with pytest.raises(NotAllowed, match="a second person signs"):
        signed(jonas)
    signed(ada)
    row.refresh_from_db()
    assert (row.watermark, row.completeness) == (now - HOUR, "declared")
    entry = LedgerEntry.objects.get(act="source.declared_complete")
    assert entry.by_name == "Jonas and Ada"


@pytest.mark.parametrize(
    ("through", "reason", "problem"),
    [(HOUR, "x", "still to come"), (-HOUR, " ", "how you know"), (-9 * HOUR, "x", "already")],
)
def test_what_cannot_be_complete_is_not_proposed(
    source: Callable[..., Source], jonas: User, through: timedelta, reason: str, problem: str
) -> None:
    now = timezone.now()
    row = source("prod", watermark=now - 2 * HOUR, completeness="cursor")
    with pytest.raises(NotPossible, match=problem):
        completeness.propose(
            source=row, through=now + through, reason=reason, by=as_reader(jonas), now=now
        )
    assert not ProposedChange.objects.exists()


def test_one_person_puts_pulls_off_for_an_hour_and_a_second_one_pauses(
    pulled: Connection, dora: User, ada: User, signed_in: Callable[..., Client]
) -> None:
    now, source = timezone.now(), pulled.source
    with pytest.raises(NotPossible, match="a second person signs this first"):
        connecting.pause(source=source, paused=True, by=as_reader(ada), now=now)
    connecting.put_off(source=source, by=as_reader(dora), now=now, reason="it floods us")
    pulled.refresh_from_db()
    assert (pulled.paused, pulled.next_at) == (False, now + HOUR)
    assert pulls.ask_due(now=now + HOUR - timedelta(seconds=1)) == 0
    signed(ada)
    pulled.refresh_from_db()
    assert (pulled.paused, pulls.ask_due(now=now + 2 * HOUR)) == (True, 0)
    # Going on is the safer side: one person is enough.
    connecting.pause(source=source, paused=False, by=as_reader(ada), now=now)
    assert pulls.ask_due(now=now) == 1


def test_what_nobody_else_signs_is_pulled_again_after_an_hour(
    pulled: Connection, dora: User, ada: User
) -> None:
    now, source = timezone.now(), pulled.source
    live = pulls.ask(source=source, by="schedule", now=now)
    connecting.put_off(source=source, by=as_reader(dora), now=now, reason="it floods us")
    live.refresh_from_db()
    # What was under way ends, and its end does not bring the next one forward.
    pulled.refresh_from_db()
    assert (live.state, pulled.next_at) == (Pull.CANCELLED, now + HOUR)
    # Nobody stops it for longer alone; another one is told what to sign.
    connecting.put_off(source=source, by=as_reader(dora), now=now + HOUR, reason="still")
    with pytest.raises(
        NotPossible, match=r"CHG-[0-9]+ says this already: it waits for a second person"
    ):
        connecting.put_off(source=source, by=as_reader(ada), now=now + HOUR, reason="still")
    assert Connection.objects.get().next_at == now + HOUR
    assert pulls.ask_due(now=now + HOUR) == 1
    assert LedgerEntry.objects.filter(act=connecting.PUT_OFF).count() == 1


def test_who_may_pause_a_source(pulled: Connection) -> None:
    for group in ("reviewer", "owner", "auditor"):
        with pytest.raises(NotAllowedHere):
            connecting.put_off(
                source=pulled.source,
                by=as_reader(make_user(group[:3], group)),
                now=timezone.now(),
                reason="x",
            )
    assert not ProposedChange.objects.exists()


def test_the_page_says_before_what_a_pause_does(
    pulled: Connection, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("dora", "responder")
    assert "Pulling stops now, for an hour" in client.get("/sources/prod/").content.decode()
    assert client.post("/sources/prod/pause/", WHY)["Location"] == "/sources/prod/"
    shown = client.get("/sources/prod/").content.decode()
    assert "Nothing stops before a second person signs: Dora stopped its pulls" in shown
    assert client.post("/sources/prod/pause/", {"paused": "1"}).status_code == 409


def test_who_may_sign_is_told_once(pulled: Connection, dora: User, ada: User) -> None:
    now = datetime(2026, 11, 24, 13, tzinfo=UTC)
    connecting.put_off(source=pulled.source, by=as_reader(dora), now=now, reason="it floods us")
    assert [change_notices.tell(now=now) for _ in range(2)] == [1, 1]
    notice = Notice.objects.get()
    assert (notice.person, "it floods us" in notice.body) == (ada.person, True)
