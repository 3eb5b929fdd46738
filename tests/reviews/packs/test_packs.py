"""The pack of a case: what is in it, and that whoever changes any of it is found out without the app."""

import io
import json
import runpy
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from evidence import anchoring, ledger
from evidence.models import Capsule, LedgerEntry, Looked
from evidence.permissions import NotAllowed
from reviews import actions, packs
from reviews.models import Case, CaseMember
from tests.evidence.anchored import Names, mailbox, names, outside
from tests.reviews.conftest import NOW, Told, person_of, tell_story

__all__ = ["names", "outside"]

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = Path(__file__).parents[3] / "scripts" / "verify_pack.py"
BACKEND = "django.contrib.auth.backends.ModelBackend"
type Files = dict[str, bytes]


@pytest.fixture
def story(transactional_db: None) -> Told:
    return tell_story()


@pytest.fixture
def case(story: Told, sign: Callable[..., Any]) -> Case:
    """A review in which both owners have answered on the key, one of them twice."""
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")
    sign(case, "credential", story.ines, "dont_know")
    sign(case, "credential", story.ines, "revoke", now=NOW + timedelta(minutes=1))
    sign(case, "credential", story.samuel, "revoke", seat="ai_owner")
    until = time.monotonic() + 60
    while ledger.waiting() and time.monotonic() < until:
        ledger.seal(now=NOW)
    return case


def taken(case: Case, by: Any) -> Files:
    into = io.BytesIO()
    packs.write(into, case, by=by, now=NOW)
    with zipfile.ZipFile(into) as pack:
        return {name: pack.read(name) for name in pack.namelist()}


def zipped(files: Files, to: Path) -> Path:
    with zipfile.ZipFile(to, "w") as pack:
        for name, data in files.items():
            pack.writestr(name, data)
    return to


def checked(pack: Path, keys: Path | None = None) -> tuple[int, dict[str, Any]]:
    """By the script alone, in a process that has nothing of ours on its path."""
    words: list[str | Path] = [sys.executable, "-I", SCRIPT, pack, "--json"]
    words += ["--keys", keys] if keys else []
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else {"said": done.stderr}


@pytest.fixture
def files(case: Case, story: Told, names: Names) -> Files:
    names(mailbox())
    return taken(case, story.otto)


