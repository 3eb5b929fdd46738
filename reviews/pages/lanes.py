"""The swim-lanes of one identity: identity log above, AI trace below, links between them.

Owns the JSON that static/lanes.js draws (times in microseconds UTC). Rows are sent up to MOST;
above that, bins per lane. Every query is bounded by the window and by MOST.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from evidence.custody_pages import Stretch, dropped_stretches
from evidence.intake.admitting import micros
from evidence.vocabulary import AGENT_RUN, MODEL_CALL, PLANE_AI, PROOFS, TOOL_CALL
from identities import at_moment
from identities.judging.absence import complete_until
from identities.judging.concerned import sources_of
from identities.models import (
    Credential,
    CredentialAgent,
    Finding,
    Identity,
)
from identities.models.behaviour import OUTSIDE
from reviews.pages import life

MOST = 20_000
# What the page opens with: the newest stretch that holds about this many events.
FIRST_LOOK = 1_500
QUIET = timedelta(hours=6)
BINS = 240
MOST_MARKS = 60

INSIDE_MARK, OUTSIDE_MARK, NO_RUN_MARK, NOT_JUDGED_MARK = 0, 1, 2, 3
AI_LANES = ("Tool calls", "Model calls", "Agent run", "Other steps")
LANE_OF_SERVICE = {
    "iam": "IAM and STS",
    "sts": "IAM and STS",
    "signin": "IAM and STS",
    "s3": "S3 data events",
    "secretsmanager": "Secrets",
    "ssm": "Secrets",
    "kms": "Secrets",
}
MOST_LANES = 7


def window(identity: Identity, *, now: datetime) -> tuple[datetime, datetime]:
    """The newest burst of work: back to the first silence of QUIET, at most FIRST_LOOK events.

    An empty identity gets the last hour.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at FROM identities_attribution WHERE identity_no = %s AND at <= %s"
            " ORDER BY at DESC LIMIT %s",
            [identity.number, now, FIRST_LOOK],
        )
        times = [row[0] for row in cursor.fetchall()]
    if not times:
        return now - timedelta(hours=1), now
    first = last = times[0]
    for at in times:
        if first - at > QUIET:
            break
        first = at
    room = max((last - first) / 20, timedelta(seconds=1))
    return first - room, last + room


def lanes(
    identity: Identity, *, since: datetime, until: datetime, now: datetime, live: bool = True
) -> dict[str, Any]:
    """Everything the picture shows of [since, until]. `now`: an earlier moment where not `live`."""
    rows = _rows(identity.number, since, until)
    many = len(rows) > MOST
    data: dict[str, Any] = {
        "from": micros(since),
        "to": micros(until),
        "now": micros(now),
        "bins": None,
        "links": [],
    }
    names = _lane_names(rows[:MOST])
    # What retention dropped is drawn too, also where nothing is left to draw.
    gone = dropped_stretches(since=since, until=until) + gaps(identity.number, since, until)
    if all(name in AI_LANES for name in names) and any(row[3] == "identity" for row in gone):
        names = ["Identity log", *names]
    place = {name: number for number, name in enumerate(names)}
    data["lanes"] = _lanes(names, gone)
    if many:
        data["events"] = []
        data["bins"] = _bins(place, since, until, identity.number)
    else:
        no_run = set(
            at_moment.open_events(now)
            .filter(finding__identity=identity, finding__rule="no_run", at__range=(since, until))
            .values_list("event_id", flat=True)
        )
        data["events"] = [
            [
                micros(row[0]),
                row[3] or 0,
                place[_lane(row)],
                row[5],
                _severity(row, no_run),
                f"{row[6]} {row[7]}".strip()[:200],
                f"{micros(row[0])}-{row[1]}",
                1,
            ]
            for row in rows
        ]
        index = {(row[0], row[1]): number for number, row in enumerate(rows)}
        data["links"] = _links(rows, index, since, until)
    data["marks"] = _marks(identity, since, until, now, live=live)
    data["absent"] = _absent(identity, rows, until)
    data["total"] = len(rows)
    data["life"] = life.of(identity, now, live=live)
    return data


