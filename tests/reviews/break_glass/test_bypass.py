"""Opened alone when nobody answers: loud, looked back at, dearer next time, and never bolted."""

from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from evidence.models import LedgerEntry
from identities.models import Grant, User
from identities.permissions import NotAllowed, NotPossible
from reviews import visible
from reviews.break_glass import bypassing, comparing, reviewing, rights, sweeping
from reviews.models import BreakGlass, Case, Notice
from reviews.pages import waiting
from tests.reviews.conftest import HOUR, NOW, make_user, person_of

from .conftest import MINUTE, SECOND, Company, approve, asked, at_target, fresh, opened, read
from .test_signing import allowed, told

pytestmark = pytest.mark.django_db
PATIENCE = NOW + 5 * MINUTE


def bypassed(company: Company, now: datetime = NOW, **said: Any) -> Case:
    case = asked(company, now=now, **said)
    return bypassing.bypass(
        factor="totp",
        case=case,
        reason="nobody is there",
        by=company.dana,
        now=now + 5 * MINUTE,
    )


def ended(case: Case, at: datetime) -> Case:
    """Gone at the target, and waiting for somebody to look back at it."""
    at_target(case, "ended", at)
    while sweeping.due_next(now=at):
        pass
    return fresh(case)


def closed(case: Case, by: User, at: datetime, **said: Any) -> Case:
    seen = reviewing.digest(comparing.compare(fresh(case).break_glass, now=at))
    wanted: dict[str, Any] = {"case": case, "by": by, "now": at, "read": seen}
    wanted |= {"kind": "emergency", "words": "matched its reason"}
    return reviewing.close(**wanted | said)


def test_before_the_patience_is_over_nobody_opens_it_alone(company: Company) -> None:
    case = asked(company)
    with pytest.raises(NotAllowed, match=r"Signatures are waited for until 12:05:00 UTC"):
        bypassing.bypass(
            factor="totp", case=case, reason="x", by=company.dana, now=PATIENCE - SECOND
        )
    with pytest.raises(NotAllowed, match="Only who asked"):
        bypassing.bypass(factor="totp", case=case, reason="x", by=company.pia, now=PATIENCE)


def test_opened_alone_it_works_at_once_and_everybody_hears_of_it(
    company: Company, settings: Any
) -> None:
    settings.WEBHOOK_URL = "https://alerts.example.org/hook"
    settings.ALERT_EMAIL = "alarm@example.org"
    case = asked(company)
    assert sweeping.due_next(now=PATIENCE)
    assert not sweeping.due_next(now=PATIENCE)
    assert told(case, "patience") == ["Dana"]
    bypassing.bypass(
        factor="totp", case=case, reason="nobody is there", by=company.dana, now=PATIENCE
    )
    case = fresh(case)
    glass = case.break_glass
    assert (case.state, glass.bypassed_at, glass.dearer) == ("carrying_out", PATIENCE, False)
    assert allowed(company, PATIENCE + SECOND)
    # Every approver that was passed over, who answers for the identity, responders, administrators.
    assert told(case, "bypass") == sorted(
        ["Pia", "Paul", "Sven", "Sara", "Sue", "Bob", "Rex", "Root"]
    )
    sinks = Notice.objects.filter(occasion=f"{case.key} bypass", person__isnull=True)
    assert sorted(sinks.values_list("channel", "address")) == [
        ("mail", "alarm@example.org"),
        ("webhook", "https://alerts.example.org/hook"),
    ]
    entry = LedgerEntry.objects.get(act="break_glass.bypassed")
    assert "Dana opened it alone, with an authenticator code: nobody is there" in entry.words


def test_a_late_signature_is_kept_as_late_and_opens_nothing(company: Company) -> None:
    case = bypassed(company)
    approve(case, company.sara, PATIENCE + MINUTE)
    assert (Grant.objects.count(), fresh(case).state) == (1, "carrying_out")
    assert LedgerEntry.objects.filter(words__contains="Sara approved").get().words.endswith("late")


