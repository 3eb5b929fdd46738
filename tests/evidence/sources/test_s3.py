"""S3 objects through the real server: trails, late files, damaged ones, any key, any stop."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from io import FileIO
from pathlib import Path

import pytest
from django.db import transaction

from evidence import files
from evidence.models import Actor, Connection, Event, Pull, Source
from evidence.names import memory
from evidence.sources import s3, sweeping
from evidence.sources.s3 import CONNECTOR
from tests.evidence.sources import pulling
from tests.evidence.sources.buckets import Filled, after, log_of, now, numbers, pull

pytestmark = pytest.mark.django_db

type Make = Callable[..., Source]

TRAIL = "AWSLogs/123456789012/CloudTrail"


def trail_key(region: str, name: str, *, days_ago: int = 0) -> str:
    return f"{TRAIL}/{region}/{now() - timedelta(days=days_ago):%Y/%m/%d}/{name}.json.gz"


def identities() -> list[tuple[object, ...]]:
    return sorted(Event.objects.values_list("at", "id", "digest", "request_id"))


def test_trail_of_recorded_files_gives_the_events_of_ingest(
    filled: Filled, source: Make, data: Path
) -> None:
    paths = sorted(data.glob("cloudtrail-*/*.json*"))
    assert len(paths) == 64
    made = source()
    with transaction.atomic():
        given = [files.File(path.name, partial(FileIO, path)) for path in paths]
        steps = files.take_files(source=made, files=given, by="command", now=now)
        assert [step.refused for step in steps if step.taken is None] == []
        ingested = identities()
        transaction.set_rollback(True)
    memory.forget()
    assert (len(ingested) > 2900, identities()) == (True, [])
    for path in paths:
        filled.put(f"{TRAIL}/us-east-1/2023/07/10/{path.name}", path.read_bytes())
    settings = filled.settings(layout="trail")
    pulling.connect(made, "s3", settings, days=3650)
    row = pull(made)
    assert (row.state, row.problem, row.pages) == ("done", "", 65)
    assert identities() == ingested
    assert row.events == len(ingested)
    made.refresh_from_db()
    assert made.completeness == "cursor"
    before = filled.calls("s3:GetObject")
    assert (pull(made).records, filled.calls("s3:GetObject")) == (0, before)


def test_trail_is_read_day_by_day_through_its_accounts_and_regions(filled: Filled) -> None:
    keys = [
        trail_key("us-east-1", "a", days_ago=1),
        trail_key("eu-central-1", "b", days_ago=1),
        trail_key("us-east-1", "c"),
        trail_key("eu-central-1", "d"),
        trail_key("eu-central-1", "e"),
    ]
    org = keys[0].replace("AWSLogs/", "AWSLogs/o-abc123/").replace("123456789012", "999999999999")
    for key in (*keys, org):
        filled.put(f"logs/{key}", log_of(1))
    other = trail_key("us-east-1", "digest").replace("CloudTrail", "CloudTrail-Digest")
    for key in (other, f"{TRAIL}/us-east-1/2026/13/40/x.json", f"{TRAIL}/us-east-1/note.txt"):
        filled.put(f"logs/{key}", b"something else")
    old = trail_key("us-east-1", "old", days_ago=30)
    filled.put(f"logs/{old}", log_of(2))
    said = filled.settings(layout="trail", prefix="logs")
    found = [page for page in pulling.pages(CONNECTOR, said, now=now()) if page.body]
    assert [page.name.removeprefix("logs/") for page in found] == [
        keys[1], keys[0], org, keys[3], keys[4], keys[2],
    ]  # fmt: skip
    reached = [page.reached.date() for page in found if page.reached]
    assert reached == [now().date() - timedelta(days=1)] * 3 + [now().date()] * 3
    # From any place on, the rest is the same.
    for number in range(len(found)):
        rest = pulling.pages(CONNECTOR, said, now=now(), cursor=found[number].cursor)
        names = [page.name for page in rest if page.body]
        assert names[: len(found) - number - 1] == [page.name for page in found[number + 1 :]]
    # Asked to look further back, it finds what came into an old folder.
    more = pulling.pages(CONNECTOR, said | {"late_days": "40"}, now=now())
    assert f"logs/{old}" in [page.name for page in more]


def test_object_that_sorts_before_the_cursor_is_found_and_no_other_read_again(
    filled: Filled, source: Make
) -> None:
    for number in (5, 6, 7):
        filled.put(f"k/{number}.json.gz", log_of(number))
    filled.put("elsewhere/1.json.gz", log_of(1))
    made = source()
    pulling.connect(made, "s3", filled.settings(prefix="k/"))
    assert (pull(made).events, filled.calls("s3:GetObject")) == (3, 3)
    filled.put("k/2.json.gz", log_of(2))
    filled.put("k/6.json.gz", log_of(6, 66))
    assert (pull(made).records, filled.calls("s3:GetObject")) == (3, 5)
    assert sorted(set(numbers())) == [2, 5, 6, 7, 66]
    row = pull(made)
    assert (row.records, filled.calls("s3:GetObject")) == (0, 5)
    cursor = pulling.cursor(made)
    assert len(json.dumps(cursor)) < 300
    assert sorted(cursor) == ["mark", "taken"]


def test_object_that_comes_during_a_sweep_behind_its_back_is_found_by_the_next(
    filled: Filled, source: Make
) -> None:
    for number in (2, 3, 4):
        filled.put(f"{number}.json.gz", log_of(number))
    made = source()
    pulling.connect(made, "s3", filled.settings())

    def stop() -> bool:
        filled.put("1.json.gz", log_of(1))
        return True

    row = pull(made, enough=stop)
    assert (row.state, numbers()) == ("waiting", [2])
    assert (pull(made).state, numbers()) == ("done", [2, 3, 4])
    pull(made)
    assert numbers() == [1, 2, 3, 4]


def test_what_was_taken_is_forgotten_past_a_bound_and_nothing_doubles(
    filled: Filled, source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "MOST_TAKEN", 2)
    for number in range(1, 5):
        filled.put(f"{number}.json.gz", log_of(number))
    made = source()
    pulling.connect(made, "s3", filled.settings())
    assert pull(made).events == 4
    row = pull(made)
    assert (row.events, row.duplicates, numbers()) == (0, 2, [1, 2, 3, 4])


def test_listing_of_several_pages_is_walked_to_its_end_and_says_it_is_alive(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "MOST_PASSED", 10)
    monkeypatch.setattr(s3, "MOST_KEYS", 7)
    for number in range(22):
        filled.put(f"empty/{number:02}", b"")
    filled.put("z.json.gz", log_of(1))
    found = pulling.pages(CONNECTOR, filled.settings(), now=now())
    assert [page.name for page in found] == ["", "", "z.json.gz", ""]
    assert [page.cursor.get("after") for page in found[:2]] == ["empty/09", "empty/19"]
    assert filled.calls("s3:ListBucket") == 4


@pytest.mark.parametrize("stop_after", range(1, 5))
def test_left_anywhere_it_goes_on_there(
    filled: Filled, source: Make, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evidence.formats.bodies.WHOLE", 2000)
    lines = b"\n".join(json.dumps(one).encode() for one in _records(1, 30_000))
    filled.put("a.json.gz", log_of(0))
    filled.put("b.jsonl", lines)
    made = source()
    pulling.connect(made, "s3", filled.settings())
    row = pull(made, enough=after(stop_after))
    assert row.state == "waiting"
    if 1 < stop_after < 4:
        assert pulling.cursor(made)["part"] == stop_after - 1
    assert pull(made).state == "done"
    total = Pull.objects.get(pk=row.pk)
    assert (total.records, total.events, total.duplicates) == (30_001, 30_001, 0)


def _records(first: int, last: int) -> list[dict[str, object]]:
    from tests.evidence.bodies import record

    return [record(number, at=now()) for number in range(first, last + 1)]


def test_object_that_cannot_be_read_is_told_and_the_rest_goes_on(
    filled: Filled, source: Make, caplog: pytest.LogCaptureFixture
) -> None:
    filled.put("a.json.gz", log_of(1))
    filled.put("b-damaged.json.gz", log_of(2)[:-20])
    filled.put("c-noise.bin", b"\x00\x01 nothing anybody knows")
    filled.put("d-archived.json.gz", log_of(4), StorageClass="GLACIER")
    filled.put("e.json.gz", log_of(5))
    made = source()
    pulling.connect(made, "s3", filled.settings())
    row = pull(made)
    assert (row.state, numbers()) == ("done", [1, 5])
    told = sorted(pulling.gaps().values_list("reason", flat=True))
    assert [reason.partition(" was left out: ")[0] for reason in told] == [
        "b-damaged.json.gz", "c-noise.bin", "d-archived.json.gz",
    ]  # fmt: skip
    assert "cut off" in told[0]
    assert "archived" in told[2]
    assert "c-noise.bin" in caplog.text
    pull(made)
    assert pulling.gaps().count() == 3


def test_what_lies_beside_a_trail_and_holds_no_records_is_passed_over_and_no_gap(
    source: Callable[..., Source], filled: Filled, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "evidence.sources.sweeping")
    top = "AWSLogs/123456789012"
    filled.put(f"{top}/CloudTrail/us-east-1/2026/11/24/a.json.gz", log_of(1))
    filled.put(f"{top}/CloudTrail-Digest/us-east-1/2026/11/24/d.json.gz", b'{"digestEndTime": 1}')
    filled.put(f"{top}/vpcflowlogs/us-east-1/2026/11/24/f.log.gz", b"version account-id\n2 1234\n")
    made = source()
    pulling.connect(made, "s3", filled.settings())
    assert (pull(made).state, numbers()) == ("done", [1])
    assert list(pulling.gaps()) == []
    assert "1 files were passed over: digests of a trail" in caplog.text
    assert "1 files were passed over: flow logs of a VPC" in caplog.text


def test_object_that_was_deleted_or_replaced_after_it_was_listed(filled: Filled) -> None:
    filled.put("a.json.gz", log_of(1))
    filled.put("b.json.gz", log_of(2))
    filled.put("c.json.gz", log_of(3))
    one = pulling.asked(CONNECTOR, filled.settings(), now=now())
    with one.http:
        pages = CONNECTOR.pages(one)
        assert next(pages).name == "a.json.gz"
        filled.s3.delete_object(Bucket=filled.name, Key="b.json.gz")
        filled.put("c.json.gz", log_of(33))
        rest = list(pages)
    assert [(page.body, page.silent is None) for page in rest] == [
        (b"", False), (b"", True), (b"", True),
    ]  # fmt: skip
    assert rest[0].silent is not None
    assert "deleted before it was read" in rest[0].silent.reason
    later = pulling.pages(
        CONNECTOR, filled.settings(), now=now() + timedelta(seconds=1), cursor=rest[-1].cursor
    )
    assert later[0].body.count(b"REQ0000000000033") == 1


def test_one_refused_object_is_passed_over_and_all_refused_stop(
    filled: Filled, source: Make
) -> None:
    for name in ("a", "b", "c"):
        filled.put(f"{name}.json.gz", log_of(ord(name)))
    place = f"arn:aws:s3:::{filled.name}"
    hidden = filled.person({"Effect": "Deny", "Action": "s3:GetObject", "Resource": f"{place}/a*"})
    made = source()
    pulling.connect(made, "s3", filled.settings(hidden))
    assert (pull(made).state, numbers()) == ("done", [98, 99])
    assert "AWS refuses to read this one" in pulling.gaps().get().reason
    blind = filled.lab.user({"Action": "s3:ListBucket", "Resource": place})
    other = source("other")
    pulling.connect(other, "s3", filled.settings(blind))
    row = pull(other)
    assert (row.state, row.problem) == (
        "failed",
        f"AWS refused s3:GetObject on {filled.name}/a.json.gz.",
    )
    assert row.fix.startswith("Allow s3:GetObject on")
    assert pulling.gaps().count() == 1


@pytest.mark.parametrize(
    "key",
    ["a/../b", "a//b", "/lead", "sp ace+plus%20", "ünï/ü", "q?x=1#f", "*'()!~"],
)
def test_any_key_is_signed_read_and_kept_as_it_is(filled: Filled, source: Make, key: str) -> None:
    filled.put(key, log_of(1))
    made = source()
    pulling.connect(made, "s3", filled.settings())
    stopped = pull(made, enough=lambda: True)
    assert (stopped.state, stopped.problem, numbers()) == ("waiting", "", [1])
    assert sweeping.unquoted(pulling.cursor(made)["after"]) == key
    assert pull(made).state == "done"
    assert filled.calls("s3:GetObject") == 1


@pytest.mark.real_clock
def test_who_acted_is_in_the_database(filled: Filled, source: Make) -> None:
    filled.put("a.json.gz", log_of(1))
    made = source()
    pulling.connect(made, "s3", filled.settings())
    row = pull(made)
    assert pulling.named("principal") == {
        ("aws:123456789012", "arn", "arn:aws:iam::123456789012:user/svc-report")
    }
    assert pulling.named("credential") == {("aws", "access_key", "AKIAIOSFODNN7EXAMPLE")}
    assert Actor.objects.count() > 0
    assert row.received_bytes > 0
    assert abs(Connection.objects.get(source=made).skew_seconds or 99) < 5
