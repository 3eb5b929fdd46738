"""Services that nobody takes over: their reviews are opened once, for the sponsor, else the team."""

from datetime import timedelta
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.claims import counting
from identities.models import Claim, ClaimRefusal, Identity, Service
from reviews.models import Case, Notice, Seat
from reviews.succession import untaken
from reviews.tasks import owners

from .conftest import NOW, make_user, party
from .owning import team

pytestmark = pytest.mark.django_db


def passed_on(slug: str, many: int = 2, mode: str = "ask", **said: Any) -> Service:
    """So many things of one service that all who were asked have refused."""
    row, _ = Service.objects.get_or_create(slug=slug, defaults={"name": slug.upper()} | said)
    for at in range(many):
        identity = Identity.objects.create(
            name=f"{slug}-{mode}-{at}", kind="workload", service=row, mode=mode, created_at=NOW
        )
        Claim.objects.create(
            identity=identity,
            service=row,
            bundle=f"service:{slug}",
            passed=1,
            opened_at=NOW,
            looked_at=NOW,
        )
    return row


def seats() -> set[str]:
    rows = Seat.objects.filter(kind="identity_owner").select_related(
        "party__person", "party__team", "backup__person", "backup__team"
    )
    return {str(seat.party or seat.backup) for seat in rows}


def test_reviews_of_a_service_that_nobody_takes_are_opened_once_for_its_sponsor() -> None:
    passed_on("crm", sponsor=party(make_user("sara")))
    assert [untaken.open_next(now=NOW) for _ in range(2)] == [True, False]
    cases = Case.objects.order_by("title")
    assert [(one.title, one.state) for one in cases] == [
        ("Access review: crm-ask-0", "open"),
        ("Access review: crm-ask-1", "open"),
    ]
    assert {one.reason for one in cases} == {
        (
            "Nobody takes CRM over: all who were asked whether it is theirs said no, or gave no answer"
            " in time. Say what becomes of it."
        )
    }
    assert seats() == {"Sara"}
    assert list(Notice.objects.values_list("person__name", "subject")) == [
        ("Sara", "CRM: nobody takes it over")
    ]
    assert list(
        LedgerEntry.objects.filter(act="claims.untaken")
        .order_by("pk")
        .values_list("subject", "words")
    ) == [("service:crm", "Nobody takes CRM over: 2 reviews opened")]
    assert [(one.bundle, one.reviewed_at) for one in counting.nobody()] == [("service:crm", NOW)]
    # Once: a review that ends without an owner is not opened again by the claim.
    cases.update(state="closed", closed_at=NOW)
    assert untaken.open_next(now=NOW + timedelta(days=30)) is False


def test_without_a_sponsor_the_team_that_was_asked_sits() -> None:
    passed_on("crm")
    pia, left = make_user("pia"), make_user("lea")
    asked, gone = team("Payments", pia), team("Empty", left)
    assert left.person is not None
    left.person.left_at = NOW
    left.person.save()
    for identity in Identity.objects.all():
        for one in (party(pia), gone):
            ClaimRefusal.objects.create(identity=identity, party=one, at=NOW)
    untaken.open_next(now=NOW)
    assert (seats(), str(asked)) == ({"Payments"}, "Payments")


@pytest.mark.parametrize(
    ("change", "opened"),
    [
        ({}, True),
        ({"passed": 0}, False),  # nobody was ever asked about it
        ({"state": "gone"}, False),
        ({"state": "open", "party": "other"}, False),  # somebody is asked
        ({"reviewed_at": NOW}, False),
    ],
)
def test_untaken_is_what_all_who_were_asked_have_refused(
    change: dict[str, Any], opened: bool
) -> None:
    passed_on("crm", many=1)
    said = change | ({"party": party(make_user("other"))} if "party" in change else {})
    Claim.objects.update(**said)
    assert untaken.open_next(now=NOW) is opened


def test_one_thing_that_somebody_is_asked_about_keeps_the_service_from_its_review() -> None:
    passed_on("crm")
    asked = Claim.objects.order_by("pk")[0]
    asked.party = party(make_user("pia"))
    asked.save()
    assert untaken.open_next(now=NOW) is False
    Claim.objects.filter(pk=asked.pk).update(party=None)
    assert untaken.open_next(now=NOW) is True


def test_scope_that_only_observes_is_left_until_it_is_asked() -> None:
    row = passed_on("crm", many=1, mode="observe")
    assert (untaken.open_next(now=NOW), Case.objects.count()) == (False, 0)
    Identity.objects.filter(service=row).update(mode="ask")
    assert (untaken.open_next(now=NOW), Case.objects.count()) == (True, 1)


def test_more_than_one_batch_is_opened_in_parts_and_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(untaken, "AT_ONCE", 2)
    passed_on("crm", many=3, sponsor=party(make_user("sara")))
    assert [untaken.open_next(now=NOW) for _ in range(3)] == [True, True, False]
    assert (Case.objects.count(), Notice.objects.count()) == (3, 1)


def test_the_worker_opens_them() -> None:
    passed_on("crm", many=1)
    assert (owners(), Case.objects.count(), owners()) == (1, 1, 0)
