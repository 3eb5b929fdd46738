"""What follows the lists: states of credentials, and what bound identities may do."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.formats.record import ActorName
from evidence.models import Actor, Issuance, LedgerEntry, Source
from evidence.names import actor_ids
from identities.actions import credentials, entitlements
from identities.inventory import following
from identities.models import (
    Binding,
    Credential,
    CredentialState,
    Entitlement,
    Identity,
    InventoryRead,
)
from tests.identities.conftest import NOW
from tests.identities.inventory.conftest import HOUR, Clock
from tests.identities.inventory.shelf import Shelf, allow, bot, key, shelf, source

__all__ = ["shelf", "source"]

pytestmark = pytest.mark.django_db

Read = Callable[..., InventoryRead]


def state() -> str:
    return str(Credential.objects.get().state)


# --- credentials


def test_listed_as_held_from_the_first_reading_on(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.keys = [key(1, status="held")]
    row = read(source)
    assert state() == "held"
    stretches = CredentialState.objects.filter(superseded_at=None).order_by("during")
    assert [(one.state, one.during.lower, one.because) for one in stretches] == [
        ("active", None, "the list shows this key as held"),
        ("held", stretches[1].during.lower, "the list shows this key as held"),
    ]
    assert row.started_at is not None
    assert stretches[1].during.lower >= row.started_at


def test_state_follows_the_list_both_ways(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.keys = [key(1)]
    read(source)
    for status in ("held", "active", "held"):
        shelf.keys = [key(1, status=status)]
        read(source)
        assert state() == status


def test_what_is_known_to_be_later_than_the_list_stays(
    shelf: Shelf, source: Source, read: Read, clock: Clock
) -> None:
    shelf.keys = [key(1)]
    read(source)
    row = Credential.objects.get()
    credentials.mark(
        credential=row, state="held", at=clock.at + HOUR, now=clock.at + HOUR, because="the log"
    )
    following.follow(source=source, now=clock.at + 2 * HOUR)
    assert state() == "held"
    # A list that was read after that knows better, though it never saw the hold.
    clock.later()
    read(source)
    assert state() == "active"


def test_gone_once_is_said_and_gone_twice_is_revoked(
    shelf: Shelf, source: Source, read: Read
) -> None:
    shelf.keys = [key(1)]
    read(source)
    shelf.keys = []
    first = read(source)
    assert (first.gone, state()) == (1, "active")
    read(source)
    assert state() == "revoked"
    revoked = CredentialState.objects.get(superseded_at=None, state="revoked")
    # It ended when the first of the two did not show it.
    assert first.ended_at is not None
    assert first.started_at is not None
    assert first.started_at <= revoked.during.lower <= first.ended_at
    # What comes back is no longer trusted to be the same.
    shelf.keys = [key(1)]
    read(source)
    assert state() == "revoked"


def test_one_answer_that_left_something_out_takes_nothing_away(
    shelf: Shelf, source: Source, read: Read
) -> None:
    shelf.keys = [key(1)]
    read(source)
    shelf.keys = []
    read(source)
    shelf.keys = [key(1)]
    read(source)
    read(source)
    assert state() == "active"


def test_refused_and_unread_lists_revoke_nothing(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.keys = [key(1, scope="user-1")]
    read(source)
    shelf.keys = []
    read(source)
    shelf.unread = ("user-1",)
    read(source)
    assert state() == "active"


def test_key_that_ends_expires_at_its_end(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.keys = [key(1, expires_at=NOW - HOUR), key(2, status="expired", expires_at=NOW - HOUR)]
    read(source)
    assert list(Credential.objects.values_list("state", "state_at")) == [
        ("expired", NOW - HOUR),
        ("expired", NOW - HOUR),
    ]
    shelf.keys = []
    read(source)
    read(source)
    assert set(Credential.objects.values_list("state", flat=True)) == {"expired"}


def test_issuance_that_arrives_later_gives_the_credential_its_birth(
    shelf: Shelf, source: Source, read: Read, clock: Clock
) -> None:
    shelf.keys = [key(1, created_at=NOW - 9 * HOUR)]
    read(source)
    row = Credential.objects.get()
    assert row.issued_at is None
    Issuance.objects.create(
        at=NOW - 9 * HOUR,
        event_id=7,
        deposit_id=1,
        credential=row.actor,
        issued_to=row.issued_to,
        standing=True,
    )
    assert credentials.born(now=clock()) == 1
    born = Credential.objects.values_list("issued_at", "issued_event")
    assert born.get() == (NOW - 9 * HOUR, 7)


# --- what identities may do


@pytest.fixture
def bound(active: Callable[..., Identity]) -> Callable[..., Identity]:
    """An identity to which this actor is bound."""

    def make(name: ActorName, called: str = "svc-bot") -> Identity:
        row = active(called)
        Binding.objects.create(
            identity=row,
            actor_id=actor_ids([name], now=NOW)[name],
            basis="declared",
            state="confirmed",
            during=(None, None),
            recorded_at=NOW,
            by="test",
        )
        return row

    return make


def possible(identity: Identity, at: datetime | None = None) -> list[list[str]]:
    rows = Entitlement.objects.filter(identity=identity, superseded_at=None)
    rows = rows.filter(during__contains=at) if at else rows.filter(during__upper_inf=True)
    return [one["actions"] for row in rows for one in row.possible]


def test_nothing_is_anybodys_by_being_listed(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.bots = [bot(1, rights=allow("run"))]
    shelf.keys = [key(1)]
    read(source)
    assert Binding.objects.count() == 0
    assert Identity.objects.count() == 0
    assert Entitlement.objects.count() == 0
    assert Credential.objects.get().identity is None


def test_rights_of_a_bound_principal_stand_beside_what_is_delegated(
    shelf: Shelf, source: Source, read: Read, bound: Callable[..., Identity], clock: Clock
) -> None:
    shelf.bots = [bot(1, rights=allow("run")), bot(2, rights=allow("other"))]
    read(source)
    # Claimed afterwards: what the list said stands from when it said it.
    identity = bound(bot(1).name)
    assert following.hand_on(now=clock.later()) == 1
    row = Entitlement.objects.get()
    assert (row.identity, row.system, row.principal, possible(identity)) == (
        identity,
        "shelf",
        "bot-1",
        [["run"]],
    )
    assert row.during.lower < clock.at - HOUR / 2
    assert following.hand_on(now=clock.later()) == 0
    # Read again, the same: only how fresh it is moves.
    read(source)
    again = Entitlement.objects.get()
    assert (again.pk, again.during, again.read_at > row.read_at) == (row.pk, row.during, True)
    # A change is a version, dated by the reading that showed it.
    before = clock.at
    shelf.bots = [bot(1, rights=allow("run", "stop"))]
    read(source)
    assert possible(identity) == [["run", "stop"]]
    assert possible(identity, before) == [["run"]]
    # Gone from the list: nothing is possible from then on, and what was stays as it was.
    shelf.bots = []
    read(source)
    assert possible(identity) == []
    assert possible(identity, before) == [["run"]]
    assert [
        act
        for act in LedgerEntry.objects.order_by("pk").values_list("act", flat=True)
        if "ent" in act
    ] == [
        "inventory.read",
        "entitlement.read",
        "inventory.read",
        "entitlement.read",
        "inventory.read",
        "entitlement.ended",
    ]


def test_binding_of_an_application_covers_its_principal(
    shelf: Shelf, source: Source, read: Read, bound: Callable[..., Identity]
) -> None:
    app = ActorName("shelf:1", "app", "app-1")
    identity = bound(app)
    shelf.bots = [
        bot(1)._replace(name=ActorName("shelf:1", "service_principal", "sp-1", app),
                        rights=allow("Mail.Read"))
    ]  # fmt: skip
    read(source)
    assert possible(identity) == [["Mail.Read"]]


def test_binding_that_ends_takes_what_the_list_gave(
    shelf: Shelf, source: Source, read: Read, bound: Callable[..., Identity], clock: Clock
) -> None:
    identity = bound(bot(1).name)
    shelf.bots = [bot(1, rights=allow("run"))]
    read(source)
    assert possible(identity) == [["run"]]
    Binding.objects.update(superseded_at=clock.at)
    assert following.hand_on(now=clock.later()) == 1
    assert possible(identity) == []


def test_reading_of_an_enforcer_is_left_alone_while_it_is_fresh(
    shelf: Shelf, source: Source, read: Read, bound: Callable[..., Identity], clock: Clock
) -> None:
    identity = bound(bot(1).name)
    its_own: dict[str, Any] = {
        "identity": identity,
        "system": "shelf",
        "principal": "bot-1",
        "possible": [],
        "keys": [{"access_key_id": "AKIA"}],
        "missing": "",
        "digest": "f00d",
    }
    entitlements.keep(**its_own, since=clock.at, now=clock.at)
    shelf.bots = [bot(1, rights=allow("run"))]
    read(source)
    assert Entitlement.objects.get().digest == "f00d"
    # It has stopped reading: the list is the best that is known.
    clock.later(timedelta(hours=25))
    read(source)
    assert possible(identity) == [["run"]]
    # And it goes on again: its own reading counts.
    clock.later()
    entitlements.keep(**its_own, since=clock.at, now=clock.at)
    read(source)
    assert possible(identity) == []


def test_two_sources_that_list_the_same_principal_do_not_take_turns(
    shelf: Shelf,
    source: Source,
    connect: Callable[..., Source],
    read: Read,
    bound: Callable[..., Identity],
    clock: Clock,
) -> None:
    other = connect("shelf", name="other")
    identity = bound(bot(1).name)
    shelf.bots = [bot(1, rights=allow("run"))]
    read(source)
    shelf.bots = [bot(1, rights=allow("stop"))]
    read(other)
    # The newest reading counts, and nothing is left to hand on.
    assert possible(identity) == [["stop"]]
    assert following.hand_on(now=clock.later()) == 0
    assert Actor.objects.filter(value="bot-1").count() == 1


def test_credentials_follow_who_claims_their_holder(
    shelf: Shelf, source: Source, read: Read, bound: Callable[..., Identity], clock: Clock
) -> None:
    shelf.bots, shelf.keys = [bot(1)], [key(1)]
    identity = bound(bot(1).name)
    read(source)
    assert Credential.objects.get().identity == identity
