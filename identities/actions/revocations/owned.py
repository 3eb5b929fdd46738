"""What we may have to act on in one outside system, by account: what `doctor` asks its rights for.

Owns the look at bindings and credentials. Which of them are targets is each system's to say.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from evidence.models import Actor
from identities.enforcers.contract import Target
from identities.models import Binding, Credential

from .systems import MOST_CHECKED, NoTarget

type OfNames = Callable[[Iterable[Actor]], list[Target]]
type OfCredential = Callable[[Credential, Sequence[Actor], datetime], Target | None]


def owned(
    accounts: Iterable[str],
    targets: Iterable[Target],
) -> dict[str, list[Target]]:
    """These targets by account, of those that are set up, also of one that has none."""
    found: dict[str, list[Target]] = {account: [] for account in accounts}
    for one in targets:
        if one.account in found:
            found[one.account].append(one)
    return found


def bound(
    of_names: OfNames, realms: Collection[str], kinds: Collection[str], *, now: datetime
) -> list[Target]:
    """What the names of these realms and kinds stand for that are confirmed to be identities."""
    rows = (
        Binding.objects.filter(
            state="confirmed",
            superseded_at__isnull=True,
            during__contains=now,
            actor__realm__in=realms,
            actor__kind__in=kinds,
        )
        .exclude(identity__state="retired")
        .select_related("actor__parent")
        .order_by("-recorded_at")
    )
    return of_names([row.actor for row in rows[:MOST_CHECKED]])


def live(
    of_credential: OfCredential, realms: Collection[str], kinds: Collection[str], *, now: datetime
) -> list[Target]:
    """The targets that active credentials of these realms and kinds are, the newest first."""
    rows = Credential.objects.filter(
        state="active", actor__kind__in=kinds, actor__realm__in=realms
    ).select_related("actor__parent", "issued_to", "seen_with")
    found = []
    for row in rows.order_by("-number")[:MOST_CHECKED]:
        try:
            target = of_credential(row, [], now)
        except NoTarget:
            continue
        if target is not None:
            found.append(target)
    return found
