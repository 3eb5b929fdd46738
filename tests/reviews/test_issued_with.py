"""What a credential issued or made, as pages name it: before a signature, with each answer, and after."""

from typing import Any
from uuid import uuid4

import pytest

from evidence.models import Actor, Issuance
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Binding, Credential, CredentialWatch, Making
from reviews.models import Case
from reviews.pages import breaks, issued_with

from .conftest import NOW, Told, item_of, make_user

pytestmark = pytest.mark.django_db
USER, POLICY = "user/mallory", "policy/all"


def name(value: str, kind: str = "arn") -> Actor:
    return Actor.objects.create(key=uuid4(), realm="aws:1", kind=kind, value=value, created_at=NOW)


@pytest.fixture
def thief(story: Told) -> Credential:
    """The key of the story made another, a user and a policy."""
    for number, (value, kind) in enumerate(((USER, "user"), (POLICY, "policy"))):
        made = name(f"arn:aws:iam::111122223333:{value}")
        Making.objects.create(
            at=NOW, event_id=number, actor=made, by_credential=story.credential.actor, kind=kind,
            thing=value, removed=False, deposit_id=1,
        )  # fmt: skip
    key = Credential.objects.create(
        actor=name("AKIAMINTED0000000002", "access_key"), identity=story.identity,
        kind="access_key", standing=True, issued_at=NOW, state_at=NOW,
    )  # fmt: skip
    Issuance.objects.create(
        at=NOW, event_id=9, credential=key.actor, by_credential=story.credential.actor,
        standing=True, deposit_id=1,
    )  # fmt: skip
    return key


def said(case: Case) -> str:
    item = item_of(case, "credential")
    facts = breaks.look(item, case.identity, now=NOW).facts
    return next(one.words for one in facts if one.about == "issued")


def test_a_review_names_no_principals_and_a_replacement_stops_nothing(
    thief: Credential, case: Case
) -> None:
    assert said(case) == (
        "It issued 1 credential that may work and go with it: access key AKIA…0002."
        " With the answer replace, none of that is stopped."
    )


@pytest.mark.parametrize("own", [False, True])
def test_an_incident_names_them_and_what_a_replacement_spares(
    thief: Credential, story: Told, case: Case, own: bool
) -> None:
    Case.objects.filter(pk=case.pk).update(door="incident")
    if own:
        agent = name("reporter", "agent")
        Binding.objects.create(
            identity=story.identity, actor=agent, basis="declared", state="confirmed",
            during=(None, None), recorded_at=NOW, by="test",
        )  # fmt: skip
        CredentialWatch.objects.create(credential_actor=thief.actor_id, agents=[agent.pk])
    spared = (
        ", but for what runs of svc-report issued or use: access key AKIA…0002."
        if own
        else ": no run of svc-report is known to have issued or to use any of it."
    )
    found = said(case)
    assert found.startswith(
        "It issued or made 1 user, 1 policy, 1 credential that may work and go with it:"
        " user mallory, policy all, access key AKIA…0002. "
    )
    assert found.endswith(f"With the answer replace, it is stopped when its date comes{spared}")


def test_a_revocation_says_what_is_to_be_done_by_hand_and_what_stays(
    thief: Credential, story: Told
) -> None:
    def asked(**more: Any) -> dict[str, str]:
        ask = revocations.Ask(story.identity, "revoke", "test", story.credential, **more)
        (made,) = revocations.request_all([ask], by=COUNTERSIGN, now=NOW)
        viewer = make_user("seer", "responder")
        rows = issued_with.of_revocation(made.rows[0], viewer, now=NOW)
        return {row["words"]: row["life"] for row in rows}

    stays = "not stopped with it: only a person or an incident stops what was made: lives"
    assert asked() == {
        "user mallory": stays,
        "policy all": stays,
        "access key AKIA…0002": "lives: failed: somebody must act",
    }


def test_a_policy_is_removed_by_hand(thief: Credential, story: Told) -> None:
    ask = revocations.Ask(
        story.identity, "revoke", "test", story.credential, urgent=True, takes_made=True
    )
    (made,) = revocations.request_all([ask], by=COUNTERSIGN, now=NOW)
    viewer = make_user("seer", "responder")
    rows = issued_with.of_revocation(made.rows[0], viewer, now=NOW)
    assert {row["words"]: row["life"] for row in rows} == {
        "user mallory": "lives: asked for",
        "policy all": "not stopped: remove it by hand, and state it with a file that shows it",
        "access key AKIA…0002": "lives: failed: somebody must act",
    }
