"""Credentials whose stated times contradict each other are kept, marked, and stop nobody."""

import json
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from evidence.models import Issuance, Progress, Source
from identities import checks
from identities.actions import credentials
from identities.actions.revocations import remains
from identities.models import (
    Credential,
    CredentialState,
    Discovery,
    InventoryRead,
    Revocation,
    User,
)
from tests.identities.conftest import NOW, user
from tests.identities.test_following import ACCOUNT, KEY, issued, record, source, take

__all__ = ["source", "user"]

pytestmark = pytest.mark.django_db

SESSION = "ASIAIOSFODNN7EXAMPLE"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/s3-proxy"
START = NOW - timedelta(hours=2)
END = START - timedelta(days=1)
STATED = (
    "it starts on 2026-11-24 10:00:00 UTC, but its issuance states that it ends on"
    " 2026-11-23 10:00:00 UTC"
)


def assumed(at: datetime, *, ends: datetime, key: str = KEY) -> dict[str, Any]:
    """A session of the role, as CloudTrail records AssumeRole."""
    return record(
        "AssumeRole",
        at,
        source="sts",
        key=key,
        user="svc",
        requestParameters={"roleArn": ROLE, "roleSessionName": "proxy"},
        responseElements={
            "credentials": {
                "accessKeyId": SESSION,
                "sessionToken": "x",
                "expiration": ends.strftime("%b %-d, %Y, %-I:%M:%S %p"),
            },
            "assumedRoleUser": {
                "assumedRoleId": "AROA:proxy",
                "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/s3-proxy/proxy",
            },
        },
    )


def used(at: datetime) -> dict[str, Any]:
    return record("GetObject", at, source="s3", key=SESSION, user="svc")


def failures() -> list[str]:
    return list(Progress.objects.exclude(failed_why="").values_list("failed_why", flat=True))


def session() -> Credential:
    return Credential.objects.get(actor__value=SESSION)


def states(row: Credential) -> list[tuple[str, datetime | None, datetime | None]]:
    found = CredentialState.objects.filter(credential=row, superseded_at=None).order_by("during")
    return [(one.state, one.during.lower, one.during.upper) for one in found]


def test_session_that_starts_after_its_end_is_kept_and_marked(source: Source) -> None:
    take(source, assumed(START, ends=END))
    assert failures() == []
    row = session()
    # Neither time is taken for the true one: an end that is not known ends nothing.
    assert (row.issued_at, row.expires_at, row.state) == (START, None, "active")
    assert row.contradiction == STATED
    assert states(row) == [("active", START, None)]
    # What the log stated stays as it is.
    assert Issuance.objects.get(credential=row.actor).expires_at == END


@pytest.mark.parametrize("use_first", [True, False])
def test_contradiction_does_not_depend_on_the_order_of_deposits(
    source: Source, use_first: bool
) -> None:
    records = [used(START + timedelta(hours=1)), assumed(START, ends=END)]
    for one in records if use_first else reversed(records):
        take(source, one)
    assert (failures(), states(session())) == ([], [("active", START, None)])
    assert (session().expires_at, session().contradiction) == (None, STATED)


@pytest.mark.parametrize("key_first", [True, False])
def test_session_that_starts_before_its_key_is_marked(source: Source, key_first: bool) -> None:
    records = [issued(START + timedelta(minutes=5)), assumed(START, ends=NOW + timedelta(hours=1))]
    for one in records if key_first else reversed(records):
        take(source, one)
    key = Credential.objects.get(actor__value=KEY)
    assert failures() == []
    assert session().contradiction == (
        f"it starts on 2026-11-24 10:00:00 UTC, but {key.key}, which issued it, starts on"
        " 2026-11-24 10:05:00 UTC"
    )
    # Its own two times agree with each other.
    assert session().expires_at == NOW + timedelta(hours=1)
    assert key.contradiction == ""


def test_mark_goes_when_an_earlier_issuance_resolves_it(source: Source) -> None:
    take(source, issued(START + timedelta(minutes=5)))
    take(source, assumed(START, ends=NOW + timedelta(hours=1)))
    assert session().contradiction != ""
    take(source, issued(START - timedelta(minutes=5)))
    assert session().contradiction == ""


