"""A seat changes hands: the new holder is independent and told, the old one signs no more."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import Delegation, Identity, Membership, Party, Person, Team, User
from identities.permissions import AUDITOR, NotAllowed, NotPossible
from reviews import actions, permissions
from reviews.models import Case, CaseMember, Decision, Notice, Seat

from .conftest import DAY, HOUR, NOW, Told, make_user, party, person_of, seat_of

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]


def hand(case: Case, by: User, to: str, *, seat: str = "identity_owner", **more: Any) -> Seat:
    values: dict[str, Any] = {
        "reason": "on leave",
        "now": NOW,
        "version": Case.objects.values_list("version", flat=True).get(pk=case.pk),
    } | more
    return actions.hand_over(case=case, seat=seat_of(case, seat), to=to, by=by, **values)


def team(name: str, *users: User) -> Team:
    row = Team.objects.create(name=name)
    for user in users:
        Membership.objects.create(
            team=row, person=person_of(user), during=(NOW - DAY, None), recorded_at=NOW
        )
    return row


@pytest.mark.parametrize("said", ["noor", "NOOR@example.org", "Noor"])
def test_the_new_holder_signs_and_the_old_one_does_not(
    story: Told, case: Case, sign: Sign, said: str
) -> None:
    noor = make_user("noor", "owner")
    seat = hand(case, story.ines, said)
    assert (str(seat.party), seat.person) == ("Noor", None)
    with pytest.raises(NotAllowed, match="You handed this seat over: it belongs to Noor now"):
        sign(case, "credential", story.ines, "keep")
    assert sign(case, "credential", noor, "keep").person == noor.person
    told = Notice.objects.get(occasion__contains="handed")
    assert told.person == noor.person
    assert "Ines handed you the seat of the identity owner." in told.body
    # The reason stays in the case.
    assert "on leave" not in told.body
    entry = LedgerEntry.objects.get(act="seat.handed_over")
    assert entry.words == "Ines handed the seat of the identity owner to Noor: on leave"
    assert (entry.data["from"], entry.data["to"]) == ("Ines", "Noor")


def test_the_old_holder_does_not_come_back_as_backup(story: Told, case: Case, sign: Sign) -> None:
    Seat.objects.filter(case=case, kind="identity_owner").update(
        backup=Party.objects.create(team=team("Both", story.ines))
    )
    make_user("noor", "owner")
    hand(case, story.ines, "noor")
    Case.objects.filter(pk=case.pk).update(silence_done_at=NOW)
    with pytest.raises(NotAllowed, match="You handed this seat over"):
        sign(case, "credential", story.ines, "keep")


def test_a_seat_handed_back_is_ones_own_again(story: Told, case: Case, sign: Sign) -> None:
    noor = make_user("noor", "owner")
    hand(case, story.ines, "noor")
    hand(case, noor, "ines")
    assert sign(case, "credential", story.ines, "keep").person == story.ines.person
    with pytest.raises(NotAllowed, match="You handed this seat over"):
        sign(case, "credential", noor, "keep")


def test_answers_stay_and_their_signer_signs_no_other_seat(
    story: Told, case: Case, sign: Sign
) -> None:
    make_user("noor", "owner")
    sign(case, "credential", story.ines, "keep")
    hand(case, story.ines, "noor")
    assert Decision.objects.get().superseded_at is None
    Seat.objects.filter(case=case, kind="ai_owner").update(party=party(story.ines))
    with pytest.raises(NotAllowed, match="You signed as identity owner in this case"):
        sign(case, "credential", story.ines, "keep", seat="ai_owner")


def test_whoever_hands_over_unsigned_may_sign_another_seat(
    story: Told, case: Case, sign: Sign
) -> None:
    """One person was asked for both seats: giving one away is the way to sign the other."""
    Seat.objects.filter(case=case, kind="ai_owner").update(party=party(story.ines))
    make_user("noor", "owner")
    hand(case, story.ines, "noor", seat="ai_owner")
    assert sign(case, "credential", story.ines, "keep").person == story.ines.person


def test_whoever_was_relieved_by_the_backup_signs_no_other_seat(
    story: Told, case: Case, sign: Sign
) -> None:
    sign(case, "credential", story.ines, "keep")
    Case.objects.filter(pk=case.pk).update(silence_done_at=NOW)
    sign(case, "delegation", story.marek, "keep")
    Seat.objects.filter(case=case, kind="ai_owner").update(party=party(story.ines))
    with pytest.raises(NotAllowed, match="You signed as identity owner in this case"):
        sign(case, "delegation", story.ines, "keep", seat="ai_owner")


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("ines", "That is you|The seat is Ines's already"),
        ("samuel", "Samuel signs as AI-system owner in this case: one person never signs two"),
        ("leila", "Leila is asked as tie-breaker in this case: one person never signs two"),
        ("otto", "Otto has no login that signs"),
        ("gone", "Gone has left"),
        ("asker", "Asker asked for this: the requester never signs"),
        ("nobody at all", "There is nobody called 'nobody at all', and no team"),
        (" ", "Say to whom"),
        ("\0", "Say to whom"),
        ("Empty", "Empty has no members"),
        ("Barred", "Nobody in Barred may sit here. Samuel signs as AI-system owner"),
        ("twin", "'twin' is more than one"),
    ],
)
def test_who_may_not_take_a_seat(story: Told, case: Case, sign: Sign, to: str, words: str) -> None:
    gone, asker = make_user("gone", "owner"), make_user("asker", "owner")
    Person.objects.filter(pk=person_of(gone).pk).update(left_at=NOW - DAY)
    Case.objects.filter(pk=case.pk).update(requester=asker.person)
    for mail in ("a@example.org", "b@example.org"):
        Person.objects.create(name="twin", email=mail)
    sign(case, "credential", story.samuel, "keep", seat="ai_owner")
    team("Empty")
    team("Barred", story.samuel)
    with pytest.raises(NotPossible, match=words):
        hand(case, story.ines, to)
    assert seat_of(case, "identity_owner").party == party(story.ines)
    assert not LedgerEntry.objects.filter(act="seat.handed_over").exists()


def test_the_subject_takes_no_seat(story: Told) -> None:
    noor = make_user("noor", "owner")
    human = Identity.objects.create(
        name="noor@example.org", kind="human", owner=party(story.ines), created_at=NOW
    )
    human.refresh_from_db()
    case = actions.open_review(identity=human, by=story.rita, now=NOW, reason="x")
    with pytest.raises(NotPossible, match="Noor is the subject of this case"):
        hand(case, story.ines, noor.username)


def test_a_team_with_one_free_member_takes_it(story: Told, case: Case, sign: Sign) -> None:
    noor = make_user("noor", "owner")
    sign(case, "credential", story.samuel, "keep", seat="ai_owner")
    team("Platform", story.samuel, noor, story.ines)
    hand(case, story.ines, "platform")
    assert sign(case, "credential", noor, "keep").person == noor.person
    with pytest.raises(NotAllowed, match="You handed this seat over"):
        sign(case, "delegation", story.ines, "keep")
    assert {one.person for one in Notice.objects.filter(occasion__contains="handed")} == {
        noor.person,
        story.samuel.person,
    }


def test_a_team_is_named_as_in_policies_and_files_too(story: Told, case: Case) -> None:
    team("Platform", make_user("noor", "owner"))
    assert str(hand(case, story.ines, "team: platform").party) == "Platform"


def test_members_only_in_a_sealed_case(story: Told, case: Case) -> None:
    noor = make_user("noor", "owner")
    Case.objects.filter(pk=case.pk).update(sealed=True)
    CaseMember.objects.create(case=case, person=person_of(story.ines), since=NOW)
    with pytest.raises(NotPossible, match="is sealed: only its members sit in it"):
        hand(case, story.ines, "noor")
    CaseMember.objects.create(case=case, person=person_of(noor), since=NOW)
    hand(case, story.ines, "noor")


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("samuel", "The seat of the identity owner belongs to Ines"),
        ("marek", "You are the backup"),
        ("otto", AUDITOR),
    ],
)
def test_only_who_sits_in_it_hands_it_over(story: Told, case: Case, who: str, words: str) -> None:
    make_user("noor", "owner")
    with pytest.raises(NotAllowed, match=words):
        hand(case, getattr(story, who), "noor")


def test_no_seat_changes_hands_once_it_is_decided(story: Told, case: Case) -> None:
    make_user("noor", "owner")
    Case.objects.filter(pk=case.pk).update(state="decided")
    with pytest.raises(NotAllowed, match="is decided: no seat changes hands in it now"):
        hand(case, story.ines, "noor")


def test_an_old_page_and_a_missing_reason_are_refused(story: Told, case: Case, sign: Sign) -> None:
    make_user("noor", "owner")
    before = Case.objects.get(pk=case.pk).version
    sign(case, "credential", story.samuel, "keep", seat="ai_owner")
    with pytest.raises(NotPossible, match="Samuel signed at"):
        hand(case, story.ines, "noor", version=before)
    with pytest.raises(NotPossible, match="Say why"):
        hand(case, story.ines, "noor", reason=" ")


def test_a_seat_of_another_case_is_refused(story: Told, case: Case) -> None:
    other = Case.objects.create(
        door="access_request", state="open", title="x", opened_at=NOW, deadline_at=NOW + HOUR
    )
    seat = seat_of(case, "identity_owner")
    with pytest.raises(NotPossible, match="belongs to another case"):
        actions.hand_over(
            case=other, seat=seat, to="x", reason="x", by=story.ines, now=NOW, version=1
        )


def test_who_granted_it_and_takes_the_only_seat_never_signs_alone(story: Told) -> None:
    """The new holder granted what is reviewed, and would be the only signature."""
    noor = make_user("noor", "owner")
    story.service.ai_system = False
    story.service.save()
    Delegation.objects.update(grantor=party(noor))
    story.identity.refresh_from_db()
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    assert not case.seats.filter(kind="second").exists()
    hand(case, story.ines, "noor")
    assert case.seats.filter(kind="second").count() == 1


def test_the_tie_breaker_hands_over_too(story: Told, case: Case) -> None:
    noor = make_user("noor", "owner")
    hand(case, story.leila, "noor", seat="tie_breaker")
    seat = seat_of(case, "tie_breaker")
    assert permissions.why_not_sit(noor, case, seat, now=NOW) is None
    assert permissions.why_not_sit(story.leila, case, seat, now=NOW) is not None
