"""What the three answers rest on, for one identity at one moment: a constant number of queries.

Owns the reading; reviews/pages/answers.py turns it into sentences, lines and JSON. Never counts
events by scanning: totals come from the daily roll-ups, and only the day of `at` is read from
the attributions (decisions 22).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.expressions import RawSQL

from evidence.models import Deposit, Source
from identities import at_moment, chain_heads, stood
from identities.judging import waiting
from identities.judging.waiting import Waiting
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
from reviews.pages import emergency, observed, usage
from reviews.pages.usage import Permission, Totals
from reviews.population.tables import owners_of

MOST_CREDENTIALS = 12
MOST_FINDINGS = 50
MOST_SESSIONS = 6
NEWEST_CREDENTIALS = """
(SELECT id FROM identities_credential WHERE identity_id = %s AND standing
    AND (issued_at IS NULL OR issued_at <= %s) ORDER BY issued_at DESC LIMIT %s)
UNION ALL
(SELECT id FROM identities_credential WHERE identity_id = %s AND NOT standing
    AND issued_at <= %s ORDER BY issued_at DESC LIMIT %s)
"""
# The same at an earlier moment: of those whose issue nobody saw, those that were known of by then.
CREDENTIALS_THEN = f"""
SELECT id FROM (
    SELECT c.id, c.standing, row_number() OVER (
        PARTITION BY c.standing ORDER BY c.issued_at DESC NULLS FIRST, c.number) AS place
    FROM identities_credential c WHERE c.identity_id = %s
      AND (c.issued_at <= %s OR c.issued_at IS NULL AND {at_moment.KNOWN_SINCE} <= %s)) n
