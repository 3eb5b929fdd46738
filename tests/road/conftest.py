"""Recorded evidence, and the commands over it."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from evidence.names import memory
from tests import clock
from tests.house.test_data import DATA
from tests.linked import link_agents

# The recording of the lab was made until 15:48; by then no source is late with it.
AFTER = clock.FROZEN + timedelta(days=3)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Where the recordings are not (a clone alone), nothing of theirs is collected; CI fails in
    tests/house/test_data.py."""
    if "recording" in metafunc.fixturenames:
        metafunc.parametrize("recording", [DATA] if DATA.is_dir() else [])


@pytest.fixture(autouse=True)
def no_names_remembered() -> Iterator[None]:
    """A test's rows go away with it, and so must the ids of their names."""
    memory.forget()
    yield
    memory.forget()


def run(*words: str | Path, **options: Any) -> str:
    out = io.StringIO()
    call_command(*map(str, words), stdout=out, **options)
    return out.getvalue()


def ingest_lab() -> None:
    """Through the commands, as the README says; the trace source is declared complete, and agents
    are linked to their accounts."""
    lab = DATA / "lab"
    run("register", lab / "truth.json", imported=True)
    run("ingest", lab / "cloudtrail.json", source="lab-aws", json=True)
    run("ingest", lab / "traces.pb.jsonl", source="lab-otel", json=True, complete=True)
    link_agents()


def exported(what: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in run("export", what).splitlines()]
