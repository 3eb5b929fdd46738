"""Silence counts only while people were reached, Countersign was at work and evidence is fresh."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evidence.models import LedgerEntry, Source
from identities.models import Identity, Revocation
from reviews import actions
from reviews.models import Case, Heartbeat, Notice
from reviews.pages import case_clock

from .conftest import DAY, HOUR, NOW, Told, everything_counts, item_of, party
from .test_deadlines import sweep

pytestmark = pytest.mark.django_db
WEEK = 7 * DAY


@pytest.fixture
def strict(case: Case) -> Case:
    """A case whose silence suspends, with everything in order until long after its deadline."""
    Case.objects.filter(pk=case.pk).update(silence="suspend")
    everything_counts(case, until=NOW + 40 * DAY)
    case.refresh_from_db()
    return case


def state(story: Told) -> str:
    return Identity.objects.get(pk=story.identity.pk).state


def notes(case: Case, now: datetime) -> list[str]:
    said = case_clock.of(Case.objects.get(pk=case.pk), now=now)
    assert said is not None
    return list(said["notes"])


def unreach(case: Case, name: str) -> Any:
    """This person's mail has not gone out."""
    mail = Notice.objects.filter(case=case.pk, person__name=name)
    assert mail.update(sent_at=None) == 1
    return mail


def test_a_request_that_reached_nobody_cuts_nothing(story: Told, strict: Case) -> None:
    unreach(strict, "Samuel")
    now = strict.deadline_at + HOUR
    assert (sweep(now), state(story)) == (1, "active")
    moved = Case.objects.get(pk=strict.pk)
    assert (moved.deadline_at, moved.silence_done_at) == (now + WEEK, None)
    why = (
        "The time does not count yet: the request has not reached Samuel as AI-system owner of"
        " Quarterly reporting."
    )
    assert LedgerEntry.objects.get(act="case.deadline_moved").words.endswith(why)
    assert notes(strict, now) == [why]
    told = Notice.objects.filter(occasion__startswith=f"{strict.key} moved")
    assert sorted(row.person.name for row in told if row.person) == [
        "Ines",
        "Leila",
        "Marek",
        "Samuel",
    ]


def test_the_time_counts_from_the_delivery(story: Told, strict: Case) -> None:
    reached = NOW + 2 * DAY
    unreach(strict, "Samuel").update(sent_at=reached)
    assert (sweep(NOW + WEEK), state(story)) == (1, "active")
    case = Case.objects.get(pk=strict.pk)
    assert (case.deadline_at, case.not_counted) == (reached + WEEK, 2 * DAY)
    (said,) = notes(case, NOW + WEEK)
    assert said.startswith("The time counts from 26 Nov 2026 12:00 UTC, when the request had")
    assert (sweep(reached + WEEK), state(story)) == (1, "suspended")


def test_a_visit_reaches_as_a_mail_does(story: Told, case: Case) -> None:
    Case.objects.filter(pk=case.pk).update(opened_at=timezone.now() - HOUR)
    client = Client()
    client.force_login(story.samuel, backend="django.contrib.auth.backends.ModelBackend")
    before, now = notes(case, timezone.now()), timezone.now()
    assert "Ines as identity owner; Samuel as AI-system owner of Quarterly" in before[0]
    assert client.get(f"/cases/{case.key}/").status_code == 200
    after = notes(case, now)
    assert ("Ines as identity owner" in after[0], "Samuel" in after[0]) == (True, False)


def test_a_visit_of_somebody_else_reaches_nobody(story: Told, case: Case) -> None:
    client = Client()
    client.force_login(story.rita, backend="django.contrib.auth.backends.ModelBackend")
    client.get(f"/cases/{case.key}/")
    assert "has not reached Ines as identity owner; Samuel" in notes(case, timezone.now())[0]


