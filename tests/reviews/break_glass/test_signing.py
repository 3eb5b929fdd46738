"""Asking for break-glass and signing it: who may, what a signature covers, and one outcome."""

from datetime import timedelta
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.decisions import Question, decide
from identities.models import DelegationVersion, Grant, Membership, Person
from identities.permissions import NotAllowed, NotPossible
from reviews.actions import cancel
from reviews.break_glass import answering, ending, rights, sweeping
from reviews.models import Case, Notice
from reviews.pages import waiting
from tests.reviews.conftest import DAY, NOW, make_user, person_of

from .conftest import (
    MINUTE,
    SECOND,
    Company,
    approve,
    asked,
    fresh,
    member,
    opened,
    put_in_force,
    read,
)

pytestmark = pytest.mark.django_db


def allowed(company: Company, now: Any, action: str = "s3:GetObject") -> bool:
    said = Question(subject=company.human.key, action=action, resource="reports/1.pdf")
    return decide(said, now=now).allowed


def told(case: Case, occasion: str) -> list[str]:
    rows = Notice.objects.filter(occasion=f"{case.key} {occasion}", person__isnull=False)
    return sorted(rows.values_list("person__name", flat=True))


def test_asked_and_signed_by_both_teams_it_is_in_force_until_its_end(company: Company) -> None:
    case = asked(company)
    assert (case.door, case.state, told(case, "asked")) == (
        "break_glass",
        "open",
        ["Paul", "Pia", "Sara", "Sven"],
    )
    assert not allowed(company, NOW)
    approve(case, company.pia)
    assert (fresh(case).state, Grant.objects.count()) == ("open", 0)
    approve(case, company.sven, NOW + 30 * SECOND)
    case = fresh(case)
    (grant,) = Grant.objects.all()
    ends = NOW + 30 * SECOND + 60 * MINUTE
    assert (case.state, grant.ends_at, grant.person, grant.holder) == (
        "carrying_out",
        ends,
        "dana",
        company.human,
    )
    assert (grant.bundle, grant.bundle_version, grant.case) == ("contain-agent", 1, case.pk)
    # The decision endpoint allows from that second and denies at the deadline, whoever runs.
    assert [allowed(company, at) for at in (NOW, NOW + 31 * SECOND, ends - SECOND, ends)] == [
        False,
        True,
        True,
        False,
    ]
    assert not allowed(company, NOW + MINUTE, "s3:DeleteObject")
    rows = LedgerEntry.objects.filter(subject=case.key).order_by("pk")
    acts = list(rows.values_list("act", flat=True))
    assert acts == [
        "break_glass.asked",
        "break_glass.approved",
        "break_glass.approved",
        "break_glass.opened",
    ]


@pytest.mark.parametrize(
    ("who", "says"),
    [
        ("dana", "You asked for this: the requester never signs."),
        ("owen", "you are none of these"),
        ("rita", "you are none of these"),
        ("otto", "auditors read everything"),
    ],
)
def test_who_may_not_sign_is_told_why(company: Company, who: str, says: str) -> None:
    case = asked(company)
    with pytest.raises(NotAllowed, match=says):
        approve(case, getattr(company, who))


def test_the_other_login_of_who_asked_signs_nothing(company: Company) -> None:
    other = make_user("dana2", "owner", person=company.dana.person)
    case = asked(company)
    with pytest.raises(NotAllowed, match="requester never signs"):
        approve(case, other)


def test_one_person_with_two_logins_fills_one_place(company: Company) -> None:
    """teleport#36854: two signatures of one person, and of one team, are not two teams."""
    case = asked(company)
    approve(case, company.pia)
    with pytest.raises(NotAllowed, match="You have answered already"):
        approve(case, make_user("pia2", "owner", person=company.pia.person))
    approve(case, company.paul)
    assert fresh(case).state == "open"
    approve(case, company.sara)
    assert fresh(case).state == "carrying_out"


