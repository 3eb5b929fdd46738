"""Which identities a campaign is about: the policy's scope, and what the campaign leaves of it.

Owns how a campaign narrows its policy. What the words of a scope mean is reviews/policy_scope.py.
"""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from identities.models import Identity
from identities.permissions import NotPossible
from reviews import policy_scope
from reviews.actions import policy_versions
from reviews.models import ReviewPolicy
from reviews.policy_document import Document, DocumentError


def narrowing(scope: dict[str, Any], policy: ReviewPolicy) -> Document:
    """The scope as a document of its own, or NotPossible with what is wrong with it."""
    try:
        return policy_versions.of_document({"scope": scope}, policy.name)
    except DocumentError as problem:
        raise NotPossible(str(problem)) from problem


def population(policy: ReviewPolicy, scope: dict[str, Any], *, now: datetime) -> QuerySet[Identity]:
    """The identities that would be reviewed, exempt ones left out, retired ones never."""
    document = policy_versions.document_of(policy)
    rows = policy_scope.in_scope(document, now=now)
    if scope:
        inside = policy_scope.in_scope(narrowing(scope, policy), now=now)
        rows = rows.filter(pk__in=inside.values("pk"))
    return rows.exclude(number__in=policy_scope.exempt_numbers(document, now=now))
