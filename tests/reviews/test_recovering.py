"""Recovering a login: announced, delayed, cancelled by others, carried out once, reviewed by another."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import User
from identities.permissions import NotAllowed, NotPossible
from reviews import checks, recovering
from reviews.models import Notice, Recovery
from reviews.tasks import recoveries

from .conftest import NOW, Told, make_user
from .permission_recoveries import recovery, with_factor
from .test_api import token
from .test_pages import PASSWORD, answered, as_user

__all__ = ["answered", "as_user"]

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def ada(db: None) -> User:
    user = make_user("ada", "administrator")
    user.set_password(PASSWORD)
    user.save()
    return with_factor(user)


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("recover", *words, stdout=out)
    return out.getvalue()


def lose(user: User, kind: str = "factor") -> Recovery:
    return recovering.ask(
        login=user.username, kind=kind, reason="it fell into the sea", asker="root", now=NOW
    )


def factors(user: User) -> int:
    return int(Authenticator.objects.filter(user=user).count())


def acts() -> list[str]:
    rows = LedgerEntry.objects.filter(act__startswith="recovery.").order_by("pk")
    return [one.act.removeprefix("recovery.") for one in rows]


def test_factor_is_removed_after_the_delay_and_not_before(ada: User) -> None:
    bea, groups = make_user("bea", "reviewer"), set(ada.groups.values_list("name", flat=True))
    row = lose(ada)
    assert (row.due_at, row.state) == (NOW + 24 * HOUR, "pending")
    assert not recovering.carry_out_next(now=row.due_at - timedelta(seconds=1))
    assert factors(ada) == 1
    assert recovering.carry_out_next(now=row.due_at)
    assert not recovering.carry_out_next(now=row.due_at)
    row.refresh_from_db()
    assert (factors(ada), row.state, acts()) == (0, "carried out", ["asked", "done"])
    assert LedgerEntry.objects.get(act="recovery.done").data["removed"] == ["totp"]
    # Authority is what it was, and so is the password.
    ada.refresh_from_db()
    assert set(ada.groups.values_list("name", flat=True)) == groups
    assert ada.check_password(PASSWORD)
    with pytest.raises(NotAllowed, match="another person"):
        recovering.review(row=row, verdict="as stated", words="x", by=ada, now=row.due_at)
    assert "not reviewed: REC-" in checks._recoveries()[2]
    row = recovering.review(row=row, verdict="misuse", words="asked her", by=bea, now=row.due_at)
    assert (row.state, row.reviewed_person, acts()[-1]) == ("reviewed", bea.person, "reviewed")
    with pytest.raises(NotAllowed, match="reviewed"):
        recovering.review(row=row, verdict="misuse", words="again", by=bea, now=row.due_at)
    assert checks._recoveries()[:3] == ("login recoveries", True, "none waits")


def test_factor_added_during_the_delay_stays(ada: User) -> None:
    row = lose(ada)
    Authenticator.objects.filter(user=ada).update(created_at=NOW + HOUR)
    assert recovering.carry_out_next(now=row.due_at)
    assert factors(ada) == 1


def test_everybody_who_decides_is_told_at_each_step(ada: User, settings: LazySettings) -> None:
    settings.ALERT_EMAIL, settings.WEBHOOK_URL = "alarm@example.org", "https://chat.example.org/x"
    for name in ("reviewer", "owner", "responder", "auditor"):
        make_user(f"an-{name}", name)
    make_user("ann")
    row = lose(ada)
    told = Notice.objects.filter(occasion=f"{row.key} asked")
    names = {one.person.name for one in told if one.person is not None}
    assert names == {"Ada", "An-Reviewer", "An-Owner", "An-Responder"}
    assert {one.address for one in told if one.person is None} == {
        "alarm@example.org",
        "https://chat.example.org/x",
    }
    body = told.first()
    assert body is not None
    assert "it fell into the sea" in body.body
    recovering.cancel(row=row, reason="not me", by=ada, now=NOW)
    assert Notice.objects.filter(occasion=f"{row.key} cancelled").count() == 6


def test_cancelled_is_not_carried_out(ada: User) -> None:
    bea, row = make_user("bea", "owner"), lose(ada)
    with pytest.raises(NotPossible, match="why it is cancelled"):
        recovering.cancel(row=row, reason=" ", by=bea, now=NOW)
    row = recovering.cancel(row=row, reason="she has it", by=bea, now=NOW + HOUR)
    assert not recovering.carry_out_next(now=row.due_at)
    assert (factors(ada), row.state, acts()) == (1, "cancelled", ["asked", "cancelled"])
    with pytest.raises(NotAllowed, match="cancelled already"):
        recovering.cancel(row=row, reason="again", by=bea, now=NOW)
    assert lose(ada).state == "pending"  # it can be asked for anew


@pytest.mark.parametrize(
    ("login", "kind", "said"),
    [
        ("nobody-here", "factor", "no login 'nobody-here'"),
        ("bea", "factor", "has no second factor"),
        ("bea", "password", "has no password yet"),
        ("ada", "keys", "Say what is lost"),
    ],
)
def test_what_is_not_lost_is_not_recovered(ada: User, login: str, kind: str, said: str) -> None:
    bea = make_user("bea", "reviewer")
    bea.set_unusable_password()
    bea.save()
    with pytest.raises(NotPossible, match=said):
        recovering.ask(login=login, kind=kind, reason="x", asker="root", now=NOW)
    lose(ada)
    with pytest.raises(NotPossible, match="pending already"):
        lose(ada)
    assert Recovery.objects.count() == 1


def test_command_announces_and_prints_the_link_after_the_delay(ada: User) -> None:
    with pytest.raises(CommandError, match="Say why it has to be recovered"):
        run("ada")
    assert "Run this again then" in run("ada", "--password", "--reason", "forgotten")
    with pytest.raises(CommandError, match="pending already"):
        run("ada", "--password", "--reason", "forgotten")
    row, now = Recovery.objects.get(), timezone.now()
    Recovery.objects.update(asked_at=now - 25 * HOUR, due_at=now - HOUR)
    assert recoveries() == 1
    link = run("ada", "--password").splitlines()[-1]
    browser = Client()
    form = browser.get(link, follow=True).redirect_chain[-1][0]
    browser.post(form, {"password1": "a new pass phrase 1", "password2": "a new pass phrase 1"})
    ada.refresh_from_db()
    assert ada.check_password("a new pass phrase 1")
    assert factors(ada) == 1  # who lost both asks for both
    with pytest.raises(CommandError, match="Say why"):  # the link was printed once
        run("ada", "--password")
    row.refresh_from_db()
    assert (acts(), row.state) == (["asked", "done", "linked"], "carried out")


def test_no_link_is_printed_after_a_review_that_says_misuse(ada: User) -> None:
    row, bea = lose(ada, "password"), make_user("bea", "reviewer")
    recovering.carry_out_next(now=row.due_at)
    recovering.review(row=row, verdict="misuse", words="she did not ask", by=bea, now=row.due_at)
    assert recovering.link_due("ada", now=row.due_at) is None


def test_no_other_command_sets_a_password_that_exists_at_once(ada: User) -> None:
    out = io.StringIO()
    call_command("login", "ada", "--password", stdout=out)
    assert out.getvalue() == (
        "It has a password. If that is lost: `manage.py recover ada --password`.\n"
    )
    with pytest.raises(CommandError, match="recover ada --password"):
        call_command("changepassword", "ada")


def test_one_person_installation_waits_for_a_second_person(ada: User) -> None:
    row = lose(ada)
    recovering.carry_out_next(now=row.due_at)
    _, ok, said, fix = checks._recoveries()
    assert (ok, fix) == (False, "give a second person a login: nobody reviews their own")
    assert "(ada)" in said
    make_user("bea", "reviewer")
    assert checks._recoveries()[3].startswith("another person reviews them")


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"done_at": NOW - 30 * HOUR}, "recovery_is_done_when_due"),
        ({"cancelled_at": NOW, "done_at": NOW}, "recovery_is_cancelled_or_done"),
        ({"due_at": NOW - 48 * HOUR}, "recovery_waits"),
        ({"kind": "role"}, "recovery_kind"),
        ({"verdict": "misuse"}, "recovery_review_is_whole"),
    ],
)
def test_database_refuses(ada: User, wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        recovery(ada, **wrong)


def test_page_announces_cancels_and_reviews(
    story: Told, ada: User, as_user: Callable[..., Client]
) -> None:
    rita, ann = as_user(story.rita, confirmed=True), as_user(make_user("ann"))
    row = lose(ada)
    for client in (rita, as_user(story.ines), as_user(story.otto)):
        assert "1 login recovery" in client.get("/queue/").content.decode()
    assert "login recovery" not in ann.get("/queue/").content.decode()
    assert row.key not in ann.get("/recoveries/").content.decode()
    assert ann.post(f"/recoveries/{row.pk}/cancel/", {"reason": "x"}).status_code == 404
    page = rita.get("/recoveries/").content.decode()
    assert row.key in page
    assert "Cancel recovery" in page
    assert as_user(story.otto).post(f"/recoveries/{row.pk}/cancel/").status_code == 403
    assert rita.post(f"/recoveries/{row.pk}/cancel/", {"reason": "no"}).status_code == 302
    again = lose(ada)
    recovering.carry_out_next(now=again.due_at)
    own = as_user(ada).get("/recoveries/").content.decode()
    assert recovering.OWN in own
    assert (
        "The second factor of the login ada was recovered" in rita.get("/queue/").content.decode()
    )
    said = {"verdict": "as stated", "words": "called her"}
    assert as_user(ada).post(f"/recoveries/{again.pk}/review/", said).status_code == 403
    assert rita.post(f"/recoveries/{again.pk}/review/", {}).status_code == 409
    assert rita.post(f"/recoveries/{again.pk}/review/", said).status_code == 302
    page = rita.get("/recoveries/").content.decode()
    assert "called her" in page
    assert "login recovery" not in page


def test_api_reads_cancels_and_reviews_for_persons_alone(
    story: Told, ada: User, as_user: Callable[..., Client]
) -> None:
    row = lose(ada)
    listed = Client().get("/api/recoveries/", headers=token(story.rita, "read")).json()["rows"]
    assert [(one["recovery"], one["state"]) for one in listed] == [(row.key, "pending")]
    here = f"/api/recoveries/{row.pk}"
    by_token = Client().post(f"{here}/cancel/", headers=token(story.rita, "act"))
    assert (by_token.status_code, by_token.json()["code"]) == (403, "person_required")
    rita = as_user(story.rita, confirmed=True)
    json: dict[str, Any] = {"content_type": "application/json"}
    assert rita.post(f"{here}/cancel/", {}, **json).status_code == 409
    recovering.carry_out_next(now=row.due_at)
    late = rita.post(f"{here}/cancel/", {"reason": "late"}, **json)
    assert (late.status_code, late.json()["detail"]) == (403, f"{row.key} is carried out already.")
    assert rita.post(f"{here}/review/", {"verdict": "fine"}, **json).status_code == 400
    done = rita.post(f"{here}/review/", {"verdict": "as stated", "words": "called"}, **json)
    assert (done.status_code, done.json()["state"]) == (200, "reviewed")
