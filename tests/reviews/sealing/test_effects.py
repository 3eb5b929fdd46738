"""What a sealed case does outside is seen; why, and by whom, is not: nowhere that it can be read."""

import json
from typing import Any

import pytest

from evidence import ledger
from evidence.models import LedgerEntry
from identities import causes
from identities.actions import batches, revocations
from identities.models import Batch, IdentityState, Revocation, User
from identities.permissions import NotAllowed
from identities.signals import telling
from reviews.models import Case
from reviews.sealing import unsealing, withheld
from tests.reviews.conftest import NOW, Told, make_user

from .conftest import LATER, SECRET, People, incident, seal

pytestmark = pytest.mark.django_db
NEUTRAL = "by decision of responders; the case is sealed"


def hold(story: Told, case: Case, by: User) -> Revocation:
    """Everything of the identity held out of a case, with a reason that says too much."""
    return revocations.request(
        identity=story.identity,
        step="hold",
        by=by,
        now=NOW,
        because=f"{SECRET} reason in {case.key}",
        case=case.pk,
        case_key=case.key,
    )[0]


def said(story: Told) -> str:
    """Everything that anybody may read of what was changed."""
    rows: list[Any] = [
        *Revocation.objects.values("because", "case_key", "requested_by_name", "words"),
        *Batch.objects.values("because", "case_key", "by_name"),
        *IdentityState.objects.values("because", "by"),
    ]
    others = LedgerEntry.objects.filter(sealed_case=None).exclude(subject__startswith="CS-")
    rows += others.values("by_name", "words", "data")
    return json.dumps(rows, default=str)


def test_what_it_holds_names_neither_reason_nor_case_nor_person(
    story: Told, people: People
) -> None:
    before = len(LedgerEntry.objects.filter(sealed_case=None))
    row = hold(story, people.case, people.rex)
    batch = batches.cascade(
        root=story.identity, step="hold", because=f"{SECRET} reason", request_key="a-request-key",
        by=people.rex, now=LATER, case=people.case.pk, case_key=people.case.key,
    )  # fmt: skip
    assert (row.because, row.case_key, row.requested_by_name) == (NEUTRAL, "", "Responders")
    assert (batch.because, batch.case_key, batch.by_name) == (NEUTRAL, "", "Responders")
    text = said(story)
    assert len(LedgerEntry.objects.filter(sealed_case=None)) > before
    assert [one for one in (SECRET, people.case.key, people.rex.ref, "Rex") if one in text] == []
    assert IdentityState.objects.filter(identity=story.identity, because=NEUTRAL).exists()
    # The case itself finds what it has done.
    assert Revocation.objects.filter(case=people.case.pk).exists()
    assert causes.NEUTRAL == NEUTRAL


def test_who_may_not_hold_does_not_because_it_is_sealed(story: Told, people: People) -> None:
    with pytest.raises(NotAllowed):
        hold(story, people.case, make_user("gus", "owner"))
    assert not Revocation.objects.exists()


def test_what_was_held_before_reads_the_same_once_it_is_sealed(story: Told) -> None:
    rex, dora = make_user("rex", "responder"), make_user("dora", "responder")
    case = incident(story, rex)
    row = hold(story, case, rex)
    before = (row.because, row.case_key, row.requested_by, row.requested_by_name)
    state = IdentityState.objects.get(identity=story.identity, state="held", superseded_at=None)
    case = seal(case, rex, dora)
    row.refresh_from_db()
    assert (row.because, row.case_key, row.requested_by, row.requested_by_name) == (
        NEUTRAL,
        "",
        "countersign",
        "Responders",
    )
    # The ledger keeps what it says, and shows it to nobody else: not the case's rows, nor those of
    # what it had changed.
    hidden = withheld.from_user(make_user("root", "administrator"), now=LATER)
    rows = LedgerEntry.objects.order_by("pk")
    shown = [one for one in rows if not hidden.hides(one)]
    assert [one.words for one in shown if SECRET in one.words or case.key in one.words] == []
    assert {one.pk for one in hidden.left_out(LedgerEntry.objects.all())} == {
        one.pk for one in shown
    }
    assert withheld.from_user(dora, now=LATER).names == frozenset()
    assert ledger.verify().faults == []
    # With the end of the seal it is as it was.
    unsealing.ask(case=case, reason="over", by=rex, now=LATER)
    unsealing.sign(case=case, by=dora, now=LATER)
    row.refresh_from_db()
    assert (row.because, row.case_key, row.requested_by, row.requested_by_name) == before
    state.refresh_from_db()
    assert SECRET in state.because


def test_what_it_held_while_sealed_names_it_once_it_is_not(story: Told, people: People) -> None:
    row = hold(story, people.case, people.rex)
    unsealing.ask(case=people.case, reason="over", by=people.rex, now=LATER)
    unsealing.sign(case=people.case, by=people.dora, now=LATER)
    row.refresh_from_db()
    assert (row.because, row.case_key) == (f"decided in {people.case.key}", people.case.key)


def test_a_mention_hides_nothing_and_names_nothing(story: Told, people: People) -> None:
    """Nobody hides a row of theirs by writing the number of a sealed case into it."""
    ledger.append(
        at=NOW, by="user:1", by_name="Eve", act="x", subject="NHI-9",
        words=f"Eve did it, see {people.case.key} and {people.case.key}0",
    )  # fmt: skip
    entry = LedgerEntry.objects.get(subject="NHI-9")
    hidden = withheld.from_user(people.root, now=LATER)
    assert not hidden.hides(entry)
    assert hidden.unnamed(entry.words) == f"Eve did it, see a sealed case and {people.case.key}0"
    # A file carries its digest alone: that is over all of it.
    assert withheld.everywhere().keeps_out(entry)


def test_signals_of_one_sealed_case_have_no_cause_in_common(story: Told, people: People) -> None:
    rows = revocations.request(
        identity=story.identity, step="hold", by=people.rex, now=NOW, because="x",
        case=people.case.pk, case_key=people.case.key,
    )  # fmt: skip
    Revocation.objects.update(state="effective", effective_at=NOW, confirmed_at=NOW)
    facts = telling._revocations(NOW.replace(year=2020))
    assert facts, rows
    assert str(people.case.pk) not in json.dumps([one._asdict() for one in facts], default=str)
