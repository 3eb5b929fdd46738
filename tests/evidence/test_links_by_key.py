"""Links by key through the real doors, and what is shown of them: the strongest, of how many runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from evidence import correlation, intake, links
from evidence.correlation import ApiEvent, Found, Span
from evidence.formats.record import ActorName, Issued, Record
from evidence.models import Event, Link, Source
from evidence.queries import events
from evidence.vocabulary import (
    API_CALL,
    CLAIMED,
    EXACT,
    KEY,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_CREDENTIAL,
    PROOF_CREDENTIAL_PARENT,
    PROOF_ISSUANCE,
    PROOF_PARENT,
    PROOF_REQUEST_ID,
    PROOF_TOKEN,
    PROOF_TOKEN_PARENT,
    PROOFS,
    STEP,
    TOOL_CALL,
    USE,
    proof_words,
)
from tests.bench import lab
from tests.bench.lab import Recording
from tests.evidence.conftest import NOW
from tests.evidence.formats.conftest import DATA
from tests.evidence.test_correlation import (
    BASE,
    KEYS,
    LONGEST,
    MINUTE,
    SKEW,
    arrived,
    record,
    store,
)
from tests.linked import link_everybody

type Make = Callable[..., Source]

SECOND = 1_000_000
AKIA, ASIA = KEYS[:2]
SERVICE = ActorName("otel:traces", "service", "reporter")


def call(number: int, **said: Any) -> Record:
    plain: dict[str, Any] = {
        "plane": PLANE_IDENTITY,
        "activity": USE,
        "at": BASE,
        "action": "s3:GetObject",
        "credential": AKIA,
    }
    return record(number, **plain | said)


def step(number: int, trace: int, **said: Any) -> Record:
    plain: dict[str, Any] = {
        "plane": PLANE_AI,
        "activity": API_CALL,
        "at": BASE,
        "action": "s3:GetObject",
        "credential": AKIA,
        "trace_id": trace.to_bytes(16),
        "span_id": number.to_bytes(8),
    }
    return record(number, **plain | said)


def arrive(*deposits: tuple[Source, list[Record]]) -> None:
    for source, records in deposits:
        store(source, records)
        while links.link_next(now=NOW):
            pass


def shown() -> set[tuple[int, int, int]]:
    """(proof, strength, runs) of what is shown."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT proof, strength, runs FROM evidence_shownlink")
        return set(cursor.fetchall())


@pytest.fixture
def sources(source: Make) -> tuple[Source, Source]:
    return source("trail"), source("traces", plane="ai")


