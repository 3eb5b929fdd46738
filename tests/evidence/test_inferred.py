"""Inferred links: their reasons, what is never made of them, and the same for any order."""

from collections.abc import Callable, Container, Iterable

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence import correlation, inference, links
from evidence.correlation import ApiEvent, Span
from evidence.formats import aws, otlp
from evidence.formats.record import ActorName, Record
from evidence.inference import plain_name
from evidence.models import Event, Source
from evidence.names import memory
from evidence.tool_actions import keys_of_action, keys_of_tool
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    BECAUSE_ADDRESS,
    BECAUSE_CLIENT,
    BECAUSE_KNOWN,
    BECAUSE_NAMED,
    BECAUSE_OPERATION,
    BECAUSE_SPAN,
    BECAUSE_WITHIN,
    CLAIMED,
    EXACT,
    INFERRED,
    MODEL_CALL,
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_INFERRED,
    PROOF_ISSUANCE,
    PROOF_PARENT,
    PROOF_REQUEST_ID,
    REASONS,
    STEP,
    TOOL_CALL,
    USE,
    proof_words,
    reasons_of,
    score_of,
)
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, MINUTE, SKEW, dealt, record, store

SECOND = 1_000_000
REALM = "otel:traces"
USER = aws.arn_actor("arn:aws:iam::123456789012:user/svc-invoice-agent")
OTHER = aws.arn_actor("arn:aws:iam::123456789012:user/nightly-batch")
SERVICE = ActorName(REALM, "service", "invoice-agent")
STRANGER = ActorName(REALM, "service", "something-else")
AGENT = ActorName(REALM, "agent", "Nightly Batch")
POD_A, POD_B = (ActorName("k8s:prod", "pod", one) for one in ("A", "B"))


@pytest.mark.parametrize(
    ("tool", "action", "fits"),
    [
        ("get_object", "s3:GetObject", True),
        ("aws_s3_list_objects", "s3:ListObjectsV2", True),
        ("listBuckets", "s3:ListBuckets", True),
        ("read_invoice", "s3:GetObject", True),
        ("read_invoice", "s3:DeleteObject", False),
        ("get_weather", "sts:AssumeRole", False),
        ("slack_send_message", "sns:Publish", True),
        ("assume_and_list", "sts:AssumeRole", True),
        ("kubectl_exec", "create pods/exec", True),
        ("list_pods", "list pods", True),
        ("get_object", "storage.objects.get", True),
        ("fetch_secret", "secretsmanager:GetSecretValue", True),
        ("make_key", "iam:CreateAccessKey", True),
        ("calculator", "s3:GetObject", False),
        ("", "", False),
        ("\ud800x", "s3:\ud800", False),
    ],
)
def test_tool_fits_the_actions_that_its_name_tells(tool: str, action: str, fits: bool) -> None:
    assert bool(keys_of_tool(tool) & keys_of_action(action)) is fits


NAMES = [
    "arn:aws:iam::123456789012:user/svc-invoice-agent",
    "Invoice Agent",
    "system:serviceaccount:prod:invoice",
    "invoice@example.com",
    "arn:aws:sts::1:assumed-role/reader/svc-Service-sa-x",
    "svc",
    "",
    "a/b:",
    "agentic_role-agent",
    "İnvoice ſervice K",
    "x\ny",
]


@pytest.mark.django_db
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    drawn=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
)
def test_names_are_compared_alike_here_and_in_the_database(drawn: str) -> None:
    with connection.cursor() as cursor:
        for name in (*NAMES, drawn):
            cursor.execute("SELECT evidence_plain_name(%s)", [name])
            assert (name, cursor.fetchone()[0]) == (name, plain_name(name))
    assert [plain_name(name) for name in NAMES[:3]] == ["invoice"] * 3


