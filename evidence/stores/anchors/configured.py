"""Which places keep the ledger's head, as one file says them (COUNTERSIGN_ANCHORS).

    every_minutes: 60                        # while the ledger grows
    key: file:/etc/countersign/seal.pem      # Ed25519 in PEM: signs each head
    places:
      - {name: clock, kind: rfc3161, url: https://tsa.example.org, ca_file: /etc/ssl/tsa.pem}
      - {name: vault, kind: s3, address: "s3://anchors/prod?region=eu-central-1", keep_days: 3650}
      - {name: soc, kind: webhook, url: https://soc.example.org/anchors, secret: "file:/etc/…"}
      - {name: auditor, kind: mail, to: auditor@example.org}

Owns reading it and what is wrong with it. Secrets are named in it, never given.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from django.conf import settings

from evidence.sources import secrets
from evidence.sources.failures import Stopped

LARGEST = 1 << 18
MOST_PLACES = 20
MOST_MINUTES = 7 * 24 * 60
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
# What an entry of each kind says, beside its name and kind: the setting, and whether it must.
SAYS: dict[str, dict[str, bool]] = {
    "rfc3161": {"url": True, "ca_file": True, "certificate_file": False},
    "s3": {"address": True, "keep_days": True, "credentials": False},
    "webhook": {"url": True, "secret": True},
    "mail": {"to": True},
}


class Place(NamedTuple):
    """One place, with what is set up for it."""

    name: str
    kind: str
    says: Mapping[str, Any]


class SetUp(NamedTuple):
    """How often, by which key, and where."""

    every: timedelta
    key: str  # a reference
    places: tuple[Place, ...]


class Statement(NamedTuple):
    """A signed head: `text` is what is kept."""

    number: int
    hash: bytes
    text: str


class Kept(NamedTuple):
    """What a place answered: the proof of it, and a sentence."""

    receipt: bytes
    words: str


class Held(NamedTuple):
    """A head that a place holds: the row, at least the first 16 hex digits of its hash, when the place
    took it, and how its signed statement is read (None: only its number, hash and key were kept)."""

    number: int
    hash: str
    at: datetime
    statement: Callable[[], str] | None = None
    kid: str = ""  # the key that signed it, where that was kept


def read() -> SetUp | None:
    """What is set up; None where no file is named. Raises Stopped with what is wrong."""
    name = str(settings.ANCHORS)
    if not name:
        return None
    try:
        about = Path(name).stat()
        found = _read(name, about.st_mtime_ns, about.st_size)
    except (OSError, UnicodeDecodeError) as problem:
        raise wrong(f"the file {name} cannot be read ({type(problem).__name__})") from None
    return _set_up(found)


@lru_cache(maxsize=2)
def _read(name: str, changed: int, size: int) -> Any:  # noqa: ARG001 -- `changed` reads the file again
    if size > LARGEST:
        raise wrong(f"the file {name} is larger than {LARGEST >> 10} KiB")
    try:
        return yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    except yaml.YAMLError:
        raise wrong(f"the file {name} is no YAML") from None


def _set_up(found: Any) -> SetUp:
    if not isinstance(found, dict):
        raise wrong("the file does not say a key and places")
    if unknown := sorted(str(one) for one in set(found) - {"every_minutes", "key", "places"}):
        raise wrong(f"there is no {unknown[0]}")
    minutes, places = found.get("every_minutes", 60), found.get("places")
    if type(minutes) is not int or not 1 <= minutes <= MOST_MINUTES:
        raise wrong(f"every_minutes is no number from 1 to {MOST_MINUTES:,}")
    key = found.get("key")
    if not isinstance(key, str) or (problem := secrets.wrong(key)):
        raise wrong(f"key: {problem if isinstance(key, str) else 'it is missing'}")
    if not isinstance(places, list) or not 1 <= len(places) <= MOST_PLACES:
        raise wrong(f"places is no list of 1 to {MOST_PLACES}")
    made = tuple(_place(one) for one in places)
    if len({one.name for one in made}) < len(made):
        raise wrong("two places have one name")
    return SetUp(timedelta(minutes=minutes), key, made)


def _place(entry: Any) -> Place:
    if not isinstance(entry, dict):
        raise wrong("a place is no list of settings")
    name, kind = entry.get("name"), entry.get("kind")
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise wrong("the name of a place is not of small letters, digits and -")
    if kind not in SAYS:
        raise wrong(f"{name}: kind is one of {', '.join(SAYS)}")
    says = {key: value for key, value in entry.items() if key not in ("name", "kind")}
    for setting in says:
        if setting not in SAYS[kind]:
            raise wrong(f"{name}: there is no {setting} of {kind}")
    for setting, must in SAYS[kind].items():
        value = says.get(setting)
        if setting == "keep_days":
            if type(value) is not int or not 1 <= value <= 36_600:
                raise wrong(f"{name}: keep_days is no number of days up to 36,600")
        elif (must or value is not None) and (not isinstance(value, str) or not value.strip()):
            raise wrong(f"{name}: {setting} is missing")
    for setting in ("secret", "credentials"):
        if says.get(setting) and (problem := secrets.wrong(says[setting])):
            raise wrong(f"{name}: {setting}: {problem}")
    return Place(name, kind, says)


def wrong(what: str) -> Stopped:
    """What is wrong with the settings, for whoever writes them."""
    return Stopped(
        f"The anchors' settings: {what}.", "Correct the file that COUNTERSIGN_ANCHORS names."
    )
