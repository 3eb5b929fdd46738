"""Times as logs write them, in microseconds since 1970 UTC.

Owns the ways of writing that more than one vendor uses. Pure; remembered in a bounded cache.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The same for times that say no zone, which is UTC.
_NO_ZONE = EPOCH.replace(tzinfo=None)
# Years 2000 to 2100: what lies outside was not meant as a time, or not in this unit.
EARLIEST, LATEST = 946_684_800_000_000, 4_102_444_800_000_000
# A written time in whole seconds is as long as this; none is longer than that.
_SECONDS, _LONGEST = len("2026-01-01T00:00:00Z"), 64
_UNITS = (1_000_000, 1_000, 1, 0.001)  # seconds, milliseconds, microseconds, nanoseconds
# An hour of one digit, as some of Microsoft's records have it.
_SHORT_HOUR = re.compile(r"(\d{4}-\d\d-\d\d[T ])(\d:\d\d:.*)", re.ASCII)
_WRITTEN = (
    "%Y-%m-%d %H:%M:%S.%f %z",
    "%Y-%m-%d %H:%M:%S %z",
    "%Y-%m-%d %H:%M:%S.%f %Z",
    "%Y-%m-%d %H:%M:%S %Z",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y, %I:%M:%S.%f %p",
    "%m/%d/%Y, %I:%M:%S %p",
    "%m/%d/%Y %I:%M:%S %p %z",
    "%b %d %Y %H:%M:%S",
)


def moment(value: Any) -> int | None:
    """Microseconds since 1970 UTC; None when it is no time between 2000 and 2100.

    Numbers are seconds, milliseconds, microseconds or nanoseconds, whichever makes sense; a
    written time without a zone is UTC.
    """
    if type(value) is str:
        if _SECONDS < len(value) <= _LONGEST:
            # Hardly two records have one of these: remembering it takes longer than reading it.
            plain = value
            if value[-1] != "Z":
                if value.endswith((" UTC", " GMT")):
                    plain = f"{value[:-4]}Z"
                else:
                    # A space before +0000 or +00:00.
                    cut = -6 if value[-6] == " " else -7
                    if value[cut] == " " and value[cut + 1] in "+-":
                        plain = f"{value[:cut]}{value[cut + 1 :]}"
            try:
                return _since(datetime.fromisoformat(plain))
            except ValueError:
                pass
        return _written(value) if len(value) <= _LONGEST else None
    if type(value) is int or type(value) is float:
        return _counted(value)
    return None


def _counted(value: float) -> int | None:
    for unit in _UNITS:
        at = value * unit
        if EARLIEST <= at <= LATEST:
            return int(at)
    return None


@lru_cache(maxsize=65_536)
def _written(text: str) -> int | None:
    found: datetime | None = None
    plain = text.strip()
    try:
        found = datetime.fromisoformat(plain)
    except ValueError:
        if plain.replace(".", "", 1).isdecimal():
            return _counted(float(plain) if "." in plain else int(plain))
        found = _otherwise(plain)
    return None if found is None else _since(found)


def _since(found: datetime) -> int | None:
    try:
        since = found - (EPOCH if found.tzinfo is not None else _NO_ZONE)
    except OverflowError:
        return None
    at = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return at if EARLIEST <= at <= LATEST else None


def _otherwise(text: str) -> datetime | None:
    short = _SHORT_HOUR.fullmatch(text)
    if short is not None:
        try:
            return datetime.fromisoformat(f"{short[1]}0{short[2]}")
        except ValueError:
            return None
    for form in _WRITTEN:
        try:
            found = datetime.strptime(text, form)  # noqa: DTZ007 - some of the forms have a zone
        except ValueError:
            continue
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
