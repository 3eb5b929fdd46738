"""`manage.py doctor`: what it asks, and that it finds what is broken."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from config import up
from config.environment import SettingsError
from config.management.commands import doctor


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
