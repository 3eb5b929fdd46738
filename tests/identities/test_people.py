"""People in files and lists: their managers and teams, who left and who moved, once and no further."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.acting import COMMAND, By
from identities.actions import leaving, registration
from identities.models import Membership, Person, Team, User
from identities.permissions import NotAllowed, NotPossible
from identities.register import Entries, PersonEntry, RegisterError, read

from .conftest import DAY, NOW

pytestmark = pytest.mark.django_db

FILE = """
people:
  - {name: Aisha Bello, email: aisha@example.org, team: Finance}
  - {name: Ben Ochieng, email: ben@example.org, team: Finance, manager: aisha@example.org}
"""


def load(text: str, *, dry_run: bool = False, now: Any = NOW) -> list[tuple[str, str, str]]:
    """What changed."""
    done = registration.register(
        entries=read("people.yaml", text), by=COMMAND, now=now, dry_run=dry_run
    )
    return [tuple(one) for one in done.changes if one.kind != "kept"]  # type: ignore[misc]  # three texts


def feed(
    *people: dict[str, str], whole: bool = False, by: By = COMMAND, **how: Any
) -> registration.Roster:
    entries = Entries("list.json", [], data={"people": []})
    for place, one in enumerate(people):
        found = read("list.json", f'{{"people": [{_json(one)}]}}')
        entries.data["people"] += found.data["people"]
        entries.people += found.people
        entries.people[-1] = entries.people[-1]._replace(path=f"people[{place}]")
    return registration.roster(entries=entries, whole=whole, by=by, now=NOW, **how)


def _json(one: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": "{value}"' for name, value in one.items()) + "}"


def teams_of(name: str, at: Any = NOW) -> list[str]:
    rows = Membership.objects.filter(
        person__name=name, superseded_at__isnull=True, during__contains=at
    )
    return sorted(rows.values_list("team__name", flat=True))


def person(name: str) -> Person:
    return Person.objects.get(name=name)


def test_a_file_says_teams_managers_who_left_and_who_moved_and_twice_is_once() -> None:
    assert load(FILE) == [
        ("added", "person Aisha Bello", "new"),
        ("added", "person Ben Ochieng", "new"),
        ("changed", "person Ben Ochieng", "reports to Aisha Bello"),
        ("added", "team Finance", "new"),
        ("changed", "team Finance", "Aisha Bello joined"),
        ("changed", "team Finance", "Ben Ochieng joined"),
    ]
    assert load(FILE) == []
    later = NOW + 20 * DAY
    said = """
people:
  - {name: Aisha Bello, email: aisha@example.org, left: 2026-12-01}
  - {name: Ben Ochieng, email: ben@example.org, team: Risk, moved: 2026-12-10}
