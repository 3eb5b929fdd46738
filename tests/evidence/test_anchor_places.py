"""Where the ledger's head is left: a real authority's stamp, a locked object, a receiver, a mailbox."""

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.management import call_command
from standardwebhooks.webhooks import Webhook

from evidence import anchoring, checks
from evidence.models import AnchorCopy, LedgerEntry
from evidence.stores import anchors
from tests.evidence import tsa
from tests.evidence.anchored import SECRET, Names, all_kept, mailbox, names, outside
from tests.evidence.chained import NOW, sealed
from tests.evidence.sources.server import Answer, There, serving

__all__ = ["names", "outside", "sealed"]

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def stamps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[There, Path]]:
    folder = tmp_path_factory.mktemp("tsa")
    root = tsa.made_in(folder)
    with tsa.running(folder) as door:
        yield door, root


@pytest.mark.parametrize("own", [{}, {"certificate_file": "tsa.pem"}])
def test_head_is_stamped_by_a_real_authority_and_anybody_can_check_it(
    sealed: list[LedgerEntry], names: Names, stamps: tuple[There, Path], tmp_path: Path,
    own: dict[str, str],
) -> None:  # fmt: skip
    door, root = stamps
    place = {"name": "clock", "kind": "rfc3161", "url": f"{door.url}/", "ca_file": str(root)}
    place |= {setting: str(root.parent / name) for setting, name in own.items()}
    set_up = names(place)
    anchor = anchoring.make(set_up, now=NOW)
    assert anchor is not None
    assert anchor.number == 5
    assert all_kept(set_up) == [("clock", "kept")]
    copy = AnchorCopy.objects.get()
    assert (copy.receipt is not None, "stamped 2" in copy.words) == (True, True)

    statement, token = tmp_path / "head.jws", tmp_path / "head.tsr"
    statement.write_text(anchor.statement)
    token.write_bytes(bytes(copy.receipt or b""))
    found = subprocess.run(
        ["openssl", "ts", "-verify", "-data", statement, "-in", token, "-CAfile", root,
         "-untrusted", root.parent / "tsa.pem"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Verification: OK" in found.stdout + found.stderr
    assert anchoring.receipts() == []
    # A token of another statement is none of this one.
    other = anchors.Statement(5, bytes(anchor.hash), anchor.statement[:-4])
    assert "Mismatch" in anchors.problem(set_up.places[0], other, bytes(copy.receipt or b""))


@pytest.mark.parametrize(
    ("status", "instead", "says"),
    [
        (503, b"", "it answered 503"),
        (404, b"", "It answered 404."),
        (200, b"<html>hello</html>", "It gave no token"),
    ],
)
def test_authority_that_stamps_nothing_is_asked_again_later(
    sealed: list[LedgerEntry], names: Names, stamps: tuple[There, Path],
    status: int, instead: bytes, says: str,
) -> None:  # fmt: skip
    door, root = stamps
    set_up = names(
        {"name": "clock", "kind": "rfc3161", "url": f"{door.url}/", "ca_file": str(root)}
    )
    door.fail(Answer(status, instead))
    anchoring.make(set_up, now=NOW)
    assert all_kept(set_up) == [("clock", "waiting")]
    copy = AnchorCopy.objects.get()
    assert says in copy.why
    assert NOW + MINUTE <= copy.not_before <= NOW + 1.1 * MINUTE
    name, well, said, _ = checks._anchors(NOW)
    assert (name, well) == ("anchors", False)
    assert says in said
    assert not anchoring.keep_next(set_up, clock=lambda: NOW)
    assert all_kept(set_up, NOW + 2 * MINUTE) == [("clock", "kept")]


def test_token_of_a_stranger_does_not_count(
    sealed: list[LedgerEntry], names: Names, stamps: tuple[There, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    root = tsa.made_in(folder)
    set_up = names(
        {"name": "clock", "kind": "rfc3161", "url": f"{stamps[0].url}/", "ca_file": str(root)}
    )
    anchoring.make(set_up, now=NOW)
    assert all_kept(set_up) == [("clock", "waiting")]
    assert "Its token does not hold" in AnchorCopy.objects.get().why


def test_object_is_locked_and_a_bucket_without_locks_is_refused(
    sealed: list[LedgerEntry], names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        url = f"http://{host}:{port}"
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
        client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        client.create_bucket(Bucket="open")
        set_up = names(
            *(
                {"name": name, "kind": "s3", "keep_days": 30,
                 "address": f"s3://{name}/heads?endpoint={url}&region=us-east-1"}
                for name in ("locked", "open")
            )
        )  # fmt: skip
        anchor = anchoring.make(set_up, now=datetime.now(NOW.tzinfo))
        assert anchor is not None
        assert all_kept(set_up, datetime.now(NOW.tzinfo)) == [
            ("locked", "kept"), ("open", "waiting"),
        ]  # fmt: skip
        said = json.loads(bytes(AnchorCopy.objects.get(place="locked").receipt or b""))
        place = {"Bucket": said["bucket"], "Key": said["key"], "VersionId": said["version"]}
        assert client.get_object(**place)["Body"].read().decode() == anchor.statement
        assert client.head_object(**place)["ObjectLockMode"] == "COMPLIANCE"
        assert anchoring.receipts() == []
        # Put over it by somebody: the version that is kept stays what it was.
        client.put_object(Bucket="locked", Key=said["key"], Body=b"another")
        assert anchoring.receipts() == []
        gone = json.dumps(said | {"version": "11111111-0000-0000-0000-000000000000"}).encode()
        statement = anchors.Statement(anchor.number, bytes(anchor.hash), anchor.statement)
        assert anchors.problem(set_up.places[0], statement, gone)
    finally:
        running.stop()


def test_receiver_and_mailbox_have_the_signed_head(
    sealed: list[LedgerEntry], names: Names, mailoutbox: list[Any], tmp_path: Path
) -> None:
    with serving() as there:
        there.on("POST", "/heads", Answer())
        url = f"{there.url}/heads"
        set_up = names(
            mailbox(),
            {"name": "soc", "kind": "webhook", "url": url, "secret": "env:ANCHOR_SECRET"},
        )
        anchor = anchoring.make(set_up, now=datetime.now(NOW.tzinfo))
        assert anchor is not None
        assert all_kept(set_up, datetime.now(NOW.tzinfo)) == [
            ("auditor", "kept"), ("soc", "kept"),
        ]  # fmt: skip
    (one,) = there.asked
    said: Any = Webhook(SECRET).verify(one.body, one.headers)
    assert said["data"] == {
        "number": 5, "hash": bytes(anchor.hash).hex(), "statement": anchor.statement,
    }  # fmt: skip
    (mail,) = mailoutbox
    assert mail.to == ["auditor@example.org"]
    (attached,) = mail.attachments
    file = tmp_path / attached.filename
    file.write_text(attached.content)
    call_command("verify_ledger", "--anchor", str(file))
