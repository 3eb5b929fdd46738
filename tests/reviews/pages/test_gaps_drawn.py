"""A gap is drawn on the lanes of everybody whom its source tells of, above all where it is silent."""

from datetime import timedelta

import pytest

from evidence.intake.admitting import micros
from evidence.models import Gap, Source
from identities.models import Attribution, Identity
from reviews.pages.lanes import lanes
from tests.planted import Planted

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("plane", ["ai", "identity"])
def test_gap_is_drawn_where_its_source_has_no_row(planted: Planted, plane: str) -> None:
    source = Source.objects.filter(
        pk__in=Attribution.objects.values("source_id"), plane=plane
    ).earliest("pk")
    row = Attribution.objects.filter(source_id=source.pk).latest("at")
    identity = Identity.objects.get(number=row.identity_no)
    stranger = Source.objects.create(
        name="stranger", plane=plane, created_at=planted.now, created_by="test"
    )
    begins = planted.now + 9 * HOUR
    for whose in (source, stranger):
        Gap.objects.create(
            source=whose,
            during=(begins - 9 * HOUR, begins + HOUR),
            reason=f"nothing came from {whose.name}",
            recorded_at=planted.now,
        )
    said = lanes(identity, since=begins, until=begins + 2 * HOUR, now=planted.now)
    assert said["events"] == []
    drawn = {lane["group"]: lane["gaps"] for lane in said["lanes"]}
    assert drawn[plane] == [
        [micros(begins), micros(begins + HOUR), f"nothing came from {source.name}"]
    ]