def test_a_seat_that_has_answered_is_not_waited_for(
    story: Told, strict: Case, sign: Callable[..., Any]
) -> None:
    unreach(strict, "Samuel")
    for kind in ("delegation", "credential"):
        sign(strict, kind, story.samuel, "keep", seat="ai_owner", now=NOW + HOUR)
    sweep(strict.deadline_at)
    case = Case.objects.get(pk=strict.pk)
    # The one who was told was silent, whatever the other said.
    assert (case.state, case.deadline_at) == ("open", strict.deadline_at)
    assert state(story) == "suspended"


def test_seconds_without_a_worker_are_added_and_not_worth_a_sentence(
    story: Told, strict: Case
) -> None:
    Heartbeat.objects.all().delete()
    Heartbeat.objects.create(since=NOW - DAY, until=NOW + DAY)
    Heartbeat.objects.create(since=NOW + DAY + timedelta(seconds=20), until=NOW + 20 * DAY)
    assert notes(strict, strict.deadline_at) == []
    sweep(strict.deadline_at + timedelta(seconds=19))
    assert state(story) == "active"


def test_the_seconds_between_two_beats_are_no_outage(story: Told, strict: Case) -> None:
    """It was opened, and is looked at, since Countersign was last heard of."""
    Heartbeat.objects.update(until=NOW - timedelta(seconds=50))
    assert notes(strict, NOW + timedelta(seconds=70)) == []
    # That is no word of having been at work for longer than it takes a busy worker to say so.
    assert notes(strict, NOW + timedelta(minutes=5)) == [
        "0 h 5 min do not count: Countersign was not at work."
    ]


def test_an_outage_is_added_to_the_deadline(story: Told, strict: Case) -> None:
    Heartbeat.objects.all().delete()
    Heartbeat.objects.create(since=NOW - DAY, until=NOW + DAY)
    Heartbeat.objects.create(since=NOW + 3 * DAY, until=NOW + 20 * DAY)
    due = strict.deadline_at + 2 * DAY
    assert (sweep(strict.deadline_at), state(story)) == (1, "active")
    assert Case.objects.get(pk=strict.pk).deadline_at == due
    assert notes(strict, strict.deadline_at) == [
        "48 h 0 min do not count: Countersign was not at work."
    ]
    assert (sweep(due - timedelta(microseconds=1)), state(story)) == (0, "active")
    assert (sweep(due), state(story)) == (1, "suspended")
    assert LedgerEntry.objects.get(act="case.silence").at == due


def test_back_from_an_outage_nothing_is_cut_before_people_had_their_time(
    story: Told, strict: Case
) -> None:
    """The first sweep after a week away meets a deadline that passed in the meantime."""
    Heartbeat.objects.all().delete()
    Heartbeat.objects.create(since=NOW - DAY, until=NOW + 5 * DAY)
    back = NOW + 12 * DAY
    actions.beat(now=back)
    assert (sweep(back), state(story)) == (1, "active")
    assert Case.objects.get(pk=strict.pk).deadline_at == back + 2 * DAY


