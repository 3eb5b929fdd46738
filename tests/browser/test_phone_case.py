"""A case on the phone: the form of the open item comes before the table of all items."""

import pytest

from identities.models import User
from reviews.models import Case
from tests.browser.conftest import Open
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("width", "first"), [(390, "decision"), (1440, "items")])
def test_the_form_of_the_open_item_comes_first_on_the_phone(
    open_as: Open, planted: Planted, width: int, first: str
) -> None:
    case = Case.objects.get(door="access_review", trigger="", identity__name="report-agent")
    page = open_as(User.objects.get(username="ines"))
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"/cases/{case.key}/")
    # On the desk the form stands beside the rest, to its right.
    place = {name: page.locator(f"#{name}-title").bounding_box() for name in ("decision", "items")}
    decision, items = place["decision"], place["items"]
    assert decision is not None
    assert items is not None
    if first == "decision":
        assert decision["y"] + decision["height"] < items["y"]
    else:
        assert decision["x"] > items["x"] + items["width"]
