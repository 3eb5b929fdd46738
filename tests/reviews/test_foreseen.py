"""What happens where nobody decides, as every list says it: later cuts too, and what is only late."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import Source
from reviews.models import Case, Rung
from reviews.pages import foreseen, freshness, front, queue, queue_out, waiting

from .conftest import DAY, HOUR, NOW, Told
from .test_rungs import opened

pytestmark = pytest.mark.django_db
STEPS = [("remind", 24), ("narrow", 192), ("suspend", 240), ("revoke", 336)]
LATER = (
    "; if still nobody decides, what was not seen in evidence is narrowed away, then svc-report is"
    " suspended, then what not every seat answered is revoked"
)
ABOVE = "it goes to the backups and the tie-breaker"


def line(now: Any = NOW + HOUR) -> str:
    cases = list(Case.objects.select_related("identity", "policy"))
    (said,) = foreseen.of_cases(cases, freshness.of_cases(cases, now=now), now=now).values()
    return said


def test_every_list_says_what_is_cut_later(story: Told) -> None:
    case = opened(story, STEPS)
    now, said = NOW + HOUR, f"{ABOVE}{LATER}"
    rows = {
        "seats": queue.mine(story.ines, {}, now=now)["waits"],
        "items": queue.mine(story.ines, {"show": "items"}, now=now)["waits"],
        "all": queue.all_cases(story.ines, {}, now=now)["waits"],
        "front": front.context(story.ines, {}, now=now)["waits"],
    }
    assert {name: {one["silence"] for one in found} for name, found in rows.items()} == {
        name: {said} for name in rows
    }
    found = waiting.for_user(story.ines, now=now)
    for out in (queue_out._cases(found, now=now), queue_out._items(found, now=now)):
        assert {row["if_nobody_decides"] for _, row in out} == {said}
    late = case.deadline_at + HOUR
    groups = front.context(story.ines, {}, now=late)["burning"]
    (passed,) = [group for group in groups if group["title"] == "Deadlines passed"]
    assert [row["sub"] for row in passed["rows"]] == [f"silence: {said}"]


def test_what_was_dropped_is_done_or_may_not_be_is_not_announced(story: Told) -> None:
    case = opened(story, STEPS)
    Rung.objects.filter(case=case, does="narrow").update(state="done")
    Rung.objects.filter(case=case, does="suspend").update(state="dropped")
    assert line() == f"{ABOVE}; if still nobody decides, what not every seat answered is revoked"
    type(story.identity).objects.update(mode="ask")
    assert line() == ABOVE


def test_late_evidence_is_waited_for_as_long_again_and_other_doubts_are_not(story: Told) -> None:
    case = opened(story, STEPS)
    Source.objects.update(watermark=NOW - DAY)
    assert line() == f"{ABOVE}{LATER}"
    Case.objects.filter(pk=case.pk).update(
        deadline_at=case.deadline_at + 7 * DAY, not_counted=7 * DAY
    )
    assert line() == ABOVE
    Case.objects.filter(pk=case.pk).update(not_counted=DAY, deadline_at=case.deadline_at + DAY)
    Source.objects.update(sampling=0.5)
    assert line() == ABOVE


def test_lists_ask_once_for_all(story: Told) -> None:
    opened(story, STEPS)
    case = Case.objects.select_related("identity", "policy").get()
    with CaptureQueriesContext(connection) as seen:
        foreseen.of_cases([case], {}, now=NOW)
    with CaptureQueriesContext(connection) as many:
        foreseen.of_cases([case] * 20, {}, now=NOW)
    assert len(many) == len(seen) == 2
