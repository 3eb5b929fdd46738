"""Receivers of signed webhooks: what an installation says of each, and signatures both ways.

Owns the settings under `webhook` (configured.py), signing and checking by Standard Webhooks 1.0
with one or two secrets, so that they can be changed while both hold. Must not know which step is
made, or rows of ours.

Source: the specification of Standard Webhooks (standardwebhooks.com), "Verifying webhook
authenticity": id, timestamp and body are signed; five minutes is how far clocks may differ.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from evidence.sources import secrets as references

from .addresses import WHO
from .configured import Entry, wrong
from .contract import PermanentFailure
from .web import Web

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
STEPS = ("hold", "release", "narrow", "suspend", "resume", "revoke")
MOST_SECRETS = 2
SHORTEST, LONGEST = 24, 64
DAY = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One system that is told by webhook. `secrets` and `answers` are references, the newest first:
    what we sign with, and what it signs its word with."""

    name: str
    url: str
    secrets: tuple[str, ...]
    realms: tuple[str, ...]
    steps: tuple[str, ...]
    principals: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    status: str = ""
    grants: bool = False  # whether it takes what break-glass gives (grants_webhook.py)
    proof_seconds: int = DAY
    administrator: str = ""
    ca_file: str = ""

    @property
    def who(self) -> str:
        return self.administrator or f"whoever runs {self.name}"


_TEXTS = ("name", "url", "status", "administrator", "ca_file")
_LISTS = ("secrets", "realms", "steps", "principals", "credentials", "answers")


def receiver(entry: Entry) -> Receiver:
    """The receiver an entry describes. Raises PermanentFailure with what is wrong."""
    where = f"webhook, {entry.get('name', 'an entry without name')}"
    unknown = sorted(str(one) for one in set(entry) - set(Receiver.__dataclass_fields__))
    if unknown:
        raise wrong(f"{where}: there is no {unknown[0]}")
    said: dict[str, Any] = dict(entry)
    for name in _TEXTS:
        if not isinstance(said.get(name, ""), str):
            raise wrong(f"{where}: {name} is no text")
    for name in _LISTS:
        found = said.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
            raise wrong(f"{where}: {name} is no list of texts")
        said[name] = tuple(found)
    if NAME.fullmatch(said.get("name", "")) is None:
        raise wrong(f"{where}: name is not of small letters, digits and -")
    _check_places(where, said)
    for name in ("secrets", "realms", "steps"):
        if not said[name]:
            raise wrong(f"{where}: {name} is missing")
    if set(said["steps"]) - set(STEPS):
        raise wrong(f"{where}: steps are some of {', '.join(STEPS)}")
    if not said["principals"] and not said["credentials"]:
        raise wrong(f"{where}: neither principals nor credentials says which kinds live there")
    if not said["answers"] and not said.get("status"):
        raise wrong(f"{where}: neither answers nor status says how it is proved what became of it")
    if type(said.get("grants", False)) is not bool:
        raise wrong(f"{where}: grants is neither true nor false")
    if said.get("grants") and not said.get("status"):
        raise wrong(f"{where}: grants needs status, which says what is there")
    seconds = said.get("proof_seconds", DAY)
    if type(seconds) is not int or not 0 < seconds <= 90 * DAY:
        raise wrong(f"{where}: proof_seconds is no number of seconds up to 90 days")
    return Receiver(**said)


def _check_places(where: str, said: dict[str, Any]) -> None:
    for name in ("url", "status"):
        address = said.get(name, "")
        parts = urlsplit(address)
        fine = parts.scheme in ("http", "https") and parts.hostname and not parts.fragment
        if not fine and (address or name == "url"):
            raise wrong(f"{where}: {name} is no address")
    for name in ("secrets", "answers"):
        if len(said[name]) > MOST_SECRETS:
            raise wrong(f"{where}: {name} are more than the new one and the one before")
        for reference in said[name]:
            if problem := references.wrong(reference):
                raise wrong(f"{where}: {name}: {problem}")


def signed(
    web: Web, references_: Sequence[str], body: str, *, message: str, now: datetime
) -> dict[str, str]:
    """The headers that say who sent this body, by every secret that holds."""
    signatures = [
        _signer(web.secret(one, called="secrets")).sign(message, now, body) for one in references_
    ]
    return {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


class Forged(Exception):
    """Nobody signed this with a secret that holds, or not now; the sentence is for its sender."""


def check(receiver: Receiver, body: bytes, headers: Mapping[str, str]) -> None:
    """Whether the receiver signed this, in these minutes. Raises Forged, PermanentFailure."""
    web = Web(allow_private=False, who_must_act=WHO)
    check_signature((web.secret(one, called="answers") for one in receiver.answers), body, headers)


def check_signature(secrets: Iterable[str], body: bytes, headers: Mapping[str, str]) -> None:
    """Whether one of these secrets signed this, in these minutes. Raises Forged, PermanentFailure."""
    said = "The signature is not of a receiver that is set up here."
    for secret in secrets:
        signer = _signer(secret)
        try:
            signer.verify(body, cast("dict[str, str]", headers), json_parse=False)
        except WebhookVerificationError as problem:
            if "too old" in str(problem) or "too new" in str(problem):
                said = (
                    "It was signed more than five minutes ago, or ahead: sign it anew each time it"
                    " is sent, by a clock that is right."
                )
        except ValueError:
            continue  # no base64, no UTF-8, or a part without a version: no signature
        else:
            return
    raise Forged(said)


def _signer(secret: str) -> Webhook:
    """By a secret as the specification has it; the library itself would take any text."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not SHORTEST <= len(key) <= LONGEST:
        raise PermanentFailure(
            f"A webhook's secret is no base64 of {SHORTEST} to {LONGEST} bytes (whsec_…), as Standard"
            " Webhooks has them.",
            who_must_act=WHO,
        )
    return Webhook(key)
