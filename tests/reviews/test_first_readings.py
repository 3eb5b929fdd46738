"""What a system allows, read for the first time after a review: no widening; what follows may be."""

import pytest

from reviews.models import Case, Trigger

from .conftest import DAY, HOUR, NOW, Told
from .test_micro_reviews import S3, entitled, micro, reviewed, sweep

pytestmark = pytest.mark.django_db
PUT = S3 | {"actions": ["s3:PutObject"]}


def test_a_first_reading_asks_nothing(story: Told) -> None:
    reviewed(story)
    entitled(story, S3, at=NOW + HOUR)
    sweep()
    row = Trigger.objects.get(name="wider_entitlement")
    assert (row.state, row.known_why) == (
        "known",
        "it is the first reading, and nothing says that it allows more than before",
    )
    assert row.words.endswith(
        "allows svc-report what is read for the first time since its review of 24 Nov 2026."
    )
    assert not Case.objects.filter(trigger="wider_entitlement").exists()


def test_what_it_allows_more_than_its_first_reading_is_asked_about(story: Told) -> None:
    reviewed(story)
    entitled(story, S3, at=NOW + HOUR)
    sweep()
    entitled(story, S3, PUT, at=NOW + 2 * HOUR)
    sweep()
    case = micro("wider_entitlement")
    assert "more than when it was first read, after its review of 24 Nov 2026" in case.reason
    assert "s3:PutObject on invoices/*" in case.reason
    assert "s3:GetObject" not in case.reason


def test_another_principal_later_on_is_wider(story: Told) -> None:
    reviewed(story)
    entitled(story, S3, at=NOW + HOUR)
    sweep()
    row = entitled(story, PUT, at=NOW + 3 * DAY)
    type(row).objects.filter(pk=row.pk).update(principal="arn:aws:iam::111122223333:role/other")
    sweep(NOW + 4 * DAY)
    assert "s3:PutObject on invoices/*" in micro("wider_entitlement").reason
