"""Capsules: evidence frozen for a decision, verifiable from its own bytes (decisions 15).

Owns the shape of a capsule's body and its digest: SHA-256 over the RFC 8785 form of `body`.
Event ids are text there, because RFC 8785 knows no integers above 2^53. What two people erased of
it (evidence/emptying.py) has a tombstone from the digest before to the digest after, and its entry
in the ledger. Must not know of cases: `subject` and `query` are the caller's words.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import connection

from evidence import canonical, clocks, locks
from evidence.locks import Lock
from evidence.models import Capsule, CapsuleTombstone, Deposit, Gap, LedgerEntry, Source
from evidence.queries import agents
from evidence.slices import Slice
from evidence.vocabulary import (
    ACTIVITIES,
    INFERRED,
    LINK_STRENGTHS,
    OUTCOMES,
    PLANES,
    PROOFS,
    TIME_BASES,
)

VERSION = 1
# One decision is shown at most this much; more would be no evidence that anybody read it.
MOST_EVENTS = 1_000
ERASED = "capsule.erased"
PAGE = 500

# Clocks are told day by day; of a longer time, of its last days alone.
LOOK_BACK = timedelta(days=90)

type Ref = tuple[datetime, int]
type Window = tuple[datetime | None, datetime | None]

COLUMNS = (
    "at",
    "id",
    "received_at",
    "deposit",
    "position",
    "plane",
    "activity",
    "outcome",
    "time_basis",
    "action",
    "resource",
    "principal",
    "credential",
    "agent",
    "on_behalf",
    "address",
    "error",
    "request_id",
    "trace",
    "span",
    "digest",
    "source",
)
EVENTS = f"""
SELECT e.at, e.id, e.received_at, e.deposit_id, e.ordinal, e.plane, e.activity, e.outcome,
       e.time_basis, a.value, r.value, p.value, c.value, g.value, o.value, ad.value, er.value,
       e.request_id, e.trace, e.span, e.digest, e.source_id
FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)
JOIN evidence_event e ON e.at = k.at AND e.id = k.id
JOIN evidence_term a ON a.id = e.action_id
LEFT JOIN evidence_term r ON r.id = e.resource_id
LEFT JOIN evidence_actor p ON p.id = e.principal_id
LEFT JOIN evidence_actor c ON c.id = e.credential_id
LEFT JOIN evidence_actor g ON g.id = {agents.of("e")}
LEFT JOIN evidence_actor o ON o.id = e.on_behalf_id
LEFT JOIN evidence_term ad ON ad.id = e.address_id
LEFT JOIN evidence_term er ON er.id = e.error_id
ORDER BY e.at, e.id
"""  # noqa: S608 - our own names; values are parameters
LINKS = """
SELECT l.effect_at, l.effect_id, l.cause_at, l.cause_id, l.strength, l.proof
FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)
JOIN evidence_shownlink l ON l.effect_at = k.at AND l.effect_id = k.id
ORDER BY 1, 2, 3, 4, 6
"""

# What became of frozen links: whether both events are there, whether the pair is linked and shown,
# the strongest link of its event now, and whether its run shows its own calls by now. The view is
# asked once for each event, as it grades all links of that.
LINKS_NOW = """
WITH k AS MATERIALIZED (
    SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::timestamptz[], %s::bigint[])
        WITH ORDINALITY AS k(effect_at, effect, cause_at, cause, place)
), both_sides AS (
    SELECT effect_at, effect, cause_at, cause, place, NULL::int AS strength FROM k
    UNION ALL SELECT d.effect_at, d.effect, v.cause_at, v.cause_id, NULL, v.strength
    FROM (SELECT DISTINCT effect_at, effect FROM k) d
    CROSS JOIN LATERAL (SELECT l.cause_at, l.cause_id, l.strength FROM evidence_shownlink l
        WHERE l.effect_at = d.effect_at AND l.effect_id = d.effect OFFSET 0) v
), graded AS MATERIALIZED (
    SELECT *, max(strength) OVER (PARTITION BY effect_at, effect, cause_at, cause) AS shown,
        max(strength) OVER (PARTITION BY effect_at, effect) AS strongest FROM both_sides
)
SELECT e.id IS NOT NULL AND c.id IS NOT NULL,
    EXISTS (SELECT FROM evidence_link l WHERE l.effect_at = k.effect_at
        AND l.effect_id = k.effect AND l.cause_at = k.cause_at AND l.cause_id = k.cause),
    k.shown, k.strongest,
    coalesce(evidence_of_silent_run(k.cause_at, k.cause), false)
FROM graded k
LEFT JOIN LATERAL (SELECT id FROM evidence_event
    WHERE at = k.effect_at AND id = k.effect OFFSET 0) e ON true
