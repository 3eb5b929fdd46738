"""What a stopped credential had issued is stopped with it, and nothing is effective while it lives."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from evidence.models import Deposit, Issuance, Source
from identities import issued
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.actions.revocations import late
from identities.decisions import Question, decide
from identities.models import Credential, Identity, Revocation, User
from tests.awslab.lab import ANY_S3, Lab
from tests.identities.chains import arn, bind, credential
from tests.identities.conftest import NOW
from tests.identities.revoking import (
    ask,
    held_by,
    keep_secret,
    pointed_at_the_account,
    uses,
    work,
)

__all__ = ["held_by", "pointed_at_the_account"]

# Committed rows: the worker uses connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Any]
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
KEY, MINTED, AGAIN = "AKIAROOT000000000001", "AKIAMINT000000000002", "AKIAAGAN000000000003"


def standing(
    value: str, of: Identity | None, *, to: Any, by: Credential | None = None
) -> Credential:
    """A key that works until somebody ends it; `by`: what it was made with."""
    return credential(value, of, to=to, by=by, standing=True, kind="access_key")


@pytest.fixture
def stolen(active: Make) -> Credential:
    """A key that made another, which made a third."""
    mine = active("svc-report")
    user = arn("user/svc-report")
    bind(mine, user)
    key = standing(KEY, mine, to=user)
    minted = standing(MINTED, mine, to=user, by=key)
    standing(AGAIN, None, to=arn("user/svc-hidden"), by=minted)
    return key


def named(rows: Any) -> list[tuple[str, str | None]]:
    return [(one.words, one.cause and one.cause.key) for one in rows]


def may(subject: str, key: str) -> tuple[bool, str, str]:
    answer = decide(Question(subject, "s3:GetObject", "invoices/1", credential=key), now=NOW)
    return answer.allowed, answer.reason, answer.sentence


def test_what_it_issued_is_asked_for_with_it(stolen: Credential) -> None:
    assert stolen.identity is not None
    first = ask(stolen.identity, "revoke", now=NOW, credential=stolen)
    rows = Revocation.objects.order_by("number").select_related("cause")
    assert named(rows) == [
        ("Delete key AKIA…0001", None),
        ("Delete key AKIA…0002", first.key),
        ("Delete key AKIA…0003", first.key),
    ]
    # Parents first, so that nothing is made anew meanwhile.
    assert [one.after_id for one in rows] == [None, first.pk, rows[1].pk]
    ask(stolen.identity, "revoke", now=NOW, credential=stolen)
    assert Revocation.objects.count() == 3


def test_our_own_door_refuses_it_at_once(stolen: Credential) -> None:
    assert stolen.identity is not None
    minted = Credential.objects.get(actor__value=MINTED).key
    before = may("svc-report", minted)
    first = ask(stolen.identity, "hold", now=NOW, credential=stolen)
    # Even where nobody could be asked to stop it, and before a worker has done anything.
    Revocation.objects.exclude(pk=first.pk).delete()
    after = may("svc-report", minted)
    assert (before[1] != "issuer_stopped", after) == (
        True,
        (
            False,
            "issuer_stopped",
            f"This credential was issued with {stolen.key}, which is held.",
        ),
    )


@pytest.mark.parametrize("responder", [False, True])
def test_who_answers_for_one_identity_stops_nothing_of_another(
    stolen: Credential, active: Make, user: Make, responder: bool
) -> None:
    """An owner's hold takes along what is theirs or nobody's, a responder's everything; and so do
    our own door, what evidence shows later, and the letting go."""
    assert stolen.identity is not None
    other = active("svc-other")
    theirs = Credential.objects.get(actor__value=MINTED)
    bind(other, arn("user/svc-other"))
    Credential.objects.filter(pk=theirs.pk).update(identity=other)
    owner = User.objects.get(username="owner-of-svc-report")
    who = user("resp", "responder") if responder else owner
    hold = ask(stolen.identity, "hold", now=NOW, credential=stolen, by=who)
    goes = [MINTED] if responder else []
    rows = Revocation.objects.order_by("number")
    asked = [one.credential.actor.value for one in rows if one.credential]
    assert sorted(asked) == sorted([KEY, AGAIN, *goes])
    stopped = may("svc-other", theirs.key)[1] in ("issuer_stopped", "being_revoked")
    assert stopped is responder
    living = {one.value for one in late.known(hold, now=NOW)}
    assert living == {AGAIN, *goes}
    with transaction.atomic():
        late.living(hold, now=NOW + SECOND)
    assert Revocation.objects.count() == len(asked)
    # What a responder held with it an owner does not let go of.
    Revocation.objects.update(state="effective", effective_at=NOW, confirmed_at=NOW, sent_at=NOW)
    Credential.objects.update(state="held")
    ask(stolen.identity, "release", now=NOW + HOUR, credential=stolen, by=owner)
    released = Revocation.objects.filter(step="release").order_by("number")
    assert MINTED not in [one.credential.actor.value for one in released if one.credential]


def test_what_is_let_go_lets_go_of_what_went_along(stolen: Credential) -> None:
    assert stolen.identity is not None
    ask(stolen.identity, "hold", now=NOW, credential=stolen)
    Revocation.objects.update(state="effective", effective_at=NOW, confirmed_at=NOW, sent_at=NOW)
    Credential.objects.update(state="held")
    ask(stolen.identity, "release", now=NOW + SECOND, credential=stolen)
    released = Revocation.objects.filter(step="release").order_by("number")
    assert [one.credential and one.credential.actor.value for one in released] == [
        KEY,
        MINTED,
        AGAIN,
    ]


def late_evidence(by: Credential, value: str = "AKIALATE000000000004") -> Deposit:
    """A deposit that comes afterwards and shows that a key was made with this one."""
    source = Source.objects.create(name="late", plane="identity", created_at=NOW, created_by="x")
    deposit = Deposit.objects.create(
        source=source, received_at=NOW, received_by="x", format="cloudtrail", received_digest=b"x",
        received_bytes=1, kept_digest=b"x", kept_bytes=1, rule_version=1, records=1, events=1,
        duplicates=0, rejects=0, first_at=NOW, last_at=NOW,
    )  # fmt: skip
    key = standing(value, None, to=arn("user/svc-late"))
    Issuance.objects.create(
        at=NOW, event_id=77, credential=key.actor, by_credential=by.actor, standing=True,
        deposit_id=deposit.pk,
    )  # fmt: skip
    return deposit


def test_what_evidence_shows_later_opens_it_again_and_is_asked_for(stolen: Credential) -> None:
    assert stolen.identity is not None
    first = ask(stolen.identity, "revoke", now=NOW, credential=stolen)
    Revocation.objects.update(state="effective", effective_at=NOW, confirmed_at=NOW, sent_at=NOW)
    Credential.objects.update(state="revoked")
    deposit = late_evidence(Credential.objects.get(actor__value=MINTED))
    for _ in range(2):  # a job may run twice
        with transaction.atomic():
            revocations.take_along(deposit=deposit, now=NOW + HOUR)
    first.refresh_from_db()
    asked = Revocation.objects.get(credential__actor__value="AKIALATE000000000004")
    assert (first.state, first.effective_at, asked.state) == ("confirmed", None, "requested")
    assert "lives, issued with it" in first.reopened[0]
    assert len(first.reopened) == 1


def test_what_a_log_does_not_state_takes_nothing_along(stolen: Credential, active: Make) -> None:
    """A key that somebody else's runs use as well was not issued by that."""
    other = active("svc-other")
    user = arn("user/svc-other")
    bind(other, user)
    standing("AKIAINNO000000000009", other, to=user)
    assert stolen.identity is not None
    ask(stolen.identity, "revoke", now=NOW, credential=stolen)
    assert not Revocation.objects.filter(identity=other).exists()


