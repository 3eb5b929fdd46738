"""The worker's part: each task finds its rows, and running it again finds nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from reviews import actions, tasks
from reviews.models import Case, Heartbeat, Notice, Rung

from .conftest import Told
from .test_opening import finding

pytestmark = pytest.mark.django_db


def gathered() -> None:
    """The minute in which mails of one kind wait for each other is over."""
    Notice.objects.update(not_before=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize(
    "task",
    [
        tasks.open_from_findings,
        tasks.open_due,
        tasks.campaigns,
        tasks.carry_out,
        tasks.deadlines,
        tasks.send_notices,
        tasks.beat,
    ],
)
def test_task_finds_nothing_in_an_empty_house(task: Callable[[], int]) -> None:
    assert task() == 0


def test_tasks_take_a_finding_to_its_case_and_its_silence(
    story: Told, mailoutbox: list[Any], nudges: list[str]
) -> None:
    finding(story.identity, "no_authority")
    assert (tasks.open_from_findings(), tasks.open_from_findings()) == (1, 0)
    assert (tasks.send_notices(), len(mailoutbox)) == (0, 0)
    gathered()
    assert (tasks.send_notices(), len(mailoutbox)) == (2, 2)
    now = timezone.now()
    Case.objects.update(opened_at=now - timedelta(days=9), deadline_at=now - timedelta(days=1))
    Rung.objects.filter(does="due").update(at=now - timedelta(days=1))
    Notice.objects.update(sent_at=now - timedelta(days=9))
    Heartbeat.objects.create(since=now - timedelta(days=10), until=now)
    assert (tasks.deadlines(), tasks.deadlines()) == (1, 0)
    case = Case.objects.get()
    assert (case.state, case.silence_done_at is not None) == ("open", True)
    assert actions.carry_out_next(now=timezone.now()) is False


def test_mail_carries_a_link_and_no_evidence(story: Told, mailoutbox: list[Any]) -> None:
    finding(story.identity, "no_authority", "secret-bucket/*")
    tasks.open_from_findings()
    gathered()
    tasks.send_notices()
    case = Case.objects.get()
    assert {mail.subject for mail in mailoutbox} == {f"{case.key}: your signature is needed"}
    assert all(f"/cases/{case.key}/" in mail.body for mail in mailoutbox)
    assert not any("secret-bucket" in mail.body or "svc-report" in mail.body for mail in mailoutbox)
