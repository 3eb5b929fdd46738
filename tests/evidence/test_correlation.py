"""The rules by which an API event and a span are one act; SQL follows the same rules."""

import random
import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence import correlation, intake, links
from evidence.correlation import ApiEvent, Found, Span, same_act
from evidence.formats.record import Parsed, Record
from evidence.models import Event, Link, Progress, Run, Source
from evidence.names import memory
from evidence.vocabulary import (
    API_CALL,
    EXACT,
    OUTCOME_OK,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_PARENT,
    PROOF_REQUEST_ID,
    STEP,
    TOOL_CALL,
    USE,
)
from tests.evidence.conftest import NOW

BASE = int(NOW.timestamp()) * 1_000_000
DAY = correlation.WINDOW_MICROS
TRACE = b"t" * 16


@pytest.mark.parametrize(
    ("api", "span", "same"),
    [
        ("s3:GetObject", "S3:getobject", True),
        ("s3:GetObject", "s3:PutObject", True),
        ("secretsmanager:GetSecretValue", "boto:GetSecretValue", True),
        ("s3:GetObject", "sts:AssumeRole", False),
        ("s3:", "sts:", False),
        ("s3", "s3", True),
        ("s3", "sts", False),
        ("a:b:c", "x:b:c", True),
        ("a:b:c", "x:b", False),
        ("K:x", "\u212a:y", False),
    ],
)
def test_same_act_is_the_same_service_or_operation(api: str, span: str, same: bool) -> None:
    assert same_act(api, span) is same


def span(number: int, *, parent: int | None = None, activity: int = STEP, request: str | None = None,
         at: int = BASE) -> Span:  # fmt: skip
    return Span(number, at, TRACE, number, parent, activity, "s3:GetObject", request)


EVENT = ApiEvent(100, BASE, "REQ", "s3:GetObject")
BY_REQUEST = Found(100, 3, PROOF_REQUEST_ID, EXACT)


@pytest.mark.parametrize(
    ("spans", "found"),
    [
        ([span(3, request="REQ")], {BY_REQUEST}),
        ([span(3, request="OTHER")], set()),
        ([span(3, request="REQ", at=BASE + DAY)], {BY_REQUEST}),
        ([span(3, request="REQ", at=BASE + DAY + 1)], set()),
        (
            [span(2, activity=TOOL_CALL), span(3, parent=2, request="REQ")],
            {BY_REQUEST, Found(100, 2, PROOF_PARENT, EXACT)},
        ),
        (
            [
                span(1, activity=TOOL_CALL),
                span(2, parent=1, activity=TOOL_CALL),
                span(4, parent=2),
                span(3, parent=4, request="REQ"),
            ],
            {BY_REQUEST, Found(100, 2, PROOF_PARENT, EXACT)},
        ),
        ([span(1, activity=TOOL_CALL), span(3, parent=2, request="REQ")], {BY_REQUEST}),
        ([span(2, parent=3), span(3, parent=2, request="REQ")], {BY_REQUEST}),
        ([span(3, activity=TOOL_CALL, request="REQ")], {BY_REQUEST}),
    ],
)
def test_links_between_an_event_and_a_trace(spans: list[Span], found: set[Found]) -> None:
    assert correlation.links([EVENT], spans) == found
    assert correlation.links([EVENT], spans[::-1]) == found


# --- the same in SQL

