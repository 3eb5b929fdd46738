"""In a change freeze silence cuts nothing: a named person is asked, and afterwards as well."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities import decisions
from identities.actions import credentials
from identities.models import DelegationVersion, Identity, Person, Revocation, User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, freezes
from reviews.actions import deadlines, freezing
from reviews.models import Case, Freeze, Notice, Rung

from .conftest import DAY, HOUR, NOW, Told, item_of, make_user, person_of
from .test_brake import opened as crowd_opened
from .test_outages import ends
from .test_policy_versions import put_in_force
from .test_rungs import LADDER, at, away, everything_until, opened, state, told

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
ACCOUNTS: dict[str, Any] = {"kinds": ["service_account"]}


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada", "administrator")


@pytest.fixture
def rex(db: None) -> User:
    return make_user("rex", "responder")


def proposed(by: User, asked: User, begins: float, ends: float, **said: Any) -> Freeze:
    return freezing.propose(
        scope=said.pop("scope", ACCOUNTS),
        since=at(begins),
        until=at(ends),
        asked=person_of(asked),
        reason="year end",
        by=by,
        now=NOW,
        **said,
    )


def frozen(story: Told, ada: User, asked: User, begins: float, ends: float, **said: Any) -> Freeze:
    row = proposed(story.rita, asked, begins, ends, **said)
    return freezing.sign(freeze=row, by=ada, now=NOW)


def held() -> list[tuple[str, str | None]]:
    rows = Rung.objects.filter(state="held").order_by("at", "pk").select_related("freeze")
    return [(one.does, None if one.freeze is None else one.freeze.key) for one in rows]


@pytest.mark.parametrize("does", ["narrow", "suspend", "revoke"])
@pytest.mark.parametrize("when", ["at the deadline", "after it"])
def test_each_cut_walks_through_a_freeze(
    story: Told, ada: User, rex: User, does: str, when: str
) -> None:
    """Not in the freeze, not at its end, not ever by the clock; a person releases it."""
    hours = 168 if when == "at the deadline" else 216
    case = opened(story, [(does, hours)])
    row = frozen(story, ada, rex, 160, 240)
    for hour in (*range(144, 312, 24), 1_000):
        everything_until(at(hour))
    assert (held(), state(story)) == ([(does, row.key)], "active")
    assert not Revocation.objects.exists()
    assert set(case.items.values_list("outcome", flat=True)) == {""}
    one = Rung.objects.get(state="held")
    assert one.held_why == (
        f"{row.key} holds until 4 Dec 2026 12:00 UTC (year end): Rex is asked instead."
    )
    # Whoever is named is told beside those above, which freeze it is and until when.
    assert told(case, f"held {does} {at(hours).isoformat()}") == ["Leila", "Marek", "Rex"]
    mail = Notice.objects.get(occasion__contains=f"held {does}", person=rex.person)
    assert one.held_why in mail.body
    entry = LedgerEntry.objects.get(act="case.rung_held")
    assert (entry.recorded_at, entry.words.endswith(one.held_why)) == (at(hours), True)
    actions.release(case=case, by=rex, now=at(1_001), reason="it is over")
    everything_until(at(1_001))
    cut = item_of(case, "credential").outcome, item_of(case, "delegation").outcome, state(story)
    assert (
        cut
        == {
            "narrow": ("", "narrow", "active"),
            "suspend": ("", "", "suspended"),
            "revoke": ("revoke", "revoke", "active"),
        }[does]
    )


def test_a_ladder_goes_on_in_a_freeze_with_all_that_cuts_nothing(
    story: Told, ada: User, rex: User
) -> None:
    case = opened(story, LADDER)
    row = frozen(story, ada, rex, 0, 400)
    for hour in (24, 100, 144, 168, 200, 216, 264, 360):
        everything_until(at(hour))
    done = case.rungs.filter(state="done").order_by("at", "pk").values_list("does", flat=True)
    assert list(done) == ["remind", "tell", "add", "due", "replace", "remind"]
    assert (held()[0], state(story)) == (("narrow", row.key), "active")
    assert [does for does, _ in held()] == ["narrow", "suspend", "revoke"]


def test_what_a_person_releases_in_a_freeze_happens(story: Told, ada: User, rex: User) -> None:
    case = opened(story, [("suspend", 216)])
    frozen(story, ada, rex, 200, 400)
    for hour in (168, 216):
        everything_until(at(hour))
    assert state(story) == "active"
    actions.release(case=case, by=rex, now=at(230), reason="it is being misused")
    everything_until(at(231))
    assert state(story) == "suspended"


@pytest.mark.parametrize(
    ("begins", "ends", "cut"),
    [(0, 215.9, True), (216.1, 300, True), (215.9, 216.1, False), (216, 217, False)],
)
def test_a_freeze_holds_what_comes_due_in_it(
    story: Told, ada: User, rex: User, begins: float, ends: float, cut: bool
) -> None:
    opened(story, [("suspend", 216)])
    frozen(story, ada, rex, begins, ends)
    for hour in (168, 216, 500):
        everything_until(at(hour))
    assert state(story) == ("suspended" if cut else "active")


def test_a_late_sweep_neither_cuts_in_a_freeze_nor_what_came_due_in_one(
    story: Told, ada: User, rex: User
) -> None:
    opened(story, [("suspend", 216), ("revoke", 300)])
    row = frozen(story, ada, rex, 217, 218)
    everything_until(at(168))
    # Due before it, looked at in it: not then.
    everything_until(at(217.5))
    assert (held(), state(story)) == ([("suspend", row.key)], "active")
    after = frozen(story, ada, rex, 299, 301)
    Rung.objects.filter(does="suspend").update(state="dropped")
    # Due in it, looked at after it.
    everything_until(at(310))
    assert held() == [("revoke", after.key)]


def test_what_is_outside_its_scope_is_cut(story: Told, ada: User, rex: User) -> None:
    opened(story, [("suspend", 168)])
    frozen(story, ada, rex, 0, 400, scope={"kinds": ["agent"]})
    everything_until(at(168))
    assert state(story) == "suspended"


def test_a_freeze_that_is_ended_holds_nothing_new_and_lets_nothing_go(
    story: Told, ada: User, rex: User
) -> None:
    case = opened(story, [("suspend", 168), ("revoke", 264)])
    row = frozen(story, ada, rex, 0, 400, scope={})
    everything_until(at(168))
    row = freezing.end(freeze=row, reason="the move is done", by=story.rita, now=at(170))
    assert (row.over_at, row.until, row.state) == (at(170), at(400), "ended")
    everything_until(at(260))
    assert (held(), state(story)) == ([("suspend", row.key)], "active")
    actions.drop(case=case, by=rex, now=at(261), reason="not needed")
    everything_until(at(265))
    assert item_of(case, "credential").outcome == "revoke"
    said = LedgerEntry.objects.filter(subject=row.key).order_by("pk").values_list("act", "words")
    what = (
        f"{row.key}: Every identity, from 24 Nov 2026 12:00 UTC to 11 Dec 2026 04:00 UTC,"
        " Rex is asked instead: year end"
    )
    assert list(said) == [
        ("freeze.proposed", f"Rita proposed {what}"),
        ("freeze.signed", f"Ada signed {what}"),
        ("freeze.ended", f"Rita ended {row.key} early: the move is done"),
    ]


def test_ends_of_granted_access_are_not_held(story: Told, ada: User, rex: User, case: Case) -> None:
    """A key and a grant end at their own time, in the middle of a freeze of everything."""
    frozen(story, ada, rex, 0, 600, scope={})
    name = ends(story, 230, 1)
    credentials.expire_next(now=at(231))
    entry = LedgerEntry.objects.get(act="credential.expired")
    assert (entry.subject, entry.at) == (name, at(230))
    DelegationVersion.objects.update(signed=True, case=case.pk)
    asked = decisions.Question("svc-report", "s3:GetObject", "invoices/1.pdf")
    end = NOW + 9 * DAY
    allowed = [decisions.decide(asked, now=moment).allowed for moment in (end - HOUR, end)]
    assert allowed == [True, False]


def test_an_outage_and_a_freeze_hold_it_once(story: Told, ada: User, rex: User) -> None:
    opened(story, [("suspend", 216)])
    frozen(story, ada, rex, 200, 300)
    everything_until(at(168))
    away(at(210), at(234))
    for hour in (234, 500):
        everything_until(at(hour))
    assert held() == [("suspend", None)]
    assert state(story) == "active"


def test_what_was_released_before_anybody_knew_of_a_freeze_is_held_by_it_once(
    story: Told, ada: User, rex: User
) -> None:
    """An outage held it; who releases it was told of that, and not of the freeze that holds now."""
    case = opened(story, [("suspend", 216)])
    row = frozen(story, ada, rex, 240, 400)
    everything_until(at(168))
    away(at(210), at(234))
    everything_until(at(234))
    assert held() == [("suspend", None)]
    actions.release(case=case, by=story.rita, now=at(250), reason="we were away")
    everything_until(at(251))
    assert (held(), state(story)) == ([("suspend", row.key)], "active")
    held_at = Rung.objects.get(does="suspend").at
    assert "Rex" in told(case, f"held suspend {held_at.isoformat()}")
    # Released again, by who has read of the freeze; one more that holds as well changes nothing.
    frozen(story, ada, rex, 240, 300, scope={"kinds": ["service_account", "agent"]})
    actions.release(case=case, by=rex, now=at(252), reason="it is being misused")
    everything_until(at(253))
    assert (held(), state(story)) == ([], "suspended")


def test_nobody_signs_alone_and_the_second_meets_what_is_wrong(
    story: Told, ada: User, rex: User
) -> None:
    row = proposed(story.rita, rex, 0, 100)
    with pytest.raises(NotAllowed, match="a second person signs"):
        freezing.sign(freeze=row, by=story.rita, now=NOW)
    assert freezes.ahead(story.identity, now=NOW) == []
    with pytest.raises(NotPossible, match="waits for its second signature already"):
        proposed(ada, rex, 0, 100)
    freezing.sign(freeze=row, by=ada, now=NOW)
    # Whoever is asked instead hears of it.
    assert Notice.objects.get(occasion=f"{row.key} signed").person == rex.person
    late = proposed(ada, rex, 99, 200)
    with pytest.raises(NotPossible, match=f"{row.key} holds until .* for the same scope"):
        freezing.sign(freeze=late, by=story.rita, now=NOW)
    freezing.refuse(freeze=late, reason="one after the other", by=ada, now=NOW)
    after = proposed(ada, rex, 100, 200)
    Person.objects.filter(pk=person_of(rex).pk).update(left_at=NOW)
    with pytest.raises(NotPossible, match="Rex may not release what is held"):
        freezing.sign(freeze=after, by=story.rita, now=NOW)


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [
        (-10, 0, "It would be over already"),
        (20, 20, "It would end before it begins"),
        (0, 60 * 24 + 1, "A freeze lasts at most 60 days"),
    ],
)
def test_times_have_bounds(story: Told, rex: User, begins: float, ends: float, said: str) -> None:
    with pytest.raises(NotPossible, match=said):
        proposed(story.rita, rex, begins, ends)


def test_scope_and_person_have_to_be_there(story: Told, rex: User) -> None:
    with pytest.raises(NotPossible, match="A freeze is about what stays true"):
        proposed(story.rita, rex, 0, 1, scope={"findings": ["no_run"]})
    with pytest.raises(NotPossible, match="Ines may not release what is held"):
        proposed(story.rita, story.ines, 0, 1)
    assert [one.name for one in freezing.may_be_asked(now=NOW)] == ["Rex", "Rita"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "in_force", "settled_at": NOW},
        {"until": NOW + 61 * DAY},
        {"until": NOW - HOUR},
        {"state": "ended", "ended_at": NOW},
    ],
)
def test_database_refuses_what_must_never_be(
    story: Told, ada: User, rex: User, wrong: dict[str, Any]
) -> None:
    row = proposed(story.rita, rex, 0, 100)
    alone = {"settled_person": story.rita.person} if "settled_at" in wrong else {}
    two = {"settled_person": ada.person} if wrong.get("state") == "ended" else {}
    with pytest.raises(IntegrityError), transaction.atomic():
        Freeze.objects.filter(pk=row.pk).update(**wrong, **alone, **two)


def test_a_person_cuts_in_a_freeze_knowingly(story: Told, ada: User, rex: User, case: Case) -> None:
    row = frozen(story, ada, rex, 1, 100)
    ask = partial(freezing.knowingly, case, "revoke", "it leaked")
    with pytest.raises(NotPossible, match=f"{row.key} holds until .* Your answer works all the"):
        ask(False, now=at(3))
    # It stands in the reason: nobody reads of it who may not read the answer.
    assert ask(True, now=at(3)) == (
        f"it leaked (meant for now, though {row.key} holds until 28 Nov 2026 16:00 UTC (year end))"
    )
    for answer, moment in (("keep", at(3)), ("revoke", at(0.5)), ("revoke", at(100))):
        said = freezing.knowingly(case, answer, "it leaked", False, now=moment)
        assert said == "it leaked"


def test_many_cases_in_a_freeze_are_held_with_as_many_queries_as_one(
    story: Told, ada: User, rex: User
) -> None:
    """And together, where each that is cut takes a transaction of its own."""
    rows = crowd_opened(story, {"identities": 1_000})
    late = timedelta(days=30)
    for one in rows[1:]:
        Case.objects.filter(identity=one).update(deadline_at=at(168) + late)
        Rung.objects.filter(case__identity=one, does="due").update(at=at(168) + late)
    row = frozen(story, ada, rex, 160, 240, scope={})
    assert len(freezes.of([one.pk for one in rows], [row], now=NOW)) == len(rows)
    counts = []
    for moment in (at(168), at(168) + late):
        if moment > at(240):
            row = frozen(story, ada, rex, 240, 168 + 24 * 31, scope={})
        with CaptureQueriesContext(connection) as seen:
            assert deadlines.deadlines_next(now=moment)
        counts.append(len(seen))
    held_by = Rung.objects.filter(state="held", freeze__isnull=False)
    assert (held_by.count(), Identity.objects.filter(state="suspended").count()) == (len(rows), 0)
    assert counts[1] <= counts[0]
    assert not deadlines.deadlines_next(now=at(168) + late)


def test_how_long_one_may_last_is_the_policys(story: Told, ada: User, rex: User) -> None:
    waits = proposed(story.rita, rex, 0, 20 * 24)
    holds = frozen(story, ada, rex, 0, 20 * 24, scope={})
    put_in_force(story, freeze_days=14)
    said = r"at most 14 days \(access review, version \d says so\)"
    with pytest.raises(NotPossible, match=said):
        proposed(story.rita, rex, 0, 14 * 24 + 1)
    # It was short enough when it was proposed.
    with pytest.raises(NotPossible, match=said):
        freezing.sign(freeze=waits, by=ada, now=NOW)
    proposed(story.rita, rex, 0, 14 * 24)
    holds.refresh_from_db()
    assert holds.state == "in_force"
