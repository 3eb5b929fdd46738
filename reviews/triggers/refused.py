"""What its owners refused and is used all the same: Countersign cannot take a tool out of an
agent, so each day of such use is asked about until it stops or somebody keeps it.
"""

from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from reviews.micro_reviews import Asked
from reviews.models import Item, Trigger

from .noting import MOST, events_of, trigger

# By usage_once; the roll-up of one action since the day of the refusal.
AGAIN = """
SELECT x.id, used.day, used.at FROM unnest(%s::uuid[]) AS k(id)
JOIN reviews_item x ON x.id = k.id
JOIN reviews_case c ON c.id = x.case_id
JOIN identities_identity i ON i.id = c.identity_id AND i.state <> 'retired'
CROSS JOIN LATERAL (
    SELECT u.day, max(u.last_at) AS at FROM identities_usageday u
    WHERE u.identity_no = i.number AND u.day >= (x.outcome_at AT TIME ZONE 'UTC')::date
      AND u.action_id = (x.snapshot ->> 'action')::bigint
      AND ((x.snapshot ->> 'tool')::boolean OR u.family = x.snapshot ->> 'family')
      AND u.last_at > x.outcome_at
    GROUP BY u.day ORDER BY u.day DESC LIMIT 1) used
WHERE NOT EXISTS (
    SELECT 1 FROM reviews_trigger t WHERE t.identity_id = i.id
      AND t.name = 'refused_again' AND t.subject = x.ref || ' ' || used.day)
LIMIT %s
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


def used_again(asked: Asked, now: datetime) -> list[Trigger]:  # noqa: ARG001 - one shape for all finders
    """The refused uses that evidence shows after the refusal, one for each and its newest day."""
    with connection.cursor() as cursor:
        cursor.execute(AGAIN, [list(refusals().values_list("pk", flat=True)), MOST])
        found = {pk: said for pk, *said in cursor.fetchall()}
    rows = []
    for item in Item.objects.filter(pk__in=found).select_related("case__identity"):
        day, at = found[item.pk]
        identity = item.case.identity
        if identity is None or item.ref is None or item.outcome_at is None:
            continue
        rows.append(
            trigger(
                "refused_again",
                identity,
                subject=f"{item.ref} {day}",
                about=item.ref,
                title=item.title,
                words=f"{item.case.key} refused it on {item.outcome_at:%-d %b %Y}, and it is used:"
                f" {item.title[:300]}, last seen {at:%-d %b %Y %H:%M} UTC.",
                at=at,
                now=now,
                links=[
                    (item.case.key, f"/cases/{item.case.key}/"),
                    events_of(
                        identity,
                        "Its use since",
                        action=str(item.snapshot.get("name", "")),
                        **{"from": item.outcome_at.isoformat()},
                    ),
                ],
                facts=item.snapshot,
            )
        )
    return rows
