"""Who may not do an act is told so, and not asked for a password first."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from identities.actions import outgoing
from identities.models import Credential
from identities.permissions import AUDITOR
from reviews import actions
from reviews.models import Case

from .conftest import Told, item_of, seat_of
from .test_pages import answered, as_user
from .test_refused_first import prepared

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
SignIn = Callable[..., Client]


def opened(story: Told) -> Case:
    return actions.open_review(
        identity=story.identity, by=story.rita, now=timezone.now(), reason="yearly"
    )


def decide(story: Told) -> tuple[str, dict[str, str]]:
    case = opened(story)
    said = {"item": item_of(case, "credential").pk, "seat": seat_of(case, "identity_owner").pk}
    return f"/cases/{case.key}/decide/", {k: str(v) for k, v in said.items()} | {"answer": "revoke"}


def break_tie(story: Told) -> tuple[str, dict[str, str]]:
    case = opened(story)
    item = str(item_of(case, "credential").pk)
    return f"/cases/{case.key}/tie-break/", {"item": item, "answer": "revoke"}


def switch(story: Told) -> tuple[str, dict[str, str]]:
    outgoing.propose(to="stopped", reason="keys vanish", by=story.rita, now=timezone.now())
    return "/outgoing/sign/", {}


def credential(story: Told) -> tuple[str, dict[str, str]]:
    row = Credential.objects.get()
    return f"/credentials/{row.key}/hold/", {"reason": "x"}


ACTS: dict[str, Callable[[Told], tuple[str, dict[str, str]]]] = {
    "decide": decide,
    "break_tie": break_tie,
    "switch": switch,
    "credential": credential,
    "release_held": lambda story: (f"/cases/{opened(story).key}/held/release/", {"reason": "x"}),
    "give_back": lambda story: (f"/cases/{opened(story).key}/release/", {"reason": "x"}),
    "cascade": lambda story: (
        f"/identities/{story.identity.key}/cascade/sign/",
        {"step": "hold", "reason": "x"},
    ),
    "batch": lambda story: ("/batches/sign/", {"names": story.identity.name, "step": "hold"}),
    "retire": lambda story: (f"/identities/{story.identity.key}/retire/", {"reason": "x"}),
    "let_out": lambda story: (
        f"/campaigns/{prepared(story, scope={}).key}/outcomes/release/",
        {"reason": "x"},
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_an_auditor_is_refused_before_a_password_is_asked_for(
    story: Told, as_user: SignIn, act: str
) -> None:
    address, said = ACTS[act](story)
    answer = as_user(story.otto, confirmed=False).post(address, said)
    assert (answer.status_code, AUDITOR in answer.content.decode()) == (403, True)


def test_who_proposed_it_is_told_that_somebody_else_signs(story: Told, as_user: SignIn) -> None:
    address, _ = switch(story)
    answer = as_user(story.rita, confirmed=False).post(address)
    assert answer.status_code == 403
    assert "You proposed it: a second person signs." in answer.content.decode()
    # Who may is asked for it.
    other = as_user(story.marek, confirmed=False)
    assert "Only a reviewer" in other.post(address).content.decode()
    story.marek.groups.set(story.rita.groups.all())
    asked = as_user(story.marek, confirmed=False).post(address)
    assert asked["Location"].startswith("/accounts/reauthenticate/")


def test_what_nobody_has_to_confirm_is_refused_in_its_own_place(
    story: Told, as_user: SignIn
) -> None:
    address, said = decide(story)
    answer = as_user(story.rita, confirmed=False).post(
        address, said | {"answer": "keep", "reason": "x", "version": "1"}
    )
    # The form stands there with what was typed.
    assert (answer.status_code, "belongs to Ines" in answer.content.decode()) == (403, True)
