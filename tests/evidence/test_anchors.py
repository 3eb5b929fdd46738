"""The ledger's head is signed, and compared with what the ledger says later."""

import json
import runpy
import subprocess
import sys
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from joserfc.jwk import OKPKey

from evidence import anchoring, checks, ledger, merkle, tasks, verified
from evidence.models import Anchor, AnchorCopy, LedgerEntry, LedgerSeal, SealKey
from evidence.sources.failures import Stopped
from evidence.stores import anchors
from tests.evidence.anchored import Names, all_kept, mailbox, names, outside
from tests.evidence.chained import NOW, SCRIPT, seal_all, sealed, tamper, write
from tests.evidence.readers import person, signed_in

__all__ = ["names", "outside", "person", "sealed", "signed_in", "tamper"]

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def test_head_is_signed_when_it_is_time_and_has_grown(
    sealed: list[LedgerEntry], names: Names, mailoutbox: list[Any]
) -> None:
    set_up = names(mailbox())
    assert anchoring.make(set_up, now=NOW) is not None
    seal_all(1)  # that a new key signs
    assert anchoring.make(set_up, now=NOW + HOUR - MINUTE) is None
    assert anchoring.make(set_up, now=NOW + HOUR) is not None
    assert anchoring.make(set_up, now=NOW + 3 * HOUR) is None
    assert list(Anchor.objects.order_by("pk").values_list("number", flat=True)) == [5, 6]
    all_kept(set_up, NOW + 3 * HOUR)
    assert len(mailoutbox) == 2


def test_each_row_is_shown_to_be_among_those_that_were_signed(
    sealed: list[LedgerEntry], names: Names
) -> None:
    first = anchoring.make(names(mailbox()), now=NOW)
    write(6)
    seal_all(2)
    second = anchoring.make(names(mailbox()), now=NOW + HOUR)
    assert first is not None
    assert second is not None
    for anchor, many in ((first, 5), (second, 7)):
        tree = anchoring.tree_of(anchor)
        assert tree.size == many
        for row in LedgerSeal.objects.filter(number__lte=many):
            one = merkle.leaf(row.number, bytes(row.entry_digest))
            assert (
                merkle.root_of(one, row.number - 1, many, tree.path(row.number - 1)) == anchor.tree
            )


def test_old_statements_hold_after_the_key_is_changed(
    sealed: list[LedgerEntry], names: Names, outside: Path
) -> None:
    first = anchoring.make(names(mailbox()), now=NOW)
    (outside / "new.pem").write_bytes(OKPKey.generate_key("Ed25519").as_pem(private=True))
    write(6)
    seal_all(2)
    second = anchoring.make(names(mailbox(), key=f"file:{outside / 'new.pem'}"), now=NOW + HOUR)
    assert first is not None
    assert second is not None
    assert SealKey.objects.count() == 2
    assert first.key_id != second.key_id
    assert anchoring.faults() == []
    assert LedgerEntry.objects.filter(act="ledger.key").count() == 2
    call_command("verify_ledger")


def test_ledger_written_anew_is_told_by_what_was_signed_and_never_signed_on(
    sealed: list[LedgerEntry], names: Names, tamper: Callable[..., None], tmp_path: Path
) -> None:
    set_up = names(mailbox())
    anchor = anchoring.make(set_up, now=NOW)
    assert anchor is not None
    file = tmp_path / "head.jws"
    file.write_text(anchor.statement)
    assert verified.check(now=NOW).ok

    # All of it anew from the third row on, as its owner could: in itself it verifies.
    entry = LedgerEntry.objects.get(words="answer 3")
    tamper(
        "DELETE FROM evidence_ledgerseal",
        f"UPDATE evidence_ledgerentry SET words = 'another', xid = xid WHERE id = {entry.pk}",
    )
    entry.refresh_from_db()
    tamper(
        f"UPDATE evidence_ledgerentry SET digest = '\\x{ledger.digest_of(entry).hex()}'"
        f" WHERE id = {entry.pk}"
    )
    seal_all(6)
    assert ledger.verify().faults == []

    (fault,) = anchoring.faults()
    assert anchoring.faults(newest=1) == [fault]
    assert anchoring.faults(newest=0) == []
    assert fault == ledger.Fault(5, "has another hash than the one that was signed")
    assert not verified.check(now=NOW).ok
    with pytest.raises(SystemExit):
        call_command("verify_ledger", "--anchor", str(file))
    with pytest.raises(Stopped, match="has another hash"):
        anchoring.make(set_up, now=NOW + HOUR)
    assert checks._anchors(NOW)[1] is False


