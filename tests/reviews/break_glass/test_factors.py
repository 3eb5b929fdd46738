"""Opened alone by a second factor: a day old or dearer, never impossible, and always written down."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator

from evidence.models import LedgerEntry
from identities.models import Grant, User
from identities.permissions import NotAllowed
from reviews.break_glass import bypassing, sweeping
from reviews.models import BreakGlass, Notice
from tests.reviews.conftest import NOW

from .conftest import MINUTE, SECOND, Company, asked, fresh

pytestmark = pytest.mark.django_db
PATIENCE, ALONE = NOW + 5 * MINUTE, NOW + 10 * MINUTE
DAY = timedelta(days=1)


def opens(case: Any, by: User, now: Any, factor: str = "") -> BreakGlass:
    bypassing.bypass(case=case, reason="nobody is there", by=by, now=now, factor=factor)
    return fresh(case).break_glass


def lasting(case: Any) -> timedelta:
    grant = Grant.objects.get(case=case.pk)
    return grant.ends_at - grant.starts_at


@pytest.mark.parametrize("factor", ["", "password", "sealed_code"])
def test_who_has_one_opens_nothing_without_it(company: Company, factor: str) -> None:
    case = asked(company)
    for at in (PATIENCE, ALONE):
        with pytest.raises(NotAllowed, match="Give your second factor first"):
            opens(case, company.dana, at, factor)
    assert not Grant.objects.exists()


@pytest.mark.parametrize("factor", ["totp", "webauthn", "recovery_codes"])
def test_with_it_it_costs_nothing_more_and_is_written_down(company: Company, factor: str) -> None:
    case = asked(company)
    glass = opens(case, company.dana, PATIENCE, factor)
    assert (glass.factor, glass.dearer, lasting(case)) == (factor, False, 60 * MINUTE)
    assert LedgerEntry.objects.get(act="break_glass.bypassed").data["factor"] == factor


@pytest.mark.parametrize("since", [None, ALONE - DAY + SECOND, PATIENCE])
def test_without_one_that_is_a_day_old_it_is_dearer_and_said_to_everybody(
    company: Company, since: Any
) -> None:
    # A stolen password can add one: what is new proves no more than the password.
    factors = Authenticator.objects.filter(user=company.dana)
    factors.delete() if since is None else factors.update(created_at=since)
    case = asked(company)
    assert sweeping.due_next(now=PATIENCE)
    told = Notice.objects.get(occasion=f"{case.key} patience", channel="mail")
    assert "You have no second factor that is a day old: a second person vouches" in told.body
    with pytest.raises(NotAllowed, match="a second person vouches for this one"):
        opens(case, company.dana, PATIENCE, "totp")
    glass = opens(case, company.dana, ALONE, "totp")
    assert (glass.factor, glass.dearer, lasting(case)) == ("", True, 15 * MINUTE)
    entry = LedgerEntry.objects.get(act="break_glass.bypassed")
    assert "WITHOUT a second factor" in entry.words
    subjects = set(
        Notice.objects.filter(occasion=f"{case.key} bypass").values_list("subject", flat=True)
    )
    assert subjects == {f"{case.key}: Dana opened it alone, without a second factor"}


def test_who_cannot_use_it_says_so_and_goes_the_dearer_way(company: Company) -> None:
    case = asked(company)
    bypassing.go_without(case=case, reason="the phone is dead", by=company.dana, now=NOW)
    with pytest.raises(NotAllowed, match="No second factor is asked for"):
        bypassing.go_without(case=case, reason="again", by=company.dana, now=NOW)
    with pytest.raises(NotAllowed, match="You said that you cannot use your second factor"):
        opens(case, company.dana, PATIENCE)
    bypassing.vouch(case=case, reason="I hear her", by=company.owen, now=PATIENCE)
    glass = opens(case, company.dana, PATIENCE)
    assert (glass.dearer, glass.factor, lasting(case)) == (True, "", 15 * MINUTE)
    assert LedgerEntry.objects.filter(act="break_glass.factorless").count() == 1
    # Said of this case: the next one asks for it again.
    assert glass.factorless_at == NOW
