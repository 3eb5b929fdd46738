"""Who may gets through, at addresses at which the walk's plausible request does not (test_insider.py):
else a refusal there would show nothing.
"""

from typing import Any

import pytest
from django.conf import settings
from django.db import transaction

from identities.models import User
from tests.reviews.conftest import person_of, story
from tests.reviews.test_api_permission_first import acts
from tests.road.insider_endpoints import SAME
from tests.road.insider_routes import Route, routes
from tests.road.insider_table import act_of
from tests.road.insider_through import TRIES, Try
from tests.road.insider_world import World, proposed_by
from tests.road.test_insider import Walker, is_page, world

__all__ = ["acts", "story", "world"]
pytestmark = pytest.mark.django_db


def filled(world: World, body: Any) -> Any:
    """A body with the story's keys in the places of @identity and its like."""
    if isinstance(body, str) and body.startswith("@"):
        return world.values[body[1:]]
    if isinstance(body, list):
        return [filled(world, one) for one in body]
    if isinstance(body, dict):
        return {key: filled(world, one) for key, one in body.items()}
    return body


def acts_of(route: Route) -> list[str]:
    """The acts of the table that this address does: its own, or that of its endpoint."""
    act = act_of(route.name)
    endpoints = [endpoint for endpoint, pages in SAME.items() if act in pages.split()]
    named = dict.fromkeys([act, act.replace("room_", "incident_"), *endpoints])
    return [one for one in named if one in TRIES]


class Knocking:
    """Everybody who might get through, and what each address answered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.walkers: dict[str, Walker] = {}

    def walker(self, name: str) -> Walker:
        if name not in self.walkers:
            self.walkers[name] = Walker(self.world, User.objects.get(username=name), None)
        return self.walkers[name]

    def tried(self, route: Route, one: Try) -> str:
        """What is answered; "" where it gets through."""
        try:
            return self._answer(route, one)
        except Exception as problem:  # noqa: BLE001 - said with the others
            return f"{one.who}: {str(problem)[:200]}"

    def _answer(self, route: Route, one: Try) -> str:
        by, count = self.walker(one.who), len(self.walker(one.who).answers)
        with transaction.atomic():
            address = self.world.address(route, one.ready(self.world))
            body = filled(self.world, one.body)
            form = is_page(route) and not route.path.startswith("api/")
            by.send(route.name, address, "POST", body, form=form)
            transaction.set_rollback(True)
        answer = by.answers[count]
        if answer.status < 400 and not answer.said.startswith("/accounts/"):
            return ""
        return f"{one.who}: {answer.status} {answer.said}"


def test_who_may_gets_through(world: World) -> None:
    """Each act of the table, on its page or over the API; what others proposed is signed."""
    proposed_by(person_of(User.objects.get(username="vera")))
    knocking = Knocking(world)
    said: dict[str, list[str]] = {act: [] for act in TRIES}
    for route in routes():
        for act in acts_of(route) if route.writes else ():
            answers = [knocking.tried(route, one) for one in TRIES[act]]
            said[act] += [f"{route.name} {one}".strip() for one in answers]
    passed = sorted(one for answers in said.values() for one in answers if " " not in one)
    folder = settings.BASE_DIR / "var" / "insider"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "through.txt").write_text("\n".join(passed) + "\n")
    shut = {act: answers for act, answers in said.items() if not {*answers} & {*passed}}
    assert shut == {}, "\n".join(f"{act}: {answers}" for act, answers in shut.items())
