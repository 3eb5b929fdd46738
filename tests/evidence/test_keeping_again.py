"""Deposits read again under a keep-filter: nothing left out comes back, nothing kept goes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from evidence import emptying, erasing, keeping, rereading
from evidence.models import Deposit, Event, FilteredOut, Reject, Source
from evidence.permissions import COMMAND
from evidence.stores import bodies
from tests.evidence.conftest import NOW
from tests.evidence.test_erasing import ANNA, BEN
from tests.evidence.test_rereading import FIRST, GATEWAY, again, save, shown, take

type Make = Callable[..., Source]
pytestmark = pytest.mark.django_db
BETTER = FIRST.replace("action: act", "action: [act, nothing]")
DROP = "drop action of*\ndrop action shut"
OUT = "left out by the keep-filter that stood when it came: drop action of*"


def filtered(source: Source, rules: str, days: int) -> None:
    """The source has these rules from so many days after NOW on."""
    keeping.change(source=source, text=rules, by=COMMAND, now=NOW + timedelta(days=days))


def gate(source: Make, *filters: tuple[str, int]) -> Deposit:
    """A deposit taken at NOW, with a record that only a better mapping reads."""
    save(FIRST)
    row = source("gate", format="mapping:gateway")
    for rules, days in (one for one in filters if one[1] <= 0):
        filtered(row, rules, days)
    row.refresh_from_db()
    deposit = take(row, GATEWAY)
    for rules, days in (one for one in filters if one[1] > 0):
        filtered(row, rules, days)
    save(BETTER)
    return deposit


@pytest.mark.parametrize(
    ("filters", "actions"),
    [
        # As it would have been had the format read it at the door: by the filter of that time.
        ([(DROP, -1)], ["open", "open"]),
        ([(DROP, -1), ("", 1)], ["open", "open"]),
        ([("drop action nobody", -2), (DROP, -1)], ["open", "open"]),
        ([(DROP, -2), ("", -1)], ["open", "shut", "of use", "open"]),
        ([(DROP, 1)], ["open", "shut", "of use", "open"]),
        ([("keep action open", -1)], ["open", "open"]),
        ([], ["open", "shut", "of use", "open"]),
    ],
    ids=[
        "stands",
        "lifted since",
        "replaced before",
        "lifted before",
        "came later",
        "keep",
        "none",
    ],
)
def test_filter_of_the_time_decides_over_new_events(
    source: Make, filters: list[tuple[str, int]], actions: list[str]
) -> None:
    deposit = gate(source, *filters)
    before = {one[0] for one in shown()}
    again()
    assert ([one[1] for one in shown()], before - {one[0] for one in shown()}) == (actions, set())
    deposit.refresh_from_db()
    assert deposit.records == deposit.events + deposit.rejects + deposit.duplicates
    assert (deposit.events, deposit.duplicates) == (len(actions), 0)


def test_what_is_left_out_again_is_said_and_counted_once(source: Make) -> None:
    deposit = gate(source, (DROP, -1))
    (at_the_door,) = FilteredOut.objects.values_list("reason", "records", "day")
    assert at_the_door == ("drop action shut", 1, NOW.date())
    again()
    save(BETTER + "credential: {kind: api_key, path: key}\n")
    again()
    rejects = Reject.objects.filter(deposit=deposit, reason=OUT)
    assert list(rejects.values_list("position", "excerpt")) == [("Records[2]", "")]
    assert list(FilteredOut.objects.order_by("reason").values_list("reason", "records")) == [
        ("drop action of*", 1), ("drop action shut", 1),
    ]  # fmt: skip
    assert {one[1] for one in shown()} == {"open"}


def test_trying_out_counts_nothing(source: Make) -> None:
    deposit = gate(source, (DROP, -1))
    (outcome,) = rereading.try_out([deposit.pk], to_format="", now=NOW)
    assert (outcome.counts["added"], outcome.counts["same"]) == (0, 2)
    assert FilteredOut.objects.filter(reason="drop action of*").count() == 0


def test_guess_that_was_wrong_is_corrected_under_the_filter_of_the_time(source: Make) -> None:
    nothing = FIRST.replace("at: ts", "at: z").replace("action: act", "action: z")
    save(nothing.replace("path: who", "path: z").replace("mapping: gateway", "mapping: other"))
    save(FIRST)
    row = source("gate", format="mapping:other")
    filtered(row, "drop identity bob", -1)
    row.refresh_from_db()
    deposit = take(row, GATEWAY)
    assert (deposit.events, deposit.rejects) == (0, 5)
    again(deposit=deposit, to_format="mapping:gateway")
    assert [one[2] for one in shown()] == ["ann", "ann"]
    # No bytes are taken out of what is kept: it was sealed so.
    assert b"bob" in bodies.unpack(deposit)


def asked(deposit: Deposit) -> Any:
    return erasing.ask(deposit=deposit, ordinal=1, names=False, reason="r", by=ANNA, now=NOW)


def test_deposit_that_somebody_asked_to_erase_from_is_not_read_again(source: Make) -> None:
    """Reading again gives records other numbers: another record would be erased."""
    deposit = gate(source)
    row = asked(deposit)
    wish = again()
    assert (wish.failed, wish.problem) == (
        1,
        f"deposit {deposit.pk} stays as it was read: somebody asked to erase it, or a record of it",
    )
    erasing.confirm(erasure=row, by=BEN, now=NOW)
    assert emptying.carry_out_all(now=NOW) == 1
    assert again(deposit=deposit).failed == 1
    assert Event.objects.count() == 3
