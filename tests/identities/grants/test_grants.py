"""Grants from asked to ended: at the target, at our own door, early, late, and what fails."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities import checks
from identities.acting import COMMAND, COUNTERSIGN
from identities.actions import grants, outgoing
from identities.enforcers.contract import Permission
from identities.models import Grant, GrantTry, Identity
from identities.permissions import NotPossible
from tests.awslab.lab import Lab
from tests.identities.granting import (
    HOUR,
    MINUTE,
    SECOND,
    allowed,
    bare_role,
    first_use,
    given,
    no_time_passes_within_a_step_of_a_grant,
    on_role,
    policies_of,
    title,
    work,
)
from tests.identities.revoking import pointed_at_the_account

__all__ = [
    "bare_role",
    "no_time_passes_within_a_step_of_a_grant",
    "on_role",
    "pointed_at_the_account",
]

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]


@pytest.fixture
def now(lab: Lab) -> datetime:
    return lab.proxy.now()


@pytest.fixture
def holder(active: Make, now: datetime) -> Identity:
    row: Identity = active("alice", expires_at=now + 90 * 24 * HOUR)
    return row


def fresh(row: Grant) -> Grant:
    return Grant.objects.get(pk=row.pk)


def acts(row: Grant) -> list[str]:
    found = LedgerEntry.objects.filter(act__startswith="grant.", data__grant=row.key)
    return list(found.order_by("pk").values_list("act", flat=True))


def test_a_grant_is_given_shown_and_taken_away_at_its_end(
    lab: Lab, on_role: Make, holder: Identity, now: datetime, nudges: list[str]
) -> None:
    row = given(on_role(), holder, now)
    assert (row.state, policies_of(lab, row.name)) == ("asked", ["task"])
    assert work(now) == 1
    row = fresh(row)
    assert (row.state, row.usable_at, row.shown_until) == ("usable", now, row.ends_at)
    assert row.proof["granted"]["state"] == "active"
    assert title(row) in policies_of(lab, row.name)
    assert allowed(holder, now)
    # Nothing is due before its end.
    assert work(row.ends_at - SECOND) == 0

    assert work(row.ends_at) == 1
    row = fresh(row)
    assert (row.state, row.removed_at, row.ended_at) == ("ended", row.ends_at, row.ends_at)
    assert row.proof["removed"]["state"] == "gone"
    assert policies_of(lab, row.name) == ["task"]
    assert acts(row) == ["grant.asked", "grant.usable", "grant.removed", "grant.ended"]
    assert work(row.ends_at + HOUR) == 0


def test_our_own_door_denies_on_the_second_whatever_workers_do(
    on_role: Make, holder: Identity, now: datetime
) -> None:
    row = given(on_role(), holder, now)
    assert allowed(holder, row.ends_at - SECOND)
    assert not allowed(holder, row.ends_at)


def test_one_that_begins_later_goes_out_then(
    lab: Lab, on_role: Make, holder: Identity, now: datetime
) -> None:
    row = given(on_role(), holder, now, starts_at=now + HOUR)
    assert work(now + HOUR - SECOND) == 0
    assert not allowed(holder, now)
    assert work(now + HOUR) == 1
    assert fresh(row).state == "usable"


def test_asked_for_twice_it_is_given_once(on_role: Make, holder: Identity, now: datetime) -> None:
    row = given(on_role(), holder, now)
    version = row.delegation.versions.get()
    said = {
        "case": row.case,
        "delegation_version": version,
        "holder": holder,
        "person": "alice",
        "what": on_role(),
        "starts_at": now,
        "ends_at": row.ends_at,
        "clock": "approval",
        "by": COUNTERSIGN,
        "now": now,
    }
    assert grants.begin(**said).pk == row.pk
    assert Grant.objects.count() == 1


def test_given_back_early_it_ends_at_once_at_both_doors(
    lab: Lab, on_role: Make, holder: Identity, now: datetime
) -> None:
    row = given(on_role(), holder, now)
    work(now)
    ended = grants.end(row.pk, by=COMMAND, reason="done", now=now + MINUTE)
    assert (ended.state, ended.ending_at) == ("ending", now + MINUTE)
    assert not allowed(holder, now + MINUTE)
    # What was allowed before stays true of before.
    assert allowed(holder, now + MINUTE - SECOND)
    work(now + MINUTE)
    row = fresh(row)
    assert (row.state, row.ended_reason, row.ended_by) == ("ended", "done", "command")
    assert policies_of(lab, row.name) == ["task"]
    # A second click changes nothing.
    assert grants.end(row.pk, by=COMMAND, reason="again", now=now + HOUR).ended_reason == "done"


def test_what_never_went_out_ends_without_asking_anybody(
    lab: Lab, on_role: Make, holder: Identity, now: datetime
) -> None:
    early = given(on_role(), holder, now, starts_at=now + HOUR)
    grants.end(early.pk, by=COMMAND, reason="not needed", now=now)
    calls = len(lab.proxy.calls())
    late = given(on_role(), holder, now)
    # No worker ran before its time was over.
    work(late.ends_at)
    assert [fresh(one).state for one in (early, late)] == ["ended", "ended"]
    assert [fresh(one).removed_at for one in (early, late)] == [None, None]
    assert len(lab.proxy.calls()) == calls
    assert not allowed(holder, now + HOUR)


def test_extended_it_ends_later_at_both_doors(
    lab: Lab, on_role: Make, holder: Identity, now: datetime
) -> None:
    row = given(on_role(), holder, now)
    work(now)
    other = given(on_role(), holder, now, lasts=MINUTE)
    later = row.ends_at + HOUR
    grants.extend(row.pk, until=later, by=COMMAND, case=other.case, now=now + MINUTE)
    assert allowed(holder, later - SECOND)
    work(now + MINUTE)
    row = fresh(row)
    assert (row.state, row.shown_until, row.not_before) == ("usable", later, later)
    document = lab.document("role", row.name, title(row))
    (statement,) = document["Statement"]
    assert statement["Condition"]["DateLessThan"]["aws:CurrentTime"].startswith(
        f"{later:%Y-%m-%dT%H:%M}"
    )
    with pytest.raises(NotPossible, match="already"):
        grants.extend(row.pk, until=later, by=COMMAND, case=other.case, now=now + MINUTE)
    with pytest.raises(NotPossible, match="has ended"):
        grants.extend(row.pk, until=later + HOUR, by=COMMAND, case=other.case, now=later)


def test_with_that_clock_the_first_use_says_when_it_ends(
    on_role: Make, holder: Identity, now: datetime
) -> None:
    row = first_use(on_role(), holder, now)
    work(now)
    at = now + 2 * HOUR
    assert grants.used(row, at, now=at)
    assert not grants.used(row, at + MINUTE, now=at + MINUTE)
    row = fresh(row)
    assert (row.first_used_at, row.ends_at) == (at, at + HOUR)
    assert allowed(holder, at + HOUR - SECOND)
    assert not allowed(holder, at + HOUR)
    work(at)
    assert fresh(row).shown_until == at + HOUR
    # Evidence that comes late shows an earlier use: its time is over already.
    assert grants.used(row, now + MINUTE, now=at + MINUTE)
    assert not allowed(holder, at + MINUTE)
    work(at + MINUTE)
    assert fresh(row).state == "ended"


def test_what_is_wrong_is_refused_before_anything_is_written(
    on_role: Make, holder: Identity, now: datetime
) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"ends_at": now}, "before it begins"),
        ({"clock": "first_use"}, "how long"),
        ({"what": on_role(kind="group")}, "Nothing grants a group in aws; there is: "),
        ({"what": on_role(permissions=())}, "which actions"),
        ({"what": on_role(account="")}, "in which account"),
        ({"what": on_role(extra={"colour": "red"})}, "knows no colour"),
        ({"what": on_role(name="a/b")}, "no name that IAM gives"),
        ({"what": on_role(permissions=(Permission(("iam:PutRolePolicy",), ("*",)),))}, "longer"),
        ({"what": on_role(permissions=(Permission(("*",), ("*",)),))}, "no action of AWS"),
        ({"what": on_role(permissions=(Permission(("s3:Get*",), ("invoices/*",)),))}, "no ARN"),
        ({"ends_at": now + 2 * HOUR}, "ends before what is given"),
    ]
    for said, words in wrong:
        with pytest.raises(NotPossible, match=words):
            given(said.pop("what", on_role()), holder, now, **said)
    assert not Grant.objects.exists()


def test_what_cannot_be_given_says_who_must_act_and_goes_on_after_that(
    lab: Lab, on_role: Make, holder: Identity, now: datetime
) -> None:
    row = given(on_role(name="nobody"), holder, now)
    work(now)
    (seen,) = grants.state_of(row.case, now=now)
    assert (seen.state, seen.burning) == ("failed", True)
    assert seen.must_act == "the administrator of the AWS account"
    assert "nobody is not there" in seen.sentence
    assert [one.pk for one in grants.unfinished(now=now)] == [row.pk]
    (found,) = [one for one in checks.doctor() if one[0] == "grants"]
    assert found[1::2] == (False, "the administrator of the AWS account must act")
    Grant.objects.filter(pk=row.pk).update(name=on_role().name)
    grants.retry(row.pk, by=COMMAND, now=now)
    work(now)
    assert fresh(row).state == "usable"
    with pytest.raises(NotPossible, match="has not failed"):
        grants.retry(row.pk, by=COMMAND, now=now)


def test_a_removal_that_is_refused_is_red_and_tried_again_by_itself(
    lab: Lab, on_role: Make, holder: Identity, now: datetime
) -> None:
    row = given(on_role(), holder, now)
    work(now)
    # It answers that it did it, and did nothing.
    lab.proxy.lie("iam:DeleteRolePolicy")
    moment = row.ends_at
    for _ in range(12):
        work(moment)
        moment += MINUTE
    row = fresh(row)
    assert (row.state, row.removed_at) == ("failed", None)
    (seen,) = grants.state_of(row.case, now=moment)
    assert seen.burning
    assert "does not show that it is gone" in seen.sentence
    assert acts(row).count("grant.failed") == 1
    assert not allowed(holder, moment)

    lab.proxy.behave()
    work(moment + HOUR)
    assert fresh(row).state == "ended"
    assert not grants.unfinished(now=moment + HOUR).exists()


def test_a_target_that_throttles_is_asked_again_later(
    lab: Lab, on_role: Make, holder: Identity, now: datetime
) -> None:
    row = given(on_role(), holder, now)
    lab.proxy.throttle("iam:PutRolePolicy", times=3)
    work(now)
    row = fresh(row)
    assert row.state == "granting"
    assert "Throttling" in row.failed_why
    assert now + 15 * SECOND <= row.not_before < now + MINUTE
    work(row.not_before)
    row = fresh(row)
    assert (row.state, row.failed_why) == ("usable", "")


def test_nothing_goes_out_while_all_outgoing_writes_are_stopped(
    lab: Lab, on_role: Make, holder: Identity, now: datetime, user: Make
) -> None:
    row = given(on_role(), holder, now)
    one, two = user("one", "responder"), user("two", "responder")
    outgoing.propose(to="stopped", reason="test", by=one, now=now)
    outgoing.sign(by=two, now=now)
    assert work(now) == 0
    (seen,) = grants.state_of(row.case, now=now)
    assert "All outgoing writes are stopped" in seen.sentence
    outgoing.propose(to="open", reason="test", by=one, now=now)
    outgoing.sign(by=two, now=now)
    assert work(now) == 1


def test_an_answer_that_was_lost_is_settled_by_the_target(
    lab: Lab, on_role: Make, holder: Identity, now: datetime
) -> None:
    row = given(on_role(), holder, now)
    # Sent, carried out there, and the line breaks before the answer; boto3 tries three times.
    lab.proxy.lose("iam:PutRolePolicy", times=3)
    work(now)
    assert fresh(row).state == "granting"
    puts = len(lab.proxy.calls("iam:PutRolePolicy"))
    work(fresh(row).not_before)
    assert fresh(row).state == "usable"
    # It is there: it was looked at, not sent once more.
    assert len(lab.proxy.calls("iam:PutRolePolicy")) == puts
    assert list(GrantTry.objects.filter(grant=row).values_list("did", "result")) == [
        ("grant", "temporary"),
        ("verify", "active"),
    ]
