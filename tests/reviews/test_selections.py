"""Events that somebody chose are frozen with what they were chosen by; nobody freezes what they do
not see."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from evidence import capsules
from evidence.models import Capsule, LedgerEntry, Source
from identities.permissions import NotPossible
from reviews import readers, selections
from reviews.actions import policy_versions
from reviews.models import Case
from reviews.packs import ordering, subjects
from reviews.pages import selected
from tests.reviews.conftest import NOW, Told, make_user
from tests.reviews.packs.packing import faults, opened
from tests.signed_in import sure

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def chosen(story: Told, client: Client) -> dict[str, str]:
    """What chooses the story's events."""
    client.force_login(story.rita, backend=BACKEND)
    sure(client)
    return {"identity": story.identity.key}


def keys(asked: dict[str, str], user: Any) -> list[Any]:
    return selected.keys(asked, user, readers.reader(user, NOW), now=NOW)


def test_what_a_list_chooses_is_frozen_whole(
    story: Told, chosen: dict[str, str], client: Client, tmp_path: Path
) -> None:
    policy_versions.in_force(now=NOW)
    every = keys(chosen, story.rita)
    assert len(every) > 1
    page = client.get("/events/", chosen).content.decode()
    assert 'action="/events/freeze/"' in page
    assert f'name="identity" value="{story.identity.key}"' in page
    answer = client.post("/events/freeze/", {**chosen, "title": "What it did", "extra": ""})
    capsule = Capsule.objects.get(subject=selections.SUBJECT)
    assert answer["Location"] == f"/capsules/{capsule.key}/"
    body = capsule.body
    assert len(body["events"]) == len(every)
    assert body["query"] == {"title": "What it did", "asked": chosen}
    assert any(one.startswith("review policy") for one in body["shown"]["policies"])
    # Every source is told of, silent ones too, and how each deposit was read.
    assert {one["source"] for one in body["completeness"]} == set(
        Source.objects.values_list("name", flat=True)
    )
    assert all(isinstance(one["complete"], bool) for one in body["completeness"])
    assert all(one["format"] and one["format_version"] for one in body["deposits"])
    assert body["window"]["from"] == body["events"][0]["at"]
    assert capsules.intact(capsule)
    entry = LedgerEntry.objects.get(act="capsule.frozen")
    assert (entry.subject, entry.data["capsule_digest"]) == (
        capsule.key,
        bytes(capsule.digest).hex(),
    )
    page = client.get(f"/capsules/{capsule.key}/").content.decode()
    assert "What they were chosen by" in page
    assert "What it did" in client.get("/capsules/").content.decode()
    assert client.get(f"/capsules/{capsule.key}.json").json()["body"] == body
    # Alone it is a pack that checks itself.
    into = io.BytesIO()
    ordering.take(into, subjects.of(capsule), by=story.rita, now=NOW, with_deposits=True)
    files = opened(into.getvalue())
    assert faults(files, tmp_path / "pack.zip") == []
    assert f"capsules/{capsule.key}.json" in files
    assert any(name.startswith("deposits/") for name in files)
    assert {row["entry"]["act"] for row in json.loads(files["ledger/1.json"])["rows"]} >= {
        "capsule.frozen"
    }


def test_others_do_not_see_it_but_who_sees_all(
    story: Told, chosen: dict[str, str], client: Client
) -> None:
    client.force_login(story.ines, backend=BACKEND)
    sure(client)
    assert client.post("/events/freeze/", {**chosen, "title": "Mine"}).status_code == 302
    key = Capsule.objects.get(subject=selections.SUBJECT).key
    for user, status in ((story.ines, 200), (story.otto, 200), (story.marek, 404)):
        client.force_login(user, backend=BACKEND)
        sure(client)
        assert client.get(f"/capsules/{key}/").status_code == status
        assert client.get(f"/capsules/{key}.json").status_code == status
        assert (key in client.get("/capsules/").content.decode()) is (status == 200)
    assert client.post(f"/packs/take/{key}/").status_code == 404


def test_nobody_freezes_what_they_do_not_see(
    story: Told, chosen: dict[str, str], client: Client
) -> None:
    stranger = make_user("stranger", "owner")
    client.force_login(stranger, backend=BACKEND)
    sure(client)
    answer = client.post("/events/freeze/", {**chosen, "title": "x"})
    assert (answer.status_code, Capsule.objects.count()) == (409, 0)
    (first, *_) = keys(chosen, story.rita)
    ref = f"{int(first[0].timestamp() * 1_000_000)}-{first[1]}"
    assert client.post("/events/freeze/", {"ref": ref, "title": "x"}).status_code == 409
    client.force_login(story.rita, backend=BACKEND)
    sure(client)
    assert client.post("/events/freeze/", {"ref": ref, "title": "x"}).status_code == 302
    assert len(Capsule.objects.get().body["events"]) == 1


def test_selection_of_a_case_is_the_case_s(
    story: Told, case: Case, chosen: dict[str, str], client: Client
) -> None:
    answer = client.post("/events/freeze/", {**chosen, "title": "x", "case": case.key})
    capsule = Capsule.objects.get(subject=case.key)
    assert answer["Location"] == f"/cases/{case.key}/capsules/{capsule.key}/"
    assert client.get(answer["Location"]).status_code == 200
    assert client.get(f"/capsules/{capsule.key}/").status_code == 404
    assert LedgerEntry.objects.get(act="capsule.frozen").subject == case.key
    hidden = {**chosen, "title": "x", "case": "CS-999999"}
    answer = client.post("/events/freeze/", hidden)
    assert (answer.status_code, "You see no case" in answer.content.decode()) == (409, True)


def test_too_many_and_what_is_not_understood_are_refused(
    story: Told, chosen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotPossible, match="'surely_unknown'"):
        keys({**chosen, "surely_unknown": "1"}, story.rita)
    monkeypatch.setattr(selections, "MOST", 1)
    with pytest.raises(NotPossible, match="these are more"):
        selections.freeze(
            events=keys(chosen, story.rita), title="x", query=chosen, window=(None, None),
            by=story.rita, reader=readers.reader(story.rita, NOW), now=NOW,
        )  # fmt: skip
    with pytest.raises(NotPossible, match="no event to freeze"):
        selections.freeze(
            events=[], title="x", query={}, window=(None, None), by=story.rita,
            reader=readers.reader(story.rita, NOW), now=NOW,
        )  # fmt: skip
