"""How aligned we are, as the front page draws it: shares, the line beside each, its change.

Owns the words and the points of the lines. What is counted is reviews/shares.py.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from evidence.words import counted
from identities import visible
from identities.models import User
from reviews import shares
from reviews.shares import Counted, Share

CHANGE = timedelta(days=30)


def of(
    user: User, *, now: datetime, which: Sequence[Share] = shares.SHARES
) -> list[dict[str, Any]]:
    """Each share over what this user may open. The lines are of everything, so for who sees all."""
    found = shares.counts(shares.of_user(user, now=now), now=now, which=which)
    kept = shares.kept(now=now) if visible.sees_all(user) else {}
    return [_shown(one, found[one.name], kept.get(one.name, {}), today=now.date()) for one in which]


def _shown(
    one: Share, now: Counted, kept: Mapping[date, Counted], *, today: date
) -> dict[str, Any]:
    first = today - shares.WINDOW + timedelta(days=1)
    days = [first + timedelta(days=n) for n in range(shares.WINDOW.days)]
    by_day = {**kept, today: now}
    points = [by_day[day].percent if day in by_day else None for day in days]
    drawn = sum(point is not None for point in points)
    return {
        "title": one.title,
        "value": "–" if now.percent is None else f"{now.percent:.1f}",
        "unit": "" if now.percent is None else "%",
        "goal": f"{one.goal} %",
        "goal_at": one.goal,
        "part": now.part,
        "whole": counted(now.whole, *one.things.split(",")),
        "lacking": f"{now.whole - now.part:,} {one.lacking}" if now.part < now.whole else "",
        "part_url": one.has,
        "whole_url": one.whole,
        "lacking_url": one.lacks,
        "change": _change(now, kept, today=today),
        "points": points if drawn > 1 else [],
        "label": _label(one, now, kept, today=today),
    }


def _change(now: Counted, kept: Mapping[date, Counted], *, today: date) -> dict[str, Any] | None:
    """Against thirty days ago, or the first day after that which was counted."""
    before = min((day for day in kept if day >= today - CHANGE), default=None)
    if before is None or now.percent is None or kept[before].percent is None:
        return None
    points = round(now.percent - (kept[before].percent or 0), 1)
    since = f"{CHANGE.days} d" if before == today - CHANGE else f"since {before:%-d %b}"
    return {"points": f"{abs(points):.1f} pt", "way": (points > 0) - (points < 0), "since": since}


def _label(one: Share, now: Counted, kept: Mapping[date, Counted], *, today: date) -> str:
    """What the line says to somebody who does not see it."""
    if not kept or now.percent is None:
        return one.title
    first = min(kept)
    was = kept[first].percent
    missing = (today - first).days - len(kept)
    gap = f"; {counted(missing, 'day')} not counted" if missing else ""
    since = "nothing to count" if was is None else f"{was:.1f} %"
    return (
        f"{one.title}: {since} on {first:%-d %b}, {now.percent:.1f} % today; goal {one.goal} %{gap}"
    )
