"""Deadlines with frozen moments: reminders, and what silence means in each mode."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import Identity, IdentityState, Revocation
from reviews import actions
from reviews.models import Case, CaseMember, Notice

from .conftest import DAY, HOUR, NOW, Told, everything_counts, item_of, person_of

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]


def due(
    case: Case, *, silence: str, mode: str = "enforce", criticality: str = "normal"
) -> datetime:
    """This case with this silence; a moment a day past its deadline, when the sweep runs."""
    Case.objects.filter(pk=case.pk).update(silence=silence)
    Identity.objects.filter(cases=case).update(mode=mode, criticality=criticality)
    everything_counts(case, until=case.deadline_at + DAY)
    return case.deadline_at + DAY


def sweep(now: datetime) -> int:
    done = 0
    while actions.deadlines_next(now=now):
        done += 1
    return done


@pytest.mark.parametrize(
    ("silence", "mode", "criticality", "state", "words"),
    [
        ("suspend", "enforce", "normal", "suspended", "svc-report is suspended"),
        ("suspend", "enforce", "critical", "active", "it goes to the backups"),
        ("suspend", "ask", "normal", "active", "it goes to the backups"),
        ("suspend", "observe", "normal", "active", "it is only noted"),
        ("escalate", "enforce", "normal", "active", "it goes to the backups"),
    ],
)
def test_silence_by_mode_and_criticality(
    story: Told, case: Case, silence: str, mode: str, criticality: str, state: str, words: str
) -> None:
    now = due(case, silence=silence, mode=mode, criticality=criticality)
    assert sweep(now) == 1
    story.identity.refresh_from_db()
    entry = LedgerEntry.objects.get(act="case.silence")
    # The ledger carries the deadline's time, whenever the sweep ran.
    assert (story.identity.state, entry.at, entry.recorded_at) == (state, case.deadline_at, now)
    assert words in entry.words
    assert sweep(now) == 0
    cut = Revocation.objects.exclude(system="countersign").exists()
    assert cut is (state == "suspended")


def test_silence_suspends_and_holds_the_key(story: Told, case: Case) -> None:
    sweep(due(case, silence="suspend"))
    assert [(row.step, row.system) for row in Revocation.objects.order_by("number")] == [
        ("suspend", "aws"),
        ("suspend", "countersign"),
        ("hold", "aws"),
    ]
    stretch = IdentityState.objects.get(
        identity=story.identity, state="suspended", superseded_at=None
    )
    assert stretch.during.lower == case.deadline_at + DAY


def test_silence_revokes_what_nobody_answered(story: Told, case: Case, sign: Sign) -> None:
    sign(case, "delegation", story.ines, "keep")
    sign(case, "delegation", story.samuel, "keep", seat="ai_owner")
    sweep(due(case, silence="revoke"))
    case.refresh_from_db()
    assert [item.outcome for item in case.items.order_by("position")] == ["keep", "revoke"]
    assert [row.step for row in Revocation.objects.all()] == ["revoke"]
    assert case.state == "decided"


def test_silence_of_one_seat_takes_the_stricter(story: Told, case: Case, sign: Sign) -> None:
    sign(case, "credential", story.ines, "revoke")
    sweep(due(case, silence="revoke"))
    assert item_of(case, "credential").outcome == "revoke"


def test_silence_narrows_only_what_evidence_showed(story: Told, case: Case) -> None:
    sweep(due(case, silence="narrow"))
    assert item_of(case, "delegation").outcome == "narrow"
    assert item_of(case, "credential").outcome == ""


def test_deciding_in_time_leaves_nothing_to_the_sweep(story: Told, case: Case, sign: Sign) -> None:
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep")
        sign(case, kind, story.samuel, "keep", seat="ai_owner")
    assert sweep(due(case, silence="suspend")) == 0
    story.identity.refresh_from_db()
    assert story.identity.state == "active"


def test_keep_after_silence_resumes_the_identity(story: Told, case: Case, sign: Sign) -> None:
    now = due(case, silence="suspend")
    sweep(now)
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep", now=now)
        sign(case, kind, story.samuel, "keep", seat="ai_owner", now=now)
    while actions.carry_out_next(now=now + HOUR):
        pass
    story.identity.refresh_from_db()
    assert story.identity.state == "active"
    # The hold that silence asked for is let go of as well.
    assert [row.step for row in Revocation.objects.filter(system="aws").order_by("number")] == [
        "suspend",
        "hold",
        "release",
        "resume",
    ]


def test_reminders_are_written_once_per_occasion(story: Told, case: Case) -> None:
    first = set(Notice.objects.values_list("person__name", "occasion"))
    assert first == {("Ines", f"{case.key} asked"), ("Samuel", f"{case.key} asked")}
    everything_counts(case, until=case.deadline_at)
    for before in (timedelta(hours=49), timedelta(hours=47), timedelta(hours=46)):
        actions.remind_due(now=case.deadline_at - before)
    said = Notice.objects.filter(occasion=f"{case.key} reminder 48 h")
    assert sorted(said.values_list("person__name", flat=True)) == ["Ines", "Samuel"]
    actions.remind_due(now=case.deadline_at - HOUR)
    later = Notice.objects.exclude(pk__in=said).exclude(occasion=f"{case.key} asked")
    assert sorted(later.values_list("occasion", "person__name")) == [
        (f"{case.key} escalation", "Leila"),
        (f"{case.key} escalation", "Marek"),
        (f"{case.key} reminder 4 h", "Ines"),
        (f"{case.key} reminder 4 h", "Samuel"),
    ]


def test_a_sweep_that_was_away_sends_one_reminder(story: Told, case: Case) -> None:
    everything_counts(case, until=case.deadline_at)
    actions.remind_due(now=case.deadline_at - HOUR)
    said = Notice.objects.filter(occasion__contains="reminder")
    assert {row.occasion for row in said} == {f"{case.key} reminder 4 h"}


def test_nobody_is_reminded_who_has_answered(story: Told, case: Case, sign: Sign) -> None:
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep")
    everything_counts(case, until=case.deadline_at)
    actions.remind_due(now=case.deadline_at - 47 * HOUR)
    said = Notice.objects.filter(occasion__contains="reminder")
    assert [row.person for row in said] == [story.samuel.person]


def test_sealed_case_tells_its_members_only(story: Told, case: Case) -> None:
    Case.objects.filter(pk=case.pk).update(sealed=True)
    CaseMember.objects.create(case=case, person=person_of(story.samuel), since=NOW)
    everything_counts(case, until=case.deadline_at)
    actions.remind_due(now=case.deadline_at - 47 * HOUR)
    said = Notice.objects.filter(occasion__contains="reminder")
    assert [row.person for row in said] == [story.samuel.person]


def test_critical_goes_to_people_by_name(story: Told, case: Case) -> None:
    sweep(due(case, silence="revoke", criticality="critical"))
    entry = LedgerEntry.objects.get(act="case.silence")
    assert entry.words.endswith("it goes to the backups and the tie-breaker: Marek, Leila")
    told = Notice.objects.filter(occasion=f"{case.key} overdue")
    assert sorted(row.person.name for row in told if row.person) == [
        "Ines",
        "Leila",
        "Marek",
        "Samuel",
    ]
    assert not Revocation.objects.exists()
    assert not case.items.exclude(outcome="").exists()


def test_critical_with_nobody_named_goes_to_the_reviewers(story: Told, case: Case) -> None:
    case.seats.filter(kind="tie_breaker").update(party=None)
    case.seats.update(backup=None)
    sweep(due(case, silence="suspend", criticality="critical"))
    assert LedgerEntry.objects.get(act="case.silence").words.endswith(": Rita")
    told = Notice.objects.filter(occasion=f"{case.key} overdue")
    assert sorted(row.person.name for row in told if row.person) == ["Ines", "Rita", "Samuel"]


def test_deadline_is_now_but_not_before(story: Told, case: Case) -> None:
    due(case, silence="escalate")
    assert sweep(case.deadline_at - timedelta(microseconds=1)) == 0
    assert sweep(case.deadline_at) == 1
    assert case.deadline_at > NOW
