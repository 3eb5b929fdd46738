"""Reviews that are due by policy: opened once, in the order of the identities' numbers.

Owns the opening; which are due is reviews/policy_scope.py. An identity has one open review at a
time whatever opens it (opening.py), and what has just been reviewed is not due.
"""

from datetime import datetime

from django.db import transaction

from identities.acting import COUNTERSIGN
from identities.models import Identity
from identities.permissions import NotPossible
from reviews import policy_scope
from reviews.models import ReviewPolicy
from reviews.policy_document import Document

from . import policy_versions
from .opening import open_review


def open_due(*, now: datetime, most: int = 50) -> int:
    """Open at most so many of the reviews that are due now; how many it opened."""
    opened = 0
    for policy in policy_versions.all_signed():
        document = policy_versions.document_of(policy)
        rows = policy_scope.due(document, now=now).order_by("number")
        for identity in rows[: most - opened] if document.every_days is not None else ():
            opened += _open(identity, policy, document, now=now)
    return opened


def _open(identity: Identity, policy: ReviewPolicy, document: Document, *, now: datetime) -> bool:
    """Two workers at once wait for each other at the identity; the second finds it not due."""
    with transaction.atomic():
        Identity.objects.select_for_update(no_key=True).get(pk=identity.pk)
        if not policy_scope.due(document, now=now).filter(pk=identity.pk).exists():
            return False
        try:
            open_review(
                identity=identity,
                by=COUNTERSIGN,
                now=now,
                reason=f"Due by {policy}: every {document.every_days:,} days",
                policy=policy,
            )
        except NotPossible:
            return False
    return True