"""
    foreseen = load(said, now=later, dry_run=True)
    assert foreseen == load(said, now=later)
    assert foreseen == [
        ("changed", "person Aisha Bello", "left: 2026-12-01 00:00 UTC"),
        ("added", "team Risk", "new"),
        ("changed", "person Ben Ochieng", "moves on 2026-12-10 00:00 UTC from Finance to Risk"),
    ]
    assert load(said, now=later + DAY) == []
    assert person("Aisha Bello").left_at == NOW.replace(month=12, day=1, hour=0)
    moved_at = NOW.replace(month=12, day=10, hour=0)
    assert (teams_of("Ben Ochieng", moved_at - DAY), teams_of("Ben Ochieng", moved_at)) == (
        ["Finance"],
        ["Risk"],
    )
    acts = LedgerEntry.objects.filter(act__in=["person.left", "person.moved"])
    assert sorted(acts.values_list("act", "words")) == [
        (
            "person.left",
            "Aisha Bello left on 2026-12-01 00:00 UTC: by a registration file",
        ),
        (
            "person.moved",
            (
                "Ben Ochieng moves on 2026-12-10 00:00 UTC from Finance to Risk: by a registration"
                " file"
            ),
        ),
    ]


def test_a_team_joined_after_the_move_stays_theirs_when_the_file_is_loaded_again() -> None:
    load(FILE)
    said = "people: [{name: Ben Ochieng, email: ben@example.org, team: Risk, moved: 2026-12-10}]"
    load(said, now=NOW + 20 * DAY)
    audit = Team.objects.create(name="Audit")
    Membership.objects.create(
        team=audit,
        person=person("Ben Ochieng"),
        during=(NOW + 25 * DAY, None),
        recorded_at=NOW + 25 * DAY,
    )
    assert load(said, now=NOW + 30 * DAY) == []
    assert teams_of("Ben Ochieng", NOW + 30 * DAY) == ["Audit", "Risk"]


def test_what_a_file_does_not_say_stays_and_never_takes_it_back() -> None:
    load(FILE)
    leaving.leave(person=person("Ben Ochieng"), at=NOW, reason="HR", by=COMMAND, now=NOW)
    assert load(FILE) == []
    assert person("Ben Ochieng").left_at == NOW
    said = "people: [{name: Ben Ochieng, email: ben@example.org, left: never}]"
    assert load(said) == [("changed", "person Ben Ochieng", "is here again")]
    assert person("Ben Ochieng").left_at is None
    assert LedgerEntry.objects.filter(act="person.back").count() == 1


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            "people: [{name: A, left: 90d}]",
            "people[0].left: is a date, as 2027-01-31: it does not move with the file",
        ),
        (
            "people: [{name: A, manager: Zoe}]",
            "people[0].manager: no person is called 'Zoe': write the e-mail of one in people",
        ),
        (
            "people: [{name: A, email: a@x.org, manager: a@x.org}]",
            "people[0].manager: nobody is their own manager; leave it out",
        ),
        (
            (
                "people: [{name: A, moved: 2026-11-01, team: Risk}]\n"
                "teams: [{name: Risk, members: [A]}, {name: Finance, members: [A]}]"
            ),
            "teams[1].members: A moved away from Finance: take them out here",
        ),
        (
            "people: [{name: A, left: 2101-01-01}]",
            (
                "people[0]: 2101-01-01 is too far away: say a day within the last ten years or the"
                " next year."
            ),
        ),
    ],
)
def test_a_file_is_refused_with_the_place_and_nothing_of_it_stays(said: str, problem: str) -> None:
    with pytest.raises(RegisterError) as refused:
        load(said)
    assert str(refused.value) == f"people.yaml: {problem}"
    assert Person.objects.count() == Team.objects.count() == LedgerEntry.objects.count() == 0


def test_whom_a_list_leaves_out_has_not_left_unless_it_is_whole() -> None:
    load(FILE)
    aisha = {"name": "Aisha Bello", "email": "aisha@example.org"}
    assert feed(aisha).gone == []
    assert [one.name for one in feed(aisha, whole=True, dry_run=True).gone] == ["Ben Ochieng"]
    assert person("Ben Ochieng").left_at is None
    assert [one.name for one in feed(aisha, whole=True).gone] == ["Ben Ochieng"]
    assert person("Ben Ochieng").left_at == NOW
    before = LedgerEntry.objects.count()
    assert feed(aisha, whole=True).gone == []
    assert LedgerEntry.objects.count() == before


def test_half_a_list_that_says_it_is_whole_is_refused() -> None:
    people = [{"name": f"P{number}", "email": f"p{number}@x.org"} for number in range(100)]
    feed(*people)
    with pytest.raises(RegisterError) as refused:
        feed(*people[:94], whole=True)
    assert str(refused.value) == (
        "list.json: people: the list says that it is whole and leaves out 6 people (P94, P95, P96,"
        " P97, P98, P99), more than 5. Is it whole? Then say leaving_at_most: 6"
    )
    assert Person.objects.filter(left_at__isnull=False).count() == 0
    assert len(feed(*people[:94], whole=True, leaving_at_most=6).gone) == 6
    with pytest.raises(RegisterError, match="leaves out 94 people"):
        feed(whole=True)


def test_reading_a_list_costs_the_same_for_one_and_for_many() -> None:
    people = [{"name": f"P{number}", "email": f"p{number}@x.org"} for number in range(60)]
    feed(*people)
    costs = []
    for some in (people[:1], people):
        with CaptureQueriesContext(connection) as asked:
            feed(*some)
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_who_may_say_it(user: Callable[..., User]) -> None:
    person = user("sam", "owner").person
    assert person is not None
    for name in ("owner", "responder"):
        with pytest.raises(NotAllowed, match="Only a reviewer or an administrator may say"):
            leaving.leave(person=person, at=NOW, reason="HR", by=user(f"{name}-1", name), now=NOW)
    with pytest.raises(NotAllowed, match="auditors read everything"):
        leaving.leave(person=person, at=NOW, reason="HR", by=user("otto", "auditor"), now=NOW)
    rita = user("rita", "reviewer")
    assert rita.person is not None
    with pytest.raises(NotAllowed, match="Nobody says of themselves"):
        leaving.leave(person=rita.person, at=NOW, reason="HR", by=rita, now=NOW)
    with pytest.raises(NotPossible, match="Say who said so, or where it stands"):
        leaving.leave(person=person, at=NOW, reason=" ", by=rita, now=NOW)
    leaving.leave(person=person, at=NOW, reason="HR", by=rita, now=NOW)
    entry = LedgerEntry.objects.get(act="person.left")
    assert (entry.by_name, entry.words) == ("Rita", "Sam left on 2026-11-24 12:00 UTC: HR")
    leaving.leave(person=person, at=NOW, reason="HR", by=rita, now=NOW + DAY)
    assert LedgerEntry.objects.filter(act="person.left").count() == 1


def test_a_reviewers_list_gives_nobody_a_login(user: Callable[..., User]) -> None:
    rita = user("rita", "reviewer")
    User.objects.create(username="root")
    entry = {"name": "Rita", "email": "rita@example.org"}
    people = read("l.json", '{"people": [{"name": "X", "email": "x@x.org", "logins": ["root"]}]}')
    with pytest.raises(RegisterError) as refused:
        registration.roster(entries=people, whole=False, by=rita, now=NOW)
    assert str(refused.value) == (
        "l.json: people[0].logins: 'root' is nobody's yet. Only an administrator may register"
        " files."
    )
    with pytest.raises(RegisterError, match="leaves out Rita, who sends it"):
        feed({"name": "X", "email": "x@x.org"}, whole=True, by=rita)
    assert feed(entry, whole=True, by=rita).gone == []


def test_one_person_is_written_once() -> None:
    Person.objects.create(name="Ada")
    entries = Entries(
        "list.json",
        [
            PersonEntry("people[0]", "Ada", "", ()),
            PersonEntry("people[1]", "Ada", "ada@x.org", ()),
        ],
    )
    with pytest.raises(RegisterError, match="is the same person as people"):
        registration.roster(entries=entries, whole=False, by=COMMAND, now=NOW)
