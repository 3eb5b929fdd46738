"""Pages and API of break-glass: plain forms, who one is, absent to others, the same queries for many."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import Grant, User
from reviews.break_glass import bypassing, sweeping
from reviews.models import Bundle, Case
from tests.reviews.test_api import token
from tests.reviews.test_pages import PASSWORD, answered, as_user
from tests.signed_in import unsure

from .conftest import DOCUMENT, MINUTE, Company, asked, at_target, code, fresh, opened, read

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>"


def shown(client: Client, case: Case) -> str:
    answer = client.get(f"/break-glass/{case.key}/")
    assert answer.status_code == 200
    return str(answer.content.decode())


def again(client: Client, path: str, form: dict[str, Any]) -> Any:
    """Post, and say who one is when that is asked for; it goes on by itself afterwards."""
    response = client.post(path, form)
    if not response.get("Location", "").startswith("/accounts/reauthenticate/"):
        return response
    return client.post(response["Location"], {"password": PASSWORD})


def test_from_the_request_to_the_look_back(company: Company, as_user: Sign) -> None:
    dana, pia, sven, rita = (as_user(one) for one in (company.dana, company.pia, company.sven,
                                                      company.rita))  # fmt: skip
    assert "Get access now" in dana.get("/").content.decode()
    assert "Contain an agent" in dana.get("/break-glass/new/?bundle=-").content.decode()
    page = dana.get("/break-glass/new/").content.decode()
    assert "Can sign: Paul, Pia, Sara, Sven" in page
    answer = dana.post(
        "/break-glass/new/", {"bundle": "contain-agent", "reason": f"stop it {HOSTILE}"}
    )
    case = Case.objects.get()
    here = f"/break-glass/{case.key}/"
    assert answer["Location"] == here
    assert dana.get(f"/cases/{case.key}/")["Location"] == here
    page = shown(dana, case)
    assert (HOSTILE in page, "Waits for signatures" in page, "Approve" in page) == (
        False,
        True,
        False,
    )
    page = shown(pia, case)
    assert ("What you would sign" in page, read(case) in page) == (True, True)
    assert pia.post(f"{here}look/")["Location"] == here
    assert "Pia (looks at it)" in shown(dana, case)
    asks = unsure(pia).post(f"{here}approve/", {"digest": read(case)})["Location"]
    assert asks.startswith("/accounts/reauthenticate/")
    assert again(pia, f"{here}approve/", {"digest": read(case)})["Location"] == here
    # What somebody read is not what is asked for any more: told, and nothing is signed.
    assert again(sven, f"{here}approve/", {"digest": "0" * 64}).status_code == 409
    assert (
        again(sven, f"{here}approve/", {"digest": read(case), "minutes": "30", "reason": "half"})[
            "Location"
        ]
        == here
    )
    case = fresh(case)
    assert (case.state, Grant.objects.get().ends_at - Grant.objects.get().starts_at) == (
        "carrying_out",
        30 * MINUTE,
    )
    page = shown(dana, case)
    for words in ("Time left", "Give back", "Ask for longer", "Sven approved", "No call of it"):
        assert words in page, words
    assert "Cut off now" in shown(sven, case)
    assert dana.post(f"{here}longer/", {"minutes": "20", "reason": "more"})["Location"] == here
    assert "Signatures for longer" in shown(pia, case)
    assert dana.post(f"{here}explain/", {"words": "I read two"})["Location"] == here
    assert dana.post(f"{here}give-back/")["Location"] == here
    at_target(case, "ended", timezone.now())
    while sweeping.due_next(now=timezone.now()):
        pass
    page = shown(rita, fresh(case))
    assert ("What was it?" in page, "waits for somebody else" in page) == (True, True)
    assert "You used it: somebody else looks back at it" in shown(dana, case)
    seen = page.split('name="read" value="')[1].split('"')[0]
    form = {"kind": "drill", "words": "practised", "read": seen, "follow_ups": "a\nb"}
    assert again(rita, f"{here}review/", form)["Location"] == here
    page = shown(dana, case)
    assert ("Looked back at" in page, "<li>b</li>" in page) == (True, True)
    frozen = page.split(f'href="/cases/{case.key}/capsules/')[1].split('"')[0]
    assert "digest verified" in rita.get(f"/cases/{case.key}/capsules/{frozen}").content.decode()


def test_alone_at_night(company: Company, as_user: Sign) -> None:
    dana, rita = as_user(company.dana), as_user(company.rita)
    case = asked(company, now=timezone.now())
    here = f"/break-glass/{case.key}/"
    assert "Signatures are waited for until" in shown(dana, case)
    assert dana.post(f"{here}bypass/", {"reason": "x"}).status_code == 403
    back(case, 6 * MINUTE)
    assert "Open it alone for 60 min" in shown(dana, case)
    assert rita.post(f"{here}bypass/", {"reason": "x"}).status_code == 403
    # The password alone opens nothing: the second factor is asked for, and it goes on by itself.
    asks = dana.post(f"{here}bypass/", {"reason": "nobody is there"})["Location"]
    assert asks.startswith("/accounts/2fa/reauthenticate/")
    assert dana.post(asks, {"code": code()})["Location"] == here
    page = shown(rita, case)
    assert "with an authenticator code" in page
    assert ("bypass carried it" in page, "opened it alone" in page) == (True, True)
    case = asked(company, now=timezone.now())
    page = shown(rita, case)
    assert ("Vouch for it" in page, "15 min at most" in page) == (True, True)


def test_a_password_in_the_place_of_the_second_factor_opens_nothing(
    company: Company, as_user: Sign
) -> None:
    dana, new = as_user(company.dana), "/break-glass/new/?bundle=contain-agent"
    said = "You have no second factor that is a day old"
    pages = [one.get(new).content.decode() for one in (dana, as_user(company.pia))]
    assert [said in one for one in pages] == [False, True]
    case = asked(company, now=timezone.now())
    back(case, 6 * MINUTE)
    here = f"/break-glass/{case.key}/"
    asks = dana.post(f"{here}bypass/", {"reason": "x"})["Location"]
    again_asked = dana.post(
        asks.replace("/accounts/2fa/reauthenticate/", "/accounts/reauthenticate/"),
        {"password": PASSWORD},
    )
    assert again_asked["Location"].startswith("/accounts/2fa/reauthenticate/")
    api = f"/api/break-glass/{case.key}/bypass/"
    answer = dana.post(api, {"reason": "x"}, "application/json")
    assert (answer.status_code, answer.json()["detail"]) == (403, bypassing.SECOND_FACTOR)
    assert fresh(case).state == "open"
    # Without it, it is dearer, and the page says so.
    assert dana.post(f"{here}without-factor/", {"reason": "it lies at home"})["Location"] == here
    page = shown(dana, case)
    assert ("You said that you cannot use your second factor" in page, "15 min" in page) == (
        True,
        True,
    )
    back(case, 6 * MINUTE)
    assert again(dana, f"{here}bypass/", {"reason": "nobody is there"})["Location"] == here
    assert "without a second factor, the dearer way" in shown(dana, case)


def test_who_has_a_passkey_alone_is_led_to_it(company: Company, as_user: Sign) -> None:
    Authenticator.objects.filter(user=company.dana).update(type="webauthn", data={})
    case = asked(company, now=timezone.now())
    back(case, 6 * MINUTE)
    answer = as_user(company.dana).post(f"/break-glass/{case.key}/bypass/", {"reason": "x"})
    assert answer["Location"].startswith("/accounts/2fa/webauthn/reauthenticate/")


def test_recovery_codes_open_it_once_each_and_a_password_does_not_show_them_again(
    company: Company, as_user: Sign
) -> None:
    row = RecoveryCodes.activate(company.dana).instance
    row.created_at -= timedelta(days=1)
    row.save(update_fields=["created_at"])
    one = row.wrap().get_unused_codes()[0]
    dana, codes = as_user(company.dana), "/accounts/2fa/recovery-codes/"
    dana.post("/accounts/reauthenticate/", {"password": PASSWORD})
    pages = [dana.get(codes).content.decode() for _ in range(2)]
    assert [one in page for page in pages] == [True, False]
    case = asked(company, now=timezone.now())
    back(case, 6 * MINUTE)
    here = f"/break-glass/{case.key}/"
    asks = dana.post(f"{here}bypass/", {"reason": "nobody is there"})["Location"]
    assert dana.post(asks, {"code": one})["Location"] == here
    assert "with a recovery code" in shown(dana, case)
    row.refresh_from_db()
    assert one not in row.wrap().get_unused_codes()


def back(case: Case, by: Any) -> None:
    """The request was made so much earlier."""
    row = fresh(case).break_glass
    for name in ("patience_at", "alone_at"):
        setattr(row, name, getattr(row, name) - by)
    row.save()


@pytest.mark.parametrize("act", ["deny", "send-back"])
def test_denied_and_sent_back_say_why(company: Company, as_user: Sign, act: str) -> None:
    case = asked(company, now=timezone.now())
    sven = as_user(company.sven)
    here = f"/break-glass/{case.key}/{act}/"
    assert sven.post(here, {"reason": " "}).status_code == 409
    assert as_user(company.owen).post(here, {"reason": "x"}).status_code == 404
    assert sven.post(here, {"reason": f"no {HOSTILE}"}).status_code == 302
    page = shown(as_user(company.dana), case)
    assert ("Ask anew" in page, HOSTILE in page, "no &lt;img" in page) == (True, False, True)


def test_a_request_is_absent_to_who_has_no_part_in_it(company: Company, as_user: Sign) -> None:
    case = asked(company, now=timezone.now())
    owen = as_user(company.owen)
    assert owen.get(f"/break-glass/{case.key}/").status_code == 404
    assert case.key not in owen.get("/break-glass/").content.decode()
    assert owen.get("/break-glass/CS-x/").status_code == 404
    assert Client().get(f"/break-glass/{case.key}/")["Location"].startswith("/accounts/login/")
    Case.objects.filter(pk=case.pk).update(sealed=True)
    assert as_user(company.rita).get(f"/break-glass/{case.key}/").status_code == 404


def test_what_is_wrong_with_a_request_is_said_and_what_was_typed_stays(
    company: Company, as_user: Sign
) -> None:
    dana = as_user(company.dana)
    for form, words in (
        ({"bundle": "nothing", "reason": "stop it at once"}, "Choose what you need."),
        ({"bundle": "contain-agent", "reason": "now"}, "at least 10 characters"),
        ({"bundle": "contain-agent", "reason": ""}, "This field is required"),
        ({"bundle": "contain-agent", "reason": "stop it at once", "minutes": "900"}, "1 to 60"),
    ):
        answer = dana.post("/break-glass/new/", form)
        text = answer.content.decode()
        assert (answer.status_code, words in text) == (400, True), words
        if form["bundle"] == "contain-agent":
            assert form["reason"] in text
    assert not Case.objects.exists()


def test_a_bundle_is_proposed_and_signed_by_two(company: Company, as_user: Sign) -> None:
    rita, root = as_user(company.rita), as_user(company.root)
    assert "&quot;quorum&quot;" in rita.get("/break-glass/bundles/new/").content.decode()
    form = {"slug": "more", "document": "{", "reason": "needed"}
    answer = rita.post("/break-glass/bundles/new/", form)
    assert (answer.status_code, "line 1, column 2" in answer.content.decode()) == (400, True)
    wrong = DOCUMENT | {"quorum": {"team": "Nobody", "n": 1}, "patience_minutes": 0, "x": 1}
    answer = rita.post("/break-glass/bundles/new/", form | {"document": json.dumps(wrong)})
    text = answer.content.decode()
    for words in ("patience_minutes", "whole number from 1", "<code>x</code>"):
        assert words in text
    answer = rita.post("/break-glass/bundles/new/", form | {"document": json.dumps(DOCUMENT)})
    row = Bundle.objects.get(slug="more")
    assert answer["Location"] == row.url
    assert "You proposed it: a second person signs." in rita.get(row.url).content.decode()
    assert rita.post(f"{row.url}sign/").status_code == 403
    assert as_user(company.dana).post(f"{row.url}sign/").status_code == 403
    assert again(root, f"{row.url}sign/", {})["Location"] == row.url
    listed = rita.get("/break-glass/bundles/").content.decode()
    assert ("more, version 1" in listed, row.url in listed) == (True, True)
    assert rita.get("/break-glass/bundles/more/9/").status_code == 404
    again_ = DOCUMENT | {"offered": False}
    rita.post("/break-glass/bundles/new/", form | {"document": json.dumps(again_)})
    second = Bundle.objects.get(slug="more", version=2)
    assert rita.post(f"{second.url}refuse/", {"reason": "not yet"})["Location"] == second.url
    assert "not yet" in rita.get(second.url).content.decode()


def test_scripts_ask_for_themselves_and_people_sign(company: Company, as_user: Sign) -> None:
    headers = token(company.dana, "read", "act")
    listed = Client().get("/api/break-glass/bundles/", headers=headers).json()["rows"]
    assert [(one["bundle"], one["may_not_ask"]) for one in listed] == [("contain-agent", None)]
    body = {
        "bundle": "contain-agent",
        "minutes": 20,
        "reason": "the agent cannot stop it itself",
        "on_behalf": "report-agent",
    }

    def send(path: str, said: dict[str, Any], user: User = company.dana) -> Any:
        mine = headers if user == company.dana else token(user, "read", "act")
        return Client().post(path, said, content_type="application/json", headers=mine)

    answer = send("/api/break-glass/", body)
    said = answer.json()
    assert (answer.status_code, said["state"], said["on_behalf"]) == (201, "open", "report-agent")
    assert said["can_sign"] == ["Paul", "Pia", "Sara", "Sven"]
    assert send("/api/break-glass/", body).status_code == 409
    assert send("/api/break-glass/", body | {"minutes": 0}).status_code == 400
    here = f"/api/break-glass/{said['case']}/"
    answer = send(f"{here}approve/", {"digest": said["digest"]}, company.pia)
    assert (answer.status_code, "A token decides nothing" in answer.json()["detail"]) == (
        403,
        True,
    )
    sven = as_user(company.sven)
    sven.post("/accounts/reauthenticate/", {"password": PASSWORD})
    answer = sven.post(
        f"{here}approve/", {"digest": said["digest"]}, content_type="application/json"
    )
    assert answer.status_code == 200, answer.content
    assert [one["who"] for one in answer.json()["quorum"]["places"]] == ["", "Sven"]
    assert send(f"{here}nothing/", {}).status_code == 404
    cut = send(f"{here}cut-off/", {"reason": "x"})
    assert (cut.status_code, '"api": ["cut_off"]' in cut.json()["detail"]) == (403, True)
    assert (
        Client().get("/api/break-glass/", headers=headers).json()["rows"][0]["key"] == said["case"]
    )
    owen = Client().get(here, headers=token(company.owen, "read"))
    assert owen.status_code == 404


def test_the_number_of_queries_is_the_same_for_many(company: Company, as_user: Sign) -> None:
    rita = as_user(company.rita)
    now = timezone.now()

    def queries(path: str) -> int:
        rita.get(path)
        with CaptureQueriesContext(connection) as found:
            assert rita.get(path).status_code == 200
        return len(found)

    first = opened(company, now=now)
    few = [queries("/break-glass/"), queries(f"/break-glass/{first.key}/")]
    for number in range(5):
        opened(company, now=now + number * MINUTE)
    assert [queries("/break-glass/"), queries(f"/break-glass/{first.key}/")] == few


def test_what_is_not_proved_gone_burns_on_the_front_page(company: Company, as_user: Sign) -> None:
    now = timezone.now()
    case = opened(company, now=now - 90 * MINUTE)
    at_target(case, "usable", now)
    rita = as_user(company.rita)
    assert "Break-glass not proved gone" in rita.get("/").content.decode()
    at_target(case, "ended", now)
    assert "Break-glass not proved gone" not in rita.get("/").content.decode()
    Grant.objects.update(
        state="failed",
        removed_at=None,
        ended_at=None,
        failed_why="AWS says no",
        who_must_act="the administrator of AWS",
    )
    for address in ("/", f"/break-glass/{case.key}/"):
        text = rita.get(address).content.decode()
        assert ("AWS says no" in text, "the administrator of AWS" in text) == (True, True)
    assert "its end is not proved" in shown(rita, case)
