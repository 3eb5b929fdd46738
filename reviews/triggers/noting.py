"""What the sweeps share: when an identity was last reviewed, and how a trigger is noted once.

Owns the writing of Trigger rows. What is noted is found by asking which rows have no trigger yet
(docs/decisions 0022), never by a watermark, so what commits late is found as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from identities.models import Identity
from reviews.models import Trigger

# A batch is one transaction, and short.
MOST = 200
LONGEST_WORDS = 1_000
# When the newest review of all there is that was decided was put before its seats: what came
# after that was not among what they were asked. Served by case_last_review.
REVIEWED = """
SELECT c.identity_id, max(c.opened_at) AS at FROM reviews_case c
WHERE c.door = 'access_review' AND c.trigger = '' AND c.decided_at IS NOT NULL
  AND c.state NOT IN ('cancelled', 'open') GROUP BY c.identity_id
"""


def note(rows: Iterable[Trigger]) -> None:
    """Write these triggers; what was noted before, or is at this moment by another, stays."""
    Trigger.objects.bulk_create(rows, ignore_conflicts=True)


def trigger(
    name: str,
    identity: Identity,
    *,
    subject: str,
    about: UUID,
    title: str,
    words: str,
    at: datetime,
    now: datetime,
    links: Sequence[tuple[str, str]] = (),
    facts: Mapping[str, object] | None = None,
    known_why: str = "",
) -> Trigger:
    """One row, unsaved. `facts`: what its item keeps beside it. `known_why`: nobody has to be
    asked, and this is why."""
    return Trigger(
        identity=identity,
        name=name,
        subject=subject,
        about=about,
        title=title[:500],
        words=words[:LONGEST_WORDS],
        links=[{"words": said, "url": url} for said, url in links],
        facts=dict(facts or {}),
        at=at,
        found_at=now,
        state="known" if known_why else "waiting",
        known_why=known_why,
    )


def events_of(identity: Identity, words: str, **asked: str) -> tuple[str, str]:
    """A link to events of an identity."""
    return words, f"/events/?{urlencode({'identity': identity.key} | asked)}"