LEFT JOIN LATERAL (SELECT id FROM evidence_event
    WHERE at = k.cause_at AND id = k.cause OFFSET 0) c ON true
WHERE k.place IS NOT NULL ORDER BY k.place
"""


def freeze(
    *,
    subject: str,
    events: Iterable[Ref],
    query: Mapping[str, Any],
    shown: Mapping[str, Any],
    by: str,
    now: datetime,
    missing: Sequence[str] = (),
    window: Window | None = None,
    most: int = MOST_EVENTS,
    all_sources: bool = False,
) -> Capsule:
    """Copy these events, their links, their deposits' digests and what is missing, for good.

    Runs in the transaction of the act it belongs to. `shown` is what else the signer saw
    (authority, usage, the recommendation); it must be plain JSON. `window` is the time that was
    asked for: then it is said of each source, of all of them where `all_sources`, how much of that
    time it was known to be complete in, and how far clocks were apart.
    """
    refs = sorted(set(events))[-most:]
    with connection.cursor() as cursor:
        # What is read here is still there when this is committed, or is erased from it as well.
        locks.take_shared(cursor, Lock.FREEZE)
    rows, sources = _events(refs)
    body = {
        "version": VERSION,
        "subject": subject,
        "made_at": _moment(now),
        "made_by": by,
        "query": dict(query),
        "shown": dict(shown),
        "events": rows,
        "links": _links(refs),
        "deposits": _deposits({int(row["deposit"]) for row in rows}),
        "completeness": _completeness(sources),
        "missing": list(missing),
    }
    if window is not None:
        span = _span(window, refs, now)
        known = {one.pk for one in Source.objects.all()} if all_sources else sources
        body["completeness"] = _completeness(known, span)
        body["window"] = {"from": _moment(span[0]), "to": _moment(span[1])}
        body["clocks"] = _clocks(span, known)
    row = Capsule(made_at=now, made_by=by, subject=subject, body=body, digest=digest(body))
    row.save(force_insert=True)
    row.refresh_from_db(fields=["number"])
    return row


def digest(body: Mapping[str, Any]) -> bytes:
    """The SHA-256 of a body's canonical form."""
    return sha256(canonical.dumps(dict(body))).digest()


def intact(capsule: Capsule) -> bool:
    """Whether a capsule is as it was sealed, or as its last tombstone left it."""
    last = capsule.tombstones.order_by("-pk").first()
    return digest(capsule.body) == bytes(capsule.digest if last is None else last.left_digest)


def verify() -> Iterator[tuple[str, str]]:
    """Every capsule: its key, and what is wrong with it; nothing: it is as it was sealed, less
    what two people erased."""
    told = {
        (data["capsule"], data["gone_digest"], data["left_digest"])
        for data in LedgerEntry.objects.filter(act=ERASED).values_list("data", flat=True)
    }
    after = 0
    rows = Capsule.objects.order_by("number").prefetch_related("tombstones")
    while page := list(rows.filter(number__gt=after)[:PAGE]):
        for capsule in page:
            stones = sorted(capsule.tombstones.all(), key=lambda stone: stone.pk)
            yield capsule.key, _wrong(capsule, stones, told)
        after = page[-1].number


def _wrong(
    capsule: Capsule, stones: Iterable[CapsuleTombstone], told: set[tuple[str, str, str]]
) -> str:
    expected = bytes(capsule.digest)
    for stone in stones:
        gone, left = bytes(stone.gone_digest), bytes(stone.left_digest)
        if gone != expected:
            return "its tombstones do not follow each other"
        if (capsule.key, gone.hex(), left.hex()) not in told:
            return "its tombstone is not in the ledger"
        expected = left
    return "" if digest(capsule.body) == expected else "was changed after sealing"


def no_longer_shown(capsule: Capsule) -> list[str]:
    """Of each frozen link, why pages do not show it any more; empty: they do."""
    links = capsule.body["links"]
    if not links:
        return []
    keys = [
        [one[end][part] for one in links] for end in ("effect", "cause") for part in ("at", "id")
    ]
    with connection.cursor() as cursor:
        cursor.execute(LINKS_NOW, keys)
        return [
            _why_not_shown(one["strength"], *row)
            for one, row in zip(links, cursor.fetchall(), strict=True)
        ]


def _why_not_shown(
    strength: str, there: bool, linked: bool, shown: int | None, strongest: int | None, silent: bool
) -> str:
    if shown is not None and LINK_STRENGTHS[shown] == strength:
        return ""
    if shown is not None:
        return f"it is shown as {LINK_STRENGTHS[shown]} by now"
    if not there:
        return "one of its events is not kept any more, or was read again as another"
    if not linked:
        return "its events were read again, and it was not found again"
    if strongest is not None and LINK_STRENGTHS[strongest] != strength:
        return f"the event has a stronger link by now: {LINK_STRENGTHS[strongest]}"
    if strength == LINK_STRENGTHS[INFERRED] and not silent:
        return "its run shows the calls it made itself by now, and this is not one of them"
    if strength == LINK_STRENGTHS[INFERRED]:
        return (
            "other runs fit clearly better by now, or too many fit as well,"
            " or the run's calls came from another address"
        )
    return "a better proof leads to another run by now"


