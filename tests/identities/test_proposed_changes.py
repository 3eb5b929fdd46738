"""What exists is changed by two people: a file of one of them waits for the other."""

from datetime import timedelta
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.actions import changes, registration
from identities.models import (
    Binding,
    Identity,
    Membership,
    Party,
    Person,
    ProposedChange,
    Service,
    Team,
    User,
)
from identities.permissions import NotAllowed, NotPossible
from identities.register import RegisterError, read
from tests.identities.conftest import NOW
from tests.reviews.conftest import make_user

from .test_registration import load

pytestmark = pytest.mark.django_db
TAKES_IT = """
services:
  - {slug: reporting, ai_system: false, owner: Ada}
identities:
  - {name: svc-report-agent, owner: Ada, sponsor: ben@example.org}
"""


@pytest.fixture
def ada(db: None) -> User:
    load()
    return make_user("ada", "administrator")


@pytest.fixture
def rita(db: None) -> User:
    return make_user("rita", "reviewer")


def sent(text: str, by: User, **said: Any) -> list[ProposedChange]:
    registration.register(entries=read("file.yaml", text), by=by, now=NOW, **said)
    return list(ProposedChange.objects.filter(state="proposed").order_by("number"))


def owner_of(name: str) -> str:
    return str(Identity.objects.get(name=name).owner)


def test_nobody_makes_themselves_the_owner(ada: User, rita: User) -> None:
    service, identity = sent(TAKES_IT, ada)
    assert (owner_of("svc-report-agent"), Service.objects.get(slug="reporting").ai_system) == (
        "Aisha Bello",
        True,
    )
    assert [service.lines, identity.lines] == [
        [
            ["service reporting", "ai_system: True → False; owner: Aisha Bello → Ada"],
            ["identity svc-report-agent", "follows its service in owner"],
        ],
        [["identity svc-report-agent", "owner: Aisha Bello → Ada"]],
    ]
    for change in (service, identity):
        with pytest.raises(NotAllowed, match="a second person signs"):
            changes.sign(change=change, by=ada, now=NOW)
    changes.sign(change=identity, by=rita, now=NOW)
    assert owner_of("svc-report-agent") == "Ada"
    row = LedgerEntry.objects.filter(act="registered.changed", subject__startswith="NHI").last()
    assert row is not None
    assert row.by_name == "Ada and Rita"


def test_what_does_something_else_by_now_is_not_applied(ada: User, rita: User) -> None:
    (_, identity) = sent(TAKES_IT, ada)
    load('identities: [{name: svc-report-agent, owner: "team:Finance AI"}]')
    with pytest.raises(NotPossible, match="propose it again"):
        changes.sign(change=identity, by=rita, now=NOW)
    identity.refresh_from_db()
    assert (identity.state, owner_of("svc-report-agent")) == ("proposed", "Finance AI")


def test_the_same_file_again_asks_once_and_another_takes_its_place(ada: User) -> None:
    first = sent(TAKES_IT, ada)
    assert sent(TAKES_IT, ada) == first
    other = sent('identities: [{name: svc-report-agent, owner: "team:Finance AI"}]', ada)
    first[1].refresh_from_db()
    assert (len(other), first[1].state) == (2, "refused")


def test_a_trial_run_asks_nobody(ada: User) -> None:
    assert sent(TAKES_IT, ada, dry_run=True) == []


def test_who_joins_a_team_that_decides_is_signed_by_one_of_it(ada: User, rita: User) -> None:
    (change,) = sent(
        "teams: [{name: Finance AI, members: [aisha@example.org, Ben Ochieng, Ada]}]", ada
    )
    team = Team.objects.get(name="Finance AI")
    assert change.subject == f"team:{team.pk}"
    assert not Membership.objects.filter(team=team, person=ada.person).exists()
    ben = User.objects.create(username="ben", person=Person.objects.get(name="Ben Ochieng"))
    with pytest.raises(NotAllowed, match="Only a member of Finance AI may sign"):
        changes.sign(change=change, by=rita, now=NOW)
    changes.sign(change=change, by=ben, now=NOW)
    assert Membership.objects.filter(team=team, person=ada.person).exists()


