"""Calls by plain HTTP: the span names a method, and the id that the answer carried leads to the log."""

from collections.abc import Callable

import orjson
import pytest
from django.db import connection

from evidence import correlation, intake, links
from evidence.correlation import ApiEvent
from evidence.models import Source
from evidence.vocabulary import EXACT
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, BY_REQUEST, span
from tests.linked import link_everybody

SURE = "d3b07384-d113-4ec6"


@pytest.mark.parametrize(
    ("action", "request_id", "same"),
    [
        ("GET", SURE, True),
        ("POST /api/v1/namespaces/{namespace}/pods", SURE, True),
        ("HTTP PUT", SURE, True),
        # It has said what it did, and that was something else.
        ("kubernetes.delete_pod", SURE, False),
        ("get", SURE, False),
        ("GETS", SURE, False),
        ("GET\n", SURE, False),
        # As short as a number that is counted up: whose it is, is anybody's guess.
        ("GET", SURE[:15], False),
        ("GET", SURE[:16], True),
    ],
)
def test_span_that_names_a_method_alone_is_known_by_its_id(
    action: str, request_id: str, same: bool
) -> None:
    event = ApiEvent(100, BASE, request_id, "list pods")
    found = correlation.links([event], [span(3, request=request_id)._replace(action=action)])
    assert found == ({BY_REQUEST} if same else set())


SECOND = 1_000_000
# As the API server answers with it, and as Okta does.
AUDIT_ID, OKTA_ID = "5f1f2e0c-0d6b-4a55-9f0a-3c1f7a0f9b11", "Zx81kQ2mT4aB7cD9eF0gHgAAB2E"


def export(headers: dict[str, str]) -> bytes:
    """An agent's tool call, and below it one span of HTTP for each of these headers."""
    begins = BASE * 1000

    def one(number: int, name: str, kind: int, said: dict[str, str], above: int | None) -> object:
        return {
            "traceId": "ab" * 16,
            "spanId": f"{number:016x}",
            **({} if above is None else {"parentSpanId": f"{above:016x}"}),
            "name": name,
            "kind": kind,
            "startTimeUnixNano": str(begins),
            "endTimeUnixNano": str(begins + 10**9),
            "attributes": [
                {"key": key, "value": {"stringValue": value}} for key, value in said.items()
            ],
        }

    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "list_pods"}
    spans = [one(1, "execute_tool list_pods", 1, tool, None)]
    spans += [
        one(2 + place, "GET", 3, {f"http.response.header.{name}": value}, 1)
        for place, (name, value) in enumerate(headers.items())
    ]
    service = {"key": "service.name", "value": {"stringValue": "cluster-agent"}}
    groups = {"resource": {"attributes": [service]}, "scopeSpans": [{"spans": spans}]}
    return orjson.dumps({"resourceSpans": [groups]})


def audit(number: str) -> object:
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "auditID": number,
        "stage": "ResponseComplete",
        "verb": "list",
        "user": {"username": "system:serviceaccount:prod:cluster-agent"},
        "objectRef": {"resource": "pods", "namespace": "prod"},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": NOW.isoformat(),
        "stageTimestamp": NOW.isoformat(),
    }


def okta(request: str) -> object:
    return {
        "uuid": f"event-of-{request}",
        "published": NOW.isoformat(),
        "eventType": "user.lifecycle.suspend",
        "actor": {"id": "00u1", "type": "User", "alternateId": "svc@north.example"},
        "outcome": {"result": "SUCCESS"},
        "transaction": {"type": "WEB", "id": request},
        "debugContext": {"debugData": {"requestId": request}},
    }


def take(source: Source, body: bytes) -> None:
    intake.take(source=source, body=body, by="command", now=NOW)
    while links.link_next(now=NOW):
        pass


@pytest.mark.django_db
@pytest.mark.parametrize("late", [False, True])
def test_header_of_the_answer_leads_to_the_call_and_its_tool(
    source: Callable[..., Source], *, late: bool
) -> None:
    arriving = [
        (
            source("traces", plane="ai"),
            export({"audit-id": AUDIT_ID, "x-okta-request-id": OKTA_ID}),
        ),
        (
            source("cluster"),
            orjson.dumps({"items": [audit(AUDIT_ID), audit("another-" + AUDIT_ID)]}),
        ),
        (source("okta"), orjson.dumps([okta(OKTA_ID), okta("another-" + OKTA_ID)])),
    ]
    for into, body in arriving[::-1] if late else arriving:
        take(into, body)
    link_everybody(NOW)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.request_id, a.value, s.span, l.strength FROM evidence_shownlink l"
            " JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id"
            " JOIN evidence_term a ON a.id = e.action_id"
            " JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id"
        )
        assert set(cursor.fetchall()) == {
            (AUDIT_ID, "list pods", 1, EXACT),
            (AUDIT_ID, "list pods", 2, EXACT),
            (OKTA_ID, "user.lifecycle.suspend", 1, EXACT),
            (OKTA_ID, "user.lifecycle.suspend", 3, EXACT),
        }
