"""A campaign whose worker is killed at random points: everybody is asked once, moved once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import Identity
from reviews.campaigns import launching, steering
from reviews.models import Campaign, CampaignIdentity, CampaignStep, Case, Item, Notice, Rung, Seat
from tests.evidence.killing import dooming

from . import crowd
from .conftest import make_user
from .queues import fill
from .test_campaigns import prepared

IDENTITIES, BATCH, KILLS = 60, 2, 3
MORE = 240  # reviews, so that a step has parts enough to die in
DAY = timedelta(days=1)


@pytest.mark.django_db(transaction=True)
def test_launch_and_step_killed_at_random_points_touch_each_review_once() -> None:
    rita, now = make_user("rita", "reviewer"), timezone.now()
    owners = crowd.people(3)
    crowd.identities(IDENTITIES, owners=owners, of=[], now=now)
    campaign = launching.launch(campaign=prepared(rita, now=now), by=rita, now=now, reason="go")

    def batches_are_whole() -> None:
        opened = Case.objects.count()
        assert opened % BATCH == 0
        assert CampaignIdentity.objects.filter(case__isnull=False).count() == opened
        assert Item.objects.count() == opened * crowd.ITEMS
        # Nobody is asked before all are open.
        assert opened == IDENTITIES or Notice.objects.count() == 0

    names = {"reviews.campaigns.launching.BATCH": BATCH, "reviews.campaigns.steps.PART": 1}
    with dooming(names) as doomed:
        doomed.run(
            "reviews.tasks.campaigns",
            kills=KILLS,
            progress=lambda: Case.objects.count() // BATCH,
            stride=IDENTITIES // BATCH // KILLS - 5,
            between=batches_are_whole,
        )
        of = set(Case.objects.filter(campaign=campaign).values_list("identity", flat=True))
        assert (len(of), of) == (IDENTITIES, set(Identity.objects.values_list("pk", flat=True)))
        assert Case.objects.count() == IDENTITIES
        assert Seat.objects.filter(kind="identity_owner").count() == IDENTITIES
        assert (Notice.objects.count(), LedgerEntry.objects.filter(act="case.opened").count()) == (
            3,
            IDENTITIES,
        )
        assert LedgerEntry.objects.filter(act="campaign.asked").count() == 1

        campaign = Campaign.objects.get()
        before = campaign.deadline_at
        assert before is not None
        fill(MORE, owners=owners, now=now, items=1)
        Case.objects.filter(campaign=None).update(campaign=campaign, deadline_at=before)
        steering.extend(
            campaign=campaign, to=before + DAY, by=rita, now=timezone.now(), reason="holidays"
        )

        def parts_are_whole() -> None:
            step = CampaignStep.objects.get()
            moved = Case.objects.filter(deadline_at=before + DAY).count()
            assert moved == step.done
            assert Case.objects.filter(deadline_at=before).count() == IDENTITIES + MORE - moved

        doomed.run(
            "reviews.tasks.campaigns",
            kills=KILLS,
            progress=lambda: CampaignStep.objects.get().done,
            # A part is over sooner than anybody looks: a few go by before the signal comes.
            stride=(IDENTITIES + MORE) // KILLS - 50,
            between=parts_are_whole,
        )
    assert CampaignStep.objects.get().ended_at is not None
    assert Campaign.objects.get().moving is False
    assert set(Case.objects.values_list("deadline_at", flat=True)) == {before + DAY}
    due = Rung.objects.filter(does="due").values_list("at", flat=True)
    assert (len(due), set(due)) == (IDENTITIES, {before + DAY})
