"""The ladder climbed with frozen moments: every rung once, at its own time, and what holds it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from evidence.models import LedgerEntry, Source
from identities.models import Identity, Revocation
from reviews import actions, permissions
from reviews.actions import deadlines
from reviews.models import Case, Heartbeat, Notice, ReviewPolicy, Rung

from .conftest import DAY, HOUR, NOW, Told, everything_counts, item_of, party, seat_of, tell_story
from .test_deadlines import sweep

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]

LADDER = [
    ("remind", 24),
    ("tell", 100),
    ("add", 144),
    ("replace", 168),
    ("remind", 200),
    ("narrow", 216),
    ("suspend", 264),
    ("revoke", 360),
]


def policy(rungs: list[tuple[str, int]], *, tier: str = "normal") -> ReviewPolicy:
    """A signed version with this ladder."""
    said = [{"after_hours": hours, "does": does} for does, hours in rungs]
    return ReviewPolicy.objects.create(
        name="ladder",
        state="signed",
        document={"ladder": {tier: said}},
        remind_before_hours=[48, 4],
        recorded_at=NOW,
        recorded_by="countersign",
    )


def opened(story: Told, rungs: list[tuple[str, int]], *, tier: str = "normal") -> Case:
    case = actions.open_review(
        identity=story.identity,
        by=story.rita,
        now=NOW,
        reason="yearly",
        policy=policy(rungs, tier=tier),
    )
    everything_counts(case, until=NOW + 60 * DAY)
    case.refresh_from_db()
    return case


def at(hours: float) -> datetime:
    return NOW + hours * HOUR


def everything_until(now: datetime) -> None:
    """Both sweeps, as the worker runs them; what they write goes out at once."""
    while actions.remind_due(now=now):
        pass
    while actions.deadlines_next(now=now):
        pass
    Notice.objects.filter(sent_at=None).update(sent_at=now)


def told(case: Case, occasion: str) -> list[str]:
    rows = Notice.objects.filter(occasion=f"{case.key} {occasion}", person__isnull=False)
    return sorted(rows.values_list("person__name", flat=True))


def state(story: Told) -> str:
    return Identity.objects.get(pk=story.identity.pk).state


def away(begins: datetime, ends: datetime) -> None:
    """Countersign was not at work in between."""
    Heartbeat.objects.all().delete()
    Heartbeat.objects.create(since=NOW - DAY, until=begins)
    Heartbeat.objects.create(since=ends, until=ends + 60 * DAY)


def test_every_rung_is_climbed_once_at_its_own_time(story: Told) -> None:
    """Each sweep comes half an hour late, and the rung before it changes nothing more."""
    case = opened(story, LADDER)
    ines = seat_of(case, "identity_owner")

    def backup() -> str | None:
        now_is = Case.objects.get(pk=case.pk)
        return permissions.why_not_sit(
            story.marek, now_is, seat_of(case, "identity_owner"), now=NOW
        )

    late = HOUR / 2

    everything_until(at(24) - timedelta(microseconds=1))
    assert not Rung.objects.exclude(state="waiting").exists()
    everything_until(at(24) + late)
    assert told(case, "reminder 144 h") == ["Ines", "Samuel"]

    everything_until(at(100) + late)
    assert told(case, "escalation") == ["Leila", "Marek"]
    assert backup() == "You are the backup: Ines decides until the deadline."

    everything_until(at(144) + late)
    assert (told(case, "added"), backup()) == (["Leila", "Marek"], None)

    everything_until(at(168) + late)
    case.refresh_from_db()
    assert case.silence_done_at == at(168) + late
    assert (seat_of(case, "identity_owner").party, seat_of(case, "identity_owner").backup) == (
        ines.backup,
        ines.party,
    )
    assert told(case, f"in place {at(168).isoformat()}") == ["Marek"]

    everything_until(at(200) + late)
    assert told(case, "reminder 32 h late") == ["Marek", "Samuel"]
    assert not case.items.exclude(outcome="").exists()

    everything_until(at(216) + late)
    assert (item_of(case, "delegation").outcome, item_of(case, "credential").outcome) == (
        "narrow",
        "",
    )
    assert state(story) == "active"

    everything_until(at(264) + late)
    assert (state(story), Case.objects.get(pk=case.pk).state) == ("suspended", "open")

    everything_until(at(360) + late)
    assert item_of(case, "credential").outcome == "revoke"
    case.refresh_from_db()
    assert case.state == "decided"

    everything_until(at(2_000))
    entries = LedgerEntry.objects.filter(act__in=["case.rung", "case.silence"]).order_by("pk")
    assert [(one.data["does"], one.at, one.recorded_at) for one in entries] == [
        (does, at(hours), at(hours) + late)
        for does, hours in [
            ("add", 144),
            ("due", 168),
            ("replace", 168),
            ("narrow", 216),
            ("suspend", 264),
            ("revoke", 360),
        ]
    ]
    assert set(Rung.objects.values_list("state", flat=True)) == {"done"}


def test_all_rungs_at_once_go_one_after_the_other(story: Told) -> None:
    """A sweep that is late although Countersign was at work: each has its own time, in order."""
    case = opened(story, LADDER)
    everything_until(at(400))
    entries = LedgerEntry.objects.filter(act__in=["case.rung", "case.silence"]).order_by("pk")
    assert [one.data["does"] for one in entries][:2] == ["due", "replace"]
    # The backup has been asked just now: what comes next has its time from then on.
    assert state(story) == "active"
    waiting = Rung.objects.filter(case=case, state="waiting").order_by("at")
    assert next(iter(waiting.values_list("does", "at"))) == ("narrow", at(400) + 48 * HOUR)


@pytest.mark.parametrize(("tier", "does"), [("normal", 9), ("high", 4)])
def test_the_tier_of_the_identity_chooses_the_ladder(story: Told, tier: str, does: int) -> None:
    Identity.objects.update(criticality=tier)
    story.identity.refresh_from_db()
    case = opened(story, LADDER, tier="normal")
    found = list(case.rungs.order_by("at", "pk").values_list("does", flat=True))
    assert len(found) == does
    if tier == "high":
        assert found == ["remind", "tell", "remind", "due"]


def test_a_running_case_keeps_the_ladder_it_was_sent_with(story: Told) -> None:
    case = opened(story, [("suspend", 168)])
    ReviewPolicy.objects.update(document={"ladder": {"normal": []}})
    everything_until(at(169))
    assert (case.silence, state(story)) == ("suspend", "suspended")


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"criticality": "critical"}, "it goes to the backups and the tie-breaker: Marek, Leila"),
        ({"mode": "ask"}, "it goes to the backups and the tie-breaker: Marek, Leila"),
        ({"mode": "observe"}, "it is only noted: svc-report is in observe mode"),
    ],
)
@pytest.mark.parametrize("does", ["narrow", "suspend", "revoke"])
def test_no_clock_cuts_what_is_critical_or_not_enforced(
    story: Told, does: str, change: dict[str, Any], because: str
) -> None:
    case = opened(story, [(does, 216)])
    Identity.objects.update(**change)
    everything_until(at(217))
    assert (state(story), Revocation.objects.exists()) == ("active", False)
    assert not case.items.exclude(outcome="").exists()
    entry = LedgerEntry.objects.get(act="case.rung")
    assert (entry.words.endswith(because), entry.at) == (True, at(216))


def test_a_later_rung_cuts_on_fresh_evidence_only(story: Told) -> None:
    opened(story, [("suspend", 216)])
    Source.objects.update(sampling=0.5)
    everything_until(at(217))
    assert state(story) == "active"
    assert "nothing is cut: evidence of cloudtrail is sampled" in (
        LedgerEntry.objects.get(act="case.rung").words
    )


def test_time_that_does_not_count_moves_what_is_above_as_well(story: Told) -> None:
    """The request reached Samuel two days late: everything is two days later."""
    case = opened(story, LADDER)
    Notice.objects.filter(person=story.samuel.person).update(sent_at=NOW + 2 * DAY)
    everything_until(at(24))
    assert sorted((at_ - NOW) // HOUR for at_ in case.rungs.values_list("at", flat=True)) == [
        hours + 48 for hours in (24, 100, 144, 168, 168, 200, 216, 264, 360)
    ]


def test_keeping_after_a_rung_suspended_resumes(story: Told, sign: Sign) -> None:
    case = opened(story, [("suspend", 216)])
    everything_until(at(168))
    everything_until(at(217))
    assert state(story) == "suspended"
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep", now=at(218))
        sign(case, kind, story.samuel, "keep", seat="ai_owner", now=at(218))
    while actions.carry_out_next(now=at(219)):
        pass
    assert state(story) == "active"


def test_rungs_of_a_decided_case_are_not_climbed(story: Told, sign: Sign) -> None:
    case = opened(story, LADDER)
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep")
        sign(case, kind, story.samuel, "keep", seat="ai_owner")
    while actions.carry_out_next(now=at(1)):
        pass
    everything_until(at(2_000))
    assert state(story) == "active"
    assert set(case.rungs.values_list("state", flat=True)) == {"over"}


@pytest.fixture
def many(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """Twelve open reviews, swept by threes."""
    monkeypatch.setattr(deadlines, "MOST", 3)
    story = tell_story()
    cases = []
    for number in range(12):
        identity = Identity.objects.create(
            name=f"svc-{number}",
            kind="workload",
            owner=party(story.ines),
            sponsor=party(story.leila),
            purpose="x",
            state="active",
            mode="enforce",
            expires_at=NOW + 90 * DAY,
            created_at=NOW,
        )
        cases.append(
            actions.open_review(
                identity=Identity.objects.get(pk=identity.pk), by=story.rita, now=NOW, reason="x"
            )
        )
    Notice.objects.update(sent_at=NOW)
    Heartbeat.objects.create(since=NOW - DAY, until=NOW + 60 * DAY)
    return cases


def test_two_workers_climb_each_rung_once(many: list[Case]) -> None:
    gate = Barrier(2)
    now = many[0].deadline_at + HOUR

    def drain(_: int) -> int:
        try:
            gate.wait(timeout=20)
            return sweep(now)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(drain, range(2))) >= 4
    sweep(now)
    subjects = list(
        LedgerEntry.objects.filter(act="case.silence")
        .order_by("pk")
        .values_list("subject", flat=True)
    )
    assert sorted(subjects) == sorted(case.key for case in many)
    assert Case.objects.filter(silence_done_at=now).count() == 12


def test_many_cases_take_as_many_statements_as_one(
    many: list[Case], monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(deadlines, "MOST", 250)
    with django_assert_max_num_queries(26):
        assert deadlines.deadlines_next(now=many[0].deadline_at)
    assert Rung.objects.filter(does="due", state="done").count() == 12
