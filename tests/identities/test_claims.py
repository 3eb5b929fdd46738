"""The claim wave: what is asked of whom, and why."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identities.claims import counting, proposing, together
from identities.models import (
    Claim,
    Credential,
    Discovery,
    Identity,
    Membership,
    Person,
    Team,
)
from tests.identities.claimed import (
    actor,
    asked,
    crm,
    look,
    team,
    unowned,
)
from tests.identities.conftest import DAY, NOW, party

pytestmark = pytest.mark.django_db
Make = Callable[..., Any]


__all__ = ["crm", "team", "unowned"]


def test_owner_is_proposed_from_each_kind_of_evidence(
    unowned: Make, team: Make, service: Make, user: Make, identity: Make
) -> None:
    payments, _ = team("Payments", "pia")
    crm = service("crm", owner=payments, cmdb_id="CI7")
    unowned("of-service", service=crm)
    unowned("by-cmdb", ("cmdb", "ci7"))
    unowned("by-tag", ("owner", "PIA@example.org"))
    unowned("by-team", ("team", "team payments"))
    unowned("by-code", ("codeowners", "@acme/payments-team"))
    unowned("by-maker", ("creator", "pia"))
    unowned("payments-job")
    unowned("by-nobody", ("owner", "nobody@example.org"))
    issued = unowned("by-issuer")
    Credential.objects.create(
        actor=actor("AKIA1", "access_key"),
        identity=issued,
        kind="access_key",
        standing=True,
        issued_by=actor("arn:aws:iam::1:user/pia"),
        issued_to=issued.bindings.get().actor,
        state_at=NOW,
    )
    identity("a human", kind="human")
    look()
    assert asked() == {
        "of-service": ("Payments", "evidence"),
        "by-cmdb": ("Payments", "evidence"),
        # Whoever is named for a thing or two is asked with their team.
        "by-tag": ("Payments", "evidence"),
        "by-team": ("Payments", "evidence"),
        "by-code": ("Payments", "evidence"),
        # Whoever made it made it for their team.
        "by-maker": ("Payments", "evidence"),
        "by-issuer": ("Payments", "evidence"),
        "payments-job": ("Payments", "evidence"),
        "by-nobody": (None, "nobody"),
    }
    words = {
        str(row.identity): row.reasons[0]["words"] for row in Claim.objects.exclude(party=None)
    }
    assert words["by-issuer"] == (
        "1 credential of it issued by arn:aws:iam::1:user/pia, who is in Payments"
    )
    assert words["by-cmdb"] == (
        "Payments owns crm, the service it serves: its CMDB id ci7 is that of crm"
    )


def test_tag_of_who_has_left_asks_the_team_they_left(unowned: Make, team: Make) -> None:
    team("Payments", "pia", left_at=NOW - DAY)
    team("Other", "otto")
    Membership.objects.create(
        team=Team.objects.get(name="Payments"),
        person=Person.objects.get(name="Otto"),
        during=(NOW - DAY, None),
        recorded_at=NOW,
    )
    unowned("job", ("owner", "pia@example.org"))
    look()
    assert asked() == {"job": ("Payments", "evidence")}


def test_things_beside_each_other_are_one_question(
    unowned: Make, team: Make, service: Make
) -> None:
    team("Payments", "pia")
    team("Platform", "paul")
    crm = service("crm")
    team("Search", "sue")
    for number in range(6):
        unowned(f"a{number}", ("team", "payments"), service=crm)
    unowned("of-person", ("owner", "pia@example.org"), service=crm)
    unowned("made-by-platform", ("creator", "paul"), service=crm)
    unowned("nothing", service=crm)
    unowned("one-of-others", ("team", "search"), service=crm)
    for number in range(together.LEAST_APART):
        unowned(f"b{number}", ("team", "platform"), service=crm)
    look()
    assert asked() == {
        **{f"a{number}": ("Payments", "evidence") for number in range(6)},
        "of-person": ("Payments", "evidence"),
        "made-by-platform": ("Payments", "neighbours"),
        "nothing": ("Payments", "neighbours"),
        # One tag that says otherwise stands in the question as a doubt, four are their own.
        "one-of-others": ("Payments", "neighbours"),
        **{f"b{number}": ("Platform", "evidence") for number in range(4)},
    }
    doubted = Claim.objects.get(identity__name="one-of-others")
    assert [one["words"] for one in doubted.reasons] == [
        "tag team names search",
        "Payments: 7 of 12 things beside it whose owner is known or said are theirs",
    ]


def test_looking_twice_asks_once_and_what_was_settled_is_gone(unowned: Make, team: Make) -> None:
    _, pia = team("Payments", "pia")
    first, second = unowned("a", ("team", "payments")), unowned("b", ("team", "payments"))
    look()
    look()
    Identity.objects.filter(pk=first.pk).update(owner=party(pia))
    Identity.objects.filter(pk=second.pk).update(state="retired")
    look()
    assert list(Claim.objects.values_list("state", "closed_at")) == [("gone", NOW)] * 2


def test_evidence_is_looked_at_again_and_whoever_is_asked_stays_asked(
    unowned: Make, team: Make
) -> None:
    team("Payments", "pia")
    team("Search", "sue")
    rows = [unowned("a", ("team", "payments")), unowned("b", ("team", "payments"))]
    look()
    Claim.objects.filter(identity=rows[0]).update(asked_at=NOW)
    Discovery.objects.update(hints=[{"kind": "team", "value": "search", "seen_in": "tag team"}])
    while proposing.look_next(now=NOW + 2 * DAY):
        pass
    assert asked() == {"a": ("Payments", "evidence"), "b": ("Search", "evidence")}


def test_what_nobody_owns_since_a_moment_is_counted_at_once_and_looked_at_again(
    unowned: Make, team: Make
) -> None:
    payments, _ = team("Payments", "pia")
    counting.count(now=NOW)
    row = unowned("a")
    assert (proposing.new_next(now=NOW), proposing.new_next(now=NOW)) == (True, False)
    assert asked() == {"a": (None, "nobody")}
    assert [one.nobody for one in counting.days(now=NOW)] == [1]
    # What the evidence says of it came a moment later: the next whole look finds it.
    Discovery.objects.update(hints=[{"kind": "team", "value": "payments", "seen_in": "tag team"}])
    look()
    assert asked() == {"a": ("Payments", "evidence")}
    Identity.objects.filter(pk=row.pk).update(owner=payments)
    assert (proposing.new_next(now=NOW), asked()) == (False, {})


def test_batch_takes_the_same_statements_for_one_and_for_thirty(unowned: Make, team: Make) -> None:
    team("Payments", "pia")

    def cost(first: int, many: int) -> int:
        for number in range(first, first + many):
            unowned(f"n{number}", ("team", "payments"), ("owner", "pia@example.org"))
        with CaptureQueriesContext(connection) as seen:
            assert proposing.look_next(now=NOW)
        return len(seen)

    cost(0, 1)
    assert cost(1, 1) == cost(2, 30)
