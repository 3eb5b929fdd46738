"""Who granted or issued what is under review signs for it only together with somebody else."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group

from evidence.keys import key_of
from evidence.models import Actor, LedgerEntry
from identities.actions import revocations
from identities.models import (
    Credential,
    Delegation,
    Membership,
    Party,
    Person,
    Revocation,
    Service,
    Team,
    User,
)
from identities.permissions import NotAllowed
from reviews import actions
from reviews.models import Case, Notice

from .conftest import HOUR, NOW, Told, item_of, party, person_of, seat_of
from .test_opening import drain, finding

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]


@pytest.fixture
def story(story: Told) -> Told:
    """The identity serves no AI system: its owner would sign alone."""
    Service.objects.update(ai_system=False, ai_owner=None)
    return story


def opened(story: Told) -> Case:
    identity = type(story.identity).objects.get(pk=story.identity.pk)
    return actions.open_review(identity=identity, by=story.rita, now=NOW, reason="yearly")


@pytest.mark.parametrize("step", ["revoke", "narrow", "suspend"])
@pytest.mark.parametrize("who", ["rita", "ines"])
def test_nobody_revokes_narrows_or_suspends_alone(story: Told, step: str, who: str) -> None:
    """Outside of an incident, whatever role they have; a case does, in the name of Countersign."""
    user = User.objects.get(username=who)
    user.groups.set(Group.objects.exclude(name="auditor"))
    before = Revocation.objects.count()
    with pytest.raises(NotAllowed, match="takes both seats: open a case, or hold it at once"):
        revocations.request(
            identity=story.identity,
            step=step,
            by=User.objects.get(pk=user.pk),
            now=NOW,
            because="x",
            credential=story.credential if step == "revoke" else None,
        )
    assert Revocation.objects.count() == before


def granted_by(story: Told, who: Party) -> None:
    Delegation.objects.filter(pk=story.delegation.pk).update(grantor=who)


def issued_by(story: Told, name: str) -> None:
    actor = Actor.objects.create(
        key=key_of("aws", "arn", name), realm="aws", kind="arn", value=name, created_at=NOW
    )
    Credential.objects.filter(pk=story.credential.pk).update(issued_by=actor)


def kinds(case: Case) -> list[str]:
    return sorted(case.seats.values_list("kind", flat=True))


ALONE = ["identity_owner", "tie_breaker"]
TWO = ["identity_owner", "second", "tie_breaker"]


def test_an_owner_who_granted_nothing_signs_alone(story: Told) -> None:
    granted_by(story, party(story.leila))
    issued_by(story, "arn:aws:iam::111122223333:user/somebody")
    assert kinds(opened(story)) == ALONE


def test_the_grantor_gets_a_second_approver(story: Told, sign: Sign) -> None:
    granted_by(story, party(story.ines))
    case = opened(story)
    assert (kinds(case), seat_of(case, "second").party) == (TWO, party(story.marek))
    asked = Notice.objects.filter(occasion=f"{case.key} asked")
    assert sorted(row.person.name for row in asked if row.person) == ["Ines", "Marek"]
    assert LedgerEntry.objects.get(act="case.second_seat").words == (
        f"{case.key} needs a second approver: who would sign alone granted {story.delegation.key}"
    )
    sign(case, "delegation", story.ines, "keep")
    assert item_of(case, "delegation").outcome == ""
    with pytest.raises(NotAllowed, match="one person never signs two seats"):
        sign(case, "delegation", story.ines, "keep", seat="second")
    sign(case, "delegation", story.marek, "keep", seat="second")
    assert item_of(case, "delegation").outcome == "keep"


def test_a_team_that_granted_is_its_people(story: Told) -> None:
    team = Team.objects.create(name="Finance platform")
    Membership.objects.create(
        team=team, person=person_of(story.ines), during=(NOW, None), recorded_at=NOW
    )
    granted_by(story, Party.objects.create(team=team))
    assert kinds(opened(story)) == TWO


@pytest.mark.parametrize(
    ("name", "seats"),
    [
        ("arn:aws:iam::111122223333:user/ines", TWO),
        ("arn:aws:sts::111122223333:assumed-role/Admin/INES@example.org", TWO),
        ("arn:aws:iam::111122223333:user/ines2", ALONE),
        ("ines", TWO),
        ("", ALONE),
    ],
)
def test_who_issued_the_key_is_told_by_the_name_in_the_log(
    story: Told, name: str, seats: list[str]
) -> None:
    issued_by(story, name)
    assert kinds(opened(story)) == seats


def test_with_two_owners_nobody_is_alone(story: Told) -> None:
    Service.objects.update(ai_system=True, ai_owner=party(story.samuel))
    granted_by(story, party(story.ines))
    assert kinds(opened(story)) == ["ai_owner", "identity_owner", "tie_breaker"]


def test_without_anybody_named_a_reviewer_is_the_second(story: Told, sign: Sign) -> None:
    story.identity.backup = story.identity.sponsor = None
    story.identity.save(update_fields=["backup", "sponsor"])
    granted_by(story, party(story.ines))
    case = opened(story)
    assert seat_of(case, "second").party is None
    sign(case, "delegation", story.ines, "keep")
    sign(case, "delegation", story.rita, "keep", seat="second")
    assert item_of(case, "delegation").outcome == "keep"


def test_it_is_judged_again_when_signing(story: Told, sign: Sign) -> None:
    """The case was opened before it was known who had granted."""
    case = opened(story)
    granted_by(story, party(story.ines))
    sign(case, "delegation", story.ines, "revoke")
    assert (kinds(case), item_of(case, "delegation").outcome) == (TWO, "")
    told = Notice.objects.filter(occasion=f"{case.key} asked", person=story.marek.person)
    assert told.count() == 1


def test_the_backup_who_granted_is_not_alone_either(story: Told, sign: Sign) -> None:
    granted_by(story, party(story.marek))
    case = opened(story)
    assert kinds(case) == ALONE
    Case.objects.filter(pk=case.pk).update(silence_done_at=NOW)
    sign(case, "delegation", story.marek, "keep")
    # The backup signs as the owner, so the sponsor or a reviewer is the second.
    assert seat_of(case, "second").party != story.identity.owner
    assert item_of(case, "delegation").outcome == ""


def test_what_joins_an_open_case_is_looked_at(story: Told) -> None:
    case = opened(story)
    granted_by(story, party(story.ines))
    finding(story.identity, "no_authority")
    assert (drain(NOW + HOUR), kinds(case)) == (1, TWO)


def test_requests_are_signed_by_the_grantor_as_before(story: Told, sign: Sign) -> None:
    """Approving is granting: the requester is somebody else already."""
    wanted = actions.Wanted(
        actions=["s3:PutObject"], resources=["archive/*"], purpose="x", ends_at=NOW + 9 * HOUR
    )
    granted_by(story, party(story.ines))
    case = actions.request_access(
        identity=type(story.identity).objects.get(pk=story.identity.pk),
        wanted=wanted,
        by=story.rita,
        now=NOW,
        reason="audit",
    )
    sign(case, "grant", story.ines, "approve")
    assert (kinds(case), item_of(case, "grant").outcome) == (ALONE, "approve")


def test_a_login_without_a_person_made_nothing(story: Told) -> None:
    User.objects.create(username="robot", email="robot@example.org")
    # Nor is a person without a mail address anybody whom the log leaves unnamed.
    Person.objects.update(email="")
    issued_by(story, "arn:aws:iam::111122223333:user/robot")
    assert kinds(opened(story)) == ALONE
