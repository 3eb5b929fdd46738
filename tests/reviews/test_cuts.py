"""What silence cuts in many cases together is what it cuts in each alone, in as many statements."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.models import (
    Credential,
    Delegation,
    DelegationVersion,
    Identity,
    Revocation,
)
from reviews import actions
from reviews.actions import deadlines
from reviews.models import Case, Decision, Item, Notice, Quarantine, ReviewPolicy, Rung, Stage

from . import crowd, cut_rows, silent, stages
from .conftest import DAY, HOUR, NOW, make_user, person_of

pytestmark = pytest.mark.django_db
DUE = NOW + silent.WITHIN
LATE = DUE + HOUR
CUTS = ("deny", "narrow", "suspend", "revoke")
DOORS = {"deny": "access_request"}
type Plant = Callable[..., list[Case]]


@pytest.fixture
def plant(db: None) -> Plant:
    """Open cases with one silence; everybody was told, and evidence is fresh."""
    source = silent.at_work(opened=NOW, until=NOW + 60 * DAY)
    parties = crowd.people(4)

    def cases(many: int, silence: str, **more: Any) -> list[Case]:
        door = DOORS.get(silence, "access_review")
        return silent.cases(
            many, silence=silence, parties=parties, source=source, opened=NOW, door=door, **more
        )

    return cases


def sweep(now: datetime = LATE) -> None:
    while actions.deadlines_next(now=now):
        pass


def taken_back(act: Callable[[], Any]) -> Any:
    """What an act comes to, and everything as before."""
    with transaction.atomic():
        found = act()
        transaction.set_rollback(True)
    return found


def item(case: Case, position: int) -> Item:
    return case.items.get(position=position)


def ref(case: Case, position: int) -> UUID:
    found = item(case, position).ref
    assert found is not None
    return found


def subject(case: Case) -> Identity:
    assert case.identity is not None
    return case.identity


def answer(case: Case, position: int, said: str) -> None:
    """The owner's answer, as if given in time."""
    seat = case.seats.get(kind="identity_owner")
    who = make_user(f"of-{case.title}-{position}")
    Decision.objects.create(
        item=item(case, position), seat=seat, answer=said, reason="x", by=who,
        person=person_of(who), at=NOW, not_before=NOW,
    )  # fmt: skip


def odd(plant: Plant) -> list[Case]:
    """Cases of each consequence, and in each of many something that goes another way."""
    revoke, suspend = plant(9, "revoke"), plant(7, "suspend")
    narrow, deny, escalate = plant(3, "narrow"), plant(2, "deny"), plant(1, "escalate")
    # Answered by one seat: the stricter stands, and what nobody knows is nobody's to cut.
    answer(revoke[1], 0, "revoke")
    answer(revoke[1], 1, "keep")
    answer(suspend[1], 0, "revoke")
    # In conflict, and left to the tie-breaker.
    answer(revoke[2], 0, "keep")
    revoke[2].items.filter(position=0).update(outcome="conflict", held="revoke")
    # Revoked already; asked for already by somebody else; gone; nobody's principal is known.
    Credential.objects.filter(pk=ref(revoke[3], 0)).update(state="revoked")
    key = Credential.objects.get(pk=ref(revoke[3], 1))
    Revocation.objects.create(
        identity=subject(revoke[3]), credential=key, step="revoke", system="aws",
        target={"kind": "access_key", "name": "x"}, words="Delete it", requested_at=NOW,
        requested_by="command", not_before=NOW,
    )  # fmt: skip
    Item.objects.filter(pk=item(revoke[4], 0).pk).update(ref=revoke[4].pk)
    Credential.objects.filter(pk=ref(revoke[4], 1)).update(issued_to=None)
    Credential.objects.filter(pk=ref(suspend[2], 1)).update(issued_to=None)
    # Passed on to another identity of the same sweep, with a proposal of its own.
    parent, child = ref(revoke[5], 2), ref(revoke[6], 2)
    Delegation.objects.filter(pk=child).update(parent=parent)
    DelegationVersion.objects.create(
        delegation_id=parent, version=2, state="proposed", actions=["s3:*"], resources=["*"],
        during=(NOW, None), recorded_at=NOW, by="command",
    )  # fmt: skip
    # Held for some days first.
    policy = ReviewPolicy.objects.create(
        name="held", state="signed", document={"quarantine_days": 7}, silence="revoke",
        recorded_at=NOW, recorded_by="countersign",
    )  # fmt: skip
    Case.objects.filter(pk=revoke[7].pk).update(policy=policy)
    Identity.objects.filter(cases=revoke[8]).update(criticality="critical")
    # What cannot be suspended, and what is; only noted; only asked.
    for case, fields in zip(
        suspend[3:],
        ({"state": "retired"}, {"state": "suspended"}, {"mode": "observe"}, {"mode": "ask"}),
        strict=True,
    ):
        Identity.objects.filter(cases=case).update(**fields)
    narrow[1].items.filter(kind="delegation").update(snapshot={"evidence": False})
    narrow[2].items.filter(kind="credential").delete()
    return [*revoke, *suspend, *narrow, *deny, *escalate]


