"""In which order somebody takes over: backup, sponsor, team, manager; each the next who is there.

Owns the order and who is there at a moment, read once for a sweep. Changes nothing.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from uuid import UUID

from identities import presence
from identities.models import Identity, Membership, Party, Service


class Heirs:
    """Who could take over from one party at `now`."""

    def __init__(self, was: Party, *, now: datetime) -> None:
        self.was, self.now = was, now

    @cached_property
    def there(self) -> dict[UUID, Party]:
        """Every party somebody stands for."""
        rows = presence.there(now=self.now).select_related("person", "team")
        return {one.pk: one for one in rows}

    @cached_property
    def teams(self) -> list[UUID]:
        """The teams they are in, then those they were in, the latest first."""
        if self.was.person_id is None:
            return []
        mine = Membership.objects.filter(person=self.was.person_id, superseded_at__isnull=True)
        current = mine.filter(during__contains=self.now).order_by("team__name")
        ended = mine.filter(during__endswith__lte=self.now).order_by("-during__endswith")
        order = [*current.values_list("team", flat=True), *ended.values_list("team", flat=True)]
        known = dict(Party.objects.filter(team__in=order).values_list("team", "pk"))
        return [known[team] for team in dict.fromkeys(order) if team in known]

    @cached_property
    def manager(self) -> UUID | None:
        """Whom they report to, as far as anybody said."""
        if self.was.person is None or self.was.person.manager_id is None:
            return None
        rows = Party.objects.filter(person=self.was.person.manager_id)
        return rows.values_list("pk", flat=True).first()

    def of_identity(self, identity: Identity, tried: Iterable[UUID] = ()) -> Party | None:
        """Backup, sponsor, the team; after them whoever owns the service it serves, and at last
        the manager."""
        order = [identity.backup_id, identity.sponsor_id, *self.teams]
        if identity.service is not None:
            one = identity.service
            order += [one.owner_id, one.backup_id, one.sponsor_id]
        return self._first([*order, self.manager], tried)

    def of_service(self, service: Service, tried: Iterable[UUID] = ()) -> Party | None:
        """Its backup, its sponsor, the team, the manager."""
        order = [service.backup_id, service.sponsor_id, *self.teams, self.manager]
        return self._first(order, tried)

    def of_grant(self, identity: Identity, tried: Iterable[UUID] = ()) -> Party | None:
        """Whoever answers for the identity that holds the delegation."""
        order = [identity.owner_id, identity.backup_id, identity.sponsor_id]
        return self._first(order, tried)

    def _first(self, order: Iterable[UUID | None], tried: Iterable[UUID]) -> Party | None:
        barred = {self.was.pk, *tried}
        for one in order:
            if one is not None and one not in barred and one in self.there:
                return self.there[one]
        return None
