"""Two or three acts of one person with every role, each of which they may do, that together would do
what takes two. Each chain ends in a refusal, and what it is about is as before.

Found by hand, as somebody would who wants to get round a second signature.
"""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from evidence import custody, keeping
from evidence.models import LegalHold, Source
from evidence.permissions import NotPossible as NotPossibleThere
from evidence.permissions import Reader, reader
from identities.actions import changes, registration
from identities.models import (
    Identity,
    Membership,
    ProposedChange,
    Revocation,
    Service,
    Team,
    User,
)
from identities.permissions import NotAllowed, NotPossible
from identities.register import read
from reviews import actions, permissions
from reviews.actions import handing, offers, places, retiring
from reviews.break_glass import bundles
from reviews.incidents import alerts, containment_rights, rooms
from reviews.models import Bundle, Case
from reviews.sealing import enclosing
from tests.reviews.conftest import NOW, Told, make_user, party, person_of, seat_of, story
from tests.reviews.incidents.alerted import plain, send, source_of, sweep
from tests.reviews.incidents.conftest import opened
from tests.reviews.incidents.stops import contained
from tests.reviews.permission_glass import DOCUMENT

__all__ = ["story"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def mia(story: Told) -> User:
    """Every role but the auditor's, and nothing to do with the story's identity."""
    return make_user("mia", "reviewer", "responder", "administrator", "owner")


@pytest.fixture
def alone(story: Told) -> Told:
    """The identity serves no AI system: whoever sits in its one seat decides."""
    Service.objects.update(ai_system=False, ai_owner=None)
    story.identity.refresh_from_db()
    return story


def again(case: Case) -> Case:
    return Case.objects.get(pk=case.pk)


# --- incidents: open one, lead it, revoke ----------------------------------------------------------


@pytest.mark.parametrize("does", ["revoke", "sessions"])
def test_who_opens_an_incident_and_leads_it_does_nothing_for_good(
    story: Told, mia: User, does: str
) -> None:
    case, _ = opened(story, by=mia)
    target = story.credential.key if does == "revoke" else story.identity.key
    for _ in range(2):
        with pytest.raises(NotAllowed, match="Mia leads it by their own word: have another person"):
            contained(again(case), mia, does, target)
        # Nor after the lead was elsewhere in between, nor by another login of theirs.
        rooms.name_role(case=case, role="lead", to="rita", by=mia, now=NOW)
        other = make_user(f"mia-{Case.objects.count()}-{User.objects.count()}", "responder",
                          person=person_of(mia))  # fmt: skip
        rooms.hand_over(case=case, to="mia", known="x", unknown="y", by=other, now=NOW)
    assert not Revocation.objects.exists()


def test_lead_whom_another_person_named_revokes(story: Told, mia: User) -> None:
    case, _ = opened(story, by=mia)
    rooms.name_role(case=case, role="lead", to="mia", by=story.ines, now=NOW)
    with pytest.raises(NotPossible, match="Mia is lead of"):
        rooms.name_role(case=case, role="lead", to="mia", by=story.ines, now=NOW)
    contained(again(case), mia, "revoke", story.credential.key)
    assert Revocation.objects.filter(step="revoke").count() == 1


def test_who_takes_the_lead_of_what_an_alert_opened_revokes_nothing_alone(
    story: Told, mia: User
) -> None:
    send(source_of(), plain())
    case = sweep()[0].case
    assert case is not None
    rooms.name_role(case=case, role="lead", to="mia", by=mia, now=NOW)
    why = containment_rights.why_not_run(mia, again(case), frozenset({"hold", "revoke"}), now=NOW)
    assert why is not None
    assert "by their own word" in why
    assert containment_rights.why_not_run(mia, again(case), frozenset({"hold"}), now=NOW) is None


def test_alert_is_not_hidden_by_cancelling_its_incident(story: Told, mia: User) -> None:
    """To dismiss it takes two: so does ending the incident that it was matched into."""
    send(source_of(), plain(names=["AKIAEXAMPLEQP7D00099"]))
    case = alerts.match(alert=sweep()[0], identity=story.identity, reason="x", by=mia, now=NOW)
    assert isinstance(case, Case)
    with pytest.raises(NotPossible, match="An alert, an automatic hold or somebody else led to"):
        actions.cancel(case=case, by=mia, now=NOW, reason="nothing in it")


def test_nobody_cancels_the_incident_of_what_they_answer_for(story: Told) -> None:
    story.ines.groups.add(Group.objects.get_or_create(name="administrator")[0])
    case, _ = opened(story, by=make_user("rex", "responder"))
    why = permissions.why_not_cancel(User.objects.get(pk=story.ines.pk), case, now=NOW)
    assert why is not None
    assert why.startswith("You answer for svc-report")


def test_who_opened_an_incident_does_not_cancel_what_somebody_else_reported(story: Told) -> None:
    case, _ = opened(story)
    assert opened(story, by=make_user("rex", "responder"), reason="another address") == (
        case,
        False,
    )
    with pytest.raises(NotPossible, match="or somebody else led to"):
        actions.cancel(case=again(case), by=story.ines, now=NOW, reason="a drill")


# --- owners, backups and seats ---------------------------------------------------------------------


def test_nobody_accepts_what_they_offered_themselves(story: Told, mia: User) -> None:
    row = offers.offer(
        identity=story.identity, to="mia", how="hand_over", reason="x", by=mia, now=NOW
    )
    with pytest.raises(NotAllowed, match="You asked: nobody makes themselves the owner"):
        offers.accept(offer=row, by=User.objects.get(pk=mia.pk), now=NOW)
    story.identity.refresh_from_db()
    assert story.identity.owner == party(story.ines)


@pytest.mark.parametrize("place", ["backup", "sponsor"])
def test_nobody_names_themselves_beside_an_owner_to_retire_it(
    alone: Told, mia: User, place: str
) -> None:
    Identity.objects.update(backup=None, sponsor=None)
    team = Team.objects.create(name="Mine")
    Membership.objects.create(team=team, person=person_of(mia), during=(NOW, None), recorded_at=NOW)
    for to in ("mia", "Mine"):
        with pytest.raises(NotPossible, match="nobody makes themselves its"):
            places.name(identity=alone.identity, place=place, to=to, reason="x", by=mia, now=NOW)
    with pytest.raises(NotAllowed, match="Only who answers for svc-report may retire it"):
        retiring.retire(
            identity=Identity.objects.get(), by=User.objects.get(pk=mia.pk), now=NOW, reason="x"
        )


def test_who_names_a_team_for_an_empty_seat_does_not_sign_for_it(alone: Told, mia: User) -> None:
    Identity.objects.update(backup=None, sponsor=None)
    case = actions.open_review(identity=Identity.objects.get(), by=mia, now=NOW, reason="x")
    person = person_of(alone.ines)
    person.left_at = NOW
    person.save()
    User.objects.exclude(pk__in=[mia.pk, alone.samuel.pk]).update(is_active=False)
    team = Team.objects.create(name="Ours")
    for user in (mia, alone.samuel):
        Membership.objects.create(
            team=team, person=person_of(user), during=(NOW, None), recorded_at=NOW
        )
    seat = seat_of(case, "identity_owner")
    handing.hand_over(
        case=case, seat=seat, to="Ours", reason="x", by=mia, now=NOW, version=again(case).version
    )
    seat = seat_of(case, "identity_owner")
    why = permissions.why_not_sit(User.objects.get(pk=mia.pk), again(case), seat, now=NOW)
    assert why == "You handed this seat over: it belongs to Ours now."
    assert permissions.why_not_sit(alone.samuel, again(case), seat, now=NOW) is None


def test_who_seals_a_review_takes_none_of_its_seats(alone: Told, mia: User) -> None:
    case = actions.open_review(identity=alone.identity, by=mia, now=NOW, reason="x")
    named = enclosing.Named([person_of(alone.samuel)], instead={"identity_owner": person_of(mia)})
    with pytest.raises(NotPossible, match="Nobody takes a seat that they empty"):
        enclosing.seal(case=case, named=named, reason="x", by=mia, now=NOW)
    enclosing.seal(case=case, named=named._replace(instead={}), reason="x", by=mia, now=NOW)
    seat = seat_of(case, "identity_owner")
    assert seat.party is None
    why = permissions.why_not_sit(mia, again(case), seat, now=NOW)
    assert why == "You handed this seat over: it belongs to another member now."


def test_nobody_joins_a_team_that_signs_break_glass(story: Told, mia: User) -> None:
    for name in ("Platform", "Security"):
        team = Team.objects.create(name=name)
        for user in (story.ines, story.samuel):
            Membership.objects.create(
                team=team, person=person_of(user), during=(NOW, None), recorded_at=NOW
            )
    row = bundles.propose(
        slug="contain", text=json.dumps(DOCUMENT), reason="x", by=story.rita, now=NOW
    )
    assert bundles.sign(bundle=row, by=mia, now=NOW).state == "in_force"
    said = {"people": [{"name": "Mia", "email": "mia@example.org", "team": "Platform"}]}
    registration.register(entries=read("f.json", json.dumps(said)), by=mia, now=NOW)
    assert not Membership.objects.filter(person=mia.person).exists()
    (change,) = ProposedChange.objects.all()
    with pytest.raises(NotAllowed):
        changes.sign(change=change, by=mia, now=NOW)
    assert Bundle.objects.get().state == "in_force"


# --- what keeps evidence, and what keeps it out ----------------------------------------------------


@pytest.fixture
def kept(story: Told) -> Source:
    return Source.objects.get(name="cloudtrail")


def as_reader(user: User) -> Reader:
    return reader(user, now=timezone.now())


def signed(by: User) -> None:
    changes.sign(change=ProposedChange.objects.get(state="proposed"), by=by, now=NOW)


def test_nobody_has_evidence_dropped_by_a_shorter_period(
    kept: Source, mia: User, story: Told
) -> None:
    said: dict[str, Any] = {
        "source": kept,
        "days": 1,
        "reason": "x",
        "by": as_reader(mia),
        "now": NOW,
    }
    with pytest.raises(NotPossibleThere, match="a second person signs this first"):
        custody.set_retention(**said)
    custody.propose_shorter(**said)
    with pytest.raises(NotAllowed, match="You proposed it"):
        signed(mia)
    kept.refresh_from_db()
    assert kept.retention_days > 1
    signed(story.rita)
    kept.refresh_from_db()
    assert kept.retention_days == 1
    # Longer is one person's, at once.
    custody.set_retention(**{**said, "days": 30})


def test_nobody_ends_a_legal_hold_alone(kept: Source, mia: User, story: Told) -> None:
    by = as_reader(mia)
    hold = custody.place_hold(source=kept, reason="a court", by=by, now=NOW)
    with pytest.raises(NotPossibleThere, match="a second person signs the end of a hold first"):
        custody.release_hold(hold=hold, reason="x", by=by, now=NOW)
    custody.propose_release(hold=hold, reason="x", by=by, now=NOW)
    with pytest.raises(NotAllowed, match="You proposed it"):
        signed(mia)
    assert LegalHold.objects.get().released_at is None
    signed(story.rita)
    assert LegalHold.objects.get().released_name == "Mia and Rita"


def test_nobody_has_what_comes_left_out_by_a_keep_filter(
    kept: Source, mia: User, story: Told
) -> None:
    by = as_reader(mia)
    with pytest.raises(NotPossibleThere, match="a second person signs this first"):
        keeping.change(source=kept, text="drop identity *", by=by, now=NOW)
    keeping.propose(source=kept, text="drop identity *", by=by, now=NOW, reason="x")
    with pytest.raises(NotAllowed, match="You proposed it"):
        signed(mia)
    kept.refresh_from_db()
    assert kept.keep_rules == []
    signed(story.rita)
    kept.refresh_from_db()
    assert kept.keep_rules == [["drop", "identity", "*"]]
