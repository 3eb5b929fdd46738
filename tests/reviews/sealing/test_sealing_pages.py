"""Pages and API of sealed cases: plain forms, who one is, and one answer for absent and never there."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from reviews.models import Case
from tests.reviews.conftest import Told, make_user
from tests.reviews.test_api import token
from tests.reviews.test_pages import PASSWORD, as_user

from . import walking
from .conftest import SECRET, People, incident

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>"


def sure(client: Client) -> Client:
    """Somebody who has just said who they are."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def shown(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_sealed_by_a_form_that_loses_nothing(story: Told, as_user: Sign) -> None:
    rex = make_user("rex", "responder")
    make_user("dora", "responder")
    case = incident(story, rex)
    here, client = f"/cases/{case.key}/seal/", as_user(rex, confirmed=False)
    form = {"members": "dora", "subjects": "ines", "reason": HOSTILE}
    asks = client.post(here, form)["Location"]
    assert asks.startswith("/accounts/reauthenticate/")
    answer = client.post(asks, {"password": PASSWORD}, follow=True)
    assert "name a member who sits there instead" in answer.content.decode()
    answer = client.post(here, form | {"instead:identity_owner": "nobody at all"})
    assert answer.status_code == 409
    page = answer.content.decode()
    assert (">dora</textarea>" in page, ">ines</textarea>" in page) == (True, True)
    assert ("There is nobody called" in page, HOSTILE in page) == (True, False)
    seat = case.seats.get(kind="identity_owner")
    answer = client.post(here, form | {f"instead:{seat.pk}": "dora"})
    assert answer["Location"] == here
    page = shown(client, here)
    assert ("Dora" in page, "Ines" in page, HOSTILE in page) == (True, True, False)
    assert "Nobody but its members sees that it exists." in shown(client, f"/cases/{case.key}/")
    root = as_user(make_user("root", "administrator"))
    assert root.get(here).status_code == 404


def test_members_and_the_end_on_the_page(story: Told, people: People, as_user: Sign) -> None:
    here = f"/cases/{people.case.key}/seal/"
    rex, dora = sure(as_user(people.rex)), sure(as_user(people.dora))
    make_user("noor", "reviewer")
    assert rex.post(f"{here}members/add/", {"person": "noor", "reason": "x"})["Location"] == here
    assert "Noor" in shown(rex, here)
    assert rex.post(f"{here}members/add/", {"person": " ", "reason": "x"}).status_code == 409
    assert rex.post(f"{here}members/remove/", {"person": "noor", "reason": "x"})["Location"] == here
    samuel = {"person": "samuel", "reason": "x"}
    assert rex.post(f"{here}subjects/add/", samuel)["Location"] == here
    assert rex.post(f"{here}end/ask/", {"reason": SECRET})["Location"] == here
    assert rex.post(f"{here}end/sign/").status_code == 403
    assert SECRET in shown(dora, here)
    assert dora.post(f"{here}end/drop/", {"reason": "no"})["Location"] == here
    assert dora.post(f"{here}end/ask/", {"reason": "yes"})["Location"] == here
    assert rex.post(f"{here}end/sign/")["Location"] == here
    assert not Case.objects.get(pk=people.case.pk).sealed
    # Whoever takes themselves off it sees it no more.
    case = Case.objects.get(pk=people.case.pk)
    form = {"members": "dora\nrita", "reason": "again"}
    assert rex.post(here, form)["Location"] == here
    gone = rex.post(f"{here}members/remove/", {"person": "rex", "reason": "done"})
    assert gone["Location"] == "/"
    assert rex.get(f"/cases/{case.key}/").status_code == 404
    assert rex.get(f"{here}end/sign/").status_code == 302


