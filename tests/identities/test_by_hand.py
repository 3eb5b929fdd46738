"""What no enforcer changes: asked for by hand it waits for people, once, with what they do."""

from collections.abc import Callable
from typing import Any

import pytest

from identities.acting import COUNTERSIGN
from identities.actions import batches, revocations
from identities.actions.revocations import by_hand, looking, stating
from identities.models import Credential, Revocation, User
from identities.permissions import NotPossible
from tests.identities.chains import actor
from tests.identities.conftest import DAY, NOW

pytestmark = pytest.mark.django_db
Make = Callable[..., Any]
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


@pytest.fixture
def rex(user: Callable[..., User]) -> User:
    return user("rex", "responder")


@pytest.fixture
def key(active: Make) -> Credential:
    """A key of a system that nobody wrote an enforcer for."""
    return Credential.objects.create(
        actor=actor("sk-crm-000000000001", realm="crm:acme", kind="api_token"),
        identity=active("svc-crm"), kind="api_token", standing=True, issued_at=NOW, state_at=NOW,
    )  # fmt: skip


def ask(key: Credential, **said: Any) -> Revocation:
    identity = key.identity
    assert identity is not None
    one = revocations.Ask(identity, "revoke", "a leak", key, **said)
    (made,) = revocations.request_all([one], by=COUNTERSIGN, now=NOW)
    if made.refused is not None:
        raise made.refused
    return made.rows[0]


def test_without_by_hand_it_is_refused_as_before(key: Credential) -> None:
    with pytest.raises(NotPossible, match="No enforcer changes a api_token of crm:acme"):
        ask(key)


def test_it_waits_for_people_from_the_start_and_once(key: Credential) -> None:
    row = ask(key, by_hand=True)
    row.refresh_from_db()
    assert (row.state, row.system, row.who_must_act) == ("failed", "crm", "whoever runs crm:acme")
    assert by_hand.steps(row, {})[:3] == [
        "Why not from here: No enforcer changes a api_token of crm:acme.",
        "At crm crm:acme, find the api token sk-crm-000000000001.",
        "Revoke api token sk-c…0001. It cannot be taken back.",
    ]
    assert ask(key, by_hand=True).pk == row.pk
    assert Revocation.objects.count() == 1
    assert revocations.enforce_next(now=NOW) is False


def test_stated_it_is_effective_and_tried_again_it_says_the_same(
    key: Credential, rex: User
) -> None:
    row = ask(key, by_hand=True)
    revocations.retry(revocation=row, by=rex, now=NOW)
    assert revocations.enforce_next(now=NOW) is True
    row.refresh_from_db()
    assert (row.state, row.failed_why) == ("failed", "No enforcer for crm is set up.")
    stating.state(
        revocation=row, done_by="Olga", done_at=NOW, note="in its console",
        file=stating.File("shot.png", PNG), two_needed=False, by=rex, now=NOW,
    )  # fmt: skip
    assert looking.look_next(now=NOW + DAY) is True
    row.refresh_from_db()
    key.refresh_from_db()
    assert (row.state, row.stated, key.state) == ("effective", True, "held")


def test_in_a_batch_it_is_put_on_the_wall_where_that_is_asked_for(
    key: Credential, rex: User
) -> None:
    def plan(**said: bool) -> list[tuple[list[str], str]]:
        rows = batches.plan_named(names=[key.key], step="hold", by=rex, now=NOW, **said)
        return [(one.does, one.refused) for one in rows]

    why = "No enforcer changes a api_token of crm:acme."
    assert plan() == [([], why)]
    assert plan(by_hand=True) == [([f"Hold api token sk-c…0001, by hand: {why}"], "")]
    batch = batches.named(
        names=[key.key], step="hold", because="a leak", request_key="request-0001", by=rex,
        now=NOW, by_hand=True,
    )  # fmt: skip
    (found,) = batches.results(batch)
    assert [one.state for one in found.revocations] == ["failed"]


def test_what_is_refused_for_another_reason_is_not_for_people(key: Credential) -> None:
    Credential.objects.filter(pk=key.pk).update(state="revoked")
    with pytest.raises(NotPossible, match="is revoked already"):
        ask(key, by_hand=True)
