"""Pages of cases: shown, signed by plain forms, absent when sealed, at a constant query count."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import Capsule
from identities.models import Identity
from reviews import actions
from reviews.actions import entrance
from reviews.models import Case, CaseMember, Decision, Item
from reviews.pages import case as case_page
from reviews.pages import front, queue
from tests import once
from tests.signed_in import sure

from .conftest import NOW, Told, item_of, make_user, party, person_of, seat_of, tell_story

pytestmark = pytest.mark.django_db
PASSWORD = "long enough 4 tests"


@pytest.fixture(autouse=True)
def answered(settings: LazySettings) -> None:
    """The two domain errors are answered by a middleware that the settings list."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    name = "reviews.answering.Middleware"
    if name not in settings.MIDDLEWARE:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, name]


@pytest.fixture
@once.told
def now_story(db: None) -> Told:
    return tell_story()


@pytest.fixture
@once.told
def open_case(now_story: Told) -> Case:
    return actions.open_review(
        identity=now_story.identity, by=now_story.rita, now=timezone.now(), reason="yearly"
    )


@pytest.fixture
def as_user() -> Callable[..., Client]:
    def sign_in(user: Any, *, confirmed: bool = True) -> Client:
        user.set_password(PASSWORD)
        user.save()
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return sure(client) if confirmed else client

    return sign_in


def form(case: Case, kind: str, seat: str, answer: str, **more: Any) -> dict[str, Any]:
    return {
        "item": str(item_of(case, kind).pk),
        "seat": str(seat_of(case, seat).pk),
        "version": Case.objects.get(pk=case.pk).version,
        "answer": answer,
        "reason": "because",
    } | more


@pytest.mark.parametrize("path", ["/", "/queue/", "/cases/", "/cases/{key}/", "/requests/new/"])
def test_pages_show_to_a_signer(
    now_story: Told, open_case: Case, as_user: Callable[..., Client], path: str
) -> None:
    response = as_user(now_story.ines).get(path.format(key=open_case.key))
    assert response.status_code == 200
    if path != "/requests/new/":
        assert open_case.key.encode() in response.content


def test_pages_need_a_login(open_case: Case) -> None:
    response = Client().get(f"/cases/{open_case.key}/")
    assert (response.status_code, response["Location"].split("?")[0]) == (302, "/accounts/login/")


def test_case_json_has_the_same_facts(
    now_story: Told, open_case: Case, as_user: Callable[..., Client]
) -> None:
    data = as_user(now_story.ines).get(f"/cases/{open_case.key}.json").json()
    assert (data["case"], data["state"], [item["kind"] for item in data["items"]]) == (
        open_case.key,
        "open",
        ["delegation", "credential"],
    )


def test_decide_by_a_plain_form(
    now_story: Told, open_case: Case, as_user: Callable[..., Client]
) -> None:
    client = sure(as_user(now_story.ines))
    said = form(open_case, "credential", "identity_owner", "keep")
    response = client.post(f"/cases/{open_case.key}/decide/", said)
    assert response.status_code == 302
    row = Decision.objects.get()
    assert (row.answer, row.by, row.capsule is not None) == ("keep", now_story.ines, True)
    page = client.get(response["Location"]).content.decode()
    assert f"/cases/{open_case.key}/undo/" in page
    capsule = Capsule.objects.get()
    data = client.get(f"/cases/{open_case.key}/capsules/{capsule.key}.json").json()
    assert data["digest"] == bytes(capsule.digest).hex()


@pytest.mark.parametrize("answer", ["keep", "revoke", "dont_know"])
def test_answer_asks_who_you_are_once_and_goes_on_afterwards(
    now_story: Told, open_case: Case, as_user: Callable[..., Client], answer: str
) -> None:
    client = as_user(now_story.ines, confirmed=False)
    said = form(open_case, "credential", "identity_owner", answer)
    response = client.post(f"/cases/{open_case.key}/decide/", said)
    assert response["Location"].split("?")[0] == "/accounts/reauthenticate/"
    assert Decision.objects.count() == 0
    response = client.post(response["Location"], {"password": PASSWORD})
    assert Decision.objects.get().answer == answer
    # The next one within five minutes asks nothing.
    other = form(open_case, "delegation", "identity_owner", "keep")
    assert client.post(f"/cases/{open_case.key}/decide/", other)["Location"].startswith("/cases/")
    assert Decision.objects.count() == 2


