"""Who is on call: read on time, named first, paged first; and nothing waits for a rota that fails."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import Person, User
from identities.permissions import NotAllowed
from reviews.break_glass import answering, bypassing, document, on_call, rights, sweeping, telling
from reviews.models import BreakGlass, Rota, Shift
from reviews.notices import rotas
from reviews.notices.rota_reading import NotRead, OnShift
from reviews.pages import waiting
from reviews.policy_document import DocumentError
from tests.evidence.sources.server import Answer, There, serving
from tests.reviews.conftest import DAY, NOW, person_of

from .conftest import (
    BOTH,
    DOCUMENT,
    MINUTE,
    Company,
    approve,
    asked,
    fresh,
    member,
    put_in_force,
)
from .test_signing import told

pytestmark = pytest.mark.django_db
HOUR = 60 * MINUTE
ON_CALL = {"all_of": [{"team": "Platform", "on_call": True}, {"team": "Security", "n": 1}]}


@pytest.fixture(scope="module")
def there() -> Iterator[There]:
    with serving() as found:
        yield found


@pytest.fixture
def pagers(there: There, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> There:
    """Both teams have a rota at one pager."""
    settings.ALLOW_PRIVATE = True
    monkeypatch.setenv("ROTA_TOKEN", "s3cret-token")
    file = tmp_path / "on-call.json"  # which is YAML as well
    rows = [{"team": team, "pagerduty": team, "token": "env:ROTA_TOKEN", "api": there.url}
            for team in ("Platform", "Security")]  # fmt: skip
    file.write_text(json.dumps({"rotas": rows}))
    settings.ON_CALL = str(file)
    return there


def rota(pagers: There, *shifts: tuple[str, User | str, datetime, datetime | None]) -> None:
    """The pager says these from now on: team, who, from, until."""

    def answer(request: Any) -> Answer:
        team = request.query["schedule_ids[]"]
        rows = [
            {"schedule": {"id": team},
             "user": {"name": who, "email": ""} if isinstance(who, str)
             else {"name": "x", "email": who.email or person_of(who).email},
             "start": starts.isoformat(), "end": ends and ends.isoformat()}
            for of, who, starts, ends in shifts if of == team
        ]  # fmt: skip
        return Answer(200, {"oncalls": rows, "more": False})

    pagers.on("GET", "/oncalls", answer)


def sweep(now: datetime) -> int:
    on_call.follow(now=now)
    many = 0
    while on_call.read_next(now=now):
        many += 1
    return many


def here(now: datetime = NOW, **said: Any) -> dict[str, list[tuple[str, datetime | None]]]:
    found = on_call.of_teams(["Platform", "Security"], now=now, **said)
    return {team: [(one.name, one.until) for one in those] for team, those in found.items()}


@pytest.fixture
def paging(company: Company, pagers: There) -> Company:
    """Pia is on call for Platform until in three hours, Sven for Security."""
    for user in (company.pia, company.paul, company.sven, company.sara, company.dana):
        person = person_of(user)
        Person.objects.filter(pk=person.pk).update(email=f"{user.username}@example.org")
        person.refresh_from_db()
    rota(
        pagers,
        ("Platform", company.pia, NOW - HOUR, NOW + 3 * HOUR),
        ("Platform", company.paul, NOW + 3 * HOUR, NOW + 8 * HOUR),
        ("Security", company.sven, NOW - HOUR, NOW + 8 * HOUR),
    )
    assert sweep(NOW) == 2
    return company


# --- reading -----------------------------------------------------------------------------------


def test_each_rota_is_read_every_five_minutes_and_names_who_is_there(
    paging: Company, pagers: There
) -> None:
    until = NOW + 3 * HOUR
    assert here() == {"Platform": [("Pia", until)], "Security": [("Sven", NOW + 8 * HOUR)]}
    assert here(until) == {
        "Platform": [("Paul", NOW + 8 * HOUR)],
        "Security": [("Sven", NOW + 8 * HOUR)],
    }
    assert (sweep(NOW + 4 * MINUTE), sweep(NOW + 5 * MINUTE)) == (0, 2)
    assert Shift.objects.count() == 3


def test_a_rota_that_fails_is_said_and_counts_for_a_day(paging: Company, pagers: There) -> None:
    later = NOW + 2 * HOUR
    pagers.fail(Answer(503), Answer(503))
    assert sweep(later) == 2
    (platform, _) = on_call.overview(now=later)["rotas"]
    assert (platform["problem"], platform["counts"], platform["read_at"]) == (
        "It answered 503.",
        True,
        NOW,
    )
    assert here(later)["Platform"] == [("Pia", NOW + 3 * HOUR)]
    Shift.objects.update(ends_at=NOW + 9 * DAY)
    assert set(here(NOW + DAY - MINUTE)) == {"Platform", "Security"}
    assert here(NOW + DAY) == {}
    # What says no hours is of its moment.
    Shift.objects.update(ends_at=None)
    assert (set(here(NOW + 29 * MINUTE)), here(NOW + 30 * MINUTE)) == (
        {"Platform", "Security"},
        {},
    )
    assert sweep(later + 5 * MINUTE) == 2
    assert [one["problem"] for one in on_call.overview(now=later)["rotas"]] == ["", ""]


def test_rows_follow_the_file(paging: Company, settings: Any) -> None:
    first, _ = rotas.entries()
    Path(settings.ON_CALL).write_text("rotas: [")
    on_call.follow(now=NOW)
    assert Rota.objects.count() == 2
    assert "no YAML" in on_call.overview(now=NOW)["problem"]
    rows = [{"team": "Platform", "pagerduty": "Other", "token": "env:ROTA_TOKEN", "api": first.api}]
    Path(settings.ON_CALL).write_text(json.dumps({"rotas": rows}))
    on_call.follow(now=NOW)
    # What another schedule says is not what was read of the one before.
    row = Rota.objects.get()
    assert (row.team, row.read_at, row.shifts.count(), here()) == ("Platform", None, 0, {})


def test_whoever_dies_while_reading_is_followed_and_who_is_late_writes_nothing(
    paging: Company, pagers: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    at = NOW + 5 * MINUTE
    with monkeypatch.context() as patch:
        patch.setattr(rotas, "fetch", dies)
        with pytest.raises(KeyboardInterrupt):
            on_call.read_next(now=at)
    assert (sweep(at), sweep(at + 5 * MINUTE)) == (1, 2)
    fetch = rotas.fetch

    def slow(entry: rotas.Entry, *, etag: str, now: datetime) -> rotas.Fetched:
        found = fetch(entry, etag=etag, now=now)
        # Another worker asked after this one, and was answered first.
        Rota.objects.filter(team=entry.team).update(tried_at=now + MINUTE, problem="newer")
        return found._replace(shifts=[])

    with monkeypatch.context() as patch:
        patch.setattr(rotas, "fetch", slow)
        assert on_call.read_next(now=at + 10 * MINUTE)
    assert (Rota.objects.filter(problem="newer").count(), Shift.objects.count()) == (1, 3)


def test_somebody_the_team_does_not_have_is_nobody_on_call_and_is_said(
    company: Company, pagers: There
) -> None:
    rota(
        pagers,
        ("Platform", "<b>Mallory</b>", NOW, NOW + HOUR),
        ("Security", "Sara and Sven", NOW, NOW + HOUR),
    )
    sweep(NOW)
    assert here() == {"Security": [("Sara", NOW + HOUR), ("Sven", NOW + HOUR)]}
    assert [one["unknown"] for one in on_call.overview(now=NOW)["rotas"]] == [
        ["<b>Mallory</b>"],
        [],
    ]


def test_what_can_be_read_counts_and_the_rest_is_said(
    company: Company, settings: Any, tmp_path: Path
) -> None:
    feed, settings.ON_CALL = tmp_path / "rota.ics", str(tmp_path / "on-call.yaml")
    Path(settings.ON_CALL).write_text(f"rotas: [{{team: Security, calendar: 'file:{feed}'}}]")
    times = "DTSTART:20261124T000000Z\nDTEND:20261125T000000Z\n"
    events = [f"BEGIN:VEVENT\nUID:{n}@x\nSUMMARY:{name}\n{said}END:VEVENT\n"
              for n, (name, said) in enumerate((("Sara", times), ("broken", "DTSTART:junk\n")))]  # fmt: skip
    feed.write_text(f"BEGIN:VCALENDAR\nVERSION:2.0\n{''.join(events)}END:VCALENDAR\n")
    assert sweep(NOW) == 1
    assert list(here()) == ["Security"]
    (row,) = on_call.overview(now=NOW)["rotas"]
    assert (row["counts"], row["problem"].partition(" (")[0]) == (True, "'broken' cannot be read")


@pytest.mark.parametrize(
    ("name", "emails", "found"),
    [
        ("On call: Ann Lee", (), ["ann"]),
        ("ann   LEE, then Bo", (), ["ann", "bo"]),
        ("Ann Leeman", (), []),
        ("Bob", (), []),
        ("Bo", ("ann@x.org",), ["ann"]),
        ("Bo", ("nobody@x.org",), ["bo"]),
        ("", (), []),
    ],
)
def test_whom_a_shift_means(name: str, emails: tuple[str, ...], found: list[str]) -> None:
    members: dict[Any, on_call.Member] = {
        "ann": on_call.Member("Ann Lee", frozenset({"ann@x.org"})),
        "bo": on_call.Member("Bo", frozenset()),
        "empty": on_call.Member("", frozenset()),
    }
    assert on_call.named(OnShift(NOW, None, name, emails), members) == found


# --- paging ------------------------------------------------------------------------------------


def test_who_is_on_call_is_told_first_and_the_others_if_nobody_looks(paging: Company) -> None:
    case = asked(paging)
    assert told(case, "asked") == ["Pia", "Sven"]
    assert not sweeping.due_next(now=NOW + 2 * MINUTE)
    answering.acknowledge(case=case, by=paging.pia, now=NOW + 2 * MINUTE)
    # Half of the patience is over: of Security, nobody has looked.
    at = NOW + 2.5 * MINUTE
    assert (sweeping.due_next(now=at), sweeping.due_next(now=at)) == (True, False)
    assert told(case, "asked") == ["Pia", "Sara", "Sven"]
    assert LedgerEntry.objects.filter(act="break_glass.others_told").count() == 1
    # They may sign as ever: the rota says who is asked first.
    approve(case, paging.paul, at)
    approve(case, paging.sara, at)
    assert fresh(case).state == "carrying_out"


def test_a_signature_says_that_somebody_looks(paging: Company) -> None:
    put_in_force("quick", paging.rita, paging.root, page_minutes=1)
    case = asked(paging, slug="quick")
    approve(case, paging.pia, NOW)
    approve(case, paging.sven, NOW)
    answered = asked(paging, slug="quick", now=NOW + MINUTE)
    approve(answered, paging.pia, NOW + MINUTE)
    answering.acknowledge(case=answered, by=paging.sven, now=NOW + MINUTE)
    while sweeping.due_next(now=NOW + 2 * MINUTE):
        pass
    assert (told(case, "asked"), told(answered, "asked")) == (["Pia", "Sven"], ["Pia", "Sven"])
    assert not LedgerEntry.objects.filter(act="break_glass.others_told").exists()


@pytest.mark.parametrize("how", ["stale", "empty", "the asker alone", "without a file"])
def test_without_a_readable_rota_everybody_is_asked_as_ever(
    paging: Company, settings: Any, how: str
) -> None:
    if how == "stale":
        Rota.objects.update(read_at=NOW - 2 * DAY)
    elif how == "empty":
        Shift.objects.all().delete()
    elif how == "the asker alone":
        Shift.objects.update(emails=[f"{paging.dana.username}@example.org"], name="")
    else:
        settings.ON_CALL = ""
        on_call.follow(now=NOW)
    case = asked(paging)
    assert told(case, "asked") == ["Paul", "Pia", "Sara", "Sven"]
    assert fresh(case).break_glass.others_at is None


# --- who fills a place -------------------------------------------------------------------------


def test_a_place_for_who_is_on_call_is_filled_by_nobody_else(paging: Company) -> None:
    put_in_force("called", paging.rita, paging.root, quorum=ON_CALL)
    case = asked(paging, slug="called")
    assert [one.name for one in telling.approvers(fresh(case), now=NOW)] == ["Pia", "Sara", "Sven"]
    with pytest.raises(NotAllowed, match="you are not on call now"):
        approve(case, paging.paul)
    # Cutting off only takes away: it stays everybody's of the team.
    assert rights.why_not_cut_off(paging.paul, fresh(case), now=NOW) == (
        f"{case.key} is open: nothing of it is open."
    )
    approve(case, paging.pia, NOW)
    # Whoever was on call when they signed counts when the last one signs, hours later.
    case_ = approve(case, paging.sven, NOW + 50 * MINUTE)
    assert case_.state == "carrying_out"


def test_a_shift_that_ended_between_two_signatures_does_not_undo_one(paging: Company) -> None:
    put_in_force("called", paging.rita, paging.root, quorum=ON_CALL)
    case = asked(paging, slug="called")
    approve(case, paging.pia, NOW)
    shifts = Shift.objects.filter(rota__team="Platform").order_by("starts_at")
    shifts.filter(starts_at__lte=NOW).update(ends_at=NOW + MINUTE)
    shifts.filter(starts_at__gt=NOW).update(starts_at=NOW + MINUTE)
    assert [one for one, _ in here(NOW + 2 * MINUTE)["Platform"]] == ["Paul"]
    assert approve(case, paging.sven, NOW + 2 * MINUTE).state == "carrying_out"


def test_where_nobody_is_on_call_anybody_of_the_team_fills_it(paging: Company) -> None:
    put_in_force("called", paging.rita, paging.root, quorum=ON_CALL)
    Rota.objects.filter(team="Platform").update(read_at=NOW - 2 * DAY)
    case = asked(paging, slug="called")
    approve(case, paging.paul, NOW)
    assert approve(case, paging.sven, NOW).state == "carrying_out"


def test_a_bundle_says_so_and_its_fallback() -> None:
    says = document.parse(DOCUMENT | {"quorum": ON_CALL, "page_minutes": 2})
    assert says.quorum.words() == "1 of Platform on call and 1 of Security"
    lines = dict(document.lines(says))
    assert lines["On call"] == (
        "where nobody of a team is, or its rota cannot be read, anybody of it signs"
    )
    assert lines["Others are told"] == "2 min after who is on call"


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"quorum": {"role": "responder", "on_call": True}}, "quorum.on_call"),
        ({"quorum": {"team": "Platform", "on_call": "yes"}}, "quorum.on_call"),
        ({"quorum": BOTH, "page_minutes": 5}, "page_minutes"),
        ({"quorum": BOTH, "page_minutes": 0}, "page_minutes"),
    ],
)
def test_what_cannot_be_said_of_it_has_its_place(said: dict[str, Any], place: str) -> None:
    with pytest.raises(DocumentError) as refused:
        document.parse(DOCUMENT | said)
    assert [at for at, _ in refused.value.problems] == [place]


def test_a_file_that_cannot_be_read_stops_no_request(paging: Company, settings: Any) -> None:
    Path(settings.ON_CALL).write_text("[")
    with pytest.raises(NotRead):
        rotas.entries()
    assert not on_call.read_next(now=NOW + HOUR)
    assert told(asked(paging), "asked") == ["Pia", "Sven"]


# --- duty managers -----------------------------------------------------------------------------


def test_a_duty_manager_is_asked_to_stand_beside_who_opens_it_the_dearer_way(
    paging: Company, pagers: There, settings: Any
) -> None:
    member(paging.owen, "Duty")
    said = json.loads(Path(settings.ON_CALL).read_text())["rotas"]
    said.append(said[0] | {"team": "Duty", "pagerduty": "Duty", "duty": True})
    Path(settings.ON_CALL).write_text(json.dumps({"rotas": said}))
    rota(pagers, ("Duty", "Owen", NOW - HOUR, NOW + HOUR))
    sweep(NOW + 5 * MINUTE)
    quick = asked(paging)
    BreakGlass.objects.filter(case=quick.pk).update(factorless_at=NOW)
    late = NOW + 6 * MINUTE
    assert waiting.for_user(paging.owen, now=late) == []
    while sweeping.due_next(now=late):
        pass
    assert told(quick, "duty") == ["Owen"]
    # Where it is known beforehand that it is dearer, it is in their queue from the beginning.
    bypassing.bypass(case=quick, reason="now", by=paging.dana, now=NOW + 20 * MINUTE)
    case = asked(paging, now=NOW + 21 * MINUTE)
    assert [one.case for one in waiting.for_user(paging.owen, now=NOW + 21 * MINUTE)] == [case.pk]
    bypassing.vouch(case=case, reason="go", by=paging.owen, now=NOW + 22 * MINUTE)
    while sweeping.due_next(now=NOW + 30 * MINUTE):
        pass
    assert told(case, "duty") == []
    # They vouch, and fill no place of the rule.
    with pytest.raises(NotAllowed, match="you are none of these"):
        approve(case, paging.owen, NOW + 30 * MINUTE)
