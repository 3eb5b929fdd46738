"""Who has not confirmed lately who they are decides nothing: no page and no endpoint lets them.

The insider's walk, by somebody with every role, in a session that is signed in and no more.
"""

import re

import pytest

from identities.api.deciding import CONFIRM, UNDECIDED
from identities.models import User
from reviews import confirmed
from tests.reviews.conftest import person_of, story
from tests.reviews.test_api_permission_first import TAKEN_OUT, acts
from tests.road.insider_endpoints import SAME
from tests.road.insider_routes import routes
from tests.road.insider_table import act_of
from tests.road.insider_world import World, proposed_by
from tests.road.test_insider import WHO, Walker, forms_of, walk, world
from tests.signed_in import unsure

__all__ = ["acts", "story", "world"]
pytestmark = pytest.mark.django_db
# One endpoint for several pages, of which some decide and some only look ahead or ask.
BY_BODY = {"containment": {"containment_ask"}, "revocations": set[str]()}


def test_a_page_asks_where_its_endpoint_takes_a_person() -> None:
    """And the other way round: one act, one answer."""
    pages = {one.name for one in routes() if one.writes and not one.name.startswith("api_")}
    assert confirmed.UNDECIDED - pages == set()
    wrong = set()
    for route in routes():
        if not route.name.startswith("api_") or "POST" not in route.verbs:
            continue
        act = act_of(route.name)
        person = route.name not in TAKEN_OUT and act not in UNDECIDED
        for page in {act, *SAME.get(act, "").split()} & pages:
            if confirmed.decides(page) != person and page not in BY_BODY.get(act, ()):
                wrong.add((page, act))
    assert wrong == set()


def test_nothing_is_decided_in_a_session_that_nobody_has_confirmed(world: World) -> None:
    user = User.objects.get(username=WHO["all roles"])
    forms = forms_of(world)
    proposed_by(person_of(User.objects.get(username="vera")))
    walker = Walker(world, user, None)
    unsure(walker.client)
    walk(world, walker, forms)
    assert [one for one in walker.answers if one.status >= 500] == []
    changed = {act_of(one.route) for one in walker.answers if one.changed}
    assert changed - UNDECIDED - confirmed.UNDECIDED == set()
    asked = {one.route for one in walker.answers if _asks(one.said)}
    pages = {name for name in asked if not name.startswith("api_")}
    assert {"automatic_hold_release", "batch_sign", "alert_dismiss"} <= pages
    assert [len(pages) > 25, len(asked - pages) > 25] == [True, True], sorted(asked)


def _asks(said: str) -> bool:
    return said == CONFIRM or re.match(r"/accounts/(2fa/)?reauthenticate/", said) is not None
