"""Words of erased evidence in what people and this app wrote: nothing of them is left anywhere."""

import itertools
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone

from evidence import capsules, chain, emptying, ledger, unquoting
from evidence.models import Deposit, Erasure, Event, LedgerEntry, LedgerTombstone, Source, Term
from evidence.quotes import Column
from evidence.stores import bodies
from reviews import actions
from reviews.actions import commenting
from reviews.models import Case, Comment, Decision, Notice
from tests.evidence.test_emptying import carried_out, confirmed, faults
from tests.reviews.conftest import HOUR, NOW, Told, ingest, record

pytestmark = pytest.mark.django_db(transaction=True)
type AsOwner = Callable[..., list[tuple[Any, ...]]]
PROMPT = "Please move the salary of Jane Doe to the account of her brother before Friday"
FILE = "hr-payroll/jane.doe-salary.csv"
QUOTE = f'It was told: "{PROMPT.upper()}". It then read {FILE}, and nothing else.'
LEFT = ("hr-payroll", "jane.doe", "salary of jane", "account of her brother")


def quoted(story: Told, sign: Callable[..., Any]) -> Deposit:
    """One event in a deposit of two, and a closed case whose every text quotes it."""
    Source.objects.update(keep_content=True)
    bucket, _, key = FILE.partition("/")
    said = {"bucketName": bucket, "key": key, "prompt": PROMPT}
    ingest(
        [
            record(91, "GetObject", FILE, NOW - HOUR, requestParameters=said),
            record(92, "GetObject", "ledgers/2.pdf", NOW - HOUR),
        ]
    )
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason=QUOTE)
    commenting.comment(case=case, text=QUOTE, by=story.rita, now=NOW)
    sign(case, "delegation", story.ines, "keep")
    ledger.append(
        at=NOW, by="user:rita", by_name="Rita", act="case.noted", subject=case.key, words=QUOTE,
        data={"list": [{"reason": QUOTE}], "many": 3},
    )  # fmt: skip
    with transaction.atomic():
        capsules.freeze(
            subject=case.key, events=[], query={}, shown={"finding": {"words": QUOTE}},
            by="user:rita", now=NOW,
        )  # fmt: skip
    for place in unquoting.places():
        if unquoting._may_update(place.table):
            _plant(place)
    Case.objects.update(state="closed", title=f"About {FILE}")
    return Deposit.objects.latest("pk")


def _plant(place: unquoting.Place) -> None:
    """Into one row of this table, as what each column holds."""
    row = place.model._base_manager.order_by("pk").first()
    if row is None:
        return
    for name, column in place.columns.items():
        field = place.model._meta.get_field(name)
        said: Any = QUOTE
        if column is Column.NAME:
            said = FILE
        elif isinstance(field, models.JSONField):
            said = {"said": [QUOTE, 1, None, {"of": FILE}]}
        elif isinstance(field, ArrayField):
            said = [QUOTE]
        place.model._base_manager.filter(pk=row.pk).update(**{name: said})


