"""Every act of a page has an endpoint of the API, or stands in a table with the reason why not."""

from tests.road.insider_endpoints import SAME, WITHOUT
from tests.road.insider_routes import routes
from tests.road.insider_table import act_of


def test_every_act_of_a_page_has_an_endpoint_or_a_reason() -> None:
    writing = {one.name for one in routes() if one.writes}
    endpoints = {act_of(name) for name in writing if name.startswith("api_")}
    own = ("account_", "mfa_", "api_")
    pages = {name for name in writing if not name.startswith(own)}
    same = {page for those in SAME.values() for page in those.split()}
    without = {page for those in WITHOUT.values() for page in those.split()}
    assert SAME.keys() - endpoints == set()
    assert (same | without) - pages == set()
    assert pages - endpoints - same - without == set()
    assert [pages & endpoints & (same | without), same & without] == [set(), set()]
