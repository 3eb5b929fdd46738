"""Okta: the System Log of an org, in the order in which it was published.

Source: developer.okta.com, System Log API: bounded and polling requests, `Link: rel="next"`,
`X-Rate-Limit-Reset`. Polling without `until` hands out late events behind the same link, so the
link itself is the cursor and nothing is missed. Only an empty page is the end: Okta may hand out
shorter pages than were asked for.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from evidence.formats.times import EPOCH, moment
from evidence.sources import tokens
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried
from evidence.sources.failures import Stopped

LIMIT = 1000


def _headers(asked: Asked) -> dict[str, str]:
    return {"Authorization": f"SSWS {asked.secret('token')}", "Accept": "application/json"}


class _Worn(Exception):
    """The page that the cursor names is no longer there."""


def _worn(answer: httpx.Response) -> Exception | None:
    return _Worn() if answer.status_code in (400, 404, 410) else None


def _first(asked: Asked, since: datetime) -> str:
    base = asked.settings["url"].rstrip("/")
    said = since.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return f"{base}/api/v1/logs?since={said}&sortOrder=ASCENDING&limit={LIMIT}"


def _events(answer: httpx.Response) -> list[Any]:
    events = tokens.parsed(answer)
    if type(events) is not list:
        raise Stopped("The answer is no list of events.", "Check the org's address.")
    return events


def _begins(asked: Asked) -> str:
    """The link that was kept; without one, from the event that was last, or the pull's time."""
    last = moment(asked.cursor.get("last"))
    since = asked.since if last is None else EPOCH + timedelta(microseconds=last)
    return str(asked.cursor.get("next") or _first(asked, since))


def pages(asked: Asked) -> Iterator[Page]:
    """Events since the cursor, until a page is empty: how long a page is says nothing."""
    url, kept = _begins(asked), "next" in asked.cursor
    host = urlsplit(asked.settings["url"]).netloc
    while True:
        if urlsplit(url).netloc != host:
            raise Stopped(
                f"The cursor leads to {urlsplit(url).netloc}, not to {host}.",
                "Connect the source again.",
            )
        try:
            answer = (
                asked.http.get(url, headers=_headers(asked), explain=_worn)
                if kept
                else asked.http.get(url, headers=_headers(asked))
            )
        except _Worn:
            # From where it was complete; reading again doubles nothing.
            url, kept = _first(asked, asked.since), False
            continue
        kept = False
        events = _events(answer)
        following = answer.links.get("next", {}).get("url", "")
        said = events[-1].get("published") if events and type(events[-1]) is dict else None
        last = moment(said)
        reached = None if last is None else EPOCH + timedelta(microseconds=last)
        cursor: dict[str, Any]
        if following:
            cursor = {"next": following}
        elif last is not None:
            cursor = {"last": said}
        else:
            cursor = dict(asked.cursor) if not events else {}
        yield Page(
            body=answer.content if events else b"",
            cursor=cursor,
            format="okta",
            reached=reached,
        )
        if not events or following in ("", url):
            return
        url = following


def check(asked: Asked) -> Iterator[Check]:
    base = asked.settings["url"].rstrip("/")

    def look() -> str:
        _events(asked.http.get(f"{base}/api/v1/logs?limit=1", headers=_headers(asked)))
        return f"{base} answers with its log"

    yield tried("read the System Log", look)


CONNECTOR = Connector(
    name="okta",
    title="Okta org",
    format="okta",
    plane="identity",
    fields=(
        Field("url", "Address of the org", "url", help="as in https://example.okta.com"),
        Field("token", "API token", "secret", help="of a read-only administrator: okta.logs.read"),
    ),
    pages=pages,
    check=check,
    needs="okta.logs.read (a Read-Only Administrator's API token)",
)
