"""What the places outside hold decides: a ledger that was rewritten together with the rows of its
anchors, and one that was restored from a backup."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from joserfc.jwk import OKPKey
from moto.server import ThreadedMotoServer

from evidence import anchoring, checks, ledger, outside_heads, verified
from evidence.models import Anchor, AnchorCopy, LedgerEntry, LedgerSeal, SealKey
from evidence.sources.failures import Stopped
from evidence.stores import anchors
from tests.conftest import Cleaner
from tests.evidence.anchored import SECRET, Names, all_kept, mailbox, names, outside
from tests.evidence.chained import NOW, SCRIPT, seal_all, sealed, tamper, write
from tests.evidence.readers import person, signed_in
from tests.evidence.sources.server import Answer, serving

__all__ = ["names", "outside", "person", "sealed", "signed_in", "tamper"]
pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
type Tamper = Callable[..., None]


class Vault:
    """A locked bucket of a server of ours, as a place."""

    def __init__(self, url: str) -> None:
        self.client: Any = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
        # All servers of one process have the same buckets.
        self.bucket = f"locked-{uuid4()}"
        self.client.create_bucket(Bucket=self.bucket, ObjectLockEnabledForBucket=True)
        self.place = {
            "name": "vault", "kind": "s3", "keep_days": 30,
            "address": f"s3://{self.bucket}/heads?endpoint={url}&region=us-east-1",
        }  # fmt: skip


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Vault(f"http://{host}:{port}")
    finally:
        server.stop()


def today() -> datetime:
    """Locks of the bucket end after today."""
    return datetime.now(NOW.tzinfo)


def anchored(set_up: anchors.configured.SetUp, *, now: datetime) -> Anchor:
    anchor = anchoring.make(set_up, now=now)
    assert anchor is not None
    assert {state for _, state in all_kept(set_up, now)} == {"kept"}
    return anchor


def forget_anchors(after: int = 0) -> None:
    """As the database's owner."""
    assert Cleaner.current is not None
    owner = Cleaner.current.owner
    where = {"evidence_anchorcopy": "anchor_id", "evidence_anchor": "number"}
    for table, column in where.items():
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        owner.execute(f"DELETE FROM {table} WHERE {column} > {after}".encode())
        owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())
    if not after:
        owner.execute(b"ALTER TABLE evidence_sealkey DISABLE TRIGGER USER")
        owner.execute(b"DELETE FROM evidence_sealkey")
        owner.execute(b"ALTER TABLE evidence_sealkey ENABLE TRIGGER USER")


def rewrite(tamper: Tamper, count: int) -> None:
    """All of the chain anew, with another third row: in itself it verifies."""
    entry = LedgerEntry.objects.get(words="answer 3")
    tamper("DELETE FROM evidence_ledgerseal",
           f"UPDATE evidence_ledgerentry SET words = 'another' WHERE id = {entry.pk}")  # fmt: skip
    entry.refresh_from_db()
    tamper(f"UPDATE evidence_ledgerentry SET digest = '\\x{ledger.digest_of(entry).hex()}'"
           f" WHERE id = {entry.pk}")  # fmt: skip
    seal_all(count)
    assert ledger.verify().faults == []


def restore(tamper: Tamper, *, row: int) -> None:
    """The database as a backup had it when this row was its last."""
    last = LedgerSeal.objects.get(pk=row).entry_id
    forget_anchors(row)
    tamper(f"DELETE FROM evidence_ledgerseal WHERE number > {row}",
           f"DELETE FROM evidence_ledgerentry WHERE id > {last}")  # fmt: skip


def verify(*arguments: str) -> tuple[bool, str]:
    out = StringIO()
    try:
        call_command("verify_ledger", *arguments, stdout=out)
    except SystemExit:
        return False, out.getvalue()
    return True, out.getvalue()


