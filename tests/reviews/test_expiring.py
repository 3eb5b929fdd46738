"""Ends are warned of once, at set times, and end by themselves only where a policy says so."""

from datetime import timedelta
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import Identity, Person, Revocation
from reviews.actions import attesting, expiring
from reviews.models import EndStep, Heartbeat, Notice

from .conftest import DAY, NOW, Told, make_user, party, person_of, tell_story
from .owning import delivered, put_in_force, sweep

HOUR = timedelta(hours=1)
END = NOW + 90 * DAY  # of the story's identity
SUSPENDS: dict[str, Any] = {"attestation": {"at_end": "suspend"}}


def steps() -> list[tuple[int, str]]:
    return list(EndStep.objects.order_by("-days").values_list("days", "did"))


def warn_all() -> None:
    """The sweep ran every day, and its mails went out."""
    for days in (30, 7, 1):
        sweep(END - days * DAY)
        delivered(END - days * DAY)


def test_each_warning_goes_out_once_however_often_the_sweep_runs(story: Told) -> None:
    assert sweep(END - 31 * DAY) == 0
    for now in (END - 30 * DAY, END - 30 * DAY + HOUR, END - 29 * DAY):
        sweep(now)
    assert steps() == [(30, "warned")]
    notice = Notice.objects.get()
    assert (notice.person, notice.subject) == (
        story.ines.person,
        "Renew what you answer for: 1 end ahead",
    )
    assert f"{story.identity.key}: its attestation ends on 2027-02-22 12:00 UTC" in notice.body
    assert LedgerEntry.objects.filter(act="end.warned").count() == 1


def test_a_late_sweep_gives_the_nearest_warning_only(story: Told) -> None:
    sweep(END - 6 * DAY)
    assert steps() == [(30, "over"), (7, "warned")]
    assert Notice.objects.count() == 1


def test_renewing_begins_anew(story: Told) -> None:
    sweep(END - 30 * DAY)
    attesting.attest(
        identity=story.identity,
        purpose="reports for Finance",
        expires_at=END + 60 * DAY,
        by=story.ines,
        now=END - 29 * DAY,
    )
    assert sweep(END - 7 * DAY) == 0
    sweep(END + 30 * DAY)
    assert EndStep.objects.filter(did="warned").count() == 2


def test_at_the_end_it_is_suspended_where_the_policy_says_so(story: Told) -> None:
    put_in_force(**SUSPENDS)
    warn_all()
    sweep(END - HOUR)
    story.identity.refresh_from_db()
    assert story.identity.state == "active"
    for now in (END + HOUR, END + 2 * HOUR):
        sweep(now)
    story.identity.refresh_from_db()
    assert (story.identity.state, steps()[-1]) == ("suspended", (0, "suspended"))
    entry = LedgerEntry.objects.get(act="end.suspended")
    assert (entry.at, entry.recorded_at) == (END, END + HOUR)
    assert Revocation.objects.filter(credential=story.credential, step="hold").count() == 1
    assert sorted(
        Notice.objects.filter(subject__endswith="it has ended").values_list(
            "person__name", flat=True
        )
    ) == ["Ines", "Leila", "Marek", "Samuel"]


@pytest.mark.parametrize(
    ("document", "change", "why"),
    [
        ({}, {}, "only tells"),
        (SUSPENDS, {"mode": "ask"}, "is in ask mode"),
        (SUSPENDS, {"criticality": "critical"}, "what is critical is never cut by a clock"),
        (SUSPENDS, {"kind": "integration"}, "silence cuts nothing of an external integration"),
    ],
)
def test_else_a_named_person_is_told(
    story: Told, document: dict[str, Any], change: dict[str, Any], why: str
) -> None:
    Identity.objects.filter(pk=story.identity.pk).update(**change)
    if document:
        put_in_force(**document)
    warn_all()
    sweep(END + HOUR)
    sweep(END + DAY)
    story.identity.refresh_from_db()
    assert (story.identity.state, steps()[-1]) == ("active", (0, "escalated"))
    entry = LedgerEntry.objects.get(act="end.escalated")
    assert why in entry.words
    assert "told: Ines, Marek, Leila, Samuel" in entry.words
    assert Revocation.objects.count() == 0


