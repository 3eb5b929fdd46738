"""Recorded evidence, and the commands over it."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from tests.house.test_data import DATA


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Where the recordings are not (a clone alone), nothing of theirs is collected; CI fails in
    tests/house/test_data.py."""
    if "recording" in metafunc.fixturenames:
        metafunc.parametrize("recording", [DATA] if DATA.is_dir() else [])


def run(*words: str | Path, **options: Any) -> str:
    out = io.StringIO()
    call_command(*map(str, words), stdout=out, **options)
    return out.getvalue()


def exported(what: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in run("export", what).splitlines()]
