"""What calendars and pagers say of who is on call: documented shapes, what repeats, what is wrong."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from gzip import compress
from pathlib import Path
from typing import Any

import pytest

from reviews.notices import rotas
from reviews.notices.rota_reading import NotRead, calendar, opsgenie, pagerduty
from tests.evidence.sources.server import Answer, There, serving
from tests.reviews.conftest import NOW

DAY = timedelta(days=1)
# Handed over each Monday at nine in Berlin, also over the end of summer time; one week is swapped.
WEEKLY = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//Rota//EN
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:1@example.com
DTSTAMP:20260101T000000Z
DTSTART;TZID=Europe/Berlin:20261012T090000
DURATION:P7D
RRULE:FREQ=WEEKLY;INTERVAL=2
EXDATE;TZID=Europe/Berlin:20261109T090000
SUMMARY:On call: Pia
ATTENDEE;CN=Pia:mailto:Pia@Example.org
END:VEVENT
BEGIN:VEVENT
UID:2@example.com
DTSTAMP:20260101T000000Z
DTSTART;TZID=Europe/Berlin:20261109T090000
DTEND;TZID=Europe/Berlin:20261116T090000
SUMMARY:Paul <paul@example.org> instead
ATTENDEE;PARTSTAT=DECLINED:mailto:pia@example.org
END:VEVENT
BEGIN:VEVENT
UID:3@example.com
DTSTAMP:20260101T000000Z
DTSTART:20261020T000000Z
DTEND:20261021T000000Z
STATUS:CANCELLED
SUMMARY:Nobody
END:VEVENT
END:VCALENDAR
"""


def event(*lines: str, head: str = "") -> str:
    said = "\r\n".join(
        ("BEGIN:VEVENT", "UID:9@x", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT")
    )
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{head}{said}\r\nEND:VCALENDAR\r\n"


def at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def read(text: str) -> list[tuple[Any, ...]]:
    since = at(2026, 10, 12)
    shifts, note = calendar(text, since=since, until=since + 42 * DAY)
    assert note == ""
    return [tuple(one) for one in shifts]


def test_what_repeats_is_moved_left_out_and_follows_the_clock_of_its_zone() -> None:
    pia = ("On call: Pia", ("pia@example.org",))
    assert read(WEEKLY) == [
        (at(2026, 10, 12, 7), at(2026, 10, 19, 7), *pia),
        (at(2026, 10, 26, 8), at(2026, 11, 2, 8), *pia),
        # One fortnight later she is away, and what she declined is not hers.
        (at(2026, 11, 9, 8), at(2026, 11, 16, 8), "Paul <paul@example.org> instead",
         ("paul@example.org",)),
    ]  # fmt: skip


def test_a_day_is_of_the_calendars_zone() -> None:
    head = "X-WR-TIMEZONE:America/New_York\r\n"
    text = event("DTSTART;VALUE=DATE:20261020", "SUMMARY:Sven", head=head)
    assert read(text) == [(at(2026, 10, 20, 4), at(2026, 10, 21, 4), "Sven", ())]
    floating = event("DTSTART:20261020T090000", "DTEND:20261020T100000", "SUMMARY:Sven")
    assert read(floating) == [(at(2026, 10, 20, 9), at(2026, 10, 20, 10), "Sven", ())]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<html>sign in</html>", "is no calendar"),
        ("", "is no calendar"),
        ("BEGIN:VEVENT", "is no calendar"),
        (event("DTSTART:20261012T000000Z", "RRULE:FREQ=SECONDLY"), "'FREQ=SECONDLY'"),
        (event("DTSTART:20261012T000000Z", "RRULE:FREQ=DAILY;BYMINUTE=1,2"), "'BYMINUTE=1,2'"),
        # Folded, in small letters, and where a time zone says when its clocks change.
        (event("DTSTART:20261012T000000Z", "rrule:FREQ=DAILY;INTER", " VAL=0"), "'INTERVAL=0'"),
        (WEEKLY.replace("BYMONTH=10", "INTERVAL=0"), "'INTERVAL=0'"),
        (event("DTSTART:20261012T000000Z", *["RRULE:FREQ=DAILY"] * 201), "More than 200"),
        (event("SUMMARY:x").replace("BEGIN:VEVENT", "BEGIN:VEVENT\r\nEND:VEVENT\r\n" * 2_000
                                    + "BEGIN:VEVENT"), "more than 2,000 events"),
    ],
)  # fmt: skip
def test_what_is_no_rota_is_said_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(NotRead, match=says):
        read(text)


