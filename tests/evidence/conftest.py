"""Sources, bodies and a frozen time that the tests of evidence share."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evidence.models import Source
from evidence.names import memory
from tests.evidence.formats.conftest import DATA

HERE = Path(__file__).resolve().parent
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An empty parameter set would be reported as skipped: take it out instead."""
    if not DATA.is_dir():
        items[:] = [item for item in items if item.path != HERE / "test_recorded.py"]


@pytest.fixture(autouse=True)
def no_names_remembered() -> Iterator[None]:
    """A test's rows go away with it, and so must the ids of their names."""
    memory.forget()
    yield
    memory.forget()


@pytest.fixture(autouse=True)
def deposits_elsewhere(tmp_path: Path, settings: Any) -> None:
    """Large deposits of tests lie in a folder of their own."""
    settings.VAR = tmp_path


@pytest.fixture
def source(db: None) -> Callable[..., Source]:
    """A source; everything not said is as the model has it."""

    def make(name: str = "trail", **said: Any) -> Source:
        return Source.objects.create(
            **{"name": name, "created_at": NOW, "created_by": "command"} | said
        )

    return make
