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

from evidence import consumers, correlation, intake, links
from evidence.correlation import ApiEvent, Found, Span, same_act
from evidence.formats import aws
from evidence.formats.record import ActorName, Issued, Parsed, Record
from evidence.models import Event, Link, Progress, Run, Source
from evidence.names import memory
from evidence.vocabulary import (
    API_CALL,
    EXACT,
    KEY,
    OUTCOME_OK,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_CREDENTIAL,
    PROOF_CREDENTIAL_PARENT,
    PROOF_ISSUANCE,
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
        ("s3:GetObject", "s3:PutObject", False),
        ("s3:DeleteObject", "s3:GetObject", False),
        ("secretsmanager:GetSecretValue", "boto:GetSecretValue", False),
        ("secretsmanager:GetSecretValue", "getsecretvalue", True),
        ("lambda:ListFunctions20150331", "lambda:ListFunctions", True),
        ("lambda:UpdateFunctionCode20150331v2", "lambda:UpdateFunctionCode", True),
        ("lambda:ListFunctions20150331v2x", "lambda:ListFunctions", False),
        ("s3:GetObject", "sts:AssumeRole", False),
        ("s3:", "sts:", False),
        ("s3:GetObject", "", False),
        ("s3", "s3", True),
        ("s3", "sts", False),
        ("a:b:c", "x:b:c", False),
        ("a:b:c", "x:b", False),
        ("K:x", "\u212a:y", False),
    ],
)
def test_same_act_is_the_same_service_and_operation(api: str, span: str, same: bool) -> None:
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
        ([span(3, request="REQ")._replace(action="GET")], set()),
    ],
)
def test_links_between_an_event_and_a_trace(spans: list[Span], found: set[Found]) -> None:
    assert correlation.links([EVENT], spans) == found
    assert correlation.links([EVENT], spans[::-1]) == found


SKEW, LONGEST = correlation.SKEW_MICROS, correlation.LONGEST_CALL_MICROS
KEYED = EVENT._replace(credential="AKIA1")
BY_USE = Found(100, 3, PROOF_CREDENTIAL, KEY)


def using(at: int = BASE, *, number: int = 3, **said: Any) -> Span:
    return span(number, at=at)._replace(**{"credential": "AKIA1"} | said)


@pytest.mark.parametrize(
    ("spans", "found"),
    [
        ([using()], {BY_USE}),
        ([using(credential="AKIA2")], set()),
        ([using(credential=None)], set()),
        # The same service is not enough where nothing else says that it is the same call.
        ([using(action="s3:PutObject")], set()),
        ([using(action="S3:GetObject")], set()),
        # It has said which event it is.
        ([using(request_id="OTHER")], set()),
        ([using(request_id="REQ")], {BY_REQUEST}),
        ([using(BASE + SKEW)], {BY_USE}),
        ([using(BASE + SKEW + 1)], set()),
        ([using(BASE - SKEW)], {BY_USE}),
        ([using(BASE - SKEW - 1)], set()),
        ([using(BASE - SKEW - 7, duration=7)], {BY_USE}),
        ([using(BASE - SKEW - 7, duration=6)], set()),
        ([using(BASE - SKEW, duration=-7)], {BY_USE}),
        ([using(BASE - SKEW - LONGEST, duration=10 * LONGEST)], {BY_USE}),
        ([using(BASE - SKEW - LONGEST - 1, duration=10 * LONGEST)], set()),
        # All candidates: which it was cannot be told.
        (
            [using(), using(number=4, trace=b"u" * 16)],
            {BY_USE, Found(100, 4, PROOF_CREDENTIAL, KEY)},
        ),
        # An exact link beside it is stronger, and both are there in any order.
        ([using(), span(5, request="REQ")], {BY_USE, Found(100, 5, PROOF_REQUEST_ID, EXACT)}),
        (
            [span(2, activity=TOOL_CALL), using(parent=2)],
            {BY_USE, Found(100, 2, PROOF_CREDENTIAL_PARENT, KEY)},
        ),
    ],
)
def test_span_that_names_its_credential_is_linked_by_key(
    spans: list[Span], found: set[Found]
) -> None:
    assert correlation.links([KEYED], spans) == found
    assert correlation.links([KEYED], spans[::-1]) == found


