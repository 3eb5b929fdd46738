"""Coverage of an identity: how many of its API events reach a run, and what would raise it."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from evidence import intake, links
from evidence.formats import aws
from evidence.formats.otlp.names import REQUEST_IDS, TOKENS
from evidence.formats.record import ActorName, Parsed, Record
from evidence.models import Actor, Deposit, Event, Link, Source
from evidence.vocabulary import (
    API_CALL,
    EXACT,
    OUTCOME_OK,
    PLANE_AI,
    PLANE_IDENTITY,
    TOOL_CALL,
    USE,
)
from evidence.vocabulary import KEY as KEY_STRENGTH
from identities import coverage
from identities.coverage import Coverage
from identities.judging import scope
from identities.models import Attribution, Identity
from identities.models.behaviour import AS_PRINCIPAL, BY_KEY
from tests.identities.chains import bind
from tests.identities.conftest import NOW

SECOND = 1_000_000
BASE = int(NOW.timestamp()) * SECOND
KEY = aws.access_key("AKIA1")
SERVICE = ActorName("otel:traces", "service", "reporter")


def made(number: int, at: int, **said: Any) -> Record:
    plain: dict[str, Any] = {
        "position": f"Records[{number}]",
        "digest": number.to_bytes(16, "little"),
        "realm": "test",
        "outcome": OUTCOME_OK,
        "action": "s3:GetObject",
        "at": BASE + at * SECOND,
        "credential": KEY,
    }
    return Record(**plain | said)


def call(number: int, at: int, request: str) -> Record:
    return made(number, at, plane=PLANE_IDENTITY, activity=USE, request_id=request)


def step(number: int, at: int, trace: int, activity: int, **said: Any) -> Record:
    return made(
        number,
        at,
        plane=PLANE_AI,
        activity=activity,
        trace_id=bytes(15) + bytes([trace]),
        span_id=number.to_bytes(8),
        **{"principal": SERVICE} | said,
    )


def link(identity: Identity) -> None:
    """The key and the service of the traces are this identity's."""
    for actor in Actor.objects.filter(kind__in=["access_key", "service"]):
        bind(identity, actor)


def arrive(source: Source, *records: Record) -> None:
    intake.store(
        source=source,
        parsed=Parsed(b"{}", list(records), [], []),
        digest=uuid.uuid4().bytes * 2,
        received=2,
        by="command",
        now=NOW + timedelta(days=3),
        format="otlp",
    )
    while links.link_next(now=NOW):
        pass


def attribute(identity: Identity) -> None:
    """Every event there is becomes this identity's."""
    for event in Event.objects.all():
        Attribution.objects.create(
            at=event.at,
            event_id=event.id,
            binding_id=1,
            identity_no=identity.number,
            source_id=event.source_id,
            role=AS_PRINCIPAL,
            strength=BY_KEY,
            plane=event.plane,
        )


@pytest.mark.django_db
def test_coverage_tells_each_way_of_reaching_a_run_apart(
    identity: Callable[..., Identity], django_assert_num_queries: Callable[..., Any]
) -> None:
    trail = Source.objects.create(name="trail", created_at=NOW, created_by="test")
    traces = Source.objects.create(name="traces", plane="ai", created_at=NOW, created_by="test")
    who = identity()
    arrive(
        trail,
        call(1, 0, "exact"),
        call(2, 100, "by key"),
        call(3, 200, "of two"),
        call(4, 300, "outside"),
        call(5, 400, "none"),
    )
    arrive(
        traces,
        step(11, 0, 1, TOOL_CALL, credential=None),
        step(12, 0, 1, API_CALL, request_id="exact", parent_span_id=(11).to_bytes(8)),
        step(13, 100, 1, API_CALL),
        step(14, 200, 1, API_CALL),
        step(21, 200, 2, TOOL_CALL, credential=None),
        step(22, 200, 2, API_CALL),
        # A trace of its own: no run.
        step(31, 300, 3, API_CALL, request_id="outside"),
    )
    link(who)
    attribute(who)
    with django_assert_num_queries(1):
        found = coverage.of_identity(who.number, until=NOW + timedelta(days=1))
    assert found == Coverage(
        calls=5,
        exact=1,
        key=1,
        untold=1,
        outside=1,
        none=1,
        spans=7,
        sdk=5,
        sdk_named=2,
        system="aws",
    )
    assert found.share == 20
    before = coverage.of_identity(who.number, until=NOW)
    assert (before.calls, before.exact, before.share) == (1, 1, 100)
    assert coverage.of_identity(who.number + 1, until=NOW) == Coverage()


