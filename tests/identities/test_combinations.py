"""The table of what is dangerous together: every row is found, and nothing else by accident."""

from pathlib import Path

import pytest

from identities.combinations import EGRESS, LEGS, PRIVATE, TABLE, UNTRUSTED, Row, document, legs


def of(*names: str, own: tuple[Row, ...] = ()) -> dict[str, list[tuple[str, bool]]]:
    found = legs(names, own)
    return {leg: [(one.what, one.sure) for one in why] for leg, why in found.items() if why}


@pytest.mark.parametrize(
    ("name", "wanted", "sure"),
    [
        ("s3:GetObject", {PRIVATE}, True),
        ("secretsmanager:GetSecretValue", {PRIVATE}, True),
        ("get secrets", {PRIVATE}, True),
        ("Mail.Read", {PRIVATE, UNTRUSTED}, True),
        ("Mail.Send", {EGRESS}, True),
        ("ses:SendEmail", {EGRESS}, True),
        ("sqs:ReceiveMessage", {UNTRUSTED}, True),
        ("s3:PutBucketPolicy", {EGRESS}, True),
        ("create pods/exec", {EGRESS}, True),
        # Patterns: what they may stand for.
        ("*", {PRIVATE, UNTRUSTED, EGRESS}, True),
        ("s3:*", {PRIVATE, EGRESS}, True),
        ("ses:*", {EGRESS}, True),
        # Tools, by their names only.
        ("read_email", {PRIVATE, UNTRUSTED}, False),
        ("gmail_send_message", {EGRESS}, False),
        ("sendMessage", {EGRESS}, False),
        ("web_search", {UNTRUSTED, EGRESS}, False),
        ("fetch_url", {UNTRUSTED, EGRESS}, False),
        ("get_issue_comments", {UNTRUSTED}, False),
        ("query_database", {PRIVATE}, False),
        ("run_shell", {EGRESS}, False),
        ("create_pull_request", {EGRESS}, False),
        # None of the three.
        ("s3:ListBucket", set(), True),
        ("s3:PutObject", set(), True),
        ("sts:GetCallerIdentity", set(), True),
        ("get_weather", set(), False),
        ("calculator", set(), False),
        ("", set(), False),
    ],
)
def test_name_is_these_legs(name: str, wanted: set[str], sure: bool) -> None:
    found = of(name)
    assert set(found) == wanted
    assert all(one == (name, sure) for why in found.values() for one in why)


def test_every_row_has_its_source_and_is_found_by_its_own_actions() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)
    for row in TABLE:
        assert row.source
        assert set(row.legs) <= set(LEGS)
        for action in row.actions:
            found = legs([action.replace("*", "x")])
            assert all(found[leg] for leg in row.legs), action


def test_an_installation_teaches_its_own_actions() -> None:
    own = (Row("reads payroll", (PRIVATE,), ("payroll:read*",), "", "mapping payroll"),)
    assert of("payroll:ReadSalary") == {}
    assert of("payroll:ReadSalary", own=own) == {PRIVATE: [("payroll:ReadSalary", True)]}


def test_a_name_as_long_as_an_attacker_likes_is_cut() -> None:
    assert len(legs(["read_email" * 100_000])[PRIVATE][0].what) == 200


def test_the_published_table_is_this_one() -> None:
    written = Path(__file__).parents[2] / "docs" / "combinations.md"
    assert written.read_text(encoding="utf-8") == document()
