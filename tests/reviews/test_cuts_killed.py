"""Workers that die in the middle of cutting, and two at once: each deadline is done whole, once."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import DelegationVersion, Identity, Revocation
from reviews import actions
from reviews.actions import deadlines
from reviews.models import Case, Item
from tests.evidence.killing import dooming

from . import crowd, silent
from .test_races import together

pytestmark = pytest.mark.django_db(transaction=True)
EACH, BATCH, KILLS = 15, 2, 3
# What silence does, and the door of its cases.
CUTS = {
    "deny": "access_request",
    "narrow": "access_review",
    "suspend": "access_review",
    "revoke": "access_review",
}


def plant(now: datetime) -> list[Case]:
    """So many cases of each consequence, due a day ago."""
    opened = now - silent.WITHIN - timedelta(days=1)
    source = silent.at_work(opened=opened, until=now + timedelta(days=1))
    parties = crowd.people(4)
    return [
        case
        for silence, door in CUTS.items()
        for case in silent.cases(
            EACH, silence=silence, door=door, parties=parties, source=source, opened=opened
        )
    ]


def whole() -> dict[str, int]:
    """How many cases of each consequence are done, each with everything that belongs to it."""
    done = Case.objects.filter(silence_done_at__isnull=False)
    many = Counter(done.values_list("silence", flat=True))
    said = (
        LedgerEntry.objects.filter(act="case.silence")
        .order_by("pk")
        .values_list("subject", flat=True)
    )
    assert sorted(said) == sorted(case.key for case in done)
    steps = Counter(Revocation.objects.values_list("step", "system"))
    assert steps == Counter(
        {
            ("suspend", "countersign"): many["suspend"],
            ("hold", "aws"): 2 * many["suspend"],
            ("revoke", "aws"): 2 * many["revoke"],
        }
    )
    assert Identity.objects.filter(state="suspended").count() == many["suspend"]
    items = Counter(Item.objects.exclude(outcome="").values_list("outcome", flat=True))
    assert items == Counter(
        {"deny": 3 * many["deny"], "narrow": 2 * many["narrow"], "revoke": 4 * many["revoke"]}
    )
    gone = Item.objects.filter(carried_out_at__isnull=False).count()
    assert gone == items["revoke"] + items["narrow"]
    ended = DelegationVersion.objects.filter(revoked_at__isnull=False).count()
    assert ended == 2 * many["revoke"]
    decided = Case.objects.filter(state="decided")
    assert decided.count() == many["revoke"] + many["deny"]
    return dict(many)


def test_cuts_killed_at_random_points_are_done_whole_and_once() -> None:
    plant(timezone.now())
    with dooming({"reviews.actions.deadlines.MOST": BATCH}) as doomed:
        doomed.run(
            "reviews.tasks.deadlines",
            kills=KILLS,
            progress=lambda: Case.objects.filter(silence_done_at__isnull=False).count() // BATCH,
            stride=len(CUTS) * EACH // BATCH // KILLS - 3,
            between=whole,
        )
    assert whole() == dict.fromkeys(CUTS, EACH)


def test_two_workers_cut_each_once_and_a_second_sweep_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadlines, "MOST", BATCH)
    now = timezone.now()
    plant(now)

    def drain() -> int:
        steps = 0
        while actions.deadlines_next(now=now):
            steps += 1
        return steps

    assert min(together(drain, drain)) > 0
    assert whole() == dict.fromkeys(CUTS, EACH)
    rows = Revocation.objects.count()
    assert (drain(), Revocation.objects.count()) == (0, rows)
