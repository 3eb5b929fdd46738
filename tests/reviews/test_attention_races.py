"""Two acts at once on PostgreSQL: signatures of one person are all counted, a seat has one holder."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import Identity
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.actions import attention
from reviews.models import Burst, Case, Decision, Provisional, Seat

from .conftest import DAY, NOW, item_of, make_user, party, seat_of, tell_story
from .hurry import kept, lines
from .test_races import together

pytestmark = pytest.mark.django_db(transaction=True)


def signing(case: Case, item: Any, user: Any, version: int) -> Callable[[], Any]:
    seat = seat_of(case, "identity_owner")
    return lambda: actions.decide(
        case=case,
        item=item,
        seat=seat,
        answer="keep",
        reason="x",
        by=user,
        now=NOW,
        version=version,
    )


def test_one_person_signing_in_two_cases_at_once_is_counted_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The forty-ninth and the fiftieth do not see each other's row, and wait for each other."""
    story, measure = tell_story(), attention.measure

    def slowly(*given: Any, **said: Any) -> attention.Measured:
        """Between counting and writing there is time for the other to count."""
        found = measure(*given, **said)
        time.sleep(0.5)
        return found

    monkeypatch.setattr(attention, "measure", slowly)
    cases = [actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")]
    identity = Identity.objects.create(
        name="svc-other",
        kind="service_account",
        owner=party(story.ines),
        expires_at=NOW + DAY,
        created_at=NOW - DAY,
    )
    identity.refresh_from_db()
    cases.append(actions.open_review(identity=identity, by=story.rita, now=NOW, reason="x"))
    kept(cases[0], story.ines, 48)
    Seat.objects.filter(case=cases[1], kind="identity_owner").update(person=story.ines.person)
    acts = [
        signing(case, lines(case, 1)[0], story.ines, Case.objects.get(pk=case.pk).version)
        for case in cases
    ]
    results = together(*acts)
    assert [type(one) for one in results] == [Decision, Decision]
    assert Burst.objects.get().answers == 50
    assert {one.case_id for one in Provisional.objects.all()} == {case.pk for case in cases}


def test_handing_over_while_signing_one_comes_first() -> None:
    story = tell_story()
    noor = make_user("noor", "owner")
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    version = Case.objects.get(pk=case.pk).version
    seat = seat_of(case, "identity_owner")
    signed, handed = together(
        signing(case, item_of(case, "credential"), story.ines, version),
        lambda: actions.hand_over(
            case=case, seat=seat, to="noor", reason="x", by=story.ines, now=NOW, version=version
        ),
    )
    if isinstance(signed, Decision):
        # The page that she handed it over from did not show this signature.
        assert isinstance(handed, NotPossible)
        assert seat_of(case, "identity_owner").person == story.ines.person
    else:
        assert isinstance(signed, NotAllowed)
        assert seat_of(case, "identity_owner").party == party(noor)
        assert Decision.objects.count() == 0


def test_two_hand_overs_at_once_one_wins() -> None:
    story = tell_story()
    make_user("noor", "owner")
    make_user("omar", "owner")
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    version = Case.objects.get(pk=case.pk).version
    seat = seat_of(case, "identity_owner")

    def to(name: str) -> Callable[[], Any]:
        return lambda: actions.hand_over(
            case=case, seat=seat, to=name, reason="x", by=story.ines, now=NOW, version=version
        )

    results = together(to("noor"), to("omar"))
    assert sorted(isinstance(one, Seat) for one in results) == [False, True]


def test_two_sweeps_tell_a_mark_once_and_two_looks_settle_it_once() -> None:
    story = tell_story()
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    kept(case, story.ines, 49)
    signing(case, lines(case, 1)[0], story.ines, Case.objects.get(pk=case.pk).version)()

    def drain() -> None:
        while actions.tell_provisional_next(now=NOW):
            pass

    def look() -> Any:
        return actions.look_again(case=case, how="confirm", reason="x", by=story.rita, now=NOW)

    results = together(drain, drain, look, look)
    assert sorted(type(one).__name__ for one in results if one is not None) == [
        "Case",
        "NotAllowed",
    ]
    entries = case_entries(case)
    assert entries.count("case.provisional") == entries.count("case.confirmed") == 1


def case_entries(case: Case) -> list[str]:
    return list(
        LedgerEntry.objects.filter(subject=case.key).order_by("pk").values_list("act", flat=True)
    )
