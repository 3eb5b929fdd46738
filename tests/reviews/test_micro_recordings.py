"""Tools and versions as frameworks really wrote them open small reviews (COUNTERSIGN_DATA)."""

from pathlib import Path

import pytest

from evidence import intake, links
from evidence.models import Run, Source
from identities import judging
from identities.models import Binding
from reviews.models import Trigger
from tests.house.test_data import DATA

from .conftest import DAY, NOW, Told
from .test_manifests import signed
from .test_micro_reviews import LATER, micro, reviewed, sweep

pytestmark = pytest.mark.django_db


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Where the recordings are not, nothing of theirs is collected (tests/house/test_data.py)."""
    if "traces" in metafunc.fixturenames:
        metafunc.parametrize("traces", [DATA / "traces-frameworks"] if DATA.is_dir() else [])


def recorded(story: Told, traces: Path, framework: str) -> Run:
    """One real trace through the intake; its agent is the story's identity."""
    (file,) = traces.glob(f"{framework}*.trace.json")
    source = Source.objects.create(
        name="langfuse", plane="ai", created_at=NOW, created_by="command"
    )
    taken = intake.take(
        source=source, body=file.read_bytes(), by="command", now=LATER, format="langfuse"
    )
    assert taken.rejects == 0
    while links.link_next(now=LATER):
        pass
    run = Run.objects.get()
    actor = run.agent or run.service
    assert actor is not None
    Binding.objects.create(
        identity=story.identity,
        actor=actor,
        basis="declared",
        state="confirmed",
        during=(NOW - 900 * DAY, None),
        recorded_at=NOW,
        by="command",
    )
    judging.judge_all(now=LATER)
    return run


@pytest.mark.parametrize(
    ("framework", "tools"),
    [("microsoft-agent", {"get_weather"}), ("google-adk", {"say_hello"})],
)
def test_real_tool_after_a_review_is_asked_about(
    story: Told, traces: Path, framework: str, tools: set[str]
) -> None:
    reviewed(story)
    recorded(story, traces, framework)
    sweep()
    case = micro("new_tool")
    assert {one.title for one in case.items.all()} == {f"Tool {one}" for one in tools}
    assert "The evidence came after its review" in case.reason


def test_real_tool_that_a_manifest_declares_is_not(story: Told, traces: Path, sign: object) -> None:
    reviewed(story)
    signed(story, sign, model="gpt-5-mini", tools=["get_weather"], permissions=[])
    run = recorded(story, traces, "microsoft-agent")
    assert str(run.release) == "gpt-5-mini"  # its model: it states no version
    sweep()
    assert set(Trigger.objects.values_list("name", flat=True)) <= {
        "dormant"
    }  # the trace is of 2025


def test_real_version_that_no_manifest_declares_is_asked_about(
    story: Told, traces: Path, sign: object
) -> None:
    signed(story, sign)
    run = recorded(story, traces, "koog")
    assert str(run.release) == "0.3.0 gpt-4o"
    sweep()
    assert "Release 0.3.0 gpt-4o runs since 26 Aug 2025" in micro("new_release").reason


def test_real_version_that_is_declared_is_not(story: Told, traces: Path, sign: object) -> None:
    signed(story, sign, version="0.3.0", model="gpt-4o")
    recorded(story, traces, "koog")
    sweep()
    assert {one.name for one in Trigger.objects.all()} == {"outside_manifest", "dormant"}
    assert "MAN-" in micro("outside_manifest").reason  # its tools are not in that manifest
