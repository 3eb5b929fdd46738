"""Ending what a person who has left could sign in with: logins are switched off, tokens revoked.

Owns only that; what they answered for is settled above. An administrator can switch a login on
again; a token is made anew.
"""

from datetime import datetime

from django.db import transaction

from evidence import ledger
from evidence.words import counted
from identities.acting import By, acting
from identities.models import ApiToken, Person, User


def end_access(*, person: Person, by: By, now: datetime, because: str) -> list[str]:
    """Nothing of theirs signs in any more; what was ended, in sentences."""
    with transaction.atomic():
        logins = list(
            User.objects.select_for_update(of=("self",))
            .filter(person=person, is_active=True)
            .order_by("username")
        )
        User.objects.filter(pk__in=[one.pk for one in logins]).update(is_active=False)
        tokens = ApiToken.objects.filter(
            user__person=person, revoked_at__isnull=True, expires_at__gt=now
        ).update(revoked_at=now)
        said = [f"The login {one.username} was switched off." for one in logins]
        if tokens:
            said.append(f"{counted(tokens, 'API token was', 'API tokens were')} revoked.")
        if said:
            who = acting(by)
            ledger.append(
                at=now,
                by=who.ref,
                by_name=who.name,
                act="person.access_ended",
                subject=f"person:{person.pk}",
                words=f"{person.name}: {' '.join(said)} {because}"[:1_000],
                data={"logins": [str(one.pk) for one in logins], "tokens": tokens},
            )
    return said
