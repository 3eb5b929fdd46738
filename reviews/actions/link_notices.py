"""Mails to who signs a link as the second person. Written once each, by a sweep."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import batched
from uuid import UUID

from identities.models import LinkProposal
from reviews import persons
from reviews.succession import mailing
from reviews.succession.mailing import Mail

# Whoever was not told by then is told by nobody: the page of links lists it all the same.
LATEST = timedelta(days=1)
AT_ONCE = 200


def tell(*, now: datetime) -> int:
    """Tell of the links that were proposed lately; of how many. A second run tells nobody twice."""
    rows = (
        LinkProposal.objects.filter(state="proposed", proposed_at__gte=now - LATEST)
        .select_related("identity", "other__service", "actor")
        .order_by("proposed_at")
    )
    told = 0
    for some in batched(rows.iterator(chunk_size=AT_ONCE), AT_ONCE):
        _tell(some, now=now)
        told += len(some)
    return told


def _tell(rows: Sequence[LinkProposal], *, now: datetime) -> None:
    parties = persons.of_parties({one for row in rows for one in _named(row)}, now=now)
    for row in rows:
        asked = {one.pk: one for party in _named(row) for one in parties.get(party, [])}
        asked.pop(row.proposed_person_id, None)
        if not asked:
            asked = {one.pk: one for one in persons.in_group("reviewer", now=now)}
        asked.pop(row.proposed_person_id, None)
        mailing.write(
            [Mail(person, _subject(row), _body(row)) for person in asked.values()],
            page=f"/links/{row.pk}/",
            occasion=_occasion(row),
            now=now,
        )


def _occasion(row: LinkProposal) -> str:
    """One mail for an identity's links that one person proposed together."""
    if row.other_id != row.identity_id:
        return f"link {row.pk}"
    return f"links {row.identity_id} {row.proposed_at.isoformat()} {row.proposed_person_id}"


def _named(row: LinkProposal) -> list[UUID]:
    other = row.other
    found = [other.owner_id, other.sponsor_id, other.backup_id]
    if other.service is not None:
        found += [other.service.owner_id, other.service.ai_owner_id]
    return [one for one in found if one is not None]


def _subject(row: LinkProposal) -> str:
    return f"{row.other.name[:80]}: a link waits for your signature"


def _body(row: LinkProposal) -> str:
    return (
        f"{row.proposed_by_name} proposes that {row.actor.value[:200]} is {row.identity.name}:"
        f" {row.reason}\n\nUntil you sign, nothing changes. The page says what would."
    )
