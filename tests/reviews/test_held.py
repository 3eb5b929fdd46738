"""The release list in the browser's forms: who sees what, says what, and what happens then."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import Identity, User
from identities.permissions import AUDITOR
from reviews import actions, permissions
from reviews.models import Case, CaseMember, Rung
from tests.reviews.conftest import DAY, NOW, Told, make_user, party, person_of
from tests.signed_in import sure, unsure

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
WHY = "It came due while Countersign was not at work."


def client_of(user: User) -> Client:
    user.set_password(PASSWORD)
    user.save()
    found = Client()
    found.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    sure(found)
    return found


def hold(case: Case, *words: str) -> list[Rung]:
    return [
        Rung.objects.create(
            case=case,
            does=does,
            after=timedelta(days=8 + number),
            at=NOW + timedelta(days=8 + number),
            state="held",
            held_at=timezone.now(),
            held_why=WHY,
        )
        for number, does in enumerate(words)
    ]


@pytest.fixture
def held(case: Case) -> list[Rung]:
    return hold(case, "suspend", "revoke")


def test_the_list_says_what_would_have_happened_and_why_not(
    story: Told, case: Case, held: list[Rung]
) -> None:
    said = client_of(story.rita).get("/releases/").content.decode()
    assert "svc-report is suspended" in said
    assert "what not every seat answered is revoked" in said
    assert said.count(WHY) == 2
    assert said.count(f'action="/cases/{case.key}/held/release/"') == 3  # each, and all
    assert "Release list" in client_of(story.rita).get("/").content.decode()


def test_what_has_moved_since_it_came_due_does_not_look_due(
    story: Told, case: Case, held: list[Rung]
) -> None:
    past, ahead = timezone.now() - DAY, timezone.now() + 4 * DAY
    Rung.objects.filter(pk=held[0].pk).update(at=past)
    Rung.objects.filter(pk=held[1].pk).update(at=ahead)
    answer = client_of(story.rita).get("/releases/")
    assert [row["ahead"] for row in answer.context["cases"][0]["rungs"]] == [False, True]
    said = answer.content.decode()
    assert said.count("Came due; moved to ") == 1
    assert said.count("If it is released before then, it waits until then.") == 1


def test_an_empty_list_says_so(story: Told, case: Case) -> None:
    assert "Nothing is held" in client_of(story.rita).get("/releases/").content.decode()


def test_one_is_dropped_with_a_reason(story: Told, case: Case, held: list[Rung]) -> None:
    client, path = client_of(story.rita), f"/cases/{case.key}/held/drop/"
    assert client.post(path, {"rung": held[0].pk, "reason": " "}).status_code == 409
    assert Rung.objects.filter(state="held").count() == 2
    answer = client.post(path, {"rung": held[0].pk, "reason": "they were ill"})
    assert answer["Location"] == "/releases/"
    assert list(Rung.objects.filter(state="dropped").values_list("pk", "reason")) == [
        (held[0].pk, "they were ill")
    ]
    # Somebody else was faster.
    again = client.post(path, {"rung": held[0].pk, "reason": "they were ill"})
    assert again.status_code == 409
    assert LedgerEntry.objects.filter(act="case.rung_dropped").count() == 1


def test_all_of_a_case_are_released_after_confirming_who_one_is(
    story: Told, case: Case, held: list[Rung]
) -> None:
    client, path = unsure(client_of(story.rita)), f"/cases/{case.key}/held/release/"
    answer = client.post(path, {"reason": "nobody is there"})
    assert answer["Location"].split("?")[0] == "/accounts/reauthenticate/"
    assert Rung.objects.filter(state="held").count() == 2
    answer = client.post(answer["Location"], {"password": PASSWORD})
    assert answer["Location"] == "/releases/"
    rows = Rung.objects.filter(pk__in=[one.pk for one in held])
    assert {(one.state, one.reason, one.settled_by_name) for one in rows} == {
        ("waiting", "nobody is there", "Rita")
    }
    assert LedgerEntry.objects.filter(act="case.rung_released").count() == 2


@pytest.mark.parametrize("named", ["x", "-1", "9" * 30, "²"])
def test_a_rung_of_no_case_changes_nothing(
    story: Told, case: Case, held: list[Rung], named: str
) -> None:
    answer = client_of(story.rita).post(
        f"/cases/{case.key}/held/drop/", {"rung": named, "reason": "x"}
    )
    assert answer.status_code == 409
    assert Rung.objects.filter(state="held").count() == 2


def test_a_rung_of_another_case_is_not_settled_in_this(story: Told, case: Case) -> None:
    other = Identity.objects.create(
        name="svc-other", kind="workload", owner=party(story.ines), created_at=NOW
    )
    other.refresh_from_db()
    second = actions.open_review(identity=other, by=story.rita, now=NOW, reason="x")
    (rung,) = hold(second, "suspend")
    hold(case, "suspend")
    answer = client_of(story.rita).post(
        f"/cases/{case.key}/held/drop/", {"rung": rung.pk, "reason": "x"}
    )
    assert answer.status_code == 409
    assert Rung.objects.filter(state="held").count() == 2


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("rita", None),
        ("root", None),
        ("lead", None),
        ("otto", AUDITOR),
        (
            "ines",
            "Only a reviewer, a responder or an administrator may release what is held.",
        ),
        ("robot", "This login is nobody's: releasing needs a person behind it."),
    ],
)
def test_why_not_release_by_role(story: Told, case: Case, who: str, why: str | None) -> None:
    group = {"root": "administrator", "lead": "responder", "robot": "reviewer"}.get(who)
    user = getattr(story, who, None) or make_user(who, str(group))
    if who == "robot":
        user.person = None
    assert permissions.why_not_release(user, case) == why


def test_why_not_release_what_one_asked_for_or_is(story: Told, case: Case) -> None:
    case.requester = story.rita.person
    assert permissions.why_not_release(story.rita, case) == (
        "You asked for this: the requester does not say what silence does."
    )
    human = Identity.objects.create(
        name="rita@example.org", kind="human", owner=party(story.ines), created_at=NOW
    )
    about = Case(identity=human, requester=None)
    assert permissions.why_not_release(story.rita, about) == (
        "You are the subject of this case: the subject does not say what silence does."
    )


def test_who_may_not_is_told_why_and_has_no_button(
    story: Told, case: Case, held: list[Rung]
) -> None:
    client = client_of(story.ines)
    said = client.get("/releases/").content.decode()
    assert "Only a reviewer, a responder or an administrator may release" in said
    assert "/held/release/" not in said
    answer = client.post(f"/cases/{case.key}/held/drop/", {"reason": "x"})
    assert answer.status_code == 403


def test_a_sealed_case_is_absent(story: Told, case: Case, held: list[Rung]) -> None:
    Case.objects.filter(pk=case.pk).update(sealed=True)
    client = client_of(story.rita)
    assert "Nothing is held" in client.get("/releases/").content.decode()
    path = f"/cases/{case.key}/held/drop/"
    assert client.post(path, {"reason": "x"}).status_code == 404
    CaseMember.objects.create(case=case, person=person_of(story.rita), since=NOW)
    assert case.key in client.get("/releases/").content.decode()


def test_the_list_asks_the_same_number_of_questions(story: Told, case: Case) -> None:
    hold(case, "suspend")
    client = client_of(story.rita)

    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get("/releases/").status_code == 200
        return len(found)

    asked()
    one = asked()
    for number in range(8):
        row: Any = Identity.objects.create(
            name=f"person{number}@example.org", kind="human", created_at=NOW
        )
        row.refresh_from_db()
        more = actions.open_review(identity=row, by=story.rita, now=NOW + DAY, reason="x")
        hold(more, "suspend", "revoke")
    # Who is the subject of a human identity is asked once for all of them.
    assert asked() <= one + 3


def test_the_case_says_what_waits(story: Told, case: Case, held: list[Rung]) -> None:
    said = client_of(story.rita).get(f"/cases/{case.key}/").content.decode()
    assert "Held on the release list: svc-report is suspended. " in said
