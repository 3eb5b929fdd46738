"""Short pieces of erased content: what two people may name, who sees it, and what becomes of it."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from evidence import erasing, ledger, pieces
from evidence.models import Deposit, Erasure, LedgerEntry, Source
from evidence.permissions import NotPossible
from tests.evidence.bodies import record, trail
from tests.evidence.readers import person, signed_in
from tests.evidence.test_custody_pages import words
from tests.evidence.test_emptying import carried_out, faults
from tests.evidence.test_erasing import ANNA, BEN, now_minus, take

__all__ = ["person", "signed_in"]

pytestmark = pytest.mark.django_db(transaction=True)
SHORT = ["Jane Doe", "4711-0815"]


@pytest.fixture
def deposit(source: Callable[..., Source]) -> Deposit:
    """Two records; the second one speaks of somebody."""
    told = [record(number, at=now_minus(number)) for number in (1, 2)]
    told[1]["requestParameters"] = {"key": "a.csv", "note": "Pay Jane\nDoe, account 4711-0815"}
    return take(source(keep_content=True), trail(*told))


def asked(deposit: Deposit, *short: str, reason: str = "court order 7") -> Erasure:
    return erasing.ask(
        deposit=deposit, ordinal=1, names=False, reason=reason, by=ANNA, now=timezone.now(),
        short=short,
    )  # fmt: skip


def noted(text: str) -> LedgerEntry:
    return ledger.append(
        at=timezone.now(), by="user:eve", by_name="Eve", act="case.noted", subject="CS-1",
        words=text, data={"reason": text},
    )  # fmt: skip


def test_pieces_go_wherever_they_are_quoted(deposit: Deposit) -> None:
    entry = noted("Asked Jane Doe (jane doe) about 4711-0815; Doe did not know 4711-08150")
    other = noted("Jane asked. Mary-Jane Doe paid")
    row = asked(deposit, *SHORT)
    erasing.confirm(erasure=row, by=BEN, now=timezone.now())
    assert (carried_out(), carried_out()) == (1, 0)
    row.refresh_from_db()
    mark = f"[erased {row.settled_at:%Y-%m-%d}, deposit {deposit.pk}]"
    entry.refresh_from_db()
    left = f"Asked {mark} ({mark}) about {mark}; Doe did not know 4711-08150"
    assert (entry.words, entry.data) == (left, {"reason": left})
    other.refresh_from_db()
    assert other.words == "Jane asked. Mary-Jane Doe paid"
    # Nothing keeps what they were, and every chain verifies.
    assert (row.state, row.pieces, row.became["pieces"]) == (Erasure.DONE, [], 2)
    assert erasing.became_words(row).endswith("1 row that quoted it, 2 short pieces")
    said = "\n".join(LedgerEntry.objects.values_list("words", flat=True))
    assert "and 2 short pieces of it wherever it is quoted: court order 7" in said
    said = said.replace("Mary-Jane Doe", "").replace("4711-08150", "")
    assert [one for one in SHORT if one in said] == []
    assert faults() == []


def test_piece_that_other_evidence_says_stays(
    deposit: Deposit, source: Callable[..., Source]
) -> None:
    again = record(9, at=now_minus(9))
    again["sourceIPAddress"] = "Jane Doe"
    take(source("other"), trail(again))
    entry = noted("Jane Doe: 4711-0815")
    row = asked(deposit, *SHORT)
    erasing.confirm(erasure=row, by=BEN, now=timezone.now())
    assert pieces.to_go(row) == ["4711-0815"]
    assert carried_out() == 1
    entry.refresh_from_db()
    row.refresh_from_db()
    assert entry.words.startswith("Jane Doe: [erased ")
    assert (row.became["pieces"], row.became["pieces_kept"]) == (1, 1)
    assert erasing.became_words(row).endswith(
        "1 short piece; 1 more stays, because other evidence says it"
    )


def test_worker_that_dies_before_the_pieces_is_followed_by_one_that_ends_it(
    deposit: Deposit, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = noted("Jane Doe")
    erasing.confirm(erasure=asked(deposit, *SHORT), by=BEN, now=timezone.now())

    def dies(row: Erasure) -> list[str]:
        raise RuntimeError("the worker dies")

    with monkeypatch.context() as patched:
        patched.setattr(pieces, "to_go", dies)
        assert carried_out() == 0
    assert Erasure.objects.get().pieces == SHORT
    assert carried_out() == 1
    entry.refresh_from_db()
    assert entry.words.startswith("[erased ")


@pytest.mark.parametrize(
    ("short", "reason", "sentence"),
    [
        (["Jane Doe", "salary"], "r", "Piece 2 cannot be looked for: it may be the name of"),
        (["Joan Doe"], "r", "Piece 1 does not stand in what is to be erased"),
        (["x" * 201], "r", "Piece 1 cannot be looked for: it has more than 200 characters."),
        ([f"Jane {n}" for n in range(21)], "r", "Name at most 20 pieces"),
        (["Jane Doe"], "of JANE DOE", "The reason repeats what is to be erased"),
    ],
)
def test_what_may_not_be_named_is_said_by_its_place(
    deposit: Deposit, short: list[str], reason: str, sentence: str
) -> None:
    with pytest.raises(NotPossible) as refused:
        asked(deposit, *short, reason=reason)
    assert str(refused.value).startswith(sentence)
    assert not any(one in str(refused.value) for one in short)
    assert (Erasure.objects.count(), LedgerEntry.objects.filter(act="erasure.asked").count()) == (
        0,
        0,
    )


def test_pieces_are_forgotten_when_it_is_refused(deposit: Deposit) -> None:
    row = asked(deposit, *SHORT)
    erasing.refuse(erasure=row, reason="needed", by=BEN, now=timezone.now())
    assert Erasure.objects.get().pieces == []


def test_second_person_sees_on_the_page_what_goes(
    deposit: Deposit, signed_in: Callable[..., Client]
) -> None:
    said = {"ordinal": "1", "reason": "court order 7", "pieces": "Jane  Doe\n\n4711-0815\nJane Doe"}
    client = signed_in("anna", "administrator")
    assert client.post(f"/deposits/{deposit.pk}/erase/", said).status_code == 302
    assert Erasure.objects.get().pieces == SHORT
    page = f"/deposits/{deposit.pk}/"
    shown = words(signed_in("ben", "administrator").get(page))
    for piece in SHORT:
        assert f'<code class="cs-wrap">{piece}</code>' in shown
    assert "Jane Doe" not in words(signed_in("olga", "auditor").get(page))
