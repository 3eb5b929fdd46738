"""After an outage: what silence would do waits for a person, what was granted ends in order."""

from datetime import timedelta
from uuid import uuid4

import pytest

from evidence.models import Actor, LedgerEntry
from identities import decisions
from identities.actions import credentials
from identities.models import Credential, DelegationVersion
from reviews import actions
from reviews.models import Case, Heartbeat, Rung

from .conftest import DAY, NOW, Told, item_of
from .test_rungs import LADDER, at, away, everything_until, opened, state, told

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("begins", [*range(0, 168, 12), 167])
def test_a_days_outage_suspends_nobody(story: Told, begins: int) -> None:
    """Whenever it is: what silence does comes a day later, or waits for a person."""
    opened(story, [("suspend", 168), ("revoke", 264)])
    away(at(begins), at(begins + 24))
    for hours in (*range(0, 180, 12), 191):
        if not begins <= hours < begins + 24:
            everything_until(at(hours))
    assert state(story) == "active"


def test_what_came_due_in_an_outage_waits_for_a_person(story: Told) -> None:
    case = opened(story, LADDER)
    for hours in (24, 100, 144, 168, 200, 216):
        everything_until(at(hours))
    away(at(260), at(284))
    everything_until(at(284))
    held = Rung.objects.get(does="suspend")
    assert (held.state, held.at) == ("held", at(264 + 24))
    assert held.held_why == (
        "It came due while Countersign was not at work, from 5 Dec 2026 08:00 UTC to"
        " 6 Dec 2026 08:00 UTC."
    )
    assert told(case, f"held suspend {at(264).isoformat()}") == ["Ines", "Leila"]
    # However long nobody says: neither it nor what comes after it happens.
    everything_until(at(1_000))
    assert (state(story), item_of(case, "credential").outcome) == ("active", "")
    assert dict(Rung.objects.filter(state="held").values_list("does", "held_why")) == {
        "suspend": held.held_why,
        "revoke": "A step before it is held (svc-report is suspended).",
    }


def test_outage_whose_end_is_not_known_yet_is_said_to_go_on(story: Told) -> None:
    """The first sweep afterwards may come before the first word that Countersign is at work."""
    opened(story, LADDER)
    for hours in (24, 100, 144, 168, 200, 216):
        everything_until(at(hours))
    away(at(260), at(284))
    Heartbeat.objects.filter(since=at(284)).delete()
    everything_until(at(284))
    held = Rung.objects.get(does="suspend")
    assert (
        held.held_why
        == "It came due while Countersign was not at work, since 5 Dec 2026 08:00 UTC."
    )


def test_what_is_released_happens_and_the_next_has_its_own_time(story: Told) -> None:
    case = opened(story, [("suspend", 216), ("revoke", 264)])
    everything_until(at(168))
    away(at(210), at(234))
    everything_until(at(234))
    done = actions.release(case=case, by=story.rita, now=at(300), reason="the owners have left")
    assert [(one.does, one.at) for one in done] == [("suspend", at(300))]
    entry = LedgerEntry.objects.get(act="case.rung_released")
    assert (entry.by_name, entry.words) == (
        "Rita",
        (
            f"Rita released what was held in {case.key} (svc-report is suspended):"
            " the owners have left"
        ),
    )
    everything_until(at(301))
    assert (state(story), LedgerEntry.objects.get(act="case.rung").at) == ("suspended", at(300))
    # Two days lie between the two, in whatever order they were looked at.
    everything_until(at(347))
    assert item_of(case, "credential").outcome == ""
    everything_until(at(348))
    assert item_of(case, "credential").outcome == "revoke"


def test_what_is_dropped_never_happens(story: Told) -> None:
    case = opened(story, [("suspend", 216)])
    everything_until(at(168))
    away(at(210), at(234))
    everything_until(at(234))
    actions.drop(case=case, by=story.rita, now=at(240), reason="they were on a ship")
    everything_until(at(2_000))
    assert (state(story), Rung.objects.get(does="suspend").state) == ("active", "dropped")
    assert LedgerEntry.objects.get(act="case.rung_dropped").by_name == "Rita"


def test_the_deadline_itself_in_an_outage_escalates_and_its_cut_is_held(story: Told) -> None:
    case = opened(story, [("suspend", 168)])
    away(at(160), at(184))
    everything_until(at(184))
    case.refresh_from_db()
    # People have their time, and then it goes to those above; the cut waits.
    assert (case.deadline_at, case.silence) == (at(192), "escalate")
    everything_until(at(193))
    entry = LedgerEntry.objects.get(act="case.silence")
    assert (entry.at, state(story)) == (at(192), "active")
    assert "it goes to the backups and the tie-breaker: Marek, Leila" in entry.words
    actions.release(case=case, by=story.rita, now=at(200), reason="nobody is there")
    everything_until(at(201))
    assert state(story) == "suspended"


def test_what_is_released_before_the_deadline_waits_for_it(story: Told) -> None:
    case = opened(story, [("suspend", 168)])
    away(at(160), at(184))
    everything_until(at(184))
    actions.release(case=case, by=story.rita, now=at(185), reason="nobody is there")
    everything_until(at(191))
    assert state(story) == "active"
    everything_until(at(192))
    assert state(story) == "suspended"


def ends(story: Told, hours: int, number: int) -> str:
    """A key whose access ends so many hours after the opening; its name in the ledger."""
    actor = Actor.objects.get(pk=story.credential.actor_id)
    actor.pk, actor.key = None, uuid4()
    actor.value = f"AKIAEXAMPLE{number:09d}"
    actor.save(force_insert=True)
    row = Credential.objects.create(
        actor=actor,
        identity=story.identity,
        kind="access_key",
        standing=True,
        issued_at=NOW - DAY,
        expires_at=at(hours),
        state_at=NOW - DAY,
    )
    row.refresh_from_db()
    return f"CRED-{row.number}"


def test_after_an_outage_ends_of_access_catch_up_and_silence_waits(story: Told) -> None:
    case = opened(story, [("suspend", 216)])
    everything_until(at(168))
    names = {hours: ends(story, hours, n) for n, hours in enumerate((230, 212, 221, 215), 1)}
    away(at(210), at(234))
    # The first minute after a day without workers: all of it is due.
    credentials.expire_next(now=at(234))
    everything_until(at(234))
    ended = LedgerEntry.objects.filter(act="credential.expired").order_by("pk")
    assert [(one.subject, one.at, one.recorded_at) for one in ended] == [
        (names[hours], at(hours), at(234)) for hours in (212, 215, 221, 230)
    ]
    assert [(one.does, one.state) for one in case.rungs.filter(at__gt=at(168))] == [
        ("suspend", "held")
    ]
    assert state(story) == "active"


def test_a_dead_worker_extends_nothing_that_asks_us(story: Told, case: Case) -> None:
    """Nobody swept, nobody beat: the grant ends by its own stored moment."""
    Heartbeat.objects.all().delete()
    DelegationVersion.objects.update(signed=True, case=case.pk)
    end = NOW + 9 * DAY
    asked = decisions.Question("svc-report", "s3:GetObject", "invoices/1.pdf")
    before = decisions.decide(asked, now=end - timedelta(microseconds=1))
    after = decisions.decide(asked, now=end)
    assert (before.allowed, after.allowed) == (True, False)
