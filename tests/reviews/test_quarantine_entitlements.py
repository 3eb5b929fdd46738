"""What a system allows, held at the target before it is narrowed for good, and let go by one click."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import Actor
from identities.acting import COUNTERSIGN
from identities.enforcers import widening
from identities.models import Binding, Entitlement, Identity, Revocation
from identities.permissions import AUDITOR
from reviews import actions
from reviews.actions import consequences, quarantining
from reviews.models import Case, Quarantine
from reviews.pages import quarantine
from reviews.pages.lists import paging
from tests.signed_in import by_hand

from .conftest import ACCOUNT, ARN, DAY, HOUR, NOW, Told, item_of
from .test_api import token
from .test_pages import answered, as_user
from .test_policy_versions import put_in_force

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
DAYS = 7
TASK = {"effect": "allow", "actions": ["s3:*"], "resources": ["*"], "via": "inline task"}
LEFT = [{"actions": ["s3:GetObject", "s3:PutObject"], "resources": ["invoices/*", "reports/*"]}]


def read(identity: Identity, principal: str = ARN, **said: Any) -> Entitlement:
    usual: dict[str, Any] = {"system": "aws", "digest": "x", "possible": [TASK], "read_at": NOW}
    return Entitlement.objects.create(
        identity=identity,
        principal=principal,
        during=(NOW - DAY, None),
        recorded_at=NOW,
        **(usual | said),
    )


def opened(story: Told, *, days: int = DAYS, now: datetime = NOW) -> Case:
    put_in_force(story, quarantine_days=days)
    return actions.open_review(identity=story.identity, by=story.rita, now=now, reason="yearly")


def both(case: Case, story: Told, sign: Sign, said: str, now: datetime = NOW) -> None:
    sign(case, "entitlement", story.ines, said, now=now)
    sign(case, "entitlement", story.samuel, said, seat="ai_owner", now=now)


def carried(case: Case, *, now: datetime = NOW) -> None:
    """As if the rest of the case were decided."""
    item = item_of(case, "entitlement")
    consequences.carry(case, item, by=COUNTERSIGN, now=now)


def asked(case: Case) -> list[tuple[str, str, Any, Any]]:
    return [
        (
            row.step,
            row.target["name"],
            row.target["extra"].get("hold"),
            row.target.get("permissions"),
        )
        for row in Revocation.objects.filter(case=case.pk).order_by("number")
    ]


def first_key() -> str:
    return Revocation.objects.order_by("number")[0].key


@pytest.mark.parametrize(("said", "left"), [("revoke", []), ("narrow", LEFT)])
def test_held_to_what_is_left_and_then_narrowed_for_good(
    story: Told, sign: Sign, said: str, left: Any
) -> None:
    read(story.identity)
    case = opened(story)
    both(case, story, sign, said)
    if said == "narrow":
        carried(case)
    key = first_key()
    assert asked(case) == [("hold", "svc-report", None, left)]
    row = Quarantine.objects.get()
    assert (row.state, row.until, row.stopped) == (
        "held",
        NOW + DAYS * DAY,
        {"hold": key, "outcome": said},
    )
    item = item_of(case, "entitlement")
    words = {"revoke": "revoked", "narrow": "narrowed"}[said]
    assert item.carried_words == (
        f"{key} requested: Hold what user svc-report is allowed; {words} for good on"
        " 1 Dec 2026 12:00 UTC"
    )
    while actions.carry_out_next(now=row.until):
        pass
    assert asked(case)[1:] == [("narrow", "svc-report", key, left)]
    row.refresh_from_db()
    item.refresh_from_db()
    assert (row.state, item.carried_out_at) == ("revoked", row.until)


def test_nothing_but_the_principal_that_was_decided_about_is_changed(
    story: Told, sign: Sign
) -> None:
    read(story.identity)
    other = Actor.objects.create(
        key=story.identity.pk,
        realm=f"aws:{ACCOUNT}",
        kind="arn",
        value=f"arn:aws:iam::{ACCOUNT}:role/svc-other",
        created_at=NOW,
    )
    Binding.objects.create(
        identity=story.identity,
        actor=other,
        basis="declared",
        state="confirmed",
        during=(NOW - DAY, None),
        recorded_at=NOW,
        by="command",
    )
    case = opened(story, days=0)
    both(case, story, sign, "revoke")
    assert asked(case) == [("narrow", "svc-report", None, [])]


def test_critical_is_narrowed_at_once(story: Told, sign: Sign) -> None:
    read(story.identity)
    Identity.objects.filter(pk=story.identity.pk).update(criticality="critical")
    case = opened(story)
    both(case, story, sign, "revoke")
    assert (asked(case)[0][0], Quarantine.objects.count()) == ("narrow", 0)


def test_what_no_enforcer_reaches_waits_and_is_not_said_to_be_held(story: Told, sign: Sign) -> None:
    read(story.identity, system="entra", principal="spn:1")
    case = opened(story)
    both(case, story, sign, "revoke")
    item = item_of(case, "entitlement")
    assert item.carried_words == (
        "could not be carried out: No enforcer changes what entra allows: have it changed there;"
        " the next reading of its lists shows it."
    )
    assert (Quarantine.objects.count(), asked(case)) == (0, [])


def test_what_no_enforcer_reaches_says_so_before_anybody_signs(
    story: Told, as_user: Callable[..., Client]
) -> None:
    read(story.identity, system="entra", principal="spn:1")
    case = opened(story, now=timezone.now())
    item = item_of(case, "entitlement")
    client = as_user(story.ines)
    form = client.get(f"/cases/{case.key}/?item={item.pk}").context["decision"]
    why = (
        "No enforcer changes what entra allows: have it changed there; the next reading of its"
        " lists shows it."
    )
    notes = {one["value"]: one["note"] for one in form["options"]}
    assert (notes["narrow"], notes["revoke"]) == (why, why)
    for answer in ("narrow", "revoke"):
        assert form["dry_runs"][answer][0]["words"] == why
    rows = client.get(f"/api/cases/{case.key}/").json()["items"]
    assert {one["kind"]: one["why_not_at_target"] for one in rows}["entitlement"] == why


def test_decided_otherwise_while_held_holds_anew_before_it_lets_go(story: Told, sign: Sign) -> None:
    read(story.identity)
    case = opened(story)
    both(case, story, sign, "revoke")
    key, item = first_key(), item_of(case, "entitlement")
    item.case, item.outcome = case, "narrow"
    item.save(update_fields=["outcome"])
    consequences.carry(case, item, by=COUNTERSIGN, now=NOW + HOUR)
    assert [(step, hold) for step, _, hold, _ in asked(case)] == [
        ("hold", None),
        ("hold", None),
        ("release", key),
    ]
    row = Quarantine.objects.get()
    assert (row.state, row.stopped["outcome"], row.stopped["hold"] == key) == (
        "held",
        "narrow",
        False,
    )


def test_kept_in_a_new_review_lets_go_what_the_target_still_holds(story: Told, sign: Sign) -> None:
    found = read(story.identity)
    case = opened(story)
    both(case, story, sign, "revoke")
    key = first_key()
    actions.restore(case=case, item=item_of(case, "entitlement"), by=story.samuel, now=NOW + HOUR)
    # The target allowed more than when it was held: the release waits for a person.
    release = Revocation.objects.get(step="release")
    Revocation.objects.filter(pk=release.pk).update(state="failed", failed_why="more")
    both(case, story, sign, "keep", now=NOW + 2 * HOUR)
    carried(case, now=NOW + 3 * HOUR)
    row = Revocation.objects.filter(step="release").order_by("-number")[0]
    assert (row.target["extra"], row.target["allowed"]) == (
        {"hold": key},
        widening.allowed(found.possible),
    )
    release.refresh_from_db()
    assert (release.state, release.failed_why) == ("undone", "")


# --- while the seats differ ----------------------------------------------------------------------


def differ(case: Case, story: Told, sign: Sign) -> None:
    sign(case, "entitlement", story.ines, "keep")
    sign(case, "entitlement", story.samuel, "revoke", seat="ai_owner")


def test_the_stricter_answer_is_held_at_the_target_and_let_go_when_they_keep_it(
    story: Told, sign: Sign
) -> None:
    read(story.identity)
    case = opened(story, days=0)
    differ(case, story, sign)
    item = item_of(case, "entitlement")
    assert (item.outcome, item.held, asked(case)) == (
        "conflict",
        "revoke",
        [("hold", "svc-report", None, [])],
    )
    key = first_key()
    sign(case, "entitlement", story.samuel, "keep", seat="ai_owner", now=NOW + HOUR)
    assert asked(case)[1:] == [("release", "svc-report", key, None)]


@pytest.mark.parametrize("days", [0, DAYS])
def test_what_they_agree_to_cut_takes_over_from_the_hold(
    story: Told, sign: Sign, days: int
) -> None:
    read(story.identity)
    case = opened(story, days=days)
    differ(case, story, sign)
    key = first_key()
    sign(case, "entitlement", story.ines, "revoke", now=NOW + HOUR)
    if days:
        row = Quarantine.objects.get()
        assert (row.stopped, len(asked(case))) == ({"hold": key, "outcome": "revoke"}, 1)
        while actions.carry_out_next(now=row.until):
            pass
    # Nothing is let go in between.
    assert asked(case)[1:] == [("narrow", "svc-report", key, [])]


@pytest.mark.parametrize("settled", ["revoke", "keep"])
def test_who_differs_while_it_is_held_leaves_nothing_behind(
    story: Told, sign: Sign, settled: str
) -> None:
    read(story.identity)
    case = opened(story)
    both(case, story, sign, "revoke")
    sign(case, "entitlement", story.ines, "keep", now=NOW + HOUR)
    first, second = Revocation.objects.order_by("number")
    both(case, story, sign, settled, now=NOW + 2 * HOUR)
    carried(case, now=NOW + 3 * HOUR)
    row = Quarantine.objects.get()
    if settled == "revoke":
        while actions.carry_out_next(now=row.until):
            pass
    ended = {one.target["extra"].get("hold") for one in Revocation.objects.exclude(step="hold")}
    row.refresh_from_db()
    assert (ended, row.state) == (
        {first.key, second.key},
        "revoked" if settled == "revoke" else "over",
    )


def test_restored_while_the_seats_differ(story: Told, sign: Sign) -> None:
    read(story.identity)
    case = opened(story)
    both(case, story, sign, "revoke")
    sign(case, "entitlement", story.ines, "keep", now=NOW + HOUR)
    item = item_of(case, "entitlement")
    actions.restore(case=case, item=item, by=story.samuel, now=NOW + 2 * HOUR)
    item.refresh_from_db()
    steps = [step for step, *_ in asked(case)]
    assert (item.outcome, Quarantine.objects.get().state, steps.count("release")) == (
        "",
        "restored",
        2,
    )


# --- pages and scripts ---------------------------------------------------------------------------


def test_pages_say_how_far_the_hold_is_and_the_form_what_comes_first(
    story: Told, sign: Sign, as_user: Callable[..., Client]
) -> None:
    read(story.identity)
    now = timezone.now()
    case = opened(story, now=now)
    item = item_of(case, "entitlement")
    client = as_user(story.ines)
    said = client.get(f"/cases/{case.key}/?item={item.pk}").content.decode()
    assert said.count("held for 7 days first, then gone for good") >= 1
    assert said.count("held for 7 days first, then narrowed for good") == 1
    assert "a deny of ours is put there first" in said
    both(case, story, sign, "narrow", now=now)
    carried(case, now=now)
    key = first_key()
    said = client.get("/releases/").content.decode()
    assert f"{key} is on its way to the target" in said
    assert "narrowed for good" in said
    Revocation.objects.update(state="failed", failed_why="no room <b>")
    said = client.get(f"/cases/{case.key}/").content.decode()
    assert f"{key} could not be made: no room &lt;b&gt;" in said
    path = f"/cases/{case.key}/restore/"
    assert client.post(path, {"item": str(item.pk)})["Location"] == f"/cases/{case.key}/"
    assert Quarantine.objects.get().state == "restored"


def test_as_many_queries_for_thirty_rows_as_for_one_and_scripts_read_all(
    story: Told, sign: Sign, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(story.identity)
    case = opened(story)
    both(case, story, sign, "revoke")
    first = Quarantine.objects.get()

    def queries() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as caught:
            rows, _ = quarantine.page(story.ines, {}, "", now=NOW)
        return len(rows), len(caught)

    one, count = queries()
    item = first.item
    for number in range(29):
        item.pk, item.ref, item.position = None, uuid4(), 100 + number
        item.save(force_insert=True)
        first.pk, first.item = None, item
        first.save(force_insert=True)
    assert (one, queries()) == (1, (30, count))
    monkeypatch.setattr(paging, "PER_PAGE", 20)
    address, pages, otto = "/api/quarantine/", list[int](), token(story.otto, "read")
    while address:
        said = Client().get(address, headers=otto).json()
        address = said["next"]
        pages.append(len(said["rows"]))
    assert pages == [20, 10]


def test_scripts_list_and_restore_with_the_refusals_of_the_pages(story: Told, sign: Sign) -> None:
    read(story.identity)
    now = timezone.now()
    case = opened(story, now=now)
    both(case, story, sign, "revoke", now=now)
    item, client = item_of(case, "entitlement"), Client()
    said = client.get("/api/quarantine/", headers=token(story.otto, "read")).json()
    (row,) = said["rows"]
    assert said["next"] == ""
    assert (row["item"], row["then"], row["case"], row["at_target"]) == (
        str(item.pk),
        "revoked",
        case.key,
        f"{first_key()} is on its way to the target",
    )
    assert row["why_not_restore"] == AUDITOR
    address, said = f"/api/cases/{case.key}/restore/", {"item": str(item.pk)}

    def post(user: Any, **other: str) -> Any:
        return client.post(address, said | other, "application/json", headers=by_hand(user))

    assert post(story.rita).status_code == 403
    assert post(story.samuel, item=str(case.pk)).status_code == 404
    made = post(story.ines)
    assert (made.status_code, made.json()) == (
        201,
        {"item": str(item.pk), "asked": case.key, "words": "restored by Ines"},
    )
    again = client.post(address, said, "application/json", headers=by_hand(story.marek))
    assert (again.status_code, again.json()["detail"]) == (403, "It is not held any more.")


def test_time_that_is_over_is_not_restored(story: Told, sign: Sign) -> None:
    read(story.identity)
    case = opened(story)
    both(case, story, sign, "revoke")
    row = Quarantine.objects.get()
    late = row.until + timedelta(seconds=1)
    assert quarantining.why_not_restore(story.ines, case, row, now=late) == (
        "Its time was over on 2026-12-01 12:00 UTC: it is being cut for good."
    )
