"""Mails to who may sign a proposed change of a source. Written once each, by a sweep.

A source that one person put off goes on within the hour, and evidence that one person dropped is
not read in: whoever signs has to hear of it.
"""

from datetime import datetime, timedelta

from identities.actions import source_changes
from identities.models import ProposedChange
from reviews import persons
from reviews.succession import mailing
from reviews.succession.mailing import Mail

# The page of changes lists what is older all the same.
LATEST = timedelta(days=1)


def tell(*, now: datetime) -> int:
    """Tell of the changes of sources that were proposed lately; of how many. A second run tells
    nobody twice."""
    rows = ProposedChange.objects.filter(
        state="proposed", kind=source_changes.KIND, proposed_at__gte=now - LATEST
    )
    found = list(rows.order_by("number"))
    if not found:
        return 0
    asked = {
        one.pk: one
        for group in sorted(source_changes.SIGNING)
        for one in persons.in_group(group, now=now)
    }
    for row in found:
        words = "\n".join(f"{about} {what}" for about, what in row.lines)
        body = f"{row.proposed_by_name} proposes: {words[:2000]}\n\nWhy: {row.reason}"
        mailing.write(
            [
                Mail(one, f"{row.key}: {row.title[:80]} waits for a second signature", body)
                for one in asked.values()
                if one.pk != row.proposed_person_id
            ],
            page=row.url,
            occasion=f"change {row.pk}",
            now=now,
        )
    return len(found)
