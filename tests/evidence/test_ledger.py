"""The ledger's canonical form, its writing and sealing; the commands that export and verify it."""

import json
import runpy
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
import rfc8785
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction
from hypothesis import given
from hypothesis import strategies as st

from evidence import ledger
from evidence.ledger.form import chained
from evidence.models import LedgerEntry
from tests.evidence.chained import (
    CASE,
    NOW,
    SCRIPT,
    committed,
    faults,
    seal_all,
    sealed,
    tamper,
    write,
)

__all__ = ["sealed", "tamper"]


# --- the canonical form


# Fixed for good: version 1 of the form gives these bytes, whoever computes them.
VECTOR: dict[str, Any] = {
    "at": datetime(2026, 11, 24, 15, 48, 10, 7, tzinfo=UTC),
    "recorded_at": datetime(2026, 11, 24, 15, 48, 11, tzinfo=UTC),
    "by": "user:01993b3e-0000-7000-8000-00000000aaaa",
    "by_name": "Inès \U0001f511 Moreau",
    "act": "item.answered",
    "subject": "CS-2038",
    "words": 'says "revoke"\nline two \u20ac \x7f',
    "data": {"\ufb33": 1, "\U0001f600": [1.5, 1e-7, 10**15, True, None], "a": {"z": "", "b": 0}},
    "sealed_case": None,
    "salt": bytes(range(16)),
}
CANONICAL = (
    '{"act":"item.answered","at":"2026-11-24T15:48:10.000007Z",'
    '"by":"user:01993b3e-0000-7000-8000-00000000aaaa","by_name":"Inès \U0001f511 Moreau",'
    '"data":{"a":{"b":0,"z":""},"\U0001f600":[1.5,1e-7,1000000000000000,true,null],"\ufb33":1},'
    '"recorded_at":"2026-11-24T15:48:11.000000Z","salt":"000102030405060708090a0b0c0d0e0f",'
    '"sealed_case":null,"subject":"CS-2038","version":1,'
    '"words":"says \\"revoke\\"\\nline two \u20ac \x7f"}'
)
DIGEST = "e06af872ee72cf519cc415e3d4f1dae62053349c1affd2b25aaa41ac1ac19d5e"
HASH = "0604adeea8348a57234246c153aa99931bfee3389671af30c77ec6e28b07fce0"


def test_canonical_form_is_the_one_of_the_test_vector() -> None:
    content = ledger.canonical(ledger.members(**VECTOR))
    assert content.decode() == CANONICAL
    assert sha256(content).hexdigest() == DIGEST
    assert chained(1, ledger.GENESIS, bytes.fromhex(DIGEST)).hex() == HASH


def test_canonical_form_of_the_script_is_the_one_of_the_test_vector() -> None:
    told = script()
    assert told["canonical"](ledger.members(**VECTOR)) == CANONICAL
    assert told["digest_of"](ledger.members(**VECTOR)) == DIGEST
    assert told["chained"](1, told["GENESIS"], DIGEST) == HASH


def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner)
    ),
    max_leaves=12,
)


@given(json_values)
def test_canonical_form_of_the_script_is_rfc_8785(value: Any) -> None:
    assert _CANONICAL(value).encode() == rfc8785.dumps(value)


_CANONICAL = script()["canonical"]


# --- writing


@pytest.mark.django_db
def test_entry_reads_back_with_the_digest_it_was_written_with() -> None:
    entry = write(
        1,
        words="a NUL \0 and half a pair \ud800",
        data={"whole": 3.0, "part": 0.1, "pair": (1, 2), "nul": "\0", "deep": {"k\0": [None]}},
        sealed_case=CASE,
        recorded_at=NOW + timedelta(hours=1),
    )
    entry = LedgerEntry.objects.get(pk=entry.pk)
    assert ledger.digest_of(entry) == bytes(entry.digest)
    assert (entry.words, entry.data["nul"], entry.data["pair"]) == (
        r"a NUL \u0000 and half a pair \ud800",
        r"\u0000",
        [1, 2],
    )


@pytest.mark.django_db
@pytest.mark.parametrize("many", [0, 1, 3])
def test_many_are_written_in_their_order_as_one_is(many: int) -> None:
    hostile = "tab \t line \n\r back \\N \\. quote \" ' %s {} \0 \u2028 \U0001f511"
    ledger.append_all(
        [
            ledger.Said(
                at=NOW,
                by="user:ines",
                by_name=hostile,
                act="item.answered",
                subject=f"CS-{number}",
                words=hostile,
                data={hostile: [hostile, 1e-7, number], "\ufb33": 1, "\U0001f600": None},
                recorded_at=NOW + timedelta(microseconds=1),
                sealed_case=CASE,
            )
            for number in range(many)
        ]
    )
    found = list(LedgerEntry.objects.order_by("pk"))
    assert [entry.subject for entry in found] == [f"CS-{number}" for number in range(many)]
    kept = hostile.replace("\0", r"\u0000")
    for number, entry in enumerate(found):
        assert ledger.digest_of(entry) == bytes(entry.digest)
        assert (entry.words, entry.data[kept]) == (kept, [kept, 1e-7, number])


