"""Elasticsearch: what a query finds in some indices, by a field of time.

Source: Elastic's API reference: "Open a point in time", "Search" (`pit`, `search_after`, sort by
a date with `format` and by `_shard_doc`), "Render a search template", API keys. The point in time
lives as long as a pull; a pull that was broken off opens another one and begins at the time of
the last hit, because the tie-breaker of one point in time means nothing in another.

Best is a field that says when a document was ingested (`event.ingested`): it finds what came
late. With `@timestamp`, `late_minutes` says how far back each pull begins.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import orjson

from evidence.sources import originals, windows
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried
from evidence.sources.failures import Later, Stopped
from evidence.sources.fitting import Fitting
from evidence.sources.tokens import document

LIMIT = 5_000
KEEP_ALIVE = "5m"
TIMEOUT = httpx.Timeout(90.0, connect=5.0)
_TEMPLATE = "template:"


def _rule(asked: Asked) -> windows.Rule:
    late = timedelta(minutes=int(asked.settings["late_minutes"]))
    return windows.Rule(longest=timedelta(days=1), near=late)


def _sent(asked: Asked, method: str, path: str, **options: Any) -> dict[str, Any]:
    answer = asked.http.request(
        method,
        f"{asked.settings['url'].rstrip('/')}/{path}",
        headers={"Authorization": f"ApiKey {asked.secret('api_key')}"},
        timeout=TIMEOUT,
        explain=_refused,
        **options,
    )
    return document(answer)


def _refused(answer: httpx.Response) -> Exception | None:
    error = document(answer).get("error")
    about = error if type(error) is dict else {}
    causes = about.get("root_cause")
    first = causes[0] if type(causes) is list and causes and type(causes[0]) is dict else about
    said = f"{first.get('type', '')}: {first.get('reason', '')}"[:300]
    if "search_context_missing" in said:
        return Later("the point in time has ended; another one is opened", 1.0)
    if answer.status_code == 401:
        return Stopped("Elasticsearch does not accept the API key.", "Give its encoded form.")
    if answer.status_code == 403:
        return Stopped(
            f"The API key may not do this ({said}).",
            "Give it the privileges read and view_index_metadata on the indices.",
        )
    if answer.status_code in (400, 404) and about:
        return Stopped(
            f"Elasticsearch refuses: {said}", "Mend the query, the indices or the field."
        )
    return None


def _query(asked: Asked) -> dict[str, Any]:
    """The query: of a stored search template, in Query DSL, or in Lucene's words."""
    given = asked.settings["query"].strip()
    if given.startswith(_TEMPLATE):
        name = given.removeprefix(_TEMPLATE).strip()
        found = _sent(asked, "POST", "_render/template", json={"id": name, "params": {}})
        output = found.get("template_output")
        query = output.get("query") if type(output) is dict else None
        if type(query) is not dict:
            raise Stopped(
                f"The search template {name[:100]!r} renders no query.", "Name one that has one."
            )
        return query
    if not given.startswith("{"):
        return {"query_string": {"query": given}}
    try:
        found = orjson.loads(given)
    except ValueError:
        raise Stopped("The query is no JSON.", "Give Query DSL, or words of Lucene.") from None
    inside = found.get("query", found)
    return inside if type(inside) is dict else found


@contextmanager
def _point(asked: Asked) -> Iterator[dict[str, str]]:
    """A point in time over the indices, let go at the end."""
    found = _sent(
        asked, "POST", f"{asked.settings['index']}/_pit", params={"keep_alive": KEEP_ALIVE}
    )
    point = {"id": str(found.get("id", "")), "keep_alive": KEEP_ALIVE}
    if not point["id"]:
        raise Stopped("The answer is no point in time.", "Check the address of Elasticsearch.")
    try:
        yield point
    finally:
        # It ends by itself a little later.
        with suppress(Later, Stopped):
            _sent(asked, "DELETE", "_pit", json={"id": point["id"]})