def test_pack_proves_who_answered_what_on_which_evidence(
    files: Files, case: Case, story: Told, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(files["keys.json"])
    code, said = checked(zipped(files, tmp_path / "pack.zip"), keys)
    assert (code, said["faults"], said["signed"]) == (0, [], True)
    assert said["rows"] == said["proved"] > 3
    (item,) = [one for one in json.loads(files["case.json"])["items"] if one["answers"]]
    assert [(one["answer"], one["by"], bool(one["changed_at"])) for one in item["answers"]] == [
        ("dont_know", person_of(story.ines).name, True),
        ("revoke", person_of(story.samuel).name, False),
        ("revoke", person_of(story.ines).name, False),
    ]
    capsules = {f"capsules/{one.key}.json" for one in Capsule.objects.filter(subject=case.key)}
    assert capsules <= set(files)
    assert len(capsules) == 3
    row = LedgerEntry.objects.get(act="case.pack")
    assert (row.subject, row.data["signed"]) == (case.key, True)


def test_own_keys_are_said_to_be_its_own_and_others_to_be_missing(
    files: Files, tmp_path: Path
) -> None:
    pack = zipped(files, tmp_path / "pack.zip")
    code, said = checked(pack)
    assert (code, said["keys_of_its_own"]) == (0, True)
    other = tmp_path / "other.json"
    public = OKPKey.generate_key("Ed25519")
    jwk = public.as_dict(private=False) | {"kid": public.thumbprint()}
    other.write_text(json.dumps({"keys": [jwk]}))
    code, said = checked(pack, other)
    assert code == 1
    assert any("a key that you do not have" in one for one in said["faults"])


def changed(value: Any) -> Any:
    """The same document, one word of it another."""
    text = json.dumps(value)
    assert "revoke" in text
    return json.loads(text.replace("revoke", "keep", 1))


@pytest.mark.parametrize("name", ["case.json", "ledger.json", "capsules", "manifest.json"])
def test_changed_document_is_named_also_where_its_digest_is_changed_with_it(
    files: Files, name: str, tmp_path: Path
) -> None:
    (name, *_) = [one for one in files if one.startswith(name)]
    document = json.loads(files[name])
    if name.startswith("capsules"):
        document["body"]["made_by"] = "somebody else"
    elif name == "manifest.json":
        document["made_by"] = "somebody else"
    else:
        document = changed(document)
    files[name] = json.dumps(document).encode()
    code, said = checked(zipped(files, tmp_path / "pack.zip"))
    assert code == 1
    assert any(one.startswith(f"{name}: ") for one in said["faults"])
    # Whoever writes a new manifest cannot sign it.
    manifest = json.loads(files["manifest.json"])
    code, said = checked(zipped(files, tmp_path / "pack.zip"))
    assert code == 1
    assert manifest


def test_row_that_was_left_out_put_in_or_moved_does_not_lead_to_the_root(
    files: Files, tmp_path: Path
) -> None:
    """Also by somebody who can sign: the head lies elsewhere."""
    document = json.loads(files["ledger.json"])
    first, second = document["rows"][0], document["rows"][1]
    swapped = {**first, "number": second["number"]}
    entry = {**second["entry"], "words": "invented"}
    invented = {**second, "entry": entry}
    for row, why in ((swapped, "does not lead"), (invented, "was changed")):
        new = {**document, "rows": [row, *document["rows"][2:]]}
        code, said = checked(
            zipped({**files, "ledger.json": json.dumps(new).encode()}, tmp_path / "pack.zip")
        )
        assert code == 1
        assert any(why in one for one in said["faults"])


@given(which=st.integers(0, 10**6), at=st.integers(0, 10**9), bit=st.integers(0, 7))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_is_found(
    files: Files, tmp_path: Path, which: int, at: int, bit: int
) -> None:
    verify = runpy.run_path(str(SCRIPT))["verify"]
    name = sorted(files)[which % len(files)]
    was = files[name]
    at %= len(was)
    now = was[:at] + bytes([was[at] ^ 1 << bit]) + was[at + 1 :]
    found = verify(str(zipped({**files, name: now}, tmp_path / "pack.zip")))
    assert not found["ok"], (name, at)


def test_file_that_is_missing_or_was_put_in_is_named(files: Files, tmp_path: Path) -> None:
    without = {name: data for name, data in files.items() if name != "custody.json"}
    code, said = checked(zipped(without, tmp_path / "pack.zip"))
    assert (code, "custody.json: is missing" in said["faults"]) == (1, True)
    code, said = checked(zipped({**files, "extra.txt": b"x"}, tmp_path / "pack.zip"))
    assert (code, said["faults"]) == (1, ["extra.txt: was put in"])
    assert checked(Path(__file__))[0] == 2


def test_pack_without_a_key_is_whole_and_says_that_it_proves_nothing(
    case: Case, story: Told, tmp_path: Path
) -> None:
    files = taken(case, story.rita)
    assert b"Nothing here is signed" in files["pack.html"]
    code, said = checked(zipped(files, tmp_path / "pack.zip"))
    assert (code, said["ok"], said["signed"], said["proved"]) == (3, True, False, 0)


def test_who_may_take_it_and_who_may_not(
    case: Case, story: Told, client: Client, names: Names, tmp_path: Path
) -> None:
    names(mailbox())
    with pytest.raises(NotAllowed, match="take packs out"):
        taken(case, story.ines)
    client.force_login(story.ines, backend=BACKEND)
    assert client.post(f"/cases/{case.key}/pack/").status_code == 403
    assert "Take the pack out" not in client.get(f"/cases/{case.key}/").content.decode()
    client.force_login(story.otto, backend=BACKEND)
    assert client.get(f"/cases/{case.key}/pack/").status_code == 405
    assert "Take the pack out" in client.get(f"/cases/{case.key}/").content.decode()
    answer = client.post(f"/cases/{case.key}/pack/")
    pack = tmp_path / "pack.zip"
    pack.write_bytes(b"".join(answer.streaming_content))  # type: ignore[attr-defined]  # a file is streamed
    assert checked(pack)[0] == 0
    assert Looked.objects.filter(kind="export", case=case.pk).count() == 1
    # A sealed one is its members' alone, auditors included.
    Case.objects.filter(pk=case.pk).update(sealed=True)
    assert client.post(f"/cases/{case.key}/pack/").status_code == 404
    CaseMember.objects.create(case=case, person=person_of(story.otto), since=NOW)
    answer = client.post(f"/cases/{case.key}/pack/")
    assert b"".join(answer.streaming_content).startswith(b"PK")  # type: ignore[attr-defined]  # a file is streamed
    assert LedgerEntry.objects.filter(act="case.pack").last().sealed_case == case.pk  # type: ignore[union-attr]  # there is one


def test_command_writes_it_for_a_login_that_may(case: Case, story: Told, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    call_command("pack", case.key, "--by", "otto", "--out", str(out))
    assert checked(out)[0] == 3
    assert out.stat().st_mode & 0o077 == 0
    for words in (["CS-0", "--by", "otto"], [case.key, "--by", "nobody"], ["x", "--by", "otto"]):
        with pytest.raises(CommandError):
            call_command("pack", *words)
    with pytest.raises(CommandError, match="take packs out"):
        call_command("pack", case.key, "--by", "ines", "--out", str(out))


def test_head_is_signed_for_a_pack_though_it_is_not_time(
    files: Files, case: Case, story: Told
) -> None:
    first = json.loads(files["ledger.json"])["tree_size"]
    until = time.monotonic() + 60
    while ledger.waiting() and time.monotonic() < until:
        ledger.seal(now=NOW)
    again = json.loads(taken(case, story.otto)["ledger.json"])
    assert again["tree_size"] > first
    assert all(row["proved"] for row in again["rows"])
    assert anchoring.faults() == []
