"""Writing findings: one open row per identity, rule and family, never deleted (decisions 8).

Set-based: a fleet without a delegation is thousands of findings over one deposit.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Count, Max, Min, Q

from evidence.vocabulary import STRENGTHS
from identities.findings import CONTROLS, UNDONE, Candidate
from identities.models import Finding, FindingEvent, Identity

from .sentences import words

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Rows that still take events in; a settled one stays as it was settled.
LIVE = ("open", "confirmed")
# More events than this under one finding say nothing new; the count goes on.
MOST_EVENTS = 1_000
# What is kept of a person's word while a finding is withdrawn.
SAID = ("state", "by", "reason")


class Key(NamedTuple):
    """What makes a finding one row."""

    identity: int | None  # Identity.number
    actor: int | None
    rule: str
    family: str


# One event of a finding: when, its id, its strength, and why it is there.
type Told = tuple[datetime, int, int, str]


class Asked(NamedTuple):
    """What the finding of one key is to hold."""

    events: list[Told]
    trace: str
    details: Mapping[str, Any]
    restate: bool = False  # the details become these also where no event is new


class Held(NamedTuple):
    """One event under a finding."""

    finding: UUID
    at: datetime
    event: int


OF_KEYS = """
SELECT k.number, f.id
FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::text[], %s::text[])
    AS k(number, identity, actor, rule, family)
LEFT JOIN identities_identity i ON i.number = k.identity
JOIN identities_finding f ON f.rule = k.rule AND f.family = k.family
    AND f.identity_id IS NOT DISTINCT FROM i.id AND f.actor_id IS NOT DISTINCT FROM k.actor
ORDER BY f.number
"""
STAGE = """
CREATE TEMP TABLE IF NOT EXISTS staged_finding
    (finding_id uuid, at timestamptz, event_id bigint, strength smallint, reason text)
    ON COMMIT DELETE ROWS;
DELETE FROM staged_finding;
"""
HOLD = """
INSERT INTO identities_findingevent (finding_id, at, event_id, strength, reason)
SELECT finding_id, at, event_id, strength, reason FROM staged_finding
ON CONFLICT (finding_id, at, event_id)
DO UPDATE SET strength = excluded.strength, reason = excluded.reason
WHERE (identities_findingevent.strength, identities_findingevent.reason)
    IS DISTINCT FROM (excluded.strength, excluded.reason)
"""
COUNTED = """
UPDATE identities_finding f SET count = n.count, first_at = n.first_at, last_at = n.last_at,
    strength = n.strength, strengths = n.strengths, words = n.words
FROM unnest(%s::uuid[], %s::int[], %s::timestamptz[], %s::timestamptz[], %s::smallint[],
    %s::jsonb[], %s::text[]) AS n(id, count, first_at, last_at, strength, strengths, words)
WHERE f.id = n.id
"""
# Of the first events of each finding what was called.
OPERATIONS = """
SELECT f.id, array_agg(DISTINCT t.value ORDER BY t.value)
FROM unnest(%s::uuid[]) AS f(id)
CROSS JOIN LATERAL (SELECT at, event_id FROM identities_findingevent
    WHERE finding_id = f.id ORDER BY at, event_id LIMIT %s) x
JOIN evidence_event e ON e.at = x.at AND e.id = x.event_id
JOIN evidence_term t ON t.id = e.action_id GROUP BY f.id
"""
# Of the events that were looked at, those that a positive finding holds and should not.
TAKE_BACK = """
WITH looked AS (
    SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::boolean[])
        AS l(at, event_id, contested)),
gone AS (
    DELETE FROM identities_findingevent e USING looked l, identities_finding f
    WHERE e.at = l.at AND e.event_id = l.event_id AND f.id = e.finding_id AND f.state = ANY(%s)
      AND f.rule NOT IN ('no_run', 'shared_credential', 'after_refusal',
                         'outside_instance', 'interactive_use')
      -- What rested on a run that another one is proved against.
      AND NOT (l.contested AND e.strength = 3)
      AND NOT EXISTS (SELECT FROM staged_finding s WHERE s.finding_id = e.finding_id
                      AND s.at = e.at AND s.event_id = e.event_id)
    RETURNING e.finding_id)