def _rows(number: int, since: datetime, until: datetime) -> list[tuple[Any, ...]]:
    """(at, id, source, duration, plane, activity, action, resource, verdict), oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.at, a.event_id, a.source_id, e.duration, a.plane, e.activity, t.value,"
            " coalesce(r.value, ''), a.verdict FROM (SELECT * FROM identities_attribution"
            "  WHERE identity_no = %s AND at BETWEEN %s AND %s ORDER BY at, event_id LIMIT %s) a"
            " JOIN evidence_event e ON e.at = a.at AND e.id = a.event_id"
            " JOIN evidence_term t ON t.id = e.action_id"
            " LEFT JOIN evidence_term r ON r.id = e.resource_id ORDER BY a.at, a.event_id",
            [number, since, until, MOST + 1],
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _lane(row: tuple[Any, ...]) -> str:
    plane, activity, action = row[4], row[5], row[6]
    if plane == PLANE_AI:
        return {TOOL_CALL: "Tool calls", MODEL_CALL: "Model calls", AGENT_RUN: "Agent run"}.get(
            activity, "Other steps"
        )
    service = action.partition(":")[0].lower()
    return LANE_OF_SERVICE.get(service, service or "other")


def _lane_names(rows: list[tuple[Any, ...]]) -> list[str]:
    counts: dict[str, int] = {}
    for row in rows:
        if row[4] != PLANE_AI:
            name = _lane(row)
            counts[name] = counts.get(name, 0) + 1
    order = ["IAM and STS", "Secrets", "S3 data events"]
    logs = [name for name in order if name in counts]
    logs += sorted((name for name in counts if name not in order), key=lambda n: -counts[n])
    ai = {_lane(row) for row in rows if row[4] == PLANE_AI}
    return logs + [name for name in AI_LANES if name in ai or name != "Other steps"]


def gaps(number: int, since: datetime, until: datetime) -> list[Stretch]:
    """Gaps of the sources that tell of it: by any row, in the window or not, or a run's key."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT g.during, g.reason, s.plane FROM evidence_gap g"
            " JOIN evidence_source s ON s.id = g.source_id"
            " WHERE g.during && tstzrange(%s, %s) AND (EXISTS (SELECT 1 FROM identities_attribution"
            "   a WHERE a.identity_no = %s AND a.source_id = g.source_id)"
            "  OR g.source_id IN (SELECT u.source_id FROM identities_credentialagent u"
            "   JOIN identities_credential c ON c.actor_id = u.credential_actor"
            "   JOIN identities_identity i ON i.id = c.identity_id WHERE i.number = %s))"
            " ORDER BY g.during, s.plane, g.reason",
            [since, until, number, number],
        )
        return [
            (max(during.lower or since, since), min(during.upper or until, until), words, plane)
            for during, words, plane in cursor.fetchall()
        ]


def _lanes(names: list[str], gone: list[Stretch]) -> list[dict[str, Any]]:
    gaps: dict[bool, list[list[Any]]] = {True: [], False: []}
    for begins, ends, words, plane in gone:
        gaps[plane == "ai"].append([micros(begins), micros(ends), words])
    return [
        {
            "id": name.lower().replace(" ", "-"),
            "group": "ai" if name in AI_LANES else "identity",
            "title": name,
            "note": "",
            "gaps": gaps[name in AI_LANES],
        }
        for name in names
    ]


def _severity(row: tuple[Any, ...], no_run: set[int]) -> int:
    if row[1] in no_run:
        return NO_RUN_MARK
    if row[8] == OUTSIDE:
        return OUTSIDE_MARK
    return INSIDE_MARK if row[8] or row[4] == PLANE_AI else NOT_JUDGED_MARK


def _absent(identity: Identity, rows: list[tuple[Any, ...]], until: datetime) -> list[list[Any]]:
    """Stretches after the last run in which there was none: said only of complete sources."""
    ends = [row[0] for row in rows if row[4] == PLANE_AI]
    uses = list(
        CredentialAgent.objects.filter(
            credential_actor__in=Credential.objects.filter(identity=identity).values("actor_id")
        )
    )
    if not uses or not ends or max(ends) >= until:
        return []
    known = complete_until(sources_of(uses))
    after = max(ends)
    if known.until is None:
        return [[micros(after), micros(until), f"not known: {known.why_not}"]]
    parts: list[list[Any]] = []
    if known.until > after:
        parts.append(
            [
                micros(after),
                micros(min(known.until, until)),
                "no run in this time: traces are complete",
            ]
        )
    if known.until < until:
        parts.append([micros(max(known.until, after)), micros(until), "not known"])
    return parts


