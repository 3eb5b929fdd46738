"""Carrying out many decided cases together does what each alone does, in as many statements."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.models import (
    Binding,
    Credential,
    Delegation,
    DelegationVersion,
    Entitlement,
    Identity,
    Revocation,
    User,
)
from reviews import actions
from reviews.actions import carrying
from reviews.models import Campaign, Case, Item, Notice, Quarantine, ReviewPolicy, Rung

from . import crowd, cut_rows, decided, silent
from .conftest import DAY, HOUR, NOW, make_user
from .test_cuts import item, ref, subject, taken_back

pytestmark = pytest.mark.django_db
LATER = NOW + HOUR
type Plant = Callable[..., list[Case]]


@pytest.fixture
def signer(db: None) -> User:
    return make_user("signer")


@pytest.fixture
def plant(signer: User) -> Plant:
    """Cases that are decided, each with two keys and two delegations."""
    source = silent.at_work(opened=NOW - DAY, until=NOW + 60 * DAY)
    parties = crowd.people(4)

    def cases(
        many: int, answers: Sequence[Sequence[str]] = decided.ANSWERS, name: str = "revoke"
    ) -> list[Case]:
        made = silent.cases(many, silence=name, parties=parties, source=source, opened=NOW - DAY)
        decided.decide(made, by=signer, at=NOW, answers=answers)
        return made

    return cases


def sweep(now: datetime = LATER) -> None:
    while actions.carry_out_next(now=now):
        pass


def quarantined() -> ReviewPolicy:
    return ReviewPolicy.objects.create(
        name="held", state="signed", document={"quarantine_days": 7}, silence="revoke",
        recorded_at=NOW, recorded_by="countersign",
    )  # fmt: skip


def odd(plant: Plant) -> list[Case]:
    """Cases of each outcome, and in many something that goes another way."""
    cases = plant(12)
    # Held, and on its way to be; gone; revoked already; asked for by somebody else.
    Credential.objects.filter(pk=ref(cases[0], 0)).update(state="held")
    Credential.objects.filter(pk=ref(cases[1], 1)).update(state="held")
    asked = {
        "identity": subject(cases[2]), "system": "aws", "words": "x", "requested_at": NOW,
        "requested_by": "command", "not_before": NOW,
    }  # fmt: skip
    target = {"kind": "access_key", "name": Credential.objects.get(pk=ref(cases[2], 0)).actor.value}
    for position, step in enumerate(("hold", "revoke")):
        key = Credential.objects.get(pk=ref(cases[2], position))
        Revocation.objects.create(credential=key, step=step, target=target, **asked)
    Item.objects.filter(pk=item(cases[3], 0).pk).update(ref=cases[3].pk)
    Item.objects.filter(pk=item(cases[3], 2).pk).update(ref=cases[3].pk)
    Item.objects.filter(pk=item(cases[6], 2).pk).update(ref=None)
    Credential.objects.filter(pk=ref(cases[4], 1)).update(state="revoked")
    # Nobody's principal is known; no date was said.
    Credential.objects.filter(pk=ref(cases[6], 1)).update(issued_to=None)
    item(cases[5], 1).decisions.update(proposal={})
    # Passed on to other cases of the same sweep: narrowed with its parent, and ended with it.
    for parent, child in ((6, 7), (5, 4)):
        Delegation.objects.filter(pk=ref(cases[child], 2)).update(parent=ref(cases[parent], 3))
    # Held for some days first; decided otherwise while it was; one that is critical.
    Case.objects.filter(pk__in=[cases[8].pk, cases[9].pk, cases[10].pk]).update(
        policy=quarantined()
    )
    Identity.objects.filter(cases=cases[8]).update(criticality="critical")
    Quarantine.objects.create(
        case=cases[9], item=item(cases[9], 2), identity=subject(cases[9]), since=NOW,
        until=NOW + 7 * DAY,
    )  # fmt: skip
    # Suspended by silence, at first and by a rung, and resumed; suspended by somebody else.
    Identity.objects.filter(cases__in=cases[10:]).update(state="suspended")
    Case.objects.filter(pk=cases[10].pk).update(silence="suspend", silence_done_at=NOW)
    Rung.objects.filter(case=cases[11]).update(does="suspend", state="done", done_at=NOW)
    # The whole of it is decided to be suspended; and what is only declared.
    more = plant(4, (("revoke", "keep"), ("dont_know",)), name="narrow")
    for case in more:
        case.items.filter(position=0).update(kind="identity", ref=case.identity_id)
    granted = plant(4, (("approve", "deny"),), name="suspend")
    for place, case in enumerate(granted):
        row = Delegation.objects.get(grantee=subject(case), slug="task-0")
        DelegationVersion.objects.create(
            delegation=row, version=2, state="proposed", actions=["s3:*"], resources=["*"],
            during=(NOW - 9 * DAY, NOW if place == 2 else None), recorded_at=NOW, by="command",
        )  # fmt: skip
        case.items.filter(position=0).update(kind="grant", ref=row.pk, proposal={"version": 2})
        case.items.exclude(position=0).delete()
    return [*cases, *more, *granted]


def test_together_does_what_alone_does(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = odd(plant)

    def by(most: int) -> dict[str, dict[str, list[str]]]:
        monkeypatch.setattr(carrying, "MOST", most)

        def swept() -> dict[str, dict[str, list[str]]]:
            sweep()
            return cut_rows.written(cases)

        found: dict[str, dict[str, list[str]]] = taken_back(swept)
        return found

    together, alone = by(250), by(1)
    for title, rows in together.items():
        assert rows == alone[title], title
    sweep()
    words = {
        one.carried_words.split(":")[0].split(" CRED")[0]
        for one in Item.objects.filter(case__in=cases)
    }
    assert {"could not be carried out", "kept, it is active", "nothing is granted"} <= words
    assert set(Case.objects.values_list("state", flat=True)) == {"carrying_out", "closed"}
    assert [subject(one).state for one in Case.objects.filter(pk__in=[c.pk for c in cases[10:12]])]


@pytest.mark.parametrize(
    "answers",
    [
        (("keep",), ("keep",), ("keep",), ("keep",)),
        (("revoke",), ("revoke",), ("revoke",), ("revoke",)),
        (("replace",), ("replace",), ("narrow",), ("narrow",)),
        decided.ANSWERS,
    ],
)
def test_many_take_as_many_statements_as_few(
    plant: Plant, answers: Sequence[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = plant(200, answers)
    firsts = Item.objects.filter(case__in=cases, position=0)
    Credential.objects.filter(pk__in=firsts.values("ref")).update(state="held")
    Identity.objects.filter(cases__in=cases).update(state="suspended")
    Case.objects.update(silence="suspend", silence_done_at=NOW)

    def statements(most: int) -> list[int]:
        monkeypatch.setattr(carrying, "MOST", most)
        monkeypatch.setattr(carrying, "MOST_ITEMS", most * 4)

        def swept() -> Iterator[int]:
            # Decided, closed or ended at a date, as far as they go together.
            for now in (LATER, LATER + 40 * DAY):
                with CaptureQueriesContext(connection) as seen:
                    assert actions.carry_out_next(now=now)
                yield len(seen)
                Revocation.objects.update(state="effective")
                Case.objects.filter(state="decided").update(state="closed")

        found: list[int] = taken_back(lambda: list(swept()))
        return found

    few, many = statements(10), statements(200)
    assert many == few
    assert max(many) < 60


def test_one_that_fails_waits_for_a_person_and_the_others_go_out(
    plant: Plant, signer: User, caplog: pytest.LogCaptureFixture
) -> None:
    """A row of another system stands in the way: the database refuses, for this item alone."""
    cases = plant(5, (("keep",), ("revoke",), ("keep",), ("revoke",)))
    stuck = cases[2]
    other = Identity.objects.create(name="other", kind="workload", created_at=NOW)
    wrong = Revocation.objects.create(
        identity=other, credential_id=ref(stuck, 1), step="revoke", system="other",
        target={"kind": "access_key", "name": "x"}, words="x", requested_at=NOW,
        requested_by="command", not_before=NOW,
    )  # fmt: skip
    sweep()
    assert "5 cases are swept one after the other" in caplog.text
    # No case is left, and each other one asked for its revocation once.
    assert not Case.objects.filter(state="decided").exists()
    assert Revocation.objects.exclude(pk=wrong.pk).count() == 4
    words = item(stuck, 1).carried_words
    assert words.startswith("could not be carried out: It could not be done (IntegrityError: dup")
    waits = LedgerEntry.objects.filter(act="item.waits")
    assert [(one.subject, one.data["item"]) for one in waits] == [
        (Case.objects.get(pk=stuck.pk).key, str(item(stuck, 1).pk))
    ]
    done = (
        LedgerEntry.objects.filter(act="item.carried_out")
        .order_by("pk")
        .values_list("data__item", flat=True)
    )
    assert (len(done), len(set(done))) == (19, 19)
    told = Notice.objects.filter(case=stuck.pk, channel="mail", subject__contains="could not be")
    assert told.count() > 0
    # Tried again before and after somebody has looked what is wrong.
    admin = make_user("boss", "reviewer")
    actions.carry_again(case=stuck, by=admin, now=LATER + HOUR)
    assert item(stuck, 1).carried_words == words
    wrong.delete()
    actions.carry_again(case=stuck, by=admin, now=LATER + 2 * HOUR)
    assert item(stuck, 1).carried_out_at == LATER + 2 * HOUR


def test_a_kind_that_fails_keeps_none_of_the_others_from_its_turn(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = [("keep",)] * 4
    plant(2, keep)
    assert actions.carry_out_next(now=LATER)
    plant(1, keep, name="narrow")

    def broken(_: datetime) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr(carrying, "_decided_next", broken)
    assert actions.carry_out_next(now=LATER)
    assert Case.objects.filter(state="closed").count() == 2
    with pytest.raises(RuntimeError, match="broken"):
        actions.carry_out_next(now=LATER)


def test_one_transaction_is_bounded_by_items(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four items a case: two cases fit, and one that has more by itself goes alone."""
    plant(5, [("keep",)] * 4)

    def out(most: int) -> list[int]:
        monkeypatch.setattr(carrying, "MOST_ITEMS", most)
        actions.carry_out_next(now=LATER)
        first = Case.objects.exclude(state="decided").count()
        sweep()
        return [first, Case.objects.filter(state="closed").count()]

    assert taken_back(lambda: out(9)) == [2, 5]
    assert taken_back(lambda: out(3)) == [1, 5]


