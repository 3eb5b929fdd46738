"""Refusals come first and say what is so: before a password is asked for, before a missing reason,
with the number that was sent, by the name of what there is not."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from identities.api.deciding import CONFIRM, NO_TOKEN
from identities.permissions import AUDITOR, NotAllowed, NotPossible
from reviews import actions
from reviews.actions import entries, freezing, modes, policy_versions
from reviews.campaigns import steering
from reviews.models import Burst, Campaign, Case, Freeze, ModeRule, Provisional, ReviewPolicy
from tests.signed_in import by_hand, sure

from .conftest import DAY, HOUR, NOW, Told, make_user, person_of
from .test_api import token
from .test_pages import answered, as_user
from .test_policy_versions import proposed

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
SignIn = Callable[..., Client]
ONLY = "Only a reviewer or an administrator may change a review policy."
NOWHERE: dict[str, Any] = {"services": ["nope", "quarterly"]}


def frozen(story: Told, **said: Any) -> Freeze:
    usual: dict[str, Any] = {
        "scope": {"kinds": ["agent"]},
        "since": NOW,
        "until": NOW + 9 * DAY,
        "asked": person_of(story.rita),
        "reason": "year end",
        "by": story.rita,
        "now": NOW,
    }
    return freezing.propose(**usual | said)


def ruled(story: Told, **said: Any) -> ModeRule:
    usual: dict[str, Any] = {"scope": {"kinds": ["agent"]}, "mode": "ask", "reason": "ready"}
    return modes.propose(by=story.rita, now=NOW, **usual | said)


def prepared(story: Told, **said: Any) -> Campaign:
    policy = policy_versions.in_force(now=NOW)
    return steering.make(name="Q4", policy=policy, by=story.rita, now=NOW, reason="x", **said)


@pytest.mark.parametrize("make", [frozen, ruled, prepared])
def test_a_service_that_there_is_not_is_refused_by_name(
    story: Told, make: Callable[..., Any]
) -> None:
    with pytest.raises(NotPossible) as refused:
        make(story, scope=NOWHERE)
    assert str(refused.value) == "scope.services: There is no service 'nope'."
    assert [model.objects.count() for model in (Freeze, ModeRule, Campaign)] == [0, 0, 0]
    assert make(story, scope={"services": ["quarterly"]}).scope == {"services": ["quarterly"]}


def test_a_dry_run_of_a_mode_names_it_too(story: Told, as_user: SignIn) -> None:
    said = {"mode": "ask", "services": "nope", "reason": "x", "act": "try"}
    response = as_user(story.rita).post("/modes/new/", said)
    text = response.content.decode()
    assert (response.status_code, "There is no service &#x27;nope&#x27;." in text) == (400, True)


@pytest.mark.parametrize("who", ["otto", "ines"])
@pytest.mark.parametrize("what", ["policy", "mode", "freeze"])
def test_who_may_not_sign_is_not_asked_for_a_password(
    story: Told, as_user: SignIn, what: str, who: str
) -> None:
    address = {
        "policy": lambda: proposed(story.rita, silence="suspend").url,
        "mode": lambda: ruled(story).url,
        "freeze": lambda: frozen(story).url,
    }[what]()
    client = as_user(getattr(story, who), confirmed=False)
    response = client.post(f"{address}sign/")
    text = response.content.decode()
    why = AUDITOR if who == "otto" else "Only a reviewer"
    assert (response.status_code, why in text) == (403, True)
    # Who may is asked for it.
    ada = as_user(make_user("ada", "administrator"), confirmed=False)
    assert ada.post(f"{address}sign/")["Location"].startswith("/accounts/reauthenticate/")


def test_the_api_takes_a_person_who_has_confirmed_who_they_are(
    story: Told, as_user: SignIn
) -> None:
    proposed(story.rita, name="agents", silence="suspend")
    path = "/api/policies/agents/1/sign/"
    for user in (story.otto, story.ines):
        said = [
            as_user(user, confirmed=False).post(path, {}, content_type="application/json"),
            Client().post(path, headers=token(user, "act")),
        ]
        first = [ONLY, NO_TOKEN] if user == story.ines else [AUDITOR, AUDITOR]
        assert [one.status_code for one in said] == [403, 403]
        assert [one.json()["detail"] for one in said] == first
    ada = make_user("ada", "administrator")
    early = as_user(ada, confirmed=False).post(path, {}, content_type="application/json")
    assert (early.status_code, early.json()["detail"]) == (403, CONFIRM)
    assert Client().post(path, headers=by_hand(ada)).json()["state"] == "signed"


@pytest.mark.parametrize("act", ["end", "refuse", "refuse_mode", "step_back"])
def test_who_may_not_hears_so_before_the_missing_reason(story: Told, act: str) -> None:
    ada = make_user("ada", "administrator")
    freeze, rule = frozen(story), ruled(story)
    if act == "end":
        freezing.sign(freeze=freeze, by=ada, now=NOW)
    if act == "step_back":
        modes.sign(rule=rule, by=ada, now=NOW)

    def ask(by: Any) -> None:
        said: dict[str, Any] = {"reason": " ", "by": by, "now": NOW}
        if act == "refuse_mode":
            modes.refuse(rule=rule, **said)
        elif act == "step_back":
            modes.step_back(rule=rule, mode="observe", **said)
        else:
            getattr(freezing, act)(freeze=freeze, **said)

    with pytest.raises(NotAllowed) as refused:
        ask(story.otto)
    assert str(refused.value) == AUDITOR
    with pytest.raises(NotPossible, match="Say why"):
        ask(ada)


def test_keeping_many_counts_what_was_sent_and_says_what_an_auditor_is(
    story: Told, as_user: SignIn
) -> None:
    case = actions.open_review(
        identity=story.identity, by=story.rita, now=timezone.now(), reason="yearly"
    )
    item = case.items.values_list("pk", flat=True)[0]
    said = {"pick": [f"{item}.{case.version}"] * 120, "reason": "seen"}
    many = sure(as_user(story.ines)).post("/queue/keep/", said)
    assert "At most 100 items are kept at once: you selected 120." in many.content.decode()
    one = as_user(story.otto).post("/queue/keep/", said | {"pick": said["pick"][:1]})
    text = one.content.decode()
    assert (one.status_code, AUDITOR in text, "no longer" in text) == (403, True, False)


def test_nobody_is_told_that_they_signed_themselves(
    story: Told, case: Case, sign: Callable[..., Any]
) -> None:
    sign(case, "credential", story.ines, "keep", now=NOW + HOUR)
    case.refresh_from_db()
    with pytest.raises(NotPossible) as other:
        entries.fresh_enough(case, case.version - 1, by=story.samuel)
    assert str(other.value) == "Ines signed at 13:00:00 UTC: read it and decide again."
    with pytest.raises(NotPossible) as own:
        entries.fresh_enough(case, case.version - 1, by=story.ines)
    plain = f"{case.key} has changed since you opened it: read it and decide again."
    assert str(own.value) == plain
    burst = Burst.objects.create(
        person=person_of(story.ines), since=NOW, until=NOW + HOUR, answers=51
    )
    Provisional.objects.create(case=case, burst=burst, marked_at=NOW + HOUR)
    with pytest.raises(NotPossible) as marked:
        entries.fresh_enough(case, case.version - 1, by=story.ines)
    assert str(marked.value) == (
        f"{case.key} has changed since you opened it (your answers came so fast that somebody looks"
        " at them again): read it and decide again."
    )


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", '{"silence": "escalate", "silence": "revoke"}'),
        ("", '{"stages": [], "scope": {"kinds": ["agent"], "kinds": ["human"]}}'),
        ("dry-run/", '{"silence": "escalate", "silence": "revoke"}'),
    ],
)
def test_a_member_written_twice_is_refused_by_the_api_as_by_the_page(
    story: Told, address: str, said: str
) -> None:
    twice = "kinds" if "kinds" in said else "silence"
    body = f'{{"name": "dup", "reason": "x", "document": {said}}}'
    response = Client().post(
        f"/api/policies/{address}",
        body,
        content_type="application/json",
        headers=token(story.rita, "act", "read"),
    )
    assert (response.status_code, response.json()["detail"]) == (
        400,
        f"'{twice}' is written twice in one object.",
    )
    assert not ReviewPolicy.objects.filter(name="dup").exists()