WHERE place <= CASE WHEN standing THEN {MOST_CREDENTIALS} ELSE {MOST_SESSIONS} END
"""  # noqa: S608 - of nothing but constants
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
    was: at_moment.Was  # what it was at `at`
    owners: dict[str, str]  # owner, sponsor and backup at `at`, by name
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
    waiting: Waiting  # of these sources; of all where none of them has told of it
    signed: dict[int, signers.Signed]  # who signed each of `delegations`, by its id
    emergency: list[emergency.Given]  # break-glass grants, in force or over
    heads: list[chain_heads.Head]  # people at the head of its role chains

    @property
    def without_emergency(self) -> list[DelegationVersion]:
        """Delegations in force, without those that break-glass gave."""
        given = {one.row.delegation_id for one in self.emergency}
        return [row for row in self.delegations if row.delegation_id not in given]

    @property
    def freshest(self) -> datetime | None:
        """Evidence has been received up to here, from the slowest source of this identity."""
        times = [one.last_received for one in self.sources if one.last_received is not None]
        return min(times) if times else None


def dossier(identity: Identity, *, now: datetime, at: datetime | None = None) -> Dossier:
    """Read one identity as it was at `at` (as known now); `at=None` is now, live."""
    at = None if at is None or at >= now else at
    moment = at or now
    chosen = _credentials(identity, moment, live=at is None)
    standing = [one for one in chosen if one.standing]
    sessions = [one for one in chosen if not one.standing]
    waited = Q(state="proposed", recorded_at__lte=moment, superseded_at__gt=moment)
    versions = list(
        DelegationVersion.objects.filter(
            Q(superseded_at__isnull=True) | waited, delegation__grantee=identity
        )
        .select_related(
            "delegation",
            "delegation__grantor__person",
            "delegation__grantor__team",
            "delegation__parent",
        )
        .order_by("delegation__number", "version")
    )
    in_force = [row for row in versions if row.state == "in_force" and _during(row, moment)]
    that_day = None if at is None else usage.that_day(identity.number, at)
    counted = usage.totals(identity.number, moment, that_day)
    is_open = at_moment.open_findings(moment)
    of_identity = Finding.objects.filter(identity=identity)
    absent = _no_run(identity, moment)
    is_closed = ~Q(state__in=at_moment.STANDING_OPEN) & Q(state_at__lte=moment)
    sums = of_identity.aggregate(
        n=Count("id", filter=is_open), closed=Count("id", filter=is_closed)
    )
    findings = list(of_identity.filter(is_open).order_by("-last_at")[:MOST_FINDINGS])
    sources = _sources(identity.number)
    revocations = list(
        Revocation.objects.filter(identity=identity, requested_at__lte=moment)
        .select_related("credential__actor")
        .order_by("-requested_at")[:12]
    )
    if at is not None:
        at_moment.tell_by_then(findings, at=at)
        for one in revocations:
            one.state = stood.step_by(one, at)
    return Dossier(
        identity=identity,
        was=_was(identity) if at is None else at_moment.identity(identity, at=at),
        owners=_owners(identity) if at is None else owners_of(identity, at=at),
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
        credential_counts=_counts(identity)
        if at is None
        else at_moment.credential_counts(identity, at=at),
        delegations=in_force,
        signed=signers.of(in_force),
        proposed=[row for row in versions if row.state == "proposed" and row.recorded_at <= moment],
        entitlements=list(
            Entitlement.objects.filter(
                identity=identity, superseded_at__isnull=True, during__contains=moment
            )
        ),
        attestation=Attestation.objects.filter(identity=identity, attested_at__lte=moment)
        .select_related("attested_by")
        .order_by("-attested_at")
        .first(),
        api=counted[0],
        ai=counted[1],
        permissions=usage.permissions(identity.number, moment, that_day),
        findings=findings,
        finding_count=sums["n"],
        closed_count=sums["closed"],
        no_run=absent[0],
        no_run_outside=absent[1],
        last_day=counted[2],
        revocations=revocations,
        sources=sources,
        waiting=waiting.of([one.id for one in sources]),
        emergency=emergency.of(identity, at=moment),
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


def _was(one: Identity) -> at_moment.Was:
    return at_moment.Was(one.state, one.purpose, one.expires_at)


def _owners(one: Identity) -> dict[str, str]:
    places = {"owner": one.owner, "sponsor": one.sponsor, "backup": one.backup}
    return {place: str(party) for place, party in places.items() if party is not None}


def _credentials(identity: Identity, moment: datetime, *, live: bool) -> list[Credential]:
    """The newest, in the state that they were in at the moment."""
    pk, standing, sessions = identity.pk, MOST_CREDENTIALS, MOST_SESSIONS
    newest = (
        RawSQL(  # noqa: S611 - a constant; values are parameters
            NEWEST_CREDENTIALS, [pk, moment, standing, pk, moment, sessions]
        )
        if live
        else RawSQL(CREDENTIALS_THEN, [pk, moment, moment])  # noqa: S611 - as above
    )
    shown = observed.with_times(Credential.objects.select_related("issued_to"))
    rows = list(shown.filter(pk__in=newest).order_by("-issued_at"))
    if not live:
        states = at_moment.credential_states([one.pk for one in rows], at=moment)
        for one in rows:
            one.state = states[one.pk]
    return rows


def _counts(identity: Identity) -> dict[tuple[bool, str], int]:
    rows = Credential.objects.filter(identity=identity).values_list("standing", "state")
    return {(standing, state): n for standing, state, n in rows.annotate(n=Count("id"))}


def _no_run(identity: Identity, moment: datetime) -> tuple[int, int]:
    """How many calls have no run behind them, and how many of these are outside as well."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE a.verdict = 2)"
            " FROM identities_finding f JOIN identities_findingevent e ON e.finding_id = f.id"
            " LEFT JOIN identities_attribution a ON a.identity_no = %s AND a.at = e.at"
            "  AND a.event_id = e.event_id"
            " WHERE f.identity_id = %s AND f.rule = 'no_run' AND e.at <= %s AND (f.state = ANY(%s)"
            "  OR f.state = ANY(%s) AND f.state_at > %s)",
            [
                identity.number,
                identity.pk,
                moment,
                list(at_moment.STANDING_OPEN),
                list(at_moment.CLOSED_BY_PEOPLE),
                moment,
            ],
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
