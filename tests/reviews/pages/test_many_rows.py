"""Pages with one row and with thirty ask the database the same number of questions.

And text that an attacker wrote into a log stays text on every page that shows it.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.models import Actor
from identities.models import Binding, Credential, Finding, Identity, User
from tests.planted import Planted

SQL: list[str] = []
pytestmark = pytest.mark.django_db
HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}</script>"
ESCAPED = "&lt;img src=x onerror=alert(1)&gt;"


@pytest.fixture
def client(planted: Planted) -> Client:
    found = Client()
    found.force_login(
        User.objects.get(username="ines"), backend="django.contrib.auth.backends.ModelBackend"
    )
    return found


@pytest.fixture
def more(planted: Planted) -> Callable[[int], None]:
    """Make this many more of everything that lists show, all with names an attacker chose."""

    def make(many: int) -> None:
        like = Identity.objects.get(name="report-agent")
        for _ in range(many):
            mark = uuid4().hex[:8]
            identity = Identity.objects.create(
                name=f"{HOSTILE}{mark}",
                kind="agent",
                service=like.service,
                owner=like.owner,
                sponsor=like.sponsor,
                purpose=HOSTILE,
                expires_at=like.expires_at,
                state="active",
                created_at=planted.now,
            )
            actor = Actor.objects.create(
                key=uuid4(),
                realm="aws",
                kind="access_key",
                value=f"{HOSTILE}{mark}",
                created_at=planted.now,
            )
            Credential.objects.create(
                actor=actor,
                identity=identity,
                kind="access_key",
                standing=True,
                issued_at=planted.now,
                state_at=planted.now,
            )
            Finding.objects.create(
                identity=identity,
                rule="outside_resources",
                family=HOSTILE,
                strength=3,
                words=f"used {HOSTILE}",
                count=1,
                first_at=planted.now,
                last_at=planted.now,
                opened_at=planted.now,
                state_at=planted.now,
            )
            seen = Actor.objects.create(
                key=uuid4(),
                realm="otel:agent-traces",
                kind="agent",
                value=f"{HOSTILE}-{mark}",
                created_at=planted.now,
            )
            Binding.objects.create(
                identity=identity,
                actor=seen,
                basis="observed",
                state="proposed",
                seen=25,
                reason=f"25 calls of {HOSTILE}",
                during=(planted.now - timedelta(days=1), None),
                recorded_at=planted.now,
                by="countersign",
            )

    return make


def questions(client: Client, page: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(page).status_code == 200
    return len(seen)


@pytest.mark.parametrize(
    "page",
    [
        "/",
        "/queue/",
        "/cases/",
        "/identities/",
        "/findings/",
        "/credentials/",
        "/ai-systems/",
        "/unclaimed/",
    ],
)
def test_lists_ask_the_same_for_thirty_rows(
    client: Client, more: Callable[[int], None], page: str
) -> None:
    more(1)
    client.get(page)
    one = questions(client, page)
    more(30)
    assert questions(client, page) == one


@pytest.mark.parametrize("page", ["/identities/", "/findings/", "/credentials/", "/unclaimed/"])
def test_hostile_names_stay_text(client: Client, more: Callable[[int], None], page: str) -> None:
    more(1)
    text = client.get(page).content.decode()
    assert ("<img src=x" in text, ESCAPED in text, "49</script>" in text) == (False, True, False)


def test_hostile_names_stay_text_on_their_own_pages(
    client: Client, more: Callable[[int], None]
) -> None:
    more(1)
    identity = Identity.objects.latest("number")
    credential, finding = identity.credentials.get(), identity.findings.get()
    for page in (
        f"/identities/{identity.key}/",
        f"/credentials/{credential.key}/",
        f"/findings/{finding.key}/",
    ):
        text = client.get(page).content.decode()
        assert ("<img src=x" in text, ESCAPED in text) == (False, True)
    lanes = client.get(f"/identities/{identity.key}/lanes.json")
    assert (lanes.status_code, lanes["Content-Type"]) == (200, "application/json")
