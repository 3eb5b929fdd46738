"""Two people and two workers at once: one run, each step once. On PostgreSQL, with threads."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from identities.models import Revocation
from reviews.incidents import running
from reviews.models import ContainmentTarget, Item, Playbook, PlaybookRun
from tests.reviews.conftest import NOW, Told, tell_story

from .conftest import MINUTE, named, opened
from .stops import come_to, second_key
from .test_playbooks import in_force, run, written

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 4


def together(act: Any) -> list[Any]:
    """What each of several threads came to, that all began at the same moment."""
    barrier = Barrier(AT_ONCE)

    def one(number: int) -> Any:
        try:
            barrier.wait(timeout=60)
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def test_one_signature_sent_several_times_is_one_run_and_workers_begin_each_step_once() -> None:
    story: Told = tell_story()
    case = named(opened(story)[0], story.samuel)
    second_key(story)
    playbook: Playbook = in_force(
        story,
        written(
            "{does: hold, targets: credentials}",
            "{does: block, targets: identity, then: effective}",
            "{does: narrow, targets: delegations}",
        ),
    )
    made = together(lambda _: run(case, story, playbook).pk)
    assert (len(set(made)), PlaybookRun.objects.count()) == (1, 1)
    assert (Revocation.objects.count(), ContainmentTarget.objects.count()) == (2, 2)
    come_to("confirmed", at=NOW)
    went = together(lambda _: running.go_on_next(now=NOW + MINUTE))
    assert went.count(True) == 1
    row = PlaybookRun.objects.get()
    assert (row.state, Item.objects.filter(kind="step", case=case).count()) == ("done", 3)
    assert ContainmentTarget.objects.count() == 4