def test_who_is_in_both_teams_leaves_the_place_that_others_cannot_fill(company: Company) -> None:
    member(company.sven, "Platform")
    # Whoever asks is in neither team: else nobody here is of another one.
    Membership.objects.filter(person=person_of(company.dana)).delete()
    case = asked(company)
    approve(case, company.sven)
    approve(case, company.paul)
    assert fresh(case).state == "carrying_out"


def test_signatures_are_judged_again_when_the_last_one_comes(company: Company) -> None:
    case = asked(company)
    approve(case, company.pia)
    Membership.objects.filter(person=person_of(company.pia)).update(during=(NOW - DAY, NOW))
    approve(case, company.sven, NOW + SECOND)
    assert fresh(case).state == "open"
    approve(case, company.paul, NOW + 2 * SECOND)
    assert fresh(case).state == "carrying_out"


def test_who_has_left_meanwhile_counts_no_longer(company: Company) -> None:
    case = asked(company)
    approve(case, company.pia)
    Person.objects.filter(pk=person_of(company.pia).pk).update(left_at=NOW + SECOND)
    approve(case, company.sven, NOW + 2 * SECOND)
    assert fresh(case).state == "open"


def test_own_team_alone_is_refused_and_said_beforehand(company: Company) -> None:
    put_in_force("own", company.rita, company.root, quorum={"team": "Platform", "n": 2})
    from reviews.break_glass import asking, bundles

    bundle = bundles.in_force("own")
    assert bundle is not None
    says = rights.document_of(bundle)
    assert "never only your own team" in asking.expected(says, company.dana, now=NOW)
    case = asked(company, slug="own")
    approve(case, company.pia)
    approve(case, company.paul)
    assert fresh(case).state == "open"


def test_an_approver_gives_less_and_never_more(company: Company) -> None:
    case = asked(company)
    for wider in ({"minutes": 61}, {"actions": ["s3:DeleteObject"]}, {"actions": ["s3:*"]}):
        with pytest.raises(NotPossible, match=r"never more|never"):
            approve(case, company.pia, **wider)
    stale = read(case)
    approve(case, company.pia, minutes=20, actions=["s3:GetObject"])
    # What the second one read is no longer what is asked for.
    with pytest.raises(NotPossible, match="What you read has changed"):
        approve(case, company.sven, digest=stale)
    approve(case, company.sven)
    grant = Grant.objects.get()
    assert grant.ends_at == NOW + 20 * MINUTE
    assert grant.permissions == [
        {
            "actions": ["s3:GetObject"],
            "resources": ["arn:aws:s3:::reports", "arn:aws:s3:::reports/*"],
        }
    ]
    after = NOW + SECOND
    assert (allowed(company, after), allowed(company, after, "s3:ListBucket")) == (
        True,
        False,
    )


def test_one_denial_ends_it_with_a_reason(company: Company) -> None:
    case = asked(company)
    approve(case, company.pia)
    with pytest.raises(NotPossible, match="Say why it is not given"):
        answering.deny(case=case, reason=" ", by=company.sven, now=NOW)
    answering.deny(case=case, reason="use the runbook", by=company.sven, now=NOW)
    case = fresh(case)
    assert (case.state, case.items.get().outcome, told(case, "denied 0")) == (
        "closed",
        "deny",
        ["Dana"],
    )
    assert (Grant.objects.count(), allowed(company, NOW + SECOND)) == (0, False)
    state = DelegationVersion.objects.order_by("-version").values_list("state", flat=True).first()
    assert state == "rejected"
    with pytest.raises(NotAllowed, match="is closed: no signature is asked for now"):
        approve(case, company.sara)


def test_sent_back_it_asks_nobody_and_can_be_asked_anew(company: Company) -> None:
    case = asked(company)
    with pytest.raises(NotPossible, match="You have asked for it already"):
        asked(company)
    answering.send_back(case=case, reason="name the ticket", by=company.sven, now=NOW)
    assert (fresh(case).state, told(case, "sent back")) == ("cancelled", ["Dana"])
    assert asked(company, now=NOW + MINUTE).state == "open"


