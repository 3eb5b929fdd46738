"""`manage.py doctor`: what it asks, and that it finds what is broken."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from config import up
from config.environment import SettingsError
from config.management.commands import doctor
from evidence import partitions
from identities import checks
from identities.enforcers import aws_failures
from identities.enforcers.contract import NotSetUp, PermanentFailure


def answers() -> dict[str, dict[str, Any]]:
    out = StringIO()
    status: object = 0
    try:
        call_command("doctor", "--json", stdout=out)
    except SystemExit as ended:
        status = ended.code
    document = json.loads(out.getvalue())
    assert document["ok"] == all(row["ok"] for row in document["checks"])
    assert status == (0 if document["ok"] else 1)
    return {row["name"]: row for row in document["checks"]}


HOUSE = (
    "database", "migrations", "clock", "role", "tables", "table rights", "broker", "secrets", "debug"
)  # fmt: skip


@pytest.mark.django_db
@pytest.mark.real_clock
def test_doctor_finds_a_sound_house() -> None:
    found = answers()
    assert {name: found[name]["ok"] for name in HOUSE} == dict.fromkeys(HOUSE, True)
    assert {name: found[name]["fix"] for name in HOUSE} == dict.fromkeys(HOUSE, "")


@pytest.mark.django_db
def test_doctor_says_that_the_broker_is_away(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert answers()["broker"]["ok"] is False


@pytest.mark.django_db
def test_doctor_sees_missing_assets(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ASSETS", ("tabler/not-there.css",))
    assert answers()["assets"]["message"] == "missing: tabler/not-there.css"


@pytest.mark.django_db
def test_nothing_starts_without_the_files_of_pages(settings: Any, tmp_path: Path) -> None:
    settings.ALLOW_ROOT = True
    settings.STATIC_ROOT = tmp_path
    assert answers()["assets"]["message"] == "not collected"
    with pytest.raises(SettingsError, match="run `make setup`"):
        up.run(lambda: None)


@pytest.mark.django_db
def test_question_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a target answers: the others are asked all the same."""

    def broken(*_: Any) -> Any:
        raise RuntimeError("the target answered\nnonsense")

    monkeypatch.setattr("identities.checks.doctor", broken)
    connection.ensure_connection()
    found = {name: (ok, said) for name, ok, said, _ in doctor.answers()}
    assert found["identities"] == (False, "the target answered")
    assert "login recoveries" in found


def test_account_that_nobody_set_up_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers_with(problem: Exception) -> tuple[bool, str]:
        def refuse(*_: Any, **__: Any) -> Any:
            raise problem

        monkeypatch.setattr("identities.actions.revocations.reach.enforcer", refuse)
        name, ok, said, _ = checks._of_account("aws", "123456789012", [])
        assert name == "enforcer aws 123456789012"
        return ok, said

    missing = aws_failures.translated(NoCredentialsError(), permission="x", resource="y")
    assert isinstance(missing, NotSetUp)
    assert answers_with(missing)[0]
    failing = PermanentFailure("It is refused.", who_must_act="Ops")
    assert answers_with(failing) == (False, "It is refused.")
    assert answers_with(KeyError("Policies")) == (False, "KeyError: 'Policies'")


def test_account_whose_credentials_are_named_and_missing_fails(settings: Any) -> None:
    settings.AWS_CREDENTIALS = "env:AWS_ENFORCER"
    missing = aws_failures.translated(NoCredentialsError(), permission="x", resource="y")
    assert not isinstance(missing, NotSetUp)


@pytest.mark.django_db
@pytest.mark.begins_at(datetime(2031, 5, 6, tzinfo=UTC))
def test_migrate_makes_the_partitions_of_these_months() -> None:
    now = timezone.now()
    tables = (*partitions.BY_EVENT_TIME, *partitions.BY_RECEIPT)
    months = [partitions.month_of(now), partitions.month_of(now + timedelta(days=32))]
    assert len(partitions.missing(tables, months)) == 2 * len(tables)
    call_command("migrate", verbosity=0)
    assert partitions.missing(tables, months) == []
