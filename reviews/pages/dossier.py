"""What the three answers rest on, for one identity at one moment: a constant number of queries.

Owns the reading; reviews/pages/answers.py turns it into sentences, lines and JSON. Never counts
events by scanning: totals come from the daily roll-ups, and only the day of `at` is read from
the attributions (decisions 22).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.expressions import RawSQL

from evidence.models import Deposit, Source
from evidence.vocabulary import PLANE_AI, PLANE_IDENTITY
from identities import chain_heads
from identities.models import (
    Attestation,
    Binding,
    Credential,
    DelegationVersion,
    Entitlement,
    Finding,
    Identity,
    Revocation,
)
from reviews import signers
from reviews.pages import observed

MOST_CREDENTIALS = 12
MOST_PERMISSIONS = 50
MOST_FINDINGS = 50
MOST_SESSIONS = 6
NEWEST_CREDENTIALS = """
(SELECT id FROM identities_credential WHERE identity_id = %s AND standing
    AND (issued_at IS NULL OR issued_at <= %s) ORDER BY issued_at DESC LIMIT %s)
UNION ALL
(SELECT id FROM identities_credential WHERE identity_id = %s AND NOT standing
    AND issued_at <= %s ORDER BY issued_at DESC LIMIT %s)
"""
# A loose scan of (identity_no, source_id, at): one look at the index for each source.
SOURCES_OF = """
WITH RECURSIVE one AS (
    (SELECT source_id FROM identities_attribution WHERE identity_no = %s
     ORDER BY source_id LIMIT 1)
    UNION ALL SELECT (SELECT a.source_id FROM identities_attribution a
     WHERE a.identity_no = %s AND a.source_id > one.source_id
     ORDER BY a.source_id LIMIT 1) FROM one WHERE one.source_id IS NOT NULL)
SELECT source_id FROM one WHERE source_id IS NOT NULL
"""
# One row for each plane, and one for the newest day of each.
USAGE = """
WITH days AS MATERIALIZED (
    SELECT plane, day, sum(count) AS count, sum(inside) AS inside, sum(outside) AS outside,
        sum(linked) AS linked, min(first_at) AS first_at, max(last_at) AS last_at
    FROM identities_usageday WHERE identity_no = %s AND day < %s GROUP BY plane, day)
SELECT plane, false, sum(count), sum(inside), sum(outside), sum(linked), min(first_at),
    max(last_at) FROM days GROUP BY plane
UNION ALL
(SELECT DISTINCT ON (plane) plane, true, count, inside, outside, linked, first_at, last_at
 FROM days ORDER BY plane, day DESC)
"""


class Totals(NamedTuple):
    """Counts of one plane's events up to a moment."""

    calls: int = 0
    inside: int = 0
    outside: int = 0
    linked: int = 0
    first: datetime | None = None
    last: datetime | None = None


class Permission(NamedTuple):
    """How often one thing was done: action × resource family."""

    action: str
    family: str
    calls: int
    inside: int
    outside: int
    linked: int
    first: datetime
    last: datetime


class Fresh(NamedTuple):
    """How fresh one source's evidence about this identity is."""

    id: int
    name: str
    plane: str
    last_received: datetime | None
    watermark: datetime | None
    completeness: str
    sampling: float
    lag_seconds: int


@dataclass
class Dossier:
    """Everything the line's head, the case's strip and `manage.py line` say."""

    identity: Identity
    at: datetime
    live: bool
    live_now: datetime  # what the clock says; permissions are judged at it
    bindings: list[Binding]
    credentials: list[Credential]
    credential_counts: dict[tuple[bool, str], int]
    delegations: list[DelegationVersion]
    proposed: list[DelegationVersion]
    entitlements: list[Entitlement]
    attestation: Attestation | None
    api: Totals
    ai: Totals
    permissions: list[Permission]
    findings: list[Finding]
    finding_count: int
    closed_count: int
    no_run: int  # calls with no run behind them
    no_run_outside: int  # of these, outside the authority as well
    last_day: Totals  # the newest day with events
    revocations: list[Revocation]
    sources: list[Fresh]
    signed: dict[int, signers.Signed]  # who signed each of `delegations`, by its id
    heads: list[chain_heads.Head]  # people at the head of its role chains

    @property
    def freshest(self) -> datetime | None:
        """Evidence has been received up to here, from the slowest source of this identity."""
        times = [one.last_received for one in self.sources if one.last_received is not None]
        return min(times) if times else None