def everywhere(as_owner: AsOwner) -> str:
    """Every row of every table as text, with the bytes that are kept, in lower case."""
    tables = as_owner(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    texts = [text for (one,) in tables for (text,) in as_owner(f'SELECT r::text FROM "{one}" r')]
    texts += [bodies.unpack(one).decode("latin-1") for one in Deposit.objects.all()]
    return "\n".join(texts).lower()


def found(as_owner: AsOwner) -> list[str]:
    text = everywhere(as_owner)
    return [word for word in LEFT if word in text]


def test_words_of_one_record_are_nowhere_and_every_chain_verifies(
    story: Told, sign: Callable[..., Any], as_owner: AsOwner
) -> None:
    deposit = quoted(story, sign)
    assert (found(as_owner), faults()) == (list(LEFT), [])
    row = confirmed(deposit, 0, names=False)
    assert (carried_out(), carried_out()) == (1, 0)
    row.refresh_from_db()
    assert (found(as_owner), faults()) == ([], [])
    assert (row.state, row.words) == (Erasure.DONE, [])
    mark = f"[erased {row.settled_at:%Y-%m-%d}, deposit {deposit.pk}]"
    left = f'It was told: "{mark}". It then read {mark}, and nothing else.'
    assert Comment.objects.get().text == left
    assert Case.objects.get().title == f"About {mark}"
    assert Decision.objects.order_by("pk").values_list("reason", flat=True)[0] == left
    noted = LedgerEntry.objects.get(act="case.noted")
    assert (noted.words, noted.data) == (left, {"list": [{"reason": left}], "many": 3})
    assert bytes(noted.salt) == b""
    assert row.became["rows"] > len(
        [one for one in unquoting.places() if one.model._base_manager.exists()]
    )
    # The other record of the deposit is as it was.
    assert Event.objects.get(deposit_id=deposit.pk, ordinal=1).resource_id is not None
    assert Term.objects.filter(value="ledgers/2.pdf").count() == 1


def test_exported_ledger_says_which_rows_lost_words(
    story: Told, sign: Callable[..., Any], as_owner: AsOwner
) -> None:
    deposit = quoted(story, sign)
    confirmed(deposit, 0)
    carried_out()
    ledger.seal(now=timezone.now())
    rows = [*ledger.export(now=timezone.now(), with_sealed=True), *chain.export()]
    script = runpy.run_path(str(Path(settings.BASE_DIR) / "scripts" / "verify_ledger.py"))

    def verified(documents: list[dict[str, Any]]) -> list[str]:
        lines = [json.dumps(one).encode() for one in documents]
        return [one["what"] for one in script["verify"](lines)["faults"]]

    assert verified(rows) == []
    (one,) = (one for one in rows if one.get("entry", {}).get("act") == "case.noted")
    assert len(one["erased"]) >= 1
    one["entry"] = one["entry"] | {"words": "something else"}
    assert verified(rows) == [f"entry {one['id']} was changed"]
    # A tombstone that the ledger knows nothing of proves nothing, here and there.
    as_owner(
        "SET countersign.letting_go = 'on'; UPDATE evidence_ledgerentry SET words = 'another',"
        f" salt = '' WHERE id = {one['id']}; RESET countersign.letting_go"
    )
    assert [fault.what for fault in ledger.verify().faults] == [
        f"entry {one['id']} was changed after sealing"
    ]
    entry = LedgerEntry.objects.get(pk=one["id"])
    last = LedgerTombstone.objects.filter(entry=entry).latest("pk")
    as_owner(
        "INSERT INTO evidence_ledgertombstone (entry_id, erasure_id, at, gone_digest, left_digest)"
        f" VALUES ({entry.pk}, '{last.erasure_id}', now(), '\\x{bytes(last.left_digest).hex()}',"
        f" '\\x{ledger.digest_of(entry).hex()}')"
    )
    assert [fault.what for fault in ledger.verify().faults] == [
        f"entry {entry.pk} was changed after sealing"
    ]
    rows = [*ledger.export(now=timezone.now(), with_sealed=True)]
    assert verified(rows) == [f"entry {entry.pk}: the ledger does not say that words of it went"]


@pytest.mark.parametrize("after", [1, 9])
def test_worker_that_dies_among_the_texts_is_followed_by_one_that_ends_it(
    story: Told,
    sign: Callable[..., Any],
    as_owner: AsOwner,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    deposit = quoted(story, sign)
    row = confirmed(deposit, 0)
    count, rows = itertools.count(), unquoting._rows

    def dies(*said: Any) -> int:
        if next(count) == after:
            raise RuntimeError("the worker dies")
        return rows(*said)

    with monkeypatch.context() as patched:
        patched.setattr(unquoting, "_rows", dies)
        assert carried_out() == 0
    row.refresh_from_db()
    assert (row.state, row.emptied_at) == (Erasure.CONFIRMED, None)
    assert (carried_out(), carried_out()) == (1, 0)
    assert (found(as_owner), faults()) == ([], [])


def test_what_is_said_while_the_content_goes_is_reached_as_well(
    story: Told, sign: Callable[..., Any], as_owner: AsOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    deposit = quoted(story, sign)
    confirmed(deposit, 0)
    names = emptying._names

    def meanwhile(number: Any) -> bool:
        Notice.objects.create(
            subject="News", body=QUOTE, occasion=str(uuid4()), created_at=NOW, not_before=NOW
        )
        return names(number)

    monkeypatch.setattr(emptying, "_names", meanwhile)
    assert (carried_out(), found(as_owner)) == (1, [])


def test_database_lets_nothing_but_words_go_from_rows_that_only_grow(
    story: Told, sign: Callable[..., Any]
) -> None:
    deposit = quoted(story, sign)
    comment = Comment.objects.get()
    mark = "[erased 2026-11-26, deposit 0]"

    def cut(erasure: Erasure, table: str, key: Any, **said: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT countersign_cut_words(%s, %s, %s, %s::jsonb, '', '')",
                [erasure.pk, table, str(key), json.dumps(said)],
            )

    now = timezone.now()
    asked = Erasure.objects.create(
        deposit=deposit, ordinal=1, reason="alone", asked_at=now, asked_by="user:x", asked_name="X"
    )
    with pytest.raises(DatabaseError, match="not confirmed by a second person"):
        cut(asked, "reviews_comment", comment.pk, text=mark)
    row = confirmed(deposit, 0)
    mark = unquoting.mark(row)
    for text in ("It was never told.", f"It was told: {mark} and more.", mark.replace("e", "a")):
        with pytest.raises(DatabaseError, match="more than words would change"):
            cut(row, "reviews_comment", comment.pk, text=text)
    with pytest.raises(DatabaseError, match="more than words would change"):
        cut(row, "reviews_comment", comment.pk, text=[QUOTE])
    for table, key in (("evidence_term", 1), ("evidence_deposit", deposit.pk)):
        with pytest.raises(DatabaseError, match="are not cut"):
            cut(row, table, key, value=mark)
    with pytest.raises(DatabaseError, match="are not cut"):
        cut(row, "evidence_ledgerentry", 1, by_name=mark)
    cut(row, "reviews_comment", comment.pk, text=f"It was told{mark}else.")
    comment.refresh_from_db()
    assert comment.text == f"It was told{mark}else."
