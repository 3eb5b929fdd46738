"""Deciding on one thing that a sealed credential made: it stays, and why, or somebody removed it.

Once for each thing, by whoever may look back at the use; what is read back with the look back.
"""

from datetime import datetime

from django.db import transaction

from evidence.names import plain
from identities.models import User
from identities.permissions import NOBODY, NotAllowed, NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries
from reviews.models import Case, SealedDecision
from reviews.models.sealed import DECISION_WORDS
from reviews.sealed import looking, made, rights


def decide(
    *, case: Case, thing: str, answer: str, words: str, by: User, now: datetime
) -> SealedDecision:
    """Say of one thing that it stays, and why, or that it is gone at its target. NotAllowed,
    NotPossible."""
    with transaction.atomic():
        case, use = looking.locked(case)
        require(rights.why_not_look_at_use(by, use, now=now))
        if by.person is None:
            raise NotAllowed(NOBODY)
        if answer not in DECISION_WORDS:
            raise NotPossible("Say whether it stays or is gone.")
        words = reason_given(plain(words), what="who needs it, or how it was removed")
        one = next((row for row in made.of_use(use, now=now) if row.thing == thing), None)
        if one is None:
            raise NotPossible("This use made no such thing: read its page again.")
        if one.decision is not None:
            raise NotPossible(f"{one.decision.by_name} has decided on {one.name[:100]} already.")
        row = SealedDecision.objects.create(
            use=use,
            thing=one.thing,
            answer=answer,
            words=words,
            at=now,
            person=by.person,
            by_name=by.called,
        )
        said = f"{by.called} says of the {one.kind} {one.name[:300]}: {DECISION_WORDS[answer]}. {words}"
        entries.note(
            case,
            act="sealed_credential.decided",
            words=said[:1_000],
            by=by,
            now=now,
            data={"thing": one.thing[:500], "answer": answer},
        )
        entries.changed(case)
    return row