def test_it_is_effective_only_when_the_last_of_it_is(
    lab: Lab, held_by: Make, settings: Any, tmp_path: Path
) -> None:
    thief, made = lab.user(ANY_S3), lab.user(ANY_S3)
    identity, key = held_by(thief)
    theirs, minted = held_by(made)
    keep_secret(tmp_path, thief, settings)
    now = datetime.now(UTC)
    Issuance.objects.create(
        at=now - HOUR, event_id=1, credential=minted.actor, by_credential=key.actor,
        standing=True, deposit_id=1,
    )  # fmt: skip
    first = ask(identity, "revoke", now=now, credential=key)
    assert {one.identity_id for one in Revocation.objects.all()} == {identity.pk, theirs.pk}
    for minutes in range(6):
        work(now + timedelta(minutes=minutes))
    second = Revocation.objects.get(credential=minted)
    first.refresh_from_db()
    assert (uses(lab, thief), uses(lab, made)) == ("InvalidClientTokenId",) * 2
    assert second.cause_id == first.pk
    # No probe of the second is at hand, so it waits for what may live; the first waits with it.
    assert (first.state, second.state) == ("confirmed", "confirmed")
    assert first.residual[-1]["what"] == f"access key {minted.short}, issued with it"
    ends = second.residual_until
    assert ends is not None
    work(ends + SECOND)
    work(ends + HOUR)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("effective", "effective")
    assert first.effective_at is not None
    assert second.effective_at is not None
    assert first.effective_at >= second.effective_at


def test_the_walk_takes_one_query_and_ends_in_a_loop(
    stolen: Credential, django_assert_num_queries: Any
) -> None:
    last = Credential.objects.get(actor__value=AGAIN)
    Issuance.objects.create(
        at=NOW, event_id=99, credential=stolen.actor, by_credential=last.actor,
        standing=True, deposit_id=1,
    )  # fmt: skip
    with django_assert_num_queries(1):
        found = issued.below([stolen.pk], step="revoke", now=NOW)
    assert [one.value for one in found] == [MINTED, AGAIN]
    assert late.known(Revocation(takes_issued=False), now=NOW) == []
    assert COUNTERSIGN.user is None