ACTIONS = ("s3:GetObject", "S3:getobject", "sts:AssumeRole", "kms:GetObject", "s3", "s3:", "ß:x")
REQUESTS = ("REQ-1", "REQ-2", "r'3")
OFFSETS = (0, 1, -5_000_000, DAY, DAY + 1, -DAY, DAY // 2)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Record], list[Record]]:
    """API events and spans of a few traces, parents of any shape, circles included."""
    apis = [
        _record(
            1000 + number,
            plane=PLANE_IDENTITY,
            activity=USE,
            action=draw(st.sampled_from(ACTIONS)),
            request_id=draw(st.sampled_from((*REQUESTS, None))),
            at=BASE + draw(st.sampled_from(OFFSETS)),
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    many = draw(st.integers(0, 8))
    spans = [
        _record(
            2000 + number,
            plane=PLANE_AI,
            activity=draw(st.sampled_from((STEP, TOOL_CALL, API_CALL))),
            action=draw(st.sampled_from(ACTIONS)),
            request_id=draw(st.sampled_from((*REQUESTS, None, None))),
            at=BASE + draw(st.sampled_from(OFFSETS)) // 1_000_000,
            trace_id=bytes(15) + bytes([draw(st.integers(1, 2))]),
            span_id=(number + 1).to_bytes(8),
            parent_span_id=draw(
                st.none() | st.integers(1, many + 1).map(lambda one: one.to_bytes(8))
            ),
        )
        for number in range(many)
    ]
    return apis, spans


def _record(number: int, **said: Any) -> Record:
    plain: dict[str, Any] = {
        "position": f"Records[{number}]",
        "digest": number.to_bytes(16, "little"),
        "realm": "test",
        "outcome": OUTCOME_OK,
    }
    return Record(**plain | said)


def pure(apis: Iterable[Record], spans: Iterable[Record]) -> set[tuple[bytes, bytes, int, int]]:
    """What correlation.py says, by digests."""
    names = {}

    def known(one: Record) -> int:
        number = int.from_bytes(one.digest, "little")
        names[number] = one.digest
        return number

    found = correlation.links(
        [
            ApiEvent(known(one), one.at or 0, one.request_id, one.action)
            for one in apis
            if one.request_id is not None
        ],
        [
            Span(
                known(one), one.at or 0, one.trace_id or b"",
                int.from_bytes(one.span_id or b""),
                None if one.parent_span_id is None else int.from_bytes(one.parent_span_id),
                one.activity, one.action, one.request_id,
            )
            for one in spans
        ],
    )  # fmt: skip
    return {(names[one.effect], names[one.cause], one.proof, one.strength) for one in found}


def in_database() -> set[tuple[bytes, bytes, int, int]]:
    """The links as they lie there, by digests."""
    digest = {(one.at, one.id): one.digest.bytes for one in Event.objects.all()}
    return {
        (digest[one.effect_at, one.effect_id], digest[one.cause_at, one.cause_id], one.proof,
         one.strength)
        for one in Link.objects.all()
    }  # fmt: skip


def store(source: Source, records: list[Record]) -> None:
    intake.store(
        source=source,
        parsed=Parsed(b"{}", records, [], []),
        digest=uuid.uuid4().bytes * 2,
        received=2,
        by="command",
        # Long enough after them that none lies ahead of our clock.
        now=NOW + timedelta(days=3),
        format="otlp",
    )


class Undone(Exception):
    """Leaves the database as it was before this example."""


@pytest.mark.django_db
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(world=worlds(), seed=st.integers(0, 2**32), link_between=st.booleans())
def test_sql_finds_what_the_rules_say_for_any_order_split_and_doubling(
    source: Callable[..., Source],
    world: tuple[list[Record], list[Record]],
    seed: int,
    link_between: bool,
) -> None:
    apis, spans = world
    expected = pure(apis, spans)
    dice = random.Random(seed)
    try:
        with transaction.atomic():
            mine = {PLANE_IDENTITY: source("trail"), PLANE_AI: source("traces", plane="ai")}
            deposits: list[list[Record]] = []
            for records in (apis, spans):
                shuffled = [*records, *dice.sample(records, len(records) // 2)]
                dice.shuffle(shuffled)
                while shuffled:
                    size = dice.randint(1, len(shuffled))
                    deposits.append(shuffled[:size])
                    del shuffled[:size]
            dice.shuffle(deposits)
            for records in deposits:
                store(mine[records[0].plane], records)
                if link_between:
                    while links.link_next(now=NOW):
                        pass
            while links.link_next(now=NOW):
                pass
            found = in_database()
            runs = {run.trace.bytes: run.spans for run in Run.objects.all()}
            raise Undone
    except Undone:
        memory.forget()
    assert found == expected
    assert runs == {
        trace: sum(one.trace_id == trace for one in spans)
        for trace in {one.trace_id for one in spans if one.activity == TOOL_CALL}
    }


@pytest.mark.django_db
def test_deposit_that_somebody_holds_is_linked_when_its_lease_is_over(
    source: Callable[..., Source],
) -> None:
    row = source()
    store(row, [_record(1, plane=PLANE_IDENTITY, activity=USE, action="s3:X", at=BASE)])
    store(row, [_record(2, plane=PLANE_IDENTITY, activity=USE, action="s3:X", at=BASE)])
    first = links.claim(now=NOW)
    assert first is not None
    assert links.link_next(now=NOW) > 0
    assert links.link_next(now=NOW) == 0
    assert links.link_next(now=NOW + links.LEASE + timedelta(seconds=1)) == first.pk
    assert Progress.objects.get(deposit=first).attempts == 2
