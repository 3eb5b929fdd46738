"""Grants on the wall: what should be gone and is not shown to be, to whoever sees its case."""

import csv
import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from reviews import actions

from .conftest import Told, make_user
from .granted_rows import granted
from .test_api import token
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


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", ["late", "failed"]),
        ("system=aws", ["late", "failed"]),
        ("system=okta", []),
        ("state=failed", ["failed"]),
        ("state=requested", []),
        ("age=hour", ["late"]),
        ("q=invoices+of+may", ["late"]),
    ],
)
def test_they_leave_with_the_wall_as_csv_json_and_over_the_api(
    story: Told, as_user: Sign, asked: str, found: list[str]
) -> None:
    now = timezone.now()
    case = actions.open_review(identity=story.identity, by=story.rita, now=now, reason="yearly")
    said: dict[str, Any] = {"case": case.pk, "case_key": case.key}
    hour = timedelta(hours=1)
    late = granted(
        story.identity,
        now=now,
        words="read invoices of may",
        asked_at=now - 2 * hour,
        starts_at=now - 2 * hour,
        ends_at=now - hour,
        **said,
    )
    failed = granted(
        story.identity,
        now=now,
        asked_at=now,
        state="failed",
        failed_why="No room.",
        who_must_act="them",
        **said,
    )
    keys = {"late": late.key, "failed": failed.key}
    client = as_user(story.rita)

    def body(shape: str) -> str:
        answer = client.get(f"/unfinished.{shape}?{asked}")
        return b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]  # streamed

    rows = [one for one in csv.DictReader(StringIO(body("csv"))) if one["grant"]]
    assert [one["grant"] for one in rows] == [keys[one] for one in found]
    as_json = [one for one in json.loads(body("json")) if one["grant"]]
    assert [(one["grant"], one["step"]) for one in as_json] == [
        (keys[one], {"late": "end", "failed": "grant"}[one]) for one in found
    ]
    told = Client().get(f"/api/unfinished/?{asked}", headers=token(story.rita, "read")).json()
    assert [one["grant"] for one in told["grants"]] == [keys[one] for one in found]
    for one in told["grants"]:
        assert (one["case"], one["revocation"]) == (case.key, "")
        assert one["url"].endswith(f"/grants/{one['grant']}/")
    nobody = make_user("nobody-here")
    told = Client().get("/api/unfinished/", headers=token(nobody, "read")).json()
    assert told["grants"] == []
