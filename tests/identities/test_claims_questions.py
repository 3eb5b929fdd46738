"""The claim wave: what one question is, which comes first, and what answers teach."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from identities.claims import answering, asking, learning, questioning, ruling, suggesting
from identities.claims.choosing import EXPECTED, ORDER, Reason, choose
from identities.claims.learning import Record
from identities.models import Claim, ClaimAnswer, ClaimRefusal, Identity, OwnerChange, Party
from identities.permissions import NotPossible
from tests.identities.claimed import asked, carried, crm, look, owners, team, unowned
from tests.identities.conftest import NOW, party

pytestmark = pytest.mark.django_db
Make = Callable[..., Any]

__all__ = ["crm", "team", "unowned"]


def things(unowned: Make, row: Any, many: int, *hints: tuple[str, str]) -> list[Identity]:
    return [unowned(f"{row.slug}-{at}", *hints, service=row) for at in range(many)]


def refused(unowned: Make, who: Party, basis: str, many: int, **said: Any) -> None:
    """As many things of as many services that this party has said are not theirs."""
    for at in range(many):
        ClaimRefusal.objects.create(
            identity=unowned(f"no-{basis}-{at}"),
            party=who,
            basis=basis,
            bundle=f"service:{at}",
            at=NOW,
            **said,
        )


def lying(crm: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """The questions that lie before Payments: how many things, of how many services."""
    found = questioning.asked_of([crm["payments"].pk])
    return {one.about: (one.n, one.bundles) for one in found}


def test_few_things_each_of_several_services_are_one_question_and_one_answer(
    crm: dict[str, Any], unowned: Make, service: Make
) -> None:
    assert lying(crm) == {"service:crm": (3, 1)}
    things(unowned, service("hr"), 2, ("team", "payments"))
    things(unowned, service("shop"), 5, ("team", "payments"))
    look()
    asking.ask_next(now=NOW)
    assert lying(crm) == {"service:shop": (5, 1), questioning.FEW: (5, 2)}
    assert asking.waiting_for([crm["payments"].pk]) == 2
    answering.yes(**crm["about"] | {"bundle": questioning.FEW}, seen=5)
    carried()
    assert (set(owners()), ClaimAnswer.objects.count()) == (
        {"crm-0", "crm-1", "crm-2", "hr-0", "hr-1"},
        1,
    )
    assert lying(crm) == {"service:shop": (5, 1)}


def test_why_is_the_strongest_and_whoever_is_in_the_team_is_no_doubt(
    crm: dict[str, Any], unowned: Make, service: Make, team: Make
) -> None:
    team("Search", "sue")
    row = service("paid", owner=crm["payments"])
    things(unowned, row, 4, ("owner", "pia@example.org"))
    unowned("paid-doubted", ("team", "search"), service=row)
    look()
    asking.ask_next(now=NOW)
    found = {one.about: one for one in questioning.asked_of([crm["payments"].pk])}["service:paid"]
    assert (found.n, found.doubts, found.why) == (
        5,
        1,
        "Payments owns paid, the service it serves",
    )


def test_few_is_no_question_to_whom_nothing_few_is_asked_of(crm: dict[str, Any]) -> None:
    with pytest.raises(NotPossible, match="was answered or has moved"):
        answering.yes(**crm["about"] | {"bundle": questioning.FEW})
    assert questioning.question(party=None, bundle=questioning.FEW) == []


@pytest.mark.parametrize(
    ("many", "who"), [(1, "Payments"), (4, "Payments"), (questioning.LEAST, "Pia")]
)
def test_person_who_is_named_for_a_few_things_is_asked_with_their_team(
    crm: dict[str, Any], unowned: Make, many: int, who: str
) -> None:
    for at in range(many):
        unowned(f"mine-{at}", ("owner", "pia@example.org"))
    look()
    assert {name: found for name, found in asked().items() if name.startswith("mine")} == {
        f"mine-{at}": (who, "evidence") for at in range(many)
    }
    words = [one["words"] for one in Claim.objects.get(identity__name="mine-0").reasons]
    named = ["tag owner names pia@example.org as its owner"]
    assert words == (
        named if who == "Pia" else [*named, "Pia, whom the evidence names, is in Payments"]
    )


def test_who_said_no_is_asked_once_more_by_a_reviewer_and_no_third_time(
    crm: dict[str, Any],
) -> None:
    def no(who: Any, login: str) -> None:
        about = {"party": who, "bundle": "service:crm", "by": crm[login], "now": NOW}
        answering.not_mine(**about, reason="no")
        carried()

    def ask() -> ClaimAnswer:
        said = {"bundle": "service:crm", "by": crm["rita"], "now": NOW, "reason": "look again"}
        return answering.pass_on(ask="team:Payments", **said)

    no(crm["payments"], "pia")
    no(party(crm["sara"]), "sara")
    # What is taken back was not asked.
    answering.undo(answer=ask(), by=crm["rita"], now=NOW)
    ask()
    carried()
    assert set(asked().values()) == {("Payments", "passed_on")}
    no(crm["payments"], "pia")
    assert set(asked().values()) == {(None, "nobody")}
    with pytest.raises(NotPossible, match="Payments has been asked already"):
        ask()


def test_reviewer_is_obeyed_however_often_it_was_passed_on(crm: dict[str, Any]) -> None:
    Claim.objects.update(party=None, step="nobody", passed=9, asked_at=None)
    said = {"bundle": "service:crm", "by": crm["rita"], "now": NOW, "reason": "x"}
    answering.pass_on(ask="Sara", **said)
    carried()
    assert set(asked().values()) == {("Sara", "passed_on")}


def test_where_more_yes_is_expected_of_is_asked_first(
    crm: dict[str, Any], unowned: Make, service: Make
) -> None:
    asking.end(reason="x", by=crm["rita"], now=NOW)
    Claim.objects.update(asked_at=None)
    # Six things that Pia made, of which 3.6 are expected to be theirs, and five with their tag.
    things(unowned, service("made"), 6, ("creator", "pia"))
    things(unowned, service("tagged"), 5, ("team", "payments"))
    look()
    asking.start(terms=asking.Terms(at_once=1, share=100), reason="x", by=crm["rita"], now=NOW)
    asking.ask_next(now=NOW)
    assert set(lying(crm)) == {"service:tagged"}
    # What was never theirs by its tag moves behind.
    asking.end(reason="x", by=crm["rita"], now=NOW)
    Claim.objects.update(asked_at=None)
    refused(unowned, party(crm["sara"]), "team", 12)
    asking.start(terms=asking.Terms(at_once=1, share=100), reason="x", by=crm["rita"], now=NOW)
    asking.ask_next(now=NOW)
    assert set(lying(crm)) == {"service:made"}


@pytest.mark.parametrize(
    ("yes", "no", "of_party", "of_step"),
    [
        (0, 3, False, False),
        (0, 4, True, False),
        (1, 6, False, False),
        (1, 8, True, True),
        (0, 8, True, True),
        (9, 0, False, False),
    ],
)
def test_useless_is_what_nearly_always_brought_a_no(
    yes: int, no: int, of_party: bool, of_step: bool
) -> None:
    record = Record({"step sponsor": (yes, no)}, {("p", "team"): (yes, no)})
    assert (record.useless("p", "team"), record.useless_step("sponsor")) == (of_party, of_step)
    assert (record.useless("p", "owner"), record.useless_step("backup")) == (False, False)


def test_expected_moves_from_what_is_thought_to_what_was_answered() -> None:
    assert Record().expected() == EXPECTED
    assert Record({"team": (0, 10)}).expected()["team"] == pytest.approx(EXPECTED["team"] / 2)
    assert {*ORDER} == {one for one in EXPECTED if not one.startswith("step ")}


def test_evidence_that_was_nearly_always_wrong_names_nobody() -> None:
    reasons = [Reason("a", "team", "x"), Reason("b", "creator", "y")]
    assert choose(reasons, (), Record({}, {("a", "team"): (0, 4)}).useless).party == "b"
    assert choose(reasons, (), Record({}, {("a", "owner"): (0, 4)}).useless).party == "a"


@pytest.mark.parametrize(("silent", "who"), [(False, None), (True, "Payments")])
def test_party_that_says_no_to_a_kind_of_evidence_is_not_asked_for_it_again(
    crm: dict[str, Any], unowned: Make, silent: bool, who: str | None
) -> None:
    refused(unowned, crm["payments"], "team", 4, silent=silent)
    unowned("new", ("team", "payments"))
    look()
    assert asked()["new"][0] == who


@pytest.mark.parametrize(("noes", "step"), [(7, "sponsor"), (8, "nobody")])
def test_sponsors_are_not_asked_where_they_never_knew(
    crm: dict[str, Any], unowned: Make, noes: int, step: str
) -> None:
    refused(unowned, party(crm["rita"]), "step sponsor", noes)
    answering.not_mine(**crm["about"], reason="no")
    carried()
    assert set(Claim.objects.filter(bundle="service:crm").values_list("step", flat=True)) == {step}
    # What was said is remembered with why they were asked.
    assert set(
        ClaimRefusal.objects.filter(party=crm["payments"]).values_list("basis", "bundle")
    ) == {("team", "service:crm")}


def test_answers_are_counted_by_the_service_and_not_by_the_thing(crm: dict[str, Any]) -> None:
    answering.yes(**crm["about"])
    carried()
    found = learning.read()
    assert (found.by_basis, found.by_party) == (
        {"team": (1, 0)},
        {(str(crm["payments"].pk), "team"): (1, 0)},
    )


def changes() -> list[tuple[str, UUID | None, str, str, str, str]]:
    rows = OwnerChange.objects.select_related("identity", "to__team").order_by("identity__name")
    return [
        (row.identity.name, row.was_id, str(row.to), row.basis, row.by_name, row.because)
        for row in rows
    ]


def test_owner_by_a_yes_is_a_change_of_owner_like_any_other(crm: dict[str, Any]) -> None:
    answering.yes(**crm["about"], reason="we run it")
    carried()
    assert changes() == [
        (f"crm-{at}", None, "Payments", "accepted", "Pia", "we run it") for at in range(3)
    ]


def test_owner_by_a_rule_is_a_change_of_owner_by_whoever_signed_it(crm: dict[str, Any]) -> None:
    said = ruling.Rule(party=crm["payments"], service=crm["service"])
    shown = ruling.preview(rule=said, now=NOW)
    ruling.confirm(rule=said, digest=shown.digest, reason="it is", by=crm["rita"], now=NOW)
    carried()
    assert changes() == [
        (f"crm-{at}", None, "Payments", "rule", "Rita", "it is") for at in range(3)
    ]


@pytest.mark.parametrize(("named", "many"), [(1, 9), (0, 10)])
def test_whole_service_goes_by_a_rule_to_nobody_whom_nothing_names(
    crm: dict[str, Any], unowned: Make, service: Make, team: Make, named: int, many: int
) -> None:
    search, _ = team("Search", "sue")
    row = service("shop")
    for at in range(named):
        unowned(f"named-{at}", ("creator", "sue"), service=row)
    things(unowned, row, many, ("team", "payments"))
    look()
    said = ruling.Rule(party=search, service=row)
    if named:
        assert len(ruling.preview(rule=said, now=NOW).left) == many
        return
    with pytest.raises(NotPossible, match="Hardly anything in the evidence of shop names Search"):
        ruling.preview(rule=said, now=NOW)


def test_tag_that_answers_bear_out_is_proposed_as_a_rule(
    crm: dict[str, Any], unowned: Make, service: Make
) -> None:
    for name in ("a", "b", "c"):
        hints = (("team", "payments"), ("owner", "Blue Squad"))
        things(unowned, service(name), 2, *hints)
    look()
    asking.ask_next(now=NOW)
    for at, bundle in enumerate(("service:a", "service:b")):
        assert [one for one in suggesting.rules() if one.kind == "owner"] == [], at
        answering.yes(**crm["about"] | {"bundle": bundle})
        carried()
    found = {one.kind: one for one in suggesting.rules()}
    assert found["owner"] == ("owner", "blue squad", crm["payments"], 4, 0, 2)
    # One thing in ten that was not theirs is too many of four.
    row = Claim.objects.filter(bundle="service:c").select_related("identity")[0]
    ClaimRefusal.objects.create(identity=row.identity, party=crm["payments"], at=NOW)
    assert [one for one in suggesting.rules() if one.kind == "owner"] == []
