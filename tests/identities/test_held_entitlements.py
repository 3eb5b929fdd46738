"""What a principal is allowed, held and let go through rows: asked once, made once, survives death."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.demo.aws import policy
from identities import decisions
from identities.acting import COUNTERSIGN
from identities.actions import entitlements, revocations
from identities.enforcers import aws_policies as policies
from identities.enforcers import widening
from identities.models import Binding, Credential, Entitlement, Identity, Revocation, RevocationTry
from identities.permissions import NotPossible
from tests.awslab.lab import ANY_S3, Lab, Person
from tests.identities.revoking import ask, held_by, pointed_at_the_account, uses, work, work_at_once

__all__ = ["held_by", "pointed_at_the_account"]

# Committed rows: the worker and its rivals use connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)

type Held = tuple[Person, Identity, Entitlement, datetime]
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def read(lab: Lab, held_by: Callable[..., Any]) -> Held:
    """A user of the account, bound and read."""
    person = lab.user(ANY_S3)
    identity, _ = held_by(person)
    now = datetime.now(UTC)
    (found,) = entitlements.read(identity=identity, now=now)
    return person, identity, found, now


def inline(lab: Lab, person: Person) -> list[str]:
    return sorted(lab.admin.iam.list_user_policies(UserName=person.name)["PolicyNames"])


def stands(row: Revocation) -> tuple[str, str]:
    row.refresh_from_db()
    return row.state, row.failed_why


def test_held_and_let_go_and_nothing_else_is_touched(lab: Lab, read: Held) -> None:
    person, identity, found, now = read
    hold = ask(identity, "hold", now=now, entitlement=found)
    assert hold.words == f"Hold what user {person.name} is allowed"
    assert work(now) == ["confirmed", "effective"]
    assert inline(lab, person) == [f"{policies.HOLD}-{hold.key}", "task"]
    # Neither the identity nor its key is held: only what the target allows.
    identity.refresh_from_db()
    assert (identity.state, Credential.objects.get().state) == ("active", "active")
    assert uses(lab, person) == "answered"
    release = ask(identity, "release", now=now + SECOND, entitlement=found, held_by=hold.key)
    assert work(now + SECOND) == ["confirmed", "effective"]
    assert (inline(lab, person), stands(release)) == (["task"], ("effective", ""))


def test_the_decision_endpoint_goes_on_answering(read: Held) -> None:
    _, identity, found, now = read
    question = decisions.Question(identity.name, "s3:GetObject", "a")
    before = decisions.decide(question, now=now)
    ask(identity, "hold", now=now, entitlement=found)
    assert decisions.decide(question, now=now) == before


def test_changed_meanwhile_waits_for_a_person_who_may_try_again(lab: Lab, read: Held) -> None:
    person, identity, found, now = read
    hold = ask(identity, "hold", now=now, entitlement=found)
    work(now)
    lab.admin.iam.put_user_policy(
        UserName=person.name,
        PolicyName="more",
        PolicyDocument=policy({"Action": "iam:*", "Resource": "*"}),
    )
    release = ask(identity, "release", now=now + SECOND, entitlement=found, held_by=hold.key)
    work(now + SECOND)
    state, why = stands(release)
    assert (state, "stays held: new: allows by inline more." in why) == ("failed", True)
    assert release.who_must_act == "the administrator of the AWS account"
    assert f"{policies.HOLD}-{hold.key}" in inline(lab, person)
    lab.admin.iam.delete_user_policy(UserName=person.name, PolicyName="more")
    revocations.retry(revocation=release, by=COUNTERSIGN, now=now + MINUTE)
    work(now + MINUTE)
    assert (stands(release)[0], inline(lab, person)) == ("effective", ["task"])


def test_what_was_signed_anew_is_let_go(lab: Lab, read: Held) -> None:
    person, identity, found, now = read
    hold = ask(identity, "hold", now=now, entitlement=found)
    work(now)
    lab.admin.iam.put_user_policy(
        UserName=person.name,
        PolicyName="more",
        PolicyDocument=policy({"Action": "sqs:*", "Resource": "*"}),
    )
    refused = ask(identity, "release", now=now + SECOND, entitlement=found, held_by=hold.key)
    work(now + SECOND)
    (newer,) = entitlements.read(identity=identity, now=now + MINUTE)
    said: dict[str, Any] = {"allowed": widening.allowed(newer.possible), "held_by": hold.key}
    ask(identity, "release", now=now + MINUTE, entitlement=newer, **said)
    work(now + MINUTE)
    assert (stands(refused)[0], inline(lab, person)) == ("undone", ["more", "task"])


@pytest.mark.parametrize("went_out", [True, False])
def test_hold_that_died_between_the_call_and_the_record(
    lab: Lab, read: Held, went_out: bool
) -> None:
    person, identity, found, now = read
    hold = ask(identity, "hold", now=now, entitlement=found)
    target = lab.target("user_entitlement", person.name, hold=hold.key)
    # Committed "sending" with what was allowed then, a lease that ran out, and no answer.
    Revocation.objects.filter(pk=hold.pk).update(
        state="sending",
        target=hold.target | {"allowed": lab.enforcer().allowed(target, now=now)},
        leased_until=now + MINUTE,
    )
    if went_out:
        lab.enforcer().hold(target, key=hold.key, now=now)
    before = len(lab.proxy.calls("iam:PutUserPolicy"))
    assert work(now) == []
    assert work(now + 2 * MINUTE) == ["confirmed", "effective"]
    assert len(lab.proxy.calls("iam:PutUserPolicy")) == before + (0 if went_out else 1)
    ask(identity, "release", now=now + 3 * MINUTE, entitlement=found, held_by=hold.key)
    work(now + 3 * MINUTE)
    assert inline(lab, person) == ["task"]


def test_release_that_died_after_the_call_is_settled_by_looking(lab: Lab, read: Held) -> None:
    person, identity, found, now = read
    hold = ask(identity, "hold", now=now, entitlement=found)
    work(now)
    release = ask(identity, "release", now=now, entitlement=found, held_by=hold.key)
    Revocation.objects.filter(pk=release.pk).update(state="sending", sending_at=now)
    lab.admin.iam.delete_user_policy(UserName=person.name, PolicyName=f"{policies.HOLD}-{hold.key}")
    before = len(lab.proxy.calls("iam:DeleteUserPolicy"))
    assert work(now) == ["confirmed", "effective"]
    assert len(lab.proxy.calls("iam:DeleteUserPolicy")) == before


def test_two_workers_hold_once(lab: Lab, read: Held) -> None:
    _, identity, found, now = read
    ask(identity, "hold", now=now, entitlement=found)
    before = len(lab.proxy.calls("iam:PutUserPolicy"))
    work_at_once(3, now)
    assert len(lab.proxy.calls("iam:PutUserPolicy")) == before + 1
    assert RevocationTry.objects.filter(did="send").count() == 1


def test_hold_let_go_before_it_went_out_is_never_sent(lab: Lab, read: Held) -> None:
    person, identity, found, now = read
    hold = ask(identity, "hold", now=now, entitlement=found)
    ask(identity, "release", now=now, entitlement=found, held_by=hold.key)
    before = len(lab.proxy.calls("iam:PutUserPolicy"))
    work(now)
    assert (stands(hold)[0], inline(lab, person)) == ("undone", ["task"])
    assert len(lab.proxy.calls("iam:PutUserPolicy")) == before


def test_hold_that_was_on_its_way_when_it_was_let_go_waits_for_nobody(lab: Lab, read: Held) -> None:
    person, identity, found, now = read
    hold = ask(identity, "hold", now=now, entitlement=found)
    Revocation.objects.filter(pk=hold.pk).update(state="sending", leased_until=now + MINUTE)
    release = ask(identity, "release", now=now, entitlement=found, held_by=hold.key)
    assert not revocations.enforce_next(now=now)
    # The worker that was sending it comes to an end, and nobody has looked yet.
    lab.enforcer().hold(
        lab.target("user_entitlement", person.name, hold=hold.key), key=hold.key, now=now
    )
    was = lab.enforcer().allowed(lab.target("user_entitlement", person.name), now=now)
    target = hold.target | {"allowed": was}
    later = now + 2 * MINUTE
    Revocation.objects.filter(pk=hold.pk).update(
        state="sent", leased_until=None, not_before=later, target=target
    )
    work(now)
    assert (stands(release)[0], stands(hold), inline(lab, person)) == (
        "effective",
        ("undone", ""),
        ["task"],
    )


def test_narrowed_for_good_after_the_hold(lab: Lab, read: Held) -> None:
    person, identity, found, now = read
    hold = ask(identity, "hold", now=now, entitlement=found)
    work(now)
    ask(identity, "narrow", now=now + SECOND, entitlement=found, held_by=hold.key)
    assert work(now + SECOND) == ["confirmed", "effective"]
    assert inline(lab, person) == [policies.NARROW, "task"]


def test_releasing_the_identity_leaves_what_is_held_of_it(lab: Lab, read: Held) -> None:
    person, identity, found, now = read
    hold = ask(identity, "hold", now=now, entitlement=found)
    work(now)
    revocations.request(identity=identity, step="hold", by=COUNTERSIGN, now=now, because="x")
    work(now)
    revocations.request(
        identity=identity, step="release", by=COUNTERSIGN, now=now + SECOND, because="x"
    )
    work(now + SECOND)
    assert stands(hold)[0] == "effective"
    assert inline(lab, person) == [f"{policies.HOLD}-{hold.key}", "task"]


def test_each_asking_holds_by_itself_and_is_let_go_once(lab: Lab, read: Held) -> None:
    person, identity, found, now = read
    one, other = (ask(identity, "hold", now=now, entitlement=found) for _ in range(2))
    rows = [
        ask(identity, "release", now=now + SECOND, entitlement=found, held_by=one.key)
        for _ in range(2)
    ]
    assert (one.pk == other.pk, rows[0].pk == rows[1].pk) == (False, True)
    work(now + SECOND)
    assert inline(lab, person) == [f"{policies.HOLD}-{other.key}", "task"]


def test_what_cannot_be_asked_for(read: Held, active: Callable[..., Any]) -> None:
    person, identity, found, now = read
    other = active("somebody-else")
    refused = [
        (other, "hold", found, "What is allowed there is another identity's."),
        (identity, "revoke", found, "What is allowed has no step revoke: hold or narrow it."),
    ]
    for who, step, what, said in refused:
        with pytest.raises(NotPossible) as caught:
            ask(who, step, now=now, entitlement=what)
        assert str(caught.value) == said
    found.system = "entra"
    with pytest.raises(NotPossible, match="No enforcer changes what entra allows"):
        ask(identity, "hold", now=now, entitlement=found)
    found.system = "aws"
    Binding.objects.filter(identity=identity).delete()
    with pytest.raises(NotPossible) as caught:
        ask(identity, "hold", now=now, entitlement=found)
    assert str(caught.value) == (
        f"User {person.name} is not bound to {identity.name} any more: nothing of it is changed."
    )
