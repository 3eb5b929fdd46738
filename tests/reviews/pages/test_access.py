"""Who sees which page of the story: everybody signed in their own, and others none."""

import pytest
from django.test import Client

from evidence.models import Run
from identities.models import Binding, Credential, Delegation, Finding, Identity, User
from reviews.models import Case
from tests.planted import Planted

pytestmark = pytest.mark.django_db
PAGES = (
    "/",
    "/queue/",
    "/cases/",
    "/cases/{case}/",
    "/cases/{case}.json",
    "/requests/new/",
    "/identities/",
    "/identities/{identity}/",
    "/identities/{identity}/lanes.json",
    "/runs/{run}/",
    "/findings/",
    "/findings/{finding}/",
    "/credentials/",
    "/credentials/{credential}/",
    "/ai-systems/",
    "/unclaimed/",
    "/profile/",
)
OF_AN_IDENTITY = tuple(page for page in PAGES if "{" in page)
CHANGES = (
    "/cases/{case}/decide/",
    "/cases/{case}/cancel/",
    "/identities/{identity}/open-review/",
    "/findings/{finding}/dispose/",
    "/credentials/{credential}/hold/",
)


@pytest.fixture
def keys(planted: Planted) -> dict[str, str]:
    agent = Identity.objects.get(name="report-agent")
    return {
        "identity": agent.key,
        "case": Case.objects.get(door="access_review", trigger="", identity=agent).key,
        "finding": Finding.objects.filter(identity=agent).earliest("first_at").key,
        "credential": Credential.objects.filter(identity=agent).earliest("issued_at").key,
        "run": f"RUN-{Run.objects.filter(agent__value='report-agent').earliest('first_at').pk}",
    }


def signed_in(login: str) -> Client:
    client = Client()
    client.force_login(
        User.objects.get(username=login), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


@pytest.mark.parametrize("login", ["ines", "samuel", "leila", "aisha", "jonas"])
def test_pages_show_to_those_who_may_read(keys: dict[str, str], login: str) -> None:
    client = signed_in(login)
    seen = {page: client.get(page.format(**keys)).status_code for page in PAGES}
    assert seen == dict.fromkeys(PAGES, 200)


def test_pages_of_an_identity_are_absent_for_an_owner_of_others(keys: dict[str, str]) -> None:
    client = signed_in("elena")
    seen = {page: client.get(page.format(**keys)).status_code for page in OF_AN_IDENTITY}
    assert seen == dict.fromkeys(OF_AN_IDENTITY, 404)
    listed = client.get("/identities/").content.decode()
    assert ("support-copilot" in listed, "report-agent" in listed) == (True, False)


def test_pages_ask_nobody_for_a_login_twice(keys: dict[str, str]) -> None:
    seen = {page: Client().get(page.format(**keys)) for page in PAGES}
    assert {page: one.status_code for page, one in seen.items()} == dict.fromkeys(PAGES, 302)
    assert {one["Location"].split("?")[0] for one in seen.values()} == {"/accounts/login/"}


@pytest.mark.parametrize("page", CHANGES)
def test_auditor_changes_nothing(keys: dict[str, str], page: str) -> None:
    """Every button's address answers an auditor with a reason, or asks for a password first."""
    before = state()
    response = signed_in("aisha").post(page.format(**keys), {"reason": "because"})
    assert (response.status_code in (302, 400, 403, 409), state()) == (True, before)


def state() -> list[object]:
    return [
        sorted(model.objects.values_list("pk", "state"))
        for model in (Case, Finding, Credential, Binding)
    ]


@pytest.mark.parametrize(
    "page",
    [
        "/identities/NHI-999999/",
        "/identities/..%2Fx/",
        "/findings/F-0/",
        "/findings/F-x/",
        "/credentials/CRED-99999999999999999/",
        "/runs/RUN-0/",
        "/cases/CS-1/",
        "/cases/CS-1%00/",
    ],
)
def test_keys_of_nothing_are_absent(keys: dict[str, str], page: str) -> None:
    assert signed_in("ines").get(page).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "?q=%00",
        "?page=-1",
        "?page=99999999999999999999",
        "?at=yesterday",
        "?at=9999-12-31T23:59",
        "?kind=nothing&state=nothing&owner=x",
        "?item=x",
        "?before=zzz",
        "?from=1&to=0",
        "?q=" + "x" * 5_000,
    ],
)
@pytest.mark.parametrize(
    "page",
    [
        "/identities/",
        "/identities/{identity}/",
        "/findings/",
        "/credentials/",
        "/unclaimed/",
        "/queue/",
        "/cases/",
        "/identities/{identity}/lanes.json",
    ],
)
def test_odd_queries_do_no_harm(keys: dict[str, str], page: str, query: str) -> None:
    assert signed_in("ines").get(page.format(**keys) + query).status_code in (200, 404)


def test_as_of_before_the_beginning_shows_no_acts(keys: dict[str, str]) -> None:
    page = signed_in("ines").get(f"/identities/{keys['identity']}/?at=2020-01-01T00:00:00Z")
    text = page.content.decode()
    assert ("as it was" in text, "open-review" in text) == (True, False)


def test_delegations_signed_in_a_case_name_who_granted_them(planted: Planted) -> None:
    grantors = Delegation.objects.filter(grantee__name="report-agent").values_list(
        "grantor__person__name", flat=True
    )
    assert set(grantors) == {"Priya Raman"}


def test_lanes_as_of_before_the_beginning_are_empty(keys: dict[str, str]) -> None:
    client = signed_in("ines")
    path = f"/identities/{keys['identity']}/lanes.json"
    then = client.get(f"{path}?at=2020-01-01T00:00:00Z").json()
    assert (then["events"], then["marks"], then["life"]["credentials"]) == ([], [], [])
    assert client.get(path).json()["events"] != []
