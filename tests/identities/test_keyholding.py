"""Keys that every record names the user of: whose they are, in any order, and when it is not told."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.formats import FORMATS
from evidence.formats.record import Asked, Parsed
from evidence.models import Actor, Progress, Source
from evidence.names import actor_ids
from identities.acting import COMMAND
from identities.actions import bindings, credentials, following, keyholding, revocations
from identities.actornames import from_text
from identities.claims import proposing
from identities.models import Binding, Claim, Credential, CredentialPrincipal, Identity
from identities.permissions import NotPossible
from tests.evidence.test_rereading import again
from tests.identities.conftest import DAY, NOW
from tests.identities.test_following import ACCOUNT, KEY, record, source, take, used

__all__ = ["source"]

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]
OTHER = "AKIAOTHER0000000000A"


def arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def bound(identity: Identity, name: str) -> Binding:
    """Whoever may says that this user is the identity, whether it was seen or not."""
    found = from_text(arn(name))
    assert found is not None
    actor = Actor.objects.get(pk=actor_ids({found}, now=NOW)[found])
    return bindings.bind(identity=identity, actor=actor, by=COMMAND, now=NOW)


def call(user: str, key: str = KEY, days: int = 1) -> dict[str, Any]:
    return record("GetObject", NOW - days * DAY, source="s3", key=key, user=user)


def whose() -> dict[str, str]:
    return {
        row.actor.value: row.identity.name if row.identity else ""
        for row in Credential.objects.select_related("actor", "identity")
    }


def test_a_key_is_its_users_identitys(source: Source, active: Make) -> None:
    identity = active("svc-report")
    bound(identity, "svc")
    take(source, call("svc", days=8), call("svc", days=2))
    row = Credential.objects.select_related("seen_with").get(actor__value=KEY)
    seen_with = row.seen_with
    assert seen_with is not None
    assert (row.identity, row.standing, row.issued_at, row.issued_to, seen_with.value) == (
        identity,
        True,
        None,
        None,
        arn("svc"),
    )
    pair = CredentialPrincipal.objects.get(credential_actor=row.actor_id)
    assert (pair.first_at, pair.last_at) == (NOW - 8 * DAY, NOW - 2 * DAY)


def test_binding_the_user_later_brings_its_keys(source: Source, active: Make) -> None:
    take(source, call("svc"), call("svc", OTHER), call("stranger", "AKIASTRANGER0000000A"))
    assert set(whose().values()) == {""}
    identity = active("svc-report")
    made = bound(identity, "svc")
    assert whose() == {KEY: "svc-report", OTHER: "svc-report", "AKIASTRANGER0000000A": ""}
    bindings.unbind(binding=made, by=COMMAND, now=NOW, reason="it was never true")
    assert set(whose().values()) == {""}


STEPS = ("bind a", "bind b", "calls of a", "call of b")


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)))
def test_in_any_order_a_key_of_two_users_is_nobodys(
    source: Source, active: Make, order: tuple[str, ...]
) -> None:
    first, second = active("svc-a"), active("svc-b")
    steps: dict[str, Callable[[], object]] = {
        "bind a": lambda: bound(first, "a"),
        "bind b": lambda: bound(second, "b"),
        "calls of a": lambda: take(source, call("a", days=3), call("a", OTHER)),
        "call of b": lambda: take(source, call("b", days=2)),
    }
    for step in order:
        steps[step]()
    assert whose() == {KEY: "", OTHER: "svc-a"}


def test_late_evidence_of_another_user_takes_a_key_back(source: Source, active: Make) -> None:
    identity = active("svc-a")
    bound(identity, "a")
    take(source, call("a"))
    assert whose() == {KEY: "svc-a"}
    take(source, call("b", days=9))
    assert whose() == {KEY: ""}
    # No step reaches a key of which it cannot be told whose it is.
    credential = Credential.objects.get(actor__value=KEY)
    with pytest.raises(NotPossible, match="cannot be told"):
        revocations.request(
            identity=identity,
            step="hold",
            by=COMMAND,
            now=NOW,
            because="a test",
            credential=credential,
        )


def test_a_step_reaches_the_key_of_the_user_it_was_seen_with(source: Source, active: Make) -> None:
    identity = active("svc-both")
    bound(identity, "first")
    bound(identity, "second")
    take(source, call("second"))
    credential = Credential.objects.get(actor__value=KEY)
    (step,) = revocations.request(
        identity=identity, step="hold", by=COMMAND, now=NOW, because="a test", credential=credential
    )
    assert (step.target["name"], step.target["extra"]) == (KEY, {"user": "second"})


def test_people_say_whose_a_shared_key_is(source: Source, active: Make) -> None:
    first, second = active("svc-a"), active("svc-b")
    bound(first, "a")
    bound(second, "b")
    take(source, call("a"), call("b"))
    assert bindings.propose_from_links(now=NOW) == 2
    assert bindings.propose_from_links(now=NOW) == 0
    proposed = Binding.objects.filter(state="proposed", superseded_at__isnull=True)
    assert sorted((row.identity.name, row.basis, row.shared, row.reason) for row in proposed) == [
        (name, "observed", True, f"records name this key with {arn('a')}, {arn('b')}")
        for name in ("svc-a", "svc-b")
    ]
    # No rule settles it together with others.
    assert list(bindings.preview(rule=bindings.Rule(least_calls=1, competing=True), now=NOW)) == []
    bindings.confirm(binding=proposed.get(identity=first), by=COMMAND, now=NOW, shared=False)
    assert whose() == {KEY: "svc-a"}
    bindings.propose_from_links(now=NOW)
    assert [row.actor.value for row in bindings.unclaimed(now=NOW)] == []


def test_what_a_list_or_an_issuance_says_comes_first(source: Source, active: Make) -> None:
    bound(active("svc-a"), "a")
    bound(active("svc"), "svc")
    take(source, used(NOW - DAY))
    row = Credential.objects.get(actor__value=KEY)
    assert whose() == {KEY: "svc"}
    Credential.objects.filter(pk=row.pk).update(issued_to=Actor.objects.get(value=arn("a")))
    credentials.assign(actors=[row.actor_id], now=NOW)
    assert whose() == {KEY: "svc-a"}


def test_temporary_keys_are_found_by_what_is_above_them(source: Source, active: Make) -> None:
    bound(active("svc-a"), "a")
    take(source, call("a", "ASIAEXAMPLE00000000A"))
    row = Credential.objects.get()
    assert (row.standing, row.seen_with_id, whose()) == (
        False,
        None,
        {"ASIAEXAMPLE00000000A": "svc-a"},
    )
    assert not CredentialPrincipal.objects.exists()


def test_events_read_anew_take_back_what_they_said(
    source: Source, active: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(active("svc-a"), "a")
    bound(active("svc-b"), "b")
    take(source, call("a"), call("b", OTHER))
    known, better = FORMATS["cloudtrail"], from_text(arn("b"))

    def parse(body: bytes, asked: Asked) -> Parsed:
        parsed = known.parse(body, asked)
        return parsed._replace(
            records=[record._replace(principal=better) for record in parsed.records]
        )

    monkeypatch.setitem(
        FORMATS, "cloudtrail", known._replace(parse=parse, version=known.version + 1)
    )
    again()
    # Of what stayed as it was the key stays whose it is; the other waits to be followed again.
    assert whose() == {KEY: "", OTHER: "svc-b"}
    while following.follow_next(now=NOW):
        pass
    assert whose() == {KEY: "svc-b", OTHER: "svc-b"}
    assert CredentialPrincipal.objects.count() == 2


def test_following_twice_changes_nothing(source: Source, active: Make) -> None:
    bound(active("svc-a"), "a")
    take(source, call("a"), call("b", OTHER))
    before = list(CredentialPrincipal.objects.order_by("pk").values_list())
    kept = list(Credential.objects.order_by("number").values_list())
    Progress.objects.filter(consumer="credentials").update(done_at=None)
    while following.follow_next(now=NOW + DAY):
        pass
    assert list(CredentialPrincipal.objects.order_by("pk").values_list()) == before
    assert list(Credential.objects.order_by("number").values_list()) == kept


def test_statements_do_not_grow_with_keys(source: Source) -> None:
    def statements(many: int) -> int:
        take(source, *(call(f"u{many}-{n}", f"AKIA{many:04d}{n:012d}") for n in range(many)))
        deposit = Progress.objects.filter(consumer="credentials").latest("deposit_id").deposit
        with CaptureQueriesContext(
            connection,
        ) as captured:
            keyholding.note(deposit)
        return len(captured)

    assert statements(1) == statements(30) == 4


def test_the_wave_asks_about_the_user_and_not_about_its_keys(source: Source, active: Make) -> None:
    bound(active("svc-a"), "a")
    take(source, *(call("b", f"AKIAB{n:015d}") for n in range(3)), call("a"), call("a", OTHER))
    take(source, call("c", "AKIASHARED000000000A"), call("d", "AKIASHARED000000000A"))
    while proposing.look_next(now=NOW):
        pass
    about = Claim.objects.filter(state="open", actor__isnull=False)
    assert sorted(row.actor.value for row in about if row.actor) == [
        "AKIASHARED000000000A",
        arn("b"),
        arn("c"),
        arn("d"),
    ]


def test_a_question_about_a_key_ends_when_its_user_is_seen(source: Source) -> None:
    take(source, call("c"), call("d"))
    while proposing.look_next(now=NOW):
        pass
    assert Claim.objects.get(actor__value=KEY).state == "open"
    # It was one of them only by an event that is read better now.
    CredentialPrincipal.objects.filter(
        principal_actor=Actor.objects.get(value=arn("d")).pk
    ).delete()
    credentials.hand_out([Actor.objects.get(value=KEY).pk], now=NOW)
    proposing.look_next(now=NOW)
    assert Claim.objects.get(actor__value=KEY).state == "gone"
