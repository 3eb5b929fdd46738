"""Links by key on pages and in exports: a run is named only where it can be told."""

from datetime import timedelta

import pytest

from evidence.formats import aws
from evidence.formats.record import ActorName
from evidence.models import Event, Run, Source
from evidence.names import memory
from evidence.vocabulary import PLANE_IDENTITY, TOOL_CALL
from reviews import exports
from reviews.pages import details, rows
from reviews.pages import event as one_event
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE
from tests.evidence.test_links_by_key import SECOND, arrive, call, step

pytestmark = pytest.mark.django_db


@pytest.fixture
def sources() -> tuple[Source, Source]:
    memory.forget()
    said = {"created_at": NOW, "created_by": "test"}
    return (
        Source.objects.create(name="log of keys", **said),
        Source.objects.create(name="traces of keys", plane="ai", **said),
    )


def shown(source: Source) -> list[tuple[str, bool]]:
    """(strength, whether a run is named) of each API event of a log, the newest first."""
    keys = Event.objects.filter(plane=PLANE_IDENTITY, source_id=source.pk).values_list("at", "id")
    return [(row["strength"], row["run"] is not None) for row in rows.of_keys(keys)]


def test_run_is_named_only_where_it_can_be_told(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    far = BASE + 600 * SECOND
    arrive(
        (trail, [call(1), call(2, at=far), call(3, at=far + 600 * SECOND)]),
        (
            traces,
            [
                step(4, 1, activity=TOOL_CALL, credential=None),
                step(5, 1),
                step(6, 1, at=far),
            ],
        ),
    )
    assert shown(trail) == [("", False), ("key", True), ("key", True)]
    arrive((traces, [step(7, 2, at=far)]), (trail, [call(8)]))
    assert shown(trail) == [("", False), ("key", False), ("key", False), ("key", False)]
    found = {
        (row["effect"]["at"], row["runs"], row["surplus"])
        for row in exports.links()
        if row["effect"]["source"] == trail.name
    }
    assert found == {
        (exports.moment(NOW), 1, 1),
        (exports.moment(NOW + timedelta(seconds=600)), 2, 0),
    }
    arrive((traces, [step(9, 1)]))
    assert shown(trail) == [("", False), ("key", False), ("key", True), ("key", True)]


def test_inferred_link_is_shown_with_its_reasons(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    user = aws.arn_actor("arn:aws:iam::123456789012:user/svc-invoice-agent")
    said = {"credential": None, "action": "read_invoice", "duration": SECOND}
    agent = ActorName("otel:traces of keys", "agent", "invoice-agent")
    arrive(
        (trail, [call(1, principal=user, credential=None)]),
        (traces, [step(2, 1, activity=TOOL_CALL, agent=agent, **said)]),
    )
    assert shown(trail) == [("inferred", True)]
    event = Event.objects.get(plane=PLANE_IDENTITY, source_id=trail.pk)
    (link,) = one_event._links((event.at, event.id))
    reasons = ["its caller is named like the agent", "it happened while the span lasted"]
    proof = f"score 40 of 100: the span's name fits the action, {', '.join(reasons)}"
    assert (link["strength"], link["direction"], link["proof"]) == ("inferred", "caused by", proof)
    (row,) = [one for one in exports.links() if one["effect"]["source"] == trail.name]
    assert (row["strength"], row["proof"], row["score"], row["reasons"]) == (
        "inferred", proof, 40, reasons,
    )  # fmt: skip
    (span,) = details._spans(Run.objects.get(source=traces))
    assert [(one["strength"], one["proof"]) for one in span["links"]] == [("inferred", proof)]
