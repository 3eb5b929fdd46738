"""What a system allows was read anew while a micro-review asks about an earlier reading of it.

Owns that a principal is one open item, whatever its lists say meanwhile: while nobody has answered,
the item becomes the newest reading; whoever has answered did not know it, and it is a new question.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from identities.models import Entitlement, Identity
from reviews.actions import advising, entries, proposing
from reviews.models import Case, Item, Trigger

from .asking import Group

NAME = "wider_entitlement"
LIVE = ("draft", "open")
# In the facts of a trigger that joins: the reading that it is about.
NEWEST = "entitlement"
BECOMES = (
    "ref",
    "title",
    "note",
    "snapshot",
    "proposal",
    "recommendation",
    "recommendation_reason",
)


def open_items(identities: Iterable[UUID]) -> dict[tuple[UUID, str], UUID]:
    """By identity and principal: the thing that an open micro-review asks about, unanswered. Three
    queries."""
    asked = dict(
        Trigger.objects.filter(
            identity__in=list(identities), name=NAME, state="asked", case__state__in=LIVE
        ).values_list("about", "case")
    )
    waiting = {ref for _, ref in _unanswered(asked.values())}
    rows = Entitlement.objects.filter(pk__in=[about for about in asked if about in waiting])
    return {(row.identity_id, row.principal): row.pk for row in rows}


def _unanswered(cases: Iterable[UUID | None]) -> set[tuple[UUID, UUID | None]]:
    """The case and the thing of each item that nobody has answered."""
    rows = Item.objects.filter(case__in=[pk for pk in cases if pk], kind="entitlement", outcome="")
    rows = rows.exclude(decisions__isnull=False, decisions__superseded_at__isnull=True)
    return set(rows.values_list("case", "ref"))


def part(group: Group, known: Mapping[UUID, Case]) -> None:
    """Rows of a locked identity whose item was answered since: they ask for themselves."""
    joining = [row for row in group.rows if NEWEST in row.facts and row.about in known]
    there = _unanswered(known[row.about].pk for row in joining) if joining else set()
    for row in joining:
        if (known[row.about].pk, row.about) not in there:
            row.about = UUID(row.facts[NEWEST])


def renew(case: Case, identity: Identity, rows: Sequence[Trigger], *, now: datetime) -> None:
    """The items of a locked case become the newest of these readings."""
    last = {row.about: row for row in rows if row.state == "joined" and NEWEST in row.facts}
    for about, row in last.items():
        newest = UUID(row.facts[NEWEST])
        found = proposing.some([identity], "entitlement", {newest: [identity]}, now=now)
        made = advising.complete(found, [identity], now=now).get(identity.pk, ())
        item = case.items.filter(kind="entitlement", ref=about, outcome="").first()
        if item is None or not made:
            continue
        for name in BECOMES:
            setattr(item, name, getattr(made[0], name))
        item.save(update_fields=BECOMES)
        # What holds the open item names what it is about now; so do those that have joined it.
        Trigger.objects.filter(case=case, name=NAME, about=about).update(about=newest)
        # Whoever reads the page of before is told when they sign.
        entries.touched(case.pk)
