"""The same request sent twice at once, and by a sender that dies: done once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from evidence.models import LedgerEntry
from identities.actions import batches
from identities.actions.batches import signing
from identities.models import Batch, BatchRow, Identity, Revocation, User
from tests.identities.chains import arn, bind, credential
from tests.identities.conftest import NOW

# Committed rows: the senders use connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)
KEY = "request-0001"


@pytest.fixture
def root(active: Callable[..., Identity]) -> Identity:
    row, user = active("svc-report"), arn("user/svc-report")
    bind(row, user)
    credential("AKIAROOT000000000001", row, to=user)
    return row


def sign(root: Identity, by: User) -> Batch:
    return batches.cascade(
        root=root, step="hold", because="a leak", request_key=KEY, by=by, now=NOW
    )


def test_two_senders_at_once_are_answered_with_the_same_batch(
    root: Identity, user: Callable[..., User]
) -> None:
    rex, gate = user("rex", "responder"), threading.Barrier(2)

    def sender() -> Any:
        try:
            gate.wait(timeout=20)
            return sign(root, User.objects.get(pk=rex.pk)).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        made = {one.result(timeout=60) for one in [pool.submit(sender) for _ in range(2)]}
    assert made == {Batch.objects.get().pk}
    assert (BatchRow.objects.count(), Revocation.objects.count()) == (2, 3)
    assert LedgerEntry.objects.filter(act="batch.signed").count() == 1


def test_sender_that_dies_half_way_leaves_nothing_and_may_send_again(
    root: Identity, user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    rex = user("rex", "responder")

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(signing, "_parents_first", dies)
        with pytest.raises(KeyboardInterrupt):
            sign(root, rex)
    assert (Batch.objects.count(), Revocation.objects.count()) == (0, 0)
    assert LedgerEntry.objects.filter(act="batch.signed").count() == 0
    sign(root, rex)
    assert (Batch.objects.count(), Revocation.objects.count()) == (1, 3)
