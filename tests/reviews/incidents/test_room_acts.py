"""Severity, roles, hand-over and tasks: dated, recorded, told once."""

from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities import as_read
from identities.models import Membership, Party, Team, User
from identities.permissions import NotAllowed, NotPossible
from reviews.incidents import rooms, tasks
from reviews.models import Case, HandOver, Notice, RoomRole, Task
from tests.reviews.conftest import DAY, HOUR, NOW, Told, make_user, party, person_of

from .conftest import MINUTE, fresh

pytestmark = pytest.mark.django_db


def give(case: Case, owner: Party, by: User, **more: Any) -> Task:
    said: dict[str, Any] = {"words": "Rotate prod/db", "due_at": NOW + HOUR, "now": NOW}
    return tasks.add(case=case, owner=owner, by=by, **(said | more))


def test_severity_changes_with_a_reason(story: Told, incident: Case) -> None:
    rooms.set_severity(case=incident, severity="critical", reason="payroll", by=story.ines, now=NOW)
    assert rooms.room_of(incident).severity == "critical"
    said = LedgerEntry.objects.get(subject=incident.key, act="incident.severity")
    assert said.words == f"Ines made {incident.key} critical, it was medium: payroll"
    with pytest.raises(NotPossible, match="is critical already"):
        rooms.set_severity(case=incident, severity="critical", reason="x", by=story.ines, now=NOW)


def test_roles_are_dated_and_one_has_each(story: Told, incident: Case, rex: User) -> None:
    rooms.name_role(case=incident, role="lead", to="Rex", by=story.ines, now=NOW + HOUR)
    rows = RoomRole.objects.order_by("since").values_list("person__name", "since", "until")
    assert list(rows) == [("Ines", NOW, NOW + HOUR), ("Rex", NOW + HOUR, None)]
    told = Notice.objects.filter(person=rex.person)
    assert [one.subject for one in told] == [f"{incident.key}: you are its lead"]
    with pytest.raises(NotPossible, match="Rex is lead of CS-"):
        rooms.name_role(case=incident, role="lead", to="Rex", by=story.ines, now=NOW + HOUR)


@pytest.mark.parametrize(
    ("to", "role", "why"),
    [
        ("nobody at all", "lead", "There is nobody called 'nobody at all', and no team."),
        ("Data Platform", "lead", "Data Platform is a team: name one person of it."),
        ("Gone", "lead", "Gone has left: name somebody who is here."),
        ("Rex", "boss", "Say which role: lead, comms, scribe, closer."),
    ],
)
def test_role_of_nobody_is_refused(
    story: Told, incident: Case, rex: User, to: str, role: str, why: str
) -> None:
    Team.objects.create(name="Data Platform")
    gone = person_of(make_user("gone"))
    gone.left_at = NOW - DAY
    gone.save()
    with pytest.raises(NotPossible) as refused:
        rooms.name_role(case=incident, role=role, to=to, by=story.ines, now=NOW)
    assert str(refused.value) == why


def test_closer_has_no_other_role(story: Told, incident: Case, rex: User) -> None:
    rooms.name_role(case=incident, role="closer", to="Rex", by=story.ines, now=NOW)
    with pytest.raises(NotPossible, match=r"Rex closes CS-.*, and so has no other role in it"):
        rooms.name_role(case=incident, role="scribe", to="Rex", by=story.ines, now=NOW)


def test_hand_over_says_what_is_known_and_changes_the_lead(
    story: Told, incident: Case, rex: User
) -> None:
    rooms.hand_over(
        case=incident,
        to="Rex",
        known="the key is held",
        unknown="who has it",
        by=story.ines,
        now=NOW + HOUR,
    )
    note = HandOver.objects.get()
    assert (note.known, note.unknown, note.to) == ("the key is held", "who has it", rex.person)
    lead = rooms.in_role(rooms.room_of(incident), "lead")
    assert lead is not None
    assert lead.person == rex.person
    assert LedgerEntry.objects.filter(act="incident.handed_over").count() == 1


