"""What a calendar or a pager says of who is on call, as shifts. Pure but for the calendar's packages.

Owns three documented shapes: RFC 5545 with what repeats in it, PagerDuty's GET /oncalls, Opsgenie's
GET /v2/schedules/{id}/on-calls. All of it was written by others: it is bounded, and what cannot be
read is said in a sentence.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

MOST_EVENTS, MOST_SERIES, MOST_SHIFTS = 2_000, 200, 2_000
MOST_EMAILS = 20
LONGEST_NAME = 200
FOLDED = re.compile(r"(?:\r?\n)+[ \t]")
RULES = re.compile(r"(?im)^\s*(?:RRULE|EXRULE)(?:;[^:\r\n]*)?:(.*)$")
# What a rule may say (RFC 5545, 3.3.10). Nobody is on call for minutes: a rule that says so would
# take an hour to read, and one of no interval for ever.
MEMBERS = {
    "FREQ": r"DAILY|WEEKLY|MONTHLY|YEARLY",
    "UNTIL": r"[0-9TZ]{8,16}",
    "COUNT": r"[0-9]{1,6}",
    "INTERVAL": r"[1-9][0-9]{0,3}",
    "BYHOUR": r"[0-9]{1,2}(?:,[0-9]{1,2}){0,3}",
    "BYMINUTE": r"[0-9]{1,2}",
    "BYSECOND": r"[0-9]{1,2}",
    "WKST": r"[A-Z]{2}",
    **dict.fromkeys(
        ("BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS"),
        r"[0-9A-Z,+-]{1,200}",
    ),
}
EMAIL = re.compile(r"[^\s<>()\[\],;:\"]{1,64}@[^\s<>()\[\],;:\"]{1,190}")


class NotRead(Exception):
    """It could not be read: the sentence says what, and what to do."""


class OnShift(NamedTuple):
    """Somebody's time on call; `ends_at` None: it is not said until when."""

    starts_at: datetime
    ends_at: datetime | None
    name: str
    emails: tuple[str, ...]


def calendar(text: str, *, since: datetime, until: datetime) -> tuple[list[OnShift], str]:
    """The shifts of an iCalendar feed that touch this time, and what of it could not be read ("":
    all could). Who is on call is the attendees of an event, else who its summary names."""
    # Late: no page needs them, and reading their time zones takes a while.
    import icalendar
    import recurring_ical_events

    # Before anybody else reads it: some rules are gone through without end.
    if text.upper().count("BEGIN:VEVENT") > MOST_EVENTS:
        raise NotRead(f"It has more than {MOST_EVENTS:,} events: ask its calendar for less of it.")
    rules = RULES.findall(FOLDED.sub("", text))
    if len(rules) > MOST_SERIES:
        raise NotRead(f"More than {MOST_SERIES} of its events repeat: ask for less of it.")
    for rule in rules:
        if wrong := [one for one in rule.strip().split(";") if not _plain(one)]:
            raise NotRead(f"A rule says {wrong[0][:60]!r}: no rota repeats like this.")
    try:
        parsed = icalendar.Calendar.from_ical(text)
    except Exception as problem:  # noqa: BLE001 - what others wrote; the package raises of all kinds
        said = " ".join(str(problem).split())[:120]
        raise NotRead(f"It is no calendar (RFC 5545): {said}.") from None
    zone, note = _zone(parsed), ""
    shifts: list[OnShift] = []
    for one in _series(parsed, icalendar.Calendar):
        try:
            found = recurring_ical_events.of(one).between(since, until)
            shifts += [shift for each in found if (shift := _event(each, zone)) is not None]
        except Exception as problem:  # noqa: BLE001 - the same
            # What is wrong with one event takes the others from nobody.
            called = str(one.subcomponents[0].get("SUMMARY", "an event"))[:80]
            note = f"{called!r} cannot be read ({type(problem).__name__}), and counts for nobody."
    return _bounded(shifts), note


def _series(parsed: Any, make: Any) -> list[Any]:
    """A calendar of its own for each event with all that was said of its occurrences."""
    found: dict[str, Any] = {}
    for number, event in enumerate(parsed.walk("VEVENT")):
        name = str(event.get("UID", number))
        if name not in found:
            found[name] = make()
            if "X-WR-TIMEZONE" in parsed:
                found[name].add("X-WR-TIMEZONE", parsed["X-WR-TIMEZONE"])
        found[name].add_component(event)
    return list(found.values())


