"""What goes along with a stop of what has ended elsewhere, or is replaced; and sessions under a hold."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.db import transaction

from evidence.models import Issuance
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.actions.revocations import late
from identities.issued import Below
from identities.models import Attribution, Credential, CredentialWatch, Revocation
from identities.permissions import NotPossible
from tests.awslab.lab import ANY_S3, Lab
from tests.identities.chains import actor, arn, bind, credential
from tests.identities.conftest import NOW
from tests.identities.revoking import ask, held_by, pointed_at_the_account, work
from tests.identities.test_taken_along import AGAIN, KEY, MINTED, may, standing, stolen

__all__ = ["held_by", "pointed_at_the_account", "stolen"]

# Committed rows: the worker uses connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Any]
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def asked() -> list[str]:
    rows = Revocation.objects.order_by("number")
    return [one.credential.actor.value for one in rows if one.credential]


@pytest.mark.parametrize("state", ["revoked", "expired"])
def test_what_has_ended_elsewhere_takes_along_what_it_issued(
    stolen: Credential, state: str
) -> None:
    assert stolen.identity is not None
    Credential.objects.filter(pk=stolen.pk).update(state=state)
    stolen.refresh_from_db()
    first = ask(stolen.identity, "revoke", now=NOW, credential=stolen)
    assert asked() == [KEY, MINTED, AGAIN]
    # Nothing is sent for it: it waits for what it issued.
    assert (first.state, first.sent_at) == ("confirmed", NOW)
    assert len(late.known(first, now=NOW)) == 2
    assert may("svc-report", Credential.objects.get(actor__value=MINTED).key)[1] in (
        "issuer_stopped",
        "being_revoked",
    )


def test_what_has_ended_and_issued_nothing_is_asked_for_in_an_incident_alone(
    stolen: Credential,
) -> None:
    """There, what becomes known of it later is taken along."""
    last = Credential.objects.get(actor__value=AGAIN)
    Credential.objects.filter(pk=last.pk).update(state="revoked", identity=stolen.identity)
    last.refresh_from_db()
    assert last.identity is not None
    with pytest.raises(NotPossible, match="is revoked already"):
        ask(last.identity, "revoke", now=NOW, credential=last)
    urgent = revocations.Ask(last.identity, "revoke", "test", last, urgent=True)
    (made,) = revocations.request_all([urgent], by=COUNTERSIGN, now=NOW)
    standing("AKIALATER00000000005", None, to=arn("user/svc-later"), by=last)
    with transaction.atomic():
        late.living(made.rows[0], now=NOW + SECOND)
    assert asked() == [AGAIN, "AKIALATER00000000005"]


def test_what_is_replaced_spares_what_its_own_runs_issued_or_use(stolen: Credential) -> None:
    """The rest, which somebody else issued with it, goes along; at our own door as well."""
    mine = stolen.identity
    assert mine is not None
    user = arn("user/svc-new")
    bind(mine, user)
    uses = standing("AKIAUSES000000000004", mine, to=user, by=stolen)
    runs = standing("AKIARUNS000000000005", mine, to=user, by=stolen)
    agent = actor("reporter", realm="otel:traces", kind="agent")
    bind(mine, agent)
    CredentialWatch.objects.create(credential_actor=uses.actor_id, agents=[agent.pk])
    made = Issuance.objects.get(credential=runs.actor)
    Attribution.objects.create(
        identity_no=mine.number, at=made.at, event_id=made.event_id, binding_id=1, source_id=1,
        role=1, strength=4, plane=1,
    )  # fmt: skip
    ask(mine, "revoke", now=NOW, credential=stolen, spares_own=True)
    assert asked() == [KEY, MINTED, AGAIN]
    first = Revocation.objects.get(cause=None)
    assert [one.value for one in late.known(first, now=NOW)] == [MINTED, AGAIN]
    minted = Credential.objects.get(actor__value=MINTED)
    stopped = {
        one.actor.value: may("svc-report", one.key)[1] in ("issuer_stopped", "being_revoked")
        for one in (uses, runs, minted)
    }
    assert stopped == {uses.actor.value: False, runs.actor.value: True, MINTED: True}


def test_sessions_of_a_role_are_denied_under_a_hold_and_let_go_with_it(
    lab: Lab, held_by: Make
) -> None:
    thief = lab.user({"Action": "sts:AssumeRole", "Resource": "*"})
    role = lab.role(ANY_S3, trusts=thief)
    session = lab.assume(thief, role)
    identity, key = held_by(thief)
    now = datetime.now(UTC)
    name = arn_of(lab, role)
    made = credential(session.access_key_id, None, to=name, by=key, lives=HOUR, at=now - SECOND)
    hold = ask(identity, "hold", now=now, credential=key)
    along = Revocation.objects.get(cause=hold)
    assert along.words == f"Deny all sessions of role {role} issued until now, for the time being"
    assert listed(lab, session) == "answered"
    for minutes in range(3):
        work(now + timedelta(minutes=minutes))
    made.refresh_from_db()
    assert (listed(lab, session), made.state) == ("AccessDenied", "held")
    ask(identity, "release", now=now + HOUR / 2, credential=key)
    for minutes in range(31, 34):
        work(now + timedelta(minutes=minutes))
    made.refresh_from_db()
    assert (listed(lab, session), made.state) == ("answered", "active")
    assert set(Revocation.objects.filter(step="release").values_list("state", flat=True)) == {
        "effective"
    }


def arn_of(lab: Lab, role: str) -> Any:
    value = f"arn:aws:iam::{lab.demo.account}:role/{role}"
    return actor(value, realm=f"aws:{lab.demo.account}", kind="arn")


def listed(lab: Lab, session: Any) -> str:
    try:
        lab.demo.clients(session).client("s3").list_buckets()
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "answered"


def test_a_look_that_runs_while_the_last_of_it_ends_is_woken(
    lab: Lab, held_by: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What becomes effective after it was looked at wakes the look, which writes only afterwards."""
    identity, key = held_by(lab.user(ANY_S3))
    now = datetime.now(UTC)
    standing(MINTED, None, to=arn("user/svc-minted"), by=key)
    first = ask(identity, "revoke", now=now, credential=key)
    shown = {"state": "confirmed", "sent_at": now, "confirmed_at": now}
    along = Revocation.objects.get(cause=first)
    Revocation.objects.filter(pk=along.pk).update(**shown, not_before=now + HOUR)
    Revocation.objects.filter(pk=first.pk).update(**shown, not_before=now)
    seen = late.living

    def meanwhile(row: Revocation, *, now: datetime) -> list[Below]:
        found = seen(row, now=now)
        Revocation.objects.filter(pk=along.pk).update(state="effective", effective_at=now)
        late.wake(along, now=now + SECOND)
        return found

    monkeypatch.setattr(late, "living", meanwhile)
    revocations.enforce_next(now=now)
    first.refresh_from_db()
    assert (first.state, bool(first.residual)) == ("confirmed", True)
    assert first.not_before <= now + SECOND
