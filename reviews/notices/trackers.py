"""Trackers as one file names them, and signatures both ways: what is told of cases, what they say.

Owns the file (YAML, COUNTERSIGN_TICKETS), one POST for each message, and checking who signed what
came in. Standard Webhooks 1.0, as every webhook of ours. Secrets are named in it, never given.

    trackers:
      - name: servicenow
        url: https://example.service-now.com/api/x_acme/countersign/case
        secrets: ["file:/run/secrets/countersign-signs"]
        answers: ["file:/run/secrets/servicenow-signs"]
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import yaml
from django.conf import settings

from evidence.sources import outside, secrets
from evidence.sources.outside import NotResolved, Refused
from evidence.sources.patience import Patience, Slow
from identities.enforcers import webhook_receivers
from identities.enforcers.contract import PermanentFailure
from identities.enforcers.web import Web

from .failures import Permanent, Temporary

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
LARGEST_FILE = 1 << 20
MOST_TRACKERS, MOST_SECRETS = 20, 2
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
KNOWN = frozenset({"name", "url", "secrets", "answers", "doors"})
DOORS = ("incident", "break_glass", "access_review", "access_request")
ADMINISTRATOR = "whoever runs Countersign"


class NotRead(Exception):
    """The file or a secret cannot be used: the sentence says what, and what to do."""


# Nobody signed it with a secret that holds, or not now; the sentence is for its sender.
Forged = webhook_receivers.Forged


class Tracker(NamedTuple):
    """One system that keeps tickets. `secrets` and `answers` are references, the newest first: what
    we sign with, and what it signs with. Without `url` nothing is told, without `answers` nothing
    is heard."""

    name: str
    url: str
    secrets: tuple[str, ...]
    answers: tuple[str, ...]
    doors: tuple[str, ...] = ("incident",)


def entries() -> tuple[Tracker, ...]:
    """The trackers that are set up, by name; none without a file. Raises NotRead."""
    path = str(settings.TICKETS or "")
    if not path:
        return ()
    try:
        about = Path(path).stat()
        return _read(path, about.st_mtime_ns, about.st_size)
    except (OSError, UnicodeDecodeError) as problem:
        raise NotRead(f"{path} cannot be read ({type(problem).__name__}).") from None


@lru_cache(maxsize=4)
def _read(path: str, changed: int, size: int) -> tuple[Tracker, ...]:  # noqa: ARG001 - `changed` reads the file again
    if size > LARGEST_FILE:
        raise NotRead(f"{path} is larger than {LARGEST_FILE >> 20} MiB.")
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f", line {mark.line + 1}," if mark is not None else ""
        raise NotRead(f"{path}{line} is no YAML.") from None
    rows = found.get("trackers") if isinstance(found, dict) else None
    if not isinstance(rows, list) or len(rows) > MOST_TRACKERS:
        raise NotRead(f"{path} has no list `trackers` of at most {MOST_TRACKERS}.")
    made = [_tracker(one, f"{path}: trackers[{place}]") for place, one in enumerate(rows)]
    names = [one.name for one in made]
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise NotRead(f"{path}: {twice[0]} stands there twice; name each tracker once.")
    return tuple(sorted(made))


def _tracker(said: Any, where: str) -> Tracker:
    if not isinstance(said, dict):
        raise NotRead(f"{where} is no object: give it name, url, secrets and answers.")
    if unknown := sorted(str(one) for one in set(said) - KNOWN):
        raise NotRead(f"{where}: there is no {unknown[0][:80]}. Known: {', '.join(sorted(KNOWN))}.")
    name, url = said.get("name"), said.get("url", "")
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise NotRead(f"{where}: name is not of small letters, digits and -.")
    if not isinstance(url, str) or (url and not _address(url)):
        raise NotRead(f"{where}: url is no http or https address.")
    lists = {key: _texts(said.get(key, []), f"{where}: {key}") for key in ("secrets", "answers")}
    for key, references in lists.items():
        if len(references) > MOST_SECRETS:
            raise NotRead(f"{where}: {key} are more than the new one and the one before.")
        for reference in references:
            if problem := secrets.wrong(reference):
                raise NotRead(f"{where}: {key}: {problem}")
    if url and not lists["secrets"]:
        raise NotRead(f"{where}: secrets is missing: nothing is told unsigned.")
    if not url and not lists["answers"]:
        raise NotRead(f"{where}: neither url nor answers: nothing is told and nothing heard.")
    doors = _texts(said.get("doors", ["incident"]), f"{where}: doors")
    if not doors or set(doors) - set(DOORS):
        raise NotRead(f"{where}: doors are some of {', '.join(DOORS)}.")
    return Tracker(name, url, lists["secrets"], lists["answers"], doors)


def _address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError when it is no number
    except ValueError:
        return False
    return bool(parts.scheme in ("http", "https") and parts.hostname and not parts.fragment)


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise NotRead(f"{where} is no list of texts.")
    return tuple(value)


def send(tracker: Tracker, *, message: str, body: Mapping[str, Any], now: datetime) -> None:
    """POST one message; of the answer its status is read. Raises Permanent, Temporary."""
    said = json.dumps(body, ensure_ascii=True)
    try:
        keys = Web(allow_private=bool(settings.ALLOW_PRIVATE), who_must_act=ADMINISTRATOR)
        headers = webhook_receivers.signed(keys, tracker.secrets, said, message=message, now=now)
    except PermanentFailure as problem:
        raise Permanent(str(problem)) from None
    try:
        with (
            outside.client(
                allow_private=bool(settings.ALLOW_PRIVATE),
                patience=Patience(lambda: None),
                timeout=TIMEOUT,
            ) as client,
            client.stream("POST", tracker.url, content=said, headers=headers) as answer,
        ):
            status = answer.status_code
    except (Refused, httpx.InvalidURL) as problem:
        raise Permanent(f"its address is refused: {problem}") from problem
    except NotResolved as problem:
        raise Temporary(str(problem)) from problem
    except (httpx.HTTPError, Slow) as problem:
        raise Temporary(f"{type(problem).__name__} while sending") from problem
    if status in (408, 425, 429) or status >= 500:
        raise Temporary(f"it answered {status}")
    if not 200 <= status < 300:
        raise Permanent(f"it answered {status}")


def check(tracker: Tracker, body: bytes, headers: Mapping[str, str]) -> None:
    """Whether the tracker signed this, in these minutes. Raises Forged, NotRead."""
    signs = webhook_receivers.Receiver(
        name=tracker.name, url=tracker.url, secrets=(), realms=(), steps=(), answers=tracker.answers
    )
    try:
        webhook_receivers.check(signs, body, headers)
    except PermanentFailure as problem:
        raise NotRead(str(problem)) from None
