"""Who may do what in the claim wave and with the switch of outgoing writes, each sentence; the admin.

One story is planted; each row asks. What the modules can say is read from their source, as for the
other permissions (tests/reviews/test_every_permission.py).
"""

import re
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from identities.actions import outgoing
from identities.claims import answering, rights
from identities.models import ClaimAnswer, OutgoingSwitch, Party, Person, User
from identities.permissions import AUDITOR, INACTIVE, LEFT, NOBODY
from tests.admin_site import admin_site
from tests.identities.claimed import SOON, crm, team, unowned
from tests.identities.conftest import NOW, party
from tests.reviews.test_every_permission import SAYING, sentences

pytestmark = pytest.mark.django_db
Make = Callable[..., Any]

__all__ = ["crm", "team", "unowned"]

ALL = "How far the claim wave is, is shown to reviewers, responders, auditors and administrators."
FOR = "Payments is asked: only who stands for Payments may answer."
RUN = "Only a reviewer or an administrator may run the claim wave."
SWITCH = "Only a reviewer, a responder or an administrator may stop outgoing writes."


class Row(NamedTuple):
    """A permission, whom it is asked for, what else is said, and what it answers."""

    permission: str
    who: str
    said: str | None
    more: dict[str, Any] = {}


SIGNING = [("otto", AUDITOR), ("off", INACTIVE), ("robot", NOBODY), ("gone", LEFT)]
CLAIMS = [
    Row("why_not_see_all", "rita", None),
    Row("why_not_see_all", "pia", ALL),
    Row("why_not_answer", "pia", None),
    Row("why_not_answer", "rita", FOR),
    *[Row("why_not_answer", who, said) for who, said in SIGNING],
    Row("why_not_run", "rita", None),
    Row("why_not_run", "root", None),
    Row("why_not_run", "pia", RUN),
    *[Row("why_not_run", who, said) for who, said in SIGNING],
    Row("why_not_own_service", "pia", None, {"others": 2}),
    Row("why_not_own_service", "rita", FOR),
    Row("why_not_own_service", "pia", "The service has an owner: Sara.", {"owner": "sara"}),
    Row(
        "why_not_own_service",
        "pia",
        "Others are asked about most of it: only what you are asked about can become yours.",
        {"others": 3},
    ),
    Row("why_not_undo", "pia", None),
    Row("why_not_undo", "otto", AUDITOR),
    Row("why_not_undo", "rita", "Pia answered: only they may take it back."),
    Row("why_not_undo", "pia", "It was taken back already.", {"undone_at": NOW}),
    Row("why_not_undo", "pia", "Its time to be taken back is over.", {"carried_at": NOW}),
    Row("why_not_undo", "pia", "Its time to be taken back is over.", {"now": SOON}),
]
OUTGOING = [
    Row("why_not_propose_switch", "rita", None),
    Row("why_not_propose_switch", "pia", SWITCH),
    *[Row("why_not_propose_switch", who, said) for who, said in SIGNING],
    Row("why_not_sign_switch", "root", None),
    Row("why_not_sign_switch", "pia", SWITCH),
    Row("why_not_sign_switch", "root", outgoing.NOTHING, {"state": "in_force"}),
    Row("why_not_sign_switch", "rita", "You proposed it: a second person signs."),
    Row("why_not_refuse_switch", "root", None),
    Row("why_not_refuse_switch", "rita", None),
    Row("why_not_refuse_switch", "pia", SWITCH),
    Row("why_not_refuse_switch", "root", outgoing.NOTHING, {"state": "refused"}),
]


@pytest.fixture
def people(crm: dict[str, Any], user: Make) -> dict[str, Any]:
    """Pia of Payments, Rita and root who may run it, and four logins that sign nothing."""
    user("root", "administrator")
    # An auditor changes nothing, whatever else they are and whichever team they are in.
    user("otto", "auditor", "reviewer", person=crm["pia"].person)
    User.objects.create(username="off", person=crm["pia"].person, is_active=False)
    user("gone", "reviewer", person=Person.objects.create(name="Gone", left_at=NOW))
    robot = User.objects.create(username="robot")
    robot.groups.add(Group.objects.get(name="reviewer"))
    return crm