@pytest.mark.django_db
def test_exact_link_hides_the_weaker_whichever_came_first(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    arrive(
        (trail, [call(1, request_id="REQ")]),
        (traces, [step(2, 1)]),
    )
    assert shown() == {(PROOF_CREDENTIAL, KEY, 1)}
    arrive((traces, [step(3, 2, request_id="REQ", principal=SERVICE)]))
    assert shown() == {(PROOF_REQUEST_ID, CLAIMED, 0), (PROOF_CREDENTIAL, KEY, 1)}
    link_everybody(NOW)
    assert shown() == {(PROOF_REQUEST_ID, EXACT, 1)}
    assert Link.objects.count() == 2
    (event,) = Event.objects.filter(plane=PLANE_IDENTITY)
    (cause,) = events.linked((event.at, event.id))
    assert (cause.strength, cause.runs) == (EXACT, 1)
    other = Event.objects.get(span=2)
    assert events.linked((other.at, other.id)) == []  # which only shares the key


@pytest.mark.django_db
def test_key_that_was_used_hides_to_whom_it_was_issued(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    said: dict[str, Any] = {"credential": None, "principal": SERVICE}
    run = [
        step(2, 1, activity=TOOL_CALL, **said),
        step(3, 1, request_id="REQ", parent_span_id=(2).to_bytes(8), **said),
    ]
    issuance = call(1, request_id="REQ", issued=Issued(ASIA, None, False, None))
    use = call(4, action="s3:PutObject", credential=ASIA)
    arrive((traces, run), (trail, [issuance, use]))
    assert {one[1:] for one in shown()} == {(CLAIMED, 0)}
    link_everybody(NOW)
    assert shown() == {
        (PROOF_REQUEST_ID, EXACT, 1),
        (PROOF_PARENT, EXACT, 1),
        (PROOF_ISSUANCE, KEY, 1),
    }
    arrive((traces, [step(5, 2, action="s3:PutObject", credential=ASIA)]))
    assert shown() == {
        (PROOF_REQUEST_ID, EXACT, 1),
        (PROOF_PARENT, EXACT, 1),
        (PROOF_CREDENTIAL, KEY, 1),
    }


@pytest.mark.django_db
@pytest.mark.parametrize("late", [False, True])
def test_busy_key_writes_few_candidates_and_names_every_run(
    sources: tuple[Source, Source], *, late: bool
) -> None:
    """Sixty spans of one run and one of another: which it was cannot be told, in any order."""
    trail, traces = sources
    many = [step(10 + number, 1, at=BASE - number) for number in range(60)]
    arriving = [(traces, many), (traces, [step(9, 2)]), (trail, [call(1)])]
    arrive(*(arriving[::-1] if late else arriving))
    assert shown() == {(PROOF_CREDENTIAL, KEY, 2)}
    assert Link.objects.count() == correlation.MOST_CANDIDATES + 1


@pytest.mark.django_db
@pytest.mark.parametrize("late", [False, True])
def test_key_of_a_crowd_is_told_to_be_of_many(
    sources: tuple[Source, Source], *, late: bool
) -> None:
    trail, traces = sources
    arriving = [(traces, [step(10 + one, 1 + one) for one in range(60)]), (trail, [call(1)])]
    arrive(*(arriving[::-1] if late else arriving))
    assert shown() == {(PROOF_CREDENTIAL, KEY, correlation.MOST_CANDIDATES + 1)}


@pytest.mark.django_db
def test_more_events_than_spans_cannot_be_told_apart(
    sources: tuple[Source, Source],
) -> None:
    """Somebody else used the key for the same in the same second: no event is said to be the
    run's, until a request id says so of one."""
    trail, traces = sources
    arrive(
        (trail, [call(1, request_id="REQ"), call(2)]),
        (traces, [step(3, 1), step(4, 1, activity=TOOL_CALL, credential=None)]),
    )
    assert surpluses() == {1}
    arrive((traces, [step(5, 1)]))
    assert surpluses() == {0}
    arrive((trail, [call(6), call(7)]))
    assert surpluses() == {2}
    arrive((traces, [step(8, 1, request_id="REQ")]))
    assert surpluses() == {0, 1}


@pytest.mark.django_db
def test_events_with_a_span_each_are_no_surplus_at_any_edge(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    arrive(
        (trail, [call(1), call(2, at=BASE - SKEW), call(3, at=BASE + SKEW)]),
        (
            traces,
            [
                step(4, 1),
                step(5, 1, at=BASE - 2 * SKEW - LONGEST, duration=10 * LONGEST),
                step(6, 1, at=BASE + 2 * SKEW),
            ],
        ),
    )
    assert Link.objects.count() == 3 + 1 + 1
    assert surpluses() == {0}


def surpluses() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT surplus FROM evidence_shownlink")
        return {row[0] for row in cursor.fetchall()}


def test_words_of_a_proof_say_when_it_cannot_be_told() -> None:
    said = PROOFS[PROOF_CREDENTIAL]
    assert proof_words(PROOF_CREDENTIAL, 1, 0) == said
    assert proof_words(PROOF_CREDENTIAL, 3, 0) == f"{said}; one of 3 runs, which cannot be told"
    assert proof_words(PROOF_CREDENTIAL, 1, 2) == (
        f"{said}; 2 more such events than spans around it: maybe not the run's"
    )


# --- whatever comes first


def _call(number: int, at: int, **said: Any) -> Record:
    return record(1000 + number, plane=PLANE_IDENTITY, activity=USE, at=BASE + at, **said)


def _step(number: int, trace: int, parent: int | None, activity: int, **said: Any) -> Record:
    plain: dict[str, Any] = {
        "plane": PLANE_AI,
        "activity": activity,
        "at": BASE,
        "action": "step",
        "trace_id": bytes(15) + bytes([trace]),
        "span_id": number.to_bytes(8),
        "parent_span_id": None if parent is None else parent.to_bytes(8),
    }
    return record(2000 + number, **plain | said)


# A run assumes a role with a request id; another names its credential and no request.
STORY = (
    _step(1, 1, None, STEP, duration=MINUTE),
    _step(2, 1, 1, TOOL_CALL),
    _step(3, 1, 2, API_CALL, action="sts:AssumeRole", request_id="REQ"),
    _call(4, 0, action="sts:AssumeRole", request_id="REQ", issued=Issued(ASIA, None, False, None)),
    _call(5, MINUTE + SKEW, action="s3:X", credential=ASIA),
    _call(6, MINUTE + SKEW + 1, action="s3:X", credential=ASIA),
    _step(7, 2, None, TOOL_CALL),
    _step(8, 2, 7, API_CALL, action="s3:Y", credential=AKIA, duration=10 * LONGEST),
    _call(9, LONGEST + SKEW, action="s3:Y", credential=AKIA),
    _call(10, LONGEST + SKEW + 1, action="s3:Y", credential=AKIA),
    _call(11, -SKEW, action="s3:Y", credential=AKIA),
    _call(12, -SKEW - 1, action="s3:Y", credential=AKIA),
)
TOLD = {
    (1004, 2003, PROOF_REQUEST_ID, EXACT),
    (1004, 2002, PROOF_PARENT, EXACT),
    (1005, 2002, PROOF_ISSUANCE, KEY),
    (1009, 2008, PROOF_CREDENTIAL, KEY),
    (1009, 2007, PROOF_CREDENTIAL_PARENT, KEY),
    (1011, 2008, PROOF_CREDENTIAL, KEY),
    (1011, 2007, PROOF_CREDENTIAL_PARENT, KEY),
}


@pytest.mark.django_db
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(story=st.permutations(STORY))
def test_story_that_comes_record_by_record_is_told_alike(
    source: Callable[..., Source], story: list[Record]
) -> None:
    found, _ = arrived(source, ([one] for one in story), link_between=True)
    assert {
        (int.from_bytes(effect, "little"), int.from_bytes(cause, "little"), proof, strength)
        for effect, cause, proof, strength in found
    } == TOLD


# --- the lab, as senders would have sent it that name keys and no requests


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`data` is the folder of recordings, as in tests/evidence/formats/conftest.py."""
    if "data" in metafunc.fixturenames:
        metafunc.parametrize("data", [DATA] if DATA.is_dir() else [], ids=["recorded"])


def with_keys_for_requests(recording: Recording) -> Recording:
    """With each request id of a span replaced by the key that the log says it was made with."""
    keys = {one["requestID"]: one["userIdentity"]["accessKeyId"] for one in recording.records()}

    def replace(span: SpanMessage) -> None:
        for pair in span.attributes:
            if pair.key == lab.REQUEST_ID:
                pair.key = "aws.auth.account.access_key"
                pair.value.string_value = keys[pair.value.string_value]

    return recording.each_span(replace)


@pytest.mark.django_db
def test_lab_without_request_ids_is_linked_by_key_and_never_to_a_wrong_run(
    sources: tuple[Source, Source], data: Path
) -> None:
    trail, traces = sources
    recording = lab.load(data / "lab")
    for one in with_keys_for_requests(recording).deliveries:
        into = trail if one.source == lab.LOG else traces
        intake.take(source=into, body=one.body(), by="command", now=NOW)
    while links.link_next(now=NOW):
        pass
    truth = {call.request_id: call.trace for call in recording.calls if call.trace}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.request_id, array_agg(DISTINCT encode(uuid_send(s.trace), 'hex')),"
            " bool_and(l.runs = 1 AND l.surplus = 0) FROM evidence_shownlink l"
            " JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id"
            " JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id"
            " WHERE l.strength = %s GROUP BY 1",
            [KEY],
        )
        found = {request: (set(runs), told) for request, runs, told in cursor.fetchall()}
    # The run behind each call is among its candidates.
    assert [one for one, run in truth.items() if run not in found.get(one, (set(),))[0]] == []
    # Where one is named it is the right one: never behind the stolen use. All of the lab is within
    # seconds, so that is rare.
    named = {one: runs for one, (runs, told) in found.items() if told}
    assert named == {one: {truth[one]} for one in named}
    assert len(named) == 2


# --- tokens and pods

POD = ActorName("k8s:prod", "pod", "4c1b6f0e-pod")
TOKEN = ActorName("k8s:prod", "token", "9f3a-jti", ActorName("k8s:prod", "service_account", "sa"))


@pytest.mark.django_db
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("field", ["token", "pod behind a token", "pod"])
def test_same_token_or_pod_is_a_key_whatever_the_actions_are_called(
    source: Make, field: str, *, late: bool
) -> None:
    """The sender of a span knows no realm of the cluster: the id alone is the same."""
    log = source("cluster")
    open_, named, barred = (
        source(name, plane="ai", realms=realms)
        for name, realms in (("open", []), ("named", ["k8s:prod"]), ("barred", ["aws"]))
    )
    said = TOKEN if field == "token" else POD
    claim = ActorName("otel:x", said.kind, said.value)
    use = call(
        1,
        action="create pods/exec",
        credential=POD if field == "pod" else TOKEN,
        agent=POD if field == "pod behind a token" else None,
    )
    spans = [
        step(2, 1, activity=TOOL_CALL, credential=None),
        step(3, 1, action="POST", credential=claim, parent_span_id=(2).to_bytes(8)),
    ]
    arriving = [
        (log, [use, call(9, action="create pods/exec", credential=POD, at=BASE + 60 * SECOND)]),
        (open_, spans),
        (named, [step(4, 2, action="POST", credential=claim)]),
        (barred, [step(5, 3, action="POST", credential=claim)]),
        # It has said which call it is.
        (open_, [step(6, 4, action="POST", credential=claim, request_id="OTHER")]),
    ]
    arrive(*(arriving[::-1] if late else arriving))
    # Two runs may have been it; the barred source may not speak for the cluster.
    assert shown() == {(PROOF_TOKEN, KEY, 2), (PROOF_TOKEN_PARENT, KEY, 2)}
    assert set(Link.objects.values_list("effect_at", "proof").annotate(many=Count("cause_id"))) == {
        (NOW, PROOF_TOKEN, 2),
        (NOW, PROOF_TOKEN_PARENT, 1),
    }


def test_rule_of_tokens_without_a_database() -> None:
    use = ApiEvent(1, BASE, None, "get pods", tokens=frozenset({"t", "pod"}))
    tool = Span(2, BASE, b"t" * 16, 2, None, TOOL_CALL, "x", None)
    span = Span(3, BASE, b"t" * 16, 3, 2, STEP, "GET", None, token="pod")
    linked = {Found(1, 3, PROOF_TOKEN, KEY), Found(1, 2, PROOF_TOKEN_PARENT, KEY)}
    assert correlation.links([use], [tool, span]) == linked
    assert correlation.links([use], [tool, span._replace(request_id="R")]) == set()
    assert correlation.links([use], [tool, span._replace(at=BASE + SKEW + 1)]) == set()
    assert correlation.links([use], [tool, span._replace(token="other")]) == set()
