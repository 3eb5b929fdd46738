"""Databricks: tokens from their making to their use, in each of the three shapes."""

from pathlib import Path

import pytest

from evidence.formats.record import ActorName, Issued
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import read, sample

RECORDS = sample("databricks")


def test_token_is_the_same_when_made_and_when_used() -> None:
    made, used = read("databricks", RECORDS[1]), read("databricks", RECORDS[2])
    rosa = ActorName("databricks:acc-1", "user", "rosa@example.com")
    assert used.credential is not None
    assert made.issued == Issued(
        used.credential, rosa, standing=True, expires_at=1_938_143_100_000_000
    )


@pytest.mark.parametrize("action", ["login", "tokenLogin", "aadTokenLogin"])
def test_login_names_the_token_that_it_is_with(action: str) -> None:
    record = {**RECORDS[2], "actionName": action}
    assert read("databricks", record).credential == read("databricks", RECORDS[2]).credential


@pytest.mark.parametrize(("shape", "minute"), [(2, 8), (12, 13), (13, 14)])
def test_shapes_say_the_same(shape: int, minute: int) -> None:
    record = read("databricks", RECORDS[shape])
    assert record.credential is not None
    assert (record.action, record.credential.value, record.address, record.conversation) == (
        "accounts.tokenLogin",
        "tok-1",
        "198.51.100.11",
        "sess-1",
    )
    assert record.at == 1_930_366_800_000_000 + minute * 60_000_000


def test_labelled_rows_name_everybody_but_one(data: Path) -> None:
    parsed = abuse.parse("databricks", abuse.labelled(data, "databricks"))
    assert len(parsed.records) == 89
    # A share that was read from an address that is not allowed names no recipient.
    assert [one.action for one in parsed.records if one.principal is None] == [
        "deltaSharingAccess.getShare"
    ]


def test_wrapping_of_azure_says_who_and_holds_no_values() -> None:
    parsed = abuse.parse("databricks", RECORDS[14:17])
    assert [one.principal is not None for one in parsed.records] == [True, True, True]
    assert b"private" not in parsed.kept
    again = abuse.parse("databricks", parsed.kept)
    assert [abuse.told(one) for one in again.records] == [abuse.told(one) for one in parsed.records]


def test_who_acted_is_read_inside_and_beside_azures_properties() -> None:
    beside = read("databricks", RECORDS[13])
    members = {name: value for name, value in RECORDS[13].items() if name != "identity"}
    inside = {**members["properties"], "identity": RECORDS[13]["identity"]}
    assert read("databricks", {**members, "properties": inside}).principal == beside.principal