@pytest.mark.parametrize("hidden", ["nothing", "deleted", "overwritten"])
def test_rewritten_ledger_without_anchors_is_found_in_the_bucket_and_not_signed(
    sealed: list[LedgerEntry], names: Names, tamper: Tamper, vault: Vault, hidden: str,
    signed_in: Callable[..., Client],
) -> None:  # fmt: skip
    set_up = names(vault.place)
    anchored(set_up, now=today())
    (head,) = vault.client.list_objects_v2(Bucket=vault.bucket)["Contents"]
    if hidden == "deleted":
        vault.client.delete_object(Bucket=vault.bucket, Key=head["Key"])
    elif hidden == "overwritten":
        vault.client.put_object(Bucket=vault.bucket, Key=head["Key"], Body=b"another")
    anchors.signed_heads.file().unlink()
    forget_anchors()
    rewrite(tamper, 6)
    ok, said = verify("--receipts")
    assert (ok, "row 5: has another hash than the head that vault holds" in said) == (False, True)
    assert "NOT OK, rewritten: 6 rows sealed" in said
    with pytest.raises(Stopped, match="vault holds"):
        anchoring.make(set_up, now=today() + 2 * HOUR)
    with pytest.raises(CommandError, match="the ledger was rewritten"):
        call_command("ledger_restored", by="Olga", reason="a disk was lost")
    found = verified.check(now=today())
    assert (found.ok, found.row, found.state) == (False, 5, "rewritten")
    assert checks._anchors(today())[1] is False
    page = signed_in("ines", "reviewer").get("/ledger/").content.decode()
    assert "Ledger, row 5: rewritten" in page
    assert "the head that vault holds" in page
    assert not Anchor.objects.exists()


@pytest.mark.parametrize("kind", ["mail", "webhook"])
def test_rewritten_ledger_is_found_where_a_place_cannot_be_asked(
    sealed: list[LedgerEntry], names: Names, tamper: Tamper, mailoutbox: list[Any], kind: str
) -> None:
    with serving() as there:
        there.on("POST", "/heads", Answer())
        soc = {"name": "soc", "kind": "webhook", "secret": "env:ANCHOR_SECRET"}
        soc["url"] = f"{there.url}/heads"
        set_up = names({"mail": mailbox(), "webhook": soc}[kind])
        assert SECRET
        anchored(set_up, now=today())
    assert verify() == (True, verify()[1])
    assert verify()[1].startswith("consistent, not checked outside: ")
    forget_anchors()
    ok, said = verify()
    assert (ok, "its anchors were deleted" in said) == (False, True)
    with pytest.raises(Stopped, match="its anchors were deleted"):
        anchoring.make(set_up, now=today() + 2 * HOUR)
    rewrite(tamper, 6)
    ok, said = verify()
    assert (ok, "the ledger was rewritten" in said) == (False, True)
    with pytest.raises(Stopped, match="the ledger was rewritten"):
        anchoring.make(set_up, now=today() + 2 * HOUR)


@pytest.mark.parametrize("goes_on", [False, True])
def test_restored_backup_is_named_and_goes_on_when_a_person_states_it(
    sealed: list[LedgerEntry], names: Names, tamper: Tamper, vault: Vault, goes_on: bool,
    tmp_path: Path,
) -> None:  # fmt: skip
    set_up = names(vault.place)
    now = today()
    anchored(set_up, now=now)
    for number in range(6, 9):
        write(number)
    seal_all(4)  # that a new key signs, too
    lost = anchored(set_up, now=now + HOUR)
    assert (lost.number, verify()[1].split(":")[0]) == (9, "verified to row 9")
    restore(tamper, row=5)
    if goes_on:
        for number in range(20, 25):
            write(number)
        while ledger.seal(now=now + 3 * HOUR):
            pass
    many = "up to 4 entries are" if goes_on else "4 entries are"
    ok, said = verify()
    assert (ok, f"restored from a backup: {many} missing up to 20" in said) == (False, True)
    assert "NOT OK, restored from a backup: " in said
    assert "manage.py ledger_restored" in said
    assert verified.check(now=now).state == "restored from a backup"
    with pytest.raises(Stopped, match="restored from a backup"):
        anchoring.make(set_up, now=now + 4 * HOUR)

    call_command("ledger_restored", by="Olga", reason="a disk was lost")
    while ledger.seal(now=now + 4 * HOUR):
        pass
    assert anchored(set_up, now=now + 5 * HOUR).number > 5
    ok, said = verify()
    assert (ok, "verified to row" in said) == (True, True)
    # It is told for good.
    assert "Olga stated that the database was restored from a backup with row 5" in said
    with pytest.raises(CommandError, match="No entry of the ledger is missing"):
        call_command("ledger_restored", by="Olga", reason="again")

    # The stand-alone script takes the head that was given up, where the keys signed that.
    export, head, keys = (tmp_path / name for name in ("ledger.ndjson", "head.jws", "keys.json"))
    call_command("export_ledger", out=str(export))
    head.write_text(lost.statement)
    keys.write_text(json.dumps({"keys": list(anchoring.jwks().values())}))

    def alone(*words: str | Path) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", SCRIPT, export, *words], capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    code, text = alone("--anchor", head, "--keys", keys)
    assert (code, text.split(":")[0]) == (0, "consistent, not checked outside")
    assert alone("--anchor", head)[0] == 1
    assert (alone()[0], alone()[1].split(":")[0]) == (0, "consistent, not checked outside")
    latest = Anchor.objects.latest("number")
    head.write_text(latest.statement)
    assert alone("--anchor", head, "--keys", keys)[1].split(":")[0] == "verified"


