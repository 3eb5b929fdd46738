"""The sealed chain and its exported file; each way of tampering, as the owner, is found, by one
process and by several."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evidence import ledger
from evidence.ledger.form import chained
from evidence.models import LedgerEntry, LedgerSeal
from tests.evidence.chained import (
    CASE,
    alone,
    committed,
    exported,
    seal_all,
    sealed,
    tamper,
    write,
)
from tests.evidence.sealed_by_many import PROCESSES, Many, beside, faults

__all__ = ["sealed", "tamper"]


@pytest.fixture(scope="module", autouse=True)
def several(django_db_setup: None) -> Iterator[None]:
    """What is found here is found by several processes, too."""
    with beside():
        yield


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
@pytest.mark.parametrize(
    "change",
    ["at = 'infinity'", "data = (repeat('[', 3000) || repeat(']', 3000))::jsonb"],
)
def test_entry_that_nobody_can_read_is_found(
    sealed: list[LedgerEntry], tamper: Callable[..., None], change: str
) -> None:
    tamper(f"UPDATE evidence_ledgerentry SET {change} WHERE id = {sealed[2].pk}")
    assert faults() == [(3, f"entry {sealed[2].pk} was changed after sealing: it cannot be read")]


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
    hash_ = chained(3, bytes(LedgerSeal.objects.get(number=3).previous), bytes.fromhex(fits))
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
def test_command_says_that_a_process_was_killed_and_leaves_none(
    sealed: list[LedgerEntry],
) -> None:
    assert Many.current is not None
    assert Many.current.command()["said"].startswith("consistent, not anchored: 5 rows sealed")
    assert Many.current.command(killed=True) == {
        "said": "a process that read the ledger was ended (is there too little memory?), so nothing"
        " is known of it; --processes 1 takes one process and longer",
        "forks": PROCESSES,
        "left": 0,
    }


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
            "state": "verified",
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