def test_score_counts_the_reasons_and_never_reaches_certainty() -> None:
    assert score_of(PROOF_INFERRED + BECAUSE_NAMED + BECAUSE_WITHIN) == 40
    assert score_of(PROOF_INFERRED + sum(REASONS)) == 95
    assert score_of(EXACT) == 0
    assert reasons_of(PROOF_INFERRED + BECAUSE_WITHIN + BECAUSE_SPAN) == [
        REASONS[BECAUSE_SPAN][1],
        REASONS[BECAUSE_WITHIN][1],
    ]
    said = proof_words(PROOF_INFERRED + BECAUSE_NAMED + BECAUSE_WITHIN, 1, 0)
    assert said == (
        "score 40 of 100: the span's name fits the action, its caller is named like the agent,"
        " it happened while the span lasted"
    )
    assert proof_words(PROOF_INFERRED + BECAUSE_NAMED, 2, 0).endswith(
        "one of 2 runs, which cannot be told"
    )
    assert proof_words(PROOF_INFERRED + BECAUSE_NAMED, 1, 1).endswith(
        "such calls came from 2 addresses: maybe not the run's"
    )


# --- pure

CALL = ApiEvent(
    100, BASE, None, "s3:GetObject", caller="user/svc-invoice-agent", address="10.0.0.1"
)
TOOL = Span(
    1, BASE, b"t" * 16, 1, None, TOOL_CALL, "get_object", None, duration=SECOND,
    service="invoice-agent",
)  # fmt: skip
NAMED = PROOF_INFERRED + BECAUSE_NAMED + BECAUSE_WITHIN + BECAUSE_OPERATION
KNOWN = PROOF_INFERRED + BECAUSE_KNOWN + BECAUSE_WITHIN + BECAUSE_OPERATION


def proofs(
    apis: Iterable[ApiEvent], spans: Iterable[Span], claims: Container[int] = ()
) -> set[tuple[int, int, int]]:
    """`claims`: proofs that state what nobody has confirmed."""
    apis, spans = list(apis), list(spans)
    found = inference.inferred(
        apis,
        spans,
        (
            one._replace(strength=CLAIMED) if one.proof in claims else one
            for one in correlation.links(apis, spans)
        ),
    )
    assert {one.strength for one in found} <= {INFERRED}
    return {(one.effect, one.cause, one.proof) for one in found}


@pytest.mark.parametrize(
    ("event", "tool", "proof"),
    [
        (CALL, TOOL, NAMED),
        (CALL._replace(caller="x", above="role/invoice"), TOOL, NAMED),
        (CALL, TOOL._replace(service="x", agent="Invoice"), NAMED),
        (CALL._replace(client="sdk/1 invoice/2"), TOOL, NAMED + BECAUSE_CLIENT),
        (CALL, TOOL._replace(action="read_invoice"), NAMED - BECAUSE_OPERATION),
        (CALL._replace(at=BASE - SKEW), TOOL, NAMED - BECAUSE_WITHIN),
        # Too few reasons, or none to take the caller for the agent.
        (CALL._replace(at=BASE - SKEW), TOOL._replace(action="read_invoice"), 0),
        (CALL._replace(at=BASE - SKEW - 1), TOOL, 0),
        (CALL._replace(at=BASE + SECOND + SKEW + 1), TOOL, 0),
        (CALL._replace(caller="nightly-batch"), TOOL, 0),
        (CALL._replace(caller="nightly-batch", client="invoice-agent"), TOOL, 0),
        (CALL, TOOL._replace(action="get_weather"), 0 + NAMED - BECAUSE_OPERATION),
        (CALL, TOOL._replace(action="send_mail"), 0),
        (CALL, TOOL._replace(activity=STEP), 0),
        # Names that short are everybody's.
        (CALL._replace(caller="user/svc-mail"), TOOL._replace(service="mail"), 0),
    ],
)
def test_inference_needs_a_fitting_tool_a_fitting_time_and_a_reason(
    event: ApiEvent, tool: Span, proof: int
) -> None:
    assert proofs([event], [tool]) == ({(100, 1, proof)} if proof else set())


