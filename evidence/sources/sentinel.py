"""Microsoft Sentinel: what a query finds in a Log Analytics workspace, in the order of ingestion.

Sources: learn.microsoft.com, Azure Monitor Log Analytics API (`/v1/workspaces/{id}/query`,
response format, `PartialError`, 200 requests in 30 seconds, 500,000 rows or 64 MB an answer),
`ingestion_time()` of the Kusto query language, Log Analytics "Saved Searches - Get", "OAuth 2.0
client credentials flow". Asking by the time of ingestion finds what came late, which in Azure is
hours at times. A page is the oldest rows of a window; the next one begins at the newest of them.

The query has to keep the time of ingestion: `where` and `extend` do, `summarize` and `join` do
not; that is looked at on every page, because such rows would be lost in silence.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import httpx

from evidence.sources import originals, tokens, windows
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried
from evidence.sources.failures import Stopped, TooLarge
from evidence.sources.fitting import Fitting
from evidence.sources.tokens import Bearer, Token, document

RULE = windows.Rule(longest=timedelta(days=1), near=timedelta(minutes=10))
LIMIT = 10_000
# How far the time of an event may lie before that of its ingestion; clocks may be ahead too.
LATE, AHEAD = timedelta(days=3), timedelta(days=1)
TIMEOUT = httpx.Timeout(200.0, connect=5.0)
INGESTED = "CountersignIngestedAt"
_RESOURCES = "2020-08-01"


class Service(NamedTuple):
    """One of Azure's services, which has tokens of its own."""

    url: str
    bearer: Bearer


def _service(asked: Asked, setting: str) -> Service:
    url = asked.settings[setting].rstrip("/")
    login = asked.settings["login"].rstrip("/")

    def fetch() -> Token:
        answer = asked.http.request(
            "POST",
            f"{login}/{asked.settings['tenant']}/oauth2/v2.0/token",
            data={
                "client_id": asked.settings["client_id"],
                "client_secret": asked.secret("secret"),
                "scope": f"{url}/.default",
                "grant_type": "client_credentials",
            },
            explain=_not_signed_in,
        )
        return tokens.granted(answer, by="The sign-in service")

    return Service(url, Bearer(fetch))


def _not_signed_in(answer: httpx.Response) -> Exception | None:
    said = str(document(answer).get("error_description", "")).split(":")[0][:40]
    return Stopped(
        f"The sign-in service refuses the application ({said or answer.status_code}).",
        "Check the tenant, the client id and the value of the secret.",
    )


def _refused(answer: httpx.Response) -> Exception | None:
    error = document(answer).get("error")
    # What is wrong with a query stands in the innermost of its errors.
    while type(error) is dict and type(error.get("innererror")) is dict:
        error = error["innererror"]
    said = f"{error.get('code', '')}: {error.get('message', '')}" if type(error) is dict else ""
    if answer.status_code == 403:
        return Stopped(
            f"The application may not read this ({said[:200]}).",
            "Give it the role Log Analytics Reader on the workspace.",
        )
    if answer.status_code in (400, 404) and said:
        return Stopped(f"Azure refuses: {said[:300]}", "Mend the query, or the workspace's id.")
    return None


def _query(asked: Asked) -> str:
    """The query: as it was given, or that of the saved search that was named."""
    given = asked.settings["query"].strip()
    if not given.startswith("/subscriptions/"):
        return given
    there = _service(asked, "resources")
    answer = asked.http.get(
        f"{there.url}{given}",
        params={"api-version": _RESOURCES},
        headers=there.bearer.header(),
        explain=_refused,
    )
    properties = document(answer).get("properties")
    text = properties.get("query") if type(properties) is dict else None
    if type(text) is not str or not text.strip():
        raise Stopped("The answer is no saved search.", "Check the resource id.")
    return text.strip()


def pages(asked: Asked) -> Iterator[Page]:
    """What was ingested since the cursor.

    The page in the cursor is a bound on the time of ingestion, as in `>=2026-11-24T12:00:00Z`.
    """
    lane: windows.Lane = dict(asked.cursor)
    there, query, size = _service(asked, "url"), "", Fitting(LIMIT)
    while (
        open_ := windows.opened(lane, since=asked.since, until=asked.horizon, rule=RULE)
    ) is not None:
        query = query or _query(asked)
        bound = str(open_["page"]) or f">={open_['begins']}"
        rows = size.fetched(partial(_found, asked, there, query, open_, bound))
        if bound.startswith("=="):
            following = f">{bound[2:]}"
        elif len(rows) < size.rows:
            following = ""
        else:
            newest = str(rows[-1][INGESTED])
            # All of one moment: they come whole, then what is after them.
            following = f"=={newest}" if bound == f">={newest}" else f">={newest}"
        lane = (
            windows.turned(open_, following)
            if following
            else windows.closed(open_, until=asked.horizon)
        )
        found = originals.bodies((_original(row), _without_mark(row)) for row in rows)
        for body in found[:-1]:
            yield Page(body, open_)
        yield Page(
            body=found[-1] if found else b"",
            cursor=lane,
            name=f"ingested from {open_['begins']}",
            reached=windows.through(lane),
        )


