"""The joined recording read again by a worse format and then by a better one: links, attributions,
findings and cases follow, and nothing is left behind."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from evidence.formats import FORMATS
from evidence.formats.record import Asked, Parsed, Record
from evidence.models import Event, PastReading
from identities.models import Attribution, FindingEvent
from reviews.models import Case, Pinned
from tests import once
from tests.road.conftest import exported, ingest_lab, run
from tests.road.test_lab import outcome

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recording")]

type Change = Callable[[Record], Record]


@pytest.fixture
@once.told
def ingested(db: None) -> None:
    """The recording is there."""
    ingest_lab()


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int, Change | None], None]:
    """A later version of a format, counted from ours, that reads each record otherwise."""
    before = dict(FORMATS)

    def make(name: str, version: int, change: Change | None = None) -> None:
        known = before[name]

        def parse(body: bytes, asked: Asked) -> Parsed:
            parsed = known.parse(body, asked)
            if change is None:
                return parsed
            return parsed._replace(records=[change(record) for record in parsed.records])

        monkeypatch.setitem(
            FORMATS, name, known._replace(parse=parse, version=known.version + version)
        )

    return make


def dangling() -> int:
    """References to events that are not there."""
    found = 0
    with connection.cursor() as cursor:
        for table, at, number in (
            ("evidence_link", "effect_at", "effect_id"),
            ("evidence_link", "cause_at", "cause_id"),
            ("evidence_issuance", "at", "event_id"),
            ("evidence_sighting", "at", "event_id"),
            ("identities_attribution", "at", "event_id"),
            ("identities_findingevent", "at", "event_id"),
            ("reviews_pinned", "at", "event_id"),
        ):
            cursor.execute(
                f"SELECT count(*) FROM {table} r WHERE NOT EXISTS (SELECT 1 FROM evidence_event e"
                f" WHERE e.at = r.{at} AND e.id = r.{number})"
            )
            found += cursor.fetchone()[0]
    return found


def keys() -> set[tuple[Any, ...]]:
    return set(Event.objects.values_list("at", "id"))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        # Who, on what, and by which request: all that links, attributions and findings rest on.
        (
            "cloudtrail",
            lambda one: one._replace(
                request_id=None, principal=None, credential=None, resource=None, issued=None
            ),
        ),
        # An hour late: every event gets another key.
        ("cloudtrail", lambda one: one._replace(at=one.at + 3_600_000_000)),
        # Spans that say neither their request nor their parent.
        ("otlp", lambda one: one._replace(request_id=None, parent_span_id=None)),
    ],
    ids=["names", "times", "spans"],
)
def test_all_that_rests_on_events_follows_there_and_back(
    ingested: None, reading: Callable[..., None], name: str, change: Change
) -> None:
    first, at_first = outcome(), keys()
    attributed = set(Attribution.objects.values_list("identity_no", "at", "event_id", "verdict"))
    reading(name, 2, change)
    run("reread")
    assert dangling() == 0
    assert (outcome()[0], keys()) != (first[0], at_first)
    reading(name, 3)
    run("reread")
    assert dangling() == 0
    assert outcome() == first
    assert keys() == at_first
    assert (
        set(Attribution.objects.values_list("identity_no", "at", "event_id", "verdict"))
        == attributed
    )
    assert PastReading.objects.filter(kind="link").exists()


def test_pinned_events_and_settled_findings_follow_events_that_move(
    ingested: None, reading: Callable[..., None]
) -> None:
    under = FindingEvent.objects.filter(finding__rule="left_task").select_related("finding")
    finding = under[0].finding
    finding.state, finding.state_at = "expected", timezone.now()
    finding.save(update_fields=["state", "state_at"])
    before = {(one.at, one.event_id) for one in under}
    case = Case.objects.order_by("pk").first()
    assert case is not None
    for at, event in before:
        Pinned.objects.get_or_create(
            case=case,
            at=at,
            event_id=event,
            defaults={"pinned_at": timezone.now(), "pinned_by": "command"},
        )
    reading("cloudtrail", 2, lambda one: one._replace(at=one.at + 1_000_000))
    run("reread")
    finding.refresh_from_db()
    now = {(one.at, one.event_id) for one in finding.events.all()}
    assert finding.state == "expected"
    assert {event for _, event in now} == {event for _, event in before}
    assert not {at for at, _ in now} & {at for at, _ in before}
    assert now <= set(Pinned.objects.filter(case=case).values_list("at", "event_id"))
    assert dangling() == 0
    assert len(exported("links")) > 0
