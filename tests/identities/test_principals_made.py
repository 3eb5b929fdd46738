"""Users, roles and service accounts that a stopped credential made are stopped with it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evidence.models import Source
from identities import issued, making
from identities.actions.revocations import late, stating
from identities.decisions import Question, decide
from identities.models import Credential, Identity, Making, Revocation, User
from tests.awslab.lab import ANY_S3, Lab
from tests.identities.chains import bind
from tests.identities.conftest import DAY, NOW
from tests.identities.revoking import (
    ask,
    held_by,
    keep_secret,
    pointed_at_the_account,
    uses,
    work,
)
from tests.identities.test_following import ACCOUNT, record, source, take

__all__ = ["held_by", "pointed_at_the_account", "source"]

# Committed rows: the worker uses connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Any]
KEY = "AKIASTOLEN0000000001"


def made(name: str, at: datetime = NOW, *, key: str = KEY, **said: Any) -> dict[str, Any]:
    return record(name, at, key=key, user="svc-report", requestParameters=said)


def minted(user: str, key: str, at: datetime = NOW, *, by: str = KEY) -> dict[str, Any]:
    """A key of this user, made with another."""
    answer = {"accessKey": {"accessKeyId": key, "userName": user, "status": "Active"}}
    asked: dict[str, Any] = {"requestParameters": {"userName": user}, "responseElements": answer}
    return record("CreateAccessKey", at, key=by, user="svc-report", **asked)


@pytest.fixture
def stolen(active: Make, source: Source) -> Credential:
    """A key of an identity's that a log shows in use."""
    identity = active("svc-report")
    take(source, made("GetUser", NOW - DAY))
    row = Credential.objects.get(actor__value=KEY)
    row.identity = identity
    row.save(update_fields=["identity"])
    return row


def rows() -> list[tuple[str, str]]:
    return list(Revocation.objects.order_by("number").values_list("words", "state"))


def stop(key: Credential, step: str = "revoke", **said: Any) -> Revocation:
    assert key.identity is not None
    return ask(key.identity, step, now=NOW, credential=key, **{"takes_made": True} | said)


def test_what_it_made_is_asked_for_with_it(stolen: Credential, source: Source) -> None:
    take(
        source,
        made("CreateUser", userName="mallory"),
        made("CreateRole", roleName="backdoor"),
        made("CreatePolicy", policyName="all"),
        made("CreateServiceLinkedRole", aWSServiceName="lex.amazonaws.com"),
        made("CreateUser", userName="refused", path="/") | {"errorCode": "AccessDenied"},
        minted("mallory", "AKIAMALLORY000000001"),
    )
    assert Making.objects.count() == 4
    # They are no credentials of anybody before they are stopped.
    assert not Credential.objects.filter(kind__in=["user", "role"]).exists()
    first = stop(stolen)
    assert rows() == [
        ("Delete key AKIA…0001", "requested"),
        ("Revoke user mallory", "requested"),
        ("Revoke role backdoor", "requested"),
        ("Revoke policy all", "failed"),
        ("Revoke service linked role lex.….com", "failed"),
        ("Delete key AKIA…0001", "requested"),
    ]
    along = Revocation.objects.exclude(pk=first.pk)
    assert set(along.values_list("cause", flat=True)) == {first.pk}
    failed = along.filter(state="failed").values_list("who_must_act", "failed_why")
    assert sorted(failed) == [
        (f"whoever runs aws:{ACCOUNT}", f"No enforcer changes a policy of aws:{ACCOUNT}."),
        (
            f"whoever runs aws:{ACCOUNT}",
            f"No enforcer changes a service_linked_role of aws:{ACCOUNT}.",
        ),
    ]
    stop(stolen)
    assert Revocation.objects.count() == 6


def test_what_a_principal_is_given_by_others_comes_from_it_as_well(
    stolen: Credential, source: Source
) -> None:
    """A key that an innocent hand gives a thief's user is the thief's; and our own door refuses it."""
    take(source, made("CreateUser", userName="mallory"))
    take(source, minted("mallory", "AKIAMALLORY000000001", by="AKIAINNOCENT00000001"))
    found = issued.below([stolen.pk], step="revoke", now=NOW)
    assert [(one.words, one.depth) for one in found] == [
        ("user mallory", 1),
        ("access key AKIA…0001", 2),
    ]
    key = Credential.objects.get(actor__value="AKIAMALLORY000000001")
    assert stolen.identity is not None
    bind(stolen.identity, key.actor)
    Credential.objects.filter(pk=key.pk).update(identity=stolen.identity)
    stop(stolen)
    Revocation.objects.filter(credential=key).delete()
    answer = decide(Question("svc-report", "s3:GetObject", "x", credential=key.key), now=NOW)
    assert (answer.allowed, answer.reason) == (False, "issuer_stopped")


