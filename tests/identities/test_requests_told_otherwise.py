"""Two records of one request that disagree: neither proves a run, and a finding names both sources."""

from typing import Any

import pytest

from evidence.formats.record import ActorName, Record
from evidence.models import Event, Source
from evidence.queries import events
from evidence.vocabulary import (
    OUTCOME_REFUSED,
    PROOF_PARENT,
    PROOF_REQUEST_ID,
    PROOFS,
    TOLD_OTHERWISE,
    proof_words,
)
from identities.acting import COMMAND
from identities.actions import bindings
from identities.models import Finding, Identity
from identities.source_conflicts import of_pairs
from reviews import exports
from tests.evidence.test_correlation import BASE, MINUTE
from tests.evidence.test_links_by_key import AKIA, call
from tests.identities.test_claimed_links import (
    AWAY,
    HOME,
    actor,
    arrive,
    by_runs,
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
SECOND = MINUTE // 60
USER = ActorName("aws:111122223333", "arn", "arn:aws:iam::111122223333:user/reporter")
OTHER_KEY = AKIA._replace(value="AKIA2")


def told(number: int, request: str = "R1", **said: Any) -> Record:
    return call(
        number,
        **{
            "request_id": request,
            "at": BASE + MINUTE,
            "address": HOME,
            "resource": "invoices/1.pdf",
            **said,
        },
    )


def grades() -> list[tuple[str, int]]:
    """(strength, surplus) of each link that is exported."""
    return [(row["strength"], row["surplus"]) for row in exports.links()]


@pytest.fixture
def other(trail: Source) -> Source:
    return source("other")


@pytest.fixture
def reporter(trail: Source, traces: Source, active: Make) -> Identity:
    """An agent that made one call, which is known exactly."""
    made: Identity = active("reporter")
    arrive(trail, [told(1)])
    key_of(made)
    arrive(traces, run(1, "reporter", "R1"))
    bindings.bind(identity=made, actor=actor("agent", "reporter"), by=COMMAND, now=LATER)
    judge()
    assert (set(grades()), by_runs(made)) == ({("exact", 0)}, 1)
    return made


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ("address", {"address": AWAY}),
        ("resource", {"resource": "hr/salaries.json"}),
        ("outcome", {"outcome": OUTCOME_REFUSED}),
        ("time", {"at": BASE + MINUTE + 2 * SECOND}),
        ("caller", {"credential": OTHER_KEY}),
        ("resource", {"resource": "hr/salaries.json", "principal": USER}),
    ],
)
def test_record_in_another_log_that_differs_makes_claims_of_both(
    reporter: Identity, other: Source, differs: str, said: dict[str, Any]
) -> None:
    arrive(other, [told(2, **said)])
    assert set(grades()) == {("claimed", TOLD_OTHERWISE)}
    assert by_runs(reporter) == 0
    (found,) = Finding.objects.filter(rule="conflicting_trace", identity=reporter)
    assert found.family == f"other unlike trail {DAY}"
    assert {one.reason for one in found.events.all()} == {f"the records differ in {differs}"}
    assert found.words == (
        f"on {DAY} records of other and trail with the request ids of {len(found.events.all())}"
        f" call{'s' if found.count > 1 else ''} tell {'them' if found.count > 1 else 'it'}"
        " differently: at most one record of each is right"
    )


def test_what_a_page_says_of_such_a_claim(reporter: Identity, other: Source) -> None:
    arrive(other, [told(2, address=AWAY)])
    one = Event.objects.get(source_id=other.pk)
    linked = events.linked((one.at, one.id))
    claimed = "; claimed: another record tells this request otherwise"
    assert {proof_words(one.proof, one.runs, one.surplus) for one in linked} == {
        PROOFS[PROOF_REQUEST_ID] + claimed,
        PROOFS[PROOF_PARENT] + claimed,
    }
    (pair,) = of_pairs()
    assert (pair.words, pair.turned) == (
        "tells requests otherwise than trail",
        "tells requests otherwise than other",
    )


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"at": BASE + MINUTE + SECOND // 2},
        {"address": None},
        {"resource": None},
        {"credential": None, "principal": ActorName("aws:444455556666", "arn", "arn:other")},
    ],
)
def test_record_in_another_log_that_agrees_or_says_less_takes_nothing(
    reporter: Identity, other: Source, said: dict[str, Any]
) -> None:
    arrive(other, [told(2, **said)])
    assert ("exact", 0) in grades()
    assert by_runs(reporter) >= 1
    assert not Finding.objects.filter(rule="conflicting_trace").exists()


def test_pages_of_one_request_in_one_log_are_all_exact(reporter: Identity, trail: Source) -> None:
    arrive(trail, [told(2, resource="invoices/2.pdf", at=BASE + MINUTE + 3 * SECOND)])
    assert set(grades()) == {("exact", 0)}
    assert by_runs(reporter) == 2


def test_one_log_that_names_two_addresses_for_one_request_proves_neither(
    reporter: Identity, trail: Source
) -> None:
    arrive(trail, [told(2, address=AWAY)])
    assert set(grades()) == {("claimed", TOLD_OTHERWISE)}
    (found,) = Finding.objects.filter(rule="conflicting_trace")
    assert found.family == f"trail unlike trail {DAY}"


def test_source_that_may_not_speak_for_the_realm_disputes_nothing(
    reporter: Identity, other: Source
) -> None:
    arrive(other, [told(2, address=AWAY)])
    Source.objects.filter(pk=other.pk).update(realms=["aws:999999999999"])
    assert ("exact", 0) in grades()


def test_other_operation_of_the_service_counts_where_a_span_states_it_too(
    trail: Source, other: Source, traces: Source, active: Make
) -> None:
    """A span of HTTP names a method only, so that its id is linked to any operation."""
    made, request = active("reporter"), "4442587FB7D0A2F94442587FB7D0A2F9"
    arrive(trail, [told(1, request)])
    key_of(made)
    arrive(traces, run(1, "reporter", request, operation="GET"))
    bindings.bind(identity=made, actor=actor("agent", "reporter"), by=COMMAND, now=LATER)
    judge()
    assert set(grades()) == {("exact", 0)}
    arrive(other, [told(2, request, action="s3:DeleteObject")])
    assert set(grades()) == {("claimed", TOLD_OTHERWISE)}


def test_what_was_found_exactly_stays_when_another_record_disputes_it(
    reporter: Identity, other: Source
) -> None:
    """Nobody has a finding withdrawn by a record of their own."""
    found = Finding.objects.filter(identity=reporter, rule="no_authority")
    assert [(one.state, one.strengths) for one in found] == [("open", {"exact": 1})]
    arrive(other, [told(2, address=AWAY)])
    stayed = found.get()
    assert (stayed.state, stayed.strengths) == ("open", {"key": 2})


def test_more_than_a_thousand_records_of_one_request_prove_nothing(
    reporter: Identity, trail: Source
) -> None:
    arrive(trail, [told(n) for n in range(200, 1201)])
    assert set(grades()) == {("claimed", TOLD_OTHERWISE)}
