"""Keep-filters: what is left out, that it is in no byte and in every count, and what is not."""

from collections.abc import Callable
from datetime import UTC, timedelta
from io import StringIO
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from evidence import intake, keeping
from evidence.formats import FORMATS
from evidence.formats.record import Asked, Parsed, Record
from evidence.formats.removing import NotFound, without
from evidence.keeping import Rule, _compiled, rules_in, why_left_out
from evidence.models import Deposit, Event, FilteredOut, LedgerEntry, Source
from evidence.permissions import COMMAND, NotPossible
from evidence.queries import sources
from evidence.stores import bodies
from tests.evidence.bodies import export, record, trail

ASKED = Asked("trail", b"key")


def told(*actions: str, **said: Any) -> bytes:
    now = timezone.now()
    return trail(
        *(
            record(number, at=now - timedelta(minutes=number), eventName=name, **said)
            for number, name in enumerate(actions, 1)
        )
    )


def take(source: Source, body: bytes, **said: Any) -> intake.Taken:
    return intake.take(source=source, body=body, by="command", now=timezone.now(), **said)


def filtered(source: Source, rules: str) -> Source:
    return keeping.change(source=source, text=rules, by=COMMAND, now=timezone.now())


@pytest.mark.django_db
def test_left_out_records_are_nowhere_but_in_the_counts(source: Callable[..., Source]) -> None:
    row = filtered(source(), "drop action s3:List*\ndrop identity *nobody*")
    taken = take(row, told("ListObjects", "GetObject", "ListBuckets", "PutObject"))
    assert (taken.records, taken.events, taken.rejects, taken.duplicates) == (2, 2, 0, 0)
    deposit = Deposit.objects.get()
    body = bodies.unpack(deposit)
    assert [one["eventName"] for one in orjson.loads(body)["Records"]] == ["GetObject", "PutObject"]
    assert list(FilteredOut.objects.values_list("reason", "records", "day")) == [
        ("drop action s3:List*", 2, timezone.now().astimezone(UTC).date())
    ]
    assert deposit.redactions["kinds"] == {
        "filtered: drop action s3:List*": {"count": 2, "characters": 0}
    }
    # What is kept is found by its place, and read again the same.
    for event in Event.objects.all():
        name = orjson.loads(sources.record_excerpt(deposit, event.ordinal))["eventName"]
        assert name in ("GetObject", "PutObject")
    again = FORMATS["cloudtrail"].parse(body, ASKED)
    assert (len(again.records), again.rejects) == (2, [])
    assert "drop action s3:List*; drop identity *nobody*" in LedgerEntry.objects.get().words


@pytest.mark.django_db
def test_counts_of_a_day_add_up_and_a_repeat_counts_once(source: Callable[..., Source]) -> None:
    row = filtered(source(), "drop action s3:GetObject")
    body = told("GetObject", "PutObject")
    for one in (body, body, told("GetObject", "DeleteObject", sourceIPAddress="10.0.0.9")):
        take(row, one)
    assert FilteredOut.objects.get().records == 2


@pytest.mark.django_db
def test_record_that_is_delivered_in_two_bodies_is_one_different_one(
    source: Callable[..., Source],
) -> None:
    row = filtered(source(), "drop action s3:Get*")
    same = told("GetObject", "GetBucketAcl")
    more = orjson.loads(told("PutObject"))["Records"]
    for body in (same, orjson.dumps({"Records": [*orjson.loads(same)["Records"], *more]})):
        take(row, body)
    counted = FilteredOut.objects.get()
    assert (counted.records, counted.different) == (4, 2)
    out = StringIO()
    call_command("source", "keep", row.name, stdout=out)
    assert "4 left out by drop action s3:Get*, about 2 different" in out.getvalue()
    # What was left out before different ones were counted is not guessed at.
    FilteredOut.objects.update(sketch=None)
    take(row, told("GetObjectAcl"))
    counted.refresh_from_db()
    assert (counted.records, counted.different) == (5, None)


@pytest.mark.django_db
def test_source_without_a_filter_is_asked_nothing(source: Callable[..., Source]) -> None:
    row = source()
    take(row, told("GetObject"))
    with CaptureQueriesContext(connection) as plain:
        take(row, told("GetObject", "PutObject", sourceIPAddress="10.0.0.9"))
    filtered(row, "drop action nothing:*")
    row.refresh_from_db()
    with CaptureQueriesContext(connection) as asked:
        take(row, told("GetObject", "PutObject", sourceIPAddress="10.0.0.8"))
    assert len(asked) == len(plain)
    parsed = Parsed(b"", [], [], [])
    same, dropped = keeping.filtered(source("other"), parsed, format="cloudtrail")
    assert (same is parsed, dropped) == (True, {})


