"""Commands with names and files that somebody made hostile: a sentence, never a traceback."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from evidence.models import Deposit
from tests.evidence.bodies import record, trail

pytestmark = pytest.mark.django_db

USER = "arn:aws:iam::123456789012:user/"
# Bytes that are no UTF-8 come to a command as lone surrogates.
NAMES = ["svc\udcff", "svc\0x", "svc\u202egnp.exe", "n" * 1_000_000, "\x1b[31mred"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize(
    "command", ["line {}", "source retention {} 30 --reason x", "reread --source {}"]
)
def test_name_that_nobody_has_is_said_to_be_none(command: str, name: str) -> None:
    words = [name if word == "{}" else word for word in command.split()]
    with pytest.raises(CommandError, match=r"nothing in evidence|There is no source"):
        call_command(*words)


@pytest.mark.parametrize("name", ["svc\ud800", "svc\0x"], ids=ascii)
def test_line_finds_the_name_that_evidence_has(tmp_path: Path, name: str) -> None:
    identity = record(1)["userIdentity"] | {"arn": USER + name, "userName": name}
    (tmp_path / "one.json").write_text(json.dumps({"Records": [record(1, userIdentity=identity)]}))
    call_command("ingest", str(tmp_path), "--source", "trail", "--no-wait", stdout=StringIO())
    out = StringIO()
    call_command("line", USER + name, stdout=out)
    assert "seen in evidence, claimed by nobody" in out.getvalue()


def test_what_evidence_says_moves_no_cursor(tmp_path: Path) -> None:
    name = "svc\x1b[2K\u202e"
    identity = record(1)["userIdentity"] | {"arn": USER + name, "userName": name}
    body = trail(record(1, userIdentity=identity), {"eventName": 7})
    file = tmp_path / "a\x1b[2K.json"
    file.write_bytes(body)
    out = StringIO()
    call_command("ingest", str(file), "--source", "trail", "--no-wait", stdout=out, stderr=out)
    call_command("line", USER + name, stdout=out)
    assert Deposit.objects.get().rejects == 1
    assert {"\x1b", "\u202e"}.isdisjoint(out.getvalue())
