"""Services that nobody takes over: all who were asked have said no, or gave no answer in time; and
AI systems whose owner has left, with nobody after them.

Owns that this opens the reviews of what is in them, once, where what silence does is written down;
whose seat it is follows the succession: sponsor, backup, the team that was asked. It makes nobody
an owner and cuts nothing; scopes that only observe are left until they are asked.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, Subquery

from evidence import ledger
from evidence.words import counted
from identities import presence
from identities.acting import COUNTERSIGN
from identities.models import Claim, Identity, Service
from reviews import persons
from reviews.actions import opening, policy_versions
from reviews.models import Case, Seat, SuccessionItem

from . import mailing

AT_ONCE = 100
# A service of which at least one thing was refused by all who were asked, and nobody is asked now.
UNTAKEN = """
SELECT c.service_id FROM identities_claim c
JOIN identities_identity i ON i.id = c.identity_id
WHERE c.state = 'open' AND c.party_id IS NULL AND c.passed > 0 AND c.reviewed_at IS NULL
  AND c.bundle LIKE 'service:%%' AND c.service_id IS NOT NULL
  AND i.mode <> 'observe' AND i.state <> 'retired' AND NOT i.number = ANY(%(alone)s)
  AND NOT EXISTS (SELECT 1 FROM identities_claim o WHERE o.bundle = c.bundle
      AND (o.state = 'answered' OR (o.state = 'open' AND o.party_id IS NOT NULL)))
ORDER BY c.service_id LIMIT 1
"""
# The team of most who said no.
ASKED = """
SELECT p.id FROM identities_claimrefusal r JOIN identities_party q ON q.id = r.party_id
LEFT JOIN identities_membership m ON m.person_id = q.person_id AND m.superseded_at IS NULL
    AND m.during @> %(now)s
JOIN identities_party p ON p.team_id = coalesce(q.team_id, m.team_id)
WHERE r.identity_id = ANY(%(identities)s) GROUP BY p.id ORDER BY count(*) DESC, p.id
"""


def open_next(*, now: datetime) -> bool:
    """Open the reviews of one service that nobody takes over; False when there is none."""
    alone = list(policy_versions.left_alone(now=now))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(UNTAKEN, {"alone": alone})
        found = cursor.fetchone()
        if found is None:
            return False
        service = Service.objects.select_for_update(of=("self",)).get(pk=found[0])
        rows = list(
            Claim.objects.select_for_update(of=("self",))
            .filter(
                state="open",
                party__isnull=True,
                reviewed_at__isnull=True,
                bundle=f"service:{service.slug}",
                identity__isnull=False,
            )
            .exclude(identity__mode="observe")
            .exclude(identity__state="retired")
            .exclude(identity__number__in=alone)
            .order_by("pk")[:AT_ONCE]
        )
        if rows:
            _open(service, [row.identity_id for row in rows if row.identity_id], now=now)
            Claim.objects.filter(pk__in=[row.pk for row in rows]).update(reviewed_at=now)
    return True


def review_next(*, now: datetime) -> bool:
    """Open the reviews of one AI system whose owner's place is nobody's, a batch at a time; False
    when there is none. Each identity once: whatever became of a review since then, it was asked."""
    alone = list(policy_versions.left_alone(now=now))
    left = SuccessionItem.objects.filter(state="unowned", role="ai_owner", service__ai_system=True)
    asked = Case.objects.filter(
        Q(state="open") | Q(sealed=True, state="draft") | Q(opened_at__gte=OuterRef("since")),
        identity=OuterRef("pk"),
        door="access_review",
        trigger="",
    )
    since = left.filter(service=OuterRef("service")).values("succession__noticed_at")
    rows = (
        Identity.objects.annotate(since=Subquery(since[:1]))
        .filter(~Exists(asked), since__isnull=False)
        .exclude(mode="observe")
        .exclude(state="retired")
        .exclude(number__in=alone)
        .order_by("service", "pk")
    )
    first = rows.select_related("service").first()
    if first is None or first.service is None:
        return False
    with transaction.atomic():
        service = Service.objects.select_for_update(of=("self",)).get(pk=first.service.pk)
        those = list(rows.filter(service=service).values_list("pk", flat=True)[:AT_ONCE])
        if those:
            said = f"Nobody is the AI-system owner of {service.name} any more"
            _open_all(service, those, said, "", act="succession.unowned", now=now)
    return True


def _open(service: Service, identities: Sequence[UUID], *, now: datetime) -> None:
    said = f"Nobody takes {service.name} over"
    why = ": all who were asked whether it is theirs said no, or gave no answer in time"
    _open_all(service, identities, said, why, act="claims.untaken", now=now)


def _open_all(
    service: Service, identities: Sequence[UUID], said: str, why: str, *, act: str, now: datetime
) -> None:
    reason = f"{said}{why}. Say what becomes of it."
    how = opening.How(COUNTERSIGN, now, reason, policy_versions.in_force(now=now))
    cases = opening.open_many(opening.locked(identities), how)
    _seat(service, cases, identities, now=now)
    ledger.append(
        at=now,
        by=COUNTERSIGN.ref,
        by_name=COUNTERSIGN.name,
        act=act,
        subject=f"service:{service.slug}",
        words=f"{said}: {counted(len(cases), 'review')} opened",
        data={"cases": [case.key for case in cases]},
    )
    _tell(service, cases, f"{said}{why}", now=now)


def _seat(
    service: Service, cases: Sequence[Case], identities: Sequence[UUID], *, now: datetime
) -> None:
    """The seat of the owner, where neither owner, backup nor sponsor of the thing itself sits."""
    with connection.cursor() as cursor:
        cursor.execute(ASKED, {"identities": list(identities), "now": now})
        teams = [row[0] for row in cursor.fetchall()]
    order = [service.sponsor_id, service.backup_id, *teams]
    there = set(presence.there(now=now).filter(pk__in=order).values_list("pk", flat=True))
    first = next((one for one in order if one in there), None)
    Seat.objects.filter(
        case__in=cases, kind="identity_owner", party__isnull=True, backup__isnull=True
    ).update(party=first)


def _tell(service: Service, cases: Sequence[Case], said: str, *, now: datetime) -> None:
    """One word to each person, however many reviews it is."""
    seats = Seat.objects.filter(case__in=cases).values_list("party", "backup")
    of = persons.of_parties({one for pair in seats for one in pair}, now=now)
    until = max(case.deadline_at for case in cases)
    subject = f"{service.name}: nobody takes it over"
    waits = "waits" if len(cases) == 1 else "wait"
    body = (
        f"{said}. {counted(len(cases), 'review')} {waits} for answers until"
        f" {until:%Y-%m-%d %H:%M} UTC."
    )
    people = {one.pk: one for found in of.values() for one in found}.values()
    mailing.write(
        [mailing.Mail(one, subject, body) for one in people],
        page="/queue/",
        occasion=f"untaken service:{service.slug} {now:%Y-%m-%d}",
        now=now,
    )
