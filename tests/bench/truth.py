"""Links held against a recording whose truth is known, undisturbed and with one thing wrong at once.

Owns the variants that are measured, the figures and their limits. Each variant of each seed goes
through the intake into empty tables, and all consumers work until nothing is left; what is counted
is what the exports of links and findings say. A call names one run where one run alone is shown
for it and nothing says that it may be another's (`runs` 1, `surplus` 0).
"""

import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from statistics import median
from typing import Any, NamedTuple

from django.core.management import call_command

from evidence import actions, intake
from evidence.models import Event, Source
from evidence.permissions import COMMAND
from evidence.vocabulary import CLAIMED, LINK_STRENGTHS, TOOL_CALL
from reviews import exports
from tests.bench import database, lab, variants
from tests.bench.lab import Call, Recording
from tests.bench.told import Said
from tests.house.test_data import DATA
from tests.linked import link_agents

# Seed 0 is the lab as it was recorded.
SEEDS = (0, 1, 2, 3)
type Change = Callable[[Recording], Recording]
type Row = dict[str, Any]
# A source, and a trace in it, as lower-case hex: a trace id is its sender's choice.
type Run = tuple[str, str]
# Of exact findings: rule, identity, family, agents.
type Accusations = set[tuple[str, str | None, str, tuple[str, ...]]]


class Limits(NamedTuple):
    """Shares of calls, and numbers of runs. What is not here has to be none."""

    named: float
    shown: float
    right: float = 0.98
    median_set: int = 3
    largest_set: int = 5


UNDISTURBED = Limits(named=9 / 20, shown=0.9)
DISTURBED = Limits(named=9 / 40, shown=0.9)
WITHOUT_IDS = Limits(named=9 / 40, shown=0.7)


class Figures(NamedTuple):
    """What one variant came to. All but `calls` and the last four are of the stored calls."""

    calls: int  # that a run made
    stored: int  # of these, whose tool span is stored
    named: int  # for which one run is named
    right: int  # and it is the true one
    shown: int  # for which the true run is shown, alone or among others
    sets: tuple[int, ...]  # of how many runs each set is that is shown
    no_run: int  # calls that no run made, and for which a link is shown
    false: int  # exact links from a call to a run that did not make it
    framed: frozenset[str]  # agents to which such a link gives the call
    accused: int  # exact findings that the undisturbed recording does not have

    def missed(self, limits: Limits) -> list[str]:
        """Each figure that is outside of its limit, beside it."""
        found = []
        for name, part, whole, least in (
            ("right", self.right, self.named, limits.right),
            ("named", self.named, self.stored, limits.named),
            ("shown", self.shown, self.stored, limits.shown),
        ):
            # Where no run is named, none is wrong; `named` says how bad that is.
            share = part / whole if whole else 0.0
            if share < least and (whole or name != "right"):
                found.append(f"{name} {share:.1%} < {least:.1%}")
        if self.sets and median(self.sets) > limits.median_set:
            found.append(f"median set {median(self.sets):g} > {limits.median_set}")
        if self.sets and max(self.sets) > limits.largest_set:
            found.append(f"largest set {max(self.sets)} > {limits.largest_set}")
        for name, count in (
            ("no run", self.no_run),
            ("false", self.false),
            ("framed", len(self.framed)),
            ("accused", self.accused),
        ):
            if count:
                found.append(f"{name} {count} > 0")
        return found

    def cells(self) -> str:
        shares = [
            f"{part}/{whole} {part / whole:>4.0%}" if whole else "-"
            for part, whole in (
                (self.right, self.named),
                (self.named, self.stored),
                (self.shown, self.stored),
            )
        ]
        sizes = f"{median(self.sets):g}/{max(self.sets)}" if self.sets else "-"
        counts = (self.no_run, self.false, len(self.framed), self.accused)
        return _columns(self.calls, self.stored, *shares, sizes, *counts)


WIDTHS = (5, 6, 11, 11, 11, 5, 6, 5, 6, 7)
HEADER = (
    "calls", "stored", "right", "named", "shown", "set", "no run", "false", "framed", "accused",
)  # fmt: skip


