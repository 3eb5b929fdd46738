"""Traces that contradict a log, or each other, are a finding that names both sources."""

from typing import Any

import pytest

from evidence.models import Source
from evidence.vocabulary import INFERRED
from identities import checks
from identities.acting import COMMAND
from identities.actions import bindings
from identities.models import Finding
from reviews.automatic import classes
from tests.identities.test_claimed_links import (
    actor,
    arrive,
    by_runs,
    calls,
    key_of,
    run,
    source,
    traces,
    trail,
)
from tests.identities.test_following import Make
from tests.identities.test_key_users import LATER, judge

__all__ = ["traces", "trail"]
pytestmark = pytest.mark.django_db
DAY = "2026-11-24"
REQUEST = "4442587FB7D0A2F9"


def conflicts() -> list[tuple[str, str, int]]:
    rows = Finding.objects.filter(rule="conflicting_trace").order_by("family")
    return [(one.family, one.state, one.count) for one in rows]


@pytest.fixture
def forger(trail: Source) -> Source:
    return source("forger", plane="ai")


def test_trace_of_another_identity_s_agent_contradicts_the_log(
    trail: Source, forger: Source, active: Make
) -> None:
    reporter, delta = active("reporter"), active("delta")
    arrive(trail, calls(1, "R1", "R2", "R3"))
    key_of(reporter)
    arrive(forger, run(1, "delta", "R1", "R2", of="forger"))
    # Nobody has linked the agent: it only claims.
    assert conflicts() == []
    linked = bindings.bind(identity=delta, actor=actor("agent", "delta"), by=COMMAND, now=LATER)
    judge()
    assert conflicts() == [(f"forger against trail {DAY}", "open", 2)]
    found = Finding.objects.get(rule="conflicting_trace")
    assert (found.identity, found.strength, found.strengths) == (
        reporter, INFERRED, {"inferred": 2},
    )  # fmt: skip
    assert found.words == (
        f"on {DAY} traces of forger state the request ids of 2 calls and contradict what the log"
        " trail says of them: one of the two sources is wrong"
    )
    assert set(found.events.values_list("reason", flat=True)) == {
        "its agent is linked to another identity than the account"
    }
    assert not Finding.objects.filter(identity=delta).exists()

    bindings.unbind(binding=linked, by=COMMAND, now=LATER, reason="mistaken")
    judge()
    assert conflicts() == [(f"forger against trail {DAY}", "withdrawn", 0)]


def test_source_that_may_not_speak_for_the_realm_contradicts_the_log(
    trail: Source, forger: Source, active: Make
) -> None:
    key = calls(1, "R1")
    arrive(trail, key)
    key_of(active("reporter"))
    Source.objects.filter(pk=forger.pk).update(realms=["k8s:elsewhere"])
    arrive(forger, run(1, "reporter", "R1", of="forger"))
    assert conflicts() == [(f"forger against trail {DAY}", "open", 1)]


@pytest.mark.parametrize(
    ("action", "address", "conflict"),
    [
        ("s3:DeleteObject", "203.0.113.9", True),
        ("S3:getobject", "203.0.113.9", False),
        ("s3:DeleteObject", "s3.amazonaws.com", True),
        ("iam:CreateUser", "203.0.113.9", True),
        ("iam:CreateUser", "2001:db8::7", True),
        # A service that calls another one for its caller may keep the caller's id.
        ("kms:Decrypt", "s3.amazonaws.com", False),
        ("kms:Decrypt", "AWS Internal", False),
        # Services are called otherwise in spans.
        ("simplestorage:GetObject", "203.0.113.9", False),
        ("list pods", "203.0.113.9", False),
    ],
)
def test_span_that_names_another_operation_contradicts_the_log(
    trail: Source, forger: Source, active: Make, action: str, address: str, conflict: bool
) -> None:
    arrive(trail, calls(1, REQUEST, action=action, address=address))
    key_of(active("reporter"))
    arrive(forger, run(1, "reporter", REQUEST, of="forger"))
    assert conflicts() == ([(f"forger against trail {DAY}", "open", 1)] if conflict else [])