MINUTE = 60_000_000
ISSUED = Found(101, 2, PROOF_ISSUANCE, KEY)


@pytest.mark.parametrize(
    ("use", "found"),
    [
        (ApiEvent(101, BASE, None, "s3:GetObject", "ASIA1"), {ISSUED}),
        (ApiEvent(101, BASE + MINUTE + SKEW, None, "s3:GetObject", "ASIA1"), {ISSUED}),
        # Its run has ended: a cached key serves the next.
        (ApiEvent(101, BASE + MINUTE + SKEW + 1, None, "s3:GetObject", "ASIA1"), set()),
        (ApiEvent(101, BASE - 1, None, "s3:GetObject", "ASIA1"), set()),
        (ApiEvent(101, BASE, None, "s3:GetObject", "ASIA2"), set()),
        (ApiEvent(101, BASE, None, "s3:GetObject"), set()),
    ],
)
def test_temporary_key_leads_to_the_tool_call_that_was_issued_it(
    use: ApiEvent, found: set[Found]
) -> None:
    issuance = EVENT._replace(issued="ASIA1")
    run = [
        span(1)._replace(duration=MINUTE),
        span(2, parent=1, activity=TOOL_CALL),
        span(3, parent=2, request="REQ"),
    ]
    exact = {BY_REQUEST, Found(100, 2, PROOF_PARENT, EXACT)}
    assert correlation.links([issuance, use], run) == exact | found
    # Without a tool call above the call that issued it, nothing is said of the key.
    assert correlation.links([issuance, use], run[2:]) == {BY_REQUEST}


# --- the same in SQL

ACTIONS = (
    *("s3:GetObject", "S3:getobject", "sts:AssumeRole", "kms:GetObject", "s3", "s3:", "ß:x"),
    *("GET", "HTTP POST /a:b", "GET\n", "PUTS"),
)
REQUESTS = ("REQ-1", "REQ-2", "r'3", "REQ-of-15-letters"[:15], "REQ-of-16-lettersß")
OFFSETS = (0, 1, -SKEW, SKEW + 1, -SKEW - 7, DAY, DAY + 1, -DAY, DAY // 2)
NEAR = (0, 1, -SKEW, SKEW, -SKEW - 7, SKEW + 1, MINUTE, -MINUTE)
DURATIONS = (None, 0, 7, MINUTE, -5, 2 * LONGEST, correlation.LONGEST_SPAN_MICROS * 90)
KEYS = (aws.access_key("AKIA1"), aws.access_key("ASIA1"), aws.access_key("ASIA2"))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Record], list[Record]]:
    """API events and spans of a few traces, parents of any shape, circles included.

    In a narrow world they have much in common, so that keys decide; a wide one has every edge.
    """
    narrow = draw(st.booleans())
    actions = st.sampled_from(ACTIONS[:1] if narrow else ACTIONS)
    offsets = st.sampled_from(NEAR if narrow else OFFSETS)
    keys = st.sampled_from(KEYS[1:2]) if narrow else st.none() | st.sampled_from(KEYS)
    tools = st.sampled_from((TOOL_CALL, API_CALL) if narrow else (STEP, TOOL_CALL, API_CALL))
    traces = st.integers(1, 2)
    requests = st.sampled_from(REQUESTS[:1] if narrow else (*REQUESTS, None))
    apis = [
        record(
            1000 + number,
            plane=PLANE_IDENTITY,
            activity=USE,
            action=draw(actions),
            request_id=draw(requests),
            at=BASE + draw(offsets),
            credential=draw(keys),
            issued=draw(
                st.none()
                | st.builds(
                    Issued,
                    st.sampled_from(KEYS[1:2] if narrow else KEYS),
                    st.none(),
                    st.just(False) | st.booleans(),
                    st.none(),
                )
            ),
        )
        for number in range(draw(st.integers(2 if narrow else 0, 5)))
    ]
    many = draw(st.integers(3 if narrow else 0, 8))
    spans = [
        record(
            2000 + number,
            plane=PLANE_AI,
            activity=draw(tools),
            action=draw(actions),
            request_id=draw(st.none() | requests),
            at=BASE + draw(offsets),
            credential=draw(keys),
            duration=draw(st.sampled_from(DURATIONS)),
            trace_id=bytes(15) + bytes([draw(traces)]),
            span_id=(number + 1).to_bytes(8),
            parent_span_id=draw(
                st.none() | st.integers(1, many + 1).map(lambda one: one.to_bytes(8))
            ),
        )
        for number in range(many)
    ]
    return apis, spans


