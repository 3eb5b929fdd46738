"""Sealing a case: who may, to whom, and what is different from then on."""

from typing import Any, NamedTuple

import pytest
from django.db import IntegrityError, connection, transaction

from evidence import ledger
from evidence.models import LedgerEntry
from identities.models import Person, User
from identities.permissions import AUDITOR, NotAllowed, NotPossible
from reviews import actions, independence, permissions, visible
from reviews.incidents import opening, tasks
from reviews.models import Case, CaseMember, CaseSubject, Notice, Room, Sealing, Seat
from reviews.sealing import enclosing, members
from reviews.sealing.enclosing import Named
from tests.reviews.conftest import HOUR, NOW, Told, make_user, party, person_of

from .conftest import LATER, SECRET, People, incident, seal

pytestmark = pytest.mark.django_db


def seen_by(case: Case, *names: str) -> list[str]:
    """Who of these sees it."""
    users = User.objects.filter(username__in=names).order_by("username")
    return [
        one.username for one in users if visible.cases(one, now=LATER).filter(pk=case.pk).exists()
    ]


def test_only_members_see_it_from_then_on(story: Told, people: People) -> None:
    case = people.case
    everybody = ("dora", "ines", "leila", "otto", "rex", "rita", "root", "samuel")
    assert seen_by(case, *everybody) == ["dora", "rex", "rita"]
    entry = LedgerEntry.objects.get(act="case.sealed")
    assert entry.sealed_case == case.pk
    assert entry.words == f"Rex sealed {case.key} to Dora, Rex, Rita: {SECRET} why"
    assert ledger.verify().faults == []
    # It takes nothing any more: a report of the same identity opens another one.
    assert Room.objects.get(case=case).takes is None
    again, new = opening.open_or_join(
        identity=story.identity, title="x", reason="x", by=people.dora, now=LATER
    )
    assert (new, again.pk != case.pk) == (True, True)


def test_the_subject_is_out_and_the_substitute_sits(story: Told, people: People) -> None:
    seats = {one.kind: one for one in people.case.seats.select_related("party", "backup")}
    assert str(seats["identity_owner"].party) == "Rita"
    # Nobody else who is no member sits or stands in; any reviewer among the members may.
    left = [one for kind, one in seats.items() if kind != "identity_owner"]
    assert {(one.party, one.backup, one.person) for one in left} == {(None, None, None)}
    assert person_of(story.ines).pk in permissions.subjects_of(people.case)
    assert permissions.why_not_sit(
        story.samuel, people.case, seats["ai_owner"], now=LATER
    ) == permissions.ABSENT  # fmt: skip


def test_what_a_subject_had_answered_counts_no_more(story: Told, case: Case) -> None:
    rex, dora = make_user("rex", "responder"), make_user("dora", "responder")
    seat = case.seats.get(kind="identity_owner")
    item = case.items.get(kind="credential")
    row = actions.decide(
        case=case,
        item=item,
        seat=seat,
        answer="keep",
        reason="fine",
        by=story.ines,
        now=NOW,
        version=case.version,
    )
    seal(case, rex, dora, story.rita, subjects=[story.ines], instead={str(seat.pk): story.rita})
    row.refresh_from_db()
    seat.refresh_from_db()
    assert row.superseded_at == NOW
    assert (str(seat.party), seat.person, seat.signed_before) == (
        "Rita",
        None,
        [person_of(story.ines).pk],
    )


def test_after_the_end_of_the_seal_a_subject_still_does_not_sit(story: Told, case: Case) -> None:
    CaseSubject.objects.create(case=case, person=person_of(story.ines), since=NOW)
    seat = case.seats.get(kind="identity_owner")
    said = "You are the subject of this case: the subject never signs."
    assert permissions.why_not_sit(story.ines, case, seat, now=NOW) == said
    whys = {one.name: one.why_not for one in independence.candidates(case, seat, now=NOW)}
    assert whys["Ines"] == "Ines is the subject of this case: the subject never signs."


