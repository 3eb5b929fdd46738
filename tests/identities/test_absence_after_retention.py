"""Nothing is concluded from spans that retention has dropped, or that a filter left out."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.intake.admitting import moment
from evidence.models import FilteredOut, Source
from tests.evidence.test_correlation import BASE, MINUTE, store
from tests.evidence.test_links_by_key import call
from tests.identities.test_absence_by_key import alone, sources

__all__ = ["sources"]

DAY = moment(BASE).date()
pytestmark = pytest.mark.django_db(transaction=True)


def keep_filter(traces: Source, _as_owner: Any) -> None:
    Source.objects.filter(pk=traces.pk).update(keep_rules=[["drop", "action", "noise"]])


def left_out_then(traces: Source, _as_owner: Any) -> None:
    FilteredOut.objects.create(source=traces, day=DAY, reason="drop action x", records=1)


def dropped_then(traces: Source, as_owner: Callable[..., object]) -> None:
    as_owner(
        "INSERT INTO evidence_dropped (source_id, month, events, held, at)"
        " VALUES (%s, %s, 9, 0, now())",
        [traces.pk, DAY.replace(day=1)],
    )


@pytest.mark.parametrize("happened", [keep_filter, left_out_then, dropped_then])
def test_call_without_a_run_is_no_finding_where_spans_may_be_gone(
    sources: tuple[Source, Source], as_owner: Any, happened: Callable[..., None]
) -> None:
    trail, traces = sources
    happened(traces, as_owner)
    store(trail, [call(5, at=BASE + 10 * MINUTE, address="198.51.100.7")])
    assert alone() == []


def test_call_without_a_run_is_one_where_all_spans_are_there(
    sources: tuple[Source, Source],
) -> None:
    trail, _ = sources
    store(trail, [call(5, at=BASE + 10 * MINUTE, address="198.51.100.7")])
    assert alone() == [("open", 1)]
