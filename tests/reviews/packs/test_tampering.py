"""Whoever changes anything in a pack is found out, and what they changed is named: also where they
hold the key that signs packs, as far as the ledger's head lies elsewhere."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.evidence.anchored import names, outside

from .packing import Files, checked, faults, files, signed_anew, zipped

__all__ = ["files", "names", "outside"]

type Change = Callable[[Files, st.DataObject], str]
BOUNDED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def pick(files: Files, data: st.DataObject, begins: str) -> str:
    return data.draw(st.sampled_from(sorted(one for one in files if one.startswith(begins))))


def byte_of(begins: str) -> Change:
    """Another bit in one byte of such a file."""

    def change(files: Files, data: st.DataObject) -> str:
        name = pick(files, data, begins)
        was = files[name]
        at = data.draw(st.integers(0, len(was) - 1))
        bit = 1 << data.draw(st.integers(0, 7))
        files[name] = was[:at] + bytes([was[at] ^ bit]) + was[at + 1 :]
        return rf"{re.escape(name.removesuffix('.jws'))}"

    return change


def document(files: Files, name: str, change: Callable[[Any], None]) -> None:
    found = json.loads(files[name])
    change(found)
    files[name] = json.dumps(found).encode()


def row(files: Files, data: st.DataObject) -> int:
    return data.draw(st.integers(0, len(json.loads(files["ledger.json"])["rows"]) - 1))


def changed_answer(files: Files, data: st.DataObject) -> str:
    del data

    def change(case: Any) -> None:
        item = next(one for one in case["items"] if one["answers"])
        item["answers"][0]["answer"] = "keep"

    document(files, "case.json", change)
    return r"case\.json: the answer with CAP-\d+ on .+ is not what row \d+ of the ledger says"


def dropped_answer(files: Files, data: st.DataObject) -> str:
    del data

    def change(case: Any) -> None:
        next(one for one in case["items"] if one["answers"])["answers"].pop()

    document(files, "case.json", change)
    return r"row \d+ of the ledger: the answer with CAP-\d+ is not here"


def changed_event(files: Files, data: st.DataObject) -> str:
    every = [one for one in sorted(files) if one.startswith("capsules/")]
    name = data.draw(
        st.sampled_from([one for one in every if json.loads(files[one])["body"]["events"]])
    )
    document(files, name, lambda one: one["body"]["events"][0].update(action="s3:GetObjekt"))
    return rf"{re.escape(name)}: was changed"


def dropped_capsule(files: Files, data: st.DataObject) -> str:
    name = pick(files, data, "capsules/")
    del files[name]
    return rf"case\.json: {name[9:-5]} of an answer is not here"


def changed_row(files: Files, data: st.DataObject) -> str:
    at = row(files, data)
    number = json.loads(files["ledger.json"])["rows"][at]["number"]
    document(files, "ledger.json", lambda one: one["rows"][at]["entry"].update(words="other"))
    return rf"ledger\.json: row {number} was changed"


def invented_row(files: Files, data: st.DataObject) -> str:
    at = row(files, data)

    def change(one: Any) -> None:
        one["rows"].append({**one["rows"][at], "number": 100_000})

    document(files, "ledger.json", change)
    return r"ledger\.json: row 100000 does not lead to the signed root"


def doubled_row(files: Files, data: st.DataObject) -> str:
    at = row(files, data)
    number = json.loads(files["ledger.json"])["rows"][at]["number"]
    document(files, "ledger.json", lambda one: one["rows"].append(one["rows"][at]))
    return rf"ledger\.json: row {number} stands there twice"


def swapped_rows(files: Files, data: st.DataObject) -> str:
    """Each with the number of the other."""
    del data

    def change(one: Any) -> None:
        a, b = one["rows"][0], one["rows"][1]
        a["number"], b["number"] = b["number"], a["number"]

    document(files, "ledger.json", change)
    return r"ledger\.json: row \d+ does not lead to the signed root"


def dropped_row(files: Files, data: st.DataObject) -> str:
    at = row(files, data)
    number = json.loads(files["ledger.json"])["rows"][at]["number"]
    document(files, "ledger.json", lambda one: one["rows"].pop(at))
    return rf"row {number} of the ledger: was left out"


def cut_tail(files: Files, data: st.DataObject) -> str:
    rows = json.loads(files["ledger.json"])["rows"]
    keep = data.draw(st.integers(0, len(rows) - 1))
    document(files, "ledger.json", lambda one: one.update(rows=one["rows"][:keep]))
    return rf"row {rows[-1]['number']} of the ledger: was left out"


def unproved_row(files: Files, data: st.DataObject) -> str:
    at = row(files, data)
    document(files, "ledger.json", lambda one: one["rows"][at].update(proved=False, path=[]))
    return r"ledger\.json: row \d+ is below the signed head and has no way to it"


def changed_deposit(files: Files, data: st.DataObject) -> str:
    return byte_of("deposits/")(files, data) + ": has other bytes than CAP-"


def dropped_deposit(files: Files, data: st.DataObject) -> str:
    name = pick(files, data, "deposits/")
    del files[name]
    return rf"{name}: its bytes are not here"


# What is found even if the manifest is made to fit and signed by the installation's own key.
BY_INSIDERS: list[Change] = [
    changed_answer, dropped_answer, changed_event, dropped_capsule, changed_row, invented_row,
    doubled_row, swapped_rows, dropped_row, cut_tail, unproved_row, changed_deposit,
    dropped_deposit,
]  # fmt: skip


@pytest.mark.parametrize("change", BY_INSIDERS, ids=lambda one: one.__name__)
def test_what_was_changed_is_named_also_where_it_was_signed_anew(
    files: Files, tmp_path: Path, change: Change
) -> None:
    assert faults(signed_anew(files), tmp_path / "as_it_was.zip") == []

    @given(data=st.data())
    @settings(parent=BOUNDED, max_examples=5)
    def each(data: st.DataObject) -> None:
        changed = dict(files)
        named = change(changed, data)
        for pack in (changed, signed_anew(changed)):
            found = faults(pack, tmp_path / "pack.zip")
            assert any(re.match(named, one) for one in found), (named, found)

    each()


@given(data=st.data())
@BOUNDED
def test_any_changed_byte_is_found_and_its_file_is_named(
    files: Files, tmp_path: Path, data: st.DataObject
) -> None:
    changed = dict(files)
    named = byte_of("")(changed, data)
    found = faults(changed, tmp_path / "pack.zip")
    # A key that is another signs nothing here: then what it signed is named as well.
    assert any(re.match(named, one) for one in found), (named, found)


@pytest.mark.parametrize(
    "name", ["custody.json", "pack.pdf", "pack.html", "assessment-results.json", "mapping.json",
             "revocations.json", "grants.json", "keys.json", "verify_pack.py", "README.txt"],
)  # fmt: skip
def test_files_that_are_signed_alone_are_named(files: Files, tmp_path: Path, name: str) -> None:
    for now, word in ((files[name] + b" ", "was changed"), (None, "is missing")):
        changed = dict(files)
        if now is None:
            del changed[name]
        else:
            changed[name] = now
        assert f"{name}: {word}" in faults(changed, tmp_path / "pack.zip")


def test_signature_that_was_taken_off_is_missed(files: Files, tmp_path: Path) -> None:
    without = {name: data for name, data in files.items() if name != "manifest.jws"}
    assert faults(without, tmp_path / "pack.zip") == [
        "manifest.json: its signature, manifest.jws, is missing"
    ]


def test_untouched_pack_is_valid_and_says_what_was_checked(files: Files, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(files["keys.json"])
    code, said = checked(zipped(files, tmp_path / "pack.zip"), keys)
    assert (code, said["faults"], said["signed"], said["keys_of_its_own"]) == (0, [], True, False)
    assert said["capsules"] == 3
    assert said["answers"] == 3
    assert said["deposits"] >= 1
    assert said["rows"] == said["proved"] > 3
    assert said["files"] == len(files) - 2
