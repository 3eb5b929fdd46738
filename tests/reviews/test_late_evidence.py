"""Silence that would cut counts no time in which evidence was late; what is late for ever is asked
about, and cut by no clock."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry, Source
from identities.models import Identity, Revocation
from reviews import actions, policies
from reviews.actions import clock, lateness
from reviews.actions.asked import Asked
from reviews.models import Case, LateEvidence, Notice
from reviews.pages import case_clock

from .conftest import DAY, HOUR, NOW, Told, everything_counts
from .test_deadlines import sweep
from .test_rungs import at, everything_until, opened

pytestmark = pytest.mark.django_db
WEEK = 7 * DAY
DUE = NOW + WEEK
# So much later than its watermark evidence of the source is late.
LAG = timedelta(seconds=900)
SECOND = timedelta(seconds=1)


@pytest.fixture
def strict(case: Case) -> Case:
    """A case whose silence suspends, with everything in order until long after its deadline."""
    Case.objects.filter(pk=case.pk).update(silence="suspend")
    everything_counts(case, until=NOW + 60 * DAY)
    case.refresh_from_db()
    return case


def late_from(since: datetime) -> None:
    """Nothing has come of the source since then."""
    Source.objects.update(watermark=since - LAG)


def fresh(now: datetime) -> None:
    Source.objects.update(watermark=now)


def state(story: Told) -> str:
    return Identity.objects.get(pk=story.identity.pk).state


def deadline(case: Case) -> datetime:
    return Case.objects.get(pk=case.pk).deadline_at


def page(case: Case, now: datetime) -> tuple[str, list[str]]:
    said = case_clock.of(Case.objects.get(pk=case.pk), now=now)
    assert said is not None
    return said["sentence"], said["notes"]


def test_late_evidence_moves_the_deadline_and_says_so(story: Told, strict: Case) -> None:
    late_from(DUE - DAY)
    assert (sweep(DUE), state(story), deadline(strict)) == (1, "active", DUE + DAY)
    assert not LedgerEntry.objects.filter(act="case.silence").exists()
    why = (
        "24 h 0 min do not count: evidence of cloudtrail is known up to 30 Nov 2026 11:45 UTC only."
    )
    until = (
        "While evidence is late the time does not count: at most 168 h 0 min of such time are waited"
        " for, and then nothing is cut."
    )
    moved = LedgerEntry.objects.get(act="case.deadline_moved").words
    assert moved == (
        f"The deadline of {strict.key} moved from 1 Dec 2026 12:00 UTC to 2 Dec 2026 12:00 UTC."
        f" {why} {until}"
    )
    assert page(strict, DUE) == (
        "If nobody decides by 2 Dec 2026 12:00 UTC: svc-report is suspended.",
        [why, until],
    )
    told = Notice.objects.filter(occasion__startswith=f"{strict.key} moved")
    assert sorted(row.person.name for row in told if row.person) == ["Ines", "Samuel"]


def test_silence_cuts_when_all_of_the_time_had_evidence(story: Told, strict: Case) -> None:
    """It is late for a day and a half around the deadline, as each minute notes."""
    late_from(DUE - DAY)
    for hours in range(-23, 13):
        actions.beat(now=DUE + hours * HOUR)
        sweep(DUE + hours * HOUR)
    fresh(NOW + 60 * DAY)
    due = DUE + 36 * HOUR
    assert (sweep(DUE + DAY), deadline(strict), state(story)) == (1, due, "active")
    assert page(strict, DUE + DAY)[1] == ["36 h 0 min do not count: evidence of it was late."]
    assert (sweep(due - SECOND), sweep(due), state(story)) == (0, 1, "suspended")
    assert LedgerEntry.objects.get(act="case.silence").at == due


def test_evidence_that_is_late_for_ever_cuts_nothing_and_is_asked_about(
    story: Told, strict: Case
) -> None:
    late_from(DUE - 3 * SECOND)
    moves = []
    while Case.objects.filter(pk=strict.pk, silence_done_at=None).exists():
        assert sweep(deadline(strict)) == 1
        moves.append((deadline(strict) - DUE) // HOUR)
    # At most as long again as there was, and few dates are told on the way.
    assert moves == [1, 2, 4, 8, 16, 32, 64, 128, 168, 168]
    words = LedgerEntry.objects.get(act="case.silence").words
    assert (
        "it goes to the backups and the tie-breaker; nothing is cut: evidence of cloudtrail"
        in words
    )
    assert (state(story), Revocation.objects.count()) == ("active", 0)


@pytest.mark.parametrize("how", [{"sampling": 0.5}, {"keep_rules": [["drop", "action", "s3:*"]]}])
def test_what_no_waiting_ends_is_not_waited_for(
    story: Told, strict: Case, how: dict[str, object]
) -> None:
    late_from(DUE - DAY)
    Source.objects.update(**how)
    sweep(DUE)
    assert (deadline(strict), LedgerEntry.objects.filter(act="case.silence").count()) == (DUE, 1)
    assert state(story) == "active"


@pytest.mark.parametrize(
    ("silence", "mode"), [("escalate", "enforce"), ("suspend", "ask"), ("suspend", "observe")]
)
def test_nothing_waits_for_evidence_where_nothing_is_cut(
    story: Told, strict: Case, silence: str, mode: str
) -> None:
    Case.objects.filter(pk=strict.pk).update(silence=silence)
    Identity.objects.update(mode=mode)
    late_from(DUE - DAY)
    sweep(DUE)
    assert (deadline(strict), LedgerEntry.objects.filter(act="case.silence").count()) == (DUE, 1)


def test_reminders_are_sent_while_evidence_is_late(story: Told, strict: Case) -> None:
    late_from(DUE - 3 * DAY)
    assert (actions.remind_due(now=DUE - 47 * HOUR), deadline(strict)) == (1, DUE)
    assert Notice.objects.filter(occasion=f"{strict.key} reminder 48 h").count() == 2


def test_a_later_step_waits_for_evidence_and_then_asks(story: Told) -> None:
    case = opened(story, [("replace", 168), ("suspend", 192)])
    everything_until(DUE)
    late_from(at(180))
    sweep(at(192))
    rung = case.rungs.get(does="suspend")
    assert (rung.state, rung.at, state(story)) == ("waiting", at(204), "active")
    words = LedgerEntry.objects.get(act="case.rung_moved").words
    assert words.endswith("evidence of cloudtrail is known up to 1 Dec 2026 23:45 UTC only")
    while rung.state == "waiting":
        sweep(rung.at)
        rung.refresh_from_db()
    # As long again as from the step before.
    assert (rung.state, rung.at, state(story)) == ("done", at(216), "active")
    assert (
        "nothing is cut: evidence of"
        in LedgerEntry.objects.filter(act="case.rung").latest("pk").words
    )


def stretches() -> list[tuple[int, int]]:
    rows = LateEvidence.objects.order_by("since").values_list("since", "until")
    return [((a - NOW) // (HOUR / 60), (b - NOW) // (HOUR / 60)) for a, b in rows]


def test_each_beat_extends_what_is_late_and_begins_what_is_late_anew(strict: Case) -> None:
    minute = HOUR / 60
    late_from(NOW)
    for minutes in (2, 5, 6, 7, 7, 20):
        actions.beat(now=NOW + minutes * minute)
    # A few minutes are no lateness.
    assert stretches() == [(0, 20)]
    late_from(NOW + 10 * minute)
    actions.beat(now=NOW + 21 * minute)
    fresh(NOW + 30 * minute)
    actions.beat(now=NOW + 22 * minute)
    late_from(NOW + 60 * minute)
    actions.beat(now=NOW + 90 * minute)
    actions.beat(now=NOW + 80 * minute)
    assert stretches() == [(0, 21), (60, 90)]


def test_source_that_shows_nothing_is_never_late(case: Case) -> None:
    Source.objects.update(watermark=None, completeness="")
    actions.beat(now=NOW + DAY)
    Source.objects.update(watermark=NOW, completeness="declared", sampling=0.5)
    actions.beat(now=NOW + DAY)
    assert stretches() == []


def test_some_of_what_was_missing_does_not_begin_it_anew(story: Told, strict: Case) -> None:
    late_from(DUE - 2 * DAY)
    actions.beat(now=DUE - DAY)
    late_from(DUE - 36 * HOUR)
    found = clock.read(strict, now=DUE)
    assert found.late.so_far == 2 * DAY


def test_reading_costs_the_same_for_many_stretches_and_cases(story: Told, strict: Case) -> None:
    def questions(cases: list[Case]) -> int:
        with CaptureQueriesContext(connection) as seen:
            clock.read_all(cases, Asked(cases, now=DUE), now=DUE)
        return len(seen)

    late_from(DUE - DAY)
    actions.beat(now=DUE - HOUR)
    one = list(Case.objects.select_related("identity"))
    before = questions(one)
    source = Source.objects.get(name="cloudtrail")
    LateEvidence.objects.bulk_create(
        LateEvidence(source=source, since=NOW + n * HOUR, until=NOW + n * HOUR + HOUR / 2)
        for n in range(100)
    )
    assert questions(one * 5) == before
    found = clock.read_all(one, Asked(one, now=DUE), now=DUE)[strict.pk]
    assert (found.late.over, found.late.so_far) == (50 * HOUR, 74 * HOUR)
    with CaptureQueriesContext(connection) as few:
        lateness.note(now=DUE)
    Source.objects.bulk_create(
        Source(name=f"s{n}", watermark=NOW, completeness="declared", created_at=NOW)
        for n in range(20)
    )
    with CaptureQueriesContext(connection) as many:
        lateness.note(now=DUE + HOUR)
    assert len(many) <= len(few) + 1
    assert LateEvidence.objects.filter(source__name__startswith="s").count() == 20


def hours(*pairs: tuple[int, int]) -> list[policies.Stretch]:
    return [(NOW + a * HOUR, NOW + b * HOUR) for a, b in pairs]


@pytest.mark.parametrize(
    ("at_work", "others", "left"),
    [
        ([(0, 10)], [], [(0, 10)]),
        ([(0, 10)], [(2, 4)], [(0, 2), (4, 10)]),
        ([(0, 10)], [(0, 4), (3, 5), (9, 12)], [(5, 9)]),
        ([(0, 4), (6, 10)], [(3, 7)], [(0, 3), (7, 10)]),
        ([(0, 4), (6, 10)], [(-2, 1), (8, 9)], [(1, 4), (6, 8), (9, 10)]),
        ([(0, 4), (6, 10)], [(-1, 11)], []),
    ],
)
def test_what_is_left_of_the_time_at_work(
    at_work: list[tuple[int, int]], others: list[tuple[int, int]], left: list[tuple[int, int]]
) -> None:
    assert policies.without(hours(*at_work), hours(*others)) == hours(*left)
    assert policies.without(hours(*at_work), reversed(hours(*others))) == hours(*left)