def test_a_hostile_calendar_is_bounded() -> None:
    text = event("DTSTART:20261020T000000Z", "DTEND:20261021T000000Z",
                 f"SUMMARY:{'<b>' * 4_000}", *[f"ATTENDEE:mailto:a{n}@x.org" for n in range(99)],
                 "ATTENDEE:mailto:not an address")  # fmt: skip
    ((_, _, name, emails),) = read(text)
    assert (len(name), len(emails)) == (200, 20)


USER = {
    "id": "PUSER",
    "type": "user",
    "summary": "Sven",
    "name": "Sven",
    "email": "Sven@Example.org",
}


def oncall(start: str | None, end: str | None, schedule: str = "PI7DH85") -> dict[str, Any]:
    """As the reference of GET /oncalls shows it."""
    return {
        "escalation_policy": {"id": "PT20YPA", "type": "escalation_policy_reference",
                              "summary": "Another Escalation Policy"},
        "escalation_level": 2,
        "schedule": {"id": schedule, "type": "schedule_reference", "summary": "Daily"},
        "user": USER,
        "start": start,
        "end": end,
    }  # fmt: skip


def test_pagerduty_names_a_schedule_once_for_each_policy() -> None:
    found = pagerduty(
        {
            "oncalls": [
                oncall("2026-11-24T09:00:00+01:00", "2026-11-25T09:00:00+01:00"),
                oncall("2026-11-24T09:00:00+01:00", "2026-11-25T09:00:00+01:00"),
                oncall("2026-11-24T09:00:00+01:00", "2026-11-25T09:00:00+01:00", "OTHER"),
                oncall(None, None),
            ]
        },
        schedule="PI7DH85",
    )
    assert [(one.starts_at, one.ends_at, one.emails) for one in found] == [
        (at(2000, 1, 1), None, ("sven@example.org",)),
        (at(2026, 11, 24, 8), at(2026, 11, 25, 8), ("sven@example.org",)),
    ]


@pytest.mark.parametrize("answer", [[], {}, {"oncalls": None}, {"data": {}}, "x", None])
def test_another_answer_is_said(answer: Any) -> None:
    with pytest.raises(NotRead, match="not PagerDuty's API"):
        pagerduty(answer, schedule="X")
    with pytest.raises(NotRead, match="not Opsgenie's API"):
        opsgenie(answer, now=NOW)


# --- the settings' file ------------------------------------------------------------------------


def written(settings: Any, folder: Path, text: str) -> None:
    file = folder / f"on-call-{abs(hash(text))}.yaml"
    file.write_text(text, "utf-8")
    settings.ON_CALL = str(file)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rotas: [", "is no YAML"),
        ("teams: []", "has no list `rotas`"),
        ("rotas: [{team: A}]", r"rotas\[0\]: say its team, and exactly one of calendar"),
        ("rotas: [{team: A, calendar: x, pagerduty: y}]", r"rotas\[0\]: say its team"),
        ("rotas: [{team: A, calendar: 'ftp://x/'}]", r"rotas\[0\]\.calendar: an https address"),
        ("rotas: [{team: A, pagerduty: P1, token: abc}]", r"rotas\[0\]\.token: a secret is named"),
        ("rotas: [{team: A, pagerduty: '../x', token: 'env:T'}]", "the id of a schedule"),
        ("rotas: [{team: A, calendar: 'https://x/', who: me}]", "nothing else"),
        ("rotas: [{team: A, calendar: 'https://x/'}, {team: A, calendar: 'https://y/'}]",
         "A has two rotas"),
        ("rotas: [{team: A, calendar: 'env:COUNTERSIGN_SECRET_KEY'}]", "of Countersign itself"),
    ],
)  # fmt: skip
def test_settings_that_are_wrong_say_where(
    settings: Any, tmp_path: Path, text: str, says: str
) -> None:
    written(settings, tmp_path, text)
    with pytest.raises(NotRead, match=says):
        rotas.entries()


def test_no_file_is_no_rota_and_one_that_is_gone_is_said(settings: Any, tmp_path: Path) -> None:
    settings.ON_CALL = ""
    assert rotas.entries() == ()
    settings.ON_CALL = str(tmp_path / "gone.yaml")
    with pytest.raises(NotRead, match="cannot be read"):
        rotas.entries()


# --- asking ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def there() -> Iterator[There]:
    with serving() as found:
        yield found


def entry(there: There, kind: str, place: str) -> rotas.Entry:
    return rotas.Entry("Platform", kind, place, token="env:ROTA_TOKEN", api=there.url)


