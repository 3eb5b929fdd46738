"""The careful reading of one member, in both cases of its name."""

from typing import Any

import pytest

from evidence.formats.members import told, ways

_NAMES = ways("userName", "user", "Login")


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"userName": "rosa", "user": "ben"}, "rosa"),
        ({"username": "rosa", "user": "ben"}, "rosa"),
        ({"userName": "", "user": "ben"}, "ben"),
        # Only where nothing stands under the name as the vendor writes it, the other is read.
        ({"userName": "", "username": "rosa"}, ""),
        ({"userName": None, "username": "rosa"}, "rosa"),
        ({"userName": {"name": "rosa"}, "user": 7, "login": "ada"}, "ada"),
        ({"userName": "\0", "user": "b\0en"}, "ben"),
        ({}, ""),
    ],
)
def test_told_is_the_first_name_with_text(record: dict[str, Any], text: str) -> None:
    assert told(record, _NAMES) == text
