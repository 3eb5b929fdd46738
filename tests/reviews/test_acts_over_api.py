"""Each act of steering and of what two people sign, over the API: a person who has confirmed who they
are does it, one who has not is asked to, and a token does not."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from identities.api.deciding import CONFIRM, UNDECIDED
from identities.claims import answering
from identities.models import Claim, ClaimAnswer
from reviews import signed_api, steering_api
from tests.identities.claimed import crm, team, unowned
from tests.identities.conftest import identity, service, user
from tests.signed_in import by_hand

from .acts_over_api import TRIES
from .conftest import NOW, Told
from .test_api import token

__all__ = ["crm", "identity", "service", "team", "unowned", "user"]
pytestmark = pytest.mark.django_db


def post(name: str, address: dict[str, Any], body: Any, headers: dict[str, str]) -> Any:
    where = reverse(f"api_{name}", kwargs=address or None)
    return Client().post(where, body, "application/json", headers=headers)


def test_each_of_them_is_tried() -> None:
    assert signed_api.ENDPOINTS.keys() | steering_api.ENDPOINTS.keys() <= TRIES.keys()


@pytest.mark.parametrize("name", TRIES)
def test_a_person_who_has_confirmed_who_they_are_does_it(story: Told, name: str) -> None:
    one = TRIES[name](story)
    assert one.look() != one.becomes
    if name not in UNDECIDED:
        by_token = post(name, one.address, one.body, token(one.who, "act"))
        assert (by_token.status_code, by_token.json()["code"]) == (403, "person_required")
        early = post(name, one.address, one.body, by_hand(one.who, confirmed=False))
        assert (early.status_code, early.json()) == (403, {"detail": CONFIRM})
        assert one.look() != one.becomes
    done = post(name, one.address, one.body, by_hand(one.who))
    assert (done.status_code, one.look()) == (one.status, one.becomes), done.content


def test_a_reviewer_says_whom_to_ask(crm: dict[str, Any], team: Any) -> None:
    team("Ops", "oscar")
    Claim.objects.update(party=None)
    body = {"bundle": "service:crm", "ask": "oscar@example.org", "reason": "he may know"}
    done = post("claim_pass_on", {}, body, by_hand(crm["rita"]))
    row = ClaimAnswer.objects.get()
    assert (done.status_code, row.answer, str(row.to), row.asked) == (202, "pass_on", "Oscar", 3)
    answering.undo(answer=row, by=crm["rita"], now=NOW)


def test_codes_of_a_break_glass_account_are_in_the_answer_and_kept_by_nobody(story: Told) -> None:
    one = TRIES["break_glass_account_new"](story)
    done = post("break_glass_account_new", {}, one.body, by_hand(one.who))
    assert (len(done.json()["codes"]), done["Cache-Control"]) == (10, "no-store, private")
