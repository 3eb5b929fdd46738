"""Arize Phoenix: the spans of one project, in the order in which they were stored.

Source: Phoenix's REST API (`/v1/projects/{project}/spans` and `…/spans/otlpv1`), version 20.26,
read in its code and tried against it: spans are handed out newest first, and a page begins at the
id of a stored span. So a pull goes from the newest span down to the last one of the pull before,
less a little; spans that end long after they started are not missed.

Phoenix writes OTLP with the names of protobuf and with nulls; here the names become those of
OTLP/JSON and the nulls go, nothing else changes. What Phoenix does not keep is gone: the
resource (so no service), the kind of a span (all are INTERNAL), links.
"""

import base64
import binascii
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from evidence.sources import windows
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried
from evidence.sources.failures import Stopped
from evidence.sources.fitting import Fitting
from evidence.sources.tokens import document

LIMIT = 1000
# Ids of stored spans that are read again by each pull: several writers commit out of order.
OVERLAP = 1000


def _url(asked: Asked) -> str:
    project = quote(asked.settings["project"], safe="")
    return f"{asked.settings['url'].rstrip('/')}/v1/projects/{project}"


def _headers(asked: Asked) -> dict[str, str]:
    if not asked.settings.get("token"):
        return {}
    return {"Authorization": f"Bearer {asked.secret('token')}"}


def _got(asked: Asked, path: str, **parameters: str) -> httpx.Response:
    def explain(answer: httpx.Response) -> Exception | None:
        if answer.status_code == 404:
            return Stopped(
                f"There is no project {asked.settings['project'][:100]!r} at this address.",
                "Name one of Phoenix's projects, and its address without a path.",
            )
        return None

    return asked.http.get(
        f"{_url(asked)}{path}", params=parameters, headers=_headers(asked), explain=explain
    )


def _place(number: int) -> str:
    """A stored span's id as Phoenix writes it, which is where a page begins."""
    return base64.b64encode(f"Span:{number}".encode()).decode()


def _number(place: Any) -> int:
    try:
        kind, _, number = base64.b64decode(str(place), validate=True).decode().partition(":")
        if kind == "Span":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise Stopped(
        "Phoenix names its spans in a way that is not known.",
        "Check the address; Phoenix 20.26 is known to work.",
    )


def _newest(asked: Asked) -> int:
    """The number of the span that was stored last; 0 when there is none."""
    rows = _rows(_got(asked, "/spans", limit="1"))
    return _number(rows[0].get("id") if type(rows[0]) is dict else None) if rows else 0


def _rows(answer: httpx.Response) -> list[Any]:
    rows = document(answer).get("data")
    if type(rows) is not list:
        raise Stopped("The answer is no page of spans.", "Check the address of Phoenix.")
    return rows


def pages(asked: Asked) -> Iterator[Page]:
    """From the newest span down to where the pull before began; one that was left is ended first.

    `mark`: everything stored up to it was handed out, by the pull that ended with `through`.
    `top` and `next`: of a pull under way.
    """
    cursor = dict(asked.cursor)
    until = asked.until.isoformat()
    if cursor.get("through") == until:
        return
    if "top" not in cursor:
        mark, top = int(cursor.get("mark", 0)), _newest(asked)
        if top < mark:
            mark = 0  # the store began anew
        cursor = {"mark": mark, "top": top, "next": _place(top)}
    size = Fitting(LIMIT)
    lowest = max(int(cursor["mark"]) - OVERLAP, 0)
    while "next" in cursor:
        asking = {"cursor": str(cursor["next"])}
        if not cursor["mark"]:
            asking["start_time"] = windows.written(asked.since)
        answer = size.fetched(partial(_spans, asked, asking))
        rows, following = _rows(answer), document(answer).get("next_cursor")
        if following and _number(following) > lowest:
            cursor = cursor | {"next": following}
        else:
            cursor = {"mark": cursor["top"], "through": until}
        yield Page(_as_otlp(rows), cursor, "otlp", f"spans from {asking['cursor']} down")


def _spans(asked: Asked, asking: dict[str, str], rows: int) -> httpx.Response:
    return _got(asked, "/spans/otlpv1", **asking, limit=str(rows))


def _as_otlp(rows: list[Any]) -> bytes:
    if not rows:
        return b""
    try:
        spans = _named(rows)
    except RecursionError:
        raise Stopped("A span nests too deeply to be read.", "Delete it in Phoenix.") from None
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})


def _named(value: Any) -> Any:
    """The same with the names of OTLP/JSON and without nulls."""
    if type(value) is dict:
        return {_name(name): _named(one) for name, one in value.items() if one is not None}
    if type(value) is list:
        return [_named(one) for one in value]
    return value


@lru_cache(maxsize=256)
def _name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def check(asked: Asked) -> Iterator[Check]:
    """The project, then its spans."""

    def project() -> str:
        if type(document(_got(asked, "")).get("data")) is not dict:
            raise Stopped("The answer is no project.", "Check the address of Phoenix.")
        return f"the project {asked.settings['project']} is there"

    def spans() -> str:
        _rows(_spans(asked, {}, 1))
        return "spans can be read" if _newest(asked) else "spans can be read; there are none yet"

    yield tried("find the project", project)
    yield tried("read its spans", spans)


CONNECTOR = Connector(
    name="phoenix",
    title="Arize Phoenix project",
    format="otlp",
    plane="ai",
    fields=(
        Field("url", "Address of Phoenix", "url", help="as in https://phoenix.example.com"),
        Field("project", "Project", default="default", help="its name or its id"),
        Field(
            "token",
            "API key",
            "secret",
            required=False,
            help="of any user; none where Phoenix asks for none",
        ),
    ),
    pages=pages,
    check=check,
    gap_free=False,  # Phoenix acknowledges spans before it stores them, and may lose them
    needs="an API key of a user with the role Viewer",
)