def test_inference_knows_a_caller_by_this_hours_exact_links() -> None:
    call = CALL._replace(caller="somebody", above=None)
    # Another run of the service, which shows its calls.
    sure = CALL._replace(id=101, at=BASE + MINUTE, request_id="REQ", caller="somebody")
    sdk = Span(
        9, BASE + MINUTE, b"u" * 16, 9, None, API_CALL, "s3:GetObject", "REQ",
        service="invoice-agent",
    )  # fmt: skip
    assert proofs([call, sure], [TOOL, sdk]) == {(100, 1, KNOWN + BECAUSE_ADDRESS)}
    elsewhere = sure._replace(address="198.51.100.7")
    assert proofs([call, elsewhere], [TOOL, sdk]) == {(100, 1, KNOWN)}
    later = inference.HOUR_MICROS
    assert (
        proofs([call, sure._replace(at=BASE + later)], [TOOL, sdk._replace(at=BASE + later)])
        == set()
    )


def test_inference_leads_from_a_span_outside_any_run_to_the_tool() -> None:
    call = CALL._replace(caller=None, request_id="REQ")
    sdk = Span(
        9, BASE + 5, b"u" * 16, 9, None, API_CALL, "s3:GetObject", "REQ", service="invoice-agent"
    )
    beside = PROOF_INFERRED + BECAUSE_SPAN + BECAUSE_WITHIN + BECAUSE_OPERATION
    assert proofs([call], [TOOL, sdk]) == {(100, 1, beside)}
    # Before or after the tool, of another service, or of another sender: nothing.
    for other in (
        sdk._replace(at=BASE - 1),
        sdk._replace(at=BASE + SECOND + 1),
        sdk._replace(service="other-service"),
        sdk._replace(service=None),
        sdk._replace(source=7),
    ):
        assert proofs([call], [TOOL, other]) == set()


def test_inference_is_silent_where_a_run_says_its_calls_or_a_link_is_stronger() -> None:
    sdk = Span(9, BASE, b"t" * 16, 9, 1, API_CALL, "sts:AssumeRole", None)
    assert proofs([CALL], [TOOL, sdk]) == set()
    exact = Span(9, BASE, b"u" * 16, 9, None, API_CALL, "s3:GetObject", "REQ")
    run = Span(8, BASE, b"u" * 16, 8, None, MODEL_CALL, "m", None)
    assert proofs([CALL._replace(request_id="REQ")], [TOOL, exact, run]) == set()
    assert proofs([CALL._replace(request_id="REQ")], [TOOL, exact]) == {(100, 1, NAMED)}
    # What nobody has confirmed hides nothing.
    claims = {PROOF_REQUEST_ID}
    assert proofs([CALL._replace(request_id="REQ")], [TOOL, exact, run], claims) == {
        (100, 1, NAMED)
    }


# --- the same in SQL


# What happens in each trace: two show no calls, one is no run, one is anything.
ACTS = {
    1: (TOOL_CALL, TOOL_CALL, MODEL_CALL),
    2: (TOOL_CALL, AGENT_RUN, STEP),
    3: (API_CALL,),
    4: (TOOL_CALL, API_CALL, STEP, MODEL_CALL),
}


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Record], list[Record]]:
    """Calls and spans of four traces, some of which show their calls."""
    near = st.sampled_from((0, 0, 1, SECOND, -SKEW, SKEW, SKEW + SECOND + 1, MINUTE))
    actions = st.sampled_from(("s3:GetObject", "s3:GetObject", "s3:PutObject"))
    keys = st.none() | st.sampled_from(
        (aws.access_key("AKIA1"), aws.access_key("ASIA1", USER), POD_A, POD_B)
    )
    requests = st.sampled_from(("REQ-1", "REQ-2", None, None))
    apis = [
        record(
            1000 + number,
            plane=PLANE_IDENTITY,
            activity=USE,
            action=draw(actions),
            request_id=draw(requests),
            at=BASE + draw(near | st.sampled_from((0, inference.HOUR_MICROS))),
            principal=draw(st.sampled_from((USER, OTHER, OTHER, None))),
            credential=draw(keys),
            address=draw(st.sampled_from((None, "10.0.0.1", "198.51.100.7"))),
            user_agent=draw(st.sampled_from((None, "aws-cli", "sdk Invoice/2"))),
        )
        for number in range(draw(st.integers(2, 5)))
    ]
    spans = []
    for number in range(draw(st.integers(2, 8))):
        trace = draw(st.integers(1, 4))
        act = draw(st.sampled_from(ACTS[trace]))
        calls = act in (API_CALL, STEP)
        spans.append(
            record(
                2000 + number,
                plane=PLANE_AI,
                activity=act,
                action=draw(actions if calls else st.sampled_from(("get_object", "read_it", "x"))),
                request_id=draw(requests) if calls else None,
                at=BASE + draw(near),
                credential=draw(keys) if calls else None,
                principal=draw(st.sampled_from((SERVICE, SERVICE, STRANGER, None))),
                agent=draw(st.sampled_from((None, AGENT))),
                duration=draw(st.sampled_from((None, 0, SECOND, 3 * MINUTE))),
                trace_id=bytes(15) + bytes([trace]),
                span_id=(number + 1).to_bytes(8),
                parent_span_id=draw(st.none() | st.integers(1, 8).map(lambda one: one.to_bytes(8))),
            )
        )
    return apis, spans


