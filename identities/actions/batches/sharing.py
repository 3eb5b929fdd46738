"""Who else uses a credential or a name: said before it is cut, with how sure that is.

Owns the three words. Exact: another identity is confirmed to be who acts with it. Key: runs of
others were seen to use it. Cannot be told: several share it, and events do not say which one acted.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from evidence.models import Actor
from identities.models import Binding, Credential, CredentialAgent

EXACT, KEY, UNTOLD = "exact", "key", "cannot be told"


class Use(NamedTuple):
    """Somebody else, and how that is known."""

    name: str
    how: str


def of(
    credentials: Sequence[Credential], names: Iterable[Actor], root: UUID, *, now: datetime
) -> tuple[dict[UUID, list[Use]], list[Use]]:
    """(by credential, of the root's own names): who else uses them. Four queries at most."""
    own = {one.pk for one in names}
    lines = {one.pk: _line(one) for one in credentials}
    keys = [one.actor_id for one in credentials]
    agents = _agents(keys)
    actors = own | {pk for line in lines.values() for pk in line}
    actors |= {pk for found in agents.values() for pk in found}
    bound = _bound(actors, now=now)
    called = dict(
        Actor.objects.filter(pk__in={pk for found in agents.values() for pk in found}).values_list(
            "pk", "value"
        )
    )
    found = {}
    for one in credentials:
        mine = root if one.identity_id is None else one.identity_id
        uses = _bound_to(lines[one.pk], bound, mine)
        uses += _seen(agents.get(one.actor_id, set()), bound, called, mine)
        if one.identity_id not in (None, root) and one.identity is not None:
            uses.append(Use(one.identity.name, EXACT))
        found[one.pk] = _once(uses)
    return found, _once(_bound_to(own, bound, root))


def _line(one: Credential) -> set[int]:
    """The names by which events with this credential are told to be somebody's."""
    above = (one.actor_id, one.actor.parent_id, one.issued_to_id, one.seen_with_id)
    return {pk for pk in above if pk is not None}


def _agents(keys: Sequence[int]) -> dict[int, set[int]]:
    """Who uses these keys as runs show it: an agent, or a service where none is named."""
    rows = list(
        CredentialAgent.objects.filter(credential_actor__in=keys)
        .values_list("credential_actor", "agent_actor", "service_actor")
        .distinct()
    )
    behind = {(key, service) for key, agent, service in rows if agent != service}
    found: dict[int, set[int]] = {}
    for key, agent, service in rows:
        if agent != service or (key, service) not in behind:
            found.setdefault(key, set()).add(agent)
    return found


def _bound(actors: Iterable[int], *, now: datetime) -> dict[int, list[Binding]]:
    rows = Binding.objects.filter(
        actor__in=set(actors), state="confirmed", superseded_at__isnull=True, during__contains=now
    )
    found: dict[int, list[Binding]] = {}
    for row in rows.select_related("identity").order_by("identity__name"):
        found.setdefault(row.actor_id, []).append(row)
    return found


def _bound_to(actors: Iterable[int], bound: Mapping[int, list[Binding]], mine: UUID) -> list[Use]:
    return [
        Use(row.identity.name, UNTOLD if row.shared else EXACT)
        for actor in actors
        for row in bound.get(actor, ())
        if row.identity_id != mine
    ]


def _seen(
    agents: Iterable[int], bound: Mapping[int, list[Binding]], called: Mapping[int, str], mine: UUID
) -> list[Use]:
    found = []
    for agent in agents:
        rows = bound.get(agent, [])
        if any(row.identity_id == mine for row in rows):
            continue
        name = rows[0].identity.name if rows else called.get(agent, "an agent without a name")
        found.append(Use(name, KEY))
    return found


def _once(uses: Iterable[Use]) -> list[Use]:
    """Each name once, with the surest word."""
    order = (EXACT, KEY, UNTOLD)
    found: dict[str, str] = {}
    for name, how in uses:
        if name not in found or order.index(how) < order.index(found[name]):
            found[name] = how
    return [Use(name, found[name]) for name in sorted(found)]
