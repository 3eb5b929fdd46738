"""Looking back at a use out of band: by another, on what was read, which stays as it was."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from evidence import capsules
from evidence.models import LedgerEntry
from identities.models import User
from identities.permissions import NotAllowed, NotPossible
from reviews.models import Case, SealedEvent, SealedUse
from reviews.sealed import declaring, looking
from tests.reviews.conftest import HOUR, NOW, person_of

from .conftest import MINUTE, Sealed, arrives, call, of_case, read_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def case(sealed: Sealed) -> Case:
    arrives(call(1, NOW), call(2, NOW + MINUTE), now=NOW + HOUR)
    return Case.objects.get()


def explained(case: Case, by: User) -> Case:
    return looking.explain(
        case=case, who="Mia", words="the provider was down", by=by, now=NOW + HOUR
    )


def looks(case: Case, by: User, **said: Any) -> Case:
    wanted: dict[str, Any] = {"kind": "emergency", "words": "matched", "now": NOW + HOUR}
    wanted |= {"read": read_of(of_case(case))}
    return looking.look_back(case=case, by=by, **wanted | said)


def test_who_says_that_they_used_it_does_not_look_back(case: Case, sealed: Sealed) -> None:
    with pytest.raises(NotPossible, match="Nobody has said that they used it"):
        looks(case, sealed.rita)
    explained(case, sealed.rex)
    with pytest.raises(NotAllowed, match="Who used it is said already"):
        explained(case, sealed.owen)
    with pytest.raises(NotAllowed, match="You say who used it"):
        looks(case, sealed.rex)
    with pytest.raises(IntegrityError), transaction.atomic():
        SealedUse.objects.update(
            review="drill", reviewed_at=NOW, reviewed_person=person_of(sealed.rex)
        )
    looks(case, sealed.rita, follow_ups=["seal a new key", " "])
    case.refresh_from_db()
    use = of_case(case)
    assert (case.state, use.review, use.follow_ups) == ("closed", "emergency", ["seal a new key"])
    with pytest.raises(NotAllowed, match="It has been looked at already"):
        looks(case, sealed.root)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"kind": "holiday"}, "Say what it was"),
        ({"words": ""}, "Say why: whether it matched its reason"),
        ({"kind": "misuse"}, "Say what follows from the misuse"),
        ({"kind": "drill"}, "It was not announced as a drill"),
        ({"read": "0" * 64}, "Evidence has come since you read it"),
        ({"follow_ups": ["x"] * 21}, "Name at most 20 things"),
    ],
)
def test_what_cannot_be_said_closes_nothing(
    case: Case, sealed: Sealed, said: dict[str, Any], what: str
) -> None:
    explained(case, sealed.owen)
    with pytest.raises(NotPossible, match=what):
        looks(case, sealed.rita, **said)
    assert of_case(case).reviewed_at is None


def test_evidence_that_came_since_is_read_first(case: Case, sealed: Sealed) -> None:
    explained(case, sealed.owen)
    read = read_of(of_case(case))
    arrives(call(3, NOW + 2 * MINUTE), now=NOW + HOUR)
    with pytest.raises(NotPossible, match="Evidence has come since you read it"):
        looks(case, sealed.rita, read=read)


def test_what_was_read_is_frozen(case: Case, sealed: Sealed) -> None:
    explained(case, sealed.owen)
    looks(case, sealed.rita)
    capsule = of_case(case).capsule
    assert capsule is not None
    body = capsule.body
    assert [one["resource"] for one in body["events"]] == [
        "vault/1.pdf",
        "vault/2.pdf",
    ]
    assert (capsules.intact(capsule), body["shown"]["explained"]["who"]) == (True, "Mia")
    entry = LedgerEntry.objects.get(act="sealed_credential.reviewed")
    assert entry.data["capsule_digest"] == bytes(capsule.digest).hex()
    # The page says of a call whose event is not kept any more that it was there.
    SealedEvent.objects.create(use=of_case(case), slug="aws-key", at=NOW + HOUR, event_id=1)
    found = [one.action for one in looking.calls(of_case(case), most=2)]
    assert found == ["", "s3:GetObject"]


def test_a_drill_is_looked_back_at_by_another_than_who_announced_it(sealed: Sealed) -> None:
    times = {"starts_at": NOW, "ends_at": NOW + HOUR, "now": NOW}
    declaring.announce(slug="aws-key", reason="Tom practises", by=sealed.rex, **times)
    arrives(call(1, NOW + MINUTE), now=NOW + 2 * MINUTE)
    case = Case.objects.get()
    with pytest.raises(NotAllowed, match="You announced the drill"):
        looks(case, sealed.rex, kind="drill")
    looks(case, sealed.root, kind="drill")
    assert of_case(case).review == "drill"
