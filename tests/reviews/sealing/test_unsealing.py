"""The end of a seal: one asks, another signs, and what was bound can be checked by who kept it."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.conf import settings

from evidence import ledger
from evidence.models import LedgerEntry
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, visible
from reviews.models import Case, CaseMember, Sealing
from reviews.sealing import rights, unsealing
from tests.reviews.conftest import NOW, Told, make_user, person_of

from .conftest import LATER, SECRET, People, incident, seal

pytestmark = pytest.mark.django_db


def script() -> ModuleType:
    """The verifier that needs nothing of the app."""
    spec = importlib.util.spec_from_file_location(
        "alone", Path(settings.BASE_DIR) / "scripts" / "verify_ledger.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exported() -> list[dict[str, Any]]:
    return list(ledger.export(now=LATER))


def lines(rows: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(one).encode() + b"\n" for one in rows]


def test_one_asks_and_another_signs(story: Told, people: People) -> None:
    case = people.case
    with pytest.raises(NotAllowed, match="Nobody has asked for it"):
        unsealing.sign(case=case, by=people.dora, now=LATER)
    unsealing.ask(case=case, reason="over", by=people.rex, now=LATER)
    with pytest.raises(NotAllowed, match="Rex asked for it already: another member signs"):
        unsealing.ask(case=case, reason="over", by=people.dora, now=LATER)
    with pytest.raises(NotAllowed, match="You asked for it: another member signs"):
        unsealing.sign(case=case, by=people.rex, now=LATER)
    with pytest.raises(NotAllowed, match="There is no such case"):
        unsealing.sign(case=case, by=people.root, now=LATER)
    assert Case.objects.get(pk=case.pk).sealed
    row = unsealing.sign(case=case, by=people.dora, now=LATER)
    case = Case.objects.get(pk=case.pk)
    assert (case.sealed, case.members.count()) == (False, 0)
    assert (row.asked_person, row.unsealed_person) == (people.rex.person, people.dora.person)
    assert visible.cases(people.root, now=LATER).filter(pk=case.pk).exists()
    with pytest.raises(NotAllowed, match="is not sealed"):
        unsealing.sign(case=case, by=people.dora, now=LATER)
    # Who it is about stays barred, and it can be sealed again.
    assert case.subjects.get().person == story.ines.person
    assert seal(case, people.rex, people.dora, now=LATER).sealed
    assert Sealing.objects.filter(case=case).count() == 2


def test_it_stays_sealed_after_all(story: Told, people: People) -> None:
    unsealing.ask(case=people.case, reason="over", by=people.rex, now=LATER)
    row = unsealing.drop(case=people.case, reason="not yet", by=people.rex, now=LATER)
    assert (row.asked_at, row.asked_person, row.asked_why) == (None, None, "")
    assert rights.why_not_ask_unsealing(people.dora, people.case, now=LATER) is None
    acts = LedgerEntry.objects.filter(act__startswith="case.unsealing").order_by("pk")
    assert [(one.act, one.sealed_case) for one in acts] == [
        ("case.unsealing_asked", people.case.pk),
        ("case.unsealing_dropped", people.case.pk),
    ]


def test_commitments_verify_before_and_after_and_are_the_same(story: Told) -> None:
    rex, dora = make_user("rex", "responder"), make_user("dora", "responder")
    case = incident(story, rex)
    plain = {one["id"]: one for one in exported() if "id" in one}
    case = seal(case, rex, dora)
    kept = exported()
    check = script().verify(lines(kept))
    bound = {one["id"]: one for one in kept if one.get("withheld")}
    assert (check["ok"], check["withheld"]) == (True, len(bound))
    theirs = LedgerEntry.objects.filter(subject=case.key)
    assert set(bound) == set(theirs.values_list("pk", flat=True))
    assert [one for one in kept if SECRET in json.dumps(one)] == []
    assert [one for one in bound if one in plain], "what was written before is bound as well"
    unsealing.ask(case=case, reason="over", by=rex, now=LATER)
    unsealing.sign(case=case, by=dora, now=LATER)
    assert ledger.verify().faults == []
    after = {one["id"]: one for one in exported() if "id" in one}
    assert script().verify(lines(exported()))["ok"]
    alone = script()
    for number, one in bound.items():
        assert after[number]["digest"] == one["digest"]
        assert alone.digest_of(after[number]["entry"]) == one["digest"]
    said = LedgerEntry.objects.get(act="case.unsealed")
    assert said.sealed_case is None
    assert {int(pk) for pk in said.data["disclosed"]} >= set(bound)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda row: row.pop("entry") and row.update(withheld=True), "its text is not here"),
        (lambda row: row.update(digest="00" * 32), "was changed"),
    ],
)
def test_what_was_disclosed_has_to_be_there(
    story: Told, people: People, change: Any, says: str
) -> None:
    unsealing.ask(case=people.case, reason="over", by=people.rex, now=LATER)
    unsealing.sign(case=people.case, by=people.dora, now=LATER)
    rows = exported()
    one = next(row for row in rows if row.get("entry", {}).get("act") == "case.sealed")
    change(one)
    found = script().verify(lines(rows))
    assert any(says in fault["what"] for fault in found["faults"])


def test_a_case_that_was_sealed_before_there_were_reasons(story: Told, case: Case) -> None:
    users = [make_user(name, "responder") for name in ("rex", "dora")]
    Case.objects.filter(pk=case.pk).update(sealed=True)
    for one in users:
        CaseMember.objects.create(case=case, person=person_of(one), since=NOW)
    unsealing.ask(case=case, reason="over", by=users[0], now=LATER)
    row = unsealing.sign(case=case, by=users[1], now=LATER)
    assert (row.sealed_at, row.sealed_by, Case.objects.get(pk=case.pk).sealed) == (
        NOW,
        "countersign",
        False,
    )


def test_a_sealed_review_keeps_nobody_from_opening_another(story: Told, case: Case) -> None:
    rex, dora = make_user("rex", "responder"), make_user("dora", "responder")
    case = seal(case, rex, dora, story.rita)
    other = actions.open_review(identity=story.identity, by=story.rita, now=LATER, reason="again")
    assert other.pk != case.pk
    unsealing.ask(case=case, reason="over", by=rex, now=LATER)
    with pytest.raises(NotPossible, match=f"{other.key} is another open review"):
        unsealing.sign(case=case, by=dora, now=LATER)
    Case.objects.filter(pk=other.pk).update(state="cancelled")
    unsealing.sign(case=case, by=dora, now=LATER)
    assert not Case.objects.get(pk=case.pk).sealed
