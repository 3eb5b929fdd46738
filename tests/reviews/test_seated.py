"""Seats that were nobody's: whoever becomes the owner sits there, however they became it."""

from typing import Any

import pytest
from django.test import Client

from evidence.models import LedgerEntry
from identities.acting import COMMAND
from identities.actions import registration
from identities.models import Identity, Service
from identities.register import read
from reviews import actions
from reviews.actions import clock
from reviews.models import Case, Notice, Seat
from reviews.succession import vacant

from . import crowd
from .conftest import HOUR, NOW, Told, make_user, party, seat_of
from .owning import put_in_force, team
from .test_campaigns import launched

pytestmark = pytest.mark.django_db


def unowned(story: Told, **more: Any) -> Case:
    Identity.objects.filter(pk=story.identity.pk).update(
        owner=None, backup=None, sponsor=None, state="draft"
    )
    story.identity.refresh_from_db()
    return actions.open_review(
        identity=story.identity, by=story.rita, now=NOW, reason="yearly", **more
    )


def sweep(now: Any = NOW + HOUR) -> int:
    steps = 0
    while vacant.refill_next(now=now):
        steps += 1
        assert steps < 20, "the same seat is found for ever"
    return steps


def own(story: Told, who: Any) -> None:
    Identity.objects.filter(pk=story.identity.pk).update(owner=who)


def test_who_becomes_owner_sits_and_is_asked(story: Told) -> None:
    case = unowned(story)
    assert seat_of(case, "identity_owner").party is None
    shop = team("Shop", make_user("jonas", "owner"))
    own(story, shop)
    assert sweep() == 1
    seat = seat_of(case, "identity_owner")
    assert (seat.party, seat.since) == (shop, NOW + HOUR)
    entry = LedgerEntry.objects.get(act="seat.taken")
    assert entry.words == (
        f"The seat of the identity owner in {case.key} was nobody's and is Shop's now: Shop answers"
        " for it"
    )
    told = Notice.objects.filter(case=case.pk, person__name="Jonas")
    assert [one.subject for one in told] == [f"{case.key}: its review waits for you now"]
    # Their silence counts from when that reached them, whatever was sent before.
    told.update(sent_at=NOW + 2 * HOUR)
    Notice.objects.filter(person__name="Samuel").update(sent_at=NOW)
    case.refresh_from_db()
    assert clock.read(case, now=NOW + 3 * HOUR).clock.since == NOW + 2 * HOUR
    assert sweep() == 0


def test_an_owner_by_registration_has_it_in_the_queue_and_the_campaigns_count(
    story: Told, client: Client
) -> None:
    case = unowned(story)
    registration.register(
        entries=read("x.yaml", "identities: [{name: svc-report, owner: ines@example.org}]"),
        by=COMMAND,
        now=NOW,
    )
    sweep()
    client.force_login(story.ines)
    page = client.get("/queue/").content.decode()
    assert f"/cases/{case.key}/" in page
    said = client.get(f"/api/cases/{case.key}/").json()
    assert [one["party"] for one in said["seats"] if one["kind"] == "identity_owner"] == ["Ines"]


def test_an_owner_who_may_not_sit_is_looked_at_once(story: Told) -> None:
    """Samuel signs as the AI system's owner: one person never signs two seats."""
    case = unowned(story)
    own(story, party(story.samuel))
    assert (sweep(), sweep()) == (1, 0)
    assert seat_of(case, "identity_owner").party is None
    own(story, party(story.ines))
    sweep()
    assert seat_of(case, "identity_owner").party == party(story.ines)


def test_an_ai_systems_owner_sits_as_well(story: Told) -> None:
    Service.objects.update(ai_owner=None)
    case = actions.open_review(
        identity=Identity.objects.select_related("service").get(),
        by=story.rita,
        now=NOW,
        reason="y",
    )
    assert seat_of(case, "ai_owner").party is None
    Service.objects.update(ai_owner=party(story.samuel))
    sweep()
    assert seat_of(case, "ai_owner").party == party(story.samuel)


def test_a_policy_that_asks_others_goes_on_asking_them(story: Told) -> None:
    policy = put_in_force("agents", seats={"identity_owner": ["backup"]}, scope={})
    case = unowned(story, policy=policy)
    own(story, party(story.ines))
    sweep()
    assert seat_of(case, "identity_owner").party is None


def test_what_somebody_has_signed_or_closed_stays(story: Told) -> None:
    case = unowned(story)
    Seat.objects.filter(case=case, kind="identity_owner").update(person=story.rita.person)
    own(story, party(story.ines))
    assert sweep() == 0
    Seat.objects.filter(case=case).update(person=None)
    Case.objects.filter(pk=case.pk).update(state="closed", closed_at=NOW)
    assert sweep() == 0


def test_a_campaign_tells_each_once_of_all_that_is_theirs_now(story: Told) -> None:
    made = crowd.identities(3, owners=[], of=[])
    campaign = launched(story.rita)
    seats = Seat.objects.filter(case__identity__in=made, kind="identity_owner")
    assert seats.filter(party=None).count() == 3
    Identity.objects.filter(pk__in=[one.pk for one in made]).update(owner=party(story.ines))
    before = Notice.objects.count()
    sweep()
    assert set(seats.values_list("party__person__name", flat=True)) == {"Ines"}
    rows = list(Notice.objects.order_by("created_at", "pk"))[before:]
    assert [(str(one.person), one.campaign, one.subject) for one in rows] == [
        ("Ines", campaign.pk, "3 reviews of what you answer for now")
    ]
