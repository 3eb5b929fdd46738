"""`manage.py follow`: what is new is stored once, what was lost is a gap, what is wrong is said."""

import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from evidence.models import Deposit, Event, Gap, LedgerEntry, Source
from tests.evidence.sources.pulling import named
from tests.evidence.vault_log import entries


def follow(path: Path, **said: Any) -> str:
    out = StringIO()
    call_command("follow", str(path), source="vault", once=True, stdout=out, stderr=out, **said)
    return out.getvalue().strip()


@pytest.mark.django_db(transaction=True)
def test_command_stores_what_is_new_and_says_of_which_cluster(
    source: Callable[..., Source], tmp_path: Path
) -> None:
    source("vault", format="vault")
    path = tmp_path / "audit.log"
    path.write_text(entries(0, 50))
    assert follow(path, cluster="main") == "vault: 50 events, 0 duplicates, 0 rejects."
    with path.open("a") as file:
        file.write(entries(50, 60))
    assert follow(path, cluster="main") == "vault: 10 events, 0 duplicates, 0 rejects."
    assert {realm for realm, _, _ in named("principal")} == {"vault:main"}
    assert Deposit.objects.order_by("pk")[0].name == f"{path}, from byte 0"


@pytest.mark.django_db(transaction=True)
def test_command_that_lost_its_place_doubles_nothing(
    source: Callable[..., Source], tmp_path: Path
) -> None:
    source("vault")
    path = tmp_path / "audit.log"
    path.write_text(entries(0, 50))
    follow(path)
    shutil.rmtree(tmp_path / "followed")
    with path.open("a") as file:
        file.write(entries(50, 60))
    assert follow(path) == "vault: 10 events, 50 duplicates, 0 rejects."
    assert Event.objects.count() == 60


@pytest.mark.django_db(transaction=True)
def test_command_records_what_was_lost_as_a_gap(
    source: Callable[..., Source], tmp_path: Path
) -> None:
    source("vault")
    path = tmp_path / "audit.log"
    path.write_text(entries(0, 5))
    follow(path)
    path.unlink()
    path.write_text(entries(5, 6))
    assert "was rotated away or cut before it was read" in follow(path)
    assert Gap.objects.get().reason == f"{path} was rotated away or cut before it was read"
    assert LedgerEntry.objects.filter(act="source.was_silent").count() == 1
    assert Event.objects.count() == 6


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("said", "text", "words"),
    [
        ({"cluster": "a b"}, "", "--cluster: a cluster's name has letters"),
        ({}, "hello\n", "no format recognises this"),
        ({"format": "morse"}, "hello\n", "'morse' is not known"),
    ],
)
def test_command_says_what_is_wrong(
    source: Callable[..., Source], tmp_path: Path, said: dict[str, str], text: str, words: str
) -> None:
    source("vault")
    path = tmp_path / "audit.log"
    path.write_text(text)
    with pytest.raises(CommandError, match=words):
        follow(path, **said)
