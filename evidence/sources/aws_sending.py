"""How requests of the AWS SDK leave: through the one guarded client of outside.py.

Owns the step between a signed request and its answer. botocore asks its `before-send` handlers
whether one of them sends instead of it; this one always does. So the SDK speaks to no address
that was not looked at, follows no redirect and no proxy, and waits no longer than everything else
here. Knows no service and no credentials.
"""

import ssl
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
from botocore import exceptions as boto
from botocore.awsrequest import AWSResponse

from evidence.sources import outside
from evidence.sources.contract import LONGEST_PAGE, Http
from evidence.sources.failures import Later, Stopped


class Raw:
    """The bytes of an answer as botocore reads them, with the methods of urllib3's response."""

    def __init__(self, answer: httpx.Response, place: str) -> None:
        self._answer, self._place = answer, place
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
        try:
            return next(self._chunks, b"")
        except (httpx.HTTPError, httpx.StreamError) as problem:
            raise Later(f"{self._place} broke off ({type(problem).__name__})") from None


class Sending:
    """Sends what an SDK session signed; one for each pull, closed with it."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._client = outside.client(allow_private=http.allow_private)

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
            extensions={"target": target.encode("ascii")},
        )
        try:
            answer = self._client.send(sent, stream=True)
        except outside.Refused as problem:
            raise Stopped(
                f"The address {place[:200]} is refused: {problem}.",
                "Use a public https address, or allow private ones (an interface endpoint of a"
                " VPC is one) with COUNTERSIGN_ALLOW_PRIVATE=1.",
            ) from None
        except outside.NotResolved as problem:
            raise Later(f"{place[:200]}: {problem}") from None
        except httpx.HTTPError as problem:
            if _untrusted(problem):
                raise boto.SSLError(endpoint_url=place, error=problem) from problem
            raise boto.HTTPClientError(error=problem) from problem
        now = self._http.now()
        self._http.skew = outside.skew(answer, now=now)
        if answer.is_error and "Retry-After" in answer.headers:
            # The SDK would ask again before that.
            answer.close()
            wait = outside.retry_after(answer, now=now)
            raise Later(f"{place[:200]} answered {answer.status_code} and asks to wait", wait)
        headers: Any = dict(answer.headers)
        return AWSResponse(request.url, answer.status_code, headers, Raw(answer, place[:200]))


def _untrusted(problem: BaseException) -> bool:
    """Whether a certificate is what ended a connection."""
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
