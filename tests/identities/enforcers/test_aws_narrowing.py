"""What a principal is left, held for a while and let go: against moto's real server."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from config.demo.aws import policy
from identities.enforcers import aws_policies as policies
from identities.enforcers.aws import Attempt
from identities.enforcers.aws_arns import Place
from identities.enforcers.contract import PermanentFailure, Permission, Target, confirms
from tests.awslab.lab import ANY_S3, Lab
from tests.identities.enforcers import grammar
from tests.identities.enforcers.moments import NOW

LIST_BUCKETS = Attempt("s3", "list_buckets")
NAMES = Attempt("sqs", "list_queues")
ONLY_S3 = [Permission(("s3:*",), ("*",))]
GUARD = {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}
HELD = f"{policies.HOLD}-REV-1"


def of(lab: Lab, name: str, kind: str = "user", hold: str = "REV-1") -> Target:
    return lab.target(f"{kind}_entitlement", name, hold=hold)


def inline(lab: Lab, name: str) -> list[str]:
    return sorted(lab.admin.iam.list_user_policies(UserName=name)["PolicyNames"])


def put(lab: Lab, name: str, title: str, *allowed: dict[str, Any]) -> None:
    lab.admin.iam.put_user_policy(UserName=name, PolicyName=title, PolicyDocument=policy(*allowed))


def test_held_to_what_is_left_and_let_go_as_it_was(lab: Lab) -> None:
    person = lab.user({"Action": ["s3:*", "sqs:*"], "Resource": "*"})
    enforcer, target = lab.enforcer(), of(lab, person.name)
    before = lab.document("user", person.name, "task")

    def uses(attempt: Attempt) -> str:
        return enforcer.probe(person.credentials, now=NOW, attempt=attempt).state

    assert (uses(LIST_BUCKETS), uses(NAMES)) == ("active", "active")
    was = enforcer.allowed(target, now=NOW)
    for _ in range(2):
        enforcer.hold(target, key="REV-1", now=NOW, permissions=ONLY_S3)
    seen = enforcer.verify(target, step="hold", now=NOW, permissions=ONLY_S3)
    assert (seen.state, confirms(seen, step="hold")) == ("held", True)
    assert (uses(LIST_BUCKETS), uses(NAMES)) == ("active", "denied")
    assert enforcer.allowed(target, now=NOW) == was
    assert not confirms(enforcer.verify(target, step="release", now=NOW), step="release")
    for _ in range(2):
        enforcer.release(target, key="REV-2", now=NOW, allowed=was)
    seen = enforcer.verify(target, step="release", now=NOW)
    assert (seen.state, confirms(seen, step="release")) == ("active", True)
    assert (uses(LIST_BUCKETS), uses(NAMES)) == ("active", "active")
    assert (inline(lab, person.name), lab.document("user", person.name, "task")) == (
        ["task"],
        before,
    )


def _more(lab: Lab, name: str) -> None:
    put(lab, name, "more", {"Action": "sqs:*", "Resource": "*"})


def _rewritten(lab: Lab, name: str) -> None:
    put(lab, name, "task", {"Action": "*", "Resource": "*"})


def _unguarded(lab: Lab, name: str) -> None:
    lab.admin.iam.delete_user_policy(UserName=name, PolicyName="guard")


def _under_our_name(lab: Lab, name: str) -> None:
    put(lab, name, f"{policies.HOLD}-REV-9", {"Action": "iam:*", "Resource": "*"})


def _attached(lab: Lab, name: str) -> None:
    made = lab.admin.iam.create_policy(
        PolicyName=f"managed-{name}", PolicyDocument=policy({"Action": "sqs:*", "Resource": "*"})
    )
    lab.admin.iam.attach_user_policy(UserName=name, PolicyArn=made["Policy"]["Arn"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_more, "new: allows by inline more"),
        (_rewritten, "new: allows by inline task"),
        (_unguarded, "gone: denies by inline guard"),
        (_under_our_name, "new: allows by inline CountersignHold-REV-9"),
        (_attached, "new: allows by managed "),
    ],
)
def test_what_has_grown_meanwhile_stays_held_and_says_so(
    lab: Lab, change: Callable[[Lab, str], None], said: str
) -> None:
    person = lab.user(ANY_S3)
    put(lab, person.name, "guard", GUARD)
    enforcer, target = lab.enforcer(), of(lab, person.name)
    was = enforcer.allowed(target, now=NOW)
    enforcer.hold(target, key="REV-1", now=NOW)
    change(lab, person.name)
    there = inline(lab, person.name)
    with pytest.raises(PermanentFailure, match="stays held: ") as refused:
        enforcer.release(target, key="REV-2", now=NOW, allowed=was)
    assert said in refused.value.reason
    assert refused.value.who_must_act == "the administrator of the AWS account"
    # Nothing was touched, neither ours nor theirs.
    assert inline(lab, person.name) == there
    assert enforcer.probe(person.credentials, now=NOW, attempt=LIST_BUCKETS).state == "denied"
    # With what it allows now it is let go: somebody has signed that.
    enforcer.release(target, key="REV-3", now=NOW, allowed=enforcer.allowed(target, now=NOW))
    assert HELD not in inline(lab, person.name)


def test_what_has_shrunk_meanwhile_is_let_go_and_not_put_back(lab: Lab) -> None:
    person = lab.user(ANY_S3)
    put(lab, person.name, "more", {"Action": "sqs:*", "Resource": "*"})
    enforcer, target = lab.enforcer(), of(lab, person.name)
    was = enforcer.allowed(target, now=NOW)
    enforcer.hold(target, key="REV-1", now=NOW)
    lab.admin.iam.delete_user_policy(UserName=person.name, PolicyName="more")
    enforcer.release(target, key="REV-2", now=NOW, allowed=was)
    assert inline(lab, person.name) == ["task"]


def test_two_holds_do_not_know_each_other(lab: Lab) -> None:
    person = lab.user(ANY_S3)
    enforcer = lab.enforcer()
    first, second = of(lab, person.name), of(lab, person.name, hold="REV-7")
    was = enforcer.allowed(first, now=NOW)
    enforcer.hold(first, key="REV-1", now=NOW)
    enforcer.hold(second, key="REV-7", now=NOW)
    enforcer.release(first, key="REV-8", now=NOW, allowed=was)
    assert inline(lab, person.name) == [f"{policies.HOLD}-REV-7", "task"]
    assert enforcer.probe(person.credentials, now=NOW, attempt=LIST_BUCKETS).state == "denied"


@pytest.mark.parametrize("kind", ["user", "role"])
def test_narrowed_for_good_before_the_hold_comes_off(lab: Lab, kind: str) -> None:
    person = lab.user({"Action": ["s3:*", "sqs:*", "sts:*"], "Resource": "*"})
    name = person.name if kind == "user" else lab.role(ANY_S3, trusts=person)
    enforcer, final = lab.enforcer(), lab.target(kind, name, hold="REV-1")
    enforcer.hold(of(lab, name, kind), key="REV-1", now=NOW, permissions=ONLY_S3)
    word = kind.capitalize()
    calls = [f"iam:Put{word}Policy", f"iam:Delete{word}Policy"]
    before = len(lab.proxy.calls(calls[1]))
    # The first call of a narrowing that died there: both are on, and it is not done.
    getattr(lab.admin.iam, f"put_{kind}_policy")(
        **{f"{word}Name": name},
        PolicyName=policies.NARROW,
        PolicyDocument=policies.narrow(ONLY_S3, place=Place(lab.demo.account), kind=kind),
    )
    seen = enforcer.verify(final, step="narrow", now=NOW, permissions=ONLY_S3)
    assert (seen.state, "is still there beside" in seen.detail) == ("active", True)
    for _ in range(2):
        enforcer.narrow(final, permissions=ONLY_S3, key="REV-2", now=NOW)
    seen = enforcer.verify(final, step="narrow", now=NOW, permissions=ONLY_S3)
    assert (seen.state, confirms(seen, step="narrow")) == ("denied", True)
    assert len(lab.proxy.calls(calls[1])) == before + 2
    found = getattr(lab.admin.iam, f"list_{kind}_policies")(**{f"{word}Name": name})
    assert sorted(found["PolicyNames"]) == [policies.NARROW, "task"]


# What an agent was seen to use, in the words of evidence.
USED = [
    Permission(
        ("s3:GetObject", "s3:HeadObject", "s3:ListObjects", "secretsmanager:GetSecretValue"),
        ("invoices-left/2026/*", "payroll-left"),
    ),
    Permission(("iam:GetUser",), ("arn:aws:iam::123456789012:user/*",)),
]


def test_the_used_subset_is_left_and_nothing_else(lab: Lab) -> None:
    person = lab.user({"Action": "*", "Resource": "*"})
    s3, secrets = lab.admin.client("s3"), lab.admin.client("secretsmanager")
    for bucket in ("invoices-left", "reports-left"):
        s3.create_bucket(Bucket=bucket)
        for key in ("2026/a", "2025/a"):
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    for secret in ("payroll-left", "root-left"):
        secrets.create_secret(Name=secret, SecretString="x")
    enforcer = lab.enforcer()
    sent = enforcer.narrow(lab.target("user", person.name), permissions=USED, key="REV-1", now=NOW)
    assert sent.detail == (
        "CountersignNarrow denies everything outside 2 permissions. More stays than that:"
        " whole buckets stay to be listed: invoices-left/2026/*."
    )
    assert grammar.problems(json.dumps(lab.document("user", person.name, policies.NARROW))) == []
    seen = enforcer.verify(
        lab.target("user", person.name), step="narrow", now=NOW, permissions=USED
    )
    assert seen.state == "denied"

    def of_object(bucket: str, key: str, operation: str = "get_object") -> Attempt:
        return Attempt("s3", operation, {"Bucket": bucket, "Key": key})

    def of_secret(name: str) -> Attempt:
        return Attempt("secretsmanager", "get_secret_value", {"SecretId": name})

    attempts = {
        "read": of_object("invoices-left", "2026/a"),
        "look": of_object("invoices-left", "2026/a", "head_object"),
        "list": Attempt("s3", "list_objects_v2", {"Bucket": "invoices-left", "Prefix": "2026/"}),
        "secret": of_secret("payroll-left"),
        "user": Attempt("iam", "get_user", {"UserName": person.name}),
        "another year": of_object("invoices-left", "2025/a"),
        "another bucket": of_object("reports-left", "2026/a"),
        "list another": Attempt("s3", "list_objects_v2", {"Bucket": "reports-left"}),
        "write": Attempt(
            "s3", "put_object", {"Bucket": "invoices-left", "Key": "2026/a", "Body": b"y"}
        ),
        "delete": of_object("invoices-left", "2026/a", "delete_object"),
        "all buckets": LIST_BUCKETS,
        "another secret": of_secret("root-left"),
        "a key": Attempt("iam", "create_access_key", {"UserName": person.name}),
        "queues": NAMES,
    }
    active = {
        name
        for name, one in attempts.items()
        if enforcer.probe(person.credentials, now=NOW, attempt=one).state == "active"
    }
    assert active == {"read", "look", "list", "secret", "user"}


@pytest.mark.parametrize("step", ["hold", "narrow"])
def test_what_takes_too_many_characters_is_refused_before_it_is_sent(lab: Lab, step: str) -> None:
    person = lab.user(ANY_S3)
    many = [Permission(("s3:GetObject",), tuple(f"invoices/{n:040}/*" for n in range(40)))]
    enforcer, before = lab.enforcer(), len(lab.proxy.calls("iam:PutUserPolicy"))
    asked: dict[str, Callable[[], object]] = {
        "hold": lambda: enforcer.hold(of(lab, person.name), key="REV-1", now=NOW, permissions=many),
        "narrow": lambda: enforcer.narrow(
            lab.target("user", person.name), permissions=many, key="REV-1", now=NOW
        ),
    }
    with pytest.raises(PermanentFailure, match=r"nothing was sent\. Leave fewer") as refused:
        asked[step]()
    assert "AWS takes 2,048 for a user" in refused.value.reason
    assert refused.value.who_must_act == "whoever decided what is left"
    assert len(lab.proxy.calls("iam:PutUserPolicy")) == before
    # A role may carry five times as much.
    role = lab.role(ANY_S3, trusts=person)
    enforcer.narrow(lab.target("role", role), permissions=many, key="REV-2", now=NOW)
    assert inline(lab, person.name) == ["task"]


def test_nothing_of_what_is_gone_is_put_back(lab: Lab) -> None:
    enforcer, target = lab.enforcer(), of(lab, "nobody-at-all")
    assert enforcer.hold(target, key="REV-1", now=NOW).detail == "nobody-at-all is already gone."
    assert enforcer.verify(target, step="hold", now=NOW).state == "gone"
    with pytest.raises(PermanentFailure, match="is not there"):
        enforcer.release(target, key="REV-2", now=NOW, allowed={})


@pytest.mark.parametrize("hold", ["", "REV-", "rev-1", "../x", "REV-1/x", "CountersignHold"])
def test_a_hold_that_no_key_names_is_refused(lab: Lab, hold: str) -> None:
    with pytest.raises(PermanentFailure, match="does not say which hold"):
        lab.enforcer().hold(of(lab, "svc", hold=hold), key="REV-1", now=NOW)


@pytest.mark.parametrize("step", ["suspend", "narrow", "revoke"])
def test_steps_that_an_entitlement_has_not(lab: Lab, step: str) -> None:
    enforcer, target = lab.enforcer(), of(lab, lab.user(ANY_S3).name)
    acts: dict[str, Callable[[], object]] = {
        "narrow": lambda: enforcer.narrow(target, permissions=[], key="REV-1", now=NOW),
        "revoke": lambda: enforcer.revoke(target, key="REV-1", now=NOW),
        "suspend": lambda: enforcer.verify(target, step="suspend", now=NOW),
    }
    with pytest.raises(PermanentFailure, match="hold, release or narrow it instead"):
        acts[step]()