def test_revoke_by_who_has_just_confirmed_asks_no_more(
    now_story: Told, open_case: Case, as_user: Callable[..., Client]
) -> None:
    client = as_user(now_story.ines, confirmed=True)
    said = form(open_case, "credential", "identity_owner", "revoke")
    response = client.post(f"/cases/{open_case.key}/decide/", said)
    assert response["Location"].startswith(f"/cases/{open_case.key}/")
    assert Decision.objects.get().answer == "revoke"


def test_revoke_by_a_login_that_can_confirm_nothing_is_refused(
    now_story: Told, open_case: Case, settings: LazySettings
) -> None:
    settings.DEMO = False
    now_story.ines.set_unusable_password()
    now_story.ines.save()
    client = Client()
    client.force_login(now_story.ines, backend="django.contrib.auth.backends.ModelBackend")
    said = form(open_case, "credential", "identity_owner", "revoke")
    response = client.post(f"/cases/{open_case.key}/decide/", said)
    assert (response.status_code, Decision.objects.count()) == (403, 0)
    settings.DEMO = True
    response = client.post(f"/cases/{open_case.key}/decide/", said)
    assert (response.status_code, Decision.objects.get().answer) == (302, "revoke")


def test_decide_with_an_old_version_keeps_what_was_typed(
    now_story: Told, open_case: Case, as_user: Callable[..., Client]
) -> None:
    old = form(open_case, "credential", "identity_owner", "keep", reason="a careful reason")
    sure(as_user(now_story.samuel)).post(
        f"/cases/{open_case.key}/decide/", form(open_case, "credential", "ai_owner", "keep")
    )
    response = sure(as_user(now_story.ines)).post(f"/cases/{open_case.key}/decide/", old)
    page = response.content.decode()
    assert response.status_code == 409
    assert "Samuel signed at" in page
    assert "a careful reason" in page


@pytest.mark.parametrize(("who", "status"), [("samuel", 403), ("otto", 403), ("rita", 403)])
def test_decide_in_somebody_elses_seat_says_why(
    now_story: Told, open_case: Case, as_user: Callable[..., Client], who: str, status: int
) -> None:
    said = form(open_case, "credential", "identity_owner", "keep")
    response = as_user(getattr(now_story, who)).post(f"/cases/{open_case.key}/decide/", said)
    assert (response.status_code, Decision.objects.count()) == (status, 0)


def test_decide_without_a_reason_says_so(
    now_story: Told, open_case: Case, as_user: Callable[..., Client]
) -> None:
    said = form(open_case, "credential", "identity_owner", "keep", reason="")
    response = sure(as_user(now_story.ines)).post(f"/cases/{open_case.key}/decide/", said)
    assert response.status_code == 400
    assert "Say why: other reviewers read it." in response.content.decode()


@pytest.mark.parametrize(
    "path",
    ["/cases/{key}/", "/cases/{key}.json", "/api/cases/{key}/", "/cases/{key}/decide/"],
)
@pytest.mark.parametrize("who", ["rita", "otto", "ines", "root"])
def test_sealed_case_is_absent_on_every_path(
    now_story: Told, open_case: Case, as_user: Callable[..., Client], who: str, path: str
) -> None:
    Case.objects.filter(pk=open_case.pk).update(sealed=True)
    CaseMember.objects.create(case=open_case, person=person_of(now_story.samuel), since=NOW)
    root = make_user("root", "administrator")
    root.is_superuser = True
    client = as_user(root if who == "root" else getattr(now_story, who))
    address = path.format(key=open_case.key)
    method = client.post if address.endswith("decide/") else client.get
    assert method(address).status_code == 404
    assert as_user(now_story.samuel).get(f"/cases/{open_case.key}/").status_code == 200


@pytest.mark.parametrize("path", ["/", "/queue/", "/cases/", "/api/cases/"])
@pytest.mark.parametrize("who", ["rita", "otto", "ines"])
def test_sealed_case_is_in_no_list(
    now_story: Told, open_case: Case, as_user: Callable[..., Client], who: str, path: str
) -> None:
    Case.objects.filter(pk=open_case.pk).update(sealed=True)
    page = as_user(getattr(now_story, who)).get(path).content.decode()
    assert open_case.key not in page