def test_stand_alone_verifier_compares_with_a_signed_head(
    sealed: list[LedgerEntry], names: Names, tmp_path: Path
) -> None:
    anchor = anchoring.make(names(mailbox()), now=NOW)
    assert anchor is not None
    export, head, keys = (tmp_path / name for name in ("ledger.ndjson", "head.jws", "keys.json"))
    call_command("export_ledger", "--out", str(export))
    head.write_text(anchor.statement)
    keys.write_text(json.dumps({"keys": list(anchoring.jwks().values())}))

    def run(*words: str | Path) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", SCRIPT, export, *words], capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    assert run("--anchor", head, "--keys", keys)[0] == 0
    code, said = run("--anchor", head)
    assert (code, "was not checked" in said) == (0, True)
    # Signed by somebody else; a changed number under the same signature; a cut-off end.
    stranger = OKPKey.generate_key("Ed25519")
    head.write_text(
        anchors.keys.signed(5, bytes(anchor.hash), bytes(anchor.tree), stranger, now=NOW)
    )
    assert run("--anchor", head, "--keys", keys) == (
        2, f"no ledger: {head} is signed by none of these keys\n",
    )  # fmt: skip
    parts = anchor.statement.split(".")
    other = anchors.keys.signed(4, bytes(anchor.hash), bytes(anchor.tree), stranger, now=NOW).split(
        "."
    )
    head.write_text(f"{parts[0]}.{other[1]}.{parts[2]}")
    assert run("--anchor", head, "--keys", keys)[0] == 2
    head.write_text(anchor.statement)
    lines = export.read_text().splitlines()
    opening = json.loads(lines[0])
    rows = [json.loads(line) for line in lines[1:5]]
    opening |= {"sealed": 4, "head": rows[-1]["hash"]}
    export.write_text("\n".join(map(json.dumps, [opening, *rows])) + "\n")
    assert run()[0] == 0
    code, said = run("--anchor", head, "--keys", keys)
    assert (code, "cut off" in said) == (1, True)


def test_what_is_signed_or_kept_stays(
    sealed: list[LedgerEntry], names: Names, mailoutbox: list[Any]
) -> None:
    set_up = names(mailbox())
    anchoring.make(set_up, now=NOW)
    all_kept(set_up)
    for statement in (
        "UPDATE evidence_anchor SET hash = hash",
        "DELETE FROM evidence_anchor",
        "DELETE FROM evidence_sealkey",
        "UPDATE evidence_anchorcopy SET words = 'never kept'",
        "DELETE FROM evidence_anchorcopy",
    ):
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute(statement)


def test_two_workers_sign_once_and_send_each_copy_once(
    sealed: list[LedgerEntry], names: Names, mailoutbox: list[Any]
) -> None:
    set_up = names(mailbox(), mailbox("second"))
    first = anchoring.make(set_up, now=NOW)
    assert first is not None
    # Another that read the head before: it stands on the same number, and is not signed again.
    AnchorCopy.objects.filter(place="second").update(leased_until=NOW + MINUTE)
    assert all_kept(set_up) == [("auditor", "kept"), ("second", "waiting")]
    # Whoever took it is gone.
    assert all_kept(set_up, NOW + 2 * MINUTE) == [("auditor", "kept"), ("second", "kept")]
    assert len(mailoutbox) == 2


