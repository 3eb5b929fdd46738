"""The ledger's canonical form and chain; each way of tampering, as the owner, is found."""

import json
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import psycopg
import pytest
import rfc8785
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction
from hypothesis import given
from hypothesis import strategies as st

from evidence import ledger
from evidence.models import LedgerEntry, LedgerSeal
from tests.conftest import Cleaner

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CASE = UUID("01993b3e-0000-7000-8000-000000000001")
SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_ledger.py"

committed = pytest.mark.django_db(transaction=True)


def write(number: int, **said: Any) -> LedgerEntry:
    row: dict[str, Any] = {
        "at": NOW + timedelta(seconds=number),
        "by": "user:ines",
        "by_name": "Ines Moreau",
        "act": "item.answered",
        "subject": f"CS-{number}",
        "words": f"answer {number}",
        "data": {"answer": "keep", "n": number},
    } | said
    return ledger.append(**row)


def seal_all(count: int) -> None:
    """Seal so many. Transactions of others on this server hold the sealer back: wait for them."""
    done, until = 0, time.monotonic() + 60
    while done < count and time.monotonic() < until:
        done += ledger.seal(now=NOW)
        time.sleep(0.01)
    assert done == count


@pytest.fixture
def sealed(transactional_db: None) -> list[LedgerEntry]:
    """Five entries of five transactions, sealed."""
    rows = [write(number) for number in range(1, 6)]
    seal_all(5)
    return rows


@pytest.fixture
def tamper(transactional_db: None) -> Iterator[Callable[..., None]]:
    """Statements as the owner, who can take the tables' rules away; they are put back."""
    assert Cleaner.current is not None
    owner = Cleaner.current.owner
    tables = ("evidence_ledgerentry", "evidence_ledgerseal")
    found = owner.execute(
        "SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'evidence_ledgerseal'::regclass AND contype = 'f'"
    ).fetchone()
    assert found is not None
    name, rule = found

    def run(*statements: str) -> None:
        with owner.transaction():
            for statement in (
                *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables),
                *statements,
                *(f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in tables),
            ):
                owner.execute(statement.encode())

    connection.close()
    owner.execute(f"ALTER TABLE evidence_ledgerseal DROP CONSTRAINT {name}".encode())
    try:
        yield run
    finally:
        connection.close()
        run("DELETE FROM evidence_ledgerseal", "DELETE FROM evidence_ledgerentry")
        owner.execute(f"ALTER TABLE evidence_ledgerseal ADD CONSTRAINT {name} {rule}".encode())


def faults(**said: Any) -> list[tuple[int, str]]:
    return [(one.number, one.what) for one in ledger.verify(**said).faults]


def exported(path: Path, **said: Any) -> Path:
    with path.open("w", encoding="utf-8") as into:
        for document in ledger.export(now=NOW, **said):
            into.write(json.dumps(document, ensure_ascii=False) + "\n")
    return path


