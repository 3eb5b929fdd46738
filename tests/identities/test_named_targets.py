"""One signature on many named targets: what names stand for, and what is refused of them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identities.actions import batches
from identities.actions.batches import naming
from identities.models import Batch, Credential, Identity, IdentityState, Revocation, User
from identities.permissions import NotAllowed, NotPossible, groups
from tests.identities.chains import arn, bind, credential
from tests.identities.conftest import NOW

pytestmark = pytest.mark.django_db
Make = Callable[..., Any]
KEY = "request-0001"


@pytest.fixture
def rex(user: Callable[..., User]) -> User:
    return user("rex", "responder")


@pytest.fixture
def key(active: Make) -> Credential:
    """A key of svc-report, which is bound to a user."""
    row, user = active("svc-report"), arn("user/svc-report")
    bind(row, user)
    return credential("AKIAONE0000000000001", row, to=user)


def sign(names: list[str], by: User, *, step: str = "hold", request: str = KEY) -> Batch:
    return batches.named(
        names=names, step=step, because="a leak", request_key=request, by=by, now=NOW
    )


def outcome(batch: Batch) -> dict[str, str | list[str]]:
    return {
        one.row.subject: one.row.failed_why or [rev.words for rev in one.revocations]
        for one in batches.results(batch)
    }


def test_any_name_stands_for_its_target_and_what_is_refused_holds_up_no_other(
    key: Credential, rex: User, active: Make
) -> None:
    twin, other = active("svc-twin"), active("svc-other")
    shared = arn("user/shared")
    for one in (twin, other):
        bind(one, shared, shared=True)
    orphan = credential("AKIAORPHAN0000000001", None, to=arn("user/orphan"))
    report = key.identity
    assert report is not None
    hold_report = ["Hold user svc-report", "Hold svc-report at the decision endpoint"]
    names = [
        report.key, key.actor.value, "svc-twin", orphan.key, shared.value, "nobody", "svc-report",
    ]  # fmt: skip
    assert outcome(sign(names, rex)) == {
        report.key: hold_report,
        key.actor.value: ["Make key AKIA…0001 inactive"],
        "svc-twin": ["Hold user shared", "Hold svc-twin at the decision endpoint"],
        orphan.key: f"{orphan.key} is bound to no identity: bind it first.",
        shared.value: f"Several act by this name: {other.key}, {twin.key}. Give the key of one."
        if other.key < twin.key
        else f"Several act by this name: {twin.key}, {other.key}. Give the key of one.",
        "nobody": naming.NOT_HERE,
        "svc-report": f"It is named twice: see {report.key}.",
    }


def test_dry_run_says_the_same_and_changes_nothing(key: Credential, rex: User) -> None:
    names = ["svc-report", key.key, "nobody"]
    plan = batches.plan_named(names=names, step="hold", by=rex, now=NOW)
    tried = {one.named: one.refused or one.does for one in plan}
    assert (Revocation.objects.count(), IdentityState.objects.filter(state="held").count()) == (
        0,
        0,
    )
    assert tried == outcome(sign(names, rex))
    assert IdentityState.objects.filter(state="held").count() == 1


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([], "Name at least one target"),
        ([f"n{at}" for at in range(1_001)], "at most 1,000 targets: these are 1,001"),
        (["x" * 501], "at most 500 characters"),
    ],
)
def test_list_that_cannot_be_is_refused_whole(rex: User, names: list[str], why: str) -> None:
    with pytest.raises(NotPossible, match=why):
        sign(names, rex)
    assert Batch.objects.count() == 0


def test_step_and_reason_and_auditor(key: Credential, rex: User, user: Callable[..., User]) -> None:
    with pytest.raises(NotPossible, match="'narrow' is no step here"):
        sign(["svc-report"], rex, step="narrow")
    with pytest.raises(NotPossible, match="Say why"):
        batches.named(
            names=["svc-report"], step="hold", because=" ", request_key=KEY, by=rex, now=NOW
        )
    with pytest.raises(NotAllowed, match="You are an auditor"):
        sign(["svc-report"], user("ada", "auditor"))


def test_owner_holds_theirs_and_sees_nothing_of_others(key: Credential, active: Make) -> None:
    active("svc-other")
    owner = User.objects.get(username="owner-of-svc-report")
    found = outcome(sign(["svc-report", "svc-other"], owner))
    assert found["svc-other"] == naming.NOT_HERE
    assert isinstance(found["svc-report"], list)
    revoked = outcome(sign([key.key], owner, step="revoke", request="request-0002"))
    assert str(revoked[key.key]).startswith("Revoking what svc-report has takes both seats")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a\n\n  b  \n", ["a", "b"]),
        ('name,owner\n"svc, one",x\n', ["name", "svc, one"]),
        ("\r\nNHI-1;x\r\n", ["NHI-1;x"]),
        ("", []),
    ],
)
def test_lines_of_a_text_or_csv(text: str, names: list[str]) -> None:
    assert naming.lines_of(text) == names


def test_key_in_two_spellings_is_one_target(key: Credential, rex: User) -> None:
    plain = f"CRED-{key.number}"
    padded = f"CRED-000{key.number}"
    assert outcome(sign([plain, padded], rex))[padded] == f"It is named twice: see {plain}."


def test_a_thousand_named_cost_as_many_queries_as_ten(active: Make, rex: User) -> None:
    assert groups(rex) == {"responder"}  # asked for once a request
    like = active("svc-like")
    costs = []
    for number, count in enumerate((10, 1_000)):
        made = Identity.objects.bulk_create(
            [
                Identity(
                    name=f"svc-{number}-{at}", kind="agent", owner=like.owner, purpose="p",
                    expires_at=like.expires_at, state="active", created_at=NOW,
                )
                for at in range(count)
            ]
        )  # fmt: skip
        names = [one.name for one in made]
        with CaptureQueriesContext(connection) as seen:
            batch = sign(names, rex, request=f"request-of-{number}")
        costs.append(len(seen))
        assert {str(said) for said in outcome(batch).values()} == {
            f"['Hold {name} at the decision endpoint']" for name in names
        }
    assert costs[0] == costs[1]
    assert IdentityState.objects.filter(state="held").count() == 1_010
