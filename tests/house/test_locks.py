"""Advisory locks are taken through evidence/locks.py only, each with a number of its own."""

import re

import pytest

from evidence.locks import Lock
from tests.house.test_layout import OURS, shown, sources

ADVISORY = re.compile(r"pg_(?:try_)?advisory\w*\s*\(\s*([^)]*)")
# SQL functions in the database that take locks themselves; `child` is the name of a partition.
IN_SQL = {
    "evidence/migrations/0013_erasing_further.py": {str(int(Lock.NAMES))},
    "evidence/partitions.py": {"hashtextextended(child, 0"},
    "reviews/migrations/0031_break_glass_accounts.py": {str(int(Lock.BREAK_GLASS_ACCOUNTS))},
}


def strays(path: str, text: str) -> set[str]:
    """What this module locks by other numbers than those of the table."""
    return {found[1] for found in ADVISORY.finditer(text)} - IN_SQL.get(path, set())


def test_every_advisory_lock_is_one_of_the_table() -> None:
    found = {
        shown(path): stray
        for root in OURS
        for path in sources(root)
        if shown(path) != "evidence/locks.py"
        and (stray := strays(shown(path), path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_no_two_locks_have_one_number() -> None:
    # Names that share a value would be aliases, which iteration leaves out.
    assert len(Lock) == len(Lock.__members__)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_xact_lock(7305461)",
        "SELECT pg_try_advisory_lock(%s)",
        "SELECT pg_advisory_xact_lock_shared(hashtext('claims'), 1)",
    ],
)
def test_lock_beside_the_table_is_found(statement: str) -> None:
    assert strays("reviews/actions/new.py", f'cursor.execute("{statement}")')