def of_claims(row: Row, told: dict[str, Any], answer: ClaimAnswer) -> str | None:
    who, payments = User.objects.select_related("person").get(username=row.who), told["payments"]
    if row.permission == "why_not_see_all":
        return rights.why_not_see_all(who)
    if row.permission == "why_not_run":
        return rights.why_not_run(who, now=NOW)
    if row.permission == "why_not_answer":
        return rights.why_not_answer(who, payments, now=NOW)
    if row.permission == "why_not_own_service":
        owner: Party | None = party(told["sara"]) if row.more.get("owner") else None
        others = row.more.get("others", 0)
        return rights.why_not_own_service(
            who, payments, owner=owner, mine=3, others=others, now=NOW
        )
    given = ClaimAnswer.objects.get(pk=answer.pk)
    for name in row.more.keys() - {"now"}:
        setattr(given, name, row.more[name])
    return rights.why_not_undo(who, given, now=row.more.get("now", NOW))


def test_claims_every_row_says_what_it_should(people: dict[str, Any]) -> None:
    answer = answering.yes(**people["about"])
    wrong = [
        (row.permission, row.who, found, row.said)
        for row in CLAIMS
        if (found := of_claims(row, people, answer)) != row.said
    ]
    assert wrong == []


def test_outgoing_every_row_says_what_it_should(people: dict[str, Any]) -> None:
    now = NOW + timedelta(minutes=1)
    outgoing.propose(to="stopped", reason="keys vanish", by=people["rita"], now=NOW)
    wrong = []
    for row in OUTGOING:
        who = User.objects.select_related("person").get(username=row.who)
        switch = OutgoingSwitch.objects.get()
        switch.state = row.more.get("state", switch.state)
        if row.permission == "why_not_propose_switch":
            found = outgoing.why_not_propose_switch(who, now=now)
        else:
            found = getattr(outgoing, row.permission)(who, switch, now=now)
        if found != row.said:
            wrong.append((row.permission, row.who, found, row.said))
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "rows"), [(rights, CLAIMS), (outgoing, OUTGOING)], ids=["claims", "outgoing"]
)
def test_no_permission_and_no_sentence_is_without_a_row(
    module: ModuleType, rows: list[Row]
) -> None:
    missing = []
    for name, patterns in sentences(module).items():
        inner = name in SAYING or name[0] == "_"
        answers = [row.said for row in rows if inner or row.permission == name]
        if not inner and None not in answers:
            missing.append(f"{name}: allowed")
        missing += [
            f"{name}: {pattern}"
            for pattern in patterns
            if not any(re.fullmatch(pattern, one) for one in answers if one)
        ]
    assert missing == []


def test_who_has_left_answers_nothing_with_a_login_that_works(people: dict[str, Any]) -> None:
    Person.objects.filter(pk=people["pia"].person_id).update(left_at=NOW)
    pia = User.objects.select_related("person").get(username="pia")
    assert rights.why_not_answer(pia, people["payments"], now=NOW) == LEFT


@pytest.mark.parametrize("model", ["claim", "claimanswer", "claimrefusal", "claimwave"])
def test_admin_shows_claims_and_changes_nothing(
    crm: dict[str, Any], model: str, settings: Any
) -> None:
    answering.not_mine(**crm["about"], reason="no")
    root = crm["rita"]
    root.is_superuser = root.is_staff = True
    root.save()
    client = Client()
    client.force_login(root)
    with admin_site(settings):
        assert client.get(f"/admin/identities/{model}/").status_code == 200
        assert client.get(f"/admin/identities/{model}/add/").status_code == 403