@pytest.mark.parametrize(
    ("fields", "goes"),
    [
        ({"state": "running", "applies": "at_end"}, False),
        ({"state": "paused", "applies": "at_end"}, False),
        ({"state": "closed", "applies": "at_end"}, True),
        ({"state": "running", "applies": "at_once"}, True),
    ],
)
def test_what_is_kept_for_the_end_of_a_campaign_stays_in_a_set_with_others(
    plant: Plant, fields: dict[str, str], goes: bool
) -> None:
    cases = plant(4, [("keep",)] * 4)
    campaign = Campaign.objects.create(
        name="Yearly", policy=quarantined(), reason="x", made_at=NOW, made_by="x",
        deadline_at=NOW + 9 * DAY, launched_at=NOW, closed_at=NOW, **fields,
    )  # fmt: skip
    Case.objects.filter(pk__in=[cases[0].pk, cases[2].pk]).update(campaign=campaign)
    sweep()
    states = [Case.objects.get(pk=case.pk).state for case in cases]
    kept = "closed" if goes else "decided"
    assert states == [kept, "closed", kept, "closed"]


@pytest.mark.parametrize("kind", ["binding", "entitlement"])
def test_what_is_bound_and_what_is_allowed_is_settled_together(
    plant: Plant, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept and cut in turn, in cases that have nothing else."""
    cut = "revoke" if kind == "binding" else "narrow"
    cases = plant(24, (("keep", cut), ("keep",), ("keep",), ("keep",)))
    Item.objects.filter(case__in=cases, position__gt=0).delete()
    for number, case in enumerate(cases):
        # One after the other, so that of the first ones some are kept and some cut.
        Case.objects.filter(pk=case.pk).update(decided_at=NOW + number * timedelta(seconds=1))
        key = Credential.objects.select_related("issued_to").get(pk=ref(case, 0))
        actor = key.issued_to
        assert actor is not None
        binding = Binding.objects.create(
            identity=subject(case), actor=actor, basis="observed", during=(None, None),
            state="proposed" if kind == "binding" else "confirmed", recorded_at=NOW, by="x",
        )  # fmt: skip
        row = Entitlement.objects.create(
            identity=subject(case), system="aws", principal=actor.value, during=(NOW - DAY, None),
            read_at=NOW, digest="x", possible=[], recorded_at=NOW,
        )  # fmt: skip
        about = {"ref": row.pk} if kind == "entitlement" else {"ref": None}
        case.items.update(kind=kind, proposal={"binding": binding.pk}, **about)

    def statements(most: int) -> int:
        monkeypatch.setattr(carrying, "MOST", most)
        with CaptureQueriesContext(connection) as seen:
            taken_back(lambda: actions.carry_out_next(now=LATER))
        return len(seen)

    assert statements(4) == statements(24) < 40
    monkeypatch.setattr(carrying, "MOST", 250)
    sweep()
    said = [case.items.get().carried_words for case in cases[:2]]
    if kind == "binding":
        assert said == ["the binding is confirmed", "the binding is rejected"]
        standing = Binding.objects.filter(superseded_at__isnull=True)
        assert sorted(standing.values_list("state", flat=True)) == sorted(
            ["confirmed", "rejected"] * 12
        )
    else:
        asked = Revocation.objects.get(identity=subject(cases[1]))
        assert said == ["nothing changes", f"{asked.key}: {asked.words}"]
        assert asked.target["permissions"][0]["resources"] == ["invoices/*"]
        assert Revocation.objects.count() == 12