def _original(row: dict[str, Any]) -> str:
    raw = row.get("RawData")
    return raw if type(raw) is str else ""


def _without_mark(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != INGESTED}


def _found(
    asked: Asked, there: Service, query: str, window: windows.Lane, bound: str, most: int
) -> list[dict[str, Any]]:
    """The oldest rows within a bound, oldest first. Raises Stopped where one has no such time."""
    operator = bound.rstrip("0123456789-T:.Z")
    moment = f"datetime({bound[len(operator) :]})"
    begins, ends = windows.moment(window["begins"]), windows.moment(window["ends"])
    first = "" if operator == "==" else f"\n| top {most} by {INGESTED} asc nulls first"
    rows = _rows(
        asked,
        there,
        f"{query}\n| extend {INGESTED} = ingestion_time()"
        f"\n| where isnull({INGESTED}) or ({INGESTED} {operator} {moment}"
        f" and {INGESTED} < datetime({window['ends']})){first}",
        f"{windows.written(begins - LATE)}/{windows.written(ends + AHEAD)}",
    )
    if any(type(row.get(INGESTED)) is not str for row in rows[:1]):
        raise Stopped(
            "The query loses the time of ingestion, without which rows would be missed.",
            "Use where, extend and project-away in it; not summarize, join, union or project.",
        )
    return rows


def _rows(asked: Asked, there: Service, query: str, timespan: str) -> list[dict[str, Any]]:
    """The rows of a query, each with the names of its columns; empty cells are left out."""
    answer = asked.http.request(
        "POST",
        f"{there.url}/v1/workspaces/{asked.settings['workspace']}/query",
        json={"query": query, "timespan": timespan},
        headers=there.bearer.header() | {"Prefer": "wait=180"},
        timeout=TIMEOUT,
        explain=_refused,
    )
    found = document(answer)
    error = found.get("error")
    if type(error) is dict:
        raise TooLarge(
            f"The answer is not whole: {str(error.get('message', ''))[:300]}",
            "Let the query find less.",
        )
    tables = found.get("tables")
    table = tables[0] if type(tables) is list and tables else None
    if type(table) is not dict:
        raise Stopped("The answer is no table of Log Analytics.", "Check the address.")
    names = [str(column.get("name")) for column in table.get("columns") or ()]
    return [
        {name: cell for name, cell in zip(names, row, strict=False) if cell not in (None, "")}
        for row in table.get("rows") or ()
    ]


def check(asked: Asked) -> Iterator[Check]:
    """The sign-in, the query's text, then a run of it."""
    there = _service(asked, "url")

    def signed_in() -> str:
        there.bearer.header()
        return f"the application has a token of {asked.settings['tenant']}"

    def text() -> str:
        return f"the query is: {_query(asked)[:200]}"

    def run() -> str:
        ends = windows.written(asked.until)
        window = {"begins": windows.written(asked.since), "ends": ends}
        query, bound = f"{_query(asked)}\n| take 10", f">={window['begins']}"
        rows = _found(asked, there, query, window, bound, LIMIT)
        return f"it runs, and keeps the time of ingestion ({len(rows)} of 10 rows looked at)"

    first = tried("sign in as the application", signed_in)
    yield first
    if first.ok:
        yield tried("read the query", text)
        yield tried("run it", run)


CONNECTOR = Connector(
    name="sentinel",
    title="Microsoft Sentinel query",
    format="",
    plane="identity",
    fields=(
        Field("tenant", "Directory (tenant) id"),
        Field("client_id", "Application (client) id"),
        Field("secret", "Client secret", "secret", help="its value"),
        Field("workspace", "Workspace id", help="of the Log Analytics workspace"),
        Field(
            "query",
            "Query",
            help="in KQL, or the resource id of a saved search: /subscriptions/…/savedSearches/…",
        ),
        Field(
            "url",
            "Address of Log Analytics",
            "url",
            required=False,
            default="https://api.loganalytics.azure.com",
        ),
        Field(
            "resources",
            "Address of Azure Resource Manager",
            "url",
            required=False,
            default="https://management.azure.com",
            help="asked for a saved search only",
        ),
        Field(
            "login",
            "Address of the sign-in service",
            "url",
            required=False,
            default="https://login.microsoftonline.com",
        ),
    ),
    pages=pages,
    check=check,
    gap_free=False,  # what never reached the workspace is not missed by it
    needs="the role Log Analytics Reader on the workspace",
)