@pytest.mark.django_db
@pytest.mark.parametrize("value", [2**53, float("nan"), float("inf"), 1e300])
def test_what_has_no_canonical_form_is_not_written(value: float) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        write(1, data={"n": value})
    assert LedgerEntry.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["evidence_ledgerentry", "evidence_ledgerseal"])
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "TRUNCATE"])
def test_app_may_only_add_and_read(table: str, verb: str) -> None:
    column = "digest" if table.endswith("entry") else "hash"
    statement = {
        "UPDATE": f"UPDATE {table} SET {column} = ''",
        "DELETE": f"DELETE FROM {table}",
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
    }[verb]
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@committed
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE evidence_ledgerentry SET words = 'x'",
        "DELETE FROM evidence_ledgerentry",
        "TRUNCATE evidence_ledgerentry CASCADE",
        "UPDATE evidence_ledgerseal SET hash = ''",
        "DELETE FROM evidence_ledgerseal",
        "TRUNCATE evidence_ledgerseal",
    ],
)
def test_owner_is_stopped_too_unless_the_triggers_are_off(
    sealed: list[LedgerEntry], as_owner: Callable[..., Any], statement: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_owner(statement)
    assert faults() == []


# --- sealing


@committed
def test_running_transaction_is_left_for_the_next_seal() -> None:
    write(1)
    opened: list[bool] = []
    go: list[bool] = []

    def slow() -> None:
        with transaction.atomic():
            write(2)
            opened.append(True)
            while not go:
                time.sleep(0.01)
        connections.close_all()

    thread = Thread(target=slow)
    thread.start()
    while not opened:
        time.sleep(0.01)
    write(3)
    seal_all(1)
    # The slow one holds back what began after it; what ended before it is sealed.
    assert (ledger.seal(now=NOW), ledger.waiting()) == (0, 1)
    go.append(True)
    thread.join()
    seal_all(2)
    assert ledger.waiting() == 0
    found = ledger.verify()
    assert (found.sealed, found.unsealed, found.faults) == (3, 0, [])


@committed
def test_sealers_at_once_make_one_chain() -> None:
    for number in range(40):
        write(number)
    done: list[int] = []

    def run() -> None:
        until = time.monotonic() + 60
        while LedgerEntry.objects.filter(seal=None).exists() and time.monotonic() < until:
            done.append(ledger.seal(now=NOW))
        connections.close_all()

    threads = [Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ledger.verify()
    assert (sum(done), found.sealed, found.last, found.faults) == (40, 40, 40, [])


# --- the commands


@committed
def test_commands_export_and_verify(
    sealed: list[LedgerEntry], tamper: Callable[..., None], tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "ledger.ndjson"
    call_command("export_ledger", out=str(path))
    assert capsys.readouterr().out == f"5 rows written to {path}.\n"
    assert path.stat().st_mode & 0o777 == 0o600
    head = f"5:{ledger.verify().head.hex()}"
    words = f"5 rows sealed, 0 not yet; head {head}\n"
    for arguments, state in (
        (["--head", head], "verified to row 5"),
        (["--file", str(path), "--head", head], "verified"),
        ([], "consistent, not anchored"),
        (["--file", str(path)], "consistent, not anchored"),
    ):
        call_command("verify_ledger", *arguments)
        assert capsys.readouterr().out == f"{state}: {words}"
    tamper(f"UPDATE evidence_ledgerentry SET words = 'x' WHERE id = {sealed[0].pk}")
    with pytest.raises(SystemExit) as ended:
        call_command("verify_ledger", "--json")
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "state": "does not verify",
        "verified_to": 0,
        "notes": [],
        "sealed": 5,
        "unsealed": 0,
        "head": head[2:],
        "number": 5,
        "faults": [{"number": 1, "what": f"entry {sealed[0].pk} was changed after sealing"}],
    }


@pytest.mark.django_db
def test_verify_command_names_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file or directory"):
        call_command("verify_ledger", file=str(tmp_path / "none"))
    (tmp_path / "out").write_text("{}")
    with pytest.raises(CommandError, match="is no ledger: line 1 is not the head"):
        call_command("verify_ledger", file=str(tmp_path / "out"))
