"""What the tests of sources find by name: the AWS account, a bucket of it, recorded evidence."""

import pytest

from tests.evidence.formats.conftest import DATA, pytest_generate_tests
from tests.evidence.sources.buckets import HERE, aws_account, filled, lab

__all__ = ["aws_account", "filled", "lab", "pytest_generate_tests"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An empty parameter set would be reported as skipped: take it out instead."""
    if not DATA.is_dir():
        items[:] = [
            item
            for item in items
            if HERE not in item.path.parents or "data" not in getattr(item, "fixturenames", ())
        ]
