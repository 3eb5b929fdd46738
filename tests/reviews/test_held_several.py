"""Steps of several cases, released or dropped together: each for itself, with what became of it."""

from typing import Any

import pytest
from django.test import Client

from evidence.models import LedgerEntry
from identities.models import Identity
from reviews import actions
from reviews.actions import released
from reviews.models import Case, Rung
from tests.reviews.conftest import NOW, Told, make_user, party, person_of
from tests.reviews.test_held import PASSWORD, client_of, hold
from tests.signed_in import unsure

pytestmark = pytest.mark.django_db
RELEASE, DROP = "/releases/release/", "/releases/drop/"


@pytest.fixture
def held(story: Told, case: Case) -> list[Rung]:
    """Two steps of one case and one of another."""
    other = Identity.objects.create(
        name="svc-other", kind="workload", owner=party(story.ines), created_at=NOW
    )
    other.refresh_from_db()
    second = actions.open_review(identity=other, by=story.rita, now=NOW, reason="x")
    return [*hold(case, "suspend", "revoke"), *hold(second, "suspend")]


def _states(rows: list[Rung]) -> list[str]:
    found = dict(Rung.objects.values_list("pk", "state"))
    return [found[one.pk] for one in rows]


def _post(client: Client, path: str, rows: list[Rung], reason: str = "they were ill") -> Any:
    return client.post(path, {"rung": [one.pk for one in rows], "reason": reason})


def test_the_list_lets_each_step_be_selected(story: Told, held: list[Rung]) -> None:
    said = client_of(story.rita).get("/releases/").content.decode()
    for one in held:
        assert f'name="rung" value="{one.pk}" form="several"' in said
    assert 'formaction="/releases/release/"' in said


def test_what_is_selected_is_dropped_and_nothing_else(story: Told, held: list[Rung]) -> None:
    answer = _post(client_of(story.rita), DROP, [held[0], held[2]])
    assert answer.status_code == 200
    said = answer.content.decode()
    assert "2 of 2 steps dropped" in said
    assert said.count("Dropped") == 2
    assert _states(held) == ["dropped", "held", "dropped"]
    assert LedgerEntry.objects.filter(act="case.rung_dropped").count() == 2


def test_release_asks_who_one_is_and_then_goes_on_with_what_was_selected(
    story: Told, held: list[Rung]
) -> None:
    client = unsure(client_of(story.rita))
    answer = _post(client, RELEASE, held)
    assert answer["Location"].split("?")[0] == "/accounts/reauthenticate/"
    assert _states(held) == ["held"] * 3
    answer = client.post(answer["Location"], {"password": PASSWORD})
    assert "3 of 3 steps released" in answer.content.decode()
    assert _states(held) == ["waiting"] * 3


def test_what_is_not_ones_to_settle_is_said_and_the_rest_is_settled(
    story: Told, case: Case, held: list[Rung]
) -> None:
    Case.objects.filter(pk=case.pk).update(requester=person_of(story.rita))
    answer = _post(client_of(story.rita), DROP, held)
    said = answer.content.decode()
    assert "1 of 3 steps dropped" in said
    assert said.count("Not dropped: You asked for this") == 2
    assert _states(held) == ["held", "held", "dropped"]


def test_whoever_may_settle_none_is_told_before_any_password(story: Told, held: list[Rung]) -> None:
    answer = _post(client_of(story.ines), RELEASE, held)
    assert answer.status_code == 403
    assert "Only a reviewer, a responder or an administrator" in answer.content.decode()
    assert _states(held) == ["held"] * 3


def test_nothing_happens_without_a_reason_a_selection_or_twice(
    story: Told, held: list[Rung]
) -> None:
    client = client_of(story.rita)
    assert _post(client, DROP, held, reason=" ").status_code == 409
    answer = _post(client, DROP, [])
    assert answer.status_code == 409
    assert "Select what is to be released or dropped." in answer.content.decode()
    assert _states(held) == ["held"] * 3
    _post(client, DROP, held)
    again = _post(client, DROP, held)
    assert again.status_code == 409
    assert released.GONE in again.content.decode()


def test_more_than_may_be_settled_at_once_are_refused(story: Told, held: list[Rung]) -> None:
    answer = client_of(story.rita).post(
        DROP, {"rung": list(range(1, released.MOST + 2)), "reason": "x"}
    )
    assert answer.status_code == 409
    assert f"At most {released.MOST} steps are settled at once" in answer.content.decode()


def test_a_step_of_a_case_that_one_does_not_see_is_absent(story: Told, held: list[Rung]) -> None:
    Case.objects.filter(pk=held[2].case_id).update(sealed=True)
    stranger = make_user("stranger", "reviewer")
    answer = _post(client_of(stranger), DROP, [held[2]])
    assert answer.status_code == 409
    assert _states(held) == ["held"] * 3
