"""Who left or moved, as page and API: seen before it is said, and followed at once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.celery import NUDGES, SCHEDULE
from evidence import nudge
from evidence.models import LedgerEntry
from identities.actions import changes
from identities.models import ApiToken, Identity, Person, ProposedChange, User
from identities.permissions import NotAllowed
from reviews import tasks
from reviews.models import Succession
from reviews.succession import foreseen
from tests.signed_in import by_hand

from .conftest import DAY, Told, make_user, party, person_of
from .owning import team
from .test_api import token
from .test_pages import answered, as_user
from .test_policies_api import sure

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
JSON: dict[str, Any] = {"content_type": "application/json"}
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"


def ask(user: User, path: str, said: Any = None, scope: str = "") -> Any:
    ApiToken.objects.filter(user=user).delete()
    headers = token(user, scope) if scope else by_hand(user)
    if said is None:
        return Client().get(path, headers=headers)
    return Client().post(path, said, headers=headers, **JSON)


def url(user: User) -> str:
    return f"/people/{person_of(user).pk}/"


def test_page_says_what_follows_and_changes_nothing(story: Told, as_user: Sign) -> None:
    text = as_user(story.rita).get(url(story.ines)).content.decode()
    for words in (
        "If they leave",
        "owner of identities",
        story.identity.key,
        "Marek",
        "The evidence of 1 identity answered for.",
        "Switched off at once: 1 login.",
    ):
        assert words in text, words
    assert (Succession.objects.count(), person_of(story.ines).left_at) == (0, None)


def test_what_is_foreseen_is_what_happens(story: Told) -> None:
    team("Data", story.leila, make_user("nora", "owner"))
    for number in range(3):
        Identity.objects.create(
            name=f"alone-{number}", kind="agent", owner=party(story.ines), created_at=timezone.now()
        )
    person, now = person_of(story.ines), timezone.now()
    said = foreseen.foresee(person, at=now, now=now)
    assert (said.opens, said.unowned, said.ends) == (True, 3, ["1 login"])
    expected = {one.identity.pk: one.heir or party(story.ines) for one in said.owned}
    person.left_at = now
    person.save()
    tasks.owners()
    assert {one.pk: one.owner for one in Identity.objects.filter(pk__in=expected)} == expected


def test_said_on_the_page_and_everything_follows_by_the_nudge(
    story: Told,
    as_user: Sign,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(nudge, "send", told.append)
    said = {"state": "left", "on": "", "team": "", "reason": "HR ticket 12"}
    response = sure(as_user(story.rita)).post(url(story.ines), said)
    assert (response.status_code, response["Location"]) == (302, url(story.ines))
    change = ProposedChange.objects.get()
    text = as_user(story.rita).get(url(story.ines)).content.decode()
    assert f'<a href="/changes/{change.key}/">{change.key}</a> waits for a second person' in text
    tasks.owners()
    assert (person_of(story.ines).left_at, Succession.objects.count(), told) == (None, 0, [])
    for who, why in ((story.rita, "You proposed it"), (story.ines, "Only a reviewer")):
        with pytest.raises(NotAllowed, match=why):
            changes.sign(change=change, by=who, now=timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        changes.sign(change=change, by=make_user("rob", "reviewer"), now=timezone.now())
    assert "people.changed" in told
    assert NUDGES["people.changed"] == ("reviews.tasks.owners", "identities.tasks.claims")
    tasks.owners()
    story.identity.refresh_from_db()
    assert str(story.identity.owner) == "Marek"
    listed = Succession.objects.get()
    assert (listed.why, listed.could_read[-1]) == ("left", "The login ines was switched off.")
    entry = LedgerEntry.objects.get(act="person.left")
    assert (entry.by_name, entry.words.endswith("UTC: HR ticket 12")) == ("Rita and Rob", True)
    text = as_user(story.rita).get(url(story.ines)).content.decode()
    assert f"/successions/{listed.key}/" in text


def test_a_move_asks_whether_it_is_still_theirs(story: Told, as_user: Sign) -> None:
    team("Finance", story.ines)
    team("Risk", story.leila)
    said = {"state": "moved", "on": "", "team": "Nowhere", "reason": "HR"}
    client = sure(as_user(story.rita))
    assert b"No team is called this." in client.post(url(story.ines), said).content
    asked = client.post(url(story.ines), said | {"team": "Risk"}, follow=True)
    change = ProposedChange.objects.get()
    assert f"a second person signs {change} first" in asked.content.decode()
    changes.sign(change=change, by=story.leila, now=timezone.now())
    tasks.owners()
    listed = Succession.objects.get()
    assert (listed.why, str(listed.team), str(listed.items.get(role="owner").heir)) == (
        "moved",
        "Finance",
        "Ines",
    )


@pytest.mark.parametrize(
    ("who", "state", "words"),
    [
        ("samuel", 403, "What people left is shown to reviewers"),
        ("otto", 403, "You are an auditor: auditors read everything and change nothing."),
    ],
)
def test_who_may_not_is_told_why(
    story: Told, as_user: Sign, who: str, state: int, words: str
) -> None:
    said = {"state": "left", "on": "", "team": "", "reason": "HR"}
    response = as_user(getattr(story, who)).post(url(story.ines), said)
    assert (response.status_code, words in response.content.decode()) == (state, True)
    assert person_of(story.ines).left_at is None
    api = ask(getattr(story, who), f"/api{url(story.ines)}", {"state": "left", "reason": "HR"})
    assert api.status_code in (403, 409)
    assert Person.objects.filter(left_at__isnull=False).count() == 0


def test_nobody_says_it_of_themselves_and_hostile_words_are_words(
    story: Told, as_user: Sign
) -> None:
    text = as_user(story.rita).get(url(story.rita)).content.decode()
    assert "Nobody says of themselves that they left or moved: ask somebody else." in text
    Person.objects.filter(pk=person_of(story.ines).pk).update(name=HOSTILE)
    for path in (url(story.ines), "/people/?q=img"):
        text = as_user(story.rita).get(path).content.decode()
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


def test_list_costs_the_same_for_one_and_for_many(story: Told, as_user: Sign) -> None:
    client = as_user(story.rita)
    client.get("/people/")
    costs = []
    for number in (0, 30):
        Person.objects.bulk_create(
            Person(name=f"P{one}", manager=person_of(story.ines)) for one in range(number)
        )
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/people/").status_code == 200
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_api_takes_a_list_and_says_what_follows(story: Told) -> None:
    everybody = [{"name": one.name, "email": one.email} for one in Person.objects.order_by("name")]
    others = [one for one in everybody if one["name"] != "Ines"]
    said = {"people": others, "whole": True, "dry_run": True}
    found = ask(story.rita, "/api/people/", said).json()
    assert [one["name"] for one in found["left"]] == ["Ines"]
    (follows,) = found["follows"]
    assert (follows["name"], follows["next"]) == (
        "Ines",
        [{"identity": story.identity.key, "name": story.identity.name, "goes_to": "Marek"}],
    )
    assert person_of(story.ines).left_at is None
    assert (
        ask(story.rita, "/api/people/", said | {"whole": False, "dry_run": False}).json()["left"]
        == []
    )
    for _ in range(2):  # every night the same list
        done = ask(story.rita, "/api/people/", said | {"dry_run": False}).json()
        assert (done["changed"], "follows" in done) == (0, False)
    change = ProposedChange.objects.get()
    assert (change.state, change.title, person_of(story.ines).left_at) == (
        "proposed",
        "person Ines",
        None,
    )
    changes.sign(change=change, by=make_user("rob", "reviewer"), now=timezone.now())
    tasks.owners()
    story.identity.refresh_from_db()
    assert str(story.identity.owner) == "Marek"
    rows = ask(story.rita, "/api/people/?state=left", scope="read").json()["rows"]
    assert [(one["name"], one["state"]) for one in rows] == [("Ines", "left")]


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ({"people": [{"nme": "x"}]}, 422, "nobody knows this"),
        ({"people": "x"}, 400, "people"),
        ({"people": [{"name": {"a": 1}}]}, 422, "must be text, not a mapping"),
        ({"people": [], "whole": True}, 422, "Is it whole?"),
        ({"people": [{"name": "\ud800", "email": "x@x.org"}]}, 400, "half a character"),
    ],
)
def test_api_refuses_what_is_wrong_with_its_place(
    story: Told, said: Any, status: int, words: str
) -> None:
    response = ask(story.rita, "/api/people/", said)
    assert (response.status_code, words in response.content.decode()) == (status, True)
    assert Person.objects.filter(left_at__isnull=False).count() == 0


def test_api_says_it_of_one_person(story: Told) -> None:
    path = f"/api{url(story.ines)}"
    at = (timezone.now() + 3 * DAY).isoformat()
    said = {"state": "left", "at": at, "reason": "HR"}
    assert ask(story.rita, path, said | {"dry_run": True}).json()["left_at"] is None
    rob = make_user("rob", "reviewer")

    def signed(found: dict[str, Any]) -> Any:
        change = ProposedChange.objects.get(number=found["waits"].removeprefix("CHG-"))
        changes.sign(change=change, by=rob, now=timezone.now())
        return ask(story.rita, path, scope="read").json()

    found = ask(story.rita, path, said).json()
    assert found["left_at"] is None
    found = signed(found)
    assert (found["state"], found["left_at"] is not None) == ("here", True)
    back = ask(story.rita, path, {"state": "here", "reason": "stays"}).json()
    assert back["left_at"] is not None
    assert signed(back)["left_at"] is None
    assert ask(story.rita, path, {"state": "left", "reason": "x"}).json()["detail"] == (
        "Say when: at, a date and time."
    )
    assert ("reviews.tasks.owners" in {task for task, _ in SCHEDULE.values()}) is True
