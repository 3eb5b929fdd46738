"""Pages of change freezes: plain forms, two people, what is held, and the same queries for many."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import Identity, User
from reviews import actions
from reviews.actions import freezing
from reviews.models import Case, Decision, Freeze, Rung
from tests.signed_in import sure

from .conftest import DAY, HOUR, Told, everything_counts, item_of, make_user, person_of, seat_of
from .test_api import token
from .test_pages import PASSWORD, answered, as_user
from .test_policy_pages import confirmed
from .test_rungs import policy

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada", "administrator")


def typed(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M")


def form(person: User, **said: Any) -> dict[str, Any]:
    now = timezone.now()
    return {
        "since": typed(now - HOUR),
        "until": typed(now + 20 * DAY),
        "asked": str(person.person_id),
        "kinds": ["service_account"],
        "reason": "year end",
    } | said


def frozen(story: Told, ada: User, **said: Any) -> Freeze:
    """In force now, and for 20 days."""
    now = timezone.now()
    row = freezing.propose(
        scope={"kinds": ["service_account"]},
        since=said.pop("since", now - HOUR),
        until=now + 20 * DAY,
        asked=person_of(ada),
        reason="year end",
        by=story.rita,
        now=now,
    )
    return freezing.sign(freeze=row, by=ada, now=now)


def opened(story: Told) -> Case:
    """A review of now, whose silence suspends a day after its deadline."""
    return actions.open_review(
        identity=story.identity,
        by=story.rita,
        now=timezone.now(),
        reason="yearly",
        policy=policy([("suspend", 192)]),
    )


def test_a_freeze_is_signed_by_two_people_and_ended_by_one(
    story: Told, ada: User, as_user: Sign
) -> None:
    case = opened(story)
    rita, other, owner = as_user(story.rita), as_user(ada), as_user(story.ines)
    assert "No freeze yet" in rita.get("/freezes/").content.decode()
    # Nobody is chosen beforehand.
    new = rita.get("/freezes/new/").content.decode()
    assert 'value="" selected>choose a person' in new
    assert new.count("selected") - new.count('value="" selected') == 0
    answer = rita.post("/freezes/new/", form(ada))
    row = Freeze.objects.get()
    assert answer["Location"] == row.url
    page = rita.get(row.url).content.decode()
    for words in (
        "You proposed it: a second person signs.",
        "1 identity</a> today",
        "in 1 case<",
        f"/cases/{case.key}/",
        "svc-report is suspended",
        "to come, if nobody decides",
        "A second person is missing.",
    ):
        assert words in page
    assert story.identity.key in rita.get(f"{row.url}identities/").content.decode()
    assert owner.get(f"{row.url}identities/").status_code == 404
    assert "today" not in owner.get(row.url).content.decode()
    assert rita.post(f"{row.url}sign/").status_code == 403
    assert confirmed(other, f"{row.url}sign/")["Location"] == row.url
    listed = owner.get("/freezes/").content.decode()
    assert (f'href="{row.url}"' in listed, "holds" in listed) == (True, True)
    assert owner.post(f"{row.url}end/", {"reason": "x"}).status_code == 403
    assert rita.post(f"{row.url}end/", {"reason": " "}).status_code == 409
    assert rita.post(f"{row.url}end/", {"reason": "done"})["Location"] == row.url
    page = rita.get(row.url).content.decode()
    assert ("Rita ended it: done" in page, "End it now" in page) == (True, False)


def test_case_and_release_list_say_which_freeze_holds(
    story: Told, ada: User, as_user: Sign
) -> None:
    case, row = opened(story), frozen(story, ada)
    everything_counts(case, until=timezone.now() + 60 * DAY)
    rita = as_user(story.rita)
    page = rita.get(f"/cases/{case.key}/").content.decode()
    for words in (
        f"Change freeze {row.key} until",
        "nothing is cut by the clock, Ada is asked instead.",
        f"{row.key} holds then, so Ada is asked whether svc-report is suspended",
    ):
        assert words in page
    held = Rung.objects.get(does="suspend")
    why = f"{row.key} holds until then: Ada is asked instead."
    Rung.objects.filter(pk=held.pk).update(
        state="held", held_at=timezone.now(), held_why=why, freeze=row
    )
    assert why in rita.get("/releases/").content.decode()
    assert "held, waits for a person" in rita.get(row.url).content.decode()


def test_to_revoke_in_a_freeze_is_confirmed(story: Told, ada: User, as_user: Sign) -> None:
    case, row = opened(story), frozen(story, ada)
    ines, item = as_user(story.ines), item_of(case, "credential")
    assert 'name="in_freeze"' in ines.get(f"/cases/{case.key}/").content.decode()

    def answer(said: str, **more: str) -> Any:
        fields = {
            "item": str(item.pk),
            "seat": str(seat_of(case, "identity_owner").pk),
            "version": Case.objects.get(pk=case.pk).version,
            "answer": said,
            "reason": "it leaked",
        }
        return ines.post(f"/cases/{case.key}/decide/", fields | more)

    ines.post("/accounts/reauthenticate/", {"password": PASSWORD})
    refused = answer("revoke")
    assert (refused.status_code, Decision.objects.count()) == (409, 0)
    assert f"{row.key} holds until" in refused.content.decode()
    assert "it leaked" in refused.content.decode()
    assert answer("revoke", in_freeze="1").status_code == 302
    given = Decision.objects.get()
    assert (given.answer, f"meant for now, though {row.key}" in given.reason) == ("revoke", True)


def test_script_confirms_in_a_field_and_reads_what_holds(story: Told, ada: User) -> None:
    case, row = opened(story), frozen(story, ada)
    listed = Client().get("/api/freezes/", headers=token(story.otto, "read")).json()["rows"]
    one = Client().get(f"/api{row.url}", headers=token(story.ines, "read")).json()
    assert listed == [one]
    assert {
        name: one[name] for name in ("freeze", "scope", "state", "holds", "asked", "reason")
    } == {
        "freeze": row.key,
        "scope": {"kinds": ["service_account"]},
        "state": "in_force",
        "holds": True,
        "asked": "Ada",
        "reason": "year end",
    }
    said = {
        "item": str(item_of(case, "delegation").pk),
        "seat": str(seat_of(case, "identity_owner").pk),
        "version": Case.objects.get(pk=case.pk).version,
        "answer": "narrow",
        "reason": "too wide",
        "proposal": {"actions": ["s3:GetObject"], "resources": ["invoices/*"]},
    }

    client = Client()
    client.force_login(story.ines)
    sure(client)

    def send(**more: Any) -> int:
        answer = client.post(
            f"/api/cases/{case.key}/decide/",
            said | more,
            content_type="application/json",
        )
        return answer.status_code

    assert [send(), send(in_freeze=True)] == [409, 201]


def test_what_is_typed_is_kept_and_escaped(story: Told, ada: User, as_user: Sign) -> None:
    rita = as_user(story.rita)
    for wrong, words in (
        ({"until": typed(timezone.now() + 90 * DAY)}, "at most 60 days"),
        ({"asked": str(story.ines.person_id)}, "Select a valid choice"),
        ({"since": "soon"}, "Enter a valid date"),
        ({"services": HOSTILE, "reason": " "}, "This field is required"),
    ):
        answer = rita.post("/freezes/new/", form(ada, **wrong))
        page = answer.content.decode()
        assert (answer.status_code, words in page, HOSTILE in page) == (400, True, False)
    assert Freeze.objects.count() == 0


@pytest.mark.parametrize("path", ["/freezes/FRZ-999/", "/freezes/x/", "/api/freezes/FRZ-999/"])
def test_what_is_not_there_is_absent(story: Told, as_user: Sign, path: str) -> None:
    assert as_user(story.rita).get(path).status_code == 404


def test_pages_cost_the_same_with_many(story: Told, ada: User, as_user: Sign) -> None:
    rita, case = as_user(story.rita), opened(story)
    row = frozen(story, ada)

    def counts() -> list[int]:
        found = []
        for path in ("/freezes/", row.url, f"{row.url}identities/", f"/cases/{case.key}/"):
            rita.get(path)
            with CaptureQueriesContext(connection) as seen:
                assert rita.get(path).status_code == 200
            found.append(len(seen))
        return found

    few = counts()
    now = timezone.now()
    rung = case.rungs.get(does="suspend")
    for number in range(8):
        identity = Identity.objects.create(
            name=f"a{number}", kind="service_account", mode="enforce", created_at=now
        )
        made = Case.objects.create(
            door="access_review",
            state="open",
            title="x",
            identity=identity,
            opened_at=now,
            opened_by="x",
            deadline_at=rung.at,
        )
        Rung.objects.create(case=made, does="suspend", after=rung.after, at=rung.at)
        later = now + (61 + number) * DAY
        other = freezing.propose(
            scope={"kinds": ["service_account"]},
            since=later,
            until=later + HOUR,
            asked=person_of(ada),
            reason="later",
            by=story.rita,
            now=now,
        )
        freezing.sign(freeze=other, by=ada, now=now)
    assert counts() == few
    assert "in 9 cases<" in rita.get(row.url).content.decode()
