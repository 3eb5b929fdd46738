"""What comes from one identity: the tree, who else uses it, and one signature on all of it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.models import Issuance, LedgerEntry
from identities.acting import COUNTERSIGN, By
from identities.actions import batches
from identities.actions.batches import signing
from identities.actions.revocations import claiming
from identities.models import (
    Batch,
    Credential,
    CredentialAgent,
    Delegation,
    Identity,
    Revocation,
    User,
)
from identities.permissions import NotAllowed, NotPossible
from tests.identities.chains import actor, arn, bind, credential, delegation
from tests.identities.conftest import NOW

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
KEY = "request-0001"
Make = Callable[..., Any]


@pytest.fixture
def decided() -> By:
    """Nobody revokes alone: what a case decided is asked for in the name of Countersign."""
    return COUNTERSIGN


@pytest.fixture
def root(active: Make) -> Identity:
    """svc-report, whose key assumed a role of svc-reader, whose session assumed another role."""
    mine, theirs = active("svc-report"), active("svc-reader")
    user, role, other = arn("user/svc-report"), arn("role/reader"), arn("role/writer")
    bind(mine, user)
    bind(theirs, role)
    key = credential("AKIAROOT000000000001", mine, to=user)
    session = credential("ASIAREAD000000000001", theirs, to=role, by=key, lives=HOUR)
    credential("ASIAWRIT000000000001", None, to=other, by=session, lives=HOUR)
    over = credential(
        "ASIAOVER000000000001",
        theirs,
        to=role,
        by=key,
        lives=MINUTE,
        at=NOW - HOUR,
        state="expired",
    )
    credential("ASIALATE000000000001", None, to=other, by=over, lives=2 * HOUR, at=NOW - HOUR)
    above = delegation(mine)
    delegation(theirs, above=above, days=7)
    found: Identity = mine
    return found


def plan(root: Identity, step: str, by: By, *, now: datetime = NOW) -> list[tuple[Any, ...]]:
    rows = batches.plan_cascade(root=root, step=step, by=by, now=now)
    return [(one.depth, one.words, one.does, one.refused) for one in rows]


def sign(root: Identity, step: str, by: By, *, key: str = KEY, now: datetime = NOW) -> Batch:
    return batches.cascade(
        root=root, step=step, because="it left its task", request_key=key, by=by, now=now
    )


def test_tree_goes_from_parents_to_what_was_minted_with_them(root: Identity, decided: By) -> None:
    passed = Delegation.objects.get(parent__isnull=False)
    assert plan(root, "revoke", decided) == [
        (0, "svc-report itself", ["Revoke user svc-report"], ""),
        (1, "access key AKIA…0001 of svc-report", ["Delete key AKIA…0001"], ""),
        (
            2,
            "session ASIA…0001 of svc-reader",
            ["Deny all sessions of role reader issued until now"],
            "",
        ),
        (
            3,
            "session ASIA…0001, bound to nobody",
            ["Deny all sessions of role writer issued until now"],
            "",
        ),
        (
            1,
            "session ASIA…0001, bound to nobody (what it was issued with has ended)",
            ["Deny all sessions of role writer issued until now"],
            "",
        ),
        (
            1,
            f"delegation {passed.key} of svc-reader",
            [],
            signing.TAKES_SEATS.format(name="svc-reader"),
        ),
    ]
    assert (Revocation.objects.count(), Batch.objects.count()) == (0, 0)


def test_a_session_that_is_held_says_until_when_it_lives(root: Identity, decided: By) -> None:
    rows = batches.plan_cascade(root=root, step="hold", by=decided, now=NOW)
    session = next(one for one in rows if one.words == "session ASIA…0001 of svc-reader")
    assert session.does == ["Deny all sessions of role reader issued until now, for the time being"]
    assert session.lives_until == NOW + HOUR
    assert rows[-1].lives_until == NOW + timedelta(days=7)


def test_one_signature_asks_for_all_of_it_and_each_row_names_its_cause(
    root: Identity, decided: By
) -> None:
    batch = sign(root, "revoke", decided)
    rows = Revocation.objects.order_by("number")
    assert [row.words for row in rows] == [
        "Revoke user svc-report",
        "Delete key AKIA…0001",
        "Deny all sessions of role reader issued until now",
        "Deny all sessions of role writer issued until now",
    ]
    why = f"it left its task (from svc-report, {batch.key})"
    assert [row.because.removeprefix(why) for row in rows] == [
        "", "", " (issued with AKIA…0001)", " (issued with AKIA…0001)",
    ]  # fmt: skip
    assert [row.cause for row in rows] == [None, None, rows[1], rows[1]]
    found = batches.results(batch)
    assert [[one.words for one in row.revocations] for row in found][3:5] == [
        ["Deny all sessions of role writer issued until now"],
        ["Deny all sessions of role writer issued until now"],
    ]
    assert [bool(row.row.failed_why) for row in found] == [False] * 5 + [True]
    said = LedgerEntry.objects.get(act="batch.signed")
    assert (said.data["targets"], said.data["refused"], said.subject) == (6, 1, root.key)


def test_children_wait_for_what_they_were_minted_with_but_not_for_ever(
    root: Identity, decided: By
) -> None:
    sign(root, "revoke", decided)
    user, key, reader, writer = Revocation.objects.order_by("number")
    assert [row.after_id for row in (user, key, reader, writer)] == [
        None, user.pk, key.pk, reader.pk,
    ]  # fmt: skip

    def next_is() -> Revocation | None:
        claimed = [one.row for one in claiming.claim(now=NOW)]
        assert len(claimed) < 2
        return claimed[0] if claimed else None

    assert next_is() == user
    assert next_is() is None  # the rest waits until that has gone out
    for row, below in ((user, key), (key, reader)):
        Revocation.objects.filter(pk=row.pk).update(state="sent", not_before=NOW + HOUR)
        assert next_is() == below
    # One that failed, or takes too long, holds up nothing.
    Revocation.objects.filter(pk=reader.pk).update(state="failed")
    assert next_is() == writer
    Revocation.objects.filter(pk=reader.pk).update(state="requested", not_before=NOW + 9 * HOUR)
    Revocation.objects.filter(pk=writer.pk).update(state="requested", leased_until=None)
    assert next_is() is None
    (late,) = claiming.claim(now=NOW + claiming.LONGEST_AFTER)
    assert late.row == writer


def test_shared_is_named_before_it_is_cut_with_how_sure_it_is(
    root: Identity, decided: By, active: Make
) -> None:
    key = Credential.objects.get(actor__value="AKIAROOT000000000001")
    agent, stranger = (actor(one, realm="otel:x", kind="agent") for one in ("helper", "nobody"))
    bind(active("svc-helper"), agent)
    for one in (agent, stranger):
        CredentialAgent.objects.create(
            credential_actor=key.actor_id, agent_actor=one.pk, service_actor=0, address_id=0,
            source_id=1, first_at=NOW, last_at=NOW,
        )  # fmt: skip
    both = actor("AKIASHARED0000000001")
    for sharer in (root, active("svc-twin")):
        bind(sharer, both, shared=True)
    Credential.objects.create(
        actor=both, identity=root, kind="access_key", standing=True, issued_at=NOW, state_at=NOW
    )
    rows = {
        one.named: [(use.name, use.how) for use in one.shared]
        for one in batches.plan_cascade(root=root, step="revoke", by=decided, now=NOW)
    }
    assert rows[key.key] == [("nobody", "key"), ("svc-helper", "key")]
    shared = Credential.objects.get(actor=both)
    assert rows[shared.key] == [("svc-twin", "cannot be told")]
    session = Credential.objects.get(actor__value="ASIAREAD000000000001")
    assert rows[session.key] == [("svc-reader", "exact")]


def test_same_request_is_done_once_and_another_under_its_key_is_refused(
    root: Identity, decided: By
) -> None:
    first, again = sign(root, "revoke", decided), sign(root, "revoke", decided, now=NOW + HOUR)
    assert (first.pk, Batch.objects.count(), Revocation.objects.count()) == (again.pk, 1, 4)
    with pytest.raises(NotPossible, match=f"was used for {first.key}"):
        sign(root, "hold", decided)
    with pytest.raises(NotPossible, match="8 to 200 printable"):
        sign(root, "hold", decided, key="short")
    other = sign(root, "revoke", decided, key="request-0002")
    assert Revocation.objects.count() == 4  # what is open stands for it
    assert [len(one.revocations) for one in batches.results(other)] == [1, 1, 1, 1, 1, 0]


def test_who_may_not_revoke_does_not_sign_and_what_is_anothers_is_refused(
    root: Identity, user: Callable[..., User]
) -> None:
    owner = User.objects.get(username="owner-of-svc-report")
    with pytest.raises(NotAllowed, match="takes both seats"):
        sign(root, "revoke", owner)
    with pytest.raises(NotAllowed, match="You are an auditor"):
        sign(root, "hold", user("ada", "auditor"))
    batch = sign(root, "hold", owner)
    words = {one.row.words: one.row.failed_why for one in batches.results(batch)}
    assert words["access key AKIA…0001 of svc-report"] == ""
    assert words["session ASIA…0001 of svc-reader"].startswith("Only a responder or who answers")


def test_loop_of_issuances_ends(root: Identity, decided: By) -> None:
    one = Credential.objects.get(actor__value="ASIAWRIT000000000001")
    key = Credential.objects.get(actor__value="AKIAROOT000000000001")
    Issuance.objects.create(
        at=NOW, event_id=999, credential=key.actor, by_credential=one.actor, standing=False,
        deposit_id=1,
    )  # fmt: skip
    assert len(plan(root, "revoke", decided)) == 6


def test_a_thousand_nodes_cost_as_many_queries_as_ten(active: Make, decided: By) -> None:
    costs = []
    for number, count in enumerate((10, 1_000)):
        root = active(f"svc-{number}")
        name = arn(f"user/svc-{number}")
        bind(root, name)
        key = credential(f"AKIABIG{number:013d}", root, to=name)
        for at in range(count):
            role = arn(f"role/r-{number}-{at}")
            credential(f"ASIA{number}{at:015d}", None, to=role, by=key, lives=HOUR)
        took = []
        with CaptureQueriesContext(connection) as seen:
            rows = batches.plan_cascade(root=root, step="revoke", by=decided, now=NOW)
        took.append(len(seen))
        assert (len(rows), [one.refused for one in rows if one.refused]) == (count + 2, [])
        with CaptureQueriesContext(connection) as seen:
            batch = sign(root, "revoke", decided, key=f"request-big-{number}")
        took.append(len(seen))
        with CaptureQueriesContext(connection) as seen:
            assert sum(len(one.revocations) for one in batches.results(batch)) == count + 2
        took.append(len(seen))
        costs.append(took)
    assert costs[0] == costs[1]
