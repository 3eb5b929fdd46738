"""Two at once: one code signs one in, ten tries are ten, and one of two last accounts stays."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from identities.acting import COMMAND
from identities.permissions import NotPossible
from reviews import accounts
from reviews.accounts import entering
from reviews.models import AccountAttempt, AccountUse
from tests.reviews.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(acts: list[Callable[[], object]]) -> list[str]:
    """What each of these said when all began together."""
    ready = Barrier(len(acts))

    def one(act: Callable[[], object]) -> str:
        try:
            ready.wait()
            act()
        except NotPossible as problem:
            return str(problem)
        else:
            return "done"
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def test_two_at_once() -> None:
    made = [
        accounts.make(username=name, roles=["responder"], kept="x", by=COMMAND, now=NOW)
        for name in ("glass-1", "glass-2")
    ]
    code = made[0][1][0]

    def enter(code: str, address: str = "192.0.2.7") -> object:
        return accounts.enter(
            name="glass-1", code=code, who="Mia", why="it is all down", address=address, now=NOW
        )

    said = at_once([lambda: enter(code)] * 4)
    assert sorted(one == "done" for one in said) == [False, False, False, True]
    assert AccountUse.objects.count() == 1
    tried = at_once([lambda: enter("A" * 20, "192.0.2.8")] * (entering.MOST + 4))
    assert sum(one.startswith("Too many") for one in tried) == 4
    assert AccountAttempt.objects.filter(place="192.0.2.8").count() == entering.MOST
    ended = at_once(
        [
            lambda one=one: accounts.end(account=one, reason="x", by=COMMAND, now=NOW)  # type: ignore[misc]  # bound now
            for one, _ in made
        ]
    )
    assert sorted(one == "done" for one in ended) == [False, True]
    assert accounts.live().count() == 1