def test_place_that_is_not_set_up_any_more_is_left(sealed: list[LedgerEntry], names: Names) -> None:
    anchoring.make(names(mailbox(), mailbox("second")), now=NOW)
    left = names(mailbox())
    assert dict(all_kept(left)) == {"auditor": "kept", "second": "left"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"every_minutes": 0}, "every_minutes is no number"),
        ({"key": "MC4CAQ"}, "a secret is named, not given"),
        ({"places": []}, "places is no list"),
        ({"other": 1}, "there is no other"),
        ({"places": [mailbox(), mailbox()]}, "two places have one name"),
        ({"places": [{"name": "x", "kind": "ftp"}]}, "kind is one of"),
        ({"places": [{"name": "x", "kind": "mail"}]}, "to is missing"),
        ({"places": [mailbox() | {"cc": "y"}]}, "there is no cc of mail"),
    ],
)
def test_settings_say_what_is_wrong_with_them(names: Names, said: dict[str, Any], why: str) -> None:
    with pytest.raises(Stopped, match=why):
        names(mailbox(), **said)
    tasks.anchor()  # says so in the log, and nothing else happens
    assert not Anchor.objects.exists()


def test_statement_of_a_stranger_is_refused(
    sealed: list[LedgerEntry], names: Names, tmp_path: Path
) -> None:
    anchor = anchoring.make(names(mailbox()), now=NOW)
    assert anchor is not None
    stranger = OKPKey.generate_key("Ed25519")
    file = tmp_path / "head.jws"
    for text in (
        anchors.keys.signed(5, bytes(32), bytes(32), stranger, now=NOW),
        anchor.statement[:-6] + "AAAAAA",
        "no statement", "", "a.b.c",
        anchor.statement * 100,
    ):  # fmt: skip
        file.write_text(text)
        with pytest.raises(CommandError):
            call_command("verify_ledger", "--anchor", str(file))
    payload = urlsafe_b64decode(anchor.statement.split(".")[1] + "==")
    assert json.loads(payload)["number"] == 5
    script = runpy.run_path(str(SCRIPT))
    file.write_text(anchor.statement)
    assert script["anchored"](str(file), None) == (5, bytes(anchor.hash).hex())


def test_page_says_who_keeps_the_head_and_hands_it_out(
    sealed: list[LedgerEntry], names: Names, signed_in: Callable[..., Client],
    mailoutbox: list[Any], settings: Any,
) -> None:  # fmt: skip
    client = signed_in("ines", "reviewer")
    assert (
        b"Consistent, not anchored: no place outside has the head of this ledger"
        in client.get("/ledger/").content
    )
    set_up = names(mailbox(), mailbox("second"))
    anchor = anchoring.make(set_up, now=NOW)
    assert anchor is not None
    AnchorCopy.objects.filter(place="second").update(leased_until=NOW + MINUTE, why="<b>away</b>")
    all_kept(set_up)
    shown = client.get("/ledger/").context["anchors"]
    assert (shown["last"]["row"], shown["problem"]) == (5, "")
    assert [(one["place"], one["row"], one["waits"]) for one in shown["rows"]] == [
        ("auditor", 5, None), ("second", None, 5),
    ]  # fmt: skip
    assert b"&lt;b&gt;away" in client.get("/ledger/").content
    assert client.get(shown["last"]["url"]).content.decode() == anchor.statement
    assert client.get("/ledger/keys.json").json() == {"keys": list(anchoring.jwks().values())}
    assert client.get("/ledger/anchors/4.jws").status_code == 404
    Path(settings.ANCHORS).write_text("key: [")
    assert "is no YAML" in client.get("/ledger/").context["anchors"]["problem"]
    other = signed_in("samuel", "owner")
    for path in (shown["last"]["url"], "/ledger/keys.json"):
        assert other.get(path).status_code == 403