def queries(run: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as seen:
        run()
    return len(seen)


@pytest.mark.parametrize("page", [front.context, queue.mine, queue.all_cases])
def test_lists_cost_the_same_at_1_and_at_30_cases(now_story: Told, page: Any) -> None:
    now = timezone.now()
    actions.open_review(identity=now_story.identity, by=now_story.rita, now=now, reason="x")
    # A draft of hers, of which there are 30 afterwards: without one there is nothing to count.
    Identity.objects.create(
        name="svc", kind="workload", owner=party(now_story.ines), created_at=NOW
    )

    def fresh() -> Any:
        return type(now_story.ines).objects.select_related("person").get(pk=now_story.ines.pk)

    one = queries(lambda: page(fresh(), {}, now=now))
    for number in range(29):
        identity = Identity.objects.create(
            name=f"svc-{number}",
            kind="workload",
            service=now_story.service,
            owner=party(now_story.ines),
            sponsor=party(now_story.leila),
            created_at=NOW,
        )
        identity.refresh_from_db()
        case = actions.open_review(identity=identity, by=now_story.rita, now=now, reason="x")
        Item.objects.create(case=case, position=90, kind="step", title="x")
    assert len(page(fresh(), {}, now=now)["waits"]) in (8, 30)
    assert queries(lambda: page(fresh(), {}, now=now)) == one


def test_case_page_costs_the_same_at_2_and_at_32_items(now_story: Told, open_case: Case) -> None:
    now = timezone.now()
    first = item_of(open_case, "credential")
    asked = {"item": str(first.pk)}

    def run() -> Any:
        case = Case.objects.select_related("identity__service", "policy", "requester").get(
            pk=open_case.pk
        )
        user = type(now_story.ines).objects.select_related("person").get(pk=now_story.ines.pk)
        return case_page.context(case, user, asked, now=now)

    few = queries(run)
    for number in range(30):
        Item.objects.create(case=open_case, position=50 + number, kind="step", title=f"s{number}")
    assert sum(group["n"] for group in run()["item_groups"]) == 32
    assert queries(run) == few


def test_request_form_opens_a_case(now_story: Told, as_user: Callable[..., Client]) -> None:
    client = as_user(now_story.rita)
    said = {
        "identity": now_story.identity.key,
        "actions": "s3:PutObject",
        "resources": "archive/*",
        "purpose": "a copy",
        "ends_at": (timezone.now() + timedelta(days=9)).strftime("%Y-%m-%d %H:%M"),
        "reason": "audit",
    }
    response = client.post("/requests/new/", said)
    case = Case.objects.get(door="access_request")
    assert (response.status_code, response["Location"]) == (302, f"/cases/{case.key}/")
    wrong = client.post("/requests/new/", said | {"identity": "nobody"})
    assert wrong.status_code == 400
    assert "No identity you see is called" in wrong.content.decode()


def test_open_review_from_the_line(now_story: Told, as_user: Callable[..., Client]) -> None:
    client = as_user(now_story.rita)
    response = client.post(f"/identities/{now_story.identity.key}/open-review/")
    assert response["Location"] == f"/cases/{Case.objects.get().key}/"
    refused = as_user(now_story.otto).post(f"/identities/{now_story.identity.key}/open-review/")
    assert (refused.status_code, Case.objects.count()) == (403, 1)
    assert "auditors read everything" in refused.content.decode()


def test_sign_in_link_works_once_and_only_where_it_may(
    now_story: Told, settings: LazySettings
) -> None:
    settings.DEMO = True
    token = entrance.issue_link(user=now_story.ines, now=timezone.now(), demo=True)
    settings.DEMO = False
    assert Client().get(f"/sign-in/{token}/").status_code == 404
    settings.DEMO = True
    client = Client()
    assert "Ines" in client.get(f"/sign-in/{token}/").content.decode()
    assert "_auth_user_id" not in client.session
    assert client.post(f"/sign-in/{token}/").status_code == 302
    assert client.session["_auth_user_id"] == str(now_story.ines.pk)
    assert "account_authentication_methods" not in client.session
    assert Client().post(f"/sign-in/{token}/").status_code == 404


def test_hostile_words_are_escaped(now_story: Told, as_user: Callable[..., Client]) -> None:
    now_story.identity.name = "<img src=x onerror=alert(1)>"
    now_story.identity.save(update_fields=["name"])
    case = actions.open_review(
        identity=now_story.identity,
        by=now_story.rita,
        now=timezone.now(),
        reason="<script>alert(1)</script>",
    )
    page = as_user(now_story.ines).get(f"/cases/{case.key}/").content.decode()
    assert "<img src=x" not in page
    assert "<script>alert(1)" not in page
