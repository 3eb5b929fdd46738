"""Okta: the System Log of an org, in the order in which it was published.

Source: developer.okta.com, System Log API: bounded and polling requests, `Link: rel="next"`,
`X-Rate-Limit-Reset`. Polling without `until` hands out late events behind the same link, so the
link itself is the cursor and nothing is missed.
"""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import orjson

from evidence.formats.times import EPOCH, moment
from evidence.sources.contract import Asked, Check, Connector, Field, Page
from evidence.sources.failures import Stopped

LIMIT = 1000


def _headers(asked: Asked) -> dict[str, str]:
    return {"Authorization": f"SSWS {asked.secret('token')}", "Accept": "application/json"}


def _first(asked: Asked) -> str:
    base = asked.settings["url"].rstrip("/")
    since = asked.since.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return f"{base}/api/v1/logs?since={since}&sortOrder=ASCENDING&limit={LIMIT}"


def pages(asked: Asked) -> Iterator[Page]:
    """Events since the cursor, a thousand a page, until a page is not full."""
    url = str(asked.cursor.get("next") or _first(asked))
    host = urlsplit(asked.settings["url"]).netloc
    while True:
        if urlsplit(url).netloc != host:
            raise Stopped(
                f"The cursor leads to {urlsplit(url).netloc}, not to {host}.",
                "Connect the source again.",
            )
        answer = asked.http.get(url, headers=_headers(asked))
        events = orjson.loads(answer.content)
        if type(events) is not list:
            raise Stopped("The answer is no list of events.", "Check the org's address.")
        url = answer.links.get("next", {}).get("url", url)
        last = moment(events[-1].get("published")) if events else None
        reached = None if last is None else EPOCH + timedelta(microseconds=last)
        yield Page(
            body=answer.content if events else b"",
            cursor={"next": url},
            format="okta",
            reached=reached,
        )
        if len(events) < LIMIT:
            return


def check(asked: Asked) -> Iterator[Check]:
    base = asked.settings["url"].rstrip("/")
    answer = asked.http.get(f"{base}/api/v1/logs?limit=1", headers=_headers(asked))
    found = orjson.loads(answer.content)
    yield Check("read the System Log", type(found) is list, f"{base} answers with its log")


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
