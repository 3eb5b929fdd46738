"""Grants on the wall: what should be gone and is not shown to be, to whoever sees its case."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from reviews import actions

from .conftest import Told, make_user
from .granted_rows import granted
from .test_pages import as_user

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
MINUTE = timedelta(minutes=1)
HOSTILE = "<img src=x onerror=alert(1)>"


def test_what_is_late_or_failed_stands_there_and_nothing_else(story: Told, as_user: Sign) -> None:
    now = timezone.now()
    case = actions.open_review(identity=story.identity, by=story.rita, now=now, reason="yearly")

    def row(**said: Any) -> str:
        return granted(story.identity, now=now, case=case.pk, case_key=case.key, **said).key

    row()
    row(state="ended", ends_at=now - MINUTE, removed_at=now, ended_at=now)
    # Gone at the target, tokens live on: nothing to do.
    row(state="ending", ends_at=now - MINUTE, ending_at=now - MINUTE, removed_at=now)
    row(state="ending", ends_at=now - timedelta(seconds=5), ending_at=now - timedelta(seconds=5))
    late = row(ends_at=now - 2 * MINUTE, words=HOSTILE)
    failed = row(state="failed", failed_why="No room.", who_must_act="the account's owner")
    page = as_user(story.rita).get("/unfinished/")
    found = {one["key"]: one for one in page.context["grants"]}
    assert {key: (one["burning"], one["over"]) for key, one in found.items()} == {
        late: (True, True),
        failed: (True, False),
    }
    said = page.content.decode()
    assert "It could not be given: No room." in said
    assert "Who must act: the account&#x27;s owner" in said
    assert HOSTILE not in said


def test_only_whoever_sees_its_case_sees_it(story: Told, as_user: Sign) -> None:
    now = timezone.now()
    case = actions.open_review(identity=story.identity, by=story.rita, now=now, reason="yearly")
    granted(story.identity, now=now, case=case.pk, ends_at=now - 2 * MINUTE)
    nobody = make_user("nobody-here")
    seen = [len(as_user(who).get("/unfinished/").context["grants"]) for who in (story.rita, nobody)]
    assert seen == [1, 0]