def dossier(identity: Identity, *, now: datetime, at: datetime | None = None) -> Dossier:
    """Read one identity as it was at `at` (as known now); `at=None` is now, live."""
    moment = at or now
    shown = observed.with_times(Credential.objects.select_related("issued_to"))
    newest = RawSQL(  # noqa: S611 - a constant; values are parameters
        NEWEST_CREDENTIALS,
        [identity.pk, moment, MOST_CREDENTIALS, identity.pk, moment, MOST_SESSIONS],
    )
    chosen = list(shown.filter(pk__in=newest).order_by("-issued_at"))
    standing = [one for one in chosen if one.standing]
    sessions = [one for one in chosen if not one.standing]
    counts = {
        (row["standing"], row["state"]): row["n"]
        for row in Credential.objects.filter(identity=identity)
        .values("standing", "state")
        .annotate(n=Count("id"))
    }
    versions = list(
        DelegationVersion.objects.filter(delegation__grantee=identity, superseded_at__isnull=True)
        .select_related(
            "delegation",
            "delegation__grantor__person",
            "delegation__grantor__team",
            "delegation__parent",
        )
        .order_by("delegation__number", "version")
    )
    in_force = [row for row in versions if row.state == "in_force" and _during(row, moment)]
    usage = _usage(identity.number, moment, whole=at is None)
    is_open = Q(state__in=["open", "confirmed"])
    if at is not None:
        is_open &= Q(first_at__lte=moment)
    of_identity = Finding.objects.filter(identity=identity)
    absent = _no_run(identity, moment)
    sums = of_identity.aggregate(
        n=Count("id", filter=is_open),
        closed=Count("id", filter=~Q(state__in=["open", "confirmed"])),
    )
    return Dossier(
        identity=identity,
        at=moment,
        live=at is None,
        live_now=now,
        bindings=list(
            Binding.objects.filter(
                identity=identity,
                superseded_at__isnull=True,
                during__contains=moment,
                state__in=["confirmed", "proposed"],
            ).select_related("actor")
        ),
        credentials=_most_used_first(standing) + sessions,
        credential_counts=counts,
        delegations=in_force,
        signed=signers.of(in_force),
        proposed=[row for row in versions if row.state == "proposed"],
        entitlements=list(
            Entitlement.objects.filter(
                identity=identity, superseded_at__isnull=True, during__contains=moment
            )
        ),
        attestation=Attestation.objects.filter(identity=identity, attested_at__lte=moment)
        .select_related("attested_by")
        .order_by("-attested_at")
        .first(),
        api=usage[0],
        ai=usage[1],
        permissions=_permissions(identity.number, moment),
        findings=list(of_identity.filter(is_open).order_by("-last_at")[:MOST_FINDINGS]),
        finding_count=sums["n"],
        closed_count=sums["closed"],
        no_run=absent[0],
        no_run_outside=absent[1],
        last_day=usage[2],
        revocations=list(
            Revocation.objects.filter(identity=identity, requested_at__lte=moment)
            .select_related("credential__actor")
            .order_by("-requested_at")[:12]
        ),
        sources=_sources(identity.number),
        heads=chain_heads.of(identity, at=moment),
    )