@pytest.mark.parametrize("span_first", [True, False])
def test_span_contradicts_no_log_that_has_its_own_call(
    trail: Source, forger: Source, active: Make, span_first: bool
) -> None:
    other = calls(1, REQUEST, action="s3:HeadObject")
    own = calls(2, REQUEST)
    spans = run(1, "reporter", REQUEST, of="forger")
    if span_first:
        arrive(forger, spans)
    arrive(trail, other)
    key_of(active("reporter"))
    if not span_first:
        arrive(forger, spans)
    assert conflicts() == [(f"forger against trail {DAY}", "open", 1)]
    arrive(trail, own)
    assert conflicts() == [(f"forger against trail {DAY}", "withdrawn", 0)]


def test_two_traces_that_state_one_id_are_one_finding_of_their_sources(
    trail: Source, forger: Source, traces: Source, active: Make
) -> None:
    reporter = active("reporter")
    arrive(trail, calls(1, "R1"))
    key_of(reporter)
    arrive(traces, run(1, "reporter", "R1"))
    bindings.bind(identity=reporter, actor=actor("agent", "reporter"), by=COMMAND, now=LATER)
    judge()
    assert conflicts() == []
    # Hundreds of copies are one; what is proved stays proved.
    copies = [one for n in range(2, 60) for one in run(n, f"agent-{n}", "R1", of="forger")]
    arrive(forger, copies)
    assert conflicts() == [
        (f"forger beside forger {DAY}", "open", 1),
        (f"forger beside traces {DAY}", "open", 1),
    ]
    assert by_runs(reporter) == 1
    assert Finding.objects.get(family=f"forger beside traces {DAY}").words == (
        f"on {DAY} several traces of forger and traces state the request id of 1 call: at most one"
        " trace of each id is right"
    )


def test_one_trace_that_two_sources_send_is_no_conflict(
    trail: Source, forger: Source, traces: Source, active: Make
) -> None:
    arrive(trail, calls(1, "R1"))
    key_of(active("reporter"))
    arrive(traces, run(1, "reporter", "R1"))
    arrive(forger, run(2, "reporter", "R1", of="forger", trace=1))
    assert conflicts() == []


def test_conflict_of_an_account_that_nobody_linked_stands_under_its_actor(
    trail: Source, forger: Source
) -> None:
    arrive(trail, calls(1, REQUEST, action="s3:DeleteObject"))
    arrive(forger, run(1, "reporter", REQUEST, of="forger"))
    found = Finding.objects.get(rule="conflicting_trace")
    assert (found.identity, found.actor_id) == (None, actor("access_key", "AKIA1").pk)


def test_second_trace_takes_nothing_back_that_the_first_proved(
    trail: Source, traces: Source, active: Make
) -> None:
    reporter = active("reporter")
    secret: dict[str, Any] = {"action": "secretsmanager:GetSecretValue"}
    arrive(trail, calls(1, "R1", **secret))
    key_of(reporter)
    arrive(traces, run(1, "reporter", "R1", operation=secret["action"]))
    bindings.bind(identity=reporter, actor=actor("agent", "reporter"), by=COMMAND, now=LATER)
    judge()
    left = Finding.objects.get(rule="left_task")
    assert (left.state, left.strengths) == ("open", {"exact": 1})
    arrive(traces, run(2, "reporter", "R1", operation=secret["action"]))
    left.refresh_from_db()
    assert (left.state, left.count, left.strengths) == ("open", 1, {"exact": 1})
    assert conflicts() == [(f"traces beside traces {DAY}", "open", 1)]
    # What rests on no run is by key now, as the link is.
    assert Finding.objects.get(rule="no_authority").strengths == {"key": 1}


def test_conflict_never_holds_anything() -> None:
    assert classes.why_not("conflicting_trace") == (
        "Conflicting trace cannot be marked: it says that one of two sources is wrong, and not"
        " which."
    )


def test_doctor_names_the_pairs_of_sources(trail: Source, forger: Source) -> None:
    def said() -> tuple[bool, str]:
        return next((ok, words) for name, ok, words, _ in checks.doctor() if name == "traces")

    assert said() == (True, "none contradicts a log or another trace")
    arrive(trail, calls(1, REQUEST, action="s3:DeleteObject"))
    arrive(forger, run(1, "reporter", REQUEST, of="forger"))
    assert said() == (False, "contradictions between sources: forger against trail")
