"""The server behind the proxy, asked over HTTP.

Owns passing a request on unchanged, or signed anew. Must not judge anything.
"""

from __future__ import annotations

import http.client

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Signer

from identities.enforcers.aws_clients import Credentials

from .aws_requests import Answer

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect"})


class Upstream:
    """One server, and the administrator of its account."""

    def __init__(self, address: tuple[str, int], administrator: Credentials) -> None:
        self._address = address
        self._administrator = administrator

    def _signed(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> list[tuple[str, str]]:
        """The headers, signed by the administrator instead."""
        scope = next(v for n, v in headers if n.lower() == "authorization").split("/")
        dropped = ("authorization", "x-amz-date", "x-amz-security-token")
        kept = [(n, v) for n, v in headers if n.lower() not in dropped]
        host = next((v for n, v in kept if n.lower() == "host"), "127.0.0.1")
        request = AWSRequest(method=method, url=f"http://{host}{target}", data=body)
        for name, value in kept:
            request.headers[name] = value
        sign = S3SigV4Auth if scope[3] == "s3" else SigV4Auth
        signer = Signer(self._administrator.access_key_id, self._administrator.secret_access_key)
        sign(signer, scope[3], scope[2]).add_auth(request)
        return list(request.headers.items())

    def ask_as_administrator(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> Answer:
        """The same request, signed by the administrator instead."""
        return self.ask(method, target, self._signed(method, target, headers, body), body)

    def ask(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP and name.lower() != "content-length":
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            found = response.read()
            kept = tuple(
                (name, value)
                for name, value in response.getheaders()
                if name.lower() not in HOP_BY_HOP
            )
            return Answer(response.status, kept, found)
        finally:
            connection.close()
