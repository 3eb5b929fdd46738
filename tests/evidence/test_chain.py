"""The chain of deposits: what somebody with all rights changes, removes or adds is found."""

import json
import runpy
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from evidence import chain, intake, ledger, tasks
from evidence.models import Deposit, DepositSeal, LedgerEntry, Source
from tests.evidence.bodies import record, trail

VECTOR = "13154e50d017196ba2e5d838c36f85742dc35902e6f3c2d226cc9bde800e6e75"

type AsOwner = Callable[..., list[tuple[Any, ...]]]


def taken(source: Source, *numbers: int) -> None:
    for number in numbers:
        body = trail(record(number, at=timezone.now() - timedelta(minutes=number)))
        intake.take(source=source, body=body, by="command", now=timezone.now())


def forced(as_owner: AsOwner, statement: str) -> None:
    """What only somebody with every right could do."""
    as_owner(f"SET countersign.letting_go = 'on'; {statement}; RESET countersign.letting_go")


def faults() -> list[str]:
    return [fault for one in chain.verify() for fault in one.faults]


def seal() -> int:
    return chain.seal(now=timezone.now())


@pytest.mark.django_db
def test_each_source_has_a_chain_of_its_own(source: Callable[..., Source]) -> None:
    one, two = source("one"), source("two")
    taken(one, 1, 2)
    taken(two, 3)
    assert (seal(), seal()) == (3, 0)
    taken(one, 4)
    assert seal() == 1
    rows = DepositSeal.objects.order_by("source", "number")
    assert list(rows.values_list("source", "number")) == [
        (one.pk, 1), (one.pk, 2), (one.pk, 3), (two.pk, 1),
    ]  # fmt: skip
    assert (faults(), sorted(chain.heads())) == ([], ["one", "two"])


@pytest.mark.django_db
def test_digest_is_that_of_the_written_down_form(source: Callable[..., Source]) -> None:
    """The test vector: whoever changes the form changes the version."""
    at = datetime.fromisoformat("2026-11-24T12:00:00.000001+00:00")
    row = Deposit(
        pk=7, source=source("trail"), received_at=at, received_by="source:trail", name="a.json",
        received_digest=b"\1" * 32, received_bytes=10, kept_digest=b"\2" * 32, kept_bytes=9,
        rule_version=1,
    )  # fmt: skip
    assert json.dumps(chain.members(row, "trail"), sort_keys=True, separators=(",", ":")) == (
        '{"id":"7","kept_bytes":9,"kept_digest":"' + "02" * 32 + '","name":"a.json",'
        '"received_at":"2026-11-24T12:00:00.000001Z","received_by":"source:trail",'
        '"received_bytes":10,"received_digest":"' + "01" * 32 + '","rule_version":1,'
        '"source":"trail","version":1}'
    )
    assert chain.digest_of(row, "trail").hex() == VECTOR


