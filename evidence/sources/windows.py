"""Logs that are asked by stretches of time: which stretch is next, and what came late.

Owns the cursor of connectors whose system can be asked "from then to then" but not "what is new":
a lane is one log's part of the cursor. A run goes from where the last one ended, less a little
(`near`), to now, in windows; within a window the system's own paging goes on, in whatever order
it likes. Now and then a run begins further back (`far`), for records that their system published
late. Reading again costs requests and doubles nothing. Pure.

A record that is published up to `far` after it happened is found: the sweep at or after its
publishing begins `far` before the sweep ahead of it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from evidence.sources.contract import Silent
from evidence.sources.failures import Stopped

type Lane = dict[str, Any]


class Rule(NamedTuple):
    """How one system's log is asked."""

    longest: timedelta  # one window
    near: timedelta  # read again by each run
    far: timedelta = timedelta(0)  # read again by a sweep; nothing: there are no sweeps
    sweep_every: timedelta = timedelta(hours=1)


def written(at: datetime) -> str:
    """A moment as cursors keep it, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def through(lane: Mapping[str, Any]) -> datetime | None:
    """Up to when everything was handed out; None before the first run has got anywhere."""
    return moment(lane["through"]) if "through" in lane else None


def start(
    lane: Mapping[str, Any], *, since: datetime, until: datetime, rule: Rule
) -> tuple[datetime, bool] | None:
    """(where a new run begins, whether it is a sweep); None: one is under way, or nothing is due."""
    if "at" in lane or "begins" in lane:
        return None
    done = through(lane)
    if done is None:
        return since.replace(microsecond=0), True
    if done >= until.replace(microsecond=0):
        return None
    swept = moment(lane["swept"]) if "swept" in lane else done
    if rule.far and until - swept >= rule.sweep_every:
        return min(swept - rule.far, done - rule.near), True
    return done - rule.near, False


def opened(lane: Mapping[str, Any], *, since: datetime, until: datetime, rule: Rule) -> Lane | None:
    """The lane with a window open; None when everything up to `until` was handed out."""
    if "begins" in lane:
        return dict(lane)
    until = until.replace(microsecond=0)
    begun = start(lane, since=since, until=until, rule=rule)
    made = dict(lane)
    if begun is not None:
        made |= {"at": written(begun[0]), "sweep": begun[1]}
    elif "at" not in lane:
        return None
    begins = moment(made.pop("at"))
    if begins >= until:
        return None
    ends = min(begins + rule.longest, until)
    return made | {"begins": written(begins), "ends": written(ends), "page": ""}


def turned(lane: Mapping[str, Any], page: str) -> Lane:
    """The lane after a page of its window: the system's paging goes on at `page`."""
    return dict(lane) | {"page": page}


def followed(lane: Mapping[str, Any], page: str) -> Lane:
    """`turned`, where the system itself names the page that follows. Raises Stopped when it names
    the one that was just read: reading would never end."""
    if page == lane["page"]:
        raise Stopped(
            "The system names the page that was read as the one after it.",
            "Report this to whoever runs it: what lies behind this page cannot be read.",
        )
    return turned(lane, page)


def closed(lane: Mapping[str, Any], *, until: datetime) -> Lane:
    """The lane after the last page of its window; of what lies after `until` nothing was there."""
    ends = min(moment(lane["ends"]), until.replace(microsecond=0))
    done = max(ends, through(lane) or ends)
    made: Lane = {"through": written(done)}
    if "swept" in lane:
        made["swept"] = lane["swept"]
    if ends < until.replace(microsecond=0):
        return made | {"at": lane["ends"], "sweep": lane["sweep"]}
    if lane["sweep"]:
        made["swept"] = written(ends)
    return made


def forgotten(
    lane: Mapping[str, Any],
    *,
    since: datetime,
    until: datetime,
    rule: Rule,
    kept: timedelta,
    reason: str,
) -> Silent | None:
    """The stretch that a run about to begin would ask for, and that its system keeps no more."""
    begun = start(lane, since=since, until=until, rule=rule)
    limit = (until - kept).replace(microsecond=0)
    if begun is None:
        return None
    # What a sweep reads again was read already.
    begins = max(begun[0], through(lane) or begun[0])
    return Silent(begins, limit, reason) if begins < limit else None
