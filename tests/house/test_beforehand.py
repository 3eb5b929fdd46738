"""What is made once for all processes of a run: found when it is whole, and missed when it is not."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import beforehand


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(beforehand.FOLDER, str(tmp_path))
    return tmp_path


def test_what_is_being_made_is_waited_for(folder: Path) -> None:
    with ThreadPoolExecutor() as pool:
        with beforehand.locked(folder, beforehand.SCHEMA):
            asked = pool.submit(beforehand.found, beforehand.SCHEMA)
            with pytest.raises(TimeoutError):
                asked.result(0.3)
            (folder / beforehand.SCHEMA).touch()
        assert asked.result(30) == folder / beforehand.SCHEMA


def test_what_nobody_made_is_missed(folder: Path, tmp_path: Path) -> None:
    with beforehand.locked(folder, beforehand.STORY):
        (folder / f"{beforehand.STORY}.draft").mkdir()
    assert beforehand.story(tmp_path / "into") is None


def test_process_that_is_alone_looks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(beforehand.FOLDER, raising=False)
    assert beforehand.found(beforehand.SCHEMA) is None
