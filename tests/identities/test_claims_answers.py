"""The claim wave: what answers do, what no answer does, and taking back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.actions import identities as identity_actions
from identities.claims import answering, asking, carrying, counting, questioning
from identities.models import (
    Binding,
    Claim,
    ClaimAnswer,
    ClaimDay,
    ClaimRefusal,
    Identity,
)
from identities.permissions import NotAllowed, NotPossible
from tests.identities import claim_people, claim_world
from tests.identities.claimed import (
    SOON,
    actor,
    asked,
    carried,
    crm,
    listed,
    look,
    owners,
    team,
    unowned,
)
from tests.identities.conftest import DAY, NOW, party

pytestmark = pytest.mark.django_db
Make = Callable[..., Any]


__all__ = ["crm", "team", "unowned"]


def test_yes_makes_an_owner_after_its_time_to_be_taken_back(crm: dict[str, Any]) -> None:
    answer = answering.yes(**crm["about"])
    assert (carrying.carry_next(now=NOW + timedelta(seconds=7)), owners()) == (False, {})
    carried()
    assert owners() == {f"crm-{at}": "Payments" for at in range(3)}
    answer.refresh_from_db()
    assert (answer.asked, answer.owned, carrying.carry_next(now=SOON)) == (3, 3, False)
    assert list(
        LedgerEntry.objects.filter(act="identity.owned")
        .order_by("words")
        .values_list("by_name", "words")
    ) == [("Pia", f"Payments owns crm-{at}: Pia said") for at in range(3)]


def test_exception_is_asked_of_others_and_never_again_of_who_ticked_it_out(
    crm: dict[str, Any],
) -> None:
    out = Claim.objects.get(identity=crm["things"][0])
    answering.yes(**crm["about"], except_for=[out.pk])
    carried()
    assert (set(owners()), asked()) == (
        {"crm-1", "crm-2"},
        {"crm-0": ("Sara", "sponsor")},
    )
    # Nor does it follow its service, when that becomes theirs.
    crm["service"].owner = crm["payments"]
    crm["service"].save()
    thing = Identity.objects.select_related("service").get(name="crm-0")
    assert (identity_actions.inherit(thing), thing.owner_id) == (["sponsor"], None)


def test_all_that_is_asked_is_answered_together_but_for_what_is_not_asked_yet(
    crm: dict[str, Any], unowned: Make, service: Make
) -> None:
    for name in ("asked", "later"):
        unowned(f"{name}-0", ("team", "payments"), service=service(name))
    look()
    Claim.objects.filter(bundle="service:asked").update(asked_at=NOW)
    about = crm["about"] | {"bundle": questioning.ALL}
    with pytest.raises(NotPossible, match="share no service"):
        answering.yes(**about, with_service=True)
    answer = answering.yes(**about, seen=4)
    carried()
    answer.refresh_from_db()
    assert (answer.owned, set(owners())) == (4, {"asked-0", "crm-0", "crm-1", "crm-2"})


def test_undo_asks_as_before_and_is_over_after_eight_seconds(crm: dict[str, Any]) -> None:
    first = Claim.objects.get(identity=crm["things"][0])
    answer = answering.yes(**crm["about"], except_for=[first.pk])
    with pytest.raises(NotAllowed, match="Pia answered: only they may take it back"):
        answering.undo(answer=answer, by=crm["rita"], now=NOW)
    with pytest.raises(NotAllowed, match="is over"):
        answering.undo(answer=answer, by=crm["pia"], now=SOON)
    answering.undo(answer=answer, by=crm["pia"], now=NOW + timedelta(seconds=7))
    carried()
    assert owners() == {}
    assert set(Claim.objects.values_list("state", "excepted", "party")) == {
        ("open", False, crm["payments"].pk)
    }
    with pytest.raises(NotAllowed, match="taken back already"):
        answering.undo(answer=answer, by=crm["pia"], now=NOW)


def test_not_mine_moves_to_whom_is_named_and_a_loop_ends(crm: dict[str, Any], team: Make) -> None:
    search, sue = team("Search", "sue")
    answering.not_mine(**crm["about"], reason="never heard of it", ask="team:Search")
    carried()
    assert set(asked().values()) == {("Search", "passed_on")}
    about = crm["about"] | {"party": search, "by": sue}
    with pytest.raises(NotPossible, match="Payments has been asked already"):
        answering.not_mine(**about, reason="theirs", ask="team:Payments")
    with pytest.raises(NotPossible, match="Search is who is asked now"):
        answering.not_mine(**about, reason="theirs", ask="Search")
    answering.not_mine(**about, reason="no idea")
    carried()
    assert set(asked().values()) == {("Sara", "sponsor")}
    about |= {"party": party(crm["sara"]), "by": crm["sara"]}
    answering.not_mine(**about, reason="I only pay")
    carried()
    # Nobody is left: a reviewer says whom to ask, and makes nobody an owner by it.
    assert set(asked().values()) == {(None, "nobody")}
    team("Ops", "otto")
    answering.pass_on(
        bundle="service:crm", ask="otto@example.org", by=crm["rita"], now=NOW, reason="he may know"
    )
    carried()
    assert owners() == {}
    assert ClaimRefusal.objects.filter(silent=False).count() == 9


def test_silence_asks_somebody_else_and_cuts_nothing(crm: dict[str, Any]) -> None:
    assert not asking.pass_silent(now=NOW + 14 * DAY)
    assert asking.pass_silent(now=NOW + 15 * DAY)
    assert not asking.pass_silent(now=NOW + 15 * DAY)
    assert set(asked().values()) == {("Sara", "sponsor")}
    assert (owners(), set(ClaimRefusal.objects.values_list("silent", flat=True))) == ({}, {True})


def test_service_becomes_theirs_in_one_act(crm: dict[str, Any]) -> None:
    answering.yes(**crm["about"], with_service=True)
    carried()
    crm["service"].refresh_from_db()
    assert crm["service"].owner == crm["payments"]
    assert set(map(tuple, Identity.objects.values_list("inherited", flat=True))) == {("owner",)}
    assert LedgerEntry.objects.filter(act="service.owned").count() == 1


def test_service_is_not_theirs_when_most_of_it_is_asked_of_others(
    crm: dict[str, Any], unowned: Make, team: Make
) -> None:
    team("Search", "sue")
    for at in range(3):
        unowned(f"s-{at}", ("team", "search"), service=crm["service"])
    look()
    with pytest.raises(NotAllowed, match="Others are asked about most of it"):
        answering.yes(**crm["about"], with_service=True)


def test_answer_is_to_what_was_shown(crm: dict[str, Any]) -> None:
    with pytest.raises(NotPossible, match="it is about 3 now"):
        answering.yes(**crm["about"], seen=2)
    with pytest.raises(NotPossible, match="Everything is ticked out"):
        answering.yes(**crm["about"], except_for=Claim.objects.values_list("pk", flat=True))
    answering.yes(**crm["about"], seen=3)
    with pytest.raises(NotPossible, match="was answered or has moved"):
        answering.yes(**crm["about"])


def test_what_changed_before_it_was_carried_out_is_left_and_says_why(crm: dict[str, Any]) -> None:
    owned, same, _ = crm["things"]
    answering.yes(**crm["about"])
    Identity.objects.filter(pk=owned.pk).update(owner=party(crm["sara"]))
    Identity.objects.filter(pk=same.pk).update(sponsor=crm["payments"])
    carried()
    assert owners() == {"crm-0": "Sara", "crm-2": "Payments"}
    assert list(Claim.objects.order_by("identity__name").values_list("state", "left_why")) == [
        ("gone", carrying.GONE),
        ("open", carrying.DIFFERS),
        ("owned", ""),
    ]


def test_yes_to_an_actor_makes_a_draft_that_is_bound_to_it(team: Make, identity: Make) -> None:
    payments, pia = team("Payments", "pia")
    row = actor("arn:aws:iam::123456789012:user/svc-pay")
    listed(row, ("team", "Payments"))
    identity("svc-pay", owner=pia)
    look()
    answering.yes(party=payments, bundle="other", by=pia, now=NOW)
    carried()
    made = Binding.objects.get(actor=row).identity
    assert (made.name, made.state, str(made.owner)) == (
        "svc-pay (aws:123456789012)",
        "draft",
        "Payments",
    )
    look()
    assert Claim.objects.filter(state="open").count() == 0


def test_days_are_counted_and_the_last_count_of_a_day_stays(crm: dict[str, Any]) -> None:
    counting.count(now=NOW)
    answering.yes(**crm["about"])
    carried()
    counting.count(now=SOON)
    counting.count(now=NOW + DAY)
    assert list(
        ClaimDay.objects.order_by("day").values_list("unowned", "asked", "owned", "answers")
    ) == [
        (0, 0, 3, 1),
        (0, 0, 3, 0),
    ]
    (waits,) = counting.waiting()
    assert (waits.name, waits.questions, waits.asked, waits.owned) == ("Payments", 0, 0, 3)


def test_today_is_counted_when_it_is_read(crm: dict[str, Any]) -> None:
    assert counting.days(now=NOW) == []
    counting.count(now=NOW - DAY)
    counting.count(now=NOW)
    answering.yes(**crm["about"])
    carried()
    found = [(one.day, one.unowned, one.owned, one.answers) for one in counting.days(now=SOON)]
    assert found == [((NOW - DAY).date(), 3, 0, 0), (NOW.date(), 0, 3, 1)]
    assert ClaimDay.objects.get(day=NOW.date()).owned == 0
    assert [one.day for one in counting.days(now=SOON, most=1)] == [NOW.date()]


def test_small_company_is_owned_with_few_answers_and_few_of_them_wrong() -> None:
    world = claim_world.build(seed=7, now=NOW, things=240, services=20, teams=8)
    done = claim_people.run(world)
    assert done.owned >= 0.9 * done.things
    assert (done.answers <= 60, done.wrong <= 0.1 * done.owned) == (True, True)
    by_answers = Claim.objects.filter(state="owned", answer__carried_at__isnull=False)
    assert by_answers.count() == done.owned
    assert ClaimAnswer.objects.count() >= done.answers
