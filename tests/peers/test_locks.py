"""The peers' locks name what they were made from, hashes, and no place."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("name", ["mlflow", "phoenix"])
def test_lock_names_hashes_and_no_place(name: str) -> None:
    lock = (HERE / f"{name}.lock").read_text(encoding="utf-8")
    (wanted,) = re.findall(
        r"^[a-z-]+", (HERE / f"{name}.in").read_text(encoding="utf-8"), re.MULTILINE
    )
    blocks = re.split(r"(?m)^(?=[a-zA-Z0-9])", lock)[1:]
    assert [block for block in blocks if "--hash=sha256:" not in block] == []
    assert sum(block.startswith(f"{wanted}==") for block in blocks) == 1
    assert [word for word in ("://", "git+", "--index", "file:") if word in lock] == []
