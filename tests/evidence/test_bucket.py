"""Large deposits in a bucket: moto's real S3 server, the same chain, the same erasure."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.addresses import deposits_of
from config.environment import SettingsError
from evidence import chain, checks, intake, retention
from evidence.models import Deposit, DepositBody, Source
from evidence.queries import sources
from evidence.stores import bodies, objects
from tests.evidence.bodies import record, trail
from tests.evidence.test_erasing import SECRET, erased, three, verified
from tests.evidence.test_retention import old, short

__all__ = ["short"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket that every deposit goes to, however small."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(bodies, "IN_ROW", 10)
    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1")
    client.create_bucket(Bucket="deposits")
    url = f"s3://deposits/prod?endpoint={server}&region=us-east-1"
    settings.STORAGES = {**settings.STORAGES, "deposits": deposits_of(url)}
    yield client
    for key in keys(client):
        client.delete_object(Bucket="deposits", Key=key)
    client.delete_bucket(Bucket="deposits")


def keys(client: Any) -> list[str]:
    found = client.list_objects_v2(Bucket="deposits").get("Contents", [])
    return [one["Key"] for one in found]


def taken(source: Source, *numbers: int) -> Deposit:
    now = timezone.now()
    body = trail(*(record(one, at=now - timedelta(minutes=one)) for one in numbers))
    number = intake.take(source=source, body=body, by="command", now=now).deposit
    return Deposit.objects.get(pk=number)


@pytest.mark.django_db(transaction=True)
def test_body_lies_in_the_bucket_under_its_digest(
    bucket: Any, source: Callable[..., Source]
) -> None:
    deposit = taken(source(), 1, 2)
    digest = bytes(deposit.kept_digest).hex()
    assert deposit.place == f"object:{digest}"
    assert keys(bucket) == [f"prod/{digest[:2]}/{digest}.zst"]
    assert (DepositBody.objects.count(), bodies.folder().exists()) == (0, False)
    assert sources.kept(deposit).intact is True
    assert '"key": "2.json"' in sources.record_excerpt(deposit, 1)
    assert verified() == []


@pytest.mark.django_db(transaction=True)
def test_bytes_that_somebody_changed_or_took_are_found(
    bucket: Any, source: Callable[..., Source]
) -> None:
    one, two = taken(source(), 1), taken(source("other"), 2)
    chain.seal(now=timezone.now())
    first, second = (
        f"prod/{row.place[7:9]}/{row.place.removeprefix('object:')}.zst" for row in (one, two)
    )
    body = bucket.get_object(Bucket="deposits", Key=second)["Body"].read()
    bucket.put_object(Bucket="deposits", Key=first, Body=body)
    bucket.delete_object(Bucket="deposits", Key=second)
    said = [re.sub(r"\d+", "N", fault) for row in chain.verify() for fault in row.faults]
    assert said == [
        "other N, deposit N: its bytes are missing, and nothing says why",
        "trail N, deposit N: its bytes were changed",
    ]


@pytest.mark.django_db(transaction=True)
def test_erased_record_leaves_the_bucket(
    bucket: Any, source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "ORPHAN_SECONDS", -60)
    deposit = three(source())
    erased(deposit, 1)
    (key,) = keys(bucket)
    assert bytes(deposit.kept_digest).hex() not in key
    assert SECRET.encode() not in bodies.unpack(deposit)
    assert verified() == []
    erased(deposit)
    assert (keys(bucket), verified()) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_dropped_deposit_leaves_the_bucket(
    bucket: Any, short: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    short("trail", old(1))
    assert len(keys(bucket)) == 1
    # Young objects may belong to a deposit whose row is on its way.
    assert (retention.prune(now=timezone.now()).deposits, len(keys(bucket))) == (1, 1)
    monkeypatch.setattr(bodies, "ORPHAN_SECONDS", -60)
    assert len(bodies.orphans(remove=False)) == 1
    bodies.orphans(remove=True)
    assert (keys(bucket), verified()) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_deposits_on_disk_are_still_read_once_there_is_a_bucket(
    source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    monkeypatch.setattr(bodies, "IN_ROW", 10)
    before = taken(source(), 1)
    request.getfixturevalue("bucket")
    after = taken(before.source, 2)
    assert [row.place.partition(":")[0] for row in (before, after)] == ["file", "object"]
    assert [sources.kept(row).intact for row in (before, after)] == [True, True]
    assert (objects.used(), verified()) == (True, [])


@pytest.mark.django_db(transaction=True)
def test_bucket_that_is_away_is_no_fault_of_the_evidence(
    bucket: Any, source: Callable[..., Source], settings: Any, admin_client: Any
) -> None:
    deposit = taken(source(), 1)
    chain.seal(now=timezone.now())
    url = "s3://deposits/prod?endpoint=http://127.0.0.1:1&region=us-east-1"
    there = settings.STORAGES
    settings.STORAGES = {**there, "deposits": deposits_of(url)}
    kept = sources.kept(deposit)
    assert (kept.body, kept.intact, "does not answer" in kept.away) == (None, None, True)
    page = admin_client.get(f"/deposits/{deposit.pk}/")
    assert (page.status_code, b"cannot be looked at now" in page.content) == (200, True)
    (faults,) = [one.faults for one in chain.verify()]
    assert ["its bytes could not be looked at" in one for one in faults] == [True]
    with pytest.raises(CommandError, match=r"does not answer: .* What was read again until now"):
        call_command("reread", source=deposit.source.name, format="cloudtrail", wait=False)
    settings.STORAGES = there
    assert sources.kept(deposit).intact is True


@pytest.mark.django_db(transaction=True)
def test_bucket_that_is_gone_is_said_and_takes_nothing(
    bucket: Any, source: Callable[..., Source]
) -> None:
    def said() -> list[tuple[bool, str]]:
        return [row[1:3] for row in checks.doctor() if row[0] == "deposit bucket"]

    assert said() == [(True, "s3://deposits/prod answers")]
    bucket.delete_bucket(Bucket="deposits")
    try:
        ((well, words),) = said()
        assert (well, words.partition(" (")[0]) == (
            False, "s3://deposits/prod does not answer: An error occurred",
        )  # fmt: skip
        with pytest.raises(OSError, match="bucket s3://deposits/prod does not answer"):
            taken(source(), 1)
        assert Deposit.objects.count() == 0
        assert bodies.orphans(remove=True) == []
    finally:
        bucket.create_bucket(Bucket="deposits")


@pytest.mark.parametrize(
    "url", ["s3:///prefix", "s3://bucket?password=x", "s3://?region=eu-central-1"]
)
def test_wrong_bucket_is_said(url: str) -> None:
    with pytest.raises(SettingsError, match="COUNTERSIGN_DEPOSITS is no bucket"):
        deposits_of(url)
