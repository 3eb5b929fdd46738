"""The claim wave: many by a rule, who may do what, and the same over the API."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from evidence.models import LedgerEntry
from identities.claims import answering, asking, ruling
from identities.models import (
    Claim,
    ClaimAnswer,
    ClaimRefusal,
    Membership,
    Party,
    Service,
    Team,
    User,
)
from identities.permissions import NotAllowed, NotPossible
from tests.identities.claimed import carried, crm, look, owners, team, unowned
from tests.identities.conftest import NOW, party
from tests.signed_in import by_hand

pytestmark = pytest.mark.django_db
Make = Callable[..., Any]

__all__ = ["crm", "team", "unowned"]


@pytest.fixture
def tagged(crm: dict[str, Any], unowned: Make, team: Make) -> dict[str, Any]:
    """Five things whose owner tag names a squad that nobody here knows by that name."""
    search, _ = team("Search", "sue")
    for at in range(3):
        unowned(f"t-{at}", ("owner", "Blue  Squad"), service=crm["service"])
    unowned("elsewhere", ("owner", "blue squad"))
    unowned("doubted", ("owner", "blue squad"), ("team", "payments"))
    look()
    return crm | {"search": search}


def rule(told: dict[str, Any], **said: Any) -> ruling.Rule:
    return ruling.Rule(**{"party": told["search"], "kind": "owner", "value": "blue squad"} | said)


def test_rule_covers_exactly_what_it_says_and_leaves_what_is_doubted(
    tagged: dict[str, Any],
) -> None:
    found = ruling.preview(rule=rule(tagged), now=NOW)
    assert sorted(str(row.identity) for row in found.claims) == ["elsewhere", "t-0", "t-1", "t-2"]
    assert [(str(one.claim.identity), one.why) for one in found.left] == [
        ("doubted", "other evidence: tag team names payments")
    ]
    of_crm = ruling.preview(rule=rule(tagged, service=tagged["service"]), now=NOW)
    assert sorted(str(row.identity) for row in of_crm.claims) == ["t-0", "t-1", "t-2"]


def test_signed_rule_is_one_act_that_gives_all_of_it(tagged: dict[str, Any]) -> None:
    said = rule(tagged, service=tagged["service"])
    shown = ruling.preview(rule=said, now=NOW)
    answer = ruling.confirm(
        rule=said, digest=shown.digest, reason="the squad is Search", by=tagged["rita"], now=NOW
    )
    assert owners() == {}
    carried()
    answer.refresh_from_db()
    assert (owners(), answer.owned) == (dict.fromkeys(["t-0", "t-1", "t-2"], "Search"), 3)
    assert list(
        LedgerEntry.objects.filter(act="claims.rule").order_by("pk").values_list("words", flat=True)
    ) == [
        (
            "Rita signed a rule for 3 things: everything of crm whose owner tag is blue squad goes to"
            " Search: the squad is Search"
        )
    ]


def test_rule_can_be_taken_back(tagged: dict[str, Any]) -> None:
    shown = ruling.preview(rule=rule(tagged), now=NOW)
    answer = ruling.confirm(
        rule=rule(tagged), digest=shown.digest, reason="x", by=tagged["rita"], now=NOW
    )
    answering.undo(answer=answer, by=tagged["rita"], now=NOW)
    carried()
    assert (owners(), ruling.preview(rule=rule(tagged), now=NOW).digest) == ({}, shown.digest)


def test_rule_is_signed_as_it_was_shown(tagged: dict[str, Any], unowned: Make) -> None:
    shown = ruling.preview(rule=rule(tagged), now=NOW)
    unowned("new", ("owner", "blue squad"))
    look()
    with pytest.raises(NotPossible, match="has changed since it was shown"):
        ruling.confirm(
            rule=rule(tagged), digest=shown.digest, reason="x", by=tagged["rita"], now=NOW
        )
    assert ClaimAnswer.objects.count() == 0


def test_rule_gives_nothing_to_who_has_said_no(tagged: dict[str, Any]) -> None:
    row = Claim.objects.get(identity__name="elsewhere")
    ClaimRefusal.objects.create(identity=row.identity, party=tagged["search"], at=NOW)
    left = {
        str(one.claim.identity): one.why for one in ruling.preview(rule=rule(tagged), now=NOW).left
    }
    assert left["elsewhere"] == "Search has said that it is not theirs"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"kind": "", "value": ""}, "Say a service, or a tag"),
        ({"with_service": True}, "Say which service"),
    ],
)
def test_rule_that_says_too_little_is_refused(
    tagged: dict[str, Any], said: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotPossible, match=why):
        ruling.preview(rule=rule(tagged, **said), now=NOW)


def test_acts_ask_for_their_permission(crm: dict[str, Any], user: Make) -> None:
    stranger = user("stranger")
    about = crm["about"] | {"by": stranger}
    with pytest.raises(NotAllowed):
        answering.yes(**about)
    with pytest.raises(NotAllowed):
        answering.not_mine(**about, reason="x")
    with pytest.raises(NotAllowed):
        answering.pass_on(bundle="service:crm", ask="x", by=stranger, now=NOW, reason="x")
    with pytest.raises(NotAllowed):
        asking.end(reason="x", by=stranger, now=NOW)
    with pytest.raises(NotAllowed):
        asking.start(terms=asking.Terms(), reason="x", by=stranger, now=NOW)
    assert ClaimAnswer.objects.count() == 0


def test_one_wave_at_a_time_and_nobody_is_asked_without_one(crm: dict[str, Any]) -> None:
    with pytest.raises(NotPossible, match="running already"):
        asking.start(terms=asking.Terms(), reason="x", by=crm["rita"], now=NOW)
    asking.end(reason="enough", by=crm["rita"], now=NOW)
    Claim.objects.update(asked_at=None)
    assert asking.ask_next(now=NOW) == 0
    with pytest.raises(NotPossible, match="No wave is running"):
        asking.end(reason="x", by=crm["rita"], now=NOW)
    with pytest.raises(NotPossible, match="1 to 100 %"):
        asking.start(terms=asking.Terms(share=101), reason="x", by=crm["rita"], now=NOW)


def test_largest_questions_are_asked_first_and_few_at_once(
    crm: dict[str, Any], unowned: Make, service: Make
) -> None:
    asking.end(reason="x", by=crm["rita"], now=NOW)
    Claim.objects.update(asked_at=None)
    for number, many in enumerate((5, 6, 8)):
        row = service(f"s{number}")
        for at in range(many):
            unowned(f"x{number}-{at}", ("team", "payments"), service=row)
    look()
    asking.start(terms=asking.Terms(at_once=2), reason="x", by=crm["rita"], now=NOW)

    def now_asked() -> set[str]:
        asking.ask_next(now=NOW)
        rows = Claim.objects.filter(asked_at__isnull=False, state="open")
        return set(rows.values_list("bundle", flat=True))

    assert now_asked() == {"service:s2", "service:s1"}
    answering.yes(party=crm["payments"], bundle="service:s2", by=crm["pia"], now=NOW)
    assert now_asked() == {"service:s1", "service:s0"}
    answering.yes(party=crm["payments"], bundle="service:s1", by=crm["pia"], now=NOW)
    # 19 of 22 are answered or asked: 90 % asks for the last three as well, 80 % does not.
    asking.end(reason="x", by=crm["rita"], now=NOW)
    asking.start(terms=asking.Terms(at_once=2, share=80), reason="x", by=crm["rita"], now=NOW)
    assert now_asked() == {"service:s0"}
    asking.end(reason="x", by=crm["rita"], now=NOW)
    asking.start(terms=asking.Terms(at_once=2, share=90), reason="x", by=crm["rita"], now=NOW)
    assert now_asked() == {"service:s0", "service:crm"}


@pytest.fixture
def call() -> Callable[..., Any]:
    def ask(who: User, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = Client().generic(
            method,
            f"/api/claims/{path}",
            json.dumps(body) if body is not None else "",
            content_type="application/json",
            headers=by_hand(who),
        )
        return answer.status_code, answer.json()

    return ask


def test_api_lists_what_is_asked_of_you_and_takes_the_answer(
    crm: dict[str, Any], call: Make, user: Make
) -> None:
    assert call(user("other"), "GET", "")[1] == {"rows": [], "after": None}
    code, found = call(crm["pia"], "GET", "?limit=2")
    rest = call(crm["pia"], "GET", f"?limit=2&after={found['after']}")[1]
    rows = found["rows"] + rest["rows"]
    assert (code, sorted(row["name"] for row in rows)) == (200, ["crm-0", "crm-1", "crm-2"])
    assert (rows[0]["strength"], rows[0]["reasons"][0]["words"]) == (
        "inferred",
        "tag team names payments",
    )
    body = {"answer": "yes", "party": rows[0]["party"], "bundle": rows[0]["bundle"], "seen": 3}
    code, answer = call(crm["pia"], "POST", "answer/", body | {"except": [rows[0]["claim"]]})
    assert (code, answer["things"]) == (202, 3)
    assert call(crm["pia"], "POST", "answer/", body)[0] == 409
    assert call(crm["rita"], "POST", f"answers/{answer['answer']}/undo/")[0] == 403
    assert call(crm["pia"], "POST", f"answers/{answer['answer']}/undo/")[1]["undone_at"]
    no = {"answer": "not_mine", "party": rows[0]["party"], "bundle": rows[0]["bundle"]}
    assert call(crm["pia"], "POST", "answer/", no)[0] == 409
    assert call(crm["pia"], "POST", "answer/", no | {"reason": "x"})[0] == 202


def test_api_shows_a_rule_before_it_signs_it(tagged: dict[str, Any], call: Make) -> None:
    said = {"party": "team:Search", "service": "crm", "kind": "owner", "value": "blue squad"}
    assert call(tagged["pia"], "POST", "rule/", said)[0] == 403
    code, shown = call(tagged["rita"], "POST", "rule/", said)
    assert (code, shown["covers"], len(shown["claims"]), shown["left"]) == (200, 3, 3, [])
    signed = said | {"digest": shown["digest"], "reason": "it is Search"}
    assert call(tagged["rita"], "POST", "rule/", signed)[0] == 202
    assert call(tagged["rita"], "POST", "rule/", signed)[0] == 409
    assert call(tagged["rita"], "POST", "rule/", said | {"service": "none"})[0] == 400


def test_api_burn_down_is_for_those_who_see_all(crm: dict[str, Any], call: Make) -> None:
    assert call(crm["pia"], "GET", "burn-down/")[0] == 403
    code, found = call(crm["rita"], "GET", "burn-down/")
    assert (code, found["days"], found["waits_for"][0]["team"], found["waits_for"][0]["asked"]) == (
        200,
        [],
        "Payments",
        3,
    )


def test_service_of_a_rule_that_has_an_owner_stays_theirs(tagged: dict[str, Any]) -> None:
    Service.objects.filter(slug="crm").update(owner=party(tagged["sara"]))
    said = rule(
        tagged, service=Service.objects.select_related("owner__person").get(), with_service=True
    )
    shown = ruling.preview(rule=said, now=NOW)
    with pytest.raises(NotPossible, match="The service has an owner: Sara"):
        ruling.confirm(rule=said, digest=shown.digest, reason="x", by=tagged["rita"], now=NOW)


@pytest.mark.parametrize("to", ["person", "team"])
def test_nobody_gives_themselves_what_nobody_owns(
    crm: dict[str, Any], unowned: Make, to: str
) -> None:
    """By a rule, nor by asking themselves where nobody is known; a yes of theirs would follow."""
    rita = crm["rita"]
    mine = party(rita)
    if to == "team":
        team = Team.objects.create(name="Mine")
        mine = Party.objects.create(team=team)
        Membership.objects.create(
            team=team, person=rita.person, during=(NOW, None), recorded_at=NOW
        )
    for at in range(4):
        unowned(f"t-{at}", ("owner", "me"))
    look()
    said = ruling.Rule(party=mine, kind="owner", value="me")
    shown = ruling.preview(rule=said, now=NOW)
    assert shown.claims
    with pytest.raises(NotAllowed, match="another reviewer or administrator says"):
        ruling.confirm(rule=said, digest=shown.digest, reason="x", by=rita, now=NOW)
    nobody = Claim.objects.filter(party=None, state="open").values_list("bundle", flat=True)[0]
    with pytest.raises(NotAllowed, match="another reviewer or administrator says"):
        answering.pass_on(bundle=nobody, ask=str(mine), by=rita, now=NOW, reason="x")
