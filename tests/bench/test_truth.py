"""The figures of `make bench ARGS=truth`: counted rightly on links that are made up, and measured on
the lab through the product."""

from typing import Any

import pytest

from tests.bench import lab, truth, variants
from tests.bench.lab import LOG, TRACES
from tests.bench.test_variants import AGENTS, recording
from tests.bench.truth import DISTURBED, UNDISTURBED, WITHOUT_IDS, Figures
from tests.house.test_data import DATA

CALLS = {call.request_id: call for call in recording().calls}
TOOLS = {(call.trace, call.tool) for call in CALLS.values() if call.trace}


def link(request: str, of: str = "", **said: Any) -> truth.Row:
    """A link of this call to the run of the call `of`, or to the run that made it."""
    trace = CALLS[of or request].trace
    plain = {"strength": "exact", "runs": 1, "surplus": 0, "request_id": request, "trace_id": trace}
    return (
        plain
        | {
            "effect": {"source": said.pop("log", LOG)},
            "cause": {
                "source": said.pop("traces", TRACES),
                "agent": recording().agents.get(trace),
            },
        }
        | said
    )


def held(*links: truth.Row, tools: set[tuple[str, str]] = TOOLS) -> Figures:
    return truth.held(recording(), links, tools)


RIGHT = [link(request) for request, call in CALLS.items() if call.trace]


def test_every_call_named_rightly_is_within_the_limits() -> None:
    figures = held(*RIGHT, *RIGHT)
    assert figures == Figures(20, 20, 20, 20, 20, (1,) * 20, 0, 0, frozenset(), 0)
    assert figures.missed(UNDISTURBED) == []


def test_calls_whose_tool_span_is_not_stored_are_left_out() -> None:
    call = CALLS["R0-0"]
    figures = held(*RIGHT, tools=TOOLS - {(call.trace, call.tool)})
    assert (figures.calls, figures.stored, figures.named, figures.right) == (20, 19, 19, 19)


def test_wrong_run_is_named_and_not_right_and_not_shown() -> None:
    figures = held(*RIGHT[1:], link("R0-0", "R1-0", strength="inferred"))
    assert (figures.named, figures.right, figures.shown, figures.false) == (20, 19, 19, 0)
    assert figures.missed(UNDISTURBED) == ["right 95.0% < 98.0%"]


@pytest.mark.parametrize("doubt", [{"runs": 2}, {"surplus": 1}, {"surplus": -1}])
def test_run_that_is_doubted_is_shown_and_not_named(doubt: dict[str, Any]) -> None:
    figures = held(link("R0-0", strength="key", **doubt))
    assert (figures.named, figures.shown, figures.sets) == (0, 1, (1,))


def test_sets_are_of_different_runs() -> None:
    others = [link("R0-0", f"R{run}-0", strength="inferred") for run in range(4)]
    figures = held(*others, link("R0-0", "R3-1", strength="inferred"), link("R1-0"))
    assert (figures.named, figures.shown, figures.sets) == (1, 2, (1, 4))
    # The same trace id from another source is another run.
    assert held(link("R0-0"), link("R0-0", traces="other")).sets == (2,)


@pytest.mark.parametrize("request_id", ["setup", "stolen"])
def test_link_of_a_call_that_no_run_made_is_counted(request_id: str) -> None:
    inferred = held(link(request_id, "R0-0", strength="inferred"))
    assert (inferred.no_run, inferred.false, inferred.framed) == (1, 0, frozenset())
    exact = held(link(request_id, "R0-0"), link(request_id, "R0-0"))
    assert (exact.no_run, exact.false, exact.framed) == (1, 1, frozenset({AGENTS[0]}))


def test_exact_link_to_a_run_that_did_not_make_the_call_frames_its_agent() -> None:
    assert held(link("R0-0"), link("R0-0", "R1-0")).framed == frozenset({AGENTS[1]})
    # A hostile source's run is not the true one, whatever trace it says.
    elsewhere = held(link("R0-0", traces=variants.HOSTILE_TRACES))
    assert (elsewhere.false, elsewhere.shown) == (1, 0)
    # What a hostile log tells, nobody did.
    told = held(link("R0-0", log=variants.HOSTILE_LOG))
    assert (told.no_run, told.false, told.framed) == (1, 1, frozenset({AGENTS[0]}))


def test_figures_outside_of_their_limits_are_all_said() -> None:
    nothing = held()
    assert nothing.missed(UNDISTURBED) == ["named 0.0% < 45.0%", "shown 0.0% < 90.0%"]
    assert nothing.missed(WITHOUT_IDS) == ["named 0.0% < 22.5%", "shown 0.0% < 70.0%"]
    # Nothing stored is no reason to be content.
    assert held(tools=set()).missed(DISTURBED) == ["named 0.0% < 22.5%", "shown 0.0% < 90.0%"]
    worst = Figures(20, 20, 10, 9, 18, (4, 4, 6), 1, 2, frozenset({"a", "b", "c"}), 4)
    assert worst.missed(UNDISTURBED) == [
        "right 90.0% < 98.0%",
        "median set 4 > 3",
        "largest set 6 > 5",
        "no run 1 > 0",
        "false 2 > 0",
        "framed 3 > 0",
        "accused 4 > 0",
    ]
    good = Figures(20, 20, 9, 9, 18, (3, 3, 5), 0, 0, frozenset(), 0)
    assert good.missed(UNDISTURBED) == []


def test_shares_are_printed_beside_their_numbers() -> None:
    def cells(figures: Figures) -> str:
        return " ".join(figures.cells().split())

    assert cells(held(*RIGHT[:9])) == "20 20 9/9 100% 9/20 45% 9/20 45% 1/1 0 0 0 0"
    assert cells(held()) == "20 20 - 0/20 0% 0/20 0% - 0 0 0 0"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Where the recordings are not, nothing of theirs is collected (tests/house/test_data.py)."""
    if "disturbed" in metafunc.fixturenames:
        names = ("undisturbed", "drop") if DATA.is_dir() else ()
        metafunc.parametrize("disturbed", names)


@pytest.mark.django_db
def test_lab_goes_through_the_product(disturbed: str) -> None:
    change, limits = truth.of_seed(1)[disturbed]
    changed = change(lab.paced(lab.load(DATA / "lab"), 1))
    figures = truth.measured(changed)
    assert figures.missed(limits) == []
    stored = 36 if disturbed == "drop" else 45
    assert (figures.calls, figures.stored, figures.right) == (45, stored, stored)
