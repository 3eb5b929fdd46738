"""A link of what another identity uses waits for whoever answers for that one; until then it is nothing."""

from datetime import timedelta
from typing import Any

import pytest

from evidence.models import Actor, LedgerEntry, Source
from identities.acting import COUNTERSIGN
from identities.actions import bindings, changes
from identities.actions.bindings import foreseeing, linking, links
from identities.actions.bindings.links import Link
from identities.models import Binding, Identity, LinkProposal, Person, ProposedChange, User
from identities.permissions import NotAllowed, NotPossible
from tests.identities.chains import actor as named
from tests.identities.chains import bind
from tests.identities.conftest import NOW
from tests.identities.test_claimed_links import actor, arrive, calls, key_of, run, traces, trail
from tests.identities.test_following import Make
from tests.identities.test_key_users import LATER, judge
from tests.linked import link_by_two

__all__ = ["traces", "trail"]

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


class Two:
    """Two identities, their owners, and a key that is the first one's."""

    def __init__(self, active: Make, user: Make) -> None:
        self.olga: User = user("olga", "owner")
        self.otis: User = user("otis", "owner")
        self.rita: User = user("rita", "reviewer")
        self.pay: Identity = active("pay", owner=self.olga)
        self.desk: Identity = active("desk", owner=self.otis)
        self.key = named("AKIASHARED0000001")
        bind(self.pay, self.key)

    def link(self) -> Link:
        return Link(self.desk, self.key, shared=True)

    def propose(self) -> LinkProposal:
        made = linking.one(self.link(), by=self.otis, now=NOW, reason="we use it as well")
        assert isinstance(made, list)
        return made[0]

    def confirmed(self) -> list[tuple[str, bool]]:
        rows = Binding.objects.filter(
            actor=self.key, state="confirmed", superseded_at__isnull=True
        ).order_by("identity__name")
        return list(rows.values_list("identity__name", "shared"))


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests says nothing of what is looked at."""
    monkeypatch.setattr(foreseeing, "MOST_SECONDS", 120)


@pytest.fixture
def two(active: Make, user: Make) -> Two:
    return Two(active, user)


def test_link_of_what_another_has_is_proposed_and_changes_nothing(two: Two) -> None:
    found = foreseeing.look([two.link()], by=two.otis, now=NOW)
    assert ([one.name for one in found.others], found.needs_reason) == (["pay"], True)
    row = two.propose()
    assert (row.state, row.other, two.confirmed()) == ("proposed", two.pay, [("pay", False)])
    with pytest.raises(NotPossible, match="proposed already"):
        linking.one(two.link(), by=two.rita, now=NOW, reason="again")
    assert set(
        LedgerEntry.objects.filter(act="binding.asked")
        .order_by("pk")
        .values_list("subject", flat=True)
    ) == {
        two.pay.key,
        two.desk.key,
    }


def test_second_owner_signs_and_both_share_it(two: Two) -> None:
    row = two.propose()
    seen = linking.foresee(row, by=two.olga, now=NOW)
    made = linking.sign(row=row, by=two.olga, now=NOW + MINUTE, was=seen.digest)
    assert made is not None
    assert (made.reason, made.by_name) == ("we use it as well; signed for pay by Olga", "Otis")
    assert two.confirmed() == [("desk", True), ("pay", True)]
    # The row as it was is history, as of every binding.
    assert Binding.objects.filter(identity=two.pay, superseded_at=NOW + MINUTE).count() == 1
    with pytest.raises(NotAllowed, match="in force already"):
        linking.sign(row=row, by=two.olga, now=NOW + MINUTE)
    end = linking.one(links.ending(made), by=two.otis, now=NOW + 2 * MINUTE, reason="not ours")
    assert isinstance(end, ProposedChange)
    assert two.confirmed() == [("desk", True), ("pay", True)]
    changes.sign(change=end, by=two.rita, now=NOW + 2 * MINUTE)
    row.refresh_from_db()
    assert (row.state, two.confirmed()) == ("ended", [("pay", True)])
    with pytest.raises(NotPossible, match="Say why"):
        linking.one(two.link(), by=two.otis, now=NOW + 2 * MINUTE)


@pytest.mark.parametrize("who", ["otis", "rita", "stranger", "auditor"])
def test_only_who_answers_for_the_other_signs(two: Two, user: Make, who: str) -> None:
    row = two.propose()
    other = {"otis": two.otis, "rita": two.rita}.get(who) or user(
        who, *["auditor"] * (who == "auditor")
    )
    with pytest.raises(NotAllowed):
        linking.sign(row=row, by=other, now=NOW)
    row.refresh_from_db()
    assert (row.state, two.confirmed()) == ("proposed", [("pay", False)])


def test_where_nobody_answers_a_reviewer_signs_but_never_who_proposed(two: Two) -> None:
    Identity.objects.filter(pk=two.pay.pk).update(owner=None, state="draft")
    made = linking.one(two.link(), by=two.rita, now=NOW, reason="they share it")
    assert isinstance(made, list)
    row = LinkProposal.objects.select_related("other", "identity", "actor").get(pk=made[0].pk)
    with pytest.raises(NotAllowed, match="You proposed it"):
        linking.sign(row=row, by=two.rita, now=NOW)
    other = User.objects.create(username="ron", person=Person.objects.create(name="Ron"))
    other.groups.add(*two.rita.groups.all())
    assert linking.sign(row=row, by=other, now=NOW) is not None


def test_refused_link_is_nothing_and_may_be_proposed_again(two: Two) -> None:
    row = two.propose()
    with pytest.raises(NotPossible, match="Say why"):
        linking.refuse(row=row, by=two.olga, now=NOW, reason=" ")
    linking.refuse(row=row, by=two.olga, now=NOW, reason="they have their own")
    row.refresh_from_db()
    assert (row.state, row.settled_person, two.confirmed()) == (
        "refused",
        two.olga.person,
        [("pay", False)],
    )
    with pytest.raises(NotAllowed, match="refused already"):
        linking.sign(row=row, by=two.olga, now=NOW)
    assert two.propose().state == "proposed"


def test_where_whoever_answered_has_left_a_reviewer_signs(two: Two) -> None:
    row = two.propose()
    with pytest.raises(NotAllowed):
        linking.sign(row=row, by=two.rita, now=NOW)
    Person.objects.filter(users=two.olga).update(left_at=NOW)
    assert linking.sign(row=row, by=two.rita, now=NOW) is not None
    assert two.confirmed() == [("desk", True), ("pay", True)]


def test_signature_ends_only_with_a_link_that_is_taken_back(two: Two) -> None:
    row = two.propose()
    made = linking.sign(row=row, by=two.olga, now=NOW)
    assert made is not None
    theirs = Binding.objects.get(
        identity=two.pay, actor=two.key, state="confirmed", superseded_at__isnull=True
    )
    both = [links.ending(theirs), links.ending(made)]
    done = linking.act(both, by=two.olga, now=NOW + MINUTE, reason="no more")
    assert [isinstance(one, NotAllowed) for one in done] == [False, True]
    assert isinstance(done[0], ProposedChange)
    changes.sign(change=done[0], by=two.rita, now=NOW + MINUTE)
    row.refresh_from_db()
    assert (row.state, two.confirmed()) == ("in_force", [("desk", True)])


def test_who_answers_for_both_needs_a_second_person(two: Two) -> None:
    Identity.objects.filter(pk=two.desk.pk).update(sponsor=two.pay.owner)
    two.desk.refresh_from_db()
    Binding.objects.filter(actor=two.key).update(shared=True)
    found = foreseeing.look([two.link()], by=two.olga, now=NOW)
    assert ([one.name for one in found.others], found.needs_reason) == (["desk"], False)
    made = link_by_two(two.link(), by=two.olga, second=two.rita, now=NOW)
    assert (made.by_name, made.reason) == ("Olga", "linked by hand; signed for desk by Rita")


@pytest.mark.parametrize("who", ["otis", "rita", "olga", "root", "auditor"])
def test_link_that_nobody_else_uses_is_signed_by_a_second_person(
    two: Two, user: Make, who: str
) -> None:
    """Who answers for the identity, a reviewer or an administrator, never who proposed it."""
    idle = named("idle")
    made = linking.one(Link(two.desk, idle), by=two.rita, now=NOW)
    assert isinstance(made, list)
    assert not Binding.objects.filter(actor=idle).exists()
    row = LinkProposal.objects.select_related("other", "identity", "actor").get()
    others = {"otis": two.otis, "rita": two.rita, "olga": two.olga}
    groups = {"root": "administrator", "auditor": "auditor"}
    by = others.get(who) or user(who, groups[who])
    if who in ("otis", "root"):
        assert linking.sign(row=row, by=by, now=NOW) is not None
    else:
        with pytest.raises(NotAllowed):
            linking.sign(row=row, by=by, now=NOW)
    assert Binding.objects.filter(actor=idle).exists() is (who in ("otis", "root"))


def test_what_is_proposed_together_is_signed_together(two: Two, user: Make) -> None:
    those = [Link(two.desk, named(f"idle-{number}")) for number in range(3)]
    linking.act([*those, Link(two.pay, named("pays"))], by=two.rita, now=NOW)
    linking.act([Link(two.desk, named("later"))], by=two.rita, now=NOW + MINUTE)
    rows = LinkProposal.objects.select_related("other", "identity", "actor").order_by("pk")
    first = rows[0]
    linking.refuse(row=rows[1], by=two.otis, now=NOW, reason="not ours")
    # The owner signs those of their identity; a reviewer those of others too, but not their own.
    ron = user("ron", "reviewer")
    assert [len(linking.together(first, by=one, now=NOW)) for one in (two.otis, ron)] == [2, 3]
    seen = linking.foresee(first, by=two.otis, now=NOW)
    linking.sign(row=first, by=two.otis, now=NOW, was=seen.digest)
    assert set(Binding.objects.filter(identity=two.desk).values_list("actor__value", flat=True)) == {
        "idle-0", "idle-2"
    }  # fmt: skip
    assert rows.filter(state="proposed").count() == 2


@pytest.mark.parametrize("by", ["a case", "a person"])
def test_no_other_door_confirms_what_others_have(two: Two, by: str) -> None:
    Binding.objects.filter(actor=two.key).update(shared=True)
    row = Binding.objects.create(
        identity=two.desk, actor=two.key, basis="observed", state="proposed", shared=True, seen=9,
        during=(None, None), recorded_at=NOW, by="countersign",
    )  # fmt: skip
    who: Any = COUNTERSIGN if by == "a case" else two.rita
    with pytest.raises(NotPossible, match="used by pay as well"):
        bindings.confirm(binding=row, by=who, now=NOW)


def test_what_runs_of_another_call_with_is_theirs_as_well(
    trail: Source, traces: Source, active: Make, user: Make
) -> None:
    pay, desk = active("pay"), active("desk", owner=user("otis", "owner"))
    arrive(trail, calls(1, "R1"))
    arrive(traces, run(1, "payer", "R1"))
    otis = User.objects.get(username="otis")
    key = Actor.objects.get(kind="access_key")
    # While the run only claims the calls, the key is nobody else's.
    assert foreseeing.look([Link(desk, key)], by=otis, now=LATER).others == (desk,)
    key_of(pay)
    bindings.bind(identity=pay, actor=actor("agent", "payer"), by=COUNTERSIGN, now=LATER)
    judge()
    found = foreseeing.look([Link(desk, key, shared=True)], by=otis, now=LATER)
    assert [one.name for one in found.others] == ["pay"]
