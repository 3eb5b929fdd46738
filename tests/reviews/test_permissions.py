"""Who may do what: independence on persons, judged when deciding; sealed cases are absent."""

from collections.abc import Callable
from typing import Any

import pytest

from identities.models import Identity, Membership, Party, Person, Team
from identities.permissions import AUDITOR, NotAllowed
from reviews import actions, permissions, visible
from reviews.models import Case, CaseMember, Seat

from .conftest import (
    DAY,
    HOUR,
    NOW,
    Told,
    everything_counts,
    item_of,
    make_user,
    party,
    person_of,
    seat_of,
)

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]


@pytest.mark.parametrize(
    ("who", "seat", "why"),
    [
        ("ines", "identity_owner", None),
        ("samuel", "ai_owner", None),
        ("leila", "tie_breaker", "The tie-breaker answers conflicts only."),
        ("ines", "ai_owner", "The seat of the AI-system owner belongs to Samuel."),
        ("samuel", "identity_owner", "The seat of the identity owner belongs to Ines."),
        ("marek", "identity_owner", "You are the backup: Ines decides until the deadline."),
        ("rita", "identity_owner", "The seat of the identity owner belongs to Ines."),
        ("otto", "identity_owner", AUDITOR),
    ],
)
def test_why_not_decide_by_role(
    story: Told, case: Case, who: str, seat: str, why: str | None
) -> None:
    user = getattr(story, who)
    assert (
        permissions.why_not_decide(
            user, case, seat_of(case, seat), item_of(case, "credential"), now=NOW
        )
        == why
    )


def test_why_not_decide_in_two_seats_by_one_person(story: Told, case: Case, sign: Sign) -> None:
    Seat.objects.filter(case=case, kind="ai_owner").update(party=party(story.ines))
    sign(case, "credential", story.ines, "keep")
    with pytest.raises(NotAllowed, match="one person never signs two seats"):
        sign(case, "credential", story.ines, "keep", seat="ai_owner")


def test_why_not_decide_with_a_second_login_of_one_person(
    story: Told, case: Case, sign: Sign
) -> None:
    other = make_user("ines2", "owner", person=story.ines.person)
    Seat.objects.filter(case=case, kind="ai_owner").update(party=party(story.ines))
    sign(case, "credential", story.ines, "keep")
    with pytest.raises(NotAllowed, match="one person never signs two seats"):
        sign(case, "credential", other, "keep", seat="ai_owner")


def test_backup_sits_when_the_owner_signed_elsewhere(story: Told, case: Case, sign: Sign) -> None:
    Seat.objects.filter(case=case, kind="ai_owner").update(
        party=party(story.ines), backup=party(story.marek)
    )
    sign(case, "credential", story.ines, "keep")
    row = sign(case, "credential", story.marek, "keep", seat="ai_owner")
    assert row.person == story.marek.person


def test_backup_sits_when_the_owner_has_left(story: Told, case: Case, sign: Sign) -> None:
    Person.objects.filter(pk=person_of(story.ines).pk).update(left_at=NOW - DAY)
    person_of(story.ines).refresh_from_db()
    with pytest.raises(NotAllowed, match="You have left"):
        sign(case, "credential", story.ines, "keep")
    assert sign(case, "credential", story.marek, "keep").person == story.marek.person


def test_team_members_sit_only_while_they_are_members(story: Told, case: Case, sign: Sign) -> None:
    team = Team.objects.create(name="Platform IAM")
    past, here = make_user("past", "owner"), make_user("here", "owner")
    for user, during in ((past, (NOW - 9 * DAY, NOW - DAY)), (here, (NOW - DAY, None))):
        Membership.objects.create(team=team, person=person_of(user), during=during, recorded_at=NOW)
    seat = seat_of(case, "identity_owner")
    seat.party = Party.objects.create(team=team)
    seat.backup = None
    seat.save()
    with pytest.raises(NotAllowed, match="belongs to Platform IAM"):
        sign(case, "credential", past, "keep")
    sign(case, "credential", here, "keep")
    # The seat is taken: one person signs in it.
    late = make_user("late", "owner")
    Membership.objects.create(
        team=team, person=person_of(late), during=(NOW - DAY, None), recorded_at=NOW
    )
    with pytest.raises(NotAllowed, match="Here signs in this seat"):
        sign(case, "credential", late, "keep")