def record(number: int, **said: Any) -> Record:
    plain: dict[str, Any] = {
        "position": f"Records[{number}]",
        "digest": number.to_bytes(16, "little"),
        "realm": "test",
        "outcome": OUTCOME_OK,
    }
    return Record(**plain | said)


def _value(name: ActorName | None) -> str | None:
    return None if name is None else name.value


def pure(apis: Iterable[Record], spans: Iterable[Record]) -> set[tuple[bytes, bytes, int, int]]:
    """What correlation.py says, by digests."""
    names = {}

    def known(one: Record) -> int:
        number = int.from_bytes(one.digest, "little")
        names[number] = one.digest
        return number

    found = correlation.links(
        [
            ApiEvent(
                known(one), one.at or 0, one.request_id, one.action, _value(one.credential),
                _value(one.issued.credential) if one.issued and not one.issued.standing else None,
            )
            for one in apis
        ],
        [
            Span(
                known(one), one.at or 0, one.trace_id or b"",
                int.from_bytes(one.span_id or b""),
                None if one.parent_span_id is None else int.from_bytes(one.parent_span_id),
                one.activity, one.action, one.request_id, 0, _value(one.credential),
                one.duration or 0,
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


def arrived(
    source: Callable[..., Source], deposits: Iterable[list[Record]], *, link_between: bool
) -> tuple[set[tuple[bytes, bytes, int, int]], dict[bytes, int]]:
    """The links, and how many spans each run has, once these have come; nothing of it stays."""
    with transaction.atomic():
        mine = {PLANE_IDENTITY: source("trail"), PLANE_AI: source("traces", plane="ai")}
        for records in deposits:
            store(mine[records[0].plane], records)
            if link_between:
                while links.link_next(now=NOW):
                    pass
        while links.link_next(now=NOW):
            pass
        found = in_database()
        runs = {run.trace.bytes: run.spans for run in Run.objects.all()}
        transaction.set_rollback(True)
    memory.forget()
    return found, runs


@pytest.mark.django_db
def dealt(apis: list[Record], spans: list[Record], seed: int) -> list[list[Record]]:
    """The records as deposits that arrive in any order: split, shuffled, half of them twice."""
    dice = random.Random(seed)
    deposits: list[list[Record]] = []
    for records in (apis, spans):
        shuffled = [*records, *dice.sample(records, len(records) // 2)]
        dice.shuffle(shuffled)
        while shuffled:
            size = dice.randint(1, len(shuffled))
            deposits.append(shuffled[:size])
            del shuffled[:size]
    dice.shuffle(deposits)
    return deposits


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(world=worlds(), seed=st.integers(0, 2**32), link_between=st.booleans())
def test_sql_finds_what_the_rules_say_for_any_order_split_and_doubling(
    source: Callable[..., Source],
    world: tuple[list[Record], list[Record]],
    seed: int,
    link_between: bool,
) -> None:
    apis, spans = world
    deposits = dealt(apis, spans, seed)
    found, runs = arrived(source, deposits, link_between=link_between)
    assert found == pure(apis, spans)
    assert runs == {
        trace: sum(one.trace_id == trace for one in spans)
        for trace in {one.trace_id for one in spans if one.activity == TOOL_CALL}
    }


@pytest.mark.django_db
def test_deposit_that_somebody_holds_is_linked_when_its_lease_is_over(
    source: Callable[..., Source],
) -> None:
    row = source()
    store(row, [record(1, plane=PLANE_IDENTITY, activity=USE, action="s3:X", at=BASE)])
    store(row, [record(2, plane=PLANE_IDENTITY, activity=USE, action="s3:X", at=BASE)])
    first = consumers.claim(links.CONSUMER, lease=links.LEASE, now=NOW)
    assert first is not None
    assert links.link_next(now=NOW) > 0
    assert links.link_next(now=NOW) == 0
    assert links.link_next(now=NOW + links.LEASE + timedelta(seconds=1)) == first.deposit_id
    assert Progress.objects.get(pk=first.pk).attempts == 2
