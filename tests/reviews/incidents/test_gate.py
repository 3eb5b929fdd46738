"""The gate: each condition alone keeps an incident open, all of them are listed, four eyes close it."""

import pytest

from evidence.models import Capsule, LedgerEntry
from identities.models import Finding, Revocation, User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.incidents import closing, freezing, gate, rooms
from reviews.models import Case, Item, Notice, Room
from tests.reviews.conftest import DAY, HOUR, NOW, Told, make_user, person_of, seat_of

from .conftest import conclude, finish, fresh, opened, pin
from .test_opening import found

pytestmark = pytest.mark.django_db
LATER = NOW + 2 * HOUR


def kinds(case: Case) -> list[str]:
    return [one.kind for one in gate.missing(fresh(case), now=LATER)]


def close(case: Case, by: User) -> Case:
    version = fresh(case).version
    return closing.close(case=case, words="looked at all of it", by=by, now=LATER, version=version)


def test_new_incident_lists_all_that_is_missing(story: Told, incident: Case, rex: User) -> None:
    assert [one.words for one in gate.missing(incident, now=NOW)] == [
        "Evidence sealed: no capsule of it is made",
        "Access review opened: what svc-report may do is not asked about again",
        "Every question answered or dropped: 0 of 5",
        "Outcome written",
        "Lessons noted",
        "Closed by somebody else: nobody is named",
    ]
    rooms.name_role(case=incident, role="closer", to="Rex", by=story.ines, now=NOW)
    with pytest.raises(NotPossible, match=r"^5 things are missing before CS-\d+ can be closed\. "):
        close(incident, rex)
    assert fresh(incident).state == "open"


@pytest.mark.parametrize(
    "one", ["sealed", "review", "questions", "tasks", "outcome", "lessons", "closer"]
)
def test_each_condition_alone_keeps_it_open(
    story: Told, incident: Case, rex: User, one: str
) -> None:
    finish(incident, story, rex, but=one)
    assert kinds(incident) == [one]
    with pytest.raises((NotPossible, NotAllowed)):
        close(incident, rex)


@pytest.mark.parametrize("one", ["findings", "items", "revocations"])
def test_what_hangs_on_the_case_keeps_it_open(
    story: Told, incident: Case, rex: User, one: str
) -> None:
    finish(incident, story, rex)
    assert kinds(incident) == []
    if one == "findings":
        incident.findings.add(found(story))
    elif one == "items":
        Item.objects.create(case=incident, position=0, kind="step", title="hold the key")
    else:
        Revocation.objects.create(
            identity=story.identity,
            credential=story.credential,
            target={},
            step="hold",
            case=incident.pk,
            state="confirmed",
            requested_at=NOW,
            requested_by=story.ines.ref,
            not_before=NOW,
        )
    assert kinds(incident) == [one]
    Finding.objects.update(state="confirmed")
    Item.objects.update(carried_out_at=NOW)
    Revocation.objects.update(state="effective", sent_at=NOW, effective_at=NOW)
    assert kinds(incident) == []


def test_evidence_that_came_since_has_to_be_sealed_again(
    story: Told, incident: Case, rex: User
) -> None:
    finish(incident, story, rex)
    pin(incident, story.ines, 1)
    (one,) = gate.missing(incident, now=LATER)
    capsule = Capsule.objects.get()
    assert one.words == f"Evidence sealed: evidence has changed since {capsule.key}"
    again = freezing.freeze(case=incident, by=story.ines, now=LATER)
    assert kinds(incident) == []
    assert len(again.body["events"]) == 2
    with pytest.raises(NotPossible, match=f"Nothing has changed since {again.key} was made"):
        freezing.freeze(case=incident, by=story.ines, now=LATER)


def test_capsule_holds_what_is_concluded_and_what_is_missing(story: Told, incident: Case) -> None:
    row = conclude(incident, story.ines)
    capsule = freezing.freeze(case=incident, by=story.ines, now=LATER)
    (said,) = capsule.body["shown"]["conclusions"]
    assert (said["question"], said["words"], said["certainty"], said["strength"]) == (
        "Which key was misused?",
        "the key of svc-report",
        "answered",
        "key",
    )
    assert len(said["events"]) == len(capsule.body["events"]) == 1
    assert capsule.body["missing"] == row.unproven


def test_nothing_selected_is_nothing_to_freeze(story: Told, incident: Case) -> None:
    with pytest.raises(NotPossible, match="There is nothing to freeze"):
        freezing.freeze(case=incident, by=story.ines, now=LATER)


