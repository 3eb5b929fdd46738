"""Workers that die in the middle of carrying out, and two at once: each outcome once."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import DelegationVersion, Revocation
from reviews import actions
from reviews.actions import carrying
from reviews.models import Case, Item
from tests.evidence.killing import dooming

from . import crowd, decided, silent
from .conftest import make_user
from .test_races import together

pytestmark = pytest.mark.django_db(transaction=True)
MANY, BATCH, KILLS = 40, 2, 3


def plant(now: datetime) -> list[Case]:
    """So many decided cases, the odd ones with a key that is replaced by a date."""
    opened = now - timedelta(days=2)
    source = silent.at_work(opened=opened, until=now + timedelta(days=1))
    parties = crowd.people(4)
    cases = silent.cases(MANY, silence="revoke", parties=parties, source=source, opened=opened)
    decided.decide(cases, by=make_user("signer"), at=now - timedelta(hours=1))
    return cases


def whole() -> int:
    """How many cases have gone out, each with everything that belongs to it, and once."""
    out = Case.objects.exclude(state="decided")
    said = LedgerEntry.objects.filter(act__in=["item.carried_out", "item.waits"])
    items = Item.objects.filter(case__in=out)
    assert sorted(said.values_list("data__item", flat=True)) == sorted(
        str(pk) for pk in items.values_list("pk", flat=True)
    )
    words = Item.objects.exclude(carried_words="")
    assert sorted(words.values_list("pk")) == sorted(items.values_list("pk"))
    did = Counter(items.values_list("outcome", flat=True))
    assert Revocation.objects.filter(step="revoke").count() == sum(
        one.kind == "credential" and one.outcome == "revoke" for one in items
    )
    ended = DelegationVersion.objects.filter(revoked_at__isnull=False)
    assert ended.count() == sum(
        one.kind == "delegation" and one.outcome == "revoke" for one in items
    )
    kept = DelegationVersion.objects.filter(signed=True, superseded_at=None)
    assert kept.count() == did["narrow"] + sum(
        one.kind == "delegation" and one.outcome == "keep" for one in items
    )
    return out.count()


def test_killed_at_random_points_each_outcome_is_carried_out_once() -> None:
    plant(timezone.now())
    with dooming({"reviews.actions.carrying.MOST": BATCH}) as doomed:
        doomed.run(
            "reviews.tasks.carry_out",
            kills=KILLS,
            progress=lambda: Case.objects.exclude(state="decided").count() // BATCH,
            stride=MANY // BATCH // KILLS - 2,
            between=whole,
        )
    assert whole() == MANY


def test_two_workers_carry_out_each_once_and_a_second_sweep_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(carrying, "MOST", BATCH)
    now = timezone.now()
    plant(now)

    def drain() -> int:
        steps = 0
        while actions.carry_out_next(now=now):
            steps += 1
        return steps

    assert min(together(drain, drain)) > 0
    assert whole() == MANY
    rows = (Revocation.objects.count(), LedgerEntry.objects.count())
    assert (drain(), (Revocation.objects.count(), LedgerEntry.objects.count())) == (0, rows)