FORGED = """
INSERT INTO evidence_tombstone (deposit_id, cause, why, asked_by, asked_name, confirmed_by,
    confirmed_name, at, gone_digest, gone_bytes)
SELECT id, 'retention', '', '', '', '', '', now(), kept_digest, 1
FROM evidence_deposit WHERE id = {2};
DELETE FROM evidence_depositbody WHERE deposit_id = {2}
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE evidence_deposit SET received_by = 'me' WHERE id = {2}", "was changed"),
        ("UPDATE evidence_depositbody SET body = {0}::text::bytea WHERE deposit_id = {2}", "read"),
        ("DELETE FROM evidence_depositbody WHERE deposit_id = {2}", "are missing"),
        ("DELETE FROM evidence_depositseal WHERE number = 2", "does not follow"),
        ("DELETE FROM evidence_depositseal WHERE number = 2", "trail 2: is missing"),
        ("UPDATE evidence_depositseal SET number = number + 9 WHERE number = 3", "is missing"),
        ("UPDATE evidence_depositseal SET hash = '\\x00' WHERE number = 2", "does not fit"),
        (
            FORGED,
            "its tombstone is not in the ledger",
        ),
        ("DELETE FROM evidence_depositseal WHERE number = 3", "the end was cut off"),
    ],
)
def test_tampering_is_found(
    source: Callable[..., Source], as_owner: AsOwner, statement: str, said: str
) -> None:
    taken(source(), 1, 2, 3)
    seal()
    assert chain.anchor(now=timezone.now()) is True
    numbers = ["'00'", *Deposit.objects.order_by("pk").values_list("pk", flat=True)]
    forced(as_owner, statement.format(*numbers))
    found = faults()
    assert [fault for fault in found if said in fault] != [], found


@pytest.mark.django_db
def test_heads_are_kept_in_the_ledger_when_they_grew(source: Callable[..., Source]) -> None:
    row = source()
    assert chain.anchor(now=timezone.now()) is False
    taken(row, 1)
    seal()
    assert [chain.anchor(now=timezone.now()) for _ in range(2)] == [True, False]
    taken(row, 2)
    seal()
    assert chain.anchor(now=timezone.now()) is True
    assert LedgerEntry.objects.filter(act="deposits.anchored").count() == 2
    assert faults() == []


@pytest.mark.django_db(transaction=True)
def test_many_sealers_make_one_chain(source: Callable[..., Source]) -> None:
    taken(source(), *range(1, 13))

    def work() -> None:
        try:
            seal()
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    seal()
    assert list(DepositSeal.objects.order_by("number").values_list("number", flat=True)) == [
        *range(1, 13)
    ]
    assert faults() == []


@pytest.mark.django_db(transaction=True)
def test_task_seals_what_was_stored(source: Callable[..., Source]) -> None:
    taken(source(), 1, 2)
    tasks.seal_deposits()
    assert DepositSeal.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("many", [1, 30])
def test_verifying_asks_the_same_number_of_questions_a_page(
    source: Callable[..., Source], many: int, django_assert_max_num_queries: Any
) -> None:
    taken(source(), *range(1, many + 1))
    seal()
    with django_assert_max_num_queries(7):
        assert [one.faults for one in chain.verify(with_bodies=False)] == [[]]


def exported(tmp_path: Path) -> tuple[Path, Any]:
    ledger.seal(now=timezone.now())
    file = tmp_path / "ledger.ndjson"
    call_command("export_ledger", "--out", str(file), stdout=StringIO())
    script = runpy.run_path(str(Path(settings.BASE_DIR) / "scripts" / "verify_ledger.py"))
    return file, script


def checked(file: Path, script: Any) -> dict[str, Any]:
    with file.open("rb") as lines:
        found: dict[str, Any] = script["verify"](lines)
    return found


@pytest.mark.django_db(transaction=True)
def test_exported_deposits_are_checked_without_the_app(
    source: Callable[..., Source], tmp_path: Path
) -> None:
    taken(source("one"), 1, 2, 3)
    taken(source("two"), 4)
    seal()
    chain.anchor(now=timezone.now())
    file, script = exported(tmp_path)
    found = checked(file, script)
    assert (found["ok"], found["deposits"], found["faults"]) == (True, 4, [])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.pop(1), "does not follow"),
        (lambda rows: rows.pop(), "the end was cut off"),
        (lambda rows: rows.reverse(), "out of order"),
        (lambda rows: rows[0]["entry"].update(kept_digest="00"), "was changed"),
        (lambda rows: rows[2].update(hash="00" * 32), "does not fit"),
        (
            lambda rows: rows[1].update(
                tombstones=[{"ordinal": None, "gone_digest": "00", "left_digest": None}]
            ),
            "tombstone is not in the ledger",
        ),
    ],
)
def test_changed_export_of_deposits_is_found(
    source: Callable[..., Source],
    tmp_path: Path,
    change: Callable[[list[dict[str, Any]]], object],
    said: str,
) -> None:
    taken(source(), 1, 2, 3)
    seal()
    chain.anchor(now=timezone.now())
    file, script = exported(tmp_path)
    documents = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    others = [one for one in documents if "deposit" not in one]
    rows = [one for one in documents if "deposit" in one]
    change(rows)
    file.write_text("".join(f"{json.dumps(one)}\n" for one in (*others, *rows)), "utf-8")
    found = checked(file, script)
    assert [fault for fault in found["faults"] if said in fault["what"]] != [], found
