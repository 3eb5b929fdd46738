"""Planted items on pages: met like every other while they can be answered, disclosed afterwards.

Owns where they are drawn: in the case and the queue of whoever may answer them, and nowhere else.
What is known of one person's answers is shown to that person; of teams and campaigns only sums
over several people (reviews/attention.py).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from evidence.words import counted
from identities.models import User
from reviews import attention
from reviews import planted as table
from reviews.actions import planting
from reviews.actions.planted_answers import as_decision, as_item, behind, find, outcome
from reviews.models import Campaign, Case, Item, PlantedAnswer, PlantedItem, Planting, Seat
from reviews.pages.waiting import Waiting
from reviews.permissions import SIGNING

if TYPE_CHECKING:
    from reviews.pages.case import Parts

MOST_ROWS = 50
MOST_TEAMS = 200
MOST_CAMPAIGNS = 5
NONE_FITS = (
    f"nobody is asked about {table.FEWEST_ITEMS} items or more, or no item fits: nothing is planted"
)
# States in which a case shows what was planted among its items, while it is not disclosed.
LIVE = ("open", "decided")
TEAMS = """
SELECT t.name, count(DISTINCT a.person_id) AS persons, count(*) AS items,
  count(*) FILTER (WHERE a.answer = i.known) AS right, count(*) FILTER (WHERE a.answer = 'dont_know')
FROM reviews_plantedanswer a
JOIN reviews_planteditem i ON i.id = a.item_id AND i.disclosed_at IS NOT NULL
JOIN identities_membership m ON m.person_id = a.person_id AND m.superseded_at IS NULL
  AND m.during @> a.at
