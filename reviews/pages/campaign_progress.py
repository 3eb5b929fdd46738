"""How far a campaign is, in a page's words: by item, stage, seat and person, each number a link.

Owns that part of templates/campaign.html. Reads what the worker counted
(reviews/campaigns/progress.py); the rows under a number are campaign_rows.py.
"""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Count

from evidence.parameters import whole
from evidence.words import percent
from reviews.campaigns import progress
from reviews.campaigns.inside import NOBODY, STANDS
from reviews.models import Campaign, CampaignIdentity
from reviews.pages.campaign_rows import path_of
from reviews.permissions import SEAT_WORDS

# Each is a row of five links; who has most left comes first.
PER_PAGE = 25


def share(part: int, whole: int) -> int | None:
    """A part of a whole in percent; None of nothing."""
    return percent(part, whole) if whole else None


def of(one: Campaign, asked: dict[str, str], *, blind: bool) -> dict[str, Any]:
    """The part of the page while it runs and afterwards."""
    done = progress.read(one)
    seat = asked.get("seat", "")
    parts = [part for part in done.parts if not seat or part.seat == seat]
    number = whole(asked.get("page", "")) or 1
    first = (max(1, min(number, 10_000)) - 1) * PER_PAGE
    rows_ = parts[first : first + PER_PAGE]
    parties, persons = progress.names(rows_)
    path = f"/campaigns/{one.key}/"

    def link(page: int) -> str:
        return f"{path}?{urlencode({**({'seat': seat} if seat else {}), 'page': page})}"

    page = first // PER_PAGE + 1
    return {
        "progress": {
            "at": done.at,
            "identities": done.identities,
            "opened": done.opened,
            "left_out": done.left_out,
            "joined": done.joined,
            "items": done.items,
            "decided": done.decided,
            "share": share(done.decided, done.items),
            "conflicts": 0 if blind else done.conflicts,
            "cases": [
                {"state": state, "n": many, "url": path_of(one, "reviews", state=state)}
                for state, many in sorted(done.cases.items())
            ],
            "left": done.items - done.decided,
            "stages": [_stage(one, stage) for stage in done.stages],
            "open": done.open_cases,
        },
        "seats": [
            {**_part(one, part), "words": SEAT_WORDS[part.seat], "url": f"{path}?seat={part.seat}"}
            for part in done.seats
        ],
        "tabs": [{"words": "All seats", "url": path, "on": not seat, "n": None}]
        + [
            {
                "words": SEAT_WORDS[part.seat],
                "url": f"{path}?seat={part.seat}",
                "on": seat == part.seat,
                "n": None,
            }
            for part in done.seats
        ],
        "parts": [
            {
                **_part(one, part),
                "words": SEAT_WORDS[part.seat],
                "party": parties.get(part.party, "") if part.party else "",
                "person": persons.get(part.person, "") if part.person else "",
            }
            for part in rows_
        ],
        "left_out": _left_out(one) if done.left_out else [],
        "page": {
            "first": first + 1 if rows_ else 0,
            "last": first + len(rows_),
            "total": len(parts),
            "prev_url": link(page - 1) if page > 1 else "",
            "next_url": link(page + 1) if first + PER_PAGE < len(parts) else "",
        },
    }


def _left_out(one: Campaign) -> list[dict[str, Any]]:
    rows = CampaignIdentity.objects.filter(campaign=one).exclude(left_out="")
    return [
        {"why": why, "n": n, "url": path_of(one, "identities", why=why)}
        for why, n in rows.values_list("left_out")
        .annotate(n=Count("pk"))
        .order_by("-n", "left_out")[:10]
    ]


def _stage(one: Campaign, stage: progress.StagePart) -> dict[str, Any]:
    urls = {name: path_of(one, "reviews", stage=stage.name, stands=name) for name in STANDS}
    return stage._asdict() | {"urls": urls}


def _part(one: Campaign, part: progress.Part) -> dict[str, Any]:
    said = {"seat": part.seat}
    if part.whose:
        said |= {"party": str(part.party or NOBODY), "person": str(part.person or NOBODY)}
    items, reviews = path_of(one, "items", **said), path_of(one, "reviews", **said)
    return {
        "reviews": part.reviews,
        "reviews_done": part.reviews_done,
        "items": part.items,
        "answered": part.answered,
        "left": part.left,
        "share": share(part.answered, part.items),
        "to": {
            "items": items,
            "given": f"{items}&answer=given",
            "missing": f"{items}&answer=missing",
            "reviews": reviews,
            "done": f"{reviews}&done=yes",
        },
    }
