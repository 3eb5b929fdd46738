"""The pack of a case: what is in it, and that whoever changes any of it is found out without the app."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from joserfc.jwk import OKPKey

from evidence.models import Anchor, LedgerEntry, Looked
from evidence.permissions import NotAllowed
from reviews import actions
from reviews.models import Case, CaseMember
from tests.evidence.anchored import Names, mailbox, names, outside
from tests.reviews.conftest import NOW, Told, person_of, tell_story
from tests.signed_in import sure

from .packing import Files, answered, checked, files, sealed, taken, zipped

__all__ = ["files", "names", "outside"]
stored = pytest.mark.django_db

BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def case(story: Told, sign: Callable[..., Any]) -> Case:
    return answered(story, sign)


def test_pack_says_who_answered_what_on_which_evidence(files: Files) -> None:
    (item,) = [one for one in json.loads(files["case.json"])["items"] if one["answers"]]
    assert [(one["answer"], one["by"], bool(one["changed_at"])) for one in item["answers"]] == [
        ("dont_know", "Ines", True),
        ("revoke", "Samuel", False),
        ("revoke", "Ines", False),
    ]
    capsules = {f"capsules/{one['capsule']}.json" for one in item["answers"]}
    assert capsules == {one for one in files if one.startswith("capsules/")}
    assert len(capsules) == 3


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


def test_file_that_is_missing_or_was_put_in_is_named(files: Files, tmp_path: Path) -> None:
    without = {name: data for name, data in files.items() if name != "custody.json"}
    code, said = checked(zipped(without, tmp_path / "pack.zip"))
    assert (code, "custody.json: is missing" in said["faults"]) == (1, True)
    code, said = checked(zipped({**files, "extra.txt": b"x"}, tmp_path / "pack.zip"))
    assert (code, said["faults"]) == (1, ["extra.txt: was put in"])
    assert checked(Path(__file__))[0] == 2


@stored
def test_pack_without_a_key_is_whole_and_says_that_it_proves_nothing(
    case: Case, story: Told, tmp_path: Path
) -> None:
    files = taken(case, story.rita)
    assert b"Nothing here is signed" in files["pack.html"]
    code, said = checked(zipped(files, tmp_path / "pack.zip"))
    assert (code, said["ok"], said["signed"], said["proved"]) == (3, True, False, 0)


@stored
def test_who_may_take_it_and_who_may_not(
    case: Case, story: Told, client: Client, tmp_path: Path
) -> None:
    with pytest.raises(NotAllowed, match="take packs out"):
        taken(case, story.ines)
    client.force_login(story.ines, backend=BACKEND)
    sure(client)
    assert client.post(f"/cases/{case.key}/pack/").status_code == 403
    assert "Take the pack out" not in client.get(f"/cases/{case.key}/").content.decode()
    client.force_login(story.otto, backend=BACKEND)
    sure(client)
    assert client.get(f"/cases/{case.key}/pack/").status_code == 405
    page = client.get(f"/cases/{case.key}/").content.decode()
    assert "Take the pack out" in page
    assert 'name="deposits" value="1"' in page
    answer = client.post(f"/cases/{case.key}/pack/")
    pack = tmp_path / "pack.zip"
    pack.write_bytes(b"".join(answer.streaming_content))  # type: ignore[attr-defined]  # a file is streamed
    assert checked(pack)[0] == 3
    assert Looked.objects.filter(kind="export", case=case.pk).count() == 1
    # A sealed one is its members' alone, auditors included.
    Case.objects.filter(pk=case.pk).update(sealed=True)
    assert client.post(f"/cases/{case.key}/pack/").status_code == 404
    CaseMember.objects.create(case=case, person=person_of(story.otto), since=NOW)
    answer = client.post(f"/cases/{case.key}/pack/")
    assert b"".join(answer.streaming_content).startswith(b"PK")  # type: ignore[attr-defined]  # a file is streamed
    assert LedgerEntry.objects.filter(act="pack.taken").last().sealed_case == case.pk  # type: ignore[union-attr]  # there is one


@stored
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


@pytest.mark.django_db(transaction=True)
def test_head_is_signed_for_a_pack_though_it_is_not_time(
    sign: Callable[..., Any], names: Names
) -> None:
    names(mailbox())
    story = tell_story()
    case = answered(story, sign)
    sealed()
    first = json.loads(taken(case, story.otto)["ledger.json"])["tree_size"]
    actions.comment(case=case, text="one more", by=story.rita, now=NOW)
    sealed()
    again = json.loads(taken(case, story.otto)["ledger.json"])
    assert again["tree_size"] > first
    assert all(row["proved"] for row in again["rows"])
    assert Anchor.objects.count() == 2
