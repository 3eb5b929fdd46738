"""The blast radius on the joined recording: what the leaked key did, made and could not be told of."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import Run
from identities import radius
from identities.models import Credential, Identity, User
from identities.radius import Radius, starting
from tests import once
from tests.house.test_data import DATA
from tests.reviews.conftest import make_user
from tests.road.conftest import AFTER, ingest_lab
from tests.road.test_lab import truth_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("recording"),
    pytest.mark.begins_at(AFTER),
]


@pytest.fixture
@once.told
def told(db: None) -> dict[str, Any]:
    ingest_lab()
    truth = truth_of(DATA)
    (departure,) = truth["departures"]
    (leaked,) = truth["agents"]["report-agent"]["keys"]
    return truth | {
        "leaked": leaked,
        "left": departure["trace"],
        "rita": make_user("rita", "reviewer"),
    }


def key_of(value: str) -> Credential:
    return Credential.objects.select_related("actor", "identity__service").get(actor__value=value)


def of_key(told: dict[str, Any], user: User | None = None) -> Radius:
    now = timezone.now()
    return radius.of(
        starting.of_credential(key_of(told["leaked"]), at=now), user or told["rita"], now=now
    )


def second_key(told: dict[str, Any]) -> str:
    """The key that the raw log says was made with the leaked one."""
    (made,) = [
        one["responseElements"]["accessKey"]["accessKeyId"]
        for one in json.loads((DATA / "lab" / "cloudtrail.json").read_bytes())["Records"]
        if one["eventName"] == "CreateAccessKey"
        and one["userIdentity"].get("accessKeyId") == told["leaked"]
    ]
    return str(made)


def test_leaked_key_names_the_second_key_and_the_hr_read(told: dict[str, Any]) -> None:
    found = of_key(told)
    assert [(row.actor, row.kind, row.life, row.strength) for row in found.rows["minted"]] == [
        (key_of(second_key(told)).actor_id, "credential", "lives", "exact")
    ]
    read = {row.name: (row.action, row.count, row.outside) for row in found.rows["touched"]}
    # Once by the run that left its task, once by the thief.
    assert read["hr-records/salaries.csv"] == ("s3:GetObject", 2, 2)
    assert read["prod/db"] == ("secretsmanager:GetSecretValue", 2, 2)
    assert [row.name for row in found.rows["depends"]] == ["report-agent"]


def test_run_has_its_own_calls_alone(told: dict[str, Any]) -> None:
    now = timezone.now()
    run = Run.objects.select_related("agent", "service").get(trace=told["left"])
    found = radius.of(starting.of_run(run, at=now), told["rita"], now=now)
    assert {row.name: row.count for row in found.rows["touched"]}["hr-records/salaries.csv"] == 1
    assert [row.actor for row in found.rows["minted"]] == [key_of(second_key(told)).actor_id]


def test_before_it_happened_there_was_none_of_it(told: dict[str, Any]) -> None:
    now = timezone.now()
    minted = of_key(told).rows["minted"][0].first_at
    assert minted is not None
    before = starting.of_credential(key_of(told["leaked"]), at=minted - timedelta(microseconds=1))
    found = radius.of(before, told["rita"], now=now, live=False)
    assert found.rows["minted"] == []
    assert all(row.last_at is not None and row.last_at < minted for row in found.rows["touched"])
    on_time = starting.of_credential(key_of(told["leaked"]), at=minted)
    then = radius.of(on_time, told["rita"], now=now, live=False)
    assert [row.actor for row in then.rows["minted"]] == [key_of(second_key(told)).actor_id]


def test_thief_s_address_leads_to_what_was_taken(told: dict[str, Any]) -> None:
    now = timezone.now()
    where = starting.of_address("198.51.100.77", scope=None, at=now)
    assert where is not None
    found = radius.of(where, told["rita"], now=now)
    assert sorted((row.name, row.count) for row in found.rows["touched"]) == [
        ("hr-records/salaries.csv", 1),
        ("prod/db", 1),
    ]
    assert starting.of_address("192.0.2.1", scope=None, at=now) is None
    # Whoever may see nobody's events sees nobody's address.
    assert starting.of_address("198.51.100.77", scope=frozenset(), at=now) is None


def test_shared_key_is_said_and_what_is_not_known_is_never_called_unused(
    told: dict[str, Any],
) -> None:
    now = timezone.now()
    (shared,) = told["shared_credentials"]
    found = radius.of(starting.of_credential(key_of(shared), at=now), told["rita"], now=now)
    users = {name for name, one in told["agents"].items() if shared in one["keys"]}
    assert {row.name for row in found.rows["depends"] if row.kind == "agent"} == users
    unread = [row for row in of_key(told).rows["reachable"] if row.kind == "rights"]
    assert {row.state for row in unread} == {"no_evidence"}
    assert all("unused" not in row.note for row in of_key(told).all())


def test_pages_files_and_scripts_say_the_same(told: dict[str, Any], client: Client) -> None:
    client.force_login(told["rita"])
    begins = f"credential:{key_of(told['leaked']).key}"
    second = key_of(second_key(told))
    page = client.get("/radius/", {"from": begins}).content.decode()
    assert f"/credentials/{second.key}/" in page
    assert "hr-records/salaries.csv" in page
    said = client.get("/api/radius/", {"from": begins}).json()
    rows = client.get("/radius.json", {"from": begins})
    file = b"".join(rows.streaming_content)  # type: ignore[attr-defined]  # it is a streamed answer
    assert said["from"] == begins
    assert {row["ref"] for row in said["rows"] if row["relation"] == "minted"} == {second.key}
    assert file.count(b'"relation"') == len(said["rows"])
    sheet = b"".join(client.get("/radius.csv", {"from": begins}).streaming_content)  # type: ignore[attr-defined]  # as above
    assert sheet.count(b"\r\n") == len(said["rows"]) + 1


def test_queries_do_not_grow_with_what_there_is(told: dict[str, Any]) -> None:
    now = timezone.now()

    def queries(one: Identity) -> int:
        with CaptureQueriesContext(connection) as asked:
            radius.of(starting.of_identity(one, at=now), told["rita"], now=now)
        return len(asked)

    counts = {queries(one) for one in Identity.objects.select_related("service").order_by("number")}
    assert max(counts) <= 22