def test_taken_back_by_who_asked(company: Company) -> None:
    case = asked(company)
    cancel(case=case, by=company.dana, now=NOW, reason="solved otherwise")
    assert fresh(case).state == "cancelled"
    assert not DelegationVersion.objects.filter(superseded_at=None).exists()


def test_unanswered_it_ends_at_its_stored_deadline(company: Company) -> None:
    case = asked(company)
    late = NOW + 3 * 60 * MINUTE
    with pytest.raises(NotAllowed, match=r"Nobody answered by 13:00:00 UTC"):
        approve(case, company.pia, late)
    assert sweeping.due_next(now=late)
    assert not sweeping.due_next(now=late)
    entry = LedgerEntry.objects.get(act="break_glass.expired")
    assert (fresh(case).state, entry.at, told(case, "expired")) == (
        "cancelled",
        NOW + 60 * MINUTE,
        ["Dana"],
    )


def test_it_waits_in_the_queues_of_the_teams_until_one_of_them_signs(company: Company) -> None:
    def queue(user: Any) -> list[Any]:
        return [one.case for one in waiting.for_user(user, now=NOW)]

    case = asked(company)
    queues = [queue(one) for one in (company.pia, company.paul, company.sven, company.dana)]
    assert queues == [[case.pk], [case.pk], [case.pk], []]
    approve(case, company.pia)
    queues = [queue(one) for one in (company.pia, company.paul, company.sven)]
    assert queues == [[], [], [case.pk]]


def test_who_looks_at_it_says_so_once(company: Company) -> None:
    case = asked(company)
    for _ in range(2):
        answering.acknowledge(case=case, by=company.sven, now=NOW)
    names = [one["name"] for one in fresh(case).break_glass.acknowledged]
    assert names == ["Sven"]


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"slug": "nothing"}, "There is no bundle 'nothing'"),
        ({"reason": "now"}, "at least 10 characters"),
        ({"minutes": 61}, "1 to 60 minutes"),
        ({"minutes": 0}, "1 to 60 minutes"),
        ({"actions": ["s3:*"]}, "never more"),
        ({"starts_at": NOW + 15 * DAY}, "14 days ahead"),
        ({"identity": "sue"}, "No identity that you could act as"),
        ({"ticket": "a\0b"}, "cannot be stored"),
    ],
)
def test_a_request_that_is_wrong_says_what_to_do(
    company: Company, said: dict[str, Any], says: str
) -> None:
    with pytest.raises(NotPossible, match=says):
        asked(company, **said)
    assert not Case.objects.exists()


def test_of_a_free_bundle_only_what_is_named_is_given(company: Company) -> None:
    put_in_force(
        "free", company.rita, company.root, free=True, actions=["s3:*", "sqs:*"], resources=["*"],
        words="Whatever it takes",
    )  # fmt: skip
    less: tuple[dict[str, Any], ...] = (
        {}, {"actions": ["s3:PutObject"]}, {"resources": ["arn:aws:s3:::x/*"]},
    )  # fmt: skip
    for named in less:
        with pytest.raises(NotPossible, match="only what is named is given"):
            asked(company, slug="free", **named)
    # Read by the same judge as every authority.
    with pytest.raises(NotPossible, match="never more"):
        asked(company, slug="free", actions=["ec2:RunInstances"], resources=["arn:aws:s3:::x/*"])
    case = asked(company, slug="free", actions=["s3:PutObject"], resources=["arn:aws:s3:::x/*"])
    item = case.items.get(position=0)
    assert item.proposal["actions"] == ["s3:PutObject"]
    assert item.proposal["resources"] == ["arn:aws:s3:::x/*"]