def test_the_next_bypass_is_dearer_until_somebody_has_looked_back(company: Company) -> None:
    first = bypassed(company)
    later = NOW + 2 * HOUR
    ended(first, later)
    case = asked(company, now=later)
    with pytest.raises(NotAllowed, match=f"Nobody has looked back at {first.key}"):
        bypassing.bypass(
            factor="totp", case=case, reason="x", by=company.dana, now=later + 5 * MINUTE
        )
    # A second person of any team stands beside it; who asked, and their other login, do not.
    for who in (company.dana, make_user("dana3", "reviewer", person=company.dana.person)):
        with pytest.raises(NotAllowed, match="You asked for this"):
            bypassing.vouch(case=case, reason="x", by=who, now=later)
    bypassing.vouch(case=case, reason="she is right", by=company.owen, now=later)
    bypassing.bypass(
        factor="totp", case=case, reason="again", by=company.dana, now=later + 5 * MINUTE
    )
    glass = fresh(case).break_glass
    assert (glass.dearer, glass.vouched_person) == (True, company.owen.person)
    grant = Grant.objects.get(case=case.pk)
    assert grant.ends_at - grant.starts_at == 15 * MINUTE
    assert "dearer because" in LedgerEntry.objects.filter(act="break_glass.bypassed").last().words  # type: ignore[union-attr]  # it is there
    # The identity is blocked by none of it, and ordinary requests are as they were.
    closed(first, company.rita, later + HOUR)
    assert rights.unreviewed(company.dana.person_id) == glass
    ended(case, later + HOUR)
    closed(case, company.rita, later + HOUR)
    third = asked(company, now=later + HOUR)
    bypassing.bypass(
        factor="totp", case=third, reason="third", by=company.dana, now=later + HOUR + 5 * MINUTE
    )
    assert fresh(third).break_glass.dearer is False


def test_nothing_bolts_the_door_where_no_second_person_is_there(company: Company) -> None:
    first = bypassed(company)
    ended(first, NOW + HOUR)
    case = asked(company, now=NOW + HOUR)
    assert fresh(case).break_glass.alone_at == NOW + HOUR + 10 * MINUTE
    bypassing.bypass(
        factor="totp",
        case=case,
        reason="alone again",
        by=company.dana,
        now=NOW + HOUR + 10 * MINUTE,
    )
    grant = Grant.objects.get(case=case.pk)
    assert (fresh(case).break_glass.dearer, grant.ends_at - grant.starts_at) == (
        True,
        15 * MINUTE,
    )


def test_whoever_stands_above_sees_the_dearer_request(company: Company) -> None:
    boss = make_user("boss", "owner")
    person = person_of(company.dana)
    person.manager = boss.person
    person.save()
    first = bypassed(company)
    assert not visible.cases(boss, now=NOW).filter(pk=first.pk).exists()
    ended(first, NOW + HOUR)
    case = asked(company, now=NOW + HOUR)
    assert visible.cases(boss, now=NOW + HOUR).filter(pk=case.pk).exists()
    bypassing.vouch(case=case, reason="go", by=boss, now=NOW + HOUR)
    with pytest.raises(NotAllowed, match="Boss vouches for it already"):
        bypassing.vouch(case=case, reason="go", by=company.rita, now=NOW + HOUR)


def test_nobody_vouches_where_nothing_is_owed(company: Company) -> None:
    case = asked(company)
    with pytest.raises(NotAllowed, match="No second person is needed"):
        bypassing.vouch(case=case, reason="x", by=company.rita, now=NOW)


