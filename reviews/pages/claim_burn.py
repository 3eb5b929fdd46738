"""The burn-down of what nobody owns: days as lines and as a table, and whom it waits for.

Owns the context of templates/unclaimed_burn.html; every number of today leads to its rows
(claim_things.py). What stood on earlier days is kept as counts only.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from identities.claims import asking, counting, rights
from identities.models import ClaimDay, User
from reviews.pages import claim_chart
from reviews.pages.claim_things import ANSWERS, QUESTIONS, THINGS, address, team_of
from reviews.pages.claim_wave import labels, tabs

SHOWN_DAYS = 60


def burn_down(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/unclaimed_burn.html."""
    days = counting.days(now=now)
    wave = asking.running()
    nobody = counting.nobody()
    called = labels(one.bundle for one in nobody)
    run = rights.why_not_run(user, now=now) or ""
    return {
        "section": "unclaimed",
        "title": "Burn-down",
        "tabs": tabs(user, "burn"),
        "now": now,
        "last": _last(days),
        "to": {
            "left": address(THINGS, stands="left"),
            "unowned": address(THINGS, stands="left", of="identity"),
            "unclaimed": address(THINGS, stands="left", of="actor"),
            "asked": address(THINGS, stands="asked"),
            "nobody": address(THINGS, stands="nobody"),
            "owned": address(THINGS, stands="owned"),
        },
        "chart": claim_chart.chart(days),
        "days": [_day(row, now.date()) for row in days[::-1][:SHOWN_DAYS]],
        "forecast": counting.forecast(days),
        "teams": [_waits(one) for one in counting.waiting()],
        "nobody": [
            {
                **one._asdict(),
                "label": called[one.bundle],
                "url": address(THINGS, stands="nobody", about=one.bundle),
            }
            for one in nobody
        ],
        "run_why_not": run,
        "wave": None
        if wave is None
        else {
            "since": wave.started_at,
            "by": wave.started_by_name,
            "reason": wave.reason,
            "at_once": wave.at_once,
            "share": wave.share,
            "patience": wave.patience_days,
        },
        "terms": asking.Terms()._asdict(),
        "acts": [
            {
                "words": "End the wave",
                "url": "/unclaimed/wave/end/",
                "icon": "player-pause",
                "ask": "Why nobody is asked anything new; it goes into the ledger",
                "why_not": run,
            }
        ]
        if wave is not None
        else [],
    }


def _day(row: ClaimDay, today: date) -> dict[str, Any]:
    return {
        "day": row.day,
        "left": counting.left_of(row),
        "unowned": row.unowned,
        "unclaimed": row.unclaimed,
        "asked": row.asked,
        "nobody": row.nobody,
        "owned": row.owned,
        "answers": row.answers,
        "today": row.day == today,
        "answers_url": address(ANSWERS, day=row.day.isoformat()) if row.answers else "",
    }


def _waits(one: counting.Waits) -> dict[str, Any]:
    team = team_of(one.team)
    return one._asdict() | {
        "questions_url": address(QUESTIONS, team=team),
        "asked_url": address(THINGS, stands="asked", team=team),
        "later_url": address(THINGS, stands="later", team=team),
        "owned_url": address(THINGS, stands="owned", team=team),
    }


def _last(days: Sequence[ClaimDay]) -> dict[str, Any] | None:
    if not days:
        return None
    last = days[-1]
    before = next((row for row in days if row.day >= last.day - timedelta(days=7)), last)
    change = counting.left_of(before) - counting.left_of(last)
    if before.day == last.day or change == 0:
        words = "" if before.day == last.day else f"as many as on {before.day:%-d %b}"
    else:
        words = f"{abs(change):,} {'fewer' if change > 0 else 'more'} than on {before.day:%-d %b}"
    return {
        "left": counting.left_of(last),
        "unowned": last.unowned,
        "unclaimed": last.unclaimed,
        "asked": last.asked,
        "nobody": last.nobody,
        "owned": last.owned,
        "change": words,
    }
