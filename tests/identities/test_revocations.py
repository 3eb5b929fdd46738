"""Revocations against a real AWS API: asked once, made once, looked at, and dead when it says so."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evidence.models import Actor, Issuance, LedgerEntry
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import (
    Binding,
    Credential,
    CredentialState,
    Revocation,
    RevocationTry,
)
from tests.awslab.lab import ANY_S3, Lab
from tests.identities.conftest import NOW
from tests.identities.revoking import (
    actor,
    ask,
    held_by,
    keep_secret,
    pointed_at_the_account,
    uses,
    work,
    work_at_once,
)
from tests.identities.token_rows import token_actor

__all__ = ["held_by", "pointed_at_the_account"]

# Committed rows: the worker and its rivals use connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Any]
SECOND = timedelta(seconds=1)


def test_hold_release_revoke_of_a_key_with_a_real_use_each_time(
    lab: Lab, held_by: Make, settings: Any, tmp_path: Path
) -> None:
    person = lab.user(ANY_S3)
    identity, key = held_by(person)
    keep_secret(tmp_path, person, settings)
    now = datetime.now(UTC)
    assert uses(lab, person) == "answered"
    ask(identity, "hold", now=now, credential=key)
    assert work(now) == ["confirmed", "effective"]
    assert uses(lab, person) == "InvalidClientTokenId"
    ask(identity, "release", now=now + SECOND, credential=key)
    assert work(now + SECOND) == ["confirmed", "effective"]
    assert uses(lab, person) == "answered"
    row = ask(identity, "revoke", now=now + 2 * SECOND, credential=key)
    assert work(now + 2 * SECOND) == ["confirmed", "effective"]
    assert uses(lab, person) == "InvalidClientTokenId"
    assert lab.admin.iam.list_access_keys(UserName=person.name)["AccessKeyMetadata"] == []
    key.refresh_from_db()
    assert key.state == "revoked"
    assert [
        (s.state, s.during.lower)
        for s in CredentialState.objects.filter(superseded_at__isnull=True).order_by("during")
    ] == [("active", NOW), ("held", now), ("active", now + SECOND), ("revoked", now + 2 * SECOND)]
    assert list(
        RevocationTry.objects.filter(revocation=row).order_by("id").values_list("did", "result")
    ) == [("send", "ok"), ("verify", "gone"), ("probe", "denied")]
    assert list(
        LedgerEntry.objects.filter(words__startswith=f"{row.key}:")
        .order_by("id")
        .values_list("act", flat=True)
    ) == ["revocation.requested", "revocation.sent", "revocation.confirmed", "revocation.effective"]


def test_without_a_probe_it_waits_for_what_may_live(lab: Lab, held_by: Make) -> None:
    person = lab.user()
    identity, key = held_by(person)
    now = datetime.now(UTC)
    row = ask(identity, "revoke", now=now, credential=key)
    assert work(now) == ["confirmed", "confirmed"]
    row.refresh_from_db()
    assert (row.state, row.effective_at, row.residual_until) == (
        "confirmed",
        None,
        now + timedelta(hours=36),
    )
    assert len(row.residual) == 2
    assert work(now + timedelta(minutes=5)) == []
    assert work(now + timedelta(hours=36, seconds=1)) == ["effective"]


def test_known_session_lives_on_after_a_refused_probe(
    lab: Lab, held_by: Make, settings: Any, tmp_path: Path
) -> None:
    person = lab.user()
    identity, key = held_by(person)
    keep_secret(tmp_path, person, settings)
    now = datetime.now(UTC)
    until = now + timedelta(hours=1)
    Issuance.objects.create(
        at=now - timedelta(minutes=5),
        event_id=1,
        credential=actor("ASIAEXAMPLE123456789"),
        by_credential=key.actor,
        standing=False,
        expires_at=until,
        deposit_id=1,
    )
    row = ask(identity, "revoke", now=now, credential=key)
    assert work(now) == ["confirmed", "confirmed"]
    row.refresh_from_db()
    assert row.residual[0] == {"what": "session ASIAEXAMPLE123456789", "until": until.isoformat()}
    assert work(until + SECOND) == ["effective"]


def test_asking_twice_makes_it_once(lab: Lab, held_by: Make) -> None:
    person = lab.user()
    identity, key = held_by(person)
    now = datetime.now(UTC)
    first, second = (ask(identity, "hold", now=now, credential=key) for _ in range(2))
    assert first.pk == second.pk
    before = len(lab.proxy.calls("iam:UpdateAccessKey"))
    work(now)
    assert len(lab.proxy.calls("iam:UpdateAccessKey")) == before + 1
    assert Revocation.objects.count() == 1


def test_lying_target_is_caught_and_waits_for_a_person(lab: Lab, held_by: Make) -> None:
    person = lab.user()
    identity, key = held_by(person)
    lab.proxy.lie("iam:UpdateAccessKey")
    now = datetime.now(UTC)
    row = ask(identity, "hold", now=now, credential=key)
    for minutes in range(40):
        work(now + timedelta(minutes=minutes))
    row.refresh_from_db()
    assert (row.state, row.who_must_act) == ("failed", "the administrator of Countersign")
    assert row.failed_why.startswith("The target took the change but does not show it:")
    lab.proxy.behave()
    later = now + timedelta(hours=1)
    revocations.retry(revocation=row, by=COUNTERSIGN, now=later)
    assert work(later)[:1] == ["confirmed"]


def test_throttled_target_is_tried_again_not_before_it_says(lab: Lab, held_by: Make) -> None:
    person = lab.user()
    identity, key = held_by(person)
    # More often than the SDK itself retries.
    lab.proxy.throttle("iam:UpdateAccessKey", times=3, retry_after=0)
    now = datetime.now(UTC)
    row = ask(identity, "hold", now=now, credential=key)
    assert work(now) == ["sending"]
    row.refresh_from_db()
    assert (row.state, row.attempts, row.not_before > now) == ("sending", 1, True)
    assert work(now + timedelta(minutes=1))[:1] == ["confirmed"]


def test_crash_after_the_call_is_settled_by_looking(lab: Lab, held_by: Make) -> None:
    person = lab.user()
    identity, key = held_by(person)
    now = datetime.now(UTC)
    row = ask(identity, "hold", now=now, credential=key)
    # The process died between the call and its answer: committed "sending", a lease that ran out.
    Revocation.objects.filter(pk=row.pk).update(
        state="sending", sending_at=now, leased_until=now + timedelta(minutes=5), attempts=1
    )
    lab.admin.iam.update_access_key(
        UserName=person.name, AccessKeyId=person.credentials.access_key_id, Status="Inactive"
    )
    before = len(lab.proxy.calls("iam:UpdateAccessKey"))
    assert work(now + timedelta(minutes=1)) == []
    assert work(now + timedelta(minutes=6))[:1] == ["confirmed"]
    assert len(lab.proxy.calls("iam:UpdateAccessKey")) == before


def test_crash_before_the_call_is_sent_after_looking(lab: Lab, held_by: Make) -> None:
    person = lab.user()
    identity, key = held_by(person)
    now = datetime.now(UTC)
    row = ask(identity, "hold", now=now, credential=key)
    Revocation.objects.filter(pk=row.pk).update(state="sending", sending_at=now)
    assert work(now)[:1] == ["confirmed"]
    assert uses(lab, person) == "InvalidClientTokenId"


def test_two_workers_send_once(lab: Lab, held_by: Make) -> None:
    person = lab.user()
    identity, key = held_by(person)
    now = datetime.now(UTC)
    ask(identity, "revoke", now=now, credential=key)
    before = len(lab.proxy.calls("iam:DeleteAccessKey"))
    work_at_once(4, now)
    assert len(lab.proxy.calls("iam:DeleteAccessKey")) == before + 1
    assert RevocationTry.objects.filter(did="send").count() == 1


def test_worker_that_outlived_its_lease_changes_nothing(lab: Lab, held_by: Make) -> None:
    person = lab.user()
    identity, key = held_by(person)
    now = datetime.now(UTC)
    row = ask(identity, "hold", now=now, credential=key)
    from identities.actions.revocations.calling import Work
    from identities.actions.revocations.stepping import save

    stale = Work(row, now + timedelta(minutes=5), None, None, now, 0.0)  # type: ignore[arg-type]  # not reached
    Revocation.objects.filter(pk=row.pk).update(leased_until=now + timedelta(minutes=9))
    assert not save(stale, state="failed")
    row.refresh_from_db()
    assert row.state == "requested"


def test_release_waits_behind_the_hold_it_undoes(lab: Lab, held_by: Make) -> None:
    person = lab.user()
    identity, key = held_by(person)
    now = datetime.now(UTC)
    hold = ask(identity, "hold", now=now, credential=key)
    Revocation.objects.filter(pk=hold.pk).update(
        state="sending", leased_until=now + timedelta(minutes=5)
    )
    release = ask(identity, "release", now=now, credential=key)
    assert not revocations.enforce_next(now=now)
    release.refresh_from_db()
    assert release.state == "requested"


def test_hold_undone_before_it_went_out_is_never_sent(lab: Lab, held_by: Make) -> None:
    person = lab.user()
    identity, key = held_by(person)
    now = datetime.now(UTC)
    hold = ask(identity, "hold", now=now, credential=key)
    ask(identity, "release", now=now, credential=key)
    work(now)
    hold.refresh_from_db()
    assert (hold.state, hold.failed_why, hold.sent_at) == ("undone", "", None)
    assert uses(lab, person) == "answered"


def test_what_stops_in_one_system_is_not_said_to_have_stopped_in_another(
    lab: Lab, held_by: Make
) -> None:
    identity, key = held_by(lab.user(ANY_S3))
    token = Credential.objects.create(
        actor=token_actor("token", "jti-1"),
        identity=identity,
        kind="token",
        standing=False,
        issued_at=NOW,
        state_at=NOW,
    )
    CredentialState.objects.create(
        credential=token, state="active", during=(NOW, None), recorded_at=NOW
    )
    now = datetime.now(UTC)
    revocations.request(identity=identity, step="suspend", by=COUNTERSIGN, now=now, because="test")
    work(now)
    key.refresh_from_db()
    token.refresh_from_db()
    assert (key.state, token.state) == ("held", "active")


def test_suspended_identity_is_refused_everywhere(lab: Lab, held_by: Make) -> None:
    person = lab.user(ANY_S3)
    identity, _ = held_by(person)
    now = datetime.now(UTC)
    rows = revocations.request(
        identity=identity, step="suspend", by=COUNTERSIGN, now=now, because="test"
    )
    assert [(row.system, row.state) for row in rows] == [
        ("aws", "requested"),
        ("countersign", "effective"),
    ]
    work(now)
    identity.refresh_from_db()
    assert identity.state == "suspended"
    assert uses(lab, person) == "InvalidClientTokenId"
    revocations.request(
        identity=identity, step="resume", by=COUNTERSIGN, now=now + SECOND, because="test"
    )
    work(now + SECOND)
    identity.refresh_from_db()
    assert (identity.state, uses(lab, person)) == ("active", "answered")


def test_role_sessions_are_denied_and_live_until_their_end(lab: Lab, active: Make) -> None:
    person = lab.user({"Action": "sts:AssumeRole", "Resource": "*"})
    role = lab.role(ANY_S3, trusts=person)
    session = lab.assume(person, role)
    identity = active(role)
    arn = f"arn:aws:iam::{lab.demo.account}:role/{role}"
    Binding.objects.create(
        identity=identity,
        actor=actor(arn),
        basis="declared",
        state="confirmed",
        during=(None, None),
        recorded_at=NOW,
        by="test",
    )
    now = datetime.now(UTC) + SECOND
    key = Credential.objects.create(
        actor=Actor.objects.create(
            key=identity.pk,
            realm="aws",
            kind="access_key",
            value=session.access_key_id,
            parent=actor(arn),
            created_at=NOW,
        ),
        identity=identity,
        kind="session",
        standing=False,
        issued_at=now - SECOND,
        expires_at=now + timedelta(hours=1),
        state_at=NOW,
    )
    row = ask(identity, "revoke", now=now, credential=key)
    assert work(now) == ["confirmed", "confirmed"]
    key.refresh_from_db()
    assert (key.state, row.target["kind"]) == ("revoked", "role_sessions")
    with pytest.raises(ClientError, match="AccessDenied"):
        lab.demo.clients(session).client("s3").list_buckets()
