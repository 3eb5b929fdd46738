"""Times as logs write them: what is the same moment, and what is none."""

from collections.abc import Callable

import pytest

from evidence.formats.cloudtrail import activities
from evidence.formats.times import moment

AT = 1_930_467_720_250_000  # 2031-03-05 09:02:00.25 UTC


@pytest.mark.parametrize(
    "written",
    [
        "2031-03-05T09:02:00.250Z",
        "2031-03-05T09:02:00.250000000Z",
        "2031-03-05T09:02:00.25+00:00",
        "2031-03-05T10:02:00.25+0100",
        "2031-03-05 09:02:00.250",
        "2031-03-05 09:02:00.250 UTC",
        "2031-03-05 09:02:00.250 GMT",
        "2031-03-05 09:02:00.250 +0000",
        "2031-03-05 09:02:00.250 -00:00",
        "2031-03-05 09:02:00.250000000 +0000",
        "2031-03-05 03:32:00.250000 -0530",
        "2031-03-05 03:32:00.250 -05:30",
        " 2031-03-05 09:02:00.250 +0000 ",
        "2031-03-05 09:02:00.250  +0000",
        "2031-03-05 9:02:00.250",
        AT,
        AT // 1000,
        AT / 1_000_000,
        f"{AT // 1000}",
    ],
)
def test_one_moment(written: object) -> None:
    assert moment(written) == AT


@pytest.mark.parametrize(
    "written",
    [
        "2031-03-05 09:02:00.250 12345",
        "2031-03-05 09:02:00.250 +2460",
        "2031-13-05 09:02:00.250 +0000",
        "1999-03-05 09:02:00.250 +0000",
        "never, not on any day of any year",
        "2031-03-05 09:02:00.250 +0000".ljust(70),
        True,
        None,
        [],
        float("nan"),
    ],
)
def test_no_time(written: object) -> None:
    assert moment(written) is None


@pytest.mark.parametrize("read", [moment, activities.moment], ids=["all", "AWS"])
@pytest.mark.parametrize(
    "written",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:59-12:00",
        "0000-00-00 00:00:00",
        "",
        0,
        -62_135_596_800,
        253_402_300_799,
    ],
)
def test_time_of_a_program_that_knew_none_is_not_known(
    read: Callable[[object], int | None], written: object
) -> None:
    assert read(written) is None