def test_nobody_moves_into_a_team_that_decides_by_a_page(ada: User, rita: User) -> None:
    team = Team.objects.get(name="Finance AI")
    assert rita.person is not None
    change = registration.move(
        person=rita.person, to=team, at=NOW, reason="helps out", by=ada, now=NOW
    )
    assert isinstance(change, ProposedChange)
    assert change.lines == [["person Rita", change.lines[0][1]]]
    assert not Membership.objects.filter(team=team, person=rita.person).exists()
    with pytest.raises(NotAllowed, match="This is about you"):
        changes.sign(change=change, by=rita, now=NOW)


def test_nobody_makes_a_signer_alone(ada: User) -> None:
    login = User.objects.create(username="puppet")
    (change,) = sent("people: [{name: Puppet, email: puppet@example.org, logins: [puppet]}]", ada)
    login.refresh_from_db()
    assert (login.person, change.title) == (None, "person Puppet")


def test_names_and_addresses_of_people_wait(ada: User, rita: User) -> None:
    (change,) = sent("people: [{name: Dora Bello, email: aisha@example.org}]", ada)
    assert Person.objects.filter(name="Aisha Bello").exists()
    changes.sign(change=change, by=rita, now=NOW)
    assert Person.objects.get(email="aisha@example.org").name == "Dora Bello"


def test_what_nobody_signs_lapses(ada: User, rita: User) -> None:
    (_, identity) = sent(TAKES_IT, ada)
    late = NOW + timedelta(days=14)
    with pytest.raises(NotAllowed, match="is over"):
        changes.sign(change=identity, by=rita, now=late)
    while changes.lapse_next(now=late):
        pass
    identity.refresh_from_db()
    assert (identity.state, identity.settled_by) == ("refused", "countersign")


def test_refused_is_refused(ada: User, rita: User) -> None:
    (_, identity) = sent(TAKES_IT, ada)
    changes.refuse(change=identity, reason="not hers", by=rita, now=NOW)
    with pytest.raises(NotAllowed, match="refused already, by Rita"):
        changes.sign(change=identity, by=rita, now=NOW)


def test_a_team_that_owns_nothing_is_changed_at_once(ada: User) -> None:
    load("teams: [{name: Lunch, members: [chen@example.org]}]")
    assert sent("teams: [{name: Lunch, members: [chen@example.org, Ada]}]", ada) == []
    assert not Party.objects.filter(team__name="Lunch").exists()


def test_a_file_links_no_key_that_another_identity_uses(ada: User) -> None:
    load(
        """
identities:
  - {name: other, kind: service_account, actors: [{arn: "arn:aws:iam::123456789012:user/x", shared: true}]}
  - {name: mine, kind: service_account}
"""
    )
    text = 'identities: [{name: mine, actors: [{arn: "arn:aws:iam::123456789012:user/x", shared: true}]}]'
    with pytest.raises(RegisterError, match="is used by other as well"):
        sent(text, ada)


def test_a_file_links_what_nobody_else_uses_once_a_second_person_signs(
    ada: User, rita: User
) -> None:
    text = """
identities:
  - {name: fresh, kind: service_account, actors: [{arn: "arn:aws:iam::123456789012:user/y"}]}
"""
    (change,) = sent(text, ada)
    assert Identity.objects.filter(name="fresh").exists()
    assert not Binding.objects.filter(identity__name="fresh").exists()
    assert change.lines == [["actor arn:aws:iam::123456789012:user/y", "is fresh"]]
    changes.sign(change=change, by=rita, now=NOW)
    made = Binding.objects.get(identity__name="fresh")
    assert (made.state, made.by_name) == ("confirmed", "Ada and Rita")
