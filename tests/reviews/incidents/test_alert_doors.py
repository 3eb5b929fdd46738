"""The door of alerts, their pages and the same for scripts: signed, bounded, clear, once."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evidence.models import Deposit
from identities.actions import changes
from identities.models import ProposedChange, User
from reviews import alerts_api, tasks
from reviews.models import Alert, Case
from tests import once
from tests.connector_secrets import Kept
from tests.reviews.conftest import Told, make_user
from tests.reviews.test_api import token
from tests.signed_in import by_hand

from .alerted import BEFORE, SECRET, finding, plain, send, sigma, signed, source_of, sweep
from .timelines import client_of, responder

pytestmark = pytest.mark.django_db
STRANGER = "AKIAEXAMPLEQP7D00099"
HOSTILE = "<script>alert(1)</script>"
DOOR = "/api/alerts/from/siem/"


@pytest.fixture(autouse=True)
def secrets(secret_file: Kept) -> None:
    secret_file("ALERTS_SECRET", SECRET)
    secret_file("ALERTS_BEFORE", BEFORE)


@pytest.fixture
@once.told
def rex(story: Told) -> User:
    return responder()


def post(body: Any, *, door: str = DOOR, secret: str = SECRET, **more: Any) -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = signed(text, secret, at=more.pop("at", timezone.now()), uid=more.pop("uid", "m1"))
    return Client().post(
        door, data=text, content_type="application/json", headers=headers | more.pop("headers", {})
    )


@pytest.mark.parametrize(
    "body", [plain(), sigma(), [finding("x"), plain()]], ids=["plain", "sigma", "two"]
)
def test_signed_alert_is_kept_and_the_worker_opens_its_incident(story: Told, body: Any) -> None:
    source_of()
    answer = post(body)
    assert answer.status_code == 202, answer.content
    said = answer.json()
    assert said == {
        "deposit": Deposit.objects.get(source__name="siem").pk,
        "alerts": len(body) if isinstance(body, list) else 1,
        "again": False,
    }
    assert Alert.objects.count() == 0
    tasks.alerts()
    assert {row.state for row in Alert.objects.all()} <= {"opened", "joined"}
    assert Case.objects.filter(door="incident").count() == 1
    assert post(body).json() == said | {"again": True}
    tasks.alerts()
    assert sum(row.repeats for row in Alert.objects.all()) == 0


def test_secret_before_the_present_one_holds_too(story: Told) -> None:
    source_of()
    assert post(plain(), secret=BEFORE).status_code == 202


FORGED: dict[str, dict[str, Any]] = {
    "by another secret": {"secret": "whsec_" + "eHh4" * 11},
    "to another source": {"door": "/api/alerts/from/nobody/"},
    "of another body": {"headers": {"webhook-signature": "v1,AAAA"}},
    "without any": {"headers": {"webhook-signature": ""}},
}


@pytest.mark.parametrize("name", FORGED)
def test_what_is_not_signed_is_answered_alike_and_stored_nowhere(story: Told, name: str) -> None:
    source_of()
    answer = post(plain(), **FORGED[name])
    assert answer.status_code == 401
    assert answer.json() == {
        "problem": "The signature is not of a source of alerts that is set up here."
    }
    assert Deposit.objects.filter(source__name="siem").count() == 0


def test_what_was_signed_long_ago_is_told_so(story: Told) -> None:
    source_of()
    answer = post(plain(), at=timezone.now() - timedelta(minutes=6))
    assert answer.status_code == 401
    assert "more than five minutes ago" in answer.json()["problem"]


def test_source_that_takes_no_alerts_and_one_whose_secret_is_gone(
    story: Told, secret_file: Kept
) -> None:
    source_of("idp", connector="signals")
    assert post(plain(), door="/api/alerts/from/idp/").status_code == 401
    source_of()
    secret_file.drop("ALERTS_SECRET")
    answer = post(plain())
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 422, "Nothing was taken. body: line 1 is no JSON"),
        ({"hello": 1}, 422, "[0]: is no alert"),
        (plain(severity="awful"), 422, "[0]: severity is none of"),
        (finding(number=6003), 422, "1 of it are no alerts"),
        (b"x" * (alerts_api.LARGEST + 1), 413, "1024 KiB"),
    ],
    ids=["json", "shape", "severity", "events", "large"],
)
def test_bad_body_is_refused_with_its_place(
    story: Told, body: Any, status: int, words: str
) -> None:
    source_of()
    answer = post(body)
    assert answer.status_code == status
    assert words in answer.json()["problem"]
    assert Deposit.objects.filter(source__name="siem").count() == 0


def test_what_is_right_beside_what_is_wrong_is_taken_and_both_are_said(story: Told) -> None:
    source_of()
    answer = post([plain("good"), plain("bad", time="soon")])
    assert answer.status_code == 422
    assert answer.json()["alerts"] == 1
    assert answer.json()["problem"].startswith("[1]: time is no time")
    assert [row.uid for row in sweep(now=timezone.now())] == ["good"]


def test_sender_that_sends_too_much_is_told_to_wait(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_of()
    monkeypatch.setattr(alerts_api, "MOST_A_MINUTE", 1)
    assert post(plain("a")).status_code == 202
    answer = post(plain("b"))
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert Client().get(DOOR).status_code == 405


def test_pages_show_alerts_escaped_with_what_can_be_done(story: Told, rex: User) -> None:
    link = source_of()
    send(link, plain("a", title=HOSTILE, names=[STRANGER]), plain("b"), plain("c", severity="low"))
    send(link, [plain("d", severity="low"), 7])
    first, second, *_ = sweep()
    text = client_of(rex).get("/alerts/").content.decode()
    assert HOSTILE not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "/api/alerts/from/siem/" in text
    assert "[1]: is no JSON object" in text
    only = client_of(rex).get("/alerts/?state=unmatched").content.decode()
    assert (f"/alerts/{first.key}/" in only, f"/alerts/{second.key}/" in only) == (True, False)
    page = client_of(rex).get(f"/alerts/{first.key}/").content.decode()
    assert HOSTILE not in page
    assert f'action="/alerts/{first.key}/match/"' in page
    page = client_of(rex).get(f"/alerts/{second.key}/").content.decode()
    assert second.case is not None
    assert f"/cases/{second.case.key}/room/" in page
    assert "/match/" not in page


def test_page_without_any_and_for_who_sees_none(story: Told, rex: User) -> None:
    assert "No alert has come" in client_of(rex).get("/alerts/").content.decode()
    send(source_of(), plain(names=[STRANGER]))
    (row,) = sweep()
    gus = client_of(make_user("gus", "owner"))
    assert "No alert has come" in gus.get("/alerts/").content.decode()
    assert "/api/alerts/from/" not in gus.get("/alerts/").content.decode()
    assert gus.get(f"/alerts/{row.key}/").status_code == 404
    assert gus.post(f"/alerts/{row.key}/match/").status_code == 404
    for wrong in ("AL-0", "AL-x", "x", f"AL-{'9' * 20}"):
        assert client_of(rex).get(f"/alerts/{wrong}/").status_code == 404


def test_forms_match_and_dismiss_and_give_back_what_was_typed(story: Told, rex: User) -> None:
    send(source_of(), plain("a", names=[STRANGER]), plain("b", names=[STRANGER]))
    one, two = sweep()
    browser = client_of(rex)
    wrong = browser.post(f"/alerts/{one.key}/match/", {"identity": "nobody", "reason": "it is"})
    assert wrong.status_code == 409
    for words in ("There is no such identity", "it is", 'value="nobody"'):
        assert words in wrong.content.decode()
    barred = client_of(story.otto).post(f"/alerts/{one.key}/match/", {"identity": "svc-report"})
    assert barred.status_code == 403
    right = browser.post(f"/alerts/{one.key}/match/", {"identity": "svc-report", "reason": "it is"})
    one.refresh_from_db()
    assert one.case is not None
    assert right["Location"] == f"/cases/{one.case.key}/room/"
    assert browser.post(f"/alerts/{two.key}/dismiss/", {"reason": ""}).status_code == 409
    assert browser.post(f"/alerts/{two.key}/dismiss/", {"reason": "a test"}).status_code == 302
    two.refresh_from_db()
    change = ProposedChange.objects.get()
    assert (two.state, change.document) == ("unmatched", {"alert": two.number, "identity": None})
    page = browser.get(f"/alerts/{two.key}/").content.decode()
    assert f'<a href="{change.url}">{change.key}</a> waits for a second person' in page
    changes.sign(change=change, by=story.rita, now=timezone.now())
    two.refresh_from_db()
    assert (two.state, two.state_by_name) == ("dismissed", "Rex and Rita")


def test_scripts_list_match_and_dismiss(story: Told, rex: User) -> None:
    send(source_of(), plain("a", names=[STRANGER]), plain("b", names=[STRANGER]), plain("c"))
    one, two, three = sweep()
    reads = by_hand(rex)
    found = Client().get("/api/alerts/?limit=2", headers=reads).json()
    assert [row["uid"] for row in found["rows"]] == ["c", "b"]
    rest = Client().get(f"/api/alerts/?after={found['after']}", headers=reads).json()
    assert [row["uid"] for row in rest["rows"]] == ["a"]
    assert rest["rows"][0]["names"] == [{"realm": "aws", "kind": "access_key", "value": STRANGER}]
    assert Client().get(f"/api/alerts/{three.key}/", headers=reads).json()["state"] == "opened"
    said = {"identity": "svc-report", "reason": "its old key"}

    def act(row: Alert, does: str, said: dict[str, str]) -> Any:
        return Client().post(
            f"/api/alerts/{row.key}/{does}/",
            json.dumps(said),
            content_type="application/json",
            headers=reads,
        )

    assert act(one, "match", said).json()["state"] == "joined"
    assert act(one, "match", said).status_code == 409
    assert act(two, "match", said | {"identity": "nobody"}).status_code == 404
    asked = act(two, "dismiss", {"reason": "a test"})
    assert (asked.status_code, asked.json()["waits"]) == (202, ProposedChange.objects.get().key)
    assert asked.json()["state"] == "unmatched"
    only_reads = token(rex, "read")
    refused = Client().post(f"/api/alerts/{two.key}/dismiss/", headers=only_reads)
    assert refused.status_code == 403