def test_later_evidence_of_a_principal_opens_the_stop_again(
    stolen: Credential, source: Source
) -> None:
    first = stop(stolen)
    Revocation.objects.update(state="effective", effective_at=NOW, confirmed_at=NOW, sent_at=NOW)
    Credential.objects.update(state="revoked")
    take(source, made("CreateUser", NOW - DAY, userName="mallory"))
    first.refresh_from_db()
    assert first.state == "confirmed"
    assert first.reopened[-1].startswith("user mallory lives, issued with it: deposit ")
    assert rows()[1:] == [("Revoke user mallory", "requested")]


def test_what_a_log_shows_to_be_removed_waits_for_nobody(
    stolen: Credential, source: Source
) -> None:
    take(
        source,
        made("CreatePolicy", NOW - DAY, policyName="all"),
        made("CreateUser", NOW - DAY, userName="gone", path="/x/"),
        made("DeleteUser", NOW, userName="gone"),
    )
    first = stop(stolen)
    Revocation.objects.filter(pk=first.pk).update(
        state="confirmed", not_before=NOW + DAY, sent_at=NOW, confirmed_at=NOW
    )
    # The user was removed before; the policy is only after.
    assert [one.words for one in late.known(first, now=NOW)] == ["policy all"]
    arn = f"arn:aws:iam::{ACCOUNT}:policy/all"
    take(source, record("DeletePolicy", NOW + DAY, requestParameters={"policyArn": arn}))
    first.refresh_from_db()
    assert late.known(first, now=NOW + DAY) == []
    assert first.not_before == NOW
    assert rows()[1:] == [("Revoke policy all", "effective")]
    assert Credential.objects.get(kind="policy").state == "revoked"


def test_a_principal_of_the_same_name_that_others_made_anew_is_theirs(
    stolen: Credential, source: Source
) -> None:
    take(
        source,
        made("CreateRole", NOW - 2 * DAY, roleName="deploy"),
        made("DeleteRole", NOW - DAY, roleName="deploy"),
        made("CreateRole", NOW, key="AKIAINNOCENT00000001", roleName="deploy"),
    )
    stop(stolen)
    assert rows() == [("Delete key AKIA…0001", "requested")]


def test_what_nobody_can_stop_from_here_is_stated_by_two(
    stolen: Credential, source: Source, user: Make
) -> None:
    take(source, made("CreatePolicy", policyName="all"))
    first = stop(stolen)
    by_hand = Revocation.objects.get(cause=first)
    one: User = user("resp-1", "responder")
    two: User = user("resp-2", "responder")
    file = stating.File("shown.txt", b"the policy is deleted")
    said: dict[str, Any] = {
        "done_by": "Dana",
        "done_at": NOW,
        "note": "deleted in the console",
        "file": file,
    }
    stating.state(revocation=by_hand, two_needed=True, by=one, now=NOW, **said)
    assert [life.words for life in late.known(first, now=NOW)] == ["policy all"]
    stating.sign(revocation=by_hand, by=two, now=NOW)
    assert late.known(first, now=NOW) == []


@pytest.mark.parametrize(
    ("action", "resource", "realm", "known"),
    [
        ("iam:CreateRole", "arn:aws:iam::1:role/x", "aws:1", None),
        ("iam:CreateUser", "arn:aws:iam::123456789012:user/a/b", "aws",
         ("arn", "user", "aws:123456789012 user b")),
        ("iam:DeleteUser", "arn:aws:iam::123456789012:user/b", "aws",
         ("arn", "user", "aws:123456789012 user b")),
        ("iam:CreateSAMLProvider", "evil", "aws:123456789012",
         ("saml_provider", "saml_provider", "aws:123456789012 saml_provider evil")),
        ("create serviceaccounts", "namespaces/ops/serviceaccounts/evil", "k8s:prod",
         ("service_account", "service_account",
          "k8s:prod service_account system:serviceaccount:ops:evil")),
        ("create serviceaccounts", "namespaces/ops/serviceaccounts/evil", "aws:1", None),
        ("create clusterrolebindings", "clusterrolebindings/evil", "k8s:prod",
         ("cluster_role_binding", "cluster_role_binding",
          "k8s:prod cluster_role_binding clusterrolebindings/evil")),
        ("user.lifecycle.create", "User/evil@b.c", "okta:acme",
         ("user", "user", "okta:acme user User/evil@b.c")),
        ("org.add_member", "evil", "github:acme", ("member", "member", "github:acme member evil")),
        ("iam:CreateGroup", "arn:aws:iam::123456789012:group/g", "aws:123456789012", None),
    ],
)  # fmt: skip
def test_what_an_operation_names(
    action: str, resource: str, realm: str, known: tuple[str, str, str] | None
) -> None:
    found = making.of(action, resource, ["aws", realm])
    assert (found and (found.name.kind, found.kind, found.thing)) == known