@pytest.mark.django_db
def test_spans_are_left_out_of_protobuf(source: Callable[..., Source]) -> None:
    row = filtered(source("traces", plane="ai"), "drop action *noise*")
    spans = [{"span": n, "name": name} for n, name in enumerate(("a", "noise b", "c"), 1)]
    request = export(*spans, at=timezone.now() - timedelta(minutes=1))
    taken = take(row, request.SerializeToString(), format="otlp")
    body = bodies.unpack(Deposit.objects.get(pk=taken.deposit))
    assert (taken.events, b"noise" in body, FilteredOut.objects.get().records) == (2, False, 1)


@pytest.mark.django_db
def test_rejects_around_stay_with_their_places(source: Callable[..., Source]) -> None:
    row = filtered(source(), "drop action s3:GetObject")
    records = orjson.loads(told("GetObject", "PutObject", "GetObject"))["Records"]
    records.insert(1, {"eventName": 7})
    taken = take(row, orjson.dumps({"Records": records}))
    assert (taken.events, taken.rejects) == (1, 1)
    assert taken.reasons[0].position == "Records[1]"
    assert FilteredOut.objects.get().records == 2


@pytest.mark.django_db
def test_what_cannot_be_cut_out_is_kept_and_said(
    source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> bytes:
        raise NotFound("no")

    monkeypatch.setattr(keeping, "without", refuse)
    row = filtered(source(), "drop action s3:GetObject")
    assert take(row, told("GetObject", "PutObject")).events == 2
    assert list(FilteredOut.objects.values_list("reason", "records")) == [(keeping.NOT_CUT, 1)]


RULES = "keep identity *svc-report\ndrop action s3:Get*\nkeep action iam:*"


@pytest.mark.parametrize(
    ("rules", "name", "why"),
    [
        ("", "GetObject", ""),
        ("drop action s3:GetObject", "GetObject", "drop action s3:GetObject"),
        ("drop action S3:getobject", "GetObject", "drop action S3:getobject"),
        ("drop action s3:Get", "GetObject", ""),
        ("drop action s3:*ect", "GetObject", "drop action s3:*ect"),
        ("drop action s3:.*", "GetObject", ""),
        ("keep action s3:*\ndrop action *", "GetObject", ""),
        ("drop action *\nkeep action s3:*", "GetObject", "drop action *"),
        ("keep action iam:*", "GetObject", "no rule keeps it"),
        ("drop identity arn:aws:iam::*:user/svc-report", "GetObject",
         "drop identity arn:aws:iam::*:user/svc-report"),
        ("drop identity AKIAIOSFODNN7EXAMPLE", "GetObject",
         "drop identity AKIAIOSFODNN7EXAMPLE"),
        (RULES, "GetObject", ""),
        ("# a comment\n\ndrop   action   s3:GetObject  ", "GetObject", "drop action s3:GetObject"),
    ],
)  # fmt: skip
def test_first_rule_that_matches_decides(rules: str, name: str, why: str) -> None:
    (found,) = FORMATS["cloudtrail"].parse(told(name), ASKED).records
    assert why_left_out(found, _compiled(tuple(rules_in(rules)))) == why


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("forget action *", "Line 1 is no rule"),
        ("drop action", "Line 1 is no rule"),
        ("drop action *\nkeep people *", "Line 2 is no rule"),
        (f"drop action {'a' * 301}", "longer than 300"),
        ("drop action a\n" * 101, "at most 100 rules"),
    ],
)
def test_wrong_rules_are_refused_with_their_line(text: str, sentence: str) -> None:
    with pytest.raises(NotPossible, match=sentence):
        rules_in(text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_pattern_is_linear_and_never_an_error(pattern: str, action: str) -> None:
    compiled = _compiled((Rule("drop", "action", pattern),))
    base = Record("x", b"", None, "r", 1, 1, 1, action)
    assert why_left_out(base, compiled) in ("", f"drop action {pattern}")


@given(st.text(max_size=60))
def test_pattern_without_a_star_matches_itself(text: str) -> None:
    compiled = _compiled((Rule("drop", "action", text.replace("*", "")),))
    base = Record("x", b"", None, "r", 1, 1, 1, text.replace("*", ""))
    assert why_left_out(base, compiled) != ""


@pytest.mark.parametrize("position", ["Records[9]", "line 1", "spans[0.0.0]"])
def test_record_that_is_not_there_is_not_removed(position: str) -> None:
    kept = FORMATS["cloudtrail"].parse(told("GetObject"), ASKED).kept
    with pytest.raises(NotFound):
        without(kept, [position], mark=True)


def test_nothing_to_remove_changes_nothing() -> None:
    kept = FORMATS["cloudtrail"].parse(told("GetObject"), ASKED).kept
    assert without(kept, [], mark=True) is kept
