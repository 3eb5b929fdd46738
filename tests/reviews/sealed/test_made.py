"""What a sealed credential made while it was used: followed, decided on, and never closed over."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.models import LedgerEntry
from identities.acting import COMMAND
from identities.actions import credentials, revocations
from identities.models import Credential
from identities.permissions import NotAllowed, NotPossible
from reviews.models import Case, SealedDecision, SealedUse
from reviews.sealed import deciding, looking, made, recognising
from tests.reviews.conftest import DAY, HOUR, NOW, Told
from tests.reviews.test_pages import as_user
from tests.signed_in import by_hand

from .conftest import KEY, MINUTE, Sealed, arrives, call, of_case, read_of, work

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
FIRST, SECOND = "AKIASEALEDMADE000001", "AKIASEALEDMADE000002"
THING = f"aws access_key {FIRST}"
HOSTILE = "<img src=x onerror=alert(1)>"


def mints(number: int, at: datetime, made_key: str = FIRST, by: str = KEY) -> dict[str, Any]:
    """The sealed key, or one of its making, makes a key that stands."""
    return call(number, at, key=by) | {
        "eventSource": "iam.amazonaws.com",
        "eventName": "CreateAccessKey",
        "requestParameters": {"userName": "stays-behind"},
        "responseElements": {"accessKey": {"accessKeyId": made_key, "userName": "stays-behind"}},
    }


def makes(number: int, at: datetime, name: str, **said: Any) -> dict[str, Any]:
    return call(number, at) | {
        "eventSource": "iam.amazonaws.com",
        "eventName": name,
        "requestParameters": said,
    }


def things(case: Case, now: datetime = NOW + HOUR) -> list[tuple[str, str, bool]]:
    return [(one.kind, one.name, one.undecided) for one in made.of_use(of_case(case), now=now)]


def closes(case: Case, sealed: Sealed, kind: str = "emergency", **said: Any) -> Case:
    wanted: dict[str, Any] = {"words": "matched", "read": read_of(of_case(case))} | said
    return looking.look_back(case=case, kind=kind, by=sealed.rita, now=NOW + HOUR, **wanted)


def explained(case: Case, sealed: Sealed) -> Case:
    return looking.explain(case=case, who="Mia", words="all was down", by=sealed.owen, now=NOW)


@pytest.fixture
def case(sealed: Sealed) -> Case:
    """It made a key, and was explained."""
    arrives(mints(1, NOW), now=NOW + MINUTE)
    return explained(Case.objects.get(), sealed)


def test_a_key_that_lives_on_is_decided_before_it_was_harmless(case: Case, sealed: Sealed) -> None:
    assert things(case) == [("access key", FIRST, True)]
    with pytest.raises(NotPossible, match=f"may still work: access key {FIRST}. Hold each"):
        closes(case, sealed)
    before = read_of(of_case(case))
    decide: dict[str, Any] = {"case": case, "thing": THING, "now": NOW + HOUR}
    with pytest.raises(NotAllowed, match="Only a reviewer, a responder"):
        deciding.decide(**decide, answer="stays", words="the night shift", by=sealed.owen)
    for wrong, what in (
        ({"answer": "perhaps"}, "Say whether it stays or is gone"),
        ({"words": " "}, "Say who needs it"),
        ({"thing": "aws access_key AKIAOTHER"}, "This use made no such thing"),
    ):
        said: dict[str, Any] = {"answer": "stays", "words": "x", "by": sealed.rita}
        with pytest.raises(NotPossible, match=what):
            deciding.decide(**said | decide | wrong)
    assert not SealedDecision.objects.exists()
    deciding.decide(**decide, answer="stays", words="the night shift", by=sealed.rita)
    with pytest.raises(NotPossible, match="Ria has decided on AKIASEALEDMADE000001 already"):
        deciding.decide(**decide, answer="gone", words="x", by=sealed.root)
    # What was read before it is not what is signed.
    with pytest.raises(NotPossible, match="Evidence has come since you read it"):
        closes(case, sealed, read=before)
    closes(case, sealed)
    capsule = of_case(case).capsule
    assert capsule is not None
    (frozen,) = capsule.body["shown"]["made"]
    assert (frozen["thing"], frozen["decided"]["words"]) == (THING, "the night shift")
    assert LedgerEntry.objects.filter(act="sealed_credential.decided").count() == 1


def test_misuse_is_closed_whatever_lives(case: Case, sealed: Sealed) -> None:
    closes(case, sealed, "misuse", follow_ups=["delete the key"])
    assert of_case(case).review == "misuse"


def test_a_key_that_is_asked_to_be_held_is_decided(
    story: Told, sealed: Sealed, as_user: Any
) -> None:
    arrives(mints(1, NOW), now=NOW + MINUTE)
    case = Case.objects.get(door="break_glass")
    credentials.born(now=NOW + MINUTE)
    key = Credential.objects.get(actor__value=FIRST)
    Credential.objects.filter(pk=key.pk).update(identity=story.identity)
    key.refresh_from_db()
    here, rex = f"/break-glass/{case.key}/", as_user(sealed.rex)
    assert f'action="/credentials/{key.key}/hold/"' in rex.get(here).content.decode()
    with CaptureQueriesContext(connection) as before:
        rex.get(here)
    later = NOW + MINUTE
    arrives(mints(2, later, SECOND), mints(3, later, "AKIASEALEDMADE000003"), now=later)
    credentials.born(now=NOW + MINUTE)
    Credential.objects.filter(issued_by=key.issued_by).update(identity=story.identity)
    with CaptureQueriesContext(connection) as after:
        assert rex.get(here).content.decode().count("/hold/") == 3
    assert len(after) == len(before)
    Credential.objects.exclude(pk=key.pk).filter(issued_by=key.issued_by).update(expires_at=NOW)
    revocations.request(
        identity=story.identity, step="hold", by=COMMAND, now=NOW, because="x", credential=key
    )
    one, *others = made.of_use(of_case(case), now=NOW + HOUR)
    assert [other.undecided for other in others] == [False, False]
    assert (one.credential, one.undecided, one.stopping.split(" ")[0]) == (key.pk, False, "hold")
    # What failed stops nothing.
    key.revocations.update(state="failed", failed_why="x", who_must_act="x")
    assert things(case)[0] == ("access key", FIRST, True)
    # Over by its own end.
    Credential.objects.filter(pk=key.pk).update(expires_at=NOW + MINUTE)
    assert things(case)[0] == ("access key", FIRST, False)


def test_users_roles_and_what_its_keys_made_are_followed(sealed: Sealed) -> None:
    refused = makes(6, NOW + 5 * MINUTE, "CreateUser", userName="no") | {
        "errorCode": "AccessDenied"
    }
    arrives(
        mints(1, NOW),
        makes(2, NOW + MINUTE, "CreateUser", userName="stays-behind"),
        makes(3, NOW + 2 * MINUTE, "CreateRole", roleName="door"),
        makes(4, NOW + 3 * MINUTE, "CreateLoginProfile", userName="stays-behind"),
        refused,
        # Long after the use, by the key that it made.
        mints(5, NOW + 3 * DAY, SECOND, by=FIRST),
        now=NOW + 4 * DAY,
    )
    found = things(Case.objects.get(), NOW + 4 * DAY)
    kinds = [(kind, undecided) for kind, _, undecided in found]
    assert kinds == [
        (one, True) for one in ("access key", "user", "role", "login profile", "access key")
    ]
    assert "stays-behind" in found[1][1]
    assert found[4][1] == SECOND


@pytest.mark.parametrize("order", [1, -1])
def test_read_again_doubled_or_late_it_made_the_same(sealed: Sealed, order: int) -> None:
    told = [mints(1, NOW), mints(2, NOW + MINUTE, SECOND, by=FIRST), call(3, NOW + 2 * MINUTE)]
    for one in told[::order]:
        arrives(one, now=NOW + HOUR)
        arrives(one, now=NOW + HOUR)
    assert things(Case.objects.get()) == [
        ("access key", FIRST, True),
        ("access key", SECOND, True),
    ]
    # A second use, after the look back, answers for what was made in it alone.
    closes(Case.objects.get(), sealed, "misuse", follow_ups=["x"])
    arrives(call(4, NOW + 2 * HOUR), now=NOW + 2 * HOUR)
    assert [things(one.case) != [] for one in SealedUse.objects.order_by("case__number")] == [
        True,
        False,
    ]


def test_more_than_anybody_can_decide_on_is_not_harmless(
    case: Case, sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "MOST", 0)
    with pytest.raises(NotPossible, match="more than 0 things that stand"):
        closes(case, sealed)


def test_its_page_and_the_api_say_what_lives(case: Case, sealed: Sealed, as_user: Any) -> None:
    arrives(makes(9, NOW + MINUTE, "CreateUser", userName=HOSTILE), now=NOW + HOUR)
    here, acts = f"/break-glass/{case.key}/", f"/break-glass/sealed/uses/{case.key}/"
    rita, otto = as_user(sealed.rita), as_user(sealed.otto)
    page = rita.get(here).content.decode()
    assert (FIRST in page, "Hold each, have a case revoke it" in page, HOSTILE in page) == (
        True,
        True,
        False,
    )
    assert "decide/" not in otto.get(here).content.decode()
    assert otto.post(f"{acts}decide/", {"thing": THING}).status_code == 403
    assert rita.post(f"{acts}decide/", {"thing": THING}).status_code == 409
    said = {"thing": THING, "answer": "stays", "words": f"needed {HOSTILE}"}
    assert rita.post(f"{acts}decide/", said)["Location"] == here
    page = rita.get(here).content.decode()
    assert ("it stays" in page, HOSTILE in page) == (True, False)
    headers = by_hand(sealed.root)
    api = f"/api/break-glass/sealed/uses/{case.key}/"
    found = Client().get(api, headers=headers).json()
    assert [one["undecided"] for one in found["made"]] == [False, True]
    assert "may still work: user" in found["may_not_close_as_harmless"]
    gone = {"thing": found["made"][1]["thing"], "answer": "gone", "words": "removed by hand"}
    answer = Client().post(f"{api}decide/", gone, "application/json", headers=headers)
    assert (answer.status_code, answer.json()["answer"]) == (201, "gone")
    assert Client().get(api, headers=headers).json()["may_not_close_as_harmless"] is None


def test_a_worker_that_dies_half_way_leaves_what_it_made_to_the_next(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(recognising, "_alarm", dies)
        arrives(mints(1, NOW))
    assert not SealedUse.objects.exists()
    work(NOW + timedelta(minutes=11))
    assert things(Case.objects.get()) == [("access key", FIRST, True)]
