"""Incidents that were open before there were rooms: each gets one, the newest takes what comes."""

from importlib import import_module

import pytest
from django.db import connection

from reviews.incidents import rooms
from reviews.models import Case, Room
from tests.reviews.conftest import DAY, NOW, Told

from .conftest import opened

pytestmark = pytest.mark.django_db


def older(story: Told, state: str, **more: object) -> Case:
    row = Case.objects.create(
        door="incident",
        state=state,
        title="x",
        identity=story.identity,
        opened_at=NOW - DAY,
        opened_by="countersign",
        deadline_at=NOW,
        **more,
    )
    row.refresh_from_db()
    return row


def test_incidents_that_are_under_way_get_a_room(story: Told) -> None:
    first, second = older(story, "open"), older(story, "in_review")
    sealed, over = older(story, "open", sealed=True), older(story, "closed")
    with connection.cursor() as cursor:
        cursor.execute(import_module("reviews.migrations.0035_incident_rooms").ROOMS)
    found = {row.case_id: row.takes for row in Room.objects.select_related("takes")}
    assert found == {first.pk: None, second.pk: story.identity, sealed.pk: None}
    assert over.pk not in found
    room = rooms.room_of(second)
    assert (room.severity, room.detected_at) == ("medium", NOW - DAY)
    assert dict(room.questions.values_list("standard", "words")) == rooms.STANDARD
    assert opened(story) == (second, False)
