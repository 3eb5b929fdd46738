"""A system on loopback as tests/evidence/sources/server.py has it, that also takes PATCH.

Owns the way from a real HTTP server to `There`. Knows no vendor.
"""

import contextlib
import threading
from collections.abc import Iterator

from flask import Flask, Response, request
from werkzeug.serving import make_server

from tests.evidence.sources.server import Request, There
from tests.identities.enforcers.oauth_lab import _Mute

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@contextlib.contextmanager
def serving() -> Iterator[There]:
    """A system of its own on a free port, gone afterwards."""
    there, app = There(""), Flask("there")

    def take(rest: str) -> Response:
        done = there.answer(
            Request(
                request.method,
                f"/{rest}",
                request.args.to_dict(),
                {name.lower(): value for name, value in request.headers.items()},
                request.get_data(),
            )
        )
        headers = {"Content-Type": "application/json", **done.headers}
        return Response(done.sent(), done.status, headers)

    app.add_url_rule("/<path:rest>", "take", take, methods=list(METHODS))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Mute)
    there.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