def pure(apis: Iterable[Record], spans: Iterable[Record]) -> set[tuple[int, int, int]]:
    def number(one: Record) -> int:
        return int.from_bytes(one.digest, "little")

    def value(name: ActorName | None) -> str | None:
        return None if name is None else name.value

    def key(one: Record) -> str | None:
        return value(None if one.credential in (POD_A, POD_B) else one.credential)

    def token(one: Record) -> str | None:
        return value(one.credential if one.credential in (POD_A, POD_B) else None)

    return proofs(
        [
            ApiEvent(
                number(one), one.at or 0, one.request_id, one.action, key(one), None,
                value(one.principal), None, one.address, one.user_agent,
                frozenset(name for name in [token(one)] if name is not None),
            )
            for one in apis
        ],
        [
            Span(
                number(one), one.at or 0, one.trace_id or b"", int.from_bytes(one.span_id or b""),
                None if one.parent_span_id is None else int.from_bytes(one.parent_span_id),
                one.activity, one.action, one.request_id, 0, key(one),
                one.duration or 0, value(one.principal), value(one.agent), token(one),
            )
            # A span's agent is the nearest above it, whether or not its format was asked.
            for one in otlp.with_agents([*spans])
        ],
        # Nobody has linked any of them.
        {PROOF_REQUEST_ID, PROOF_PARENT, PROOF_ISSUANCE},
    )  # fmt: skip


def shown() -> set[tuple[int, int, int]]:
    """(effect, cause, proof) of what is shown as inferred, by digests."""
    digest = {
        (one.at, one.id): int.from_bytes(one.digest.bytes, "little") for one in Event.objects.all()
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT effect_at, effect_id, cause_at, cause_id, proof FROM evidence_shownlink"
            " WHERE strength = %s",
            [INFERRED],
        )
        return {
            (digest[row[0], row[1]], digest[row[2], row[3]], row[4]) for row in cursor.fetchall()
        }


def arrived(
    source: Callable[..., Source], deposits: Iterable[list[Record]], *, link_between: bool
) -> set[tuple[int, int, int]]:
    with transaction.atomic():
        mine = {PLANE_IDENTITY: source("trail"), PLANE_AI: source("traces", plane="ai")}
        for records in deposits:
            store(mine[records[0].plane], records)
            while link_between and links.link_next(now=NOW):
                pass
        while links.link_next(now=NOW):
            pass
        found = shown()
        transaction.set_rollback(True)
    memory.forget()
    return found


@pytest.mark.django_db
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(world=worlds(), seed=st.integers(0, 2**32), link_between=st.booleans())
def test_sql_infers_what_the_rule_says_for_any_order_split_and_doubling(
    source: Callable[..., Source],
    world: tuple[list[Record], list[Record]],
    seed: int,
    link_between: bool,
) -> None:
    apis, spans = world
    deposits = dealt(apis, spans, seed)
    assert arrived(source, deposits, link_between=link_between) == pure(apis, spans)
