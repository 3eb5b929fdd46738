"""Who may ask, answer and sign rules in the claim wave, and the sentence why not.

Owns `why_not_<verb>(user, …) -> str | None` in the manner of identities/permissions.py: acts
require it, pages show it, the API returns it.
"""

from datetime import datetime

from identities import visible
from identities.models import ClaimAnswer, Membership, Party, User
from identities.permissions import (
    AUDITOR,
    LEFT,
    NOBODY,
    cannot_decide,
    cannot_sign,
    groups,
    parties_of,
)

RUNNING = frozenset({"reviewer", "administrator"})


def why_not_see_all(user: User) -> str | None:
    """See every question and the burn-down."""
    if visible.sees_all(user):
        return None
    return (
        "How far the claim wave is, is shown to reviewers, responders, auditors and administrators."
    )


def _why_not_sign(user: User, *, now: datetime) -> str | None:
    if why := cannot_decide(user):
        return why
    if "auditor" in groups(user):
        return AUDITOR
    if user.person is None:
        return NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return LEFT
    return None


def why_not_answer(user: User, party: Party, *, now: datetime) -> str | None:
    """Say yes or no in the name of this party."""
    why = _why_not_sign(user, now=now)
    if why is None and party.pk not in parties_of(user, now=now):
        return f"{party} is asked: only who stands for {party} may answer."
    return why


def why_not_own_service(
    user: User, party: Party, *, owner: Party | None, mine: int, others: int, now: datetime
) -> str | None:
    """Become the owner of the service itself with a yes."""
    why = why_not_answer(user, party, now=now)
    if why is not None:
        return why
    if owner is not None:
        return f"The service has an owner: {owner}."
    if others >= mine:
        return "Others are asked about most of it: only what you are asked about can become yours."
    return None


def why_not_run(user: User, *, now: datetime) -> str | None:
    """Begin and end a wave, sign a rule, and say whom to ask where nobody is known."""
    said = "Only a reviewer or an administrator may run the claim wave."
    return cannot_sign(user, RUNNING, said, now=now)


def gives_themselves(user: User, party: Party, *, now: datetime) -> str | None:
    """Why nobody signs a rule for, or asks where nobody is known, themselves or a team of theirs."""
    theirs = Membership.objects.filter(
        team=party.team_id,
        team__isnull=False,
        person=user.person_id,
        during__contains=now,
        superseded_at__isnull=True,
    )
    if party.person_id == user.person_id or theirs.exists():
        return f"You stand for {party}: another reviewer or administrator says that it is theirs."
    return None


def why_not_undo(user: User, answer: ClaimAnswer, *, now: datetime) -> str | None:
    """Take one's own answer back before it is carried out."""
    why = _why_not_sign(user, now=now)
    if why is not None:
        return why
    if answer.person_id != user.person_id:
        return f"{answer.by_name} answered: only they may take it back."
    if answer.undone_at is not None:
        return "It was taken back already."
    if answer.carried_at is not None or answer.not_before <= now:
        return "Its time to be taken back is over."
    return None
