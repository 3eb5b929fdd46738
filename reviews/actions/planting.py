"""Planting items when a campaign is launched, and disclosing them when a review is over.

Owns Planting and PlantedItem rows; which kinds there are is reviews/planted.py. What is planted is
outside everything that counts and applies, because it is in no table that those read. The ledger
has a digest of all of it before anybody is asked, and the rest when it is disclosed.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import batched
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from evidence.words import counted
from identities.permissions import NotPossible
from reviews import planted, standing
from reviews.models import Campaign, Case, Item, PlantedItem, Planting
from reviews.permissions import SIGNING

from . import advising, planted_answers

# So many cases' items are looked at, and so many plants disclosed, at once.
AT_ONCE = 1_000
# Beside those that are wanted, for reviews in which nothing fits.
SPARE = 3
# A review that is over, so that nobody can answer in it any more.
OVER = ("carrying_out", "in_review", "closed", "cancelled")
# Whoever is asked first in each review that the launch opened, their reviews, and how many items.
ASKED = """
SELECT array_agg(c.id), sum(n.items)::int FROM reviews_case c
CROSS JOIN LATERAL (SELECT party_id FROM reviews_seat WHERE case_id = c.id AND turn = 'now'
  AND kind = ANY(%(signing)s) ORDER BY position LIMIT 1) s
CROSS JOIN LATERAL (SELECT count(*) AS items FROM reviews_item WHERE case_id = c.id) n
WHERE c.campaign_id = %(campaign)s AND c.state = 'open' AND NOT c.sealed AND NOT EXISTS (
  SELECT FROM reviews_campaignidentity i WHERE i.campaign_id = %(campaign)s
  AND i.case_id = c.id AND i.joined)