def test_task_is_given_told_and_done(story: Told, incident: Case) -> None:
    team = Team.objects.create(name="Data Platform")
    person = person_of(make_user("dana"))
    Membership.objects.create(team=team, person=person, during=(NOW - DAY, None), recorded_at=NOW)
    owner = Party.objects.create(team=team)
    task = give(incident, owner, story.ines)
    assert (task.key, task.state) == ("T-1", "open")
    assert give(incident, owner, story.ines).key == "T-2"
    assert Notice.objects.filter(person=person).count() == 2
    # Whoever owns it says so, though they have no other part in the incident.
    (dana,) = person.users.all()
    done = tasks.end(case=incident, number=1, state="done", said="done", by=dana, now=NOW + MINUTE)
    assert (done.state, done.said, done.ended_by_name) == ("done", "done", "Dana")
    with pytest.raises(NotPossible, match="T-1 is done already, by Dana"):
        tasks.end(case=incident, number=1, state="dropped", said="x", by=dana, now=NOW)
    with pytest.raises(NotAllowed):
        tasks.end(case=incident, number=2, state="done", said="x", by=story.rita, now=NOW)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"words": ""}, "Say what has to be done."),
        ({"due_at": NOW}, "24 Nov 2026 12:00 UTC is over: say a later time."),
        ({"due_at": NOW + 400 * DAY}, "A task is due within a year."),
    ],
    ids=["no words", "past", "far"],
)
def test_bad_task_is_refused(story: Told, incident: Case, more: dict[str, Any], why: str) -> None:
    with pytest.raises(NotPossible) as refused:
        give(incident, party(story.ines), story.ines, **more)
    assert str(refused.value) == why


def test_task_of_a_team_with_nobody_is_refused(story: Told, incident: Case) -> None:
    owner = Party.objects.create(team=Team.objects.create(name="Empty"))
    with pytest.raises(NotPossible, match="Empty has nobody who is here"):
        give(incident, owner, story.ines)


@pytest.mark.parametrize(("state", "why"), [("done", "what came of it"), ("dropped", "why nobody")])
def test_task_ends_with_a_word(story: Told, incident: Case, state: str, why: str) -> None:
    give(incident, party(story.ines), story.ines)
    with pytest.raises(NotPossible, match=why):
        tasks.end(case=incident, number=1, state=state, said=" ", by=story.ines, now=NOW)


def test_late_task_is_told_once(story: Told, incident: Case) -> None:
    give(incident, party(story.samuel), story.ines)
    give(incident, party(story.samuel), story.ines, due_at=NOW + DAY)
    assert not tasks.tell_late_next(now=NOW + MINUTE)
    for _ in range(2):
        while tasks.tell_late_next(now=NOW + 2 * HOUR):
            pass
    told = Notice.objects.filter(subject=f"{incident.key}: T-1 is late")
    assert sorted(told.values_list("person__name", flat=True)) == ["Ines", "Samuel"]
    (said,) = LedgerEntry.objects.filter(act="task.late")
    assert (said.at, said.recorded_at) == (NOW + HOUR, NOW + 2 * HOUR)


def test_task_of_a_closed_incident_is_not_late(story: Told, incident: Case) -> None:
    give(incident, party(story.samuel), story.ines)
    Case.objects.filter(pk=incident.pk).update(state="cancelled")
    assert not tasks.tell_late_next(now=NOW + DAY)
    assert fresh(incident).state == "cancelled"


def test_nobody_writes_over_an_outcome_that_they_have_not_read(story: Told, incident: Case) -> None:
    read = as_read.mark([""])
    rooms.write_outcome(case=incident, words="mine", by=story.ines, now=NOW, read=read)
    with pytest.raises(NotPossible, match="What is written of the outcome has changed since"):
        rooms.write_outcome(case=incident, words="yours", by=story.samuel, now=NOW, read=read)
    assert rooms.room_of(incident).outcome == "mine"
    read = as_read.mark(["mine"])
    rooms.write_outcome(case=incident, words="ours", by=story.samuel, now=NOW, read=read)
    assert rooms.room_of(incident).outcome_by_name == "Samuel"
