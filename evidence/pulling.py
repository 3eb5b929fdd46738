"""What a source's page shows of its pulls: how it is pulled, the live one, those before.

Owns the words around the rows; must not know of requests.
"""

from datetime import datetime
from typing import Any

from evidence import connecting, pulls, second_person
from evidence.models import Connection, Pull, Source
from evidence.permissions import Reader
from evidence.sources import CONNECTORS

SHOWN = 10
# A clock that is further off than this is worth a word.
SKEW_SHOWS = 2.0


def context(source: Source, by: Reader, *, now: datetime) -> dict[str, Any]:
    """Empty `link` for a source that sends by itself."""
    link = Connection.objects.filter(source=source).first()
    path = f"/sources/{source.name}/"
    why_not = by.why_not_administer or ""
    if link is None:
        return {"link": None, "connect_url": "" if why_not else f"{path}connect/", "rows": []}
    rows = [
        _row(one, now) for one in Pull.objects.filter(source=source).order_by("-asked_at")[:SHOWN]
    ]
    live = rows[0] if rows and rows[0]["live"] else None
    takes_two = not link.paused and second_person.waits(source, by)
    pause = _act(
        "Go on" if link.paused else "Pause",
        f"{path}pause/",
        "player-play" if link.paused else "player-pause",
        why_not,
        paused="0" if link.paused else "1",
    )
    pull = [] if pulls.lists_only(link) else [_act("Pull now", f"{path}pull/", "refresh", why_not)]
    kind = CONNECTORS.get(link.connector)
    return {
        "link": {
            "title": kind.title if kind else link.connector,
            "settings": sorted(link.settings.items()),
            "every_seconds": link.every_seconds,
            "paused": link.paused,
            "next_at": link.next_at,
            "skew": _skew(link.skew_seconds or 0.0),
            "needs": kind.needs if kind else "",
            "lists_only": pulls.lists_only(link),
        },
        "live": live,
        "rows": rows,
        "part_url": f"{path}pulls/",
        "connect_url": "" if why_not else f"{path}connect/",
        "acts": [
            *([_act("Cancel", f"{path}cancel/", "ban", why_not)] if live else pull),
            _act("Test the connection", f"{path}check/", "plug-connected", why_not),
            *([] if takes_two else [pause]),
        ],
        # Not among what is polled: a reason is written there.
        "pause": {
            "url": f"{path}pause/",
            "why_not": by.why_not_pause or "",
            "not_at_once": "its system sends its log, so that no pull can be stopped"
            if pulls.lists_only(link)
            else connecting.why_not_put_off(source, now=now),
        }
        if takes_two
        else None,
    }


def _skew(seconds: float) -> dict[str, Any] | None:
    """How far its clock is from ours, and what that does to a pull; None: not worth a word."""
    if abs(seconds) <= SKEW_SHOWS:
        return None
    behind = "behind ours: a pull goes as far as its time."
    return {"apart": round(abs(seconds)), "words": "ahead of ours." if seconds > 0 else behind}


def _act(words: str, url: str, icon: str, why_not: str, **hidden: str) -> dict[str, Any]:
    return {
        "words": words,
        "url": url,
        "icon": icon,
        "why_not": why_not,
        "hidden": [{"name": name, "value": value} for name, value in hidden.items()],
    }


def _row(pull: Pull, now: datetime) -> dict[str, Any]:
    share = pulls.share(pull)
    left = pulls.seconds_left(pull, now=now)
    began = pull.started_at or pull.asked_at
    seconds = ((pull.ended_at or now) - began).total_seconds()
    return {
        "id": pull.pk,
        "state": pull.state,
        "live": pull.state in Pull.LIVE,
        "asked_at": pull.asked_at,
        "by": pull.asked_name or pull.asked_by,
        "share": None if share is None else round(100 * share),
        "pages": pull.pages,
        "records": pull.records,
        "total": pull.total,
        "events": pull.events,
        "duplicates": pull.duplicates,
        "rejects": pull.rejects,
        "old": pull.records - pull.events - pull.duplicates - pull.rejects,
        "bytes": pull.received_bytes,
        "since": pull.since,
        "until": pull.until,
        "reached": pull.reached,
        "per_second": round(pull.records / seconds) if pull.records and seconds >= 1 else None,
        "left": None if left is None else max(1, round(left)),
        "retries": pull.retries,
        "not_before": pull.not_before if pull.state == Pull.WAITING else None,
        "problem": pull.problem,
        "fix": pull.fix,
        "cancel": pull.cancel,
    }
