"""Where the formats' tests find recorded evidence, and the words they share.

The recordings are read, never copied. Where they are missing the tests on them are not
collected, which one line says; in CI their absence is a failure.
"""

import os
from pathlib import Path

import pytest

from evidence.formats.record import Asked

HERE = Path(__file__).resolve().parent
ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "tests" / "samples"
DATA = Path(os.environ.get("COUNTERSIGN_DATA") or ROOT.parent / "shared" / "data").resolve()


def pytest_report_header() -> str:
    if DATA.is_dir():
        return f"recorded evidence: {DATA}"
    return f"recorded evidence: none at {DATA}; the tests on it are not collected"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`data` is the folder of recordings; without it such tests do not exist."""
    if "data" not in metafunc.fixturenames:
        return
    if not DATA.is_dir() and os.environ.get("CI"):
        pytest.fail(f"recorded evidence is missing at {DATA}; set COUNTERSIGN_DATA")
    metafunc.parametrize("data", [DATA] if DATA.is_dir() else [], ids=["recorded"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An empty parameter set would be reported as skipped: take it out instead."""
    if DATA.is_dir():
        return
    items[:] = [
        item
        for item in items
        if HERE not in item.path.parents or "data" not in getattr(item, "fixturenames", ())
    ]


@pytest.fixture
def asked() -> Asked:
    return Asked(source="lab", digest_key=b"k" * 32)


@pytest.fixture
def samples() -> Path:
    return SAMPLES
