"""Which traces have to be walked again for some deposits, set-based.

Owns how they are found: traces of new spans, and those of older spans that new API events were
linked to. What is read of them is evidence/runs.py's.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from evidence import together
from evidence.slices import Slice
from evidence.vocabulary import (
    PLANE_AI,
    PLANE_IDENTITY,
    PROOF_CREDENTIAL,
    PROOF_REQUEST_ID,
    PROOF_TOKEN,
)

# Proofs that lie in a span itself; tool calls above it follow.
DIRECT = [PROOF_REQUEST_ID, PROOF_CREDENTIAL, PROOF_TOKEN]

# The traces whose parentage may have grown, by source: those of new spans, whose runs have grown
# too, and those of the spans that new API events were just linked to. As text: they are only
# handed back.
_IN_SHARES = """
SELECT source_id, width_bucket(get_byte(uuid_send(trace), 15), %(edges)s::int[]) AS share,
       array_agg(trace)::text
FROM ({traces}) touched GROUP BY 1, 2 ORDER BY 1, 2
"""
OF_NEW_SPANS = _IN_SHARES.format(
    traces="""SELECT DISTINCT source_id, trace FROM evidence_event
        WHERE at BETWEEN %(first)s AND %(last)s AND deposit_id = ANY(%(deposits)s)
          AND trace IS NOT NULL AND plane = %(ai)s"""
)
OF_NEW_CALLS = _IN_SHARES.format(
    traces="""SELECT DISTINCT s.source_id, s.trace
        FROM evidence_event n
        JOIN evidence_link l ON l.effect_at = n.at AND l.effect_id = n.id
         AND l.proof = ANY(%(direct)s) AND l.effect_at BETWEEN %(first)s AND %(last)s
        JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
         AND s.at BETWEEN %(first)s - interval '1 day' AND %(last)s + interval '1 day'
        WHERE n.at BETWEEN %(first)s AND %(last)s AND n.deposit_id = ANY(%(deposits)s)
          AND n.plane = %(identity)s AND s.trace IS NOT NULL
          -- Those of new spans are known by now.
          AND NOT s.deposit_id = ANY(%(deposits)s)"""
)
# Asked where all spans would be read for it: without older deposits there are no others.
_OLDER = """SELECT EXISTS (SELECT FROM evidence_deposit d
    WHERE NOT d.id = ANY(%(deposits)s) AND d.first_at <= %(last)s + interval '1 day'
      AND d.last_at >= %(first)s - interval '1 day')"""


class Grown(NamedTuple):
    """Traces of one source, as the database writes arrays: with new spans, and with new links."""

    source: int
    share: int
    own: str
    others: str


def joined(*arrays: str | None) -> str:
    """These arrays of traces as one, all as the database writes them."""
    return f"{{{','.join(filter(None, ((one or '{}').strip('{}') for one in arrays)))}}}"


def _bytes(edges: Sequence[float]) -> list[int]:
    return [round(256 * edge) for edge in edges]


def of_new_spans(cursor: Any, slice_: Slice, edges: Sequence[float] = ()) -> list[Grown]:
    """The traces of new spans, of each source in shares by their last byte, cut at these `edges`
    of 1."""
    facts = {"ai": PLANE_AI, "edges": _bytes(edges)}
    with together.reading(cursor, slice_):
        cursor.execute(OF_NEW_SPANS, slice_.facts() | facts)
        return [Grown(source, share, own, "{}") for source, share, own in cursor]


def with_new_calls(
    cursor: Any, slice_: Slice, grown: Sequence[Grown], edges: Sequence[float] = ()
) -> list[Grown]:
    """And beside these the traces of older spans that new API events are linked to by now."""
    facts = slice_.facts() | {
        "identity": PLANE_IDENTITY,
        "direct": DIRECT,
        "edges": _bytes(edges),
    }
    if slice_.whole:
        cursor.execute(_OLDER, facts)
        if cursor.fetchone() == (False,):
            return list(grown)
    known = {(one.source, one.share): one.own for one in grown}
    with together.reading(cursor, slice_):
        cursor.execute(OF_NEW_CALLS, facts)
        others = {(source, share): traces for source, share, traces in cursor}
    return [
        Grown(key[0], key[1], own := known.get(key, "{}"), _without(others.get(key, "{}"), own))
        for key in sorted(known.keys() | others.keys())
    ]


def _without(traces: str, known: str) -> str:
    """These traces but those; both as the database writes arrays."""
    rest = set(filter(None, traces[1:-1].split(","))) - set(known[1:-1].split(","))
    return f"{{{','.join(sorted(rest))}}}"