def test_who_was_not_warned_loses_nothing(story: Told) -> None:
    put_in_force(**SUSPENDS)
    delivered(NOW)
    sweep(END - 7 * DAY)  # written, and never sent
    sweep(END + HOUR)
    story.identity.refresh_from_db()
    assert story.identity.state == "active"
    assert "no warning had reached" in LedgerEntry.objects.get(act="end.escalated").words


def test_a_days_outage_over_the_end_suspends_nobody(story: Told) -> None:
    put_in_force(**SUSPENDS)
    warn_all()
    Heartbeat.objects.all().delete()
    Heartbeat.objects.create(since=NOW, until=END - 12 * HOUR)
    Heartbeat.objects.create(since=END + 12 * HOUR, until=END + 13 * HOUR)
    sweep(END + 13 * HOUR)
    story.identity.refresh_from_db()
    assert story.identity.state == "active"
    assert "Countersign was not at work" in LedgerEntry.objects.get(act="end.escalated").words


@pytest.mark.django_db
def test_where_a_scope_only_observes_nobody_is_warned() -> None:
    story = tell_story(mode="observe")
    assert (sweep(END - DAY), sweep(END + DAY)) == (0, 0)
    # Once it asks, the end that has passed is told of, and nothing is cut.
    Identity.objects.filter(pk=story.identity.pk).update(mode="enforce")
    put_in_force(**SUSPENDS)
    sweep(END + 2 * DAY)
    assert steps() == [(30, "over"), (7, "over"), (1, "over"), (0, "escalated")]


def test_a_warning_that_the_policy_gets_later_does_not_follow_the_end(story: Told) -> None:
    warn_all()
    sweep(END + HOUR)
    put_in_force(attestation={"warn_before_days": [60]})
    sweep(END + DAY)
    assert steps() == [
        (60, "over"), (30, "warned"), (7, "warned"), (1, "warned"), (0, "escalated")
    ]  # fmt: skip


def test_where_nobody_is_there_the_reviewers_are_told(story: Told) -> None:
    Person.objects.exclude(pk=person_of(story.rita).pk).update(left_at=NOW)
    while expiring.expire_next(now=END - DAY):
        pass
    assert [one.person for one in Notice.objects.all()] == [story.rita.person]


def test_a_contracts_end_warns_and_cuts_nothing(story: Told) -> None:
    put_in_force(**SUSPENDS)
    Identity.objects.filter(pk=story.identity.pk).update(
        kind="integration", contract_ends_at=NOW + 10 * DAY
    )
    sweep(NOW + 3 * DAY)
    delivered(NOW + 3 * DAY)
    assert "the vendor's contract ends on 2026-12-04" in Notice.objects.get().body
    sweep(NOW + 11 * DAY)
    story.identity.refresh_from_db()
    assert story.identity.state == "active"
    assert "a contract's end cuts nothing by itself" in (
        LedgerEntry.objects.get(act="end.escalated").words
    )


def test_one_message_a_day_however_many_end(
    story: Told, django_assert_max_num_queries: Any
) -> None:
    owner = make_user("nora", "owner")
    Identity.objects.bulk_create(
        Identity(
            name=f"n{number}", kind="agent", owner=party(owner), purpose="x", state="active",
            mode="ask", expires_at=END, created_at=NOW,
        )
        for number in range(60)
    )  # fmt: skip
    with django_assert_max_num_queries(25):
        expiring.expire_next(now=END - 7 * DAY)
    assert EndStep.objects.filter(did="warned").count() == 61
    notice = Notice.objects.get(person=owner.person)
    assert notice.subject == "Renew what you answer for: 60 ends ahead"
    assert "and 40 more ends" in notice.body


def test_after_an_outage_ends_come_in_the_order_in_which_they_ended(story: Told) -> None:
    ends = {"late": END + 3 * HOUR, "first": END + HOUR, "second": END + 2 * HOUR}
    for name, at in ends.items():
        Identity.objects.create(
            name=name,
            kind="agent",
            state="active",
            mode="ask",
            owner=story.identity.owner,
            purpose="reports for Finance",
            expires_at=at,
            created_at=NOW,
        )
    sweep(END + DAY)
    rows = LedgerEntry.objects.filter(act="end.escalated").order_by("pk")
    assert list(rows.values_list("at", flat=True)) == [END, *sorted(ends.values())]
    assert set(rows.values_list("recorded_at", flat=True)) == {END + DAY}
