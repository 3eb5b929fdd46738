"""What was true of an identity, its credentials and findings at an earlier moment.

By all that is known now (docs/decisions, 80): evidence and answers that came later are told where
they are about that moment or before. Knows neither users nor cases.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q

from identities.models import Attestation, CredentialState, Finding, Identity, IdentityState
from identities.models.behaviour import FindingEvent

STANDING_OPEN = ("open", "confirmed")
# A person closed it: until then it was open. What evidence took back never was so.
CLOSED_BY_PEOPLE = ("expected", "false", "duplicate")
NOT_KNOWN = "not_known"
# Since when a credential is known to exist, of identities_credential `c`.
KNOWN_SINCE = """coalesce(c.issued_at, least(c.state_at,
    (SELECT min(e.at) FROM evidence_event e WHERE e.credential_id = c.actor_id),
    (SELECT min(k.recorded_at) FROM identities_credentialstate k WHERE k.credential_id = c.id)))"""
COUNTS = f"""
SELECT c.standing, coalesce(st.state, '{NOT_KNOWN}'), count(*)
FROM identities_credential c
LEFT JOIN identities_credentialstate st ON st.credential_id = c.id AND st.superseded_at IS NULL
    AND st.during @> %(at)s
WHERE c.identity_id = %(identity)s AND {KNOWN_SINCE} <= %(at)s GROUP BY 1, 2
"""  # noqa: S608 - of nothing but the constants above
CHANGES = """
SELECT max(t) FILTER (WHERE t < %(at)s), min(t) FILTER (WHERE t > %(at)s) FROM (
    SELECT lower(st.during) AS t FROM identities_credentialstate st
    JOIN identities_credential c ON c.id = st.credential_id
    WHERE c.identity_id = %(identity)s AND c.standing AND st.superseded_at IS NULL
    UNION ALL SELECT unnest(ARRAY[lower(v.during), upper(v.during), v.revoked_at])
    FROM identities_delegationversion v JOIN identities_delegation d ON d.id = v.delegation_id
    WHERE d.grantee_id = %(identity)s AND v.state = 'in_force' AND v.superseded_at IS NULL
    UNION ALL SELECT lower(s.during) FROM identities_identitystate s
    WHERE s.identity_id = %(identity)s AND s.superseded_at IS NULL
    UNION ALL SELECT first_at FROM identities_finding
    WHERE identity_id = %(identity)s AND state <> 'withdrawn'
    UNION ALL SELECT requested_at FROM identities_revocation WHERE identity_id = %(identity)s
) n WHERE t <= %(now)s
"""
BY_THEN = """
SELECT e.finding_id, count(*), max(e.at), min(e.strength),
    count(*) FILTER (WHERE e.strength = 3), count(*) FILTER (WHERE e.strength = 2),
    count(*) FILTER (WHERE e.strength = 1)
FROM identities_findingevent e WHERE e.finding_id = ANY(%s) AND e.at <= %s GROUP BY 1
"""


class Was(NamedTuple):
    """An identity at the moment; None and "" where nothing is recorded for it."""

    state: str
    purpose: str
    ends_at: datetime | None


def known(known_at: datetime | None) -> Q:
    """Version rows that were the newest word at `known_at`; None: that are it today."""
    if known_at is None:
        return Q(superseded_at__isnull=True)
    return Q(recorded_at__lte=known_at) & (
        Q(superseded_at__isnull=True) | Q(superseded_at__gt=known_at)
    )


def identity(one: Identity, *, at: datetime) -> Was:
    """Its state, and the purpose and end that were attested by then."""
    state = IdentityState.objects.filter(known(None), identity=one, during__contains=at)
    attested = Attestation.objects.filter(identity=one, attested_at__lte=at)
    purpose, ends_at = attested.order_by("-attested_at").values_list(
        "purpose", "expires_at"
    ).first() or ("", None)  # fmt: skip
    return Was(state.values_list("state", flat=True).first() or "", purpose, ends_at)


def credential_states(credentials: Collection[UUID], *, at: datetime) -> dict[UUID, str]:
    """The state of each at the moment; NOT_KNOWN where no stretch is recorded for it."""
    rows = CredentialState.objects.filter(
        known(None), credential__in=credentials, during__contains=at
    )
    return dict.fromkeys(credentials, NOT_KNOWN) | dict(rows.values_list("credential_id", "state"))


def credential_counts(one: Identity, *, at: datetime) -> dict[tuple[bool, str], int]:
    """How many there were, by whether they are standing and by their state then."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, {"identity": one.pk, "at": at})
        return {(standing, state): count for standing, state, count in cursor.fetchall()}


def open_findings(at: datetime) -> Q:
    """Findings that were open at the moment."""
    closed_later = Q(state__in=CLOSED_BY_PEOPLE, state_at__gt=at)
    return Q(Q(state__in=STANDING_OPEN) | closed_later, first_at__lte=at)


def open_events(at: datetime) -> Any:
    """The events under findings that were open at the moment, up to it."""
    closed_later = Q(finding__state__in=CLOSED_BY_PEOPLE, finding__state_at__gt=at)
    is_open = Q(finding__state__in=STANDING_OPEN) | closed_later
    return FindingEvent.objects.filter(is_open, at__lte=at)


def tell_by_then(findings: Sequence[Finding], *, at: datetime) -> None:
    """Put what was so by the moment into these rows, which must not be saved: state, how many
    calls, the last of them, how well they are known; the sentence says of how many it speaks."""
    with connection.cursor() as cursor:
        cursor.execute(BY_THEN, [[one.pk for one in findings], at])
        then = {pk: rest for pk, *rest in cursor.fetchall()}
    for one in findings:
        if one.state in CLOSED_BY_PEOPLE:
            one.state = "open"
        if one.pk not in then:
            continue
        count, last_at, strength, exact, key, inferred = then[one.pk]
        if count < one.count:
            one.words = f"{count:,} of {one.count:,} by then: {one.words}"
        one.count, one.last_at, one.strength = count, last_at, strength
        levels = {"exact": exact, "key": key, "inferred": inferred}
        one.strengths = {name: many for name, many in levels.items() if many}


def changes(
    one: Identity, *, at: datetime, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The last change of it before the moment, and the first one after it: of its state, standing
    credentials, delegations, findings and revocations."""
    with connection.cursor() as cursor:
        cursor.execute(CHANGES, {"identity": one.pk, "at": at, "now": now})
        before, after = cursor.fetchone()
        return before, after
