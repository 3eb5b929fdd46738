"""No answer that a view makes is kept by a browser or a proxy: each one says `no-store`."""

from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from tests.signed_in import sure

from .conftest import Told
from .test_addresses import addresses

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("signed_in", [True, False])
def test_every_address_answers_no_store(story: Told, client: Client, *, signed_in: bool) -> None:
    if signed_in:
        client.force_login(story.rita)
        sure(client)
    found = {}
    for here in sorted({here for here, _ in addresses() if not here.startswith("/static/")}):
        answer = client.get(here)
        found[here] = (answer.status_code, answer.headers.get("Cache-Control", ""))
    assert len(found) > 150
    assert [here for here, said in found.items() if "no-store" not in said[1]] == []
    # Pages, refusals, redirects and answers of the API were among them.
    statuses = {status for status, _ in found.values()}
    assert statuses >= ({200, 302, 403, 404, 405} if signed_in else {200, 302, 401, 405})


@pytest.mark.parametrize(
    ("here", "kind"),
    [
        ("/api/identities/", "application/json"),
        ("/api/cases/", "application/json"),
        ("/queue.csv", "text/csv; charset=utf-8"),
        ("/api/export/credentials/", "application/x-ndjson"),
        ("/ledger/keys.json", "application/jwk-set+json"),
        ("/ledger/export/", "application/x-ndjson"),
        ("/api/schema/", "application/vnd.oai.openapi"),
    ],
)
def test_data_is_not_stored(story: Told, client: Client, here: str, kind: str) -> None:
    client.force_login(story.rita)
    sure(client)
    answer = client.get(here)
    assert (answer.status_code, answer["Content-Type"].partition("; charset")[0]) == (
        200,
        kind.partition("; charset")[0],
    )
    assert answer["Cache-Control"] == "no-store, private"


@pytest.mark.parametrize("here", ["/v1/traces", "/api/evidence/x/", "/api/identities/"])
def test_refusals_of_the_api_are_not_stored(client: Client, here: str) -> None:
    answer = client.post(here, b"{}", content_type="application/json")
    assert answer.status_code in (401, 403)
    assert answer["Cache-Control"] == "no-store, private"


def test_static_files_may_be_stored(client: Client) -> None:
    place = Path(settings.STATIC_ROOT)
    name = next(path for path in sorted(place.rglob("*.css")) if path.is_file())
    answer = client.get(f"{settings.STATIC_URL}{name.relative_to(place).as_posix()}")
    answer.close()
    assert (answer.status_code, "public" in answer["Cache-Control"]) == (200, True)