def test_users_and_roles_are_denied_at_aws(
    lab: Lab, held_by: Make, settings: Any, tmp_path: Path, source: Source
) -> None:
    """Neither works any more: the user's key and password are dead, the role gives no sessions."""
    thief, mallory = lab.user(ANY_S3), lab.user(ANY_S3)
    role = lab.role(ANY_S3, trusts=mallory).rpartition("/")[2]
    lab.admin.iam.create_login_profile(UserName=mallory.name, Password="Correct-horse-9")
    identity, key = held_by(thief)
    keep_secret(tmp_path, thief, settings)
    now = datetime.now(UTC)
    by = key.actor.value
    account = lab.demo.account
    here = {"recipientAccountId": account}
    arn = {"arn": thief.arn, "type": "IAMUser", "accountId": account, "accessKeyId": by}
    take(
        source,
        *(
            made(name, now, key=by, **said) | here | {"userIdentity": arn}
            for name, said in (
                ("CreateUser", {"userName": mallory.name}),
                ("CreateRole", {"roleName": role}),
                ("CreateLoginProfile", {"userName": mallory.name}),
            )
        ),
        now=now,
    )
    first = ask(identity, "revoke", now=now, credential=key, takes_made=True)
    for minutes in range(6):
        work(now + timedelta(minutes=minutes))
    assert sorted(Revocation.objects.values_list("words", flat=True)) == sorted(
        [
            f"Delete key {key.short}",
            f"Revoke user {mallory.name}",
            f"Revoke role {role}",
            f"Delete the console password of user {mallory.name} and deny its sessions",
        ]
    )
    assert (uses(lab, thief), uses(lab, mallory)) == ("InvalidClientTokenId",) * 2
    assert lab.document("role", role, "CountersignHold")["Statement"][0]["Effect"] == "Deny"
    with pytest.raises(lab.admin.iam.exceptions.NoSuchEntityException):
        lab.admin.iam.get_login_profile(UserName=mallory.name)
    first.refresh_from_db()
    # What was opened before ends later: the first waits for it.
    assert first.state == "confirmed"
    until = max(filter(None, Revocation.objects.values_list("residual_until", flat=True)))
    for hours in range(3):
        work(until + timedelta(hours=hours))
    assert set(Revocation.objects.values_list("state", flat=True)) == {"effective"}
    assert first.cause is None


def test_a_principal_that_is_somebody_elses_goes_on_with_its_keys(
    stolen: Credential, source: Source, active: Make
) -> None:
    """A pipeline's key makes the roles of many: those that people have confirmed to be another
    identity are held by themselves."""
    take(source, made("CreateUser", userName="svc-other"))
    take(source, minted("svc-other", "AKIAOTHER0000000001", by="AKIAINNOCENT00000001"))
    other: Identity = active("svc-other")
    bind(other, Making.objects.get().actor)
    stop(stolen)
    assert rows() == [("Delete key AKIA…0001", "requested")]
    key = Credential.objects.get(actor__value="AKIAOTHER0000000001")
    answer = decide(Question("svc-other", "s3:GetObject", "x", credential=key.key), now=NOW)
    assert answer.reason != "issuer_stopped"


def test_a_stop_that_nobody_asked_for_takes_no_principals_along(
    stolen: Credential, source: Source
) -> None:
    """A clock and an automatic hold leave what a pipeline's key has made over the years."""
    take(source, made("CreateRole", roleName="prod"), made("CreateUser", userName="mallory"))
    take(source, minted("mallory", "AKIAMALLORY000000001"))
    owner = User.objects.get(username="owner-of-svc-report")
    stop(stolen, "hold", takes_made=None)
    assert sorted(rows()) == [("Make key AKIA…0001 inactive", "requested")] * 2
    # Whoever asks for it afterwards takes them along.
    stop(stolen, "hold", takes_made=None, by=owner)
    assert sorted(words for words, _ in rows())[:3] == [
        "Hold role prod",
        "Hold user mallory",
        "Make key AKIA…0001 inactive",
    ]
