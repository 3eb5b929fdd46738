"""The script that checks an exported ledger, with several processes: what they see is put together
as one process sees it, none outlives the script, and one that is killed is not missed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evidence.chained import SCRIPT
from tests.evidence.test_canonical import VALUES
from tests.evidence.test_ledger import script

# Of so many rows the first few are looked at by the script itself, the rest a few at a time.
ROWS, FEW, TOGETHER = 60, 10, 7
TOLD = script()
VERIFY_ALL = """
if __name__ == "__main__" and sys.argv[1] == "all":
    for one in sys.argv[2:]:
        name, _, wanted = one.partition("@")
        try:
            with open(name, "rb") as lines:
                found = verify(lines, head=kept(wanted) if wanted else None, processes=2)
        except NoLedger as problem:
            found = {"said": str(problem)}
        print(json.dumps(found), flush=True)
    sys.exit()
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script, with parts so small that a few rows are many of them."""
    text, many = re.subn(
        r"^(FEW|TOGETHER) = [\d_]+",
        lambda found: f"{found[1]} = {FEW if found[1] == 'FEW' else TOGETHER}",
        SCRIPT.read_text(),
        flags=re.MULTILINE,
    )
    assert many == 2
    path = tmp_path_factory.mktemp("script") / "verify_ledger.py"
    ends = 'if __name__ == "__main__":\n    sys.exit(main())\n'
    assert text.endswith(ends)
    path.write_text(text.removesuffix(ends) + VERIFY_ALL + ends)
    return path


def digest(entry: dict[str, Any]) -> str:
    """Of an entry as it stands in a file."""
    found: str = TOLD["digest_of"](TOLD["read"](json.dumps(entry).encode(), 1))
    return found


def ledger() -> list[dict[str, Any]]:
    """A head and rows, of which some say something of others."""
    rows: list[dict[str, Any]] = []
    previous = TOLD["GENESIS"]
    for number in range(1, ROWS + 1):
        entry: dict[str, Any] = {
            "act": "item.answered",
            "by_name": "Zoë \U0001f511",
            "data": {"n": number, "half": number / 2, "names": {"é": None}},
            "sealed_case": None,
        }
        if number == 45:
            pair = [digest(rows[20]["entry"] | {"words": "x"}), rows[20]["digest"]]
            entry |= {"act": "ledger.erased", "data": {"entries": {str(rows[20]["id"]): pair}}}
        row = {"number": number, "id": 1_000 + number, "digest": digest(entry)}
        row |= {"previous": previous}
        row |= {"hash": TOLD["chained"](number, previous, row["digest"]), "entry": entry}
        previous = row["hash"]
        rows.append(row)
    return [{"ledger": "countersign", "version": 1, "sealed": ROWS, "head": previous}, *rows]


def resealed(rows: list[dict[str, Any]], first: int) -> None:
    """The chain from this row on, and the head, fit again."""
    for row in rows[first:]:
        row["previous"] = rows[row["number"] - 1]["hash"] if row["number"] > 1 else TOLD["GENESIS"]
        row["hash"] = TOLD["chained"](row["number"], row["previous"], row["digest"])
    rows[0]["head"] = rows[-1]["hash"]


def words(rows: list[dict[str, Any]]) -> None:
    rows[33]["entry"]["by_name"] = "Samuel"


def twice(rows: list[dict[str, Any]]) -> None:
    rows[50]["id"] = rows[15]["id"]


def erased(rows: list[dict[str, Any]]) -> None:
    """Row 21 lost words, and row 45 says so."""
    pair = rows[45]["entry"]["data"]["entries"]["1021"]
    rows[21] |= {"digest": pair[0], "erased": [pair]}
    resealed(rows, 21)


def erased_untold(rows: list[dict[str, Any]]) -> None:
    erased(rows)
    rows[21]["erased"][0] = [rows[21]["digest"], digest(rows[21]["entry"] | {"n": 1})]
    rows[21]["entry"] |= {"n": 1}


def waits(rows: list[dict[str, Any]]) -> None:
    rows.insert(40, rows[39] | {"number": None, "id": 5})


def no_row(rows: list[dict[str, Any]]) -> None:
    del rows[37]["number"]


EDITS: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "nothing": list,
    "words": words,
    "twice": twice,
    "erased": erased,
    "erased_untold": erased_untold,
    "waits": waits,
    "no_row": no_row,
    "gone_at_a_seam": lambda rows: rows.pop(31),
    "swapped": lambda rows: rows.insert(18, rows.pop(44)),
}


def test_several_processes_say_what_one_says(small: Path, tmp_path: Path) -> None:
    files: dict[str, str] = {}
    for name, edit in EDITS.items():
        rows = ledger()
        edit(rows)
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        files[name] = str(path)
    head = ledger()[40]["hash"]
    files |= {
        "head": f"{tmp_path / 'nothing'}@40:{head}",
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(small), "all", *files.values()],
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(zip(files, map(json.loads, done.stdout.splitlines()), strict=True))
    assert found == {name: alone(file) for name, file in files.items()}
    assert {name for name, said in found.items() if said.get("ok")} == {
        "nothing", "erased", "head",
    }  # fmt: skip


def alone(file: str) -> dict[str, Any]:
    """What one process says."""
    name, _, wanted = file.partition("@")
    try:
        with Path(name).open("rb") as lines:
            head = TOLD["kept"](wanted) if wanted else None
            found: dict[str, Any] = TOLD["verify"](lines, head=head)
    except TOLD["NoLedger"] as problem:
        return {"said": str(problem)}
    return found


@contextmanager
def half_way(small: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[int], list[bytes]]]:
    """The script when it has read half of a ledger, its workers, and the lines that follow."""
    lines = [json.dumps(row).encode() + b"\n" for row in ledger()]
    command = [sys.executable, "-I", "-S", str(small), "-", "--processes", "2", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.writelines(lines[:30])
        process.stdin.flush()
        until = time.monotonic() + 60
        while len(found := workers(process.pid)) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        try:
            yield process, found, lines[30:]
        finally:
            process.kill()


def workers(pid: int) -> list[int]:
    """The processes that this one has begun and that look at lines."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [one for one in map(int, children) if b"spawn_main" in command_of(one)]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def test_worker_that_is_killed_is_not_missed(small: Path) -> None:
    with half_way(small) as (process, found, rest):
        assert len(found) == 2
        os.kill(found[0], signal.SIGKILL)
        said, _ = process.communicate(b"".join(rest))
    assert (process.returncode, json.loads(said)["sealed"]) == (0, ROWS)


def test_no_process_is_left_of_a_script_that_is_killed(small: Path) -> None:
    with half_way(small) as (process, found, _):
        assert len(found) == 2
        process.kill()
        until = time.monotonic() + 30
        while any(map(command_of, found)) and time.monotonic() < until:
            time.sleep(0.02)
        assert [command_of(one) for one in found] == [b"", b""]


@given(st.dictionaries(st.text(st.characters(codec=None), max_size=8), VALUES, max_size=4))
def test_quick_text_is_the_canonical_one(value: dict[str, Any]) -> None:
    read = TOLD["read"](json.dumps(value).encode(), 1)
    try:
        expected = sha256(TOLD["canonical"](read).encode()).hexdigest()
    except UnicodeEncodeError:
        expected = ""
    assert TOLD["digest_of"](read) == expected
