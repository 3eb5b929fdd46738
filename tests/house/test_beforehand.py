"""What tests begin with is made once: waited for while it is being made, and made anew when half."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests import beforehand


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(beforehand.FOLDER, str(tmp_path))
    monkeypatch.setattr(beforehand, "place", lambda name: beforehand.folder() / f"{name}-1")
    return tmp_path


def test_what_is_being_made_is_waited_for() -> None:
    begun, go_on, makers = Event(), Event(), []

    def make(draft: Path) -> None:
        makers.append(draft)
        begun.set()
        assert go_on.wait(30)
        draft.write_text("whole")

    with ThreadPoolExecutor() as pool:
        first = pool.submit(beforehand.kept, "schema", make)
        assert begun.wait(30)
        second = pool.submit(beforehand.kept, "schema", make)
        with pytest.raises(TimeoutError):
            second.result(0.3)
        go_on.set()
        assert first.result(30).read_text() == second.result(30).read_text() == "whole"
    assert len(makers) == 1


def test_what_was_left_half_made_is_made_anew(folder: Path) -> None:
    def fail(draft: Path) -> None:
        draft.mkdir()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        beforehand.kept("story", fail)
    assert beforehand.kept("story", Path.touch) == folder / "story-1"


def test_only_the_latest_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(beforehand.KEPT + 2):
        monkeypatch.setattr(beforehand, "place", lambda name, n=number: folder / f"{name}-{n}")
        beforehand.kept("story", Path.mkdir)
    assert len(list(folder.glob("story-*"))) == beforehand.KEPT


def test_another_migration_is_another_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(beforehand, "ROOT", tmp_path)
    monkeypatch.setattr(beforehand, "OF_SCHEMA", ())
    file = tmp_path / "evidence" / "migrations" / "0001_initial.py"
    file.parent.mkdir(parents=True)
    places = []
    for text in ("a", "b", "b"):
        file.write_text(text)
        beforehand.place.cache_clear()
        places.append(beforehand.place(beforehand.SCHEMA))
    beforehand.place.cache_clear()
    assert places[0] != places[1] == places[2]
