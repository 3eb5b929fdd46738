"""Records of many vendors with times that contradict each other, are missing or are far away, through
the whole road: no consumer stops, and every record is counted once."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import F, Sum

from evidence.models import Deposit, Event, Progress, Reject
from tests.identities.test_contradictory_times import END, SESSION, START, assumed, used
from tests.identities.test_following import issued

pytestmark = pytest.mark.django_db

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
SEED = 16
LIKE_A_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
NAMED_LIKE_ONE = re.compile(r"time|date|expir|created|start|end|_at$|^ts$", re.IGNORECASE)
STRANGE: list[Any] = [
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "", None, "2026-02-30T00:00:00Z",
    "1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "2026-11-24T10:00:00+99:00", -1, 0, 10**30,
    1e308, -(2**63), [], {}, "-292277022399-01-01T00:00:00Z", "2026-11-24T24:00:00Z",
    "2026-11-24T23:59:60Z", "2026-11-24T10:00:00.123456789Z", "1985-11-24T10:00:00Z",
    "2026-11-25T11:00:00Z", "\ud800", "a\0b", True, "Nov 23, 2026, 10:00:00 AM", "2026-W48-2",
]  # fmt: skip


def otherwise(value: Any, name: str, chance: random.Random, share: float) -> Any:
    """The same value with strange times at some of the places where times stand."""
    if isinstance(value, dict):
        return {key: otherwise(one, key, chance, share) for key, one in value.items()}
    if isinstance(value, list):
        return [otherwise(one, name, chance, share) for one in value]
    timely = isinstance(value, str) and LIKE_A_TIME.match(value)
    if (timely or NAMED_LIKE_ONE.search(name)) and chance.random() < share:
        return chance.choice(STRANGE)
    return value


def cloudtrail(chance: random.Random) -> Iterator[dict[str, Any]]:
    for _ in range(40):
        for one in (assumed(START, ends=END), used(START), issued(START)):
            one["eventID"] = f"00000000-0000-4000-8000-{chance.randrange(10**12):012}"
            credentials = (one.get("responseElements") or {}).get("credentials")
            if credentials and chance.random() < 0.5:
                credentials["accessKeyId"] = f"{SESSION[:-4]}{chance.randrange(10**4):04}"
            yield otherwise(one, "", chance, 0.4)


def samples(name: str, chance: random.Random) -> Iterator[Any]:
    # The samples' day as that of the tests: what lies ahead is not read at all.
    text = (SAMPLES / f"{name}.jsonl").read_text().replace("2031-03-04", "2026-11-24")
    lines = [json.loads(one) for one in text.splitlines() if one]
    for _ in range(6):
        for one in lines:
            yield otherwise(one, "", chance, 0.5)


@pytest.mark.parametrize("name", ["cloudtrail", "entra", "okta", "gcp", "kubernetes", "spans"])
def test_strange_times_stop_no_consumer_and_lose_no_record(tmp_path: Path, name: str) -> None:
    chance = random.Random(f"{SEED} {name}")
    told = [*(cloudtrail(chance) if name == "cloudtrail" else samples(name, chance))]
    chance.shuffle(told)
    paths = []
    for number in range(0, len(told), 25):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in told[number : number + 25]))
        paths.append(str(path))
    call_command("ingest", *paths, "--source", name, "--format", "" if name == "spans" else name)
    assert set(Progress.objects.values_list("failed_why", flat=True)) == {""}
    assert not Progress.objects.filter(done_at=None).exists()
    counts = ("records", "events", "duplicates", "rejects", "old")
    sums = Deposit.objects.aggregate(**{one: Sum(one) for one in counts})
    assert sums["records"] == len(told)
    assert sums["records"] == sum(sums[one] for one in counts[1:])
    assert not Deposit.objects.exclude(
        records=F("events") + F("duplicates") + F("rejects") + F("old")
    ).exists()
    assert (Event.objects.count(), Reject.objects.count()) == (
        sums["events"],
        sums["rejects"] + sums["old"],
    )
