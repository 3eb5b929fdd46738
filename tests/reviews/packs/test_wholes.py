"""Packs of identities, campaigns and break-glass; long ones by the worker; whom they went to."""

import hashlib
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evidence import ledger
from evidence.models import LedgerEntry, Pack, Transfer
from identities.models import Identity, User
from identities.permissions import NotAllowed, NotPossible
from reviews.models import Case, CaseMember
from reviews.packs import handing, ordering, subjects, writing
from tests.reviews import stages
from tests.reviews.break_glass.conftest import Company, company, opened
from tests.reviews.conftest import NOW, Told, make_user, person_of
from tests.reviews.test_api import token
from tests.reviews.test_campaigns import gather, launched
from tests.signed_in import sure

from .packing import Files, answered, faults, taken
from .packing import opened as unzipped

__all__ = ["company"]
pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
LATER = NOW + timedelta(minutes=15)


@pytest.fixture
def packs_here(settings: Any, tmp_path: Path) -> None:
    settings.VAR = tmp_path


@pytest.fixture
def several(story: Told, monkeypatch: pytest.MonkeyPatch) -> subjects.Subject:
    """A campaign that the worker makes the pack of, though it is small."""
    monkeypatch.setattr(ordering, "AT_ONCE", 1)
    gather(3)
    return subjects.of(launched(story.rita))


def cases_in(files: Files) -> set[str]:
    return {name.removeprefix("cases/")[:-5] for name in files if name.startswith("cases/")}


def test_pack_of_an_identity_holds_its_cases_as_far_as_they_may_be_seen(
    story: Told, sign: Callable[..., Any], tmp_path: Path
) -> None:
    case = answered(story, sign)
    hidden = Case.objects.create(
        door="incident", state="open", title="secret", identity=story.identity, opened_at=NOW,
        opened_by="x", deadline_at=NOW, sealed=True,
    )  # fmt: skip
    ledger.append(
        at=NOW, by="x", by_name="X", act="note", subject=story.identity.key,
        words=f"something about {hidden.key}", data={},
    )  # fmt: skip
    files = taken(story.identity, story.otto)
    assert faults(files, tmp_path / "pack.zip") == []
    assert cases_in(files) == {case.key}
    said = json.loads(files["identity.json"])
    assert (said["name"], [one["case"] for one in said["cases"]]) == ("svc-report", [case.key])
    assert {one["credential"] for one in said["credentials"]} == {story.credential.key}
    everything = b"".join(data for name, data in files.items() if name != "pack.pdf")
    assert hidden.key.encode() not in everything
    assert str(hidden.pk).encode() not in everything
    assert b"secret" not in everything
    # For its members it is there.
    CaseMember.objects.create(case=hidden, person=person_of(story.rita), since=NOW)
    assert cases_in(taken(story.identity, story.rita)) == {case.key, hidden.key}
    with pytest.raises(NotAllowed, match="take packs out"):
        taken(story.identity, story.ines)


def test_review_in_which_its_taker_is_asked_blind_is_left_out(story: Told) -> None:
    stages.team("IAM", story.rita)
    stages.team("AI risk", story.marek)
    case = stages.opened(story, stages.FIRST, stages.SECOND | {"sight": "blind"})
    stages.both(case, story, "keep")
    stages.sweep(stages.after_undo(NOW))
    assert stages.fresh(case).stage == "Second look"
    assert cases_in(taken(story.identity, story.rita)) == set()
    assert cases_in(taken(story.identity, story.otto)) == {case.key}


def test_pack_of_a_break_glass_says_who_opened_it_for_how_long(
    company: Company, tmp_path: Path, client: Client
) -> None:
    case = opened(company)
    ada = make_user("otto", "auditor")
    files = taken(case, ada)
    assert faults(files, tmp_path / "pack.zip") == []
    glass = json.loads(files["case.json"])["break_glass"]
    assert (glass["opened_at"] is not None, glass["opened_alone_at"]) == (True, None)
    assert len(json.loads(files["grants.json"])) >= 1
    supported = json.loads(files["mapping.json"])["evidence"]
    assert "break_glass" in {one["kind"] for one in supported}
    client.force_login(ada, backend=BACKEND)
    sure(client)
    page = client.get(f"/break-glass/{case.key}/").content.decode()
    assert f"/packs/take/{case.key}/" in page


