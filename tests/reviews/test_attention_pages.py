"""Pages and API of attention: a mark is shown, a second look and a hand-over are plain forms,
and nobody sees figures of another person."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import Looked
from identities.models import Membership, Team, User
from reviews import independence
from reviews.models import Burst, Case, Decision, Provisional
from reviews.pages import attention as page
from tests.signed_in import by_hand, sure

from .conftest import DAY, Told, item_of, make_user, person_of, seat_of
from .hurry import SECOND, answer, kept, lines
from .read_forms import as_read
from .test_api import token
from .test_pages import answered, as_user, now_story, open_case

__all__ = ["answered", "as_user", "now_story", "open_case"]
pytestmark = pytest.mark.django_db
SignIn = Callable[..., Client]


@pytest.fixture
def marked(now_story: Told, open_case: Case) -> Case:
    """A case in which Ines kept fifty items at once."""
    now = timezone.now()
    kept(open_case, now_story.ines, 49, at=now)
    answer(open_case, lines(open_case, 1)[0], now_story.ines, now=now)
    return open_case


def test_an_item_that_is_shown_is_noted_for_its_reader(
    now_story: Told, open_case: Case, as_user: SignIn
) -> None:
    item = item_of(open_case, "credential")
    client = as_user(now_story.ines)
    client.get(f"/cases/{open_case.key}/?item={item.pk}")
    client.get(f"/identities/{now_story.identity.key}/")
    looks = Looked.objects.filter(by=now_story.ines.ref).order_by("id")
    assert list(looks.values_list("kind", "ref")) == [
        ("case", open_case.key),
        ("item", str(item.pk)),
        ("line", now_story.identity.key),
    ]
    row = answer(open_case, item, now_story.ines, now=timezone.now())
    assert row.shown_at == looks.get(kind="item").at
    assert row.evidence_opened is True


def test_a_mark_is_shown_with_its_reason_and_without_a_name(
    now_story: Told, marked: Case, as_user: SignIn
) -> None:
    text = as_user(now_story.rita).get(f"/cases/{marked.key}/").content.decode()
    assert "One person kept or approved 50 items within 1 second" in text
    assert f"/cases/{marked.key}/second-look/" in text
    own = as_user(now_story.ines).get(f"/cases/{marked.key}/").content.decode()
    assert "These are your own answers: somebody else looks at them again." in own
    data = as_user(now_story.rita).get(f"/cases/{marked.key}.json").json()
    assert len(data["provisional"]) == 1
    # How one person answers is nobody else's: not in any shape of the case.
    assert not {"shown_at", "evidence_opened", "batch"} & set(str(data).split("'"))


def test_a_second_look_by_a_plain_form(now_story: Told, marked: Case, as_user: SignIn) -> None:
    client = sure(as_user(now_story.rita))
    address = f"/cases/{marked.key}/second-look/"
    assert client.get(address).content.decode().count("cs-row-link") == 50
    read = as_read(client, address)
    refused = client.post(address, read | {"how": "ask_again", "reason": ""})
    assert (refused.status_code, "Say why" in refused.content.decode()) == (409, True)
    response = client.post(address, read | {"how": "ask_again", "reason": "too fast"})
    assert (response.status_code, response["Location"]) == (302, f"/cases/{marked.key}/")
    assert Provisional.objects.get().how == "asked_again"
    after = client.get(address).content.decode()
    assert "is not provisional: there is nothing to look at again" in after


def test_ones_own_answers_are_looked_at_by_somebody_else(
    now_story: Told, marked: Case, as_user: SignIn
) -> None:
    response = as_user(now_story.ines).post(
        f"/cases/{marked.key}/second-look/", {"how": "confirm", "reason": "x"}
    )
    assert response.status_code == 403
    assert "somebody else looks at them again" in response.content.decode()
    assert Provisional.objects.get().settled_at is None


def test_a_seat_is_handed_over_by_a_plain_form(
    now_story: Told, open_case: Case, as_user: SignIn
) -> None:
    make_user("noor", "owner")
    client = as_user(now_story.ines)
    assert (
        f"/cases/{open_case.key}/hand-over/"
        in client.get(f"/cases/{open_case.key}/").content.decode()
    )
    address = f"/cases/{open_case.key}/hand-over/"
    shown = client.get(address).content.decode()
    assert "The seat of the AI-system owner belongs to Samuel." in shown
    said = {
        "seat": str(seat_of(open_case, "identity_owner").pk),
        "to": "samuel",
        "reason": "a typed reason",
        "version": Case.objects.get(pk=open_case.pk).version,
    }
    refused = client.post(address, said)
    assert refused.status_code == 409
    assert "Samuel is asked as AI-system owner" in refused.content.decode()
    assert "a typed reason" in refused.content.decode()
    assert client.post(address, said | {"to": "noor"}).status_code == 302
    assert str(seat_of(open_case, "identity_owner").party) == "Noor"
    assert client.post(address, said | {"seat": "x"}).status_code == 404


def test_who_saw_the_case_by_the_seat_alone_ends_at_the_queue(
    now_story: Told, open_case: Case, as_user: SignIn
) -> None:
    noor, omar = make_user("noor", "owner"), make_user("omar", "owner")
    for by, to in ((now_story.ines, noor), (noor, omar)):
        response = as_user(by).post(
            f"/cases/{open_case.key}/hand-over/",
            {
                "seat": str(seat_of(open_case, "identity_owner").pk),
                "to": to.username,
                "reason": "x",
                "version": Case.objects.get(pk=open_case.pk).version,
            },
        )
        assert response.status_code == 302
    assert response["Location"] == "/queue/"


@pytest.mark.parametrize("path", ["second-look", "hand-over"])
def test_pages_of_a_case_that_is_not_seen_are_absent(
    now_story: Told, open_case: Case, as_user: SignIn, path: str
) -> None:
    address = f"/cases/{open_case.key}/{path}/"
    assert as_user(make_user("noor", "owner")).get(address).status_code == 404
    assert Client().get(address).status_code == 302


def test_api_hands_over_and_looks_again(now_story: Told, marked: Case, as_user: SignIn) -> None:
    make_user("noor", "owner")
    said = {
        "seat": str(seat_of(marked, "identity_owner").pk),
        "to": "noor",
        "reason": "x",
        "version": Case.objects.get(pk=marked.pk).version,
    }
    address = f"/api/cases/{marked.key}/hand-over/"
    form: Any = {"content_type": "application/json"}
    refused = Client().post(address, said, headers=by_hand(now_story.samuel), **form)
    assert (refused.status_code, "belongs to Ines" in refused.json()["detail"]) == (403, True)
    headers = by_hand(now_story.ines)
    made = Client().post(address, said, headers=headers, **form)
    assert (made.status_code, made.json()["party"]) == (200, "Noor")
    look = f"/api/cases/{marked.key}/second-look/"
    body = {"how": "confirm", "reason": "read"}
    by_token = Client().post(look, body, headers=token(now_story.rita, "act"), **form)
    assert by_token.json()["code"] == "person_required"
    done = sure(as_user(now_story.rita)).post(look, body, **form)
    assert (done.status_code, done.json()["case"]) == (200, marked.key)


def figures(user: User, **more: Any) -> dict[str, Any]:
    context = page.deciding(user, now=timezone.now(), **more)
    return {one["label"]: one["words"] for one in context["facts"]}


def test_ones_own_figures(now_story: Told, marked: Case) -> None:
    rows = list(Decision.objects.filter(person=now_story.ines.person).order_by("pk")[:4])
    for row, seconds, opened in zip(rows, (4, 6, 20, None), (True, False, True, None), strict=True):
        shown = None if seconds is None else row.at - seconds * SECOND
        Decision.objects.filter(pk=row.pk).update(shown_at=shown, evidence_opened=opened)
    # The one that was signed for real: nothing was opened, forty-nine others beside it.
    item = item_of(marked, "credential")
    later = timezone.now() + timedelta(minutes=5)
    answer(marked, item, now_story.ines, "dont_know", now=later)
    answer(marked, item, now_story.ines, "keep", now=later + SECOND)
    context = page.deciding(now_story.ines, now=later + timedelta(minutes=1))
    assert {one["label"]: one["words"] for one in context["facts"]} == {
        "Items answered": "51",
        "Median time": "6 s",
        "Evidence opened": "33 % of 6 answers",
        "Answers changed": "1",
        "Most in a minute": "50 items",
        "Bursts": "1",
    }
    assert figures(now_story.samuel) == {}


def test_nobody_sees_anothers_figures(now_story: Told, marked: Case, as_user: SignIn) -> None:
    for user in (now_story.samuel, now_story.otto, now_story.rita):
        text = as_user(user).get("/deciding/").content.decode()
        assert "You have answered nothing yet" in text
        assert "Ines" not in text
    assert "Items answered" in as_user(now_story.ines).get("/deciding/").content.decode()


def test_a_login_of_nobody_has_no_figures(db: None, as_user: SignIn) -> None:
    user = User.objects.create(username="script")
    assert "This login is nobody" in as_user(user).get("/deciding/").content.decode()


def team_of(name: str, case: Case, many: int) -> Team:
    """A team of so many people who each kept two items, and one who decided nothing."""
    now = timezone.now()
    team = Team.objects.create(name=name)
    for number in range(many + 1):
        user = make_user(f"{name}{number}".lower(), "owner")
        Membership.objects.create(
            team=team, person=person_of(user), during=(now - DAY, None), recorded_at=now
        )
        if number < many:
            kept(case, user, 2, at=now - timedelta(hours=1))
    return team


def test_teams_are_shown_from_five_who_decided(now_story: Told, open_case: Case) -> None:
    team_of("Small", open_case, 4)
    large = team_of("Large", open_case, 5)
    Burst.objects.create(
        person=large.memberships.all()[0].person,
        since=timezone.now(),
        until=timezone.now(),
        answers=50,
    )
    context = page.deciding(now_story.otto, now=timezone.now())
    assert [(row["name"], row["persons"], row["items"]) for row in context["teams"]] == [
        ("Large", 5, 10)
    ]
    assert context["teams"][0]["bursts"] == 1
    assert page.deciding(now_story.samuel, now=timezone.now())["teams"] == []


def test_who_was_no_member_then_does_not_count(now_story: Told, open_case: Case) -> None:
    large = team_of("Large", open_case, 5)
    now = timezone.now()
    first = large.memberships.order_by("pk")[0]
    Membership.objects.filter(pk=first.pk).update(during=(now - timedelta(minutes=1), None))
    assert page.deciding(now_story.otto, now=now)["teams"] == []


@pytest.mark.parametrize(
    ("who", "may"), [("otto", True), ("rita", True), ("ines", False), ("samuel", False)]
)
def test_why_not_see_teams_by_role(now_story: Told, who: str, may: bool) -> None:
    why = independence.why_not_see_teams(getattr(now_story, who))
    assert (why is None) is may


def test_the_page_costs_the_same_for_one_team_and_for_many(
    now_story: Told, open_case: Case
) -> None:
    def queries() -> int:
        user = User.objects.get(pk=now_story.otto.pk)
        with CaptureQueriesContext(connection) as seen:
            page.deciding(user, now=timezone.now())
        return len(seen)

    team_of("One", open_case, 5)
    one = queries()
    for name in ("Two", "Three", "Four"):
        team_of(name, open_case, 5)
    assert queries() == one
