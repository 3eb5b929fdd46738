"""A play brought through the door, and what is found held against what is true.

Owns the bodies, their order, and the comparison; knows the product by its door and its tables.
"""

import random
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import connection
from django.utils import timezone

from evidence import bulk, intake, links
from evidence.models import Source
from evidence.vocabulary import score_of
from tests.company import wire
from tests.company.playing import Play, Run
from tests.company.playing import Told as Truth
from tests.linked import link_everybody

_WRITERS: dict[str, Callable[[list[wire.Span]], wire.Json]] = {
    "otlp": wire.export,
    "langfuse": wire.observations,
    "mlflow": wire.trace_document,
}
FORMATS = {
    "trail": "cloudtrail", "audit": "kubernetes", "red": "kubernetes", "okta": "okta",
    "github": "github", "vault": "vault",
}  # fmt: skip


class Body(NamedTuple):
    source: str
    format: str
    data: bytes
    records: tuple[int, ...] = ()  # which of the log's, in their order


class Heard(NamedTuple):
    """What is shown of one record: the strongest links there are."""

    strength: int
    runs: frozenset[str]
    causes: frozenset[str]  # spans
    named: bool  # that it was this run, and no other, is said
    proofs: frozenset[int]

    @property
    def score(self) -> int:
        return max(map(score_of, self.proofs), default=0)


NOTHING = Heard(0, frozenset(), frozenset(), False, frozenset())


def _written(log: str, rows: list[wire.Json]) -> bytes:
    if log == "trail":
        return orjson.dumps({"Records": rows})
    return b"\n".join(orjson.dumps(row) for row in rows)


def _pieces(spans: list[wire.Span], form: str, size: int) -> Iterable[list[wire.Span]]:
    if form != "mlflow":
        yield from (spans[start : start + size] for start in range(0, len(spans), size))
        return
    # One trace a document.
    for trace in dict.fromkeys(span.trace for span in spans):
        yield [span for span in spans if span.trace == trace]


def bodies(play: Play, order: int | None = None) -> list[Body]:
    """As the day went, an hour's log and then its runs; with `order`, cut small, shuffled, and one
    in three of them twice."""
    dice = random.Random(order)
    found = []
    for log, rows in play.logs.items():
        numbers = list(range(len(rows)))
        if order is not None:
            dice.shuffle(numbers)
        size = 50 if order is None else 17
        for start in range(0, len(numbers), size):
            some = tuple(numbers[start : start + size])
            data = _written(log, [rows[number] for number in some])
            found.append(Body(log, FORMATS[log], data, some))
    for source, runs in play.sent().items():
        form = play.formats.get(source, "otlp")
        spans = [span for run in runs for span in run.spans]
        if order is not None:
            dice.shuffle(spans)
        found += [
            Body(source, form, orjson.dumps(_WRITERS[form](some)))
            for some in _pieces(spans, form, 200 if order is None else 60)
        ]
    if order is not None:
        found += dice.sample(found, len(found) // 3)
        dice.shuffle(found)
    return found


def bring(
    play: Play, given: Iterable[Body], *, now: datetime, between: bool = False
) -> dict[int, tuple[str, tuple[int, ...]]]:
    """Take these and link them; of each deposit its log and the records in it."""
    deposits: dict[int, tuple[str, tuple[int, ...]]] = {}
    sources: dict[str, Source] = {}
    for number, body in enumerate(given):
        if body.source not in sources:
            sources[body.source] = Source.objects.create(
                name=body.source,
                plane="identity" if body.source in FORMATS else "ai",
                sampling=play.sampled.get(body.source, 1.0),
                created_at=now,
                created_by="test",
            )
        taken = intake.take(
            source=sources[body.source], body=body.data, by="test", now=now, format=body.format
        )
        assert taken.rejects == 0, (body.format, taken.reasons[:3])
        deposits.setdefault(taken.deposit, (body.source, body.records))
        if between and number % 3 == 0:
            drain(now)
    drain(now)
    return deposits


def drain(now: datetime) -> None:
    while bulk.link_many(now=now) or links.link_next(now=now):
        pass


# Event by event, as pages ask.
SHOWN = """
SELECT e.deposit_id, e.ordinal, l.strength, l.proof, l.runs, l.surplus, s.trace::text,
       lpad(to_hex(s.span), 16, '0')
FROM (SELECT DISTINCT effect_at, effect_id FROM evidence_link OFFSET 0) k
CROSS JOIN LATERAL (SELECT * FROM evidence_shownlink x
    WHERE x.effect_at = k.effect_at AND x.effect_id = k.effect_id OFFSET 0) l
CROSS JOIN LATERAL (SELECT deposit_id, ordinal FROM evidence_event
    WHERE at = l.effect_at AND id = l.effect_id OFFSET 0) e
CROSS JOIN LATERAL (SELECT trace, span FROM evidence_event
    WHERE at = l.cause_at AND id = l.cause_id OFFSET 0) s
"""


def heard(deposits: dict[int, tuple[str, tuple[int, ...]]]) -> dict[tuple[str, int], Heard]:
    """What is shown of each record that anything is shown of, by its log and its place there, once
    every agent is linked to the accounts that it used."""
    link_everybody(timezone.now())
    found: dict[tuple[str, int], Heard] = {}
    with connection.cursor() as cursor:
        cursor.execute(SHOWN)
        for deposit, ordinal, strength, proof, runs, surplus, trace, span in cursor.fetchall():
            log, records = deposits[deposit]
            key = log, records[ordinal]
            before = found.get(key, NOTHING)
            found[key] = Heard(
                strength,
                before.runs | {trace.replace("-", "")},
                before.causes | {span},
                runs == 1 and surplus == 0,
                before.proofs | {proof},
            )
    return found


class Held(NamedTuple):
    """How it went, record by record: what was said wrongly, and what was not said."""

    false: list[tuple[Truth, Heard]]  # a run is named that it was not
    above: list[tuple[Truth, Heard]]  # stronger than what the recording proves
    missed: list[tuple[Truth, Heard]]  # exact or key, and not found
    right: dict[int, int]  # by strength, how many are named rightly
    untold: int  # of key and inferred, that it cannot be told is said


def held(play: Play, found: dict[tuple[str, int], Heard]) -> Held:
    """What is found against what is true."""
    out = Held([], [], [], {1: 0, 2: 0, 3: 0}, 0)
    untold = 0
    for told in play.truth:
        here = found.get((told.log, told.number), NOTHING)
        if here.named and here.runs != {told.run}:
            out.false.append((told, here))
        elif here.named:
            out.right[here.strength] += 1
        elif here.strength:
            untold += 1
        if here.strength > told.strength and here.named:
            out.above.append((told, here))
        if told.strength > 1 and (
            here.strength < told.strength
            or told.run not in here.runs
            or (told.tool is not None and told.tool not in here.causes)
            or (not here.named and not told.untold)
        ):
            out.missed.append((told, here))
    return out._replace(untold=untold)


def tool_calls(play: Play) -> int:
    """So many tools were called in the runs that were sent."""
    return sum(_called(run) for runs in play.sent().values() for run in runs)


def _called(run: Run) -> Any:
    root = run.root.number
    return sum(
        span.above == root and any("tool" in str(one).lower() for one in span.attributes.items())
        for span in run.spans
    )