def test_pack_of_a_campaign_is_made_by_the_worker_and_fetched(
    several: subjects.Subject, story: Told, client: Client, packs_here: None, tmp_path: Path
) -> None:
    client.force_login(story.rita, backend=BACKEND)
    sure(client)
    page = client.get(several.url).content.decode()
    assert f"/packs/take/{several.key}/" in page
    for _ in range(2):  # two presses of one button
        answer = client.post(f"/packs/take/{several.key}/")
    row = Pack.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/packs/{row.key}/")
    assert "It waits for the worker" in client.get(f"/packs/{row.key}/").content.decode()
    assert client.post(f"/packs/{row.key}/file/").status_code == 403
    assert ordering.make_next(now=timezone.now()) is True
    assert ordering.make_next(now=timezone.now()) is False
    assert ordering.progress(row) == (4, 4)
    row.refresh_from_db()
    assert (row.state, row.signed, row.attempts) == ("ready", False, 1)
    answer = client.post(f"/packs/{row.key}/file/")
    files = unzipped(b"".join(answer.streaming_content))  # type: ignore[attr-defined]  # a file is streamed
    assert faults(files, tmp_path / "pack.zip") == []
    assert len(cases_in(files)) == 4
    assert len(json.loads(files["campaign.json"])["cases"]) == 4
    assert handing.check(row)["ok"] is True
    taken_row = LedgerEntry.objects.get(act="pack.taken")
    assert taken_row.data["sha256"] == bytes(row.digest or b"").hex()
    # Nobody else fetches it: it shows what Rita may see.
    client.force_login(story.otto, backend=BACKEND)
    sure(client)
    assert client.post(f"/packs/{row.key}/file/").status_code == 403
    assert row.key in client.get("/packs/").content.decode()
    client.force_login(story.ines, backend=BACKEND)
    sure(client)
    assert client.get(f"/packs/{row.key}/").status_code == 404


