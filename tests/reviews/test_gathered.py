"""Many cases that come due together are one mail a person for each kind of word, however many."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import Person
from reviews import actions, notices
from reviews.actions import policy_versions, reminders
from reviews.models import GATHERED, HELD, Case, Heartbeat, Notice, ReviewPolicy, Rung

from . import silent
from .conftest import DAY, HOUR, NOW, Told, party, person_of

pytestmark = pytest.mark.django_db
AWAY = timedelta(hours=30)


def drain(now: Any) -> int:
    sent = 0
    while notices.send_next(now=now):
        sent += 1
    return sent


def many(
    story: Told, count: int, *, silence: str = "suspend", policy: ReviewPolicy | None = None
) -> list[Case]:
    """So many silent reviews, all of the same three persons."""
    opened = NOW - 8 * DAY
    source = silent.at_work(opened=opened, until=NOW)
    made = silent.cases(
        count,
        silence=silence,
        parties=[party(user) for user in (story.ines, story.marek, story.leila)],
        source=source,
        opened=opened,
        policy=policy,
    )
    Notice.objects.filter(sent_at=None).update(sent_at=opened)
    return made


def mails(outbox: list[Any]) -> Counter[tuple[str, str]]:
    return Counter((mail.to[0].partition("@")[0], mail.subject) for mail in outbox)


@pytest.mark.parametrize("count", [6, 261])
def test_outage_is_one_mail_a_person_however_many_sweeps_it_takes(
    story: Told, count: int, mailoutbox: list[Any]
) -> None:
    cases = many(story, count)
    # Countersign was away when all of them came due.
    Heartbeat.objects.all().delete()
    due = cases[0].deadline_at
    Heartbeat.objects.create(since=NOW - 9 * DAY, until=due - HOUR)
    Heartbeat.objects.create(since=due + timedelta(minutes=30), until=due + AWAY)
    for one in range(20):
        # Sweeps of several workers, some seconds apart.
        if not actions.deadlines_next(now=due + AWAY + one * timedelta(seconds=2)):
            break
    assert Rung.objects.filter(state="held", does="suspend").count() == count
    assert drain(due + AWAY) == 0
    drain(due + AWAY + 2 * GATHERED)
    assert not Notice.objects.filter(sent_at=None).exists()
    held = {key: n for key, n in mails(mailoutbox).items() if key[1].endswith(HELD)}
    # Each of the three is above in two of three reviews.
    subject = f"{count * 2 // 3} cases: {HELD}"
    assert held == {(name, subject): 1 for name in ("ines", "marek", "leila")}
    assert set(mails(mailoutbox).values()) == {1}


def test_reminders_of_a_campaign_s_worth_of_reviews_are_one_mail_that_names_them(
    story: Told, mailoutbox: list[Any]
) -> None:
    cases = many(story, 24, policy=policy_versions.in_force(now=NOW))
    actions.remind_due(now=cases[0].deadline_at - 3 * HOUR)
    drain(NOW + DAY)
    soon = [mail for mail in mailoutbox if mail.subject.endswith("decide soon")]
    assert mails(soon) == {(name, "8 cases: decide soon"): 1 for name in ("ines", "marek", "leila")}
    for mail in soon:
        rows = Notice.objects.filter(
            person__email=mail.to[0], subject__endswith=": decide soon", sent_at=NOW + DAY
        )
        assert rows.count() == 8
        keys = [one.partition(":")[0] for one in rows.values_list("subject", flat=True)]
        assert all(f"{key}\n\nYour answers are due on " in mail.body for key in keys)
        assert mail.body.endswith("/queue/\n")


def told(person: Person, case: Case, subject: str, *, body: str = "x", **said: Any) -> None:
    reminders.send(
        reminders.notices(
            case, [person], occasion=f"{subject} {body}", subject=subject, body=body, gather=True,
            now=NOW, **said,
        )
    )  # fmt: skip


def test_only_the_same_words_to_the_same_person_are_one_mail(
    story: Told, case: Case, mailoutbox: list[Any]
) -> None:
    Notice.objects.all().delete()
    other = many(story, 1)[0]
    ines, leila = person_of(story.ines), person_of(story.leila)
    for one in (case, other):
        told(ines, one, "decide soon")
        told(leila, one, "decide soon")
        told(ines, one, "your answers are late")
    # A longer word that ends alike is another kind.
    told(ines, case, "really: decide soon")
    drain(NOW + GATHERED)
    assert mails(mailoutbox) == {
        ("ines", "2 cases: decide soon"): 1,
        ("leila", "2 cases: decide soon"): 1,
        ("ines", "2 cases: your answers are late"): 1,
        ("ines", f"{case.key}: really: decide soon"): 1,
    }


def test_several_words_about_one_case_keep_its_name(
    story: Told, case: Case, mailoutbox: list[Any]
) -> None:
    Notice.objects.all().delete()
    for body in ("first", "second"):
        told(person_of(story.ines), case, "your answer is asked for again", body=body)
    drain(NOW + GATHERED)
    (mail,) = mailoutbox
    assert mail.subject == f"{case.key}: your answer is asked for again"
    assert mail.body.index("first") < mail.body.index("second")


def test_of_very_many_twenty_are_named_and_the_rest_counted(
    story: Told, mailoutbox: list[Any]
) -> None:
    for one in many(story, 25):
        told(person_of(story.leila), one, HELD)
    drain(NOW + GATHERED)
    (mail,) = mailoutbox
    assert (mail.subject, mail.body.count("/cases/")) == (f"25 cases: {HELD}", 20)
    assert "And 5 more." in mail.body
    assert mail.body.endswith("/releases/\n")


def test_all_of_one_mail_wait_together_when_it_cannot_be_sent(
    story: Told, case: Case, settings: Any, mailoutbox: list[Any]
) -> None:
    Notice.objects.all().delete()
    for one in (case, *many(story, 2)):
        told(person_of(story.ines), one, "decide soon")
    working, settings.MAILERS = settings.MAILERS, {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": 1, "timeout": 2},
        }
    }  # fmt: skip
    assert drain(NOW + GATHERED) == 1
    again = NOW + GATHERED + timedelta(seconds=30)
    rows = Notice.objects.filter(subject__endswith=": decide soon")
    assert list(rows.values_list("attempts", "not_before", "sent_at")) == [(1, again, None)] * 3
    settings.MAILERS = working
    assert (drain(again), mails(mailoutbox)) == (1, {("ines", "3 cases: decide soon"): 1})


@pytest.mark.parametrize(("late", "mails_"), [(timedelta(minutes=2), 0), (3 * HOUR, 2)])
def test_deadline_that_moves_by_minutes_is_no_mail(
    story: Told, case: Case, late: timedelta, mails_: int
) -> None:
    Notice.objects.filter(case=case.pk).update(sent_at=case.opened_at + late)
    Heartbeat.objects.all().delete()
    Heartbeat.objects.create(since=case.opened_at - DAY, until=case.deadline_at)
    before = case.deadline_at
    actions.remind_due(now=case.deadline_at - 3 * HOUR)
    case.refresh_from_db()
    assert case.deadline_at == before + late
    entry = LedgerEntry.objects.get(act="case.deadline_moved", subject=case.key)
    assert "when the request had reached every seat" in entry.words
    told = Notice.objects.filter(subject=f"{case.key}: there is more time to decide")
    assert told.count() == mails_