def test_other_named_person_closes_it(story: Told, incident: Case, rex: User) -> None:
    finish(incident, story, rex)
    with pytest.raises(NotAllowed, match="Rex is named to close it"):
        close(incident, make_user("rob", "responder"))
    with pytest.raises(NotPossible, match="has changed since you opened it"):
        closing.close(case=incident, words="x", by=rex, now=LATER, version=1)
    closed = close(incident, rex)
    assert (closed.state, closed.closed_by, closed.closed_at) == ("closed", rex.ref, LATER)
    assert seat_of(incident, "closer").person == rex.person
    assert Room.objects.get().takes is None
    assert LedgerEntry.objects.get(act="case.closed").data["outcome"] == "a drill"
    with pytest.raises(NotAllowed, match="is closed: nothing comes after that"):
        close(incident, rex)
    # What comes about the identity from now on is a new incident.
    assert opened(story, now=LATER + DAY)[1]


def test_who_has_acted_in_it_is_not_its_closer(story: Told, incident: Case, rex: User) -> None:
    with pytest.raises(NotPossible, match="Ines has acted in this incident"):
        rooms.name_role(case=incident, role="closer", to="Ines", by=story.samuel, now=NOW)
    with pytest.raises(NotPossible, match="Nobody names themselves"):
        rooms.name_role(case=incident, role="closer", to="Rex", by=rex, now=NOW)
    finish(incident, story, rex)
    rooms.write_outcome(case=incident, words="another one", by=rex, now=LATER)
    (one,) = gate.missing(incident, now=LATER)
    assert one.words == (
        "Closed by somebody else: Rex has acted in this incident: somebody who has not closes it."
    )
    with pytest.raises(NotAllowed, match="You have acted in this incident"):
        close(incident, rex)


def test_closer_who_has_left_closes_nothing(story: Told, incident: Case, rex: User) -> None:
    finish(incident, story, rex)
    person = person_of(rex)
    person.left_at = NOW
    person.save()
    (one,) = gate.missing(incident, now=LATER)
    assert one.words == "Closed by somebody else: Rex has left"


def test_it_is_put_before_its_closer_and_may_be_sent_back(
    story: Told, incident: Case, rex: User
) -> None:
    finish(incident, story, rex, but="lessons")
    with pytest.raises(NotPossible, match=r"^1 thing is missing .* Lessons noted\.$"):
        closing.put_before(case=incident, by=story.ines, now=LATER)
    rooms.note_lessons(case=incident, words="rotate", by=story.ines, now=LATER)
    closing.put_before(case=incident, by=story.ines, now=LATER)
    assert fresh(incident).state == "in_review"
    assert Notice.objects.filter(subject__endswith="waits to be closed").get().person == rex.person
    closing.send_back(case=incident, reason="the second key", by=rex, now=LATER)
    assert fresh(incident).state == "open"
    assert Notice.objects.filter(subject__endswith="it is sent back").get().person_id == (
        story.ines.person_id
    )
    # To look back and send it back is no work in it.
    assert close(incident, rex).state == "closed"


def test_break_glass_of_it_is_looked_back_at_first(story: Told, incident: Case) -> None:
    from reviews.models import BreakGlass, Bundle

    other = Case.objects.create(
        door="break_glass", title="t", opened_at=NOW, opened_by="x", deadline_at=LATER, state="open"
    )
    other.refresh_from_db()
    bundle = Bundle.objects.create(
        slug="b",
        version=1,
        document={},
        reason="r",
        proposed_at=NOW,
        proposed_by="x",
        proposed_person=person_of(story.ines),
    )
    BreakGlass.objects.create(
        case=other,
        bundle=bundle,
        asker=story.ines,
        person=person_of(story.ines),
        incident=incident,
        delegation=story.delegation,
        minutes=5,
        patience_at=NOW,
        alone_at=NOW,
    )
    said = [one.words for one in gate.missing(incident, now=NOW) if one.kind == "break_glass"]
    assert said == [f"Break-glass {other.key} looked back at: it is open"]
    Case.objects.filter(pk=other.pk).update(state="closed")
    assert "break_glass" not in kinds(incident)


def test_false_alarm_is_cancelled_and_what_was_found_out_is_not(
    story: Told, incident: Case
) -> None:
    conclude(incident, story.ines)
    with pytest.raises(NotPossible, match="it ends through the gate of its room"):
        actions.cancel(case=incident, by=story.ines, now=LATER, reason="never mind")
    other, _ = opened(story, now=LATER)
    assert other == incident
    Case.objects.filter(pk=incident.pk).update(state="closed")
    fresh_one, _ = opened(story, now=LATER)
    actions.cancel(case=fresh_one, by=story.ines, now=LATER, reason="a drill of ours")
    assert fresh(fresh_one).state == "cancelled"
    assert opened(story, now=LATER)[1]