def _plain(part: str) -> bool:
    """Whether a part of a rule that repeats is one that ends: daily at most, by known members."""
    name, _, value = part.upper().partition("=")
    return name in MEMBERS and re.fullmatch(MEMBERS[name], value) is not None


def _zone(parsed: Any) -> Any:
    """The zone of dates and of times without one: as the calendar says, else UTC."""
    try:
        return ZoneInfo(str(parsed.get("X-WR-TIMEZONE", "UTC")))
    except (ValueError, OSError, KeyError):
        return UTC


def _event(event: Any, zone: Any) -> OnShift | None:
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return None
    starts, ends = _moment(event.start, zone), _moment(event.end, zone)
    if ends <= starts:
        return None
    said = event.get("ATTENDEE", [])
    emails = [
        str(one)[7:]
        for one in (said if isinstance(said, list) else [said])
        if str(one).lower().startswith("mailto:")
        and str(getattr(one, "params", {}).get("PARTSTAT", "")).upper() != "DECLINED"
    ]
    return _shift(starts, ends, str(event.get("SUMMARY", "")), emails)


def _moment(said: date | datetime, zone: Any) -> datetime:
    if not isinstance(said, datetime):
        said = datetime(said.year, said.month, said.day)  # noqa: DTZ001 - a day is of the calendar's zone
    return (said if said.tzinfo is not None else said.replace(tzinfo=zone)).astimezone(UTC)


def pagerduty(answer: Any, *, schedule: str) -> list[OnShift]:
    """One page of GET /oncalls, of this schedule alone; null times are always."""
    if not isinstance(answer, dict) or not isinstance(answer.get("oncalls"), list):
        raise NotRead("It answers without `oncalls`: the address is not PagerDuty's API.")
    shifts = []
    for one in answer["oncalls"]:
        said = one if isinstance(one, dict) else {}
        user, of = _object(said.get("user")), _object(said.get("schedule"))
        if of.get("id") != schedule:
            continue
        starts, ends = _iso(said.get("start")), _iso(said.get("end"))
        name = str(user.get("name") or user.get("summary") or "")
        emails = [str(user["email"])] if user.get("email") else []
        if ends is None or ends > (starts or datetime.min.replace(tzinfo=UTC)):
            shifts.append(_shift(starts or datetime(2000, 1, 1, tzinfo=UTC), ends, name, emails))
    # One schedule stands in several escalation policies, and each of them names it.
    return _bounded(dict.fromkeys(shifts))


def _object(said: Any) -> dict[str, Any]:
    return said if isinstance(said, dict) else {}


def opsgenie(answer: Any, *, now: datetime) -> list[OnShift]:
    """GET /v2/schedules/{id}/on-calls with flat=true: who is on call now, without hours."""
    data = answer.get("data") if isinstance(answer, dict) else None
    found = data.get("onCallRecipients") if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise NotRead("It answers without `onCallRecipients`: the address is not Opsgenie's API.")
    return _bounded(_shift(now, None, str(one), [str(one)]) for one in found)


def _iso(said: Any) -> datetime | None:
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(str(said))
    except ValueError:
        raise NotRead(f"{str(said)[:40]!r} is no time (RFC 3339).") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)


def _shift(starts: datetime, ends: datetime | None, name: str, emails: Iterable[str]) -> OnShift:
    name = " ".join(name.replace("\0", " ").split())
    # A feed without attendees often has the address in its summary.
    found = [*emails, *EMAIL.findall(name)]
    plain = dict.fromkeys(one.strip().lower() for one in found if EMAIL.fullmatch(one.strip()))
    return OnShift(starts, ends, name[:LONGEST_NAME], tuple(plain)[:MOST_EMAILS])


def _bounded(shifts: Iterable[OnShift]) -> list[OnShift]:
    found = sorted(shifts, key=lambda one: (one.starts_at, one.name))
    if len(found) > MOST_SHIFTS:
        raise NotRead(f"It says more than {MOST_SHIFTS:,} shifts for the next weeks.")
    return found
