"""Pushing one SET to its receiver (RFC 8935), and what the answer means for it and for its stream.

Owns the request and the table of answers. What is sent in which order, and what a failure costs,
is identities/signals/pushing.py's.
"""

from __future__ import annotations

import httpx
import orjson
from django.conf import settings

from identities.signals.vocabulary import LONGEST_ERR, LONGEST_SAID, OF_THE_STREAM

from .contract import PermanentFailure, TemporaryFailure, plain
from .signal_keys import TYPE
from .web import Web, pause

RECEIVER = "whoever runs the receiver"
TAKEN = 202  # RFC 8935, 2.2: no other status says so


class NotTaken(Exception):
    """The receiver refused this one SET, in the words of RFC 8935."""

    def __init__(self, err: str, said: str) -> None:
        super().__init__(f"{err}: {said}")
        self.err, self.said = err, said


def _explain(answer: httpx.Response) -> Exception | None:
    """A refusal of RFC 8935, 2.3: status 400, `err` and `description`."""
    if answer.status_code != 400:
        return None
    try:
        found = orjson.loads(answer.content)
    except (ValueError, RecursionError):
        found = None
    err = found.get("err") if type(found) is dict else None
    if type(found) is not dict or type(err) is not str or not err:
        return TemporaryFailure(
            "The receiver answered 400 and did not say why.", retry_after=pause()
        )
    said = found.get("description")
    said = said if type(said) is str else ""
    if err in OF_THE_STREAM:
        return PermanentFailure(f"The receiver answered {err}: {said}", who_must_act=RECEIVER)
    return NotTaken(err, said)


def push(url: str, token: str, *, authorization: str) -> None:
    """Send one SET; returns when it was taken.

    Raises NotTaken (this SET), TemporaryFailure (later), PermanentFailure (somebody has to act).
    """
    web = Web(allow_private=bool(settings.ALLOW_PRIVATE), who_must_act=RECEIVER)
    headers = {
        "Content-Type": f"application/{TYPE}",
        "Accept": "application/json",
        "Accept-Language": "en",
    }
    if authorization:
        headers["Authorization"] = web.discreet(authorization)
    try:
        answer = web.request(
            "POST",
            url,
            right="push to its endpoint",
            explain=_explain,
            headers=headers,
            content=token.encode(),
        )
        if answer.status_code != TAKEN:
            raise PermanentFailure(
                f"The receiver answered {answer.status_code}: only {TAKEN} says that a signal was"
                " taken (RFC 8935, 2.2), so it is not counted as that.",
                who_must_act=RECEIVER,
            )
    except NotTaken as problem:
        err, said = web.clean(problem.err), web.clean(problem.said)
        raise NotTaken(err[:LONGEST_ERR], said[:LONGEST_SAID]) from None
    except (TemporaryFailure, PermanentFailure) as problem:
        problem.reason = plain(web.clean(problem.reason))
        raise
