"""Opening incidents: who may, what an incident begins with, and what joins it."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.acting import COUNTERSIGN
from identities.models import Finding, Identity
from identities.permissions import NotAllowed, NotPossible
from reviews.actions.opening import locked
from reviews.incidents import opening, rooms
from reviews.models import Case, Notice, Room
from tests.reviews.conftest import DAY, HOUR, NOW, Told, make_user, party, person_of

from .conftest import fresh, opened

pytestmark = pytest.mark.django_db


def found(story: Told, number: int = 1) -> Finding:
    row = Finding.objects.create(
        identity=story.identity,
        rule="outside_resources",
        family=f"hr/{number}",
        strength=3,
        words="read hr-records outside its delegation",
        first_at=NOW - 2 * HOUR,
        last_at=NOW - HOUR,
        opened_at=NOW - HOUR,
        state_at=NOW - HOUR,
        count=1,
    )
    row.refresh_from_db()
    return row


def test_incident_opened_by_hand_has_a_room_with_questions_and_a_lead(story: Told) -> None:
    case, new = opened(story, severity="high", detected_at=NOW - HOUR)
    assert new
    assert (case.door, case.state, case.title) == (
        "incident",
        "open",
        "Incident: key used from an unknown address",
    )
    room = rooms.room_of(case)
    assert (room.severity, room.detected_at, room.takes) == ("high", NOW - HOUR, story.identity)
    assert list(room.questions.order_by("number").values_list("standard", "words")) == list(
        rooms.STANDARD.items()
    )
    lead = rooms.in_role(room, "lead")
    assert lead is not None
    assert lead.person == person_of(story.ines)
    assert sorted(case.seats.values_list("kind", flat=True)) == [
        "ai_owner",
        "identity_owner",
        "tie_breaker",
    ]
    said = LedgerEntry.objects.get(subject=case.key, act="case.opened")
    assert said.words == (
        f"Ines opened {case.key}, an incident of svc-report: a call from an address nobody knows"
    )
    told = Notice.objects.filter(case=case.pk, occasion=f"{case.key} opened")
    assert sorted(told.values_list("person__name", flat=True)) == ["Ines", "Samuel"]


def test_second_incident_of_an_identity_joins_the_open_one(story: Told) -> None:
    case, _ = opened(story, findings=[found(story)])
    more = [found(story, 1_000), *case.findings.all()]
    again, new = opened(
        story,
        by=story.samuel,
        reason="seen by us as well",
        severity="critical",
        findings=more,
        detected_at=NOW - DAY,
        now=NOW + HOUR,
    )
    assert (again, new) == (case, False)
    room = rooms.room_of(case)
    assert (room.severity, room.detected_at) == ("critical", NOW - DAY)
    assert set(case.findings.all()) == set(more)
    words = list(
        LedgerEntry.objects.filter(subject=case.key, act="incident.joined")
        .order_by("pk")
        .values_list("words", flat=True)
    )
    assert words == [f"Samuel reported to {case.key} with {more[0].key}: seen by us as well"]
    assert fresh(case).version > case.version
    # Less severe, and later: neither changes anything.
    opened(story, severity="low", detected_at=NOW + HOUR, now=NOW + HOUR)
    room.refresh_from_db()
    assert (room.severity, room.detected_at) == ("critical", NOW - DAY)


@pytest.mark.parametrize("state", ["closed", "cancelled", "sealed"])
def test_what_is_over_or_sealed_takes_nothing(story: Told, state: str) -> None:
    case, _ = opened(story)
    changed = {"sealed": True} if state == "sealed" else {"state": state}
    Case.objects.filter(pk=case.pk).update(**changed)
    again, new = opened(story, now=NOW + HOUR)
    assert new
    assert again != case
    assert Room.objects.get(takes=story.identity).case == again


def test_database_lets_one_room_take_what_comes(story: Told) -> None:
    case, _ = opened(story)
    other = Identity.objects.create(
        name="other", kind="agent", created_at=NOW, owner=party(story.ines)
    )
    other.refresh_from_db()
    second, _ = opened(story, identity=other)
    with pytest.raises(IntegrityError), transaction.atomic():
        Room.objects.filter(case=second).update(takes=story.identity)
    assert Room.objects.get(takes=story.identity).case == case


def test_what_opens_by_itself_needs_no_permission_and_has_no_lead(story: Told) -> None:
    case, new = opened(story, by=COUNTERSIGN)
    assert new
    assert rooms.in_role(rooms.room_of(case), "lead") is None
    assert case.opened_by == "countersign"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"title": " "}, "Give it a title: what happened, in a few words."),
        ({"title": "x" * 201}, "The title is longer than 200 characters: shorten it."),
        ({"reason": ""}, "Say what happened."),
        ({"severity": "huge"}, "Say how severe it is: low, medium, high, critical."),
    ],
    ids=["no title", "long title", "no reason", "severity"],
)
def test_bad_input_opens_nothing(story: Told, more: dict[str, Any], words: str) -> None:
    with pytest.raises(NotPossible) as refused:
        opened(story, **more)
    assert str(refused.value) == words
    assert not Case.objects.exists()


def test_finding_of_another_identity_is_refused(story: Told) -> None:
    row = found(story)
    other = Identity.objects.create(
        name="other", kind="agent", created_at=NOW, owner=party(story.ines)
    )
    other.refresh_from_db()
    with pytest.raises(NotPossible, match=f"{row.key} is not about other"):
        opened(story, identity=other, findings=[row])


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("otto", "You are an auditor: auditors read everything and change nothing."),
        ("rita", "Only a responder or who answers for svc-report may open an incident of it."),
    ],
)
def test_who_may_not_opens_nothing(story: Told, who: str, why: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        opened(story, by=getattr(story, who))
    assert str(refused.value) == why


def test_responder_may_open(story: Told) -> None:
    assert opened(story, by=make_user("rex", "responder"))[1]


def test_title_of_an_attacker_is_kept_as_one_line(story: Told) -> None:
    case, _ = opened(story, title="a\n\0<b>x</b>\t y")
    assert case.title == "Incident: a <b>x</b> y"


def test_many_rooms_are_made_with_as_many_statements_as_one(story: Told) -> None:
    others = [
        Identity.objects.create(
            name=f"other-{n}", kind="agent", created_at=NOW, owner=party(story.ines)
        )
        for n in range(3)
    ]
    those = [opening.New(one, "t", "r") for one in locked(one.pk for one in others)]
    opening.make_all(those[:1], by=COUNTERSIGN, now=NOW)
    with transaction.atomic(), CaptureQueriesContext(connection) as few:
        opening.make_all(those[:1], by=COUNTERSIGN, now=NOW)
    with transaction.atomic(), CaptureQueriesContext(connection) as many:
        opening.make_all(those[1:], by=COUNTERSIGN, now=NOW)
    assert len(few) == len(many)
