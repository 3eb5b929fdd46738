"""CloudTrail's event history: the management events of the last 90 days, without a trail.

Owns the windows in which it is asked. LookupEvents answers the newest event first, 50 at a time,
two requests a second; so time is cut into windows, and a window is over when its last page, the
oldest, is stored. Regions are asked one after the other within each window. After "LookupEvents"
in the CloudTrail API reference and "Working with CloudTrail event history" in its User Guide.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, sleep
from typing import Any

from botocore import exceptions as boto

from evidence.sources import aws, s3
from evidence.sources.contract import Asked, Check, Connector, Field, Page, Silent, tried
from evidence.sources.failures import Stopped
from evidence.sources.sweeping import read_moment

KEPT = timedelta(days=90)
WINDOW = timedelta(hours=6)
# Events come about five minutes late on average, and nobody promises more.
OVERLAP = timedelta(hours=1)
LIMIT = 50
# Two a second for each account and region.
SECONDS_APART = 0.5


class History:
    """The event history of one pull."""

    def __init__(self, asked: Asked, clients: aws.Clients) -> None:
        self.regions = _regions(asked)
        self._clients = clients
        self._made: dict[str, Any] = {}
        self._last = 0.0

    def page(self, region: str, said: dict[str, Any]) -> tuple[bytes, str]:
        """One page as it came, empty when it holds no event, and the token of the next one."""
        permission = "cloudtrail:LookupEvents"
        client = self._client(region)
        sleep(max(0.0, self._last + SECONDS_APART - monotonic()))
        try:
            with aws.asking(permission, f"the event history of {region}"):
                answer = client.lookup_events(MaxResults=LIMIT, **said)
        finally:
            self._last = monotonic()
        events = answer.get("Events")
        if type(events) is not list:
            raise Stopped(
                f"The answer to {permission} is no list of events.", "Check the endpoint."
            )
        return answer["Raw"] if events else b"", str(answer.get("NextToken") or "")

    def _client(self, region: str) -> Any:
        if region not in self._made:
            made = self._clients.client("cloudtrail", region)
            made.meta.events.register("after-call.cloudtrail.LookupEvents", _keep_raw)
            self._made[region] = made
        return self._made[region]


def _keep_raw(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
    # What is stored is what CloudTrail sent, not what the SDK made of it.
    parsed["Raw"] = http_response.content


def _regions(asked: Asked) -> list[str]:
    said = asked.settings.get("regions", "").replace(",", " ").split()
    return list(dict.fromkeys(said)) or ["us-east-1"]


def pages(asked: Asked) -> Iterator[Page]:
    """One page a request, window by window from the oldest to the newest."""
    with aws.Clients(asked) as clients:
        history = History(asked, clients)
        cursor = dict(asked.cursor)
        until = asked.until.replace(microsecond=0)
        oldest = until - KEPT
        mark = read_moment(cursor.get("to"))
        done = (mark or asked.since).replace(microsecond=0)
        left: dict[str, Any] = cursor.get("window") or {}
        # Not for less than a window: what is left of one may lie a little further back.
        if oldest - done > WINDOW:
            silent = Silent(done, oldest, "CloudTrail keeps its event history for 90 days")
            mark, done, left = oldest, oldest, {}
            yield Page(b"", {"to": oldest.isoformat()}, silent=silent)
        begin = max(oldest, done if mark is None else done - OVERLAP)
        while begin < until or left:
            end = min(begin + WINDOW, until)
            if left:
                begin, end = (datetime.fromisoformat(left[name]) for name in ("begin", "end"))
            yield from _window(history, begin, end, left, max(done, begin))
            begin, left, done = end, {}, max(done, end)


def _window(
    history: History, begin: datetime, end: datetime, left: dict[str, Any], mark: datetime
) -> Iterator[Page]:
    """The pages of one window, from where it was left."""
    regions = history.regions
    first = regions.index(left["region"]) if left.get("region") in regions else 0
    token = str(left.get("token", ""))
    for number in range(first, len(regions)):
        while True:
            said = {"StartTime": begin, "EndTime": end, **({"NextToken": token} if token else {})}
            try:
                body, following = history.page(regions[number], said)
            except Stopped as problem:
                cause = problem.__cause__
                stale = isinstance(cause, boto.ClientError) and "NextToken" in aws.code_of(cause)
                if not token or not stale:
                    raise
                token = ""  # it was kept too long: the window begins again
                continue
            over = not following and number == len(regions) - 1
            now: dict[str, Any] = {"to": (end if over else mark).isoformat()}
            if not over:
                region = regions[number] if following else regions[number + 1]
                now["window"] = {
                    "begin": begin.isoformat(),
                    "end": end.isoformat(),
                    "region": region,
                    "token": following,
                }
            yield Page(body, now, format="cloudtrail", reached=end if over else begin)
            token = following
            if not token:
                break


def check(asked: Asked) -> Iterator[Check]:
    """The credentials, and the event history of each region."""
    with aws.Clients(asked) as clients:
        history = History(asked, clients)
        yield aws.credentials_check(clients, asked)
        for region in history.regions:
            yield tried(
                f"cloudtrail:LookupEvents in {region[:40]}", partial(_seen, history, region)
            )


def _seen(history: History, region: str) -> str:
    body, _ = history.page(region, {})
    return "its event history can be read" if body else "its event history is empty"


CONNECTOR = Connector(
    name="cloudtrail_lookup",
    title="CloudTrail event history (no trail needed)",
    format="cloudtrail",
    plane="identity",
    fields=(
        Field(
            "regions",
            "Regions",
            default="us-east-1",
            help="with commas between them; what belongs to no region is in us-east-1",
        ),
        *(field for field in aws.FIELDS if field.name != "region"),
    ),
    pages=pages,
    check=check,
    needs="cloudtrail:LookupEvents",
    late_seconds=s3.LATE_SECONDS,
)