def _most_used_first(credentials: list[Credential]) -> list[Credential]:
    """The key in use heads the answers; one that was never used stands behind it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.id, (SELECT max(e.at) FROM evidence_event e WHERE e.credential_id = w.id)"
            " FROM unnest(%s::bigint[]) AS w(id)",
            [[one.actor_id for one in credentials]],
        )
        last = dict(cursor.fetchall())
    never = datetime(1970, 1, 1, tzinfo=UTC)
    return sorted(credentials, key=lambda one: last[one.actor_id] or never, reverse=True)


def _during(row: DelegationVersion, moment: datetime) -> bool:
    since, until = row.during.lower, row.during.upper
    return (
        (since is None or since <= moment)
        and (until is None or moment < until)
        and (row.revoked_at is None or moment < row.revoked_at)
    )


def _usage(number: int, moment: datetime, *, whole: bool) -> tuple[Totals, Totals, Totals]:
    """Totals of the identity plane and of the AI plane, up to `moment`; and of the newest day
    on which the identity plane saw something.

    Whole days come from the roll-up; in the past, the day of `moment` itself is read from the
    attributions up to that moment.
    """
    midnight = datetime.combine(moment.astimezone(UTC).date(), time(), UTC)
    with connection.cursor() as cursor:
        cursor.execute(USAGE, [number, (midnight + timedelta(days=2 if whole else 0)).date()])
        rows: dict[int, list[Totals]] = {}
        last_day = Totals()
        for plane, newest, *sums in cursor.fetchall():
            if not newest:
                rows[plane] = [Totals(*sums)]
            elif plane == PLANE_IDENTITY:
                last_day = Totals(*sums)
        if not whole:
            cursor.execute(
                "SELECT plane, count(*), count(*) FILTER (WHERE verdict = 1),"
                " count(*) FILTER (WHERE verdict = 2), count(*) FILTER (WHERE strength = 4),"
                " min(at), max(at) FROM identities_attribution"
                " WHERE identity_no = %s AND at >= %s AND at <= %s GROUP BY plane",
                [number, midnight, moment],
            )
            for plane, *sums in cursor.fetchall():
                today = Totals(*sums)
                rows.setdefault(plane, []).append(today)
                if plane == PLANE_IDENTITY:
                    last_day = today
    return _sum(rows.get(PLANE_IDENTITY, [])), _sum(rows.get(PLANE_AI, [])), last_day


def _sum(parts: list[Totals]) -> Totals:
    if not parts:
        return Totals()
    firsts = [part.first for part in parts if part.first is not None]
    lasts = [part.last for part in parts if part.last is not None]
    return Totals(
        calls=int(sum(part.calls for part in parts)),
        inside=int(sum(part.inside for part in parts)),
        outside=int(sum(part.outside for part in parts)),
        linked=int(sum(part.linked for part in parts)),
        first=min(firsts) if firsts else None,
        last=max(lasts) if lasts else None,
    )


def _permissions(number: int, moment: datetime) -> list[Permission]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.value, u.family, sum(u.count)::bigint, sum(u.inside)::bigint,"
            " sum(u.outside)::bigint, sum(u.linked)::bigint, min(u.first_at), max(u.last_at)"
            " FROM identities_usageday u JOIN evidence_term t ON t.id = u.action_id"
            " WHERE u.identity_no = %s AND u.plane = %s AND u.day <= %s"
            " GROUP BY t.value, u.family ORDER BY sum(u.outside) DESC, sum(u.count) DESC, 1, 2"
            " LIMIT %s",
            [number, PLANE_IDENTITY, moment.astimezone(UTC).date(), MOST_PERMISSIONS],
        )
        return [Permission(*row) for row in cursor.fetchall()]


def _no_run(identity: Identity, moment: datetime) -> tuple[int, int]:
    """How many calls have no run behind them, and how many of these are outside as well."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE a.verdict = 2)"
            " FROM identities_finding f JOIN identities_findingevent e ON e.finding_id = f.id"
            " LEFT JOIN identities_attribution a ON a.identity_no = %s AND a.at = e.at"
            "  AND a.event_id = e.event_id"
            " WHERE f.identity_id = %s AND f.rule = 'no_run' AND f.state IN ('open', 'confirmed')"
            " AND e.at <= %s",
            [identity.number, identity.pk, moment],
        )
        row = cursor.fetchone()
        return int(row[0]), int(row[1])


def _sources(number: int) -> list[Fresh]:
    """The sources of this identity's events, with the newest receipt of each."""
    rows = (
        Source.objects.filter(
            pk__in=RawSQL(SOURCES_OF, [number, number])  # noqa: S611 - a constant
        )
        .annotate(
            received=Subquery(
                Deposit.objects.filter(source=OuterRef("pk"))
                .order_by("-received_at")
                .values("received_at")[:1]
            )
        )
        .order_by("plane", "name")
    )
    return [
        Fresh(
            row.pk,
            row.title or row.name,
            row.plane,
            row.received,
            row.watermark,
            row.completeness,
            row.sampling,
            row.lag_seconds,
        )
        for row in rows
    ]


__all__ = ["Dossier", "Fresh", "Permission", "Totals", "dossier"]
