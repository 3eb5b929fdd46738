"""Splunk: what a saved search finds, in the order of indexing.

Source: Splunk's REST API reference: `saved/searches/{name}` (its search string),
`search/v2/jobs/export` (streams all results; `index_earliest` and `index_latest` bound the time
of indexing, `earliest_time` and `latest_time` that of events), "Basic concepts" (bearer tokens).
Asking by the time of indexing finds what came late. Each stretch asks for one row more than a page
may have; where it comes, half of the stretch is asked.

The search has to hand out events, not statistics: it is cut into stretches.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import orjson

from evidence.sources import originals, windows
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried
from evidence.sources.failures import Later, Stopped, TooLarge
from evidence.sources.tokens import document

# An event can be searched for a little after the time of its indexing.
RULE = windows.Rule(longest=timedelta(hours=6), near=timedelta(minutes=5))
LIMIT = 20_000
# How far the time of an event may lie before that of its indexing; clocks may be ahead too.
LATE, AHEAD = timedelta(days=7), timedelta(days=1)
TIMEOUT = httpx.Timeout(300.0, connect=5.0)
# Where a row lies and in which order it was found: other answers for the same event.
_PASSING = "_bkt, _cd, _serial, _si, _eventtype_color, _kv, splunk_server, splunk_server_group"


class Stretch(NamedTuple):
    """Seconds of indexing time: from, for how long."""

    begins: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.begins}:{self.seconds}"


def _url(asked: Asked) -> str:
    return asked.settings["url"].rstrip("/")


def _headers(asked: Asked) -> dict[str, str]:
    return {"Authorization": f"Bearer {asked.secret('token')}"}


def _refused(answer: httpx.Response) -> Exception | None:
    messages = document(answer).get("messages")
    first = messages[0] if type(messages) is list and messages else None
    said = str(first.get("text", ""))[:300] if type(first) is dict else ""
    if answer.status_code in (400, 403) and said:
        return Stopped(f"Splunk refuses: {said}", "Mend the search, or the rights of the token.")
    return None


def _search(asked: Asked) -> str:
    """The saved search's text, ready to be run."""
    name, app = asked.settings["search"], asked.settings["app"]

    def explain(answer: httpx.Response) -> Exception | None:
        if answer.status_code == 404:
            return Stopped(
                f"There is no saved search {name[:100]!r} in the app {app[:100]}.",
                "Name one that the token's user may read, and its app.",
            )
        return _refused(answer)

    answer = asked.http.get(
        f"{_url(asked)}/servicesNS/-/{quote(app, safe='')}/saved/searches/{quote(name, safe='')}",
        params={"output_mode": "json"},
        headers=_headers(asked),
        explain=explain,
    )
    entries = document(answer).get("entry")
    first = entries[0] if type(entries) is list and entries else None
    content = first.get("content") if type(first) is dict else None
    text = content.get("search") if type(content) is dict else None
    if type(text) is not str or not text.strip():
        raise Stopped("The answer is no saved search.", "Check the address of Splunk's REST API.")
    text = text.strip()
    return text if text.startswith("|") or text.split()[0] == "search" else f"search {text}"


def pages(asked: Asked) -> Iterator[Page]:
    """What was indexed since the cursor, in stretches that fit a page."""
    lane: windows.Lane = dict(asked.cursor)
    search, longest = "", 0
    while (
        open_ := windows.opened(lane, since=asked.since, until=asked.horizon, rule=RULE)
    ) is not None:
        search = search or _search(asked)
        begins, ends = (int(windows.moment(open_[one]).timestamp()) for one in ("begins", "ends"))
        stretch = Stretch(begins, ends - begins)
        if open_["page"]:
            stretch = Stretch(*(int(part) for part in str(open_["page"]).split(":")))
        stretch = stretch._replace(seconds=min(longest or stretch.seconds, stretch.seconds))
        rows = _found(asked, search, stretch)
        if rows is None:
            longest = stretch.seconds // 2
            lane = windows.turned(open_, str(stretch._replace(seconds=longest)))
            continue
        after = stretch.begins + stretch.seconds
        if after < ends:
            longest = stretch.seconds if len(rows) > LIMIT // 2 else stretch.seconds * 2
            lane = windows.turned(open_, str(Stretch(after, min(longest, ends - after))))
        else:
            longest = 0
            lane = windows.closed(open_, until=asked.horizon)
        found = originals.bodies(rows)
        for body in found[:-1]:
            yield Page(body, open_)
        yield Page(
            body=found[-1] if found else b"",
            cursor=lane,
            name=f"{asked.settings['search']} {open_['begins']}",
            reached=windows.through(lane),
        )