def test_beats_make_one_stretch_until_they_stop() -> None:
    for minutes in (0, 1, 2, 6, 12, 13):
        actions.beat(now=NOW + timedelta(minutes=minutes))
    found = Heartbeat.objects.order_by("since").values_list("since", "until")
    assert [((a - NOW) // timedelta(minutes=1), (b - NOW) // timedelta(minutes=1)) for a, b in found] == [
        (0, 6),
        (12, 13),
    ]  # fmt: skip


def test_a_beat_of_an_earlier_moment_changes_nothing() -> None:
    actions.beat(now=NOW)
    actions.beat(now=NOW - HOUR)
    assert Heartbeat.objects.get().until == NOW


# How the source of the identity's evidence is at the deadline -> what keeps silence from cutting.
@pytest.mark.parametrize(
    ("source", "doubt"),
    [
        ({}, ""),
        ({"watermark": NOW + WEEK - timedelta(seconds=900)}, ""),
        (
            {"watermark": NOW + WEEK - timedelta(seconds=1_020), "expected_every_seconds": 60},
            "",
        ),
        ({"sampling": 0.5}, "evidence of cloudtrail is sampled"),
        ({"keep_rules": [["drop", "action", "s3:List*"]]}, "evidence of cloudtrail is filtered"),
        (
            {"watermark": None, "completeness": ""},
            "whether evidence of cloudtrail is complete is not known",
        ),
    ],
)
@pytest.mark.parametrize("silence", ["suspend", "revoke", "narrow"])
def test_silence_cuts_on_fresh_evidence_only(
    story: Told, strict: Case, silence: str, source: dict[str, Any], doubt: str
) -> None:
    Case.objects.filter(pk=strict.pk).update(silence=silence)
    Source.objects.update(**source)
    sweep(NOW + WEEK)
    entry = LedgerEntry.objects.get(act="case.silence")
    cut = Revocation.objects.exists() or strict.items.exclude(outcome="").exists()
    assert cut is not bool(doubt)
    assert (f"nothing is cut: {doubt}" in entry.words) is bool(doubt)
    if doubt:
        assert "it goes to the backups and the tie-breaker" in entry.words


def test_the_page_says_that_nothing_would_be_cut(story: Told, strict: Case) -> None:
    Source.objects.update(watermark=None, completeness="")
    said = case_clock.of(strict, now=NOW + DAY)
    assert said is not None
    assert said["sentence"] == (
        "If nobody decides by 1 Dec 2026 12:00 UTC: it goes to the backups and the tie-breaker."
    )
    assert said["notes"] == [
        "Nothing would be cut: whether evidence of cloudtrail is complete is not known."
    ]


def test_a_seat_in_which_nobody_was_asked_cuts_nothing(story: Told, strict: Case) -> None:
    strict.seats.filter(kind="ai_owner").update(party=None, backup=None)
    assert (sweep(NOW + WEEK), state(story)) == (1, "active")
    assert "nobody could be asked as AI-system owner" in (
        LedgerEntry.objects.get(act="case.silence").words
    )


def test_an_identity_without_evidence_is_not_cut(story: Told) -> None:
    identity = Identity.objects.create(
        name="svc-quiet",
        kind="workload",
        owner=party(story.ines),
        sponsor=party(story.leila),
        purpose="quiet",
        state="active",
        mode="enforce",
        expires_at=NOW + 90 * DAY,
        created_at=NOW,
    )
    identity.refresh_from_db()
    case = actions.open_review(identity=identity, by=story.rita, now=NOW, reason="yearly")
    Case.objects.filter(pk=case.pk).update(silence="suspend")
    everything_counts(case, until=NOW + WEEK)
    sweep(NOW + WEEK)
    identity.refresh_from_db()
    assert identity.state == "active"
    assert "no evidence of svc-quiet is known" in LedgerEntry.objects.get(act="case.silence").words


def test_silence_on_a_request_denies_whatever_the_evidence(story: Told) -> None:
    wanted = actions.Wanted(
        actions=["s3:PutObject"], resources=["archive/*"], purpose="x", ends_at=NOW + 30 * DAY
    )
    case = actions.request_access(
        identity=story.identity, wanted=wanted, by=story.rita, now=NOW, reason="audit"
    )
    everything_counts(case, until=NOW + 40 * DAY)
    Source.objects.update(watermark=None, completeness="")
    sweep(case.deadline_at)
    assert item_of(case, "grant").outcome == "deny"


def test_nobody_is_reminded_of_a_date_that_will_not_hold(story: Told, strict: Case) -> None:
    mail = unreach(strict, "Samuel")
    asked = strict.deadline_at - 47 * HOUR
    reminders = Notice.objects.filter(occasion__contains="reminder")
    assert (actions.remind_due(now=asked), reminders.count()) == (0, 0)
    case = Case.objects.get(pk=strict.pk)
    assert case.deadline_at == asked + WEEK
    mail.filter(occasion=f"{case.key} asked").update(sent_at=asked)
    assert (actions.remind_due(now=case.deadline_at - 49 * HOUR), reminders.count()) == (0, 0)
    assert actions.remind_due(now=case.deadline_at - 47 * HOUR) == 1
    assert {row.occasion for row in reminders} == {
        f"{case.key} reminder 48 h before {case.deadline_at:%Y-%m-%d %H:%M}"
    }
