"""Nobody switches off the review of what is theirs, and what was cancelled was no review."""

import json
from typing import Any

import pytest

from identities.actions import changes, registration
from identities.models import ProposedChange, User
from identities.permissions import NotAllowed, NotPossible
from identities.register import read
from reviews import actions, permissions, policy_scope
from reviews.actions import policy_versions
from reviews.models import Case

from .conftest import DAY, HOUR, NOW, Told, make_user, party

pytestmark = pytest.mark.django_db


def opened(story: Told, by: User) -> Case:
    return actions.open_review(identity=story.identity, by=by, now=NOW, reason="yearly")


def cancel(case: Case, by: User, **said: Any) -> Case:
    usual: dict[str, Any] = {"reason": "never mind", "now": NOW + HOUR}
    return actions.cancel(case=case, by=by, **usual | said)


@pytest.mark.parametrize("who", ["ines", "samuel", "marek", "leila"])
def test_who_answers_for_it_opens_its_review_and_does_not_cancel_it(story: Told, who: str) -> None:
    by = getattr(story, who)
    case = opened(story, by)
    with pytest.raises(NotAllowed, match="You answer for svc-report: an administrator who does"):
        cancel(case, by)
    case.refresh_from_db()
    assert case.state == "open"


def test_an_administrator_who_owns_it_needs_another(story: Told) -> None:
    root = make_user("root", "administrator")
    story.identity.owner = party(root)
    story.identity.save()
    case = opened(story, story.rita)
    with pytest.raises(NotAllowed, match="You answer for svc-report"):
        cancel(case, root)
    assert cancel(case, make_user("ada", "administrator")).state == "cancelled"


def test_who_may_not_hears_so_before_the_missing_reason(story: Told) -> None:
    case = opened(story, story.rita)
    with pytest.raises(NotAllowed, match="auditors read everything"):
        cancel(case, story.otto, reason="")
    with pytest.raises(NotPossible, match="Say why"):
        cancel(case, story.rita, reason="")


@pytest.mark.parametrize(
    "said",
    [{"scope": {}, "every_days": 365}, {"scope": {"last_reviewed_before_days": 365}}],
    ids=["due", "reviewed long ago"],
)
def test_a_cancelled_review_is_none(story: Told, said: dict[str, Any]) -> None:
    document = policy_versions.of_document(said, "yearly")
    later = NOW + DAY

    def found() -> int:
        which = policy_scope.due if "every_days" in said else policy_scope.in_scope
        return which(document, now=later).count()

    assert found() == 1
    case = opened(story, story.rita)
    assert found() == 0
    cancel(case, story.rita)
    assert found() == 1


def registered(story: Told, by: User, signs: User) -> None:
    """The owner of the identity is changed, as two people sign it."""
    document = {"identities": [{"name": story.identity.name, "purpose": "something else"}]}
    registration.register(entries=read("f.json", json.dumps(document)), by=by, now=NOW + HOUR)
    changes.sign(change=ProposedChange.objects.get(), by=signs, now=NOW + HOUR)


def test_who_cancelled_a_case_decides_nothing_in_its_successor(story: Told) -> None:
    ada, bo = make_user("ada", "administrator"), make_user("bo", "reviewer")
    other = make_user("cy", "administrator")
    cancel(opened(story, story.rita), ada)
    registered(story, other, bo)
    story.identity.refresh_from_db()
    case = opened(story, story.rita)
    case.refresh_from_db()
    seat = case.seats.get(kind="identity_owner")
    seat.party = None
    assert set(case.barred) == {ada.person_id, other.person_id, bo.person_id}
    for one in (ada, other, bo):
        assert "somebody else decides" in str(permissions.why_not_sit(one, case, seat, now=NOW))
    # It is about the case that follows alone.
    Case.objects.filter(pk=case.pk).update(state="closed", closed_at=NOW + 2 * HOUR)
    again = opened(story, story.rita)
    again.refresh_from_db()
    assert again.barred == []