def _found(asked: Asked, search: str, stretch: Stretch) -> list[tuple[str, dict[str, Any]]] | None:
    """(the original, the row) of all that was indexed in a stretch; None: more than a page."""
    # One second is not cut further: it comes whole, whatever it holds.
    bound = f" | head {LIMIT + 1}" if stretch.seconds > 1 else ""
    try:
        answer = _exported(asked, f"{search}{bound} | fields - {_PASSING}", stretch)
    except TooLarge:
        if not bound:
            raise
        return None
    rows = _rows(answer.content)
    return None if bound and len(rows) > LIMIT else rows


def _exported(asked: Asked, search: str, stretch: Stretch) -> httpx.Response:
    return asked.http.request(
        "POST",
        f"{_url(asked)}/services/search/v2/jobs/export",
        data={
            "search": search,
            "index_earliest": str(stretch.begins),
            "index_latest": str(stretch.begins + stretch.seconds),
            "earliest_time": str(stretch.begins - int(LATE.total_seconds())),
            "latest_time": str(stretch.begins + stretch.seconds + int(AHEAD.total_seconds())),
            "output_mode": "json",
            "preview": "0",
        },
        headers=_headers(asked),
        timeout=TIMEOUT,
        explain=_refused,
    )


def _rows(content: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The rows of an export: one document a line. Raises Later where it was broken off."""
    rows = []
    for line in content.split(b"\n"):
        if not line.strip():
            continue
        try:
            said = orjson.loads(line)
        except (ValueError, RecursionError):
            raise Later("Splunk's answer was broken off") from None
        if type(said) is not dict:
            raise Stopped("The answer is no export of Splunk.", "Check the address.")
        for message in said.get("messages") or ():
            if type(message) is dict and message.get("type") in ("FATAL", "ERROR"):
                raise Later(f"Splunk says: {str(message.get('text', ''))[:300]}")
        row = said.get("result")
        if said.get("preview") or type(row) is not dict:
            continue
        raw = row.get("_raw")
        rows.append((raw if type(raw) is str else "", row))
    return rows


def check(asked: Asked) -> Iterator[Check]:
    """The token, the saved search, then a run of it."""

    def signed_in() -> str:
        answer = asked.http.get(
            f"{_url(asked)}/services/authentication/current-context",
            params={"output_mode": "json"},
            headers=_headers(asked),
            explain=_refused,
        )
        entries = document(answer).get("entry")
        first = entries[0] if type(entries) is list and entries else {}
        content = first.get("content") if type(first) is dict else None
        name = content.get("username") if type(content) is dict else None
        if type(name) is not str:
            raise Stopped(
                "The answer names no user of Splunk.", "Check the address of Splunk's REST API."
            )
        return f"the token is of the user {name[:100]}"

    def saved() -> str:
        return f"the saved search is: {_search(asked)[:200]}"

    def run() -> str:
        until = int(asked.until.timestamp())
        found = _found(asked, _search(asked), Stretch(until - 60, 60))
        many = f"more than {LIMIT}" if found is None else str(len(found))
        return f"it finds {many} of what was indexed in the last minute"

    yield tried("sign in with the token", signed_in)
    yield tried("read the saved search", saved)
    yield tried("run it", run)


CONNECTOR = Connector(
    name="splunk",
    title="Splunk saved search",
    format="",
    plane="identity",
    fields=(
        Field("url", "Address of Splunk's REST API", "url", help="often with port 8089"),
        Field("token", "Token", "secret", help="an authentication token"),
        Field("search", "Saved search", help="its name; it hands out events, not statistics"),
        Field("app", "App of the search", default="search"),
    ),
    pages=pages,
    check=check,
    gap_free=False,  # what never reached Splunk is not missed by it
    needs="a role with the capability search, read on the saved search, and its indexes",
)
