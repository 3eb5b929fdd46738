"""How soon what is misused is stopped and known: medians from the act, by week and AI system."""

from datetime import timedelta

import pytest
from django.utils import timezone

from identities.models import Finding, Revocation
from reviews import alignment
from reviews.models import Case, Room

from .conftest import Told

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def test_medians_run_from_the_act_and_say_nothing_of_what_is_sealed(
    story: Told,
) -> None:
    now = timezone.now()
    identity = story.identity
    system = identity.service
    assert system is not None

    def stopped(number: int, ago: timedelta, took: timedelta, *, sealed: bool = False) -> None:
        ended = now - ago
        case = Case.objects.create(
            door="incident", state="open", title=f"Incident {number}", identity=identity,
            opened_at=ended, opened_by="test", deadline_at=now + DAY, sealed=sealed,
        )  # fmt: skip
        finding = Finding.objects.create(
            identity=identity, rule="no_authority", family=f"f{number}", strength=3, words="it did",
            state="confirmed", first_at=ended - took, last_at=ended, opened_at=ended,
            state_at=ended,
        )  # fmt: skip
        case.findings.add(finding)
        Revocation.objects.create(
            identity=identity, step="hold", system="aws", target={}, words="Hold", state="effective",
            requested_at=ended - MINUTE, requested_by="test", effective_at=ended, not_before=ended,
            case=case.pk,
        )  # fmt: skip
        Room.objects.create(
            case=case, severity="high", detected_at=ended - took, attributed_at=ended - took / 2
        )

    for number, (days, minutes) in enumerate([(1, 10), (2, 20), (20, 60)]):
        stopped(number, days * DAY, minutes * MINUTE)
    found = alignment.stopped(now=now)
    assert found.all == alignment.Median(20 * MINUTE, 3)
    assert found.services == {system.pk: alignment.Median(20 * MINUTE, 3)}
    assert found.weeks[-1] == alignment.Median(15 * MINUTE, 2)
    assert found.weeks[-3] == alignment.Median(60 * MINUTE, 1)
    assert [one for one in found.weeks if one] == [found.weeks[-3], found.weeks[-1]]
    known = alignment.answered(now=now)
    assert known.all == alignment.Median(10 * MINUTE, 3)
    # Of what is sealed the stop is seen, from when it was asked for; its act and its room are not.
    stopped(9, DAY, 600 * MINUTE, sealed=True)
    assert alignment.answered(now=now) == known
    hidden = alignment.stopped(now=now)
    assert hidden.all == alignment.Median(15 * MINUTE, 4)


def test_nothing_to_count_is_no_zero() -> None:
    now = timezone.now()
    assert alignment.stopped(now=now) == alignment.Medians(None, [None] * alignment.WEEKS, {})
    assert alignment.reached(now=now) == []