def test_opened_sealed_on_a_page(story: Told, as_user: Sign) -> None:
    rex = make_user("rex", "responder")
    make_user("dora", "responder")
    client, where = sure(as_user(rex)), "/incidents/sealed/"
    address = f"{where}?identity={story.identity.key}"
    assert "svc-report" in shown(client, address)
    assert client.get(f"{where}?identity=NHI-99999").status_code == 404
    form = {
        "identity": story.identity.key,
        "title": "",
        "what": "a key is out",
        "severity": "high",
        "members": "dora",
        "reason": "x",
    }
    assert client.post(where, form).status_code == 409
    answer = client.post(where, form | {"title": "Key"})
    case = Case.objects.get(door="incident")
    assert (answer["Location"], case.sealed) == (f"/cases/{case.key}/", True)
    rita = as_user(story.rita)
    assert rita.post(where, form | {"title": "Key"}).status_code == 403
    assert "Only a responder or an administrator may seal" in shown(rita, address)


def test_the_api_says_and_does_the_same(story: Told, people: People, as_user: Sign) -> None:
    here = f"/api/cases/{people.case.key}/seal/"
    headers = token(people.rex, "act", "read")

    def sent(path: str, body: Any, who: Client | None = None) -> tuple[int, Any]:
        more: dict[str, Any] = {} if who is not None else {"headers": headers}
        answer = (who or Client()).post(here + path, json.dumps(body), "application/json", **more)
        return answer.status_code, answer.json()

    data = Client().get(here, headers=headers).json()
    assert (data["sealed"], data["members"], data["subjects"]) == (
        True,
        ["Dora", "Rex", "Rita"],
        ["Ines"],
    )
    make_user("noor", "reviewer")
    noor = {"person": "noor", "reason": "x"}
    assert "A token decides nothing" in sent("members/add/", noor)[1]["detail"]
    rex, dora = sure(as_user(people.rex)), sure(as_user(people.dora))
    assert sent("members/add/", noor, rex)[1]["members"] == ["Dora", "Noor", "Rex", "Rita"]
    assert sent("members/remove/", noor, rex)[0] == 200
    samuel = {"person": "samuel", "reason": "x"}
    assert sent("subjects/add/", samuel, rex)[1]["subjects"] == ["Ines", "Samuel"]
    assert sent("end/ask/", {"reason": "x"}, rex)[1]["unsealing_asked_by"] == "Rex"
    assert sent("end/drop/", {"reason": "x"}, dora)[1]["unsealing_asked_by"] is None
    assert sent("end/ask/", {"reason": "x"}, rex)[0] == 200
    assert sent("end/sign/", {}, rex)[0] == 403
    assert sent("end/sign/", {}, dora)[1]["sealed"] is False
    body = {"members": ["dora"], "instead": {}, "reason": "again"}
    assert sent("", body)[0] == 403
    assert sent("", body, rex)[1]["members"] == ["Dora", "Rex"]
    assert sent("", body, rex)[0] == 403


def test_absent_and_never_there_are_one_answer(story: Told, people: People, as_user: Sign) -> None:
    """The same words after the same questions to the database, so in the same time."""
    root = as_user(people.root)
    for path in ("/cases/{}/", "/cases/{}/seal/", "/api/cases/{}/", "/cases/{}/room/"):
        said = []
        for key in (people.case.key, "CS-999999"):
            root.get(path.format(key))
            with CaptureQueriesContext(connection) as queries:
                answer = root.get(path.format(key))
            text = walking.text_of(answer).replace(key, "CS-1")
            said.append((answer.status_code, len(queries), text))
        assert said[0] == said[1], walking.difference(str(said[0]), str(said[1]))
        assert said[0][0] == 404


def test_the_ledger_shows_commitments(story: Told, people: People, as_user: Sign) -> None:
    root, rex = as_user(people.root), as_user(people.rex)
    page = shown(root, "/ledger/")
    assert "sealed: a commitment only" in page
    assert (SECRET in page, people.case.key in page) == (False, False)
    assert list(root.get("/ledger/?act=case.sealed").context["rows"]) == []
    assert list(root.get(f"/ledger/?q={people.case.key}").context["rows"]) == []
    assert "case.sealed" not in root.get("/ledger/").context["acts_filter"]
    assert SECRET in shown(rex, f"/ledger/?subject={people.case.key}")
    export = b"".join(root.get("/ledger/export/")).decode()
    assert (SECRET in export, people.case.key in export) == (False, False)
    assert (
        export.count('"withheld":true')
        == LedgerEntry.objects.filter(subject=people.case.key).count()
    )