JOIN identities_team t ON t.id = m.team_id
WHERE a.superseded_at IS NULL AND a.at >= %(since)s
GROUP BY t.id, t.name HAVING count(DISTINCT a.person_id) >= %(fewest)s ORDER BY t.name LIMIT %(most)s
"""
# Five hundred cases are one value here; through the models each would be a parameter of its own.
WAITING = """
SELECT i.case_id, a.seat_id FROM reviews_planteditem i
LEFT JOIN reviews_plantedanswer a ON a.item_id = i.id AND a.superseded_at IS NULL
WHERE i.case_id = ANY(%s) AND i.disclosed_at IS NULL
"""
IN_QUEUE = """
SELECT c.number, c.name, p.share FROM reviews_planting p
JOIN reviews_campaign c ON c.id = p.campaign_id AND c.state <> 'closed'
WHERE p.items IS DISTINCT FROM 0 AND c.id = ANY(%s)
ORDER BY c.number LIMIT %s
"""


# --- while they can be answered ------------------------------------------------------------------


def join(parts: "Parts") -> None:
    """Put what is planted in a case among its items, for whoever may answer it."""
    case, me = parts.case, parts.user.person_id
    if case.campaign_id is None or case.state not in LIVE or not _asked(parts):
        return
    rows = list(PlantedItem.objects.filter(case=case, disclosed_at__isnull=True))
    given = _answers(rows).select_related("person", "by")
    for row in rows:
        item = as_item(row, case)
        # A blind stage does not see what an earlier one answered on this either.
        those = [
            one
            for one in given
            if parts.blind is None or one.person_id == me or one.seat_id not in parts.blind.seats
        ]
        item.outcome = outcome(case, those)
        parts.items.append(item)
        parts.decisions |= {(row.pk, one.seat_id): as_decision(one, item) for one in those}
    parts.items.sort(key=_place)


def _asked(parts: "Parts") -> bool:
    return any(
        parts.why[seat.pk] is None
        or (seat.person_id is not None and seat.person_id == parts.user.person_id)
        for seat in parts.seats
        if seat.kind in SIGNING
    )


def _place(item: Item) -> tuple[int, bool]:
    """Before the real item of the same position."""
    return item.position, behind(item) is None


def _answers(rows: Iterable[PlantedItem]) -> QuerySet[PlantedAnswer]:
    return PlantedAnswer.objects.filter(item__in=list(rows), superseded_at__isnull=True)


def beside(found: list[Waiting]) -> list[Waiting]:
    """The rows of a queue with what is planted in their cases counted in. One query, and none where
    no campaign asks: nothing is planted in other cases."""
    of_campaigns = [one.case for one in found if one.campaign is not None]
    if not of_campaigns:
        return found
    rows = _waiting(of_campaigns)
    return [_with(one, rows[one.case]) if one.case in rows else one for one in found]


def _with(one: Waiting, answered: Collection[UUID | None]) -> Waiting:
    left = one.kind in SIGNING and one.seat not in answered
    return one._replace(left=one.left + left, of=one.of + 1)


def _waiting(cases: Collection[UUID]) -> dict[UUID, set[UUID | None]]:
    """Of the cases with something planted: the seats that have answered it."""
    found: dict[UUID, set[UUID | None]] = {}
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [list(cases)])
        for case, seat in cursor.fetchall():
            found.setdefault(case, set()).add(seat)  # None, while nobody has
    return found


def into(
    by_case: dict[UUID, list[tuple[Item, bool]]],
    cases: Mapping[UUID, Case],
    seats: Mapping[UUID, Seat],
    items: Sequence[UUID] | None,
) -> None:
    """Put what is planted among the items of a queue, each with whether these seats answered it."""
    of_campaigns = [pk for pk, case in cases.items() if case.campaign_id is not None]
    if not of_campaigns:
        return
    rows = PlantedItem.objects.filter(case__in=of_campaigns, disclosed_at__isnull=True)
    found = list(rows if items is None else rows.filter(pk__in=items))
    given = set(_answers(found).filter(seat__in=list(seats)).values_list("item", flat=True))
    for row in found:
        those = by_case.setdefault(row.case_id, [])
        those.append((as_item(row, cases[row.case_id]), row.pk in given))
        those.sort(key=lambda one: _place(one[0]))


def shown_item(case: Case, text: str) -> Item:
    """The item of a case that a form names, as its page shows it."""
    try:
        pk = UUID(text)
    except ValueError:
        raise Http404("no such item") from None
    return find(case, pk) or get_object_or_404(case.items, pk=pk)


def cases_of(wanted: Sequence[UUID]) -> list[UUID]:
    """The cases in which something is planted under these ids."""
    rows = PlantedItem.objects.filter(pk__in=wanted, disclosed_at__isnull=True)
    return list(rows.values_list("case", flat=True))


def of_ids(wanted: Sequence[UUID], cases: QuerySet[Case]) -> list[Item]:
    """What is planted under these ids in these cases, as items."""
    rows = PlantedItem.objects.filter(pk__in=wanted, case__in=cases, disclosed_at__isnull=True)
    return [as_item(row, row.case) for row in rows.select_related("case__identity")]


# --- said beforehand -----------------------------------------------------------------------------


def sentence_of(campaign: Campaign) -> str:
    """That a campaign has planted items; "" for most."""
    has = planting.of_campaign(campaign)
    return "" if has is None or has.items == 0 else table.sentence(has.share)


def in_queue(found: Sequence[Waiting]) -> dict[str, Any]:
    """The campaigns of a queue that have planted items."""
    rows: list[tuple[int, str, int]] = []
    asking = {one.campaign for one in found if one.campaign is not None}
    if asking:
        with connection.cursor() as cursor:
            cursor.execute(IN_QUEUE, [list(asking), MOST_CAMPAIGNS])
            rows = cursor.fetchall()
    return {
        "rows": [
            {"key": Campaign(number=number).key, "name": name, "words": table.sentence(share)}
            for number, name, share in rows
        ],
        "own_url": "/deciding/",
    }


# --- disclosed -----------------------------------------------------------------------------------


def of_case(parts: "Parts") -> dict[str, Any]:
    """What a case page says: that its campaign has planted items, and those that are disclosed."""
    case, me = parts.case, parts.user.person_id
    if case.campaign_id is None:
        return {"words": "", "rows": []}
    over = Q(campaign__state="closed") | Q(items=0)
    has = Planting.objects.filter(campaign=case.campaign_id).exclude(over).first()
    rows = list(PlantedItem.objects.filter(case=case, disclosed_at__isnull=False))
    own = {one.item_id: one for one in _answers(rows).filter(person=me)} if me else {}
    sits = any(me is not None and seat.person_id == me for seat in parts.seats)
    return {
        "words": "" if has is None else table.sentence(has.share),
        "rows": [_row(row, own.get(row.pk)) for row in rows if row.pk in own or sits],
    }


def _row(row: PlantedItem, given: PlantedAnswer | None) -> dict[str, Any]:
    return {
        "title": row.title,
        "note": row.note,
        "known": row.known,
        "given": "" if given is None else given.answer,
        "right": given is not None and given.answer == row.known,
        "why": table.PLANTS[row.plant].why,
        "at": row.disclosed_at,
    }


def own(user: User, *, since: datetime) -> dict[str, Any]:
    """What this user answered on planted items that are disclosed; nobody else's."""
    if user.person_id is None:
        return {"facts": [], "rows": []}
    rows = list(
        PlantedAnswer.objects.filter(
            person=user.person_id,
            superseded_at__isnull=True,
            at__gte=since,
            item__disclosed_at__isnull=False,
        )
        .select_related("item__case")
        .order_by("-at")
    )
    many, right, unsure = table.part([(row.answer, row.item.known) for row in rows])
    facts = [
        {"label": "Answered", "words": counted(many, "planted item")},
        {"label": "As known", "words": f"{right:,} of {many:,}"},
        {"label": "Don't know", "words": f"{unsure:,}", "note": "neither right nor wrong"},
    ]
    return {
        "facts": facts if many else [],
        "rows": [
            _row(row.item, row) | {"case": row.item.case.key, "url": f"/cases/{row.item.case.key}/"}
            for row in rows[:MOST_ROWS]
        ],
        "more": max(0, many - MOST_ROWS),
    }


