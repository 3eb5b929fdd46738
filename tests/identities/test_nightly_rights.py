"""What each enforcer may not do, asked once a night: one system's fault costs no other anything."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connections

from identities import checks
from identities.actions.revocations import of_aws, rights
from identities.enforcers.aws import AwsEnforcer
from identities.enforcers.contract import TemporaryFailure
from identities.models import Identity, Rights
from tests.awslab.lab import Lab
from tests.identities.enforcers.vault_lab import OURS, vault_lab
from tests.identities.enforcers.vault_lab import Lab as Vault
from tests.identities.revoking import held_by, pointed_at_the_account

__all__ = ["held_by", "pointed_at_the_account", "vault_lab"]

# Committed rows: two workers ask at once.
pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
NIGHT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
Make = Callable[..., Any]


def ask(now: datetime) -> int:
    return rights.ask_due(clock=lambda: now, enough=lambda: False)


def of(system: str) -> Rights:
    return Rights.objects.get(system=system)


@pytest.fixture
def down(settings: Any, tmp_path: Path) -> None:
    """A Vault that is set up and is not there."""
    (tmp_path / "token").write_text("s.none")
    entry = {
        "address": "http://127.0.0.1:9",
        "realms": ["vault:lab"],
        "token": f"file:{tmp_path}/token",
    }
    (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"vault": [entry]}))
    settings.ENFORCERS = str(tmp_path / "enforcers.yaml")


@pytest.fixture
def poor(lab: Lab, settings: Any, tmp_path: Path) -> None:
    """The enforcer signs in as a user that may nothing."""
    own = lab.user().credentials
    said = {"access_key_id": own.access_key_id, "secret_access_key": own.secret_access_key}
    (tmp_path / "poor.json").write_text(json.dumps(said))
    settings.AWS_CREDENTIALS = f"file:{tmp_path / 'poor.json'}"
    of_aws._clients.cache_clear()


@pytest.mark.parametrize(
    ("now", "night"),
    [
        (NIGHT, date(2026, 11, 24)),
        (NIGHT.replace(hour=1, minute=59), date(2026, 11, 23)),
        (NIGHT.replace(hour=2, minute=0), date(2026, 11, 24)),
        (NIGHT.replace(hour=23), date(2026, 11, 24)),
    ],
)
def test_night_begins_at_two(now: datetime, night: date) -> None:
    assert rights.night_of(now) == night


def test_each_account_is_asked_once_a_night(lab: Lab, held_by: Make) -> None:
    held_by(lab.user())
    assert ask(NIGHT) == 1
    first = of("aws")
    assert (first.night, first.answered_at, first.missing, first.targets) == (
        NIGHT.date(), NIGHT, [], 1,
    )  # fmt: skip
    assert ask(NIGHT + 20 * HOUR) == 0
    assert ask(NIGHT + 24 * HOUR) == 1
    assert of("aws").answered_at == NIGHT + 24 * HOUR


def test_what_could_not_be_stopped_names_whose_it_is(lab: Lab, held_by: Make, poor: None) -> None:
    person = lab.user()
    identity, _ = held_by(person)
    ask(NIGHT)
    row = of("aws")
    assert {one["permission"].partition(":")[0] for one in row.missing} == {"iam"}
    assert [(one["name"], one["identity"]) for one in row.unstoppable] == [
        (person.name, identity.name)
    ]
    assert rights.sentences()["aws", row.account] == row.missing[0]["sentence"]
    found = {name: (ok, said) for name, ok, said, _ in checks.doctor()}
    assert found[f"last night aws {row.account}"] == (False, f"could not be stopped: {person.name}")


def test_system_that_is_down_costs_no_other_and_is_asked_again_an_hour_later(
    lab: Lab, held_by: Make, down: None
) -> None:
    held_by(lab.user())
    assert ask(NIGHT) == 2
    row = of("vault")
    assert (of("aws").answered_at, row.answered_at, row.failed_at) == (NIGHT, None, NIGHT)
    assert row.failed_why != ""
    assert ask(NIGHT + HOUR / 2) == 0
    assert ask(NIGHT + HOUR) == 1
    assert of("vault").failed_at == NIGHT + HOUR
    found = {name: ok for name, ok, _, _ in checks.doctor()}
    assert found[f"last night vault {row.account}"] is False


def test_last_answer_stays_while_the_system_is_down(
    vault_lab: Vault, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(OURS)
    entry = {
        "address": vault_lab.address,
        "realms": ["vault:lab"],
        "token": f"file:{tmp_path}/token",
    }
    (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"vault": [entry]}))
    settings.ENFORCERS = str(tmp_path / "enforcers.yaml")
    ask(NIGHT)
    answered = of("vault")
    assert (answered.answered_at, answered.failed_why) == (NIGHT, "")
    (tmp_path / "token").unlink()
    ask(NIGHT + 24 * HOUR)
    row = of("vault")
    assert (row.answered_at, row.failed_at, row.missing) == (
        NIGHT, NIGHT + 24 * HOUR, answered.missing,
    )  # fmt: skip
    assert row.failed_why != ""


def test_account_that_is_set_up_no_longer_goes(lab: Lab, held_by: Make) -> None:
    held_by(lab.user())
    ask(NIGHT)
    Rights.objects.create(system="aws", account="000000000000", night=NIGHT.date())
    ask(NIGHT + HOUR)
    assert list(Rights.objects.values_list("account", flat=True)) == [of("aws").account]


def test_settings_that_cannot_be_read_are_said(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("vault: [")
    settings.ENFORCERS = str(tmp_path / "broken.yaml")
    ask(NIGHT)
    assert of("vault").failed_why.startswith("The enforcers' settings: the file")
    assert of("vault").who_must_act != ""


def test_two_workers_ask_once_and_a_dead_one_is_replaced(
    lab: Lab, held_by: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by(lab.user())
    asked, gate = [], threading.Barrier(2)
    real = AwsEnforcer.own_rights

    def counted(self: Any, targets: Any = ()) -> Any:
        asked.append(len(targets))
        return real(self, targets)

    monkeypatch.setattr(AwsEnforcer, "own_rights", counted)

    def worker() -> int:
        try:
            gate.wait(timeout=20)
            return ask(NIGHT)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        done = [one.result(timeout=60) for one in [pool.submit(worker) for _ in range(2)]]
    assert (sorted(done), asked) == ([0, 1], [1])
    # One that died while it asked: its lease ends, and somebody else asks.
    Rights.objects.update(night=NIGHT.date() - timedelta(days=1), leased_until=NIGHT + HOUR)
    assert (ask(NIGHT), ask(NIGHT + HOUR)) == (0, 1)


def test_worker_that_comes_back_late_changes_nothing(
    lab: Lab, held_by: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by(lab.user())

    def slow(self: Any, targets: Any = ()) -> Any:
        Rights.objects.update(leased_until=NIGHT + 9 * HOUR)  # another one has it by now
        raise TemporaryFailure("It answered 503.", retry_after=1)

    monkeypatch.setattr(AwsEnforcer, "own_rights", slow)
    ask(NIGHT)
    assert (of("aws").failed_why, of("aws").answered_at) == ("", None)


def test_fault_of_an_adapter_is_written_down_and_costs_no_other(
    lab: Lab, held_by: Make, down: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by(lab.user())

    def broken(self: Any, targets: Any = ()) -> Any:
        raise KeyError("x")

    monkeypatch.setattr(AwsEnforcer, "own_rights", broken)
    assert ask(NIGHT) == 2
    assert of("aws").failed_why == "Asking failed (KeyError): see the worker's log."
    assert of("vault").failed_at == NIGHT


def test_doctor_says_that_nobody_asks(active: Callable[..., Identity]) -> None:
    now = datetime.now(UTC)
    Rights.objects.create(
        system="aws", account="1", night=now.date(), answered_at=now - timedelta(days=3)
    )
    found = {name: (ok, fix) for name, ok, _, fix in checks.doctor()}
    assert found["last night aws 1"] == (False, "start the worker and the schedule")
    Rights.objects.update(answered_at=now)
    found = {name: (ok, fix) for name, ok, _, fix in checks.doctor()}
    assert found["last night"] == (True, "")
