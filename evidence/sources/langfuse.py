"""Langfuse: the observations of one project, by the v2 API.

Sources: Langfuse's API definition (fern/apis/server: observations) and its documentation of the
Observations API v2: Basic authentication with a project's keys, pages of at most 1,000 with
`meta.cursor`, which alone says whether there is more (a page may be empty); data of older senders
up to 15 minutes late; 429 with Retry-After.

The API sorts and filters by times of the observation, never of its arrival, and an observation
arrives when it has ended. So a window is asked twice: for what started in it, and for what
started before it and ended in it.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import orjson

from evidence.sources import windows
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried
from evidence.sources.failures import Stopped
from evidence.sources.fitting import Fitting
from evidence.sources.tokens import document

RULE = windows.Rule(longest=timedelta(days=1), near=timedelta(minutes=20))
LATE_SECONDS = 15 * 60
# An observation that runs longer is not found by its end.
LONGEST_RUN = timedelta(days=7)
LIMIT = 1000
FIELDS = "core,basic,metadata,model,trace_context"
# Asking for a key in full makes the server send all metadata in full.
FULL = "attributes,resourceAttributes,scope"
LANES = ("started", "ended")


class _Worn(Exception):
    """A page that the cursor names is no longer there."""


def _url(asked: Asked) -> str:
    return f"{asked.settings['url'].rstrip('/')}/api/public"


def _keys(asked: Asked) -> httpx.BasicAuth:
    return httpx.BasicAuth(asked.secret("public_key"), asked.secret("secret_key"))


def _refused(answer: httpx.Response) -> Exception | None:
    said = str(document(answer).get("message", ""))[:300]
    if answer.status_code == 401:
        return Stopped("Langfuse does not accept the keys.", "Give both keys of one project.")
    if answer.status_code == 403:
        return Stopped(
            f"The keys may not read observations: {said or 'refused'}.",
            "Use the keys of a project, not of an organisation.",
        )
    if answer.status_code == 404:
        return Stopped(
            "There is no v2 observations API at this address.",
            "Name the address of a Langfuse of version 4 or newer, without a path.",
        )
    return None


def _time(column: str, operator: str, at: str) -> dict[str, str]:
    return {"type": "datetime", "column": column, "operator": operator, "value": at}


def _filter(lane: str, begins: str, ends: str) -> bytes:
    """What one window asks for; see the module's beginning."""
    if lane == "started":
        return orjson.dumps([_time("startTime", ">=", begins), _time("startTime", "<", ends)])
    oldest = windows.written(windows.moment(begins) - LONGEST_RUN)
    return orjson.dumps(
        [
            _time("startTime", ">=", oldest),
            _time("startTime", "<", begins),
            _time("endTime", ">=", begins),
            _time("endTime", "<", ends),
        ]
    )


def _worn(answer: httpx.Response) -> Exception | None:
    return _Worn() if answer.status_code in (400, 410, 422) else _refused(answer)


def _fetched(
    asked: Asked, parameters: dict[str, str], rows: int, *, worn: bool = False
) -> httpx.Response:
    return asked.http.get(
        f"{_url(asked)}/v2/observations",
        params=parameters | {"limit": str(rows)},
        auth=_keys(asked),
        explain=_worn if worn else _refused,
    )


def pages(asked: Asked) -> Iterator[Page]:
    """What started, then what ended since the cursor."""
    cursor = dict(asked.cursor)
    size = Fitting(LIMIT)
    for name in LANES:
        lane: windows.Lane = cursor.get(name, {})
        first = True
        while (
            open_ := windows.opened(lane, since=asked.since, until=asked.horizon, rule=RULE)
        ) is not None:
            parameters = {
                "fields": FIELDS,
                "expandMetadata": FULL,
                "filter": _filter(name, open_["begins"], open_["ends"]).decode(),
            }
            if open_["page"]:
                parameters["cursor"] = open_["page"]
            worn = first and bool(open_["page"])
            try:
                answer = size.fetched(partial(_fetched, asked, parameters, worn=worn))
            except _Worn:
                # Reading the window again doubles nothing.
                lane, first = windows.turned(open_, ""), False
                continue
            first = False
            rows, following = _read(answer)
            lane = (
                windows.followed(open_, following)
                if following
                else windows.closed(open_, until=asked.horizon)
            )
            cursor = cursor | {name: lane}
            yield Page(
                body=answer.content if rows else b"",
                cursor=cursor,
                format="langfuse",
                name=f"{name} {open_['begins']}",
                reached=_reached(cursor),
            )


def _read(answer: httpx.Response) -> tuple[list[Any], str]:
    found = document(answer)
    rows, meta = found.get("data"), found.get("meta")
    if type(rows) is not list or type(meta) is not dict:
        raise Stopped("The answer is no page of observations.", "Check the address of Langfuse.")
    following = meta.get("cursor")
    return rows, following if type(following) is str else ""


def _reached(cursor: dict[str, Any]) -> Any:
    """The moment up to which both lanes are through; None before both have got anywhere."""
    found = [windows.through(cursor.get(name, {})) for name in LANES]
    known = [one for one in found if one is not None]
    return min(known) if len(known) == len(found) else None


def check(asked: Asked) -> Iterator[Check]:
    """The keys, then the one list that is read."""

    def project() -> str:
        answer = asked.http.get(f"{_url(asked)}/projects", auth=_keys(asked), explain=_refused)
        rows = document(answer).get("data")
        first = rows[0] if type(rows) is list and rows else None
        called = first.get("name") if type(first) is dict else None
        if type(called) is not str:
            raise Stopped("The keys belong to no project.", "Use the keys of a project.")
        return f"the keys are of the project {called[:100]}"

    def observations() -> str:
        _read(_fetched(asked, {"fields": FIELDS, "expandMetadata": FULL}, 1))
        return "observations can be read"

    yield tried("sign in with the project's keys", project)
    yield tried("read observations (v2)", observations)


CONNECTOR = Connector(
    name="langfuse",
    title="Langfuse project",
    format="langfuse",
    plane="ai",
    fields=(
        Field("url", "Address of Langfuse", "url", default="https://cloud.langfuse.com"),
        Field("public_key", "Public key", "secret", help="of the project, pk-lf-…"),
        Field("secret_key", "Secret key", "secret", help="of the project, sk-lf-…"),
    ),
    pages=pages,
    check=check,
    needs="the API keys of one project",
    late_seconds=LATE_SECONDS,
)
