"""Recorded evidence through the real intake: every join, whatever the order, split and doubling."""

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.db import connection

from evidence import files, intake, links
from evidence.files import File, Summary
from evidence.models import Actor, Event, Issuance, Link, Source
from evidence.vocabulary import EXACT, PROOF_PARENT, PROOF_REQUEST_ID
from tests.bench import lab, variants
from tests.evidence.conftest import NOW
from tests.evidence.formats.conftest import DATA
from tests.linked import link_everybody

type Make = Callable[..., Source]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`data` is the folder of recordings, as in tests/evidence/formats/conftest.py."""
    if "data" in metafunc.fixturenames:
        metafunc.parametrize("data", [DATA] if DATA.is_dir() else [], ids=["recorded"])


def ingest(source: Source, paths: Iterable[Path]) -> Summary:
    summary = Summary()
    given = [File(path.name, lambda path=path: path.open("rb")) for path in paths]  # type: ignore[misc]  # mypy cannot see the default's type
    for step in files.take_files(source=source, files=given, by="command", now=lambda: NOW):
        summary.add(step)
    return summary


def link() -> None:
    while links.link_next(now=NOW):
        pass


def joins() -> set[tuple[str, str, int, int]]:
    """(request id, trace, proof, strength) of every link that is shown."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.request_id, c.trace, l.proof, l.strength FROM evidence_shownlink l"
            " JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id"
            " JOIN evidence_event c ON c.at = l.cause_at AND c.id = l.cause_id"
        )
        return {
            (request, trace.hex, proof, strength)
            for request, trace, proof, strength in cursor.fetchall()
        }


def true_joins(data: Path) -> set[tuple[str, str]]:
    truth = orjson.loads((data / "lab" / "truth.json").read_bytes())
    return {
        (request, trace.removeprefix("0x")) for request, trace in truth["request_to_trace"].items()
    }


@pytest.mark.django_db
def test_lab_has_every_join_as_an_exact_link_and_no_wrong_one(source: Make, data: Path) -> None:
    trails, traces = source("trail"), source("traces", plane="ai")
    one = ingest(trails, [data / "lab" / "cloudtrail.json"])
    two = ingest(traces, [data / "lab" / "traces.pb.jsonl"])
    link()
    link_everybody(NOW)
    found, true = joins(), true_joins(data)
    assert (one.events, one.rejects, two.rejects, two.refused) == (66, [], [], [])
    assert {(request, trace) for request, trace, _, _ in found} == true
    assert {(proof, strength) for _, _, proof, strength in found} == {
        (PROOF_REQUEST_ID, EXACT),
        (PROOF_PARENT, EXACT),
    }


@pytest.mark.django_db
def test_lab_names_whom_each_key_was_issued_to(source: Make, data: Path) -> None:
    ingest(source("trail"), [data / "lab" / "cloudtrail.json"])
    truth = orjson.loads((data / "lab" / "truth.json").read_bytes())["issuance"]
    found = {
        row.credential.value: row.issued_to.value
        for row in Issuance.objects.select_related("credential", "issued_to")
        if row.issued_to is not None
    }
    assert set(truth) - set(found) == set()


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(3))
def test_lab_in_any_order_split_and_doubling_is_the_same(
    source: Make, data: Path, seed: int
) -> None:
    dice = random.Random(seed)
    recording = variants.shuffled(variants.twice(lab.load(data / "lab", batch=1)), seed)
    into = {lab.LOG: source("trail"), lab.TRACES: source("traces", plane="ai")}
    # Some bodies come once more as they are.
    bodies = [*recording.deliveries, *dice.sample(recording.deliveries, 20)]
    dice.shuffle(bodies)
    for number, one in enumerate(bodies):
        intake.take(source=into[one.source], body=one.body(), by="command", now=NOW)
        if number % dice.randint(1, 40) == 0:
            link()
    link()
    assert {(request, trace) for request, trace, _, _ in joins()} == true_joins(data)
    assert Event.objects.filter(source_id=into[lab.LOG].pk).count() == 66
    assert Link.objects.filter(proof=PROOF_REQUEST_ID).count() == 45


@pytest.mark.django_db
def test_invictus_is_whole_and_every_session_is_chained_to_its_issuance(
    source: Make, data: Path
) -> None:
    summary = ingest(source("trail"), sorted((data / "cloudtrail-invictus").glob("*.json*")))
    assert (summary.events, summary.duplicates, summary.rejects) == (2_900, 0, [])
    sessions = Actor.objects.filter(kind="access_key", value__startswith="ASIA")
    used = Event.objects.filter(
        credential_id__in=sessions.values("pk"),
        principal_id__in=Actor.objects.filter(kind="role_session").values("pk"),
    )
    issued = set(Issuance.objects.values_list("credential_id", flat=True))
    keys = list(used.values_list("credential_id", flat=True))
    assert len(keys) == 70
    assert [key for key in keys if key not in issued] == []


@pytest.mark.django_db
def test_stratus_loads_as_it_is(source: Make, data: Path) -> None:
    paths = sorted((data / "cloudtrail-stratus").glob("*.json"))
    summary = ingest(source("trail"), paths)
    expected: list[Any] = [one for path in paths for one in orjson.loads(path.read_bytes())]
    assert (len(paths), summary.rejects, summary.refused, summary.skipped) == (9, [], [], [])
    assert summary.records == len(expected)
    assert summary.events + summary.duplicates == len(expected)
