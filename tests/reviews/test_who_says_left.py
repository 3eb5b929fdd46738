"""Saying that somebody left ends their logins and signatures: a password, a second person, and
neither of them sits in a case with them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from identities.actions import changes
from identities.models import ApiToken, Person, ProposedChange, Team, User
from identities.permissions import NotAllowed
from reviews.models import Case
from tests.signed_in import by_hand

from .conftest import Told, make_user, person_of
from .test_api import token
from .test_pages import PASSWORD, answered, as_user
from .test_policies_api import sure

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
SignIn = Callable[..., Client]
LEFT = {"state": "left", "on": "", "team": "", "reason": "HR ticket 12"}
JSON: dict[str, Any] = {"content_type": "application/json"}


def path(user: User) -> str:
    return f"/people/{person_of(user).pk}/"


def gone() -> list[str]:
    return list(Person.objects.filter(left_at__isnull=False).values_list("name", flat=True))


def asked() -> list[str]:
    """Of whom somebody said it, with nobody gone before a second person signs."""
    assert gone() == []
    rows = ProposedChange.objects.filter(kind="leaving", state="proposed")
    return list(rows.values_list("title", flat=True))


def today() -> str:
    return f"{timezone.now():%Y-%m-%d}"


def at_once() -> dict[str, str]:
    return {"state": "left", "at": timezone.now().isoformat(), "reason": "HR ticket 12"}


@pytest.mark.parametrize("state", ["left", "moved"])
def test_the_page_asks_who_one_is(story: Told, as_user: SignIn, state: str) -> None:
    client = as_user(story.rita, confirmed=False)
    Team.objects.create(name="Platform")
    said = LEFT | {"state": state, "team": "Platform" if state == "moved" else ""}
    response = client.post(path(story.samuel), said)
    assert response["Location"].startswith("/accounts/reauthenticate/")
    assert gone() == []
    # That somebody is here takes nothing away.
    back = client.post(path(story.samuel), LEFT | {"state": "here"})
    assert back["Location"] == path(story.samuel)
    done = client.post(response["Location"], {"password": PASSWORD})
    assert done["Location"] == path(story.samuel)
    assert asked() == (["person Samuel"] if state == "left" else [])


def test_the_api_asks_who_one_is_and_a_dry_run_does_not(story: Told, as_user: SignIn) -> None:
    client, url = as_user(story.rita, confirmed=False), f"/api{path(story.samuel)}"
    assert client.post(url, at_once() | {"dry_run": True}, **JSON).status_code == 200
    refused = client.post(url, at_once(), **JSON)
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "Confirm who you are first, at /accounts/reauthenticate/.",
    )
    roster = {"people": [{"name": "Samuel", "email": "samuel@example.org", "left": today()}]}
    assert client.post("/api/people/", roster, **JSON).status_code == 403
    assert gone() == []
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302
    assert client.post(url, at_once(), **JSON).status_code == 200
    assert asked() == ["person Samuel"]


@pytest.mark.parametrize("road", ["page", "api", "token", "roster", "whole roster"])
def test_who_sits_in_a_case_with_somebody_does_not_say_that_they_left(
    story: Told, case: Case, as_user: SignIn, road: str
) -> None:
    """Ines reviews as well, and the other signer of her case is Samuel."""
    story.ines.groups.set(story.rita.groups.all())
    people = [
        {"name": one.name, "email": one.email} | ({"left": today()} if one.name == "Samuel" else {})
        for one in Person.objects.order_by("name")
        if road == "roster" or one.name != "Samuel"
    ]
    roster = {"people": people, "whole": road == "whole roster"}

    def ask(user: User) -> Any:
        if road == "page":
            return sure(as_user(user)).post(path(story.samuel), LEFT)
        if road == "api":
            return sure(as_user(user)).post(f"/api{path(story.samuel)}", at_once(), **JSON)
        ApiToken.objects.filter(user=user).delete()
        said: Any = roster if "roster" in road else at_once()
        url = "/api/people/" if "roster" in road else f"/api{path(story.samuel)}"
        headers = token(user, "act") if "roster" in road else by_hand(user)
        return Client().post(url, said, headers=headers, **JSON)

    refused = ask(story.ines)
    why = f"You sit in {case.key} with Samuel: somebody who does not says that they left or move."
    assert (refused.status_code, why in refused.content.decode()) == (403, True)
    assert asked() == []
    done = ask(story.rita)
    assert (done.status_code, asked()) == (302 if road == "page" else 200, ["person Samuel"])
    # Nor does Ines sign it; somebody who sits in no case with him does.
    change = ProposedChange.objects.get()
    with pytest.raises(NotAllowed, match=f"You sit in {case.key} with Samuel"):
        changes.sign(change=change, by=story.ines, now=timezone.now())
    changes.sign(change=change, by=make_user("rob", "reviewer"), now=timezone.now())
    assert gone() == ["Samuel"]


def test_the_page_says_so_before_anything_is_typed(
    story: Told, case: Case, as_user: SignIn
) -> None:
    story.ines.groups.set(story.rita.groups.all())
    said = f"You sit in {case.key} with Samuel"
    for user, shown in ((story.ines, True), (story.rita, False)):
        text = as_user(user).get(path(story.samuel)).content.decode()
        assert (said in text, 'name="state"' in text) == (shown, not shown)


def test_a_case_that_is_over_keeps_nobody_from_saying_it(
    story: Told, case: Case, as_user: SignIn
) -> None:
    story.ines.groups.set(story.rita.groups.all())
    Case.objects.update(state="closed", closed_at=case.opened_at + timedelta(days=1))
    assert sure(as_user(story.ines)).post(path(story.samuel), LEFT).status_code == 302
    assert asked() == ["person Samuel"]


def test_who_may_not_is_not_asked_for_a_password(story: Told, as_user: SignIn) -> None:
    root = make_user("root", "administrator")
    for user, why in (
        (story.otto, "auditors read everything"),
        (root, "Nobody says of themselves"),
    ):
        target = root if user == root else story.samuel
        response = as_user(user, confirmed=False).post(path(target), LEFT)
        assert (response.status_code, why in response.content.decode()) == (403, True)
    assert gone() == []