@pytest.mark.parametrize("ends", [START, START + timedelta(seconds=1)])
def test_times_that_agree_are_not_marked(source: Source, ends: datetime) -> None:
    take(source, assumed(START, ends=ends))
    assert (session().contradiction, session().expires_at, session().state) == (
        "",
        ends,
        "expired",
    )


def test_deposit_with_a_contradiction_is_followed_to_its_end(source: Source) -> None:
    take(source, assumed(START, ends=END), issued(START - timedelta(hours=1)))
    assert Progress.objects.filter(consumer="credentials", done_at=None).count() == 0
    assert Credential.objects.filter(actor__value__in=[KEY, SESSION]).count() == 2


def test_session_whose_end_is_not_known_is_named_as_left_after_a_stop(source: Source) -> None:
    take(source, issued(START - timedelta(hours=1)), assumed(START, ends=END))
    key = Credential.objects.get(actor__value=KEY)
    left = remains.sessions(Revocation(credential=key), since=NOW, now=NOW)
    assert [(one.name, one.issued_at, one.expires_at) for one in left] == [(SESSION, START, None)]


def test_end_that_a_list_states_before_the_issue_is_marked_and_not_believed(
    source: Source,
) -> None:
    take(source, issued(START))
    row = Credential.objects.get(actor__value=KEY)
    read = InventoryRead.objects.create(
        source=source, system="aws", state="done", asked_at=NOW, asked_by="test"
    )
    Discovery.objects.create(
        source=source, realm="aws", actor=row.actor, credential=True, kind="key", status="active",
        expires_at=END, digest="x", read=read, read_at=NOW, during=(NOW, None), recorded_at=NOW,
    )  # fmt: skip
    for _ in range(2):
        credentials.listed(rows=[(row.actor_id, row.kind, None, END)], now=NOW)
        row.refresh_from_db()
        assert (row.expires_at, row.state) == (None, "active")
        assert row.contradiction == (
            "it starts on 2026-11-24 10:00:00 UTC, but the list of its system states that it ends"
            " on 2026-11-23 10:00:00 UTC"
        )


def test_ingest_of_a_contradiction_fails_nowhere(db: None, tmp_path: Path) -> None:
    path = tmp_path / "trail.json"
    path.write_text(json.dumps({"Records": [assumed(START, ends=END)]}))
    call_command("ingest", str(path), "--source", "trail")
    assert (failures(), session().contradiction) == ([], STATED)


def test_migration_marks_what_is_there(source: Source) -> None:
    take(source, assumed(START, ends=NOW))
    Credential.objects.update(expires_at=END)
    migration = import_module("identities.migrations.0028_contradictory_times")
    with connection.cursor() as cursor:
        cursor.execute(migration.MARK)
    assert (session().expires_at, session().contradiction) == (None, STATED)


def test_pages_say_that_stated_times_contradict(source: Source, user: Any) -> None:
    take(source, issued(START - timedelta(hours=1)), assumed(START, ends=END))
    reader: User = user("ines", "reviewer")
    client = Client()
    client.force_login(reader)
    page = client.get(f"/credentials/{session().key}/")
    assert f"Stated times contradict: {STATED}" in page.content.decode()
    assert page.context["credential"]["contradiction"] == STATED
    narrowed = client.get("/credentials/?times=contradict")
    assert [one["key"] for one in narrowed.context["rows"]] == [session().key]
    assert narrowed.context["page"]["total"] == 1
    assert "stated times contradict" in narrowed.content.decode()
    agree = client.get(f"/credentials/{Credential.objects.get(actor__value=KEY).key}/")
    assert "Stated times contradict" not in agree.content.decode()


def test_doctor_counts_contradictions(source: Source) -> None:
    def said() -> tuple[bool, str]:
        return next((ok, words) for name, ok, words, _ in checks.doctor() if name == "stated times")

    assert said() == (True, "no credential states times that contradict each other")
    take(source, assumed(START, ends=END))
    assert said() == (
        True,
        "1 credential states times that contradict each other (/credentials/?times=contradict)",
    )