GROUP BY s.party_id
"""
# How what is planted is called: a delegation has the next number, which is nobody's.
OTHER = {"credential": planted.other_key, "entitlement": planted.other_name}
NUMBERS = "SELECT nextval('delegation_number') FROM generate_series(1, %s)"


class Grown(NamedTuple):
    """A plant for a case: what it is a copy of."""

    plant: str
    item: Item


def ask_for(campaign: Campaign, share: int) -> None:
    """So many of a hundred items are to be planted when this campaign is launched."""
    if not 0 <= share <= planted.MOST_SHARE:
        raise NotPossible(f"At most {planted.MOST_SHARE} in 100 items may be planted.")
    if share:
        Planting.objects.create(campaign=campaign, share=share)


def of_campaign(campaign: Campaign) -> Planting | None:
    """That it has planted items, and how many; None for most."""
    return getattr(campaign, "planting", None)


# --- planting ------------------------------------------------------------------------------------


def sow(campaign: Campaign, *, now: datetime) -> int:
    """Plant what a locked campaign was launched with, once all its reviews are open; how many."""
    rows = Planting.objects.select_for_update().filter(campaign=campaign, planted_at__isnull=True)
    planting = rows.first()
    if planting is None:
        return 0
    chance = random.SystemRandom()
    made = [
        row
        for some in batched(_chosen(campaign, planting.share, chance), AT_ONCE)
        for row in _plant(campaign, planting, some, chance, now=now)
    ]
    PlantedItem.objects.bulk_create(made, batch_size=AT_ONCE)
    planting.planted_at, planting.items, planting.digest = now, len(made), commitment(made)
    planting.save(update_fields=["planted_at", "items", "digest"])
    planted_answers.note(
        campaign,
        act="campaign.planted",
        words=f"{counted(len(made), 'item was', 'items were')} planted in {campaign.name}, with a"
        " known answer; which, is written here when they are disclosed",
        now=now,
        data={"planted": len(made), "digest": planting.digest},
    )
    return len(made)


def _chosen(
    campaign: Campaign, share: int, chance: random.SystemRandom
) -> Iterator[tuple[list[UUID], int]]:
    """Of each person who is asked: reviews in a random order, and in how many a plant is wanted."""
    with connection.cursor() as cursor:
        cursor.execute(ASKED, {"campaign": campaign.pk, "signing": list(SIGNING)})
        found = cursor.fetchall()
    for cases, items in found:
        many = planted.how_many(items, share, len(cases))
        if many:
            yield chance.sample(cases, min(len(cases), many + SPARE)), many


def _plant(
    campaign: Campaign,
    planting: Planting,
    chosen: Sequence[tuple[list[UUID], int]],
    chance: random.SystemRandom,
    *,
    now: datetime,
) -> Iterator[PlantedItem]:
    bounded = standing.FIELD in campaign.policy.document
    by_case: dict[UUID, list[Item]] = {}
    wanted = [pk for cases, _ in chosen for pk in cases]
    for item in Item.objects.filter(case__in=wanted).order_by("position"):
        by_case.setdefault(item.case_id, []).append(item)
    identities = dict(Case.objects.filter(pk__in=wanted).values_list("pk", "identity__number"))
    grown: dict[UUID, Grown] = {}
    for cases, many in chosen:
        fit = ((pk, _grow(by_case.get(pk, []), bounded, chance)) for pk in cases)
        found = [(pk, one) for pk, one in fit if one is not None]
        grown |= dict(found[:many])
    with connection.cursor() as cursor:
        cursor.execute(NUMBERS, [len(grown)])
        numbers = [row[0] for row in cursor.fetchall()]
    for (pk, one), number in zip(grown.items(), numbers, strict=True):
        row = _copy(one, by_case[pk], number, chance, bounded=bounded, now=now)
        row.planting = planting
        row.snapshot = row.snapshot | {
            "reasons": advising.REASONS[row.kind](
                planted_answers.as_item(row), f"NHI-{identities[pk]:04d}", []
            )
        }
        yield row


def _copied(item: Item, bounded: bool) -> planted.Copied:
    return planted.Copied(
        item.kind, item.title, item.note, item.recommendation, item.snapshot, bounded
    )


def _grow(items: Sequence[Item], bounded: bool, chance: random.SystemRandom) -> Grown | None:
    """One of the plants that these items could be copied to; as likely a kind as another."""
    by_plant: dict[str, list[Item]] = {}
    for item in items:
        for plant in planted.fitting(_copied(item, bounded)):
            by_plant.setdefault(plant, []).append(item)
    if not by_plant:
        return None
    plant = chance.choice(sorted(by_plant))
    return Grown(plant, chance.choice(by_plant[plant]))


def _copy(
    one: Grown,
    items: Sequence[Item],
    number: int,
    chance: random.SystemRandom,
    *,
    bounded: bool,
    now: datetime,
) -> PlantedItem:
    item, plant = one.item, planted.PLANTS[one.plant]
    note, snapshot = planted.changed(
        one.plant, _copied(item, bounded), now=now, days=chance.randint(*planted.ENDED)
    )
    title = f"Delegation DLG-{number}"
    made_up = OTHER.get(item.kind)
    if made_up is not None:
        taken = {other.title for other in items}
        title = item.title
        while title in taken:
            title = made_up(item.title, chance.choice)
    return PlantedItem(
        case_id=item.case_id,
        copied_from=item,
        plant=one.plant,
        # Before a real one: a review is not over while something planted is still to be met.
        before=chance.choice([other.position for other in items]),
        kind=item.kind,
        title=title,
        note=note,
        proposal=item.proposal,
        recommendation=item.recommendation if snapshot is None else "",
        recommendation_reason=item.recommendation_reason if snapshot is None else "",
        snapshot={
            key: value
            for key, value in (item.snapshot if snapshot is None else snapshot).items()
            if key != "reasons"
        },
        known=plant.known,
    )


def content(row: PlantedItem) -> dict[str, Any]:
    """What the ledger says of a plant once it is disclosed. Its id is random enough that nobody
    guesses it from the digest."""
    return {
        "planted": str(row.pk),
        "case": str(row.case_id),
        "copied_from": str(row.copied_from_id),
        "plant": row.plant,
        "title": row.title,
        "note": row.note,
        "known": row.known,
    }


def commitment(rows: Sequence[PlantedItem]) -> str:
    """SHA-256 over the RFC 8785 form of all of them, in the order of their ids."""
    return planted_answers.digest([content(row) for row in sorted(rows, key=lambda one: one.pk)])


# --- disclosing ----------------------------------------------------------------------------------


def disclose_next(*, now: datetime) -> bool:
    """Disclose plants whose review, or whose campaign, is over; False when there are none."""
    with transaction.atomic():
        over = Q(case__state__in=OVER) | Q(planting__campaign__state="closed")
        rows = list(
            # With its planting: who discloses the last of a campaign sees that it is the last.
            PlantedItem.objects.select_for_update(of=("self", "planting"), skip_locked=True)
            .filter(over, disclosed_at__isnull=True)
            .select_related("planting__campaign")
            .order_by("pk")[:AT_ONCE]
        )
        by_planting: dict[Planting, list[PlantedItem]] = {}
        for row in rows:
            by_planting.setdefault(row.planting, []).append(row)
        PlantedItem.objects.filter(pk__in=[row.pk for row in rows]).update(disclosed_at=now)
        left = PlantedItem.objects.filter(planting__in=by_planting, disclosed_at__isnull=True)
        unfinished = set(left.values_list("planting", flat=True).distinct())
        for planting, those in by_planting.items():
            campaign = planting.campaign
            planted_answers.note(
                campaign,
                act="campaign.planted_disclosed",
                words=f"{counted(len(those), 'planted item')} of {campaign.name}"
                f" {'is' if len(those) == 1 else 'are'} disclosed",
                now=now,
                data={"planted": [content(row) for row in those]},
            )
            if planting.pk not in unfinished:
                planted_answers.tell(planting, now=now)
    return bool(rows)
