"""Standing credentials that are older than the policy of their case keeps as they are.

Owns the sentence why one is not answered plain keep. Replacing it by a date and revoking it stay
open, so an old key goes by a plan or at once, never on by habit.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from identities.models import Credential
from reviews.models import Case, Item

FIELD = "keep_standing_at_most_days"


def why_not_keep(case: Case, item: Item, *, now: datetime) -> str | None:
    """Why this item of a case is not answered keep; None where it may be."""
    return why_not_keep_all(case, [item], now=now).get(item.pk)


def why_not_keep_all(case: Case, items: Iterable[Item], *, now: datetime) -> dict[UUID, str]:
    """The same for all items of a case, in one query; those that may be kept are left out."""
    most = most_days(case)
    if most is None:
        return {}
    refs = {item.pk: item.ref for item in items if item.kind == "credential" and item.ref}
    known = Credential.objects.in_bulk(list(refs.values()))
    said = {pk: of(known[ref], most, now=now) for pk, ref in refs.items() if ref in known}
    return {pk: why for pk, why in said.items() if why is not None}


def most_days(case: Case) -> int | None:
    """How old a standing credential may be by the policy of this case; None: as old as it is."""
    return None if case.policy is None else case.policy.document.get(FIELD)


def of(credential: Credential, most: int, *, now: datetime) -> str | None:
    """The sentence for one credential and so many days."""
    if not credential.standing or credential.state in ("revoked", "expired"):
        return None
    if credential.issued_at is None:
        return (
            f"How long {credential.short} has been standing is not known, and the policy keeps one"
            f" as it is for at most {most:,} days: replace it by a date, or revoke it."
        )
    days = (now - credential.issued_at).days
    if days <= most:
        return None
    return (
        f"{credential.short} has been standing for {days:,} days, and the policy keeps one as it is"
        f" for at most {most:,}: replace it by a date, or revoke it."
    )