def test_what_was_not_sent_yet_goes_to_members_only(story: Told) -> None:
    rex, dora = make_user("rex", "responder"), make_user("dora", "responder")
    case = incident(story, rex)
    sent = Notice.objects.filter(case=case.pk).order_by("pk").first()
    assert sent is not None
    Notice.objects.filter(pk=sent.pk).update(sent_at=NOW)
    Notice.objects.create(
        channel="webhook", address="https://hook.example.org/", subject="x", body="x",
        case=case.pk, occasion="x", created_at=NOW, not_before=NOW,
    )  # fmt: skip
    seal(case, rex, dora)
    waiting = Notice.objects.filter(case=case.pk, sent_at=None).select_related("person")
    assert [(one.channel, str(one.person)) for one in waiting] == [("mail", "Dora")]
    assert Notice.objects.filter(pk=sent.pk).exists()


def test_open_tasks_and_roles_of_others_go_to_who_seals(story: Told) -> None:
    rex, dora = make_user("rex", "responder"), make_user("dora", "responder")
    case = incident(story, story.ines)
    for who in (story.ines, dora):
        tasks.add(case=case, words="x", owner=party(who), due_at=NOW + HOUR, by=story.ines, now=NOW)
    seal(case, rex, dora, subjects=[story.ines], instead={"identity_owner": dora})
    room = Room.objects.get(case=case)
    assert [str(one.owner) for one in room.tasks.order_by("number")] == ["Rex", "Dora"]
    assert not room.roles.filter(until=None).exists()


class Try(NamedTuple):
    """Who is named, by login."""

    members: tuple[str, ...] = ("dora",)
    subjects: tuple[str, ...] = ()
    instead: tuple[tuple[str, str], ...] = ()
    reason: str = "x"


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (Try(()), "at least two members who may act in it"),
        (Try(("otto",)), "Auditors read only"),
        (Try(("dora", "left")), "Left has left: name somebody who is here"),
        (Try(("dora", "away")), "Away has no login that works"),
        (Try(("dora", "ines"), ("ines",)), "is about Ines: they are no member"),
        (Try(subjects=("ines",)), "identity owner is Ines's, whom the case"),
        (
            Try(subjects=("ines",), instead=(("identity_owner", "samuel"),)),
            "Samuel is no member: only members sit",
        ),
        (Try(instead=(("closer", "dora"),)), "is not one of this case"),
        (Try(reason=" "), "Say why only some may know of it"),
    ],
)
def test_what_cannot_be_sealed_stays_as_it_was(story: Told, who: Try, said: str) -> None:
    rex = make_user("rex", "responder")
    for name in ("dora", "left", "away"):
        make_user(name, "responder")
    Person.objects.filter(name="Left").update(left_at=NOW)
    User.objects.filter(username="away").update(is_active=False)
    people = {one.users.get().username: one for one in Person.objects.all()}
    case = incident(story, rex)
    before = list(Seat.objects.order_by("pk").values())
    named = Named(
        [people[one] for one in who.members],
        [people[one] for one in who.subjects],
        {kind: people[one] for kind, one in who.instead},
    )
    with pytest.raises(NotPossible, match=said):
        enclosing.seal(case=case, named=named, reason=who.reason, by=rex, now=NOW)
    assert not Case.objects.get(pk=case.pk).sealed
    assert list(Seat.objects.order_by("pk").values()) == before
    assert not Sealing.objects.exists()


def test_an_incident_is_sealed_from_its_first_moment(story: Told, settings: Any) -> None:
    settings.WEBHOOK_URL = "https://hook.example.org/"
    rex, dora = make_user("rex", "responder"), make_user("dora", "responder")
    other = incident(story, rex)
    Notice.objects.all().delete()
    case = enclosing.open_sealed(
        identity=story.identity,
        new=opening.New(story.identity, "x", "y"),
        named=Named(
            [person_of(dora)], [person_of(story.ines)], {"identity_owner": person_of(dora)}
        ),
        reason="z",
        by=rex,
        now=LATER,
    )
    assert case.sealed
    assert set(
        LedgerEntry.objects.filter(subject=case.key).values_list("sealed_case", flat=True)
    ) == {case.pk}
    assert {(one.channel, str(one.person)) for one in Notice.objects.all()} == {("mail", "Dora")}
    # What was open takes what comes, as before.
    assert Room.objects.get(case=other).takes_id == story.identity.pk
    assert Room.objects.get(case=case).takes_id is None


