"""Pages of the claim wave: a fixed cost, nothing ticked beforehand, text stays text, forms work."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.claims import asking, carrying, counting
from identities.models import (
    Claim,
    ClaimAnswer,
    ClaimDay,
    ClaimRefusal,
    Identity,
    Membership,
    Party,
    Person,
    Team,
    User,
)
from reviews import digest
from reviews.models import Notice
from reviews.pages import claim_chart, claim_wave
from tests.planted import Planted
from tests.signed_in import sure

pytestmark = pytest.mark.django_db
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"


def client(login: str) -> Client:
    found = Client()
    found.force_login(
        User.objects.get(username=login), backend="django.contrib.auth.backends.ModelBackend"
    )
    return sure(found)


@pytest.fixture
def payments(planted: Planted) -> Party:
    """A team that Elena is in."""
    team = Team.objects.create(name=f"Payments {uuid4().hex[:6]}")
    Membership.objects.create(
        team=team,
        person=Person.objects.get(users__username="elena"),
        during=(planted.now, None),
        recorded_at=planted.now,
    )
    return Party.objects.create(team=team)


def ask(party: Party | None, many: int, bundle: str = "code:acme/pay") -> list[Claim]:
    """So many things that this party is asked about."""
    now = timezone.now()
    rows = []
    for _ in range(many):
        identity = Identity.objects.create(
            name=f"{HOSTILE} {uuid4().hex[:8]}", kind="workload", created_at=now
        )
        reasons = [
            {
                "party": str(party.pk if party else uuid4()),
                "kind": "team",
                "words": HOSTILE,
                "strength": 1,
            }
        ]
        rows.append(
            Claim.objects.create(
                identity=identity,
                bundle=bundle,
                party=party,
                step="evidence" if party else "nobody",
                kind="team",
                strength=1,
                reasons=reasons,
                tags=["team=pay"],
                asked_at=now if party else None,
                opened_at=now,
                looked_at=now,
            )
        )
    return rows


def addresses(party: Party) -> list[str]:
    return [
        "/unclaimed/questions/",
        claim_wave.url_of(party.pk, "code:acme/pay"),
        f"/unclaimed/rule/?kind=team&value=pay&party=team:{party}",
        "/unclaimed/burn-down/",
    ]


def cost(login: str, address: str) -> int:
    asked = client(login)
    cache.clear()  # the menu's numbers are remembered
    with CaptureQueriesContext(connection) as seen:
        assert asked.get(address).status_code == 200
    return len(seen)


def test_pages_cost_the_same_for_thirty_and_text_stays_text(payments: Party) -> None:
    ask(payments, 1)
    ask(None, 1, "code:nobody")
    counting.count(now=timezone.now())
    before = {one: cost("ines", one) for one in addresses(payments)}
    ask(payments, 29)
    for at in range(29):
        ask(None, 1, f"code:nobody-{at}")
    assert {one: cost("ines", one) for one in addresses(payments)} == before
    for address in addresses(payments)[1:3]:
        text = client("ines").get(address).content.decode()
        assert ("<img src=x" in text, "&lt;img src=x onerror=alert(1)&gt;" in text) == (False, True)


def test_question_is_shown_to_whom_it_is_asked_and_nothing_is_ticked(payments: Party) -> None:
    ask(payments, 2)
    listed = client("elena").get("/unclaimed/questions/").content.decode()
    shown = client("elena").get(addresses(payments)[1]).content.decode()
    assert ("What is made by the code acme/pay" in listed, " checked" in shown) == (True, False)
    assert client("samuel").get("/unclaimed/questions/").content.decode().count("acme/pay") == 0
    # A reader sees the question and why they cannot answer it.
    read = client("ines").get(addresses(payments)[1]).content.decode()
    assert f"only who stands for {payments} may answer" in read


def test_questions_to_one_party_are_answered_on_one_page(payments: Party) -> None:
    for bundle in ("code:acme/pay", "code:acme/bill"):
        ask(payments, 5, bundle)
    elena = client("elena")
    listed = elena.get("/unclaimed/questions/")
    (together,) = listed.context["together"]
    assert (f"Answer the 2 questions to {payments}" in listed.content.decode(), together["n"]) == (
        True,
        2,
    )
    shown = elena.get(together["url"])
    assert [row["of"] for row in shown.context["rows"]] == [
        *["What is made by the code acme/bill"] * 5,
        *["What is made by the code acme/pay"] * 5,
    ]
    elena.post("/unclaimed/answer/", form(payments, about=shown.context["about"], seen="10"))
    assert ClaimAnswer.objects.get(party=payments).claims.count() == 10


def test_few_things_each_are_one_question_that_names_each_of_them(payments: Party) -> None:
    elena = client("elena")
    before = elena.get("/unclaimed/questions/").context["frame"]["counts"]["questions"]
    for bundle in ("code:acme/pay", "code:acme/bill"):
        ask(payments, 1, bundle)
    listed = elena.get("/unclaimed/questions/")
    (row,) = listed.context["rows"]
    assert (row["label"], row["n"], listed.context["together"]) == (
        "A few things each of several services",
        2,
        [],
    )
    assert listed.context["frame"]["counts"]["questions"] == before + 1
    shown = elena.get(row["url"])
    assert [one["of"] for one in shown.context["rows"]] == [
        "What is made by the code acme/bill",
        "What is made by the code acme/pay",
    ]
    elena.post("/unclaimed/answer/", form(payments, about=shown.context["about"], seen="2"))
    assert ClaimAnswer.objects.get(party=payments).claims.count() == 2


def test_rule_that_answers_bear_out_is_a_link_to_what_it_covers(payments: Party) -> None:
    answer = ClaimAnswer.objects.create(
        answer="yes",
        party=payments,
        asked=4,
        by="x",
        by_name="Elena",
        person=Person.objects.get(users__username="elena"),
        at=timezone.now(),
        not_before=timezone.now(),
    )
    for bundle, state in (("service:a", "owned"), ("service:b", "owned"), ("service:c", "open")):
        for row in ask(payments, 2, bundle):
            row.tags, row.state, row.answer = ["owner=blue squad"], state, answer
            row.save()
    page = client("ines").get("/unclaimed/rule/")
    (one,) = page.context["suggested"]
    assert "4 things with this tag were theirs" in page.content.decode()
    shown = client("ines").get(one["url"])
    assert shown.context["preview"]["n"] == 2


def test_question_of_others_is_refused_to_who_does_not_see_all(payments: Party) -> None:
    other = Party.objects.create(team=Team.objects.create(name="Others"))
    ask(other, 1)
    assert client("elena").get(addresses(other)[1]).status_code == 403
    assert client("elena").get("/unclaimed/burn-down/").status_code == 403
    assert client("elena").get("/unclaimed/rule/").status_code == 403


def form(party: Party, **said: Any) -> dict[str, Any]:
    return {"party": str(party.pk), "about": "code:acme/pay", "seen": "2", "answer": "yes"} | said


def test_answer_is_recorded_and_taken_back_with_a_form(payments: Party) -> None:
    rows = ask(payments, 2)
    elena = client("elena")
    answer = elena.post("/unclaimed/answer/", form(payments, **{"except": [str(rows[0].pk)]}))
    given = ClaimAnswer.objects.get(party=payments)
    assert (answer.status_code, given.asked) == (302, 2)
    rows[0].refresh_from_db()
    assert (rows[0].state, rows[0].excepted) == ("answered", True)
    listed = elena.get("/unclaimed/questions/").content.decode()
    assert f"/unclaimed/answers/{given.pk}/undo/" in listed
    elena.post(f"/unclaimed/answers/{given.pk}/undo/")
    rows[0].refresh_from_db()
    assert (rows[0].state, rows[0].excepted) == ("open", False)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"seen": "9"}, "it is about 2 now"),
        ({"answer": "no"}, "Say why"),
        ({"answer": "no", "reason": "x", "ask": "nobody@here"}, "No person or team is called"),
    ],
)
def test_answer_that_cannot_be_says_why(payments: Party, said: dict[str, str], why: str) -> None:
    ask(payments, 2)
    elena = client("elena")
    shown = elena.post("/unclaimed/answer/", form(payments, **said), follow=True)
    assert why in shown.content.decode()
    assert not ClaimAnswer.objects.filter(party=payments).exists()


def test_rule_is_shown_and_signed_with_forms(payments: Party) -> None:
    ask(None, 3, "code:blue")
    Claim.objects.filter(bundle="code:blue").update(tags=["owner=blue"], reasons=[])
    reviewer = client("ines")
    address = f"/unclaimed/rule/?kind=owner&value=Blue&party=team:{payments}"
    shown = reviewer.get(address).context["preview"]
    assert (shown["n"], shown["words"]) == (
        3,
        f"everything whose owner tag is Blue goes to {payments}",
    )
    said = {"kind": "owner", "value": "Blue", "party": f"team:{payments}", "reason": "they are"}
    reviewer.post("/unclaimed/rule/sign/", said | {"digest": shown["digest"]})
    assert ClaimAnswer.objects.get(party=payments).asked == 3


def test_wave_begins_passes_on_and_ends_with_forms(payments: Party) -> None:
    ask(None, 2, "code:blue")
    reviewer = client("ines")
    terms = {"at_once": "3", "share": "95", "patience_days": "14", "reason": "audit"}
    assert reviewer.post("/unclaimed/wave/start/", terms | {"share": "x"}).status_code == 409
    reviewer.post("/unclaimed/wave/start/", terms)
    assert asking.running() is not None
    said = {"about": "code:blue", "ask": f"team:{payments}", "reason": "perhaps"}
    reviewer.post("/unclaimed/pass-on/", said)
    assert ClaimAnswer.objects.get(to=payments).answer == "pass_on"
    assert reviewer.post("/unclaimed/wave/end/", {"reason": "enough"}).status_code == 302
    assert asking.running() is None


def carried() -> None:
    while carrying.carry_next(now=timezone.now() + timedelta(minutes=1)):
        pass


def test_whoever_is_asked_reads_who_said_so_and_why(payments: Party) -> None:
    ask(None, 2, "code:blue")
    said = {"about": "code:blue", "ask": f"team:{payments}", "reason": f"ran batch {HOSTILE}"}
    client("ines").post("/unclaimed/pass-on/", said)
    address = claim_wave.url_of(payments.pk, "code:blue")
    carried()
    shown = client("elena").get(address)
    by = ClaimAnswer.objects.get(to=payments).by_name
    assert shown.context["asks"] == [{"by": by, "reason": f"ran batch {HOSTILE}"}]
    text = shown.content.decode()
    assert f"<b>{by} said to ask {payments}:</b> ran batch &lt;img src=x" in text
    assert "<img src=x" not in text
    cheap = cost("elena", address)
    ask(payments, 29, "code:blue")
    assert cost("elena", address) == cheap
    # Who says no and names somebody is read by them, and not by who was asked before them.
    team = Team.objects.create(name=f"Search {uuid4().hex[:6]}")
    other = Party.objects.create(team=team)
    Membership.objects.create(
        team=team,
        person=Person.objects.get(users__username="samuel"),
        during=(timezone.now(), None),
        recorded_at=timezone.now(),
    )
    no = {"answer": "not_mine", "reason": "never heard of it", "ask": f"team:{other}"}
    client("elena").post("/unclaimed/answer/", form(payments, about="code:blue", seen="31", **no))
    carried()
    asks = client("samuel").get(claim_wave.url_of(other.pk, "code:blue")).context["asks"]
    assert [one["reason"] for one in asks] == ["never heard of it"]


def test_whom_evidence_names_is_told_of_nobody_who_said_so(payments: Party) -> None:
    ask(payments, 1)
    shown = client("elena").get(addresses(payments)[1])
    assert (shown.context["asks"], "said to ask" in shown.content.decode()) == ([], False)


def test_burn_down_is_drawn_from_zero_and_leaves_as_csv_and_json(planted: Planted) -> None:
    today = timezone.now()
    for back, left in ((10, 400), (5, 300), (0, 100)):
        day = (today - timedelta(days=back)).date()
        ClaimDay.objects.create(
            day=day,
            unowned=left,
            unclaimed=0,
            asked=left // 2,
            nobody=0,
            owned=400 - left,
            answers=1,
            counted_at=today,
        )
    drawn = claim_chart.chart(list(ClaimDay.objects.order_by("day")))
    assert drawn is not None
    assert drawn["top"] == 400
    assert {one["kind"]: (one["points"], one["now"]) for one in drawn["lines"]} == {
        "left": ("0.0,0.0 360.0,40.0 720.0,120.0", 100),
        "asked": ("0.0,80.0 360.0,100.0 720.0,140.0", 50),
        "answered": ("0.0,160.0 360.0,120.0 720.0,40.0", 300),
    }
    # Of today stands what is left now, not what was counted on it before.
    ask(None, 100)
    reviewer = client("ines")
    text = reviewer.get("/unclaimed/burn-down/").content.decode()
    label = f"400 on {today - timedelta(days=10):%-d %b}, 100 on {today:%-d %b %Y}"
    assert (label in text, "200 fewer than" in text) == (True, True)
    csv = b"".join(reviewer.get("/unclaimed/burn-down.csv")).decode().splitlines()
    assert (len(csv), csv[1].split(",")[1]) == (4, "400")
    assert [
        one["unowned_identities"]
        for one in reviewer.get("/unclaimed/burn-down.json").json()["days"]
    ] == [400, 300, 100]


def test_burn_down_without_a_count_says_so(planted: Planted) -> None:
    assert claim_chart.chart([]) is None
    assert "Nothing was counted yet" in client("ines").get("/unclaimed/burn-down/").content.decode()


def test_daily_mail_says_how_many_questions_wait(payments: Party) -> None:
    ask(payments, 2)
    now = timezone.now().replace(hour=7) + timedelta(days=1)
    while digest.write_next(now=now):
        pass
    mail = Notice.objects.get(person__users__username="elena", occasion__startswith="digest")
    assert "1 question whether something is yours:" in mail.body


def test_question_says_why_where_only_a_part_of_it_is_from_evidence(payments: Party) -> None:
    named, passed = ask(payments, 2)
    Claim.objects.filter(pk=passed.pk).update(step="passed_on", reasons=[])
    Claim.objects.filter(pk=named.pk).update(
        reasons=[
            {
                "party": str(payments.pk),
                "kind": "team",
                "words": "tag Team names payments",
                "strength": 1,
            }
        ]
    )
    (row,) = claim_wave.questions(User.objects.get(username="elena"), now=timezone.now())["rows"]
    assert (row["n"], row["why"]) == (2, "tag Team names payments")


def test_doubt_says_who_has_said_no_and_is_counted_no_more(payments: Party) -> None:
    (passed,) = ask(payments, 1)
    other = Party.objects.create(team=Team.objects.create(name=f"Care {uuid4().hex[:6]}"))
    said = {"party": str(other.pk), "kind": "team", "words": "tag Team names care", "strength": 1}
    Claim.objects.filter(pk=passed.pk).update(step="passed_on", reasons=[said])
    elena, now = User.objects.get(username="elena"), timezone.now()

    def shown() -> tuple[Any, ...]:
        (listed,) = claim_wave.questions(elena, now=now)["rows"]
        (row,) = claim_wave.question(elena, payments, "code:acme/pay", now=now)["rows"]
        return listed["doubts"], row["but"], row["step"]

    assert shown() == (1, ["tag Team names care"], "somebody said to ask you")
    ClaimRefusal.objects.create(
        identity=passed.identity,
        party=other,
        reason="we only use it",
        bundle="code:acme/pay",
        at=now,
    )
    assert shown() == (0, ["tag Team names care, who said no"], "somebody said to ask you")
