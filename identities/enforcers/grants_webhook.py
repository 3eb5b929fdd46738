"""Grants in systems that have no adapter: told by signed webhook, believed by what a second address says.

Owns the messages of giving and ending, and what counts as shown. Must not know rows or people. A 2xx
proves nothing: the receiver's status address is asked what is so, each time. That a receiver could
end it at `ends_at` by itself cannot be seen, and is not counted on.

Sources: the specification of Standard Webhooks; RFC 3339 for times.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from . import webhook_answers
from .contract import MissingRight, PermanentFailure, Residual, Seen, Sent, TemporaryFailure, plain
from .grants import Given, Kind, Minted
from .web import Web, pause
from .webhook_answers import Told
from .webhook_receivers import Receiver, signed

LONGEST_NAME = 300
KINDS = {
    "access": Kind(
        "access, in the receiver's own words",
        "what is given there",
        needs={"user": "whom it is given to there"},
        ends_itself=False,
    )
}


class WebhookGranter:
    """Gives and takes at one receiver."""

    def __init__(self, receiver: Receiver, *, allow_private: bool) -> None:
        self._receiver, self._allow_private = receiver, allow_private

    def why_not(self, given: Given) -> str:
        for text in (given.target.name, given.target.extra.get("user", "")):
            if plain(text) != text or len(text) > LONGEST_NAME:
                return f"{plain(text)[:80]} is longer than {LONGEST_NAME} characters, or not of one line."
        return ""

    def grant(self, given: Given, *, now: datetime) -> Sent:  # noqa: ARG002 -- the contract gives every step the moment
        # With another end it is another message.
        return self._tell(given, "grant", f"{given.key}.grant.{int(given.ends_at.timestamp())}")

    def granted(self, given: Given, *, now: datetime) -> Seen:
        told = self._status(given, "grant")
        if told is None:
            return Seen("unknown", f"{self._receiver.name} has not said that it is there.", now)
        return Seen("active", plain(told.words()), now)

    def end(self, given: Given, *, now: datetime) -> Sent:  # noqa: ARG002 -- the contract gives every step the moment
        return self._tell(given, "end", f"{given.key}.end")

    def ended(self, given: Given, *, now: datetime) -> Seen:
        told = self._status(given, "end")
        if told is None:
            return Seen("unknown", f"{self._receiver.name} has not said that it is gone.", now)
        return Seen("gone", plain(told.words()), now)

    def residual(self, given: Given, *, since: datetime, now: datetime) -> Sequence[Residual]:  # noqa: ARG002 -- the contract gives every step the moment
        name, told = self._receiver.name, self._status(given, "end")
        if told is None or told.outcome == "confirmed":
            return [Residual(f"what {name} has not yet said to be dead", None)]
        if told.outcome == "residual" and (told.until is None or told.until > now):
            return [
                Residual(
                    plain(f"{told.said or 'what it was used for'}, as {name} says"), told.until
                )
            ]
        return []

    def mint(self, given: Given, *, person: str, now: datetime) -> Minted:  # noqa: ARG002 -- the contract gives every step the moment
        raise PermanentFailure(
            f"{self._receiver.name} hands nothing out: it is used there as it is.",
            who_must_act="whoever asked for it",
        )

    def own_rights(self, given: Sequence[Given]) -> list[MissingRight]:  # noqa: ARG002 -- the contract names them
        """None are known: what the receiver may, it says of each grant."""
        return []

    def _tell(self, given: Given, step: str, message: str) -> Sent:
        data = self._about(given, step) | {
            "starts_at": given.starts_at.astimezone(UTC).isoformat(),
            "ends_at": given.ends_at.astimezone(UTC).isoformat(),
            "permissions": [
                {"actions": list(one.actions), "resources": list(one.resources)}
                for one in given.permissions
            ],
        }
        self._post(self._receiver.url, f"grant.{step}", data, message)
        return Sent(message, f"{self._receiver.name} took the message.")

    def _status(self, given: Given, step: str) -> Told | None:
        """What it says is so now; None: nothing yet. PermanentFailure where it says that it failed."""
        name = self._receiver.name
        web = self._web()
        message = f"{given.key}.status-{web.now():%Y%m%dT%H%M%S%f}"
        answer = self._post(
            self._receiver.status, "grant.status", self._about(given, step), message
        )
        data = web.document(answer)
        if (data.get("grant"), data.get("step")) != (given.key, step):
            raise TemporaryFailure(
                f"{name} answers about another than {given.key}.", retry_after=pause()
            )
        if data.get("outcome") == "waiting":
            return None
        try:
            told = webhook_answers.read(data, by=name, message=message)
        except webhook_answers.Unclear as problem:
            raise TemporaryFailure(
                f"{name} does not say what became of {given.key}: {problem}.", retry_after=pause()
            ) from None
        if told.outcome == "failed":
            raise PermanentFailure(
                f"{name} says that it failed: {told.said}.", who_must_act=self._receiver.who
            )
        return told

    def _about(self, given: Given, step: str) -> dict[str, Any]:
        target = {"name": given.target.name, "user": given.target.extra.get("user", "")}
        return {"grant": given.key, "step": step, "target": target}

    def _post(self, url: str, kind: str, data: dict[str, Any], message: str) -> httpx.Response:
        web = self._web()
        at = web.now()
        body = json.dumps({"type": kind, "timestamp": at.isoformat(), "data": data})
        headers = signed(web, self._receiver.secrets, body, message=message, now=at)
        right = "send it messages"
        return web.request("POST", url, right=right, content=body.encode(), headers=headers)

    def _web(self) -> Web:
        return Web(
            allow_private=self._allow_private,
            who_must_act=self._receiver.who,
            ca_file=self._receiver.ca_file,
        )
