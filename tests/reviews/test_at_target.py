"""What stays wider at the target is said before a narrowing is signed. Rows that are not stored."""

from uuid import uuid4

import pytest

from identities.models import Delegation, DelegationVersion, Entitlement
from reviews.models import Item
from reviews.pages import at_target
from reviews.pages.weighing import Weighed

USER = Entitlement(system="aws", principal="arn:aws:iam::123456789012:user/svc")
ROLE = Entitlement(system="aws", principal="arn:aws:iam::123456789012:role/run")
OKTA = Entitlement(system="okta", principal="00u1")


def version(actions: list[str], resources: list[str]) -> DelegationVersion:
    return DelegationVersion(delegation=Delegation(), actions=actions, resources=resources)


KEPT = version(["s3:GetObject", "s3:ListObjects"], ["invoices/*"])
WIDE = version(["ec2:DescribeInstances"], ["i-0a"])
LONG = version(["s3:GetObject"], [f"invoices/{n:040}/*" for n in range(40)])
STAYS = "all resources stay for ec2:DescribeInstances"


def words(rows: list[dict[str, object]]) -> list[object]:
    assert {one["kind"] for one in rows} <= {"waits"}
    return [one["words"] for one in rows]


@pytest.mark.parametrize(
    ("row", "versions", "expected"),
    [
        (USER, [KEPT], []),
        (USER, [KEPT, WIDE], [f"where AWS is narrowed to it (user svc): {STAYS}"]),
        (ROLE, [WIDE], [f"where AWS is narrowed to it (role run): {STAYS}"]),
        (ROLE, [LONG], []),
        (USER, [], [at_target.NOTHING_LEFT]),
        (
            OKTA,
            [WIDE],
            [
                (
                    "No enforcer changes what okta allows: have it changed there; the next reading of"
                    " its lists shows it."
                )
            ],
        ),
    ],
)
def test_of_what_is_allowed(
    row: Entitlement, versions: list[DelegationVersion], expected: list[str]
) -> None:
    item = Item(kind="entitlement", ref=row.pk)
    weighed = Weighed(versions=versions, readings=[USER, ROLE, OKTA])
    assert words(at_target.of_entitlement(item, weighed)) == expected


def test_of_what_would_be_refused_for_its_length() -> None:
    item = Item(kind="entitlement", ref=USER.pk)
    (said,) = words(at_target.of_entitlement(item, Weighed(versions=[LONG], readings=[USER])))
    assert str(said).startswith("where AWS is narrowed to it (user svc): AWS refuses it, as ")
    assert str(said).endswith(" characters of 2,048 that a user may have")


def test_of_another_item_or_a_reading_that_is_over_nothing_is_said() -> None:
    weighed = Weighed(versions=[WIDE], readings=[USER])
    for item in (Item(kind="credential", ref=USER.pk), Item(kind="entitlement", ref=uuid4())):
        assert at_target.of_entitlement(item, weighed) == []


def test_of_a_delegation_with_what_is_left_of_it_and_the_others() -> None:
    weighed = Weighed(versions=[WIDE, KEPT], readings=[USER, ROLE, OKTA])
    left = {"actions": ["s3:GetObject"], "resources": ["invoices/2026/*"]}
    assert words(at_target.of_delegation(WIDE, left, weighed)) == []
    assert words(at_target.of_delegation(KEPT, left, weighed)) == [
        f"where AWS is narrowed to it (user svc): {STAYS}",
        f"where AWS is narrowed to it (role run): {STAYS}",
    ]
