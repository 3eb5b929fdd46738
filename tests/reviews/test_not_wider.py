"""Signing what was imported makes nothing wider: no question follows from it, and no empty sentence."""

from datetime import timedelta
from typing import Any

import pytest

from identities.models import DelegationVersion
from reviews import actions
from reviews.micro_reviews import TRIGGERS, Asked
from reviews.models import Case, Trigger
from reviews.triggers import facts

from .conftest import DAY, HOUR, NOW, Told

pytestmark = pytest.mark.django_db
ASKED = Asked(hours=TRIGGERS["wider_delegation"].hours, days=0)


def test_keeping_an_imported_delegation_is_no_event(story: Told, case: Case, sign: Any) -> None:
    for kind in ("delegation", "credential"):
        sign(case, kind, story.ines, "keep", now=NOW + HOUR)
        sign(case, kind, story.samuel, "keep", seat="ai_owner", now=NOW + HOUR)
    while actions.carry_out_next(now=NOW + 2 * HOUR):
        pass
    # The stretch before the signatures is a row of its own, unsigned as it was.
    rows = DelegationVersion.objects.filter(delegation=story.delegation, superseded_at=None)
    assert set(rows.values_list("signed", flat=True)) == {False, True}
    assert facts.find("wider_delegation", ASKED, now=NOW + DAY) == 0
    assert not Trigger.objects.exists()


def test_what_is_imported_anew_and_not_wider_is_known_and_says_so(story: Told, case: Case) -> None:
    Case.objects.filter(pk=case.pk).update(state="closed", decided_at=NOW, closed_at=NOW)
    old = DelegationVersion.objects.get(delegation=story.delegation)
    old.superseded_at = NOW + HOUR
    old.save(update_fields=["superseded_at"])
    DelegationVersion.objects.create(
        delegation=story.delegation,
        version=2,
        state="in_force",
        imported=True,
        actions=["s3:GetObject"],
        resources=["invoices/*"],
        during=(NOW - DAY, NOW + timedelta(days=9)),
        recorded_at=NOW + HOUR,
        by="command",
    )
    assert facts.find("wider_delegation", ASKED, now=NOW + DAY) == 1
    row = Trigger.objects.get()
    assert (row.state, row.known_why) == ("known", "it is no wider than when it was reviewed")
    assert row.words.endswith("and no wider than at the review of 24 Nov 2026.")
    assert facts.find("wider_delegation", ASKED, now=NOW + DAY) == 0
