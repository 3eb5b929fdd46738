"""One word to each person whose answers a campaign waits for, however many reviews they are.

Owns who that is, in a few queries for all; sending is reviews/notices. A notice carries a link
and no evidence.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from evidence import nudge
from evidence.words import counted
from identities.models import Person
from reviews.actions.asked import Asked
from reviews.models import Campaign, Case, Notice

# So many cases are looked at together: their seats and answers are held in memory.
AT_ONCE = 5_000


def waiting(cases: QuerySet[Case], *, now: datetime) -> dict[UUID, tuple[Person, int]]:
    """Whose answers these open cases wait for, and in how many of them."""
    many = Counter[UUID]()
    known: dict[UUID, Person] = {}
    after = 0
    while True:
        part = list(
            cases.filter(number__gt=after).select_related("identity").order_by("number")[:AT_ONCE]
        )
        if not part:
            return {pk: (known[pk], count) for pk, count in many.items()}
        after = part[-1].number
        asked = Asked(part, now=now)
        for case in part:
            once = {one.pk: one for one in asked.waiting_for(case)}
            known |= once
            many.update(once.keys())


def tell(
    campaign: Campaign,
    persons: Iterable[tuple[Person, int]],
    *,
    occasion: str,
    subject: str,
    why: str,
    now: datetime,
) -> int:
    """Write one notice for each of them, of so many reviews and once for this occasion; how many
    of them were not told before."""
    due = campaign.deadline_at
    until = "" if due is None else f" until {due:%Y-%m-%d %H:%M} UTC"
    occasion = f"{campaign.key} {occasion}"
    same = Notice.objects.filter(campaign=campaign.pk, occasion=occasion)
    before = same.count()
    Notice.objects.bulk_create(
        [
            Notice(
                person=person,
                channel="mail",
                subject=f"{campaign.key}: {subject}",
                body=f"{campaign.name} {why} {counted(count, 'review waits', 'reviews wait')} for"
                f" your answers{until}.\n\n{settings.BASE_URL}/queue/\n",
                campaign=campaign.pk,
                occasion=occasion,
                created_at=now,
                not_before=now,
            )
            for person, count in persons
        ],
        ignore_conflicts=True,
    )
    told = same.count() - before
    if told:
        nudge.after_commit("notice.written")
    return told
