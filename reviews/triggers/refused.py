"""What its owners refused and is used all the same: a finding, and no question about it again.

Countersign cannot take a tool out of an agent. Owns the findings of that rule: one for each
refusal, with an event for each day of use, until somebody settles it or answers anew. What asks is
the identity's going on, once for each finding.
"""

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet, TextField
from django.db.models.functions import Cast

from identities.judging import found
from identities.models import Finding, Identity
from reviews.micro_reviews import Asked
from reviews.models import Item, Trigger

from .noting import MOST, events_of, trigger

RULE = "after_refusal"
SETTLED = ["expected", "false", "duplicate"]
# The last use of each day since the refusal, by usage_once and then by its own moment. A day is
# taken once, and a finding that somebody has settled takes no more of this refusal.
AGAIN = """
SELECT x.id, a.at, a.event_id, greatest(1, a.strength - 1) FROM unnest(%(refusals)s::uuid[]) AS k(id)
JOIN reviews_item x ON x.id = k.id
JOIN reviews_case c ON c.id = x.case_id
JOIN identities_identity i ON i.id = c.identity_id AND i.state <> 'retired'
CROSS JOIN LATERAL (
    SELECT u.day, max(u.last_at) AS at FROM identities_usageday u
    WHERE u.identity_no = i.number AND u.day >= (x.outcome_at AT TIME ZONE 'UTC')::date
      AND u.action_id = (x.snapshot ->> 'action')::bigint
      AND ((x.snapshot ->> 'tool')::boolean OR u.family = x.snapshot ->> 'family')
      AND u.last_at > x.outcome_at
    GROUP BY u.day) used
CROSS JOIN LATERAL (
    SELECT n.at, n.event_id, n.strength FROM identities_attribution n
    JOIN evidence_event e ON e.at = n.at AND e.id = n.event_id
    WHERE n.identity_no = i.number AND n.at = used.at
      AND e.action_id = (x.snapshot ->> 'action')::bigint ORDER BY e.id LIMIT 1) a
WHERE NOT EXISTS (
    SELECT 1 FROM identities_finding f
    WHERE f.identity_id = i.id AND f.rule = %(rule)s AND f.details ->> 'item' = x.id::text
      AND (f.state = ANY(%(settled)s) OR EXISTS (
        SELECT 1 FROM identities_findingevent fe WHERE fe.finding_id = f.id
          AND (fe.at AT TIME ZONE 'UTC')::date = used.day)))
ORDER BY a.at LIMIT %(most)s
"""


def refusals() -> QuerySet[Item]:
    """The items that refused a use and that no later answer took back."""
    later = Item.objects.filter(
        kind="use",
        ref=OuterRef("ref"),
        case__identity=OuterRef("case__identity"),
        outcome__in=["keep", "revoke"],
        outcome_at__gt=OuterRef("outcome_at"),
    )
    return Item.objects.filter(kind="use", outcome="revoke").filter(~Exists(later))


def note_next(*, now: datetime) -> int:
    """Write the findings of what is used after its refusal, a batch of days; how many there were."""
    days: dict[UUID, list[tuple[datetime, int, int, str]]] = {}
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                AGAIN,
                {
                    "refusals": list(refusals().values_list("pk", flat=True)),
                    "rule": RULE,
                    "settled": SETTLED,
                    "most": MOST,
                },
            )
            for pk, at, event, strength in cursor.fetchall():
                days.setdefault(pk, []).append((at, event, strength, ""))
        for item in Item.objects.filter(pk__in=days).select_related("case__identity"):
            _found(item, days[item.pk], now=now)
    return sum(map(len, days.values()))


def _found(item: Item, days: list[tuple[datetime, int, int, str]], *, now: datetime) -> None:
    if item.case.identity is None:
        return
    key = found.Key(item.case.identity.number, None, RULE, item.title[:500])
    case = "" if item.case.sealed else item.case.key
    details = {"case": case, "item": str(item.pk), "name": item.snapshot.get("name", "")}
    found.extend({key: found.Asked(days, "", details)}, now=now)


def asks(asked: Asked, now: datetime) -> list[Trigger]:  # noqa: ARG001 - one shape for all finders
    """One question for each open finding: whether the identity goes on as it is."""
    noted = Trigger.objects.filter(
        identity=OuterRef("identity"),
        name="refused_again",
        subject=Cast(OuterRef("pk"), TextField()),
    )
    rows = (
        Finding.objects.filter(~Exists(noted), rule=RULE, state__in=found.LIVE)
        .exclude(identity__state="retired")
        .select_related("identity")
        .order_by("number")[:MOST]
    )
    return [_question(one, one.identity, now=now) for one in rows if one.identity is not None]


def _question(finding: Finding, identity: Identity, *, now: datetime) -> Trigger:
    case = str(finding.details.get("case", ""))
    return trigger(
        "refused_again",
        identity,
        subject=str(finding.pk),
        about=identity.pk,
        title=f"{identity.name} as it is",
        words=f"{case} refused it, and it is used: {finding.family[:300]}, last seen"
        f" {finding.last_at:%-d %b %Y %H:%M} UTC. The refusal stands, and {finding.key} counts each"
        " day of use: say whether the identity goes on meanwhile.",
        at=finding.last_at,
        now=now,
        links=[
            (finding.key, f"/findings/{finding.key}/"),
            (case, f"/cases/{case}/"),
            events_of(identity, "Its use", action=str(finding.details.get("name", ""))),
        ],
        facts={"finding": str(finding.pk)},
    )