def test_the_shape_of_a_reason_is_the_bundles(company: Company) -> None:
    put_in_force("shaped", company.rita, company.root, reason={"least": 5, "fields": ["impact"]})
    with pytest.raises(NotPossible, match="Say the impact"):
        asked(company, slug="shaped")
    case = asked(company, slug="shaped", fields={"impact": "invoices stop"})
    assert fresh(case).break_glass.fields == {"impact": "invoices stop"}


def test_only_those_whom_the_bundle_names_may_ask(company: Company) -> None:
    who = {"teams": ["Security"], "roles": ["responder"]}
    put_in_force("theirs", company.rita, company.root, who=who, holder=company.human.key)
    with pytest.raises(NotAllowed, match="Only Security, responder may ask for theirs"):
        asked(company, slug="theirs")
    assert asked(company, slug="theirs", by=company.rex).identity == company.human


def test_a_promised_ticket_is_asked_for_when_its_time_is_over(company: Company) -> None:
    put_in_force("owed", company.rita, company.root, ticket={"how": "promised", "hours": 4})
    case = opened(company, slug="owed")
    assert fresh(case).break_glass.ticket_due_at == NOW + timedelta(hours=4)
    ending.name_ticket(case=case, ticket="OPS-7", by=company.dana, now=NOW)
    assert fresh(case).break_glass.ticket == "OPS-7"
    other = opened(company, slug="owed", now=NOW + MINUTE)
    late = NOW + timedelta(hours=5)
    while sweeping.due_next(now=late):
        pass
    assert (told(case, "ticket"), told(other, "ticket"), told(other, "ticket owed")) == (
        [],
        ["Dana"],
        ["Root"],
    )


def test_begins_later_as_asked(company: Company) -> None:
    case = opened(company, starts_at=NOW + 30 * MINUTE)
    grant = Grant.objects.get(case=case.pk)
    assert (grant.starts_at, grant.ends_at) == (NOW + 30 * MINUTE, NOW + 90 * MINUTE)
    assert [allowed(company, NOW + n * MINUTE) for n in (1, 31, 91)] == [False, True, False]


def test_longer_once_by_the_same_signatures(company: Company) -> None:
    case = opened(company)
    ending.ask_longer(case=case, minutes=30, reason="not done", by=company.dana, now=NOW + MINUTE)
    assert told(case, "asked longer") == ["Paul", "Pia", "Sara", "Sven"]
    for who in (company.pia, company.sara):
        approve(case, who, NOW + 2 * MINUTE)
    grant = Grant.objects.get()
    assert grant.ends_at == NOW + 90 * MINUTE
    assert [allowed(company, NOW + n * MINUTE) for n in (89, 90)] == [True, False]
    with pytest.raises(NotAllowed, match="asked to last longer once"):
        ending.ask_longer(case=case, minutes=5, reason="x", by=company.dana, now=NOW + 3 * MINUTE)


def test_given_back_and_cut_off_end_at_once(company: Company) -> None:
    case = opened(company)
    with pytest.raises(NotAllowed, match="Only who asked may do this"):
        ending.give_back(case=case, by=company.pia, now=NOW + MINUTE)
    with pytest.raises(NotAllowed, match="may cut it off"):
        ending.cut_off(case=case, reason="no", by=company.owen, now=NOW + MINUTE)
    ending.cut_off(case=case, reason="wrong account", by=company.paul, now=NOW + MINUTE)
    grant = Grant.objects.get()
    assert (grant.ended_by_name, allowed(company, NOW + MINUTE)) == ("Paul", False)
    with pytest.raises(NotPossible, match="being ended already"):
        ending.give_back(case=case, by=company.dana, now=NOW + 2 * MINUTE)
    again = opened(company, now=NOW + 3 * MINUTE)
    ending.give_back(case=again, by=company.dana, now=NOW + 4 * MINUTE)
    assert not allowed(company, NOW + 4 * MINUTE)