@pytest.fixture(autouse=True)
def _loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ALLOW_PRIVATE = True
    monkeypatch.setenv("ROTA_TOKEN", "s3cret-token")


def test_a_calendar_is_asked_whether_it_has_changed(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.on("GET", "/a.ics", lambda asked: Answer(304) if asked.headers.get("if-none-match")
             else Answer(200, WEEKLY, {"ETag": '"1"', "Content-Type": "text/calendar"}))  # fmt: skip
    monkeypatch.setenv("ROTA_FEED", f"{there.url}/a.ics")
    place = entry(there, "calendar", "env:ROTA_FEED")
    found = rotas.fetch(place, etag="", now=at(2026, 10, 13))
    assert (found.etag, len(found.shifts or ())) == ('"1"', 3)
    assert rotas.fetch(place, etag='"1"', now=at(2026, 10, 13)) == (None, '"1"', "")


def test_a_calendar_lies_in_a_file_or_its_address_does(there: There, tmp_path: Path) -> None:
    there.on("GET", "/b.ics", Answer(200, WEEKLY))
    file = tmp_path / "rota"
    for said in (WEEKLY, f"{there.url}/b.ics\n"):
        file.write_text(said)
        found = rotas.fetch(entry(there, "calendar", f"file:{file}"), etag="", now=at(2026, 10, 13))
        assert len(found.shifts or ()) == 3


def test_pagerduty_is_asked_page_by_page(there: There) -> None:
    def page(asked: Any) -> Answer:
        first = asked.query["offset"] == "0"
        day = 24 if first else 25
        return Answer(200, {
            "oncalls": [oncall(f"2026-11-{day}T09:00:00Z", f"2026-11-{day + 1}T09:00:00Z")],
            "limit": 100, "offset": int(asked.query["offset"]), "more": first, "total": None,
        })  # fmt: skip

    there.on("GET", "/oncalls", page)
    there.asked.clear()
    found = rotas.fetch(entry(there, "pagerduty", "PI7DH85"), etag="", now=NOW)
    assert [one.starts_at.day for one in found.shifts or ()] == [24, 25]
    asked = there.asked[0]
    assert (asked.query["schedule_ids[]"], asked.query["include[]"]) == ("PI7DH85", "users")
    assert (asked.headers["authorization"], asked.headers["accept"]) == (
        "Token token=s3cret-token",
        "application/vnd.pagerduty+json;version=2",
    )


def test_opsgenie_says_who_is_on_call_now(there: There) -> None:
    said = {"data": {"_parent": {"id": "d875", "name": "ops", "enabled": True},
                     "onCallRecipients": ["Sven@example.org"]}, "took": 0.1, "requestId": "x"}  # fmt: skip
    there.on("GET", "/v2/schedules/ops%20team/on-calls", Answer(200, said))
    there.asked.clear()
    found = rotas.fetch(entry(there, "opsgenie", "ops team"), etag="", now=NOW)
    assert found.shifts == [(NOW, None, "Sven@example.org", ("sven@example.org",))]
    (asked,) = there.asked
    assert (asked.query, asked.headers["authorization"]) == (
        {"scheduleIdentifierType": "name", "flat": "true"},
        "GenieKey s3cret-token",
    )


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(401), "refuses us"),
        (Answer(404), "knows no such"),
        (Answer(503), "answered 503"),
        (Answer(302, headers={"Location": "http://169.254.169.254/"}), "answered 302"),
        (Answer(304), "answered 304"),
        (Answer(200, "<html>"), "without JSON"),
        (
            Answer(200, compress(b"x" * (3 << 20), mtime=0), {"Content-Encoding": "gzip"}),
            "more than 2 MiB",
        ),
    ],
)
def test_what_does_not_answer_says_so_without_its_secret(
    there: There, answer: Answer, says: str
) -> None:
    there.fail(answer)
    with pytest.raises(NotRead, match=says) as problem:
        rotas.fetch(entry(there, "pagerduty", "P1"), etag="", now=NOW)
    assert "s3cret" not in str(problem.value)


def test_an_address_inside_is_not_spoken_to(there: There, settings: Any) -> None:
    settings.ALLOW_PRIVATE = False
    with pytest.raises(NotRead, match="refused"):
        rotas.fetch(entry(there, "calendar", f"{there.url}/a.ics"), etag="", now=NOW)
    with pytest.raises(NotRead, match="refused"):
        rotas.fetch(entry(there, "opsgenie", "x"), etag="", now=NOW)