def teams(*, since: datetime) -> list[dict[str, Any]]:
    """Sums over the people of each team that is large enough."""
    with connection.cursor() as cursor:
        fewest, most = attention.TEAM, MOST_TEAMS
        cursor.execute(TEAMS, {"since": since, "fewest": fewest, "most": most})
        return [
            {"name": name, "persons": persons, "items": items, "right": right, "unsure": unsure}
            for name, persons, items, right, unsure in cursor.fetchall()
        ]


def facts(campaign: Campaign) -> list[dict[str, Any]]:
    """How many are planted in a campaign, and what came of those that are disclosed."""
    has = planting.of_campaign(campaign)
    if has is None:
        return []
    if has.items is None:
        return [{"label": "Planted items", "words": f"{has.share} in 100, once all are open"}]
    if has.items == 0:
        return [{"label": "Planted items", "words": "none", "note": NONE_FITS}]
    known = PlantedAnswer.objects.filter(
        item__planting=has, item__disclosed_at__isnull=False, superseded_at__isnull=True
    ).values_list("answer", "item__known", "person")
    rows = list(known)
    many, right, _ = table.part([(given, answer) for given, answer, _ in rows])
    said = f"answered as known {right:,} of {many:,}; it informs only"
    if len({person for *_, person in rows}) < attention.TEAM:
        said = f"figures once {attention.TEAM} people have answered some"
    disclosed = has.rows.filter(disclosed_at__isnull=False).count()
    return [
        {
            "label": "Planted items",
            "words": f"{has.items:,} planted, {disclosed:,} disclosed",
            "note": said,
        }
    ]
