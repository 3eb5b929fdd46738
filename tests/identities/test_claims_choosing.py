"""Who is asked: the order of evidence, names as people write them. No database."""

from datetime import UTC, date, datetime

import pytest

from identities.claims import counting
from identities.claims.choosing import (
    MOST_REASONS,
    ORDER,
    STRENGTH_OF,
    Choice,
    Reason,
    begins,
    choose,
    folded,
    login_of,
    ordered,
    tag,
)
from identities.models import ClaimDay


def said(*kinds: str) -> list[Reason]:
    return [Reason(kind, kind, f"{kind} says so") for kind in kinds]


@pytest.mark.parametrize(
    ("kinds", "party"),
    [
        # The register is stronger than any tag; of tags the order is that of the table.
        (["owner", "service"], "service"),
        (["team", "owner"], "owner"),
        (["creator", "codeowners"], "codeowners"),
        # Who made a thing says less than what is beside it.
        (["creator", "issuer", "neighbours"], "neighbours"),
        (["naming", "creator"], "creator"),
        (["naming"], "naming"),
    ],
)
def test_stronger_evidence_is_asked_first(kinds: list[str], party: str) -> None:
    assert choose(said(*kinds)) == Choice(party, STRENGTH_OF[party], party)
    assert choose(said(*reversed(kinds))).party == party


@pytest.mark.parametrize("kind", ORDER)
def test_strength_is_never_above_the_evidence(kind: str) -> None:
    """Only a register of ours is more than inferred: anybody may write a tag."""
    assert choose(said(kind)).strength == (2 if kind == "service" else 1)


def test_who_said_no_is_not_asked_again() -> None:
    rows = said("service", "owner", "team")
    assert [
        choose(rows, refused).party
        for refused in ([], ["service"], ["service", "owner"], ["service", "owner", "team"])
    ] == ["service", "owner", "team", None]


def test_reasons_are_said_once_and_bounded() -> None:
    rows = [Reason("a", "owner", f"tag {at:02d}") for at in range(40)]
    assert ordered([*rows, *rows]) == rows[:MOST_REASONS]
    assert len(Reason("a", "owner", "x" * 5_000).as_json()["words"]) == 300


@pytest.mark.parametrize(
    "name", ["@acme/payments-team", "Team Payments", "payments", "PAYMENTS squad", " Payments "]
)
def test_names_of_a_team_are_one(name: str) -> None:
    assert folded(name) == "payments"


@pytest.mark.parametrize(
    ("name", "login"),
    [
        ("arn:aws:iam::123456789012:user/ines", "ines"),
        ("@Ines", "ines"),
        ("mailto:Ines@Example.org", "ines@example.org"),
    ],
)
def test_logins_are_what_logs_call_people(name: str, login: str) -> None:
    assert login_of(name) == login


def test_beginnings_of_a_name_are_the_longest_first() -> None:
    assert begins("Payments-api_worker") == ["payments-api-worker", "payments-api", "payments"]
    assert begins("") == []


def test_tag_is_written_as_it_is_compared() -> None:
    assert tag("owner", "  Payments   Squad ") == "owner=payments squad"


def day(number: int, left: int) -> ClaimDay:
    return ClaimDay(
        day=date(2026, 11, number),
        unowned=left,
        unclaimed=0,
        asked=0,
        nobody=0,
        owned=0,
        answers=0,
        counted_at=datetime(2026, 11, number, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("rows", "why", "dates"),
    [
        ([], "", (None, None)),
        ([day(1, 9), day(9, 0)], "", (None, None)),
        ([day(1, 9), day(4, 6)], "It takes counts of 7 days; there are 4.", (None, None)),
        (
            [day(1, 9), day(8, 9)],
            "In the last 7 days it has not become less.",
            (None, None),
        ),
        # 100 in seven days, 140 in fourteen: 60 are left.
        (
            [day(1, 200), day(8, 160), day(15, 60)],
            "",
            (date(2026, 11, 20), date(2026, 11, 21)),
        ),
        # Nothing was counted between the 1st and the 6th: 60 in eight days.
        ([day(1, 64), day(6, 64), day(9, 4)], "", (date(2026, 11, 10), date(2026, 11, 10))),
        (
            [day(1, 90_000), day(8, 89_999)],
            "At this pace it takes more than two years.",
            (None, None),
        ),
    ],
)
def test_forecast_is_said_only_where_days_bear_it(
    rows: list[ClaimDay], why: str, dates: tuple[date | None, date | None]
) -> None:
    found = counting.forecast(rows)
    assert (found.why_not, (found.earliest, found.latest)) == (why, dates)