def test_subject_of_a_human_identity_never_signs(story: Told) -> None:
    human = Identity.objects.create(
        name="ines@example.org", kind="human", owner=party(story.ines), created_at=NOW
    )
    human.refresh_from_db()
    case = actions.open_review(identity=human, by=story.rita, now=NOW, reason="x")
    assert (
        permissions.why_not_decide(story.ines, case, seat_of(case, "identity_owner"), None, now=NOW)
        == "You are the subject of this case: the subject never signs."
    )


def test_inactive_login_decides_nothing(story: Told, case: Case, sign: Sign) -> None:
    story.ines.is_active = False
    story.ines.save(update_fields=["is_active"])
    with pytest.raises(NotAllowed, match="switched off"):
        sign(case, "credential", story.ines, "keep")


def test_a_seat_without_a_name_goes_to_reviewers(story: Told, case: Case, sign: Sign) -> None:
    Seat.objects.filter(case=case, kind="identity_owner").update(party=None, backup=None)
    with pytest.raises(NotAllowed, match="belongs to nobody yet"):
        sign(case, "credential", story.leila, "keep")
    assert sign(case, "credential", story.rita, "keep").person == story.rita.person


@pytest.mark.parametrize("who", ["rita", "otto", "ines", "root"])
def test_sealed_case_is_absent_for_everybody_but_members(story: Told, case: Case, who: str) -> None:
    root = make_user("root", "administrator")
    root.is_superuser = True
    root.save()
    Case.objects.filter(pk=case.pk).update(sealed=True)
    CaseMember.objects.create(case=case, person=person_of(story.samuel), since=NOW)
    user = root if who == "root" else getattr(story, who)
    assert list(visible.cases(user, now=NOW)) == []
    assert permissions.why_not_see(user, case, now=NOW) == "There is no such case."
    assert list(visible.cases(story.samuel, now=NOW)) == [case]


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        ("ines", True),
        ("samuel", True),
        ("leila", True),
        ("marek", True),
        ("rita", True),
        ("otto", True),
        ("nobody", False),
        ("elsewhere", False),
    ],
)
def test_visible_cases_by_role(story: Told, case: Case, who: str, sees: bool) -> None:
    user = getattr(story, who, None) or make_user(who, "owner")
    if who == "nobody":
        user.person = None
        user.save()
    assert visible.cases(user, now=NOW).filter(pk=case.pk).exists() is sees


@pytest.mark.parametrize(
    ("who", "may"),
    [("rita", True), ("ines", True), ("samuel", True), ("otto", False), ("elsewhere", False)],
)
def test_why_not_open_by_role(story: Told, who: str, may: bool) -> None:
    user = getattr(story, who, None) or make_user(who, "owner")
    assert (permissions.why_not_open(user, story.identity, now=NOW) is None) is may


def test_auditor_changes_nothing_whatever_else_they_are(story: Told, case: Case) -> None:
    both = make_user("both", "auditor", "reviewer")
    item, seat = item_of(case, "credential"), seat_of(case, "identity_owner")
    assert {
        permissions.why_not_decide(both, case, seat, item, now=NOW),
        permissions.why_not_open(both, story.identity, now=NOW),
        permissions.why_not_request(both, story.identity),
        permissions.why_not_pin(both, case),
        permissions.why_not_cancel(both, case, now=NOW),
        permissions.why_not_close(both, case, now=NOW),
        permissions.why_not_undo(both, case, item, now=NOW),
        permissions.why_not_start(both, case, now=NOW),
    } == {AUDITOR}


def test_backup_sits_after_the_deadline(story: Told, case: Case, sign: Sign) -> None:
    late = case.deadline_at + HOUR
    story.identity.mode = "ask"
    story.identity.save(update_fields=["mode"])
    everything_counts(case, until=late)
    while actions.deadlines_next(now=late):
        pass
    row = sign(case, "credential", story.marek, "keep", now=late)
    assert row.person == story.marek.person