def _links(
    rows: list[tuple[Any, ...]],
    index: dict[tuple[datetime, int], int],
    since: datetime,
    until: datetime,
) -> list[list[Any]]:
    """Links with both ends in the picture, the strongest and nearest to the tool call first.

    Where it cannot be told whether an event is of a run, no line is drawn.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.cause_at, l.cause_id, l.effect_at, l.effect_id, l.strength, l.proof,"
            " l.runs = 1 AND l.surplus = 0 FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)"
            " JOIN evidence_shownlink l ON l.effect_at = k.at AND l.effect_id = k.id"
            " WHERE l.effect_at BETWEEN %s AND %s"
            " ORDER BY l.effect_at, l.effect_id, l.strength DESC, l.proof DESC",
            [
                [row[0] for row in rows if row[4] != PLANE_AI],
                [row[1] for row in rows if row[4] != PLANE_AI],
                since,
                until,
            ],
        )
        found: dict[int, list[Any]] = {}
        for cause_at, cause, effect_at, effect, strength, proof, told in cursor.fetchall():
            one, two = index.get((cause_at, cause)), index.get((effect_at, effect))
            if one is not None and two is not None and two not in found and told:
                found[two] = [one, two, strength, PROOFS[proof], f"L-{effect % 100_000}"]
        return list(found.values())


def _bins(
    place: dict[str, int],
    since: datetime,
    until: datetime,
    number: int,
) -> list[list[Any]]:
    """[from, to, lane, count, outside] per lane and step; counted in the database."""
    step = max((until - since) / BINS, timedelta(microseconds=1))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT date_bin(%s::interval, a.at, %s) AS bin, a.plane, e.activity,"
            " split_part(t.value, ':', 1), count(*), count(*) FILTER (WHERE a.verdict = 2)"
            " FROM identities_attribution a"
            " JOIN evidence_event e ON e.at = a.at AND e.id = a.event_id"
            " JOIN evidence_term t ON t.id = e.action_id"
            " WHERE a.identity_no = %s AND a.at BETWEEN %s AND %s GROUP BY 1, 2, 3, 4",
            [str(step.total_seconds()) + " seconds", since, number, since, until],
        )
        found: dict[tuple[datetime, int], list[int]] = {}
        for bin_at, plane, activity, service, count, outside in cursor.fetchall():
            lane = _lane((None, 0, 0, 0, plane, activity, f"{service}:", "", 0))
            if lane not in place:
                place[lane] = len(place)
            sums = found.setdefault((bin_at, place[lane]), [0, 0])
            sums[0] += count
            sums[1] += outside
    return [
        [micros(at), micros(at + step), lane, sums[0], sums[1]]
        for (at, lane), sums in sorted(found.items())
    ]


def _marks(
    identity: Identity, since: datetime, until: datetime, now: datetime, *, live: bool
) -> list[dict[str, Any]]:
    # What is shown ends a little after the newest event; as of an earlier moment nothing later is.
    during = (since, min(until, now))
    findings = list(
        Finding.objects.filter(
            at_moment.open_findings(now), identity=identity, first_at__range=during
        ).order_by("first_at", "pk")[:MOST_MARKS]
    )
    if not live:
        at_moment.tell_by_then(findings, at=now)
    credentials = (
        Credential.objects.filter(identity=identity, issued_at__range=during)
        .select_related("actor")
        .order_by("issued_at", "pk")[:MOST_MARKS]
    )
    marks = [
        _mark(
            one.first_at,
            "no_run" if one.rule == "no_run" else "finding",
            one.words,
            f"/findings/{one.key}/",
            one.count,
        )
        for one in findings
    ]
    marks += [
        _mark(one.issued_at or since, "issuance", f"{one.short} issued", f"/credentials/{one.key}/")
        for one in credentials
    ]
    marks += [
        _mark(one.requested_at, "revocation", one.words, f"/identities/{identity.key}/")
        for one in identity.revocations.filter(requested_at__range=during).order_by(
            "requested_at", "pk"
        )[:MOST_MARKS]
    ]
    marks += [
        _mark(one.opened_at, "case", one.key, f"/cases/{one.key}/")
        for one in identity.cases.filter(sealed=False, opened_at__range=during).order_by(
            "opened_at", "pk"
        )[:MOST_MARKS]
    ]
    return sorted(marks, key=lambda mark: mark["at"])


def _mark(at: datetime, kind: str, label: str, href: str, n: int = 1) -> dict[str, Any]:
    return {"at": micros(at), "kind": kind, "label": label[:120], "n": n, "href": href}