def _events(refs: Sequence[Ref]) -> tuple[list[dict[str, Any]], set[int]]:
    """The normalised rows as JSON, and the ids of their sources."""
    if not refs:
        return [], set()
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, [[at for at, _ in refs], [number for _, number in refs]])
        found = [dict(zip(COLUMNS, row, strict=True)) for row in cursor.fetchall()]
    sources = {int(row.pop("source")) for row in found}
    for row in found:
        row.update(
            at=_moment(row["at"]),
            id=str(row["id"]),
            received_at=_moment(row["received_at"]),
            deposit=str(row["deposit"]),
            plane=PLANES[row["plane"]],
            activity=ACTIVITIES[row["activity"]],
            outcome=OUTCOMES[row["outcome"]],
            time_basis=TIME_BASES[row["time_basis"]],
            trace=row["trace"].hex if row["trace"] else None,
            span=row["span"].to_bytes(8, signed=True).hex() if row["span"] is not None else None,
            digest=row["digest"].hex,
        )
    return found, sources


def _links(refs: Sequence[Ref]) -> list[dict[str, Any]]:
    if not refs:
        return []
    with connection.cursor() as cursor:
        cursor.execute(LINKS, [[at for at, _ in refs], [number for _, number in refs]])
        return [
            {
                "effect": {"at": _moment(row[0]), "id": str(row[1])},
                "cause": {"at": _moment(row[2]), "id": str(row[3])},
                "strength": LINK_STRENGTHS[row[4]],
                "proof": PROOFS[row[5]],
            }
            for row in cursor.fetchall()
        ]


def _deposits(numbers: set[int]) -> list[dict[str, Any]]:
    rows = Deposit.objects.filter(pk__in=numbers).select_related("source").order_by("pk")
    return [
        {
            "id": str(row.pk),
            "source": row.source.name,
            "received_at": _moment(row.received_at),
            "received_digest": bytes(row.received_digest).hex(),
            "kept_digest": bytes(row.kept_digest).hex(),
            "rule_version": row.rule_version,
            "format": row.format,
            "format_version": row.format_version,
        }
        for row in rows
    ]


def _completeness(
    numbers: set[int], span: tuple[datetime, datetime] | None = None
) -> list[dict[str, Any]]:
    """How complete each of these sources was known to be, and its known gaps; of a time alone also
    whether it was complete in all of that."""
    gaps: dict[int, list[dict[str, str | None]]] = {}
    rows = Gap.objects.filter(source__in=numbers)
    if span is not None:
        rows = rows.filter(during__overlap=span)
    for gap in rows.order_by("during", "pk")[:200]:
        gaps.setdefault(gap.source_id, []).append(
            {
                "from": _moment(gap.during.lower) if gap.during.lower else None,
                "to": _moment(gap.during.upper) if gap.during.upper else None,
                "reason": gap.reason,
            }
        )
    found = []
    for row in Source.objects.filter(pk__in=numbers).order_by("name"):
        said = {
            "source": row.name,
            "complete_to": _moment(row.watermark) if row.watermark else None,
            "shown_by": row.completeness or "not known",
            "sampling": row.sampling,
            "gaps": gaps.get(row.pk, []),
        }
        if span is not None:
            through = row.watermark is not None and row.watermark >= span[1]
            said["complete"] = through and row.sampling == 1 and row.pk not in gaps
        found.append(said)
    return found


def _span(window: Window, refs: Sequence[Ref], now: datetime) -> tuple[datetime, datetime]:
    """From when to when was asked for; where nobody said, from the first event, and until now."""
    begins, ends = window
    first = begins or (refs[0][0] if refs else now)
    return first, max(first, ends or now)


def _clocks(span: tuple[datetime, datetime], numbers: set[int]) -> list[dict[str, Any]]:
    """How far clocks of logs were ahead of those of traces, by day, where calls show it."""
    part = Slice((), tuple(sorted(numbers)), *span, max(span[0], span[1] - LOOK_BACK), span[1])
    with connection.cursor() as cursor:
        found = clocks.around(cursor, part).apart
    names = dict(Source.objects.filter(pk__in=numbers).values_list("pk", "name"))
    return [
        {
            "log": names[one.log],
            "traces": names[one.traces],
            "day": one.day.isoformat(),
            "seconds": one.seconds,
        }
        for one in found
        if one.log in names and one.traces in names
    ]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
