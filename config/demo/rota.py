"""Who is on call in the demo's company: a calendar file of each team that signs break-glass.

Read by the product as an operator's own (docs/break-glass.md). A rota that is set up already stays.
"""

import os
from datetime import datetime
from pathlib import Path

import yaml
from django.conf import settings

from config.demo import returning
from reviews.break_glass import on_call

TEAMS = ("Platform", "Security")


def use() -> None:
    """This process and its children ask these calendars."""
    if settings.ON_CALL:
        return
    folder, file = Path(__file__).parent, returning.probe_folder() / "on-call.yaml"
    rotas = [{"team": team, "calendar": f"file:{folder / f'{team.lower()}.ics'}"} for team in TEAMS]
    file.write_text(yaml.safe_dump({"rotas": rotas}), "utf-8")
    os.environ["COUNTERSIGN_ON_CALL"] = settings.ON_CALL = str(file)


def read(*, now: datetime) -> None:
    """Ask each once, as the schedule does from then on: the first page shows who is there."""
    on_call.follow(now=now)
    while on_call.read_next(now=now):
        pass


def worth_a_look(base: str) -> list[tuple[str, str]]:
    """For the welcome."""
    return [("who is on call for break-glass, and until when", f"{base}/break-glass/on-call/")]
