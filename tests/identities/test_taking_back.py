"""What takes a finding back without a person, and what does not.

| finding | taken back by | not by |
| --- | --- | --- |
| no run behind it (inferred) | an exact run; while no agent is linked, a run of a source that the question rests on; a span with the key and action, one for each such call | claims of others, runs of another identity's agent or of a source without the realm, spans that are missing or unread |
| positive ones (exact, by key) | authority or links of accounts that people change, a record that is read again | a second trace of the same id, claims |
| shared credential (inferred) | a link that people make, one run through both services | a trace of another source that joins theirs |
| instance credential used elsewhere (inferred) | other calls in the same log | traces |
| conflicting trace (inferred) | a link that people change, the call that the span means | anything else |
| after a refusal | people alone | evidence |
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from evidence.models import Actor, Gap, Source
from identities import judging
from identities.acting import COMMAND
from identities.actions import bindings
from identities.models import CredentialWatch, Finding, Identity
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, MINUTE
from tests.evidence.test_links_by_key import step
from tests.identities.chains import delegation
from tests.identities.test_absence_unread import reject_alone
from tests.identities.test_claimed_links import (
    AWAY,
    arrive,
    calls,
    key_of,
    run,
    source,
    traces,
    trail,
)
from tests.identities.test_following import Make
from tests.identities.test_key_users import LATER, judge, service

__all__ = ["traces", "trail"]
pytestmark = pytest.mark.django_db
SECRET: dict[str, Any] = {"action": "secretsmanager:GetSecretValue"}
type Comes = Callable[[Source, Make], None]


COMPLETE: dict[str, Any] = {"plane": "ai", "watermark": LATER, "completeness": "declared"}


def link(identity: Identity, name: str, of: str = "traces") -> None:
    row = Actor.objects.get(kind="agent", value=name, realm=f"otel:{of}")
    bindings.bind(identity=identity, actor=row, by=COMMAND, now=LATER)
    judge()


def exact(traces: Source, active: Make) -> None:
    arrive(traces, run(3, "reporter", "S1", "S2"))


def claimed(traces: Source, active: Make) -> None:
    arrive(source("forger", **COMPLETE), run(3, "reporter", "S1", "S2", of="forger"))


def claimed_where_spans_may_be_missing(traces: Source, active: Make) -> None:
    arrive(source("forger", plane="ai"), run(3, "reporter", "S1", "S2", of="forger"))


def of_another_identity(traces: Source, active: Make) -> None:
    arrive(traces, run(3, "delta", "S1", "S2"))
    link(active("delta"), "delta")


def without_the_realm(traces: Source, active: Make) -> None:
    reporter = Identity.objects.get(name="reporter")
    arrive(
        source("cluster", realms=["k8s:elsewhere"], **COMPLETE),
        run(3, "reporter", "S1", "S2", of="cluster"),
    )
    link(reporter, "reporter", "cluster")


def unread(traces: Source, active: Make) -> None:
    reject_alone(traces, BASE + 2 * MINUTE)
    judge()


def gap(traces: Source, active: Make) -> None:
    Gap.objects.create(
        source=traces, during=(NOW, NOW + timedelta(hours=1)), reason="silent", recorded_at=NOW
    )
    again()


def sampled(traces: Source, active: Make) -> None:
    Source.objects.filter(pk=traces.pk).update(sampling=0.5)
    again()


def incomplete(traces: Source, active: Make) -> None:
    Source.objects.filter(pk=traces.pk).update(watermark=None, completeness="")
    again()


def again() -> None:
    CredentialWatch.objects.update(dirty=True)
    judge()


CLAIMS = (claimed, of_another_identity, without_the_realm)
UNSURE = (unread, gap, sampled, incomplete, claimed_where_spans_may_be_missing)


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("comes", [exact, *CLAIMS, *UNSURE])
def test_call_without_a_run_is_taken_back_by_a_run_of_its_own(
    trail: Source, traces: Source, active: Make, comes: Comes, linked: bool
) -> None:
    reporter = active("reporter")
    arrive(trail, calls(1, "R1"))
    key_of(reporter)
    arrive(traces, run(1, "reporter", "R1"))
    if linked:
        link(reporter, "reporter")
    arrive(trail, calls(2, "S1", "S2", address=AWAY))
    found = Finding.objects.get(rule="no_run")
    assert (found.state, found.count) == ("open", 2)
    comes(traces, active)
    found.refresh_from_db()
    assert (found.state, found.count) == (("withdrawn", 0) if comes is exact else ("open", 2))
    assert ("no longer sure" in found.words) == (comes in UNSURE)


def second_run(trail: Source, traces: Source, reporter: Identity) -> None:
    arrive(traces, run(2, "reporter", "R1", operation=SECRET["action"]))


def claim(trail: Source, traces: Source, reporter: Identity) -> None:
    forger = source("forger", plane="ai")
    arrive(forger, run(2, "reporter", "R1", of="forger", operation=SECRET["action"]))


def authority(trail: Source, traces: Source, reporter: Identity) -> None:
    row = delegation(reporter)
    row.versions.update(
        actions=["secretsmanager:*"], during=(NOW - timedelta(days=9), NOW + timedelta(days=9))
    )
    judging.again(identities=[reporter], now=LATER)
    judge()


def unlinked(trail: Source, traces: Source, reporter: Identity) -> None:
    bindings.unbind(
        binding=reporter.bindings.get(actor__kind="agent"), by=COMMAND, now=LATER, reason="mistaken"
    )
    judge()


@pytest.mark.parametrize(
    ("comes", "left_task", "no_authority"),
    [
        (second_run, ("open", {"exact": 1}), ("open", {"key": 1})),
        (claim, ("open", {"exact": 1}), ("open", {"exact": 1})),
        (authority, ("withdrawn", {"exact": 1}), ("withdrawn", {"exact": 1})),
        (unlinked, ("withdrawn", {"exact": 1}), ("open", {"key": 1})),
    ],
)
def test_what_a_run_did_is_taken_back_by_people_and_not_by_another_trace(
    trail: Source,
    traces: Source,
    active: Make,
    comes: Callable[[Source, Source, Identity], None],
    left_task: tuple[str, dict[str, int]],
    no_authority: tuple[str, dict[str, int]],
) -> None:
    reporter = active("reporter")
    arrive(trail, calls(1, "R1", **SECRET))
    key_of(reporter)
    arrive(traces, run(1, "reporter", "R1", operation=SECRET["action"]))
    link(reporter, "reporter")
    rows = Finding.objects.filter(rule__in=["left_task", "no_authority"])
    assert {one.rule: (one.state, one.strengths) for one in rows} == {
        "left_task": ("open", {"exact": 1}),
        "no_authority": ("open", {"exact": 1}),
    }
    comes(trail, traces, reporter)
    assert {one.rule: (one.state, one.strengths) for one in rows.all()} == {
        "left_task": left_task,
        "no_authority": no_authority,
    }


def test_trace_that_joins_two_services_of_others_makes_them_no_one_user(
    trail: Source, traces: Source, active: Make
) -> None:
    key_requests = ("R1", "R2")
    arrive(trail, calls(1, *key_requests))
    key_of(active("reporter"))
    others = source("others", plane="ai")
    forger = source("forger", plane="ai")

    def spans(of: str, number: int, trace: int, request: str, name: str) -> list[Any]:
        said: dict[str, Any] = {"credential": None, "request_id": request}
        who = service(name)._replace(realm=f"otel:{of}")
        return [step(number, trace, principal=who, at=BASE + MINUTE, **said)]

    arrive(traces, spans("traces", 1, 1, "R1", "one"))
    arrive(others, spans("others", 2, 2, "R2", "two"))
    shared = Finding.objects.get(rule="shared_credential")
    assert shared.state == "open"
    arrive(
        forger,
        [*spans("forger", 3, 1, "R1", "three"), *spans("forger", 4, 2, "R2", "three")],
    )
    shared.refresh_from_db()
    assert shared.state == "open"
