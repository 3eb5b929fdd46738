"""What the seats agree on after they differed is as strict meanwhile as it will be: the grid."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from identities.models import Credential, DelegationVersion, Identity, Revocation
from identities.permissions import NotPossible
from reviews import actions
from reviews.actions import answers
from reviews.campaigns import launching
from reviews.models import Case, Item

from .conftest import DAY, HOUR, NOW, Told, everything_counts, item_of
from .test_campaigns import drain, prepared
from .test_quarantine_entitlements import read

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
LESS = {"proposal": {"actions": ["s3:GetObject"], "resources": ["invoices/*"]}}
PLAN = {"proposal": {"plan": "a role", "control": "one address", "by": NOW + 30 * DAY}}
AI = {"seat": "ai_owner"}
# Nobody agrees to these more strictly than what is taken away at most.
STRICT = {"keep": 0, "replace": 0, "narrow": 1, "revoke": 2}
LEFT = ["whole", "less", "nothing"]


def more(kind: str, answer: str) -> dict[str, Any]:
    if answer == "replace":
        return PLAN
    return LESS if (kind, answer) == ("delegation", "narrow") else {}


def opened(story: Told, kind: str, applies: str) -> Case:
    """A review of a campaign, with an item of this kind, that waits for its other items too."""
    if kind == "entitlement":
        read(story.identity)
    launching.launch(
        campaign=prepared(story.rita, applies=applies), by=story.rita, now=NOW, reason="go"
    )
    drain()
    case = Case.objects.get()
    if kind == "identity":
        Item.objects.create(
            case=case, position=9, kind=kind, ref=story.identity.pk, title="svc-report"
        )
    everything_counts(case, until=NOW + 60 * DAY)
    return case


def works(story: Told, kind: str, at: datetime) -> str:
    """How much of it works: whole, less or nothing."""
    if kind == "delegation":
        rows = DelegationVersion.objects.filter(
            delegation=story.delegation, superseded_at=None, state="in_force", revoked_at=None,
            during__contains=at,
        )  # fmt: skip
        found = list(rows.values_list("resources", flat=True))
        return "nothing" if not found else "less" if found == [["invoices/*"]] else "whole"
    if kind == "identity":
        return "nothing" if Identity.objects.get().state == "suspended" else "whole"
    if kind == "credential":
        stopped, whole = _asked(Credential.objects.get().revocations), {"hold", "revoke"}
        return "nothing" if stopped and stopped[-1][0] in whole else "whole"
    stopped = _asked(Revocation.objects.filter(entitlement__isnull=False))
    # A hold that is let go is named by its release; what is narrowed for good stays.
    let_go = {by for step, by, _, _ in stopped if step == "release"}
    standing = [row for row in stopped if row[0] in ("hold", "narrow") and row[2] not in let_go]
    if not standing:
        return "whole"
    return "less" if all(row[3] for row in standing) else "nothing"


def _asked(rows: Any) -> list[tuple[str, str, str, Any]]:
    found = rows.order_by("number") if hasattr(rows, "order_by") else rows.all()
    return [
        (row.step, (row.target.get("extra") or {}).get("hold", ""), row.key,
         row.target.get("permissions"))
        for row in found
    ]  # fmt: skip


def both(case: Case, story: Told, sign: Sign, kind: str, answer: str, now: datetime) -> None:
    for user, seat in ((story.ines, {}), (story.samuel, AI)):
        sign(case, kind, user, answer, now=now, **seat, **more(kind, answer))


GRID = [
    (kind, stricter, agreed)
    for kind, held in (
        ("delegation", ("narrow", "revoke")),
        ("entitlement", ("narrow", "revoke")),
        ("credential", ("revoke",)),
        ("identity", ("revoke",)),
    )
    for stricter in held
    for agreed in answers.OF_KIND[kind]
    if agreed in STRICT and STRICT[agreed] <= STRICT[stricter]
]


@pytest.mark.parametrize("applies", ["at_once", "at_end"])
@pytest.mark.parametrize(("kind", "stricter", "agreed"), GRID)
def test_no_more_works_than_they_agreed_until_it_is_carried_out(
    story: Told, sign: Sign, kind: str, stricter: str, agreed: str, applies: str
) -> None:
    case = opened(story, kind, applies)
    sign(case, kind, story.samuel, "keep", **AI)
    sign(case, kind, story.ines, stricter, **more(kind, stricter))
    assert (item_of(case, kind).held, works(story, kind, NOW)) == (stricter, LEFT[STRICT[stricter]])
    for user, seat in ((story.ines, {}), (story.samuel, AI)):
        if agreed != (stricter if user is story.ines else "keep"):
            sign(case, kind, user, agreed, now=NOW + HOUR, **seat, **more(kind, agreed))
    assert item_of(case, kind).outcome == agreed
    right = LEFT[STRICT[agreed]]
    # Revoke held and narrow agreed: an entitlement may be held whole until it is narrowed.
    fine = {right, "nothing"} if (kind, agreed) == ("entitlement", "narrow") else {right}
    assert works(story, kind, NOW + HOUR) in fine
    for other in case.items.exclude(kind=kind).values_list("kind", flat=True):
        both(case, story, sign, other, "keep", NOW + 2 * HOUR)
    assert Case.objects.get().state == "decided"
    assert works(story, kind, NOW + 2 * HOUR) in fine
    # A day before the end, and at it.
    for at in (NOW + 6 * DAY, NOW + 8 * DAY):
        while actions.carry_out_next(now=at):
            pass
        assert works(story, kind, at) in (fine if at < NOW + 7 * DAY else {right})


def test_seats_may_narrow_to_other_parts_of_what_is_held(story: Told, sign: Sign) -> None:
    case = opened(story, "delegation", "at_end")
    other = {"proposal": {"actions": ["s3:GetObject"], "resources": ["reports/*"]}}
    sign(case, "delegation", story.samuel, "keep", **AI)
    sign(case, "delegation", story.ines, "narrow", **LESS)
    # Of what is left meanwhile it is no part; of what they answer about it is.
    sign(case, "delegation", story.ines, "narrow", now=NOW + HOUR, **other)
    sign(case, "delegation", story.samuel, "narrow", now=NOW + HOUR, **AI, **other)
    left = DelegationVersion.objects.filter(
        delegation=story.delegation, superseded_at=None, during__contains=NOW + HOUR
    )
    assert list(left.values_list("resources", flat=True)) == [["reports/*"]]
    wider = {"proposal": {"actions": ["s3:DeleteObject"], "resources": ["reports/*"]}}
    with pytest.raises(NotPossible, match="This is wider than DLG-"):
        sign(case, "delegation", story.ines, "narrow", now=NOW + 2 * HOUR, **wider)


def in_force(story: Told, at: datetime) -> list[tuple[list[str], list[str]]]:
    """What the delegation says then, as it is known now."""
    rows = DelegationVersion.objects.filter(
        delegation=story.delegation, superseded_at=None, state="in_force", revoked_at=None,
        during__contains=at,
    )  # fmt: skip
    return list(rows.values_list("actions", "resources"))


def left_is(*resources: str) -> dict[str, Any]:
    return {"proposal": {"actions": ["s3:GetObject"], "resources": list(resources)}}


FURTHER = [
    # What Ines narrows to again, and what works from then on.
    (["invoices/2026/*"], ["invoices/2026/*"]),
    (["invoices/*", "reports/2026/*"], ["invoices/*", "reports/2026/*"]),
]


@pytest.mark.parametrize("applies", ["at_once", "at_end"])
@pytest.mark.parametrize(("again", "works_now"), FURTHER)
def test_what_is_held_follows_the_answer_that_stands(
    story: Told, sign: Sign, again: list[str], works_now: list[str], applies: str
) -> None:
    case = opened(story, "delegation", applies)
    sign(case, "delegation", story.samuel, "keep", **AI)
    sign(case, "delegation", story.ines, "narrow", **LESS)
    assert in_force(story, NOW) == [(["s3:GetObject"], ["invoices/*"])]
    sign(case, "delegation", story.ines, "narrow", now=NOW + HOUR, **left_is(*again))
    item = item_of(case, "delegation")
    assert (item.outcome, item.held) == ("conflict", "narrow")
    assert in_force(story, NOW + HOUR) == [(["s3:GetObject"], works_now)]
    sign(case, "delegation", story.ines, "keep", now=NOW + 2 * HOUR)
    assert works(story, "delegation", NOW + 2 * HOUR) == "whole"


@pytest.mark.parametrize("applies", ["at_once", "at_end"])
@pytest.mark.parametrize("who", ["ines", "samuel"])
def test_what_one_seat_narrows_further_works_no_more_before_it_goes_out(
    story: Told, sign: Sign, who: str, applies: str
) -> None:
    case = opened(story, "delegation", applies)
    sign(case, "delegation", story.samuel, "keep", **AI)
    sign(case, "delegation", story.ines, "narrow", **LESS)
    sign(case, "delegation", story.samuel, "narrow", now=NOW + HOUR, **AI, **LESS)
    seat = AI if who == "samuel" else {}
    smaller = left_is("invoices/2026/*")
    sign(case, "delegation", getattr(story, who), "narrow", now=NOW + 2 * HOUR, **seat, **smaller)
    assert item_of(case, "delegation").outcome == "narrow"
    assert in_force(story, NOW + 2 * HOUR) == [(["s3:GetObject"], ["invoices/2026/*"])]
    for other in case.items.exclude(kind="delegation").values_list("kind", flat=True):
        both(case, story, sign, other, "keep", NOW + 3 * HOUR)
    # And it is what goes out, and no more.
    while actions.carry_out_next(now=NOW + 8 * DAY):
        pass
    assert in_force(story, NOW + 8 * DAY) == [(["s3:GetObject"], ["invoices/2026/*"])]


@pytest.mark.parametrize(
    ("first", "second", "both_leave"),
    [
        (["invoices/*"], ["invoices/2026/*"], ["invoices/2026/*"]),
        (["invoices/2026/*", "reports/*"], ["invoices/*"], ["invoices/2026/*"]),
        (["invoices/*"], ["invoices/*", "reports/*"], ["invoices/*"]),
        (["invoices/*"], ["reports/*"], None),
        # They share more than can be written as patterns that lie within both.
        (["invoices/*.pdf"], ["invoices/2026*"], None),
    ],
)
def test_two_narrowings_leave_what_lies_within_both(
    first: list[str], second: list[str], both_leave: list[str] | None
) -> None:
    one, two = left_is(*first)["proposal"], left_is(*second)["proposal"]
    expected = None if both_leave is None else left_is(*both_leave)["proposal"]
    assert answers.common(one, two) == expected
    assert answers.common(two, one) == expected


def test_permissions_within_a_pattern_are_what_two_narrowings_share() -> None:
    wide = {"actions": ["s3:*"], "resources": ["invoices/*"]}
    small = {"actions": ["s3:GetObject"], "resources": ["invoices/*", "reports/*"]}
    assert answers.common(wide, small) == {
        "actions": ["s3:GetObject"], "resources": ["invoices/*"],
    }  # fmt: skip
