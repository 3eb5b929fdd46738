"""MLflow: the finished traces of some experiments, with their spans.

Source: MLflow's REST API, version 3.17, read in its code and tried against it:
`3.0/mlflow/traces/search` (at most 500 infos, filter by `attributes.end_time_ms`, which is the
start while a trace is under way), `traces/batchGet` (spans that lie in the tracking store, of
traces that are there in full) and `get-trace-artifact` (all others, as the pages of MLflow read
them). A trace is found by its end, so that one that ran for hours is not missed.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import orjson

from evidence.formats.times import moment
from evidence.sources import windows
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried
from evidence.sources.failures import Stopped, TooLarge
from evidence.sources.tokens import document

RULE = windows.Rule(longest=timedelta(days=1), near=timedelta(minutes=10))
# Clients send in the background, and try again for minutes.
LATE_SECONDS = 5 * 60
# Traces of one page; their ids travel in an address.
LIMIT = 50
_IN_STORE = "TRACKING_STORE"
_NO_TRACES, _CHECK = "The answer holds no traces of MLflow.", "Check the address of MLflow."


def _url(asked: Asked) -> str:
    return asked.settings["url"].rstrip("/")


def _signed(asked: Asked) -> dict[str, Any]:
    """How requests are signed: a user's password, a token, or not at all."""
    if asked.settings.get("user"):
        return {"auth": httpx.BasicAuth(asked.settings["user"], asked.secret("secret"))}
    if asked.settings.get("secret"):
        return {"headers": {"Authorization": f"Bearer {asked.secret('secret')}"}}
    return {}


def _experiments(asked: Asked) -> list[str]:
    return asked.settings["experiments"].replace(",", " ").split()


def _refused(answer: httpx.Response) -> Exception | None:
    error = document(answer)
    said = f"{error.get('error_code', '')}: {error.get('message', '')}"[:300]
    if answer.status_code == 404 and "error_code" not in error:
        return Stopped(
            "There is no MLflow 3 at this address.", "Name the address of the tracking server."
        )
    if error.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
        return Stopped(f"MLflow refuses: {said}", "Name the ids of experiments that are there.")
    if answer.status_code in (400, 404) and "error_code" in error:
        return Stopped(f"MLflow refuses: {said}", "MLflow 3.17 is known to work; see its settings.")
    return None


def pages(asked: Asked) -> Iterator[Page]:
    """Traces that ended since the cursor, with their spans, in windows of their end."""
    lane: windows.Lane = dict(asked.cursor)
    while (
        open_ := windows.opened(lane, since=asked.since, until=asked.horizon, rule=RULE)
    ) is not None:
        traces, following = _found(asked, open_)
        if following:
            lane = windows.turned(open_, following)
        else:
            lane = windows.closed(open_, until=asked.horizon)
        ended = [one for one in traces if one.get("state") != "IN_PROGRESS"]
        whole, rest = _in_store(asked, ended)
        name = f"traces ended from {open_['begins']}"
        if rest:
            # Stored first: the cursor moves with the page after it.
            yield Page(_one_by_one(asked, rest), open_, "mlflow", name)
        yield Page(whole, lane, "mlflow", name, windows.through(lane))


