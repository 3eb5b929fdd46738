"""manage.py inventory: what can be read, reading it now, and what is listed."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from evidence.models import Source
from identities import tasks
from identities.inventory.contract import Forbidden
from identities.inventory.systems import SYSTEMS
from identities.models import Discovery, InventoryPlan
from tests.identities.inventory.shelf import Shelf, bot, key, shelf, source

__all__ = ["shelf", "source"]

pytestmark = pytest.mark.django_db


def said(*words: str) -> str:
    out = StringIO()
    call_command("inventory", *words, stdout=out)
    return out.getvalue()


def test_systems_are_named_with_the_rights_they_need() -> None:
    text = said("systems")
    for system in SYSTEMS:
        assert f"{system.name}: {system.title}" in text
        for part in system.parts:
            assert part.needs in text
    assert [one["name"] for one in json.loads(said("systems", "--json"))] == [
        one.name for one in SYSTEMS
    ]


def test_now_reads_and_says_what_came(shelf: Shelf, source: Source) -> None:
    shelf.bots, shelf.keys = [bot(1, title="Nightly")], [key(1)]
    text = said("now", source.name)
    assert text.splitlines()[0] == "lists: done: 2 found, 2 new, 0 changed, 0 gone."
    listed = said("list", source.name)
    assert "bot                  Nightly (active)" in listed
    assert "key                  key-1 of bot-1 (active)" in listed
    assert "2 entries." in listed
    (first, second) = json.loads(said("list", source.name, "--json"))
    assert (first["value"], first["holder"], second["holder"]) == ("bot-1", None, "bot-1")
    assert said("status") == text


def test_partial_reading_ends_with_one_and_says_what_is_missing(
    shelf: Shelf, source: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.keys = [key(1)]
    shelf.fail["bots", 0] = Forbidden("the shelf answered 403", "Give it list bots.")
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("inventory", "now", source.name, "--json", stdout=out)
    assert ended.value.code == 1
    document = json.loads(out.getvalue())
    assert (document["state"], document["lists"]["bots"]["fix"]) == (
        "partial",
        "Give it list bots.",
    )


def test_plan_is_changed(shelf: Shelf, source: Source) -> None:
    said("now", source.name)
    assert said("every", source.name, "3600") == "The lists of lists are read every 3,600 s.\n"
    assert said("pause", source.name) == "The lists of lists are paused.\n"
    assert InventoryPlan.objects.get().paused
    assert said("resume", source.name) == "The lists of lists are read every 3,600 s.\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("now", "nobody"), "no source named nobody"),
        (("now", "traces"), "traces has no lists that could be read"),
        (("pause", "traces"), "no lists that are read by themselves"),
        (("every", "traces", "5"), "Lists are read every 300"),
    ],
)
def test_what_cannot_be_done_is_said(
    connect: Callable[..., Source], words: tuple[str, ...], problem: str
) -> None:
    connect("phoenix", name="traces")
    with pytest.raises(CommandError, match=problem):
        said(*words)


def test_task_asks_what_is_due_and_reads_it(
    shelf: Shelf, source: Source, nudges: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    shelf.bots = [bot(1)]
    tasks.read_inventories()
    assert list(Discovery.objects.values_list("actor__value", flat=True)) == ["bot-1"]
    tasks.read_inventories()
    assert Discovery.objects.count() == 1
