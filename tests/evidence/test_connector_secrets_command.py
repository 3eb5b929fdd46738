"""manage.py connector_secrets: writing secrets, and moving old references over."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from evidence.models import Connection, LedgerEntry, Source
from evidence.sources import connector_secrets

pytestmark = pytest.mark.django_db
COMMAND = "connector_secrets"
URL = "https://acme.okta.com"


@pytest.fixture
def okta(
    source: Callable[..., Source], settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Source:
    settings.CONNECTOR_SECRETS = str(tmp_path / "connectors")
    monkeypatch.setenv("OKTA_TOKEN", "s3cret")
    made = source("okta")
    Connection.objects.create(
        source=made,
        connector="okta",
        settings={"url": URL, "token": "env:OKTA_TOKEN"},
        cursor={"after": "7"},
        paused=True,
    )
    return made


def said(*words: str) -> str:
    out = io.StringIO()
    call_command(COMMAND, *words, stdout=out)
    return out.getvalue()


def test_old_reference_is_moved_once_the_operator_says_where_it_may_go(okta: Source) -> None:
    assert "MISSING" in said("list")
    with pytest.raises(CommandError, match=f"Its settings name: {URL}"):
        said("move", "okta")
    assert not connector_secrets.folder().exists()
    said("move", "okta", "--host", "acme.okta.com")
    link = Connection.objects.get()
    assert link.settings == {"url": URL, "token": "okta-token"}
    assert (link.cursor, link.paused) == ({"after": "7"}, True)
    found = connector_secrets.read("okta-token", called="token")
    assert (found.text, [*map(str, found.addresses)]) == ("s3cret", ["acme.okta.com"])
    assert LedgerEntry.objects.filter(act="source.connected").count() == 1
    assert said("list") == "okta token=okta-token: acme.okta.com\n"
    assert said("move", "okta", "--host", "x.org") == "okta has no env: or file: reference.\n"


def test_secrets_of_countersign_itself_are_not_moved(okta: Source) -> None:
    Connection.objects.update(settings={"url": URL, "token": "env:COUNTERSIGN_SECRET_KEY"})
    with pytest.raises(CommandError, match="cannot be used"):
        said("move", "okta", "--host", "acme.okta.com")
    assert not connector_secrets.folder().exists()


def test_secret_is_read_from_standard_input(okta: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("typed\n"))
    said("add", "typed-token", "--host", "a.example.org", "--host", "http://127.0.0.1:9")
    found = connector_secrets.read("typed-token", called="token")
    assert (found.text, [*map(str, found.addresses)]) == (
        "typed", ["a.example.org", "http://127.0.0.1:9"],
    )  # fmt: skip
    monkeypatch.setattr(sys, "stdin", io.StringIO("again"))
    with pytest.raises(CommandError, match="is there already"):
        said("add", "typed-token")
    with pytest.raises(CommandError, match="a secret is named"):
        said("add", "../typed-token")
    with pytest.raises(CommandError, match="is no address"):
        said("add", "another", "--host", "*.com")
