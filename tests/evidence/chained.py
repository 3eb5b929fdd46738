"""A sealed chain of the ledger, and the ways to tamper with it as the owner of its tables.

Owns what the tests of the ledger share; knows nothing of what each of them changes.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from evidence import ledger
from evidence.models import LedgerEntry
from tests.conftest import Cleaner

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CASE = UUID("01993b3e-0000-7000-8000-000000000001")
SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_ledger.py"

committed = pytest.mark.django_db(transaction=True)


def write(number: int, **said: Any) -> LedgerEntry:
    row: dict[str, Any] = {
        "at": NOW + timedelta(seconds=number),
        "by": "user:ines",
        "by_name": "Ines Moreau",
        "act": "item.answered",
        "subject": f"CS-{number}",
        "words": f"answer {number}",
        "data": {"answer": "keep", "n": number},
    } | said
    return ledger.append(**row)


def seal_all(count: int) -> None:
    """Seal so many. Transactions of others on this server hold the sealer back: wait for them."""
    done, until = 0, time.monotonic() + 60
    while done < count and time.monotonic() < until:
        done += ledger.seal(now=NOW)
        time.sleep(0.01)
    assert done == count


@pytest.fixture
def sealed(transactional_db: None) -> list[LedgerEntry]:
    """Five entries of five transactions, sealed."""
    rows = [write(number) for number in range(1, 6)]
    seal_all(5)
    return rows


@pytest.fixture
def tamper(transactional_db: None) -> Iterator[Callable[..., None]]:
    """Statements as the owner, who can take the tables' rules away; they are put back."""
    assert Cleaner.current is not None
    owner = Cleaner.current.owner
    tables = ("evidence_ledgerentry", "evidence_ledgerseal")
    rules = owner.execute(
        "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE confrelid = 'evidence_ledgerentry'::regclass"
    ).fetchall()
    assert [table for table, _, _ in sorted(rules)] == [
        "evidence_ledgerseal", "evidence_ledgertombstone",
    ]  # fmt: skip

    def run(*statements: str) -> None:
        with owner.transaction():
            for statement in (
                *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables),
                *statements,
                *(f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in tables),
            ):
                owner.execute(statement.encode())

    connection.close()
    for table, name, _ in rules:
        owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
    try:
        yield run
    finally:
        connection.close()
        run("DELETE FROM evidence_ledgerseal", "DELETE FROM evidence_ledgerentry")
        for table, name, rule in rules:
            owner.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule}".encode())


def faults(**said: Any) -> list[tuple[int, str]]:
    return [(one.number, one.what) for one in ledger.verify(**said).faults]


def exported(path: Path, **said: Any) -> Path:
    with path.open("w", encoding="utf-8") as into:
        for document in ledger.export(now=NOW, **said):
            into.write(json.dumps(document, ensure_ascii=False) + "\n")
    return path


def alone(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """What the stand-alone verifier says: isolated from this environment and its packages."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), str(path), "--json", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else {"said": done.stderr}
