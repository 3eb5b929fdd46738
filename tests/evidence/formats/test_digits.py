"""Digits that are no number: what `isdigit` calls digits and `int` refuses, wherever one is read.

One such record must not keep the others of its body from being read.
"""

from typing import Any

import pytest

from evidence.vocabulary import OUTCOME_OK, OUTCOME_UNKNOWN
from tests.evidence.formats.abuse import read

_OCSF = {"class_uid": 3002, "category_uid": 3, "metadata": {"version": "1.6.0"}}
_CLUSTER = {"auditID": "a", "stage": "ResponseComplete", "verb": "get", "requestURI": "/livez"}
_RECORDS: list[tuple[str, dict[str, Any], int]] = [
    (
        "databricks",
        {"serviceName": "s", "actionName": "a", "response": {"statusCode": "²²²"}},
        OUTCOME_UNKNOWN,
    ),
    ("gcp", {"protoPayload": {"methodName": "m", "status": {"code": "²"}}}, OUTCOME_OK),
    ("github", {"action": "a.b", "actor": "x", "org": "o", "status_code": "²²²"}, OUTCOME_OK),
    ("kubernetes", {**_CLUSTER, "responseStatus": {"code": "²"}}, OUTCOME_UNKNOWN),
    ("ocsf", {**_OCSF, "status_id": "²"}, OUTCOME_UNKNOWN),
    ("okta", {"eventType": "user.session.start", "published": "²"}, OUTCOME_UNKNOWN),
]


@pytest.mark.parametrize(("name", "record", "outcome"), _RECORDS)
def test_digits_that_are_no_number_say_nothing(
    name: str, record: dict[str, Any], outcome: int
) -> None:
    found = read(name, record)
    assert (found.outcome, found.at) == (outcome, None)
