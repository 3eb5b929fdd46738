"""The first second factor of a login: announced, delayed and cancelled, or at once through a link."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import LazySettings
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import User
from reviews import enrolled, recovering
from reviews.models import Decision, Notice, Recovery
from reviews.pages import waiting
from reviews.pages.recovery_rows import DUE

from .conftest import NOW, Told, make_user
from .permission_recoveries import recovery, with_factor
from .test_pages import PASSWORD, answered, as_user, form, now_story, open_case

__all__ = ["answered", "as_user", "now_story", "open_case"]

pytestmark = pytest.mark.django_db
SIGN_IN, ADD, REMOVE = (
    "/accounts/login/",
    "/accounts/2fa/totp/activate/",
    "/accounts/2fa/totp/deactivate/",
)


@pytest.fixture(autouse=True)
def required(settings: LazySettings) -> None:
    settings.SECOND_FACTOR = True


@pytest.fixture
def bea(db: None) -> User:
    """Who has a password, and no second factor."""
    user = make_user("bea", "reviewer")
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def ada(db: None) -> User:
    return with_factor(make_user("ada", "administrator"))


def code_of(secret: str) -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return str(format_hotp_value(hotp_value(secret, counter)))


def signed_in(user: User, browser: Client | None = None) -> Client:
    browser = browser or Client()
    browser.post(SIGN_IN, {"login": user.username, "password": PASSWORD})
    assert browser.session["_auth_user_id"] == str(user.pk)
    return browser


def add(browser: Client) -> str:
    """Add an authenticator app, giving the password where it is asked for; its secret."""
    page = browser.get(ADD, follow=True)
    if "form" in page.context and "password" in page.context["form"].fields:
        page = browser.post(page.redirect_chain[-1][0], {"password": PASSWORD}, follow=True)
    secret: str = page.context["form"].secret
    assert browser.post(ADD, {"code": code_of(secret)}).status_code == 302
    return secret


def why(user: User) -> str | None:
    return enrolled.why_not_without_factor(User.objects.get(pk=user.pk))


def link(user: User) -> str:
    out = io.StringIO()
    call_command("login", user.username, stdout=out)
    return out.getvalue().splitlines()[-1]


def test_first_factor_added_by_password_alone_is_announced_and_counts_after_the_delay(
    bea: User, ada: User
) -> None:
    browser = signed_in(bea)
    add(browser)
    row = Recovery.objects.get()
    assert (row.kind, row.state, row.user) == ("first factor", "pending", bea)
    assert row.due_at - row.asked_at == timedelta(hours=24)
    said = why(bea)
    assert said == enrolled.WAITS.format(due=row.due_at)
    told = {one.person for one in Notice.objects.filter(occasion=f"{row.key} asked")}
    assert told == {bea.person, ada.person}
    # Its own pages say when, and lead to no second enrolment.
    page = browser.get("/recoveries/").content.decode()
    assert "Remove the factor" in page
    assert "Add a second factor" not in page
    assert not recovering.carry_out_next(now=row.due_at - timedelta(seconds=1))
    assert why(bea) == said
    assert recovering.carry_out_next(now=row.due_at)
    assert why(bea) is None
    row.refresh_from_db()
    assert row.state == "in force"
    # Nobody has to review it, and nothing is pending any more.
    assert not recovering.waiting().exists()
    assert "since" in browser.get("/recoveries/").content.decode()


def test_another_person_cancels_it_and_the_factor_is_gone(
    bea: User, ada: User, as_user: Callable[..., Client]
) -> None:
    browser = signed_in(bea)
    add(browser)
    row = Recovery.objects.get()
    page = as_user(ada)
    assert "1 login recovery or first second factor" in page.get("/queue/").content.decode()
    assert page.post(f"/recoveries/{row.pk}/cancel/", {"reason": "not hers"}).status_code == 302
    assert not Authenticator.objects.filter(user=bea).exists()
    assert why(bea) == enrolled.WITHOUT
    entry = LedgerEntry.objects.get(act="recovery.cancelled")
    assert entry.data["removed"] == ["recovery_codes", "totp"]
    # Whoever is still signed in and adds one again is announced again.
    add(browser)
    assert Recovery.objects.filter(cancelled_at=None).count() == 1
    assert why(bea) is not None


def test_login_without_a_role_is_not_told_to_everybody(ada: User) -> None:
    ann = make_user("ann")
    ann.set_password(PASSWORD)
    ann.save()
    add(signed_in(ann))
    assert {one.person for one in Notice.objects.all()} == {ann.person}


def test_link_of_the_host_lets_the_first_factor_count_at_once(bea: User, ada: User) -> None:
    address = link(bea)
    assert "/from-host/factor/" in address
    browser = Client()
    opened = browser.get(address)
    assert opened["Location"] == f"{SIGN_IN}?next={enrolled.PAGE}"
    # The link gives nothing to who does not know the password.
    assert "_auth_user_id" not in browser.session
    add(signed_in(bea, browser))
    assert why(bea) is None
    assert not Recovery.objects.exists()
    assert LedgerEntry.objects.filter(act="recovery.enrolled").count() == 1
    assert Client().get(address).status_code == 404
    # There is none for who has a factor.
    assert "from-host" not in link(bea)


def test_link_is_for_its_login_and_an_hour(bea: User, ada: User) -> None:
    carl = make_user("carl", "reviewer")
    carl.set_password(PASSWORD)
    carl.save()
    browser = Client()
    browser.get(link(carl))
    add(signed_in(bea, browser))
    assert Recovery.objects.get().user == bea
    late = Client()
    late.get(link(carl))
    session = late.session
    session["link_of_the_host"] = {**session["link_of_the_host"], "until": 0}
    session.save()
    add(signed_in(carl, late))
    assert why(carl) is not None


@pytest.mark.parametrize("what", ["password", "factor", "role"])
def test_key_that_was_sent_by_mail_opens_no_link_of_the_host(bea: User, what: str) -> None:
    key = default_token_generator.make_token(bea)
    address = f"/from-host/{what}/{user_pk_to_url_str(bea)}/{key}/"
    answer = Client().get(address)
    assert answer.status_code == 404
    assert "works once" in answer.content.decode()


def test_factor_link_sets_no_password(bea: User) -> None:
    address = link(bea).replace("/factor/", "/password/")
    assert Client().get(address).status_code == 404


def test_one_that_was_given_just_now_is_replaced_at_once(bea: User, ada: User) -> None:
    browser = Client()
    browser.get(link(bea))
    secret = add(signed_in(bea, browser))
    again = Client()
    again.post(SIGN_IN, {"login": "bea", "password": PASSWORD})
    cache.clear()  # allauth takes each code once
    again.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})
    cache.clear()
    asked = again.get(REMOVE)
    assert asked["Location"].startswith("/accounts/2fa/reauthenticate/")
    again.post(asked["Location"], {"code": code_of(secret)})
    assert again.post(REMOVE).status_code == 302
    assert why(bea) == enrolled.WITHOUT
    add(again)
    assert (why(bea), Recovery.objects.count()) == (None, 0)


def test_one_that_was_cancelled_just_now_is_not_replaced_at_once(bea: User, ada: User) -> None:
    secret = add(signed_in(bea))
    browser = Client()
    browser.post(SIGN_IN, {"login": "bea", "password": PASSWORD})
    cache.clear()
    browser.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})
    assert browser.session["account_authentication_methods"][-1]["method"] == "mfa"
    recovering.cancel(row=Recovery.objects.get(), reason="no", by=ada, now=timezone.now())
    add(browser)
    assert why(bea) is not None


def test_password_alone_confirms_nothing_of_a_login_with_a_factor(
    now_story: Told, open_case: Any, as_user: Callable[..., Client]
) -> None:
    ines = with_factor(now_story.ines, secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    browser = as_user(ines, confirmed=False)
    said = form(open_case, "credential", "identity_owner", "keep")
    asked = browser.post(f"/cases/{open_case.key}/decide/", said)
    assert asked["Location"].startswith("/accounts/2fa/reauthenticate/")
    ines.set_password(PASSWORD)
    ines.save()
    browser.force_login(ines, backend="django.contrib.auth.backends.ModelBackend")
    asked = browser.post(f"/cases/{open_case.key}/decide/", said)
    by_password = asked["Location"].replace("/2fa/", "/")
    refused = browser.post(by_password, {"password": PASSWORD})
    assert refused["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert not Decision.objects.exists()
    code = code_of("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    assert browser.post(asked["Location"], {"code": code}).status_code == 302
    assert Decision.objects.get().answer == "keep"


def test_recovery_that_waits_for_a_review_is_a_row_of_the_queue(
    story: Told, as_user: Callable[..., Client], settings: LazySettings
) -> None:
    settings.SECOND_FACTOR = False
    row = recovery(story.ines, state="carried out")
    recovery(story.ines, state="pending", kind="password")
    (one,) = waiting.for_user(story.rita, now=NOW)
    due = NOW - timedelta(hours=23) + DUE
    assert (one.key, one.url, one.deadline_at) == (row.key, "/recoveries/", due)
    assert waiting.count(story.rita, now=NOW, most=9) == 1
    # Who may not review it, or whose it is, has no such row.
    for user in (story.otto, story.ines, make_user("ann")):
        assert waiting.for_user(user, now=NOW) == []
    filters: list[dict[str, Any]] = [
        {"q": "nothing"},
        {"seat": "ai_owner"},
        {"due": "passed"},
        {"system": "x"},
    ]
    for narrowed in filters:
        assert waiting.for_user(story.rita, now=NOW, **narrowed) == []
    assert waiting.for_user(story.rita, now=due, due="passed", q="ines") == [one]
    client = as_user(story.rita)
    words = "The second factor of the login ines was recovered"
    for path in ("/queue/", "/", "/queue/?group=system", "/queue/?show=items"):
        page = client.get(path).content.decode()
        assert (words in page) is ("items" not in path)
    (out,) = orjson.loads(client.get("/queue.json").getvalue())
    assert (out["case"], out["kind"], out["title"]) == (row.key, "recovery", words)
    assert out["url"].endswith("/recoveries/")
    assert row.key in client.get("/queue.csv").getvalue().decode()
