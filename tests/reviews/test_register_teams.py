"""A registration file ends no signature of a team that sits in an open case, and is said there."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.acting import COMMAND
from identities.actions import registration
from identities.models import Identity, Membership, Party, Person, Team, User
from identities.register import read
from reviews import actions
from reviews.models import Case, CaseMember, Seat

from .conftest import DAY, NOW, Told, make_user, person_of
from .queues import fill

pytestmark = pytest.mark.django_db
STAY = (
    "held: {} stay in it, because {} waits for its signature and nobody else of it may sign there."
    " Who does not sit in it says on the page People that they left or move; the rest of the file"
    " is taken"
)


@pytest.fixture
def team(story: Told) -> Team:
    """Ann and Bob are the team that owns the story's identity."""
    row = Team.objects.create(name="Platform")
    for name in ("ann", "bob"):
        Membership.objects.create(
            team=row,
            person=person_of(make_user(name, "owner")),
            during=(NOW - 9 * DAY, None),
            recorded_at=NOW,
        )
    Identity.objects.filter(pk=story.identity.pk).update(owner=Party.objects.create(team=row))
    story.identity.refresh_from_db()
    return row


@pytest.fixture
def case(story: Told, team: Team) -> Case:
    return actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")


def load(*members: str, people: tuple[dict[str, str], ...] = (), **more: Any) -> dict[str, str]:
    """The file with these members of the team; what became of each row that was not kept."""
    said: dict[str, Any] = {"people": list(people)}
    if "team" not in more:
        said["teams"] = [
            {"name": "Platform", "members": [f"{one}@example.org" for one in members]},
            {"name": "Other", "members": []},
        ]
    more.pop("team", None)
    done = registration.register(
        entries=read("file.json", json.dumps(said)),
        **({"by": COMMAND, "now": NOW} | more),  # type: ignore[arg-type]  # one of these each
    )
    return {one.subject: one.words for one in done.changes if one.kind in ("held", "changed")}


def members() -> list[str]:
    rows = Membership.objects.filter(
        team__name="Platform", superseded_at__isnull=True, during__contains=NOW
    )
    return sorted(rows.values_list("person__name", flat=True))


def told_in(case: Case) -> list[str]:
    rows = LedgerEntry.objects.filter(act="seat.team_changed", subject=case.key)
    return list(rows.values_list("words", flat=True))


def test_who_is_not_needed_is_taken_out_and_the_case_says_so(case: Case) -> None:
    assert load("ann") == {
        "team Platform": "0 joined, 1 left; said in 1 open case that it signs in"
    }
    assert members() == ["Ann"]
    assert told_in(case) == [
        f"Platform, who is asked in {case.key}, has changed by a registration file: Bob left"
    ]


def test_the_last_who_may_sign_are_held_and_the_rest_of_the_file_is_taken(case: Case) -> None:
    assert load() == {"team Platform": STAY.format("Ann, Bob", case.key)}
    assert (members(), told_in(case)) == (["Ann", "Bob"], [])
    assert Team.objects.filter(name="Other").exists()
    # While it waits, however often; and when it is over.
    assert len(load()) == 1
    Case.objects.update(state="closed", closed_at=NOW)
    assert load() == {"team Platform": "0 joined, 2 left"}
    assert members() == []


def test_no_file_puts_others_in_their_place(case: Case) -> None:
    make_user("zoe", "owner")
    said = load("zoe")
    assert said["team Platform"].startswith("1 joined, 0 left; said in 1 open case")
    assert members() == ["Ann", "Bob", "Zoe"]
    assert told_in(case)[0].endswith(": Zoe joined")


@pytest.mark.parametrize("how", ["asked", "signed", "handed over", "left", "switched off"])
def test_who_stays_and_may_not_sign_there_counts_for_nobody(case: Case, how: str) -> None:
    ann = Person.objects.get(name="Ann")
    if how == "asked":
        Case.objects.update(requester=ann)
    elif how == "signed":
        Seat.objects.filter(case=case, kind="ai_owner").update(person=ann)
    elif how == "handed over":
        Seat.objects.filter(case=case).update(given_up=[ann.pk])
    elif how == "left":
        Person.objects.filter(pk=ann.pk).update(left_at=NOW - DAY)
    else:
        User.objects.filter(person=ann).update(is_active=False)
    assert load("ann") == {"team Platform": STAY.format("Bob", case.key)}
    # And who could not sign there anyway is missed by nobody.
    assert load("bob")["team Platform"].startswith("0 joined, 1 left")


def test_of_a_sealed_case_neither_key_nor_title_is_said(case: Case) -> None:
    Case.objects.update(sealed=True)
    for name in ("Ann", "Bob"):
        CaseMember.objects.create(case=case, person=Person.objects.get(name=name), since=NOW)
    assert load() == {"team Platform": STAY.format("Ann, Bob", "a sealed case")}
    # Who stays and was not named to it may not sign there.
    CaseMember.objects.filter(person__name="Ann").delete()
    assert load("ann") == {"team Platform": STAY.format("Bob", "a sealed case")}


def gone(*names: str) -> tuple[dict[str, str], ...]:
    return tuple(
        {"name": one.title(), "email": f"{one}@example.org", "left": "2026-11-24"} for one in names
    )


def test_that_all_of_a_team_left_is_held_as_well(case: Case) -> None:
    said = load(people=gone("ann", "bob"), team=None)
    assert {key: one.partition(" waits")[0] for key, one in said.items()} == {
        "person Ann": f"held: {case.key}",
        "person Bob": f"held: {case.key}",
    }
    assert Person.objects.filter(left_at__isnull=False).count() == 0


def test_that_one_of_several_left_is_taken(case: Case) -> None:
    load(people=gone("bob"), team=None)
    assert list(Person.objects.filter(left_at__isnull=False).values_list("name", flat=True)) == [
        "Bob"
    ]


def test_a_dry_run_says_the_same_and_changes_nothing(case: Case) -> None:
    assert load("ann", dry_run=True) == load("ann", dry_run=True)
    assert (members(), told_in(case)) == (["Ann", "Bob"], [])


def test_as_many_queries_for_one_case_as_for_thirty(case: Case, team: Team) -> None:
    asked = []
    for many, stays in ((0, "ann"), (30, "bob")):
        fill(many, owners=[Party.objects.get(team=team)], now=NOW, first=100)
        with CaptureQueriesContext(connection) as seen:
            load(stays, dry_run=True)
        asked.append(len(seen))
    assert asked[0] == asked[1]