def test_together_does_what_alone_does(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = odd(plant)

    def by(most: int) -> dict[str, dict[str, list[str]]]:
        monkeypatch.setattr(deadlines, "MOST", most)

        def swept() -> dict[str, dict[str, list[str]]]:
            sweep()
            return cut_rows.written(cases)

        found: dict[str, dict[str, list[str]]] = taken_back(swept)
        return found

    together, alone = by(250), by(1)
    assert together == alone
    sweep()
    assert [Case.objects.get(pk=case.pk).state for case in cases].count("decided") == 10
    assert Quarantine.objects.count() == 4


def staged(cases: list[Case], *, followed: bool) -> None:
    """Ask them in a stage; the owner would revoke the first item of each, nobody answers the rest."""
    more = [stages.SECOND] if followed else []
    policy = stages.policy({"name": "Owners", "hours": 168}, *more, silence="revoke")
    following = more[0]["name"] if more else ""
    Case.objects.filter(pk__in=[case.pk for case in cases]).update(
        policy=policy, stage="Owners", next_stage=following
    )
    for case in cases:
        row = Stage.objects.create(
            case=case, position=0, name="Owners", state="running", within=silent.WITHIN
        )
        if following:
            Stage.objects.create(case=case, position=1, name=following, within=DAY)
        case.seats.filter(kind="identity_owner").update(stage=row)
        answer(case, 0, "revoke")


@pytest.mark.parametrize("silence", [*CUTS, "in its last stage", "in a stage"])
def test_many_cuts_take_as_many_statements_as_few(
    plant: Plant, silence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if silence in CUTS:
        plant(50, silence)
    else:
        staged(plant(50, "revoke"), followed=silence == "in a stage")

    def statements(most: int) -> int:
        monkeypatch.setattr(deadlines, "MOST", most)
        with CaptureQueriesContext(connection) as seen:
            taken_back(lambda: deadlines.deadlines_next(now=LATE))
        return len(seen)

    few, many = statements(5), statements(50)
    assert many == few < 80


def test_one_transaction_is_bounded_by_items(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four items a case: two cases fit, and one that has more by itself goes alone."""
    plant(5, "revoke")

    def decided(most: int) -> list[int]:
        monkeypatch.setattr(deadlines, "MOST_ITEMS", most)
        actions.deadlines_next(now=LATE)
        first = Case.objects.filter(state="decided").count()
        sweep()
        return [first, Case.objects.filter(state="decided").count()]

    assert taken_back(lambda: decided(9)) == [2, 5]
    assert taken_back(lambda: decided(3)) == [1, 5]


def test_what_cannot_be_cut_in_one_is_cut_in_the_others(
    plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    """A row of another system stands in the way: the database refuses, for this case alone."""
    cases = plant(5, "revoke")
    stuck = cases[2]
    other = Identity.objects.create(name="other", kind="workload", created_at=NOW)
    Revocation.objects.create(
        identity=other, credential_id=ref(stuck, 0), step="revoke", system="other",
        target={"kind": "access_key", "name": "x"}, words="x", requested_at=NOW,
        requested_by="command", not_before=NOW,
    )  # fmt: skip
    sweep()
    sweep()
    assert "5 cases are swept one after the other" in caplog.text
    others = Case.objects.filter(pk__in=[case.pk for case in cases]).exclude(pk=stuck.pk)
    assert set(others.values_list("state", flat=True)) == {"decided"}
    stuck.refresh_from_db()
    assert (stuck.state, stuck.silence) == ("open", "escalate")
    # Nothing of it was done, and a person is asked to look.
    assert not stuck.items.exclude(outcome="", carried_out_at=None).exists()
    assert Revocation.objects.filter(case=stuck.pk).count() == 0
    held = Rung.objects.get(case=stuck, state="held")
    assert (held.does, held.at) == ("revoke", DUE)
    assert held.held_why.startswith("It could not be done (IntegrityError: duplicate key")
    assert Notice.objects.filter(case=stuck.pk, occasion__contains="held revoke").exists()
    done = (
        LedgerEntry.objects.filter(act="case.silence")
        .order_by("pk")
        .values_list("subject", flat=True)
    )
    assert sorted(done) == sorted(
        case.key for case in Case.objects.filter(pk__in=[c.pk for c in cases])
    )


def test_what_is_refused_is_noted_on_its_item(plant: Plant) -> None:
    cases = plant(3, "revoke")
    Credential.objects.filter(pk=ref(cases[1], 0)).update(issued_to=None)
    Item.objects.filter(pk=item(cases[1], 1).pk).update(ref=cases[1].pk)
    sweep()
    words = list(cases[1].items.order_by("position").values_list("carried_words", flat=True))
    assert words[0].startswith("could not be carried out: Whose key ")
    assert words[1] == "could not be carried out: Its credential is gone."
    assert [one.endswith(" ended") for one in words[2:]] == [True, True]
    done = Item.objects.filter(case__in=[cases[0], cases[2]], carried_out_at=LATE)
    assert done.count() == 8
