"""The cache of what tests start from: made once, never half, and anew when an input changes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests import beforehand


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(beforehand.FOLDER, str(tmp_path))
    monkeypatch.setattr(beforehand, "path_of", lambda name: beforehand.folder() / f"{name}-1")
    return tmp_path


def test_entry_being_made_is_waited_for() -> None:
    begun, go_on, makers = Event(), Event(), []

    def make(draft: Path) -> None:
        makers.append(draft)
        begun.set()
        assert go_on.wait(30)
        draft.write_text("whole")

    with ThreadPoolExecutor() as pool:
        first = pool.submit(beforehand.cached, "schema", make)
        assert begun.wait(30)
        second = pool.submit(beforehand.cached, "schema", make)
        with pytest.raises(TimeoutError):
            second.result(0.3)
        go_on.set()
        assert first.result(30).read_text() == second.result(30).read_text() == "whole"
    assert len(makers) == 1


def test_entry_left_half_made_is_made_again(folder: Path) -> None:
    def fail(draft: Path) -> None:
        draft.mkdir()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        beforehand.cached("story", fail)
    assert beforehand.cached("story", Path.touch) == folder / "story-1"


def test_only_the_newest_entries_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(beforehand.KEPT + 2):
        monkeypatch.setattr(beforehand, "path_of", lambda name, n=number: folder / f"{name}-{n}")
        beforehand.cached("story", Path.mkdir)
    assert len(list(folder.glob("story-*"))) == beforehand.KEPT


def test_folder_stays_when_a_fixture_replaces_var(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.delenv(beforehand.FOLDER)
    expected = beforehand.folder()
    settings.VAR = "/elsewhere"
    assert beforehand.folder() == expected


@pytest.mark.parametrize(
    ("name", "path", "changes"),
    [
        (beforehand.SCHEMA, "evidence/migrations/0001_initial.py", True),
        (beforehand.SCHEMA, "evidence/links.py", False),
        (beforehand.STORY, "evidence/migrations/0001_initial.py", True),
        (beforehand.STORY, "evidence/links.py", True),
    ],
)
def test_changed_input_makes_another_entry(
    name: str, path: str, *, changes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(beforehand, "ROOT", tmp_path)
    monkeypatch.setattr(beforehand, "OF_SCHEMA", ())
    monkeypatch.setattr(beforehand, "OF_STORY", ())
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    entries = []
    for text in ("a", "b", "b"):
        file.write_text(text)
        beforehand.path_of.cache_clear()
        entries.append(beforehand.path_of(name))
    beforehand.path_of.cache_clear()
    assert (entries[0] != entries[1], entries[1] == entries[2]) == (changes, True)
