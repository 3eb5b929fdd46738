"""Two acts on two identities at once: both come through."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction

from identities.actions import identities
from identities.models import Attestation, Identity

from .conftest import DAY, NOW


@pytest.mark.django_db(transaction=True)
def test_identities_locked_by_each_other_are_named_by_each_other(
    active: Callable[..., Identity],
) -> None:
    one, other = active("svc-one"), active("svc-other")
    gate = Barrier(2)

    def act(mine: Identity, theirs: Identity) -> None:
        try:
            with transaction.atomic():
                identities.locked(mine.pk)
                assert theirs.owner is not None
                assert theirs.owner.person is not None
                Attestation.objects.create(
                    identity=theirs, purpose="reports", expires_at=NOW + DAY,
                    attested_at=NOW, attested_by=theirs.owner.person,
                )  # fmt: skip
                gate.wait(timeout=20)
                # The foreign key is looked at here, while the other one still holds its lock.
                connection.check_constraints()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(act, one, other), pool.submit(act, other, one)]:
            done.result(timeout=60)
    assert [row.attestations.count() for row in (one, other)] == [1, 1]


@pytest.mark.django_db(transaction=True)
def test_identity_that_is_locked_is_locked_for_others(active: Callable[..., Identity]) -> None:
    row = active()

    def free() -> bool:
        try:
            with transaction.atomic():
                mine = Identity.objects.select_for_update(
                    of=("self",), skip_locked=True, no_key=True
                )
                return mine.filter(pk=row.pk).exists()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            identities.locked(row.pk)
            assert pool.submit(free).result(timeout=60) is False
        assert pool.submit(free).result(timeout=60) is True