@pytest.mark.django_db
def test_judging_rests_on_exact_links_alone(identity: Callable[..., Identity]) -> None:
    trail = Source.objects.create(name="trail", created_at=NOW, created_by="test")
    traces = Source.objects.create(name="traces", plane="ai", created_at=NOW, created_by="test")
    arrive(trail, call(1, 0, "exact"), call(2, 100, "by key"))
    arrive(
        traces,
        step(11, 0, 1, TOOL_CALL, credential=None),
        step(12, 0, 1, API_CALL, request_id="exact"),
        step(21, 100, 2, TOOL_CALL, credential=None),
        step(22, 100, 2, API_CALL),
    )
    link(identity())
    assert set(Link.objects.values_list("strength", flat=True)) == {KEY_STRENGTH, EXACT}
    for deposit in Deposit.objects.all():
        seen = scope.of(deposit)
        effects = {event.id for event in seen.events if event.plane == PLANE_IDENTITY}
        explained = {number for _, number in seen.causes}
        assert {Event.objects.get(id=number).request_id for number in explained} == {"exact"}
        assert explained <= effects


@pytest.mark.parametrize(
    ("counts", "share", "opening"),
    [
        (Coverage(), None, ""),
        (Coverage(calls=3, exact=3, spans=9, sdk=4, sdk_named=3), 100, ""),
        (Coverage(calls=1000, exact=999, none=1, spans=9, sdk=4, sdk_named=4), 99, "All spans of"),
        (Coverage(calls=3, none=3), 0, "No run is known"),
        (Coverage(calls=3, none=3, spans=9), 0, "Its runs show no calls of an SDK: turn on"),
        (Coverage(calls=3, none=3, spans=9, sdk=2), 0, "Some of its SDK spans state no request"),
        (Coverage(calls=3, key=1, none=2), 0, "Some of its calls are known by key only: turn on"),
        (Coverage(calls=3, untold=3), 0, "Some of its calls are known by key only: turn on"),
        # With keys that its runs got, and every span states a request id already.
        (
            Coverage(calls=3, exact=1, key=2, issued=2, sdk=1, sdk_named=1),
            33,
            "All spans of its calls that are here state a request id. What is known by key only",
        ),
        (
            Coverage(calls=3, exact=1, key=2, issued=1, sdk=1, sdk_named=1),
            33,
            "Some of its calls are known by key only: turn on",
        ),
        (Coverage(calls=2, key=2, issued=2), 0, "Some of its calls are known by key only: turn on"),
        (Coverage(calls=3, outside=2, none=1), 0, "The spans of its calls are in traces of their"),
        (Coverage(calls=3, exact=1, outside=1, inferred=1), 33, "The spans of its calls are in"),
        (Coverage(calls=2, exact=1, none=1), 50, "All spans of its calls that are here state a"),
        # A run shows its calls, another of the same agent does not.
        (
            Coverage(calls=3, exact=2, inferred=1, spans=9, sdk=2, sdk_named=2),
            66,
            "Some of its runs show no calls of an SDK: ",
        ),
    ],
)
def test_switch_is_the_one_that_would_raise_the_share(
    counts: Coverage, share: int | None, opening: str
) -> None:
    assert counts.share == share
    assert counts._replace(system="aws").switch[: len(opening) or None] == opening


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ("aws", "opentelemetry-instrumentation-botocore"),
        ("k8s", "HEADERS_CLIENT_RESPONSE=audit-id)"),
        ("okta", "HEADERS_CLIENT_RESPONSE=x-okta-request-id)"),
        ("entra", "countersign.token.id"),
        ("somebody-elses", "capture that response header"),
    ],
)
def test_switch_is_one_of_the_system_that_was_called(system: str, said: str) -> None:
    words = Coverage(calls=3, exact=1, none=2, spans=9, sdk=2, sdk_named=1, system=system).switch
    assert words.startswith("Some of its SDK spans state no request id: ")
    assert said in words
    assert ("botocore" in words) is (system == "aws")


def test_switches_name_only_what_spans_are_read_for() -> None:
    told = " ".join(coverage.HOW.values())
    headers = {name.rsplit(".", 1)[1] for name in REQUEST_IDS if name.startswith("http.")}
    assert set(re.findall(r"RESPONSE=([\w-]+)\)", told)) <= headers
    assert {"aws.request_id", "countersign.token.id"} <= {*REQUEST_IDS, *TOKENS}