def test_worker_that_dies_leaves_a_row_that_is_taken_again(
    several: subjects.Subject, story: Told, packs_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ordering.ask(several, by=story.rita, now=NOW)
    write = writing.write

    def dies(*given: Any, **named: Any) -> Any:
        write(*given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        ordering.make_next(now=NOW)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("asked", 1)
    assert list(ordering.folder().iterdir()) == []
    assert ordering.make_next(now=NOW) is False  # it is somebody's still
    # Whoever had it comes to an end after another took it over: one of them publishes.
    monkeypatch.setattr(writing, "write", write)
    stale = Pack.objects.get(pk=row.pk)
    assert ordering.make_next(now=LATER) is True
    ordering._make(stale, now=LATER)  # the first one, late
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("ready", 2)
    assert LedgerEntry.objects.filter(act="pack.taken").count() == 1
    assert [one.name for one in ordering.folder().iterdir()] == [f"{row.pk}.zip"]


def test_pack_that_nobody_comes_to_the_end_of_fails_in_words(
    several: subjects.Subject, story: Told, packs_here: None
) -> None:
    row = ordering.ask(several, by=story.rita, now=NOW)
    Pack.objects.update(attempts=ordering.MOST_ATTEMPTS)
    assert ordering.make_next(now=NOW) is True
    row.refresh_from_db()
    assert (row.state, bool(row.why)) == ("failed", True)
    # So does one whose taker may not any more.
    row = ordering.ask(several, by=story.rita, now=NOW)
    User.objects.filter(pk=story.rita.pk).update(is_active=False)
    assert ordering.make_next(now=NOW) is True
    row.refresh_from_db()
    assert (row.state, row.why) == ("failed", "Whoever asked for it has no access any more.")


def test_files_go_when_their_time_is_over_or_content_was_erased(
    several: subjects.Subject, story: Told, packs_here: None
) -> None:
    first = ordering.ask(several, by=story.rita, now=NOW)
    ordering.make_next(now=NOW)
    assert ordering.sweep(now=NOW) == 0
    ledger.append(at=NOW, by="x", by_name="X", act="erasure.done", subject="source:x", words="x")
    second = ordering.ask(several, by=story.rita, now=NOW)
    ordering.make_next(now=NOW)
    assert ordering.sweep(now=NOW) == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, first.why) == ("gone", ordering.GONE_BY_ERASURE)
    assert (second.state, ordering.path_of(second).exists()) == ("ready", True)
    assert ordering.sweep(now=NOW + ordering.KEPT) == 1
    assert list(ordering.folder().iterdir()) == []


def test_transfer_names_who_got_which_bytes_and_is_in_later_packs(
    story: Told, sign: Callable[..., Any], client: Client
) -> None:
    case = answered(story, sign)
    pack = ordering.take(io.BytesIO(), subjects.of(case), by=story.otto, now=NOW)
    digest = bytes(pack.digest or b"").hex()
    said = {"to_name": "Vera Auditor", "organisation": "Prüf AG", "purpose": "yearly audit"}
    client.force_login(story.otto, backend=BACKEND)
    sure(client)
    for wrong in ({**said, "digest": "0" * 64}, {**said, "to_name": " ", "digest": digest}):
        assert client.post(f"/packs/{pack.key}/transfers/", wrong).status_code == 409
    assert Transfer.objects.count() == 0
    whole = {**said, "digest": digest.upper(), "on_behalf": "the board"}
    assert client.post(f"/packs/{pack.key}/transfers/", whole).status_code == 302
    row = Transfer.objects.get()
    assert (row.by, row.on_behalf, bytes(row.digest)) == (story.otto.ref, "the board", pack.digest)
    entry = LedgerEntry.objects.get(act="pack.transferred")
    assert "to Vera Auditor, Prüf AG on behalf of the board: yearly audit" in entry.words
    page = client.get(f"/packs/{pack.key}/").content.decode()
    assert "Vera Auditor" in page
    custody = json.loads(taken(case, story.otto)["custody.json"])
    assert [one["organisation"] for one in custody if one["kind"] == "transfer"] == ["Prüf AG"]
    with pytest.raises(NotAllowed):
        handing.hand_over(pack, **whole, by=story.rita, now=NOW)


def test_too_many_at_once_are_refused(several: subjects.Subject, story: Told) -> None:
    for key in range(ordering.MOST_WAITING):
        row = ordering.ask(several, by=story.rita, now=NOW)
        Pack.objects.filter(pk=row.pk).update(subject=f"CMP-{900 + key}")
    with pytest.raises(NotPossible, match="wait for one of them"):
        ordering.ask(several, by=story.rita, now=NOW)
    assert Identity.objects.count() > 3


def test_scripts_ask_for_packs_and_freeze_events_as_pages_do(
    story: Told, sign: Callable[..., Any], client: Client, packs_here: None
) -> None:
    case = answered(story, sign)
    read = token(story.otto, "read") | {"Content-Type": "application/json"}

    def post(address: str, **said: Any) -> Any:
        return Client().post(address, said, "application/json", headers=read)

    assert post("/api/packs/", subject="CS-999999").status_code == 404
    asked = post("/api/packs/", subject=case.key)
    key = asked.json()["pack"]
    assert (asked.status_code, asked.json()["state"]) == (202, "asked")
    assert post(f"/api/packs/{key}/file/").status_code == 403
    assert ordering.make_next(now=timezone.now()) is True
    client.force_login(story.otto, backend=BACKEND)
    sure(client)
    said = client.get(f"/api/packs/{key}/").json()
    assert (said["state"], len(said["sha256"])) == ("ready", 64)
    file = post(f"/api/packs/{key}/file/")
    data = b"".join(file.streaming_content)
    assert hashlib.sha256(data).hexdigest() == said["sha256"]
    whom = {"to_name": "Vera", "organisation": "Prüf AG", "purpose": "audit"}
    assert post(f"/api/packs/{key}/transfers/", **whom, digest="0" * 64).status_code == 409
    given = post(f"/api/packs/{key}/transfers/", **whom, digest=said["sha256"])
    assert [one["to"] for one in given.json()["transfers"]] == ["Vera"]
    assert [one["pack"] for one in client.get(f"/api/packs/?subject={case.key}").json()] == [key]
    frozen = post("/api/capsules/", title="x", asked={"identity": story.identity.key})
    assert frozen.status_code == 201
    key = frozen.json()["key"]
    assert client.get(f"/api/capsules/{key}/").json()["body"] == frozen.json()["body"]
    assert [one["capsule"] for one in client.get("/api/capsules/").json()] == [key]
    other = Client()
    other.force_login(story.ines, backend=BACKEND)
    sure(other)
    assert other.get(f"/api/packs/{said['pack']}/").status_code == 404
    assert other.get(f"/api/capsules/{key}/").status_code == 404
