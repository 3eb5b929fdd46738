"""What another system signals about an identity: one question for each thing and day.

Owns which signals ask (docs/signals.md): a session or account that was ended over there, a
credential that was revoked or deleted, a risk that is not low. A signal alone cuts nothing: whether
it means anything here, whoever answers for the identity says.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from evidence.vocabulary import PLANE_POLICY
from evidence.words import counted
from identities.models import Identity
from reviews.micro_reviews import Asked
from reviews.models import Trigger

from .noting import MOST, events_of, trigger

NAME = "received_signal"
# Days back in which one is looked for: so long may no worker run.
LATELY = 14
# What says that something goes well, or is about a stream.
CALM = ("caep:session-established", "caep:session-presented")
# By usage_signalled: signals are few beside what identities do.
SIGNALLED = """
SELECT i.id, u.day, t.value, sum(u.count), max(u.last_at), max(u.family)
FROM identities_usageday u
JOIN identities_identity i ON i.number = u.identity_no AND i.state <> 'retired'
JOIN evidence_term t ON t.id = u.action_id
WHERE u.plane = %(plane)s AND u.plane = 3 AND u.day >= %(since)s
  AND t.value NOT LIKE 'ssf:%%' AND t.value NOT LIKE 'alert:%%' AND NOT t.value = ANY(%(calm)s)
  AND (t.value <> 'caep:credential-change' OR u.family ~ '^(revoke|delete)')
  AND (t.value NOT IN ('caep:risk-level-change', 'caep:assurance-level-change')
       OR u.family NOT LIKE 'LOW%%')
  AND NOT EXISTS (
    SELECT 1 FROM reviews_trigger g WHERE g.identity_id = i.id
      AND g.name = 'received_signal' AND g.subject = t.value || ' ' || u.day)
GROUP BY i.id, i.number, u.day, t.value ORDER BY u.day, i.number, t.value LIMIT %(most)s
"""


def asks(asked: Asked, now: datetime) -> list[Trigger]:  # noqa: ARG001 - one shape for all finders
    """One question for each identity, event and day."""
    said: dict[str, Any] = {
        "plane": PLANE_POLICY,
        "since": (now - timedelta(days=LATELY)).date(),
        "calm": list(CALM),
        "most": MOST,
    }
    with connection.cursor() as cursor:
        cursor.execute(SIGNALLED, said)
        rows = cursor.fetchall()
    identities = Identity.objects.in_bulk({row[0] for row in rows})
    found = []
    for pk, day, event, count, last, what in rows:
        one = identities[pk]
        more = f" ({what[:200]})" if what else ""
        found.append(
            trigger(
                NAME,
                one,
                subject=f"{event} {day}",
                about=one.pk,
                title=f"{one.name} as it is",
                words=f"Another system signals {event}{more} about {one.name}:"
                f" {counted(count, 'signal')} on {day:%-d %b %Y}, the last at {last:%H:%M} UTC. Nothing"
                " was changed here: say whether it goes on.",
                at=last,
                now=now,
                links=[
                    events_of(
                        one,
                        "The signals",
                        action=event,
                        **{"from": f"{day}T00:00:00+00:00", "to": f"{day}T23:59:59+00:00"},
                    )
                ],
                facts={"signal": event},
            )
        )
    return found