def _columns(*cells: object) -> str:
    return "  ".join(f"{cell!s:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


def of_seed(seed: int) -> dict[str, tuple[Change, Limits]]:
    """The variants by their names; the first is the undisturbed one."""
    alone: dict[str, Change] = {
        "shift +7 s": partial(variants.shifted, seconds=7),
        "shift +3 min": partial(variants.shifted, seconds=180),
        "drop": partial(variants.dropped, seed=seed),
        "shuffle": partial(variants.shuffled, seed=seed),
        "twice": variants.twice,
    }
    copied: dict[str, Change] = {
        "copied ids, by spans": partial(variants.copied_by_spans, seed=seed),
        "copied ids, by a log": partial(variants.copied_by_records, seed=seed),
    }
    found: dict[str, tuple[Change, Limits]] = {"undisturbed": (lambda one: one, UNDISTURBED)}
    found |= {name: (change, DISTURBED) for name, change in (alone | copied).items()}
    found["strip"] = variants.stripped, WITHOUT_IDS
    for name, change in alone.items():
        found[f"strip, {name}"] = partial(_both, variants.stripped, change), WITHOUT_IDS
    found["without spans of the SDK"] = variants.without_sdk, WITHOUT_IDS
    for name in ("shift +7 s", "shift +3 min", "drop"):
        both = partial(_both, variants.without_sdk, alone[name])
        found[f"without spans of the SDK, {name}"] = both, WITHOUT_IDS
    return found


def _both(first: Change, then: Change, recording: Recording) -> Recording:
    return then(first(recording))


def bring(recording: Recording) -> None:
    """Through the intake into the tables as they are, and through all consumers; the agents of the
    lab's own traces are linked to their accounts."""
    latest = max(datetime.fromisoformat(record["eventTime"]) for record in recording.records())
    # By then no source is late with it.
    now = latest + timedelta(days=3)
    call_command("register", DATA / "lab" / "truth.json", imported=True, stdout=io.StringIO())
    sources: dict[str, Source] = {}
    for delivery in recording.deliveries:
        name = delivery.source
        if name not in sources:
            sources[name] = actions.add_source(
                name=name, by=COMMAND, now=now, plane=delivery.plane, format=delivery.format
            )
        taken = intake.take(source=sources[name], body=delivery.body(), by="bench", now=now)
        assert taken.rejects == 0, (name, taken.reasons[:3])
    actions.declare_complete(
        source=sources[lab.TRACES], through=now, reason="all of it is here", by=COMMAND, now=now
    )
    link_agents(shared=True, source=lab.TRACES)


def _tool_spans() -> set[tuple[str, str]]:
    """(trace, span) of each stored span of a tool call, as lower-case hex."""
    source = Source.objects.get(name=lab.TRACES)
    rows = Event.objects.filter(activity=TOOL_CALL, source_id=source.pk)
    return {
        (trace.hex, exports.span_hex(span) or "")
        for trace, span in rows.values_list("trace", "span")
        if trace is not None
    }


def exact_findings() -> Accusations:
    """The open findings of which every event is known exactly."""
    return {
        (row["rule"], row["identity"], row["family"], tuple(row["agents"]))
        for row in exports.findings()
        if row["strength"] == "exact" and row["state"] == "open"
    }


def held(
    recording: Recording,
    links: Sequence[Row],
    tool_spans: set[tuple[str, str]],
    accused: int = 0,
) -> Figures:
    """Links as they are exported, held against what is true."""
    calls = {call.request_id: call for call in recording.calls}
    shown: dict[tuple[str, str], set[Run]] = {}
    doubtful: set[tuple[str, str]] = set()
    false: set[tuple[tuple[str, str], Run]] = set()
    framed: set[str] = set()
    no_run: set[tuple[str, str]] = set()
    for link in links:
        if link["strength"] == LINK_STRENGTHS[CLAIMED]:
            continue
        call = link["effect"]["source"], link["request_id"] or ""
        run = link["cause"]["source"], link["trace_id"] or ""
        shown.setdefault(call, set()).add(run)
        if (link["runs"], link["surplus"]) != (1, 0):
            doubtful.add(call)
        true = _run_of(calls, call)
        if true is None:
            no_run.add(call)
        if link["strength"] == "exact" and run != true:
            false.add((call, run))
            framed.add(link["cause"]["agent"] or recording.agents.get(run[1], ""))
    made = [call for call in recording.calls if call.trace]
    stored = [call for call in made if (call.trace, call.tool) in tool_spans]
    sets = {call: shown.get((lab.LOG, call.request_id), set()) for call in stored}
    named = [
        call
        for call, runs in sets.items()
        if len(runs) == 1 and (lab.LOG, call.request_id) not in doubtful
    ]
    return Figures(
        calls=len(made),
        stored=len(stored),
        named=len(named),
        right=sum((lab.TRACES, call.trace) in sets[call] for call in named),
        shown=sum((lab.TRACES, call.trace) in runs for call, runs in sets.items()),
        sets=tuple(sorted(len(runs) for runs in sets.values() if runs)),
        no_run=len(no_run),
        false=len(false),
        framed=frozenset(framed - {""}),
        accused=accused,
    )


def _run_of(calls: dict[str, Call], call: tuple[str, str]) -> Run | None:
    """The run that made this call of a log; nobody made what a hostile log tells."""
    log, request = call
    trace = calls[request].trace if log == lab.LOG and request in calls else ""
    return (lab.TRACES, trace) if trace else None


def measured(recording: Recording, before: Accusations | None = None) -> Figures:
    """What the product makes of a recording; `before`: of the undisturbed one's exact findings."""
    bring(recording)
    exact = exact_findings()
    accused = 0 if before is None else len(exact - before)
    return held(recording, list(exports.links()), _tool_spans(), accused)


def measure(seeds: Sequence[int] = SEEDS) -> Iterator[Said]:
    if not DATA.is_dir():
        yield Said("truth: not measured", "", f"COUNTERSIGN_DATA ({DATA}) is no folder")
        return
    recorded = lab.load(DATA / "lab")
    yield Said("truth: links of the lab beside what is true", _columns(*HEADER))
    met = total = 0
    for seed in seeds:
        recording = lab.paced(recorded, seed)
        undisturbed: Accusations | None = None
        for name, (change, limits) in of_seed(seed).items():
            database.anew()
            figures = measured(change(recording), undisturbed)
            if undisturbed is None:
                undisturbed = exact_findings()
            missed = figures.missed(limits)
            total += 1
            met += not missed
            yield Said(f"  seed {seed}, {name}", figures.cells(), ", ".join(missed), not missed)
    yield Said("  variants within all limits", f"{met} of {total}")
