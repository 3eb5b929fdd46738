"""Rotas as one file names them, and asking for them: a calendar, PagerDuty or Opsgenie.

Owns the file (YAML, COUNTERSIGN_ON_CALL) and one GET for each, bounded in time and size. Secrets
are named in it, never given; a calendar's address is often one.

    rotas:
      - {team: Platform, calendar: "env:PLATFORM_CALENDAR"}
      - {team: Security, pagerduty: PI7DH85, token: "file:/run/secrets/pagerduty"}
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import yaml
from django.conf import settings

from evidence.sources import outside, secrets, unpacking
from evidence.sources.failures import Stopped
from evidence.sources.outside import NotResolved, Refused
from evidence.sources.patience import Patience, Slow

from .rota_reading import NotRead, OnShift, calendar, opsgenie, pagerduty

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
LARGEST_FILE, LARGEST_ANSWER = 1 << 20, 2 << 20
MOST_ROTAS = 200
PAGE, MOST_PAGES = 100, 20
# What was is kept for a day, so that who signed at the end of a shift is still shown with it.
BEHIND, AHEAD = timedelta(days=1), timedelta(days=35)
APIS = {"pagerduty": "https://api.pagerduty.com", "opsgenie": "https://api.opsgenie.com"}
NAMES = {"calendar": "a calendar", "pagerduty": "PagerDuty", "opsgenie": "Opsgenie"}
KINDS = tuple(NAMES)
KNOWN = frozenset({"team", "token", "api", "duty", *KINDS})
SCHEDULE = re.compile(r"[\w .:-]{1,100}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Entry(NamedTuple):
    """One rota. `place`: a calendar's address or reference, or a schedule's id; `duty`: those who
    are on call in it may be asked to stand beside somebody (docs/break-glass.md)."""

    team: str
    kind: str
    place: str
    token: str = ""
    api: str = ""
    duty: bool = False

    @property
    def digest(self) -> str:
        """Changes with anything that is read from somewhere else, or otherwise."""
        return sha256(json.dumps(self[:5]).encode()).hexdigest()

    @property
    def words(self) -> str:
        """Where it comes from, without what may be a secret."""
        return (
            "a calendar" if self.kind == "calendar" else f"{self.kind.capitalize()}, {self.place}"
        )


class Fetched(NamedTuple):
    """What was read; `shifts` None: it has not changed since `etag`. `note`: what of it could not
    be read."""

    shifts: Sequence[OnShift] | None
    etag: str = ""
    note: str = ""


def entries() -> tuple[Entry, ...]:
    """The rotas that are set up, by team; none without a file. NotRead says what is wrong with it."""
    path = str(settings.ON_CALL or "")
    if not path:
        return ()
    try:
        about = Path(path).stat()
        return _read(path, about.st_mtime_ns, about.st_size)
    except (OSError, UnicodeDecodeError) as problem:
        raise NotRead(f"{path} cannot be read ({type(problem).__name__}).") from None


@lru_cache(maxsize=4)
def _read(path: str, changed: int, size: int) -> tuple[Entry, ...]:  # noqa: ARG001 - `changed` reads the file again
    if size > LARGEST_FILE:
        raise NotRead(f"{path} is larger than {LARGEST_FILE >> 20} MiB.")
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f", line {mark.line + 1}," if mark is not None else ""
        raise NotRead(f"{path}{line} is no YAML.") from None
    rows = found.get("rotas") if isinstance(found, dict) else None
    if not isinstance(rows, list) or len(rows) > MOST_ROTAS:
        raise NotRead(f"{path} has no list `rotas` of at most {MOST_ROTAS}.")
    made = [_entry(one, f"{path}: rotas[{place}]") for place, one in enumerate(rows)]
    teams = [one.team for one in made]
    if twice := sorted({one for one in teams if teams.count(one) > 1}):
        raise NotRead(f"{path}: {twice[0]} has two rotas; name one for each team.")
    return tuple(sorted(made))


def _entry(one: Any, where: str) -> Entry:
    if not isinstance(one, Mapping) or not set(map(str, one)) <= KNOWN:
        raise NotRead(f"{where}: say team, {', '.join(KINDS)}, token, api, duty; nothing else.")
    kinds = [kind for kind in KINDS if kind in one]
    if len(kinds) != 1 or not str(one.get("team") or "").strip():
        raise NotRead(f"{where}: say its team, and exactly one of {', '.join(KINDS)}.")
    kind = kinds[0]
    place, token = str(one[kind]).strip(), str(one.get("token") or "")
    if kind == "calendar":
        if not place.startswith(("https://", "http://")) and (wrong := secrets.wrong(place)):
            raise NotRead(f"{where}.calendar: an https address, or a reference to it: {wrong}.")
    elif SCHEDULE.fullmatch(place) is None:
        raise NotRead(f"{where}.{kind}: the id of a schedule, as PI7DH85.")
    elif wrong := secrets.wrong(token):
        raise NotRead(f"{where}.token: {wrong}.")
    api = str(one.get("api") or APIS.get(kind, "")).rstrip("/")
    return Entry(str(one["team"]).strip(), kind, place, token, api, one.get("duty") is True)


def fetch(entry: Entry, *, etag: str, now: datetime) -> Fetched:
    """Ask for it once. `etag`: of what is known already, "" to be told all. Raises NotRead."""
    try:
        if entry.kind == "calendar":
            return _calendar(entry, etag, now)
        token = secrets.read(entry.token, called=f"token of {entry.team}'s rota")
    except Stopped as problem:
        raise NotRead(f"{problem.what} {problem.fix}") from None
    if entry.kind == "pagerduty":
        return Fetched(_pagerduty(entry, token, now))
    how = "id" if UUID.fullmatch(entry.place.lower()) else "name"
    body, _ = _get(
        f"{entry.api}/v2/schedules/{quote(entry.place, safe='')}/on-calls",
        headers={"Authorization": f"GenieKey {token}"},
        params={"scheduleIdentifierType": how, "flat": "true"},
    )
    return Fetched(opsgenie(_json(body), now=now))


def _calendar(entry: Entry, etag: str, now: datetime) -> Fetched:
    place = entry.place
    if place.startswith("file:"):
        place = _file(place.removeprefix("file:"))
        if place.startswith("BEGIN:VCALENDAR"):
            shifts, note = calendar(place, since=now - BEHIND, until=now + AHEAD)
            return Fetched(shifts, note=note)
    elif place.startswith("env:"):
        place = secrets.read(place, called=f"calendar of {entry.team}'s rota").strip()
    headers = {"Accept": "text/calendar"} | ({"If-None-Match": etag} if etag else {})
    body, answer = _get(place, headers=headers, params={})
    if answer.status_code == 304:
        return Fetched(None, etag)
    text = body.decode("utf-8-sig", "replace")
    shifts, note = calendar(text, since=now - BEHIND, until=now + AHEAD)
    # What could not be read whole is asked for whole again.
    etag = "" if note else answer.headers.get("ETag", "")[:500].replace("\0", "")
    return Fetched(shifts, etag, note)


def _file(path: str) -> str:
    """The calendar in this file, or the address of one."""
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            found = file.read(LARGEST_ANSWER + 1).strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise NotRead(f"The file {path} cannot be read ({type(problem).__name__}).") from None
    if len(found) > LARGEST_ANSWER:
        raise NotRead(f"The file {path} is larger than {LARGEST_ANSWER >> 20} MiB.")
    return found


def _pagerduty(entry: Entry, token: str, now: datetime) -> list[OnShift]:
    headers = {
        "Authorization": f"Token token={token}",
        "Accept": "application/vnd.pagerduty+json;version=2",
    }
    found: dict[OnShift, None] = {}
    for page in range(MOST_PAGES):
        params = {
            "schedule_ids[]": entry.place,
            "include[]": "users",
            "since": (now - BEHIND).isoformat(),
            "until": (now + AHEAD).isoformat(),
            "limit": str(PAGE),
            "offset": str(page * PAGE),
        }
        body, _ = _get(f"{entry.api}/oncalls", headers=headers, params=params)
        answer = _json(body)
        found |= dict.fromkeys(pagerduty(answer, schedule=entry.place))
        if answer.get("more") is not True:
            return list(found)
    raise NotRead(f"It goes on after {MOST_PAGES * PAGE:,} shifts.")


def _get(
    url: str, *, headers: Mapping[str, str], params: Mapping[str, str]
) -> tuple[bytes, httpx.Response]:
    """The answer and its bytes: a success, or 304 where it was asked for. Addresses and tokens
    stand in no sentence."""
    try:
        with (
            outside.client(
                allow_private=bool(settings.ALLOW_PRIVATE),
                patience=Patience(lambda: None),
                timeout=TIMEOUT,
            ) as client,
            client.stream("GET", url, headers=dict(headers), params=params or None) as answer,
        ):
            body = unpacking.read(answer, "It", LARGEST_ANSWER)
    except (Refused, httpx.InvalidURL, UnicodeError, ValueError) as problem:
        said = problem if isinstance(problem, Refused) else "it is no address"
        raise NotRead(f"Its address is refused: {said}.") from None
    except Stopped as problem:
        raise NotRead(f"{problem.what} {problem.fix}") from None
    except (NotResolved, httpx.HTTPError, Slow) as problem:
        raise NotRead(f"It does not answer ({type(problem).__name__}).") from None
    status = answer.status_code
    if answer.is_success or (status == 304 and "If-None-Match" in headers):
        return body, answer
    if status in (401, 403):
        raise NotRead(f"It refuses us ({status}): look at its token, or at who may read it.")
    if status == 404:
        raise NotRead("It knows no such calendar or schedule (404): look at its address and id.")
    raise NotRead(f"It answered {status}.")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise NotRead("It answers without JSON: the address is not its API.") from None
