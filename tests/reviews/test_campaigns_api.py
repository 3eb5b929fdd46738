"""Campaigns for scripts: the same acts and refusals as the pages, figures for who may see them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import User
from reviews.campaigns import launching, progress, steps
from reviews.campaigns.acts import ACTS
from reviews.models import Campaign, Case
from tests.signed_in import by_hand

from . import crowd
from .conftest import make_user
from .test_api import token

pytestmark = pytest.mark.django_db
Ask = Callable[..., Any]


@pytest.fixture
def ask() -> Ask:
    """Ask signed in; the JSON of the answer, whose status has to be this one."""

    known: dict[Any, dict[str, str]] = {}

    def asked(
        user: User, address: str, said: dict[str, Any] | None = None, *, status: int = 200
    ) -> Any:
        if user.pk not in known:
            known[user.pk] = by_hand(user)
        headers, url = known[user.pk], f"/api/campaigns/{address}"
        if said is None:
            response = Client().get(url, headers=headers)
        else:
            response = Client().post(url, said, "application/json", headers=headers)
        assert response.status_code == status, response.content[:2_000]
        return response.json()

    return asked


@pytest.fixture
def rita(db: None) -> User:
    crowd.identities(3, owners=crowd.people(2), of=[])
    return make_user("rita", "reviewer")


SAID = {"name": "Agents", "policy": "access review", "reason": "once a year"}


def work() -> None:
    now = timezone.now()
    while steps.next_part(now=now) or launching.launch_next(now=now):
        pass
    progress.count(Campaign.objects.get(), now=now)


def test_campaign_from_its_draft_to_its_end(rita: User, ask: Ask) -> None:
    made = ask(rita, "", SAID | {"scope": {"kinds": ["agent"]}, "applies": "at_end"}, status=201)
    assert (made["state"], made["applies"], made["policy"]) == (
        "draft",
        "at_end",
        {"name": "access review", "version": 1},
    )
    key = made["campaign"]
    dry = ask(rita, f"{key}/preview/")
    assert (dry["identities"], dry["opened"], dry["items"], dry["people"]) == (3, 3, 15, 2)
    assert [(one["person"], one["reviews"], one["items"]) for one in dry["asked"]] == [
        ("owner 0000", 2, 10),
        ("owner 0001", 1, 5),
    ]
    said = ask(rita, f"{key}/launch/", {"reason": "go"})
    assert said["said"] == "Agents is being launched. Nobody is asked twice."
    work()
    found = ask(rita, f"{key}/")
    assert (found["items"], found["decided"], found["cases"]) == (15, 0, {"open": 3})
    assert [(one["seat"], one["answered"], one["items"]) for one in found["seats"]] == [
        ("identity_owner", 0, 15)
    ]
    assert [(one["party"], one["person"], one["items"]) for one in found["parts"]] == [
        ("owner 0000", "owner 0000", 10),
        ("owner 0001", "owner 0001", 5),
    ]
    assert (found["provisional"], found["second_looks"]) == (0, [])
    assert ask(rita, f"{key}/pause/", {"reason": "freeze"})["state"] == "paused"
    assert ask(rita, f"{key}/resume/", {"reason": "thaw"})["step"] == {
        "act": "resume",
        "done": 0,
        "reviews": 3,
    }
    work()
    to = timezone.now() + timedelta(days=30)
    ask(rita, f"{key}/extend/", {"reason": "holidays", "to": to.isoformat()})
    work()
    assert set(Case.objects.values_list("deadline_at__date", flat=True)) == {to.date()}
    ask(rita, f"{key}/reiterate/", {"reason": "late"})
    work()
    closed = ask(rita, f"{key}/close/", {"reason": "enough"})
    assert closed["said"] == "Agents is closed: 0 of 15 items decided, 3 reviews still open."
    assert ask(rita, "?state=closed")["rows"][0]["campaign"] == key
    assert ask(rita, "?state=running")["rows"] == []


@pytest.mark.parametrize(
    ("said", "status", "why"),
    [
        ({"policy": "nothing"}, 409, "No policy 'nothing' is in force"),
        ({"policy": "access request"}, 409, "No policy 'access request' is in force"),
        ({"scope": {"kind": ["agent"]}}, 409, "scope.kind"),
        ({"deadline_at": "2020-01-01T00:00:00Z"}, 409, "The deadline has to lie ahead"),
        ({"applies": "never"}, 400, "not a valid choice"),
        ({"name": ""}, 400, "may not be blank"),
    ],
)
def test_draft_that_cannot_be_is_refused(
    rita: User, ask: Ask, said: dict[str, Any], status: int, why: str
) -> None:
    assert why in str(ask(rita, "", SAID | said, status=status))
    assert not Campaign.objects.exists()


@pytest.mark.parametrize("step", [*ACTS])
@pytest.mark.parametrize(
    ("group", "why"),
    [
        ("owner", "Campaigns are shown to reviewers"),
        ("responder", "Only a reviewer or an administrator may run a campaign."),
        ("auditor", "auditors read everything and change nothing"),
    ],
)
def test_act_of_somebody_else_is_refused(
    rita: User, ask: Ask, step: str, group: str, why: str
) -> None:
    key = ask(rita, "", SAID, status=201)["campaign"]
    said = {"reason": "x", "to": "2100-01-01T00:00:00Z"}
    user = make_user("someone", group)
    assert why in ask(user, f"{key}/{step}/", said, status=403)["detail"]
    assert Campaign.objects.get().state == "draft"


@pytest.mark.parametrize("step", ["pause", "resume", "extend", "reiterate"])
def test_act_out_of_its_time_is_refused(rita: User, ask: Ask, step: str) -> None:
    key = ask(rita, "", SAID, status=201)["campaign"]
    said = {"reason": "x", "to": "2100-01-01T00:00:00Z"}
    assert "is draft" in ask(rita, f"{key}/{step}/", said, status=403)["detail"]


@pytest.mark.parametrize("address", ["", "{key}/", "{key}/preview/"])
def test_reading_is_refused_to_who_does_not_see_campaigns(
    rita: User, ask: Ask, address: str
) -> None:
    key = ask(rita, "", SAID, status=201)["campaign"]
    olga = make_user("olga", "owner")
    said = ask(olga, address.format(key=key), status=403)
    assert said["detail"].startswith("Campaigns are shown to reviewers")
    assert ask(make_user("otto", "auditor"), address.format(key=key))


def test_preparing_is_refused_to_who_may_not_run_campaigns(rita: User, ask: Ask) -> None:
    said = ask(make_user("otto", "auditor"), "", SAID, status=403)
    assert "auditors read everything" in said["detail"]


def test_token_that_only_reads_acts_on_nothing(rita: User) -> None:
    response = Client().post(
        "/api/campaigns/", SAID, "application/json", headers=token(rita, "read")
    )
    assert (response.status_code, response.json()["detail"]) == (
        403,
        "This token lacks the scope act.",
    )


def test_dry_run_is_of_a_draft_only(rita: User, ask: Ask) -> None:
    key = ask(rita, "", SAID, status=201)["campaign"]
    ask(rita, f"{key}/close/", {"reason": "never mind"})
    assert "is closed" in ask(rita, f"{key}/preview/", status=409)["detail"]
    assert "is closed" in ask(rita, f"{key}/launch/", {"reason": "go"}, status=403)["detail"]


@pytest.mark.parametrize("address", ["CMP-999/", "CS-1/", "CMP-x/", "CMP-999/preview/"])
def test_campaign_that_is_not_there_is_absent(rita: User, ask: Ask, address: str) -> None:
    ask(rita, address, status=404)


def test_extending_needs_a_moment(rita: User, ask: Ask) -> None:
    key = ask(rita, "", SAID, status=201)["campaign"]
    ask(rita, f"{key}/launch/", {"reason": "go"})
    assert ask(rita, f"{key}/extend/", {"reason": "x"}, status=400) == {"to": "Say until when."}


def test_list_asks_the_same_of_the_database_for_few_and_many(rita: User, ask: Ask) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            ask(rita, "?limit=30")
        return len(asked)

    ask(rita, "", SAID, status=201)
    ask(rita, "")
    few = queries()
    for number in range(12):
        ask(rita, "", SAID | {"name": f"again {number}"}, status=201)
    assert queries() == few
    page = ask(rita, "?limit=5")
    assert (len(page["rows"]), page["after"]) == (5, Campaign.objects.order_by("-number")[4].number)
    rest = ask(rita, f"?limit=50&after={page['after']}")
    assert (len(rest["rows"]), rest["after"]) == (8, None)