def _found(asked: Asked, window: windows.Lane) -> tuple[list[dict[str, Any]], str]:
    """(infos of traces, where the next page of the window begins; '' at its end).

    A page begins at a start in milliseconds, so that what is deleted meanwhile shifts nothing;
    where more traces started in one millisecond than a page holds, MLflow's own token follows.
    """
    floor, _, token = str(window["page"]).partition(":")
    first, last = (
        int(windows.moment(window[one]).timestamp() * 1000) for one in ("begins", "ends")
    )
    wanted = [f"attributes.end_time_ms >= {first}", f"attributes.end_time_ms < {last}"]
    if floor:
        wanted.append(f"attributes.timestamp_ms >= {int(floor)}")
    answer = asked.http.request(
        "POST",
        f"{_url(asked)}/api/3.0/mlflow/traces/search",
        json={
            "locations": [
                {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": one}}
                for one in _experiments(asked)
            ],
            "filter": " AND ".join(wanted),
            "order_by": ["timestamp_ms ASC", "request_id ASC"],
            "max_results": LIMIT,
            **({"page_token": token} if token else {}),
        },
        explain=_refused,
        **_signed(asked),
    )
    rows, following = _traces(answer), document(answer).get("next_page_token")
    if type(following) is not str or not following or not rows:
        return rows, ""
    at = moment(rows[-1].get("request_time"))
    started = "" if at is None else str(at // 1000)
    return rows, f"{floor}:{following}" if started in ("", floor) else started


def _traces(answer: httpx.Response) -> list[dict[str, Any]]:
    """The traces of an answer, which is an empty object when there are none."""
    found = document(answer)
    rows = found.get("traces")
    if rows is None and answer.content.strip() == b"{}":
        return []
    if type(rows) is not list or any(type(one) is not dict for one in rows):
        raise Stopped(_NO_TRACES, _CHECK)
    return rows


def _in_store(asked: Asked, traces: list[dict[str, Any]]) -> tuple[bytes, list[dict[str, Any]]]:
    """(traces with their spans as one answer, those whose spans lie elsewhere or are not all there)."""
    names = [
        str(one.get("trace_id"))
        for one in traces
        if type(one.get("tags")) is dict
        and one["tags"].get("mlflow.trace.spansLocation") == _IN_STORE
    ]
    body, there = b"", set()
    try:
        answer = names and asked.http.get(
            f"{_url(asked)}/api/3.0/mlflow/traces/batchGet",
            params={"trace_ids": names},
            explain=_refused,
            **_signed(asked),
        )
    except TooLarge:
        # Traces hold what was said; one by one they fit.
        answer = None
    if answer:
        infos = [one.get("trace_info") for one in _traces(answer)]
        there = {one.get("trace_id") for one in infos if type(one) is dict}
        body = answer.content if there else b""
    return body, [one for one in traces if one.get("trace_id") not in there]


def _one_by_one(asked: Asked, traces: list[dict[str, Any]]) -> bytes:
    """Traces whose spans are fetched each on its own; one that is gone by now is left out."""
    written = []
    for info in traces:
        try:
            answer = asked.http.get(
                f"{_url(asked)}/ajax-api/3.0/mlflow/get-trace-artifact",
                params={"request_id": str(info.get("trace_id"))},
                explain=lambda answer: _Gone() if answer.status_code == 404 else None,
                **_signed(asked),
            )
        except _Gone:
            continue
        if type(document(answer).get("spans")) is not list:
            raise Stopped(_NO_TRACES, _CHECK)
        written.append(b'{"info":%b,"data":%b}' % (orjson.dumps(info), answer.content))
    return b'{"traces":[%b]}' % b",".join(written) if written else b""


class _Gone(Exception):
    """The trace was deleted after it was found."""


def check(asked: Asked) -> Iterator[Check]:
    """Each experiment, then the search."""
    for number in _experiments(asked):

        def look(number: str = number) -> str:
            answer = asked.http.get(
                f"{_url(asked)}/api/2.0/mlflow/experiments/get",
                params={"experiment_id": number},
                explain=_refused,
                **_signed(asked),
            )
            found = document(answer).get("experiment")
            called = found.get("name") if type(found) is dict else None
            if type(called) is not str:
                raise Stopped(
                    "The answer is no experiment.", "Check the address of the tracking server."
                )
            return f"the experiment {number} is called {called[:100]}"

        yield tried(f"read experiment {number}", look)

    def search() -> str:
        window = {"begins": windows.written(asked.since), "ends": windows.written(asked.until)}
        _found(asked, window | {"page": ""})
        return "traces can be searched"

    yield tried("search traces", search)


CONNECTOR = Connector(
    name="mlflow",
    title="MLflow experiments",
    format="mlflow",
    plane="ai",
    fields=(
        Field("url", "Address of the tracking server", "url"),
        Field("experiments", "Experiments", help="their ids, with spaces between them"),
        Field("user", "User name", required=False, help="where MLflow asks for a password"),
        Field(
            "secret",
            "Password or token",
            "secret",
            required=False,
            help="without a user name it is sent as a bearer token",
        ),
    ),
    pages=pages,
    check=check,
    needs="READ on each experiment",
    late_seconds=LATE_SECONDS,
)
