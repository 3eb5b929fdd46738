"""Credentials of an EC2 instance that are used from elsewhere while the instance itself calls."""

import gzip
import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence import intake, links
from evidence.models import Actor, Source
from evidence.vocabulary import INFERRED
from identities import judging
from identities.models import Binding, Finding, Identity
from tests.reviews.conftest import NOW, record

pytestmark = pytest.mark.django_db
DATA = Path(os.environ.get("COUNTERSIGN_DATA") or Path(__file__).parents[3] / "shared" / "data")
RULE = "outside_instance"
ROLE = "arn:aws:sts::111122223333:assumed-role/web"
INSTANCE = f"{ROLE}/i-0dbc91f429e48eeed"
OWN, OTHER = "203.0.113.10", "198.51.100.99"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recording" in metafunc.fixturenames:
        folder = DATA.resolve() / "cloudtrail-invictus"
        metafunc.parametrize("recording", [folder] if folder.is_dir() else [])


def call(minute: int, address: str, session: str = INSTANCE) -> dict[str, Any]:
    one = record(minute, "GetObject", "web/a", NOW - timedelta(minutes=100 - minute))
    who = {
        "type": "AssumedRole",
        "arn": session,
        "accountId": "111122223333",
        "accessKeyId": "ASIAEXAMPLE000000001",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": f"{ROLE}-role"}},
    }
    return one | {"sourceIPAddress": address, "userIdentity": who}


def judge(records: Iterable[dict[str, Any]]) -> None:
    source, _ = Source.objects.get_or_create(
        name="trail", defaults={"created_at": NOW, "created_by": "command"}
    )
    body = orjson.dumps({"Records": list(records)})
    assert intake.take(source=source, body=body, by="command", now=NOW).rejects == 0
    while links.link_next(now=NOW):
        pass
    judging.judge_all(now=NOW)


@pytest.mark.parametrize(
    ("calls", "elsewhere"),
    [
        ([(1, OWN), (2, OTHER), (3, OWN)], 1),
        ([(1, OWN), (2, OTHER), (3, OTHER), (4, OWN), (5, OWN)], 2),
        ([(1, OWN), (2, "2001:db8::7"), (3, OWN)], 1),
        ([(1, OWN), (2, OWN), (3, OWN)], 0),
        # It was stopped and started: another address, for good.
        ([(1, OWN), (2, OWN), (3, OTHER), (4, OTHER)], 0),
        # A service of AWS calls on.
        ([(1, OWN), (2, "ssm.amazonaws.com"), (3, "AWS Internal"), (4, OWN)], 0),
    ],
)
def test_calls_from_elsewhere_between_the_instances_own_are_found(
    calls: list[tuple[int, str]], elsewhere: int
) -> None:
    judge(call(minute, address) for minute, address in calls)
    found = list(Finding.objects.filter(rule=RULE).values_list("count", "strength", "state"))
    assert found == ([(elsewhere, INFERRED, "open")] if elsewhere else [])


def test_session_of_anything_else_may_call_from_anywhere() -> None:
    session = f"{ROLE}/mia"
    judge(call(minute, address, session) for minute, address in [(1, OWN), (2, OTHER), (3, OWN)])
    assert not Finding.objects.filter(rule=RULE).exists()


def test_order_in_which_calls_arrive_does_not_matter() -> None:
    judge([call(2, OTHER)])
    judge([call(3, OWN)])
    assert not Finding.objects.filter(rule=RULE).exists()
    judge([call(1, OWN)])
    found = Finding.objects.get(rule=RULE)
    assert (found.count, found.controls) == (1, ["ASI03", "NHI2"])
    assert found.words == (
        "the credentials of i-0dbc91f429e48eeed were used once from 198.51.100.99,"
        " while the instance called from 203.0.113.10"
    )
    # Most calls turn out to come from the other address, and the first ones not to be between them.
    judge(call(minute, OTHER) for minute in (4, 5, 6, 7))
    found.refresh_from_db()
    assert found.state == "withdrawn"
    other = Finding.objects.get(rule=RULE, state="open")
    assert (other.count, other.details["address"]) == (1, OWN)


def test_finding_is_the_identitys_once_it_is_known() -> None:
    judge(call(minute, address) for minute, address in [(1, OWN), (2, OTHER), (3, OWN)])
    assert Finding.objects.get(rule=RULE).identity is None
    identity = Identity.objects.create(
        name="web", kind="workload", purpose="x", state="draft", created_at=NOW
    )
    Binding.objects.create(
        identity=identity, actor=Actor.objects.get(value=INSTANCE), basis="declared",
        state="confirmed", during=(NOW - timedelta(days=9), None), recorded_at=NOW, by="command",
    )  # fmt: skip
    judging.again(identities=[identity], now=NOW)
    judging.judge_all(now=NOW)
    states = Finding.objects.filter(rule=RULE).values_list("identity__name", "state")
    assert set(states) == {(None, "withdrawn"), ("web", "open")}


def test_recorded_theft_of_an_instances_credentials_is_found(recording: Path) -> None:
    judge(
        one
        for path in sorted(recording.glob("*.json.gz"))
        for one in orjson.loads(gzip.decompress(path.read_bytes()))["Records"]
        if "/i-" in str(one["userIdentity"].get("arn"))
    )
    found = Finding.objects.get(rule=RULE)
    assert (found.count, found.family) == (2, "i-0dbc91f429e48eeed 192.168.10.20")
