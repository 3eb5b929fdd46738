"""Who is on call, as pages and scripts say it; and requests in the queues of who has a role."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import User
from reviews.models import Rota, Seat, Shift
from reviews.notices import rotas
from reviews.pages import waiting
from tests.reviews.conftest import NOW, make_user
from tests.reviews.test_api import token
from tests.reviews.test_pages import answered, as_user

from .conftest import BOTH, Company, approve, asked, fresh, put_in_force

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOUR = timedelta(hours=1)
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def rota(company: Company, settings: Any, tmp_path: Path) -> Company:
    """Sara is on call for Security, and somebody whom nobody knows; Platform's calendar is away."""
    file = tmp_path / "on-call.yaml"
    file.write_text(
        "rotas:\n"
        "  - {team: Security, calendar: 'https://calendar.example.com/secret-address.ics'}\n"
        "  - {team: Platform, opsgenie: ops, token: 'env:TOKEN'}\n"
        "  - {team: Nowhere, pagerduty: P1, token: 'env:TOKEN', duty: true}\n"
    )
    settings.ON_CALL = str(file)
    now = timezone.now()
    for one in rotas.entries():
        row = Rota.objects.create(team=one.team, settings_digest=one.digest, next_at=now)
        if one.team == "Security":
            row.read_at = now
            for name in ("Sara", HOSTILE):
                Shift.objects.create(
                    rota=row, starts_at=now - HOUR, ends_at=now + 5 * HOUR, name=name
                )
        else:
            row.problem = f"It answered 503. {HOSTILE}"
        row.save()
    return company


def test_the_page_says_who_is_on_call_and_what_is_wrong(rota: Company, as_user: Sign) -> None:
    page = as_user(rota.owen).get("/break-glass/on-call/").content.decode()
    assert HOSTILE not in page
    assert "secret-address" not in page
    for words in ("Sara", "until", "is nobody of the team", "not readable", "It answered 503",
                  "no such team, or nobody in it", "duty managers", "a calendar"):  # fmt: skip
        assert words in page, words
    assert "/break-glass/on-call/" in as_user(rota.owen).get("/break-glass/").content.decode()
    assert Client().get("/break-glass/on-call/").status_code == 302


def test_the_page_without_a_file_and_with_a_wrong_one(
    company: Company, as_user: Sign, settings: Any, tmp_path: Path
) -> None:
    settings.ON_CALL = ""
    owen = as_user(company.owen)
    assert "No rota is set up" in owen.get("/break-glass/on-call/").content.decode()
    settings.ON_CALL = str(tmp_path / "gone.yaml")
    assert "cannot be read" in owen.get("/break-glass/on-call/").content.decode()


def test_scripts_read_the_same(rota: Company) -> None:
    said = Client().get("/api/break-glass/on-call/", headers=token(rota.owen, "read")).json()
    assert [(one["team"], one["counts"], [who["name"] for who in one["on_call"]], one["unknown"])
            for one in said["rows"]] == [
        ("Nowhere", False, [], []),
        ("Platform", False, [], []),
        ("Security", True, ["Sara"], [HOSTILE]),
    ]  # fmt: skip
    assert Client().get("/api/break-glass/on-call/").status_code in (401, 403)


def test_who_is_on_call_is_named_first_with_their_hours(rota: Company, as_user: Sign) -> None:
    until = f"{Shift.objects.filter(name='Sara').get().ends_at:%-d %b %H:%M} UTC"
    dana = as_user(rota.dana)
    page = dana.get("/break-glass/new/").content.decode()
    assert f"Can sign: Sara (on call until {until}), Paul, Pia, Sven" in page
    form = {"bundle": "contain-agent", "reason": "stop report-agent"}
    here = dana.post("/break-glass/new/", form)["Location"]
    page = dana.get(here).content.decode()
    assert "Told: Paul, Pia, Sara." in page
    assert f"Sara (on call until {until}), Sven" in page
    assert "Who is on call for Platform is not known now" in page
    Rota.objects.update(read_at=timezone.now())
    assert "is not known now" not in dana.get(here).content.decode()


def test_a_place_for_who_is_on_call_says_so(rota: Company, as_user: Sign) -> None:
    rule = {"all_of": [{"team": "Platform"}, {"team": "Security", "on_call": True}]}
    put_in_force("called", rota.rita, rota.root, quorum=rule)
    case = asked(rota, slug="called", now=timezone.now())
    page = as_user(rota.pia).get(f"/break-glass/{case.key}/").content.decode()
    assert "Security, on call" in page
    assert "Sven" not in page
    answer = as_user(rota.sven).get(f"/break-glass/{case.key}/").content.decode()
    assert "What you would sign" not in answer


def test_more_rotas_cost_no_more_questions(rota: Company, as_user: Sign, settings: Any) -> None:
    owen = as_user(rota.owen)

    def asks() -> int:
        with CaptureQueriesContext(connection) as caught:
            owen.get("/break-glass/on-call/")
        return len(caught)

    asks()  # what is read once is read here
    few = asks()
    more = "".join(
        f"  - {{team: Team{n}, pagerduty: P{n}, token: 'env:TOKEN'}}\n" for n in range(30)
    )
    file = Path(settings.ON_CALL)
    file.write_text(file.read_text() + more)
    assert asks() == few


# --- queues ------------------------------------------------------------------------------------


def queue(user: User) -> list[Any]:
    return [one.case for one in waiting.for_user(user, now=NOW)]


@pytest.mark.parametrize("role", ["reviewer", "responder", "administrator"])
def test_a_place_of_a_role_waits_in_the_queue_of_who_has_it(company: Company, role: str) -> None:
    who = {"reviewer": company.rita, "responder": company.rex, "administrator": company.root}
    put_in_force("role", company.rita, company.root, quorum={"all_of": [{"role": role}, BOTH]})
    case = asked(company, slug="role")
    for name, user in who.items():
        assert queue(user) == ([case.pk] if name == role else []), name
    assert [queue(one) for one in (company.pia, company.dana, company.otto, company.owen)] == [
        [case.pk], [], [], []
    ]  # fmt: skip
    # Once it is signed, it waits for nobody else of that role; for the teams it does.
    approve(case, who[role])
    other = make_user("ruth", role)
    assert (queue(who[role]), queue(other), queue(company.sven)) == ([], [], [case.pk])
    seat = Seat.objects.get(case=case, person=who[role].person)
    assert seat.role == ("" if role == "reviewer" else role)
    assert fresh(case).state == "open"


def test_the_queues_page_and_its_files_show_it(company: Company, as_user: Sign) -> None:
    put_in_force("role", company.rita, company.root, quorum={"role": "responder"})
    case = asked(company, slug="role", now=timezone.now())
    rex = as_user(company.rex)
    for address in ("/queue/", "/queue/?show=items", "/queue.csv", "/queue.json"):
        answer: Any = rex.get(address)
        said = answer.content if not answer.streaming else b"".join(answer.streaming_content)
        assert case.key.encode() in said, address
    assert "any responder" in rex.get("/cases/").content.decode()
    assert case.key not in as_user(company.rita).get("/queue/").content.decode()


def test_who_asked_does_not_find_their_own_by_a_role(company: Company) -> None:
    put_in_force("role", company.rita, company.root, quorum={"role": "responder"},
                 holder=company.human.key)  # fmt: skip
    case = asked(company, slug="role", by=company.rex)
    assert queue(company.rex) == []
    assert queue(make_user("ruth", "responder")) == [case.pk]
