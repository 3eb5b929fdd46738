"""Five recordings whose truth is known, through the door: what is linked, and what is not.

Nothing in the product was fitted to them: the numbers come from how they were made.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import NamedTuple

import pytest
from django.db import transaction

from evidence.correlation import SKEW_MICROS
from evidence.models import Retold, Run
from evidence.names import memory
from evidence.vocabulary import CLOCKS_APART, PROOF_CREDENTIAL, PROOF_TOKEN, proof_words
from tests.company import hearing, stories
from tests.company.hearing import Heard, Held
from tests.company.playing import EXACT, INFERRED, KEY, Play
from tests.company.playing import Told as Truth
from tests.evidence.conftest import NOW

pytestmark = pytest.mark.django_db
SEED = 7
START = int((NOW - timedelta(hours=10)).timestamp()) * 1_000_000
LATER = NOW + timedelta(days=3)


class Told(NamedTuple):
    """What came of one order of a play."""

    found: dict[tuple[str, int], Heard]
    tools: int
    retold: int


def told(play: Play, order: int | None = None, *, between: bool = False) -> Told:
    """Bring it and link it; nothing of it stays."""
    with transaction.atomic():
        deposits = hearing.bring(play, hearing.bodies(play, order), now=LATER, between=between)
        found = hearing.heard(deposits)
        tools = sum(run.tool_calls for run in Run.objects.all())
        retold = Retold.objects.values("at", "id").distinct().count()
        transaction.set_rollback(True)
    memory.forget()
    return Told(found, tools, retold)


@pytest.mark.parametrize("story", stories.STORIES, ids=lambda story: story.__name__)
def test_no_run_is_named_that_it_was_not_and_no_sure_link_is_missed(
    story: Callable[[int, int], Play],
) -> None:
    play = story(SEED, START)
    came = told(play)
    held: Held = hearing.held(play, came.found)
    assert (_sure(held.false), _sure(held.above), held.missed) == ([], [], [])
    sure = Counter(one.strength for one in play.truth if not one.untold)
    assert (held.right[EXACT], held.right[KEY]) == (sure[EXACT], sure[KEY])
    # Each call of a tool is one, however many spans tell it.
    assert came.tools == hearing.tool_calls(play)
    # And the same shuffled, cut small and doubled, linked in between.
    assert told(play, 1, between=True) == came


def _sure(found: list[tuple[Truth, Heard]]) -> list[tuple[Truth, Heard]]:
    """Without inferred ones, whose shares the test below tells."""
    return [pair for pair in found if pair[1].strength > INFERRED]


def test_calls_told_by_framework_client_and_server_are_one() -> None:
    play = stories.desk(SEED, START)
    assert (len(play.runs), told(play).retold) == (30, 60)


def test_inference_names_the_right_run_or_none() -> None:
    """Precision and recall by score. The ten calls of the planner are not found: its traces come
    from another source, of which no exact link says how far its clock is from the log's. Three
    times a tool called nothing, and in that moment somebody else did, with the agent's key and the
    agent's own name in the user agent: from another place than the calls of the runs around."""
    play = stories.warehouse(SEED, START)
    found = told(play).found
    right: Counter[int] = Counter()
    wrong: Counter[tuple[str, int]] = Counter()
    wanted = [one for one in play.truth if one.strength == INFERRED and not one.untold]
    for one in play.truth:
        here = found.get((one.log, one.number), hearing.NOTHING)
        if here.named and here.strength == INFERRED:
            if here.runs == {one.run}:
                right[here.score] += 1
            else:
                wrong[one.who, here.score] += 1
    assert (dict(right), dict(wrong), len(wanted)) == ({50: 27}, {}, 31)
    missed = {play_run(play, one.run) for one in wanted if (one.log, one.number) not in found}
    assert missed == {"stock-planner"}
    # Whoever else called beside or instead of a tool did so from elsewhere, and is given no run.
    others = [one for one in play.truth if one.who in ("attacker", "person")]
    assert len(others) == 13
    assert not [found[one.log, one.number] for one in others if (one.log, one.number) in found]


def play_run(play: Play, trace: str | None) -> str:
    return next(run.agent.name for run in play.runs if run.trace == trace)


def test_time_that_the_database_allows_clocks_is_that_of_the_rules() -> None:
    words = import_module("evidence.migrations.0025_retold").DOUBT
    assert f"abs(c.seconds) > {SKEW_MICROS // 1_000_000}\n" in words


def test_words_say_why_no_run_is_named_by_key() -> None:
    assert proof_words(PROOF_TOKEN, 1, 1) == (
        "same token or pod, in the span's time; 2 programs or addresses called with it: maybe not"
        " the run's"
    )
    assert proof_words(PROOF_CREDENTIAL, 1, CLOCKS_APART) == (
        "same credential and operation, in the span's time; the clocks of log and traces were"
        " further apart: maybe not the run's"
    )
    assert proof_words(PROOF_TOKEN, 1, 0) == "same token or pod, in the span's time"
