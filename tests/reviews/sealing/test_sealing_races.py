"""Sealing while others act, on PostgreSQL: one after the other, and nothing of it is half."""

from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.models import Case, CaseMember, Decision, Sealing
from reviews.sealing import members, unsealing
from tests.reviews.conftest import NOW, item_of, make_user, person_of, seat_of, tell_story
from tests.reviews.test_races import together

from .conftest import LATER, seal

pytestmark = pytest.mark.django_db(transaction=True)


def test_sealing_while_somebody_signs() -> None:
    """Whoever it is about signs before it, and that counts no more; or after, and may not."""
    story = tell_story()
    rex, dora = make_user("rex", "responder"), make_user("dora", "responder")
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    version = Case.objects.get(pk=case.pk).version
    item, seat = item_of(case, "credential"), seat_of(case, "identity_owner")

    def sign() -> Any:
        return actions.decide(
            case=case,
            item=item,
            seat=seat,
            answer="keep",
            reason="x",
            by=story.ines,
            now=NOW,
            version=version,
        )

    def close() -> Any:
        return seal(
            case, rex, dora, story.rita, subjects=[story.ines], instead={str(seat.pk): story.rita}
        )

    signed, sealed = together(sign, close)
    assert isinstance(sealed, Case)
    assert isinstance(signed, Decision | NotAllowed | NotPossible)
    assert not Decision.objects.filter(superseded_at=None).exists()
    assert str(seat_of(case, "identity_owner").party) == "Rita"
    # What was written before the sealing is plain, what was written after it a commitment.
    acts = dict(LedgerEntry.objects.filter(subject=case.key).values_list("act", "sealed_case"))
    assert acts["case.sealed"] == case.pk
    assert acts.get("item.answered") is None


def test_two_removals_and_two_signatures_at_once() -> None:
    story = tell_story()
    rex, dora, noor = (make_user(name, "responder") for name in ("rex", "dora", "noor"))
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")
    seal(case, rex, dora, noor)

    def off(by: Any, whom: Any) -> Any:
        return lambda: members.remove(
            case=case, person=person_of(whom), reason="x", by=by, now=LATER
        )

    came = together(off(rex, dora), off(dora, noor), off(noor, rex))
    assert CaseMember.objects.filter(case=case).count() == 2
    assert sum(one is None for one in came) == 1
    first, second = (one.person for one in CaseMember.objects.select_related("person"))
    left = {person_of(one).pk: one for one in (rex, dora, noor)}
    unsealing.ask(case=case, reason="x", by=left[first.pk], now=LATER)
    other = left[second.pk]

    def sign() -> Any:
        return unsealing.sign(case=case, by=other, now=LATER)

    came = together(sign, sign)
    assert sum(isinstance(one, Sealing) for one in came) == 1
    assert [str(one) for one in came if isinstance(one, Exception)] == [
        f"{case.key} is not sealed."
    ]
    assert LedgerEntry.objects.filter(act="case.unsealed").count() == 1
