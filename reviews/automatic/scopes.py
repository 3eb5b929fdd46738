"""Which identities a rule of automatic holds is about: what stays true of them, in policies' words."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from identities.models import Identity
from identities.permissions import NotPossible
from reviews import policy_scope, policy_words
from reviews.mode_rules import STEADY
from reviews.policy_document import Document, DocumentError, Scope, parse


def document(scope: dict[str, Any]) -> Document:
    """The scope as a document, or NotPossible with what is wrong with it."""
    for name in scope:
        if name not in STEADY:
            raise NotPossible(
                f"What holds by itself is set for what stays true: {', '.join(STEADY)}."
            )
    try:
        return parse({"scope": scope}, name="automatic hold")
    except DocumentError as problem:
        raise NotPossible(str(problem)) from problem


def population(scope: dict[str, Any], *, now: datetime) -> QuerySet[Identity]:
    """Everybody in it; retired identities never."""
    return policy_scope.in_scope(document(scope), now=now)


def words(scope: dict[str, Any]) -> str:
    """ "kind agent" or "Every identity"."""
    return policy_words.of_scope(document(scope).scope or Scope())