def test_owner_of_the_database_cannot_state_it(
    sealed: list[LedgerEntry], names: Names, tamper: Tamper, vault: Vault
) -> None:
    set_up = names(vault.place)
    now = today()
    anchor = anchored(set_up, now=now)
    forget_anchors()
    rewrite(tamper, 6)
    stranger = OKPKey.generate_key("Ed25519")
    jwk = anchors.keys.public(stranger)
    SealKey.objects.create(pk=jwk["kid"], jwk=jwk, first_used_at=now)
    said = {"row": 0, "hash": "", "heads": [[5, bytes(anchor.hash).hex()[:16]]]}
    statement = anchors.keys.over(
        json.dumps(said).encode(), stranger, kind=outside_heads.RESTORED_TYPE
    )
    write(9, act="ledger.restored", data=said | {"statement": statement})
    seal_all(1)
    ok, text = verify()
    assert (ok, "the ledger was rewritten" in text) == (False, True)


def test_words_say_whether_a_place_outside_was_asked(
    sealed: list[LedgerEntry], names: Names, vault: Vault, settings: Any,
    signed_in: Callable[..., Client],
) -> None:  # fmt: skip
    assert verify()[1].startswith("consistent, not anchored: 5 rows sealed")
    assert verified.check(now=NOW).state == "consistent, not anchored"
    client = signed_in("ines", "reviewer")
    assert "consistent, not anchored, " in client.get("/ledger/").content.decode()
    set_up = names(vault.place)
    assert verify()[1].startswith("consistent, not anchored: 5 rows sealed")
    anchored(set_up, now=today())
    assert verify()[1].startswith("verified to row 5: 5 rows sealed")
    found = verified.check(now=NOW)
    assert (found.state, found.row) == ("verified", 5)
    # The place is away: nothing is signed on, nothing claimed.
    gone = names(vault.place | {"address": "s3://other/heads?endpoint=http://127.0.0.1:9"})
    write(6)
    seal_all(2)
    assert anchoring.make(gone, now=today() + 2 * HOUR) is None
    ok, said = verify()
    assert (ok, "consistent, not checked outside: 7 rows sealed" in said) == (True, True)
    assert "vault was not asked which heads it holds" in said
    assert verified.check(now=NOW).state == "consistent, not checked outside"
    assert "consistent, not checked outside" in client.get("/ledger/").content.decode()
    assert checks._anchors(today())[1] is False


def test_text_that_no_key_signed_is_no_head(
    sealed: list[LedgerEntry], names: Names, vault: Vault
) -> None:
    """Whoever may only write into the bucket cannot make a ledger look rewritten."""
    set_up = names(vault.place)
    anchor = anchored(set_up, now=today())
    for body in (b"no head", anchor.statement.encode()):
        vault.client.put_object(
            Bucket=vault.bucket, Key=f"heads/{4:012d}-{'ab' * 8}.jws", Body=body
        )
    assert verify()[1].startswith("verified to row 5")
    assert AnchorCopy.objects.get().state == "kept"