def pages(asked: Asked) -> Iterator[Page]:
    """Hits since the cursor, in the order of the field of time."""
    lane: windows.Lane = dict(asked.cursor)
    rule = _rule(asked)
    if windows.opened(lane, since=asked.since, until=asked.horizon, rule=rule) is None:
        return
    query, size = _query(asked), Fitting(LIMIT)
    with _point(asked) as point:
        after: list[Any] = []
        while (
            open_ := windows.opened(lane, since=asked.since, until=asked.horizon, rule=rule)
        ) is not None:
            between = (str(open_["page"]) or open_["begins"], open_["ends"])
            hits = size.fetched(partial(_found, asked, query, point, between, after))
            if len(hits) == size.rows:
                after = hits[-1].get("sort") or []
                if not after:
                    raise Stopped("A hit has no order.", "Check the field of time.")
                lane = windows.turned(open_, str(after[0]))
            else:
                after, lane = [], windows.closed(open_, until=asked.horizon)
            found = originals.bodies((_original(hit), _row(hit)) for hit in hits)
            for body in found[:-1]:
                yield Page(body, open_)
            yield Page(
                body=found[-1] if found else b"",
                cursor=lane,
                name=f"{asked.settings['index']} from {open_['begins']}",
                reached=windows.through(lane),
            )


def _found(
    asked: Asked,
    query: dict[str, Any],
    point: dict[str, str],
    between: tuple[str, str],
    after: list[Any],
    rows: int,
) -> list[dict[str, Any]]:
    """The next hits of a window, oldest first; `point` follows what the answer says."""
    field = asked.settings["time_field"]
    written = "strict_date_optional_time_nanos"
    found = _sent(
        asked,
        "POST",
        "_search",
        json={
            "size": rows,
            "track_total_hits": False,
            "query": {
                "bool": {
                    "filter": [
                        query,
                        {"range": {field: {"gte": between[0], "lt": between[1]}}},
                    ]
                }
            },
            "pit": point,
            "sort": [
                {field: {"order": "asc", "format": written}},
                {"_shard_doc": "asc"},
            ],
            **({"search_after": after} if after else {}),
        },
    )
    shards = found.get("_shards")
    if found.get("timed_out") or (type(shards) is dict and shards.get("failed")):
        raise Later("Elasticsearch could not ask all shards")
    point["id"] = str(found.get("pit_id") or point["id"])
    outer = found.get("hits")
    hits = outer.get("hits") if type(outer) is dict else None
    if type(hits) is not list:
        raise Stopped("The answer is no search of Elasticsearch.", "Check the address.")
    return [hit for hit in hits if type(hit) is dict]


def _row(hit: dict[str, Any]) -> dict[str, Any]:
    source = hit.get("_source")
    return source if type(source) is dict else {}


def _original(hit: dict[str, Any]) -> str:
    """The record as the agent or the pipeline kept it, where it did."""
    row = _row(hit)
    event = row.get("event")
    raw = row.get("event.original")
    if type(event) is dict:
        raw = event.get("original", raw)
    return raw if type(raw) is str else ""


def check(asked: Asked) -> Iterator[Check]:
    """The key, the query's text, then a search with it."""

    def signed_in() -> str:
        found = _sent(asked, "GET", "_security/_authenticate")
        if type(found.get("username")) is not str:
            raise Stopped("The answer names no user.", "Check the address of Elasticsearch.")
        return f"the API key is of {found['username'][:100]}"

    def text() -> str:
        return f"the query is: {orjson.dumps(_query(asked)).decode()[:200]}"

    def run() -> str:
        between = (windows.written(asked.since), windows.written(asked.until))
        with _point(asked) as point:
            hits = _found(asked, _query(asked), point, between, [], LIMIT)
        return f"it finds {len(hits)} documents of the last hour" + (
            " and more" if len(hits) == LIMIT else ""
        )

    yield tried("sign in with the API key", signed_in)
    yield tried("read the query", text)
    yield tried("search the indices", run)


CONNECTOR = Connector(
    name="elastic",
    title="Elasticsearch query",
    format="",
    plane="identity",
    fields=(
        Field("url", "Address of Elasticsearch", "url", help="often with port 9200 or 9243"),
        Field("api_key", "API key", "secret", help="its encoded form"),
        Field("index", "Indices", help="as in logs-aws.cloudtrail-*"),
        Field(
            "query",
            "Query",
            default="*",
            help="template:NAME of a stored search template, Query DSL, or words of Lucene",
        ),
        Field(
            "time_field",
            "Field of time",
            default="event.ingested",
            help="when a document was ingested, or else @timestamp",
        ),
        Field(
            "late_minutes",
            "Minutes that a document may be late",
            "number",
            default="10",
            help="each pull begins so far back; with @timestamp give hours",
        ),
    ),
    pages=pages,
    check=check,
    gap_free=False,  # what never reached the indices is not missed by them
    needs="an API key with the index privileges read and view_index_metadata",
)