def test_its_use_is_looked_back_at_by_somebody_else(company: Company) -> None:
    case = bypassed(company)
    with pytest.raises(NotAllowed, match="is carrying out: it is looked at once it has ended"):
        closed(case, company.rita, PATIENCE)
    case = ended(case, NOW + HOUR)
    due = case.break_glass.review_due_at
    assert (case.state, due) == ("in_review", NOW + 25 * HOUR)
    assert told(case, "look back") == ["Paul", "Pia", "Ria", "Sara", "Sven"]
    other = make_user("dana4", "reviewer", person=company.dana.person)
    for who in (company.dana, other):
        with pytest.raises(NotAllowed, match="You used it: somebody else looks back at it"):
            closed(case, who, NOW + HOUR)
    with pytest.raises(IntegrityError), transaction.atomic():
        BreakGlass.objects.filter(pk=case.pk).update(
            reviewed_at=NOW, reviewed_person=company.dana.person
        )
    with pytest.raises(NotPossible, match="Say what it was"):
        closed(case, company.rita, NOW + HOUR, kind="fine")
    with pytest.raises(NotPossible, match="Evidence has come since you read it"):
        closed(case, company.rita, NOW + HOUR, read="0")
    with pytest.raises(NotPossible, match="Say what follows from the misuse"):
        closed(case, company.rita, NOW + HOUR, kind="misuse")
    reviewing.explain(case=case, words="I did what I said", by=company.dana, now=NOW + HOUR)
    closed(case, company.rita, NOW + HOUR, follow_ups=["page Security at night", " "])
    case = fresh(case)
    glass = case.break_glass
    assert (case.state, glass.review, glass.reviewed_person) == (
        "closed",
        "emergency",
        company.rita.person,
    )
    assert glass.follow_ups == ["page Security at night"]
    assert (
        glass.comparison["missing"]
        == "no evidence of it has come: that is not the same as not used"
    )


def test_an_overdue_look_back_is_said_loudly_once_a_day(company: Company) -> None:
    case = ended(bypassed(company), NOW + HOUR)
    due = NOW + 25 * HOUR
    for at in (due, due + MINUTE, due + 24 * HOUR):
        while sweeping.due_next(now=at):
            pass
    occasions = Notice.objects.filter(occasion__contains="overdue", person=company.root.person)
    assert occasions.count() == 2
    assert "their next bypass is dearer" in occasions.first().body  # type: ignore[union-attr]  # it is there
    assert fresh(case).state == "in_review"


def test_it_is_looked_back_at_only_once_the_target_shows_that_it_is_gone(
    company: Company,
) -> None:
    case = opened(company)
    at_target(case, "usable", NOW)
    while sweeping.due_next(now=NOW + 3 * HOUR):
        pass
    assert fresh(case).state == "carrying_out"
    Grant.objects.update(state="failed", who_must_act="x", failed_why="x", ending_at=NOW)
    while sweeping.due_next(now=NOW + 3 * HOUR):
        pass
    assert fresh(case).state == "carrying_out"
    assert ended(case, NOW + 4 * HOUR).state == "in_review"


def test_a_digest_covers_what_is_signed(company: Company) -> None:
    case = asked(company)
    one = read(case)
    approve(case, company.pia, minutes=59)
    assert read(case) != one


def test_a_look_back_waits_in_the_queue_of_whoever_may_look(company: Company) -> None:
    case = ended(bypassed(company), NOW + HOUR)
    later = NOW + 30 * HOUR
    while sweeping.due_next(now=later):
        pass

    def waits(who: User) -> list[tuple[str, str, datetime]]:
        user = User.objects.get(pk=who.pk)
        found = waiting.for_user(user, now=later)
        return [(one.key, one.kind, one.deadline_at) for one in found]

    looks = (company.rita, company.pia, company.sven)
    # Said overdue, and due since the time that was told first.
    row = (case.key, "closer", NOW + 25 * HOUR)
    assert [waits(one) for one in looks] == [[row]] * 3
    others = (company.dana, company.rex, company.otto, company.owen)
    assert [waits(one) for one in others] == [[]] * 4
    Case.objects.update(sealed=True)
    assert [waits(one) for one in looks] == [[]] * 3
    Case.objects.update(sealed=False)
    closed(case, company.sven, later)
    assert [waits(one) for one in looks] == [[]] * 3
