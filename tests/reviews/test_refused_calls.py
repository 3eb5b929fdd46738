"""A finding tells a refused call as refused, and names the operations of calls without a resource."""

import pytest

from identities.models import Finding
from tests.reviews.conftest import HOUR, NOW, Told, ingest, record

pytestmark = pytest.mark.django_db
REFUSED = {"errorCode": "AccessDenied", "errorMessage": "no"}


def said(story: Told, rule: str) -> list[str]:
    found = Finding.objects.filter(identity=story.identity, rule=rule, state="open")
    return list(found.order_by("number").values_list("words", flat=True))


def test_refused_call_is_told_as_tried(story: Told) -> None:
    ingest([record(101, "GetObject", "payroll/1.csv", NOW - HOUR, **REFUSED)])
    assert said(story, "outside_resources") == [
        "tried to use payroll/* once, outside what was delegated; it was refused or failed"
    ]
    ingest([record(102, "GetObject", "payroll/2.csv", NOW - HOUR, **REFUSED)])
    assert said(story, "outside_resources") == [
        "tried to use payroll/* 2 times, outside what was delegated; each call was refused or failed"
    ]


@pytest.mark.parametrize("first", [True, False])
def test_of_several_calls_the_refused_are_counted(story: Told, first: bool) -> None:
    calls = [
        record(101, "GetObject", "payroll/1.csv", NOW - HOUR),
        record(102, "GetObject", "payroll/2.csv", NOW - HOUR, **REFUSED),
    ]
    for one in calls if first else reversed(calls):
        ingest([one])
    assert said(story, "outside_resources") == [
        "used payroll/* 2 times, outside what was delegated; 1 of the calls was refused or failed"
    ]


def test_calls_without_a_resource_are_named(story: Told) -> None:
    nothing = {"requestParameters": None}
    ingest([record(101, "ListBuckets", "", NOW - HOUR, **nothing)])
    assert said(story, "no_authority") == [
        "called s3:ListBuckets, which names no resource, once without a delegation for it"
    ]
    ingest(
        [
            record(102, "ListBuckets", "", NOW - HOUR, **nothing, **REFUSED),
            record(103, "GetAccountPublicAccessBlock", "", NOW - HOUR, **nothing),
        ]
    )
    assert said(story, "no_authority") == [
        (
            "called s3:GetAccountPublicAccessBlock and s3:ListBuckets, which name no resource, 3"
            " times without a delegation for it; 1 of the calls was refused or failed"
        )
    ]
