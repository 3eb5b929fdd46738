"""Okta by the worker's road: what of an identity is stopped there, and what a lie or a gap becomes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.formats.record import ActorName
from evidence.models import Actor, LedgerEntry
from evidence.names import actor_ids
from identities import checks
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.actions.revocations import reach
from identities.enforcers.contract import Permission
from identities.models import Binding, Credential, CredentialState, Identity, Revocation
from identities.permissions import NotPossible
from tests.identities.conftest import NOW
from tests.identities.enforcers.okta_answers import pem
from tests.identities.enforcers.okta_lab import CLIENT, Org, okta_lab
from tests.identities.revoking import ask, listed, opened, work

__all__ = ["okta_lab"]

# Committed rows: the worker uses connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)

REALM, ANA, APP = "okta:lab", "ana@example.org", "0oaBATCH"

type Give = Callable[..., Credential]


@pytest.fixture
def lab(okta_lab: Org, settings: Any, tmp_path: Path) -> Org:
    """An org with a person and an app, set up as an installation has it."""
    okta_lab.person()
    okta_lab.app()
    okta_lab.secret(APP, "ocs1")
    okta_lab.secret(APP, "ocs2")
    okta_lab.refresh_token("oar1", app=APP, user="00uANA")
    (tmp_path / "key").write_text(pem())
    entry = {
        "url": okta_lab.url,
        "client_id": CLIENT,
        "private_key": f"file:{tmp_path / 'key'}",
        "realm": REALM,
        "access_token_seconds": 3600,
        "app_session_seconds": 7200,
    }
    (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump({"okta": [entry]}))
    settings.ENFORCERS, settings.ALLOW_PRIVATE = str(tmp_path / "enforcers.yaml"), True
    return okta_lab


@pytest.fixture
def identity(active: Any) -> Identity:
    """An agent that acts as a person and as an app of the org."""
    row: Identity = active("agent-of-invoices")
    for kind, value in (("user", ANA), ("app", APP)):
        Binding.objects.create(
            identity=row,
            actor=_actor(kind, value),
            basis="declared",
            state="confirmed",
            during=(None, None),
            recorded_at=NOW,
            by="test",
        )
    return row


@pytest.fixture
def give(identity: Identity) -> Give:
    """A credential of the identity, as lists and logs make them."""

    def make(kind: str, value: str, *, to: tuple[str, str] | None, standing: bool = True) -> Any:
        key = Credential.objects.create(
            actor=_actor(kind, value),
            identity=identity,
            kind=kind,
            standing=standing,
            issued_at=NOW,
            issued_to=None if to is None else _actor(*to),
            state_at=NOW,
        )
        CredentialState.objects.create(
            credential=key, state="active", during=(NOW, None), recorded_at=NOW
        )
        return key

    return make


def _actor(kind: str, value: str) -> Actor:
    name = ActorName(REALM, kind, value)
    return Actor.objects.get(pk=actor_ids([name], now=NOW)[name])


def test_a_suspended_identity_is_stopped_as_person_and_as_app_and_let_in_again(
    lab: Org, identity: Identity
) -> None:
    now = datetime.now(UTC)
    rows = revocations.request(
        identity=identity, step="suspend", by=COUNTERSIGN, now=now, because="test"
    )
    assert sorted(row.words for row in rows) == [
        "Suspend agent-of-invoices at the decision endpoint",
        f"Suspend app {APP}",
        f"Suspend user {ANA}",
    ]
    work(now)
    assert (lab.users["00uANA"]["status"], lab.apps[APP]["status"]) == ("SUSPENDED", "INACTIVE")
    assert lab.tokens == []
    there = Revocation.objects.filter(system="okta", step="suspend")
    assert set(there.values_list("state", flat=True)) == {"confirmed"}
    # Effective is: neither a token that nobody asks Okta about nor a session at an app lives.
    ends = {row.target["kind"]: row.residual_until - row.sent_at for row in there}  # type: ignore[operator]  # both are known by now
    assert ends == {"app": timedelta(hours=1), "user": timedelta(hours=2)}
    work(now + timedelta(hours=1))
    work(now + timedelta(hours=2))
    assert set(there.values_list("state", flat=True)) == {"effective"}
    later = now + timedelta(hours=3)
    revocations.request(identity=identity, step="resume", by=COUNTERSIGN, now=later, because="test")
    work(later)
    assert (lab.users["00uANA"]["status"], lab.apps[APP]["status"]) == ("ACTIVE", "ACTIVE")


def test_an_api_token_is_requested_sent_confirmed_and_effective(lab: Org, give: Give) -> None:
    lab.api_tokens["00TPIPELINE"] = {"id": "00TPIPELINE", "userId": "00uANA"}
    key, now = give("api_token", "00TPIPELINE", to=("user", ANA)), datetime.now(UTC)
    assert key.identity is not None
    with pytest.raises(NotPossible, match="Okta has no hold for an API token: revoke it, or hold"):
        ask(key.identity, "hold", now=now, credential=key)
    row = ask(key.identity, "revoke", now=now, credential=key)
    assert (row.system, row.target["account"], row.state) == ("okta", lab.url, "requested")
    assert work(now) == ["confirmed", "effective"]
    assert lab.api_tokens == {}
    key.refresh_from_db()
    assert key.state == "revoked"
    entries = LedgerEntry.objects.filter(words__startswith=f"{row.key}:").order_by("id")
    assert list(entries.values_list("act", flat=True)) == [
        f"revocation.{state}" for state in ("requested", "sent", "confirmed", "effective")
    ]


def test_an_org_that_says_done_and_does_nothing_waits_for_a_person(lab: Org, give: Give) -> None:
    lab.lies = True
    key, now = give("secret", "ocs1", to=("app", APP)), datetime.now(UTC)
    assert key.identity is not None
    row = ask(key.identity, "hold", now=now, credential=key)
    for minute in range(20):
        work(now + timedelta(minutes=minute))
    row.refresh_from_db()
    assert (row.state, row.who_must_act) == ("failed", reach.ADMINISTRATOR)
    assert row.failed_why == (
        "The target took the change but does not show it: Okta shows client secret ocs1 as ACTIVE."
    )
    lab.lies = False
    later = now + timedelta(hours=1)
    revocations.retry(revocation=row, by=COUNTERSIGN, now=later)
    assert work(later)[:1] == ["confirmed"]
    key.refresh_from_db()
    assert (key.state, lab.secrets[APP][0]["status"]) == ("held", "INACTIVE")


def test_which_tokens_are_ended_by_their_id_by_their_consent_or_not_at_all(
    lab: Org, give: Give, identity: Identity
) -> None:
    refresh = give("token", "oar1", to=("app", APP), standing=False)
    row = ask(identity, "revoke", now=NOW, credential=refresh)
    assert (row.target["kind"], row.target["extra"]) == ("refresh_token", {"app": APP})
    granted = give("token", "AT.1", to=("user", ANA), standing=False)
    Credential.objects.filter(pk=granted.pk).update(seen_with=_actor("app", APP))
    row = ask(identity, "revoke", now=NOW, credential=granted)
    assert (row.target["kind"], row.target["name"]) == ("app_grant", ANA)
    for name, to, why in (
        ("AT.2", ("app", APP), "Okta ends no access token by its id"),
        ("AT.3", ("user", ANA), "Which app was given AT.3 cannot be told"),
    ):
        key = give("token", name, to=to, standing=False)
        with pytest.raises(NotPossible, match=why):
            ask(identity, "revoke", now=NOW, credential=key)
    orphan = give("secret", "ocs9", to=None)
    Binding.objects.all().delete()
    with pytest.raises(NotPossible, match="Whose secret ocs9 is cannot be told"):
        ask(identity, "revoke", now=NOW, credential=orphan)


def test_what_is_of_no_org_that_is_set_up_is_not_asked_for(
    lab: Org, give: Give, identity: Identity, settings: Any, tmp_path: Path
) -> None:
    key = give("api_token", "00T1", to=None)
    settings.ENFORCERS = ""
    with pytest.raises(NotPossible, match=f"No enforcer changes a api_token of {REALM}"):
        ask(identity, "revoke", now=NOW, credential=key)
    # Our own door alone.
    assert ask(identity, "hold", now=NOW).system == "countersign"
    (tmp_path / "enforcers.yaml").write_text("okta: [{url: 7}]")
    settings.ENFORCERS = str(tmp_path / "enforcers.yaml")
    with pytest.raises(NotPossible, match="okta, 7: url is no text"):
        ask(identity, "revoke", now=NOW, credential=key)


def test_doctor_says_what_could_not_be_stopped_today(
    lab: Org, give: Give, identity: Identity
) -> None:
    give("secret", "ocs1", to=("app", APP))
    name = f"enforcer okta {lab.url}"
    assert (name, True, "may do everything it needs", "") in checks.doctor()
    lab.secrets[APP][1]["status"] = "INACTIVE"
    ((_, well, said, fix),) = [one for one in checks.doctor() if one[0] == name]
    assert (well, said) == (False, "may not stop secret")
    assert fix.startswith("client secret ocs1 is the only active secret of its app")
    lab.scopes.discard("okta.apps.manage")
    ((_, well, said, fix),) = [one for one in checks.doctor() if one[0] == name]
    assert (well, said) == (False, "may not okta.apps.manage")
    assert lab.changes() == []


def test_asking_for_many_takes_as_many_queries_as_for_one(
    lab: Org, give: Give, identity: Identity
) -> None:
    keys = [give("api_token", f"00T{number}", to=("user", ANA)) for number in range(12)]
    counts = []
    for those in (keys[:1], keys[1:]):
        asks = [revocations.Ask(identity, "revoke", "test", credential=key) for key in those]
        with CaptureQueriesContext(connection) as counted:
            made = revocations.request_all(asks, by=COUNTERSIGN, now=NOW)
        assert [one.refused for one in made] == [None] * len(those)
        counts.append(len(counted))
    assert counts[0] == counts[1]


def test_at_okta_app_and_person_are_narrowed_for_good_and_not_held(
    lab: Org, identity: Identity, settings: Any
) -> None:
    for scope in ("okta.users.read", "okta.users.manage"):
        lab.allowed.scope(APP, scope)
    lab.allowed.role("00uANA", "USER_ADMIN", "USER")
    found = listed(identity, "okta", APP)
    opened(settings)
    with pytest.raises(NotPossible, match="Okta has no hold for what apps are allowed"):
        ask(identity, "hold", now=NOW, entitlement=found)
    now, left = datetime.now(UTC), [Permission(("okta.users.read",), ("*",))]
    made = ask(identity, "narrow", now=now, entitlement=found, permissions_left=left)
    assert work(now) == ["confirmed", "effective"]
    assert (Revocation.objects.get(pk=made.pk).state, lab.allowed.shown(APP)) == (
        "effective",
        ["okta.users.read"],
    )
    assert lab.allowed.shown("00uANA") == ["USER_ADMIN"]
    # Of all of the identity: its person as well.
    rows = reach.of_identity(identity, now=now)
    assert [reach.cannot(one, "narrow") for one in rows] == ["", ""]
