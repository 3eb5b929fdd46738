"""Times, spans of time and sizes in words, as pages print them.

Owns the formats ("24 Nov 2026 15:48 UTC", "2 h 10 min over", "+187 ms"). Knows no page. Pure:
imports no Django, reads no clock.
"""

from datetime import UTC, datetime, timedelta

STYLES = {
    "full": "{d} {b} {t:%Y %H:%M:%S} UTC",
    "minute": "{d} {b} {t:%Y %H:%M} UTC",
    "second": "{d} {b} {t:%H:%M:%S}",
    "date": "{d} {b}",
    "short": "{d} {b} {t:%H:%M}",
    "time": "{t:%H:%M:%S}",
    "precise": "{t:%H:%M:%S}.{ms:03d}",
    "hour": "{t:%H:%M}",
    "day": "{d} {b} {t:%Y}",
    "weekday": "{t:%A}, {d} {month}",
}
MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SOON = timedelta(hours=1)


def moment(at: datetime, style: str = "minute") -> str:
    """A time in UTC. Month names are ours, so that no locale of the host changes a page."""
    utc = at.astimezone(UTC)
    return STYLES[style].format(
        t=utc,
        d=utc.day,
        b=MONTHS[utc.month],
        month=f"{utc:%B}",
        ms=utc.microsecond // 1000,
    )


def span(length: timedelta) -> str:
    """A span in its two largest units: "17 h 11 min", "9 d", "24 s". Never negative."""
    seconds = int(abs(length).total_seconds())
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    if days > 2:
        return f"{days} d"
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {seconds} s" if minutes < 2 and seconds else f"{minutes} min"
    return f"{seconds} s"


def due(at: datetime, now: datetime) -> tuple[str, str]:
    """How far a deadline is off, in words, and how it looks: over, soon or later."""
    if at <= now:
        return f"{span(now - at)} over", "over"
    return f"in {span(at - now)}", "soon" if at - now <= SOON else "later"


def clock(at: datetime, now: datetime) -> str:
    """The large clock of a case: "17:11:50", "4 d 03:11:50"; over time is written in words."""
    if at <= now:
        return due(at, now)[0]
    seconds = int((at - now).total_seconds())
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    return f"{f'{days} d ' if days else ''}{hours:02d}:{minutes:02d}:{seconds:02d}"


def micros(value: int, *, signed: bool = False) -> str:
    """Microseconds in the unit that reads best: "187 ms", "24 min 37 s"."""
    sign = "−" if value < 0 else "+" if signed else ""
    size = abs(value)
    if size < 1_000:
        return f"{sign}{size} µs"
    if size < 1_000_000:
        return f"{sign}{round(size / 1_000)} ms"
    if size < 60_000_000:
        return f"{sign}{size / 1_000_000:.1f} s"
    minutes, seconds = divmod(size // 1_000_000, 60)
    if minutes < 60:
        return f"{sign}{minutes} min {seconds} s"
    return f"{sign}{span(timedelta(microseconds=size))}"


def size(value: int) -> str:
    """Bytes: "812 bytes", "4.1 KB", "1.2 MB"."""
    if value < 1_000:
        return f"{value} bytes"
    for unit, scale in (("KB", 10**3), ("MB", 10**6), ("GB", 10**9)):
        if value < scale * 1_000:
            return f"{value / scale:.1f} {unit}"
    return f"{value / 10**12:.1f} TB"
