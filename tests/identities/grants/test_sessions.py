"""Sessions that are handed out of a grant: what they may do, and that they end with it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from evidence.models import LedgerEntry
from identities.acting import COMMAND
from identities.actions import grants, tokens
from identities.actions.grants import minting
from identities.actions.grants.carrying import given_of
from identities.enforcers.aws_clients import Credentials
from identities.enforcers.contract import PermanentFailure
from identities.enforcers.grants import Minted
from identities.enforcers.grants_aws import AwsGranter
from identities.models import Grant, GrantSession, User
from identities.permissions import NotAllowed, NotPossible
from tests.awslab.lab import Lab, Person
from tests.evidence.sources.server import Answer, serving
from tests.identities.granting import (
    BUCKET,
    HOUR,
    MINUTE,
    first_use,
    given,
    no_time_passes_within_a_step_of_a_grant,
    on_role,
    policies_of,
    reads,
    title,
    work,
)
from tests.identities.revoking import pointed_at_the_account

__all__ = [
    "no_time_passes_within_a_step_of_a_grant",
    "on_role",
    "pointed_at_the_account",
]

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]


@pytest.fixture
def bare_role(lab: Lab) -> str:
    """A role that may write one object, and whose sessions Countersign opens."""
    administrator = lab.demo.administrator
    arn = lab.demo.clients(administrator).caller()[1]
    return lab.role(
        {"Action": "s3:PutObject", "Resource": f"{BUCKET}/*"},
        trusts=Person("administrator", arn, administrator),
    )


@pytest.fixture
def alice(user: Make) -> User:
    row: User = user("alice")
    return row


@pytest.fixture
def usable(on_role: Make, active: Make, alice: User) -> Grant:
    # By the clock of this machine: the target says until when its sessions live.
    now = datetime.now(UTC)
    row = given(on_role(), active("svc", expires_at=now + 9_000 * HOUR), now, lasts=2 * HOUR)
    work(now)
    return Grant.objects.get(pk=row.pk)


def of(minted: Minted) -> Credentials:
    said = minted.document
    return Credentials(said["AccessKeyId"], said["SecretAccessKey"], said["SessionToken"])


def bearer(user: User, *scopes: str) -> dict[str, str]:
    _, text = tokens.create(
        user=user, name="t", scopes=scopes, lasts=HOUR, by=COMMAND, now=datetime.now(UTC)
    )
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.real_clock
def test_only_the_grants_own_sessions_have_what_it_gives(
    lab: Lab, usable: Grant, alice: User
) -> None:
    now = datetime.now(UTC)
    minted = minting.mint(usable.pk, by=alice, now=now)
    assert minted.handed.name == f"{usable.key}.alice"
    assert minted.expires_at <= usable.ends_at
    lives = minted.handed.lives_until - now
    assert 55 * MINUTE < lives <= HOUR + MINUTE
    assert reads(lab, of(minted)) == "allowed"
    # A session that somebody else opened of the role, and of another grant whose key begins alike.
    other = lab.demo.clients().sts.assume_role(
        RoleArn=f"arn:aws:iam::{lab.demo.account}:role/{usable.name}",
        RoleSessionName=f"{usable.key}0.mallory",
    )["Credentials"]
    assert (
        reads(
            lab,
            Credentials(other["AccessKeyId"], other["SecretAccessKey"], other["SessionToken"]),
        )
        == "AccessDenied"
    )


def test_nothing_of_the_secret_is_kept(usable: Grant, alice: User, caplog: Any) -> None:
    caplog.set_level("DEBUG", logger="identities")
    minted = minting.mint(usable.pk, by=alice, now=datetime.now(UTC))
    secrets = (minted.document["SecretAccessKey"], minted.document["SessionToken"])
    (session,) = GrantSession.objects.values()
    entries = list(LedgerEntry.objects.values("words", "data"))
    kept = f"{session} {entries} {Grant.objects.values().get()} {caplog.text} {minted!r}"
    assert [one for one in secrets if one in kept] == []
    assert session["credential"] == minted.document["AccessKeyId"]
    assert session["credential"] in kept


@pytest.mark.real_clock
def test_ended_early_its_sessions_are_denied_what_the_role_itself_has(
    lab: Lab, usable: Grant, alice: User
) -> None:
    now = datetime.now(UTC)
    session = of(minting.mint(usable.pk, by=alice, now=now))
    grants.end(usable.pk, by=COMMAND, reason="done", now=now)
    work(now)
    row = Grant.objects.get(pk=usable.pk)
    assert (row.state, row.removed_at, row.proof["removed"]["state"]) == ("ending", now, "denied")
    (left,) = row.residual
    assert left["what"].startswith(f"session {row.key}.alice (")
    assert reads(lab, session) == "AccessDenied"
    (seen,) = grants.state_of(row.case, now=now)
    assert (seen.burning, seen.residual_until) == (False, row.residual_until)
    # Once no session of it lives, nothing of it is left there.
    until = row.residual_until
    assert until is not None
    moment = now
    while moment < until:
        moment = min(until, moment + 16 * MINUTE)
        work(moment)
    assert Grant.objects.get(pk=row.pk).state == "ended"
    assert policies_of(lab, row.name) == ["task"]


def test_a_session_that_lives_longer_than_the_grant_may_do_nothing_after_it(
    lab: Lab, on_role: Make, active: Make, alice: User
) -> None:
    now = datetime.now(UTC)
    ahead = lab.proxy.now() - now
    row = given(
        on_role(), active("svc", expires_at=now + 9_000 * HOUR), now, lasts=ahead + 5 * MINUTE
    )
    work(now)
    minted = AwsGranter(lab.demo.clients(), account=lab.demo.account).mint(
        given_of(Grant.objects.get(pk=row.pk)), person="alice", now=row.ends_at - 5 * MINUTE
    )
    assert reads(lab, of(minted)) == "allowed"
    # AWS opens none for less than 15 minutes. Nobody takes anything away, and its time is over.
    lab.proxy.pass_time(6 * MINUTE)
    assert title(row) in policies_of(lab, row.name)
    assert reads(lab, of(minted)) == "AccessDenied"


@pytest.mark.parametrize("kind", ["role", "user"])
def test_what_needs_no_session_is_given_as_it_is(
    lab: Lab, on_role: Make, active: Make, alice: User, kind: str
) -> None:
    now = datetime.now(UTC)
    ahead = lab.proxy.now() - now
    bob = lab.user()
    name = bob.name if kind == "user" else on_role().name
    row = given(
        on_role(kind=kind, name=name),
        active("svc", expires_at=now + 9_000 * HOUR),
        now,
        lasts=ahead + HOUR,
    )
    work(now)
    row = Grant.objects.get(pk=row.pk)
    assert row.state == "usable"
    with pytest.raises(NotAllowed, match="Nothing is handed out"):
        minting.mint(row.pk, by=alice, now=now)
    with pytest.raises(PermanentFailure, match="nothing is handed out"):
        AwsGranter(lab.demo.clients(), account=lab.demo.account).mint(
            given_of(row), person="alice", now=now
        )
    if kind == "user":
        assert reads(lab, bob.credentials) == "allowed"
        grants.end(row.pk, by=COMMAND, reason="done", now=now)
        work(now)
        assert reads(lab, bob.credentials) == "AccessDenied"


def test_only_the_holder_takes_one_and_only_while_it_is_usable(
    usable: Grant, alice: User, user: Make
) -> None:
    now = datetime.now(UTC)
    whys = {
        "rita": (user("rita", "reviewer"), "was given to alice"),
        "otto": (user("otto", "auditor"), "auditor"),
    }
    for who, words in whys.values():
        with pytest.raises(NotAllowed, match=words):
            minting.mint(usable.pk, by=who, now=now)
    with pytest.raises(NotAllowed, match="has ended"):
        minting.mint(usable.pk, by=alice, now=usable.ends_at)
    Grant.objects.filter(pk=usable.pk).update(state="granting")
    with pytest.raises(NotAllowed, match="not usable yet"):
        minting.mint(usable.pk, by=alice, now=now)
    assert not GrantSession.objects.exists()


def test_the_api_shows_a_grant_and_hands_one_out_to_its_holder(
    usable: Grant, alice: User, user: Make, client: Client
) -> None:
    address = f"/api/grants/{usable.key}/"
    rita, mallory = user("rita", "reviewer"), user("mallory")
    shown = client.get(address, headers=bearer(rita, "read")).json()
    assert (shown["state"], shown["person"], shown["allows"]) == ("usable", "alice", True)
    assert client.get("/api/grants/", headers=bearer(rita, "read")).json()["rows"] == [shown]
    assert client.get("/api/grants/", headers=bearer(mallory, "read")).json()["rows"] == []
    assert client.get(address, headers=bearer(mallory, "read")).status_code == 404
    taken = [
        client.post(f"{address}credentials/", headers=bearer(who, scope)).status_code
        for who, scope in ((rita, "act"), (mallory, "act"), (alice, "read"))
    ]
    assert taken == [403, 404, 403]
    # In a browser, whoever takes one confirms who they are.
    client.force_login(alice)
    refused = client.post(f"{address}credentials/")
    assert (refused.status_code, "Confirm who you are" in refused.json()["detail"]) == (403, True)
    answer = Client().post(f"{address}credentials/", headers=bearer(alice, "act"))
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store, private"
    assert set(answer.json()) == {
        "Version",
        "AccessKeyId",
        "SecretAccessKey",
        "SessionToken",
        "Expiration",
    }
    (session,) = client.get(address, headers=bearer(alice, "read")).json()["sessions"]
    assert session["credential"] == answer.json()["AccessKeyId"]
    acts = (
        LedgerEntry.objects.filter(act="grant.taken")
        .order_by("pk")
        .values_list("by_name", "data__grant")
    )
    assert list(acts) == [(alice.called, usable.key)]


def test_the_console_opens_by_a_link_that_holds_no_secret(
    usable: Grant, alice: User, settings: Any
) -> None:
    now = datetime.now(UTC)
    with serving() as signs_in:
        settings.AWS_SIGN_IN = f"{signs_in.url}/federation"
        signs_in.on("POST", "/federation", Answer(200, {"SigninToken": "one-time"}))
        link = urlsplit(minting.console(usable.pk, by=alice, now=now))
        (asked,) = signs_in.asked
        signs_in.on("POST", "/federation", Answer(200, {}))
        with pytest.raises(NotPossible, match="gave no sign-in"):
            minting.console(usable.pk, by=alice, now=now)
    assert parse_qs(link.query) == {
        "Action": ["login"],
        "Issuer": [f"{settings.BASE_URL}/grants/{usable.key}/"],
        "Destination": ["https://console.aws.amazon.com/"],
        "SigninToken": ["one-time"],
    }
    # The session goes in the body, and not into the address that logs keep.
    session = json.loads(asked.form()["Session"])
    assert set(session) == {"sessionId", "sessionKey", "sessionToken"}
    assert asked.query == {}
    taken = list(GrantSession.objects.order_by("pk").values_list("credential", flat=True))
    assert (len(taken), taken[0]) == (2, session["sessionId"])


def test_the_first_credential_that_is_taken_begins_the_clock(
    on_role: Make, active: Make, alice: User
) -> None:
    now = datetime.now(UTC)
    row = first_use(on_role(), active("svc", expires_at=now + 9_000 * HOUR), now)
    work(now)
    at = now + HOUR
    minted = minting.mint(row.pk, by=alice, now=at)
    row = Grant.objects.get(pk=row.pk)
    assert (row.first_used_at, row.ends_at) == (at, at + HOUR)
    assert minted.expires_at <= row.ends_at