def test_members_come_and_go_but_never_the_last_two(story: Told, people: People) -> None:
    case, noor = people.case, make_user("noor", "reviewer")
    members.add(case=case, person=person_of(noor), reason="x", by=people.dora, now=LATER)
    assert seen_by(case, "noor") == ["noor"]
    told = Notice.objects.get(case=case.pk, person=noor.person)
    assert SECRET not in told.subject + told.body
    for who in (noor, people.rita):
        members.remove(case=case, person=person_of(who), reason="x", by=people.rex, now=LATER)
    assert seen_by(case, "noor", "rita", "rex", "dora") == ["dora", "rex"]
    assert not Notice.objects.filter(case=case.pk, person__in=[noor.person, people.rita.person])
    # Rita's seat is open to whoever of the members reviews.
    assert case.seats.get(kind="identity_owner").party is None
    with pytest.raises(NotPossible, match="at least two members"):
        members.remove(
            case=case, person=person_of(people.dora), reason="x", by=people.rex, now=LATER
        )
    acts = LedgerEntry.objects.filter(act__startswith="case.member").order_by("pk")
    assert [(one.act, one.sealed_case) for one in acts] == [
        ("case.member_named", case.pk),
        ("case.member_removed", case.pk),
        ("case.member_removed", case.pk),
    ]


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("ines", "is about Ines: they are no member"),
        ("dora", "Dora is a member already"),
    ],
)
def test_who_is_not_added(story: Told, people: People, who: str, said: str) -> None:
    person = {"ines": story.ines, "dora": people.dora}[who]
    with pytest.raises(NotPossible, match=said):
        members.add(
            case=people.case, person=person_of(person), reason="x", by=people.rex, now=LATER
        )


def test_somebody_is_found_to_be_a_subject_later(story: Told, people: People) -> None:
    case = people.case
    CaseMember.objects.create(case=case, person=person_of(story.samuel), since=NOW)
    Seat.objects.filter(case=case, kind="ai_owner").update(party=party(story.samuel))
    with pytest.raises(NotPossible, match="Samuel is a member: take them off the case first"):
        _subject(people, story)
    members.remove(case=case, person=person_of(story.samuel), reason="x", by=people.rex, now=LATER)
    _subject(people, story)
    assert person_of(story.samuel).pk in permissions.subjects_of(case)
    with pytest.raises(NotPossible, match="is about Samuel already"):
        _subject(people, story)


def _subject(people: People, story: Told) -> None:
    members.name_subject(
        case=people.case,
        person=person_of(story.samuel),
        instead={},
        reason="x",
        by=people.rex,
        now=LATER,
    )


def test_the_database_keeps_two_members_and_no_subject_among_them(
    story: Told, people: People
) -> None:
    case = people.case
    with pytest.raises(IntegrityError, match="no member of it"), transaction.atomic():
        CaseMember.objects.create(case=case, person=person_of(story.ines), since=NOW)
    with pytest.raises(IntegrityError, match="no member of it"), transaction.atomic():
        CaseSubject.objects.create(case=case, person=person_of(people.dora), since=NOW)
    with transaction.atomic():
        CaseMember.objects.filter(case=case).exclude(person=person_of(people.rex)).delete()
        with pytest.raises(IntegrityError, match="two members"), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS sealed_case_has_two_members IMMEDIATE")
        transaction.set_rollback(True)
    with pytest.raises(IntegrityError, match="sealing_open_once"), transaction.atomic():
        Sealing.objects.create(
            case=case, reason="x", sealed_at=NOW, sealed_by="x", sealed_by_name="x"
        )
    one = person_of(people.rex)
    with pytest.raises(IntegrityError, match="sealing_ended_by_two"), transaction.atomic():
        Sealing.objects.filter(case=case).update(
            asked_at=NOW, asked_person=one, asked_why="x", unsealed_at=NOW, unsealed_person=one
        )


def test_nobody_else_changes_anything_of_it(story: Told, people: People) -> None:
    for who, said in ((people.root, permissions.ABSENT), (story.otto, permissions.ABSENT)):
        with pytest.raises(NotAllowed, match=said):
            members.add(
                case=people.case, person=person_of(story.leila), reason="x", by=who, now=LATER
            )
    CaseMember.objects.create(case=people.case, person=person_of(story.otto), since=NOW)
    with pytest.raises(NotAllowed, match=AUDITOR):
        members.add(
            case=people.case, person=person_of(story.leila), reason="x", by=story.otto, now=LATER
        )