def alone(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """What the stand-alone verifier says: isolated from this environment and its packages."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), str(path), "--json", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else {"said": done.stderr}


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
    assert ledger.chained(1, ledger.GENESIS, bytes.fromhex(DIGEST)).hex() == HASH


def test_canonical_form_of_the_script_is_the_one_of_the_test_vector() -> None:
    script = _script()
    assert script["canonical"](ledger.members(**VECTOR)) == CANONICAL
    assert script["digest_of"](ledger.members(**VECTOR)) == DIGEST
    assert script["chained"](1, script["GENESIS"], DIGEST) == HASH


def _script() -> dict[str, Any]:
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


_CANONICAL = _script()["canonical"]


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
        "a NUL \ufffd and half a pair ?",
        "\ufffd",
        [1, 2],
    )


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


# --- tampering


CHANGED = [
    ("words", "'other words'"),
    ("by", "'user:samuel'"),
    ("by_name", "'Samuel'"),
    ("act", "'item.undone'"),
    ("subject", "'CS-99'"),
    ("at", "at - interval '1 microsecond'"),
    ("recorded_at", "recorded_at - interval '1 day'"),
    ("data", """'{"answer": "revoke", "n": 3}'"""),
    ("salt", "sha256('x')"),
    ("digest", "sha256('x')"),
    ("version", "2"),
    ("sealed_case", f"'{CASE}'"),
]


@committed
@pytest.mark.parametrize(("column", "value"), CHANGED)
def test_changed_entry_is_found(
    sealed: list[LedgerEntry], tamper: Callable[..., None], tmp_path: Path, column: str, value: str
) -> None:
    entry = sealed[2]
    tamper(f'UPDATE evidence_ledgerentry SET "{column}" = {value} WHERE id = {entry.pk}')
    assert faults() == [(3, f"entry {entry.pk} was changed after sealing")]
    code, said = alone(exported(tmp_path / "out", with_sealed=True))
    if column == "digest":
        # The file carries the seal's digest: the entry's own copy of it is nobody's proof.
        assert (code, said["faults"]) == (0, [])
    else:
        assert (code, said["faults"]) == (
            1,
            [{"number": 3, "what": f"entry {entry.pk} was changed"}],
        )


@committed
def test_changed_entry_with_a_digest_that_fits_is_found(
    sealed: list[LedgerEntry], tamper: Callable[..., None]
) -> None:
    entry = sealed[2]
    entry.words = "other words"
    fits = ledger.digest_of(entry).hex()
    tamper(
        f"UPDATE evidence_ledgerentry SET words = 'other words', digest = '\\x{fits}'"
        f" WHERE id = {entry.pk}"
    )
    assert faults() == [(3, f"entry {entry.pk} was changed after sealing")]
    tamper(f"UPDATE evidence_ledgerseal SET entry_digest = '\\x{fits}' WHERE number = 3")
    assert faults() == [(3, "its hash does not fit its content")]
    hash_ = ledger.chained(3, bytes(LedgerSeal.objects.get(number=3).previous), bytes.fromhex(fits))
    tamper(f"UPDATE evidence_ledgerseal SET hash = '\\x{hash_.hex()}' WHERE number = 3")
    assert faults() == [(4, "does not follow the row before it")]


@committed
def test_removed_entry_is_found(
    sealed: list[LedgerEntry], tamper: Callable[..., None], tmp_path: Path
) -> None:
    tamper(f"DELETE FROM evidence_ledgerentry WHERE id = {sealed[1].pk}")
    assert faults() == [(2, "its entry is gone")]
    assert alone(exported(tmp_path / "out"))[1]["faults"] == [
        {"number": 2, "what": "its entry is gone"}
    ]


@committed
def test_removed_row_is_found(
    sealed: list[LedgerEntry], tamper: Callable[..., None], tmp_path: Path
) -> None:
    tamper(
        "DELETE FROM evidence_ledgerseal WHERE number = 2",
        f"DELETE FROM evidence_ledgerentry WHERE id = {sealed[1].pk}",
    )
    expected = [(3, "seal 2 is missing"), (3, "does not follow the row before it")]
    assert faults() == expected
    assert alone(exported(tmp_path / "out"))[1]["faults"] == [
        {"number": 3, "what": "row 2 is missing"},
        {"number": 3, "what": "does not follow the row before it"},
    ]


@committed
def test_removed_and_renumbered_rows_are_found(
    sealed: list[LedgerEntry], tamper: Callable[..., None]
) -> None:
    tamper(
        "DELETE FROM evidence_ledgerseal WHERE number = 2",
        "UPDATE evidence_ledgerseal SET number = number - 1 WHERE number > 2",
    )
    found = faults()
    assert (found[0], {number for number, _ in found}) == (
        (2, "does not follow the row before it"),
        {2, 3, 4},
    )


LOOSE = "does not follow the row before it"
UNFIT = "its hash does not fit its content"


@committed
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (-1, [(-1, "out of order"), (-1, LOOSE), (-1, "no row has this number"),
              (1, "seal 0 is missing"), (1, LOOSE)]),
        (0, [(0, "out of order"), (0, LOOSE), (0, "no row has this number"), (1, LOOSE)]),
        (6, [(6, LOOSE), (6, UNFIT)]),
        (9, [(9, "seal 6 is missing"), (9, LOOSE), (9, UNFIT)]),
    ],
)  # fmt: skip
def test_inserted_row_is_found(
    sealed: list[LedgerEntry],
    tamper: Callable[..., None],
    number: int,
    expected: list[tuple[int, str]],
) -> None:
    late = write(77)
    tamper(
        "INSERT INTO evidence_ledgerseal (number, entry_id, entry_digest, previous, hash,"
        f" sealed_at) SELECT {number}, {late.pk}, digest, sha256('x'), sha256('y'), now()"
        f" FROM evidence_ledgerentry WHERE id = {late.pk}"
    )
    assert faults() == expected


@committed
def test_reordered_rows_are_found(
    sealed: list[LedgerEntry], tamper: Callable[..., None], tmp_path: Path
) -> None:
    tamper(
        "UPDATE evidence_ledgerseal SET number = -2 WHERE number = 2",
        "UPDATE evidence_ledgerseal SET number = 2 WHERE number = 3",
        "UPDATE evidence_ledgerseal SET number = 3 WHERE number = -2",
    )
    found = faults()
    assert [number for number, _ in found] == [2, 2, 3, 3, 4]
    assert alone(exported(tmp_path / "out"))[0] == 1


@committed
def test_swapped_entries_are_found(sealed: list[LedgerEntry], tamper: Callable[..., None]) -> None:
    one, other = sealed[1].pk, sealed[3].pk
    tamper(
        "UPDATE evidence_ledgerseal SET entry_id = -1 WHERE number = 2",
        f"UPDATE evidence_ledgerseal SET entry_id = {one} WHERE number = 4",
        f"UPDATE evidence_ledgerseal SET entry_id = {other} WHERE number = 2",
    )
    assert faults() == [
        (2, f"entry {other} was changed after sealing"),
        (4, f"entry {one} was changed after sealing"),
    ]


@committed
def test_changed_entry_that_waits_for_its_seal_is_found(
    sealed: list[LedgerEntry], tamper: Callable[..., None], tmp_path: Path
) -> None:
    late = write(9)
    tamper(f"UPDATE evidence_ledgerentry SET words = 'x' WHERE id = {late.pk}")
    assert faults() == [(0, f"entry {late.pk}, not sealed yet, was changed")]
    assert alone(exported(tmp_path / "out"))[1]["faults"] == [
        {"number": 0, "what": f"entry {late.pk} was changed"}
    ]


@committed
def test_end_cut_off_is_found_against_a_head_kept_elsewhere(
    sealed: list[LedgerEntry], tamper: Callable[..., None], tmp_path: Path
) -> None:
    whole = ledger.verify()
    tamper(
        "DELETE FROM evidence_ledgerseal WHERE number = 5",
        f"DELETE FROM evidence_ledgerentry WHERE id = {sealed[4].pk}",
    )
    assert faults() == []
    assert faults(kept=(5, whole.head)) == [(5, "the end was cut off: this row was there before")]
    code, said = alone(exported(tmp_path / "out"), "--head", f"5:{whole.head.hex()}")
    assert (code, said["faults"]) == (
        1,
        [{"number": 5, "what": "the end was cut off: this row was there before"}],
    )


@committed
def test_history_written_anew_is_found_against_a_head_kept_elsewhere(
    sealed: list[LedgerEntry], tamper: Callable[..., None]
) -> None:
    whole = ledger.verify()
    tamper("DELETE FROM evidence_ledgerseal", "DELETE FROM evidence_ledgerentry")
    for number in range(1, 6):
        write(number)
    seal_all(5)
    assert faults() == []
    assert faults(kept=(5, whole.head)) == [(5, "has another hash than the one that was kept")]


# --- the exported file


@committed
def test_exported_file_verifies_without_the_app(sealed: list[LedgerEntry], tmp_path: Path) -> None:
    write(6, words="sealed words", sealed_case=CASE)
    seal_all(1)
    write(7)
    path = exported(tmp_path / "out")
    head = ledger.verify().head.hex()
    assert alone(path, "--head", f"6:{head}") == (
        0,
        {
            "ok": True,
            "sealed": 6,
            "unsealed": 1,
            "withheld": 1,
            "deposits": 0,
            "head": head,
            "number": 6,
            "faults": [],
        },
    )
    assert "sealed words" not in path.read_text()
    assert "sealed words" in exported(tmp_path / "all", with_sealed=True).read_text()
    assert alone(tmp_path / "all")[1]["withheld"] == 0


def change(lines: list[str], place: int, **said: Any) -> None:
    lines[place] = json.dumps(json.loads(lines[place]) | said)


def edit_words(lines: list[str]) -> None:
    entry = json.loads(lines[3])["entry"]
    change(lines, 3, entry=entry | {"words": "other words"})


def swap(lines: list[str]) -> None:
    lines[2], lines[3] = lines[3], lines[2]


@committed
@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (edit_words, [(3, "entry {3} was changed")]),
        (lambda lines: lines.pop(3), [
            (4, "row 3 is missing"), (4, "does not follow the row before it")]),
        (lambda lines: lines.insert(4, lines[3]), [
            (3, "is out of order"), (3, "does not follow the row before it"),
            (3, "entry {3} stands twice")]),
        (swap, [
            (3, "row 2 is missing"), (3, "does not follow the row before it"),
            (2, "is out of order"), (2, "does not follow the row before it"),
            (4, "row 3 is missing"), (4, "does not follow the row before it")]),
        (lambda lines: lines.pop(), [(4, "the last row is not row 5 of the head")]),
        (lambda lines: change(lines, 3, hash="00" * 32), [
            (3, "its hash does not fit its content"), (4, "does not follow the row before it")]),
        (lambda lines: change(lines, 3, entry=None), [(3, "its entry is gone")]),
    ],
)  # fmt: skip
def test_edited_file_is_found(
    sealed: list[LedgerEntry],
    tmp_path: Path,
    edit: Callable[[list[str]], Any],
    expected: list[tuple[int, str]],
) -> None:
    lines = exported(tmp_path / "out").read_text().splitlines()
    edit(lines)
    (tmp_path / "out").write_text("\n".join(lines) + "\n")
    code, said = alone(tmp_path / "out")
    named = [(at, what.replace("{3}", str(sealed[2].pk))) for at, what in expected]
    assert (code, [(one["number"], one["what"]) for one in said["faults"]]) == (1, named)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no ledger: the file is empty\n"),
        ("{}\n", "no ledger: line 1 is not the head of an exported ledger, version 1\n"),
        ("[1]\n", "no ledger: line 1 is no object\n"),
        (
            '{"a": 1, "a": 2}\n',
            "no ledger: line 1 is not JSON: a name stands twice in one object\n",
        ),
    ],
)
def test_file_that_is_no_ledger_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "out").write_text(content)
    assert alone(tmp_path / "out") == (2, {"said": said})


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
    words = f"ok: 5 rows sealed, 0 not yet; head {head}\n"
    for arguments in (["--head", head], ["--file", str(path), "--head", head]):
        call_command("verify_ledger", *arguments)
        assert capsys.readouterr().out == words
    tamper(f"UPDATE evidence_ledgerentry SET words = 'x' WHERE id = {sealed[0].pk}")
    with pytest.raises(SystemExit) as ended:
        call_command("verify_ledger", "--json")
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "sealed": 5,
        "unsealed": 0,
        "head": head[2:],
        "number": 5,
        "faults": [{"number": 1, "what": f"entry {sealed[0].pk} was changed after sealing"}],
    }


def test_verify_command_names_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file or directory"):
        call_command("verify_ledger", file=str(tmp_path / "none"))
    (tmp_path / "out").write_text("{}")
    with pytest.raises(CommandError, match="is no ledger: line 1 is not the head"):
        call_command("verify_ledger", file=str(tmp_path / "out"))