SELECT DISTINCT finding_id FROM gone
"""


def moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def micros(at: datetime) -> int:
    return int((at - EPOCH).total_seconds() * 1_000_000)


def record(
    wanted: Iterable[Candidate],
    looked_at: Iterable[tuple[datetime, int]],
    *,
    now: datetime,
    contested: Collection[tuple[datetime, int]] = (),
) -> None:
    """Open or extend findings from positive rules; take back what no longer holds.

    `looked_at`: every event that was judged: a finding keeps one only if it is a candidate now.
    `contested`: of these, calls that several traces are proved to have made. What was found of one
    of the runs stays, until a person says which run it was.
    """
    groups: dict[Key, Asked] = {}
    for one in wanted:
        key = Key(one.identity, one.actor, one.rule, one.family)
        asked = groups.get(key)
        if asked is None:
            groups[key] = asked = Asked([], one.trace, {})
        asked.events.append((moment(one.at), one.event, one.strength, one.reason))
    held = extend(groups, now=now)
    _take_back(held, looked_at, contested, now=now)


def extend(asked: Mapping[Key, Asked], *, now: datetime) -> list[Held]:
    """Add events to the findings of these keys, opening those that there are none of; what each
    finding that still takes events in was asked to hold.

    Events that a settled finding of the key already holds do not open it again. The number of
    queries is the same for one key and for thousands.
    """
    if not asked:
        return []
    rows = _of_keys(asked)
    settled = _settled(rows, asked)
    live: dict[Key, Finding] = {}
    reopened, again, fresh = [], [], {}
    for key, one in asked.items():
        here = rows.get(key, [])
        finding = next((row for row in here if row.state in LIVE), None)
        new = [event for event in one.events if (key, event[0], event[1]) not in settled]
        if not new and finding is None:
            continue
        if finding is None:
            # The same behaviour found again after its evidence was taken back is the same row.
            finding = next((row for row in reversed(here) if row.state == "withdrawn"), None)
            if finding is not None:
                _reopen(finding, now=now)
                reopened.append(finding)
        if finding is not None:
            live[key] = finding
            if (new or one.restate) and one.details and finding.details != one.details:
                finding.details = dict(one.details)
                again.append(finding)
        if new:
            fresh[key] = new
    Finding.objects.bulk_update(
        reopened, ["state", "state_at", "state_by", "state_reason", "said_before"], 1_000
    )
    Finding.objects.bulk_update(again, ["details"], 1_000)
    live |= _opened([key for key in fresh if key not in live], asked, fresh, now=now)
    _hold((live[key].pk, *event) for key, events in fresh.items() for event in events)
    # The sentence is made of the details too.
    changed = {live[key].pk: live[key] for key in fresh} | {one.pk: one for one in again}
    total(list(changed.values()), now=now)
    return [
        Held(live[key].pk, event[0], event[1])
        for key, one in asked.items()
        if key in live
        for event in one.events
    ]


def _reopen(finding: Finding, *, now: datetime) -> None:
    """As it was when it was withdrawn: what a person had said of it stands again."""
    said = finding.said_before or {"state": "open", "by": "countersign", "reason": ""}
    finding.state, finding.state_by, finding.state_reason = (said[name] for name in SAID)
    finding.state_at, finding.said_before = now, {}


def _of_keys(keys: Iterable[Key]) -> dict[Key, list[Finding]]:
    """Every finding of these keys, oldest first; those that may change are locked."""
    wanted = list(enumerate(keys))
    columns = [(number, *key) for number, key in wanted]
    with connection.cursor() as cursor:
        cursor.execute(OF_KEYS, [list(column) for column in zip(*columns, strict=True)])
        found = cursor.fetchall()
    locked = Finding.objects.select_for_update(of=("self",)).order_by("pk")
    rows = locked.in_bulk([pk for _, pk in found])
    by_number = dict(wanted)
    here: dict[Key, list[Finding]] = {}
    for number, pk in found:
        here.setdefault(by_number[number], []).append(rows[pk])
    return here


def _settled(
    rows: Mapping[Key, list[Finding]], asked: Mapping[Key, Asked]
) -> set[tuple[Key, datetime, int]]:
    """The events that a settled finding of the same key holds."""
    over = {
        row.pk: key
        for key, here in rows.items()
        for row in here
        if row.state not in (*LIVE, "withdrawn")
    }
    if not over:
        return set()
    events = {event[1] for key in over.values() for event in asked[key].events}
    found = FindingEvent.objects.filter(finding__in=over, event_id__in=events)
    return {
        (over[pk], at, event) for pk, at, event in found.values_list("finding", "at", "event_id")
    }


def _opened(
    keys: Sequence[Key],
    asked: Mapping[Key, Asked],
    fresh: Mapping[Key, list[Told]],
    *,
    now: datetime,
) -> dict[Key, Finding]:
    """A new finding for each of these keys."""
    numbers = {key.identity for key in keys if key.identity is not None}
    identities = dict(Identity.objects.filter(number__in=numbers).values_list("number", "pk"))
    made = {
        key: Finding(
            identity_id=None if key.identity is None else identities[key.identity],
            actor_id=key.actor,
            rule=key.rule,
            family=key.family,
            trace=asked[key].trace or None,
            strength=min(strength for _, _, strength, _ in fresh[key]),
            words="",
            first_at=min(at for at, _, _, _ in fresh[key]),
            last_at=max(at for at, _, _, _ in fresh[key]),
            controls=list(CONTROLS[key.rule]),
            details=dict(asked[key].details),
            opened_at=now,
            state_at=now,
        )
        for key in keys
    }
    Finding.objects.bulk_create(made.values(), batch_size=1_000)
    return made


def _hold(rows: Iterable[tuple[Any, ...]]) -> None:
    """Put events under their findings."""
    with connection.cursor() as cursor:
        cursor.execute(STAGE)
        with cursor.copy(
            "COPY staged_finding (finding_id, at, event_id, strength, reason) FROM STDIN"
        ) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(HOLD)


def total(
    findings: Sequence[Finding], *, now: datetime, cause: str = "later evidence explains it"
) -> None:
    """Count the events of findings again; one without any is withdrawn, and says why."""
    sums: dict[UUID, list[tuple[int, int, datetime, datetime, int]]] = {}
    undone = Count("id", filter=Q(reason__endswith=UNDONE))
    for pk, *of_strength in (
        FindingEvent.objects.filter(finding__in=findings)
        .values_list("finding", "strength")
        .annotate(n=Count("id"), first=Min("at"), last=Max("at"), undone=undone)
        .order_by("-strength")
    ):
        sums.setdefault(pk, []).append(tuple(of_strength))
    operations = _operations([one for one in findings if not one.family])
    counted_again, emptied = [], []
    for finding in findings:
        if by_strength := sums.get(finding.pk):
            strengths, counts, firsts, lasts, undone_ = zip(*by_strength, strict=True)
            finding.count, finding.first_at, finding.last_at = sum(counts), min(firsts), max(lasts)
            # The sentence speaks of all events, so the weakest decides.
            finding.strength = min(strengths)
            finding.strengths = {
                STRENGTHS[strength]: many for strength, many in zip(strengths, counts, strict=True)
            }
            finding.words = words(
                finding, undone=sum(undone_), operations=operations.get(finding.pk, ())
            )
            counted_again.append(finding)
        elif finding.state in LIVE:
            finding.said_before = {}
            if finding.state != "open":
                said = (finding.state, finding.state_by, finding.state_reason)
                finding.said_before = dict(zip(SAID, said, strict=True))
            finding.state, finding.state_at, finding.state_by = "withdrawn", now, "countersign"
            finding.state_reason, finding.count = cause, 0
            emptied.append(finding)
    rows = [
        (
            one.pk,
            one.count,
            one.first_at,
            one.last_at,
            one.strength,
            orjson.dumps(one.strengths).decode(),
            one.words,
        )
        for one in counted_again
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(COUNTED, [list(column) for column in zip(*rows, strict=True)])
    Finding.objects.bulk_update(
        emptied,
        ["state", "state_at", "state_by", "state_reason", "count", "said_before"],
        1_000,
    )


def _operations(findings: Sequence[Finding]) -> dict[UUID, list[str]]:
    """What was called, of findings about calls that name no resource."""
    if not findings:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(OPERATIONS, [[one.pk for one in findings], MOST_EVENTS])
        return dict(cursor.fetchall())


def _take_back(
    held: Iterable[Held],
    looked_at: Iterable[tuple[datetime, int]],
    contested: Collection[tuple[datetime, int]],
    *,
    now: datetime,
) -> None:
    """Events that were under a positive finding and are no longer: removed, with the finding
    withdrawn when none is left."""
    looked = [(*ref, ref in contested) for ref in looked_at]
    if not looked:
        return
    with connection.cursor() as cursor:
        cursor.execute(STAGE)
        with cursor.copy("COPY staged_finding (finding_id, at, event_id) FROM STDIN") as copy:
            for one in held:
                copy.write_row(one)
        cursor.execute(
            TAKE_BACK, [*(list(column) for column in zip(*looked, strict=True)), list(LIVE)]
        )
        gone = {pk for (pk,) in cursor.fetchall()}
    if gone:
        findings = list(Finding.objects.filter(pk__in=gone).order_by("number"))
        total(findings, now=now, cause="judged again: it is inside the authority as known now")
