"""Pages and API of sealed credentials: plain forms, who one is, and the same queries for many."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from reviews.models import Case, SealedCredential, SealedDrill, SealedUse
from tests.reviews.conftest import HOUR, NOW, make_user
from tests.reviews.test_api import token
from tests.reviews.test_pages import PASSWORD, as_user

from .conftest import KEY, MINUTE, Sealed, arrives, call, declared, of_case, read_of

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HERE, API = "/break-glass/sealed/", "/api/break-glass/sealed/"
HOSTILE = "<img src=x onerror=alert(1)>"
FORM = {
    "slug": "okta-admin",
    "words": f"Sign in to Okta {HOSTILE}",
    "named": "AKIASEALEDQP7D000002",
    "kept": "bank",
    "openers": "Mia and Tom",
    "review_within_hours": "12",
    "watched": "on",
    "reason": "for the night",
}


def shown(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_declared_on_pages_by_two(sealed: Sealed, as_user: Sign) -> None:
    rita, root = as_user(sealed.rita), as_user(sealed.root, confirmed=False)
    assert f'value="aws {"access_key"} {KEY}"' in shown(rita, f"{HERE}new/?slug=aws-key")
    wrong = rita.post(f"{HERE}new/", FORM | {"named": "nobody"})
    assert (wrong.status_code, "No evidence names" in wrong.content.decode()) == (400, True)
    here = rita.post(f"{HERE}new/", FORM)["Location"]
    assert here == f"{HERE}okta-admin/1/"
    page = shown(root, here)
    assert (HOSTILE in page, "A second person is missing" in page) == (False, True)
    asks = root.post(f"{here}sign/")["Location"]
    assert asks.startswith("/accounts/reauthenticate/")
    assert root.post(asks, {"password": PASSWORD})["Location"] == here
    assert SealedCredential.objects.get(slug="okta-admin").state == "in_force"
    now = timezone.now()
    times = {name: f"{now + timedelta(hours=n):%Y-%m-%dT%H:%M}"
             for name, n in (("starts_at", 1), ("ends_at", 2))}  # fmt: skip
    rex = as_user(sealed.rex)
    rex.post(f"{HERE}okta-admin/drills/", {**times, "reason": "Tom practises"})
    assert SealedDrill.objects.get().slug == "okta-admin"
    assert "Tom practises" in shown(rex, here)
    assert rex.post(f"{HERE}okta-admin/drills/", {"reason": "x"}).status_code == 409
    waits = as_user(sealed.root).post(f"{HERE}new/", FORM | {"kept": "safe"})["Location"]
    assert rita.post(f"{waits}refuse/", {"reason": "no"})["Location"] == waits
    assert "refused" in shown(rita, waits)


def test_a_use_on_its_page(sealed: Sealed, as_user: Sign) -> None:
    arrives(call(1, NOW), call(2, NOW + MINUTE), now=NOW + HOUR)
    key = Case.objects.get().key
    here, acts = f"/break-glass/{key}/", f"{HERE}uses/{key}/"
    rex, rita = as_user(sealed.rex), as_user(sealed.rita, confirmed=False)
    assert rex.get(f"/cases/{key}/")["Location"] == here
    assert "used out of band, and looked back at by nobody yet" in shown(rex, "/break-glass/")
    page = shown(rex, here)
    assert ("Nobody announced this" in page, "vault/2.pdf" in page) == (True, True)
    assert rex.post(f"{acts}explain/", {"who": "", "words": "x"}).status_code == 409
    said = {"who": f"Mia {HOSTILE}", "words": "all else was down"}
    assert rex.post(f"{acts}explain/", said)["Location"] == here
    page = shown(rex, here)
    assert ("You say who used it" in page, HOSTILE in page) == (True, False)
    assert rex.post(f"{acts}look-back/", {}).status_code == 403
    page = shown(rita, here)
    form = {"kind": "emergency", "words": "it matched", "follow_ups": "new key\nnew seal"}
    form["read"] = page.split('name="read" value="')[1].split('"')[0]
    asks = rita.post(f"{acts}look-back/", form)["Location"]
    assert rita.post(asks, {"password": PASSWORD})["Location"] == here
    page = shown(rita, here)
    assert ("Looked back at" in page, "<li>new seal</li>" in page) == (True, True)
    capsule = of_case(Case.objects.get()).capsule
    assert capsule is not None
    assert "vault/1.pdf" in shown(rita, f"/cases/{key}/capsules/{capsule.key}/")
    assert rita.get(f"{acts}look-back/")["Location"] == here
    assert key in shown(rita, HERE)


def test_others_do_not_see_them(sealed: Sealed, as_user: Sign) -> None:
    arrives(call(1, NOW), now=NOW + HOUR)
    key = Case.objects.get().key
    owen, otto = as_user(sealed.owen), as_user(sealed.otto)
    for path in (HERE, f"{HERE}new/", sealed.row.url):
        assert (owen.get(path).status_code, otto.get(path).status_code) == (403, 200)
    assert owen.get(f"/break-glass/{key}/").status_code == 404
    assert otto.post(f"{HERE}uses/{key}/explain/", {"who": "x", "words": "y"}).status_code == 403
    assert owen.post(f"{HERE}uses/{key}/explain/", {"who": "x", "words": "y"}).status_code == 404
    headers = token(sealed.owen, "read")
    assert owen.get(API, headers=headers).status_code == 403
    assert Client().get(HERE)["Location"].startswith("/accounts/login/")


def test_the_api_says_and_does_the_same(sealed: Sealed, as_user: Sign) -> None:
    headers = token(sealed.rita, "act", "read")

    def sent(path: str, body: Any, who: Client | None = None) -> tuple[int, Any]:
        more: dict[str, Any] = {} if who is not None else {"headers": headers}
        answer = (who or Client()).post(API + path, json.dumps(body), "application/json", **more)
        return answer.status_code, answer.json()

    status, row = sent("", {"name": "db", "words": "x", "named": "AKIASEALEDQP7D000003",
                            "kept": "safe", "openers": "Mia", "reason": "r"})  # fmt: skip
    assert (status, row["state"], row["credential"]["value"]) == (
        201,
        "proposed",
        "AKIASEALEDQP7D000003",
    )
    assert sent("", {"name": "db"})[0] == 400
    root = as_user(sealed.root, confirmed=False)
    assert "Confirm who you are first" in sent("db/1/sign/", {}, root)[1]["detail"]
    root.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert sent("db/1/sign/", {})[1]["code"] == "person_required"
    rita = as_user(sealed.rita)
    rita.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert sent("db/1/sign/", {}, root)[1]["state"] == "in_force"
    assert sent("db/1/refuse/", {"reason": "x"}, root)[0] == 403
    now = timezone.now()
    times = {"starts_at": (now + HOUR).isoformat(), "ends_at": (now + 2 * HOUR).isoformat()}
    assert sent("db/drills/", times | {"reason": "x"})[0] == 403
    assert sent("db/drills/", times | {"reason": "x"}, rita)[0] == 201
    arrives(call(1, NOW), now=NOW + HOUR)
    key = Case.objects.get().key
    found = Client().get(f"{API}uses/{key}/", headers=headers).json()
    assert (found["calls"], found["events"][0]["resource"]) == (1, "vault/1.pdf")
    assert sent(f"uses/{key}/explain/", {"who": "Mia", "words": "y"}, rita)[1]["who"] == "Mia"
    read = read_of(SealedUse.objects.get())
    said = {"kind": "emergency", "words": "matched", "read": read}
    assert sent(f"uses/{key}/look-back/", said, rita)[0] == 403  # who says who used it
    assert sent(f"uses/{key}/look-back/", said, root)[1]["review"] == "emergency"
    rows = Client().get(API, headers=headers).json()
    assert [one["case"] for one in rows["uses"]] == [key]
    assert [one["name"] for one in rows["rows"]] == ["aws-key", "db"]


def test_the_number_of_queries_is_the_same_for_many(sealed: Sealed, as_user: Sign) -> None:
    arrives(call(1, NOW), now=NOW + HOUR)
    key = Case.objects.get().key
    rita = as_user(sealed.rita)
    paths = (HERE, sealed.row.url, f"/break-glass/{key}/", "/break-glass/")

    def asked() -> list[int]:
        found = []
        for path in paths:
            with CaptureQueriesContext(
                connection,
            ) as caught:
                shown(rita, path)
            found.append(len(caught))
        return found

    asked()
    before = asked()
    at: datetime = NOW
    for n in range(4):
        one = f"AKIASEALEDQP7D00001{n}"
        declared(sealed.rita, sealed.root, slug=f"key-{n}", named=one)
        arrives(call(10 + n, at, key=one), call(20 + n, at), now=NOW + HOUR)
        make_user(f"more-{n}", "reviewer")
    assert asked() == before
