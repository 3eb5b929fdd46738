"""How requests of the AWS SDK leave: through the one guarded client of outside.py.

Owns the step between a signed request and its answer. botocore asks its `before-send` handlers
whether one of them sends instead of it; this one always does. So the SDK speaks to no address
that was not looked at, follows no redirect and no proxy, and waits no longer than everything else
here. Knows no service and no credentials.
"""

from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
from botocore import exceptions as boto
from botocore.awsrequest import AWSResponse

from evidence.sources import outside
from evidence.sources.contract import LONGEST_PAGE, Http, failing
from evidence.sources.failures import Later, Stopped
from evidence.sources.patience import Patience


class Raw:
    """The bytes of an answer as botocore reads them, with the methods of urllib3's response."""

    def __init__(self, answer: httpx.Response, place: str, patience: Patience) -> None:
        self._answer, self._place, self._patience = answer, place, patience
        self._chunks = answer.iter_raw()
        self._left = b""

    def read(self, amt: int | None = None) -> bytes:
        """So many bytes, fewer at the end only. Raises Later when the line is lost."""
        taken, held = [self._left], len(self._left)
        while amt is None or held < amt:
            chunk = self._next()
            if not chunk:
                break
            taken.append(chunk)
            held += len(chunk)
        data = b"".join(taken)
        self._left = b"" if amt is None else data[amt:]
        return data if amt is None else data[:amt]

    def stream(self) -> Any:
        """All of it, for answers that are held in memory. Raises Stopped past their bound."""
        total = 0
        self._patience.held()
        while chunk := self._next():
            total += len(chunk)
            if total > LONGEST_PAGE:
                self.close()
                raise Stopped(
                    f"{self._place} answers with more than {LONGEST_PAGE >> 20} MiB.",
                    "Check the endpoint of this source.",
                )
            yield chunk

    def close(self) -> None:
        """Give up what was not read."""
        self._answer.close()

    def _next(self) -> bytes:
        with failing(self._place):
            return next(self._chunks, b"")


class Sending:
    """Sends what an SDK session signed; one for each pull, closed with it."""

    def __init__(self, http: Http) -> None:
        self._http = http
        with failing("this source"):
            self._client = outside.client(
                allow_private=http.allow_private,
                patience=http.patience,
                verify=http.verify(),
                require=http.given.require,
            )

    def attach(self, session: boto3.Session) -> None:
        """Every client that this session makes sends this way, those it makes for itself too."""
        send: Any = self.send  # the SDK's types know no handler that answers
        session.events.register("before-send", send)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def send(self, request: Any, **_: Any) -> AWSResponse:
        """The answer to a signed request. Raises Stopped or Later for the address, and botocore's
        own errors for the network, which it tries again."""
        parts = urlsplit(request.url)
        place = f"{parts.scheme}://{parts.netloc}"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = self._client.build_request(
            request.method,
            f"{place}/",
            headers=[*request.headers.items(), ("Accept-Encoding", "identity")],
            content=request.body or b"",
            # As it was signed, byte by byte: keys may hold dots and slashes that others tidy up.
            extensions={"target": target.encode("ascii"), "stream": True},
        )
        self._http.discretion.header(sent.headers.get("X-Amz-Security-Token", ""))
        with failing(place[:200]):
            try:
                answer = self._client.send(sent, stream=True)
            except httpx.HTTPError as problem:
                # Nobody there, or the wrong one: asking again at once would not help.
                if isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout):
                    raise
                raise boto.HTTPClientError(error=problem) from problem
        now = self._http.now()
        self._http.skew = outside.skew(answer, now=now)
        if answer.is_error and "Retry-After" in answer.headers:
            # The SDK would ask again before that.
            answer.close()
            wait = outside.retry_after(answer, now=now)
            raise Later(f"{place[:200]} answered {answer.status_code} and asks to wait", wait)
        wrong = _no_answer(answer, request.method, place[:200])
        if wrong is not None:
            answer.close()
            raise wrong
        headers: Any = dict(answer.headers)
        return AWSResponse(
            request.url,
            answer.status_code,
            headers,
            Raw(answer, place[:200], self._http.patience),
        )


def _no_answer(answer: httpx.Response, method: str, place: str) -> Stopped | None:
    """What is no answer of AWS at all: a redirect to elsewhere, or a page for people."""
    from_aws = any(name.startswith("x-amz") for name in answer.headers)
    if answer.is_redirect and not from_aws:
        there = answer.headers.get("Location", "nowhere").partition("?")[0][:200]
        return Stopped(
            f"{place} answered {answer.status_code}, which leads to {there}",
            "Name the final address: redirects are not followed.",
        )
    page = answer.headers.get("Content-Type", "").lower().startswith("text/html")
    # What is stored in a bucket may be a page.
    if answer.is_success and page and method != "GET":
        return Stopped(
            f"{place} answers with a web page, not as AWS does.",
            "Check the endpoint of this source.",
        )
    return None
