"""Replacing a delegation by a date: it ends by its stored end, with what was passed on from it."""

import pytest

from evidence.models import LedgerEntry
from identities.models import Delegation, DelegationVersion
from reviews import actions
from reviews.models import Case

from .conftest import DAY, HOUR, NOW, Told, item_of
from .test_deciding import Sign, actions_in_force

pytestmark = pytest.mark.django_db
END = NOW + 3 * DAY
PLAN = {"plan": "a narrower one", "control": "one address only", "by": END}


def decided(story: Told, sign: Sign, case: Case, *, later: bool = False) -> None:
    """Both replace it, one of them by a later date."""
    for user, seat in ((story.ines, "identity_owner"), (story.samuel, "ai_owner")):
        by = {"by": END + DAY} if later and user is story.samuel else {}
        sign(case, "delegation", user, "replace", seat=seat, proposal=PLAN | by)
        sign(case, "credential", user, "keep", seat=seat)


def carry(now: object) -> str:
    while actions.carry_out_next(now=now):  # type: ignore[arg-type]  # a moment
        pass
    return Case.objects.get().state


def test_it_ends_on_its_date_whether_a_worker_runs_or_not(
    story: Told, case: Case, sign: Sign
) -> None:
    decided(story, sign, case, later=True)
    assert carry(NOW + HOUR) == "carrying_out"
    item = item_of(case, "delegation")
    assert (item.due_at, item.carried_words) == (
        END,
        f"{story.delegation.key} ends on 27 Nov 2026 12:00 UTC, when it has to be replaced",
    )
    # The earlier of two dates, by what is stored: nothing has run since.
    row = DelegationVersion.objects.get(
        delegation=story.delegation, superseded_at=None, during__contains=NOW + DAY
    )
    assert (row.during.upper, row.signed, row.imported) == (END, True, False)
    assert actions_in_force(story, NOW - HOUR) == actions_in_force(story, NOW + DAY)
    assert actions_in_force(story, END) == []
    assert carry(END) == "closed"
    assert LedgerEntry.objects.get(act="item.plan_due").at == END
    words = f"{story.delegation.key} has ended as planned"
    assert item_of(case, "delegation").carried_words == words


def test_what_was_passed_on_ends_with_it(story: Told, case: Case, sign: Sign) -> None:
    above = DelegationVersion.objects.get(delegation=story.delegation, superseded_at=None)
    child = Delegation.objects.create(
        grantee=story.identity, slug="child", parent=story.delegation, created_at=NOW
    )
    child.refresh_from_db()
    above.pk, above.delegation = None, child
    above.save(force_insert=True)
    decided(story, sign, case)
    carry(NOW + HOUR)
    standing = DelegationVersion.objects.filter(delegation=child, superseded_at=None)
    assert standing.filter(during__contains=NOW + DAY, revoked_at=None).exists()
    assert not standing.filter(during__contains=END, revoked_at=None).exists()


def test_an_end_of_its_own_that_is_earlier_stays(story: Told, case: Case, sign: Sign) -> None:
    rows = DelegationVersion.objects.filter(delegation=story.delegation, superseded_at=None)
    row = rows.get()
    row.during = (row.during.lower, NOW + DAY)
    row.save()
    decided(story, sign, case)
    carry(NOW + HOUR)
    found = rows.filter(during__contains=NOW + 2 * HOUR).get()
    assert found.during.upper == NOW + DAY


def test_what_is_critical_is_ended_by_a_person(story: Told, case: Case, sign: Sign) -> None:
    story.identity.criticality = "critical"
    story.identity.save(update_fields=["criticality"])
    decided(story, sign, case)
    carry(END + HOUR)
    assert actions_in_force(story, END + HOUR) != []
    assert item_of(case, "delegation").carried_words == (
        "its date has come; critical, so a person has to end it"
    )
    actions.carry_again(case=case, by=story.ines, now=END + HOUR)
    assert actions_in_force(story, END + HOUR) == []
