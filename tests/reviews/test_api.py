"""Cases for scripts: the same acts, the two errors as 403 and 409, tokens sign nothing for good."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from identities.actions.tokens import digest_of
from identities.api.deciding import CONFIRM
from identities.models import ApiToken, User
from reviews import actions
from reviews.models import Case, Decision
from tests.signed_in import by_hand

from .conftest import Told, item_of, seat_of

pytestmark = pytest.mark.django_db


def token(user: User, *scopes: str) -> dict[str, str]:
    secret = f"cst_{user.username}_{'_'.join(scopes)}"
    now = timezone.now()
    ApiToken.objects.create(
        user=user,
        name="x",
        digest=digest_of(secret),
        scopes=list(scopes),
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def live(story: Told) -> Case:
    return actions.open_review(
        identity=story.identity, by=story.rita, now=timezone.now(), reason="x"
    )


def answer(case: Case, said: str, **more: Any) -> dict[str, Any]:
    return {
        "item": str(item_of(case, "credential").pk),
        "seat": str(seat_of(case, "identity_owner").pk),
        "version": Case.objects.get(pk=case.pk).version,
        "answer": said,
        "reason": "because",
    } | more


def test_cases_are_listed_and_read(story: Told, live: Case) -> None:
    headers = token(story.ines, "read")
    listed = Client().get("/api/cases/?state=open", headers=headers).json()
    assert [row["case"] for row in listed["rows"]] == [live.key]
    one = Client().get(f"/api/cases/{live.key}/", headers=headers).json()
    assert [seat["kind"] for seat in one["seats"]] == [
        "identity_owner",
        "ai_owner",
        "tie_breaker",
    ]
    assert Client().get("/api/cases/").status_code == 401


@pytest.mark.parametrize("said", ["keep", "revoke", "dont_know"])
def test_a_token_decides_nothing(story: Told, live: Case, said: str) -> None:
    headers = token(story.ines, "act")
    address = f"/api/cases/{live.key}/decide/"
    refused = Client().post(address, answer(live, said), "application/json", headers=headers)
    assert (refused.status_code, refused.json()) == (
        403,
        {
            "detail": "A token decides nothing: a person does this, signed in.",
            "code": "person_required",
        },
    )
    assert Decision.objects.count() == 0


def test_decide_by_a_person_who_is_signed_in(story: Told, live: Case) -> None:
    address = f"/api/cases/{live.key}/decide/"
    asked = Client(headers=by_hand(story.ines, confirmed=False))
    refused = asked.post(address, answer(live, "keep"), "application/json")
    assert (refused.status_code, refused.json()) == (403, {"detail": CONFIRM})
    client = Client(headers=by_hand(story.ines))
    made = client.post(address, answer(live, "keep"), "application/json")
    assert (made.status_code, made.json()["answer"]) == (201, "keep")
    old = answer(live, "keep", version=0)
    clash = client.post(address, old, "application/json")
    assert clash.status_code == 409
    assert "has changed since you opened it" in clash.json()["detail"]


@pytest.mark.parametrize(
    ("who", "scope", "status"),
    [("ines", "read", 403), ("samuel", "act", 403), ("otto", "act", 403)],
)
def test_decide_by_the_wrong_token_is_refused(
    story: Told, live: Case, who: str, scope: str, status: int
) -> None:
    response = Client().post(
        f"/api/cases/{live.key}/decide/",
        answer(live, "keep"),
        "application/json",
        headers=token(getattr(story, who), scope),
    )
    assert (response.status_code, Decision.objects.count()) == (status, 0)


def test_request_access_and_open_review(story: Told) -> None:
    headers = token(story.rita, "act")
    wanted = {
        "identity": story.identity.key,
        "actions": ["s3:PutObject"],
        "resources": ["archive/*"],
        "purpose": "a copy",
        "reason": "audit",
        "ends_at": (timezone.now() + timedelta(days=3)).isoformat(),
    }
    made = Client().post("/api/requests/", wanted, "application/json", headers=headers)
    assert (made.status_code, made.json()["door"]) == (201, "access_request")
    past = wanted | {"ends_at": "2020-01-01T00:00:00Z"}
    refused = Client().post("/api/requests/", past, "application/json", headers=headers)
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "The end must lie ahead, after the start.",
    )
    said = {"identity": story.identity.key, "reason": "yearly"}
    opened = Client().post("/api/cases/open/", said, "application/json", headers=headers)
    assert (opened.status_code, opened.json()["door"]) == (201, "access_review")
