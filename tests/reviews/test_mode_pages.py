"""Pages of modes and of the switch for outgoing writes: plain forms, two people, the same queries."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from identities.actions import outgoing
from identities.models import Identity, OutgoingSwitch, User
from reviews.actions import modes
from reviews.models import ModeRule

from .conftest import NOW, Told, make_user, party
from .test_modes import AGENTS, agent, drain, in_force, proposed
from .test_pages import answered, as_user
from .test_policy_pages import confirmed

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada", "administrator")


def form(**said: Any) -> dict[str, Any]:
    return {"kinds": ["agent"], "mode": "enforce", "reason": "it is ready"} | said


def test_a_scope_is_moved_by_two_people_with_plain_forms(
    story: Told, ada: User, as_user: Sign
) -> None:
    one = agent("a1", owner=party(story.ines), mode="ask")
    rita, other = as_user(story.rita), as_user(ada)
    assert "No rule yet" in rita.get("/modes/").content.decode()
    tried = rita.post("/modes/new/", form(act="try"))
    assert (tried.status_code, ModeRule.objects.count()) == (200, 0)
    assert "1 identity would change: 1 from ask." in tried.content.decode()
    answer = rita.post("/modes/new/", form(act="propose"))
    rule = ModeRule.objects.get()
    assert answer["Location"] == rule.url
    page = rita.get(rule.url).content.decode()
    for words in (
        "You proposed it: a second person signs.",
        "Today it is about 1 identity.",
        "0 reviews would be opened at once because of open findings.",
        "In every seat somebody could be asked.",
        "Had it been on, silence would have cut 0 identities at most in the last 30 days.",
        f"{rule.url}identities/?which=moving",
    ):
        assert words in page
    rows = rita.get(f"{rule.url}identities/?which=moving").content.decode()
    assert (one.key in rows, story.identity.key in rows) == (True, False)
    assert rita.post(f"{rule.url}sign/").status_code == 403
    assert confirmed(other, f"{rule.url}sign/")["Location"] == rule.url
    drain()
    page = rita.get(rule.url).content.decode()
    assert "1 identity changed, done" in page
    assert "its mode holds for 1 identity now" in page
    listed = rita.get("/modes/").content.decode()
    assert "Those of which all of this is true: kind agent" in listed
    line = rita.get(f"/identities/{one.key}/").content.decode()
    assert f'href="{rule.url}" title="By {rule.key}: Those of which' in line
    assert one.key in rita.get("/identities/?mode=enforce").content.decode()
    assert one.key not in rita.get("/identities/?mode=ask").content.decode()


def test_form_says_which_step_comes_first(story: Told, as_user: Sign) -> None:
    agent("a1")
    answer = as_user(story.rita).post("/modes/new/", form(act="propose"))
    said = "1 identity of this scope is only observed so far: after observe comes ask."
    assert (answer.status_code, said in answer.content.decode()) == (400, True)
    assert ModeRule.objects.count() == 0


def test_step_back_is_one_form_with_a_reason(story: Told, ada: User, as_user: Sign) -> None:
    one = agent("a1")
    rule = in_force(story, ada, AGENTS, "enforce")
    lead = as_user(make_user("lead", "responder"))
    page = lead.get(rule.url).content.decode()
    assert [f'value="{to}"' in page for to in ("ask", "observe", "enforce")] == [True, True, False]
    assert lead.post(f"{rule.url}back/", {"mode": "ask", "reason": " "}).status_code == 409
    answer = lead.post(f"{rule.url}back/", {"mode": "ask", "reason": "too soon"})
    back = ModeRule.objects.get(back=True)
    drain()
    one.refresh_from_db()
    assert (answer["Location"], one.mode) == (back.url, "ask")
    assert "took the scope back" in lead.get(back.url).content.decode()


def test_page_says_how_far_the_rows_have_followed(story: Told, ada: User, as_user: Sign) -> None:
    for number in range(4):
        agent(f"a{number}")
    rule = in_force(story, ada, AGENTS, "enforce")
    lead, owner = as_user(make_user("lead", "responder")), as_user(story.ines)
    answer = lead.post(f"{rule.url}back/", {"mode": "ask", "reason": "too soon"}, follow=True)
    back = ModeRule.objects.get(back=True)
    page = answer.content.decode()
    for words in (
        f"{back} holds from now on: nothing is cut beyond ask.",
        "In force, is being applied.",
        "Nothing is cut beyond ask since the signature.",
        "0 of 4 identities done. The worker begins within a minute.",
        'hx-trigger="every 2s"',
    ):
        assert words in page
    assert modes.apply_next(now=NOW, most=3)
    part = {"HX-Request": "true", "HX-Target": "mode_progress"}
    working = f"{back.url}?working=1"
    said = lead.get(working, headers=part).content.decode()
    assert ("3 of 4 identities done. About " in said, "<h1" in said) == (True, False)
    assert 'value="75"' in said
    # How many it concerns is for who sees all of them.
    assert "identities done" not in owner.get(back.url).content.decode()
    drain()
    said = lead.get(working, headers=part).content.decode()
    assert ("It is applied: 4 identities changed." in said, "hx-trigger" in said) == (True, False)
    assert "is being applied" not in lead.get(back.url).content.decode()


def test_problem_keeps_what_was_typed(story: Told, as_user: Sign) -> None:
    rita = as_user(story.rita)
    proposed(story.rita, {"kinds": ["agent"], "services": ["quarterly"]}, "ask")
    for services, why in (
        ("quarterly", "waits for its second signature"),
        (f"nothing\n{HOSTILE}", "There is no service &#x27;nothing&#x27;."),
    ):
        said = form(services=services, act="propose", reason=HOSTILE)
        answer = rita.post("/modes/new/", said)
        page = answer.content.decode()
        assert (answer.status_code, why in page) == (400, True)
        assert (HOSTILE in page, "&lt;img src=x" in page) == (False, True)
    answer = rita.post("/modes/new/", form(mode="", act="try"))
    assert (answer.status_code, "This field is required" in answer.content.decode()) == (400, True)
    # Nothing is chosen beforehand.
    assert "checked" not in rita.get("/modes/new/").content.decode()


def test_owner_reads_the_words_and_not_whom_it_concerns(
    story: Told, ada: User, as_user: Sign
) -> None:
    rule = proposed(story.rita, AGENTS, "ask")
    owner, otto = as_user(story.ines), as_user(story.otto)
    page = owner.get(rule.url).content.decode()
    assert ("kind agent" in page, "Today it is about" in page) == (True, False)
    assert owner.get(f"{rule.url}identities/").status_code == 404
    counts = owner.get("/modes/").content.decode()
    assert "Of the identities that you see." in counts
    answers = [
        owner.post("/modes/new/", form(act="propose")).status_code,
        otto.post("/modes/new/", form(act="try")).status_code,
        otto.post(f"{rule.url}sign/").status_code,
        otto.post(f"{rule.url}refuse/", {"reason": "x"}).status_code,
        otto.post(f"{rule.url}back/", {"reason": "x", "mode": "observe"}).status_code,
    ]
    assert answers == [400, 400, 403, 403, 403]
    assert otto.get(rule.url).status_code == 200


@pytest.mark.parametrize("path", ["/modes/MODE-999/", "/modes/x/", "/modes/MODE-1/identities/"])
def test_rules_of_nothing_are_absent(story: Told, as_user: Sign, path: str) -> None:
    assert as_user(story.rita).get(path).status_code == 404


@pytest.mark.parametrize("path", ["/modes/", "/modes/new/", "/outgoing/"])
def test_pages_need_a_login(db: None, path: str) -> None:
    assert Client().get(path)["Location"].split("?")[0] == "/accounts/login/"


def test_pages_ask_the_same_for_many_rules(story: Told, ada: User, as_user: Sign) -> None:
    client = as_user(story.rita)
    rule = in_force(story, ada, AGENTS, "ask")
    paths = ("/modes/", rule.url, f"{rule.url}identities/", "/outgoing/")

    def questions() -> list[int]:
        found = []
        for path in paths:
            with CaptureQueriesContext(connection) as seen:
                assert client.get(path).status_code == 200
            found.append(len(seen))
        return found

    agent("one")
    drain()
    questions()
    before = questions()
    for number in range(9):
        Identity.objects.create(name=f"more {number}", kind="agent", created_at=NOW)
        modes.refuse(rule=proposed(story.rita, {}, "ask"), reason="x", by=ada, now=NOW)
    drain()
    assert questions() == before


def test_outgoing_writes_are_stopped_and_let_go_by_two(
    story: Told, ada: User, as_user: Sign
) -> None:
    rita, other = as_user(story.rita), as_user(ada)
    page = rita.get("/outgoing/").content.decode()
    assert "They go out" in page
    answer = rita.post("/outgoing/propose/", {"to": "stopped", "reason": "keys vanish"})
    assert answer["Location"] == "/outgoing/"
    assert "All outgoing writes are stopped" not in rita.get("/").content.decode()
    # Who may not is told so before they are asked who they are.
    assert rita.post("/outgoing/sign/").status_code == 403
    assert confirmed(other, "/outgoing/sign/")["Location"] == "/outgoing/"
    for path in ("/", "/outgoing/", f"/identities/{story.identity.key}/"):
        said = as_user(story.ines).get(path).content.decode()
        assert "All outgoing writes are stopped" in said
        assert "Rita and Ada" in said
    rita.post("/outgoing/propose/", {"to": "open", "reason": "it was a test"})
    assert other.post("/outgoing/refuse/", {"reason": "not yet"}).status_code == 302
    assert outgoing.stopped()
    rita.post("/outgoing/propose/", {"to": "open", "reason": "it was a test"})
    assert other.post("/outgoing/sign/")["Location"] == "/outgoing/"
    assert not outgoing.stopped()
    assert "All outgoing writes are stopped" not in rita.get("/").content.decode()
    states = OutgoingSwitch.objects.order_by("pk").values_list("to", "state")
    assert list(states) == [("stopped", "ended"), ("open", "refused"), ("open", "in_force")]


def test_rule_about_nobody_counts_no_rows(story: Told, ada: User, as_user: Sign) -> None:
    rule = modes.sign(rule=proposed(story.rita, {"kinds": ["workload"]}, "ask"), by=ada, now=NOW)
    page = as_user(story.rita).get(rule.url).content.decode()
    assert "Nothing is cut beyond ask since the signature." in page
    assert "identities done" not in page
