"""Real CloudTrail of one account under attack, and of single techniques, read as they are."""

import json
from pathlib import Path

import pytest
from django.db import connection

from evidence.models import Deposit, Event, Issuance
from evidence.names import memory
from tests.road.conftest import run

pytestmark = pytest.mark.django_db


def test_invictus_is_read_whole_and_every_session_has_its_issuance(recording: Path) -> None:
    memory.forget()
    said = json.loads(
        run("ingest", recording / "cloudtrail-invictus", source="invictus", json=True)
    )
    assert (said["events"], said["duplicates"], said["rejects"]) == (2_900, 0, [])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT 1 FROM evidence_issuance i"
            " WHERE i.credential_id = e.credential_id)) FROM evidence_event e"
            " JOIN evidence_actor p ON p.id = e.principal_id AND p.kind = 'role_session'"
            " WHERE e.credential_id IS NOT NULL"
        )
        assert cursor.fetchone() == (70, 70)
    again = json.loads(
        run("ingest", recording / "cloudtrail-invictus", source="invictus", json=True)
    )
    assert Event.objects.count() == 2_900
    assert again["rejects"] == []


def test_stratus_is_read_as_it_is(recording: Path) -> None:
    memory.forget()
    said = json.loads(run("ingest", recording / "cloudtrail-stratus", source="stratus", json=True))
    records = sum(
        len(json.loads(path.read_bytes()))
        for path in (recording / "cloudtrail-stratus").glob("*.json")
    )
    assert (said["events"], said["rejects"]) == (records, [])
    assert Deposit.objects.count() == 9
    assert Issuance.objects.exists()
